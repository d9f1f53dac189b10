"""Named experiments: their files, what they come to, and what is said of mistakes."""

from __future__ import annotations

import functools
import io
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import mlilt
from data_prep.errors import UserError
from data_prep.pipeline import Prepared
from mlilt import strategies
from mlilt.comparison import Comparison
from mlilt.comparison import experiment as experiments
from mlilt.comparison.experiment import Experiment
from mlilt.comparison.results import CLIP, LIT, Towers
from mlilt.config import RunConfig
from mlilt.training.checks import check_strategies

NAMES = experiments.names()


def of(**changes: Any) -> Experiment:
    return experiments.make({"title": "t", "languages": ["sw"], "strategies": ["full"], "seeds": 1} | changes, "a test")


def test_there_are_experiments() -> None:
    paper = {"paper/coco", "paper/xtd10"}
    named = {"parity", "minimal", "conservation", "low-resource", "scaling", "budget", "many-languages"}
    assert named | paper <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_experiment_says_what_it_is_about_and_fits_its_towers(name: str) -> None:
    found = experiments.find(name)
    assert found.name == name
    assert found.title
    assert found.claim
    assert found.paper
    assert found.claims
    assert found.seeds == 3
    planned = experiments.expand(found)
    assert {p.config.seed for p in planned} == {0, 1, 2}
    # Each point has full training to be held against.
    points = {(p.config.lang, json.dumps(p.config.outcome() | dict.fromkeys(OWN))): False for p in planned}
    for p in planned:
        points[p.config.lang, json.dumps(p.config.outcome() | dict.fromkeys(OWN))] |= Towers.of(p.config) in (LIT, CLIP)
    assert all(points.values())
    for strategy, vision_strategy, text, vision in {
        (p.config.strategy, p.config.vision_strategy, p.config.text, p.config.vision) for p in planned
    }:
        trained = trains(strategy, vision_strategy, text, vision)
        assert (trained > 0) == ((strategy, vision_strategy) != ("frozen", "frozen"))


@functools.cache
def trains(strategy: str, vision_strategy: str, text: str, vision: str) -> int:
    """How many parameters train; no weights are loaded."""
    # The hub's BERT of the paper is one of the catalog's by its architecture.
    text = "bert-base" if "/" in text else text
    towers = {"text": text, "vision": vision, "strategy": strategy, "vision_strategy": vision_strategy}
    return sum(account.count for account in check_strategies(RunConfig(lang="en", **towers), offline=True))


OWN = ("strategy", "vision_strategy", "lr", "vision_lr", "chunk_size", "seed")


def test_a_grid_is_what_nested_loops_give() -> None:
    found = experiments.expand(
        of(
            languages=["sw", "yo+am"],
            strategies=["layernorm", "lit", "layernorm/bitfit"],
            seeds=2,
            settings={"epochs": 3, "concepts": 70},
            grid=[
                {"concepts": [50, "default"], "dim": [64, 32]},
                {"languages": ["te"], "strategies": ["clip"], "epochs": [5, 6]},
            ],
        )
    )
    expected = []
    for lang in ("sw", "yo+am"):
        for concepts in (50, None):
            for dim in (64, 32):
                for seed in (0, 1):
                    for text, vision in (("layernorm", "frozen"), ("full", "frozen"), ("layernorm", "bitfit")):
                        expected.append((lang, concepts, dim, 3, seed, text, vision))
    for epochs in (5, 6):
        for seed in (0, 1):
            expected.append(("te", 70, 256, epochs, seed, "full", "full"))
    seen = [p.config for p in found]
    assert [(c.lang, c.concepts, c.dim, c.epochs, c.seed, c.strategy, c.vision_strategy) for c in seen] == expected


def test_a_run_is_asked_for_once_and_put_to_all_that_any_table_names() -> None:
    found = experiments.expand(
        of(
            strategies=["full", "lit", "full/frozen"],
            ask=["en"],
            tests=["bitext"],
            grid=[{"epochs": [10]}, {"ask": ["yo"], "tests": ["retrieval"]}, {"dim": [32], "ask": [], "tests": []}],
        )
    )
    assert [(p.config.dim, p.ask, p.tests) for p in found] == [
        (256, ("en", "yo"), ("bitext", "retrieval")),
        (32, (), ()),
    ]


