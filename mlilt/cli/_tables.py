"""Results as tables for the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mlilt.comparison import Comparison, words
from mlilt.record import RunRecord

# Columns that a table with all figures takes.
WIDE = 140


def out() -> Console:
    """Standard output. Off a terminal tables keep their full width: a pipe has no edge to fold at."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=160)


def show_run(console: Console, record: RunRecord, folder: str) -> None:
    """One run: figures by source, what trained, what it took."""
    name = words.language_name(record.config.lang)
    table = Table(title=f"{name}, {record.config.strategy}: test split, % [95 % interval]", title_justify="left")
    table.add_column("source")
    table.add_column("direction")
    for heading in ("queries", "pool", "R@1", "R@5", "R@10", "chance R@10", "median rank", "MRR"):
        table.add_column(heading, justify="right")
    for source, result in record.results.items():
        for label, d in (("text→image", result.text_to_image), ("image→text", result.image_to_text)):
            table.add_row(
                source if label == "text→image" else "",
                label,
                str(d.queries),
                str(d.pool),
                *(words.percent(i) for i in (d.recall_at_1, d.recall_at_5, d.recall_at_10)),
                f"{100 * d.chance_recall_at_10:.1f}",
                f"{d.median_rank.value:g}",
                f"{d.mrr.value:.3f}",
            )
    console.print(table)
    trained, costs = record.trained, record.costs
    console.print(
        f"Trained {words.size(trained.count)} of {words.size(trained.tower_total)} parameters of the text tower and "
        f"{words.size(trained.projections + trained.temperature)} of the projections ({100 * trained.share:.2f} %) in "
        f"{words.duration(costs.wall_s)}: {costs.captions_per_s:.0f} captions/s, {costs.pairs_per_s:.0f} pairs/s, "
        f"peak memory {words.size(costs.peak_rss_bytes or 0, 'B')}."
    )
    console.print(f"Run: {folder} ({words.size(costs.saved_bytes, 'B')} of weights)", soft_wrap=True, markup=False)


def show_comparison(console: Console, comparison: Comparison) -> None:
    """Each group's table and findings, what failed, and where the page is."""
    for group, title in zip(comparison.groups, words.titles(comparison.groups), strict=True):
        table = Table(title=escape(title), title_justify="left")
        shown = range(len(words.HEADER)) if console.width >= WIDE else words.ESSENTIAL
        for place in shown:
            table.add_column(words.HEADER[place], justify="left" if place == 0 else "right")
        for row in group.rows:
            cells = words.cells(group, row)
            table.add_row(*(cells[place] for place in shown))
        console.print(table)
        for finding in words.findings(group):
            console.print(f"- {finding}", markup=False)
    for failure in comparison.failures:
        console.print(f"Failed: {failure.run}: {failure.reason}", style="red", markup=False)
    console.print(f"Report: {comparison.page}", soft_wrap=True, markup=False)
