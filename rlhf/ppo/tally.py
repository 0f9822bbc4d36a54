"""Sums over mini-batches and workers, from which figures are made."""

from __future__ import annotations

from collections.abc import Sequence

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

    def means(self, names: Sequence[str], over: str, reduce: Reduce) -> list[float]:
        """Global sums of `names`, each divided by the global sum of `over`. Collective."""
        sums = [self.sums[name] for name in (*names, over)]
        *totals, count = reduce.sum_(torch.tensor(sums, dtype=torch.float64)).tolist()
        return [total / max(count, 1.0) for total in totals]
