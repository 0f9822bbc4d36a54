"""Answers to a batch of prompts, drawn from the policy as it is now.

The noise of an answer belongs to (seed, iteration, prompt, sample), so that any worker can draw a
lost one again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rlhf.models.roles import RoleModel
from rlhf.models.sampling import sample
from rlhf.models.text import right_pad
from rlhf.ppo.experience import Sequences
from rlhf.settings import Sampling


@dataclass(frozen=True, slots=True)
class PromptItem:
    """A prompt (ids [P]) to answer once; `sample` numbers the answers to it."""

    prompt_id: int
    sample: int
    ids: list[int]


def roll_out(
    roles: RoleModel,
    items: Sequence[PromptItem],
    *,
    role: str,
    sampling: Sampling,
    seed: int,
    iteration: int,
) -> tuple[Sequences, Tensor]:
    """The prompts with their answers, and whether each answer came to an end [B]."""
    drawn = sample(
        roles,
        [item.ids for item in items],
        role=role,
        sampling=sampling,
        noise_keys=[(seed, iteration, item.prompt_id, item.sample) for item in items],
    )
    whole = [[*item.ids, *one.ids] for item, one in zip(items, drawn, strict=True)]
    ids, mask = right_pad(whole, roles.device)
    response_mask = mask.clone()
    for row, item in enumerate(items):
        response_mask[row, : len(item.ids)] = 0
    finished = torch.tensor([one.finished for one in drawn], device=roles.device)
    return Sequences(ids, mask, response_mask), finished
