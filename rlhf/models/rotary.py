"""Rotary position embeddings with fewer passes over memory than transformers writes them.

Every architecture's module has the same function under the same name; a model's modules get ours
where it gives what theirs gives.

B sequences of S tokens, H heads of size E.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

NAME = "apply_rotary_pos_emb"
PARAMETERS = ("q", "k", "cos", "sin", "unsqueeze_dim")
PROBE_SEED = 0

Rotate = Callable[..., tuple[Tensor, Tensor]]


def use_where_equal(model: PreTrainedModel) -> None:
    """Rotate by this module in all modules that the model is made of and that ours equals."""
    for home in {sys.modules[type(part).__module__] for part in model.modules()}:
        theirs = getattr(home, NAME, None)
        if theirs is not None and not hasattr(theirs, "theirs") and _equal(theirs):
            _replace(home, theirs)


def _replace(home: ModuleType, theirs: Rotate) -> None:
    @functools.wraps(theirs)
    def ours(
        q: Tensor, k: Tensor, cos: Tensor, sin: Tensor, unsqueeze_dim: int = 1
    ) -> tuple[Tensor, Tensor]:
        if cos.shape[-1] != q.shape[-1] or cos.dtype != q.dtype:
            return theirs(q, k, cos, sin, unsqueeze_dim)
        cos, sin = cos.unsqueeze(unsqueeze_dim), sin.unsqueeze(unsqueeze_dim)
        return _rotated(q, cos, sin), _rotated(k, cos, sin)

    ours.theirs = theirs  # type: ignore[attr-defined]
    setattr(home, NAME, ours)


@torch.no_grad()
def _equal(theirs: Rotate) -> bool:
    if tuple(inspect.signature(theirs).parameters) != PARAMETERS:
        return False
    noise = torch.Generator().manual_seed(PROBE_SEED)
    q, k = (torch.randn(2, heads, 5, 8, generator=noise) for heads in (4, 2))
    cos, sin = torch.randn(2, 2, 5, 8, generator=noise)
    try:
        wanted = theirs(q, k, cos, sin)
    except RuntimeError:  # gpt-oss takes half as many cosines
        return False
    pairs = zip(
        wanted,
        (_rotated(x, cos.unsqueeze(1), sin.unsqueeze(1)) for x in (q, k)),
        strict=True,
    )
    return all(torch.allclose(one, other, atol=1e-6) for one, other in pairs)


def _rotated(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """x * cos + (-upper half, lower half) * sin; x [B, H, S, E], cos and sin [B, 1, S, E]."""
    if torch.is_grad_enabled() and x.requires_grad:
        rotated: Tensor = _Rotation.apply(x, cos, sin)  # type: ignore[no-untyped-call]
        return rotated
    return _turn(x, cos, *sin.chunk(2, dim=-1), sign=-1)


class _Rotation(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        ctx.save_for_backward(cos, sin)
        return _turn(x, cos, *sin.chunk(2, dim=-1), sign=-1)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """The transposed matrix: the sine's halves change places, and their sign."""
        cos, sin = ctx.saved_tensors
        return _turn(grad, cos, *reversed(sin.chunk(2, dim=-1)), sign=1), None, None


def _turn(x: Tensor, cos: Tensor, sin_low: Tensor, sin_high: Tensor, *, sign: int) -> Tensor:
    """(low * cos + sign * high * sin_low, high * cos - sign * low * sin_high)."""
    out = torch.empty_like(x)
    low, high = x.chunk(2, dim=-1)
    out_low, out_high = out.chunk(2, dim=-1)
    cos_low, cos_high = cos.chunk(2, dim=-1)
    torch.mul(low, cos_low, out=out_low).addcmul_(high, sin_low, value=sign)
    torch.mul(high, cos_high, out=out_high).addcmul_(low, sin_high, value=-sign)
    return out