def test_languages_without_a_test_are_asked_for_retrieval() -> None:
    [planned] = experiments.expand(of(ask=["en"]))
    assert (planned.ask, planned.tests) == (("en",), ("retrieval",))


def test_data_is_a_languages_own_or_holds_those_of_all() -> None:
    def folders(**changes: Any) -> list[Path]:
        found = experiments.expand(of(settings={"data": "d"}, **changes))
        return [p.config.data_folder(code) for p in found for code in p.config.languages]

    assert folders() == [Path("d")]
    assert folders(ask=["en"]) == [Path("d/sw")]
    assert folders(languages=["sw", "yo", "sw+yo"]) == [Path(f"d/{c}") for c in ("sw", "yo", "sw", "yo")]


@pytest.mark.parametrize(
    ("name", "text", "vision"),
    [
        ("layernorm", "layernorm", "frozen"),
        ("lit", "full", "frozen"),
        ("clip", "full", "full"),
        ("lilt-da", "adapter-deep+layernorm", "adapter-deep+layernorm"),
        ("layernorm/bitfit", "layernorm", "bitfit"),
        ("layernorm+adapter-deep/frozen", "adapter-deep+layernorm", "frozen"),
        ("lora:rank=16/last-k:k=1", "lora:rank=16", "last-k:k=1"),
    ],
)
def test_a_name_sets_what_trains_in_both_towers(name: str, text: str, vision: str) -> None:
    [planned] = experiments.expand(of(strategies=[name]))
    assert planned.config.strategy == strategies.canonical(text)
    assert planned.config.vision_strategy == vision
    assert (planned.config.vision_lr is None) == (vision == "frozen")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("layernorm/layernrom", "Did you mean layernorm?"),
        ("layernorm/", "vision_strategy"),
        ("/layernorm", "strategy"),
        ("layernorm/clip", "clip is a preset"),
        ("clip/layernorm", "clip is a preset"),
        ("layernorm/bitfit/full", "bitfit/full"),
    ],
)
def test_a_bad_pair_is_told(name: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        of(strategies=[name])


def test_all_mistakes_are_told_at_once_each_with_its_key() -> None:
    with pytest.raises(UserError) as caught:
        experiments.make(
            {
                "title": "",
                "titel": "x",
                "languages": ["sww", "sw++yo"],
                "strategies": ["layernrm"],
                "seeds": 0,
                "tests": ["retrievl"],
                "settings": {"epoch": 3, "lang": "sw", "dim": "a"},
                "grid": [{"concepts": [1, "default"], "dim": []}, {"conepts": [3]}, {"epochs": 3}],
                "claims": [{"kind": "party"}, {"test": "bitext"}, {"kind": "parity", "margn": 3}],
                "paper_results": [{"strategy": "clip", "figure": "R@1", "value": 1.0}],
            },
            "my.toml",
        )
    said = str(caught.value)
    assert said.startswith("12 mistake(s) in the experiment of my.toml:\n")
    for line in (
        "title: String should have at least 1 character",
        "titel: There is no key named 'titel'. Did you mean title?",
        "'sw++yo' is no language",
        "There is no language named 'sww'. Did you mean sw?",
        "strategies: There is no strategy named 'layernrm'. Did you mean layernorm",
        "seeds: Input should be greater than or equal to 1",
        "tests: There is no test named 'retrievl'. Did you mean retrieval?",
        "settings: lang: is given by languages; There is no setting named 'epoch'. Did you mean epochs?; dim: Input",
        "grid.0: concepts: Input should be greater than or equal to 2, not 1; dim: has no values",
        "grid.1: There is no setting named 'conepts'. Did you mean concepts",
        "grid.2.epochs: Input should be a valid list",
        "claims: There is no kind of claim named 'party'. Did you mean parity?; a claim has no kind; The claim parity",
        "paper_results.0.where: Field required",
    ):
        assert line in said


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("title = 3 4", "is not valid TOML in UTF-8: .*line 1"),
        ('title = "t"\nname = "n"', "name: the file's name is the experiment's"),
        ('title = "t"\nfile = "f"', "file: the file is this one"),
        ('title = "t"', "languages: Field required"),
        (
            'title = "t"\nlanguages = ["sw"]\nstrategies = ["full"]\n[[grid]]\ntests = ["imagenet"]',
            r"\n  the test imagenet needs Babel-ImageNet's files: imagenet = FOLDER",
        ),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=words) as caught:
        experiments.find(str(file))
    assert str(file) in str(caught.value)


