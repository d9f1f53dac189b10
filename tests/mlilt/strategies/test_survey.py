"""What strategies and presets train in the published towers, against closed formulas counted on paper."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from mlilt import strategies
from mlilt.alignment.dual_encoder import Projection
from mlilt.strategies import presets
from mlilt.strategies._survey import Survey, survey


@dataclass(frozen=True)
class Encoder:
    """BERT's shape: h wide, f within the feed-forward layers; v words, p positions, s segments; no pooler."""

    h: int
    f: int
    layers: int
    v: int
    p: int
    s: int

    @property
    def linears(self) -> list[tuple[int, int]]:
        """Inputs and outputs of a layer's linear layers: queries, keys, values, what follows, feed-forward."""
        return [(self.h, self.h)] * 4 + [(self.h, self.f), (self.f, self.h)]

    @property
    def norms(self) -> int:
        return 2 * self.h * (2 * self.layers + 1)

    @property
    def others(self) -> int:
        """Embeddings."""
        return self.h * (self.v + self.p + self.s)

    @property
    def other_biases(self) -> int:
        return 0

    @property
    def final(self) -> int:
        """Norms behind the last layer."""
        return 0

    @property
    def rescaled(self) -> int:
        """Keys, values, inner activations."""
        return 2 * self.h + self.f


@dataclass(frozen=True)
class ViT(Encoder):
    """A vision transformer's: one projection to queries, keys and values; patches of 16 x 16, v of them and a token."""

    @property
    def linears(self) -> list[tuple[int, int]]:
        return [(self.h, 3 * self.h), (self.h, self.h), (self.h, self.f), (self.f, self.h)]

    @property
    def others(self) -> int:
        """Patches, class token, positions."""
        return 3 * 16 * 16 * self.h + self.h + self.h + self.h * self.p

    @property
    def other_biases(self) -> int:
        return self.h

    @property
    def final(self) -> int:
        return 2 * self.h

    @property
    def rescaled(self) -> int:
        return 3 * self.h + self.f


@dataclass(frozen=True)
class Lite0:
    """EfficientNet-Lite0: (inputs, outputs) of its 16 blocks; all but the first widen six times within."""

    h: int = 1280
    blocks: tuple[tuple[int, int], ...] = (
        *((32, 16), (16, 24), (24, 24), (24, 40), (40, 40), (40, 80), (80, 80), (80, 80)),
        *((80, 112), (112, 112), (112, 112), (112, 192), (192, 192), (192, 192), (192, 192), (192, 320)),
    )
    kernels: tuple[int, ...] = (3, 3, 3, 5, 5, 3, 3, 3, 5, 5, 5, 5, 5, 5, 5, 3)

    @property
    def pointwise(self) -> list[tuple[int, int]]:
        first, *rest = self.blocks
        return [first, *(pair for i, o in rest for pair in ((i, 6 * i), (6 * i, o)))]

    @property
    def normalized(self) -> int:
        """Channels that have a BatchNorm."""
        (i, o), *rest = self.blocks
        return 32 + (i + o) + sum(6 * i + 6 * i + o for i, o in rest) + 1280

    @property
    def total(self) -> int:
        depthwise = 32 * 9 + sum(6 * i * k * k for (i, _), k in zip(self.blocks[1:], self.kernels[1:], strict=True))
        ends = 3 * 32 * 9 + 320 * 1280
        return ends + depthwise + sum(i * o for i, o in self.pointwise) + 2 * self.normalized


TOWERS: dict[str, Any] = {
    "bert-base": Encoder(768, 3072, 12, 30_522, 512, 2),
    "mbert": Encoder(768, 3072, 12, 119_547, 512, 2),
    "xlm-r-base": Encoder(768, 3072, 12, 250_002, 514, 1),
    "e5-small": Encoder(384, 1536, 12, 250_037, 512, 2),
    "deit-base": ViT(768, 3072, 12, 196, 197, 0),
    "vit-base": ViT(768, 3072, 12, 196, 197, 0),
    "efficientnet-lite0": Lite0(),
}


