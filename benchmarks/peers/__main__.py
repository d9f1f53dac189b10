"""Runs a part of the benchmark."""

from __future__ import annotations

import argparse

from benchmarks import peers
from benchmarks._table import machine

parser = argparse.ArgumentParser(description=peers.__doc__)
parser.add_argument("--limit", type=int, help="concepts of each source")
parser.add_argument("--epochs", type=int, default=peers.EPOCHS)
parser.add_argument("--rounds", type=int, default=peers.ROUNDS)
parser.add_argument("--only", action="append", default=[], help="part of a contestant's name (repeatable)")
parser.add_argument("--whole", action="store_true", help="all steps of the peers")
given = parser.parse_args()
print(machine(), flush=True)
peers.run(given.limit, given.epochs, given.rounds, given.only, given.whole)
