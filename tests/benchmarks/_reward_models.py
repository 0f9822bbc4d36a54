"""Reward models as a round trains them, on the starter and without Ray."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from reward import splits
from reward.preferences import Preference
from reward.report import MemberReport
from reward.scoring import Encoded, Encoder, differences
from reward.splits import Job
from reward.training import train_member
from rlhf import starter
from rlhf.models.base import load_base, load_tokenizer
from rlhf.models.roles import RoleModel
from rlhf.settings import LoRA, Reward
from tests.benchmarks._starter_pairs import SAMPLING

CORES = 2

Numbers = np.ndarray[Any, np.dtype[np.float64]]


def untouched() -> tuple[RoleModel, Encoder]:
    tokenizer = load_tokenizer(starter.MODEL_PATH)
    roles = RoleModel(load_base(starter.MODEL_PATH), tokenizer)
    roles.add_role("untouched", LoRA(), head=False, seed=0)
    return roles, Encoder(tokenizer, SAMPLING, longest=roles.context)


def train(folder: Path, jobs: Sequence[Job], plan: splits.Plan | None) -> list[MemberReport]:
    """Every job's report; as many at a time as there are cores, one thread each."""
    work = [(folder, job, plan.unseen(job.name) if plan else ()) for job in jobs]
    with multiprocessing.get_context("spawn").Pool(CORES, torch.set_num_threads, (1,)) as pool:
        return pool.map(_one, work, chunksize=1)


def _one(work: tuple[Path, Job, Sequence[Preference]]) -> MemberReport:
    folder, job, unseen = work
    return train_member(
        starter.MODEL_PATH,
        job,
        unseen,
        folder / job.name,
        settings=Reward(),
        lora=LoRA(),
        sampling=SAMPLING,
    )


def scored(folder: Path, names: Sequence[str], rows: Sequence[Preference]) -> Numbers:
    """[members, rows]: score of chosen less rejected, each member scaled to spread 1."""
    roles, encoder = untouched()
    for name in names:
        roles.load_role(name, folder / name)
    pairs: list[Encoded] = encoder.pairs(rows)
    found = np.stack([differences(roles, name, pairs) for name in names])
    return np.asarray(found)
