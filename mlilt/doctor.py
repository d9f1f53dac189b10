"""Examines the machine: what would be used, what can be reached, and what to do about what is missing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from data_prep import inventory
from data_prep.carriers import Carrier, Resource, archive_at_hand, cache_folder
from data_prep.errors import UserError

# A run of everything for one language: archives unpacked, towers, features, data and runs.
NEEDED_BYTES = 2 * 1024**3
NEEDED_MEMORY_BYTES = 4 * 1024**3
HUB_MODEL = "FacebookAI/xlm-roberta-base"
# Without the fonts a data set has no contact sheet, without the names a run is not asked for categories.
_OPTIONAL = {"data: contact sheet", "data: category names"}


@dataclass(frozen=True, slots=True)
class Check:
    """One finding.

    Attributes:
        what: what was looked at.
        state: ok; note, where something optional is not there; missing, where the main job cannot be done.
        found: what was found.
        remedy: what to do about it; empty if nothing.
    """

    what: str
    state: Literal["ok", "note", "missing"]
    found: str
    remedy: str = ""


def examine(offline: bool = False) -> list[Check]:
    """All checks, in the order a person would want them.

    Args:
        offline: do not try the network.
    """
    return [*_machine(), *_versions(), *_disk(), *_carriers(offline), _hub(offline)]


def _machine() -> Iterator[Check]:
    import psutil
    import torch

    from mlilt.training import device

    facts = device.machine()
    chosen = device.choose_device("auto")
    gpu = f"{facts['gpu']}" if facts["gpu"] else "no GPU"
    yield Check("device", "ok", f"{chosen.type} ({gpu}; {facts['cpu']}, {facts['cores']} cores)")
    precision = str(device.choose_precision("auto", chosen)).removeprefix("torch.")
    fast = precision == "bfloat16"
    yield Check(
        "precision",
        "ok" if fast else "note",
        precision,
        "" if fast else "This hardware has no fast bfloat16: training takes about twice as long as where it has.",
    )
    memory = psutil.virtual_memory()
    enough = memory.available >= NEEDED_MEMORY_BYTES
    yield Check(
        "memory",
        "ok" if enough else "note",
        f"{memory.available / 1e9:.1f} of {memory.total / 1e9:.1f} GB free",
        "" if enough else "Close other programs, or lower --batch-size.",
    )
    if torch.cuda.is_available():
        free, total = torch.cuda.mem_get_info()
        yield Check("GPU memory", "ok", f"{free / 1e9:.1f} of {total / 1e9:.1f} GB free")


def _versions() -> Iterator[Check]:
    from mlilt.training import device

    yield Check("versions", "ok", ", ".join(f"{name} {version}" for name, version in device.versions().items()))


def _disk() -> Iterator[Check]:
    for what, folder, remedy in (
        ("cache", cache_folder(), "Free some space there, or set MLILT_CACHE to a folder that has it."),
        ("current folder", Path.cwd(), "Free some space there, or choose --out elsewhere."),
    ):
        existing = next(p for p in (folder, *folder.parents) if p.exists())
        free = shutil.disk_usage(existing).free
        state: Literal["ok", "missing"] = "ok" if free >= NEEDED_BYTES else "missing"
        yield Check(f"disk: {what}", state, f"{free / 1e9:.0f} GB free at {folder}", "" if state == "ok" else remedy)


def _carriers(offline: bool) -> Iterator[Check]:
    """Each thing that data and towers need: in the cache, or which of its carriers can bring it now."""
    from mlilt.towers import carried, catalog, text, vision

    defaults = {f"text tower: {text.DEFAULT}", f"vision tower: {vision.DEFAULT}"}
    needed: dict[str, list[Resource]] = {f"data: {name}": found for name, found in inventory.resources().items()}
    for kind in ("text", "vision"):
        for alias in catalog.names(kind):
            entry = catalog.find(kind, alias)
            if entry and entry.carried:
                found = [] if carried.is_built(entry.carried) else list(carried.load(entry.carried).RESOURCES)
                needed[f"{kind} tower: {alias}"] = found
    with ThreadPoolExecutor(8) as pool:
        # Two things may need the same carrier: each is asked once.
        asked = {c.label: c for found in needed.values() for r in found for c in r.carriers}
        said = dict(zip(asked, pool.map(lambda carrier: _ask(carrier, offline), asked.values()), strict=True))
    for client in dict.fromkeys(type(carrier).__name__ for carrier in asked.values()):
        answers = {label: said[label] for label, carrier in asked.items() if type(carrier).__name__ == client}
        reached = sum(answer is None for answer in answers.values())
        first = next((f"{label}: {answer}" for label, answer in answers.items() if answer), "")
        found_of = f"{reached} of {len(answers)} archives can be fetched now"
        yield Check(f"carrier: {client.lower()}", "ok" if not first else "note", found_of, first)
    for what, found in needed.items():
        missing = [r for r in found if not r.is_cached()]
        if not missing:
            yield Check(what, "ok", "in the cache")
            continue
        reachable = [next((c.label for c in r.carriers if said[c.label] is None), "") for r in missing]
        if all(reachable):
            yield Check(what, "ok", "can be fetched: " + ", ".join(reachable))
            continue
        lacking = [r for r, carrier in zip(missing, reachable, strict=True) if not carrier]
        words = [f"{carrier.label}: {said[carrier.label]}" for r in lacking for carrier in r.carriers]
        optional = what in _OPTIONAL or (" tower: " in what and what not in defaults)
        yield Check(
            what,
            "note" if optional else "missing",
            "cannot be fetched" + ("" if not offline else " offline"),
            "\n".join(words)
            + "\nInstall or mend one of these clients, or put the archive into a folder and name it in "
            "MLILT_ARCHIVES.",
        )


def _ask(carrier: Carrier, offline: bool) -> str | None:
    """Why a carrier cannot bring its archive now; None if it can."""
    if archive_at_hand(carrier):
        return None
    if offline:
        return "not asked (offline)"
    if reason := carrier.missing():
        return reason
    try:
        carrier.probe()
    except UserError as error:
        return str(error)
    return None


def _hub(offline: bool) -> Check:
    """Optional: the default towers come without it."""
    import huggingface_hub as hub

    remedy = (
        "Only for towers other than the default ones: bring a folder made by `hf download MODEL --local-dir DIR` where "
        "there is a network, and name it in --text or --vision."
    )
    if offline:
        return Check("model hub", "note", "not asked (offline)", remedy)
    try:
        hub.HfApi().model_info(HUB_MODEL, timeout=5)
    except Exception as error:  # whatever the hub's HTTP library raises
        return Check("model hub", "note", f"cannot be reached ({type(error).__name__})", remedy)
    return Check("model hub", "ok", "can be reached")
