"""Actors that answer prompts with a published policy, or with the reference.

Comparison generation, calibration and evaluation all need the same thing: many answers from one
policy, drawn in parallel, the same ones for the same seed whoever draws them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import ray
import torch

from rlhf.models.base import load_base, load_tokenizer
from rlhf.models.roles import RoleModel
from rlhf.models.sampling import sample
from rlhf.models.text import decode, prompt_ids
from rlhf.settings import Sampling

CHUNK = 48
"""Prompts per call: enough to fill a batch, few enough for a progress bar that moves."""


@dataclass(frozen=True, slots=True)
class Question:
    """One answer wanted: `sample` numbers the answers to the same prompt."""

    prompt_id: int
    sample: int
    messages: list[dict[str, str]]


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer drawn: its token ids [T], its text, and whether it came to an end."""

    prompt_id: int
    sample: int
    ids: tuple[int, ...]
    text: str
    finished: bool


@dataclass(frozen=True, slots=True)
class Mind:
    """What an answering actor loads: the base and role folders by role name.

    A role that is not in `ways` answers as `sampling` says.
    """

    base: str
    roles: dict[str, str]
    sampling: Sampling
    ways: dict[str, Sampling] = field(default_factory=dict)

    def way(self, role: str | None) -> Sampling:
        """How a role's answers are drawn."""
        return self.ways.get(role or "", self.sampling)


class Answerer:
    """Holds one base with adapters; a plain class, made a Ray actor by `answerers`."""

    def __init__(self, mind: Mind, threads: int) -> None:
        torch.set_num_threads(threads)
        self.mind = mind
        self.tokenizer = load_tokenizer(mind.base)
        self.roles = RoleModel(load_base(mind.base), self.tokenizer)
        for name, folder in mind.roles.items():
            self.roles.load_role(name, folder)

    def answer(
        self,
        role: str | None,
        questions: Sequence[Question],
        seed: int,
        sampling: Sampling | None = None,
    ) -> list[Answer]:
        """Draw one answer per question from `role` (None: the reference).

        As the mind says, unless another `sampling` is given.
        """
        sampled = sample(
            self.roles,
            [prompt_ids(self.tokenizer, q.messages, self.mind.sampling) for q in questions],
            role=role,
            sampling=sampling or self.mind.way(role),
            noise_keys=[(seed, q.prompt_id, q.sample) for q in questions],
        )
        return [
            Answer(q.prompt_id, q.sample, tuple(s.ids), decode(self.tokenizer, s.ids), s.finished)
            for q, s in zip(questions, sampled, strict=True)
        ]


def ask_all(
    actors: Sequence[Any],
    role: str | None,
    questions: Sequence[Question],
    seed: int,
    progress: Callable[[int, int], None],
) -> list[Answer]:
    """All answers in the order of the questions; `progress(done, total)` as chunks return."""
    chunks = [questions[i : i + CHUNK] for i in range(0, len(questions), CHUNK)]
    pool = ray.util.ActorPool(list(actors))
    answers: list[Answer] = []
    for part in pool.map(lambda actor, chunk: actor.answer.remote(role, chunk, seed), chunks):
        answers += part
        progress(len(answers), len(questions))
    return answers


def threads_per_worker(workers: int) -> int:
    """CPU threads that each of `workers` equal processes may use on this machine."""
    return max(1, (os.cpu_count() or 1) // workers)
