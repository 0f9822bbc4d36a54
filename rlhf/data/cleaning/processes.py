"""Work on chunks spread over processes, its results in order and few of them waiting."""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TypeVar

from rlhf.errors import RLHFError

T = TypeVar("T")

FEW = 8000
"""Up to so many rows, starting processes takes longer than they save."""
MOST = 8
"""Processes; each takes about 300 MB, and more of them wait for the one that reads and writes."""
AHEAD = 2
"""Chunks that wait per process, so that none is idle and memory stays bounded."""


def processes_for(rows: int) -> int:
    """As many as there are cores, up to MOST, where there is enough to do."""
    return 1 if rows <= FEW else min(MOST, len(os.sched_getaffinity(0)))


@contextmanager
def pool_of(processes: int) -> Iterator[Executor | None]:
    """Fresh processes: a forked one would share the database's connection."""
    if processes == 1:
        yield None
        return
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=fresh) as pool:
        try:
            yield pool
        except BrokenProcessPool as died:
            raise RLHFError(
                "a cleaning process was ended from outside, most likely for want of memory. "
                "Nothing was written; free some memory and try again"
            ) from died
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def spread(pool: Executor | None, tasks: Iterable[Callable[[], T]], processes: int) -> Iterator[T]:
    """What the tasks return, in their order, with a few of them under way at a time."""
    if pool is None:
        yield from (task() for task in tasks)
        return
    waiting: deque[Future[T]] = deque()
    for task in tasks:
        waiting.append(pool.submit(task))
        if len(waiting) >= AHEAD * processes:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
