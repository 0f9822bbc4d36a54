"""What `rlhf evaluate` measures: answers and their scores, whatever bases its checkpoints have.

Policies answer on their own base; the answers are scored where the reward models live. Usually
both are the same, and one set of actors does both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ray

from ray_jobs.messages import Drawn, Mind, Question
from ray_jobs.workers import CHUNK, start_workers, threads_per_worker
from reward.report import HOLDOUT
from rlhf import registry
from rlhf.evaluation.cooling import as_served
from rlhf.evaluation.measured import Asked, Measured
from rlhf.settings import Settings
from rlhf.store.checkpoints import Checkpoint

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Task:
    """One answer wanted: of the checkpoint at a place, to a prompt, its `sample`-th."""

    who: int
    asked: Asked
    sample: int


def measure(
    home: Path,
    settings: Settings,
    policies: Sequence[Checkpoint],
    reward: Checkpoint | None,
    tasks: Sequence[Task],
    progress: Progress,
) -> list[Measured]:
    """Every task's answer, in order; scored where there is a reward checkpoint."""
    scored_on = str(reward.base["path"]) if reward else None
    bases = sorted({str(one.base["path"]) for one in policies}, key=lambda one: one == scored_on)
    bases += [scored_on] if scored_on and scored_on not in bases else []
    parts = list(_parts(tasks))
    total = len(parts) * (2 if reward else 1)
    drawn: dict[int, Drawn] = {}
    for base in bases:
        actors = _actors(home, settings, policies, reward if base == scored_on else None, base)
        mine = [part for part in parts if str(policies[tasks[part[0]].who].base["path"]) == base]
        for part, answers in zip(mine, _draw(actors, tasks, mine, settings), strict=True):
            drawn.update(zip(part, answers, strict=True))
            who = policies[tasks[part[0]].who]
            progress(len(drawn) * len(parts) // len(tasks), total, f"answers of v{who.version}")
        if base == scored_on and reward:
            for number, scores in enumerate(_score(actors, tasks, parts, drawn, reward, settings)):
                for place, (mean, holdout) in zip(parts[number], scores, strict=True):
                    one = drawn[place]
                    measured = replace(one.measured, reward=mean, holdout=holdout)
                    drawn[place] = Drawn(measured, one.ids)
                progress(len(parts) + number + 1, total, "scores")
        for actor in actors:
            ray.kill(actor)
    return [drawn[place].measured for place in range(len(tasks))]


def _parts(tasks: Sequence[Task]) -> Iterator[list[int]]:
    """Places of tasks, at most CHUNK together, each part of one checkpoint."""
    by_who: dict[int, list[int]] = {}
    for place, task in enumerate(tasks):
        by_who.setdefault(task.who, []).append(place)
    for places in by_who.values():
        yield from (places[at : at + CHUNK] for at in range(0, len(places), CHUNK))


def _actors(
    home: Path,
    settings: Settings,
    policies: Sequence[Checkpoint],
    reward: Checkpoint | None,
    base: str,
) -> list[Any]:
    roles = {
        _role(who): str(registry.checkpoint_path(home, one.digest))
        for who, one in enumerate(policies)
        if str(one.base["path"]) == base
    }
    if reward is not None:
        ensemble = registry.checkpoint_path(home, reward.digest)
        roles |= {name: str(ensemble / name) for name in (*reward.lineage["members"], HOLDOUT)}
    workers = settings.ray.workers
    ways = {
        _role(who): as_served(one.figures, settings.sampling) for who, one in enumerate(policies)
    }
    mind, threads = Mind(base, roles, settings.sampling, ways), threads_per_worker(workers)
    return start_workers("ray_jobs.measuring:Measurer", workers, lambda _: (mind, threads))


def _draw(
    actors: list[Any], tasks: Sequence[Task], parts: Sequence[list[int]], settings: Settings
) -> Iterator[list[Drawn]]:
    def call(actor: Any, part: list[int]) -> Any:
        wanted = [tasks[place] for place in part]
        return actor.do.remote(
            "draw",
            _role(wanted[0].who),
            [Question(one.asked.id, one.sample, one.asked.messages) for one in wanted],
            [one.asked.reference if one.sample == 0 else None for one in wanted],
            settings.seed,
        )

    yield from ray.util.ActorPool(actors).map(call, list(parts))


def _score(
    actors: list[Any],
    tasks: Sequence[Task],
    parts: Sequence[list[int]],
    drawn: dict[int, Drawn],
    reward: Checkpoint,
    settings: Settings,
) -> Iterator[list[tuple[float, float]]]:
    def call(actor: Any, part: list[int]) -> Any:
        return actor.do.remote(
            "score",
            reward.lineage["members"],
            settings.reward.pessimism,
            [tasks[place].asked.messages for place in part],
            [drawn[place].ids for place in part],
        )

    yield from ray.util.ActorPool(actors).map(call, list(parts))


def _role(who: int) -> str:
    return f"policy-{who}"
