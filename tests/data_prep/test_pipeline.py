from __future__ import annotations

import io
import json
import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import datasets
import pyarrow.parquet as pq
import pytest
import yaml
from filelock import FileLock
from PIL import Image

from data_prep.errors import UserError
from data_prep.languages import load_language
from data_prep.pipeline import Prepared, prepare, read_manifest
from data_prep.steps.split import SPLITS, split_of


def make(out: Path, **options) -> Prepared:
    return prepare("sw", **{"out": out, "offline": True, "progress": False, **options})


def rows(folder: Path) -> list[dict]:
    return [row for split in SPLITS for row in pq.read_table(next((folder / "data").glob(f"{split}-*"))).to_pylist()]


def reasons(folder: Path) -> dict[tuple[str, str], str]:
    lines = (folder / "drops.jsonl").read_text(encoding="utf-8").splitlines()
    return {(d["source"], d["item"]): d["reason"] for d in map(json.loads, lines)}


# The real sources.


def test_the_hubs_own_library_reads_the_folder_with_its_splits_and_pictures(small_sw, tmp_path):
    found = datasets.load_dataset(str(small_sw.folder), cache_dir=str(tmp_path))
    assert {name: len(part) for name, part in found.items()} == small_sw.pictures
    assert tuple(found) == SPLITS
    assert isinstance(found["train"].features["image"], datasets.Image)
    for name, part in found.items():
        for row in part:
            assert row["image"].mode == "RGB"
            assert 8 <= min(row["image"].size) <= max(row["image"].size) <= 512
            assert row["captions"]
            assert all(row["captions"])
            assert row["captions_en"]
            assert row["language"] == "sw"
            assert split_of(row["concept"]) == name


def test_the_card_is_one_the_hub_understands(small_sw):
    from huggingface_hub import DatasetCard

    card = DatasetCard.load(small_sw.folder / "README.md")
    data = card.data.to_dict()
    assert data["language"] == ["sw"]
    assert data["license"] == ["apache-2.0", "cc-by-4.0", "gpl-2.0", "other"]
    assert data["size_categories"] == ["n<1K"]
    assert {"pretty_name", "task_categories", "tags", "configs"} <= set(data)
    (config,) = data["configs"]
    for entry in config["data_files"]:
        assert len(list(small_sw.folder.glob(entry["path"]))) == 1
    assert [entry["split"] for entry in config["data_files"]] == list(SPLITS)
    assert (small_sw.folder / re.findall(r"!\[.*?\]\((.*?)\)", card.text)[0]).is_file()
    assert load_language("sw").caveats
    assert all(caveat in card.text for caveat in load_language("sw").caveats)


def table(card: str, heading: str) -> list[list[str]]:
    """The rows of the table below a heading, its own heading row aside."""
    part = card.split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in part.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def test_counts_in_card_manifest_drop_list_and_files_are_the_same(small_sw):
    card = (small_sw.folder / "README.md").read_text(encoding="utf-8")
    manifest = read_manifest(small_sw.folder)
    found = rows(small_sw.folder)
    counted = Counter((r["source"], split_of(r["concept"])) for r in found)
    concepts = {source: len({r["concept"] for r in found if r["source"] == source}) for source in small_sw.concepts}
    for source, *numbers in table(card, "Counts")[:-1]:
        splits = [counted[source, split] for split in SPLITS]
        assert list(map(int, numbers)) == [*splits, sum(splits), concepts[source]]
    assert manifest["pictures"] == small_sw.pictures
    assert manifest["pictures"] == {s: sum(n for (_, split), n in counted.items() if split == s) for s in SPLITS}
    assert manifest["concepts"] == small_sw.concepts == concepts

    drops = Counter(json.loads(line)["source"] + ": " + json.loads(line)["reason"]
                    for line in (small_sw.folder / "drops.jsonl").read_text(encoding="utf-8").splitlines())  # fmt: skip
    assert drops["cldr-emoji: beyond --limit"] > 1000
    assert drops == manifest["dropped"] == small_sw.dropped
    assert drops == {f"{source}: {reason}": int(count) for source, reason, count in table(card, "Left out")}