def test_unknown_experiments_are_answered_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no experiment named 'party'. Did you mean parity.*compare --list"):
        experiments.find("party")
    with pytest.raises(UserError, match="cannot be read"):
        experiments.find(str(tmp_path / "none.toml"))


def test_a_call_overrules_an_experiment_in_all_of_its_tables() -> None:
    base = of(
        languages=["sw", "yo"],
        ask=["en"],
        settings={"dim": 64, "batch_size": 16},
        grid=[{"concepts": [50, 60]}, {"languages": ["am"], "strategies": ["clip"], "epochs": [5], "ask": ["fr"]}],
    )
    same = experiments.asked(base, [], [], None, [], {})
    assert same == base
    other = experiments.asked(
        base, ["te"], ["lora"], 2, ["hi"], {"dim": 32, "epochs": [1], "concepts": [7, 8], "held_out": ["a", "b"]}
    )
    found = [(c.lang, c.strategy, c.dim, c.batch_size, c.epochs, c.concepts, c.seed, a) for c, a, _ in
             experiments.expand(other)]  # fmt: skip
    assert found == [("te", "lora", 32, 16, 1, concepts, seed, ("hi",)) for concepts in (7, 8) for seed in (0, 1)]
    assert {tuple(p.config.held_out) for p in experiments.expand(other)} == {("a", "b")}


def test_a_call_of_its_own_has_an_axis_for_each_list() -> None:
    made = experiments.asked(
        None,
        ["sw"],
        ["lora", "full"],
        None,
        [],
        {"concepts": [50, 60], "held_out": [["a"], ["b", "c"]], "epochs": 2},
    )
    found = [(p.config.concepts, p.config.held_out, p.config.seed, p.config.strategy) for p in experiments.expand(made)]
    assert found == list(itertools.product((50, 60), (["a"], ["b", "c"]), (0, 1, 2), ("lora", "full")))
    assert made.name == ""


def test_all_languages_that_are_not_prepared_are_told_with_the_commands(small_sw: Prepared, workplace: Path) -> None:
    (workplace / "data").mkdir()
    (workplace / "data" / "sw").symlink_to(small_sw.folder)
    wanted = of(languages=["sw", "yo+ha"], ask=["en"], grid=[{}, {"languages": ["am"], "ask": []}])
    with pytest.raises(UserError) as caught:
        experiments.configs(wanted)
    lines = str(caught.value).splitlines()
    assert lines[1:] == [f"  mlilt prep --lang {code}" for code in ("am", "en", "ha", "yo")]
    with pytest.raises(UserError, match="mlilt prep --lang yo --out elsewhere/yo"):
        experiments.configs(of(languages=["sw", "yo"], settings={"data": "elsewhere"}))
    assert len(experiments.configs(of())) == 1


