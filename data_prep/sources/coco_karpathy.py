"""COCO's photographs in Karpathy's splits, with captions in other languages beside them.

`dataset_coco.json` has the pictures, their splits (restval counts as train) and five English captions each. Captions in
another language come from files beside it:

- `captions_LANGUAGE.json` or `captions_LANGUAGE_*.json` (one for each part, say) in COCO's own caption format:
  {"annotations": [{"image_id": 391895, "caption": "..."}, ...]}. A name that ends in `_mt.json` says that a machine
  translated them.
- STAIR Captions as released (Japanese, by people): `stair_captions_v1.2_train.json` and `..._val.json`.
- COCO-35L as released (34 languages, by machine translation): `coco_mt_train.jsonl` and `coco_mt_dev.jsonl`, also
  as .bz2.

A picture has captions of one kind: people's where there are any.
"""

from __future__ import annotations

import bz2
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from data_prep.records import DropLog, Example
from data_prep.sources._base import ROOT, About, Pointed
from data_prep.sources._coco import COCO_LAYOUT, COCO_LICENCE, CocoPictures
from data_prep.sources._json_array import array
from data_prep.sources._layout import (
    DAMAGED_FILE,
    DAMAGED_LINE,
    JSON_ERRORS,
    NO_PICTURE,
    captions,
    first_file,
    layout_error,
)

NAME = "coco-karpathy"
_INDEX = "dataset_coco.json"
_ENGLISH = "en"
_MACHINE = "machine translation"
_SPLITS = {"train": "train", "restval": "train", "val": "validation", "test": "test"}
_COCO_35L = re.compile(r"coco_mt_(train|dev)\.jsonl(\.bz2)?")

Captions = dict[int, tuple[str, ...]]


