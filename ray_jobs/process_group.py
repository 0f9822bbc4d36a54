"""The workers' common ground: torch.distributed, for adapter gradients of a few megabytes.

Implements the `Reduce` that `rlhf.ppo` asks for: gloo on CPU, NCCL on GPU.
"""

from __future__ import annotations

import os
import socket
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor

PATIENCE = timedelta(minutes=10)
"""How long a worker waits for the others; a dead one is noticed by Ray long before."""


class GroupReduce:
    """Sums over all workers of the group, the same bits on every one of them."""

    def __init__(self, rank: int, size: int) -> None:
        self.rank, self.size = rank, size

    def sum_(self, tensor: Tensor) -> Tensor:
        """Sum `tensor` over the workers, in place; returns it."""
        if self.size > 1:
            on_gpu = dist.get_backend() == "nccl" and not tensor.is_cuda
            summed = tensor.cuda() if on_gpu else tensor
            dist.all_reduce(summed, op=dist.ReduceOp.SUM)
            if on_gpu:
                tensor.copy_(summed)
        return tensor


def free_address(host: str) -> str:
    """`tcp://host:port` with a port that is free now."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return f"tcp://{host}:{probe.getsockname()[1]}"


def join(address: str, rank: int, size: int, *, own_gpu: bool) -> GroupReduce:
    """Meet the other workers at `address` (rank 0 listens there).

    NCCL refuses two workers on one GPU, so it is used only where each has its own.
    """
    if size > 1 and not dist.is_initialized():
        if address.startswith("tcp://127."):
            os.environ["GLOO_SOCKET_IFNAME"] = "lo"
        backend = "nccl" if own_gpu and torch.cuda.is_available() else "gloo"
        dist.init_process_group(
            backend, init_method=address, rank=rank, world_size=size, timeout=PATIENCE
        )
    return GroupReduce(rank, size)
