"""What the command line does, as calls."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import data_prep
from data_prep.errors import UserError
from data_prep.pipeline import Prepared
from mlilt import config as configs
from mlilt.record import RunRecord

if TYPE_CHECKING:
    from mlilt.search import Built, SearchIndex


def prepare(
    lang: str,
    source: Sequence[str] = (),
    limit: int | None = None,
    out: Path | str | None = None,
    offline: bool = False,
    force: bool = False,
    text: str | None = "e5-small",
    progress: bool = True,
    **more: Any,
) -> Prepared:
    """Builds a language's image-caption data set; see `data_prep.prepare`.

    Args:
        text: the text tower whose tokenizer the card counts tokens with; None counts none.
        more: root, columns, step, without, images, workers.
    """
    tokenizer = tokenizer_of(text, offline, progress)
    prepared = data_prep.prepare(lang, source, limit, out, offline, force, tokenizer, progress, **more)
    assert prepared is not None, "only a share of a preparation gives nothing"
    return prepared


def tokenizer_of(name: str | None, offline: bool, progress: bool) -> Any:
    """The name of a text tower with a function that counts tokens, loaded when it is called."""
    if name is None:
        return None
    loaded: list[Any] = []

    def count(captions: Sequence[str]) -> Sequence[int]:
        from mlilt.towers import text

        if not loaded:
            loaded.append(text.load_tokenizer(name, offline=offline, progress=progress))
        return text.count_tokens(loaded[0], captions)

    return name, count


def train(
    lang: str,
    *,
    out: Path | str | None = None,
    resume: bool = False,
    force: bool = False,
    offline: bool = False,
    progress: bool = True,
    track: Sequence[str] = (),
    **settings: Any,
) -> RunRecord:
    """Trains and evaluates one run; see `mlilt.training.loop.train`.

    Args:
        lang: language code of a prepared data set; several, joined by "+", train together.
        track: programs that show the run live: tensorboard, wandb, trackio.
        settings: any of `mlilt.config.RunConfig`, such as strategy="layernorm", vision_strategy="bitfit", epochs=10;
            batch_size="auto" finds one that suits the data, in chunks that fit into memory.
    """
    from mlilt.training import fitting, loop

    fitted = fitting.fit({"lang": lang, **settings}, "the call", out, force=force, offline=offline)
    config = configs.make(fitted, "the call")
    return loop.train(config, out=out, resume=resume, force=force, offline=offline, progress=progress, track=track)


def compare(*args: Any, **kwargs: Any) -> Any:
    """Compares runs and writes a report; see `mlilt.comparison.compare`."""
    from mlilt.comparison import compare as run

    return run(*args, **kwargs)


def index(*args: Any, **kwargs: Any) -> Built:
    """Makes an index of pictures by a run, or brings one up to date; see `mlilt.search.build`."""
    from mlilt.search import build

    return build(*args, **kwargs)


def open_index(folder: Path | str, run: Path | str | None = None, offline: bool = False) -> SearchIndex:
    """Opens an index to search it by text, picture or vector; see `mlilt.search.open_index`."""
    from mlilt.search import open_index

    return open_index(folder, run, offline)


__all__ = ["UserError", "compare", "index", "open_index", "prepare", "train"]
