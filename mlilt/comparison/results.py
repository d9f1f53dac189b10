"""Finished runs -> rows of a table: one a method, over its seeds, beside full-model training."""

from __future__ import annotations

import bisect
import hashlib
import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from data_prep.errors import UserError
from mlilt import record
from mlilt.config import FROZEN, RunConfig
from mlilt.evaluation import statistics
from mlilt.evaluation.statistics import Estimate, Sample
from mlilt.record import Interval, Retrieval, RunRecord

DIRECTIONS = ("text_to_image", "image_to_text")
# Runs that differ in these are still comparable. The first are what is compared, the others only say how and where it
# was computed; precision and device are told by what they came to, which has to be the same.
_COMPARED = ("strategy", "vision_strategy", "always_freeze", "vision_always_freeze", "lr", "vision_lr", "seed")
_COMPUTED = ("data", "device", "precision", "chunk_size", "compile", "activation_checkpointing")

# Captions of up to so many tokens are looked at together.
LENGTHS = (5, 8, 12)
_LENGTH_NAMES = ("1–5 tokens", "6–8 tokens", "9–12 tokens", "13 tokens or more")
# Of fewer concepts a figure says little.
FEWEST_CONCEPTS = 5
ALPHA = 0.05

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


@dataclass(slots=True)
class Asked:
    """Queries of one direction in one pool.

    Attributes:
        queries: unique names: the query's place and its text, or its picture's id.
        concepts, categories: of the queries.
        tokens: how many a caption has; empty for pictures.
        ranks: of the best right answer of each.
        ndcg: nDCG@10 of each.
    """

    queries: list[str] = field(default_factory=list)
    concepts: list[str] = field(default_factory=list)
    categories: list[str] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    ranks: list[int] = field(default_factory=list)
    ndcg: list[float] = field(default_factory=list)

    def values(self, figure: str) -> Values:
        """One value a query: "recall_at_K" (0 or 1), "mrr", "ndcg_at_10" or "rank"."""
        ranks = np.array(self.ranks, dtype=np.float64)
        if figure.startswith("recall_at_"):
            return np.asarray(ranks <= int(figure.removeprefix("recall_at_")), dtype=np.float64)
        return {"mrr": 1 / ranks, "ndcg_at_10": np.array(self.ndcg), "rank": ranks}[figure]


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
    """A method against its reference, paired by query and seed, in points of recall@10 (-100 to 100).

    Attributes:
        interval: the difference.
        p: that there is none, two-sided, adjusted for all methods of the group (Holm).
        verdict: "better" or "worse" if p is below 5 %, else "no difference shown".
    """

    interval: Interval
    p: float
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
        figures: by direction: "recall_at_1", "recall_at_5", "recall_at_10", "median_rank", "mrr", "ndcg_at_10", with
            intervals over queries and seeds.
        by_source: by source, text -> image recall@10, each source its own pool.
        by_category: the same by category of what is asked for, among all pictures.
        by_length: the same by number of tokens of the caption.
        baseline: the strategies of the full-model training that it is held against, as `RunConfig.method` spells
            them; None if the group has none, or it is that itself.
        difference: against the baseline, by direction.
        share_of_full: text -> image recall@10 over that of the baseline, with its interval.
        wall_s, cpu_s: seconds of training steps.
        captions_per_s, pairs_per_s: training rates.
        flops_per_pair: counted in the first steps; None where it was not counted.
        energy_kwh: of the training steps; None where the machine does not tell it.
        energy_source: how the energy is known.
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
    by_category: dict[str, Interval]
    by_length: dict[str, Interval]
    baseline: str | None
    difference: dict[str, Difference] | None
    share_of_full: Interval | None
    wall_s: float
    cpu_s: float
    captions_per_s: float
    pairs_per_s: float
    flops_per_pair: float | None
    energy_kwh: float | None
    energy_source: str | None
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
    of full-model training that others are held against, one a kind. `reference` is a method that was asked for to be
    held against instead.
    """

    language: str
    setting: dict[str, Any]
    data_sha256: str
    machine: dict[str, Any]
    runs: list[Run] = field(repr=False)
    rows: list[Row]
    repetitions: list[str]
    baselines: dict[Towers, Row]
    reference: Method | None = None

    @property
    def trained_on(self) -> list[str]:
        """The languages that its runs were trained on."""
        return str(self.setting["lang"]).split("+")

    def baseline(self, row: Row) -> Row | None:
        """The row that a row is held against: of full-model training, or the reference."""
        if row.difference is None:
            return None
        if self.reference is not None:
            return next(other for other in self.rows if other.method == self.reference)
        kind = baseline(row.towers, self.baselines)
        return None if kind is None else self.baselines[kind]

    def members(self, row: Row) -> list[Run]:
        """The runs of a row, by seed."""
        return [run for run in self.runs if run.method == row.method]

    @property
    def sources(self) -> list[str]:
        """Sources that have figures of their own."""
        return list(self.rows[0].by_source)

    def but_for(self, keys: Collection[str]) -> dict[str, Any]:
        """All settings but some: equal for groups that differ in these alone."""
        return {key: value for key, value in self.setting.items() if key not in keys}

    def sample(self, row: Row, direction: str = "text_to_image", figure: str = "recall_at_10") -> Sample:
        """What a row's runs reached by query, to be compared with other samples of the same queries."""
        return sample(self.members(row), direction, figure)


