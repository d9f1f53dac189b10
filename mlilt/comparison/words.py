"""Figures and findings in words, the same in every form of the report."""

from __future__ import annotations

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
        if count >= limit:
            return f"{count / limit:.3g} {letter}{unit}"
    return f"{count:.0f} {unit}".strip()


HEADER = (
    "strategy",
    "trained",
    "share",
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


def cells(row: Row) -> tuple[str, ...]:
    """A row's figures, in the order of `HEADER`."""
    text, image = row.figures["text_to_image"], row.figures["image_to_text"]
    return (
        row.strategy,
        size(row.trained + row.projections),
        f"{100 * row.share:.2f} %",
        str(len(row.seeds)),
        percent(text["recall_at_1"]),
        percent(text["recall_at_5"]),
        percent(text["recall_at_10"]),
        percent(image["recall_at_10"]),
        points(row.difference["text_to_image"] if row.difference else None),
        duration(row.wall_s),
        f"{row.captions_per_s:.0f}",
        size(row.peak_bytes, "B"),
        size(row.saved_bytes, "B"),
    )


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
            f"{row.strategy} trains {100 * row.share:.2f} % of the parameters and reaches "
            f"{100 * row.share_of_full:.0f} % of full-model training's text→image recall@10 "
            f"({percent(row.figures['text_to_image']['recall_at_10'])} against {reached}; difference "
            f"{points(difference)} points: {difference.verdict}) in {row.wall_s / full.wall_s:.2f} of the time."
        )
    return sentences


def method(group: Group) -> str:
    """How the figures came about, for a reader who doubts them."""
    about = group.runs[0].record
    text, image = about.results["all"].text_to_image, about.results["all"].image_to_text
    gpu = group.machine.get("gpu")
    where = gpu if about.device == "cuda" else f"{group.machine['cpu']}, {group.machine['cores']} cores"
    return (
        f"Test split of a data set of {sum(about.data_pictures.values()):,} pictures: {text.queries} captions, each "
        f"asked among {text.pool} pictures, and {image.queries} pictures, each asked among {image.pool} captions; all "
        f"pictures (captions) of the concept asked for are right. A random order reaches a text→image recall@10 of "
        "brackets are 95 % bootstrap intervals over queries, and the difference to full-model training is paired by "
        "query. Parameters are those of the text tower and the projections; the vision tower is frozen in all. Of a "
        "word embedding that trains, only the rows that the data can reach are computed and saved: the outcome is the "
        "same. Time is that of training steps alone, memory that of the whole process. "
        f"Machine: {where}; torch {about.versions['torch']}."
    )
