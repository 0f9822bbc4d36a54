"""What a rollout leaves behind for the update, and how it is cut."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Sequences:
    """Right-padded ids, mask and response mask, each [B, S], before anything is known of them."""

    ids: Tensor
    mask: Tensor
    response_mask: Tensor


@dataclass(frozen=True, slots=True)
class Experience:
    """B responses with their prompts, right-padded to S tokens.

    Entries at s belong to token s; they are 0 outside the response.
    """

    ids: Tensor
    """[B, S] token ids: prompt, response, padding."""
    mask: Tensor
    """[B, S] 1 on prompt and response."""
    response_mask: Tensor
    """[B, S] 1 on response tokens, the end token included."""
    finished: Tensor
    """[B] whether the response came to an end."""
    logprob: Tensor
    """[B, S] nats, of the policy that drew the response, by the learner's own forward pass."""
    ref_logprob: Tensor
    """[B, S] nats, of the reference."""
    entropy: Tensor
    """[B, S] nats, of the policy at each response token."""
    value: Tensor
    """[B, S] expected return before the token, as the value role saw it at rollout."""
    score: Tensor
    """[B] conservative score of the ensemble, before clipping and penalties."""
    reward: Tensor
    """[B, S] what PPO maximises: score less the KL term."""
    advantage: Tensor
    """[B, S] GAE, not whitened."""
    returns: Tensor
    """[B, S] targets of the value."""

    def __len__(self) -> int:
        return len(self.ids)

    def rows(self, chosen: Tensor) -> Experience:
        """Some responses, in the given order, without the padding that none of them needs."""
        part = replace(self, **{name: getattr(self, name)[chosen] for name in _NAMES})
        width = int(part.mask.sum(dim=1).max())
        wide = [name for name in _NAMES if getattr(part, name).dim() == 2]
        return replace(part, **{name: getattr(part, name)[:, :width] for name in wide})


_NAMES = [field.name for field in fields(Experience)]


def minibatches(count: int, parts: int, seed: int) -> list[Tensor]:
    """Shuffled row numbers 0..count-1 in `parts` like parts; the same for the same seed."""
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    return list(order.tensor_split(parts))
