"""The packaged model: what anybody who loads it relies on."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from jinja2.exceptions import TemplateError
from transformers import AutoModelForCausalLM, AutoTokenizer

from rlhf.starter import MODEL_PATH
from rlhf.starter.figures import quality, sample
from rlhf.starter.world import prompts

SHA256 = "fe59f0f9e98e156b354e7527b30b5d5e977c2e229ecc8f4e09b0b167b25fc7d8"

TALK = [
    {"role": "system", "content": "You are the help desk."},
    {"role": "user", "content": "hi"},
    {"role": "assistant", "content": "Hello!"},
    {"role": "user", "content": "can i pay by card"},
]


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return AutoTokenizer.from_pretrained(MODEL_PATH)


@pytest.fixture(scope="module")
def model() -> Any:
    return AutoModelForCausalLM.from_pretrained(MODEL_PATH)


def test_the_weights_are_the_ones_that_were_published() -> None:
    weights = (MODEL_PATH / "model.safetensors").read_bytes()
    assert hashlib.sha256(weights).hexdigest() == SHA256
    assert SHA256 in (MODEL_PATH / "README.md").read_text(encoding="utf-8")


def test_it_is_small_enough_to_ship() -> None:
    assert (MODEL_PATH / "model.safetensors").stat().st_size <= 8_000_000


def test_it_is_a_plain_llama_of_a_million_parameters(model: Any) -> None:
    assert type(model).__name__ == "LlamaForCausalLM"
    assert 900_000 < model.num_parameters() < 1_100_000
    assert model.dtype == torch.float32
    assert model.config.max_position_embeddings >= 1024
    assert model.get_input_embeddings().weight is model.get_output_embeddings().weight


def test_end_and_padding_are_different_tokens_and_the_same_everywhere(
    model: Any, tokenizer: Any
) -> None:
    assert (tokenizer.pad_token, tokenizer.eos_token) == ("<|pad|>", "<|end|>")
    assert tokenizer.pad_token_id != tokenizer.eos_token_id
    for settings_ in (model.config, model.generation_config):
        assert settings_.eos_token_id == tokenizer.eos_token_id
        assert settings_.pad_token_id == tokenizer.pad_token_id
    assert tokenizer.model_max_length == model.config.max_position_embeddings
    assert len(tokenizer) == model.config.vocab_size


def test_generation_draws_from_the_model_itself_by_default(model: Any) -> None:
    told = model.generation_config
    assert (told.do_sample, told.temperature, told.top_k) == (True, 1.0, 0)


def test_the_chat_template_writes_every_turn_and_follows_an_answer_with_what_is_said_to_it(
    tokenizer: Any,
) -> None:
    written = tokenizer.apply_chat_template(TALK, tokenize=False, add_generation_prompt=True)
    assert written == (
        "<|system|>You are the help desk.<|end|><|user|>hi<|end|><|assistant|>Hello!<|end|>"
        "can i pay by card<|end|><|assistant|>"
    )


def test_only_the_assistants_turns_carry_a_loss(tokenizer: Any) -> None:
    row = tokenizer.apply_chat_template(
        [*TALK, {"role": "assistant", "content": "Yes."}],
        return_dict=True,
        return_assistant_tokens_mask=True,
    )
    said = [i for i, on in zip(row["input_ids"], row["assistant_masks"], strict=True) if on]
    assert tokenizer.decode(said) == "Hello!<|end|>Yes.<|end|>"


def test_an_unknown_role_is_refused(tokenizer: Any) -> None:
    with pytest.raises(TemplateError, match="Unknown role: tool"):
        tokenizer.apply_chat_template([{"role": "tool", "content": "x"}], tokenize=False)


@given(text=st.text())
@settings(max_examples=200, deadline=None)
def test_any_text_survives_the_tokenizer(tokenizer: Any, text: str) -> None:
    assume(not any(token in text for token in tokenizer.all_special_tokens))
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(ids) == text


def test_importing_the_world_loads_neither_torch_nor_transformers() -> None:
    code = (
        "import sys, rlhf.starter, rlhf.starter.world, rlhf.starter.gold, rlhf.starter.annotators;"
        "print([name for name in ('torch', 'transformers', 'tokenizers') if name in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


def test_the_folder_holds_what_a_hub_model_has_and_no_pickle() -> None:
    names = {file.name for file in Path(MODEL_PATH).iterdir()}
    assert names == {
        "README.md",
        "chat_template.jinja",
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    config = json.loads((MODEL_PATH / "config.json").read_text(encoding="utf-8"))
    assert config["architectures"] == ["LlamaForCausalLM"]


@pytest.mark.slow
@pytest.mark.parametrize("split", ["train", "heldout"])
def test_at_the_start_perfect_answers_are_rare_and_gold_is_near_zero(
    split: Any, model: Any, tokenizer: Any
) -> None:
    asked = prompts(split, 300, 123)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        answers = [text for some in sample(model, tokenizer, asked) for text in some]
    figures = quality(asked, answers)
    assert 0.02 < figures["perfect"] < 0.2
    assert -0.4 < figures["gold"] < 0.5
    assert figures["right"] > 0.4
