from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from mlilt import record
from mlilt.comparison import Comparison, compare, report, results


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = next((p for p in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if p), None)
    if found is None:
        if os.environ.get("MLILT_REQUIRE_BROWSER"):
            pytest.fail("no browser: install Debian's chromium")
        pytest.skip("no browser: install Debian's chromium")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()


def open_page(browser: Browser, path: Path, width: int = 1280) -> tuple[Page, list[str]]:
    """The page, and every address that it asked for."""
    page = browser.new_page(viewport={"width": width, "height": 900})
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    return page, asked


def test_page_is_self_contained_and_shows_all(browser: Browser, compared: tuple[Comparison, Path, Path]) -> None:
    comparison, _, out = compared
    page, asked = open_page(browser, out / "index.html")
    assert [url for url in asked if not url.startswith("data:")] == [(out / "index.html").as_uri()]
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
    queries = comparison.groups[0].runs[0].record.examples
    assert len(shown) == len(queries) * 2 * 5
    assert all(shown)
    right = sum(flag for name in ("layernorm", "full") for found in first(comparison, name) for flag in found.right)
    assert page.locator("table.examples img.right").count() == right
    for found in queries:
        assert page.get_by_text(found.query, exact=True).count() >= 1


def first(comparison: Comparison, strategy: str) -> list[record.Found]:
    return next(r.record for r in comparison.groups[0].runs if r.record.config.strategy == strategy).examples


def test_page_fits_a_small_screen(browser: Browser, compared: tuple[Comparison, Path, Path]) -> None:
    page, _ = open_page(browser, compared[2] / "index.html", width=360)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_dark_mode_changes_the_ground(browser: Browser, compared: tuple[Comparison, Path, Path]) -> None:
    page, _ = open_page(browser, compared[2] / "index.html")
    grounds = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        grounds.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert grounds[0] == "rgb(255, 255, 255)"
    assert sum(map(int, re.findall(r"\d+", grounds[1])[:3])) < 150


def test_what_captions_say_is_text_not_markup(
    browser: Browser, compared: tuple[Comparison, Path, Path], tmp_path: Path
) -> None:
    run = results.read_run(compared[0].groups[0].runs[0].folder)
    hostile = "<img src=x onerror=document.title='owned'><script>document.title='owned'</script>"
    found = [e.model_copy(update={"query": hostile}) for e in run.record.examples]
    changed = run._replace(record=run.record.model_copy(update={"examples": found}))
    page, _ = open_page(browser, report.write(results.group([changed]), [], tmp_path))
    assert page.title() != "owned"
    assert page.get_by_text(hostile, exact=True).count() == len(found)


def test_examples_are_left_out_when_the_data_is_gone(compared: tuple[Comparison, Path, Path], tmp_path: Path) -> None:
    run = results.read_run(compared[0].groups[0].runs[0].folder)
    config = run.record.config.model_copy(update={"data": str(tmp_path / "nowhere")})
    changed = run._replace(record=run.record.model_copy(update={"config": config}))
    page = report.write(results.group([changed]), [], tmp_path / "out")
    assert "What they find" not in page.read_text(encoding="utf-8")


def test_the_same_runs_give_the_same_plots(compared: tuple[Comparison, Path, Path], tmp_path: Path) -> None:
    again = compare(runs=compared[1], out=tmp_path)

    def plots(path: Path) -> list[str]:
        return re.findall(r"<svg.*?</svg>", path.read_text(encoding="utf-8"), re.DOTALL)

    assert plots(again.page) == plots(compared[0].page)
