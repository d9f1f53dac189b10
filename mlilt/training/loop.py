"""Trains one run from its settings: everything between a prepared data set and a finished run folder."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
import math
import os
import sys
import time
from collections.abc import Iterator, Sequence
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
from mlilt.config import RunConfig
from mlilt.model import assemble, encode_captions, trim
from mlilt.record import Costs, RunRecord, Tower, Trained
from mlilt.strategies import Account
from mlilt.towers import embedding_rows, text, trimming, vision
from mlilt.towers.text import TextTower
from mlilt.towers.vision import VisionTower
from mlilt.training import activations, checkpoint, checks, corpus, distributed, features, folders, trackers
from mlilt.training.batching import Batch, Batcher
from mlilt.training.corpus import Corpus, Split
from mlilt.training.device import (
    PeakMemory,
    choose_device,
    choose_precision,
    is_out_of_memory,
    machine,
    make_repeatable,
    store_frozen,
    versions,
)
from mlilt.training.distributed import World
from mlilt.training.energy import Energy, EnergyMeter
from mlilt.training.evaluate import Evaluation, Queries, evaluate, glance, queries
from mlilt.training.flops import Flops
from mlilt.training.lanes import Lanes
from mlilt.training.optimizer import optimizer, schedule
from mlilt.training.pictures import Pictures, Pixels
from mlilt.training.resolve import resolve
from mlilt.training.step import Step
from mlilt.training.trackers import Tracking

# More pairs than this make the closed-form start slower, not better.
WARM_START_ENTRIES = 5000
MOST_VALIDATIONS = 20


@dataclass(slots=True)
class _Totals:
    """What a run has taken so far, over all resumptions."""

    wall_s: float = 0.0
    cpu_s: float = 0.0
    pairs: int = 0
    captions: int = 0
    steps: int = 0
    flops: int = 0
    flops_pairs: int = 0
    energy_kwh: float | None = None
    energy_source: str | None = None
    peak_rss: int = 0
    peak_cuda: int = 0
    validation: list[dict[str, float]] = field(default_factory=list)


def train(
    config: RunConfig,
    out: Path | str | None = None,
    resume: bool = False,
    force: bool = False,
    offline: bool = False,
    progress: bool = True,
    checkpoint_every_s: float = 15.0,
    track: Sequence[str] = (),
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
        track: programs that show the run live: tensorboard, wandb, trackio.

    Started by torchrun in several processes, all of them train this run together.

    Raises:
        UserError: unknown names, no prepared data set, settings that do not fit it, weights that cannot be had, a
            folder with something else, a full disk; the message says what to do.
    """
    device = choose_device(config.device, distributed.local_rank())
    with contextlib.ExitStack() as stack:
        world = stack.enter_context(distributed.join(device))
        world.told(lambda: trackers.check(track))
        config = world.told(lambda: resolve(config))
        folder = Path(out) if out is not None else folders.default(config)
        try:
            done = world.told(lambda: _begin(config, folder, resume, force, stack))
            if done is not None:
                return done
            run = _Run(
                config, folder, device, world, force, offline, progress and world.first, checkpoint_every_s, track
            )
            return run.go()
        except OSError as error:
            raise _unwritable(folder, error) from error


def check(config: RunConfig, offline: bool = False, processes: int = 1) -> Corpus:
    """Finds what is wrong with resolved settings before any weight is loaded; returns the data, read.

    Raises:
        UserError: no prepared data, strategies that do not fit the towers, a batch that does not fit the data or
            cannot be shared.
    """
    checks.check_processes(config, processes)
    found = corpus.read(config)
    checks.check_batch(config, _batcher(config, found))
    checks.check_strategies(config, offline)
    return found


def captions(config: RunConfig, found: Corpus) -> int:
    """How many captions an epoch has."""
    return _batcher(config, found).captions


