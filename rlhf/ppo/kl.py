"""How far the policy is from the reference: estimates of the KL, in nats per token."""

from __future__ import annotations

from torch import Tensor


def k1(logprob: Tensor, ref_logprob: Tensor) -> Tensor:
    """log p - log q of each sampled token: unbiased, may be negative (Schulman, 2020)."""
    return logprob - ref_logprob


def k3(logprob: Tensor, ref_logprob: Tensor) -> Tensor:
    """(q/p - 1) - log(q/p): unbiased, never negative, less noisy (Schulman, 2020)."""
    ratio = ref_logprob - logprob
    return ratio.exp() - 1 - ratio
