"""Runs from settings to record on real data; the default towers, and small ones for every strategy."""

from __future__ import annotations

import importlib.metadata
import json
import math
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from filelock import FileLock
from safetensors.torch import load_file, save_file

import mlilt
from data_prep.errors import UserError
from data_prep.pipeline import Prepared
from mlilt import config as configs
from mlilt import data, record, strategies
from mlilt.comparison import worker
from mlilt.config import RunConfig
from mlilt.learned import file_digest, read_weights
from mlilt.record import RunRecord
from mlilt.towers import text, vision
from mlilt.towers.vision import VisionTower
from mlilt.towers.weights import digest
from mlilt.training import features, loop
from mlilt.training.evaluate import evaluate, queries
from mlilt.training.optimizer import schedule

Settings = Callable[..., RunConfig]


def weights(folder: Path) -> dict[str, bytes]:
    return {name: t.numpy().tobytes() for name, t in load_file(folder / record.WEIGHTS).items()}


def metrics(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / record.METRICS).read_text(encoding="utf-8").splitlines()]


def without_times(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in line.items() if key != "wall_s"} for line in lines]


def test_the_folder_of_a_finished_run_holds_all_that_is_promised_and_nothing_else(real: Path) -> None:
    names = {path.name for path in real.iterdir()} - {".lock"}
    assert names == {record.RECORD, record.CONFIG, record.WEIGHTS, record.METRICS, record.QUERIES}


def test_the_weights_are_the_trained_parameters_and_the_projections_statistics_alone(real: Path) -> None:
    done = record.read(real)
    kept, about = read_weights(real / record.WEIGHTS)
    tower = {name.removeprefix("text.encoder."): t.numel() for name, t in kept.items() if name.startswith("text.")}
    assert {name.removeprefix("text.encoder."): n for name, n in tower.items()} == done.trained.text
    # 25 norms of width 384, weight and bias each.
    assert done.trained.count == 25 * 2 * 384
    others = {name for name in kept if not name.startswith("text.")}
    sides = {f"{side}_projection.{part}" for side in ("text", "image") for part in ("weight", "mean", "std")}
    assert others == {*sides, "log_scale"}
    assert done.trained.projections == 64 * (384 + 1280)
    assert {key: about[key] for key in ("text", "vision", "data")} == {
        "text": done.text.sha256,
        "vision": done.vision.sha256,
        "data": done.data_sha256,
    }
    assert done.costs.saved_bytes == (real / record.WEIGHTS).stat().st_size < 1_000_000


def test_the_record_says_what_was_trained_on_what_with_which_versions(
    real: Path, small_sw: Prepared, eyes: VisionTower
) -> None:
    done = record.read(real)
    assert done.data_sha256 == small_sw.digest
    assert done.data_pictures == small_sw.pictures
    assert done.config == configs.read(real / record.CONFIG)
    assert done.vision.sha256 == digest(eyes.model)
    assert done.text.parameters == done.trained.text_total == pytest.approx(118e6, rel=0.01)
    assert done.vision.parameters == done.trained.vision_total == pytest.approx(3.4e6, rel=0.02)
    assert done.trained.vision == {}
    assert done.vocabulary == 250_037
    assert done.processes == 1
    assert done.versions["torch"] == importlib.metadata.version("torch")
    assert done.costs.pairs == 2 * small_sw.pictures["train"]
    assert done.costs.captions < done.costs.pairs
    assert done.costs.wall_s > 0
    assert done.costs.cpu_s > 0
    assert done.costs.peak_rss_bytes > 400e6
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", done.finished)


def test_metrics_come_as_a_line_a_step_and_one_an_epoch(real: Path) -> None:
    done = record.read(real)
    steps = [line for line in metrics(real) if "step" in line]
    epochs = [line["validation"] for line in metrics(real) if "validation" in line]
    assert [line["step"] for line in steps] == list(range(done.costs.steps))
    assert epochs == done.validation
    assert [e["epoch"] for e in epochs] == [1, 2]
    assert steps[-1]["pairs"] == done.costs.pairs
    for line in steps:
        assert math.isfinite(line["loss"])
        assert line["lr_factor"] == pytest.approx(schedule(line["step"], len(steps), 0.1), abs=1e-6)
        assert 0.001 <= line["temperature"] <= 0.5


