"""The record of one run, in one JSON file: what compare, search and export read."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from data_prep.errors import UserError
from mlilt.config import RunConfig

RECORD = "record.json"
CONFIG = "config.toml"
WEIGHTS = "trained.safetensors"
METRICS = "metrics.jsonl"
QUERIES = "queries.jsonl"
CHECKPOINT = "checkpoint.pt"
# Folders of a run: what it is worth beyond its test split, and the logs of trackers.
ASSESSED = "assessed"
TRACKING = "tracking"
FORMAT: Literal[3] = 3


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Interval(_Record):
    """A figure with its bootstrap interval (95 %), in the figure's own unit."""

    value: float
    low: float
    high: float


class Direction(_Record):
    """Retrieval in one direction. Recalls are shares, 0 to 1."""

    queries: int
    pool: int
    chance_recall_at_10: float = Field(description="recall@10 expected of a random order")
    recall_at_1: Interval
    recall_at_5: Interval
    recall_at_10: Interval
    median_rank: Interval
    mrr: Interval
    ndcg_at_10: Interval


class Retrieval(_Record):
    """Both directions on one pool of pictures and captions."""

    text_to_image: Direction
    image_to_text: Direction


class Tower(_Record):
    """A tower's base weights."""

    name: str
    sha256: str = Field(description="of the weights, and of the tokenizer where there is one")
    parameters: int


class Trained(_Record):
    """What trained: numbers of parameters."""

    text: dict[str, int] = Field(description="of the text tower, by name")
    text_total: int = Field(description="all parameters of the text tower, added ones included")
    vision: dict[str, int] = Field(description="of the vision tower, by name")
    vision_total: int = Field(description="all parameters of the vision tower, added ones included")
    projections: int
    scalars: int = Field(default=1, description="the temperature, and the bias if the objective has one")
    embedding_rows: int | None = Field(default=None, description="rows of the word embedding that the data can reach")

    @property
    def count(self) -> int:
        """All that trained in the towers."""
        return sum(self.text.values()) + sum(self.vision.values())

    @property
    def share(self) -> float:
        """Trained parameters of both towers, projections and temperature over all of them."""
        extra = self.projections + self.scalars
        return (self.count + extra) / (self.text_total + self.vision_total + extra)


class Costs(_Record):
    """What the run took."""

    wall_s: float = Field(description="seconds of training steps, over all resumptions")
    cpu_s: float = Field(description="CPU seconds of the same")
    setup_s: float = Field(description="seconds to load towers, encode pictures not cached, and warm-start")
    evaluation_s: float
    pairs: int = Field(description="(picture, caption) pairs trained on")
    captions: int = Field(description="captions encoded for them")
    steps: int
    peak_rss_bytes: int | None
    peak_cuda_bytes: int | None
    saved_bytes: int = Field(description="size of the trained weights")
    flops_per_pair: float | None = Field(
        default=None, description="floating-point operations of a pair's training, counted in matrix products"
    )
    energy_kwh: float | None = Field(default=None, description="of the training steps; None where nothing tells it")
    energy_source: str | None = Field(default=None, description="how the energy is known")

    @property
    def pairs_per_s(self) -> float:
        """Training rate in (picture, caption) pairs."""
        return self.pairs / self.wall_s

    @property
    def captions_per_s(self) -> float:
        """Training rate in captions through the text tower."""
        return self.captions / self.wall_s


class Found(_Record):
    """An example query with what it found."""

    query: str
    english: str
    concept: str
    images: list[str] = Field(description="image ids, best first")
    right: list[bool]
    rank: int = Field(description="of the best right picture")
    answer: str = Field(description="its image id")


class RunRecord(_Record):
    """See the module's docstring."""

    format: Literal[3] = FORMAT
    name: str
    finished: str = Field(description="UTC, ISO 8601")
    config: RunConfig
    data_sha256: str
    data_pictures: dict[str, int]
    text: Tower
    vision: Tower
    vocabulary: int = Field(description="pieces in the text tower's vocabulary")
    trained: Trained
    weights_sha256: str = Field(description="of the file with the trained weights")
    temperature: float = Field(description="as learned")
    device: str
    precision: str
    processes: int = Field(description="that trained together; times and memory are those of the first")
    machine: dict[str, Any]
    versions: dict[str, str]
    costs: Costs
    validation: list[dict[str, float]] = Field(description="figures at the end of each epoch")
    results: dict[str, dict[str, Retrieval]] = Field(description="on each language's test split: 'all', and by source")
    examples: dict[str, list[Found]] = Field(description="queries spread over the test split, by language")
    confusions: dict[str, list[Found]] = Field(description="queries that found another concept with least doubt")


def write(record: RunRecord, folder: Path) -> None:
    """Writes the record; a run with a record is finished."""
    path = folder / RECORD
    partial = path.with_suffix(".part")
    partial.write_text(record.model_dump_json(indent=1) + "\n", encoding="utf-8")
    partial.replace(path)


def read(folder: Path) -> RunRecord:
    """The record of a finished run.

    Raises:
        UserError: the folder holds none, or one that cannot be read.
    """
    path = Path(folder) / RECORD
    try:
        # Settings are strict about types, and JSON is read in strict mode as it should be.
        return RunRecord.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        unfinished = (Path(folder) / CONFIG).is_file()
        state = "a run that is not finished: go on with `mlilt train --resume`" if unfinished else "no run"
        raise UserError(f"{folder} holds {state}. `mlilt train --lang ...` makes runs in runs/.") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the whole file"
        raise UserError(
            f"{path} is damaged, or of another version of mlilt ({where}: {first['msg']}). Train the run again with "
            "--force."
        ) from error