def test_the_contact_sheet_is_a_picture(small_sw):
    assert Image.open(small_sw.folder / "contact-sheet.png").size[0] > 1000


# Miniatures.


def test_pictures_of_one_concept_stay_together_and_a_row_holds_all_of_its_example(miniature, tmp_path):
    made = make(tmp_path / "sw")
    found = rows(made.folder)
    assert made.concepts == {"cldr-emoji": 3, "flags": 2, "tuxpaint": 1}
    assert sum(made.pictures.values()) == len(found) == 11
    (key, _) = [r for r in found if r["concept"] == "key"]
    assert {k: v for k, v in key.items() if k != "image"} == {
        "image_id": key["image_id"], "captions": ["ufunguo"], "keywords": [], "captions_en": ["key"],
        "concept": "key", "source": "cldr-emoji", "category": "Objects", "variant": "google",
        "licence": "Apache-2.0+Unicode-3.0", "attribution": "Noto Emoji by Google; Unicode CLDR", "language": "sw",
        "origin": "", "chrf": None, "flags": [],
    }  # fmt: skip
    assert Image.open(io.BytesIO(key["image"]["bytes"])).getpixel((5, 5)) == (0x50, ord("g"), 0x80)


def test_a_second_run_does_nothing_and_force_makes_the_very_same_again(miniature, tmp_path, digests):
    first = make(tmp_path / "sw")
    before = digests(first.folder)
    stamp = (first.folder / "mlilt.json").stat().st_mtime_ns
    second = make(tmp_path / "sw")
    assert (first.reused, second.reused) == (False, True)
    assert second == first
    assert (first.folder / "mlilt.json").stat().st_mtime_ns == stamp
    forced = make(tmp_path / "sw", force=True)
    assert not forced.reused
    assert (first.folder / "mlilt.json").stat().st_mtime_ns != stamp
    assert digests(forced.folder) == before
    assert make(tmp_path / "elsewhere").digest == first.digest
    assert sorted(p.name for p in tmp_path.iterdir() if not p.name.endswith(".lock")) == ["cache", "elsewhere", "sw"]


def test_other_settings_replace_what_was_there(miniature, tmp_path):
    assert make(tmp_path / "sw").concepts["cldr-emoji"] == 3
    limited = make(tmp_path / "sw", limit=1)
    assert limited.concepts == {"cldr-emoji": 1, "flags": 1, "tuxpaint": 1}
    assert limited.dropped["cldr-emoji: beyond --limit"] == 4
    flags = make(tmp_path / "sw", source=["flags", "flags"])
    assert flags.concepts == {"flags": 2}
    assert {r["source"] for r in rows(flags.folder)} == {"flags"}


def test_a_data_set_whose_splits_are_partly_empty_can_be_read(miniature, tmp_path):
    made = make(tmp_path / "sw", source=["flags"], limit=1)
    assert 0 in made.pictures.values()
    found = datasets.load_dataset(str(made.folder), cache_dir=str(tmp_path / "hf"))
    assert {name: len(part) for name, part in found.items()} == {s: n for s, n in made.pictures.items() if n}


