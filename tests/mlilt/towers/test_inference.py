"""The fast forms of towers compute what the plain ones do."""

from __future__ import annotations

import copy
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import timm
import torch
from torch import nn
from torch.nn.functional import cosine_similarity

from mlilt import strategies
from mlilt.towers import text
from mlilt.towers.inference import Compiled, CompiledText, caption_for_inference, for_inference
from mlilt.towers.text import TextTower
from mlilt.towers.vision import VisionTower
from mlilt.training.device import store_frozen

CPU = torch.device("cpu")


def lived_in(architecture: str) -> VisionTower:
    """A random tower whose BatchNorms have statistics and weights of their own, as after training."""
    torch.manual_seed(0)
    model = timm.create_model(architecture, pretrained=False, num_classes=0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.3)
    return VisionTower(model, architecture).eval()


def pixels(tower: VisionTower, count: int = 3) -> torch.Tensor:
    seeded = torch.Generator().manual_seed(5)
    return torch.randint(0, 256, (count, 3, *tower.size), dtype=torch.uint8, generator=seeded)


@pytest.mark.parametrize(
    "architecture",
    [
        "test_resnet",
        "test_efficientnet",
        "test_vit",
        "test_vit3",
        "test_convnext",
        "test_nfnet",
        "deit_tiny_patch16_224",
    ],
)
def test_random_towers_of_many_kinds_are_compiled_and_keep_their_features(architecture: str) -> None:
    tower = lived_in(architecture)
    fast = for_inference(tower, CPU, torch.float32)
    assert isinstance(fast, Compiled)
    with torch.inference_mode():
        torch.testing.assert_close(fast(pixels(tower)), tower(pixels(tower)), rtol=1e-3, atol=1e-3)


def test_the_real_tower_keeps_its_features_and_stays_as_it_was(eyes: VisionTower) -> None:
    before = {name: t.clone() for name, t in eyes.state_dict().items()}
    fast = for_inference(eyes, CPU, torch.float32)
    with torch.inference_mode():
        assert cosine_similarity(fast(pixels(eyes)), eyes(pixels(eyes))).min() > 0.99999
    assert all(torch.equal(t, before[name]) for name, t in eyes.state_dict().items())


def test_bf16_stays_close(eyes: VisionTower) -> None:
    found = for_inference(eyes, CPU, torch.bfloat16)(pixels(eyes))
    assert found.dtype == torch.float32
    with torch.inference_mode():
        similar = cosine_similarity(found, eyes(pixels(eyes)))
    assert similar.min() > 0.99


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_features_depend_neither_on_what_is_encoded_beside_nor_on_threads(
    dtype: torch.dtype, eyes: VisionTower
) -> None:
    threads = torch.get_num_threads()
    all_of_them = pixels(eyes, 6)
    found = []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            fast = for_inference(eyes, CPU, dtype)
            found.append(fast(all_of_them))
            with ThreadPoolExecutor(2) as pool:
                found.append(torch.cat(list(pool.map(fast, all_of_them.split([1, 3, 2])))))
    finally:
        torch.set_num_threads(threads)
    for each in found[1:]:
        assert torch.equal(each, found[0])


