"""Adapters on a base: which layers carry them, and what a folder of one must look like."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from peft import LoraConfig
from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from rlhf.errors import ModelError
from rlhf.models.base import PICKLES
from rlhf.settings import LoRA

ADAPTER, ADAPTER_CONFIG = "adapter_model.safetensors", "adapter_config.json"


def lora_config(base: PreTrainedModel, lora: LoRA) -> LoraConfig:
    """PEFT's settings for an adapter on all linear layers of the decoder layers that `lora` asks.

    No dropout and nothing in `modules_to_save`: what vLLM and PEFT load unchanged.
    """
    depth = int(base.config.get_text_config().num_hidden_layers)
    layers = lora.adapted_layers
    wanted = int({"all": depth, "top-half": max(1, depth // 2)}.get(str(layers), layers))
    adapted = None if wanted >= depth else list(range(depth - wanted, depth))
    return LoraConfig(
        r=lora.r,
        lora_alpha=lora.alpha,
        lora_dropout=0.0,
        bias="none",
        target_modules="all-linear" if adapted is None else _linear_names(base),
        layers_to_transform=adapted,
        task_type="CAUSAL_LM",
    )


def check_adapter(source: Path) -> None:
    """Raise ModelError for a folder with a pickle, or without the two files of an adapter."""
    pickles = [file.name for pattern in PICKLES for file in source.glob(pattern)]
    if pickles:
        raise ModelError(f"{source}: {pickles[0]} is a pickle; only safetensors are read")
    for part in (ADAPTER, ADAPTER_CONFIG):
        if not (source / part).is_file():
            raise ModelError(f"{source}: this is no adapter folder; {part} is missing")


def plain(config: dict[str, Any]) -> dict[str, Any]:
    """A PEFT configuration as values that JSON knows, in an order that is always the same."""
    return {
        key: sorted(value) if isinstance(value, set) else getattr(value, "value", value)
        for key, value in config.items()
    }


def _linear_names(base: PreTrainedModel) -> list[str]:
    """Last names of all linear layers but the output: "all-linear" for some layers alone."""
    head = base.get_output_embeddings()
    return sorted(
        {
            name.rpartition(".")[2]
            for name, module in base.named_modules()
            if isinstance(module, (nn.Linear, Conv1D)) and module is not head
        }
    )