def test_training_lowers_the_loss(settings: Settings, tiny: dict[str, str], tmp_path: Path) -> None:
    config = settings(text=tiny["mbert"], strategy="full", projection_init="random", epochs=4)
    loop.train(config, out=tmp_path / "run", progress=False)
    losses = [line["loss"] for line in metrics(tmp_path / "run") if "loss" in line]
    quarter = len(losses) // 4
    assert np.mean(losses[-quarter:]) < 0.8 * np.mean(losses[:quarter])


def test_what_was_trained_on_is_found_again(real: Path, small_sw: Prepared, eyes: VisionTower) -> None:
    rows = data.read_rows(small_sw.folder, "train")
    asked = queries(rows)
    done, model = record.read(real), mlilt.load(real, precision="auto")
    dtype = getattr(torch, done.precision)
    store = features.store_for(done.vision.sha256, eyes.preprocessing, eyes.width, dtype)
    with torch.inference_mode():
        shown = model.dual.encode_image(store.read([row.image_id for row in rows])).numpy()
    rng = np.random.default_rng(0)

    def mrr(text: np.ndarray, image: np.ndarray) -> float:
        return evaluate(rows, asked, text, image, [1] * len(text)).results["all"].text_to_image.mrr.value

    chance = mrr(rng.normal(size=(len(asked.captions), 8)), rng.normal(size=(len(rows), 8)))
    assert mrr(model.encode_text(asked.captions), shown) > 5 * chance


def test_every_query_has_its_rank_on_record(real: Path, small_sw: Prepared) -> None:
    lines = [json.loads(line) for line in (real / record.QUERIES).read_text(encoding="utf-8").splitlines()]
    done = record.read(real).results["sw"]["all"]
    for direction in ("text_to_image", "image_to_text"):
        places = [line["ranks"]["all"] for line in lines if line["direction"] == direction]
        figures = getattr(done, direction)
        assert len(places) == figures.queries
        assert figures.recall_at_5.value == pytest.approx(np.mean(np.array(places) <= 5))
        assert figures.median_rank.value == np.median(places)


@pytest.mark.parametrize("tower", ["xlm-r", "mbert"])
@pytest.mark.parametrize("strategy", strategies.names())
def test_a_run_repeats_bit_for_bit_from_the_settings_it_wrote_and_its_figures_from_its_weights(
    tower: str,
    strategy: str,
    settings: Settings,
    tiny: dict[str, str],
    eyes: VisionTower,
    small_sw: Prepared,
    tmp_path: Path,
) -> None:
    first = loop.train(settings(text=tiny[tower], strategy=strategy), out=tmp_path / "first", progress=False)
    again = configs.read(tmp_path / "first" / record.CONFIG)
    second = loop.train(again, out=tmp_path / "second", progress=False)
    files = [(tmp_path / name / record.WEIGHTS).read_bytes() for name in ("first", "second")]
    assert files[0] == files[1]
    assert first.results == second.results
    assert without_times(metrics(tmp_path / "first")) == without_times(metrics(tmp_path / "second"))
    # Base weights anew, with what the run kept, give the figures of the record: nothing else has moved.
    model = mlilt.load(tmp_path / "first")
    rows = data.read_rows(small_sw.folder, "test")
    asked = queries(rows)
    store = features.store_for(first.vision.sha256, eyes.preprocessing, eyes.width, torch.float32)
    with torch.inference_mode():
        shown = model.dual.encode_image(store.read([row.image_id for row in rows])).numpy()
    evaluation = evaluate(rows, asked, model.encode_text(asked.captions), shown, [1] * len(asked.captions))
    assert {"sw": evaluation.results} == first.results
    assert {"sw": evaluation.examples} == first.examples


def test_another_seed_gives_other_weights(settings: Settings, tiny: dict[str, str], tmp_path: Path) -> None:
    for seed in (0, 1):
        loop.train(settings(text=tiny["mbert"], seed=seed, epochs=1), out=tmp_path / str(seed), progress=False)
    one, other = weights(tmp_path / "0"), weights(tmp_path / "1")
    assert one.keys() == other.keys()
    # The statistics come before training and know no seed.
    assert {n for n in one if one[n] == other[n]} == {
        f"{side}_projection.{part}" for side in ("text", "image") for part in ("mean", "std")
    }


