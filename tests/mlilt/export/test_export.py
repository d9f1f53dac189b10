"""Runs taken apart, and exports refused."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import mlilt
from data_prep.errors import UnknownNameError, UserError
from mlilt import export, strategies
from mlilt.alignment.dual_encoder import Projection
from mlilt.config import RunConfig
from mlilt.export import parts
from mlilt.towers import text, vision
from mlilt.training import loop
from tests.mlilt.export.conftest import CAPTIONS


def test_a_projection_is_a_product_and_a_bias() -> None:
    torch.manual_seed(0)
    projection = Projection(7, 4)
    projection.fit(3 + 2 * torch.randn(50, 7))
    features = torch.randn(6, 7)
    weight, bias = projection.affine()
    expected = nn.functional.normalize(features.double() @ weight.double().T + bias.double(), dim=-1)
    torch.testing.assert_close(projection(features).double(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("strategy", ["lora", "dora", "ia3", "ln-tuning", "lora+layernorm+bitfit", "append-layer"])
@pytest.mark.parametrize("kind", ["text", "vision"])
def test_what_is_merged_gives_the_same(
    strategy: str, kind: str, tiny: dict[str, str], tiny_eyes: dict[str, str]
) -> None:
    tower = text.load(tiny["mbert"], offline=True, progress=False)
    tower.settle(torch.device("cpu"), packed=False)
    eyes = vision.load(tiny_eyes["vit"], offline=True, progress=False)
    changed: nn.Module = tower.encoder if kind == "text" else eyes.model
    strategies.apply(strategies.load(strategy), changed, (), "the tower")
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in changed.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1 * torch.randn_like(parameter))

    def out() -> torch.Tensor:
        with torch.inference_mode():
            pixels = torch.arange(2 * 3 * eyes.size[0] * eyes.size[1]).reshape(2, 3, *eyes.size) % 256
            return tower(tower.tokenize(["mbwa", "uso"])) if kind == "text" else eyes(pixels.to(torch.uint8))

    before = out()
    parts.merge(changed)
    torch.testing.assert_close(out(), before, rtol=1e-4, atol=1e-4)
    assert not [name for name, _ in changed.named_parameters() if "lora" in name or "ia3" in name]


def test_a_fully_trained_run_of_a_trimmed_tower_is_taken_apart(
    settings: Callable[..., RunConfig], tiny: dict[str, str], tiny_eyes: dict[str, str], tmp_path: Path
) -> None:
    config = settings(
        text=tiny["xlm-r"], vision=tiny_eyes["cnn"], strategy="full", vision_strategy="full", epochs=1, trim_vocab=True
    )
    loop.train(config, out=tmp_path / "run", progress=False)
    taken = parts.take(tmp_path / "run", offline=True)
    expected = mlilt.load(tmp_path / "run", offline=True).encode_text(CAPTIONS[:3])
    np.testing.assert_allclose(taken.embed_text(CAPTIONS[:3]).numpy(), expected, atol=1e-4)
    language, _ = parts.plain(taken, "transformers")
    assert language.config.vocab_size == taken.encoder.config.vocab_size


def test_adapters_go_into_a_graph_and_nowhere_else(
    settings: Callable[..., RunConfig], tiny: dict[str, str], tiny_eyes: dict[str, str], tmp_path: Path
) -> None:
    import onnxruntime

    config = settings(text=tiny["mbert"], vision=tiny_eyes["vit"], strategy="adapter-deep", epochs=1)
    loop.train(config, out=tmp_path / "run", progress=False)
    with pytest.raises(UserError, match=r"has adapters, for which transformers has no place.*--to onnx"):
        export.export(tmp_path / "run", "transformers", tmp_path / "x", offline=True, progress=False)
    assert not (tmp_path / "x").exists()
    folder = export.export(tmp_path / "run", "onnx", tmp_path / "x", offline=True, progress=False)
    taken = parts.take(tmp_path / "run", offline=True)
    ids, mask = (tensor.numpy() for tensor in taken.text.pad(taken.text.tokenize(CAPTIONS[:3])))
    [found] = onnxruntime.InferenceSession(folder / "text.onnx").run(None, {"input_ids": ids, "attention_mask": mask})
    np.testing.assert_allclose(found, taken.embed_text(CAPTIONS[:3]).numpy(), atol=1e-4)
    # What cannot be written leaves what is there as it is.
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(UserError, match="has adapters"):
        export.export(tmp_path / "run", "merged", folder, force=True, offline=True, progress=False)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_the_sigmoid_objectives_bias_goes_with_it(
    settings: Callable[..., RunConfig], tiny: dict[str, str], tmp_path: Path
) -> None:
    import open_clip

    config = settings(text=tiny["xlm-r"], objective="siglip", epochs=1)
    loop.train(config, out=tmp_path / "run", progress=False)
    taken = parts.take(tmp_path / "run", offline=True)
    assert taken.bias < -1
    folder = export.export(tmp_path / "run", "open_clip", tmp_path / "x", offline=True, progress=False)
    model = open_clip.create_model(f"local-dir:{folder}")
    assert model.logit_bias.item() == pytest.approx(taken.bias)
    assert model.logit_scale.exp().item() == pytest.approx(taken.scale)


def test_what_cannot_be_exported_is_told(real: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean transformers"):
        export.export(real, "transformer", tmp_path / "x")
    with pytest.raises(UserError, match="holds no run"):
        export.export(tmp_path, "merged", tmp_path / "x")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("mine")
    with pytest.raises(UserError, match="is there already and is no export"):
        export.export(real, "merged", tmp_path / "mine", force=True)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"needs open_clip: pip install 'mlilt\[export\]'"):
        export.export(real, "open_clip", tmp_path / "x")


def test_the_command_writes_lists_and_does_not_replace_unasked(real: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mlilt", "export", str(real), "--to", "merged", "--offline"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "text/model.safetensors" in done.stdout
    assert f"exports/{real.name}-merged is ready" in done.stdout
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "holds an export already. Replace it by --force" in done.stderr
    done = subprocess.run([*command, "--force"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
