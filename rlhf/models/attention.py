"""Attention over short whole sequences on a CPU: three plain products.

torch's fused CPU kernel is made for long sequences; below SHORT tokens its backward pass takes
several times as long as the products themselves (tests/benchmarks/README.md). Everything else
goes to it unchanged.

B sequences of S tokens, H heads in K groups that share keys and values, E per head.
"""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

NAME = "short"
SHORT = 256
"""Tokens; S x S scores of all heads are kept for the backward pass below this."""


def use_where_faster(model: PreTrainedModel) -> None:
    """Let a model on a CPU that would use torch's fused kernel use this module instead."""
    if model.device.type == "cpu" and model.config._attn_implementation == "sdpa":
        AttentionInterface.register(NAME, attention)
        AttentionMaskInterface.register(NAME, sdpa_mask)
        model.set_attn_implementation(NAME)


def attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    **given: Any,
) -> tuple[Tensor, None]:
    """query [B, H, S, E], key and value [B, K, S, E] -> [B, S, H, E]; transformers' interface."""
    batch, heads, length, size = query.shape
    whole = attention_mask is None and key.shape[2] == length and 1 < length <= SHORT
    if not whole or value.shape[-1] != size:  # DeepSeek's values are narrower than its keys
        out, _ = sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, **given
        )
        return out, None
    groups = key.shape[1]
    shared = (batch * groups, -1, size)
    queries, keys = query.reshape(shared), key.reshape(shared)
    future = _future(length, heads // groups, query.dtype)
    scale = size**-0.5 if scaling is None else scaling
    scores = torch.baddbmm(future, queries, keys.transpose(1, 2), alpha=scale)
    weights = torch.softmax(scores, dim=-1)  # in fp32 inside, whatever goes in and out
    out = torch.bmm(weights, value.reshape(shared))
    return out.view(batch, heads, length, size).transpose(1, 2).contiguous(), None


@functools.lru_cache(maxsize=64)
def _future(length: int, repeats: int, dtype: torch.dtype) -> Tensor:
    """[1, repeats * S, S]: minus infinity where a token would see a later one."""
    with torch.inference_mode(False):
        bias = torch.full((length, length), float("-inf"), dtype=dtype).triu(1)
        return bias.repeat(1, repeats, 1)
