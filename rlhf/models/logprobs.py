"""Log-probabilities of response tokens, in fp32, never a whole [B, T, V] at once.

B sequences of S tokens, D hidden size, V vocabulary, N response tokens of all sequences.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from rlhf.models.roles import RoleModel

CHUNK_ELEMENTS = 2**22
"""Logits computed at once: 16 MiB in fp32, whatever the vocabulary."""


def response_logprobs(
    roles: RoleModel, hidden: Tensor, ids: Tensor, response_mask: Tensor, temperature: float
) -> Tensor:
    """[B, S] in nats, 0 outside the response; gradients flow to the hidden states.

    hidden: [B, S, D] of ids; ids, response_mask: [B, S], right-padded. The entry at s belongs to
    token s, predicted from the state before it. `temperature` divides the logits (Huang et al.,
    2023).
    """
    rows, places = response_mask.bool().nonzero(as_tuple=True)
    chosen: Tensor = _TokenLogprobs.apply(  # type: ignore[no-untyped-call]
        hidden[rows, places - 1], ids[rows, places], roles, temperature
    )
    return torch.zeros(ids.shape, device=ids.device).index_put((rows, places), chosen)


@torch.no_grad()
def response_logprobs_and_entropy(
    roles: RoleModel, hidden: Tensor, ids: Tensor, response_mask: Tensor, temperature: float
) -> tuple[Tensor, Tensor]:
    """What `response_logprobs` says, bit for bit, and the entropy at each token [B, S] in nats."""
    rows, places = response_mask.bool().nonzero(as_tuple=True)
    states, targets = hidden[rows, places - 1], ids[rows, places]
    both = torch.zeros(2, *ids.shape, device=ids.device)
    for span in _spans(roles, len(targets)):
        every = _log_softmax(roles, states[span], temperature)
        both[0, rows[span], places[span]] = _of(every, targets[span])
        both[1, rows[span], places[span]] = -(every.exp() * every).sum(-1)
    return both[0], both[1]


class _TokenLogprobs(torch.autograd.Function):
    """Log-probabilities [N] of targets [N] given hidden states [N, D].

    A token's log-probability depends on its own hidden state alone, so the gradient is one
    [N, D]; it is taken chunk by chunk on the way, and no logits are kept or computed again.
    """

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, targets: Tensor, roles: RoleModel, temperature: float
    ) -> Tensor:
        chosen = torch.empty(len(targets), device=hidden.device)
        slope = torch.empty_like(hidden)
        for span in _spans(roles, len(targets)):
            every = _log_softmax(roles, hidden[span], temperature)
            chosen[span] = _of(every, targets[span])
            if ctx.needs_input_grad[0]:
                towards = every.exp_().neg_()
                towards[torch.arange(len(towards)), targets[span]] += 1
                if temperature != 1:
                    towards.div_(temperature)
                slope[span] = roles.lm_head.backward(hidden[span], towards)
        ctx.save_for_backward(slope)
        return chosen

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        (slope,) = ctx.saved_tensors
        return slope * grad.unsqueeze(-1).to(slope.dtype), None, None, None


def _spans(roles: RoleModel, count: int) -> list[slice]:
    size = max(1, CHUNK_ELEMENTS // roles.lm_head.vocabulary)
    return [slice(start, start + size) for start in range(0, count, size)]


def _log_softmax(roles: RoleModel, hidden: Tensor, temperature: float) -> Tensor:
    """[n, V] in fp32."""
    logits = roles.logits(hidden)
    if temperature != 1:
        logits = logits / temperature
    return torch.log_softmax(logits, dim=-1)


def _of(every: Tensor, targets: Tensor) -> Tensor:
    return every.gather(-1, targets.unsqueeze(-1)).squeeze(-1)
