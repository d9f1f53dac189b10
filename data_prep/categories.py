"""Names of picture categories and classes in a language, for zero-shot classification with prompts in it.

The fetched sources' categories come down to nine classes, those of the emoji: Tux Paint's folders join them where most
of what both sources show is in the same class (its "seasonal" is not, and neither is its "town", half houses and half
road signs). Their names are the labels that Unicode CLDR gives kinds of characters, and are singular or plural as
translators had it. ImageNet's classes and their templates are Babel-ImageNet's, where the user has its files.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from data_prep.carriers import Https, Npm, Resource, fetch
from data_prep.errors import UserError
from data_prep.languages import Language, load_language
from data_prep.records import DropLog, Example
from data_prep.sources import babel_imagenet
from data_prep.steps import _spec

_VERSION = "48.2.0"
LABELS = Resource(
    "cldr-misc-full",
    "44d5592f8ad0eddab364dbb6a60c4270caa24c21ef079c6033544654ae2edbdc",
    (
        Npm(
            "cldr-misc-full",
            _VERSION,
            "c6ba8384d7ea8701cf86935db0461379231ddd970cc41c249f4a33b9857ded3c",
            {"package/": ""},
        ),
        Https(
            f"https://github.com/unicode-org/cldr-json/releases/download/{_VERSION}/cldr-{_VERSION}-json-full.zip",
            None,
            {"cldr-misc-full/": ""},
        ),
    ),
    ("main/*/characterLabels.json",),
)

# Each class with the type of its label in CLDR.
CLASSES = {
    "smileys-emotion": "smiley",
    "people-body": "person",
    "animals-nature": "animals_nature",
    "food-drink": "food_drink",
    "travel-places": "travel_places",
    "activities": "activities",
    "objects": "objects",
    "symbols": "symbols",
    "flags": "flag",
}
_EMOJI = {
    "Smileys & Emotion": "smileys-emotion",
    "People & Body": "people-body",
    "Animals & Nature": "animals-nature",
    "Food & Drink": "food-drink",
    "Travel & Places": "travel-places",
    "Activities": "activities",
    "Objects": "objects",
    "Symbols": "symbols",
    "Flags": "flags",
}
_TUXPAINT = {
    "people": "people-body",
    "animals": "animals-nature",
    "plants": "animals-nature",
    "food": "food-drink",
    "space": "travel-places",
    "vehicles": "travel-places",
    "sports": "activities",
    "clothes": "objects",
    "hobbies": "objects",
    "household": "objects",
    "medical": "objects",
    "symbols": "symbols",
}
_CATEGORIES = {"cldr-emoji": _EMOJI, "flags": _EMOJI, "tuxpaint": _TUXPAINT}
_BABEL = babel_imagenet.NAME


def canonical(source: str, category: str) -> str | None:
    """The class, one of `CLASSES`, that a source's category belongs to; None if it belongs to none.

    Args:
        source: the source's name, as in `Example.source`.
        category: as in `Example.category`.
    """
    return _CATEGORIES.get(source, {}).get(category)


def names(language: Language | str, offline: bool = False, progress: bool = True) -> dict[str, str]:
    """Names of classes in a language, by the class, in the order of `CLASSES`.

    Only those that CLDR has in the language. Where it has none it repeats the English one, so that words which the
    language shares with English (Swedish "person") are left out too: the files do not tell the two apart.

    Args:
        language: the language, or its code.
        offline: use only what is on this machine.
        progress: show a progress bar.

    Returns:
        At most nine names, no two the same; none at all where CLDR has no labels in the language.

    Raises:
        UnknownNameError: there is no language with this code.
        FetchError: CLDR's labels (0.6 MB) could not be fetched.
        UserError: they are damaged.
    """
    language = _language(language)
    folder = fetch(LABELS, offline=offline, progress=progress) / "main"
    english = _labels(folder, "en")
    if language.code.split("-")[0] == "en":
        return {name: english[label] for name, label in CLASSES.items()}
    own = _labels(folder, language.code)
    # Zulu's name of activities is "Activities": left in English, though it is not CLDR's English label.
    return {
        name: own[label] for name, label in CLASSES.items() if own.get(label, "") not in ("", english[label], *_EMOJI)
    }


def templates(language: Language | str, root: Path | None = None) -> tuple[str, ...]:
    """Templates in a language, "{}" standing for a name; the name alone, "{}", where there are none.

    CLDR has none. Babel-ImageNet's file nllb_dist13b_prompts.json has CLIP's, machine-translated.

    Args:
        language: the language, or its code.
        root: the folder with Babel-ImageNet's files, if the user has them.

    Raises:
        UnknownNameError: there is no language with this code.
        UserError: the file is damaged.
    """
    locale = _language(language).sources.get(_BABEL)
    return (babel_imagenet.templates(root, locale) if root and locale else ()) or ("{}",)


def prompts(name: str, templates: Iterable[str]) -> list[str]:
    """A name set into each of the templates."""
    return [template.replace("{}", name) for template in templates]


def class_prompts(language: Language | str, root: Path) -> dict[str, list[str]]:
    """Prompts for ImageNet's classes in a language, by the class's name, in the order of the classes.

    Names are normalized as captions are by the language's file, so that a picture's class is its caption in a data set
    prepared from `babel-imagenet`. Classes that share a name in the language (French "glace" is ice cream and ice
    lolly) are one.

    Args:
        language: the language, or its code.
        root: the folder with Babel-ImageNet's files; the pictures need not be there.

    Raises:
        UnknownNameError: there is no language with this code.
        UserError: Babel-ImageNet has no names in the language, or its file is missing or damaged.
    """
    language = _language(language)
    locale = language.sources.get(_BABEL)
    if locale is None:
        raise UserError(
            f"Babel-ImageNet has no names of classes in {language.name}. If it has, name its code as {_BABEL} under "
            f"[sources] in languages/{language.code}.toml."
        )
    found = templates(language, root)
    classes = sorted(babel_imagenet.class_names(root, locale).items())
    return {name: prompts(name, found) for name in _normalized([name for _, name in classes], language)}


def _language(language: Language | str) -> Language:
    return load_language(language) if isinstance(language, str) else language


def _labels(folder: Path, locale: str) -> dict[str, str]:
    """CLDR's labels by their type; none where it does not have the locale."""
    path = folder / locale / "characterLabels.json"
    if not path.is_file() and locale != "en":
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["main"][locale]["characterLabels"]
        return {str(label): str(name) for label, name in found.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path} is missing, damaged or cut short. Delete {folder.parent}, and it is fetched anew."
        ) from error


def _normalized(texts: Iterable[str], language: Language) -> list[str]:
    """Texts as the step normalize makes them with the options of the language's file; empty ones are left out."""
    step = _spec.load("normalize", language.steps.get("normalize", {}))
    examples = (Example(b"", (text,), concept="", source=_BABEL, licence="", attribution="") for text in texts)
    return [e.captions[0] for e in step.apply(examples, language, DropLog()) if e.captions[0]]
