"""A role's AdamW, and its memory as named tensors, so that it can be kept in safetensors."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from rlhf.models.roles import HEAD_PARAMETERS

MOMENTS = ("step", "exp_avg", "exp_avg_sq")


def optimiser(
    named: Sequence[tuple[str, nn.Parameter]], *, rate: float, head_rate: float, eps: float
) -> torch.optim.AdamW:
    """One for all trained parameters of a role, its head at a rate of its own."""
    heads = [parameter for name, parameter in named if name in HEAD_PARAMETERS]
    adapter = [parameter for name, parameter in named if name not in HEAD_PARAMETERS]
    groups = [{"params": adapter, "lr": rate}, {"params": heads, "lr": head_rate}]
    kept = [group for group in groups if group["params"]]
    return torch.optim.AdamW(kept, eps=eps, weight_decay=0.0, fused=True)


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """From now on the adapter learns at `rate`; a head keeps its own."""
    optimiser.param_groups[0]["lr"] = rate


def tensors(prefix: str, optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """`prefix/INDEX/MOMENT` -> a copy on the CPU; empty before the first step."""
    held = optimiser.state_dict()["state"]
    return {
        f"{prefix}/{index}/{moment}": memory[moment].detach().cpu().clone()
        for index, memory in held.items()
        for moment in MOMENTS
    }


def restore(prefix: str, optimiser: torch.optim.Optimizer, saved: dict[str, Tensor]) -> None:
    """Put back what `tensors` gave."""
    plain = optimiser.state_dict()
    indices = sorted({int(name.split("/")[-2]) for name in saved if name.startswith(f"{prefix}/")})
    plain["state"] = {
        index: {moment: saved[f"{prefix}/{index}/{moment}"].clone() for moment in MOMENTS}
        for index in indices
    }
    optimiser.load_state_dict(plain)
