from __future__ import annotations

import io
import re
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from data_prep import browse
from data_prep.languages import load_language
from data_prep.records import Drop, Example

ROWS = 600


@pytest.fixture
def look(browser: Browser):
    """Opens a data set's page; whatever the browser complains of fails the test."""
    complaints: list[str] = []
    pages: list[Page] = []

    def build(folder: Path, width: int = 1280, hash: str = "") -> Page:
        page = browser.new_page(viewport={"width": width, "height": 900})
        pages.append(page)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto((folder / browse.PAGE).as_uri() + hash)
        read(page)
        return page

    yield build
    for page in pages:
        page.close()
    assert complaints == []


def read(page: Page) -> None:
    """Waits until all rows are read."""
    page.wait_for_function("![...document.querySelectorAll('.status')][0].textContent.includes('Reading')")


def status(page: Page) -> str:
    return page.locator(".status:visible").inner_text()


def captions(page: Page) -> list[str]:
    # Those out of sight have no inner text: they are not laid out yet.
    return page.locator("section:not([hidden]) .card .caption").all_text_contents()


def colour(number: int) -> tuple[int, int, int]:
    """Neighbours on a sheet differ much, and so do the same places of other sheets."""
    return number * 97 % 256, number * 57 % 256, number * 31 % 256


def shown_colour(picture: Locator) -> np.ndarray:
    seen = np.asarray(Image.open(io.BytesIO(picture.screenshot())).convert("RGB"))
    # Its edges are blended with the ground.
    return seen[3:-3, 3:-3].mean(axis=(0, 1))


@pytest.fixture(scope="module")
def rows(make_picture) -> list[Example]:
    """600 rows, which take two scripts and seven sheets."""
    return [
        Example(
            make_picture(colour(n), (20, 20)),
            (f"picha ya {n}", f"ya pili {n}"),
            f"thing-{n}",
            "photos" if n % 3 else "drawings",
            "CC-BY-4.0" if n % 3 else "GPL-2.0-only",
            f"Asha {n % 7}",
            keywords=(f"neno{n}",),
            captions_en=(f"picture {n}",),
            category="animals" if n % 2 else "tools",
            variant="a",
            split=("train", "train", "validation", "test")[n % 4],
            flags=("the same caption for many pictures",) if n % 50 == 0 else (),
        )
        for n in range(ROWS)
    ]


