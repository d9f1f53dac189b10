"""The model card of an export: what it is, what it was trained on, how good it is, and how to load it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from data_prep import shards
from data_prep.card import table
from data_prep.errors import UserError
from data_prep.pipeline import read_manifest, split_files
from mlilt.comparison import words
from mlilt.record import RunRecord


def render(about: RunRecord, target: str, use: str) -> str:
    """The card as Markdown with the Hub's metadata header.

    Args:
        about: the run's record.
        target: the name of the export's library.
        use: Python code that loads it.
    """
    config, trained = about.config, about.trained
    names = ", ".join(words.language_name(code) for code in config.languages)
    licences, credits_ = _licences(about)
    header: dict[str, object] = {
        "language": [code.split("-")[0] for code in config.languages],
        "license": "other",
        "pipeline_tag": "zero-shot-image-classification",
        "tags": ["image-text retrieval", "mlilt", target],
    }
    # JSON is YAML too.
    yaml = "\n".join(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in header.items())
    towers = [
        [kind, tower.name, config_strategy, words.size(tower.parameters), tower.sha256]
        for kind, tower, config_strategy in (
            ("text", about.text, config.strategy),
            ("vision", about.vision, config.vision_strategy or "frozen"),
        )
    ]
    parts = [
        f"---\n{yaml}\n---\n\n# {about.name}: pictures and texts in {names} in one space",
        f"Texts and pictures become vectors of {config.dim} numbers whose cosine similarity tells whether they fit. "
        f"Trained by mlilt: {words.size(trained.count + trained.projections + trained.scalars)} parameters "
        f"({100 * trained.share:.2f} %) of two pretrained towers. This is the run `{about.name}` of {about.finished}, "
        f"written for {target}.",
        f"## Use\n\n```python\n{use.strip()}\n```",
        "## Towers\n\n" + table(["", "name", "trained", "parameters", "SHA-256 of the base weights"], towers),
        "The towers have licences of their own, which hold for this model too.",
        "## Data\n\n" + licences,
        *([credits_] if credits_ else []),
        "## Results\n\n" + _results(about),
        "Shares in %, with 95 % intervals; concepts (what is shown) of the test split were never trained on.",
        "## Intended use and limits\n\n"
        f"For searching and sorting pictures by texts in {names}. Other languages of the text tower work less well. It "
        "finds what its small training set shows, mostly single things drawn or photographed; it knows neither people "
        "by name nor places, cannot count reliably and misses negation. Towers trained on the web carry the web's "
        "prejudices. Do not use it to judge people.",
        "## Training\n\n" + _training(about),
    ]
    return "\n\n".join(parts) + "\n"


def _results(about: RunRecord) -> str:
    lines = []
    for code, by_source in about.results.items():
        for source, result in by_source.items():
            for direction, found in (("text to image", result.text_to_image), ("image to text", result.image_to_text)):
                figures = (found.recall_at_1, found.recall_at_5, found.recall_at_10)
                lines.append(
                    [
                        words.language_name(code),
                        source,
                        direction,
                        found.queries,
                        found.pool,
                        *map(words.percent, figures),
                        f"{100 * found.chance_recall_at_10:.1f}",
                    ]
                )
    return table(["language", "source", "direction", "queries", "pool", "R@1", "R@5", "R@10", "chance R@10"], lines)


def _training(about: RunRecord) -> str:
    costs = about.costs
    told = [
        ["device", about.device],
        ["precision", about.precision],
        ["pairs seen", f"{costs.pairs:,}"],
        ["time of training steps", words.duration(costs.wall_s)],
    ]
    if costs.energy_kwh is not None:
        told.append(["energy", f"{1000 * costs.energy_kwh:.2f} Wh ({costs.energy_source})"])
    told += [[name, version] for name, version in about.versions.items()]
    return table(["", ""], told) + "\n\nSettings are in `run.json`."


def _licences(about: RunRecord) -> tuple[str, str]:
    """The training split's sources with their licences, and whom to credit; from the data set if it is still there."""
    counts: Counter[tuple[str, str, str]] = Counter()
    missing: list[str] = []
    for code in about.config.languages:
        folder = about.config.data_folder(code)
        try:
            read_manifest(folder)
            for path in split_files(folder, "train"):
                counts.update(_rows(path))
        except (UserError, OSError):
            missing.append(code)
    note = f"Data set digest `{about.data_sha256}`; pictures: " + ", ".join(
        f"{split} {count:,}" for split, count in about.data_pictures.items()
    )
    if missing:
        note += (
            f". The data set of {', '.join(missing)} was not there when this card was written: its own card names "
            "licences and attributions."
        )
    if not counts:
        return note, ""
    sources: Counter[tuple[str, str]] = Counter()
    credited: Counter[str] = Counter()
    for (source, licence, attribution), count in counts.items():
        sources[source, licence] += count
        credited[attribution] += count
    listed = [[source, licence, count] for (source, licence), count in sorted(sources.items())]
    who = [attribution for attribution, _ in credited.most_common(_CREDITED) if attribution]
    more = f" and {len(credited) - _CREDITED} more, named in the data set" if len(credited) > _CREDITED else ""
    return f"{table(['source', 'licence', 'pictures'], listed)}\n\n{note}.", f"Credit: {'; '.join(who)}{more}."


def _rows(path: Path) -> Sequence[tuple[str, str, str]]:
    found = shards.read(path, ["source", "licence", "attribution"])
    return list(zip(*(found[name].to_pylist() for name in found.column_names), strict=True))


# So many are credited by name on the card; a data set of photographs may have thousands.
_CREDITED = 50
