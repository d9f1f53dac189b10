from __future__ import annotations

import csv
import dataclasses
import itertools
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from data_prep.carriers import Npm, Resource, fetch
from data_prep.errors import UserError
from mlilt import record
from mlilt.assessment import Measured
from mlilt.comparison import Comparison, claims, compare, experiment, kept, report, results, tables, words
from mlilt.comparison.grid import Failure
from mlilt.comparison.results import Run
from mlilt.comparison.study import Study, towers_key

AXE = Resource(
    "axe-core",
    digest="c988c2e05cfd3cc6f3a92f2352f8f9b3ccd66f7f5a4064e8460acbf4bac2dea7",
    carriers=(
        Npm(
            "axe-core",
            "4.14.1",
            sha256="e6b0ce02b84d892e2e33e403485e7f3d6c29e2be6df65daf44d89ba564139745",
            members={"package/": ""},
        ),
    ),
    patterns=("axe.min.js",),
)
HOSTILE = "<img src=x onerror=document.title='owned'><script>document.title='owned'</script>|"
EXPERIMENT = {
    "name": "parity",
    "title": "Parity of parts",
    "claim": "Training a part <matches> the whole.",
    "paper": "Khan & Fu, ICLR 2023, Table 1",
    "languages": ["sw"],
    "strategies": ["layernorm", "full"],
    "seeds": 2,
    "claims": [
        {"kind": "parity"},
        {"kind": "reaches", "share": 0.01},
        {"kind": "keeps"},
        {"kind": "scarce"},
    ],
    "paper_results": [
        {"strategy": "lit", "figure": "R@10", "value": 71.5, "where": "Table 1"},
        {"strategy": "lilt-da", "figure": "R@1", "value": 40.25, "where": "Table 2"},
    ],
}


def open_page(browser: Browser, path: Path, width: int = 1280, **settings: Any) -> tuple[Page, list[str]]:
    """The page, and every address that it asked for."""
    page = browser.new_page(viewport={"width": width, "height": 900}, **settings)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    return page, asked


def measured(run: Run) -> list[Measured]:
    """What a run might be worth in other tests: at random, and the less the more of it trained."""
    random = np.random.default_rng([run.record.config.seed, run.record.trained.count])
    items = [f"i{n}" for n in range(40)]

    def one(test: str, on: str, part: str = "", figure: str = "accuracy") -> Measured:
        reached = 0.4 if run.record.config.strategy == "full" else 0.8
        values = {figure: (random.random(len(items)) < reached).astype(float).tolist()}
        return Measured(test=test, on=on, part=part, items=items, clusters=items, values=values, chance={figure: 0.1})

    found = [one("retrieval", on, "text_to_image", "recall_at_10") for on in ("am", "en", "sw")]
    found += [one("zero-shot", on) for on in ("am", "sw")] + [one("bitext", on) for on in ("am-en", "am-sw", "en-sw")]
    about: dict[str, Any] = {
        "temperature": 0.05,
        "error": 0.1,
        "best_temperature": 0.04,
        "best_error": 0.02,
        "best_loss": 1.25,
    }
    about |= {"edges": [0.0, 0.5, 1.0], "counts": [20, 20], "bin_confidence": [0.25, None], "bin_accuracy": [0.5, None]}
    values = {"loss": [1.5] * 40, "confidence": [0.25] * 40, "correct": [1.0, 0.0] * 20}
    return [
        *found,
        Measured(test="calibration", on="sw", items=items, clusters=items, values=values, about=about),
    ]


def made(groups: list[results.Group]) -> Study:
    """A study of all that a report may show."""
    assessed = {run.folder: measured(run) for group in groups for run in group.runs}
    first = groups[0].runs[0]
    before = {towers_key(first.record): [m for m in measured(first) if m.test == "bitext"]}
    asked = experiment.make(EXPERIMENT, "the test")
    failures = [Failure("sw-lora-s0", f"Out of memory. {HOSTILE}")]
    study = Study(groups, assessed, before, asked, failures=failures)
    return dataclasses.replace(study, claims=claims.judge_all(asked.kinds(), study))