def test_bad_input_is_counted_and_named_and_the_rest_goes_on(miniature, tmp_path, make_picture):
    png = make_picture("blue")
    miniature.stamp("a/cut", b"A cut.\nsw.utf8=Kata.", png[: len(png) // 2])
    miniature.stamp("a/empty", b"An empty.\nsw.utf8=Tupu.", b"")
    miniature.stamp("a/tiny", b"A tiny.\nsw.utf8=Dogo.", make_picture("blue", (3, 3)))
    miniature.stamp("a/text", b"A text.\nsw.utf8=Maandishi.", b"not a picture")
    miniature.stamp("a/svg", b"A drawing.\nsw.utf8=Mchoro.", b"<svg><image href='/etc/passwd'/></svg>", ".svg")
    miniature.stamp("b/encoding", b"An encoding.\nsw.utf8=k\xe9", make_picture("#000001"))
    miniature.stamp("b/marks", b"Some marks.\nsw.utf8= !!! ", make_picture("#000002"))
    miniature.stamp("b/nothing", b"A nothing.\nsw.utf8=", make_picture("#000003"))
    miniature.stamp("b/twin", b"A twin pair.\nsw.utf8=Pacha.", make_picture("#000001"))
    miniature.stamp("c/alone", b"Alone.\nsw.utf8=Peke.", None)
    cut = miniature.territories("sw", {"KE": "Kenya"})
    cut.write_bytes(cut.read_bytes()[:-2])

    made = make(tmp_path / "sw")

    found = reasons(made.folder)
    assert {item: reason for (source, item), reason in found.items() if source == "tuxpaint"} == {
        "cut/cut": "the picture is damaged or cut short",
        "empty/empty": "the picture file is empty",
        "tiny/tiny": "the picture is smaller than 8 pixels",
        "text/text": "the picture is of no known format",
        "drawing/svg": "the SVG refers to other files",
        "encoding/encoding": "the caption is not UTF-8, or lost characters (U+FFFD)",
        "marks/marks": "the caption is only punctuation",
        "nothing/nothing": "there is no caption in this language",
        "twin-pair/twin (= encoding)": "its picture is that of another concept too",
        "c/alone": "there is no picture beside the caption",
    }
    assert found["flags", "main/sw/territories.json"] == "the file is damaged or cut short"
    assert made.concepts == {"cldr-emoji": 3, "tuxpaint": 1}
    assert sum(made.dropped.values()) == len((made.folder / "drops.jsonl").read_text().splitlines())


def test_nothing_left_says_what_was_left_out(miniature, tmp_path):
    miniature.stamp("animals/dog", b"A dog.\nsw.utf8=!", b"")
    with pytest.raises(UserError, match=r"Nothing is left for Swahili[^|]*only punctuation \(1\)"):
        make(tmp_path / "sw", source=["tuxpaint"])
    assert not (tmp_path / "sw").exists()


def test_pictures_of_two_folders_with_the_same_names_are_different_concepts(miniature, tmp_path, make_picture):
    for folder, colour in (("one", "red"), ("two", "blue")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "IMG_1.png").write_bytes(make_picture(colour))
        (tmp_path / folder / "IMG_1.txt").write_text(f"picha {colour}", encoding="utf-8")
    made = make(tmp_path / "sw", source=[f"folder:{tmp_path / name}" for name in ("one", "two")])
    assert made.concepts == {"folder": 2}
    assert len({row["concept"] for row in rows(made.folder)}) == 2


def test_captions_of_any_characters_and_a_megabyte_are_kept_as_they_should_be_or_left_out(
    miniature, tmp_path, make_picture
):
    kept = {
        "controls": ("ndege\x00\x07\x1b mwekundu", "ndege mwekundu"),
        "bidirectional": ("\u202emti mrefu\u202c", "\u202emti mrefu\u202c"),
        "joiner": ("\u0915\u094d\u200d\u0937 samaki", "\u0915\u094d\u200d\u0937 samaki"),
        "mark": ("\ufeffkuku mdogo", "kuku mdogo"),
        "no character": ("ngombe \ufffe\uffff\U0010ffff mkali", "ngombe \ufffe\uffff\U0010ffff mkali"),
        "composed": ("simba e\u0301", "simba \xe9"),
    }
    lost = {"half a pair": "mbwa \ud800 mkubwa", "long": "paka " * 200_000}
    lines = []
    for number, (name, text) in enumerate([*((n, given) for n, (given, _) in kept.items()), *lost.items()]):
        (tmp_path / f"{name}.png").write_bytes(make_picture(f"#{30 * number:02x}4080"))
        lines.append(json.dumps({"image": f"{name}.png", "caption": text}))
    (tmp_path / "c.jsonl").write_text("\n".join(lines), encoding="ascii")
    made = make(tmp_path / "sw", source=[f"jsonl:{tmp_path / 'c.jsonl'}"])
    assert sorted(row["captions"] for row in rows(made.folder)) == sorted([text] for _, text in kept.values())
    assert reasons(made.folder) == {
        ("jsonl", "jsonl-half a pair"): "the caption is not UTF-8, or lost characters (U+FFFD)",
        ("jsonl", "jsonl-long"): "the caption has more than 1000 characters",
    }


def test_nothing_left_of_ones_own_pictures_shows_what_was_expected_and_leaves_nothing_behind(
    miniature, tmp_path, make_picture
):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.png").write_bytes(make_picture())
    with pytest.raises(UserError, match=r"no caption in this language \(1\)\nfolder expects: .*\.txt"):
        make(tmp_path / "sw", source=[f"folder:{tmp_path / 'mine'}"])
    assert list(tmp_path.glob(".sw@*")) == []


def test_a_data_set_in_another_language_is_not_replaced_unless_asked_for(miniature, tmp_path):
    folder = make(tmp_path / "x").folder
    options = {"out": folder, "source": ["tuxpaint"], "offline": True, "progress": False}
    with pytest.raises(UserError, match=r"holds a data set in another language \(sw\)[^|]*--force"):
        prepare("en", **options)
    assert read_manifest(folder)["language"] == "sw"
    prepare("en", force=True, **options)
    assert read_manifest(folder)["language"] == "en"


def test_offline_without_the_sources_says_what_is_missing(empty_cache, tmp_path):
    with pytest.raises(UserError, match=r"could not be fetched:[^|]*offline"):
        make(tmp_path / "sw")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"lang": "swa"}, "There is no language named 'swa'. Did you mean sw"),
        ({"lang": "Swahili"}, "Did you mean sw?"),
        ({"lang": "kiswahili"}, "Did you mean sw?"),
        ({"lang": "../sw"}, "There is no language named '../sw'"),
        ({"source": ["flag"]}, "There is no source named 'flag'. Did you mean flags"),
        ({"lang": "yo", "source": ["tuxpaint"]}, "no captions in the source tuxpaint; it has: cldr-emoji, flags"),
        ({"limit": 0}, "--limit must be 1 or more, not 0"),
        ({"out": "."}, "--out needs a folder of its own"),
        ({"out": ".."}, "--out needs a folder of its own"),
        ({"out": "file"}, "file is there already and is no data set of mlilt"),
        ({"out": "mine"}, "mine is there already and is no data set of mlilt"),
        ({"out": "mine", "force": True}, "mine is there already and is no data set of mlilt"),
        ({"out": "file/sw"}, "could not be written"),
    ],
)
def test_what_cannot_be_is_answered_with_the_fix_and_touches_nothing(miniature, workplace, digests, options, said):
    (workplace / "mine").mkdir()
    (workplace / "mine" / "letters.txt").write_text("dear")
    (workplace / "file").write_text("text")
    before = digests(workplace)
    with pytest.raises(UserError) as caught:
        prepare(**{"lang": "sw", "offline": True, "progress": False, **options})
    assert said in str(caught.value)
    assert {k: v for k, v in digests(workplace).items() if not k.endswith(".lock")} == before


