"""Figures and findings in words, the same in every form of the report."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from data_prep.errors import UserError
from data_prep.languages import load_language
from mlilt import strategies
from mlilt.comparison.grid import Failure
from mlilt.comparison.results import CLIP, LIT, Group, Row, Towers
from mlilt.comparison.study import Study
from mlilt.config import FROZEN, RunConfig

# Stands for what is not known; why not is said beside it.
DASH = "–"
# Symbols beside the words of a verdict: colour alone tells nothing to many readers, nor on paper.
SYMBOLS = {
    "holds": "✓",
    "does not hold": "✗",
    "undecided": "?",
    "better": "▲",
    "worse": "▼",
    "no difference shown": "≈",
}


class Ends(Protocol):
    """A value with its interval."""

    @property
    def value(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...


# So many runs that failed alike are named.
_NAMED = 3


def failures(found: Sequence[Failure]) -> list[tuple[str, str]]:
    """(runs, why), with what failed alike told once."""
    alike: dict[str, list[str]] = {}
    for failure in found:
        alike.setdefault(failure.reason, []).append(failure.run)
    return [
        (", ".join(runs[:_NAMED]) + (f" and {len(runs) - _NAMED} more" if len(runs) > _NAMED else ""), reason)
        for reason, runs in alike.items()
    ]


def language_name(code: str) -> str:
    """English name of a language, or its code if there is no file for it."""
    try:
        return load_language(code).name
    except UserError:
        return code


def label(group: Group, row: Row) -> str:
    """What trains, and in brackets its preset's name, and the learning rates where it occurs with several."""
    several = sum(other.towers == row.towers for other in group.rows) > 1
    notes = [*_presets().get(row.towers, ()), *([f"lr {_rates(row)}"] if several else [])]
    return f"{_spelled(row.towers)} ({', '.join(notes)})" if notes else _spelled(row.towers)


def _spelled(towers: Towers) -> str:
    """The strategies, with the blocks that never train."""
    parts = [towers.text if towers.vision == FROZEN else f"{towers.text}/{towers.vision}"]
    for tower, blocks in (("text", towers.text_freeze), ("vision", towers.vision_freeze)):
        if blocks:
            parts.append(f"{tower} blocks {' '.join(map(str, blocks))} frozen")
    return ", ".join(parts)


def _rates(row: Row) -> str:
    """Learning rates: the text tower's, and behind a slash the vision tower's if it trains."""
    return f"{row.lr:g}" if row.vision_lr is None else f"{row.lr:g}/{row.vision_lr:g}"


@functools.cache
def _presets() -> dict[Towers, list[str]]:
    """The name of what exactly one preset spells."""
    names: dict[Towers, list[str]] = {}
    for name in strategies.presets.names():
        preset = strategies.presets.find(name)
        assert preset is not None
        towers = Towers(strategies.canonical(preset.text), strategies.canonical(preset.vision))
        names.setdefault(towers, []).append(name)
    return {towers: found for towers, found in names.items() if len(found) == 1}


def title(group: Group) -> str:
    """The group's language, towers and main settings; of what is seldom changed only what was."""
    s = group.setting
    others = [language_name(code) for code in group.trained_on if code != group.language]
    parts = [f"{s['text']} + {s['vision']}", _length(s), s["precision_used"]]
    parts += [said.format(s[key]) for key, said in _SELDOM.items() if s[key] != RunConfig.model_fields[key].default]
    with_others = f", trained together with {', '.join(others)}" if others else ""
    return f"{language_name(group.language)}{with_others}: {', '.join(parts)}"


def _length(setting: Mapping[str, Any]) -> str:
    """How long is trained."""
    if setting.get("budget_s"):
        return f"{setting['budget_s']:g} s of training"
    epochs = "1 epoch" if setting["epochs"] == 1 else f"{setting['epochs']} epochs"
    return f"{epochs} or {setting['min_steps']} steps" if setting.get("min_steps") else epochs


_SELDOM = {
    "objective": "{}",
    "label_smoothing": "label smoothing {:g}",
    "temperature": "temperature from {:g}",
    "bridge": "bridge {}",
    "bridge_weight": "bridge weight {:g}",
    "trim_vocab": "trimmed vocabulary",
    "language_temperature": "language temperature {:g}",
}


