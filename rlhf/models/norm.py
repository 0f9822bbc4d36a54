"""Root mean square norms with fewer passes over memory than transformers writes them.

Frozen norms need no gradient for their weight, so the backward pass keeps x and one number a row
instead of three copies of x in fp32. Used only where it gives what the original gives.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

PROBE_SEED = 0
ALLOWED = 2**-7
"""Relative difference from the original on random input: one rounding of bf16."""


class FrozenRMSNorm(nn.Module):
    """x / rms(x) * weight, the mean in fp32 (Zhang and Sennrich, 2019)."""

    def __init__(self, weight: nn.Parameter, eps: float) -> None:
        super().__init__()
        self.weight, self.eps = weight, eps

    def forward(self, x: Tensor) -> Tensor:
        """[..., D] -> [..., D]."""
        if not x.requires_grad:
            return _normed(x, self.weight, self.eps)[0]
        out: Tensor = _Norm.apply(x, self.weight, self.eps)  # type: ignore[no-untyped-call]
        return out


def use_where_equal(model: PreTrainedModel) -> None:
    """Replace every root mean square norm of a frozen model that ours equals."""
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            ours = _ours(child) if type(child).__name__.endswith("RMSNorm") else None
            if ours is not None and _equal(child, ours):
                setattr(parent, name, ours)


def _ours(norm: nn.Module) -> FrozenRMSNorm | None:
    """The same norm in our form; none when it lacks what ours needs, or is being trained."""
    weight = getattr(norm, "weight", None)
    eps = getattr(norm, "variance_epsilon", getattr(norm, "eps", None))
    if not isinstance(weight, nn.Parameter) or weight.requires_grad or not isinstance(eps, float):
        return None
    return FrozenRMSNorm(weight, eps)


@torch.no_grad()
def _equal(norm: nn.Module, ours: FrozenRMSNorm) -> bool:
    noise = torch.Generator().manual_seed(PROBE_SEED)
    weight = ours.weight
    x = torch.randn(4, len(weight), generator=noise).to(weight.device, weight.dtype)
    theirs: Tensor = norm(x)
    return torch.allclose(ours(x), theirs, rtol=ALLOWED, atol=1e-6)


def _normed(x: Tensor, weight: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """The norm [..., D], and 1 / rms(x) [..., 1] in fp32."""
    wide = x.float()
    scale: Tensor = torch.linalg.vector_norm(wide, dim=-1, keepdim=True).square_()
    scale = scale.div_(x.shape[-1]).add_(eps).rsqrt_()
    return (wide * scale).to(x.dtype) * weight, scale


class _Norm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, eps: float) -> Tensor:
        out, scale = _normed(x, weight, eps)
        ctx.save_for_backward(x, weight, scale)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """s g w - x s^3 mean(g w x), with s = 1 / rms(x)."""
        x, weight, scale = ctx.saved_tensors
        wide, towards = x.float(), (grad * weight).float()
        along = torch.linalg.vecdot(towards, wide).unsqueeze(-1)
        along.mul_(scale.pow(3)).div_(-x.shape[-1])
        return torch.addcmul(towards.mul_(scale), wide, along).to(x.dtype), None, None