def test_full_training_moves_the_rows_alone_that_the_data_reach(
    settings: Settings, tiny: dict[str, str], tmp_path: Path
) -> None:
    done = loop.train(settings(text=tiny["xlm-r"], strategy="full"), out=tmp_path / "run", progress=False)
    kept = load_file(tmp_path / "run" / record.WEIGHTS)
    base = text.load(tiny["xlm-r"])
    rows, ids = (kept[f"text.encoder.embeddings.word_embeddings.{part}"] for part in ("rows", "ids"))
    start = base.encoder.get_input_embeddings().weight[ids]
    assert len(rows) == len(ids) <= done.trained.embedding_rows < len(base.tokenizer)
    # What is reachable need not have come up within two epochs; what has did move, and most has.
    assert (rows != start).any(1).float().mean() > 0.5
    assert done.trained.count == done.trained.text_total == done.text.parameters


RESUMABLE = [(tower, name) for tower, name in zip(["mbert", "xlm-r"] * 20, strategies.names(), strict=False)]


@pytest.mark.parametrize(("tower", "strategy"), RESUMABLE)
def test_a_stopped_run_of_any_strategy_goes_on_to_the_same_weights(
    tower: str,
    strategy: str,
    settings: Settings,
    tiny: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The start in closed form takes longer than all steps: one of them all does.
    start = "cca" if strategy == "layernorm" else "random"
    config = settings(text=tiny[tower], strategy=strategy, batch_size=64, projection_init=start)
    steps = loop.train(config, out=tmp_path / "whole", progress=False).costs.steps
    stopped = tmp_path / "stopped"
    save = loop.checkpoint.save

    def save_and_stop(*args: Any) -> None:
        save(*args)
        raise KeyboardInterrupt

    # The first step after a start is always kept, so each of these does one step more, past the end of an epoch.
    monkeypatch.setattr(loop.checkpoint, "save", save_and_stop)
    for done in range(1, steps):
        with pytest.raises(KeyboardInterrupt):
            loop.train(config, out=stopped, resume=done > 1, progress=False, checkpoint_every_s=0)
        assert torch.load(stopped / record.CHECKPOINT, weights_only=True)["step"] == done
    monkeypatch.undo()
    # What was measured after the last checkpoint is measured again, not twice.
    with (stopped / record.METRICS).open("a", encoding="utf-8") as file:
        file.write('{"step": 999')
    with pytest.raises(UserError, match=r"holds a run that was stopped\. Go on with it by --resume"):
        loop.train(config, out=stopped, progress=False)
    resumed = loop.train(config, out=stopped, resume=True, progress=False)
    assert weights(stopped) == weights(tmp_path / "whole")
    assert without_times(metrics(stopped)) == without_times(metrics(tmp_path / "whole"))
    assert resumed.validation == record.read(tmp_path / "whole").validation
    assert resumed.costs.pairs == record.read(tmp_path / "whole").costs.pairs


TRAIN = """
import sys
from pathlib import Path
from mlilt import config
from mlilt.training import loop
loop.train(config.read(Path(sys.argv[1])), out=sys.argv[2], progress=False, checkpoint_every_s=0)
"""


def test_a_killed_run_of_the_real_towers_goes_on_to_the_same_weights(real: Path, tmp_path: Path) -> None:
    """The process is killed for real, wherever it happens to be once some steps are done and one is kept."""
    killed = tmp_path / "killed"
    process = subprocess.Popen([sys.executable, "-c", TRAIN, str(real / record.CONFIG), str(killed)])
    try:
        while process.poll() is None:
            lines = (killed / record.METRICS).read_bytes().count(b"\n") if (killed / record.METRICS).exists() else 0
            if lines >= 7 and (killed / record.CHECKPOINT).exists():
                break
            time.sleep(0.02)
    finally:
        process.kill()
        assert process.wait() == -signal.SIGKILL
    assert not (killed / record.RECORD).exists()
    # How far the steps kept go depends on the moment; that it is neither none nor all does not.
    kept = torch.load(killed / record.CHECKPOINT, weights_only=True)["step"]
    total = record.read(real).costs.steps
    assert 0 < kept < total
    loop.train(configs.read(killed / record.CONFIG), out=killed, resume=True, progress=False)
    assert weights(killed) == weights(real)
    assert without_times(metrics(killed)) == without_times(metrics(real))
    assert record.read(killed).results == record.read(real).results


def test_a_finished_run_of_the_same_settings_is_returned_as_it_is(
    settings: Settings, tiny: dict[str, str], tmp_path: Path
) -> None:
    config = settings(text=tiny["mbert"], epochs=1)
    done = loop.train(config, out=tmp_path / "run", progress=False)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").iterdir() if path.name != ".lock"}
    assert loop.train(config, out=tmp_path / "run", resume=True, progress=False) == done
    assert before == {path: path.stat().st_mtime_ns for path in before}
    with pytest.raises(UserError, match=r"run of other settings \(epochs 1 -> 2\)\. Choose another --out, or --force"):
        loop.train(settings(text=tiny["mbert"]), out=tmp_path / "run", progress=False)
    redone = loop.train(settings(text=tiny["mbert"]), out=tmp_path / "run", force=True, progress=False)
    assert isinstance(redone, RunRecord)
    assert record.read(tmp_path / "run").config.epochs == 2


def test_a_run_begun_with_other_base_weights_is_not_gone_on_with_nor_loaded(
    settings: Settings, tiny: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "tower"
    shutil.copytree(tiny["mbert"], own)
    config = settings(text=str(own))

    def stop(*args: Any) -> None:
        raise KeyboardInterrupt

    loop.train(config, out=tmp_path / "whole", progress=False)
    with monkeypatch.context() as patched:
        patched.setattr(loop, "glance", stop)
        with pytest.raises(KeyboardInterrupt):
            # Validation stops the run at the end of its first epoch, with a checkpoint before.
            loop.train(config, out=tmp_path / "stopped", progress=False, checkpoint_every_s=0)
    state = load_file(own / "model.safetensors")
    name = next(n for n in state if n.endswith("layer.0.attention.self.key.weight"))
    state[name].view(torch.int32)[3, 3] ^= 1
    save_file(state, own / "model.safetensors", {"format": "pt"})
    with pytest.raises(UserError, match=r"begun with other data, base weights or settings\. Start anew with --force"):
        loop.train(config, out=tmp_path / "stopped", resume=True, progress=False)
    with pytest.raises(UserError, match=r"The text tower .* is not the one this run was trained on: its digest"):
        mlilt.load(tmp_path / "whole")


@pytest.mark.parametrize("change", ["a key too many", "a key missing", "cut short"])
def test_changed_weights_of_a_run_are_not_loaded(
    change: str, settings: Settings, tiny: dict[str, str], tmp_path: Path
) -> None:
    loop.train(settings(text=tiny["xlm-r"], epochs=1), out=tmp_path / "run", progress=False)
    path = tmp_path / "run" / record.WEIGHTS
    state = load_file(path)
    if change == "cut short":
        path.write_bytes(path.read_bytes()[:-7])
    elif change == "a key missing":
        save_file({n: t for n, t in state.items() if n != "log_scale"}, path)
    else:
        save_file({**state, "more": torch.zeros(1)}, path)
    with pytest.raises(UserError, match="is not what this run wrote"):
        mlilt.load(tmp_path / "run")
    # Loading is strict even where the record was made to agree with the file.
    about = record.read(tmp_path / "run")
    record.write(about.model_copy(update={"weights_sha256": file_digest(path)}), tmp_path / "run")
    said = {
        "a key too many": "more is too many",
        "a key missing": "log_scale is missing",
        "cut short": "cannot be read",
    }
    with pytest.raises(UserError, match=said[change]):
        mlilt.load(tmp_path / "run")


def test_weights_of_another_run_are_not_loaded(settings: Settings, tiny: dict[str, str], tmp_path: Path) -> None:
    for seed in (0, 1):
        loop.train(settings(text=tiny["xlm-r"], epochs=1, seed=seed), out=tmp_path / str(seed), progress=False)
    shutil.copy(tmp_path / "1" / record.WEIGHTS, tmp_path / "0" / record.WEIGHTS)
    with pytest.raises(UserError, match="is not what this run wrote"):
        mlilt.load(tmp_path / "0")


def test_data_prepared_anew_with_other_content_is_noticed(
    settings: Settings, tiny: dict[str, str], small_sw: Prepared, tmp_path: Path
) -> None:
    own = tmp_path / "data"
    shutil.copytree(small_sw.folder, own)
    config = settings(text=tiny["mbert"], epochs=1, data=str(own))
    loop.train(config, out=tmp_path / "run", progress=False)
    manifest = json.loads((own / "mlilt.json").read_text(encoding="utf-8"))
    (own / "mlilt.json").write_text(json.dumps({**manifest, "digest": "0" * 64}), encoding="utf-8")
    with pytest.raises(UserError, match=r"was trained on other data than .*data holds now\. Use --force"):
        loop.train(config, out=tmp_path / "run", progress=False)


def test_what_stands_in_the_way_is_named(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "thesis.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(UserError, match="is there already and is no run of mlilt"):
        loop.train(settings(), out=tmp_path / "own", force=True, progress=False)
    assert (tmp_path / "own" / "thesis.txt").read_text(encoding="utf-8") == "mine"
    (tmp_path / "busy").mkdir()
    with (
        FileLock(tmp_path / "busy" / ".lock"),
        pytest.raises(UserError, match=r"Another process is training .*busy right now"),
    ):
        loop.train(settings(), out=tmp_path / "busy", progress=False)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UserError, match=r"could not be written.*choose another --out"):
        loop.train(settings(), out=tmp_path / "file" / "run", progress=False)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"strategy": "layernrom"}, "Did you mean layernorm"),
        ({"text": "e5-smal"}, "Did you mean e5-small"),
        ({"vision": "efficientnet-lite"}, "Did you mean .*efficientnet-lite0"),
        ({"lang": "yo"}, "holds 'sw', not 'yo'"),
        ({"data": "nowhere"}, r"no data set in nowhere\. Prepare it first: `mlilt prep --lang sw`"),
    ],
)
def test_a_setting_that_names_nothing_is_answered_before_training(
    changes: dict[str, Any], said: str, settings: Settings, workplace: Path
) -> None:
    with pytest.raises(UserError, match=said):
        loop.train(settings(**changes), out=workplace / "run", progress=False)
    assert not (workplace / "run" / record.METRICS).exists()


