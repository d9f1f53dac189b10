"""Finished runs -> rows of a table: one a method, over its seeds, beside full-model training."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from data_prep.errors import UserError
from mlilt import record
from mlilt.config import FROZEN, RunConfig
from mlilt.evaluation.statistics import bootstrap_interval, clusters
from mlilt.record import Interval, Retrieval, RunRecord

DIRECTIONS = ("text_to_image", "image_to_text")
# Runs that differ in these are still comparable. The first are what is compared, the others only say how and where it
# was computed; precision and device are told by what they came to, which has to be the same.
_COMPARED = ("strategy", "vision_strategy", "always_freeze", "vision_always_freeze", "lr", "vision_lr", "seed")
_COMPUTED = ("data", "device", "precision", "chunk_size", "compile", "activation_checkpointing")

Values = NDArray[np.float64]


class Towers(NamedTuple):
    """What trains in both towers: their strategies, and blocks that never train."""

    text: str
    vision: str = FROZEN
    text_freeze: tuple[int, ...] = ()
    vision_freeze: tuple[int, ...] = ()

    @classmethod
    def of(cls, config: RunConfig) -> Towers:
        """That of a run."""
        frozen = tuple(config.always_freeze), tuple(config.vision_always_freeze)
        return cls(config.strategy, config.vision_strategy or FROZEN, *frozen)

    @property
    def vision_trains(self) -> bool:
        """Whether anything of the vision tower does."""
        return self.vision != FROZEN


# Full-model training: of the text tower alone, as LiT does, or of both towers, as CLIP does.
LIT = Towers("full")
CLIP = Towers("full", "full")


class Method(NamedTuple):
    """What makes a row: all that is compared but the seed. Learning rates are at their peak."""

    towers: Towers
    lr: float
    vision_lr: float | None

    @classmethod
    def of(cls, config: RunConfig) -> Method:
        """That of a run, whose settings leave nothing open."""
        assert config.lr is not None
        return cls(Towers.of(config), config.lr, config.vision_lr)


class Asked(NamedTuple):
    """Queries of one direction in one pool: their concepts, and their ranks."""

    concepts: list[str]
    ranks: NDArray[np.int64]


class Run(NamedTuple):
    """A finished run as evaluated on one language: what was asked in it, by direction and pool."""

    folder: Path
    record: RunRecord
    language: str
    asked: dict[tuple[str, str], Asked]

    @property
    def results(self) -> dict[str, Retrieval]:
        """Figures on the language's test split: "all", and by source."""
        return self.record.results[self.language]

    @property
    def method(self) -> Method:
        """How it was trained."""
        return Method.of(self.record.config)


@dataclass(frozen=True, slots=True)
class Difference:
    """A method against full-model training, paired by query, in points of recall@10 (-100 to 100).

    `verdict` is "better" or "worse" if the interval leaves out zero, else "no difference shown".
    """

    interval: Interval
    verdict: str


@dataclass(frozen=True, slots=True)
class Row:
    """One method in one group; means over its seeds. Recalls are shares, 0 to 1.

    Attributes:
        strategy, vision_strategy: of the text tower and of the vision tower, "frozen" where nothing of it trains.
        always_freeze, vision_always_freeze: blocks of the two that never train.
        lr, vision_lr: peak learning rates of the two; None for a vision tower that is frozen.
        seeds: seeds of its runs.
        processes: in how many each of its runs trained.
        trained: parameters trained in both towers.
        trained_text, trained_vision: parameters trained in each.
        projections: parameters of projections, temperature and bias, trained by every method.
        share: trained parameters, projections included, over all of both towers, projections included.
        figures: by direction: "recall_at_1", "recall_at_5", "recall_at_10", "median_rank", "mrr", with intervals.
        by_source: by source, text -> image recall@10.
        baseline: the strategies of the full-model training that it is held against, as `RunConfig.method` spells
            them; None if the group has none, or it is that itself.
        difference: against the baseline, by direction.
        share_of_full: text -> image recall@10 over that of the baseline.
        wall_s, cpu_s: seconds of training steps.
        captions_per_s, pairs_per_s: training rates.
        peak_bytes: peak memory of the process, or of the GPU where training ran on one.
        saved_bytes: size of the trained weights.
    """

    strategy: str
    vision_strategy: str
    always_freeze: tuple[int, ...]
    vision_always_freeze: tuple[int, ...]
    lr: float
    vision_lr: float | None
    seeds: list[int]
    processes: list[int]
    trained: int
    trained_text: int
    trained_vision: int
    projections: int
    share: float
    figures: dict[str, dict[str, Interval]]
    by_source: dict[str, Interval]
    baseline: str | None
    difference: dict[str, Difference] | None
    share_of_full: float | None
    wall_s: float
    cpu_s: float
    captions_per_s: float
    pairs_per_s: float
    peak_bytes: int
    saved_bytes: int

    @property
    def towers(self) -> Towers:
        """What trains in both towers."""
        return Towers(self.strategy, self.vision_strategy, self.always_freeze, self.vision_always_freeze)

    @property
    def method(self) -> Method:
        """All that sets it apart from the group's other rows."""
        return Method(self.towers, self.lr, self.vision_lr)


