"""CLIP_benchmark's own evaluation of a run: by its calls, and by its command."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from clip_benchmark import models
from clip_benchmark.metrics import zeroshot_retrieval
from PIL import Image

from data_prep.pipeline import Prepared
from mlilt import data, model
from mlilt.evaluation.retrieval import ranks, recall
from mlilt.model import Model
from mlilt.wrappers import clip_benchmark

Pair = tuple[Image.Image, list[str]]


@pytest.fixture(scope="module")
def pairs(small_sw: Prepared) -> list[Pair]:
    """One picture of each concept with its captions, so that each caption has the one right answer they take."""
    first = {row.concept: row for row in reversed(data.read_rows(small_sw.folder, "test"))}
    captions = {row.image_id: list(row.captions) for row in first.values()}
    return [
        (Image.open(io.BytesIO(content)).convert("RGB"), captions[image_id])
        for image_id, content in data.read_pictures(small_sw.folder, "test")
        if image_id in captions
    ]


@pytest.fixture(scope="module")
def run(real: Path) -> Model:
    return model.load(real, offline=True)


def test_it_finds_the_recall_that_mlilt_finds(real: Path, run: Model, pairs: list[Pair]) -> None:
    clip_benchmark.register()
    loaded, transform, tokenizer = models.load_clip("mlilt", str(real), "", "", device="cpu")
    batches = [
        (torch.stack([transform(picture) for picture, _ in part]), [captions for _, captions in part])
        for part in (pairs[:7], pairs[7:])
    ]
    numbers = [1, 5, 10]
    found = zeroshot_retrieval.evaluate(loaded, batches, tokenizer, "cpu", amp=False, recall_k_list=numbers)
    texts = run.encode_text([caption for _, captions in pairs for caption in captions])
    shown = run.encode_image([picture for picture, _ in pairs])
    owner = np.repeat(np.arange(len(pairs)), [len(captions) for _, captions in pairs])
    right = owner[:, None] == np.arange(len(pairs))
    for name, similarity, answers in (("image", texts @ shown.T, right), ("text", shown @ texts.T, right.T)):
        places = ranks(similarity, answers)
        for k in numbers:
            assert found[f"{name}_retrieval_recall@{k}"] == pytest.approx(recall(places, k), abs=1e-6)


def test_padding_changes_nothing(real: Path, run: Model) -> None:
    loaded, _, tokenizer = clip_benchmark.load(real)
    texts = ["mbwa", "nyumba nyeupe yenye paa jekundu kando ya bahari"]
    with torch.inference_mode():
        found = loaded.encode_text(tokenizer(texts)).numpy()
    np.testing.assert_allclose(found, run.encode_text(texts), atol=1e-5)


def test_their_command_evaluates_a_run(real: Path, pairs: list[Pair], tmp_path: Path) -> None:
    """On a retrieval set in WebDataset shards, as they keep theirs."""
    split = tmp_path / "set" / "test"
    split.mkdir(parents=True)
    with tarfile.open(split / "0.tar", "w") as tar:
        for number, (picture, captions) in enumerate(pairs):
            content = io.BytesIO()
            picture.save(content, "PNG")
            _add(tar, f"{number:04}.png", content.getvalue())
            _add(tar, f"{number:04}.txt", "\n".join(captions).encode())
    (split / "nshards.txt").write_text("1")
    (tmp_path / "set" / "dataset_type.txt").write_text("retrieval")
    output = tmp_path / "found.json"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "mlilt.wrappers.clip_benchmark", "eval", "--model_type", "mlilt"),
            *("--model", str(real), "--pretrained", "mlilt", "--dataset", "wds/swahili"),
            *("--dataset_root", str(tmp_path / "set"), "--task", "zeroshot_retrieval", "--recall_k", "1", "5"),
            *("--no_amp", "--num_workers", "0", "--batch_size", "8", "--output", str(output)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    metrics = json.loads(output.read_text(encoding="utf-8"))["metrics"]
    loaded, transform, tokenizer = clip_benchmark.load(real)
    whole = [(torch.stack([transform(picture) for picture, _ in pairs]), [captions for _, captions in pairs])]
    expected = zeroshot_retrieval.evaluate(loaded, whole, tokenizer, "cpu", amp=False, recall_k_list=[1, 5])
    assert metrics == pytest.approx(expected, abs=1e-6)


def test_a_run_that_is_not_there_is_told_without_a_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["eval", "--model_type", "mlilt", "--model", "nowhere", "--pretrained", "mlilt", "--dataset", "wds/none"]
    monkeypatch.setattr(sys, "argv", ["it", *asked, "--dataset_root", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        clip_benchmark.main()
    assert ended.value.code == 2
    assert "mlilt: nowhere holds no run" in capsys.readouterr().err


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))
