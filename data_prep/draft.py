"""Writes a first file for a language, from what is known of its code and what sources hold; a person finishes it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import langcodes
from langcodes.data_dicts import LANGUAGE_REPLACEMENTS, MACROLANGUAGES

from data_prep import inventory, pipeline, registry, sources
from data_prep.carriers import fetch
from data_prep.errors import UserError
from data_prep.languages import folders, load_languages, read_language
from data_prep.sources._base import Source

# A source is named in a language's file where it holds so many captions.
ENOUGH = 100
_RIGHT_TO_LEFT = {"Adlm", "Arab", "Hebr", "Mand", "Nkoo", "Rohg", "Samr", "Syrc", "Thaa"}
# What is safe in a script, as options of the step normalize.
NORMALIZE: dict[str, dict[str, str | bool]] = {
    "Arab": {"tatweel": "drop", "presentation_forms": True, "vowel_marks": "keep"},
    "Hebr": {"vowel_marks": "keep"},
    "Ethi": {"ethiopic_punctuation": True},
}
# FLORES-200 names the script of Korean by its letters alone.
_FLORES_SCRIPT = {"Kore": "Hang"}


@dataclass(frozen=True, slots=True)
class Found:
    """What a source holds in a language.

    Attributes:
        source: its name.
        locale: its own code of the language.
        captions: concepts with a caption, where its files could be read.
        english: so many of them are the same as in English.
    """

    source: str
    locale: str
    captions: int | None = None
    english: int = 0

    @property
    def enough(self) -> bool:
        """True if the source is worth naming."""
        return self.captions is None or self.captions >= ENOUGH


@dataclass(frozen=True, slots=True)
class Drafted:
    """What `write` made.

    Attributes:
        path: the new file.
        found: what the sources hold, those with too few captions included.
        checks: how many places of the file a person must look at.
        scanned: True if languages are looked for in the file's folder.
    """

    path: Path
    found: list[Found]
    checks: int
    scanned: bool


def default_folder() -> Path:
    """Where new files go: the first folder of MLILT_LANGUAGES, else languages/ in the current folder."""
    first = os.environ.get("MLILT_LANGUAGES", "").split(os.pathsep)[0]
    return Path(first) if first else Path("languages")


def write(
    code: str, folder: Path | None = None, force: bool = False, offline: bool = False, progress: bool = True
) -> Drafted:
    """Writes `folder`/CODE.toml.

    Args:
        code: the language's BCP-47 tag.
        folder: `default_folder()` by default; it is made if need be.
        force: write it even if there is a file for the language.
        offline: use only what the cache holds.
        progress: show progress bars.

    Raises:
        UserError: the code is no tag or not in its usual form, there is a file for it, or no source holds anything.
    """
    folder = folder or default_folder()
    path = folder / f"{code}.toml"
    tag = _checked(code)
    if not force:
        _check_new(code, path)
    found = survey(tag, offline, progress)
    if not any(entry.enough for entry in found):
        few = "".join(f" {f.source} has {f.captions} captions." for f in found)
        raise UserError(
            f"No source holds {ENOUGH} captions in {tag.display_name()} ({code}).{few} With pictures and captions of "
            f"your own, copy a file of languages/ to {path}, and use them with `mlilt prep --lang {code} --source "
            "folder:DIR`."
        )
    text = draft(tag, found)
    folder.mkdir(parents=True, exist_ok=True)
    new = folder / f".{code}" / path.name
    new.parent.mkdir(exist_ok=True)
    try:
        new.write_text(text, encoding="utf-8")
        read_language(new)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
        new.parent.rmdir()
    scanned = any(place.resolve() == folder.resolve() for place in folders())
    return Drafted(path, found, text.count("# check:"), scanned)


def _checked(code: str) -> langcodes.Language:
    example = "such as mg, quz or sr-Latn (language, then the script where it is not the usual one)"
    try:
        usual = langcodes.standardize_tag(code)
    except ValueError as error:
        raise UserError(f"{code!r} is no BCP-47 tag, {example}: {error}.") from error
    tag = langcodes.Language.get(usual)
    if not langcodes.tag_is_valid(usual) or tag.language in (None, "und", "mul", "zxx", "mis"):
        raise UserError(f"{code!r} is no language that BCP-47 knows. A tag is {example}.")
    alone = langcodes.Language.get(str(tag.language)).maximize()
    if tag.script and tag.script == alone.script:
        usual = str(langcodes.Language.make(tag.language, territory=tag.territory))
    if usual != code:
        raise UserError(f"The usual form of {code!r} is {usual!r}. Run `mlilt languages new {usual}`.")
    return tag


def _check_new(code: str, path: Path) -> None:
    if path.exists():
        raise UserError(f"{path} is there already. Edit it, or let --force write it anew.")
    for language in load_languages():
        # Script variants share the code of the language.
        if code in (language.code, language.iso639_3):
            raise UserError(
                f"There is a file for {code} already: {language.name}, `mlilt languages --lang {language.code}`. "
                f"--force writes one of your own to {path}."
            )


def survey(tag: langcodes.Language, offline: bool = False, progress: bool = True) -> list[Found]:
    """What each source holds in a language, by the source's name; the user's own data aside.

    Raises:
        FetchError: files of a source can be had from nowhere.
    """
    found = []
    for name in registry.names(sources):
        source = pipeline.load_source(name)
        if source.about.locales:
            match = next((c for c in locales(tag) if c in source.about.locales), None)
            entry = Found(name, match) if match else None
        elif source.about.resources:
            for resource in source.about.resources:
                fetch(resource, offline=offline, progress=progress)
            entry = next((e for c in locales(tag) if (e := _count(name, source, c))), None)
        else:
            continue
        if entry:
            found.append(entry)
    return found


def _count(name: str, source: Source, locale: str) -> Found | None:
    """How many concepts have captions under a code; None if none has."""
    try:
        same = dict(inventory.cached_concepts(source, locale))
    except UserError:
        # It does not know the code.
        return None
    return Found(name, locale, len(same), sum(same.values())) if same else None


def locales(tag: langcodes.Language) -> Iterator[str]:
    """What sources may call a language, the most exact first.

    BCP-47 tags with the territory where it is spoken most and without, with "-" and "_"; deprecated and three-letter
    codes; FLORES-200's and BabelNet's forms. Of a script that is not the language's usual one only forms that tell it.
    """
    full = tag.maximize()
    language, script, territory = str(full.language), str(full.script), full.territory
    usual = full.script == langcodes.Language.get(language).maximize().script
    group = MACROLANGUAGES.get(language)
    if group and langcodes.tag_distance(language, group) > 1:
        # Not the one that is meant by the group's code.
        group = None
    names = [
        language,
        *(old for old, new in LANGUAGE_REPLACEMENTS.items() if new == language),
        *([group] if group else []),
    ]
    long = [_alpha3(language), *_meant(language), *names]
    if territory:
        yield from (f"{language}_{territory}", f"{language}-{territory}")
    yield str(tag)
    if usual:
        yield from names
        yield from (name.upper() for name in names)
    else:
        yield from (f"{language}_{script}", f"{language}@{ {'Latn': 'latin', 'Cyrl': 'cyrillic'}.get(script, script) }")
    yield from (f"{code}_{_FLORES_SCRIPT.get(script, script)}" for code in long)
    if usual:
        yield from long


def _alpha3(language: str) -> str:
    # The package makes the group's code of a member's.
    return language if len(language) == 3 else langcodes.Language.get(language).to_alpha3()


def _members(language: str) -> list[str]:
    """ISO 639-3 codes of the languages of a group; none if it is not one."""
    return sorted({_alpha3(member) for member, group in MACROLANGUAGES.items() if group == language})


def _meant(language: str) -> list[str]:
    """Those of a group's languages that are meant by its code, such as swh by sw; one, or none that CLDR knows."""
    return [code for code in _members(language) if langcodes.standardize_tag(code, macro=True) == language]


