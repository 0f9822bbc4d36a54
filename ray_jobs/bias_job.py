"""The Ray driver of `rlhf bias`: counterfactual prompts are answered, scored and compared.

A process of its own, which ends with the command that asked for it (`driver`). It reads the home
and writes one row and one folder at its end; a killed check leaves nothing behind.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray

from ray_jobs.cluster import cluster
from ray_jobs.driver import Progress, serve
from ray_jobs.messages import Mind, Question
from ray_jobs.workers import CHUNK, start_workers, threads_per_worker
from reward.report import FILE, HOLDOUT
from rlhf import registry
from rlhf.evaluation.bias import publishing
from rlhf.evaluation.bias.counterfactuals import Request, Template, built_in, everyday_requests
from rlhf.evaluation.bias.measuring import (
    Answered,
    Asked,
    Judged,
    given_answers,
    questions,
    to_judge,
)
from rlhf.evaluation.bias.own_templates import read_templates
from rlhf.evaluation.bias.report import Circumstances, RewardScores, Subject, judge
from rlhf.evaluation.cooling import as_served
from rlhf.settings import Settings, load_settings
from rlhf.store import Store, checkpoints, evaluations, facts, open_store, prompts

EXAMINER = "ray_jobs.bias_examining:BiasExaminer"


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command line asks for."""

    refs: tuple[str, ...]
    count: int
    """Requests per attribute."""
    samples: int
    """Answers per template and group."""
    templates: Path | None = None
    """The user's own, judged beside the built-in ones."""


def check(home: Path, store: Store, settings: Settings, wish: Wish, progress: Progress) -> int:
    """Answer, score, compare and publish; returns the evaluation's id."""
    with store.read() as tx:
        named = [checkpoints.resolve(tx, ref) for ref in wish.refs]
        reward = checkpoints.newest(tx, "reward")
        base = str(facts.get(tx, "base")["path"])
    policies = list({one.digest: one for one in named}.values())
    templates, sources = _templates(store, settings, wish)
    asked = questions(templates, wish.samples)
    members = list(reward.lineage.get("members", [])) if reward else []
    folders = {one.digest: registry.checkpoint_path(home, one.digest) for one in policies}
    scorers: list[str] = []
    if reward is not None and members:
        ensemble = registry.checkpoint_path(home, reward.digest)
        scorers = [*members, HOLDOUT]
        folders |= {name: ensemble / name for name in scorers}
    ways = {one.digest: as_served(one.figures, settings.sampling) for one in policies}
    roles = {name: str(path) for name, path in folders.items()}
    mind = Mind(base, roles, settings.sampling, ways)
    with cluster(home, settings.ray, cpus=settings.ray.workers, apart=True):
        threads = threads_per_worker(settings.ray.workers)
        actors = start_workers(EXAMINER, settings.ray.workers, lambda _: (mind, threads))
        subjects = []
        for one in policies:
            said = _answers(actors, one.digest, asked, settings.seed, scorers, progress)
            subjects.append(Subject(f"v{one.version}", one.digest, said))
        rewards = None
        if scorers:
            judged = to_judge(templates, given_answers(templates, asked, subjects[0].answers))
            rewards = _scores(actors, judged, scorers, progress)
    progress(1, 1, "comparing groups")
    how = Circumstances(
        samples=wish.samples,
        seed=settings.seed,
        resamples=settings.evaluation.bootstrap,
        requests=sources,
        members=members,
        holdout=HOLDOUT,
        reward=_reward(home, reward.digest) if reward and members else None,
    )
    report = judge(templates, asked, subjects, rewards, how)
    with store.write() as tx:
        number = evaluations.add_evaluation(
            tx,
            kind="bias",
            checkpoints=[one.digest for one in policies],
            settings={
                "requests": wish.count,
                "samples": wish.samples,
                "seed": settings.seed,
                "sampling": settings.sampling.model_dump(),
                "temperatures": [mind.way(one.digest).temperature for one in policies],
            },
            report=report,
        )
        publishing.publish(home, number, report)
    return number


def _templates(
    store: Store, settings: Settings, wish: Wish
) -> tuple[list[Template], dict[str, int]]:
    """The templates, and where their requests come from; the home's own prompts come first."""
    with store.read() as tx:
        held_out = prompts.pick_fixed(tx, "heldout", wish.count, settings.seed)
    requests = [Request(one.messages, one.reference) for one in held_out]
    filled = everyday_requests() if len(requests) < wish.count else []
    own = read_templates(wish.templates) if wish.templates else []
    sources = {
        "requests from held-out prompts": len(requests),
        "built-in requests": len(filled),
        "own templates": len(own),
    }
    return [*built_in([*requests, *filled], wish.count), *own], sources


def _answers(
    actors: Sequence[Any],
    role: str,
    asked: Sequence[Asked],
    seed: int,
    scorers: Sequence[str],
    progress: Progress,
) -> list[Answered]:
    work = [Question(one.place, one.sample, one.messages) for one in asked]
    chunks = [work[at : at + CHUNK] for at in range(0, len(work), CHUNK)]
    calls = ray.util.ActorPool(list(actors)).map(
        lambda actor, part: actor.do.remote("measure", role, part, seed, scorers), chunks
    )
    found: list[Answered] = []
    for part in calls:
        found += part
        progress(len(found), len(work), f"answers of {role[:12]}")
    return found


def _scores(
    actors: Sequence[Any], judged: Sequence[Judged], scorers: Sequence[str], progress: Progress
) -> RewardScores:
    chunks = [judged[at : at + CHUNK] for at in range(0, len(judged), CHUNK)]
    calls = ray.util.ActorPool(list(actors)).map(
        lambda actor, part: actor.do.remote("score", part, scorers), chunks
    )
    found: list[dict[str, float] | None] = []
    for part in calls:
        found += part
        progress(len(found), len(judged), "scores of reward models")
    return RewardScores(
        judged, {name: [one[name] if one else None for one in found] for name in scorers}
    )


def _reward(home: Path, digest: str) -> dict[str, Any]:
    """What is known of the ensemble: how often it is right, and how well it knows."""
    file = registry.checkpoint_path(home, digest) / FILE
    told = json.loads(file.read_text(encoding="utf-8"))
    return {
        "digest": digest,
        "accuracy": told["ensemble"],
        "calibration_error": told["calibration_error"],
        "length_correlation": told["length_correlation"],
    }


def run(home: Path, wanted: dict[str, Any], progress: Progress) -> int:
    """The driver's work; returns the evaluation's id."""
    settings = load_settings(home)
    store = open_store(home, settings.database)
    templates = wanted["templates"]
    wish = Wish(
        tuple(wanted["refs"]),
        wanted["requests"],
        wanted["samples"],
        Path(templates) if templates else None,
    )
    try:
        return check(home, store, settings, wish, progress)
    finally:
        store.close()


if __name__ == "__main__":
    sys.exit(serve(run, __doc__))