def titles(groups: Sequence[Group]) -> list[str]:
    """Each group's title, with what tells apart groups of the same title: their point on an axis, or settings."""
    plain = [title(group) for group in groups]
    points = []
    for group, own in zip(groups, plain, strict=True):
        alike = [other for other, its in zip(groups, plain, strict=True) if its == own]
        points.append(Study(alike).point(group))
    found = []
    for group, named in zip(groups, zip(plain, points, strict=True), strict=True):
        alike = [other for other, its in zip(groups, zip(plain, points, strict=True), strict=True) if its == named]
        keys = [k for k in group.setting if any(o.setting.get(k) != group.setting[k] for o in alike)]
        differing = [f"{k.removesuffix('_sha256')} {_short(group.setting[k])}" for k in keys]
        found.append("; ".join(filter(None, (*named, ", ".join(differing)))))
    return found


def _short(value: object) -> str:
    if isinstance(value, dict):
        return "/".join(str(part) for part in value.values() if part is not None)
    return str(value)[:8] if isinstance(value, str) and len(value) == 64 else str(value)


def number(value: float, digits: int = 1, signed: bool = False) -> str:
    """A number with a real minus, and ∞; zero has no sign."""
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    # No minus before a zero.
    rounded = round(value, digits) + 0.0
    return f"{rounded:{'+' if signed and rounded else ''}.{digits}f}".replace("-", "−")


def bracketed(found: Ends, scale: float = 1.0, digits: int = 1, signed: bool = False) -> str:
    """A value with its interval in brackets; an end that is not known is ∞, a value that is not a dash."""
    if not math.isfinite(found.value):
        return DASH
    ends = [math.inf * side if math.isnan(end) else end for end, side in ((found.low, -1), (found.high, 1))]
    value, low, high = (number(scale * each, digits, signed) for each in (found.value, *ends))
    return f"{value} [{low}, {high}]"


def percent(found: Ends) -> str:
    """A share with its interval, in percent."""
    return bracketed(found, 100)


def points(found: Ends, scale: float = 1.0) -> str:
    """A difference with its interval, with signs."""
    return bracketed(found, scale, signed=True)


def p_value(p: float) -> str:
    """A p-value with two digits."""
    return "p < 0.001" if p < 0.001 else f"{p:.2g}"


def marked(verdict: str) -> str:
    """A verdict behind its symbol."""
    return f"{SYMBOLS[verdict]} {verdict}"


def duration(seconds: float) -> str:
    """Seconds for people."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def size(count: float, unit: str = "") -> str:
    """A count or a number of bytes with three digits."""
    for limit, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        # 999,700 is 1 M, not 1e+03 k.
        if count >= 0.9995 * limit:
            return f"{count / limit:.3g} {letter}{unit}"
    return f"{count:.0f} {unit}".strip()


class Column(NamedTuple):
    """A column of a group's table; the essential ones are what is left where there is room for little."""

    name: str
    cell: Callable[[Group, Row], str]
    essential: bool = False


def columns(group: Group) -> list[Column]:
    """Those of a group's table, the strategy first: LilT's, with intervals, tests and costs."""
    full = "full" if group.reference is None else "reference"

    def figure(direction: str, name: str, said: str = "{:.1f}", scale: float = 100) -> Callable[[Group, Row], str]:
        return lambda _, row: said.format(scale * row.figures[direction][name].value)

    found = [
        Column("strategy", label, True),
        Column("trained", lambda _, row: size(row.trained + row.projections)),
        Column("share", lambda _, row: f"{100 * row.share:.2f} %", True),
        Column("text→image R@1 %", figure("text_to_image", "recall_at_1")),
        Column("R@5 %", figure("text_to_image", "recall_at_5")),
        Column("R@10 %", lambda _, row: percent(row.figures["text_to_image"]["recall_at_10"]), True),
        Column("nDCG@10", figure("text_to_image", "ndcg_at_10", "{:.3f}", 1)),
        Column("image→text R@10 %", lambda _, row: percent(row.figures["image_to_text"]["recall_at_10"])),
        Column(f"R@10 − {full}, points", difference, True),
        Column("adjusted p", lambda _, row: p_value(row.difference["text_to_image"].p) if row.difference else DASH),
        Column(f"% of {full}", share_of_full),
        Column("FLOPs/pair", lambda _, row: DASH if row.flops_per_pair is None else size(row.flops_per_pair)),
        Column("time", lambda _, row: duration(row.wall_s), True),
        Column("CPU time", lambda _, row: duration(row.cpu_s)),
        Column("energy", lambda _, row: DASH if row.energy_kwh is None else _energy(row.energy_kwh)),
        Column("captions/s", lambda _, row: f"{row.captions_per_s:.0f}"),
        Column("pairs/s", lambda _, row: f"{row.pairs_per_s:.0f}"),
        Column("memory", lambda _, row: size(row.peak_bytes, "B") if row.peak_bytes else DASH),
        Column("saved", lambda _, row: size(row.saved_bytes, "B")),
        Column("lr", lambda _, row: _rates(row)),
        Column("seeds", lambda _, row: str(len(row.seeds))),
    ]
    known = any(row.energy_kwh is not None for row in group.rows)
    return [column for column in found if known or column.name != "energy"]