class Odd(nn.Module):
    """Takes an operation that OpenVINO does not know."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.linalg.eigvals(x[:, :, :3, :3]).abs().flatten(1)


def test_a_model_that_cannot_be_compiled_is_computed_by_torch(eyes: VisionTower) -> None:
    tower = copy.copy(eyes)
    tower._modules = {**eyes._modules, "model": Odd()}
    fast = for_inference(tower, CPU, torch.float32)
    assert not isinstance(fast, Compiled)
    torch.testing.assert_close(fast(pixels(tower)), tower(pixels(tower)))


@pytest.mark.parametrize("architecture", ["mobilevit_xxs", "levit_128s"])
def test_a_tower_of_convolutions_and_linear_layers_in_mixed_precision_is_compiled_too(architecture: str) -> None:
    """What a vision tower that trained in bfloat16 is: its frozen linear layers are kept in that."""
    tower = lived_in(architecture).requires_grad_(False)
    expected = tower(pixels(tower))
    store_frozen(tower, torch.bfloat16)
    assert {p.dtype for p in tower.parameters()} == {torch.float32, torch.bfloat16}
    fast = for_inference(tower, CPU, torch.float32)
    assert isinstance(fast, Compiled)
    assert float(cosine_similarity(fast(pixels(tower)), expected).min()) > 0.999


def test_nothing_is_sent_to_the_makers_of_openvino() -> None:
    """A socket or a process started by Python's own means, in any thread, ends this program."""
    code = """
import os, sys
def watch(event, arguments):
    if event.startswith(("socket.", "subprocess.", "os.fork", "os.posix_spawn")):
        os.write(2, f"{event} {arguments}".encode())
        os._exit(9)
import timm, torch
from mlilt import strategies
from mlilt.towers import text
from mlilt.towers.inference import Compiled, CompiledText, caption_for_inference, for_inference
from mlilt.towers.text import TextTower
from mlilt.towers.vision import VisionTower
sys.addaudithook(watch)
tower = VisionTower(timm.create_model("test_resnet", num_classes=0), "it").eval()
assert isinstance(for_inference(tower, torch.device("cpu"), torch.float32), Compiled)
import importlib.util, time
# Reports would come from a thread.
time.sleep(2)
there = importlib.util.find_spec("openvino_telemetry") is not None
print("openvino" in sys.modules, there, "openvino_telemetry" in sys.modules)
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    # Their reporter is there, and it is not used.
    assert found.stdout.strip() == "True True False"


@pytest.mark.parametrize("kind", ["xlm-r", "mbert"])
@pytest.mark.parametrize("strategy", ["full", "lora+layernorm", "adapter-deep"])
def test_small_text_towers_give_one_captions_vector_whatever_its_length(
    tiny: dict[str, str], kind: str, strategy: str
) -> None:
    tower = text.load(tiny[kind], offline=True, progress=False)
    torch.manual_seed(3)
    strategies.apply(strategies.load(strategy), tower.encoder, (), "the tower")
    with torch.no_grad():
        for parameter in tower.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))  # so that what was added does something
    before = {name: t.clone() for name, t in tower.state_dict().items()}
    fast = caption_for_inference(tower, CPU, torch.float32)
    assert isinstance(fast, CompiledText)
    random = torch.Generator().manual_seed(4)
    for length in (3, 1, 9, 64, 4):
        ids = torch.randint(5, 200, (length,), generator=random).tolist()
        with torch.inference_mode():
            torch.testing.assert_close(fast(ids), tower([ids]), rtol=1e-4, atol=1e-4)
    assert all(torch.equal(t, before[name]) for name, t in tower.state_dict().items())


def test_the_real_text_tower_is_the_same_from_several_threads(e5: TextTower) -> None:
    captions = ["mbwa", "nyumba nyeupe yenye paa jekundu kando ya bahari", "uso wenye tabasamu pana", "ዝሆን", "a"] * 4
    fast = caption_for_inference(e5, CPU, torch.float32)
    assert isinstance(fast, CompiledText)
    ids = e5.tokenize(captions)
    with ThreadPoolExecutor(4) as pool:
        together = torch.cat(list(pool.map(fast, ids)))
    with torch.inference_mode():
        torch.testing.assert_close(together, e5(ids), rtol=1e-3, atol=1e-4)


def test_a_text_tower_that_cannot_be_compiled_is_computed_by_torch(
    tiny: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tower = text.load(tiny["mbert"], offline=True, progress=False)
    monkeypatch.setitem(sys.modules, "openvino", None)
    fast = caption_for_inference(tower, CPU, torch.float32)
    assert not isinstance(fast, CompiledText)
    with torch.inference_mode():
        torch.testing.assert_close(fast([5, 6, 7]), tower([[5, 6, 7]]))
