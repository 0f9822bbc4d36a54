"""The Ray driver of `rlhf evaluate`: checkpoints answer the same prompts, a report is kept.

A process of its own, started by `evaluator.evaluate` and ended with it. The report becomes a row
and a folder together, or neither.
"""

from __future__ import annotations

import json
import shutil
import sys
import uuid
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ray_jobs import contesting, driver
from ray_jobs.cluster import cluster
from ray_jobs.driver import Progress, serve
from ray_jobs.evaluation_plan import Plan, Request, prepare
from ray_jobs.scored_answers import Task, measure
from rlhf import settings as settings_tree
from rlhf.durable import replace_folder
from rlhf.evaluation import kept, regression, standing
from rlhf.evaluation.cooling import as_served
from rlhf.evaluation.measured import Measured
from rlhf.evaluation.report import report
from rlhf.store import Store, open_store
from rlhf.store.checkpoints import Checkpoint
from rlhf.store.evaluations import add_evaluation


def run(home: Path, wanted: driver.Request, progress: Progress) -> int:
    """The driver's work: look up, measure, write; returns the number of the report."""
    request = Request(**{**wanted, "refs": tuple(wanted["refs"])})
    settings = settings_tree.load_settings(home)
    store = open_store(home, settings.database)
    try:
        plan = prepare(home, store, settings, request)
        tasks = _tasks(plan)
        progress(0, 1, "starting")
        with cluster(home, settings.ray, cpus=settings.ray.workers, apart=True):
            measured = measure(home, settings, plan.policies, plan.reward, tasks, progress)
        progress(1, 1, "writing the report")
        return _keep(store, plan, measured)
    finally:
        store.close()


def _tasks(plan: Plan) -> list[Task]:
    """Every answer wanted: the shared prompts first, then the regression set several times."""
    everybody = range(len(plan.policies))
    several = range(plan.settings.evaluation.regression_answers)
    return [Task(who, one, 0) for who in everybody for one in plan.asked] + [
        Task(who, one, sample) for who in everybody for one in plan.fixed for sample in several
    ]


def _keep(store: Store, plan: Plan, measured: list[Measured]) -> int:
    """Row and folder at once: the folder is renamed while the transaction is open."""
    count = len(plan.asked)
    answers = [measured[at * count : (at + 1) * count] for at in range(len(plan.policies))]
    settings = plan.settings
    told = report(
        plan.contestants,
        plan.asked,
        answers,
        source=plan.source,
        reward_model=_reward_model(plan.reward),
        resamples=settings.evaluation.bootstrap,
        seed=settings.seed,
        notes=_notes(plan, answers),
    )
    if plan.fixed:
        told["regression"] = _regression(plan, measured[len(plan.policies) * count :])
    fresh = plan.home / "tmp" / f"evaluation-{uuid.uuid4().hex}"
    fresh.mkdir(mode=0o700)
    try:
        _write_answers(plan, answers, fresh)
        with store.write() as tx:
            if plan.request.people:
                ids = contesting.queue(
                    tx, plan.policies, plan.asked, answers, plan.request.people, settings
                )
                told["people"] = {"contests": ids}
                if len(ids) < plan.request.people:
                    told["notes"].append(
                        f"Only {len(ids)} comparisons could be asked of people: the answers to "
                        "the other prompts read the same."
                    )
            number = add_evaluation(
                tx,
                kind=standing.KIND,
                checkpoints=[one.digest for one in plan.policies],
                settings={
                    "request": asdict(plan.request),
                    "seed": settings.seed,
                    "bootstrap": settings.evaluation.bootstrap,
                    "sampling": settings.sampling.model_dump(),
                    "temperatures": _temperatures(plan),
                    "evaluation": settings.evaluation.model_dump(),
                },
                report=told,
            )
            kept.write(standing.as_it_stands(tx, number), fresh)
            final = standing.folder_of(plan.home, number)
            final.parent.mkdir(mode=0o700, exist_ok=True)
            replace_folder(fresh, final)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return number


def _reward_model(reward: Checkpoint | None) -> dict[str, Any] | None:
    if reward is None:
        return None
    return {
        "checkpoint": reward.digest,
        "version": reward.version,
        "members": list(reward.lineage["members"]),
    }


def _notes(plan: Plan, answers: list[list[Measured]]) -> list[str]:
    """What could not be measured, and why."""
    notes = []
    if plan.reward is None:
        notes.append(
            "There are no reward models yet, so figures by reward are left out: a round trains "
            "them from ratings."
        )
    known = sum(one.reference is not None for one in plan.asked)
    if not known:
        notes.append("No prompt has a known answer: no perplexity, BLEU, chrF or ROUGE-L.")
    read = sum(one.reference_tokens > 0 for one in answers[0])
    if read < known:
        notes.append(
            f"{known - read} known answers are longer than the model's context and stay out of "
            "the perplexity."
        )
    wanted = plan.request.prompts
    if wanted and len(plan.asked) < wanted:
        notes.append(f"There are only {len(plan.asked)} prompts.")
    if set(_temperatures(plan)) != {plan.settings.sampling.temperature}:
        served = zip(plan.contestants, _temperatures(plan), strict=True)
        told = ", ".join(f"{one.name} at {at:g}" for one, at in served)
        notes.append(f"Answers are drawn at the temperature at which each is served: {told}.")
    if len({one.base for one in plan.contestants}) > 1:
        notes.append("The checkpoints have different bases; KL is counted from each one's own.")
    return notes


def _temperatures(plan: Plan) -> list[float]:
    sampling = plan.settings.sampling
    return [as_served(one.figures, sampling).temperature for one in plan.policies]


def _regression(plan: Plan, measured: list[Measured]) -> dict[str, Any]:
    """The first checkpoint is the baseline of all others."""
    several = plan.settings.evaluation.regression_answers
    groups = [measured[at : at + several] for at in range(0, len(measured), several)]
    count = len(plan.fixed)
    mine = {
        one.name: groups[at * count : (at + 1) * count] for at, one in enumerate(plan.contestants)
    }
    baseline, *candidates = mine
    return regression.told(
        plan.fixed,
        {
            name: regression.judge(mine[baseline], mine[name], plan.settings.evaluation)
            for name in candidates
        },
        baseline=baseline,
        allowed=plan.request.allow_worse,
        answers=mine,
    )


def _write_answers(plan: Plan, answers: list[list[Measured]], folder: Path) -> None:
    """One line per prompt with every checkpoint's answer: what the figures were made from."""
    with (folder / "answers.jsonl").open("w", encoding="utf-8") as file:
        for place, one in enumerate(plan.asked):
            said = {
                who.name: asdict(mine[place])
                for who, mine in zip(plan.contestants, answers, strict=True)
            }
            file.write(json.dumps({**asdict(one), "answers": said}, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    sys.exit(serve(run, __doc__))