def _energy(kwh: float) -> str:
    return f"{kwh:.3g} kWh" if kwh >= 1 else f"{1000 * kwh:.3g} Wh"


def header(group: Group) -> tuple[str, ...]:
    """The names of a group's columns."""
    return tuple(column.name for column in columns(group))


def cells(group: Group, row: Row) -> tuple[str, ...]:
    """A row's figures, in the order of `header`."""
    return tuple(column.cell(group, row) for column in columns(group))


def difference(group: Group, row: Row) -> str:
    """A row's text -> image recall@10 against what it is held against, or why there is none."""
    if row.difference is None:
        return f"{DASH} {_not_held(group, row)}"
    return points(row.difference["text_to_image"].interval)


def share_of_full(group: Group, row: Row) -> str:
    """What share of it that is, or why it is not known."""
    if row.share_of_full is None:
        return DASH if row.difference is None else f"{DASH} often nothing found"
    return percent(row.share_of_full)


def _not_held(group: Group, row: Row) -> str:
    if group.reference is not None:
        return "the reference"
    return "full training" if row.towers in group.baselines else "no full training"


ALL_HEADER = ("strategy", "direction", "R@1 %", "R@5 %", "R@10 %", "nDCG@10", "median rank", "MRR")


def all_cells(group: Group) -> list[tuple[str, ...]]:
    """Both directions in full, in the order of `ALL_HEADER`."""
    return [
        (
            label(group, row),
            direction.replace("_to_", "→"),
            *(percent(figures[f"recall_at_{k}"]) for k in (1, 5, 10)),
            bracketed(figures["ndcg_at_10"], digits=3),
            bracketed(figures["median_rank"]),
            bracketed(figures["mrr"], digits=3),
        )
        for row in group.rows
        for direction, figures in row.figures.items()
    ]


_KINDS = {LIT: "which trains the text tower alone", CLIP: "which trains both towers"}


def findings(group: Group) -> list[str]:
    """What the figures say of each method beside what it is held against, a sentence each."""
    if not group.baselines and group.reference is None:
        languages = " ".join(f"--lang {code}" for code in group.trained_on)
        wanted = "clip" if all(row.towers.vision_trains for row in group.rows) else LIT.text
        return [
            "No full-model run is among these, so there is nothing to hold them against: train one with "
            f"`mlilt train {languages} --strategy {wanted}` and the same settings."
        ]
    sentences = []
    for row in group.rows:
        full = group.baseline(row)
        if full is None or row.difference is None:
            continue
        found = row.difference["text_to_image"]
        ours, theirs = (percent(r.figures["text_to_image"]["recall_at_10"]) for r in (row, full))
        reached = f"{100 * row.share_of_full.value:.0f} % of " if row.share_of_full is not None else ""
        of = f"{'full-model training' if group.reference is None else 'the reference'}, {label(group, full)}"
        sentences.append(
            f"{label(group, row)} trains {100 * row.share:.2f} % of the parameters and reaches {reached}"
            f"the text→image recall@10 of {of} ({ours} against {theirs}; difference {points(found.interval)} points: "
            f"{found.verdict}, adjusted {_p_said(found.p)}, {_seeds(row, full)}), in {row.wall_s / full.wall_s:.2f} of "
            "the time."
        )
    return sentences


def _p_said(p: float) -> str:
    return p_value(p) if p < 0.001 else f"p = {p_value(p)}"


def _seeds(row: Row, full: Row) -> str:
    fewest = min(len(row.seeds), len(full.seeds))
    return "one seed" if fewest == 1 else f"{fewest} seeds"


