"""Writes a comparison: a self-contained page, Markdown, JSON, CSV and the figures."""

from __future__ import annotations

import csv
import dataclasses
import datetime
import io
import json
import math
import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import jinja2
from pydantic import BaseModel

from data_prep.errors import UnknownNameError, UserError
from mlilt import __version__
from mlilt.comparison import examples, kept, plots, reproduce, tables, words
from mlilt.comparison.kept import Calibrated, Kept
from mlilt.comparison.plots import Plot
from mlilt.comparison.results import Group, Row
from mlilt.comparison.study import AXES, Study

# What can be written, and as what.
FORMATS = {
    "html": "index.html",
    "md": "report.md",
    "json": "results.json",
    "csv": "results.csv",
    "figures": "figures",
}
# Settings of a group that the CSV file has columns for; results.json has all.
_SETTINGS = ("text", "vision", "epochs", "batch_size", "objective", "bridge", "trim_vocab", "precision_used")
# Bytes of pictures that a page holds at most.
_PICTURES = 8_000_000
# Names of the figures that a report has written.
_DRAWN = ".drawn"
_TITLE = "Image search: strategies against full-model training"


def check(formats: Collection[str]) -> None:
    """Raises UserError for no format, or an unknown one."""
    if not formats:
        raise UserError(f"A report needs a format: {', '.join(FORMATS)}.")
    for name in formats:
        if name not in FORMATS:
            raise UnknownNameError("format", name, FORMATS)


def write(study: Study, folder: Path, formats: Collection[str] = FORMATS.keys()) -> Path:
    """Writes a report.

    Args:
        study: what it is made of.
        folder: where to; other files there stay, but for figures that an earlier report left.
        formats: what of `FORMATS`; figures as SVG and PNG.

    Returns:
        The page, or the first file if no page is asked for; of figures alone their folder, if any are drawn.

    Raises:
        UserError: an unknown format, or the folder cannot be written.
    """
    check(formats)
    asked = [name for name in FORMATS if name in formats]
    drawn = plots.draw(study) if {"html", "figures"} & set(asked) else []
    written = set()
    for path, content in _files(study, asked, drawn):
        _replace(folder / path, content)
        written.add(folder / path)
    if "figures" in asked:
        _clear(folder / FORMATS["figures"], {path.name for path in written})
    return folder / FORMATS[asked[0]]


def _files(study: Study, asked: Sequence[str], drawn: Sequence[Plot]) -> Iterator[tuple[str, bytes]]:
    """Each file by its path; every statistic is computed once."""
    measured, sure = kept.gather(study), kept.calibration(study)
    made = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
    facts = _facts(study, asked, drawn, measured, sure) | {"made": made}
    if "json" in asked:
        yield FORMATS["json"], _json(study, measured, sure, made).encode()
    if "csv" in asked:
        yield FORMATS["csv"], _csv(study, measured).encode()
    if "md" in asked:
        yield FORMATS["md"], _rendered("report.md", facts)
    if "html" in asked:
        yield FORMATS["html"], _rendered("index.html", facts | _shown(study))
    if "figures" in asked:
        for plot in drawn:
            yield f"{FORMATS['figures']}/{plot.name}.svg", plot.svg.encode()
            yield f"{FORMATS['figures']}/{plot.name}.png", plot.png


class _Counter:
    """Names for what a page refers to by name."""

    def __init__(self) -> None:
        self._count = 0

    def next(self) -> str:
        """One that was not there yet."""
        self._count += 1
        return f"n{self._count}"


def _replace(path: Path, content: bytes) -> None:
    partial = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:
        raise UserError(f"The report could not be written: {error}. Name another folder: --out.") from error


def _clear(folder: Path, written: Collection[str]) -> None:
    """Removes what an earlier report drew and this one did not: it would be taken for a part of this one."""
    listed = folder / _DRAWN
    try:
        earlier = listed.read_text(encoding="utf-8").split("\n") if listed.is_file() else []
        for name in {*earlier} - {*written}:
            # A name alone: the list may have been changed.
            if name and Path(name).name == name:
                (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"Figures of an earlier report in {folder} could not be removed: {error}.") from error
    if drawn := sorted(name for name in written if (folder / name).is_file()):
        _replace(listed, "\n".join(drawn).encode())


def _rendered(template: str, facts: dict[str, Any]) -> bytes:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("mlilt.comparison"),
        autoescape=jinja2.select_autoescape(("html",)),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"cell": _cell, "verdict": _verdict}
    return environment.get_template(template).render(**facts).encode()