@pytest.fixture(scope="module")
def whole(compared: tuple[Comparison, Path, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, Path]:
    """A study of one group with everything, and the folder of its report."""
    study = made(compared[0].study.groups)
    return study, report.write(study, tmp_path_factory.mktemp("whole")).parent


@pytest.fixture(scope="module")
def many(compared: tuple[Comparison, Path, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, Path]:
    """The same at more points of an axis than have room side by side."""
    runs = [
        run._replace(
            folder=Path(f"{run.folder}-{concepts}"),
            record=run.record.model_copy(
                update={"config": run.record.config.model_copy(update={"concepts": concepts})}
            ),
        )
        for concepts in (10, 20, 30, 40, 50, 60, None)
        for run in compared[0].study.groups[0].runs
    ]
    study = made(results.group(runs))
    return study, report.write(study, tmp_path_factory.mktemp("many"), ("html", "md")).parent


def test_page_is_self_contained_and_shows_all(browser: Browser, whole: tuple[Study, Path]) -> None:
    study, out = whole
    page, asked = open_page(browser, out / "index.html")
    assert [url for url in asked if not url.startswith("data:")] == [(out / "index.html").as_uri()]
    assert page.title().startswith("Parity of parts")
    assert page.locator("h1").inner_text() == "Parity of parts"
    assert page.get_by_text("Training a part <matches> the whole.").count() == 1
    assert page.locator("table.results tbody tr").count() == 2
    assert page.locator("table.results tbody tr").first.inner_text().startswith("layernorm")
    plots = page.locator("figure svg")
    assert plots.count() >= 2
    for place in range(plots.count()):
        box = plots.nth(place).bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) > 100
        assert "layernorm" in (plots.nth(place).text_content() or "")
    shown = page.eval_on_selector_all("table.examples img", "nodes => nodes.map(n => n.naturalWidth)")
    queries = study.groups[0].runs[0].record.examples["sw"]
    assert len(shown) == len(queries) * 2 * 5
    assert all(shown)
    right = sum(
        flag for name in ("layernorm", "full") for found in first(study, name).examples["sw"] for flag in found.right
    )
    assert page.locator("table.examples .right").count() == right
    for found in queries:
        assert page.locator("table.examples").get_by_text(found.query, exact=True).count() >= 1


def first(study: Study, strategy: str) -> record.RunRecord:
    return next(r.record for r in study.groups[0].runs if r.record.config.strategy == strategy)


def test_the_contents_lead_to_every_section(browser: Browser, whole: tuple[Study, Path]) -> None:
    page, _ = open_page(browser, whole[1] / "index.html")
    sections = page.eval_on_selector_all("main h2", "nodes => nodes.map(n => [n.id, n.textContent])")
    links = page.eval_on_selector_all("nav li a", "nodes => nodes.map(n => [n.hash.slice(1), n.textContent])")
    assert links == sections
    assert [name for _, name in sections] == [
        "Claims",
        "Results",
        "Plots",
        "By source, category and caption length",
        "What is kept",
        "Calibration",
        "Example queries",
        "Beside the paper",
        "How to reproduce this",
        "What failed",
    ]


def test_confusions_are_of_the_best_small_method_and_of_full_training(
    browser: Browser, whole: tuple[Study, Path]
) -> None:
    study, out = whole
    page, _ = open_page(browser, out / "index.html")
    shown = page.locator("table.confusions")
    assert shown.count() == 2
    for place, name in enumerate(("layernorm", "full")):
        rows = shown.nth(place).locator("tbody tr")
        found = first(study, name).confusions["sw"]
        assert found
        assert rows.count() == len(found)
        for line, confusion in zip(rows.all(), found, strict=True):
            text = line.text_content() or ""
            assert confusion.query in text
            assert confusion.english in text
            assert text.rstrip().endswith(str(confusion.rank))
            assert line.locator("img").count() == 2


def test_claims_are_told_with_their_verdicts_in_words(browser: Browser, whole: tuple[Study, Path]) -> None:
    study, out = whole
    page, _ = open_page(browser, out / "index.html")
    markdown = (out / "report.md").read_text(encoding="utf-8")
    assert {j.verdict for result in study.claims for j in result.judgements} >= {"holds"}
    rows = [row.split("\t") for row in page.locator("table.claim tbody tr").all_inner_texts()]
    assert len(rows) == sum(len(result.judgements) for result in study.claims)
    expected = []
    for result in study.claims:
        assert page.get_by_role("heading", name=result.says, exact=True).count() == 1
        assert page.get_by_text(result.summary, exact=True).count() >= 1
        assert f"### {result.says}\n\n{result.summary}\n" in markdown
        for j in result.judgements:
            signed = result.quantity.endswith("points")
            # A zero has no sign.
            value = f"{j.value:{'+' if signed and round(j.value, 1) else ''}.1f}"
            expected.append(
                (j.subject, value.replace("-", "−"), words.p_value(j.p), f"{words.SYMBOLS[j.verdict]} {j.verdict}")
            )
    for row, (subject, value, p, verdict) in zip(rows, expected, strict=True):
        assert row[0] == subject
        assert row[2].startswith(f"{value} [")
        assert (row[-2], row[-1]) == (p, verdict)
        assert f"| {' | '.join(row)} |" in markdown


def test_nothing_serious_stands_in_the_way_of_anyone(
    browser: Browser, whole: tuple[Study, Path], many: tuple[Study, Path]
) -> None:
    source = (fetch(AXE, progress=False) / "axe.min.js").read_text(encoding="utf-8")
    rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    for _, out in (whole, many):
        for scheme, width in (("light", 1280), ("dark", 360))[: 1 + (out == whole[1])]:
            page, _ = open_page(browser, out / "index.html", width, color_scheme=scheme)
            page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
            page.evaluate(source)
            found = page.evaluate("rules => axe.run(document, {runOnly: rules, resultTypes: ['violations']})", rules)
            assert len(found["passes"]) > 20
            said = [(v["id"], v["impact"], v["nodes"][0]["html"][:200]) for v in found["violations"]]
            assert said == []


def test_headings_are_in_order_and_everything_has_a_name(
    browser: Browser, whole: tuple[Study, Path], many: tuple[Study, Path]
) -> None:
    for _, out in (whole, many):
        page, _ = open_page(browser, out / "index.html")
        assert page.locator("html").get_attribute("lang") == "en"
        levels = page.eval_on_selector_all("h1, h2, h3, h4, h5, h6", "nodes => nodes.map(n => Number(n.tagName[1]))")
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(later <= earlier + 1 for earlier, later in itertools.pairwise(levels))
        unnamed = page.evaluate(
            """[...document.querySelectorAll("table")].filter(t => !t.caption?.textContent.trim()
                || [...t.tHead.querySelectorAll("th")].some(h => h.scope != "col" || !h.textContent.trim())
                || [...t.tBodies[0].rows].some(r => r.cells[0].scope != "row")
                || new Set([...t.rows].map(r => r.cells.length)).size != 1
            ).map(t => t.outerHTML.slice(0, 300))"""
        )
        assert unnamed == []
        assert page.locator("figure").count() == page.locator("figure figcaption").count()
        assert page.eval_on_selector_all("figure [role=img]", "nodes => nodes.every(n => n.ariaLabel.length > 20)")
        # In tables of confusions the caption beside the picture says what it shows.
        assert page.locator("table.examples img:not([alt]), table.examples img[alt='']").count() == 0
        ids = page.eval_on_selector_all("[id]", "nodes => nodes.map(n => n.id)")
        assert len(ids) == len(set(ids))


def test_paper_gets_all_that_is_folded_away_and_no_table_is_cut_off(
    browser: Browser, whole: tuple[Study, Path], many: tuple[Study, Path]
) -> None:
    for _, out in (whole, many):
        # The width of A4 on its side, less the margins.
        page, _ = open_page(browser, out / "index.html", 1032)
        page.emulate_media(media="print")
        assert page.locator("details").count() > 2
        assert page.locator("details[open]").count() == 0
        hidden = (
            "nodes => nodes.filter(n => !n.checkVisibility({contentVisibilityAuto: true}) || !n.offsetHeight).length"
        )
        assert page.eval_on_selector_all("details > :not(summary)", hidden) == 0
        assert page.locator("nav").is_hidden()
        cut = page.eval_on_selector_all(
            ".scroll, pre", "nodes => nodes.filter(n => n.scrollWidth > n.clientWidth).length"
        )
        assert cut == 0
        assert page.evaluate("document.documentElement.scrollWidth") <= 1032
        page.emulate_media(media="screen")
        assert page.eval_on_selector_all("details > :not(summary)", hidden) > 0
        # Browsers that cannot do so by style are told before they print.
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert page.locator("details:not([open])").count() == 0
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        assert page.locator("details[open]").count() == 0


def test_all_is_there_without_scripts(browser: Browser, whole: tuple[Study, Path]) -> None:
    page, _ = open_page(browser, whole[1] / "index.html", java_script_enabled=False)
    page.locator("summary").first.click()
    assert page.locator("details[open]").count() == 1


@pytest.fixture(scope="module")
def both_towers(compared: tuple[Comparison, Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of many methods, with vision towers that train: copies of `compared`'s runs under other strategies."""
    root = tmp_path_factory.mktemp("both")
    shutil.copytree(compared[1], root / "runs")
    for text, vision, factor in (
        ("full", "full", 3),
        ("layernorm", "layernorm", 2),
        ("adapter-deep+layernorm", "adapter-deep+layernorm", 4),
        ("adapter-layerwise+layernorm", "adapter-layerwise+layernorm", 5),
        ("lora:rank=16", "last-k:k=1", 6),
    ):
        folder = root / "runs" / f"copy-{factor}"
        shutil.copytree(root / "runs" / "sw-layernorm-s0", folder)
        path = folder / record.RECORD
        about = json.loads(path.read_text(encoding="utf-8"))
        about["config"] |= {"strategy": text, "vision_strategy": vision, "vision_lr": 1e-3}
        about["trained"]["vision"] = {"norm": 10_000 * factor}
        about["costs"]["wall_s"] *= factor
        path.write_text(json.dumps(about), encoding="utf-8")
    return compare(runs=root / "runs", out=root / "report").page


LABELS = (
    "layernorm",
    "layernorm/layernorm (lilt-minus-adapters)",
    "full/full (clip)",
    "adapter-deep+layernorm/adapter-deep+layernorm (lilt-da)",
    "adapter-layerwise+layernorm/adapter-layerwise+layernorm (lilt-lwa)",
    "lora:rank=16/last-k:k=1",
    "full (lit)",
)


def test_long_names_of_both_towers_fit(browser: Browser, both_towers: Path) -> None:
    page, _ = open_page(browser, both_towers)
    assert page.locator("table.results tbody th").all_inner_texts() == list(LABELS)
    small, _ = open_page(browser, both_towers, width=360)
    assert small.evaluate("document.documentElement.scrollWidth") <= 360
    paper, _ = open_page(browser, both_towers, width=1032)
    paper.emulate_media(media="print")
    assert paper.evaluate("document.documentElement.scrollWidth") <= 1032


def test_each_row_is_said_to_be_held_against_the_training_of_its_kind(browser: Browser, both_towers: Path) -> None:
    page, _ = open_page(browser, both_towers)
    said = page.locator("section[aria-labelledby=results] li").all_inner_texts()
    assert len(said) == len(LABELS) - 2
    for sentence in said:
        label = next(label for label in LABELS if sentence.startswith(f"{label} trains"))
        full = "full/full (clip)" if "/" in label else "full (lit)"
        assert f"recall@10 of full-model training, {full} (" in sentence


def test_pages_fit_a_small_screen_folded_and_not(
    browser: Browser, whole: tuple[Study, Path], many: tuple[Study, Path]
) -> None:
    for _, out in (whole, many):
        page, _ = open_page(browser, out / "index.html", width=360)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_dark_mode_changes_the_ground(browser: Browser, whole: tuple[Study, Path]) -> None:
    page, _ = open_page(browser, whole[1] / "index.html")
    grounds = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        grounds.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert grounds[0] == "rgb(255, 255, 255)"
    assert sum(map(int, re.findall(r"\d+", grounds[1])[:3])) < 150
    # Paper is white, whatever the screen is.
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_what_captions_and_categories_say_is_text_not_markup(
    browser: Browser, compared: tuple[Comparison, Path, Path], tmp_path: Path
) -> None:
    [run] = results.read_run(compared[0].groups[0].runs[0].folder)
    found = [e.model_copy(update={"query": HOSTILE}) for e in run.record.examples["sw"]]
    asked = {key: dataclasses.replace(a, categories=[HOSTILE] * len(a.categories)) for key, a in run.asked.items()}
    about = run.record.model_copy(update={"examples": {"sw": found}, "confusions": {"sw": found}})
    study = Study(results.group([run._replace(record=about, asked=asked)]), failures=[Failure("x", HOSTILE)])
    page, _ = open_page(browser, report.write(study, tmp_path))
    assert page.title() != "owned"
    # The queries, as examples and as confusions; the category; the failure.
    assert page.get_by_text(HOSTILE).count() == 2 * len(found) + 2
    line = next(
        line
        for line in (tmp_path / "report.md").read_text(encoding="utf-8").splitlines()
        if line.startswith("| &lt;img")
    )
    # In a cell of Markdown it is neither HTML nor the cell's end.
    assert "<" not in line
    assert re.search(r"(?<!\\)\| \d+ \| \d", line)


def test_examples_are_left_out_when_the_data_is_gone(compared: tuple[Comparison, Path, Path], tmp_path: Path) -> None:
    [run] = results.read_run(compared[0].groups[0].runs[0].folder)
    config = run.record.config.model_copy(update={"data": str(tmp_path / "nowhere")})
    changed = run._replace(record=run.record.model_copy(update={"config": config}))
    page = report.write(Study(results.group([changed])), tmp_path / "out", ["html"]).read_text(encoding="utf-8")
    assert "What they find" not in page
    assert "Left out: the data sets are no longer where these runs found them." in page


def test_the_same_runs_give_the_same_plots(compared: tuple[Comparison, Path, Path], tmp_path: Path) -> None:
    again = compare(runs=compared[1], out=tmp_path)

    def plots(path: Path) -> list[str]:
        return re.findall(r"<svg.*?</svg>", path.read_text(encoding="utf-8"), re.DOTALL)

    assert plots(again.page) == plots(compared[0].page)


def test_of_many_groups_the_tables_over_all_come_first(browser: Browser, many: tuple[Study, Path]) -> None:
    study, out = many
    page, _ = open_page(browser, out / "index.html")
    reached, difference = page.locator("table.overview").all()
    names = [*(f"{n} concepts" for n in (10, 20, 30, 40, 50, 60)), "all concepts"]
    assert reached.locator("thead th").all_inner_texts() == ["method", *names]
    for place, method in enumerate(("layernorm", "full (lit)")):
        row = reached.locator("tbody tr").nth(place)
        assert row.locator("th").inner_text() == method
        cells = row.locator("td").all_inner_texts()
        assert cells == [words.percent(g.rows[place].figures["text_to_image"]["recall_at_10"]) for g in study.groups]
    told = difference.locator("tbody tr").first.locator("td").all_inner_texts()
    for cell, group in zip(told, study.groups, strict=True):
        assert group.rows[0].difference is not None
        assert cell.startswith(words.points(group.rows[0].difference["text_to_image"].interval))
    folded = page.locator("section[aria-labelledby=results] > details > summary").all_inner_texts()
    assert folded == words.titles(study.groups)
    # Examples of one group alone, that of all concepts.
    assert page.locator("table.examples").count() == 1
    assert page.locator("section[aria-labelledby=examples] h3").inner_text() == folded[-1]
    assert (out / "index.html").stat().st_size < 10_000_000


def test_where_columns_would_be_too_many_they_are_rows(many: tuple[Study, Path]) -> None:
    runs = [run for group in many[0].groups for run in group.runs]
    more = [
        run._replace(
            folder=Path(f"{run.folder}-{epochs}"),
            record=run.record.model_copy(update={"config": run.record.config.model_copy(update={"epochs": epochs})}),
        )
        for epochs in (1, 2)
        for run in runs
    ]
    study = Study(results.group(more))
    reached, _ = tables.overviews(study)
    assert reached.header == ("", "layernorm", "full (lit)")
    assert [row[0] for row in reached.rows] == [study.point(group) for group in study.groups]


def test_json_holds_all_and_is_valid(whole: tuple[Study, Path]) -> None:
    study, out = whole

    def refuse(name: str) -> None:
        raise AssertionError(name)

    found = json.loads((out / "results.json").read_text(encoding="utf-8"), parse_constant=refuse)
    for told, result in zip(found["claims"], study.claims, strict=True):
        assert told["says"] == result.says
        for j, judgement in zip(told["judgements"], result.judgements, strict=True):
            assert (j["subject"], j["value"], j["p"], j["verdict"]) == (
                judgement.subject,
                judgement.value,
                judgement.p,
                judgement.verdict,
            )
    [group] = found["groups"]
    for told, row in zip(group["rows"], study.groups[0].rows, strict=True):
        assert told["figures"]["text_to_image"]["ndcg_at_10"] == row.figures["text_to_image"]["ndcg_at_10"].model_dump()
        assert told["flops_per_pair"] == row.flops_per_pair
        assert told["seeds"] == row.seeds
    means = [
        m for m in found["measured"] if (m["test"], m["method"], m["over"]) == ("bitext", "layernorm", "all pairs")
    ]
    expected = np.mean(
        [
            m.values["accuracy"]
            for run in study.groups[0].runs
            if run.record.config.strategy == "layernorm"
            for m in study.assessed[run.folder]
            if m.test == "bitext"
        ]
    )
    assert [m["after"]["value"] for m in means] == [pytest.approx(expected)]
    assert found["experiment"]["name"] == "parity"
    assert found["failures"][0]["run"] == "sw-lora-s0"
    weights = {line["name"]: line["sha256"] for line in found["digests"] if line["of"] == "weights"}
    assert weights == {run.folder.name: run.record.weights_sha256 for run in study.groups[0].runs}


def test_csv_has_a_line_a_row(whole: tuple[Study, Path]) -> None:
    study, out = whole
    with (out / "results.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    for line, row in zip(lines, study.groups[0].rows, strict=True):
        assert line["strategy"] == row.strategy
        assert float(line["text_to_image_ndcg_at_10"]) == row.figures["text_to_image"]["ndcg_at_10"].value
        for name, found in row.by_category.items():
            assert float(line[f"text_to_image_recall_at_10_category_{name}"]) == found.value
        if row.difference is None:
            assert line["text_to_image_p"] == line["share_of_full"] == ""
        else:
            assert float(line["text_to_image_p"]) == row.difference["text_to_image"].p
            assert row.share_of_full is not None
            assert float(line["share_of_full_high"]) == row.share_of_full.high
        assert 0 <= float(line["kept_retrieval"]) <= 1
        assert line["kept_bitext_change"]


def test_markdown_and_page_tell_the_same_figures(browser: Browser, whole: tuple[Study, Path]) -> None:
    page, _ = open_page(browser, whole[1] / "index.html")
    markdown = (whole[1] / "report.md").read_text(encoding="utf-8")
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    rows = page.eval_on_selector_all(
        "table:not(.examples, .confusions) tr",
        "rows => rows.map(row => [...row.cells].map(c => c.textContent.replace(/\\s+/g, ' ').trim()))",
    )
    assert len(rows) > 40
    for cells in rows:
        assert f"| {' | '.join(cells)} |" in markdown


def test_what_is_not_known_is_never_told_as_a_number(write_run: Callable[..., Path], tmp_path: Path) -> None:
    # Full-model training that finds nothing: what share of it anything is, nobody knows.
    folders = write_run({"sw": [1, 3, 7, 20]}), write_run({"sw": [50] * 4}, strategy="full")
    groups = results.group([run for folder in folders for run in results.read_run(folder)])
    asked = experiment.make(EXPERIMENT, "the test")
    study = Study(groups, experiment=asked)
    study = dataclasses.replace(study, claims=claims.judge_all([("reaches", {"below_share": 0.5})], study))
    assert any(not np.isfinite(j.value) for result in study.claims for j in result.judgements)
    page = report.write(study, tmp_path)
    for path in (page, tmp_path / "report.md", tmp_path / "results.csv", tmp_path / "results.json"):
        text = re.sub(r"<svg.*?</svg>|<style>.*?</style>", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        assert not re.search(r"\b(nan|inf|infinity|none)\b", text, re.IGNORECASE)
    assert "<td>– often nothing found</td>" in page.read_text(encoding="utf-8")


def test_a_test_in_languages_trained_alone_has_no_mean_over_others(
    write_run: Callable[..., Path], tmp_path: Path
) -> None:
    [run] = results.read_run(write_run({"sw": [1, 3, 7, 20]}))
    own = [m for m in measured(run) if (m.test, m.on) == ("zero-shot", "sw")]
    study = Study(results.group([run]), {run.folder: own})
    [tested] = tables.kept(study, kept.gather(study))
    assert tested.means is None
    [table] = tested.by_language
    reached = float(np.mean(own[0].values["accuracy"]))
    assert table.header == ("language asked", "chance", "layernorm")
    assert [(row[0], row[1]) for row in table.rows] == [("Swahili (trained)", "10.0")]
    assert table.rows[0][2].startswith(f"{100 * reached:.1f} [")
    assert table.caption in report.write(study, tmp_path, ["html"]).read_text(encoding="utf-8")


def test_the_papers_numbers_stand_beside_those_of_the_same_method(whole: tuple[Study, Path]) -> None:
    found = tables.paper(whole[0])
    assert found is not None
    full = next(row for row in whole[0].groups[0].rows if row.strategy == "full")
    assert list(found.rows) == [
        ("lit", "R@10", "71.5", words.percent(full.figures["text_to_image"]["recall_at_10"]), "Table 1"),
        ("lilt-da", "R@1", "40.25", "– not run here", "Table 2"),
    ]


@pytest.mark.parametrize(
    ("formats", "written"),
    [
        (["html"], {"index.html"}),
        (["csv", "json"], {"results.json", "results.csv"}),
        (["figures", "md"], {"report.md", "figures"}),
    ],
)
def test_only_what_is_asked_for_is_written(
    write_run: Callable[..., Path], tmp_path: Path, formats: list[str], written: set[str]
) -> None:
    folders = write_run({"sw": [1, 3, 7, 20]}), write_run({"sw": [1, 2, 3, 4]}, strategy="full")
    study = Study(results.group([run for folder in folders for run in results.read_run(folder)]))
    first = report.write(study, tmp_path / "out", formats)
    assert {path.name for path in (tmp_path / "out").iterdir()} == written
    assert first.name == next(path for name, path in report.FORMATS.items() if name in formats)
    there = {path.name: path for path in (tmp_path / "out").glob("figures/*")}
    figures = sorted(there.keys() - {".drawn"})
    if "figures" in formats:
        assert {Path(name).suffix for name in figures} == {".svg", ".png"}
        assert all(there[name].stat().st_size > 1000 for name in figures)
        assert there[".drawn"].read_text(encoding="utf-8").split("\n") == figures
        linked = re.findall(r"\]\(figures/(.*?)\)", (tmp_path / "out" / "report.md").read_text(encoding="utf-8"))
        assert sorted(linked) == [name for name in figures if name.endswith(".svg")]


def test_figures_of_an_earlier_report_do_not_stay_and_all_else_does(
    write_run: Callable[..., Path], tmp_path: Path
) -> None:
    folders = write_run({"sw": [1, 3, 7, 20]}), write_run({"sw": [1, 2, 3, 4]}, strategy="full")
    study = Study(results.group([run for folder in folders for run in results.read_run(folder)]))
    figures = tmp_path / "out" / "figures"
    figures.mkdir(parents=True)
    own = {"mine.svg", "photo.png", "mine.txt"}
    for name in own:
        (figures / name).write_text("mine", encoding="utf-8")
    report.write(study, tmp_path / "out", ["figures"])
    drawn = {path.name for path in figures.glob("*.*g")} - own
    assert drawn
    alone = Study(results.group(results.read_run(folders[0])))
    report.write(alone, tmp_path / "out", ["md"])
    assert drawn <= {path.name for path in figures.iterdir()}
    report.write(alone, tmp_path / "out", ["md", "figures"])
    there = {path.name for path in figures.iterdir()}
    assert own <= there
    assert not drawn & there


def test_rows_of_held_out_categories_are_as_long_as_their_header(write_run: Callable[..., Path]) -> None:
    folders = [
        write_run({"sw": [1, 2]}, strategy="full", vision_strategy="full", concepts=concepts) for concepts in (10, 20)
    ]
    study = Study(results.group([run for folder in folders for run in results.read_run(folder)]))
    for folder, measured_on in zip(folders, (["sw: test split"], ["sw: test split", "sw: categories"]), strict=True):
        study.assessed[folder] = [
            Measured(
                test="neighbours",
                on=on,
                items=["a", "b"],
                clusters=["a", "b"],
                values={"accuracy": [1.0, 0.0]},
                chance={"accuracy": 0.5},
            )
            for on in measured_on
        ]
    [tested] = tables.kept(study, kept.gather(study))
    assert tested.means is not None
    assert len(tested.means.rows) == 3
    assert {len(row) for row in tested.means.rows} == {len(tested.means.header)}


def test_figures_are_linked_from_the_page(browser: Browser, whole: tuple[Study, Path]) -> None:
    page, _ = open_page(browser, whole[1] / "index.html")
    links = page.eval_on_selector_all("figcaption a", "nodes => nodes.map(n => n.getAttribute('href'))")
    assert len(links) == 2 * page.locator("figure").count()
    assert {(whole[1] / link).is_file() for link in links} == {True}


def test_an_unknown_format_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no format named 'pdf'\. Known: csv, figures, html, json, md"):
        report.write(Study([]), tmp_path / "out", ["md", "pdf"])
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_said(write_run: Callable[..., Path], tmp_path: Path) -> None:
    study = Study(results.group(results.read_run(write_run({"sw": [1, 3, 7, 20]}))))
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(UserError, match=r"could not be written: .* --out"):
        report.write(study, tmp_path / "file", ["json"])
