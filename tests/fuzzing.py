"""Bad input by the thousand: what is valid, changed at random, must be read or refused by the declared errors.

`MLILT_FUZZ_CASES` says how many cases come of each valid input; the default keeps the suite quick.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from data_prep.errors import UserError
from mlilt.training.device import PeakMemory

CASES = int(os.environ.get("MLILT_FUZZ_CASES", "3"))
# Seconds after which a case counts as hanging.
LIMIT_S = 10.0
# Bytes by which the process may grow in a case; the largest picture has half of that when it is decoded.
MEMORY = 512 * 1024**2
# Where counts are added up, a line a file, if this is set.
COUNTS = os.environ.get("MLILT_FUZZ_COUNTS")

# What parsers stumble over.
_TOKENS: tuple[bytes, ...] = (
    b"",
    b"\0",
    b"\n",
    b"\r",
    b"\t",
    b'"',
    b"'",
    b"\\",
    b",",
    b"{",
    b"}",
    b"[",
    b"]",
    b"<",
    b"&",
    b"null",
    b"true",
    b"NaN",
    b"-1",
    b"1e999",
    b"99999999999999999999999",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\xc3",
    b"\xed\xa0\x80",
    b"\\ud800",
    b"\\u0000",
    "\u202e".encode(),
    "\u200d".encode(),
    b"../../../../etc/passwd",
    b"/etc/passwd",
    b"%s%n",
    b"[" * 2_000,
    b'{"a":' * 2_000,
    b"a" * 100_000,
    b'"' * 999,
    b"\n" * 999,
)


class Hang(BaseException):
    """A case took longer than `LIMIT_S`; no parser may take it for an error of its input."""


def mutated(seed: bytes, draws: random.Random) -> bytes:
    """Some changes at random places: flipped, cut, repeated, swapped, or with something inserted."""
    data = bytearray(seed)
    for _ in range(draws.choice((1, 1, 1, 2, 3, 8))):
        at = draws.randrange(len(data) + 1)
        length = min(len(data) - at, draws.choice((1, 1, 2, 4, 16, 64, 4096)))
        match draws.randrange(7):
            case 0 if at < len(data):
                data[at] ^= 1 << draws.randrange(8)
            case 1:
                del data[at : at + length]
            case 2:
                data[at:at] = data[at : at + length] * draws.choice((1, 2, 50))
            case 3:
                data[at : at + length] = draws.randbytes(length)
            case 4:
                del data[at:]
            case 5:
                lines = bytes(data).split(b"\n")
                draws.shuffle(lines)
                data = bytearray(b"\n".join(lines))
            case _:
                data[at : at + draws.choice((0, length))] = draws.choice(_TOKENS)
    return bytes(data[:1_000_000])


def of_file(folder: Path, name: str, read: Callable[[Path], object]) -> Callable[[bytes], object]:
    """A parser of a file as one of bytes."""

    def from_bytes(case: bytes) -> object:
        path = folder / name
        path.write_bytes(case)
        return read(path)

    return from_bytes


def fuzz_in_place(name: str, path: Path, read: Callable[[], object]) -> None:
    """Changes a valid file where it lies, reads what it belongs to, and puts it back."""
    valid = path.read_bytes()

    def from_bytes(case: bytes) -> object:
        path.write_bytes(case)
        return read()

    try:
        fuzz(name, valid, from_bytes)
    finally:
        path.write_bytes(valid)


@contextlib.contextmanager
def _limited() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(number: int, frame: object) -> None:
        raise Hang(f"a case took longer than {LIMIT_S} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, LIMIT_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _outcome(read: Callable[[bytes], object], case: bytes, declared: tuple[type[Exception], ...]) -> str:
    peak = PeakMemory(torch.device("cpu"))
    before = peak.rss()
    outcome = said = "read"
    try:
        with _limited():
            read(case)
    except declared as error:
        outcome, said = type(error).__name__, str(error)
    assert said.strip(), "an error that says nothing"
    grown = peak.rss() - before
    assert grown < MEMORY, f"{grown / 1024**2:.0f} MB more were needed"
    return outcome


def fuzz(
    name: str,
    seed: bytes,
    read: Callable[[bytes], object],
    declared: tuple[type[Exception], ...] = (UserError,),
    cases: int = CASES,
) -> Counter[str]:
    """Gives a parser a valid input changed in as many ways; anything raised but the declared errors comes through.

    Args:
        name: of the parser; the same name, seed and number give the same cases.
        seed: the valid input.
        read: the parser.
        declared: what it may raise.
        cases: how many.

    Returns:
        How many were read, and refused by which error.
    """
    draws = random.Random(f"{name} {len(seed)}")
    found: Counter[str] = Counter()
    for number in range(cases):
        case = mutated(seed, draws)
        try:
            found[_outcome(read, case, declared)] += 1
        except BaseException as error:
            kept = Path(os.environ.get("MLILT_FUZZ_KEEP", os.devnull))
            if kept.is_dir():
                (kept / f"{name.replace('/', '-')}-{number}").write_bytes(case)
            error.add_note(f"{name}, case {number}: {case[:300]!r}")
            raise
    if COUNTS:
        with Path(COUNTS).open("a", encoding="utf-8") as file:
            file.writelines(f"{name}\t{what}\t{count}\n" for what, count in found.items())
    return found
