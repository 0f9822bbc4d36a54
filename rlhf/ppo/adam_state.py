"""An AdamW optimiser's memory as named tensors, so that it can be kept in safetensors."""

from __future__ import annotations

import torch
from torch import Tensor

MOMENTS = ("step", "exp_avg", "exp_avg_sq")


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