def read_run(folder: Path) -> list[Run]:
    """Reads a finished run: once for each language that it was evaluated on.

    Raises:
        UserError: there is none, or its files cannot be read.
    """
    about = record.read(folder)
    found: dict[str, dict[tuple[str, str], Asked]] = {code: {} for code in about.results}
    try:
        with (folder / record.QUERIES).open(encoding="utf-8") as file:
            for line in map(json.loads, file):
                for pool, rank in line["ranks"].items():
                    asked = found[line["language"]].setdefault((line["direction"], pool), Asked())
                    asked.queries.append(f"{len(asked.queries)} {line['query']}")
                    asked.concepts.append(line["concept"])
                    asked.categories.append(line["category"])
                    asked.tokens += [line["tokens"]] if "tokens" in line else []
                    asked.ranks.append(rank)
                    asked.ndcg.append(line["ndcg"][pool])
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise UserError(
            f"{folder / record.QUERIES} cannot be read: {error!r}. Train the run again with --force."
        ) from error
    return [Run(folder, about, code, asked) for code, asked in found.items()]


def group(runs: Sequence[Run], reference: Run | None = None) -> list[Group]:
    """Sorts runs into comparable groups and makes each group's rows, cheapest method first.

    Args:
        runs: read ones.
        reference: a run whose method others are held against, where a group has it, instead of full-model training.
    """
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(setting_key(run), []).append(run)
    against = reference.method if reference else None
    return [_group(members, against) for _, members in sorted(groups.items(), key=_order)]


def _order(keyed: tuple[str, list[Run]]) -> tuple[object, ...]:
    """By language, and then by how much there was to learn from; a set of all concepts is the largest."""
    key, members = keyed
    concepts = members[0].record.config.concepts
    return members[0].language, concepts is None, concepts or 0, key


def alike(one: RunConfig, other: RunConfig) -> bool:
    """Whether runs of these settings can be compared, if their data, towers and machines are the same."""
    return _shared(one) == _shared(other)


def _shared(config: RunConfig) -> dict[str, Any]:
    return {key: v for key, v in config.outcome().items() if key not in (*_COMPARED, *_COMPUTED)}


def _setting(about: RunRecord) -> dict[str, Any]:
    machine = {key: about.machine.get(key) for key in ("cpu", "cores", "gpu")}
    weights = {"text_sha256": about.text.sha256, "vision_sha256": about.vision.sha256}
    used = {"precision_used": about.precision, "device_used": about.device}
    return {**_shared(about.config), **used, **weights, "data_sha256": about.data_sha256, "machine": machine}


def setting_key(run: Run) -> str:
    """Equal for runs that are comparable."""
    return json.dumps([run.language, _setting(run.record)], sort_keys=True)


