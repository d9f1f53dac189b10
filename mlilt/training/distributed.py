"""Several processes that train one model together, each on its share of every batch (data parallelism).

Started by `torchrun -m mlilt train ...` or `mlilt train --gpus N`. All hold the whole model and make the same batches.
What trains is a small part of it, so gradients are added up in one go once a step's backward passes are done: what
torch's DistributedDataParallel does during one backward pass, where gradient caching takes several a step.
"""

from __future__ import annotations

import contextlib
import datetime
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor

from data_prep.errors import SaidElsewhere, UserError

T = TypeVar("T")

# The others wait for the first while it encodes pictures or evaluates.
_PATIENCE = datetime.timedelta(hours=6)


class World:
    """The processes that train together; by itself the only one.

    Attributes:
        rank: number of this one.
        size: how many there are.
    """

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        self.rank = rank
        self.size = size

    @property
    def first(self) -> bool:
        """True for the one process that writes, prints and evaluates."""
        return self.rank == 0

    def gather(self, local: Tensor, counts: Sequence[int]) -> Tensor:
        """All processes' rows, one process after the other; `counts` says how many each has."""
        if self.size == 1:
            return local
        most = max(counts)
        padded = local.new_zeros(most, *local.shape[1:])
        padded[: len(local)] = local
        parts = [torch.empty_like(padded) for _ in counts]
        with self._others():
            dist.all_gather(parts, padded)
        return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """Replaces each tensor by its sum over all processes, in place."""
        if self.size == 1 or not tensors:
            return
        # One flat buffer of each dtype: one message instead of hundreds.
        for dtype in dict.fromkeys(t.dtype for t in tensors):
            alike = [t for t in tensors if t.dtype == dtype]
            flat = torch.cat([t.reshape(-1) for t in alike])
            with self._others():
                dist.all_reduce(flat)
            for tensor, part in zip(alike, torch.split(flat, [t.numel() for t in alike]), strict=True):
                tensor.copy_(part.view_as(tensor))

    def share(self, tensors: Sequence[Tensor]) -> None:
        """Gives every process the first one's values, in place."""
        if self.size > 1:
            with self._others():
                for tensor in tensors:
                    dist.broadcast(tensor, src=0)

    def wait(self) -> None:
        """Waits until all processes are here."""
        if self.size > 1:
            with self._others():
                dist.barrier()

    def told(self, work: Callable[[], T]) -> T:
        """Does something in the first process alone; all get its result, or its error.

        Raises:
            UserError: what `work` raised; or another process has ended.
        """
        if self.size == 1:
            return work()
        said: list[object] = [None, None]
        error: UserError | OSError | None = None
        if self.first:
            try:
                said = [work(), None]
            except (UserError, OSError) as raised:
                said, error = [None, str(raised)], raised
        with self._others():
            dist.broadcast_object_list(said, src=0)
        if error is not None:
            raise error
        if said[1] is not None:
            raise SaidElsewhere(said[1])
        return cast(T, said[0])

    @contextlib.contextmanager
    def _others(self) -> Iterator[None]:
        """Where one of the others has ended, that one has said why."""
        try:
            yield
        except RuntimeError as error:
            kind = UserError if self.first else SaidElsewhere
            raise kind(
                "Another of the processes that train together has ended; what went wrong stands above, if it could say "
                f"so. Go on with --resume. ({str(error).strip().splitlines()[0][:200]})"
            ) from error


def size() -> int:
    """How many processes torchrun started; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def first() -> bool:
    """True unless torchrun started this process as another one than the first."""
    return os.environ.get("RANK", "0") == "0"


def local_rank() -> int:
    """Number of this process on its machine."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def start(processes: int, more: Sequence[str] = ()) -> int:
    """Runs this very command in so many processes on this machine, by torchrun, and returns their exit code.

    Args:
        processes: how many.
        more: arguments put behind the command's own, which they overrule.
    """
    from torch.distributed import run as torchrun
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    # Each process has as many threads as there are cores for it; who sets the variable knows better.
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // processes)))
    # This process only waits. What went wrong the first one says, as it would alone.
    logging.disable()
    options = ["--standalone", f"--nproc-per-node={processes}", "-m", "mlilt", *sys.argv[1:], *more]
    try:
        torchrun.run(torchrun.parse_args(options))  # type: ignore[no-untyped-call]
    except ChildFailedError as failed:
        _, failure = failed.get_first_failure()
        return failure.exitcode if failure.exitcode > 0 else 128 - failure.exitcode
    except SignalException as stopped:
        return 128 + stopped.sigval
    return 0


@contextlib.contextmanager
def join(device: torch.device) -> Iterator[World]:
    """The processes that torchrun started, or this one alone.

    Raises:
        UserError: they cannot reach each other.
    """
    if size() == 1:
        yield World()
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    try:
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=_PATIENCE)
    except (RuntimeError, ValueError) as error:
        raise UserError(
            f"The {size()} processes cannot reach each other: {str(error)[:200]}. Start them with torchrun, which sets "
            "MASTER_ADDR and MASTER_PORT."
        ) from error
    try:
        yield World(dist.get_rank(), dist.get_world_size())
    finally:
        dist.destroy_process_group()
