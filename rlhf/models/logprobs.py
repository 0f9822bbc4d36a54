"""Log-probabilities of response tokens, in fp32, never a whole [B, T, V] at once.

B sequences of S tokens, D hidden size, V vocabulary, N response tokens of all sequences.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

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

    With gradients on, each chunk's logits are computed again in the backward pass.
    """
    vocabulary = roles.base.get_output_embeddings().weight.shape[0]
    size = max(1, CHUNK_ELEMENTS // vocabulary)
    parts = []
    for start in range(0, len(targets), size):
        span = slice(start, start + size)
        given = (roles, hidden[span], targets[span], temperature)
        if torch.is_grad_enabled() and len(targets) > size:
            parts.append(checkpoint(_chunk, *given, use_reentrant=False))
        else:
            parts.append(_chunk(*given))
    if not parts:
        return hidden.new_zeros(0), hidden.new_zeros(0)
    return torch.cat([part[0] for part in parts]), torch.cat([part[1] for part in parts])


def _chunk(
    roles: RoleModel, hidden: Tensor, targets: Tensor, temperature: float
) -> tuple[Tensor, Tensor]:
    every = torch.log_softmax(roles.logits(hidden) / temperature, dim=-1)
    chosen = every.gather(-1, targets.unsqueeze(-1)).squeeze(-1)
    entropy = -(every.detach().exp() * every.detach()).sum(-1)
    return chosen, entropy
