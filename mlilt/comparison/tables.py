"""Tables of a comparison, as text: the same for the page, for Markdown and for the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from mlilt import strategies
from mlilt.comparison import reproduce, words
from mlilt.comparison.claims import Judgement, Result
from mlilt.comparison.experiment import strategies_of
from mlilt.comparison.kept import PAIRS, UNTRAINED, WITH, WITHOUT, Calibrated, Kept
from mlilt.comparison.results import ALPHA, Group, Row, Towers, length_of
from mlilt.comparison.study import Study
from mlilt.comparison.words import DASH, label, language_name, marked, p_value, percent, points
from mlilt.config import FROZEN
from mlilt.record import Interval

# With more groups than these, tables over all of them come first, and each one's own are folded away.
FEW = 6
# Of more columns than these a table over groups has its rows instead.
_WIDE = 8


@dataclass(frozen=True, slots=True)
class Table:
    """A table of text; the first cell of a row is its header.

    Attributes:
        caption: what it shows, with its unit.
        header: of the columns.
        rows: each as long as the header.
        note: how to read it.
        kind: of table, for the page's style.
    """

    caption: str
    header: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    note: str = ""
    kind: str = ""


def claims(result: Result) -> tuple[Table | None, Table | None]:
    """A claim's judgements over all languages, and one by one; None where there are none."""
    pooled = [j for j in result.judgements if j.pooled]
    single = [j for j in result.judgements if not j.pooled]
    places = {j.where for j in pooled}
    over = next(iter(places)) if len(places) == 1 else "all languages"
    return (
        _judged(result, pooled, f"Over {over}: {result.quantity}") if pooled else None,
        _judged(result, single, f"One by one: {result.quantity}" if pooled else result.quantity) if single else None,
    )


def _judged(result: Result, judgements: Sequence[Judgement], caption: str) -> Table:
    signed = result.quantity.endswith("points")
    columns: list[tuple[str, Callable[[Judgement], str]]] = [
        ("method", lambda j: j.subject),
        ("language", lambda j: j.where),
        ("at", lambda j: j.point or DASH),
        ("value [95 % interval]", lambda j: points(j) if signed else words.bracketed(j)),
        ("has to exceed", lambda _: f"{result.threshold:g}".replace("-", "−")),
        ("adjusted p", lambda j: p_value(j.p)),
        ("verdict", lambda j: marked(j.verdict)),
    ]
    if len({j.where for j in judgements}) == 1 and judgements[0].pooled:
        columns = [column for column in columns if column[0] != "language"]
    if not any(j.point for j in judgements):
        columns = [column for column in columns if column[0] != "at"]
    rows = [tuple(cell(j) for _, cell in columns) for j in judgements]
    return Table(_sentence(caption), tuple(name for name, _ in columns), rows, kind="claim")


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def main(group: Group) -> Table:
    """LilT's table of one group, with intervals, tests and costs."""
    return Table(
        "Test split: means over seeds, with 95 % intervals",
        words.header(group),
        [words.cells(group, row) for row in group.rows],
        words.method(group),
        "results",
    )


def directions(group: Group) -> Table:
    """Both directions in full."""
    return Table("Both directions in full", words.ALL_HEADER, words.all_cells(group))


def breakdowns(group: Group) -> list[Table]:
    """Text -> image recall@10 by source, category and length of the caption: a column a method."""
    asked = group.runs[0].asked["text_to_image", "all"]
    found = []
    chances = [_pool(group, source) for source in group.sources]
    lengths = Counter(map(length_of, asked.tokens))
    categories = Counter(asked.categories)
    for what, kind, facts, extra, note in (
        ("source", lambda r: r.by_source, chances, ("queries", "pictures", "chance %"), _BY_SOURCE),
        ("category", lambda r: r.by_category, _counts(group.rows[0].by_category, categories), ("queries",), _BY),
        ("caption length", lambda r: r.by_length, _counts(group.rows[0].by_length, lengths), ("queries",), _BY),
    ):
        get: Callable[[Row], dict[str, Interval]] = kind
        names = list(get(group.rows[0]))
        if not names:
            continue
        rows = [
            (name or DASH, *told, *(percent(get(row)[name]) if name in get(row) else DASH for row in group.rows))
            for name, told in zip(names, facts, strict=True)
        ]
        header = (what, *extra, *(label(group, row) for row in group.rows))
        found.append(Table(f"Text→image recall@10 by {what}, %", header, rows, note))
    return found


