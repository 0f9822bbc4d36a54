"""Rows of a forward pass in one sequence without padding, where that is faster.

It is exact wherever transformers masks by position ids, but only FlashAttention skips what
neighbouring rows would see of each other: torch's own attention computes it and throws it away
(docs/lab.md), so there the rows stay padded, beside others of like length.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from transformers import PreTrainedModel
from transformers.utils.import_utils import is_flash_attn_2_available, is_flash_attn_3_available

KERNELS = ("flash_attention_3", "flash_attention_2")
"""Transformers' names, the faster first."""
HALF = (torch.float16, torch.bfloat16)
"""What the kernels compute in."""


def use_flash_attention(model: PreTrainedModel) -> None:
    """Let a model use FlashAttention where it is installed and the model can."""
    there = (is_flash_attn_3_available(), is_flash_attn_2_available())
    installed = [name for name, found in zip(KERNELS, there, strict=True) if found]
    if chosen := kernel(
        installed, able=model._supports_flash_attn, device=model.device.type, dtype=model.dtype
    ):
        model.set_attn_implementation(chosen)


def kernel(installed: Sequence[str], *, able: bool, device: str, dtype: torch.dtype) -> str | None:
    """The best of the installed kernels; none off a GPU, in fp32, or for a model that cannot."""
    if not able or device != "cuda" or dtype not in HALF:
        return None
    return next((name for name in KERNELS if name in installed), None)


def packed(model: PreTrainedModel) -> bool:
    """Whether rows should go without padding."""
    return model.config._attn_implementation in KERNELS
