from __future__ import annotations

import hashlib
import json
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from data_prep import carriers
from data_prep.carriers import Apt, FetchError, Https, Npm, Pip, Resource, content_digest, fetch

FILES = {"a.txt": b"first", "deep/b.txt": b"second" * 50_000}
MEMBERS = {f"package/{name}": data for name, data in FILES.items()} | {"package/extra.md": b"not asked for"}


def digest_of(files: dict[str, bytes]) -> str:
    """The content digest by its definition."""
    total = hashlib.sha256()
    for name in sorted(files):
        total.update(name.encode() + b"\0" + hashlib.sha256(files[name]).digest())
    return total.hexdigest()


def resource(*ways: carriers.Carrier, digest: str = digest_of(FILES)) -> Resource:
    return Resource("tiny", digest, ways, ("*.txt",))


def https(url: str, data: bytes | None = None) -> Https:
    return Https(url, hashlib.sha256(data).hexdigest() if data else None, {"package/": ""})


def leftovers(cache: Path) -> list[str]:
    return [p.name for p in (cache / "resources").iterdir() if p.suffix not in {".lock", ".sha256"}]


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Pauses between attempts, noted instead of slept."""
    slept: list[float] = []
    monkeypatch.setattr(carriers, "time", SimpleNamespace(sleep=slept.append))
    return slept


def test_content_digest_is_the_hash_of_sorted_names_and_bytes(tmp_path):
    for name, data in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    assert content_digest(tmp_path) == digest_of(FILES)


def test_first_carrier_that_works_is_used_and_a_second_fetch_downloads_nothing(empty_cache, server, archives):
    data = archives.tgz(MEMBERS)
    server.answer("/good.tgz", server.whole(data))
    server.answer("/never.tgz", server.whole(data))
    tiny = resource(*(https(server.address + f"/{name}.tgz") for name in ("absent", "good", "never")))

    folder = fetch(tiny, progress=False)

    assert server.asked == ["/absent.tgz", "/good.tgz"]
    assert {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.*")} == FILES
    assert folder == empty_cache / "resources" / f"tiny-{digest_of(FILES)[:12]}"
    assert fetch(tiny, progress=False) == fetch(tiny, offline=True, progress=False) == folder
    assert len(server.asked) == 2


def test_a_wrong_byte_in_the_cache_is_noticed_and_the_files_are_fetched_anew(
    empty_cache, server, archives, monkeypatch
):
    server.answer("/good.tgz", server.whole(archives.tgz(MEMBERS)))
    tiny = resource(https(server.address + "/good.tgz"))
    damaged = fetch(tiny, progress=False) / "deep" / "b.txt"
    # What another process will find.
    monkeypatch.setattr(carriers, "_SEEN", set())
    damaged.write_bytes(b"sEcond" + FILES["deep/b.txt"][6:])
    assert fetch(tiny, progress=False) == tiny.folder
    assert damaged.read_bytes() == FILES["deep/b.txt"]
    assert leftovers(empty_cache) == [tiny.folder.name]
    monkeypatch.setattr(carriers, "_SEEN", set())
    damaged.unlink()
    with pytest.raises(FetchError, match=r"the copy in the cache: damaged\n.*offline"):
        fetch(tiny, offline=True, progress=False)


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        ("missing", "404"),
        ("stops halfway", "the download stopped at"),
        ("stops halfway in chunks", "IncompleteRead"),
        ("web page", "is a web page, not an archive"),
        ("archive of another digest", "has SHA-256"),
        ("content of another digest", "its content has digest"),
        ("cut archive", "damaged or cut short"),
    ],
)
def test_what_a_carrier_brings_wrongly_is_not_used_and_said(empty_cache, server, archives, waits, behaviour, said):
    data = archives.tgz(MEMBERS)
    other = archives.tgz({"package/a.txt": b"other"})
    answers = {
        "missing": server.whole(b"", status=404),
        "stops halfway": server.half(data),
        "stops halfway in chunks": server.half_in_chunks(data),
        "web page": server.whole(b"\n<!DOCTYPE html><p>Please log in", "text/html"),
        "archive of another digest": server.whole(other),
        "content of another digest": server.whole(other),
        "cut archive": server.whole(data[: len(data) // 2]),
    }
    url = server.answer("/x.tgz", answers[behaviour])
    tiny = resource(https(url, data if behaviour == "archive of another digest" else None))
    with pytest.raises(FetchError) as caught:
        fetch(tiny, progress=False)
    assert said in str(caught.value)
    assert url in str(caught.value)
    assert "MLILT_ARCHIVES" in str(caught.value)
    assert leftovers(empty_cache) == []
    server.answer("/x.tgz", server.whole(data))
    assert content_digest(fetch(tiny, progress=False)) == tiny.digest


def test_a_download_that_stops_is_tried_again_with_growing_pauses(empty_cache, server, archives, waits):
    data = archives.tgz(MEMBERS)
    url = server.answer("/x.tgz", server.half(data), server.whole(b"busy", status=503), server.whole(data))
    assert fetch(resource(https(url, data)), progress=False).is_dir()
    assert waits == [1, 2]


def test_a_download_that_stalls_is_tried_again_and_given_up(empty_cache, server, archives, waits, monkeypatch):
    monkeypatch.setattr(carriers, "STALL_S", 0.2)
    never = threading.Event()
    data = archives.tgz(MEMBERS)
    url = server.answer("/x.tgz", server.half(data, then=never), server.half(data, then=never), server.whole(data))
    try:
        assert fetch(resource(https(url, data)), progress=False).is_dir()
        assert waits == [1, 2]
        other = server.answer("/y.tgz", server.half(data, then=never))
        with pytest.raises(FetchError, match=r"/y\.tgz: .*timed out"):
            fetch(replace(resource(https(other, data)), name="other"), progress=False)
    finally:
        never.set()
    assert leftovers(empty_cache) == [resource().folder.name]


def test_redirections_are_followed_but_not_in_circles_nor_into_files(empty_cache, server, archives, waits, tmp_path):
    data = archives.tgz(MEMBERS)
    end = server.answer("/x.tgz", server.whole(data))
    assert fetch(resource(https(server.answer("/a", server.to(end)), data)), progress=False).is_dir()
    (tmp_path / "x.tgz").write_bytes(data)
    for place, said in ((server.address + "/b", "infinite loop"), ((tmp_path / "x.tgz").as_uri(), "is not allowed")):
        begin = server.answer("/b", server.to(place))
        with pytest.raises(FetchError, match=said):
            fetch(replace(resource(https(begin, data)), name="other"), progress=False)


def test_a_download_that_is_too_large_or_without_end_is_ended(empty_cache, server, waits, monkeypatch):
    monkeypatch.setattr(carriers, "MAX_DOWNLOAD_BYTES", 3 << 20)
    for answer in (server.endless, server.half(bytes(4 << 20))):
        url = server.answer("/x.tgz", answer)
        with pytest.raises(FetchError, match=r"is larger than 3,145,728 bytes"):
            fetch(resource(https(url)), progress=False)
    assert waits == []
    assert leftovers(empty_cache) == []


def test_a_file_that_is_not_there_is_not_asked_for_again(empty_cache, server, waits):
    with pytest.raises(FetchError):
        fetch(resource(https(server.address + "/none")), progress=False)
    assert server.asked == ["/none"]
    assert waits == []


def test_a_machine_that_cannot_be_reached_is_named(empty_cache, waits):
    with pytest.raises(FetchError, match=r"127\.0\.0\.1:1/x\.tgz: .*refused"):
        fetch(resource(https("http://127.0.0.1:1/x.tgz")), progress=False)


def test_offline_says_what_it_would_have_needed_and_asks_nobody(empty_cache, server):
    with pytest.raises(FetchError, match=r"x\.tgz: offline\nRun once without --offline"):
        fetch(resource(https(server.answer("/x.tgz", server.whole(b"")))), offline=True, progress=False)
    assert server.asked == []


def test_archives_lying_in_a_folder_are_used_by_their_digest_even_offline(empty_cache, archives, tmp_path, monkeypatch):
    data = archives.tgz(MEMBERS)
    lying = tmp_path / "usb stick"
    lying.mkdir()
    (lying / "renamed.bin").write_bytes(data)
    (lying / "other.tgz").write_bytes(archives.tgz({"package/a.txt": b"other"}))
    monkeypatch.setenv("MLILT_ARCHIVES", str(lying))
    tiny = resource(https("http://127.0.0.1:1/x.tgz", data))
    assert content_digest(fetch(tiny, offline=True, progress=False)) == tiny.digest
    assert (lying / "renamed.bin").read_bytes() == data


def test_a_cache_that_cannot_be_written_is_named_with_the_remedy(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MLILT_CACHE", str(tmp_path / "file"))
    with pytest.raises(FetchError, match="MLILT_CACHE"):
        fetch(resource(), progress=False)


def test_a_client_that_is_not_installed_is_named_and_the_next_carrier_is_used(
    empty_cache, server, archives, monkeypatch, tmp_path
):
    data = archives.tgz(MEMBERS)
    monkeypatch.setenv("PATH", str(tmp_path))
    ways = (Npm("tiny", "1.0.0", None, {"package/": ""}), Apt("tiny", "1.0", None, {}))
    with pytest.raises(FetchError, match=r"npm is not installed .*\n.*apt-get is not installed"):
        fetch(resource(*ways), progress=False)
    url = server.answer("/x.tgz", server.whole(data))
    assert fetch(resource(*ways, https(url)), progress=False).is_dir()


SCRIPT = """
import sys
from data_prep.carriers import Https, Resource, content_digest, fetch
url, digest = sys.argv[1:]
print("ready", flush=True)
tiny = Resource("tiny", digest, (Https(url, None, {"package/": ""}),), ("*.txt",))
print(content_digest(fetch(tiny, progress=False)))
"""


def start(url: str, digest: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", SCRIPT, url, digest], stdout=subprocess.PIPE, text=True)


def test_a_process_killed_while_it_fetches_leaves_no_half_file_and_the_next_fetch_works(empty_cache, server, archives):
    data = archives.tgz(MEMBERS)
    never, arrived = threading.Event(), threading.Event()
    url = server.answer("/x.tgz", server.half(data, then=never, started=arrived), server.whole(data))
    process = start(url, digest_of(FILES))
    assert arrived.wait(60)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    never.set()
    tiny = resource(https(url))
    assert not tiny.is_cached()

    assert content_digest(fetch(tiny, progress=False)) == tiny.digest
    assert leftovers(empty_cache) == [tiny.folder.name]


def test_two_processes_that_fetch_the_same_download_it_once(empty_cache, server, archives):
    gate = threading.Event()
    url = server.answer("/x.tgz", server.gated(gate, server.whole(archives.tgz(MEMBERS))))
    processes = [start(url, digest_of(FILES)) for _ in range(2)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    gate.set()
    assert [p.communicate()[0].strip() for p in processes] == [digest_of(FILES)] * 2
    assert server.asked == ["/x.tgz"]


def test_fetching_clears_its_own_leftovers_and_not_those_of_a_longer_name(empty_cache, server, archives):
    root = empty_cache / "resources"
    (root / ".tiny@dead").mkdir(parents=True)
    (root / ".tiny-two@busy").mkdir()
    fetch(resource(https(server.answer("/x.tgz", server.whole(archives.tgz(MEMBERS))))), progress=False)
    assert not (root / ".tiny@dead").exists()
    assert (root / ".tiny-two@busy").is_dir()


def test_pip_brings_a_wheel_for_any_machine_without_installing_it(empty_cache, archives, tmp_path, monkeypatch):
    wheel = archives.zip(
        {
            "tinycarrier/a.txt": FILES["a.txt"],
            "tinycarrier/deep/b.txt": FILES["deep/b.txt"],
            "tinycarrier-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: tinycarrier\nVersion: 1.0\n",
            "tinycarrier-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            "tinycarrier-1.0.dist-info/RECORD": b"",
        }
    )
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "tinycarrier-1.0-py3-none-any.whl").write_bytes(wheel)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "links"))
    good = Pip("tinycarrier", "1.0", hashlib.sha256(wheel).hexdigest(), {"tinycarrier/": ""})
    absent = Pip("tinycarrier", "2.0", None, {"tinycarrier/": ""})
    assert content_digest(fetch(resource(absent, good), progress=False)) == digest_of(FILES)


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed here")
def test_npm_brings_a_package(empty_cache, server, archives, tmp_path, monkeypatch):
    package = json.dumps({"name": "tiny", "version": "1.0.0"})
    data = archives.tgz({"package/package.json": package.encode(), **MEMBERS})
    tarball = server.answer("/tiny/-/tiny-1.0.0.tgz", server.whole(data))
    version = {
        "name": "tiny",
        "version": "1.0.0",
        "dist": {"tarball": tarball, "shasum": hashlib.sha1(data).hexdigest()},
    }
    listing = {"name": "tiny", "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": version}}
    server.answer("/tiny", server.whole(json.dumps(listing).encode(), "application/json"))
    monkeypatch.setenv("npm_config_registry", server.address)
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))
    carrier = Npm("tiny", "1.0.0", None, {"package/": ""})
    assert content_digest(fetch(resource(carrier), progress=False)) == digest_of(FILES)


@pytest.mark.skipif(shutil.which("apt-get") is None, reason="apt-get is not installed here")
def test_apt_brings_a_package_on_a_machine_without_package_lists(empty_cache, archives, tmp_path, monkeypatch):
    control = (
        "Package: tiny\nVersion: 1.0\nArchitecture: all\nMaintainer: nobody <nobody@localhost>\nDescription: tiny\n"
    )
    data = archives.deb(
        archives.tgz({f"./usr/share/tiny/{name}": data for name, data in FILES.items()}),
        archives.tgz({"./control": control.encode()}),
    )
    repository = tmp_path / "repository"
    repository.mkdir()
    (repository / "tiny.deb").write_bytes(data)
    entry = f"{control}Filename: ./tiny.deb\nSize: {len(data)}\nSHA256: {hashlib.sha256(data).hexdigest()}\n"
    (repository / "Packages").write_text(entry)
    (tmp_path / "sources.list").write_text(f"deb [trusted=yes] file:{repository} ./\n")
    for folder in ("empty", "lists/partial"):
        (tmp_path / folder).mkdir(parents=True)
    settings = {
        "Dir::Etc::SourceList": "sources.list",
        "Dir::Etc::SourceParts": "empty",
        "Dir::State::Lists": "lists",
    }
    (tmp_path / "apt.conf").write_text("".join(f'{k} "{tmp_path / v}";\n' for k, v in settings.items()))
    monkeypatch.setenv("APT_CONFIG", str(tmp_path / "apt.conf"))
    carrier = Apt("tiny", "1.0", hashlib.sha256(data).hexdigest(), {"usr/share/tiny/": ""})
    assert content_digest(fetch(resource(carrier), progress=False)) == digest_of(FILES)
    assert [path.name for path in (tmp_path / "lists").iterdir()] == ["partial"]
