"""The scalar head of a role that scores: a weight of the hidden size, a bias, a gain, a shift."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Head(nn.Module):
    """Hidden state -> score: `gain * (w h + b) + shift`, in fp32."""

    def __init__(self, hidden: int, seed: int) -> None:
        super().__init__()
        noise = torch.Generator().manual_seed(seed)
        std = (hidden + 1) ** -0.5  # Stiennon et al. (2020), appendix C.1
        self.weight = nn.Parameter(torch.randn(hidden, generator=noise) * std)
        self.bias = nn.Parameter(torch.zeros(()))
        self.gain: Tensor
        self.shift: Tensor
        self.register_buffer("gain", torch.ones(()))
        self.register_buffer("shift", torch.zeros(()))

    def forward(self, hidden: Tensor) -> Tensor:
        """[..., D] -> [...]."""
        return self.gain * (hidden.float() @ self.weight + self.bias) + self.shift
