"""An actor that answers prompts with a published policy, or with the reference.

Comparison generation, calibration and evaluation all need the same thing: many answers from one
policy, drawn in parallel, the same ones for the same seed whoever draws them.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ray_jobs.messages import Answer, Mind, Question
from rlhf.models.base import load_base, load_tokenizer
from rlhf.models.roles import RoleModel
from rlhf.models.sampling import sample
from rlhf.models.text import decode, prompt_ids
from rlhf.settings import Sampling


class Answerer:
    """Holds one base with adapters."""

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
            Answer(q.prompt_id, q.sample, tuple(s.ids), decode(self.tokenizer, s.said), s.finished)
            for q, s in zip(questions, sampled, strict=True)
        ]
