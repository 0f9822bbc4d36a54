"""How equal workers agree on a sum; one process alone agrees with itself."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class Reduce(Protocol):
    """A group of `size` equal workers, seen from the one with number `rank`."""

    rank: int
    size: int

    def sum_(self, tensor: Tensor) -> Tensor:
        """Sum `tensor` over the workers, in place; the same bits on each of them."""
        ...


class Alone:
    """The group of one."""

    rank, size = 0, 1

    def sum_(self, tensor: Tensor) -> Tensor:
        """The tensor itself."""
        return tensor
