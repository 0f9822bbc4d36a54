"""Actors and tasks of a driver's cluster: it names them, and they are imported where they compute.

A driver waits, counts and writes: the libraries that compute would cost it seconds and memory.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from importlib import import_module
from typing import Any

import ray

from ray_jobs.meter import Meter

CHUNK = 48
"""Prompts per call: enough to fill a batch, few enough for a progress bar that moves."""

LOOK_S = 0.5
"""Longest pause between two looks at tasks, for the progress bar."""


class Worker:
    """An actor: an object of a class that its process alone imports.

    The object is made in a call, not with the actor: why it cannot be made then reaches whoever
    calls, where Ray would only say that the actor has died.
    """

    def __init__(self, kind: str, *given: Any) -> None:
        self._kind, self._given, self._it = kind, given, None

    def make(self) -> None:
        """Make the object, unless it is there."""
        if self._it is None:
            self._it = _imported(self._kind)(*self._given)

    def do(self, what: str, *given: Any) -> Any:
        """Call a method."""
        self.make()
        return getattr(self._it, what)(*given)


def start_workers(kind: str, count: int, arguments: Callable[[int], tuple[Any, ...]]) -> list[Any]:
    """`count` actors of a class ("module:name"), one CPU each; ask by `do.remote(method, ...)`.

    arguments: rank -> what the constructor is given. They share the cluster's GPUs equally: a whole
    one each where there are enough.
    """
    named = type(_name(kind), (Worker,), {})  # as Ray's tools and `ps` show it
    remote: Any = ray.remote(named).options(num_cpus=1, num_gpus=gpu_share(count))
    workers = [remote.remote(kind, *arguments(rank)) for rank in range(count)]
    for worker in workers:
        worker.make.remote()  # all at once, before any is asked
    return workers


def start_task(work: str, *given: Any, cpus: float = 1, gpus: float) -> Any:
    """A reference to what a function ("module:name") will return."""
    remote: Any = ray.remote(_call).options(num_cpus=cpus, num_gpus=gpus, name=_name(work))
    return remote.remote(work, *given)


def run_alone(work: str, *given: Any) -> Any:
    """What one task returns."""
    return ray.get(start_task(work, *given, gpus=gpu_share(1)))


def run_tasks(start: Callable[[Any], list[Any]], progress: Callable[[int, int], None]) -> list[Any]:
    """The results of the tasks that `start` begins and that tell its meter how far they are.

    `progress(done, total)` adds them up, as long as one is under way.
    """
    meter: Any = ray.remote(Meter).options(num_cpus=0).remote()
    waiting = start(meter)
    pending = list(waiting)
    while pending:
        _, pending = ray.wait(pending, num_returns=len(pending), timeout=LOOK_S)
        done, total = ray.get(meter.told.remote())
        progress(done, max(total, 1))
    results: list[Any] = ray.get(waiting)
    return results


def gpu_share(count: int) -> float:
    """The GPU (or part of one) that each of `count` equal processes may use; 0 without GPUs.

    A part never spans two GPUs: 3 processes on 2 get a half each.
    """
    gpus = int(ray.cluster_resources().get("GPU", 0))
    if gpus == 0:
        return 0.0
    return math.floor(100 / math.ceil(count / gpus)) / 100


def threads_per_worker(workers: int) -> int:
    """CPU threads that each of `workers` equal processes may use on this machine."""
    return max(1, (os.cpu_count() or 1) // workers)


def _call(work: str, *given: Any) -> Any:
    return _imported(work)(*given)


def _imported(where: str) -> Any:
    return getattr(import_module(where.partition(":")[0]), _name(where))


def _name(where: str) -> str:
    return where.partition(":")[2]
