"""Calibration of the learned temperature: is a query as often right as it is sure?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlilt.alignment import objectives
from mlilt.assessment._base import Asked, Measured, Subject, Thing, each_language
from mlilt.evaluation.calibration import calibration
from mlilt.evaluation.retrieval import compare
from mlilt.record import RunRecord
from mlilt.training.evaluate import embedded


class _Calibration:
    before = False
    figures = ("confidence", "correct")
    needs = "an objective of softmax over a batch, such as info-nce"

    def things(self, about: RunRecord, asked: Sequence[Asked]) -> list[Thing]:
        """Each language that was trained on. A sigmoid of each pair, which has a bias, is no softmax over a pool."""
        if objectives.load(about.config.objective).bias is not None:
            return []
        return each_language([one for one in asked if one.language in about.config.languages])

    def measure(self, subject: Subject, asked: Sequence[Asked]) -> list[Measured]:
        """Text -> image: each query's loss, confidence and whether it is right; a concept's pictures are one answer."""
        [one] = asked
        queries = one.queries
        captions, pictures = embedded(one.split.rows, queries, subject.text(queries.captions), subject.image(one.split))
        similarity, right = compare(captions, pictures)
        found = calibration(similarity, right, subject.about.temperature, alike=pictures.concepts)
        curve = found.given.reliability()
        return [
            Measured(
                test="calibration",
                on=one.language,
                items=one.captions,
                clusters=queries.concepts,
                values={
                    "loss": found.given.losses.tolist(),
                    "confidence": found.given.confidences.tolist(),
                    "correct": found.given.correct.astype(float).tolist(),
                },
                about={
                    "temperature": found.given.temperature,
                    "error": found.error,
                    "best_temperature": found.best.temperature,
                    "best_error": found.best_error,
                    "best_loss": found.best.nll,
                    "edges": curve.edges.tolist(),
                    "counts": curve.counts.tolist(),
                    "bin_confidence": [None if np.isnan(v) else float(v) for v in curve.confidence],
                    "bin_accuracy": [None if np.isnan(v) else float(v) for v in curve.accuracy],
                },
            )
        ]

    def note(self, measured: Measured) -> str:
        """The expected calibration error, and what another temperature would make of it."""
        about = measured.about
        return (
            f"calibration error {100 * about['error']:.1f} % at temperature {about['temperature']:.3f}, "
            f"{100 * about['best_error']:.1f} % at {about['best_temperature']:.3f}"
        )


TEST = _Calibration()