def test_a_loss_that_is_not_a_number_stops_the_run_with_advice(
    settings: Settings, tiny: dict[str, str], tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"The loss is (nan|inf) at step \d+\. Lower --lr"):
        loop.train(
            settings(text=tiny["mbert"], strategy="full", lr=1e30, warmup=0.0), out=tmp_path / "run", progress=False
        )


def test_the_vision_tower_is_as_it_was(real: Path) -> None:
    assert digest(vision.load(progress=False).model) == record.read(real).vision.sha256


BOTH = [("full", "full"), ("layernorm", "layernorm"), ("lora", "adapter-deep"), ("frozen", "bitfit")]


@pytest.mark.parametrize(("kind", "strategies"), zip(["vit", "cnn", "cnn", "vit"], BOTH, strict=True))
def test_both_towers_train_and_their_run_repeats_resumes_and_loads(
    kind: str,
    strategies: tuple[str, str],
    settings: Settings,
    tiny: dict[str, str],
    tiny_eyes: dict[str, str],
    small_sw: Prepared,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text_strategy, vision_strategy = strategies
    config = settings(
        text=tiny["mbert"],
        vision=tiny_eyes[kind],
        strategy=text_strategy,
        vision_strategy=vision_strategy,
        epochs=1,
        batch_size=32,
        chunk_size=20,
    )
    first = loop.train(config, out=tmp_path / "first", progress=False)
    assert sum(first.trained.vision.values()) > 0
    assert first.trained.count == sum(first.trained.text.values()) + sum(first.trained.vision.values())
    kept = load_file(tmp_path / "first" / record.WEIGHTS)
    moved = {name.removeprefix("vision.model.") for name in kept if name.startswith("vision.")}
    assert moved == set(first.trained.vision)
    start = vision.load(tiny_eyes[kind]).model.state_dict()
    changed = [name for name in moved & set(start) if not torch.equal(kept[f"vision.model.{name}"], start[name])]
    assert len(changed) == len(moved & set(start))
    # Stopped after a step and gone on with: the same bytes.
    save = loop.checkpoint.save

    def save_and_stop(*args: Any) -> None:
        save(*args)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(loop.checkpoint, "save", save_and_stop)
        with pytest.raises(KeyboardInterrupt):
            loop.train(config, out=tmp_path / "second", progress=False, checkpoint_every_s=0)
    second = loop.train(config, out=tmp_path / "second", resume=True, progress=False)
    assert weights(tmp_path / "first") == weights(tmp_path / "second")
    assert first.results == second.results
    # Loaded from base weights and what the run kept, it finds what the record says.
    model = mlilt.load(tmp_path / "first")
    rows = data.read_rows(small_sw.folder, "test")
    asked = queries(rows)
    shown = model.encode_image([picture for _, picture in data.read_pictures(small_sw.folder, "test")])
    again = evaluate(rows, asked, model.encode_text(asked.captions), shown, [1] * len(asked.captions)).results["all"]
    recorded = first.results["sw"]["all"]
    assert again.text_to_image.mrr.value == pytest.approx(recorded.text_to_image.mrr.value, abs=0.01)
    assert again.image_to_text.mrr.value == pytest.approx(recorded.image_to_text.mrr.value, abs=0.01)


def test_a_preset_names_both_towers_strategies(
    settings: Settings, tiny: dict[str, str], tiny_eyes: dict[str, str], workplace: Path
) -> None:
    config = settings(text=tiny["mbert"], vision=tiny_eyes["vit"], strategy="lilt-minus-adapters", epochs=1)
    done = loop.train(config, progress=False)
    assert (done.config.strategy, done.config.vision_strategy) == ("layernorm", "layernorm")
    assert done.name.startswith("sw-layernorm_layernorm-")
    assert all("norm" in name.lower() for name in (*done.trained.text, *done.trained.vision))
    with pytest.raises(UserError, match=r"lilt-minus-adapters is a preset: it sets the vision tower's strategy to"):
        loop.train(settings(strategy="lilt-minus-adapters", vision_strategy="full"), progress=False)


def test_chunks_and_checkpointed_activations_change_memory_and_not_the_weights(
    settings: Settings,
    tiny: dict[str, str],
    tiny_eyes: dict[str, str],
    tmp_path: Path,
    steady: dict[str, float],
    same_weights: Callable[[Path, Path, float], None],
) -> None:
    base = {"text": tiny["xlm-r"], "vision": tiny_eyes["vit"], "strategy": "full", "vision_strategy": "full"}
    runs: dict[str, dict[str, Any]] = {
        "plain": {"chunk_size": 100},
        "chunks": {"chunk_size": 5},
        "checkpointed": {"chunk_size": 100, "activation_checkpointing": True},
        "both": {"chunk_size": 11, "activation_checkpointing": True},
    }
    for name, more in runs.items():
        loop.train(settings(**base, **steady, batch_size=32, epochs=1, **more), out=tmp_path / name, progress=False)
        same_weights(tmp_path / "plain", tmp_path / name, 1e-5)


@pytest.mark.skipif(shutil.which("g++") is None, reason="compiling needs a C++ compiler")
def test_compiled_towers_train_the_same_weights(
    settings: Settings,
    tiny: dict[str, str],
    tmp_path: Path,
    steady: dict[str, float],
    same_weights: Callable[[Path, Path, float], None],
) -> None:
    # In a process of its own: the compiler is particular about what was imported before.
    # Projections start at random: canonical correlation makes more of the towers' own rounding than training does.
    start = {"projection_init": "random", **steady}
    for name, compiled in (("plain", False), ("compiled", True)):
        config = settings(text=tiny["mbert"], epochs=1, batch_size=64, compile=compiled, **start)
        worker.train_alone(config, tmp_path / name, offline=True, progress=False)
    same_weights(tmp_path / "plain", tmp_path / "compiled", 1e-5)


def test_siglip_learns_its_bias_and_the_loss_falls(settings: Settings, tiny: dict[str, str], tmp_path: Path) -> None:
    config = settings(text=tiny["mbert"], objective="siglip", strategy="full", projection_init="random", epochs=4)
    done = loop.train(config, out=tmp_path / "run", progress=False)
    assert done.trained.scalars == 2
    kept = load_file(tmp_path / "run" / record.WEIGHTS)
    assert float(kept["bias"]) != -10
    losses = [line["loss"] for line in metrics(tmp_path / "run") if "loss" in line]
    assert np.mean(losses[-4:]) < np.mean(losses[:4])
    assert mlilt.load(tmp_path / "run").dual.bias == kept["bias"]


def test_languages_train_together_and_are_evaluated_each_by_itself(
    settings: Settings, tiny: dict[str, str], small_sw: Prepared, tmp_path: Path
) -> None:
    shutil.copytree(small_sw.folder, tmp_path / "data" / "sw")
    prepared = mlilt.prepare("yo", limit=25, out=tmp_path / "data" / "yo", progress=False)
    config = settings(text=tiny["xlm-r"], lang="sw+yo", data=str(tmp_path / "data"), language_temperature=5.0)
    done = loop.train(config, out=tmp_path / "run", progress=False)
    assert set(done.results) == set(done.examples) == {"sw", "yo"}
    assert done.data_pictures["train"] == small_sw.pictures["train"] + prepared.pictures["train"]
    lines = [json.loads(line) for line in (tmp_path / "run" / record.QUERIES).read_text(encoding="utf-8").splitlines()]
    for lang in ("sw", "yo"):
        asked = queries(data.read_rows(tmp_path / "data" / lang, "test"))
        assert [
            line["query"] for line in lines if (line["language"], line["direction"]) == (lang, "text_to_image")
        ] == (asked.captions)
        assert done.results[lang]["all"].text_to_image.queries == len(asked.captions)


def test_a_bridge_draws_captions_to_their_english_ones(
    settings: Settings, tiny: dict[str, str], small_sw: Prepared, tmp_path: Path
) -> None:
    base = {"text": tiny["mbert"], "strategy": "full", "epochs": 4, "lr": 1e-3}
    loop.train(settings(**base), out=tmp_path / "without", progress=False)
    loop.train(settings(**base, bridge="en", bridge_weight=1.0), out=tmp_path / "with", progress=False)
    rows = [row for row in data.read_rows(small_sw.folder, "train") if row.captions_en]
    pairs = list(dict.fromkeys((row.captions[0], row.captions_en[0]) for row in rows))

    def agreement(name: str) -> float:
        model = mlilt.load(tmp_path / name)
        own, english = (model.encode_text([pair[side] for pair in pairs]) for side in (0, 1))
        scores = own @ english.T
        return float((scores.argmax(1) == np.arange(len(pairs))).mean())

    assert agreement("with") > agreement("without") + 0.1


@pytest.mark.parametrize("tower", ["xlm-r", "mbert"])
def test_a_trimmed_vocabulary_gives_the_same_run(
    tower: str, settings: Settings, tiny: dict[str, str], tmp_path: Path
) -> None:
    done = {}
    for name, trim in (("whole", False), ("trimmed", True)):
        config = settings(text=tiny[tower], strategy="layernorm", trim_vocab=trim, epochs=1)
        done[name] = loop.train(config, out=tmp_path / name, progress=False)
    assert done["trimmed"].vocabulary <= done["whole"].vocabulary
    assert done["trimmed"].text.sha256 == done["whole"].text.sha256
    whole, trimmed = (load_file(tmp_path / name / record.WEIGHTS) for name in done)
    assert len(trimmed.pop("text.kept")) == done["trimmed"].vocabulary
    assert whole.keys() == trimmed.keys()
    for name in whole:
        torch.testing.assert_close(trimmed[name], whole[name], rtol=0, atol=1e-5)
    captions = ["mbwa", "uso wenye tabasamu"]
    vectors = [mlilt.load(tmp_path / name).encode_text(captions) for name in done]
    np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-4)


