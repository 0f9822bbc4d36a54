"""The two losses of PPO, as sums over tokens, to be divided by the global number of tokens.

All tensors [B, S]; mask is 1 on response tokens.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class PolicyLoss(NamedTuple):
    """Sums over response tokens; each is a scalar tensor."""

    loss: Tensor
    approx_kl: Tensor
    """KL(old || new) by (r - 1) - log r (Schulman, 2020)."""
    clipped: Tensor
    """Tokens whose ratio left [1 - clip, 1 + clip]."""


def policy_loss(
    logprob: Tensor,
    old_logprob: Tensor,
    advantage: Tensor,
    mask: Tensor,
    *,
    clip: float,
    dual_clip: float,
) -> PolicyLoss:
    """Clipped surrogate (Schulman et al., 2017, eq. 7), dual-clipped (Ye et al., 2020, eq. 5)."""
    assert logprob.shape == old_logprob.shape == advantage.shape == mask.shape
    log_ratio = (logprob - old_logprob) * mask
    ratio = log_ratio.exp()
    surrogate = torch.min(ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage)
    floored = torch.max(surrogate, dual_clip * advantage)
    surrogate = torch.where(advantage < 0, floored, surrogate)
    with torch.no_grad():
        approx_kl = ((ratio - 1 - log_ratio) * mask).sum()
        clipped = (((ratio - 1).abs() > clip) * mask).sum()
    return PolicyLoss(-(surrogate * mask).sum(), approx_kl, clipped)


class ValueLoss(NamedTuple):
    """Sums over response tokens; each is a scalar tensor."""

    loss: Tensor
    clipped: Tensor


def value_loss(
    value: Tensor, old_value: Tensor, returns: Tensor, mask: Tensor, *, clip: float
) -> ValueLoss:
    """0.5 * max of the clipped and the unclipped squared error (Huang et al., 2022, detail 9)."""
    assert value.shape == old_value.shape == returns.shape == mask.shape
    near = old_value + (value - old_value).clamp(-clip, clip)
    plain, bounded = (value - returns).square(), (near - returns).square()
    with torch.no_grad():
        clipped = ((bounded > plain) * mask).sum()
    return ValueLoss(0.5 * (torch.max(plain, bounded) * mask).sum(), clipped)
