"""The round's PPO: roll out, estimate advantages, update, save; read top to bottom.

The driver of N equal workers. The policy starts as the champion, the reference is the base. The
state is durable after every iteration, so a killed round redoes only the one it was in. A stop
rule ends the round early and keeps the best policy so far, as the hold-out reward model sees it.
"""

from __future__ import annotations

import functools
import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

import ray

from ray_jobs import ppo_state
from ray_jobs.cluster import cluster
from ray_jobs.messages import Question, WorkerSpec
from ray_jobs.step import Result, Step
from ray_jobs.workers import gpu_share, start_workers, threads_per_worker
from reward.report import HOLDOUT
from rlhf import durable, registry
from rlhf.errors import RLHFError, UsageError
from rlhf.ppo import stops
from rlhf.ppo.kl_coef import carried
from rlhf.registry import card
from rlhf.settings import PPO
from rlhf.store import Connection, checkpoints, facts, prompts
from rlhf.store.metrics import Sampled

POLICY_WORKER = "ray_jobs.policy_worker:PolicyWorker"

SMOOTHING = stops.WINDOW
"""Iterations over which the hold-out's mean is taken to call a policy the best so far: of fewer,
it is luck, and no rule stops a round before."""


@dataclass(slots=True)
class Run:
    """Where the driver stands: the next iteration, all figures so far, the best policy yet."""

    iteration: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    best: float = float("-inf")
    kept: int = 0
    """Iterations behind the best policy."""
    stopped: str | None = None


class Workers:
    """The group of policy workers: every call goes to all and waits for all."""

    def __init__(self, spec: WorkerSpec, size: int) -> None:
        self.actors = start_workers(POLICY_WORKER, size, lambda rank: (rank, size, spec))
        address = ray.get(self.actors[0].do.remote("address"))
        ray.get([actor.do.remote("join", address) for actor in self.actors])

    def roll_out(self, iteration: int, questions: Sequence[Question]) -> dict[str, float]:
        """Each worker answers and scores its shard; the mean over all answers of its figures."""
        size = len(self.actors)
        shards = [questions[rank::size] for rank in range(size)]
        asked = [
            actor.do.remote("roll_out", iteration, shard)
            for actor, shard in zip(self.actors, shards, strict=True)
        ]
        parts, weights = ray.get(asked), [len(shard) for shard in shards]
        return {name: fmean((part[name] for part in parts), weights) for name in parts[0]}

    def samples(self) -> list[Sampled]:
        """A few of the first worker's answers, for people to read."""
        sampled: list[Sampled] = ray.get(self.actors[0].do.remote("samples"))
        return sampled

    def update(self, iteration: int) -> dict[str, float]:
        """One collective update; every worker returns the same figures."""
        figures: dict[str, float] = ray.get(
            [a.do.remote("update", iteration) for a in self.actors]
        )[0]
        return figures

    def state(self) -> tuple[bytes, dict[str, Any]]:
        """The training state, from any worker: all hold the same."""
        tensors, meta = ray.get(self.actors[0].do.remote("state"))
        return tensors, meta

    def restore(self, saved: ppo_state.Saved) -> None:
        """Put every worker where the saved iteration left it."""
        tensors, meta = ray.put(saved.tensors), ray.put(saved.meta)
        ray.get([actor.do.remote("restore", tensors, meta) for actor in self.actors])

    def export(self, folder: Path) -> None:
        """Write the policy as a standard PEFT adapter."""
        ray.get(self.actors[0].do.remote("export", str(folder)))


def run(step: Step) -> Result:
    """Train a candidate and publish it. Raises UsageError when there are no prompts."""
    ppo = step.settings.ppo
    questions = _questions(step)
    candidate = step.folder / "candidate"
    with cluster(step.home, step.settings.ray, cpus=step.settings.ray.workers):
        size = step.settings.ray.workers
        workers = Workers(_spec(step, size, _going_on(step)), size)
        progress = _resume(step, workers)
        step.progress(progress.iteration, ppo.iterations, "workers have loaded")
        while progress.iteration < ppo.iterations and progress.stopped is None:
            rolled = workers.roll_out(progress.iteration, questions(progress.iteration))
            figures = {**workers.update(progress.iteration), **rolled}
            _check_start(step, progress, figures)
            _advance(step, workers, progress, figures)
        if progress.stopped is None:
            workers.export(candidate)
        else:
            shutil.copytree(step.folder / "best", candidate, dirs_exist_ok=True)
    return _published(step, candidate, progress)


def _resume(step: Step, workers: Workers) -> Run:
    saved = ppo_state.newest(step.folder)
    if saved is None:
        return Run()
    workers.restore(saved)
    return Run(iteration=saved.iteration, **saved.driver)


def _check_start(step: Step, progress: Run, figures: dict[str, float]) -> None:
    """An adapter that was never trained is the reference: its KL must be exactly 0."""
    if progress.iteration or step.round.start_checkpoint != _untouched(step):
        return
    if figures["objective/kl"] != 0.0:
        raise RLHFError(
            f"the untouched adapter has a KL of {figures['objective/kl']} from its own base; "
            "adapter and base do not belong together, or switching adapters is broken"
        )


def _untouched(step: Step) -> str:
    """The untouched champion of the home's base: an adopted base has one of its own."""
    with step.store.read() as tx:
        return str(facts.get(tx, "untouched") or checkpoints.resolve(tx, "v0").digest)