def method(group: Group) -> str:
    """How the figures came about, for a reader who doubts them."""
    about = group.runs[0].record
    text, image = group.runs[0].results["all"].text_to_image, group.runs[0].results["all"].image_to_text
    gpu = group.machine.get("gpu")
    where = gpu if about.device == "cuda" else f"{group.machine['cpu']}, {group.machine['cores']} cores"
    memory = "the GPU's" if about.device == "cuda" else "that of the whole process"
    left_out = f" Left out, being repetitions: {', '.join(group.repetitions)}." if group.repetitions else ""
    return (
        f"Test split of {_data(group)}: {text.queries} captions, each asked among {text.pool} pictures, and "
        f"{image.queries} pictures, each asked among {image.pool} captions; all pictures (captions) of the concept "
        f"asked for are right. A random order reaches a text→image recall@10 of {100 * text.chance_recall_at_10:.1f} "
        f"%. No concept of the test split was trained on. {_intervals(group)} "
        f"{_against(group)}{_learning_rates(group)} Parameters are those of both towers and the projections; "
        f"{_vision(group)} Of a word embedding that trains, only the rows that the data can reach are computed and "
        f"saved: the outcome is the same. Time is that of training steps alone, memory {memory} at its peak. "
        f"FLOPs are those of matrix products in training a pair of a picture and a caption.{_powered(group)}"
        f"{_processes(group)} Machine: {where}; torch {about.versions['torch']}.{left_out}"
    )


def _intervals(group: Group) -> str:
    """What the brackets hold."""
    said = (
        "Figures are means over the seeds; brackets are 95 % bootstrap intervals over queries, those of one concept "
        "drawn together, and seeds"
    )
    single = [label(group, row) for row in group.rows if len(row.seeds) == 1]
    if len(single) == len(group.rows):
        return f"{said}: of one seed alone they do not hold how much another would change."
    if single:
        return f"{said}, but for {', '.join(single)}, with one seed: how much another would change is not in them."
    return f"{said}."


def _powered(group: Group) -> str:
    """How energy is known, or why it is not."""
    sources = sorted({row.energy_source for row in group.rows if row.energy_source})
    if sources:
        return f" Energy: {'; '.join(sources)}."
    return " Energy is left out: nothing on this machine told it while these runs trained."


def _data(group: Group) -> str:
    """What was trained on."""
    names = [language_name(code) for code in group.trained_on]
    pictures = f"{sum(group.runs[0].record.data_pictures.values()):,} captioned pictures"
    if len(names) == 1:
        return f"a data set of {pictures}"
    together = f"one of {len(names)} trained on together ({', '.join(names)}: {pictures})"
    return f"the {language_name(group.language)} data set, {together}"


def _against(group: Group) -> str:
    """What the differences are to, and how they are tested."""
    tested = f" p is two-sided, of a paired bootstrap, adjusted for {_held(group)} being tested (Holm)."
    if group.reference is not None:
        named = next(label(group, row) for row in group.rows if row.method == group.reference)
        return f"The difference, paired by query and seed, is to the reference that was asked for, {named}.{tested} "
    kinds = {kind: f"to {label(group, row)}, {_KINDS[kind]}" for kind, row in group.baselines.items()}
    if not kinds:
        return ""
    to = next(iter(kinds.values()))
    if len(kinds) > 1:
        to = f"for rows whose vision tower is frozen {kinds[LIT]}; for rows whose vision tower trains {kinds[CLIP]}"
    return f"The difference, paired by query and seed, is to full-model training: {to}.{tested} "


def _held(group: Group) -> str:
    count = sum(row.difference is not None for row in group.rows)
    return "one method" if count == 1 else f"{count} methods"


def _learning_rates(group: Group) -> str:
    trains = any(row.towers.vision_trains for row in group.rows)
    both = ", behind a slash the vision tower's" if trains else ""
    return (
        f"lr is the text tower's peak learning rate{both}, each strategy's own default unless named; all other "
        "settings that decide the outcome are the same."
    )


def _vision(group: Group) -> str:
    """In which rows the vision tower trains."""
    trains = [label(group, row) for row in group.rows if row.towers.vision_trains]
    if not trains:
        return "the vision tower is frozen in all rows."
    if len(trains) == len(group.rows):
        return "the vision tower trains in all rows."
    return f"the vision tower trains in {', '.join(trains)} and is frozen in all other rows."


def _processes(group: Group) -> str:
    """Where runs trained in several processes: which."""
    several = [(label(group, row), sorted(set(row.processes))) for row in group.rows if max(row.processes) > 1]
    if not several:
        return ""
    named = ", ".join(f"{name} in {' or '.join(map(str, counts))}" for name, counts in several)
    return f" In several processes trained: {named}; time and memory are those of the first."
