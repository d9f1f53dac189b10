"""LAION-COCO-NLLB: what NLLB-CLIP was trained on, pictures of the web with captions by machines in 201 languages.

English captions are LAION-COCO's, which BLIP wrote; those in the other languages are NLLB's translations.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from data_prep.records import DropLog, Example
from data_prep.sources._base import About, Hub, Pointed
from data_prep.sources._flores import ENGLISH, LOCALES, NLLB
from data_prep.sources._hub import rows, shards
from data_prep.sources._layout import NO_PICTURE, captions, is_there, layout_error, open_root

NAME = "laion-coco-nllb"
_SPLITS = {split: (f"default/{split}/*.parquet", f"data/{split}-*.parquet") for split in ("train", "test")}
_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


class LaionCocoNllb:
    """See the module's docstring."""

    about = About(
        title="LAION-COCO-NLLB",
        homepage="https://github.com/visheratin/nllb-clip",
        licences=("LicenseRef-web", "CC-BY-NC-4.0"),
        citation="Alexander Visheratin. NLLB-CLIP: train performant multilingual image retrieval model on a budget. "
        "arXiv:2309.01859, 2023.",
        pictures="From the web, by the addresses in the tables: fetch them first, either with img2dataset "
        "(--input_format parquet --url_col url --output_format files) or each as ID.jpg.",
        locales=LOCALES,
        pointed=Pointed(
            "folder",
            "a download of visheratin/laion-coco-nllb (default/train/*.parquet and default/test/*.parquet, or "
            "data/train-*.parquet and data/test-*.parquet), and the pictures in it or in its images/: ID.jpg (also in "
            "train_images/ and test_images/), or what img2dataset writes as files (00000.parquet and "
            "00000/000000000.jpg).",
            # The commit of the Hub's own conversion to Parquet.
            Hub("visheratin/laion-coco-nllb", "974588a33b7a24f5d21672812cdd2b88cbecdc8f", ("default/*/*.parquet",)),
        ),
    )

    def examples(self, locale: str, files: Mapping[str, Path], log: DropLog) -> Iterator[Example]:
        root = open_root(NAME, self.about, locale, files)
        found = {split: [p for p in names if shards(root, p)] for split, names in _SPLITS.items()}
        if not any(found.values()):
            raise layout_error(NAME, self.about, root, "there is no default/train/*.parquet or data/train-*.parquet")
        pictures = _Pictures(root, log)
        if not pictures.any:
            raise layout_error(NAME, self.about, root, "there are no pictures")
        for split, pattern in ((split, names[0]) for split, names in found.items() if names):
            for path, number, row in rows(root, pattern, ("id", "url", "eng_caption", "captions"), NAME, log):
                key = row["id"]
                if not key:
                    log.drop(NAME, f"{path.name}:{number}", "the row has no id")
                    continue
                picture = pictures.find(str(key), row["url"])
                if picture is None:
                    log.drop(NAME, str(key), NO_PICTURE)
                    continue
                english = captions(row["eng_caption"])
                yield Example(
                    picture=picture,
                    captions=english if locale == ENGLISH else _translation(row["captions"], locale),
                    captions_en=english,
                    concept=f"{NAME}-{key}",
                    source=NAME,
                    licence="LicenseRef-web+CC-BY-NC-4.0",
                    attribution=f"LAION-COCO-NLLB; picture: {row['url'] or 'unknown'}",
                    split=split,
                    origin="BLIP" if locale == ENGLISH else NLLB,
                )


def _translation(pairs: Any, locale: str) -> tuple[str, ...]:
    """The caption in one language; a row has a list of (language, caption)."""
    return captions([pair[1] for pair in pairs or () if pair and len(pair) == 2 and pair[0] == locale])


class _Pictures:
    """Pictures that were fetched, by id and by address."""

    def __init__(self, root: Path, log: DropLog) -> None:
        tops = [top for top in (root, root / "images") if top.is_dir()]
        self._named = [*tops, *(f for name in ("train_images", "test_images") if (f := root / name).is_dir())]
        # Of an address a digest is enough: a million of them take some 150 MB.
        self._fetched: dict[bytes, tuple[Path, str]] = {}
        for top in tops:
            for table in sorted(top.glob("[0-9]*.parquet")):
                folder = top / table.stem
                if folder.is_dir():
                    found = rows(top, table.name, ("url", "key", "status"), NAME, log)
                    self._fetched |= {
                        _digest(r["url"]): (folder, r["key"])
                        for _, _, r in found
                        if r["url"] and r["key"] and r["status"] == "success"
                    }

    @property
    def any(self) -> bool:
        return bool(self._fetched) or any(p.suffix in _SUFFIXES for folder in self._named for p in folder.iterdir())

    def find(self, key: str, url: str | None) -> Path | None:
        places = [(folder, key) for folder in self._named]
        if url and (fetched := self._fetched.get(_digest(url))):
            places.append(fetched)
        files = (folder / f"{name}{suffix}" for folder, name in places for suffix in _SUFFIXES)
        return next((path for path in files if is_there(path)), None)


def _digest(url: str) -> bytes:
    return hashlib.blake2b(url.encode("utf-8", "surrogatepass"), digest_size=12).digest()


SOURCE = LaionCocoNllb()
