"""What makes passes over one token a row cheap: room in the cache, weights that are read once.

B rows, H key-value heads, S tokens so far, E per head, layer I -> O.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedConfig
from transformers.cache_utils import DynamicLayer

ROOM = 64
"""Tokens for which a cache layer has room ahead."""

FEW = 16
"""Rows up to which bf16 weights on a CPU are better the left factor of a product."""


class RoomyLayer(DynamicLayer):
    """Keys and values [B, H, S, E] at the front of larger buffers: growing them copies nothing."""

    keys: Tensor
    values: Tensor
    _shown: Tensor | None = None
    _buffers: tuple[Tensor, Tensor]

    def update(
        self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any
    ) -> tuple[Tensor, Tensor]:
        """Append [B, H, T, E] and return everything so far."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        have = self.get_seq_length()
        length = have + key_states.shape[-2]
        if self._shown is not self.keys or length > self._buffers[0].shape[-2]:
            self._buffers = (
                _roomier(self.keys, key_states, have),
                _roomier(self.values, value_states, have),
            )
        for buffer, new in zip(self._buffers, (key_states, value_states), strict=True):
            buffer[..., have:length, :] = new
        self.keys, self.values = (buffer[..., :length, :] for buffer in self._buffers)
        self._shown = self.keys
        return self.keys, self.values


def _roomier(old: Tensor, new: Tensor, have: int) -> Tensor:
    batch, heads, more, size = new.shape
    buffer = new.new_empty(batch, heads, have + more + ROOM, size)
    if have:
        buffer[..., :have, :] = old
    return buffer


def roomy_cache(config: PreTrainedConfig) -> DynamicCache:
    """A cache for a model; layers that see all tokens have room ahead."""
    cache = DynamicCache(config=config)
    roomy: Callable[[], RoomyLayer] = RoomyLayer
    cache.layers = [roomy() if type(one) is DynamicLayer else one for one in cache.layers]
    return cache


def product(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """x [..., I] times weight [O, I] transposed, plus bias [O].

    oneDNN rewrites the right factor of a bf16 product before it multiplies; with few rows that
    costs more than the product, so the weight becomes the left one.
    """
    flat = x.reshape(-1, x.shape[-1])
    if len(flat) > FEW or x.is_cuda or x.dtype != torch.bfloat16 or x.requires_grad:
        return torch.nn.functional.linear(x, weight, bias)
    out = (weight @ flat.T).T.contiguous().view(*x.shape[:-1], -1)
    return out if bias is None else out + bias
