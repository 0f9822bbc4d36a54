"""What the tasks of a round's reward step compute, each in a process of the cluster."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from ray_jobs.answering import Answerer
from ray_jobs.messages import Answer, Mind, Question
from ray_jobs.workers import CHUNK
from reward import annotators, ensemble, preferences, splits
from reward.circumstances import Circumstances
from reward.probe import opinion
from reward.report import (
    FILE,
    Agreement,
    AnnotatorReport,
    MemberReport,
    RewardReport,
    read_member,
)
from reward.scoring import Encoder
from reward.splits import Job
from reward.training import train_member
from rlhf.durable import replace_folder
from rlhf.models.base import load_base, load_tokenizer
from rlhf.models.roles import RoleModel
from rlhf.settings import Sampling, Settings
from rlhf.store import manifests


def examine_people(
    base: str, labelled: list[manifests.LabelledComparison], settings: Settings
) -> tuple[tuple[AnnotatorReport, ...], Agreement]:
    """How far each annotator can be relied on, and how far they agree."""
    tokenizer = load_tokenizer(base)
    roles = RoleModel(load_base(base), tokenizer)
    roles.add_role("untouched", settings.lora, head=False, seed=0)
    encoder = Encoder(tokenizer, settings.sampling, longest=roles.context)
    table = annotators.verdicts(labelled)
    probe = opinion(roles, encoder, labelled)
    told = annotators.examine(table, probe, floor=settings.reward.weight_floor)
    return told, annotators.agreement(table, settings.seed)


def train(
    base: str,
    job: Job,
    unseen: tuple[preferences.Preference, ...],
    folder: Path,
    settings: Settings,
    threads: int,
    meter: Any,
) -> MemberReport:
    """One member; its report is read where it was trained before."""
    torch.set_num_threads(threads)
    final = folder / job.name
    if (final / FILE).is_file():
        return read_member(json.loads((final / FILE).read_text(encoding="utf-8")))
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
    (fresh / FILE).write_text(json.dumps(asdict(report)), encoding="utf-8")
    replace_folder(fresh, final)
    return report


def answer(
    mind: Mind, questions: Sequence[Question], seed: int, threads: int, meter: Any
) -> list[Answer]:
    """Answers of the reference."""
    answerer = Answerer(mind, threads)
    drawn: list[Answer] = []
    for at in range(0, len(questions), CHUNK):
        drawn += answerer.answer(None, questions[at : at + CHUNK], seed)
        meter.tell.remote(str(questions[0]), len(drawn), len(questions))
    return drawn


def measure(
    base: str,
    folder: Path,
    trained: list[MemberReport],
    known: preferences.PreferenceSet,
    plan: splits.Plan,
    reference: list[preferences.Answer],
    circumstances: Circumstances,
    sampling: Sampling,
) -> RewardReport:
    """Normalise the members and measure them."""
    given = (trained, known, plan, reference, circumstances)
    return ensemble.assemble(base, folder, *given, sampling=sampling)
