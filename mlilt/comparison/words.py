"""Figures and findings in words, the same in every form of the report."""

from __future__ import annotations

from collections.abc import Sequence

from data_prep.errors import UserError
from data_prep.languages import load_language
from mlilt.comparison.results import BASELINE, Difference, Group, Row
from mlilt.record import Interval


def language_name(code: str) -> str:
    """English name of a language, or its code if there is no file for it."""
    try:
        return load_language(code).name
    except UserError:
        return code


def label(group: Group, row: Row) -> str:
    """The strategy's name, with the learning rate where it occurs with several."""
    several = sum(other.strategy == row.strategy for other in group.rows) > 1
    return f"{row.strategy} (lr {row.lr:g})" if several else row.strategy


def titles(groups: Sequence[Group]) -> list[str]:
    """Each group's title, with the settings in which groups of the same title differ."""
    found = []
    for group in groups:
        alike = [other for other in groups if other.title == group.title]
        keys = [k for k in group.setting if any(o.setting.get(k) != group.setting[k] for o in alike)]
        differing = ", ".join(f"{k.removesuffix('_sha256')} {_short(group.setting[k])}" for k in keys)
        title = group.title.replace(group.language, language_name(group.language), 1)
        found.append(f"{title}; {differing}" if differing else title)
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
        f"{row.lr:g}",
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


def findings(group: Group) -> list[str]:
    """What the figures say of each strategy beside full-model training, a sentence each."""
    full = next((row for row in group.rows if row.strategy == BASELINE), None)
    if full is None:
        return [
            "No full-model run is among these, so there is nothing to hold them against: train one with "
            f"`mlilt train --lang {group.language} --strategy full` and the same settings."
        ]
    reached = percent(full.figures["text_to_image"]["recall_at_10"])
    sentences = []
    for row in group.rows:
        if row.difference is None or row.share_of_full is None:
            continue
        difference = row.difference["text_to_image"]
        sentences.append(
            f"{label(group, row)} trains {100 * row.share:.2f} % of the parameters and reaches "
            f"{100 * row.share_of_full:.0f} % of full-model training's text→image recall@10 "
            f"({percent(row.figures['text_to_image']['recall_at_10'])} against {reached}; difference "
            f"{points(difference)} points: {difference.verdict}, {_seeds(row, full)}) in "
            f"{row.wall_s / full.wall_s:.2f} of the time."
        )
    return sentences


def _seeds(row: Row, full: Row) -> str:
    fewest = min(len(row.seeds), len(full.seeds))
    return "one seed" if fewest == 1 else f"{fewest} seeds"


def method(group: Group) -> str:
    """How the figures came about, for a reader who doubts them."""
    about = group.runs[0].record
    text, image = about.results["all"].text_to_image, about.results["all"].image_to_text
    gpu = group.machine.get("gpu")
    where = gpu if about.device == "cuda" else f"{group.machine['cpu']}, {group.machine['cores']} cores"
    memory = "the GPU's" if about.device == "cuda" else "that of the whole process"
    left_out = f" Left out, being repetitions: {', '.join(group.repetitions)}." if group.repetitions else ""
    return (
        f"Test split of a data set of {sum(about.data_pictures.values()):,} pictures: {text.queries} captions, each "
        f"asked among {text.pool} pictures, and {image.queries} pictures, each asked among {image.pool} captions; all "
        f"pictures (captions) of the concept asked for are right. A random order reaches a text→image recall@10 of "
        f"{100 * text.chance_recall_at_10:.1f} %. No concept of the test split was trained on. Figures are means over "
        "the seeds; brackets are 95 % bootstrap intervals over queries, those of one concept drawn together; how much "
        "another seed would change is not in them. The difference to full-model training is paired by query. lr is "
        "the text tower's peak learning rate, each strategy's own default unless named; all other settings are the "
        "same. Parameters are those of the text tower and the projections; the vision tower is frozen in all. Of a "
        "word embedding that trains, only the rows that the data can reach are computed and saved: the outcome is the "
        f"same. Time is that of training steps alone, memory {memory} at its peak. Machine: {where}; torch "
        f"{about.versions['torch']}.{left_out}"
    )