@pytest.fixture(scope="module")
def page_folder(rows: list[Example], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sw")
    browse.write(folder, load_language("sw"), rows, ROWS, [], {})
    return folder


@pytest.fixture
def one(tmp_path: Path, make_picture):
    """Writes a page of few rows."""

    def build(code: str, *examples: Example, dropped=(), counts=None, total: int | None = None) -> Path:
        counts = Counter((d.source, d.reason) for d, _ in dropped) if counts is None else counts
        count = len(examples) if total is None else total
        browse.write(tmp_path, load_language(code), examples, count, dropped, counts)
        return tmp_path

    return build


@pytest.fixture
def example(make_picture):
    def build(*texts: str, **fields) -> Example:
        return replace(Example(make_picture(), texts, "dog", "s", "CC0-1.0", ""), **fields)

    return build


def test_the_page_needs_nothing_but_its_own_files(browser: Browser, page_folder: Path) -> None:
    page = browser.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((page_folder / browse.PAGE).as_uri())
    read(page)
    own = (page_folder / browse.FOLDER).as_uri()
    assert any(url.endswith("rows-00001.js") for url in asked)
    assert [url for url in asked[1:] if not url.startswith((own, "data:"))] == []
    page.close()


def test_each_card_shows_its_own_picture_and_all_that_is_known(look, page_folder: Path) -> None:
    page = look(page_folder)
    for number in (0, 95, 96, 479, 480, 599):
        page.fill("#kept [name=q]", f"neno{number}")
        card = page.locator(".card", has=page.get_by_text(f"picha ya {number}", exact=True))
        assert shown_colour(card.locator(".picture span")) == pytest.approx(colour(number), abs=6)
    assert card.locator(".others li").all_inner_texts() == ["ya pili 599"]
    assert card.locator(".keywords li").all_inner_texts() == ["neno599"]
    assert card.locator(".english").all_inner_texts() == ["picture 599"]
    assert card.get_by_role("img").get_attribute("aria-label") == "picture 599"
    facts = {b.get_attribute("class"): b.inner_text() for b in card.locator(".facts bdi").all()}
    assert facts == {
        "split": "test",
        "source": "photos",
        "category": "animals",
        "variant": "a",
        "concept": "thing-599",
        "licence": "CC-BY-4.0",
        "attribution": "Asha 4",
    }


def test_large_pictures_are_made_small_in_their_shape(look, one, example) -> None:
    out = io.BytesIO()
    Image.new("RGB", (500, 250), "teal").save(out, "JPEG")
    page = look(one("sw", example("bahari", picture=out.getvalue()), example("hakuna", picture=b"\x89PNG")))
    box = page.locator(".picture span").bounding_box()
    assert box["width"] == pytest.approx(2 * box["height"])
    assert shown_colour(page.locator(".picture span")) == pytest.approx((0, 128, 128), abs=6)
    assert page.locator(".picture.none").inner_text() == "the picture cannot be decoded"


def test_pages_are_turned_by_mouse_by_keys_and_by_number(look, page_folder: Path) -> None:
    page = look(page_folder)
    expected = [f"picha ya {n}" for n in range(ROWS)]
    assert status(page) == "600 pictures; 1 to 96 shown."
    assert captions(page) == expected[:96]
    assert page.get_by_role("button", name="Previous").is_disabled()
    page.get_by_role("button", name="Next").click()
    assert captions(page) == expected[96:192]
    page.get_by_role("button", name="Next").focus()
    page.keyboard.press("Enter")
    assert captions(page) == expected[192:288]
    page.get_by_label("Page", exact=False).last.fill("7")
    page.keyboard.press("Enter")
    assert captions(page) == expected[576:]
    assert page.get_by_role("button", name="Next").is_disabled()
    page.reload()
    read(page)
    assert captions(page) == expected[576:]
    page.get_by_role("button", name="Previous").click()
    assert status(page) == "600 pictures; 481 to 576 shown."


def test_filters_take_what_they_say_and_count_it(look, page_folder: Path, rows: list[Example]) -> None:
    page = look(page_folder)
    for name, of in (("split", "split"), ("source", "source"), ("category", "category")):
        counts = Counter(getattr(e, of) for e in rows)
        options = page.locator(f"#kept [name={name}] option").all_inner_texts()
        assert options == ["all", *(f"{value} ({n})" for value, n in sorted(counts.items()))]
    page.select_option("#kept [name=split]", "=test")
    page.select_option("#kept [name=source]", "=drawings")
    page.fill("#kept [name=q]", "picha 1")
    wanted = [e.captions[0] for e in rows if e.split == "test" and e.source == "drawings" and "1" in e.captions[0]]
    assert captions(page) == wanted
    assert status(page) == f"{len(wanted)} of 600 pictures match."
    page.get_by_role("button", name="Clear").click()
    # A form is reset before the page hears of it.
    expect(page.locator(".status:visible")).to_have_text("600 pictures; 1 to 96 shown.")
    flagged = [e.captions[0] for e in rows if e.flags]
    page.select_option("#kept [name=flag]", "=flagged")
    assert captions(page) == flagged
    assert page.locator(".flags li").all_text_contents() == ["the same caption for many pictures"] * len(flagged)
    page.reload()
    read(page)
    assert captions(page) == flagged
    # All captions are by people: nothing to choose.
    assert page.locator("#kept [name=origin]").count() == 0


SEARCHES = {
    "EJA": ["Ẹja ńlá"],
    "ẹ́jà nla": ["Ẹja ńlá"],
    "nla eja": ["Ẹja ńlá"],
    "كلب": ["كَلْبٌ"],
    "كــلب": ["كَلْبٌ"],
    "כלב": ["כֶּלֶב"],
    "कि": ["किताब"],
    "क": ["किताब", "काला"],
    "strasse": ["Straße"],
    "ODOS": [],
    "ὁδός": ["Οδος"],
    "baki": ["ɓaƙi"],
    "o'zbek": ["oʻzbek"],
    "kamusi": ["किताब"],
    "blackish": ["काला"],
    "concept-7": ["oʻzbek"],
    "eja kamusi": [],
}


def test_search_looks_everywhere_and_past_case_and_accents(look, one, example) -> None:
    texts = ("Ẹja ńlá", "كَلْبٌ", "כֶּלֶב", "किताब", "काला", "Straße", "Οδος", "oʻzbek", "ɓaƙi")
    examples = [example(text, concept=f"concept-{n}") for n, text in enumerate(texts)]
    examples[3] = replace(examples[3], keywords=("Kamusi",))
    examples[4] = replace(examples[4], captions_en=("Blackish",))
    page = look(one("yo", *examples))
    for asked, found in SEARCHES.items():
        page.fill("#kept [name=q]", asked)
        assert (asked, captions(page)) == (asked, found)
        assert status(page) == f"{len(found)} of 9 pictures match."


# Where the first and the last letter of an element's text stand.
ENDS = """node => {
    const text = node.firstChild, at = n => {
        const range = document.createRange();
        range.setStart(text, n);
        range.setEnd(text, n + 1);
        return range.getBoundingClientRect();
    };
    const box = node.getBoundingClientRect();
    const first = at(0), last = at(text.length - 1);
    return {direction: getComputedStyle(node).direction, lang: node.lang, left: first.left - box.left,
            right: box.right - first.right, rightwards: first.left < last.left};
}"""


@pytest.mark.parametrize(("code", "text"), [("ar", "قطة بيضاء"), ("he", "חתול לבן"), ("ur", "سفید بلی")])
def test_right_to_left_captions_begin_at_the_right(look, one, example, code, text) -> None:
    made = example(text, text, keywords=(text,), captions_en=("a white cat (very white)",))
    page = look(one(code, made, dropped=[(Drop("s", "x", "too short", text), None)]))
    for name in (".caption", ".others li", ".keywords li"):
        seen = page.locator(f".card {name}").first.evaluate(ENDS)
        assert seen["direction"] == "rtl"
        assert not seen["rightwards"]
        assert seen["right"] < 12
    assert page.locator(".caption").get_attribute("lang") == code
    english = page.locator(".english").evaluate(ENDS)
    assert (english["direction"], english["lang"], english["rightwards"]) == ("ltr", "en", True)
    assert english["left"] < 2
    page.get_by_role("tab", name="Left out").click()
    left_out = page.locator("#dropped .caption").evaluate(ENDS)
    assert left_out["direction"] == "rtl"
    assert not left_out["rightwards"]


def test_left_to_right_captions_begin_at_the_left(look, one, example) -> None:
    seen = look(one("am", example("ነጭ ድመት"))).locator(".caption").evaluate(ENDS)
    assert (seen["direction"], seen["lang"], seen["rightwards"]) == ("ltr", "am", True)
    assert seen["left"] < 2


HOSTILE = (
    "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">",
    "'\"]);document.title='owned';//",
    "{{ 7 * 7 }} &lt; \\ \u2028 \u2029 \u202e end",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_what_the_data_says_is_text_not_markup(look, one, example, text) -> None:
    names = ("source", "category", "variant", "licence", "attribution", "concept", "split", "origin")
    hostile = example(text, text, keywords=(text,), captions_en=(text,), flags=(text,), **dict.fromkeys(names, text))
    page = look(one("sw", hostile, example("mbwa"), dropped=[(Drop(text, text, text, text), None)] * 2))

    def content(name: str) -> list[str]:
        return page.locator(name).all_text_contents()

    for name in (".caption", ".others li", ".keywords li", ".english", ".flags li", ".attribution", ".concept"):
        assert content(f"#kept .card:first-child {name}")[0] == text
    assert content("#kept [name=source] option")[1:] == sorted([f"{text} (1)", "s (1)"])
    page.get_by_role("tab", name="Left out").click()
    page.wait_for_selector("#dropped .card")
    assert content("#dropped .flags li") == [text] * 2
    assert content("#dropped .caption") == [text] * 2
    assert content("#dropped .reason") == [text]
    page.locator(".reason").click()
    assert status(page) == "2 items."
    assert page.title() == "Swahili: pictures and captions"
    assert page.locator("main img, main script").count() == 0


def test_half_a_surrogate_pair_is_written_and_does_no_harm(look, one, example) -> None:
    page = look(one("sw", example("mbwa \ud83d"), example("paka"), dropped=[(Drop("s", "x", "bad", "\udc00"), None)]))
    assert captions(page)[1] == "paka"
    assert captions(page)[0].startswith("mbwa ")


def test_machine_translated_captions_say_so(look, one, example) -> None:
    page = look(one("sw", example("mbwa"), example("paka", origin="facebook/nllb-200-3.3B", chrf=57.25)))
    page.select_option("#kept [name=origin]", "=facebook/nllb-200-3.3B")
    assert captions(page) == ["paka"]
    assert page.locator(".flags li").inner_text() == "translated by facebook/nllb-200-3.3B, chrF 57.3"


def test_what_was_left_out_is_counted_and_shown_with_its_reason(look, one, example, make_picture) -> None:
    dropped = [
        (Drop("photos", "a", "too short", "x"), make_picture("#0000ff", (200, 100))),
        (Drop("photos", "b", "the picture is damaged"), b"no picture at all"),
        (Drop("drawings", "c", "too short", "z"), None),
    ]
    counts = {("photos", "too short"): 1200, ("photos", "the picture is damaged"): 1, ("drawings", "too short"): 3}
    page = look(one("sw", example("mbwa"), dropped=dropped, counts={**counts, ("drawings", "unseen"): 2}))
    kept, left = page.get_by_role("tab").all()
    assert (kept.inner_text(), left.inner_text()) == ("Kept 1", "Left out 1,206")
    kept.focus()
    page.keyboard.press("ArrowRight")
    assert left.get_attribute("aria-selected") == "true"
    assert not page.locator("#kept").is_visible()
    page.wait_for_selector("#dropped .card")
    table = [line.locator("th, td").all_inner_texts() for line in page.locator("#dropped tr").all()]
    assert table == [
        ["reason", "drawings", "photos", "all"],
        ["too short", "3", "1,200", "1,203"],
        ["unseen", "2", "", "2"],
        ["the picture is damaged", "", "1", "1"],
    ]
    assert "3 of the 1,206 left out are shown" in page.locator("#dropped .notice").inner_text()
    places = page.locator("#dropped .picture")
    assert shown_colour(places.nth(0).locator("span")) == pytest.approx((0, 0, 255), abs=6)
    assert places.nth(1).inner_text() == "the picture is of no known format"
    assert places.nth(2).inner_text() == "no picture"
    page.get_by_role("button", name="too short").click()
    assert captions(page) == ["x", "z"]
    page.select_option("#dropped [name=source]", "=drawings")
    assert captions(page) == ["z"]
    assert page.get_by_role("button", name="unseen").is_disabled()
    page.reload()
    page.wait_for_selector("#dropped .card")
    assert captions(page) == ["z"]


def test_a_part_is_called_a_part(look, one, example, page_folder: Path) -> None:
    page = look(one("sw", example("mbwa"), example("paka"), total=1_000_000))
    assert "this page shows 2 of 1,000,000 pictures" in page.locator("header .notice").inner_text()
    page.get_by_role("tab", name="Left out").click()
    assert page.locator("#dropped").inner_text() == "Nothing was left out."
    assert look(page_folder).locator(".notice:visible").count() == 0


def test_the_page_fits_a_small_screen_and_goes_dark(look, one, example) -> None:
    long = example("neno" * 60, keywords=("b" * 90, *"cdefghijk"), attribution="c" * 200, concept="d" * 80)
    dropped = [(Drop("a-source-with-a-long-name", "e" * 200, "the reason is " + "long " * 30, "f" * 200), None)]
    page = look(
        one("sw", long, *[example("mbwa", category=f"a category {n}") for n in range(200)], dropped=dropped), 400
    )
    grounds = []
    for tab in ("Kept", "Left out"):
        page.get_by_role("tab", name=tab).click()
        page.wait_for_selector(".card:visible")
        assert page.evaluate("document.documentElement.scrollWidth") == 400
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        grounds.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert grounds[0] == "rgb(255, 255, 255)"
    assert sum(map(int, re.findall(r"\d+", grounds[1])[:3])) < 150


def test_a_page_without_its_folder_says_what_is_missing(browser: Browser, page_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(page_folder, tmp_path / "copy")
    (tmp_path / "copy" / browse.FOLDER / "rows-00001.js").unlink()
    page = browser.new_page()
    page.goto((tmp_path / "copy" / browse.PAGE).as_uri())
    page.wait_for_selector(".missing:visible")
    assert page.locator(".missing").inner_text() == (
        'browse/rows-00001.js cannot be read: keep the folder "browse" beside this page.'
    )
    shutil.rmtree(tmp_path / "copy" / browse.FOLDER)
    page.reload()
    assert page.locator(".missing").inner_text().startswith("browse/about.js cannot be read")
    page.close()


def test_equal_input_gives_equal_bytes_and_nothing_old_stays(rows, page_folder: Path, tmp_path: Path, digests) -> None:
    more = [replace(e, concept=f"{e.concept}-old") for e in rows]
    browse.write(
        tmp_path, load_language("sw"), [*more, *more], 2 * ROWS, [(Drop("s", "x", "bad"), rows[0].picture)], {}
    )
    assert digests(tmp_path) != digests(page_folder)
    browse.write(tmp_path, load_language("sw"), iter(rows), ROWS, [], {})
    assert digests(tmp_path) == digests(page_folder)


def test_an_empty_data_set_has_a_page_too(look, one) -> None:
    assert status(look(one("sw"))) == "0 pictures."
