"""Finished runs -> rows of a table: one a strategy, over its seeds, beside full-model training."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from data_prep.errors import UserError
from mlilt import record
from mlilt.evaluation.statistics import bootstrap_interval
from mlilt.record import Interval, RunRecord

BASELINE = "full"
DIRECTIONS = ("text_to_image", "image_to_text")
# Runs that differ in one of these are still comparable: it is what is compared, or where it was done.
_FREE = ("strategy", "seed", "lr", "data", "device")

Values = NDArray[np.float64]


class Run(NamedTuple):
    """A finished run: its folder, its record, and the rank of each query by direction."""

    folder: Path
    record: RunRecord
    ranks: dict[str, NDArray[np.int64]]


@dataclass(frozen=True, slots=True)
class Difference:
    """A strategy against full-model training, paired by query, in points of recall@10 (-100 to 100).

    `verdict` is "better" or "worse" if the interval leaves out zero, else "no difference shown".
    """

    interval: Interval
    verdict: str


@dataclass(frozen=True, slots=True)
class Row:
    """One strategy in one group; means over its seeds. Recalls are shares, 0 to 1.

    Attributes:
        strategy: its name.
        seeds: seeds of its runs.
        trained: parameters trained in the text tower.
        projections: parameters of projections and temperature, trained by every strategy.
        share: trained parameters, projections and temperature included, over all of text tower, these included.
        figures: by direction: "recall_at_1", "recall_at_5", "recall_at_10", "mrr", each with an interval.
        by_source: by source, text -> image recall@10.
        difference: against full-model training, by direction; None if the group has no such runs.
        share_of_full: text -> image recall@10 over that of full-model training.
        wall_s, cpu_s: seconds of training steps.
        captions_per_s, pairs_per_s: training rates.
        peak_bytes: peak memory of the process, or of the GPU where training ran on one.
        saved_bytes: size of the trained weights.
    """

    strategy: str
    seeds: list[int]
    trained: int
    projections: int
    share: float
    figures: dict[str, dict[str, Interval]]
    by_source: dict[str, float]
    difference: dict[str, Difference] | None
    share_of_full: float | None
    wall_s: float
    cpu_s: float
    captions_per_s: float
    pairs_per_s: float
    peak_bytes: int
    saved_bytes: int


@dataclass(frozen=True, slots=True)
class Group:
    """Runs that are comparable: same data, towers and settings, different strategies and seeds."""

    language: str
    setting: dict[str, Any]
    data_sha256: str
    machine: dict[str, Any]
    runs: list[Run] = field(repr=False)
    rows: list[Row]

    @property
    def title(self) -> str:
        """For people."""
        s = self.setting
        return f"{self.language}: {s['text']} + {s['vision']}, {s['epochs']} epochs, {s['precision_used']}"

    @property
    def sources(self) -> list[str]:
        """Sources that have figures of their own."""
        return list(self.rows[0].by_source)


def read_run(folder: Path) -> Run:
    """Reads a finished run.

    Raises:
        UserError: there is none, or its files cannot be read.
    """
    about = record.read(folder)
    ranks: dict[str, list[int]] = {direction: [] for direction in DIRECTIONS}
    try:
        with (folder / record.QUERIES).open(encoding="utf-8") as file:
            for line in map(json.loads, file):
                ranks[line["direction"]].append(line["rank"])
    except (OSError, ValueError, KeyError) as error:
        raise UserError(
            f"{folder / record.QUERIES} cannot be read: {error!r}. Train the run again with --force."
        ) from error
    return Run(folder, about, {direction: np.array(found) for direction, found in ranks.items()})


def group(runs: Sequence[Run]) -> list[Group]:
    """Sorts runs into comparable groups and makes each group's rows, cheapest strategy first."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(json.dumps(_setting(run.record), sort_keys=True), []).append(run)
    return [_group(members) for _, members in sorted(groups.items())]


def _setting(about: RunRecord) -> dict[str, Any]:
    shared = {key: value for key, value in about.config.outcome().items() if key not in _FREE}
    machine = {key: about.machine.get(key) for key in ("cpu", "cores", "gpu")}
    weights = {"text_sha256": about.text.sha256, "vision_sha256": about.vision.sha256}
    used = {"precision_used": about.precision, "device_used": about.device}
    return {**shared, **used, **weights, "data_sha256": about.data_sha256, "machine": machine}


def _group(members: list[Run]) -> Group:
    by_strategy: dict[str, list[Run]] = {}
    for run in sorted(members, key=lambda r: r.record.config.seed):
        by_strategy.setdefault(run.record.config.strategy, []).append(run)
    full = by_strategy.get(BASELINE)
    rows = [_row(name, runs, full) for name, runs in by_strategy.items()]
    about = members[0].record
    return Group(
        language=about.config.lang,
        setting=_setting(about),
        data_sha256=about.data_sha256,
        machine=about.machine,
        runs=members,
        rows=sorted(rows, key=lambda row: (row.trained, row.strategy)),
    )


def _row(name: str, runs: list[Run], full: list[Run] | None) -> Row:
    records = [run.record for run in runs]
    figures = {direction: _figures(runs, direction) for direction in DIRECTIONS}
    difference = share_of_full = None
    if full is not None and name != BASELINE:
        difference = {direction: _difference(runs, full, direction) for direction in DIRECTIONS}
        reached = _hits(full, "text_to_image", 10).mean()
        share_of_full = figures["text_to_image"]["recall_at_10"].value / reached if reached else None
    sources = [source for source in records[0].results if source != "all"]
    return Row(
        strategy=name,
        seeds=[r.config.seed for r in records],
        trained=records[0].trained.count,
        projections=records[0].trained.projections + records[0].trained.temperature,
        share=records[0].trained.share,
        figures=figures,
        by_source={s: _mean([r.results[s].text_to_image.recall_at_10.value for r in records]) for s in sources},
        difference=difference,
        share_of_full=share_of_full,
        wall_s=_mean([r.costs.wall_s for r in records]),
        cpu_s=_mean([r.costs.cpu_s for r in records]),
        captions_per_s=_mean([r.costs.captions_per_s for r in records]),
        pairs_per_s=_mean([r.costs.pairs_per_s for r in records]),
        peak_bytes=max(r.costs.peak_cuda_bytes or r.costs.peak_rss_bytes or 0 for r in records),
        saved_bytes=records[0].costs.saved_bytes,
    )


def _hits(runs: Sequence[Run], direction: str, k: int) -> Values:
    """For each query the share of seeds that have a right answer among the first k."""
    hits: Values = np.mean([run.ranks[direction] <= k for run in runs], axis=0)
    return hits


def _figures(runs: Sequence[Run], direction: str) -> dict[str, Interval]:
    per_query = {f"recall_at_{k}": _hits(runs, direction, k) for k in (1, 5, 10)}
    per_query["mrr"] = np.mean([1.0 / run.ranks[direction] for run in runs], axis=0)
    return {name: _interval(values) for name, values in per_query.items()}


def _difference(runs: Sequence[Run], full: Sequence[Run], direction: str) -> Difference:
    interval = _interval(100 * (_hits(runs, direction, 10) - _hits(full, direction, 10)))
    verdict = "better" if interval.low > 0 else "worse" if interval.high < 0 else "no difference shown"
    return Difference(interval, verdict)


def _interval(values: Values) -> Interval:
    low, high = bootstrap_interval(values, lambda drawn: drawn.mean(-1))
    return Interval(value=float(values.mean()), low=low, high=high)


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))
