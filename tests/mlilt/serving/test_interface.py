"""The page's texts in its languages."""

from __future__ import annotations

import re
import unicodedata
from importlib import resources

from mlilt.serving import interface


def test_all_languages_say_all_that_the_page_asks_for() -> None:
    texts = interface.texts()
    assert {"sw", "yo", "am", "en", "ar", "he"} <= set(texts)
    page = resources.files("mlilt.serving") / "page"
    source = (page / "app.js").read_text() + (page / "index.html").read_text()
    used = set(re.findall(r'data-text="(\w+)"|texts\.(\w+)|say\("(\w+)"', source))
    asked = {key for keys in used for key in keys if key}
    assert asked >= {"title", "found", "placeholder"}
    for code, told in texts.items():
        assert asked <= set(told), code
        for text in told.values():
            assert text == unicodedata.normalize("NFC", text).strip()
            assert text


def test_direction_is_that_of_the_script() -> None:
    for told in interface.texts().values():
        first = unicodedata.bidirectional(told["name"][0])
        assert told["direction"] == ("rtl" if first in {"R", "AL"} else "ltr")
