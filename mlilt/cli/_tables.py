"""Results as tables for the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mlilt.comparison import Comparison, tables, words
from mlilt.comparison.results import Group
from mlilt.record import RunRecord

# Columns that a table with all figures takes beside the names of its rows.
WIDE = 130
# The same of a table of a comparison.
_WHOLE = 230


def out() -> Console:
    """Standard output. Off a terminal tables keep their full width: a pipe has no edge to fold at."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=300)


def show_run(console: Console, record: RunRecord, folder: str) -> None:
    """One run: figures by language and source, what trained, what it took."""
    names = ", ".join(words.language_name(code) for code in record.config.languages)
    title = f"{names}, {record.config.method}: test split, % [95 % interval]"
    table = Table(title=escape(title), title_justify="left")
    several = len(record.results) > 1
    for heading in (*(["language"] if several else []), "source", "direction"):
        table.add_column(heading)
    for heading in ("queries", "pool", "R@1", "R@5", "R@10", "chance R@10", "median rank", "MRR"):
        table.add_column(heading, justify="right")
    for code, by_source in record.results.items():
        shown = words.language_name(code)
        for source, result in by_source.items():
            for label, d in (("text→image", result.text_to_image), ("image→text", result.image_to_text)):
                first = label == "text→image"
                table.add_row(
                    *([shown] if several else []),
                    source if first else "",
                    label,
                    str(d.queries),
                    str(d.pool),
                    *(words.percent(i) for i in (d.recall_at_1, d.recall_at_5, d.recall_at_10)),
                    f"{100 * d.chance_recall_at_10:.1f}",
                    f"{d.median_rank.value:g}",
                    f"{d.mrr.value:.3f}",
                )
                shown = ""
        if several:
            table.add_section()
    console.print(table)
    trained, costs = record.trained, record.costs
    towers = [(trained.text, trained.text_total, "text")]
    if trained.vision:
        towers.append((trained.vision, trained.vision_total, "vision"))
    counts = [
        f"{words.size(sum(by_name.values()))} of {words.size(total)} parameters of the {tower} tower"
        for by_name, total, tower in towers
    ]
    processes = f" in {record.processes} processes, the first of which took" if record.processes > 1 else " in"
    console.print(
        f"Trained {', '.join(counts)} and {words.size(trained.projections + trained.scalars)} of the projections "
        f"({100 * trained.share:.2f} % of both towers){processes} {words.duration(costs.wall_s)}: "
        f"{costs.captions_per_s:.0f} captions/s, {costs.pairs_per_s:.0f} pairs/s, peak memory "
        f"{words.size(costs.peak_rss_bytes or 0, 'B')}."
    )
    console.print(f"Run: {folder} ({words.size(costs.saved_bytes, 'B')} of weights)", soft_wrap=True, markup=False)


def show_comparison(console: Console, comparison: Comparison) -> None:
    """Claims with their verdicts, each group's table and findings, what failed, and where the page is.

    Of many groups the tables over all of them are shown instead.
    """
    study = comparison.study
    for result in study.claims:
        pooled, single = tables.claims(result)
        console.print(result.says, style="bold", markup=False)
        if found := pooled or single:
            _show(console, found)
        console.print(f"{result.summary}\n", markup=False)
    if len(study.groups) > tables.FEW:
        for overview in tables.overviews(study):
            _show(console, overview)
    else:
        for group, title in zip(study.groups, words.titles(study.groups), strict=True):
            _show_group(console, group, title)
    for named, reason in words.failures(study.failures):
        console.print(f"Failed: {named}: {reason}", style="red", markup=False)
    console.print(f"Report: {comparison.page}", soft_wrap=True, markup=False)


def _show_group(console: Console, group: Group, title: str) -> None:
    columns = words.columns(group)
    longest = max(len(words.label(group, row)) for row in group.rows)
    if console.width < _WHOLE + longest:
        columns = [column for column in columns if column.essential]
    rows = [tuple(column.cell(group, row) for column in columns) for row in group.rows]
    _show(console, tables.Table(title, tuple(column.name for column in columns), rows))
    for finding in words.findings(group):
        console.print(f"- {finding}", markup=False)


def _show(console: Console, found: tables.Table) -> None:
    table = Table(title=escape(found.caption), title_justify="left")
    for place, heading in enumerate(found.header):
        # A name that is cut off could be another's.
        table.add_column(escape(heading), justify="left" if place == 0 else "right", overflow="fold")
    for row in found.rows:
        # Intervals are in brackets, as rich's own markup is.
        table.add_row(*map(escape, row))
    console.print(table)