@pytest.mark.parametrize(("text", "said"), [("{", "cannot be read"), ('{"format": 0}', "another format")])
def test_a_damaged_manifest_is_named_and_force_mends_it(miniature, tmp_path, text, said):
    folder = make(tmp_path / "sw").folder
    (folder / "mlilt.json").write_text(text)
    for attempt in (lambda: read_manifest(folder), lambda: make(folder)):
        with pytest.raises(UserError, match=rf"{said}[^|]*--force"):
            attempt()
    assert read_manifest(make(folder, force=True).folder)["language"] == "sw"


def test_a_folder_without_data_set_is_named(tmp_path):
    with pytest.raises(UserError, match="mlilt prep --lang"):
        read_manifest(tmp_path)


def test_two_preparations_of_one_folder_do_not_meet(miniature, tmp_path):
    with FileLock(tmp_path / ".sw.lock"), pytest.raises(UserError, match="Another process is preparing"):
        make(tmp_path / "sw")


SCRIPT = """
import pathlib, sys, time
from data_prep import pipeline

def stop(*_, **__):
    print("here", flush=True)
    time.sleep(600)

rename = pathlib.Path.rename
if sys.argv[1] == "writing":
    pipeline.contact_sheet.draw = stop
else:
    pathlib.Path.rename = lambda self, to: stop() if self.name == "data set" else rename(self, to)
pipeline.prepare("sw", out=sys.argv[2], limit=1, offline=True, progress=False)
"""