_BY_SOURCE = "Each source by itself, as its own pool, with what a random order would reach in it."
_BY = "All pictures are the pool. Left out: what has too few concepts to tell anything."


def _pool(group: Group, source: str) -> tuple[str, ...]:
    found = group.runs[0].results[source].text_to_image
    return str(found.queries), str(found.pool), f"{100 * found.chance_recall_at_10:.1f}"


def _counts(names: Iterable[str], counts: Counter[str]) -> list[tuple[str, ...]]:
    return [(str(counts[name]),) for name in names]


def overviews(study: Study) -> list[Table]:
    """Over several groups: recall@10 of each method at each point or in each language, and its difference to full."""
    if len(study.groups) < 2:
        return []
    several_points = len({study.point(group) for group in study.groups}) > 1
    buckets: dict[str, list[Group]] = {}
    for group in study.groups:
        together = f", trained together with {len(group.trained_on) - 1} others" if len(group.trained_on) > 1 else ""
        where = f"{language_name(group.language)}{together}" if several_points else together.removeprefix(", ")
        buckets.setdefault(where, []).append(group)
    found = []
    for where, groups in buckets.items():
        named = _columns(study, groups, several_points)
        full = "full training" if all(group.reference is None for group in groups) else "the reference"
        place = f"{where}: " if where else ""
        for caption, cell, note in (
            (f"{place}text→image recall@10, %", _reached, ""),
            (f"{place}text→image recall@10 − {full}, points", _difference, _MARKED),
        ):
            found.append(_over(_sentence(caption), groups, named, cell, note))
    return found


_MARKED = f"Marked is what an adjusted p below {ALPHA:g} tells apart from none."


def _columns(study: Study, groups: Sequence[Group], several_points: bool) -> list[str]:
    names = [study.point(group) if several_points else language_name(group.language) for group in groups]
    if len(set(names)) == len(names):
        return names
    full = words.titles(groups)
    # What all have in common says nothing here.
    return [title.partition("; ")[2] or title for title in full] if len({*full}) == len(full) else names


def _over(
    caption: str, groups: Sequence[Group], names: Sequence[str], cell: Callable[[Group, Row], str], note: str
) -> Table:
    by_label = [{label(group, row): row for row in group.rows} for group in groups]
    cheapest = {name: row.trained for rows in reversed(by_label) for name, row in rows.items()}
    methods = sorted(cheapest, key=lambda name: cheapest[name])
    body = [
        (
            method,
            *(
                cell(g, rows[method]) if method in rows else f"{DASH} not run"
                for g, rows in zip(groups, by_label, strict=True)
            ),
        )
        for method in methods
    ]
    table = Table(caption, ("method", *names), body, note, "overview")
    return _turned(table) if len(names) > max(_WIDE, len(methods)) else table


def _turned(table: Table) -> Table:
    """With rows and columns exchanged."""
    header, *rows = zip(table.header, *table.rows, strict=True)
    return replace(table, header=("", *header[1:]), rows=rows)


def _reached(_: Group, row: Row) -> str:
    return percent(row.figures["text_to_image"]["recall_at_10"])


def _difference(group: Group, row: Row) -> str:
    if row.difference is None:
        return words.difference(group, row)
    found = row.difference["text_to_image"]
    return f"{points(found.interval)} {marked(found.verdict) if found.p < ALPHA else ''}".rstrip()


_TESTS = {
    "retrieval": "Retrieval in languages never trained: text→image recall@10, %",
    "zero-shot": "Zero-shot classification of pictures by their categories' names: accuracy, %",
    "imagenet": "Zero-shot classification of ImageNet: accuracy, %",
    "bitext": "Bitext retrieval of the text tower alone: does a name find its translation? Accuracy, %",
    "neighbours": "k-NN accuracy of the vision tower's features, %",
}
_CHANGES = {WITH: "change: pairs with a language trained", WITHOUT: "change: other pairs"}