def _cell(text: str) -> str:
    """Text in a cell of a Markdown table: neither the cell's end nor HTML."""
    return re.sub(r"<(?=[A-Za-z/!?])", "&lt;", " ".join(text.split())).replace("|", "\\|")


def _verdict(text: str) -> tuple[str, str, str]:
    """A cell's text, the verdict that it ends in with its symbol, if it does, and the name of the verdict's style."""
    for verdict in words.SYMBOLS:
        if text.endswith(marked := words.marked(verdict)):
            return text.removesuffix(marked), marked, verdict.replace(" ", "-")
    return text, "", ""


def _facts(
    study: Study,
    asked: Sequence[str],
    drawn: Sequence[Plot],
    measured: Sequence[Kept],
    sure: Sequence[Calibrated],
) -> dict[str, Any]:
    """What the page and the Markdown both show."""
    experiment = study.experiment if study.experiment and study.experiment.name else None
    return {
        "title": experiment.title if experiment else _TITLE,
        "experiment": experiment,
        "facts": _about(study),
        "asked": {name: FORMATS[name] for name in asked if drawn or name != "figures"},
        "version": __version__,
        "claims": [(result, *tables.claims(result)) for result in study.claims],
        "overviews": tables.overviews(study),
        "few": tables.FEW,
        "groups": [_view(group, title) for group, title in zip(study.groups, words.titles(study.groups), strict=True)],
        "plots": [(plot, _inline(plot, place)) for place, plot in enumerate(drawn)],
        "kept": tables.kept(study, measured),
        "calibration": tables.calibration(study, sure),
        "paper": tables.paper(study),
        "reproduce": reproduce,
        "study": study,
        "digests": tables.digests(study),
        "failures": words.failures(study.failures),
        "counter": _Counter(),
    }


def _about(study: Study) -> dict[str, str]:
    """What a reader wants to know first."""
    languages = dict.fromkeys(words.language_name(code) for g in study.groups for code in (*g.trained_on, g.language))
    seeds = sorted({seed for _, row in study.rows() for seed in row.seeds})
    methods = dict.fromkeys(words.label(group, row) for group, row in study.rows())
    runs = {run.folder for group in study.groups for run in group.runs}
    versions = reproduce.versions(study)
    return {
        "Languages": ", ".join(languages),
        "Methods": ", ".join(methods),
        "Seeds": ", ".join(map(str, seeds)),
        "Runs": str(len(runs)),
        "Versions": ", ".join(f"{name} {versions[name]}" for name in ("mlilt", "torch") if name in versions),
    }


def _view(group: Group, title: str) -> dict[str, Any]:
    """What is shown of a group."""
    return {
        "group": group,
        "title": title,
        "findings": words.findings(group),
        "table": tables.main(group),
        "directions": tables.directions(group),
        "breakdowns": tables.breakdowns(group),
        "commands": [(words.label(group, row), reproduce.train(group, row)) for row in group.rows],
    }


def _inline(plot: Plot, place: int) -> str:
    """A plot's SVG as part of a page, in which each id may occur once."""
    svg = plot.svg[plot.svg.index("<svg") :]
    svg = re.sub(r'\bid="', f'id="p{place}-', svg)
    return re.sub(r'(href="#|url\(#)', rf"\g<1>p{place}-", svg)


def _shown(study: Study) -> dict[str, Any]:
    """The pictures of the page, as many as it should hold."""
    chosen = _exemplary(study.groups)
    found, left_out, size = [], 0, 0
    for group, title in zip(study.groups, words.titles(study.groups), strict=True):
        if all(group is not other for other in chosen):
            continue
        shown = examples.gather(group)
        if size + shown.size > _PICTURES:
            left_out += 1
        elif shown.examples or shown.confusions:
            size += shown.size
            found.append((title, group.language, shown))
    return {"examples": found, "examples_left_out": left_out, "examples_of_some": len(chosen) < len(study.groups)}


def _exemplary(groups: Sequence[Group]) -> list[Group]:
    """All groups if they are few, else one a language: the first of all concepts."""
    if len(groups) <= tables.FEW:
        return list(groups)
    first: dict[str, Group] = {}
    for group in sorted(groups, key=lambda group: group.setting.get("concepts") is not None):
        first.setdefault(group.language, group)
    return list(first.values())


