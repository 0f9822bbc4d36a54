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
    trunk: Tensor | None = None
    value_states: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Experience:
    """B responses with their prompts, right-padded to S tokens; hidden size D.

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
    trunk: Tensor | None = None
    """[B, S, D] output of the layers below all adapters (`rlhf.models.trunk`), if there are any."""
    value_states: Tensor | None = None
    """[B, S, D] what the value's head reads, where no update changes it (layout `reward`)."""

    def __len__(self) -> int:
        return len(self.ids)

    def rows(self, chosen: Tensor) -> Experience:
        """Some responses, in the given order, without the padding that none of them needs."""
        width = int(self.mask[chosen].sum(dim=1).max())
        parts = {name: value[chosen] for name, value in self._tensors().items()}
        cut = {name: value[:, :width] for name, value in parts.items() if value.dim() > 1}
        return replace(self, **{**parts, **cut})

    def _tensors(self) -> dict[str, Tensor]:
        every = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in every.items() if value is not None}


def minibatches(count: int, parts: int, seed: int) -> list[Tensor]:
    """Shuffled row numbers 0..count-1 in `parts` like parts; the same for the same seed."""
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    return list(order.tensor_split(parts))
