"""The round's reward models: members and hold-out train as parallel Ray tasks, then are measured.

A finished member is kept in the step's folder, so that a killed step trains only the others
again. Normalisation needs answers of the reference; the base draws them here.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import ray

from ray_jobs.answering import Answerer, Mind, Question, ask_all, threads_per_worker
from ray_jobs.cluster import cluster, gpu_share, start_actors
from ray_jobs.meter import Meter
from ray_jobs.step import Result, Step
from reward import ensemble, preferences, splits
from reward.report import MemberReport
from reward.scoring import Answer
from reward.splits import HOLDOUT, Job
from reward.training import train_member
from rlhf import registry
from rlhf.durable import replace_folder
from rlhf.store import Connection, checkpoints, manifests, prompts

REFERENCE_ANSWERS = 256
"""Answers of the reference that set gain and shift (Huang et al., 2023: 256 or more)."""

DONE = "report.json"
"""In a member's folder: it is trained, and this is its report."""

LOOK_S = 0.5
"""Longest pause between two looks at the tasks, for the progress bar."""


def run(step: Step) -> Result:
    """Train and publish the reward models of the round's manifest."""
    assert step.round.manifest is not None
    with step.store.read() as tx:
        labelled = manifests.labelled(tx, step.round.manifest)
    settings = step.settings.reward
    known = preferences.build(labelled, margin_scale=settings.margin_scale)
    plan = splits.plan(known.rows, settings)
    jobs = splits.jobs(plan, settings.members, step.round.seed)
    if not jobs or len(known.rows) < step.settings.gate.min_preferences:
        report = ensemble.untrained(known, plan)
        return Result({"report": report.to_json()})
    with cluster(step.home, step.settings.ray, cpus=max(step.settings.ray.workers, 2)):
        trained = _train(step, jobs, plan)
        reference = _reference_answers(step)
        report = ray.get(
            ray.remote(_assemble)
            .options(num_cpus=1, num_gpus=gpu_share(1))
            .remote(step.base, step.folder, trained, known, plan, reference, step.settings.sampling)
        )
    members = [one.name for one in report.members]
    digest = registry.publish(step.home, _gathered(step, report.to_json()))
    base = step.round.base

    def write(tx: Connection) -> None:
        checkpoints.record_checkpoint(
            tx,
            digest=digest,
            kind="reward",
            round_id=step.round.id,
            parent=None,
            base=base,
            figures={"held_out_accuracy": report.ensemble.value},
            lineage={"manifest": step.round.manifest, "round": step.round.id},
        )

    changes = {"reward_checkpoints": {"ensemble": digest, "members": members}}
    return Result({"report": report.to_json(), "ensemble": digest}, changes, write)


def _train(step: Step, jobs: tuple[Job, ...], plan: splits.Plan) -> list[MemberReport]:
    """Every job's report, in order; finished ones are read, the others trained in parallel."""
    task: Any = ray.remote(_train_task).options(
        num_cpus=step.settings.ray.reward_cpus, num_gpus=gpu_share(len(jobs))
    )
    meter: Any = ray.remote(Meter).options(num_cpus=0).remote()
    threads = max(1, int(step.settings.ray.reward_cpus))
    waiting = [
        task.remote(
            step.base, job, plan.unseen(job.name), step.folder, step.settings, threads, meter
        )
        for job in jobs
    ]
    pending = list(waiting)
    while pending:
        _, pending = ray.wait(pending, num_returns=len(pending), timeout=LOOK_S)
        done, total = ray.get(meter.told.remote())
        step.progress(done, max(total, 1), f"training {len(jobs)} reward models")
    reports: list[MemberReport] = ray.get(waiting)
    return reports


def _train_task(
    base: str,
    job: Job,
    unseen: tuple[preferences.Preference, ...],
    folder: Path,
    settings: Any,
    threads: int,
    meter: Any,
) -> MemberReport:
    """One member, in a Ray worker."""
    import torch

    torch.set_num_threads(threads)
    final = folder / job.name
    if (final / DONE).is_file():
        return MemberReport.from_json(json.loads((final / DONE).read_text(encoding="utf-8")))
    fresh = folder / f".{job.name}.new"
    shutil.rmtree(fresh, ignore_errors=True)
    report = train_member(
        base,
        job,
        unseen,
        fresh,
        settings=settings.reward,
        lora=settings.lora,
        sampling=settings.sampling,
        progress=lambda done, total, _: meter.tell.remote(job.name, done, total),
    )
    (fresh / DONE).write_text(json.dumps(asdict(report)), encoding="utf-8")
    replace_folder(fresh, final)
    return report


def _reference_answers(step: Step) -> list[Answer]:
    """The base's own answers to prompts of this round."""
    workers = step.settings.ray.workers
    with step.store.read() as tx:
        asked = prompts.pick_fixed(tx, "train", REFERENCE_ANSWERS, step.round.seed)
    untouched = registry.checkpoint_path(step.home, step.round.start_checkpoint)
    mind = Mind(step.base, {"policy": str(untouched)}, step.settings.sampling)
    threads = threads_per_worker(workers)
    actors = start_actors(Answerer, workers, lambda _: (mind, threads))
    drawn = ask_all(
        actors,
        None,
        [Question(prompt.id, 0, prompt.messages) for prompt in asked],
        step.round.seed,
        lambda done, total: step.progress(done, total, "answers of the reference"),
    )
    messages = {prompt.id: prompt.messages for prompt in asked}
    return [Answer(messages[one.prompt_id], one.text, one.finished) for one in drawn]


def _assemble(
    base: str,
    folder: Path,
    trained: list[MemberReport],
    known: preferences.PreferenceSet,
    plan: splits.Plan,
    reference: list[Answer],
    sampling: Any,
) -> Any:
    """Normalise and measure, in a Ray worker."""
    return ensemble.assemble(base, folder, trained, known, plan, reference, sampling=sampling)


def _gathered(step: Step, report: dict[str, Any]) -> Path:
    """A folder with every trained role and the report (without timings: same work, same digest)."""
    folder = step.home / "tmp" / f"reward-{step.round.id}"
    members = [{**one, "seconds": None} for one in report["members"]]
    plain = {**report, "members": members, "holdout": {**report["holdout"], "seconds": None}}
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name in (*(one["name"] for one in report["members"]), HOLDOUT):
        shutil.copytree(step.folder / name, folder / name, ignore=shutil.ignore_patterns(DONE))
    (folder / DONE).write_text(json.dumps(plain, indent=2, sort_keys=True), encoding="utf-8")
    return folder
