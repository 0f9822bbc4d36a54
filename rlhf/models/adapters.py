"""Adapters on a base: which layers carry them."""

from __future__ import annotations

from peft import LoraConfig
from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from rlhf.settings import LoRA


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
