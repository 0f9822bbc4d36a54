"""The round's reward models: members and hold-out train as parallel Ray tasks, then are measured.

A finished member is kept in the step's folder, so that a killed step trains only the others
again. Normalisation needs answers of the reference; the base draws them here.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

from ray_jobs.cluster import cluster
from ray_jobs.messages import Mind, Question
from ray_jobs.step import Result, Step
from ray_jobs.workers import gpu_share, run_alone, run_tasks, start_task, threads_per_worker
from reward import preferences, splits
from reward.circumstances import Circumstances, untrained
from reward.preferences import Answer
from reward.report import FILE, HOLDOUT, AnnotatorReport, MemberReport, RewardReport
from reward.splits import Job
from rlhf import registry
from rlhf.rounds import State
from rlhf.store import Connection, checkpoints, manifests, prompts, rounds

REFERENCE_ANSWERS = 256
"""Answers of the reference that set gain and shift (Huang et al., 2023: 256 or more)."""

BEST_OF_PROMPTS, BEST_OF_ANSWERS = 16, 16
"""Prompts that the reference answers several times, for the best-of-n curve."""

EXAMINE, TRAIN, ANSWER, MEASURE = (
    f"ray_jobs.reward_work:{name}" for name in ("examine_people", "train", "answer", "measure")
)
"""What is computed elsewhere."""


def run(step: Step) -> Result:
    """Train and publish the reward models of the round's manifest."""
    assert step.round.manifest is not None
    with step.store.read() as tx:
        labelled = manifests.labelled(tx, step.round.manifest)
        frozen = rounds.step(tx, step.round.id, State.MANIFEST)
        last = checkpoints.newest(tx, "reward")
    left_out = (frozen.output or {}).get("left_out", {}) if frozen else {}
    wanted = step.settings.ray
    with cluster(step.home, wanted, cpus=max(wanted.workers, 2, math.ceil(wanted.reward_cpus))):
        step.progress(0, 1, "comparing annotators")
        people, agreement = run_alone(EXAMINE, step.base, labelled, step.settings)
        known = _preferences(step, labelled, people)
        circumstances = Circumstances(
            annotators=people,
            people=agreement,
            left_out=left_out,
            round_id=step.round.id,
            previous=registry.checkpoint_path(step.home, last.digest) if last else None,
            previous_members=tuple(last.lineage.get("members", ())) if last else (),
        )
        plan = splits.plan(known.rows, step.settings.reward)
        jobs = splits.jobs(plan, step.settings.reward.members, step.round.seed)
        if not jobs or known.effective < step.settings.gate.min_preferences:
            return Result({"report": untrained(known, plan, circumstances).to_json()})
        trained = _train(step, jobs, plan)
        reference, best_of = _reference_answers(step)
        circumstances = replace(circumstances, best_of=best_of)
        step.progress(1, 1, "measuring the ensemble")
        report: RewardReport = run_alone(
            MEASURE,
            step.base,
            step.folder,
            trained,
            known,
            plan,
            reference,
            circumstances,
            step.settings.sampling,
        )
    members = [one.name for one in report.members]
    digest = registry.publish(step.home, _gathered(step, report.to_json()))
    base = step.round.base
    lineage = {"manifest": step.round.manifest, "round": step.round.id, "members": members}

    def write(tx: Connection) -> None:
        checkpoints.record_checkpoint(
            tx,
            digest=digest,
            kind="reward",
            round_id=step.round.id,
            parent=None,
            base=base,
            figures={"held_out_accuracy": report.ensemble.value},
            lineage=lineage,
        )

    changes = {"reward_checkpoints": {"ensemble": digest, "members": members}}
    return Result({"report": report.to_json(), "ensemble": digest}, changes, write)


def _preferences(
    step: Step,
    labelled: list[manifests.LabelledComparison],
    people: Sequence[AnnotatorReport],
) -> preferences.PreferenceSet:
    weights = {one.annotator_id: one.weight for one in people}
    scale = step.settings.reward.margin_scale
    return preferences.build(labelled, margin_scale=scale, weights=weights)


def _train(step: Step, jobs: tuple[Job, ...], plan: splits.Plan) -> list[MemberReport]:
    """Every job's report, in order; finished ones are read, the others trained in parallel."""
    cpus = step.settings.ray.reward_cpus
    threads, gpus = max(1, int(cpus)), gpu_share(len(jobs))
    settings, folder = step.settings, step.folder

    def start(meter: Any) -> list[Any]:
        given = ((step.base, job, plan.unseen(job.name), folder, settings) for job in jobs)
        return [start_task(TRAIN, *one, threads, meter, cpus=cpus, gpus=gpus) for one in given]

    return run_tasks(
        start,
        lambda done, total: step.progress(done, total, f"training {len(jobs)} reward models"),
    )


def _reference_answers(step: Step) -> tuple[list[Answer], tuple[tuple[Answer, ...], ...]]:
    """The base's own answers to prompts of this round: one each, and several to a few."""
    workers = step.settings.ray.workers
    with step.store.read() as tx:
        asked = prompts.pick_fixed(tx, "train", REFERENCE_ANSWERS, step.round.seed)
    few = asked[:BEST_OF_PROMPTS]
    questions = [Question(one.id, 0, one.messages) for one in asked]
    questions += [
        Question(one.id, sample, one.messages)
        for one in few
        for sample in range(1, BEST_OF_ANSWERS + 1)
    ]
    untouched = registry.checkpoint_path(step.home, step.round.start_checkpoint)
    mind = Mind(step.base, {"policy": str(untouched)}, step.settings.sampling)
    size = math.ceil(len(questions) / workers)
    shares = [questions[at : at + size] for at in range(0, len(questions), size)]
    seed, threads, gpus = step.round.seed, threads_per_worker(workers), gpu_share(workers)

    def start(meter: Any) -> list[Any]:
        given = ((mind, share, seed, threads, meter) for share in shares)
        return [start_task(ANSWER, *one, gpus=gpus) for one in given]

    drawn = chain.from_iterable(
        run_tasks(start, lambda done, all_: step.progress(done, all_, "answers of the reference"))
    )
    messages = {prompt.id: prompt.messages for prompt in asked}
    answers = [Answer(messages[one.prompt_id], one.text, one.finished) for one in drawn]
    several = answers[len(asked) :]
    return answers[: len(asked)], tuple(
        tuple(several[at : at + BEST_OF_ANSWERS]) for at in range(0, len(several), BEST_OF_ANSWERS)
    )


def _gathered(step: Step, report: dict[str, Any]) -> Path:
    """A folder with every trained role and the report (without timings: same work, same digest)."""
    folder = step.home / "tmp" / f"reward-{step.round.id}"
    members = [{**one, "seconds": None} for one in report["members"]]
    plain = {**report, "members": members, "holdout": {**report["holdout"], "seconds": None}}
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name in (*(one["name"] for one in report["members"]), HOLDOUT):
        shutil.copytree(step.folder / name, folder / name, ignore=shutil.ignore_patterns(FILE))
    (folder / FILE).write_text(json.dumps(plain, indent=2, sort_keys=True), encoding="utf-8")
    return folder
