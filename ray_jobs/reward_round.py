"""The round's reward models: members and hold-out train as parallel Ray tasks, then are measured.

A finished member is kept in the step's folder, so that a killed step trains only the others
again. Normalisation needs answers of the reference; the base draws them here.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from itertools import chain
from pathlib import Path
from typing import Any

import ray

from ray_jobs.answering import CHUNK, Answerer, Mind, Question, threads_per_worker
from ray_jobs.answering import Answer as Drawn
from ray_jobs.cluster import cluster, gpu_share, run_tasks
from ray_jobs.step import Result, Step
from reward import annotators, ensemble, preferences, splits
from reward.measures import Circumstances, untrained
from reward.probe import opinion
from reward.report import Agreement, AnnotatorReport, MemberReport, RewardReport, read_member
from reward.scoring import Answer, Encoder
from reward.splits import HOLDOUT, Job
from reward.training import train_member
from rlhf import registry
from rlhf.durable import replace_folder
from rlhf.models.base import load_base, load_tokenizer
from rlhf.models.roles import RoleModel
from rlhf.rounds import State
from rlhf.settings import Sampling, Settings
from rlhf.store import Connection, checkpoints, manifests, prompts, rounds

REFERENCE_ANSWERS = 256
"""Answers of the reference that set gain and shift (Huang et al., 2023: 256 or more)."""

BEST_OF_PROMPTS, BEST_OF_ANSWERS = 16, 16
"""Prompts that the reference answers several times, for the best-of-n curve."""

DONE = "report.json"
"""In a member's folder: it is trained, and this is its report."""


def run(step: Step) -> Result:
    """Train and publish the reward models of the round's manifest."""
    assert step.round.manifest is not None
    with step.store.read() as tx:
        labelled = manifests.labelled(tx, step.round.manifest)
        frozen = rounds.step(tx, step.round.id, State.MANIFEST)
        last = checkpoints.newest(tx, "reward")
    left_out = (frozen.output or {}).get("left_out", {}) if frozen else {}
    with cluster(step.home, step.settings.ray, cpus=max(step.settings.ray.workers, 2)):
        step.progress(0, 1, "comparing annotators")
        people, agreement = _alone(examine_people, step.base, labelled, step.settings)
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
        report: RewardReport = _alone(
            _assemble,
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


def _alone(work: Callable[..., Any], *given: Any) -> Any:
    """The result of a function in a Ray worker of its own."""
    task: Any = ray.remote(work).options(num_cpus=1, num_gpus=gpu_share(1))
    return ray.get(task.remote(*given))


def examine_people(
    base: str, labelled: list[manifests.LabelledComparison], settings: Settings
) -> tuple[tuple[AnnotatorReport, ...], Agreement]:
    """How far each annotator can be relied on, and how far they agree; in a Ray worker."""
    tokenizer = load_tokenizer(base)
    roles = RoleModel(load_base(base), tokenizer)
    roles.add_role("untouched", settings.lora, head=False, seed=0)
    encoder = Encoder(tokenizer, settings.sampling, longest=roles.context)
    table = annotators.verdicts(labelled)
    probe = opinion(roles, encoder, labelled)
    told = annotators.examine(table, probe, floor=settings.reward.weight_floor)
    return told, annotators.agreement(table, settings.seed)


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
    task: Any = ray.remote(_train_task).options(
        num_cpus=step.settings.ray.reward_cpus, num_gpus=gpu_share(len(jobs))
    )
    threads = max(1, int(step.settings.ray.reward_cpus))
    return run_tasks(
        lambda meter: [
            task.remote(
                step.base, job, plan.unseen(job.name), step.folder, step.settings, threads, meter
            )
            for job in jobs
        ],
        lambda done, total: step.progress(done, total, f"training {len(jobs)} reward models"),
    )


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
        return read_member(json.loads((final / DONE).read_text(encoding="utf-8")))
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
    task: Any = ray.remote(_answer_task).options(num_cpus=1, num_gpus=gpu_share(workers))
    size = math.ceil(len(questions) / workers)
    shares = [questions[at : at + size] for at in range(0, len(questions), size)]
    threads = threads_per_worker(workers)
    seed = step.round.seed
    drawn = chain.from_iterable(
        run_tasks(
            lambda meter: [task.remote(mind, share, seed, threads, meter) for share in shares],
            lambda done, total: step.progress(done, total, "answers of the reference"),
        )
    )
    messages = {prompt.id: prompt.messages for prompt in asked}
    answers = [Answer(messages[one.prompt_id], one.text, one.finished) for one in drawn]
    several = answers[len(asked) :]
    return answers[: len(asked)], tuple(
        tuple(several[at : at + BEST_OF_ANSWERS]) for at in range(0, len(several), BEST_OF_ANSWERS)
    )


def _answer_task(
    mind: Mind, questions: Sequence[Question], seed: int, threads: int, meter: Any
) -> list[Drawn]:
    """Answers of the reference, in a Ray worker that may have trained a member before."""
    answerer = Answerer(mind, threads)
    drawn: list[Drawn] = []
    for at in range(0, len(questions), CHUNK):
        drawn += answerer.answer(None, questions[at : at + CHUNK], seed)
        meter.tell.remote(str(questions[0]), len(drawn), len(questions))
    return drawn


def _assemble(
    base: str,
    folder: Path,
    trained: list[MemberReport],
    known: preferences.PreferenceSet,
    plan: splits.Plan,
    reference: list[Answer],
    circumstances: Circumstances,
    sampling: Sampling,
) -> RewardReport:
    """Normalise and measure, in a Ray worker."""
    given = (trained, known, plan, reference, circumstances)
    return ensemble.assemble(base, folder, *given, sampling=sampling)


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
