"""The page in a real browser: typed, dropped, clicked, by keys, in other languages, on a small screen, in the dark."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

DROP = """([data, name]) => {
  const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name, { type: "image/png" }));
  for (const kind of ["dragenter", "dragover", "drop"])
    document.body.dispatchEvent(new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true }));
}"""

LOADED = """Promise.all([...document.querySelectorAll(".hit img")].slice(0, 5).map(
  (image) => image.decode().then(() => image.naturalWidth)
))"""


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """The page, opened by someone whose browser speaks English; what it complains of fails the test."""
    context = browser.new_context(locale="en-GB", viewport={"width": 1280, "height": 800})
    opened = context.new_page()
    complaints: list[str] = []
    opened.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    elsewhere: list[str] = []
    opened.on(
        "request",
        lambda request: (
            elsewhere.append(request.url) if not request.url.startswith((address, "blob:", "data:")) else None
        ),
    )
    opened.goto(f"{address}/")
    opened.wait_for_selector("body[data-ready]")
    yield opened
    context.close()
    assert elsewhere == []
    assert [text for text in complaints if "415" not in text and "413" not in text] == []


def first(page: Page) -> str:
    """The file of the first picture of the first list, as the dialog tells it, once the search is done."""
    expect(page.locator("#results")).to_have_attribute("aria-busy", "false")
    page.locator("section").first.locator(".hit").first.click()
    names = page.locator("#dialog-facts dd").nth(1).inner_text()
    page.keyboard.press("Escape")
    expect(page.locator("#dialog")).to_be_hidden()
    return names


def test_results_come_while_one_types_and_two_runs_stand_side_by_side(page: Page) -> None:
    expect(page.locator("#status")).to_have_text("Type what the picture should show, or drop a picture here.")
    page.locator("#query").type("mbwa", delay=30)
    expect(page.locator("section")).to_have_count(2)
    expect(page.locator("section h2")).to_have_text(["files", "data"])
    expect(page.locator("section").first.locator(".hit")).to_have_count(30)
    expect(page.locator("#status")).to_contain_text("30 of ")
    assert page.url.endswith("#q=mbwa")
    assert min(page.evaluate(LOADED)) > 10
    # One index alone.
    page.locator("#right").select_option("")
    expect(page.locator("section")).to_have_count(1)
    page.locator("#query").fill("")
    expect(page.locator("section")).to_have_count(0)
    expect(page.locator("#status")).to_have_text("Type what the picture should show, or drop a picture here.")


def test_a_click_opens_a_picture_from_which_one_goes_on(page: Page) -> None:
    page.locator("#query").fill("uso")
    page.locator(".hit").nth(1).click()
    dialog = page.locator("#dialog")
    expect(dialog).to_be_visible()
    expect(page.locator("#dialog-facts dt")).to_have_text(["Similarity", "File"])
    assert page.evaluate("document.querySelector('#dialog-picture').decode().then(() => true)")
    shown = page.locator("#dialog-facts dd").nth(1).inner_text()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#previous")).to_have_attribute("aria-disabled", "true")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#dialog-facts dd").nth(1)).to_have_text(shown)
    page.locator("#similar").click()
    expect(dialog).to_be_hidden()
    expect(page.locator("#query")).to_be_focused()
    expect(page.locator("#asked")).to_be_visible()
    expect(page.locator("#query")).to_have_value("")
    assert first(page) == shown


def test_a_dropped_or_chosen_picture_is_searched_by(page: Page, pictures: Path) -> None:
    one, other, *_ = sorted(pictures.glob("*.png"))
    page.evaluate(DROP, [base64.b64encode(one.read_bytes()).decode(), one.name])
    expect(page.locator("#drop")).to_be_hidden()
    expect(page.locator("#asked")).to_be_visible()
    expect(page.locator("section")).to_have_count(2)
    assert first(page) == one.name
    page.locator("#picture").set_input_files(other)
    assert first(page) == other.name


def test_what_is_no_picture_is_told(page: Page) -> None:
    page.evaluate(DROP, [base64.b64encode(b"none").decode(), "a.png"])
    expect(page.locator("#status")).to_have_text("This picture cannot be read.")
    page.evaluate(DROP, [base64.b64encode(b"x" * 200_001).decode(), "a.png"])
    expect(page.locator("#status")).to_have_text("This picture is too large.")


def test_keys_alone_are_enough(page: Page) -> None:
    page.locator("#right").select_option("")
    page.locator("#right").focus()
    page.keyboard.press("/")
    expect(page.locator("#query")).to_be_focused()
    page.keyboard.type("bendera")
    expect(page.locator("section").first.locator(".hit")).to_have_count(30)
    hit = page.locator(".hit")
    page.keyboard.press("ArrowDown")
    expect(hit.first).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(hit.nth(1)).to_be_focused()
    page.keyboard.press("ArrowDown")
    tops = page.evaluate("[...document.querySelectorAll('.hit')].map((h) => h.offsetTop)")
    line = tops.count(tops[0])
    expect(hit.nth(1 + line)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(hit.nth(1 + line)).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    expect(page.locator("#query")).to_be_focused()


CLOSE_AND_GO_ON = """() => new Promise((done) => {
  const dialog = document.querySelector("#dialog");
  dialog.addEventListener("close", () => setTimeout(() => done(document.activeElement.id)));
  dialog.close();
  document.querySelector("#query").focus();
})"""


def test_the_focus_stays_with_who_goes_on_before_the_dialogs_end_is_told(page: Page) -> None:
    page.locator("#query").fill("bendera")
    page.locator(".hit").first.click()
    expect(page.locator("#dialog")).to_be_visible()
    assert page.evaluate(CLOSE_AND_GO_ON) == "query"
    # And it comes back to the picture that was looked at last.
    page.locator(".hit").first.click()
    page.locator("#next").click()
    page.keyboard.press("Escape")
    expect(page.locator(".hit").nth(1)).to_be_focused()


@pytest.mark.parametrize(
    ("code", "title", "direction"),
    [("sw", "Utafutaji wa picha", "ltr"), ("ar", "البحث عن الصور", "rtl"), ("he", "חיפוש תמונות", "rtl")],
)
def test_the_page_speaks_other_languages_in_their_direction(page: Page, code: str, title: str, direction: str) -> None:
    page.locator("#query").fill("mbwa")
    page.locator("#language").select_option(code)
    expect(page.locator("h1")).to_have_text(title)
    expect(page.locator("html")).to_have_attribute("dir", direction)
    expect(page.locator("section").first.locator(".hit")).to_have_count(30)
    boxes = [page.locator(".hit").nth(n).bounding_box() for n in (0, 1)]
    assert boxes[0] is not None
    assert boxes[1] is not None
    assert (boxes[1]["x"] > boxes[0]["x"]) == (direction == "ltr")
    page.locator(".hit").first.focus()
    page.keyboard.press("ArrowLeft" if direction == "rtl" else "ArrowRight")
    expect(page.locator(".hit").nth(1)).to_be_focused()
    # It is remembered.
    page.reload()
    expect(page.locator("h1")).to_have_text(title)


def test_a_browsers_language_is_taken_and_a_link_asks(browser: Browser, address: str) -> None:
    context = browser.new_context(locale="am-ET")
    page = context.new_page()
    page.goto(f"{address}/#q=uso")
    expect(page.locator("h1")).to_have_text("የምስል ፍለጋ")
    expect(page.locator("#query")).to_have_value("uso")
    expect(page.locator("section").first.locator(".hit")).to_have_count(30)
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_small_screen_and_the_dark_are_no_trouble(browser: Browser, address: str, scheme: str) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 640}, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(f"{address}/#q=mbwa")
    expect(page.locator("section").first.locator(".hit")).to_have_count(30)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(21, 24, 28)") == (scheme == "dark")
    page.locator(".hit").first.click()
    box = page.locator("#dialog").bounding_box()
    assert box is not None
    assert box["width"] <= 360
    context.close()
