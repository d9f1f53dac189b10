"""Trains one run from its settings: everything between a prepared data set and a finished run folder."""

from __future__ import annotations

import datetime
import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock, Timeout
from numpy.typing import NDArray
from torch import Tensor, nn

from data_prep.errors import UserError
from data_prep.progress import Bar, bar
from mlilt import config as configs
from mlilt import data, learned, record, strategies
from mlilt.alignment.canonical_correlation import canonical_correlation
from mlilt.alignment.dual_encoder import DualEncoder
from mlilt.alignment.objectives import info_nce, positives
from mlilt.config import RunConfig
from mlilt.model import assemble, encode_captions
from mlilt.record import Costs, RunRecord, Tower, Trained
from mlilt.strategies import Account
from mlilt.towers import embedding_rows, text, vision
from mlilt.towers.text import TextTower
from mlilt.towers.vision import VisionTower
from mlilt.training import checkpoint, features, folders
from mlilt.training.batching import Batch, Batcher
from mlilt.training.device import (
    PeakMemory,
    choose_device,
    choose_precision,
    machine,
    make_repeatable,
    store_frozen,
    versions,
)
from mlilt.training.evaluate import Queries, evaluate, glance, queries
from mlilt.training.resolve import resolve

# Learning rates end at this share of their peak.
FINAL_LR = 0.01
# More pairs than this make the closed-form start slower, not better.
WARM_START_ENTRIES = 5000


