"""Calibration of the learned temperature: is a query as often right as it is sure?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlilt.assessment._base import Asked, Measured, Subject, refuse_trimmed
from mlilt.evaluation.calibration import calibration
from mlilt.record import RunRecord


class _Calibration:
    before = False

    def things(self, subject: RunRecord, languages: Sequence[str]) -> list[tuple[str, ...]]:
        """Each language that was trained on."""
        return [(language,) for language in subject.config.languages]

    def measure(self, subject: Subject, asked: Sequence[Asked]) -> list[Measured]:
        """Text -> image: each query's loss, confidence and whether it is right; a concept's pictures are one answer."""
        [one] = asked
        refuse_trimmed(subject.about, one.language)
        queries = one.queries
        concepts = np.array([row.concept for row in one.split.rows])
        right = np.array(queries.concepts)[:, None] == concepts[None, :]
        similarity = subject.text(queries.captions) @ subject.image(one.split).T
        found = calibration(similarity, right, subject.about.temperature, alike=concepts)
        curve = found.given.reliability()
        return [
            Measured(
                test="calibration",
                on=one.language,
                items=[f"{concept}: {text}" for concept, text in zip(queries.concepts, queries.captions, strict=True)],
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


TEST = _Calibration()
