"""Figures and findings in words, the same in every form of the report."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from data_prep.errors import UserError
from data_prep.languages import load_language
from mlilt import strategies
from mlilt.comparison.results import CLIP, LIT, Difference, Group, Row, Towers
from mlilt.config import FROZEN, RunConfig
from mlilt.record import Interval


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
    epochs = "1 epoch" if s["epochs"] == 1 else f"{s['epochs']} epochs"
    parts = [f"{s['text']} + {s['vision']}", epochs, s["precision_used"]]
    parts += [said.format(s[key]) for key, said in _SELDOM.items() if s[key] != RunConfig.model_fields[key].default]
    with_others = f", trained together with {', '.join(others)}" if others else ""
    return f"{language_name(group.language)}{with_others}: {', '.join(parts)}"


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
    """Each group's title, with the settings in which groups of the same title differ."""
    plain = [title(group) for group in groups]
    found = []
    for group, own in zip(groups, plain, strict=True):
        alike = [other for other, its in zip(groups, plain, strict=True) if its == own]
        keys = [k for k in group.setting if any(o.setting.get(k) != group.setting[k] for o in alike)]
        differing = ", ".join(f"{k.removesuffix('_sha256')} {_short(group.setting[k])}" for k in keys)
        found.append(f"{own}; {differing}" if differing else own)
    return found


def _short(value: object) -> str:
    if isinstance(value, dict):
        return "/".join(str(part) for part in value.values() if part is not None)
    return str(value)[:8] if isinstance(value, str) and len(value) == 64 else str(value)


def percent(interval: Interval) -> str:
    """A share with its interval, in percent."""
    return f"{100 * interval.value:.1f} [{100 * interval.low:.1f}, {100 * interval.high:.1f}]"


def points(difference: Difference | None) -> str:
    """A difference in points with its interval."""
    if difference is None:
        return "–"
    i = difference.interval
    return f"{i.value:+.1f} [{i.low:+.1f}, {i.high:+.1f}]"


def duration(seconds: float) -> str:
    """Seconds for people."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def size(count: float, unit: str = "") -> str:
    """A count or a number of bytes with three digits."""
    for limit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        # 999,700 is 1 M, not 1e+03 k.
        if count >= 0.9995 * limit:
            return f"{count / limit:.3g} {letter}{unit}"
    return f"{count:.0f} {unit}".strip()


HEADER = (
    "strategy",
    "trained",
    "share",
    "lr",
    "seeds",
    "text→image R@1 %",
    "R@5 %",
    "R@10 %",
    "image→text R@10 %",
    "R@10 − full, points",
    "time",
    "captions/s",
    "memory",
    "saved",
)

# What is left of a row where there is room for little: strategy, share, R@10, the difference, time.
ESSENTIAL = tuple(HEADER.index(name) for name in ("strategy", "share", "R@10 %", "R@10 − full, points", "time"))


def cells(group: Group, row: Row) -> tuple[str, ...]:
    """A row's figures, in the order of `HEADER`."""
    text, image = row.figures["text_to_image"], row.figures["image_to_text"]
    return (
        label(group, row),
        size(row.trained + row.projections),
        f"{100 * row.share:.2f} %",
        _rates(row),
        str(len(row.seeds)),
        f"{100 * text['recall_at_1'].value:.1f}",
        f"{100 * text['recall_at_5'].value:.1f}",
        percent(text["recall_at_10"]),
        percent(image["recall_at_10"]),
        points(row.difference["text_to_image"] if row.difference else None),
        duration(row.wall_s),
        f"{row.captions_per_s:.0f}",
        size(row.peak_bytes, "B"),
        size(row.saved_bytes, "B"),
    )


ALL_HEADER = ("strategy", "direction", "R@1 %", "R@5 %", "R@10 %", "median rank", "MRR")


def all_cells(group: Group) -> list[tuple[str, ...]]:
    """Both directions in full, in the order of `ALL_HEADER`."""
    return [
        (
            label(group, row),
            direction.replace("_to_", "→"),
            *(percent(figures[f"recall_at_{k}"]) for k in (1, 5, 10)),
            "{:.1f} [{:.1f}, {:.1f}]".format(*_parts(figures["median_rank"])),
            "{:.3f} [{:.3f}, {:.3f}]".format(*_parts(figures["mrr"])),
        )
        for row in group.rows
        for direction, figures in row.figures.items()
    ]


def _parts(interval: Interval) -> tuple[float, float, float]:
    return interval.value, interval.low, interval.high


_KINDS = {LIT: "which trains the text tower alone", CLIP: "which trains both towers"}


def findings(group: Group) -> list[str]:
    """What the figures say of each method beside full-model training, a sentence each."""
    if not group.baselines:
        languages = " ".join(f"--lang {code}" for code in group.trained_on)
        wanted = "clip" if all(row.towers.vision_trains for row in group.rows) else LIT.text
        return [
            "No full-model run is among these, so there is nothing to hold them against: train one with "
            f"`mlilt train {languages} --strategy {wanted}` and the same settings."
        ]
    sentences = []
    for row in group.rows:
        full = group.baseline(row)
        if full is None or row.difference is None or row.share_of_full is None:
            continue
        difference = row.difference["text_to_image"]
        reached = percent(full.figures["text_to_image"]["recall_at_10"])
        sentences.append(
            f"{label(group, row)} trains {100 * row.share:.2f} % of the parameters and reaches "
            f"{100 * row.share_of_full.value:.0f} % of the text→image recall@10 of full-model training, {label(group, full)} "
            f"({percent(row.figures['text_to_image']['recall_at_10'])} against {reached}; difference "
            f"{points(difference)} points: {difference.verdict}, {_seeds(row, full)}), in "
            f"{row.wall_s / full.wall_s:.2f} of the time."
        )
    return sentences


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
        "%. No concept of the test split was trained on. Figures are means over the seeds; brackets are 95 % bootstrap "
        "intervals over queries, those of one concept drawn together; how much another seed would change is not in "
        f"them. {_against(group)}{_learning_rates(group)} Parameters are those of both towers and the projections; "
        f"{_vision(group)} Of a word embedding that trains, only the rows that the data can reach are computed and "
        f"saved: the outcome is the same. Time is that of training steps alone, memory {memory} at its peak."
        f"{_processes(group)} Machine: {where}; torch {about.versions['torch']}.{left_out}"
    )


def _data(group: Group) -> str:
    """What was trained on."""
    names = [language_name(code) for code in group.trained_on]
    pictures = f"{sum(group.runs[0].record.data_pictures.values()):,} captioned pictures"
    if len(names) == 1:
        return f"a data set of {pictures}"
    together = f"one of {len(names)} trained on together ({', '.join(names)}: {pictures})"
    return f"the {language_name(group.language)} data set, {together}"


def _against(group: Group) -> str:
    """What the differences are to."""
    named = {kind: f"to {label(group, row)}, {_KINDS[kind]}" for kind, row in group.baselines.items()}
    if not named:
        return ""
    to = next(iter(named.values()))
    if len(named) > 1:
        to = f"for rows whose vision tower is frozen {named[LIT]}; for rows whose vision tower trains {named[CLIP]}"
    return f"The difference, paired by query, is to full-model training: {to}. "


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