def draft(tag: langcodes.Language, found: list[Found]) -> str:
    """The text of a language's file; what a person must look at is marked "# check:"."""
    name, autonym = tag.display_name(), tag.autonym()
    script = str(tag.maximize().script)
    lines = [
        "#:schema schema.json",
        f"# A first file for {name}, from what the sources hold. See to what is marked, then take the marks away.",
        f"code = {_text(str(tag))}",
    ]
    if len(str(tag.language)) == 2:
        lines.append(f"iso639_1 = {_text(str(tag.language))}")
    flores = [f.locale for f in found if f.locale[3:4] == "_" and f.locale[4:] == _FLORES_SCRIPT.get(script, script)]
    lines.append(_iso639_3(str(tag.language)))
    if flores:
        lines.append(f"flores200 = [{_text(flores[0])}]")
    lines.append(f"name = {_text(name)}")
    unsure = autonym == name and tag.language != "en"
    lines.append(f"autonym = {_text(autonym)}" + ("  # check: its own name, in its own script" if unsure else ""))
    lines.append(f"script = {_text(script)}  # check: the captions' script")
    if script in _RIGHT_TO_LEFT:
        lines.append('direction = "rtl"')
    lines += [
        '# family = ""  # check: by Glottolog\'s name, such as "Atlantic-Congo"',
        '# branch = ""  # check: a well-known group within the family, such as "Bantu"',
        '# macroarea = ""  # check: Africa, Australia, Eurasia, North America, Papunesia or South America',
        '# pretraining = []  # check: which of "xlm-r" and "mbert" saw it',
        "# caveats = []  # check: what is missing, not translated or not in the usual spelling; look at the data",
        "",
        "[sources]",
    ]
    lines += [_source(entry) for entry in found]
    if options := NORMALIZE.get(script):
        lines += ["", "[steps.normalize]", *(f"{key} = {_text(value)}" for key, value in options.items())]
    return "\n".join(lines) + "\n"


def _iso639_3(language: str) -> str:
    members = _members(language)
    code = (_meant(language) or members or [_alpha3(language)])[0]
    note = f"  # check: {language} is a group; its languages are {', '.join(members)}" if members else ""
    return f"iso639_3 = {_text(code)}{note}"


def _source(entry: Found) -> str:
    line = f"{entry.source} = {_text(entry.locale)}"
    if entry.captions is None:
        return line
    if not entry.enough:
        return f"# {line}  # {entry.captions} captions are too few"
    same = f", {entry.english} of them the same as in English" if entry.english else ""
    return f"{line}  # {entry.captions:,} captions{same}"


def _text(value: str | bool) -> str:
    """As TOML writes it."""
    return json.dumps(value, ensure_ascii=False)
