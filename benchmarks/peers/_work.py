"""The work that all do: the same pictures, captions, towers, batches and schedule.

Imports nothing that a contestant would not import by itself: its start is measured too.
"""

from __future__ import annotations

import csv
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

BATCH = 128
DIM = 256
LEARNING_RATE = 1e-4
WEIGHT_DECAY = 0.02
WARMUP = 0.1
TEMPERATURE = 0.07
ARCHITECTURE = "tf_efficientnet_lite0"


@dataclass(frozen=True, slots=True)
class Work:
    """Where all lies.

    Attributes:
        prepared: the data set as mlilt has it.
        pairs: picture files and captions, separated by tabs; a pair for each picture of the training split.
        towers: a folder in open_clip's layout, which is one of a transformers text model, too.
        tuned: the same with the context cut to the longest caption.
        trunk: weights of the vision tower, without its classifier.
        longest: tokens of the longest caption.
        count: how many pairs there are.
    """

    prepared: str
    pairs: str
    towers: str
    tuned: str
    trunk: str
    longest: int
    count: int

    def write(self, path: Path) -> None:
        """As JSON."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, path: Path | str) -> Work:
        """What `write` wrote."""
        return cls(**json.loads(Path(path).read_text(encoding="utf-8")))

    def steps(self, epochs: int) -> int:
        """Steps of so many epochs; the last, smaller batch of each is left out by all but mlilt."""
        return epochs * (self.count // BATCH)

    def part(self, steps: int, pairs: Path) -> Work:
        """The first pairs, for so many steps of one epoch; their list is written to `pairs`."""
        count = steps * BATCH
        if count > self.count:
            raise ValueError(f"{steps} steps take {count} pairs, and there are {self.count}")
        with pairs.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, ["filepath", "title"], delimiter="\t")
            writer.writeheader()
            writer.writerows(self.rows()[:count])
        return replace(self, pairs=str(pairs), count=count)

    def rows(self) -> list[dict[str, str]]:
        """The pairs: each a "filepath" and a "title"."""
        with Path(self.pairs).open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file, delimiter="\t"))
