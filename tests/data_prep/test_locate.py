"""Where a source's files are: carriers, a place pointed to, the Hub."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from data_prep.errors import UserError
from data_prep.locate import locate
from data_prep.sources._base import About, Hub, Pointed


def about(kind: str, hub: Hub | None = None) -> About:
    return About("T", "", (), "", "", pointed=Pointed(kind, "pictures/ and captions.jsonl", hub))


def test_files_that_carriers_bring_are_named_by_their_resource_with_their_digest(miniature):
    source = miniature.sources["tuxpaint"]
    files, digests = locate("tuxpaint", source.about, None, "sw", offline=True)
    (resource,) = source.about.resources
    assert files == {resource.name: miniature.files[resource.name]}
    assert digests == {resource.name: resource.digest}


@pytest.mark.parametrize(
    ("kind", "where", "said"),
    [
        ("folder", None, "Say where x is: --source x:FOLDER."),
        ("file", None, "Say where x is: --source x:FILE."),
        ("shards", None, "Say where x is: --source x:'shards-*.tar'."),
        ("hub", None, "Say where x is: --source x:owner/name."),
        ("folder", "none", "none is not there. The source x expects a folder: pictures/ and captions.jsonl"),
        ("folder", "file", "file is no folder. The source x expects a folder"),
        ("file", "folder", "folder is no file. The source x expects a file"),
        ("hub", "a name with blanks", "'a name with blanks' is neither a folder nor the id of a data set on the Hub"),
        ("hub", "owner/name", "owner/name could not be had from the Hub"),
    ],
)
def test_a_wrong_place_is_answered_with_the_fix(workplace, kind, where, said):
    Path("folder").mkdir()
    Path("file").write_text("x")
    with pytest.raises(UserError) as caught:
        locate("x", about(kind), where, "sw", offline=True)
    assert str(caught.value).startswith(said)


def test_a_source_that_fetches_its_files_takes_no_place(miniature):
    with pytest.raises(UserError, match="The source tuxpaint fetches its files by itself; leave out '/somewhere'"):
        locate("tuxpaint", miniature.sources["tuxpaint"].about, "/somewhere", "sw", offline=True)


def test_a_published_set_that_is_nowhere_is_looked_for_on_the_hub_and_the_copy_is_named_as_remedy(workplace):
    published = about("folder", Hub("owner/set", "0" * 40, ("data/{locale}-*.parquet",)))
    with pytest.raises(UserError, match=r"owner/set could not be had from the Hub[^|]*--source x:FOLDER"):
        locate("x", published, None, "sw", offline=True)


def test_what_the_hubs_cache_holds_is_used_offline(tmp_path, monkeypatch):
    import huggingface_hub.constants

    commit = "0123456789" * 4
    root = tmp_path / "datasets--owner--set" / "snapshots" / commit
    (root / "data").mkdir(parents=True)
    (root / "data" / "sw-0.parquet").write_bytes(b"x")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    files, digests = locate("x", about("folder", Hub("owner/set", commit, ("data/*",))), None, "sw", offline=True)
    assert files["root"].resolve() == root
    assert digests == {"root": f"owner/set@{commit}"}


def change_a_file(folder: Path) -> None:
    (folder / "b" / "1.tar").write_bytes(b"other")


def add_a_file(folder: Path) -> None:
    (folder / "b" / "2.tar").write_bytes(b"more")


def touch_a_file(folder: Path) -> None:
    os.utime(folder / "b" / "1.tar", ns=(1, 1))


@pytest.mark.parametrize(("kind", "where"), [("folder", ""), ("shards", "/{a,b}/*.tar"), ("shards", "/b")])
@pytest.mark.parametrize("change", [change_a_file, add_a_file, touch_a_file])
def test_a_change_of_the_files_pointed_to_is_noticed(tmp_path, kind, where, change: Callable[[Path], None]):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.tar").write_bytes(b"same")
    find = lambda: locate("x", about(kind), f"{tmp_path}{where}", "sw")[1]  # noqa: E731
    before = find()
    assert find() == before
    change(tmp_path)
    assert find() != before
