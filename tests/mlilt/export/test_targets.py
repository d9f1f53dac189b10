"""Each export, loaded in a process of its own by what its card says: the named library's public calls alone."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from mlilt import record
from mlilt.export import targets
from mlilt.export.parts import Parts
from tests.mlilt.export.conftest import CAPTIONS

# Runs a card's code for each text and keeps what it finds.
RUN = """
import json, sys
import numpy
code, query, captions, picture, result = json.load(sys.stdin)
found = []
for caption in captions:
    own = {}
    exec(code.replace(json.dumps(query), json.dumps(caption)).replace("PICTURE", picture), own)
    found.append(numpy.asarray(own["texts"])[0])
numpy.savez(result, texts=found, picture=numpy.asarray(own["pictures"])[0])
assert not [name for name in sys.modules if name.split(".")[0] in ("mlilt", "data_prep")], "something of ours"
"""


def test_there_are_the_targets_that_users_ask_for() -> None:
    assert targets.names() == ["merged", "onnx", "open_clip", "sentence_transformers", "transformers"]


@pytest.mark.parametrize("name", targets.names())
def test_the_card_loads_it_and_its_embeddings_are_the_runs_own(
    name: str, lora: Path, taken: Parts, picture: Path, tmp_path: Path, exported: Callable[[str], Path]
) -> None:
    folder = exported(name)
    card = (folder / "README.md").read_text(encoding="utf-8")
    [code] = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    query = next(iter(record.read(lora).examples["sw"])).query
    assert f'"{query}"' in code
    result = tmp_path / "result.npz"
    # One of them longer than the tower takes.
    captions = [CAPTIONS[1], CAPTIONS[-1]]
    done = subprocess.run(
        [sys.executable, "-c", RUN],
        input=json.dumps([code, query, captions, str(picture), str(result)]),
        cwd=tmp_path,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    expected = taken.embed_text(captions).numpy()
    with np.load(result) as found:
        texts, shown = found["texts"], found["picture"]
    np.testing.assert_allclose(np.linalg.norm(texts, axis=1), 1, atol=1e-5)
    assert (np.sum(texts * expected, axis=1) >= 0.9999).all()
    assert float(shown @ taken.embed_image(taken.vision.pixels([picture])).numpy()[0]) >= 0.9999


def test_the_card_says_what_it_is_of(lora: Path, exported: Callable[[str], Path]) -> None:
    folder = exported("merged")
    card = (folder / "README.md").read_text(encoding="utf-8")
    about = record.read(lora)
    for said in (
        'language: ["sw"]',
        about.config.strategy,
        about.text.sha256,
        "| cldr-emoji | Apache-2.0+Unicode-3.0 |",
        "Noto Emoji by Google",
        "| Swahili | all | text to image |",
        f"{100 * about.results['sw']['all'].text_to_image.recall_at_10.value:.1f} [",
        "## Intended use and limits",
        about.data_sha256,
    ):
        assert said in card
    assert record.RunRecord.model_validate_json((folder / "run.json").read_bytes()) == about


def test_graphs_take_several_at_once_and_eight_bits_are_close(taken: Parts, exported: Callable[[str], Path]) -> None:
    import onnxruntime

    folder = exported("onnx")
    assert (folder / "text.int8.onnx").stat().st_size < 0.3 * (folder / "text.onnx").stat().st_size
    ids, mask = (tensor.numpy() for tensor in taken.text.pad(taken.text.tokenize(CAPTIONS)))
    expected = taken.embed_text(CAPTIONS).numpy()
    for file, least in (("text.onnx", 0.9999), ("text.int8.onnx", 0.9)):
        session = onnxruntime.InferenceSession(folder / file)
        [found] = session.run(None, {"input_ids": ids, "attention_mask": mask})
        assert (np.sum(found * expected, axis=1) >= least).all()
    pixels = torch.randint(0, 256, (3, 3, *taken.vision.size), dtype=torch.uint8)
    given = ((pixels - taken.vision.mean) / taken.vision.std).numpy()
    [found] = onnxruntime.InferenceSession(folder / "image.onnx").run(None, {"pixel_values": given})
    np.testing.assert_allclose(found, taken.embed_image(pixels).numpy(), atol=1e-4)