def _advance(step: Step, workers: Workers, progress: Run, figures: dict[str, float]) -> None:
    """Keep one finished iteration: best policy, stop rule, durable state, figures to look at."""
    progress.iteration += 1
    progress.history.append(figures)
    recent = [one["objective/holdout"] for one in progress.history[-SMOOTHING:]]
    if len(recent) == SMOOTHING and fmean(recent) > progress.best:
        progress.best, progress.kept = fmean(recent), progress.iteration
        fresh = step.folder / "best.new"
        shutil.rmtree(fresh, ignore_errors=True)
        workers.export(fresh)
        shutil.rmtree(step.folder / "best", ignore_errors=True)
        fresh.rename(step.folder / "best")
    progress.stopped = stops.reason(progress.history, step.settings.ppo)
    step.metrics(progress.iteration, figures, workers.samples())  # first: saved is never redone
    tensors, meta = workers.state()
    driver = {
        "history": progress.history,
        "best": progress.best,
        "kept": progress.kept,
        "stopped": progress.stopped,
    }
    ppo_state.save(step.folder, ppo_state.Saved(progress.iteration, tensors, meta, driver))
    step.progress(
        progress.iteration,
        step.settings.ppo.iterations,
        f"score {figures['objective/scores']:+.2f}, KL {figures['objective/kl']:.1f} nats",
    )


def _questions(step: Step) -> Callable[[int], list[Question]]:
    """Iteration -> its prompts: shuffled passes over all train prompts, the same for a seed."""
    pool = _pool(step)
    size = step.settings.ppo.rollouts

    @functools.cache
    def lap(number: int) -> list[prompts.Prompt]:
        return random.Random(f"{step.round.seed}/{number}").sample(pool, len(pool))

    def batch(iteration: int) -> list[Question]:
        places = [divmod(at, len(pool)) for at in range(iteration * size, (iteration + 1) * size)]
        chosen = [(number, lap(number)[place]) for number, place in places]
        return [Question(prompt.id, number, prompt.messages) for number, prompt in chosen]

    return batch


def _pool(step: Step) -> list[prompts.Prompt]:
    """The train prompts that were there when the step first began, whatever came since."""
    with step.store.read() as tx:
        pool = prompts.split_prompts(tx, "train")
    if not pool:
        raise UsageError("no prompts to train on: rlhf ingest FILE")
    newest = step.folder / "newest_prompt"
    if not newest.exists():
        durable.write_whole(newest, lambda file: file.write_text(str(pool[-1].id)))
    last = int(newest.read_text())
    return [one for one in pool if one.id <= last]


def _going_on(step: Step) -> PPO:
    """The settings, with the KL weight and the learning rate that suit the round's champion."""
    ppo = step.settings.ppo
    with step.store.read() as tx:
        champion = checkpoints.checkpoint(tx, step.round.start_checkpoint)
    changes = {
        "kl_coef": carried(ppo.kl_coef, champion.lineage.get("kl_coef")),
        "learning_rate": ppo.later_learning_rate if champion.of_a_round else ppo.learning_rate,
    }
    return ppo.model_copy(update=changes)


def _spec(step: Step, size: int, ppo: PPO) -> WorkerSpec:
    reward = step.round.reward_checkpoints
    ensemble = registry.checkpoint_path(step.home, reward["ensemble"])
    return WorkerSpec(
        base=step.base,
        policy=str(registry.checkpoint_path(step.home, step.round.start_checkpoint)),
        members={name: str(ensemble / name) for name in reward["members"]},
        holdout=str(ensemble / HOLDOUT),
        settings=step.settings.model_copy(update={"ppo": ppo}),
        seed=step.round.seed,
        threads=threads_per_worker(size),
        own_gpu=gpu_share(size) == 1.0,
    )


def _published(step: Step, candidate: Path, progress: Run) -> Result:
    """Publish the candidate's folder; the alias moves in the transaction that ends the step."""
    first, last = progress.history[0], progress.history[-1]
    reached = first if progress.stopped else last
    kept = progress.kept if progress.stopped else progress.iteration
    seen = progress.history[kept - 1]
    figures = {
        "proxy": seen["objective/scores"],
        "holdout": seen["objective/holdout"],
        "kl": seen["objective/kl"],
        "length": seen["completions/mean_length"],
    }
    lineage = {
        "round": step.round.id,
        "start": step.round.start_checkpoint,
        "manifest": step.round.manifest,
        "reward": step.round.reward_checkpoints["ensemble"],
        "seed": step.round.seed,
        "workers": step.settings.ray.workers,
        "iterations": progress.iteration,
        "stopped": progress.stopped,
        "kl_coef": {"set": step.settings.ppo.kl_coef, "reached": reached["objective/kl_coef"]},
    }
    base = step.round.base
    card.write(candidate, base=base, round_id=step.round.id, figures=figures, lineage=lineage)
    digest = registry.publish(step.home, candidate)

    def write(tx: Connection) -> None:
        checkpoints.record_checkpoint(
            tx,
            digest=digest,
            kind="policy",
            round_id=step.round.id,
            parent=step.round.start_checkpoint,
            base=base,
            figures=figures,
            lineage=lineage,
        )
        before = checkpoints.alias(tx, "candidate")
        why = f"trained in round {step.round.id}"
        checkpoints.move_alias(tx, "candidate", digest, before, f"round {step.round.id}", why)

    output = {
        "candidate": digest,
        "iterations": progress.iteration,
        "kept": kept,
        "stopped": progress.stopped,
    }
    return Result({**output, "figures": figures}, {"candidate": digest}, write)
