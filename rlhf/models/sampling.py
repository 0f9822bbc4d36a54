"""Answers drawn from a role, token by token, with a key-value cache.

Each answer's noise comes from its own key, (seed, iteration, prompt, sample) say, so that the
same answer can be drawn again by any worker in any batch (up to the rounding of floats).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rlhf.models.decoding import roomy_cache
from rlhf.models.roles import RoleModel
from rlhf.models.text import left_pad
from rlhf.models.turn_end import named_ends
from rlhf.seeds import derived
from rlhf.settings import Sampling

COMPACT_BELOW = 0.75
"""Finished answers leave the batch when fewer than this share of it still runs."""


@dataclass(frozen=True, slots=True)
class SampledResponse:
    """Token ids [T] as they were drawn, the end token included where there is one."""

    ids: list[int]
    finished: bool

    @property
    def said(self) -> list[int]:
        """The ids without the end token."""
        return self.ids[:-1] if self.finished else self.ids


def sample(
    roles: RoleModel,
    prompts: Sequence[Sequence[int]],
    *,
    role: str | None,
    sampling: Sampling,
    noise_keys: Sequence[tuple[int, ...]],
) -> list[SampledResponse]:
    """One answer per prompt (ids [P]) from `role` (None: the reference), in the given order."""
    if not prompts:
        return []
    noise = torch.stack([_noise(key, sampling.max_new_tokens) for key in noise_keys])
    with torch.inference_mode(), roles.merged(role):
        drawn = _decode(roles, prompts, sampling, noise.to(roles.device))
    ends = set(end_tokens(roles).tolist())
    return [SampledResponse(ids, bool(ids) and ids[-1] in ends) for ids in drawn]


def _decode(
    roles: RoleModel, prompts: Sequence[Sequence[int]], sampling: Sampling, noise: Tensor
) -> list[list[int]]:
    ends = end_tokens(roles)
    drawn: list[list[int]] = [[] for _ in prompts]
    fitting = [row for row, prompt in enumerate(prompts) if len(prompt) < roles.context]
    if not fitting:
        return drawn
    ids, mask = left_pad([prompts[row] for row in fitting], roles.device)
    position = mask.sum(dim=1, keepdim=True)
    positions = (mask.cumsum(dim=1) - 1).clamp_min(0)
    cache = roomy_cache(roles.base.config)
    running = torch.tensor(fitting, device=roles.device)
    alive = torch.ones(len(fitting), dtype=torch.bool, device=roles.device)
    for step in range(sampling.max_new_tokens):
        out = roles.base.base_model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
        )
        logits = roles.logits(out.last_hidden_state[:, -1]) / sampling.temperature
        chosen = _pick(torch.softmax(logits, dim=-1), noise[running, step])
        for row, token, on in zip(running.tolist(), chosen.tolist(), alive.tolist(), strict=True):
            if on:
                drawn[row].append(token)
        room = position.squeeze(1) + step + 1 < roles.context
        alive = alive & room & ~torch.isin(chosen, ends)
        if not alive.any():
            break
        ids, positions = chosen.unsqueeze(1), (position + step).clamp_max(roles.context - 1)
        mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
        if alive.float().mean() < COMPACT_BELOW:
            kept = alive.nonzero().squeeze(1)
            cache.batch_select_indices(kept)
            ids, mask, positions = ids[kept], mask[kept], positions[kept]
            position, running, alive = position[kept], running[kept], alive[kept]
    return drawn


def end_tokens(roles: RoleModel) -> Tensor:
    """Ids that end an answer: the tokenizer's, and those of the model's generation settings."""
    named = named_ends(roles.base.generation_config)
    every = sorted({int(one) for one in (roles.tokenizer.eos_token_id, *named)})
    return torch.tensor(every, device=roles.device)


def _noise(key: tuple[int, ...], length: int) -> Tensor:
    """`length` uniform numbers in [0, 1) that belong to the key."""
    generator = torch.Generator().manual_seed(derived(*key))
    return torch.rand(length, generator=generator, dtype=torch.float64)


def _pick(probabilities: Tensor, uniform: Tensor) -> Tensor:
    """Inverse transform sampling: [B, V], [B] -> token ids [B]."""
    cumulative = probabilities.double().cumsum(dim=-1)
    scaled = uniform.unsqueeze(1) * cumulative[:, -1:]
    return (
        torch.searchsorted(cumulative, scaled, right=True)
        .squeeze(1)
        .clamp_max(probabilities.shape[-1] - 1)
    )
