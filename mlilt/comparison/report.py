"""Writes a comparison as results.json, results.csv, report.md and a self-contained index.html."""

from __future__ import annotations

import csv
import datetime
import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jinja2

from mlilt import __version__
from mlilt.comparison import examples, plots, words
from mlilt.comparison.grid import Failure
from mlilt.comparison.results import Group, Row

# Settings of a group that the CSV file has columns for; results.json has all.
_SETTINGS = ("text", "vision", "epochs", "batch_size", "objective", "bridge", "trim_vocab", "precision_used")
FILES = ("results.json", "results.csv", "report.md", "index.html")


def write(groups: Sequence[Group], failures: Sequence[Failure], folder: Path) -> Path:
    """Writes all files of the report; returns the page's path."""
    folder.mkdir(parents=True, exist_ok=True)
    made = datetime.datetime.now(datetime.UTC).isoformat(timespec="minutes")
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("mlilt.comparison"),
        autoescape=jinja2.select_autoescape(("html",)),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    shown = [_view(group, title) for group, title in zip(groups, words.titles(groups), strict=True)]
    facts = {
        "groups": shown,
        "failures": failures,
        "made": made,
        "version": __version__,
        "header": words.HEADER,
        "all_header": words.ALL_HEADER,
    }
    texts = (
        _json(groups, failures, made),
        _csv(groups),
        environment.get_template("report.md").render(**facts),
        environment.get_template("index.html").render(**facts),
    )
    for name, text in zip(FILES, texts, strict=True):
        partial = folder / f"{name}.part"
        partial.write_text(text, encoding="utf-8", newline="\n")
        partial.replace(folder / name)
    return folder / "index.html"


def _view(group: Group, title: str) -> dict[str, Any]:
    """What the templates show of a group."""
    return {
        "group": group,
        "title": title,
        "findings": words.findings(group),
        "method": words.method(group),
        "table": [words.cells(group, row) for row in group.rows],
        "all": words.all_cells(group),
        "by_source": [
            (words.label(group, row), [words.percent(row.by_source[s]) for s in group.sources]) for row in group.rows
        ],
        "pools": [_pool(group, source) for source in group.sources],
        "plots": [
            (
                "Quality against trained parameters",
                plots.quality_against(group, "trained parameters, projections included", _trained),
            ),
            ("Quality against training time", plots.quality_against(group, "seconds of training", _seconds, log=False)),
            ("Quality over training", plots.learning_curves(group)),
        ],
        "examples": examples.gather(group),
    }


def _trained(row: Row) -> float:
    return row.trained + row.projections


def _seconds(row: Row) -> float:
    return row.wall_s


def _pool(group: Group, source: str) -> str:
    found = group.runs[0].results[source].text_to_image
    return f"{found.queries} of {found.pool}, chance {100 * found.chance_recall_at_10:.0f} %"


def _json(groups: Sequence[Group], failures: Sequence[Failure], made: str) -> str:
    def plain(value: Any) -> Any:
        return value.model_dump(mode="json")

    content = {
        "made": made,
        "mlilt": __version__,
        "groups": [
            {
                "language": group.language,
                "setting": group.setting,
                "machine": group.machine,
                "runs": [str(run.folder) for run in group.runs],
                "repetitions": group.repetitions,
                "rows": [asdict(row) for row in group.rows],
            }
            for group in groups
        ],
        "failures": [asdict(failure) for failure in failures],
    }
    return json.dumps(content, indent=1, ensure_ascii=False, default=plain) + "\n"


def _csv(groups: Sequence[Group]) -> str:
    out = io.StringIO()
    lines = [line for group in groups for line in map(_flat, [group] * len(group.rows), group.rows)]
    writer = csv.DictWriter(out, list(dict.fromkeys(key for line in lines for key in line)), restval="")
    writer.writeheader()
    writer.writerows(lines)
    return out.getvalue()


def _flat(group: Group, row: Row) -> dict[str, Any]:
    line: dict[str, Any] = {
        "language": group.language,
        "trained_on": group.setting["lang"],
        **{key: group.setting[key] for key in _SETTINGS},
        "data_sha256": group.data_sha256,
        "strategy": row.strategy,
        "vision_strategy": row.vision_strategy,
        "always_freeze": " ".join(map(str, row.always_freeze)),
        "vision_always_freeze": " ".join(map(str, row.vision_always_freeze)),
        "lr": row.lr,
        "vision_lr": row.vision_lr,
        "seeds": len(row.seeds),
        "processes": max(row.processes),
        **{key: getattr(row, key) for key in ("trained", "trained_text", "trained_vision", "projections", "share")},
        "baseline": row.baseline,
    }
    for direction, figures in row.figures.items():
        for name, interval in figures.items():
            line |= {f"{direction}_{name}{end}": v for end, v in _ends(interval)}
    for direction, difference in (row.difference or {}).items():
        line |= {f"{direction}_minus_full{end}": v for end, v in _ends(difference.interval)}
        line[f"{direction}_verdict"] = difference.verdict
    for source, interval in row.by_source.items():
        line |= {f"text_to_image_recall_at_10_{source}{end}": v for end, v in _ends(interval)}
    costs = ("wall_s", "cpu_s", "captions_per_s", "pairs_per_s", "peak_bytes", "saved_bytes")
    return line | {key: getattr(row, key) for key in costs}


def _ends(interval: Any) -> list[tuple[str, float]]:
    return [("", interval.value), ("_low", interval.low), ("_high", interval.high)]
