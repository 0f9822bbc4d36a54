"""Sums over mini-batches and workers, from which figures are made."""

from __future__ import annotations

import torch
from torch import Tensor

from rlhf.ppo.reduce import Reduce


class Tally:
    """Sums over mini-batches on this worker, reduced when asked."""

    def __init__(self) -> None:
        self.sums: dict[str, float] = {}

    def count(self, **parts: Tensor) -> None:
        """Add scalars."""
        for name, part in parts.items():
            self.sums[name] = self.sums.get(name, 0.0) + float(part.detach())

    def add(self, other: Tally) -> None:
        """Add another tally."""
        for name, value in other.sums.items():
            self.sums[name] = self.sums.get(name, 0.0) + value

    def mean(self, name: str, over: str, reduce: Reduce) -> float:
        """Global sum of `name` divided by the global sum of `over`. Collective."""
        both = torch.tensor([self.sums[name], self.sums[over]], dtype=torch.float64)
        total, count = reduce.sum_(both).tolist()
        return float(total / max(count, 1.0))