@pytest.fixture(scope="module")
def miniature(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """COCO in Karpathy's splits, xFlickr&CO and XTD10 in miniature, in their published layouts, and prepared.

    The folder holds the data sets of English (of the first two) and of Spanish (of the last).
    """
    root = tmp_path_factory.mktemp("published")
    things = ("dog", "cat", "cup", "tree", "boat", "house")
    entries = []
    for number in range(48):
        split = ("train", "restval", "val", "test")[number % 4]
        part = "train2014" if split == "train" else "val2014"
        name = f"COCO_{part}_{number:012}.jpg"
        raw = [f"A {things[number % 6]} beside the number {number}.", f"Number {number} and a {things[number % 6]}."]
        entries.append({"filename": name, "cocoid": number, "split": split, "sentences": [{"raw": r} for r in raw]})
        write(root / part / name, picture(number))
    write(root / "dataset_coco.json", json.dumps({"images": entries, "dataset": "coco"}).encode())
    flickr = [{"sentences": [f"The {things[n % 6]} of picture {n}."], "id": f"{n}", "img_path": f"{n}.jpg"}
              for n in range(100, 108)]  # fmt: skip
    for each in flickr:
        write(root / "flickr30k-images" / each["img_path"], picture(int(each["id"])))
    lines = "".join(json.dumps(each) + "\n" for each in flickr)
    write(root / "xFlickrCO" / "annotations" / "en" / "test.jsonl", lines.encode())
    names = [e["filename"] for e in entries if e["split"] in ("train", "val")]
    write(root / "XTD10" / "test_image_names.txt", "\n".join(names).encode())
    spanish = [f"Una cosa con el número {n}." for n in range(len(names))]
    write(root / "XTD10" / "test_1kcaptions_es.txt", "\n".join(spanish).encode())
    data = tmp_path_factory.mktemp("miniature")
    sources = [f"coco-karpathy:{root}", f"xflickrco:{root}"]
    mlilt.prepare("en", sources, out=data / "en", text=None, progress=False)
    mlilt.prepare("es", f"xtd10:{root}", out=data / "es", text=None, progress=False)
    return data


def write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def picture(seed: int) -> bytes:
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(coarse).resize((96, 96), Image.Resampling.BICUBIC).save(out, "JPEG")
    return out.getvalue()


@pytest.fixture
def run_small(mbert_folder: Path, tiny_eyes: dict[str, str], tmp_path: Path) -> Callable[..., Comparison]:
    """Runs an experiment of the paper on some data, with small random towers, one epoch and one seed."""

    def run(name: str, data: Path, **changes: Any) -> Comparison:
        settings = {"text": str(mbert_folder), "vision": tiny_eyes["vit"], "epochs": 1, "batch_size": 8}
        return mlilt.compare(
            experiment=name, seeds=1, data=str(data), runs=tmp_path / "runs", out=tmp_path / "report", progress=False,
            formats=["json"], **settings, **changes,
        )  # fmt: skip

    return run


def test_the_papers_main_experiment_runs_on_a_miniature(run_small: Callable[..., Comparison], miniature: Path) -> None:
    found = run_small("paper/coco", miniature / "en")
    assert not found.failures
    [group] = found.groups
    assert {row.towers for row in group.rows} >= {LIT, CLIP}
    assert len(group.rows) == len(experiments.find("paper/coco").strategies)
    # COCO's training part is trained on, and each source's test part is a pool of its own.
    assert group.sources == ["coco-karpathy", "xflickrco"]
    about = group.runs[0].record
    assert about.data_pictures == {"train": 24, "validation": 12, "test": 20}
    assert [about.results["en"][source].text_to_image.pool for source in group.sources] == [12, 8]
    config = about.config
    assert (config.projection_init, config.projection_lr, config.pictures_per_caption) == ("random", 1e-4, 1)
    assert [result.kind for result in found.study.claims] == ["parity", "reaches"]
    written = json.loads(found.page.read_text(encoding="utf-8"))
    assert written["experiment"]["name"] == "paper/coco"


def test_the_papers_multilingual_experiment_runs_on_a_miniature(
    run_small: Callable[..., Comparison], miniature: Path
) -> None:
    found = run_small("paper/xtd10", miniature, ask=["es"], strategy=["lilt-minus-adapters", "clip"])
    assert not found.failures
    [group] = found.groups
    assert group.language == "en"
    for run in group.runs:
        asked = {m.on: m for m in found.study.assessed[run.folder] if m.part == "text_to_image"}
        assert set(asked) == {"en", "es"}
        assert len(asked["es"].items) == 24
    [result] = found.study.claims
    assert [j.where for j in result.judgements] == ["English"]
