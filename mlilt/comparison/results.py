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
from mlilt.evaluation.statistics import bootstrap_interval, clusters
from mlilt.record import Interval, RunRecord

BASELINE = "full"
DIRECTIONS = ("text_to_image", "image_to_text")
# Runs that differ in one of these are still comparable: it is what is compared, or where it was done.
_FREE = ("strategy", "seed", "lr", "data", "device", "precision")

Values = NDArray[np.float64]


class Asked(NamedTuple):
    """Queries of one direction in one pool: their concepts, and their ranks."""

    concepts: list[str]
    ranks: NDArray[np.int64]


class Run(NamedTuple):
    """A finished run: its folder, its record, and what was asked, by direction and pool."""

    folder: Path
    record: RunRecord
    asked: dict[tuple[str, str], Asked]


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
        lr: peak learning rate of the text tower.
        seeds: seeds of its runs.
        trained: parameters trained in the text tower.
        projections: parameters of projections and temperature, trained by every strategy.
        share: trained parameters, projections and temperature included, over all of text tower, these included.
        figures: by direction: "recall_at_1", "recall_at_5", "recall_at_10", "median_rank", "mrr", with intervals.
        by_source: by source, text -> image recall@10.
        difference: against full-model training, by direction; None if the group has no such runs.
        share_of_full: text -> image recall@10 over that of full-model training.
        wall_s, cpu_s: seconds of training steps.
        captions_per_s, pairs_per_s: training rates.
        peak_bytes: peak memory of the process, or of the GPU where training ran on one.
        saved_bytes: size of the trained weights.
    """

    strategy: str
    lr: float
    seeds: list[int]
    trained: int
    projections: int
    share: float
    figures: dict[str, dict[str, Interval]]
    by_source: dict[str, Interval]
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
    """Runs that are comparable: same data, towers and settings, different strategies and seeds.

    `repetitions` names runs that are left out, being of the same strategy, learning rate and seed as another.
    """

    language: str
    setting: dict[str, Any]
    data_sha256: str
    machine: dict[str, Any]
    runs: list[Run] = field(repr=False)
    rows: list[Row]
    repetitions: list[str]

    @property
    def title(self) -> str:
        """For people."""
        s = self.setting
        return f"{self.language}: {s['text']} + {s['vision']}, {s['epochs']} epochs, {s['precision_used']}"

    def members(self, row: Row) -> list[Run]:
        """The runs of a row, by seed."""
        return [r for r in self.runs if (r.record.config.strategy, r.record.config.lr) == (row.strategy, row.lr)]

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
    found: dict[tuple[str, str], tuple[list[str], list[int]]] = {}
    try:
        with (folder / record.QUERIES).open(encoding="utf-8") as file:
            for line in map(json.loads, file):
                for pool, rank in line["ranks"].items():
                    concepts, ranks = found.setdefault((line["direction"], pool), ([], []))
                    concepts.append(line["concept"])
                    ranks.append(rank)
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise UserError(
            f"{folder / record.QUERIES} cannot be read: {error!r}. Train the run again with --force."
        ) from error
    return Run(folder, about, {key: Asked(concepts, np.array(ranks)) for key, (concepts, ranks) in found.items()})


def group(runs: Sequence[Run]) -> list[Group]:
    """Sorts runs into comparable groups and makes each group's rows, cheapest strategy first."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(setting_key(run.record), []).append(run)
    return [_group(members) for _, members in sorted(groups.items())]


def _setting(about: RunRecord) -> dict[str, Any]:
    shared = {key: value for key, value in about.config.outcome().items() if key not in _FREE}
    machine = {key: about.machine.get(key) for key in ("cpu", "cores", "gpu")}
    weights = {"text_sha256": about.text.sha256, "vision_sha256": about.vision.sha256}
    used = {"precision_used": about.precision, "device_used": about.device}
    return {**shared, **used, **weights, "data_sha256": about.data_sha256, "machine": machine}


def setting_key(about: RunRecord) -> str:
    """Equal for runs that are comparable."""
    return json.dumps(_setting(about), sort_keys=True)


