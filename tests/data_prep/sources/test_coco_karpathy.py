from __future__ import annotations

import bz2
import json
from pathlib import Path

import pytest

from data_prep.errors import UserError
from data_prep.records import Example
from data_prep.sources.coco_karpathy import SOURCE
from tests.data_prep.sources.walking import walk


def read(root: Path, locale: str) -> tuple[list[Example], list[tuple[str, str]]]:
    return walk(SOURCE, locale, root)


def entry(number: int, split: str, *raw: str) -> dict:
    folder = "val2014" if split != "train" else "train2014"
    ids = [10 * number + n for n in range(len(raw))]
    return {
        "filepath": folder,
        "sentids": ids,
        "filename": f"COCO_{folder}_{number:012}.jpg",
        "imgid": number,
        "split": split,
        "sentences": [
            {"tokens": t.split(), "raw": t, "imgid": number, "sentid": i} for i, t in zip(ids, raw, strict=True)
        ],
        "cocoid": number,
    }


ENTRIES = [
    entry(1, "test", "A dog.", "The dog "),
    entry(2, "restval", "A cat."),
    entry(3, "train", "A cup."),
    entry(4, "val", 'A [key], "old".'),
]


@pytest.fixture
def root(tmp_path, make_picture):
    (tmp_path / "dataset_coco.json").write_text(json.dumps({"images": ENTRIES, "dataset": "coco"}))
    for item in ENTRIES:
        path = tmp_path / item["filepath"] / item["filename"]
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(make_picture(kind="JPEG"))
    return tmp_path


def coco(path: Path, captions: list[tuple[int, str]]) -> None:
    """COCO's own caption format."""
    annotations = [{"image_id": image, "id": n, "caption": text} for n, (image, text) in enumerate(captions)]
    images = [{"id": image, "file_name": "x.jpg", "license": 1} for image, _ in captions]
    path.write_text(json.dumps({"info": {}, "images": images, "annotations": annotations, "licenses": []}), "utf-8")


def mt_lines(*translations: tuple[str, str, str]) -> bytes:
    keys = (
        "image_id",
        "src_lang",
        "caption_tokenized",
        "trg_lang",
        "translation_tokenized",
        "backtranslation_tokenized",
    )
    rows = [dict(zip(keys, (i, "en", "a", lang, text, "a"), strict=True)) for i, lang, text in translations]
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def test_english_has_karpathys_splits(root):
    examples, drops = read(root, "en")
    assert drops == []
    assert [(e.concept, e.split, e.captions) for e in examples] == [
        ("coco-karpathy-1", "test", ("A dog.", "The dog")),
        ("coco-karpathy-2", "train", ("A cat.",)),
        ("coco-karpathy-3", "train", ("A cup.",)),
        ("coco-karpathy-4", "validation", ('A [key], "old".',)),
    ]
    assert [e.picture.relative_to(root).as_posix() for e in examples][2] == "train2014/COCO_train2014_000000000003.jpg"
    assert {(e.origin, e.licence) for e in examples} == {("", "LicenseRef-COCO-images+CC-BY-4.0")}


def test_captions_beside_it_are_keyed_by_cocos_number_in_one_file_or_several(root):
    coco(root / "captions_sw_train2014.json", [(3, "Kikombe."), (3, "Kikombe cheupe."), (99, "Hakuna.")])
    coco(root / "captions_sw_val2014.json", [(1, "Mbwa.")])
    coco(root / "captions_swx.json", [(2, "no")])
    examples, drops = read(root, "sw")
    assert drops == []
    assert [e.captions for e in examples] == [("Mbwa.",), (), ("Kikombe.", "Kikombe cheupe."), ()]
    assert [e.captions_en for e in examples] == [e.captions for e in read(root, "en")[0]]
    assert {e.origin for e in examples} == {""}


def test_stair_captions_are_japanese(root):
    coco(root / "stair_captions_v1.2_train.json", [(3, "コップ")])
    coco(root / "stair_captions_v1.2_val.json", [(1, "犬")])
    coco(root / "stair_captions_v1.2_val_tokenized.json", [(1, "犬 犬")])
    assert [e.captions for e in read(root, "ja")[0]] == [("犬",), (), ("コップ",), ()]


@pytest.mark.parametrize("packed", [False, True])
def test_coco_35l_is_machine_translated_and_gives_way_to_people(root, packed):
    data = mt_lines(("1_0", "sw", "mbwa"), ("1_1", "te", "కుక్క"), ("1_2", "sw", "yule mbwa"), ("3_0", "sw", "kikombe"))
    path = root / "coco_mt_train.jsonl"
    if packed:
        (root / "coco_mt_train.jsonl.bz2").write_bytes(bz2.compress(data))
    else:
        path.write_bytes(data)
    (root / "coco_mt_dev.jsonl").write_bytes(mt_lines(("4_0", "sw", "ufunguo")))
    coco(root / "captions_sw.json", [(3, "Kikombe cheupe.")])
    assert [(e.captions, e.origin) for e in read(root, "sw")[0]] == [
        (("mbwa", "yule mbwa"), "machine translation"),
        ((), ""),
        (("Kikombe cheupe.",), ""),
        (("ufunguo",), "machine translation"),
    ]


def test_a_file_whose_name_says_so_is_machine_translated(root):
    coco(root / "captions_yo_mt.json", [(1, "ajá")])
    assert next((e.captions, e.origin) for e in read(root, "yo")[0]) == (("ajá",), "machine translation")


def test_what_is_damaged_or_missing_is_named_and_the_rest_goes_on(root):
    broken = [ENTRIES[0], {"cocoid": 7}, ENTRIES[1], ENTRIES[2]]
    text = json.dumps({"images": broken, "dataset": "coco"})
    (root / "dataset_coco.json").write_text(text[: text.index('"filename": "COCO_train2014')])
    (root / "val2014/COCO_val2014_000000000002.jpg").unlink()
    captions = mt_lines(("1_0", "sw", "mbwa"))
    (root / "coco_mt_train.jsonl").write_bytes(captions + b'{"trg_lang": "sw", "image_id"\n')
    (root / "coco_mt_dev.jsonl.bz2").write_bytes(bz2.compress(mt_lines(("9_0", "sw", "paka")))[:-9])
    examples, drops = read(root, "sw")
    assert [(e.concept, e.captions) for e in examples] == [("coco-karpathy-1", ("mbwa",))]
    assert drops == [
        ("coco_mt_dev.jsonl.bz2", "the file is damaged or cut short"),
        ("coco_mt_train.jsonl:2", "the line is damaged or incomplete"),
        ("dataset_coco.json:1", "the entry is damaged or incomplete"),
        ("2", "the picture is not in the folder"),
        ("dataset_coco.json", "the file is damaged or cut short"),
    ]


def test_a_wrong_folder_or_language_is_answered_with_the_layout(root, tmp_path):
    coco(root / "captions_sw.json", [(1, "Mbwa.")])
    with pytest.raises(UserError, match=r"no captions in 'yo' \(only captions_sw\.json\) .*captions_LANGUAGE\.json"):
        read(root, "yo")
    (root / "dataset_coco.json").unlink()
    with pytest.raises(UserError, match=r"there is no dataset_coco\.json in .*train2014/ and val2014/"):
        read(root, "sw")
    with pytest.raises(UserError, match="there is no folder"):
        read(tmp_path / "nowhere", "sw")