@dataclass(slots=True)
class _Totals:
    """What a run has taken so far, over all resumptions."""

    wall_s: float = 0.0
    cpu_s: float = 0.0
    pairs: int = 0
    captions: int = 0
    peak_rss: int = 0
    peak_cuda: int = 0
    validation: list[dict[str, float]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Split:
    """A split with its image features."""

    rows: list[data.Row]
    features: Tensor


def train(
    config: RunConfig,
    out: Path | str | None = None,
    resume: bool = False,
    force: bool = False,
    offline: bool = False,
    progress: bool = True,
    checkpoint_every_s: float = 15.0,
) -> RunRecord:
    """Trains and evaluates one run.

    Args:
        config: its settings.
        out: the run's folder; `runs/<name>` by default. A finished run of the same settings is returned as it is.
        resume: go on with a run that was stopped; on one device the final weights are the same, bit for bit.
        force: start anew whatever the folder holds of an earlier run.
        offline: use only what is on this machine.
        progress: show progress bars.
        checkpoint_every_s: seconds between checkpoints.

    Raises:
        UserError: unknown names, no prepared data set, weights that cannot be had, a folder with something else, a
            full disk; the message says what to do.
    """
    folder = Path(out) if out is not None else folders.default(config)
    config = resolve(config)
    manifest = data.manifest(config.data_folder, config.lang)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock", timeout=0):
            done = folders.existing(folder, config, str(manifest["digest"]), resume, force)
            if done is not None:
                return done
            return _Run(config, folder, manifest, offline, progress, checkpoint_every_s).go()
    except Timeout as error:
        raise UserError(
            f"Another process is training {folder} right now. Wait for it, or choose another --out."
        ) from error
    except OSError as error:
        raise UserError(
            f"{folder} could not be written: {error}. Free some space or choose another --out; then go on with "
            "--resume."
        ) from error


class _Run:
    """One run, from towers to record. Each method is one stage."""

    def __init__(
        self,
        config: RunConfig,
        folder: Path,
        manifest: dict[str, Any],
        offline: bool,
        progress: bool,
        checkpoint_every_s: float,
    ) -> None:
        self.config = config
        self.folder = folder
        self.manifest = manifest
        self.offline = offline
        self.progress = progress
        self.checkpoint_every_s = checkpoint_every_s
        self.device = choose_device(config.device)
        self.dtype = choose_precision(config.precision, self.device)
        self.totals = _Totals()

    def go(self) -> RunRecord:
        """Runs all stages."""
        started = time.perf_counter()
        memory = PeakMemory(self.device)
        make_repeatable(self.device, self.config.seed)
        tower = text.load(self.config.text, offline=self.offline, progress=self.progress)
        text_about = _about(self.config.text, tower, tower.encoder)
        eyes = vision.load(self.config.vision, offline=self.offline, progress=self.progress)
        vision_about = _about(self.config.vision, eyes, eyes.model)
        # Not before: a tower that cannot be had should leave nothing behind.
        configs.write(self.config, self.folder / record.CONFIG)
        splits = self._features(eyes, vision_about.sha256)
        dual, account = assemble(self.config, tower, eyes.width)
        batcher = self._batcher(tower, splits["train"])
        rows = self._reduce_embedding(tower, batcher)
        base = {"text": text_about.sha256, "vision": vision_about.sha256, "data": str(self.manifest["digest"])}
        begun_with = {**base, "config": json.dumps(self.config.outcome(), sort_keys=True)}
        state = self._checkpoint(begun_with)
        store_frozen(dual.text, self.dtype)
        dual.to(self.device)
        if state is None:
            self._warm_start(dual, splits["train"], batcher)
        setup_s = time.perf_counter() - started
        self._train(dual, batcher, splits, begun_with, state, memory)
        started = time.perf_counter()
        test = splits["test"]
        asked = queries(test.rows)
        evaluation = evaluate(test.rows, asked, *self._embed(dual, test, asked))
        evaluation_s = time.perf_counter() - started
        saved = learned.save_weights(dual, self.folder / record.WEIGHTS, {**base, "format": "1"})
        with (self.folder / record.QUERIES).open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in evaluation.ranks)
        done = RunRecord(
            name=self.folder.name,
            finished=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            config=self.config,
            data_sha256=base["data"],
            data_pictures=self.manifest["pictures"],
            text=text_about,
            vision=vision_about,
            trained=_trained(dual, account, rows),
            weights_sha256=learned.file_digest(self.folder / record.WEIGHTS),
            device=self.device.type,
            precision=str(self.dtype).removeprefix("torch."),
            machine=machine(),
            versions=versions(),
            costs=Costs(
                wall_s=self.totals.wall_s,
                cpu_s=self.totals.cpu_s,
                setup_s=setup_s,
                evaluation_s=evaluation_s,
                pairs=self.totals.pairs,
                captions=self.totals.captions,
                steps=batcher.steps * self.config.epochs,
                peak_rss_bytes=max(memory.rss(), self.totals.peak_rss),
                peak_cuda_bytes=max(memory.cuda() or 0, self.totals.peak_cuda) or None,
                saved_bytes=saved,
            ),
            validation=self.totals.validation,
            results=evaluation.results,
            examples=evaluation.examples,
        )
        record.write(done, self.folder)
        checkpoint.remove(self.folder)
        return done

    def _features(self, eyes: VisionTower, sha256: str) -> dict[str, _Split]:
        """Reads each split and its features, computing those that no run has computed yet."""
        folder = self.config.data_folder
        rows = {split: data.read_rows(folder, split) for split in data.SPLITS}
        for split in ("train", "test"):
            if len({row.concept for row in rows[split]}) < 2:
                raise UserError(f"{folder} has fewer than two concepts in its {split} split. Prepare more of them.")
        store = features.store_for(sha256, eyes.preprocessing, eyes.width, self.dtype)
        missing = {row.image_id for split in rows.values() for row in split} - set(store.place())
        if missing:

            def pictures() -> Iterator[tuple[str, bytes]]:
                left = set(missing)
                for split in data.SPLITS:
                    for image_id, picture in data.read_pictures(folder, split, missing):
                        if image_id in left:
                            left.discard(image_id)
                            yield image_id, picture

            features.ensure(store, eyes, pictures(), len(missing), self.device, self.dtype, self.progress)
        return {split: _Split(r, store.read([row.image_id for row in r])) for split, r in rows.items()}

    def _batcher(self, tower: TextTower, train: _Split) -> Batcher:
        return Batcher(
            entries=data.entries(train.rows),
            tokenize=tower.tokenize,
            batch_size=self.config.batch_size,
            pictures_per_caption=self.config.pictures_per_caption,
            keyword_share=self.config.keyword_share,
            seed=self.config.seed,
        )

    def _reduce_embedding(self, tower: TextTower, batcher: Batcher) -> int | None:
        """Where the word embedding trains: trains the rows alone that the data can reach. Returns how many."""
        if embedding_rows.word_embedding(tower.encoder) is None:
            return None
        reachable = batcher.reachable_tokens()
        embedding_rows.train_rows(tower.encoder, torch.tensor(reachable))
        return len(reachable)

    def _checkpoint(self, begun_with: dict[str, str]) -> dict[str, Any] | None:
        state = checkpoint.read(self.folder)
        if state is not None and state["base"] != begun_with:
            raise UserError(
                f"{self.folder} was begun with other data, base weights or settings. Start anew with --force."
            )
        return state

    def _warm_start(self, dual: DualEncoder, train: _Split, batcher: Batcher) -> None:
        """Sets the projections' statistics, and starts them from canonical correlation analysis if so configured."""
        random = np.random.default_rng(self.config.seed)
        chosen = batcher.entries
        if len(chosen) > WARM_START_ENTRIES:
            chosen = [chosen[i] for i in sorted(random.choice(len(chosen), WARM_START_ENTRIES, replace=False))]
        captions = encode_captions(dual, [entry.captions[0] for entry in chosen], self.dtype, projected=False)
        owner = [n for n, entry in enumerate(chosen) for _ in entry.rows]
        pictures = train.features[[row for entry in chosen for row in entry.rows]]
        dual.text_projection.fit(captions.to(self.device))
        dual.image_projection.fit(pictures.to(self.device))
        if self.config.projection_init == "random":
            return
        weights = canonical_correlation(
            dual.text_projection.standardize(captions.to(self.device))[owner].cpu(),
            dual.image_projection.standardize(pictures.to(self.device)).cpu(),
            self.config.dim,
        )
        with torch.no_grad():
            dual.text_projection.weight.copy_(weights[0])
            dual.image_projection.weight.copy_(weights[1])

    def _optimizer(self, dual: DualEncoder) -> torch.optim.Optimizer:
        tower_lr = self.config.lr
        assert tower_lr is not None, "settings are resolved"
        embeddings = {
            id(p)
            for module in dual.modules()
            if isinstance(module, nn.Embedding | embedding_rows.EmbeddingRows)
            for p in module.parameters(recurse=False)
        }
        groups: dict[tuple[float, float], list[nn.Parameter]] = {}
        for name, parameter in strategies.trained_parameters(dual).items():
            lr = tower_lr if name.startswith("text.") else self.config.projection_lr
            decayed = parameter.ndim > 1 and id(parameter) not in embeddings
            groups.setdefault((lr, self.config.weight_decay if decayed else 0.0), []).append(parameter)
        return torch.optim.AdamW(
            [{"params": g, "lr": lr, "peak_lr": lr, "weight_decay": decay} for (lr, decay), g in groups.items()],
            fused=True,
        )

    def _train(
        self,
        dual: DualEncoder,
        batcher: Batcher,
        splits: dict[str, _Split],
        begun_with: dict[str, str],
        state: dict[str, Any] | None,
        memory: PeakMemory,
    ) -> None:
        """All epochs, from a checkpoint if there is one."""
        optimizer = self._optimizer(dual)
        image_number = {i: n for n, i in enumerate(dict.fromkeys(row.image_id for row in splits["train"].rows))}
        images = torch.tensor([image_number[row.image_id] for row in splits["train"].rows])
        metrics = self.folder / record.METRICS
        first = 0
        if state is None:
            metrics.write_bytes(b"")
        else:
            learned.load_learned(dual, state["learned"])
            optimizer.load_state_dict(state["optimizer"])
            first = state["step"]
            self.totals = _Totals(**state["totals"])
            # What was measured after the checkpoint is measured again.
            with metrics.open("r+b") as file:
                file.truncate(state["metrics_bytes"])
        total = batcher.steps * self.config.epochs
        saved_at = time.perf_counter()
        save_cost = 0.0
        step = first

        def keep() -> None:
            nonlocal saved_at, save_cost
            begun = time.perf_counter()
            self.totals.peak_rss = max(self.totals.peak_rss, memory.rss())
            self.totals.peak_cuda = max(self.totals.peak_cuda, memory.cuda() or 0)
            checkpoint.save(
                self.folder,
                {
                    "step": step,
                    "base": begun_with,
                    "learned": learned.learned(dual),
                    "optimizer": optimizer.state_dict(),
                    "totals": {name: getattr(self.totals, name) for name in _Totals.__slots__},
                    "metrics_bytes": metrics.stat().st_size,
                },
            )
            saved_at = time.perf_counter()
            save_cost = saved_at - begun

        pairs = sum(len(entry.rows) for entry in batcher.entries) * self.config.epochs
        label = f"Training {self.config.lang} {self.config.strategy}"
        with bar(label, pairs, unit="pairs", show=self.progress) as running:
            running.advance(self.totals.pairs)
            for epoch in range(first // batcher.steps, self.config.epochs):
                batches = batcher.epoch(epoch)
                for place, batch in enumerate(batches):
                    if epoch * batcher.steps + place < step:
                        continue
                    self._step(dual, optimizer, batch, splits["train"].features, images, step, total, running)
                    step += 1
                    last = place == len(batches) - 1
                    if last:
                        self._validate(dual, splits["validation"], epoch, step)
                    # A checkpoint may take a twentieth of the time at most.
                    pause = max(self.checkpoint_every_s, 20 * save_cost)
                    if step < total and time.perf_counter() - saved_at >= pause:
                        keep()
            if step == total:
                keep()

    def _step(
        self,
        dual: DualEncoder,
        optimizer: torch.optim.Optimizer,
        batch: Batch,
        pictures: Tensor,
        images: Tensor,
        step: int,
        total: int,
        running: Bar,
    ) -> None:
        """One batch: forward, backward, update, and a line of metrics."""
        wall, cpu = time.perf_counter(), time.process_time()
        factor = schedule(step, total, self.config.warmup)
        for group in optimizer.param_groups:
            group["lr"] = group["peak_lr"] * factor
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
            captions = dual.encode_text(batch.tokens)
        shown = dual.encode_image(pictures[batch.pictures].to(self.device))
        right = positives(
            torch.tensor(batch.owners),
            torch.tensor(batch.concepts),
            torch.tensor(batch.captions),
            images[batch.pictures],
        )
        loss = info_nce(dual.logits(captions, shown), right.to(self.device))
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimizer.step()
        dual.clamp_temperature()
        value = float(loss.detach())
        if not math.isfinite(value):
            raise UserError(f"The loss is {value} at step {step}. Lower --lr, or use --precision fp32.")
        self.totals.wall_s += time.perf_counter() - wall
        self.totals.cpu_s += time.process_time() - cpu
        self.totals.pairs += len(batch.owners)
        self.totals.captions += len(batch.tokens)
        self._log(
            {
                "step": step,
                "loss": round(value, 6),
                "temperature": round(dual.temperature, 6),
                "lr_factor": round(factor, 6),
                "pairs": self.totals.pairs,
                "captions": self.totals.captions,
                "wall_s": round(self.totals.wall_s, 3),
            }
        )
        running.advance(len(batch.owners), note=f"loss {value:.3f}")

    def _validate(self, dual: DualEncoder, split: _Split, epoch: int, step: int) -> None:
        """Recall on the validation split: to be watched, never to choose by."""
        asked = queries(split.rows)
        if len(asked.captions) < 2:
            return
        figures = {"epoch": float(epoch + 1), "step": float(step)} | glance(
            split.rows, asked, *self._embed(dual, split, asked)
        )
        self.totals.validation.append(figures)
        self._log({"validation": figures})

    def _embed(self, dual: DualEncoder, split: _Split, asked: Queries) -> tuple[NDArray[Any], NDArray[Any]]:
        """Embeddings of a split's queries and pictures."""
        captions = encode_captions(dual, asked.captions, self.dtype).numpy()
        with torch.inference_mode():
            return captions, dual.encode_image(split.features.to(self.device)).cpu().numpy()

    def _log(self, line: dict[str, Any]) -> None:
        with (self.folder / record.METRICS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def schedule(step: int, total: int, warmup: float) -> float:
    """Learning rate as a share of its peak: linear warm-up, then a cosine down to `FINAL_LR`."""
    rising = max(1, round(warmup * total))
    if step < rising:
        return (step + 1) / rising
    place = (step - rising) / max(1, total - rising)
    return FINAL_LR + (1 - FINAL_LR) * (1 + math.cos(math.pi * place)) / 2


def _about(name: str, tower: TextTower | VisionTower, module: nn.Module) -> Tower:
    return Tower(name=name, sha256=tower.digest(), parameters=sum(p.numel() for p in module.parameters()))


def _trained(dual: DualEncoder, account: Account, rows: int | None) -> Trained:
    return Trained(
        tower=account.trained,
        tower_total=account.total,
        projections=dual.text_projection.weight.numel() + dual.image_projection.weight.numel(),
        embedding_rows=rows,
    )