class CocoKarpathy:
    """See the module's docstring."""

    about = About(
        title="COCO captions, Karpathy's splits, with translations",
        homepage="https://cs.stanford.edu/people/karpathy/deepimagesent/",
        licences=(COCO_LICENCE, "CC-BY-4.0"),
        citation="Xinlei Chen et al. Microsoft COCO Captions: Data Collection and Evaluation Server. arXiv:1504.00325, "
        "2015. Andrej Karpathy, Li Fei-Fei. Deep Visual-Semantic Alignments for Generating Image Descriptions. CVPR "
        "2015. Japanese: Yuya Yoshikawa et al. STAIR Captions. ACL 2017. COCO-35L: Ashish V. Thapliyal et al. "
        "Crossmodal-3600. EMNLP 2022.",
        pictures="Photographs of COCO 2014 (or 2017, under the same numbers), which the user has fetched.",
        pointed=Pointed(
            "folder",
            f"{_INDEX} with {COCO_LAYOUT}, and for other languages than English captions_LANGUAGE.json (COCO's caption "
            "format; captions_LANGUAGE_mt.json if a machine translated them), stair_captions_v1.2_train.json and "
            "..._val.json (ja), or COCO-35L's coco_mt_train.jsonl and coco_mt_dev.jsonl.",
        ),
    )

    def examples(self, locale: str, files: Mapping[str, Path], log: DropLog) -> Iterator[Example]:
        root = files[ROOT]
        if not root.is_dir():
            raise layout_error(NAME, self.about, root, "there is no folder")
        index = first_file(root, _INDEX, f"annotations/{_INDEX}", f"*/{_INDEX}")
        if index is None:
            raise layout_error(NAME, self.about, root, f"there is no {_INDEX}")
        people, machine = ({}, {}) if locale == _ENGLISH else self._tables(root, index.parent, locale, log)
        pictures = CocoPictures(root)
        for number, item in enumerate(array(index, "images", NAME, log)):
            key, split, name = item.get("cocoid"), _SPLITS.get(str(item.get("split"))), item.get("filename")
            sentences = item.get("sentences")
            if not isinstance(key, int) or split is None or not isinstance(name, str):
                log.drop(NAME, f"{_INDEX}:{number}", "the entry is damaged or incomplete")
                continue
            path = pictures.find(name)
            if path is None:
                log.drop(NAME, str(key), NO_PICTURE)
                continue
            parts = sentences if isinstance(sentences, list) else []
            english = captions([part.get("raw") for part in parts if isinstance(part, dict)])
            translated = locale != _ENGLISH and key not in people
            yield Example(
                picture=path,
                captions=english if locale == _ENGLISH else people.get(key) or machine.get(key, ()),
                captions_en=english,
                concept=f"{NAME}-{key}",
                source=NAME,
                licence=f"{COCO_LICENCE}+CC-BY-4.0",
                attribution="COCO",
                split=split,
                origin=_MACHINE if translated and key in machine else "",
            )

    def _tables(self, root: Path, beside: Path, locale: str, log: DropLog) -> tuple[Captions, Captions]:
        """Captions by COCO's number of the picture: people's, and a machine's."""
        folders = [f for f in dict.fromkeys((root, beside, root / "annotations")) if f.is_dir()]
        paths = sorted({path for folder in folders for path in folder.iterdir() if path.is_file()})
        named = re.compile(rf"captions_{re.escape(locale)}(_.+)?\.json")
        stair = re.compile(r"stair_captions_v[\d.]+_(train|val)\.json")
        found = [p for p in paths if named.fullmatch(p.name) or (locale == "ja" and stair.fullmatch(p.name))]
        by_people: dict[int, list[str]] = {}
        by_machine: dict[int, list[str]] = {}
        for path in found:
            _add(by_machine if path.stem.endswith("_mt") else by_people, _coco_format(path, log))
        for path in paths:
            # Where it lies unpacked and as .bz2, one is enough.
            if _COCO_35L.fullmatch(path.name) and path.with_suffix("") not in paths:
                _add(by_machine, _coco_35l(path, locale, log))
        if not by_people and not by_machine:
            there = ", ".join(p.name for p in paths if p.suffix in {".json", ".jsonl", ".bz2"} and p.name != _INDEX)
            missing = f"there are no captions in {locale!r} (only {there or 'the English ones'})"
            raise layout_error(NAME, self.about, root, missing)
        return _frozen(by_people), _frozen(by_machine)


def _add(table: dict[int, list[str]], pairs: Iterator[tuple[int, str]]) -> None:
    for key, caption in pairs:
        table.setdefault(key, []).append(caption)


def _frozen(table: dict[int, list[str]]) -> Captions:
    return {key: found for key, texts in table.items() if (found := captions(texts))}


def _coco_format(path: Path, log: DropLog) -> Iterator[tuple[int, str]]:
    for number, item in enumerate(array(path, "annotations", NAME, log)):
        key, caption = item.get("image_id"), item.get("caption")
        if isinstance(key, int) and isinstance(caption, str):
            yield key, caption
        else:
            log.drop(NAME, f"{path.name}:{number}", "the entry is damaged or incomplete")


def _coco_35l(path: Path, locale: str, log: DropLog) -> Iterator[tuple[int, str]]:
    """Lines {"image_id": "391895_0", "trg_lang": "sw", "translation_tokenized": "..."}, all languages in one file."""
    mark = f'"{locale}"'.encode()
    with bz2.open(path, "rb") if path.suffix == ".bz2" else path.open("rb") as file:
        try:
            for number, line in enumerate(file, 1):
                # Of some twenty million lines only those that may be in the language are parsed.
                if mark not in line:
                    continue
                try:
                    item = json.loads(line)
                    if item["trg_lang"] == locale:
                        yield int(item["image_id"].split("_")[0]), str(item["translation_tokenized"])
                except (*JSON_ERRORS, KeyError, TypeError, AttributeError):
                    log.drop(NAME, f"{path.name}:{number}", DAMAGED_LINE)
        except (OSError, EOFError):
            log.drop(NAME, path.name, DAMAGED_FILE)


SOURCE = CocoKarpathy()