def baseline(towers: Towers, there: Collection[Towers]) -> Towers | None:
    """The full-model training to hold a method against: what trains the vision tower if it does, else the other."""
    order = (CLIP, LIT) if towers.vision_trains else (LIT, CLIP)
    return next((kind for kind in order if kind in there), None)


def _group(members: list[Run], reference: Method | None) -> Group:
    rows: dict[Method, dict[int, Run]] = {}
    repetitions = []
    for run in sorted(members, key=lambda r: (r.record.config.seed, r.folder.name)):
        kept = rows.setdefault(run.method, {}).setdefault(run.record.config.seed, run)
        if kept is not run:
            repetitions.append(f"{run.folder.name} (= {kept.folder.name})")
    found = {method: list(by_seed.values()) for method, by_seed in rows.items()}
    # Of several learning rates the one that was there first.
    full = {kind: next((m for m in found if m.towers == kind), None) for kind in (LIT, CLIP)}
    there = {kind: method for kind, method in full.items() if method is not None}
    reference = reference if reference in found else None
    against = {method: _against(method, there, reference) for method in found}
    made = {
        method: _row(method, runs, found[held] if (held := against[method]) else None) for method, runs in found.items()
    }
    about = members[0].record
    return Group(
        language=members[0].language,
        setting=_setting(about),
        data_sha256=about.data_sha256,
        machine=about.machine,
        runs=[run for runs in found.values() for run in runs],
        rows=sorted(_adjusted(made.values()), key=_cheapest),
        repetitions=repetitions,
        baselines={kind: made[method] for kind, method in there.items()},
        reference=reference,
    )


def _cheapest(row: Row) -> tuple[object, ...]:
    return row.trained, row.method.towers, row.lr, row.vision_lr or 0


def _against(method: Method, full: dict[Towers, Method], reference: Method | None) -> Method | None:
    """What a method is held against; nothing is held against itself, and full-model training against nothing else."""
    if reference is not None:
        return None if method == reference else reference
    kind = baseline(method.towers, full)
    return None if kind is None or method in full.values() else full[kind]


def _adjusted(rows: Collection[Row]) -> list[Row]:
    """The rows with their p-values adjusted for being several, by direction."""
    changed = list(rows)
    tested = [place for place, row in enumerate(changed) if row.difference is not None]
    for direction in DIRECTIONS:
        differences = [(changed[place].difference or {})[direction] for place in tested]
        for place, old, p in zip(tested, differences, statistics.holm([d.p for d in differences]), strict=True):
            side = "better" if old.interval.value > 0 else "worse"
            new = replace(old, p=p, verdict=side if p < ALPHA else "no difference shown")
            changed[place] = replace(changed[place], difference={**(changed[place].difference or {}), direction: new})
    return changed


def _row(method: Method, runs: list[Run], held_against: list[Run] | None) -> Row:
    records = [run.record for run in runs]
    difference = share_of_full = None
    if held_against is not None:
        difference = {direction: _difference(runs, held_against, direction) for direction in DIRECTIONS}
        share_of_full = _share(runs, held_against)
    trained = records[0].trained
    asked = runs[0].asked["text_to_image", "all"]
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
        figures={direction: _figures(runs, direction) for direction in DIRECTIONS},
        by_source={
            source: _share_of_hits(sample(runs, pool=source))
            for source in runs[0].results
            if source != "all" and len(set(runs[0].asked["text_to_image", source].concepts)) > 1
        },
        by_category=_by(runs, asked.categories, sorted(set(asked.categories))),
        by_length=_by(runs, [length_of(tokens) for tokens in asked.tokens], _LENGTH_NAMES),
        baseline=held_against[0].record.config.method if held_against is not None else None,
        difference=difference,
        share_of_full=share_of_full,
        wall_s=_mean([r.costs.wall_s for r in records]),
        cpu_s=_mean([r.costs.cpu_s for r in records]),
        captions_per_s=_mean([r.costs.captions_per_s for r in records]),
        pairs_per_s=_mean([r.costs.pairs_per_s for r in records]),
        flops_per_pair=_mean_if_known([r.costs.flops_per_pair for r in records]),
        energy_kwh=_mean_if_known([r.costs.energy_kwh for r in records]),
        energy_source=records[0].costs.energy_source,
        peak_bytes=max(r.costs.peak_cuda_bytes or r.costs.peak_rss_bytes or 0 for r in records),
        saved_bytes=records[0].costs.saved_bytes,
    )


