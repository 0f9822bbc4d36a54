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

ODD: dict[str, dict[str, Any]] = {
    "granite": {"num_key_value_heads": 2, "logits_scaling": 8.0},
    "deepseek_v3": {
        "num_key_value_heads": 4,
        "q_lora_rank": 16,
        "kv_lora_rank": 8,
        "qk_rope_head_dim": 4,
        "qk_nope_head_dim": 8,
        "v_head_dim": 8,
        "first_k_dense_replace": 2,
    },
    "gpt_oss": {
        "num_key_value_heads": 2,
        "head_dim": 8,
        "num_local_experts": 2,
        "num_experts_per_tok": 1,
    },
}
"""Kinds with logits, attention or rotations of their own."""


def made(kind: str, folder: Path, tokenizer: Path, **other: Any) -> Path:
    """A random model of a kind of SHAPES or ODD in `folder`; `tokenizer`: a folder with one."""
    from transformers import AutoConfig, AutoModelForCausalLM

    sizes = {} if kind == "gpt2" else SIZES
    config = AutoConfig.for_model(
        kind,
        **{**sizes, "vocab_size": 261, **(SHAPES | ODD)[kind], **other},
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