@dataclass(frozen=True, slots=True)
class Group:
    """Runs that are comparable: same language asked, data, towers and settings, different methods and seeds.

    `repetitions` names runs that are left out, being of the same method and seed as another. `baselines` are the rows
    of full-model training that others are held against, one a kind.
    """

    language: str
    setting: dict[str, Any]
    data_sha256: str
    machine: dict[str, Any]
    runs: list[Run] = field(repr=False)
    rows: list[Row]
    repetitions: list[str]
    baselines: dict[Towers, Row]

    @property
    def trained_on(self) -> list[str]:
        """The languages that its runs were trained on."""
        return str(self.setting["lang"]).split("+")

    def baseline(self, row: Row) -> Row | None:
        """The row of full-model training that a row is held against."""
        kind = baseline(row.towers, self.baselines)
        return None if kind is None or row.difference is None else self.baselines[kind]

    def members(self, row: Row) -> list[Run]:
        """The runs of a row, by seed."""
        return [run for run in self.runs if run.method == row.method]

    @property
    def sources(self) -> list[str]:
        """Sources that have figures of their own."""
        return list(self.rows[0].by_source)


def read_run(folder: Path) -> list[Run]:
    """Reads a finished run: once for each language that it was evaluated on.

    Raises:
        UserError: there is none, or its files cannot be read.
    """
    about = record.read(folder)
    found: dict[str, dict[tuple[str, str], tuple[list[str], list[int]]]] = {code: {} for code in about.results}
    try:
        with (folder / record.QUERIES).open(encoding="utf-8") as file:
            for line in map(json.loads, file):
                for pool, rank in line["ranks"].items():
                    asked = found[line["language"]].setdefault((line["direction"], pool), ([], []))
                    asked[0].append(line["concept"])
                    asked[1].append(rank)
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise UserError(
            f"{folder / record.QUERIES} cannot be read: {error!r}. Train the run again with --force."
        ) from error
    return [
        Run(folder, about, code, {key: Asked(concepts, np.array(ranks)) for key, (concepts, ranks) in asked.items()})
        for code, asked in found.items()
    ]


def group(runs: Sequence[Run]) -> list[Group]:
    """Sorts runs into comparable groups and makes each group's rows, cheapest method first."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(setting_key(run), []).append(run)
    return [_group(members) for _, members in sorted(groups.items())]


def _setting(about: RunRecord) -> dict[str, Any]:
    shared = {key: v for key, v in about.config.outcome().items() if key not in (*_COMPARED, *_COMPUTED)}
    machine = {key: about.machine.get(key) for key in ("cpu", "cores", "gpu")}
    weights = {"text_sha256": about.text.sha256, "vision_sha256": about.vision.sha256}
    used = {"precision_used": about.precision, "device_used": about.device}
    return {**shared, **used, **weights, "data_sha256": about.data_sha256, "machine": machine}


def setting_key(run: Run) -> str:
    """Equal for runs that are comparable."""
    return json.dumps([run.language, _setting(run.record)], sort_keys=True)


def baseline(towers: Towers, there: Collection[Towers]) -> Towers | None:
    """The full-model training to hold a method against: what trains the vision tower if it does, else the other."""
    order = (CLIP, LIT) if towers.vision_trains else (LIT, CLIP)
    return next((kind for kind in order if kind in there), None)


def _group(members: list[Run]) -> Group:
    rows: dict[Method, dict[int, Run]] = {}
    repetitions = []
    for run in sorted(members, key=lambda r: (r.record.config.seed, r.folder.name)):
        kept = rows.setdefault(run.method, {}).setdefault(run.record.config.seed, run)
        if kept is not run:
            repetitions.append(f"{run.folder.name} (= {kept.folder.name})")
    found = {method: list(by_seed.values()) for method, by_seed in rows.items()}
    # Of several learning rates the one that was there first.
    full = {kind: next((m for m in found if m.towers == kind), None) for kind in (LIT, CLIP)}
    there = {kind: found[method] for kind, method in full.items() if method is not None}
    made = {method: _row(method, runs, there) for method, runs in found.items()}
    about = members[0].record
    return Group(
        language=members[0].language,
        setting=_setting(about),
        data_sha256=about.data_sha256,
        machine=about.machine,
        runs=[run for runs in found.values() for run in runs],
        rows=sorted(made.values(), key=lambda row: (row.trained, row.method.towers, row.lr, row.vision_lr or 0)),
        repetitions=repetitions,
        baselines={kind: made[method] for kind, method in full.items() if method is not None},
    )


def _row(method: Method, runs: list[Run], full: dict[Towers, list[Run]]) -> Row:
    records = [run.record for run in runs]
    figures = {direction: _figures(runs, direction) for direction in DIRECTIONS}
    against = difference = share_of_full = None
    kind = baseline(method.towers, full)
    if kind is not None and all(runs is not those for those in full.values()):
        against = full[kind][0].record.config.method
        difference = {direction: _difference(runs, full[kind], direction) for direction in DIRECTIONS}
        reached = _hits(full[kind], "text_to_image", 10).mean()
        share_of_full = figures["text_to_image"]["recall_at_10"].value / reached if reached else None
    trained = records[0].trained
    return Row(
        strategy=method.towers.text,
        vision_strategy=method.towers.vision,
        always_freeze=method.towers.text_freeze,
        vision_always_freeze=method.towers.vision_freeze,
        lr=method.lr,
        vision_lr=method.vision_lr,
        seeds=[r.config.seed for r in records],
        processes=[r.processes for r in records],
        trained=trained.count,
        trained_text=sum(trained.text.values()),
        trained_vision=sum(trained.vision.values()),
        projections=trained.projections + trained.scalars,
        share=trained.share,
        figures=figures,
        by_source={
            source: _figures(runs, "text_to_image", source)["recall_at_10"]
            for source in runs[0].results
            if source != "all"
        },
        baseline=against,
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
