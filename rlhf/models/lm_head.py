"""From hidden states to the vocabulary and back, as the base's output layer does it.

Hidden size D, vocabulary V.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from rlhf.models.decoding import product


class LmHead:
    """The frozen output layer of a base, with its soft cap and scale."""

    def __init__(self, base: PreTrainedModel) -> None:
        config: Any = base.config.get_text_config()
        self.layer = cast(nn.Linear, base.get_output_embeddings())
        self.cap: float | None = getattr(config, "final_logit_softcapping", None)  # Gemma 2
        times: float = getattr(config, "logit_scale", None) or 1.0  # Cohere
        over: float = getattr(config, "logits_scaling", None) or 1.0  # Granite
        self.scale = times / over

    @property
    def vocabulary(self) -> int:
        """V."""
        return len(self.layer.weight)

    def logits(self, hidden: Tensor) -> Tensor:
        """[..., V] in fp32 from hidden states [..., D]."""
        logits = product(hidden, self.layer.weight, self.layer.bias).float()
        if self.cap:
            logits = self.cap * torch.tanh(logits / self.cap)
        return logits * self.scale if self.scale != 1 else logits

    def backward(self, hidden: Tensor, grad: Tensor) -> Tensor:
        """From a gradient at the logits [n, V] to the one at the hidden states [n, D]."""
        if self.scale != 1:
            grad = grad * self.scale
        if self.cap:
            grad = grad * (1 - torch.tanh(self.layer(hidden).float() / self.cap).square())
        back: Tensor = grad.to(self.layer.weight.dtype) @ self.layer.weight
        return back
