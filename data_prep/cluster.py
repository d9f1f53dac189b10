"""Pieces shared out among machines that see the same folders, by datatrove's executor.

datatrove (Apache-2.0, by Hugging Face) was chosen over Ray Data: its unit is a task with a rank, done once and
marked as completed by a file, which is just what a piece is, and it needs no server.
Ray Data would move rows between machines, which nothing here asks for.
"""

from __future__ import annotations

from typing import Any

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.base import PipelineStep
from loguru import logger

from data_prep import pieces
from data_prep.errors import UserError
from data_prep.pieces import Work

# Of every task it would print a page; what matters is in the pieces' own files.
logger.disable("datatrove")


class DoPiece(PipelineStep):  # type: ignore[misc]
    """A block of datatrove: does the piece that has the task's rank.

    Args:
        work: the preparation.
    """

    name = "preparing a piece"
    type = "mlilt"

    def __init__(self, work: Work) -> None:
        super().__init__()
        self.work = work

    def run(self, data: Any, rank: int = 0, world_size: int = 1) -> Any:
        """Yields nothing: what a piece came to lies in its file."""
        with self.track_time():
            pieces.do(self.work, rank)
        yield from ()


def run(work: Work, machine: int, machines: int, workers: int) -> None:
    """Does one machine's share of the pieces; those that are done already are left alone.

    Args:
        work: the preparation, its pieces gathered.
        machine: which one this is, from 1.
        machines: how many there are.
        workers: processes on this one.

    Raises:
        UserError: there is no such machine.
    """
    if not 1 <= machine <= machines:
        raise UserError(f"There is no machine {machine} of {machines}: --machine I/N has I from 1 to N.")
    total = work.pieces
    assert total is not None
    mine = range(total * (machine - 1) // machines, total * machine // machines)
    if not mine:
        return
    # A task is a piece: datatrove marks each as completed, and skips it when run again.
    LocalPipelineExecutor(
        pipeline=[DoPiece(work)],
        tasks=total,
        workers=workers,
        logging_dir=str(work.folder / "datatrove"),
        local_tasks=len(mine),
        local_rank_offset=mine.start,
    ).run()