class Tested(NamedTuple):
    """What is kept by one test: its means, if any, and what these are made of by language, a table a group."""

    title: str
    means: Table | None
    by_language: list[Table]


def kept(study: Study, found: Sequence[Kept]) -> list[Tested]:
    """What is kept, by test."""
    shown = {"bitext": _bitext, "neighbours": _neighbours}
    made = []
    for test, title in _TESTS.items():
        # A vision tower that is frozen sees what it saw before.
        members = [k for k in found if k.test == test and (test != "neighbours" or k.row.towers.vision_trains)]
        if members:
            means = shown.get(test, _untrained)(study, members)
            made.append(Tested(title, means if means.rows else None, _by_language(study, members)))
    return made


def _where(study: Study, group: Group) -> str:
    """What a group's runs were trained on."""
    names = [language_name(code) for code in group.trained_on]
    trained = names[0] if len(names) == 1 else f"{len(names)} languages together"
    return ", ".join(filter(None, (trained, study.point(group))))


def _keyed(
    study: Study,
    members: Sequence[Kept],
    header: Sequence[str],
    cells: Callable[[Kept], Sequence[str]],
    over: Sequence[str],
) -> Table:
    """A row a method and what it was measured over, led by what it was trained on where that differs."""
    shown = [k for name in over for k in members if k.over == name]
    several = len({id(k.group) for k in shown}) > 1
    rows = [(label(k.group, k.row), *([_where(study, k.group)] if several else []), *cells(k)) for k in shown]
    return Table("", ("method", *(["trained on"] if several else []), *header), rows)


def _versus(members: Sequence[Kept]) -> str:
    return "− reference, points" if any(k.group.reference is not None for k in members) else "− full, points"


def _untrained(study: Study, members: Sequence[Kept]) -> Table:
    header = ("languages", "mean", _versus(members), "chance")
    table = _keyed(
        study,
        members,
        header,
        lambda k: (str(len(k.things)), percent(k.after), _against(k), _percent(k.chance)),
        [UNTRAINED],
    )
    return replace(table, caption="Mean over languages never trained, %")


def _bitext(study: Study, members: Sequence[Kept]) -> Table:
    change = {(id(k.group), k.row.method, k.over): _change(k) for k in members}
    header = ("pairs", "before", "after", "change, points", *_CHANGES.values(), _versus(members), "chance")

    def cells(k: Kept) -> Sequence[str]:
        others = (change.get((id(k.group), k.row.method, over), DASH) for over in _CHANGES)
        before = percent(k.before) if k.before else DASH
        return str(len(k.things)), before, percent(k.after), _change(k), *others, _against(k), _percent(k.chance)

    return replace(_keyed(study, members, header, cells, [PAIRS]), caption="Mean over pairs of languages, %")


def _neighbours(study: Study, members: Sequence[Kept]) -> Table:
    header = ("pictures of", "before", "after", "change, points", _versus(members), "most frequent category")
    over = list(dict.fromkeys(k.over for k in members))

    def cells(k: Kept) -> Sequence[str]:
        before = percent(k.before) if k.before else DASH
        return k.over, before, percent(k.after), _change(k), _against(k), _percent(k.chance)

    return replace(_keyed(study, members, header, cells, over), caption="Before and after training, %")


def _change(k: Kept) -> str:
    return points(k.change, 100) if k.change else DASH


def _against(k: Kept) -> str:
    if k.against is not None:
        return points(k.against, 100)
    if k.row.difference is not None:
        return f"{DASH} not measured of it"
    return words.difference(k.group, k.row)


def _percent(value: float | None) -> str:
    return DASH if value is None else f"{100 * value:.1f}"


