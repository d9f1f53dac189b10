"""Leaves out captions that are in English by a language identifier, and flags those in another language.

For short captions the question is not which of 140 languages it is, but whether another one is far more likely than
the language that it should be. So a caption of at least `words` words is left out if English is `odds` times as
likely as the language and no third one is much likelier; it is flagged if another one is `odds` times as likely that
is no sibling (of the same branch, such as Slavic). docs/language-id.md compares identifiers and says what this finds
and costs; py3langid was chosen. It is not installed by default: `pip install "mlilt[lid]"`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from data_prep.errors import UserError
from data_prep.languages import Language, load_languages
from data_prep.records import DropLog, Example
from data_prep.steps._base import option
from data_prep.steps._text import flagged, sift

ENGLISH = "the caption is in English, by a language identifier"
FLAG = "may be in another language"
# The identifier's labels where they are neither ISO 639-1 nor ISO 639-3 of ours.
_LABELS = {"nb": "no", "fil": "tl"}
# Likelihood of English in place of a ratio where the identifier does not know the language.
_ALONE = 0.3
_LEAST = 1e-9
# English is told from other languages less well in short captions: it need not be the likeliest, but be near to it.
# Of English captions put among others 89 % are found so, 71 % if it must; of captions in a third language (French,
# Arabic and seven more) 0.3 % are taken for English, 38 % if nothing is asked.
_NEAR = 3.0


@cache
def _identifier() -> Any:
    """The identifier, once a process."""
    try:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier
    except ImportError as error:
        raise UserError(
            'The step language-id needs the package py3langid, which is not installed: pip install "mlilt[lid]"'
        ) from error
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def likelihoods(text: str) -> Mapping[str, float]:
    """How likely each language that the identifier knows is (they add up to 1), by the identifier's label."""
    return dict(_identifier().rank(text))


def labels(language: Language) -> frozenset[str]:
    """The identifier's labels of a language; none if it does not know it, or not in its script."""
    parts = language.code.split("-")
    if any(len(part) == 4 and part.isalpha() for part in parts) and parts[0] not in {"zh", "yue", "sr"}:
        return frozenset()
    named = {parts[0], language.iso639_1, language.iso639_3, _LABELS.get(language.code)}
    return frozenset(label for label in _identifier().labels if label in named)


@cache
def _siblings(branch: str) -> frozenset[str]:
    """Labels of the languages of a branch that have a file, but for English: that is what is looked for."""
    kin = (labels(other) for other in load_languages() if other.branch == branch and other.code != "en")
    return frozenset().union(*kin)


@dataclass(frozen=True, slots=True)
class STEP:
    """See the module's docstring."""

    odds: float = option(10.0, "so many times as likely must another language be")
    words: int = option(3, "captions with fewer words are not judged")

    def apply(self, examples: Iterable[Example], language: Language, log: DropLog) -> Iterator[Example]:
        """Yields the examples with a caption that is not in English; those that may be in a third language flagged."""
        own = labels(language)
        kin = own | (_siblings(language.branch) if language.branch else frozenset())
        if "en" in own:
            yield from examples
            return
        if not own:
            log.note(f"The language identifier does not know {language.name}: only English was looked for.")

        def other(text: str) -> str | None:
            """The language that a caption is in instead, by its label."""
            if len(text.split()) < self.words:
                return None
            found = likelihoods(text)
            if not own:
                return "en" if found["en"] >= _ALONE else None
            least = self.odds * max(sum(found[label] for label in own), _LEAST)
            if found["en"] >= max(least, max(found.values()) / _NEAR):
                return "en"
            best = max((label for label in found if label not in kin), key=found.__getitem__)
            return best if found[best] >= least else None

        for example in examples:
            others = {caption: other(caption) for caption in example.captions}
            faults = {caption: ENGLISH for caption, label in others.items() if label == "en"}
            if (kept := sift(example, faults.get, log)) is not None:
                yield flagged(kept, FLAG) if any(others[caption] for caption in kept.captions) else kept