def test_a_small_set_is_seen_more_often_to_have_its_steps(
    settings: Settings, tiny: dict[str, str], tmp_path: Path
) -> None:
    config = settings(text=tiny["mbert"], concepts=20, batch_size=16, epochs=2, min_steps=9)
    done = loop.train(config, out=tmp_path / "run", progress=False)
    an_epoch = done.costs.captions / (done.costs.steps / -(-20 // 16))
    assert done.costs.steps == 10
    assert done.costs.captions == 5 * an_epoch
    assert done.validation[-1]["epoch"] == 5


def test_a_budget_ends_training_when_it_is_spent_and_not_before(
    settings: Settings, tiny: dict[str, str], tmp_path: Path
) -> None:
    config = settings(text=tiny["mbert"], epochs=1, budget_s=0.7)
    done = loop.train(config, out=tmp_path / "run", progress=False)
    lines = [line for line in metrics(tmp_path / "run") if "loss" in line]
    assert done.costs.steps == len(lines) >= 1
    assert done.costs.wall_s >= 0.7
    # Warm-up and decay go by the time spent before each step, which is on record in milliseconds.
    for line, spent in zip(lines, [0.0, *(line["wall_s"] for line in lines)], strict=False):
        assert spent <= 0.7
        by_time = schedule(min(999, int(1000 * spent / 0.7)), 1000, config.warmup)
        assert line["lr_factor"] == pytest.approx(by_time, abs=0.02)


def test_training_more_takes_more_operations(settings: Settings, tiny: dict[str, str], tmp_path: Path) -> None:
    counted = {}
    for strategy in ("frozen", "layernorm", "full"):
        config = settings(text=tiny["mbert"], strategy=strategy, epochs=1)
        counted[strategy] = loop.train(config, out=tmp_path / strategy, progress=False).costs.flops_per_pair
    assert None not in counted.values()
    assert counted["frozen"] < counted["layernorm"] < counted["full"]  # type: ignore[operator]


def test_a_run_can_be_watched_and_what_is_seen_is_what_was_measured(
    settings: Settings, tiny: dict[str, str], tmp_path: Path
) -> None:
    event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    done = loop.train(settings(text=tiny["mbert"]), out=tmp_path / "run", progress=False, track=["tensorboard"])
    seen = event_accumulator.EventAccumulator(str(tmp_path / "run" / record.TRACKING / "tensorboard")).Reload()
    losses = {line["step"]: line["loss"] for line in metrics(tmp_path / "run") if "loss" in line}
    assert {event.step: pytest.approx(event.value) for event in seen.Scalars("loss")} == losses
    shown = [event.value for event in seen.Scalars("validation/text_to_image_recall_at_10")]
    assert shown == pytest.approx([figures["text_to_image_recall_at_10"] for figures in done.validation])
    # A finished run is found as it is, and begun anew without its old logs.
    assert loop.train(settings(text=tiny["mbert"]), out=tmp_path / "run", progress=False) == done
    loop.train(settings(text=tiny["mbert"]), out=tmp_path / "run", progress=False, force=True)
    assert not (tmp_path / "run" / record.TRACKING).exists()


def test_a_tracker_that_is_not_there_is_told_before_any_work(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Did you mean tensorboard"):
        loop.train(settings(), out=tmp_path / "run", progress=False, track=["tensorbord"])
    assert not (tmp_path / "run").exists()


def test_energy_is_on_record_with_how_it_is_known(
    settings: Settings, tiny: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counters laid out as Linux has RAPL's, that count a joule at each look."""
    rapl = tmp_path / "powercap" / "intel-rapl:0"
    rapl.mkdir(parents=True)
    (rapl / "name").write_text("package-0\n")
    (rapl / "max_energy_range_uj").write_text(f"{2**40}\n")
    (rapl / "energy_uj").write_text("0\n")
    steps = []

    class Counting(loop.EnergyMeter):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs, powercap=tmp_path / "powercap")

        def stop(self) -> Any:
            if self._running:
                (rapl / "energy_uj").write_text(f"{int((rapl / 'energy_uj').read_text()) + 3_600_000}\n")
                steps.append(1)
            return super().stop()

    monkeypatch.setattr(loop, "EnergyMeter", Counting)
    done = loop.train(settings(text=tiny["mbert"]), out=tmp_path / "run", progress=False)
    assert done.costs.energy_source == "RAPL"
    assert done.costs.energy_kwh == pytest.approx(1e-6 * len(steps))