def _by_language(study: Study, members: Sequence[Kept]) -> list[Table]:
    """A table a group: a row a language, a column a method."""
    made = []
    for group in {id(k.group): k.group for k in members}.values():
        own = [k for k in members if k.group is group and len(k.things) == 1 and k.over == k.things[0]]
        if not own or own[0].test in ("bitext", "neighbours"):
            continue
        methods = {k.row.method: label(group, k.row) for k in own}
        rows = []
        for on in dict.fromkeys(k.over for k in own):
            by_method = {k.row.method: k for k in own if k.over == on}
            trained = " (trained)" if on in group.trained_on else ""
            values = (percent(by_method[m].after) if m in by_method else DASH for m in methods)
            chance = next(iter(by_method.values())).chance
            rows.append((f"{language_name(on)}{trained}", _percent(chance), *values))
        header = ("language asked", "chance", *methods.values())
        made.append(Table(f"By language, trained on {_where(study, group)}, %", header, rows))
    return made


def calibration(study: Study, found: Sequence[Calibrated]) -> Table | None:
    """How sure each method is of what it finds."""
    if not found:
        return None
    several = len({id(c.group) for c in found}) > 1
    header = ("temperature learned", "ECE %", "NLL", "best temperature", "ECE there %", "NLL there")
    rows = [
        (
            label(c.group, c.row),
            *([_where(study, c.group)] if several else []),
            f"{c.temperature:.4f}",
            f"{100 * c.error:.1f}",
            f"{c.loss:.3f}",
            f"{c.best_temperature:.4f}",
            f"{100 * c.best_error:.1f}",
            f"{c.best_loss:.3f}",
        )
        for c in found
    ]
    return Table(
        "Text→image: is a query as often right as it is sure?",
        ("method", *(["trained on"] if several else []), *header),
        rows,
        "ECE: expected calibration error, how far the confidence in what is found first is from how often it is right. "
        "NLL: negative log-likelihood of what is right, in nats. The best temperature is the one of least NLL on the "
        "test split itself, so what it reaches is a bound. Means over seeds.",
    )


def paper(study: Study) -> Table | None:
    """The paper's numbers beside those of the same method here."""
    if study.experiment is None or not study.experiment.paper_results:
        return None
    rows = []
    for told in study.experiment.paper_results:
        asked = strategies_of(told.strategy)
        preset = strategies.presets.find(asked["strategy"])
        text, vision = (
            (preset.text, preset.vision) if preset else (asked["strategy"], asked.get("vision_strategy", FROZEN))
        )
        towers = Towers(strategies.canonical(text), strategies.canonical(vision))
        ours = [
            f"{value}{f' ({_place(study, group)})' if len(study.groups) > 1 else ''}"
            for group, row in study.rows()
            if row.towers == towers and (value := _figure(group, row, told.figure)) is not None
        ]
        rows.append(
            (told.strategy, told.figure, f"{told.value:g}", "; ".join(ours) or f"{DASH} not run here", told.where)
        )
    return Table(
        "The paper's numbers, and those of the same methods here",
        ("method", "figure", "paper", "here", "where in the paper"),
        rows,
        "Data, towers and training differ from the paper's unless this experiment is said to use its own.",
    )


def _place(study: Study, group: Group) -> str:
    return ", ".join(filter(None, (language_name(group.language), study.point(group))))


def _figure(group: Group, row: Row, name: str) -> str | None:
    """A figure as the tables call it: of the main table, or of text -> image by its short or its full name."""
    table = dict(zip(words.header(group), words.cells(group, row), strict=True))
    for key, cell in table.items():
        if name in (key, key.removesuffix(" %")):
            return cell
    for direction, figures in row.figures.items():
        for figure, found in figures.items():
            short = figure.replace("recall_at_", "R@").replace("_", " ")
            called = direction.replace("_to_", "→")
            if name in (figure, f"{direction}_{figure}", f"{called} {short}", f"{called} {short} %"):
                return percent(found) if figure != "median_rank" else words.bracketed(found)
    return None


def digests(study: Study) -> Table:
    """What tells whether data, towers and weights are the same."""
    return Table(
        "SHA-256 of data, towers and weights", ("what", "name", "SHA-256"), reproduce.digests(study), kind="digests"
    )