@pytest.mark.parametrize("moment", ["writing", "exchanging"])
@pytest.mark.parametrize("earlier", [True, False])
def test_a_killed_preparation_leaves_the_earlier_data_set_and_the_next_one_works(
    miniature, tmp_path, digests, moment, earlier
):
    folder = tmp_path / "sw"
    before = digests(make(folder).folder) if earlier else {}
    (tmp_path / ".sw-small@busy").mkdir()
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, moment, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "here\n"
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert list(tmp_path.glob(".sw@*"))

    if earlier:
        assert read_manifest(folder)["limit"] is None
        assert digests(folder) == before
    else:
        with pytest.raises(UserError, match="holds no prepared data set"):
            read_manifest(folder)

    assert make(folder, limit=1).concepts["cldr-emoji"] == 1
    left = {p.name for p in tmp_path.iterdir() if not p.name.endswith(".lock")}
    assert left == {"cache", "sw", ".sw-small@busy"}


def test_reading_a_data_set_leaves_alone_what_another_process_is_writing(miniature, tmp_path):
    folder = make(tmp_path / "sw").folder
    (tmp_path / ".sw@busy").mkdir()
    with FileLock(tmp_path / ".sw.lock"):
        assert read_manifest(folder)["language"] == "sw"
    assert (tmp_path / ".sw@busy").is_dir()


FULL = """
import resource, sys
from data_prep.errors import UserError
from data_prep.pipeline import prepare
if sys.argv[2] != "0":
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
try:
    prepare("sw", out=sys.argv[1], limit=400, source=["cldr-emoji"], offline=True, progress=False)
except UserError as error:
    print(error)
"""


@pytest.fixture(params=["full disk", "file size limit"])
def scarce(request, tmp_path):
    """A folder on which a small data set fits and a large one does not, and the largest file allowed (0: any)."""
    if request.param == "file size limit":
        yield tmp_path, 60_000
        return
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    yield disk, 0
    subprocess.run(["umount", disk], check=True)


def test_a_full_disk_leaves_the_earlier_data_set_and_says_what_to_do(scarce, digests):
    disk, largest = scarce
    folder = disk / "sw"
    make(folder, source=["cldr-emoji"], limit=5)
    before = digests(folder)
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(folder), str(largest)], capture_output=True, text=True, check=True
    )
    assert "could not be written" in done.stdout
    assert "What was there before is untouched, and what is done so far is kept" in done.stdout
    assert digests(folder) == before
    # Whatever is prepared next clears away what was kept.
    make(folder, source=["cldr-emoji"], limit=4)
    assert [p.name for p in disk.iterdir() if p.name.startswith(".sw@")] == []


def test_importing_data_prep_loads_neither_torch_nor_mlilt():
    code = "import sys, data_prep; print({'torch', 'mlilt', 'transformers', 'datasets'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


def test_the_cards_header_is_plain_yaml(miniature, tmp_path):
    header = (make(tmp_path / "sw").folder / "README.md").read_text(encoding="utf-8").split("---\n")[1]
    assert yaml.safe_load(header)["pretty_name"] == "Swahili captioned pictures"