def _group(members: list[Run]) -> Group:
    rows: dict[tuple[str, float], dict[int, Run]] = {}
    repetitions = []
    for run in sorted(members, key=lambda r: (r.record.config.seed, r.folder.name)):
        config = run.record.config
        assert config.lr is not None
        kept = rows.setdefault((config.strategy, config.lr), {}).setdefault(config.seed, run)
        if kept is not run:
            repetitions.append(f"{run.folder.name} (= {kept.folder.name})")
    full = next((list(runs.values()) for (name, _), runs in rows.items() if name == BASELINE), None)
    about = members[0].record
    made = [_row(name, lr, list(runs.values()), full) for (name, lr), runs in rows.items()]
    return Group(
        language=about.config.lang,
        setting=_setting(about),
        data_sha256=about.data_sha256,
        machine=about.machine,
        runs=[run for runs in rows.values() for run in runs.values()],
        rows=sorted(made, key=lambda row: (row.trained, row.strategy, row.lr)),
        repetitions=repetitions,
    )


def _row(name: str, lr: float, runs: list[Run], full: list[Run] | None) -> Row:
    records = [run.record for run in runs]
    figures = {direction: _figures(runs, direction) for direction in DIRECTIONS}
    difference = share_of_full = None
    if full is not None and runs != full:
        difference = {direction: _difference(runs, full, direction) for direction in DIRECTIONS}
        reached = _hits(full, "text_to_image", 10).mean()
        share_of_full = figures["text_to_image"]["recall_at_10"].value / reached if reached else None
    sources = [source for source in records[0].results if source != "all"]
    return Row(
        strategy=name,
        lr=lr,
        seeds=[r.config.seed for r in records],
        trained=records[0].trained.count,
        projections=records[0].trained.projections + records[0].trained.temperature,
        share=records[0].trained.share,
        figures=figures,
        by_source={source: _figures(runs, "text_to_image", source)["recall_at_10"] for source in sources},
        difference=difference,
        share_of_full=share_of_full,
        wall_s=_mean([r.costs.wall_s for r in records]),
        cpu_s=_mean([r.costs.cpu_s for r in records]),
        captions_per_s=_mean([r.costs.captions_per_s for r in records]),
        pairs_per_s=_mean([r.costs.pairs_per_s for r in records]),
        peak_bytes=max(r.costs.peak_cuda_bytes or r.costs.peak_rss_bytes or 0 for r in records),
        saved_bytes=records[0].costs.saved_bytes,
    )


def _hits(runs: Sequence[Run], direction: str, k: int, pool: str = "all") -> Values:
    """For each query the share of seeds that have a right answer among the first k."""
    hits: Values = np.mean([run.asked[direction, pool].ranks <= k for run in runs], axis=0)
    return hits


def _figures(runs: Sequence[Run], direction: str, pool: str = "all") -> dict[str, Interval]:
    asked = [run.asked[direction, pool] for run in runs]
    concepts = asked[0].concepts
    per_query = {f"recall_at_{k}": _hits(runs, direction, k, pool) for k in (1, 5, 10)}
    per_query["mrr"] = np.mean([1.0 / a.ranks for a in asked], axis=0)
    found = {name: _interval(values, concepts) for name, values in per_query.items()}
    # The median of each seed, and of those the mean.
    ranks = np.stack([clusters(a.ranks, concepts) for a in asked], axis=-1)
    medians = [float(np.median(a.ranks)) for a in asked]
    low, high = bootstrap_interval(
        ranks.reshape(len(ranks), -1),
        lambda drawn: np.nanmedian(drawn.reshape(len(drawn), -1, len(asked)), axis=1).mean(-1),
    )
    return {**found, "median_rank": Interval(value=_mean(medians), low=low, high=high)}


def _difference(runs: Sequence[Run], full: Sequence[Run], direction: str) -> Difference:
    change = 100 * (_hits(runs, direction, 10) - _hits(full, direction, 10))
    interval = _interval(change, runs[0].asked[direction, "all"].concepts)
    verdict = "better" if interval.low > 0 else "worse" if interval.high < 0 else "no difference shown"
    return Difference(interval, verdict)


def _interval(values: Values, concepts: Sequence[str]) -> Interval:
    low, high = bootstrap_interval(clusters(values, concepts), lambda drawn: np.nanmean(drawn, axis=-1))
    return Interval(value=float(values.mean()), low=low, high=high)


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))
