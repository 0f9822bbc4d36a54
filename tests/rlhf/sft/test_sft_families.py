"""Every family that people bring goes through fine-tuning from a folder on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    GemmaConfig,
    GPT2Config,
    LlamaConfig,
    MistralConfig,
    PhiConfig,
    PreTrainedConfig,
    Qwen2Config,
)

from rlhf.models.base import load_base, load_tokenizer
from rlhf.models.roles import RoleModel
from tests.conftest import save_tiny_tokenizer
from tests.killed_sft import SETTINGS, rows, train

VOCABULARY = 261
TOKENS: dict[str, Any] = {
    "bos_token_id": None,
    "eos_token_id": 1,
    "pad_token_id": 0,
    "vocab_size": VOCABULARY,
}
SHAPE: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
}
FAMILIES: dict[str, PreTrainedConfig] = {
    "llama": LlamaConfig(**SHAPE, **TOKENS),
    "qwen2": Qwen2Config(**SHAPE, **TOKENS, tie_word_embeddings=True),
    "mistral": MistralConfig(**SHAPE, **TOKENS, sliding_window=64),
    "gemma": GemmaConfig(**SHAPE, **TOKENS, head_dim=8),
    "gpt2": GPT2Config(n_embd=32, n_layer=2, n_head=4, n_positions=512, **TOKENS),
    "phi": PhiConfig(**SHAPE, **TOKENS),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_tiny_model_learns_and_its_adapter_is_a_policy(family: str, tmp_path: Path) -> None:
    folder = tmp_path / family
    save_tiny_tokenizer(folder)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        AutoModelForCausalLM.from_config(FAMILIES[family]).save_pretrained(folder)
    fitted = train(folder, tmp_path / "work", tmp_path / "adapter", SETTINGS)
    assert fitted.validation_loss is not None
    assert fitted.validation_loss_before is not None
    assert fitted.validation_loss < fitted.validation_loss_before
    roles = RoleModel(load_base(folder), load_tokenizer(folder))
    roles.load_role("policy", tmp_path / "adapter")
    ids = torch.tensor([rows(folder, 1)[0].ids])
    with torch.no_grad():
        tuned, plain = (roles.hidden(role, ids, torch.ones_like(ids)) for role in ("policy", None))
    assert not torch.equal(tuned, plain)
