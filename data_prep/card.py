"""Writes a data set's card: what is in it, where from, under which licences, and what was left out."""

from __future__ import annotations

import json
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence

from data_prep.languages import Language
from data_prep.records import DropLog, Example
from data_prep.sources._base import About
from data_prep.steps.split import SPLITS

# Licences as the Hub's metadata header names them, where it has a name for them.
_HUB_LICENCES = {"Apache-2.0": "apache-2.0", "CC-BY-4.0": "cc-by-4.0", "GPL-2.0-only": "gpl-2.0"}

Tokenize = Callable[[Sequence[str]], Sequence[int]]


def tokens_per_word(captions: Sequence[str], count_tokens: Tokenize) -> float:
    """Tokens over white-space separated words, special tokens not counted (the tokenizer's fertility)."""
    words = sum(len(caption.split()) for caption in captions)
    # Some at a time: what a tokenizer gives back takes far more memory than the captions.
    parts = (captions[start : start + 1000] for start in range(0, len(captions), 1000))
    return sum(sum(count_tokens(part)) for part in parts) / max(words, 1)


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table; cells' bars are escaped."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def render(
    language: Language,
    abouts: Mapping[str, About],
    examples: Sequence[Example],
    log: DropLog,
    tokenizer: tuple[str, Tokenize] | None,
    steps: Mapping[str, Mapping[str, object]],
    stored: str = "",
) -> str:
    """The card as Markdown with the Hub's metadata header.

    Args:
        language: whose data set it is.
        abouts: description of each source used, by name.
        examples: all rows of the data set.
        log: what was dropped and changed.
        tokenizer: the text tower's name and a function that counts tokens of captions; None if not at hand.
        steps: all steps that the examples went through, with their options.
        stored: where the pictures lie, seen from the data set's folder, if not in it.
    """
    licences = sorted({part for e in examples for part in e.licence.split("+")})
    captions = [c for e in {e.concept: e for e in examples}.values() for c in e.captions]
    words = sorted(len(c.split()) for c in captions)
    header: dict[str, object] = {
        "pretty_name": f"{language.name} captioned pictures",
        "language": [language.code.split("-")[0]],
        "license": sorted({_HUB_LICENCES.get(licence, "other") for licence in licences}),
        "task_categories": ["image-feature-extraction", "image-to-text"],
        "tags": ["image-text retrieval", "mlilt"],
        "size_categories": [_size(len(examples))],
        "configs": [
            {
                "config_name": "default",
                # The Hub's library refuses to read a split without rows.
                "data_files": [
                    {"split": s, "path": f"data/{s}-*.parquet"} for s in SPLITS if any(e.split == s for e in examples)
                ],
            }
        ],
    }
    # JSON is YAML too, and its writer is at hand.
    yaml = "\n".join(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in header.items())
    by_source: dict[str, Counter[str]] = defaultdict(Counter)
    concepts: dict[str, set[str]] = defaultdict(set)
    for example in examples:
        by_source[example.source][example.split] += 1
        concepts[example.source].add(example.concept)
    counts: list[list[object]] = [
        [source, *(by_source[source][s] for s in SPLITS), sum(by_source[source].values()), len(concepts[source])]
        for source in sorted(by_source)
    ]
    total = len({e.concept for e in examples})
    counts.append(["**all**", *(sum(e.split == s for e in examples) for s in SPLITS), len(examples), total])
    fertility = (
        f"{tokens_per_word(captions, tokenizer[1]):.2f} tokens per word ({tokenizer[0]})"
        if tokenizer
        else "not measured: no tokenizer was at hand"
    )
    flags = Counter(flag for e in examples for flag in e.flags)
    machines = Counter(e.origin for e in examples if e.origin)
    changes = [[what, n] for what, n in sorted(log.changes.items()) if n]
    parts = [
        f"---\n{yaml}\n---\n\n# {language.name} ({language.autonym}) captioned pictures",
        f"Captions in {language.name} (`{language.code}`, script {language.script}), prepared by `mlilt prep` from "
        f"{', '.join(abouts)}. One row is one picture; a concept (what is shown) may have several. "
        "Splits go by a hash of the concept, the same in every language and source.",
        "![Examples](contact-sheet.png)",
        "## Counts\n\n" + table(["source", *SPLITS, "pictures", "concepts"], counts),
        "Captions and pictures of one concept may come from several sources, so the sources' concepts can add up "
        "to more than all.",
        f"## Captions\n\n{len(captions)} captions: median {statistics.median(words):g} words (longest {words[-1]}), "
        f"median {statistics.median(map(len, captions)):g} characters; {fertility}.",
        "## Sources and licences\n\n"
        + table(
            ["source", "title", "licences", "pictures", "citation"],
            [
                [
                    n,
                    f"[{a.title}]({a.homepage})" if a.homepage else a.title,
                    ", ".join(sorted({part for e in examples if e.source == n for part in e.licence.split("+")})),
                    a.pictures,
                    a.citation,
                ]
                for n, a in abouts.items()
            ],
        ),
        "Each row names its own licence and whom to credit.",
        "## Left out\n\n"
        + (
            table(["source", "reason", "items"], [[s, r, n] for (s, r), n in log.by_reason().items()])
            + "\n\nEach item is listed in `drops.jsonl`."
            if log.counts
            else "Nothing."
        ),
        "## Flagged\n\n"
        + (table(["what a person should look at", "pictures"], flags.most_common()) if flags else "Nothing."),
        "## Changed\n\n" + (table(["what", "times"], changes) if changes else "Nothing."),
        "## Steps\n\n"
        + table(
            ["step", "options"], [[name, ", ".join(f"{k}={v}" for k, v in o.items())] for name, o in steps.items()]
        ),
        "## Columns\n\n"
        + table(
            ["column", "meaning"],
            [
                [
                    "image",
                    "the picture, an RGB PNG, or JPEG if it was one"
                    + (f"; its path is one in the folder {stored}, which several data sets share" if stored else ""),
                ],
                ["image_id", "first 16 hex digits of the SHA-256 of its bytes"],
                ["captions", "captions in the language, the first being the main one"],
                ["keywords", "words for parts of the picture"],
                ["captions_en", "captions in English, where the source has them"],
                ["concept", "what is shown, independent of language and source"],
                ["source, category, variant", "where the picture is from"],
                ["licence, attribution", "SPDX identifiers and whom to credit"],
                ["language", "BCP-47 code"],
                ["origin, chrf", "what translated the captions, if a machine did, and how well (chrF of the way back)"],
                ["flags", "what a person should look at"],
            ],
        ),
    ]
    if machines:
        listed = "; ".join(f"{n} pictures by {origin}" for origin, n in machines.most_common())
        parts.insert(6, f"## Machine-translated\n\n{listed}. None is in the test split unless a step says so.")
    if log.notes:
        parts.insert(6, "## Notes\n\n" + "\n".join(f"- {note}" for note in log.notes))
    # They are of what can be fetched, not of what a user brings.
    if language.caveats and any(a.resources for a in abouts.values()):
        parts.insert(3, "## Caveats\n\n" + "\n".join(f"- {c}" for c in language.caveats))
    return "\n\n".join(parts) + "\n"


def _size(rows: int) -> str:
    for limit, name in ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M")):
        if rows < limit:
            return name
    return "n>1M"
