"""Random models of many kinds, a few kilobytes each, with the tiny tokenizer beside them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch

SIZES: dict[str, Any] = {
    "vocab_size": 261,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 256,
}
SHAPES: dict[str, dict[str, Any]] = {
    "llama": {"num_key_value_heads": 2, "tie_word_embeddings": True},
    "mistral": {"num_key_value_heads": 2, "tie_word_embeddings": False},
    "qwen2": {"num_key_value_heads": 4, "tie_word_embeddings": True},
    "qwen3": {"num_key_value_heads": 2, "head_dim": 8, "tie_word_embeddings": False},
    "gemma": {"num_key_value_heads": 1, "head_dim": 8},
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 256},
    "phi": {"num_key_value_heads": 4},
}


def made(kind: str, folder: Path, tokenizer: Path, **other: Any) -> Path:
    """A random model of a kind of SHAPES in `folder`; `tokenizer` is a folder that has one."""
    from transformers import AutoConfig, AutoModelForCausalLM

    sizes = {} if kind == "gpt2" else SIZES
    config = AutoConfig.for_model(
        kind,
        **{**sizes, "vocab_size": 261, **SHAPES[kind], **other},
        eos_token_id=1,
        bos_token_id=None,
    )
    config.pad_token_id = None
    with torch.random.fork_rng():
        torch.manual_seed(1)
        AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        if (tokenizer / name).exists():
            shutil.copy(tokenizer / name, folder / name)
    return folder