def _json(study: Study, measured: Sequence[Kept], sure: Sequence[Calibrated], made: str) -> str:
    titles = words.titles(study.groups)

    def place(group: Group, row: Row) -> dict[str, Any]:
        found = next(n for n, other in enumerate(study.groups) if other is group)
        return {"group": found, "method": words.label(group, row)}

    content = {
        "made": made,
        "mlilt": __version__,
        "experiment": study.experiment,
        "claims": study.claims,
        "groups": [
            {
                "title": title,
                "language": group.language,
                "point": study.point(group),
                "setting": group.setting,
                "machine": group.machine,
                "runs": [str(run.folder) for run in group.runs],
                "repetitions": group.repetitions,
                "rows": [{"method": words.label(group, row), **dataclasses.asdict(row)} for row in group.rows],
            }
            for group, title in zip(study.groups, titles, strict=True)
        ],
        "measured": [place(k.group, k.row) | _fields(k) for k in measured],
        "calibration": [place(c.group, c.row) | _fields(c) for c in sure],
        "digests": [dict(zip(("of", "name", "sha256"), line, strict=True)) for line in reproduce.digests(study)],
        "versions": reproduce.versions(study),
        "failures": study.failures,
    }
    return json.dumps(_plain(content), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _fields(found: Kept | Calibrated) -> dict[str, Any]:
    return {f.name: getattr(found, f.name) for f in dataclasses.fields(found) if f.name not in ("group", "row")}


def _plain(value: Any) -> Any:
    """What JSON can hold; a number that is not known, or without limit, is null."""
    if isinstance(value, BaseModel):
        return _plain(value.model_dump(mode="json"))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _csv(study: Study, measured: Sequence[Kept]) -> str:
    out = io.StringIO()
    means: dict[tuple[int, object], list[Kept]] = {}
    for k in measured:
        if k.over in (kept.UNTRAINED, kept.PAIRS) or k.test == "neighbours":
            means.setdefault((id(k.group), k.row.method), []).append(k)
    lines = [_flat(group, row) | _means(means.get((id(group), row.method), [])) for group, row in study.rows()]
    writer = csv.DictWriter(out, list(dict.fromkeys(key for line in lines for key in line)), restval="")
    writer.writeheader()
    writer.writerows(lines)
    return out.getvalue()


def _flat(group: Group, row: Row) -> dict[str, Any]:
    axes = [key for key in AXES if key not in _SETTINGS]
    line: dict[str, Any] = {
        "language": group.language,
        "trained_on": group.setting["lang"],
        **{key: group.setting[key] for key in _SETTINGS},
        **{key: _joined(group.setting.get(key)) for key in axes},
        "data_sha256": group.data_sha256,
        "method": words.label(group, row),
        "strategy": row.strategy,
        "vision_strategy": row.vision_strategy,
        "always_freeze": _joined(list(row.always_freeze)),
        "vision_always_freeze": _joined(list(row.vision_always_freeze)),
        "lr": row.lr,
        "vision_lr": row.vision_lr,
        "seeds": len(row.seeds),
        "processes": max(row.processes),
        **{key: getattr(row, key) for key in ("trained", "trained_text", "trained_vision", "projections", "share")},
        "baseline": row.baseline,
    }
    for direction, figures in row.figures.items():
        for name, interval in figures.items():
            line |= _ends(f"{direction}_{name}", interval)
    for direction, difference in (row.difference or {}).items():
        line |= _ends(f"{direction}_minus_full", difference.interval)
        line |= {f"{direction}_p": difference.p, f"{direction}_verdict": difference.verdict}
    if row.share_of_full is not None:
        line |= _ends("share_of_full", row.share_of_full)
    for kind, found in (("", row.by_source), ("category_", row.by_category), ("length_", row.by_length)):
        for name, interval in found.items():
            line |= _ends(f"text_to_image_recall_at_10_{kind}{name}", interval)
    costs = ("wall_s", "cpu_s", "captions_per_s", "pairs_per_s", "flops_per_pair", "energy_kwh", "energy_source")
    return line | {key: getattr(row, key) for key in (*costs, "peak_bytes", "saved_bytes")}


def _joined(value: Any) -> Any:
    return " ".join(map(str, value)) if isinstance(value, list) else value


def _means(measured: Sequence[Kept]) -> dict[str, float]:
    line: dict[str, float] = {}
    for k in measured:
        for name, found in (("", k.after), ("_before", k.before), ("_change", k.change), ("_minus_full", k.against)):
            if found is not None:
                line |= _ends(f"kept_{k.test}{name}", found)
    return line


def _ends(name: str, found: words.Ends) -> dict[str, float]:
    ends = {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}
    return {key: value for key, value in ends.items() if math.isfinite(value)}
