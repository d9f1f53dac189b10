"""Translates English captions into a language that a picture has no caption in, and keeps what comes back.

Each translation is translated back; sacrebleu's chrF tells how much of the English caption came back. Captions that
people wrote are not touched. What is made here bears the model's name as its origin, and is never tested with.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

from data_prep import translation
from data_prep.errors import UserError
from data_prep.languages import Language
from data_prep.progress import bar
from data_prep.records import DropLog, Example
from data_prep.rows import Rows
from data_prep.steps._base import option
from data_prep.translation import ENGLISH, Translator

COPIED = "the translation is the English caption unchanged"
TOO_LONG = "the English caption is longer than the translation model takes"
_ONE = " (one of its captions)"

Codes = tuple[str, ...]
Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Translate:
    """Translation with a check by the way back. All pieces go through one process, which keeps the model."""

    serial: ClassVar[bool] = True

    model: str = option("nllb", "the model: nllb, the hub's id of any seq2seq model, or a local folder")
    back: str = option("", "the model of the way back; empty: the same")
    threshold: float = option(40.0, "leave out a translation that comes back with a chrF (0 to 100) below this")
    batch_size: int = option(32, "captions that are translated at once")
    num_beams: int = option(4, "hypotheses that are kept for each caption")
    language_code: str = option("", "the model's own code of the language; empty: found by the language's file")
    english_code: str = option("", "the model's own code of English; empty: found")
    check: int = option(200, "so many English captions that people translated too are scored by BLEU and chrF; 0: none")

    def __post_init__(self) -> None:
        for name, least in (("batch_size", 1), ("num_beams", 1), ("check", 0)):
            if getattr(self, name) < least:
                raise UserError(f"translate:{name} must be {least} or more, not {getattr(self, name)}.")
        if not 0 <= self.threshold <= 100:
            raise UserError(f"translate:threshold is a chrF from 0 to 100, not {self.threshold:g}.")

    def apply(self, examples: Iterable[Example], language: Language, log: DropLog) -> Iterator[Example]:
        """Yields all examples; those without captions get translations of their English ones, if they come back."""
        examples = list(examples)
        wanted = [e for e in examples if not e.captions]
        english = list(dict.fromkeys(text for e in wanted for text in e.captions_en if text.strip()))
        found = self._translate(english, language, log) if english else {}
        for example in examples:
            texts = [found[text] for text in example.captions_en if text in found]
            if example.captions or not texts:
                yield example
                continue
            good = [text for text in texts if text.fault is None]
            for text in texts:
                if text.fault:
                    log.leave_out(example, text.fault, str(text), _ONE if good else "")
                    if not good:
                        break
            if good:
                log.change("captions: translated from English", len(good))
                captions = tuple(dict.fromkeys(text.translation for text in good))
                yield replace(example, captions=captions, origin=good[0].origin, chrf=min(text.chrf for text in good))

    def judge(self, rows: Rows, language: Language, log: DropLog) -> None:
        """Notes how near the model comes to people, where the data set has captions of theirs; changes nothing."""
        captions = [(rows.english[i], rows.captions[i]) for i in rows.still() if not rows.origin[i]]
        if not self.check or not any(english.strip() and written for english, written in captions):
            return
        model, called, own = self._there(language)
        pair = model.pair(called, own)
        size = {"batch_size": self.batch_size, "num_beams": self.num_beams}
        scores = translation.score_against_people(model, captions, language, pair, self.check, **size)
        if scores:
            log.note(f"{model.name} against {scores.captions} captions that people translated: {scores}")

    def _there(self, language: Language) -> tuple[Translator, Codes, Codes]:
        """The model, and what it may call English and the language: what the user gave, else all that is known."""
        english = (self.english_code,) if self.english_code else ENGLISH
        own = (self.language_code,) if self.language_code else translation.codes_of(language)
        return translation.load(self.model), english, own

    def _back(self, there: Translator, english: Codes, own: Codes, language: Language) -> tuple[Translator, Pair]:
        """The model of the way back with its codes; another model may have other ones than the user gave."""
        back = translation.load(self.back or self.model)
        if back is not there:
            return back, back.pair((*own, *translation.codes_of(language)), (*english, *ENGLISH))
        if not there.both_ways:
            raise UserError(
                f"{there.name} translates one way only. Name a model of the way back too: "
                "`--step translate:back=MODEL`."
            )
        return back, back.pair(own, english)

    def _translate(self, english: list[str], language: Language, log: DropLog) -> dict[str, _Text]:
        there, called, own = self._there(language)
        pair = there.pair(called, own)
        back, pair_back = self._back(there, called, own, language)
        long = there.too_long(english, pair)
        texts = [text for text, too_long in zip(english, long, strict=True) if not too_long]
        size = {"batch_size": self.batch_size, "num_beams": self.num_beams}
        watched = sys.stderr.isatty()
        with bar(f"Translating into {language.name}", 2 * len(texts), unit="captions", show=watched) as running:
            made = there.translate(texts, pair, advance=running.advance, **size)
            returned = back.translate(made, pair_back, advance=running.advance, **size)
        scores = translation.round_trip_scores(texts, returned)
        note = f"translated by {there.name}, {self.num_beams} beams; round trip: {translation.round_trip_signature()}"
        if back is not there:
            note += f", back by {back.name}"
        log.note(note)
        found = {text: _Text(text, "", "", 0.0, there.name, TOO_LONG) for text in english}
        for source, text, again, chrf in zip(texts, made, returned, scores, strict=True):
            found[source] = _Text(source, text, again, chrf, there.name, self._fault(source, text, chrf))
        return found

    def _fault(self, english: str, text: str, chrf: float) -> str | None:
        # What was only copied comes back whole.
        if text.casefold() == " ".join(english.split()).casefold():
            return COPIED
        if not text or chrf < self.threshold:
            return f"the translation does not come back (chrF below {self.threshold:g})"
        return None


@dataclass(frozen=True, slots=True)
class _Text:
    """An English caption, its translation, and what came back."""

    english: str
    translation: str
    back: str
    chrf: float
    origin: str
    fault: str | None

    def __str__(self) -> str:
        return " → ".join(part for part in (self.english, self.translation, self.back) if part)


STEP = Translate