def _begin(config: RunConfig, folder: Path, resume: bool, force: bool, stack: contextlib.ExitStack) -> RunRecord | None:
    """Locks the run's folder and looks what it holds: the record of a finished run, or None."""
    sha256 = corpus.digest(config)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stack.enter_context(FileLock(folder / ".lock", timeout=0))
        return folders.existing(folder, config, sha256, resume, force)
    except Timeout as error:
        raise UserError(
            f"Another process is training {folder} right now. Wait for it, or choose another --out."
        ) from error
    except OSError as error:
        raise _unwritable(folder, error) from error


# How the error of a batch that is too large begins.
TOO_LARGE = "There is not enough memory"


def _too_large(config: RunConfig, device: torch.device) -> UserError:
    chunk = min(config.chunk_size or config.batch_size, config.batch_size)
    lower = f"--chunk-size {max(1, chunk // 2)}" if chunk > 1 else "another --text or --vision"
    spare = "" if config.activation_checkpointing else ", or --activation-checkpointing, which keeps less"
    return UserError(
        f"{TOO_LARGE} on {device} for {chunk} captions or pictures at a time. Lower that by {lower} (a "
        f"batch of {config.batch_size} stays what it is, and so do its gradients){spare}, and start anew with --force."
    )


def _unwritable(folder: Path, error: OSError) -> UserError:
    return UserError(
        f"{folder} could not be written: {error}. Free some space or choose another --out; then go on with --resume."
    )