def sample(
    runs: Sequence[Run],
    direction: str = "text_to_image",
    figure: str = "recall_at_10",
    pool: str = "all",
    keep: Callable[[int], bool] | None = None,
) -> Sample:
    """What runs that differ in their seeds alone reached by query.

    Args:
        runs: each of another seed.
        direction, pool: of the queries.
        figure: as `Asked.values` knows it.
        keep: of the queries' places, those that are wanted; all by default.
    """
    asked = runs[0].asked[direction, pool]
    places = [place for place in range(len(asked.queries)) if keep is None or keep(place)]
    return Sample(
        values=np.stack([run.asked[direction, pool].values(figure)[places] for run in runs]),
        seeds=tuple(seed_of(run) for run in runs),
        items=tuple(asked.queries[place] for place in places),
        clusters=tuple(asked.concepts[place] for place in places),
    )


def samples(
    runs: Sequence[Run], others: Sequence[Run], direction: str = "text_to_image", figure: str = "recall_at_10"
) -> tuple[Sample, Sample]:
    """What two methods reached, to be held against each other: over the seeds that both have, if these are several."""
    both = {seed_of(run) for run in runs} & {seed_of(run) for run in others}
    if len(both) > 1:
        runs, others = ([run for run in side if seed_of(run) in both] for side in (runs, others))
    return sample(runs, direction, figure), sample(others, direction, figure)


def seed_of(run: Run) -> int:
    """A number that is a run's seed and the languages that it was trained on in one.

    What a seed does to a run on one language's data it does not do to another's: the two are drawn by themselves. A run
    that is asked in several languages is one run.
    """
    languages = hashlib.sha256(run.record.config.lang.encode()).digest()
    return int.from_bytes(languages[:6]) << 64 | run.record.config.seed


def length_of(tokens: int) -> str:
    """The class of captions of so many tokens, special ones included."""
    return _LENGTH_NAMES[bisect.bisect_left(LENGTHS, tokens)]


def _by(runs: Sequence[Run], names: Sequence[str], order: Sequence[str]) -> dict[str, Interval]:
    """Text -> image recall@10 of the queries of each name, if there are concepts enough."""
    concepts = runs[0].asked["text_to_image", "all"].concepts
    found = {}
    for name in order:
        places = {place for place, own in enumerate(names) if own == name}
        if len({concepts[place] for place in places}) >= FEWEST_CONCEPTS:
            found[name] = _share_of_hits(sample(runs, keep=places.__contains__))
    return found


def _figures(runs: Sequence[Run], direction: str) -> dict[str, Interval]:
    shares = ("recall_at_1", "recall_at_5", "recall_at_10", "mrr", "ndcg_at_10")
    found = {name: _share_of_hits(sample(runs, direction, name)) for name in shares}
    median = statistics.median(sample(runs, direction, "rank"))
    return {**found, "median_rank": Interval(value=median.value, low=max(1.0, median.low), high=median.high)}


def _share_of_hits(measured: Sample) -> Interval:
    return share_interval(statistics.mean(measured))


def share_interval(found: Estimate) -> Interval:
    """The interval of a share, which is never below 0 or above 1."""
    return Interval(value=found.value, low=max(0.0, found.low), high=min(1.0, found.high))


def _difference(runs: Sequence[Run], full: Sequence[Run], direction: str) -> Difference:
    found = statistics.difference([samples(runs, full, direction)])
    interval = Interval(value=100 * found.value, low=100 * found.low, high=100 * found.high)
    assert found.p is not None
    return Difference(interval, found.p, "")


def _share(runs: Sequence[Run], full: Sequence[Run]) -> Interval | None:
    found = statistics.ratio([samples(runs, full)])
    if not all(map(np.isfinite, (found.value, found.low, found.high))):
        return None
    return Interval(value=found.value, low=max(0.0, found.low), high=found.high)


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))


def _mean_if_known(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return _mean(known) if known and len(known) == len(values) else None
