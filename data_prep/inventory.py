"""What there is: languages and what is prepared of them, sources and the files they need."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from data_prep import contact_sheet, pipeline, registry, sources
from data_prep.carriers import Resource
from data_prep.errors import UserError
from data_prep.languages import load_languages
from data_prep.steps.split import SPLITS


def languages(data: Path) -> list[dict[str, Any]]:
    """One entry for each language file, by code.

    Args:
        data: the folder below which data sets are looked for, by code.

    Returns:
        The file's content, with `pictures`: captioned pictures by source if the data set is prepared, else None.
    """
    return [
        {**language.model_dump(mode="json"), "pictures": prepared_pictures(data / language.code)}
        for language in load_languages()
    ]


def prepared_pictures(folder: Path) -> dict[str, int] | None:
    """Numbers of captioned pictures of a prepared data set by source; None if there is none that can be read."""
    import pyarrow.parquet as pq

    try:
        pipeline.read_manifest(folder)
        counts: Counter[str] = Counter()
        for split in SPLITS:
            table = pq.read_table(pipeline.split_file(folder, split), columns=["source"])
            counts.update(table["source"].to_pylist())
    except (UserError, OSError, ValueError):
        return None
    return dict(sorted(counts.items()))


def resources() -> dict[str, list[Resource]]:
    """What each source needs, by its name, and the fonts of the contact sheet."""
    found = {name: list(pipeline.load_source(name).about.resources) for name in registry.names(sources)}
    return {**found, "contact sheet": [contact_sheet.FONTS]}
