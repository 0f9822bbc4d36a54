"""Log-probabilities of response tokens, in fp32, never a whole [B, T, V] at once.

B sequences of S tokens, D hidden size, V vocabulary, N response tokens of all sequences.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from rlhf.models.roles import RoleModel

CHUNK_ELEMENTS = 2**23
"""Logits computed at once: 32 MiB in fp32, whatever the vocabulary."""


def response_logprobs(
    roles: RoleModel,
    role: str | None,
    ids: Tensor,
    mask: Tensor,
    response_mask: Tensor,
    temperature: float,
) -> tuple[Tensor, Tensor]:
    """(log-probability, entropy), both [B, S] in nats, 0 outside the response.

    ids, mask, response_mask: [B, S], right-padded. The entry at s belongs to token s, predicted
    from the hidden state before it. `temperature` divides the logits (Huang et al., 2023).
    """
    hidden = roles.hidden(role, ids, mask)
    where = response_mask.bool()
    rows, places = where.nonzero(as_tuple=True)
    chosen, spread = token_logprobs(roles, hidden[rows, places - 1], ids[rows, places], temperature)
    logprob = torch.zeros(ids.shape, device=ids.device).index_put((rows, places), chosen)
    entropy = torch.zeros_like(logprob).index_put((rows, places), spread)
    return logprob, entropy


def token_logprobs(
    roles: RoleModel, hidden: Tensor, targets: Tensor, temperature: float
) -> tuple[Tensor, Tensor]:
    """(log-probability, entropy), both [N], of targets [N] given hidden states [N, D].

    The gradient of the log-probabilities is taken along with them, chunk by chunk, so that no
    logits are kept or computed again. The entropy carries none.
    """
    if not torch.is_grad_enabled():
        return _chunked(roles, hidden, targets, temperature)
    both: tuple[Tensor, Tensor] = _TokenLogprobs.apply(  # type: ignore[no-untyped-call]
        hidden, targets, roles, temperature
    )
    return both


class _TokenLogprobs(torch.autograd.Function):
    """A token's log-probability depends on its own hidden state alone: d/dh is one [N, D]."""

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, targets: Tensor, roles: RoleModel, temperature: float
    ) -> tuple[Tensor, Tensor]:
        leaf = hidden.detach().requires_grad_()
        slope = torch.empty_like(hidden)
        parts = []
        for span in _spans(roles, len(targets)):
            with torch.enable_grad():
                part = leaf[span]
                chosen, spread = _chunk(roles, part, targets[span], temperature)
                slope[span] = torch.autograd.grad(chosen.sum(), part)[0]
            parts.append((chosen.detach(), spread))
        ctx.save_for_backward(slope)
        chosen, spread = (torch.cat(one) for one in zip(*parts, strict=True))
        ctx.mark_non_differentiable(spread)
        return chosen, spread

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (slope,) = ctx.saved_tensors
        return slope * grads[0].unsqueeze(-1).to(slope.dtype), None, None, None


def _chunked(
    roles: RoleModel, hidden: Tensor, targets: Tensor, temperature: float
) -> tuple[Tensor, Tensor]:
    parts = [
        _chunk(roles, hidden[span], targets[span], temperature)
        for span in _spans(roles, len(targets))
    ]
    chosen, spread = (torch.cat(one) for one in zip(*parts, strict=True))
    return chosen, spread


def _spans(roles: RoleModel, count: int) -> list[slice]:
    vocabulary = roles.base.get_output_embeddings().weight.shape[0]
    size = max(1, CHUNK_ELEMENTS // vocabulary)
    return [slice(start, start + size) for start in range(0, max(count, 1), size)]


def _chunk(
    roles: RoleModel, hidden: Tensor, targets: Tensor, temperature: float
) -> tuple[Tensor, Tensor]:
    every = torch.log_softmax(roles.logits(hidden) / temperature, dim=-1)
    chosen = every.gather(-1, targets.unsqueeze(-1)).squeeze(-1)
    entropy = -(every.detach().exp() * every.detach()).sum(-1)
    return chosen, entropy