class _Run:
    """One run, from towers to record. Each method is one stage.

    Of several processes the first alone reads and writes the run's folder.
    """

    def __init__(
        self,
        config: RunConfig,
        folder: Path,
        device: torch.device,
        world: World,
        force: bool,
        offline: bool,
        progress: bool,
        checkpoint_every_s: float,
        track: Sequence[str],
    ) -> None:
        self.config = config
        self.folder = folder
        self.device = device
        self.world = world
        self.force = force
        self.offline = offline
        self.progress = progress
        self.checkpoint_every_s = checkpoint_every_s
        self.dtype = choose_precision(config.precision, device)
        self.track = track if world.first else ()
        self.tracking = Tracking()
        self.totals = _Totals()
        self.eyes: VisionTower
        self.energy: EnergyMeter

    def go(self) -> RunRecord:
        """Runs all stages."""
        started = time.perf_counter()
        memory = PeakMemory(self.device)
        make_repeatable(self.device, self.config.seed)
        found = self._read()
        # Of training steps, counted in the first process for all of its machine.
        self.energy = EnergyMeter(self.device, gpus=int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
        eyes = vision.load(self.config.vision, offline=self.offline, progress=self.progress)
        vision_about = _about(self.config.vision, eyes, eyes.model)
        with self._features(eyes, vision_about.sha256, found) as store:
            tower = text.load(self.config.text, offline=self.offline, progress=self.progress)
            text_about = _about(self.config.text, tower, tower.encoder)
            tower = self._trimmed(tower, found)
            # Compiled, a row of other lengths each time would be a new program each time.
            tower.settle(self.device, packed=not (self.config.compile and self.config.strategy != configs.FROZEN))
            batcher = dataclasses.replace(_batcher(self.config, found), tokenize=tower.tokenize)
            # Not before: settings that do not fit, or a tower that cannot be had, should leave all as it was.
            if self.world.first:
                if self.force:
                    folders.clear(self.folder)
                configs.write(self.config, self.folder / record.CONFIG)
        dual, text_account, vision_account = assemble(self.config, tower, eyes)
        self.eyes = eyes
        rows = self._reduce_embedding(tower, batcher)
        base = {"text": text_about.sha256, "vision": vision_about.sha256, "data": found.sha256}
        begun_with = {**base, "config": json.dumps(self.config.outcome(), sort_keys=True)}
        state = self.world.told(lambda: self._checkpoint(begun_with))
        self._place(dual)
        if state is None:
            self._warm_start(dual, found.train, store, batcher)
        else:
            learned.load_learned(dual, state["learned"])
        # What was computed for itself may differ in its last bits from process to process.
        self.world.share(list(learned.learned(dual).values()))
        setup_s = time.perf_counter() - started
        first = state["step"] if state else 0
        shown = self.config.outcome()
        with trackers.start(self.track, self.folder, self.folder.name, shown, first, self.offline) as self.tracking:
            for note in self.tracking.notes if self.progress else ():
                print(note, file=sys.stderr)
            self._train(dual, batcher, found, store, begun_with, state, memory)
            return self.world.told(
                lambda: self._finish(
                    dual,
                    found,
                    store,
                    base,
                    text_about,
                    vision_about,
                    text_account,
                    vision_account,
                    rows,
                    memory,
                    setup_s,
                )
            )

    def _finish(
        self,
        dual: DualEncoder,
        found: Corpus,
        store: features.FeatureStore,
        base: dict[str, str],
        text_about: Tower,
        vision_about: Tower,
        text_account: Account,
        vision_account: Account,
        rows: int | None,
        memory: PeakMemory,
        setup_s: float,
    ) -> RunRecord:
        """Evaluates, and writes what a finished run leaves behind."""
        started = time.perf_counter()
        evaluations: dict[str, Evaluation] = {}
        for code, split in found.test.items():
            asked = queries(split.rows)
            tokens = [len(ids) for ids in dual.text.tokenize(asked.captions)]  # type: ignore[operator]
            evaluations[code] = evaluate(split.rows, asked, *self._embed(dual, split, store, asked), tokens)
        evaluation_s = time.perf_counter() - started
        saved = learned.save_weights(dual, self.folder / record.WEIGHTS, {**base, "format": "1"})
        with (self.folder / record.QUERIES).open("w", encoding="utf-8") as file:
            file.writelines(
                json.dumps({"language": code, **line}, ensure_ascii=False) + "\n"
                for code, evaluation in evaluations.items()
                for line in evaluation.lines
            )
        done = RunRecord(
            name=self.folder.name,
            finished=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            config=self.config,
            data_sha256=base["data"],
            data_pictures=found.pictures,
            text=text_about,
            vision=vision_about,
            vocabulary=_vocabulary(dual.text),
            trained=_trained(dual, text_account, vision_account, rows),
            weights_sha256=learned.file_digest(self.folder / record.WEIGHTS),
            temperature=dual.temperature,
            device=self.device.type,
            precision=str(self.dtype).removeprefix("torch."),
            processes=self.world.size,
            machine=machine(),
            versions=versions(),
            costs=Costs(
                wall_s=self.totals.wall_s,
                cpu_s=self.totals.cpu_s,
                setup_s=setup_s,
                evaluation_s=evaluation_s,
                pairs=self.totals.pairs,
                captions=self.totals.captions,
                steps=self.totals.steps,
                peak_rss_bytes=max(memory.rss(), self.totals.peak_rss),
                peak_cuda_bytes=max(memory.cuda() or 0, self.totals.peak_cuda) or None,
                saved_bytes=saved,
                flops_per_pair=Flops(self.totals.flops, self.totals.flops_pairs).per_pair(self.world.size),
                energy_kwh=self.totals.energy_kwh,
                energy_source=self.totals.energy_source,
            ),
            validation=self.totals.validation,
            results={code: evaluation.results for code, evaluation in evaluations.items()},
            examples={code: evaluation.examples for code, evaluation in evaluations.items()},
            confusions={code: evaluation.confusions for code, evaluation in evaluations.items()},
        )
        record.write(done, self.folder)
        for code, evaluation in evaluations.items():
            reached = evaluation.results["all"].text_to_image
            self.tracking.summary[f"test/{code}/text_to_image_recall_at_10"] = reached.recall_at_10.value
        checkpoint.remove(self.folder)
        return done

    def _read(self) -> Corpus:
        """The data. The first process checks settings and data for all."""
        read: list[Corpus] = []
        self.world.told(lambda: read.append(check(self.config, self.offline, self.world.size)))
        return read[0] if read else corpus.read(self.config)

    def _trimmed(self, tower: TextTower, found: Corpus) -> TextTower:
        """The text tower, without the pieces of its vocabulary that the data does not use if so configured."""
        if not self.config.trim_vocab:
            return tower
        return trim(tower, trimming.kept(tower.tokenizer, found.texts()))

    @contextlib.contextmanager
    def _features(self, eyes: VisionTower, sha256: str, found: Corpus) -> Iterator[features.FeatureStore]:
        """Features of all pictures by the vision tower as it came; those that no run has computed yet are meanwhile.

        A vision tower that trains starts from them too; pictures to evaluate on are encoded anew.
        """
        store = features.store_for(sha256, eyes.preprocessing, eyes.width, self.dtype)
        frozen = self.config.vision_strategy == configs.FROZEN
        splits = [found.train, *(split for by in (found.validation, found.test) for split in by.values() if frozen)]
        with contextlib.ExitStack() as stack:
            # On each machine one process computes, and the others find it done.
            if distributed.local_rank() == 0:
                wanted = corpus.joined(splits)
                # Of runs that begin side by side one computes, too.
                if missing := stack.enter_context(store.computing(wanted.image_ids)):
                    pictures, total = wanted.pictures(missing), len(missing)
                    stack.enter_context(
                        features.meanwhile(store, eyes, pictures, total, self.device, self.dtype, self.progress)
                    )
            yield store
        self.world.wait()

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

    def _place(self, dual: DualEncoder) -> None:
        """Brings the dual encoder to the device, its towers laid out as trains fastest."""
        store_frozen(dual, self.dtype)
        dual.to(self.device)
        if dual.vision is not None:
            dual.vision.to(memory_format=torch.channels_last)
        towers = [module for module in (dual.text.encoder, getattr(dual.vision, "model", None)) if module is not None]
        for tower in towers:
            assert isinstance(tower, nn.Module)
            if not strategies.trained_parameters(tower):
                continue
            if self.config.activation_checkpointing:
                activations.checkpoint_blocks(tower)
            if self.config.compile:
                tower.compile(dynamic=True)

    def _warm_start(self, dual: DualEncoder, train: Split, store: features.FeatureStore, batcher: Batcher) -> None:
        """Sets the projections' statistics, and starts them from canonical correlation analysis if so configured."""
        random = np.random.default_rng(self.config.seed)
        chosen = batcher.entries
        if len(chosen) > WARM_START_ENTRIES:
            chosen = [chosen[i] for i in sorted(random.choice(len(chosen), WARM_START_ENTRIES, replace=False))]
        captions = encode_captions(dual, [entry.captions[0] for entry in chosen], self.dtype, projected=False)
        owner = [n for n, entry in enumerate(chosen) for _ in entry.rows]
        pictures = store.read([train.rows[row].image_id for entry in chosen for row in entry.rows])
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

    def _shown(self, dual: DualEncoder, train: Split, store: features.FeatureStore) -> Tensor | Pixels:
        """What pictures are trained on as: features on the device, or what decodes them."""
        if dual.vision is None:
            return store.read(train.image_ids).to(self.device)
        return Pixels(self.eyes, Pictures(train), pin=self.device.type == "cuda")

    def _train(
        self,
        dual: DualEncoder,
        batcher: Batcher,
        found: Corpus,
        store: features.FeatureStore,
        begun_with: dict[str, str],
        state: dict[str, Any] | None,
        memory: PeakMemory,
    ) -> None:
        """All epochs, from a checkpoint if there is one."""
        descent = optimizer(dual, self.config)
        shown = self._shown(dual, found.train, store)
        metrics = self.folder / record.METRICS
        first = 0
        if state is not None:
            descent.load_state_dict(state["optimizer"])
            first = state["step"]
            self.totals = _Totals(**state["totals"])
        if self.world.first and state is None:
            metrics.write_bytes(b"")
        elif self.world.first and state is not None:
            # What was measured after the checkpoint is measured again.
            with metrics.open("r+b") as file:
                file.truncate(state["metrics_bytes"])
        epochs = _epochs(self.config, batcher.steps)
        total = None if epochs is None else batcher.steps * epochs
        # Seldom enough to take little of the time of sets whose epochs are a step or two.
        validate_every = 1 if epochs is None else -(-epochs // MOST_VALIDATIONS)
        flops = Flops(self.totals.flops, self.totals.flops_pairs, on=not self.config.compile)
        energy = self.energy
        if state is not None:
            energy.earlier = Energy(self.totals.energy_kwh, self.totals.energy_source)
        saved_at = time.perf_counter()
        save_cost = 0.0
        step = first

        def keep() -> None:
            nonlocal saved_at, save_cost
            begun = time.perf_counter()
            spent = energy.stop()
            self.totals.energy_kwh, self.totals.energy_source = spent.kwh, spent.source
            self.totals.steps = step
            self.totals.flops, self.totals.flops_pairs = flops.total, flops.pairs
            self.totals.peak_rss = max(self.totals.peak_rss, memory.rss())
            self.totals.peak_cuda = max(self.totals.peak_cuda, memory.cuda() or 0)
            checkpoint.save(
                self.folder,
                {
                    "step": step,
                    "base": begun_with,
                    "learned": learned.learned(dual),
                    "optimizer": descent.state_dict(),
                    "totals": {name: getattr(self.totals, name) for name in _Totals.__slots__},
                    "metrics_bytes": metrics.stat().st_size,
                },
            )
            saved_at = time.perf_counter()
            save_cost = saved_at - begun

        label = f"Training {self.config.lang} {self.config.method}"
        captions = None if epochs is None else batcher.captions * epochs
        # What is compiled for one thread is not for others.
        apart = self.device.type == "cpu" and not self.config.compile
        with (
            bar(label, captions, unit="captions", show=self.progress) as running,
            energy,
            Lanes.open(apart) as lanes,
        ):
            steps = Step(dual, self.config, found.train.image, shown, self.dtype, self.world, lanes)
            running.advance(self.totals.captions)
            epoch = first // batcher.steps
            while not self._over(step, total):
                batches = [batch.dealt(self.world.size) for batch in batcher.epoch(epoch)]
                for place, batch in enumerate(batches):
                    if epoch * batcher.steps + place < step:
                        continue
                    last = place == len(batches) - 1
                    following = None if last else batches[place + 1]
                    energy.start()
                    with flops.step(step, len(batch.owners)) as counted:
                        self._step(dual, descent, steps, batch, following, step, total, running, here=counted)
                    step += 1
                    over = self._over(step, total)
                    if self.world.first:
                        if over or (last and (epoch + 1) % validate_every == 0):
                            energy.stop()
                            self._validate(dual, found.validation, store, step / batcher.steps, step)
                        # A checkpoint may take a twentieth of the time at most.
                        pause = max(self.checkpoint_every_s, 20 * save_cost)
                        if not over and time.perf_counter() - saved_at >= pause:
                            keep()
                    if over:
                        break
                epoch += 1
            if self.world.first:
                keep()
        if isinstance(shown, Pixels):
            shown.close()

    def _over(self, step: int, total: int | None) -> bool:
        """Whether all steps are done, or the time is up; the first process tells the others."""
        if total is not None:
            return step >= total
        budget = self.config.budget_s or 0.0
        return self.world.told(lambda: self.totals.wall_s >= budget)

    def _step(
        self,
        dual: DualEncoder,
        descent: torch.optim.Optimizer,
        steps: Step,
        batch: Batch,
        following: Batch | None,
        step: int,
        total: int | None,
        running: Bar,
        here: bool,
    ) -> None:
        """One batch: gradient, update, and a line of metrics."""
        wall, cpu = time.perf_counter(), time.process_time()
        factor = self._rate(step, total)
        for group in descent.param_groups:
            group["lr"] = group["peak_lr"] * factor
        try:
            value = steps.backward(batch, following, here)
            descent.step()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise _too_large(self.config, self.device) from error
        dual.clamp_temperature()
        if not math.isfinite(value):
            raise UserError(f"The loss is {value} at step {step}. Lower --lr, or use --precision fp32.")
        self.totals.wall_s += time.perf_counter() - wall
        self.totals.cpu_s += time.process_time() - cpu
        self.totals.pairs += len(batch.owners)
        self.totals.captions += len(batch.tokens)
        figures = {
            "loss": round(value, 6),
            "temperature": round(dual.temperature, 6),
            "lr_factor": round(factor, 6),
            "pairs": self.totals.pairs,
            "captions": self.totals.captions,
            "wall_s": round(self.totals.wall_s, 3),
        }
        self._log({"step": step, **figures})
        self.tracking.log(step, figures)
        running.advance(len(batch.tokens), note=f"loss {value:.3f}")

    def _rate(self, step: int, total: int | None) -> float:
        """Learning rate as a share of its peak."""
        if total is not None:
            return schedule(step, total, self.config.warmup)
        # By time, in thousandths of the budget: all processes go by the first one's clock.
        budget = self.config.budget_s or 0.0
        passed = self.world.told(lambda: self.totals.wall_s / budget)
        return schedule(min(999, int(1000 * passed)), 1000, self.config.warmup)

    def _validate(
        self, dual: DualEncoder, splits: dict[str, Split], store: features.FeatureStore, epoch: float, step: int
    ) -> None:
        """Recall on the validation split, the mean over languages: to be watched, never to choose by."""
        glances = []
        for split in splits.values():
            asked = queries(split.rows)
            if len(asked.captions) > 1:
                glances.append(glance(split.rows, asked, *self._embed(dual, split, store, asked)))
        if not glances:
            return
        means = {key: float(np.mean([each[key] for each in glances])) for key in glances[0]}
        figures = {"epoch": epoch, "step": float(step)} | means
        self.totals.validation.append(figures)
        self._log({"validation": figures})
        # At the step that was just done: what comes later is taken back when a run is resumed.
        self.tracking.log(step - 1, {f"validation/{key}": value for key, value in means.items()})

    def _embed(
        self, dual: DualEncoder, split: Split, store: features.FeatureStore, asked: Queries
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Embeddings of a split's queries and pictures."""
        captions = encode_captions(dual, asked.captions, self.dtype).numpy()
        if dual.vision is None:
            shown = store.read(split.image_ids)
        else:
            pictures = Pictures(split)
            encoded = (pictures[place] for place in range(len(pictures)))
            shown = torch.cat(list(features.encode(self.eyes, encoded, self.device, self.dtype)))
        with torch.inference_mode():
            return captions, dual.encode_image(shown.to(self.device)).cpu().numpy()[split.image.numpy()]

    def _log(self, line: dict[str, Any]) -> None:
        if self.world.first:
            with (self.folder / record.METRICS).open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")


def _epochs(config: RunConfig, steps: int) -> int | None:
    """How often all is seen; None if time decides."""
    if config.budget_s is not None:
        return None
    return max(config.epochs, -(-config.min_steps // steps))


def _about(name: str, tower: TextTower | VisionTower, module: nn.Module) -> Tower:
    return Tower(name=name, sha256=tower.digest(), parameters=sum(p.numel() for p in module.parameters()))


def _batcher(config: RunConfig, found: Corpus) -> Batcher:
    """What makes the batches, as yet without a tokenizer."""
    return Batcher(
        entries=data.entries(found.train.rows),
        tokenize=_no_tokenizer,
        batch_size=config.batch_size,
        pictures_per_caption=config.pictures_per_caption,
        keyword_share=config.keyword_share,
        seed=config.seed,
        temperature=config.language_temperature,
        bridge=bool(config.bridge),
    )


def _no_tokenizer(captions: Sequence[str]) -> list[list[int]]:
    raise AssertionError("the text tower is not loaded yet")


def _vocabulary(tower: Any) -> int:
    return int(tower.encoder.config.vocab_size)


def _trained(dual: DualEncoder, of_text: Account, of_vision: Account, rows: int | None) -> Trained:
    return Trained(
        text=of_text.trained,
        text_total=of_text.total,
        vision=of_vision.trained,
        vision_total=of_vision.total,
        projections=dual.text_projection.weight.numel() + dual.image_projection.weight.numel(),
        scalars=1 if dual.bias is None else 2,
        embedding_rows=rows,
    )
