"""Swahili, emoji test split, layernorm against full, three seeds, default settings: text → image on 200 concepts."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

import mlilt
from benchmarks._table import show
from data_prep.steps.split import split_of
from mlilt import data
from mlilt.comparison.words import percent, points
from mlilt.evaluation.retrieval import chance_recall, ranks, recall

CONCEPTS = 200
SEEDS = 3
STRATEGIES = ("layernorm", "full")


def run(folder: Path | None = None) -> None:
    """Prints recall on 200 concepts (both vendors' pictures of each), and on all of the test split.

    Args:
        folder: where data and runs go, and are found again; a temporary one by default.
    """
    with tempfile.TemporaryDirectory() as temporary:
        root = folder or Path(temporary)
        prepared = mlilt.prepare("sw", out=root / "sw", progress=False)
        comparison = mlilt.compare(
            "sw", STRATEGIES, SEEDS, root / "runs", root / "report", progress=True, data=str(prepared.folder)
        )
        rows = [r for r in data.read_rows(prepared.folder, "test") if r.source == "cldr-emoji"]
        # A fixed choice that depends on nothing but the concepts' names.
        chosen = sorted({r.concept for r in rows}, key=lambda concept: concept[::-1])[:CONCEPTS]
        assert all(split_of(concept) == "test" for concept in chosen)
        rows = [r for r in rows if r.concept in set(chosen)]
        pictures = dict(data.read_pictures(prepared.folder, "test", {r.image_id for r in rows}))
        captions = {r.concept: r.captions[0] for r in rows}
        right = np.array([[r.concept == concept for r in rows] for concept in captions])
        lines = []
        for row in comparison.groups[0].rows:
            found = []
            for run in comparison.groups[0].members(row):
                model = mlilt.load(run.folder)
                text = model.encode_text(list(captions.values()))
                image = model.encode_image([pictures[r.image_id] for r in rows])
                found.append(ranks(text @ image.T, right))
            at = [" ".join(f"{100 * recall(places, k):.1f}" for places in found) for k in (1, 5, 10)]
            mean = 100 * float(np.mean([recall(places, 10) for places in found]))
            lines.append(
                (
                    row.strategy,
                    f"**{mean:.1f}**",
                    *at,
                    percent(row.figures["text_to_image"]["recall_at_10"]),
                    points(row.difference["text_to_image"].interval) if row.difference else "–",
                )
            )
    show(
        (
            "strategy",
            f"R@10 on {CONCEPTS} concepts, mean",
            "R@1 by seed",
            "R@5 by seed",
            "R@10 by seed",
            "R@10, all sources, mean",
            "minus full, points",
        ),
        lines,
    )
    chance = 100 * chance_recall(right.sum(axis=1), right.shape[1], 10)
    print(f"\n{len(captions)} queries among {len(rows)} pictures; chance R@10 {chance:.1f} %.")
