"""Digests of base weights, and what the hub's cache holds."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from mlilt.towers.weights import digest


def module() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))


def test_equal_weights_have_equal_digests_however_they_lie_in_memory() -> None:
    one, other = module(), module()
    other[0].weight.data = other[0].weight.data.t().contiguous().t()
    assert not other[0].weight.is_contiguous()
    assert digest(one) == digest(other)
    assert len(digest(one)) == 64


def change_one_bit(m: nn.Module) -> None:
    flat = m[0].weight.data.view(torch.int32)  # type: ignore[index]
    flat[2, 3] ^= 1


def change_a_buffer(m: nn.Module) -> None:
    m[1].running_mean[1] += 1  # type: ignore[index]


def change_a_dtype(m: nn.Module) -> None:
    m.bfloat16()


def change_a_name(m: nn.Module) -> None:
    m.add_module("2", nn.Identity())
    m[2], m[1] = m[1], nn.Identity()  # type: ignore[index,operator]


@pytest.mark.parametrize("change", [change_one_bit, change_a_buffer, change_a_dtype, change_a_name])
def test_any_change_changes_the_digest(change: object) -> None:
    changed = module()
    change(changed)  # type: ignore[operator]
    assert digest(changed) != digest(module())


ASK = """
import sys
from data_prep.errors import UserError
from mlilt.towers import text, vision
for kind, name, offline in (line.split() for line in sys.argv[1:]):
    try:
        tower = {"text": text, "vision": vision}[kind].load(name, offline=offline == "offline", progress=False)
        print("loaded", tower.name, tower.width)
    except UserError as error:
        print("UserError", str(error).replace("\\n", " "))
"""


def ask(home: Path, *questions: str, **environment: str) -> list[str]:
    """Loads towers in a process of its own, with an empty cache of the hub's client and no hub to be reached."""
    done = subprocess.run(
        [sys.executable, "-c", ASK, *questions],
        capture_output=True,
        text=True,
        timeout=120,
        env={"PATH": "", "HF_HOME": str(home), "HF_HUB_DISABLE_TELEMETRY": "1", **environment},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    "environment", [{"HF_HUB_OFFLINE": "1"}, {"HF_ENDPOINT": "http://127.0.0.1:9"}], ids=["offline", "unreachable"]
)
def test_without_a_hub_the_error_names_what_can_be_done(environment: dict[str, str], tmp_path: Path) -> None:
    text, vision, own, nonsense, *told = ask(
        tmp_path,
        "text xlm-r-base -",
        "vision deit-tiny -",
        "text someone/some-model -",
        "text xlm-rbase -",
        "vision deit-tiny offline",
        "text xlm-r-base offline",
        **environment,
    )
    assert "xlm-r-base (FacebookAI/xlm-roberta-base) are not in the cache and the model hub cannot be reached" in text
    assert "--text e5-small" in text
    assert "hf download FacebookAI/xlm-roberta-base --local-dir DIR" in text
    assert "timm/deit_tiny_patch16_224.fb_in1k" in vision
    assert "--vision efficientnet-lite0" in vision
    assert "someone/some-model" in own
    assert "Did you mean xlm-r-base" in nonsense
    # Told to use only what is here, it does not even try.
    assert len(told) == 2
    assert all("cannot be reached (OfflineModeIsEnabled)" in answer for answer in told)


def in_cache(home: Path, model: str, files: Path, names: list[str]) -> None:
    """Puts files where the hub's client keeps those of a model."""
    commit = "0" * 40
    root = home / "hub" / f"models--{model.replace('/', '--')}"
    (root / "refs").mkdir(parents=True)
    (root / "refs" / "main").write_text(commit)
    (root / "snapshots" / commit).mkdir(parents=True)
    for name in names:
        shutil.copy(files / name, root / "snapshots" / commit / name)


def test_a_model_in_the_hubs_cache_is_used_and_half_a_model_is_not_taken_for_a_whole_one(
    xlmr_folder: Path, tmp_path: Path
) -> None:
    everything = [path.name for path in xlmr_folder.iterdir()]
    in_cache(tmp_path, "own/whole", xlmr_folder, everything)
    # Another program has asked for the tokenizer alone.
    in_cache(tmp_path, "own/tokenizer", xlmr_folder, [n for n in everything if n.startswith("tokenizer")])
    sharded = tmp_path / "sharded"
    shutil.copytree(xlmr_folder, sharded)
    (sharded / "model.safetensors").rename(sharded / "model-00001-of-00002.safetensors")
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (sharded / "model.safetensors.index.json").write_text(json.dumps(index))
    in_cache(tmp_path, "own/cut", sharded, [path.name for path in sharded.iterdir()])
    whole, tokenizer, cut = ask(
        tmp_path, "text own/whole -", "text own/tokenizer -", "text own/cut -", HF_ENDPOINT="http://127.0.0.1:9"
    )
    assert whole == "loaded own/whole 32"
    for line in (tokenizer, cut):
        assert "are not in the cache and the model hub cannot be reached" in line
