"""What a task of `rlhf sft` computes, in a process of the cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from rlhf.data.datasets import Dataset
from rlhf.settings import Settings
from rlhf.sft import job
from rlhf.sft.watch import Looked


def train(
    base: str,
    data: Dataset,
    folder: Path,
    settings: Settings,
    threads: int,
    meter: Any,
    looked: Looked = lambda step, steps, lowest: None,
) -> None:
    """One training, or what is left of it."""
    torch.set_num_threads(threads)
    job.train(
        base,
        data,
        folder,
        settings,
        lambda done, total, _: meter.tell.remote(folder.name, done, total),
        looked,
    )
