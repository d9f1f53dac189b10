from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from mlilt import record
from mlilt.comparison import Comparison, compare, report, results


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
    queries = comparison.groups[0].runs[0].record.examples["sw"]
    assert len(shown) == len(queries) * 2 * 5
    assert all(shown)
    right = sum(flag for name in ("layernorm", "full") for found in first(comparison, name) for flag in found.right)
    assert page.locator("table.examples img.right").count() == right
    for found in queries:
        assert page.get_by_text(found.query, exact=True).count() >= 1


def first(comparison: Comparison, strategy: str) -> list[record.Found]:
    return next(r.record for r in comparison.groups[0].runs if r.record.config.strategy == strategy).examples["sw"]


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
    assert page.locator("table.results tbody td:first-child").all_inner_texts() == list(LABELS)
    # Each name in the legend lies within its figure, and none on another.
    boxes = page.eval_on_selector_all(
        "figure svg",
        """figures => figures.map(svg => [svg, ...svg.querySelectorAll("[id^=legend] text")].map(node => {
            const box = node.getBoundingClientRect();
            return [box.left, box.top, box.right, box.bottom];
        }))""",
    )
    assert len(boxes) == 3
    for (left, top, right, bottom), *names in boxes:
        assert len(names) == len(LABELS)
        for place, name in enumerate(names):
            assert left <= name[0] < name[2] <= right
            assert top <= name[1] < name[3] <= bottom
            for other in names[:place]:
                apart = name[0] >= other[2] or other[0] >= name[2] or name[1] >= other[3] - 1 or other[1] >= name[3] - 1
                assert apart
    small, _ = open_page(browser, both_towers, width=360)
    assert small.evaluate("document.documentElement.scrollWidth") <= 360


def test_each_row_is_said_to_be_held_against_the_training_of_its_kind(browser: Browser, both_towers: Path) -> None:
    page, _ = open_page(browser, both_towers)
    said = page.locator("section li").all_inner_texts()
    assert len(said) == len(LABELS) - 2
    for sentence in said:
        label = next(label for label in LABELS if sentence.startswith(f"{label} trains"))
        full = "full/full (clip)" if "/" in label else "full (lit)"
        assert f"recall@10 of full-model training, {full} (" in sentence


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
    [run] = results.read_run(compared[0].groups[0].runs[0].folder)
    hostile = "<img src=x onerror=document.title='owned'><script>document.title='owned'</script>"
    found = [e.model_copy(update={"query": hostile}) for e in run.record.examples["sw"]]
    changed = run._replace(record=run.record.model_copy(update={"examples": {"sw": found}}))
    page, _ = open_page(browser, report.write(results.group([changed]), [], tmp_path))
    assert page.title() != "owned"
    assert page.get_by_text(hostile, exact=True).count() == len(found)


def test_examples_are_left_out_when_the_data_is_gone(compared: tuple[Comparison, Path, Path], tmp_path: Path) -> None:
    [run] = results.read_run(compared[0].groups[0].runs[0].folder)
    config = run.record.config.model_copy(update={"data": str(tmp_path / "nowhere")})
    changed = run._replace(record=run.record.model_copy(update={"config": config}))
    page = report.write(results.group([changed]), [], tmp_path / "out")
    assert "What they find" not in page.read_text(encoding="utf-8")


def test_the_same_runs_give_the_same_plots(compared: tuple[Comparison, Path, Path], tmp_path: Path) -> None:
    again = compare(runs=compared[1], out=tmp_path)

    def plots(path: Path) -> list[str]:
        return re.findall(r"<svg.*?</svg>", path.read_text(encoding="utf-8"), re.DOTALL)

    assert plots(again.page) == plots(compared[0].page)