def adapter(width: int) -> int:
    """Down to a quarter, up again, with biases."""
    return 2 * width * (width // 4) + width // 4 + width


def transformer(t: Encoder) -> dict[str, tuple[int, int]]:
    """By strategy: what trains, and what it adds to the tower."""
    weights, biases = sum(i * o for i, o in t.linears), sum(o for _, o in t.linears)
    layer = weights + biases + 4 * t.h
    total = t.others + t.layers * (weights + biases) + t.norms
    low_rank = t.layers * sum(8 * (i + o) for i, o in t.linears)
    magnitudes = t.layers * biases
    attention = 4 * t.h * t.h + 4 * t.h
    deep, layerwise = 2 * t.layers * adapter(t.h), t.layers * adapter(t.h)
    return {
        "frozen": (0, 0),
        "layernorm": (t.norms, 0),
        "bitfit": (t.layers * biases + t.norms // 2 + t.other_biases, 0),
        "adapter-deep": (deep, deep),
        "adapter-layerwise": (layerwise, layerwise),
        "append-layer": (layer + t.final, layer),
        "last-k": (2 * layer + t.final, 0),
        "attention": (t.layers * attention, 0),
        "mlp": (t.layers * (weights + biases - attention), 0),
        "lora": (low_rank, low_rank),
        "dora": (low_rank + magnitudes, low_rank + magnitudes),
        "ia3": (t.layers * t.rescaled, t.layers * t.rescaled),
        "ln-tuning": (t.norms, t.norms),
        "full": (total, 0),
        "adapter-deep+layernorm": (deep + t.norms, deep),
        "adapter-layerwise+layernorm": (layerwise + t.norms, layerwise),
    }


def network(t: Lite0) -> dict[str, tuple[int, int]]:
    norms = 2 * t.normalized
    low_rank = sum(8 * (i + o) for i, o in t.pointwise)
    outputs = sum(o for _, o in t.pointwise)
    deep, layerwise = sum(adapter(i) for i, _ in t.blocks), sum(adapter(o) for _, o in t.blocks)
    # From and to 320 channels, and as wide within as the top block, which is 6 x 192.
    appended = 320 * 1152 + 1152 * 9 + 1152 * 320 + 2 * (1152 + 1152 + 320)
    return {
        "frozen": (0, 0),
        "layernorm": (norms, 0),
        "bitfit": (norms // 2, 0),
        "adapter-deep": (deep, deep),
        "adapter-layerwise": (layerwise, layerwise),
        "append-layer": (appended, appended),
        "lora": (low_rank, low_rank),
        "dora": (low_rank + outputs, low_rank + outputs),
        "ia3": (outputs, outputs),
        "ln-tuning": (norms, norms),
        "full": (t.total, 0),
        "adapter-deep+layernorm": (deep + norms, deep),
        "adapter-layerwise+layernorm": (layerwise + norms, layerwise),
    }


def on_paper(tower: str) -> dict[str, tuple[int, int]]:
    """Trained parameters, and all of the tower, by strategy."""
    shape = TOWERS[tower]
    counts = network(shape) if isinstance(shape, Lite0) else transformer(shape)
    total = counts["full"][0]
    return {name: (trained, total + added) for name, (trained, added) in counts.items()}


surveyed = cache(survey)
PAIRS = [("bert-base", "deit-base"), ("mbert", "deit-base"), ("xlm-r-base", "vit-base")]


def check_strategies(found: list[dict[str, Any]], text: str, vision: str) -> None:
    assert [entry["name"] for entry in found] == strategies.names()
    for entry in found:
        for kind, tower in (("text", text), ("vision", vision)):
            expected = on_paper(tower).get(entry["name"])
            if expected:
                count = entry[kind]
                assert (count["trained"], count["total"]) == expected, (entry["name"], tower)
                assert count["share"] == expected[0] / expected[1]
                assert count["remark"] == ""


def check_presets(found: list[dict[str, Any]], text: str, vision: str) -> None:
    assert [entry["name"] for entry in found] == presets.names()
    projections = 256 * TOWERS[text].h + 256 * TOWERS[vision].h
    for entry in found:
        preset = presets.find(entry["name"])
        assert preset is not None
        one, other = on_paper(text)[preset.text], on_paper(vision)[preset.vision]
        assert (entry["text"]["trained"], entry["vision"]["trained"]) == (one[0], other[0]), entry["name"]
        assert (entry["projections"], entry["temperature"]) == (projections, 1)
        assert entry["trained"] == one[0] + other[0] + projections + 1
        assert entry["total"] == one[1] + other[1] + projections + 1
        assert entry["share"] == entry["trained"] / entry["total"]


def plain(found: Survey) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(found)


@pytest.mark.parametrize(("text", "vision"), PAIRS)
def test_counts_in_the_papers_towers_are_those_of_the_formulas(text: str, vision: str) -> None:
    found = plain(surveyed(text, vision))
    check_strategies(found["strategies"], text, vision)
    check_presets(found["presets"], text, vision)


def test_lilt_da_trains_near_7_percent_of_bert_base_and_deit_base() -> None:
    shares = {entry.name: entry.share for entry in surveyed("bert-base", "deit-base").presets}
    assert 0.06 < shares["lilt-da"] < 0.075
    assert shares["lilt-minus-adapters"] < 0.01
    assert shares["clip"] == 1


def test_projections_are_counted_as_they_are_built() -> None:
    built = [sum(p.numel() for p in Projection(width, 64).parameters()) for width in (384, 1280)]
    assert {entry.projections for entry in surveyed(dim=64).presets} == {sum(built)}


def test_a_strategy_with_nothing_to_train_says_why() -> None:
    remarks = {entry.name: entry.vision.remark for entry in surveyed(dim=64).strategies if entry.vision.remark}
    assert remarks == {"attention": "its blocks have no attention", "mlp": "its blocks have no feed-forward layers"}


def test_the_command_prints_exact_counts_with_no_weights_at_hand_and_none_loaded(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mlilt", "strategies", "--json", "--offline"],
        cwd=tmp_path,
        env={
            **os.environ,
            "MLILT_CACHE": str(tmp_path / "cache"),
            "HF_HOME": str(tmp_path / "hub"),
            "HF_HUB_OFFLINE": "1",
        },
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["text"], found["vision"], found["dim"]) == ("e5-small", "efficientnet-lite0", 256)
    check_strategies(found["strategies"], "e5-small", "efficientnet-lite0")
    check_presets(found["presets"], "e5-small", "efficientnet-lite0")
    options = {entry["name"]: {o["name"]: o["default"] for o in entry["options"]} for entry in found["strategies"]}
    assert options["lora"] == {"rank": 8, "alpha": 16}
    assert not list(tmp_path.rglob("*.safetensors"))


def test_the_command_prints_tables_of_strategies_and_presets(capsys: pytest.CaptureFixture[str]) -> None:
    from mlilt.cli.strategies import command

    command(text="e5-small", vision="efficientnet-lite0", dim=256, offline=True)
    said = capsys.readouterr().out
    for words in (*strategies.names(), *presets.names(), "nothing to train", "rank=8", "projections", "temperature"):
        assert words in said
    row = next(line for line in said.splitlines() if "lilt-minus-adapters" in line)
    assert f"{on_paper('e5-small')['layernorm'][0]:,}" in row
