"""The checks in their order; the last ones load the model.

Each says what was found and, where it matters, what to do.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel

from rlhf.checks import Check, Verdict, judge
from rlhf.models.base import load_base, load_tokenizer
from rlhf.models.roles import RoleModel
from rlhf.preflight import memory, trying, words
from rlhf.preflight.memory import GIB, adapter_parameters, longest
from rlhf.settings import Settings

FAMILIES = (
    *("gemma", "gemma2", "gemma3", "gemma3_text", "gpt2", "llama", "mistral"),
    *("phi", "phi3", "qwen2", "qwen3"),
)
"""Whose tiny models go through the tests."""
ROUNDS = 20
"""Rounds that the disk should hold."""


def examine(model: str, settings: Settings, home: Path) -> Iterator[Check]:
    """Check family, tokenizer, context, memory, disk, speed, and last an answer.

    home: where checkpoints will be written.

    Raises ModelError for what is no causal language model with safetensors and a tokenizer.
    """
    tokenizer = load_tokenizer(model)
    config: PreTrainedConfig = AutoConfig.from_pretrained(model)
    yield _family(config)
    yield words.chat_template(tokenizer)
    yield words.system_turn(tokenizer)
    yield words.padding(tokenizer)
    yield words.round_trip(tokenizer)
    with torch.device("meta"):
        shape = AutoModelForCausalLM.from_config(config)
    yield _context(config, settings)
    fits = memory.workers(shape.num_parameters(), settings)
    yield fits
    yield memory.sft(shape, settings)
    yield memory.reward(shape, settings)
    yield memory.ppo(shape, settings)
    yield _disk(shape, settings, home)
    if fits.verdict is not Verdict.BAD:
        roles = RoleModel(load_base(model), tokenizer)
        yield trying.speed(roles)
        yield trying.answer(roles, settings)


def _family(config: PreTrainedConfig) -> Check:
    family = str(config.model_type)
    return judge(
        "family",
        family if family in FAMILIES else f"{family}, which no test has been through",
        ok=family in FAMILIES,
        otherwise=Verdict.WARN,
        advice=f"it may well work; tested are {', '.join(FAMILIES)}",
    )


def _context(config: PreTrainedConfig, settings: Settings) -> Check:
    most = longest(config)
    needed = settings.sampling.max_prompt_tokens + settings.sampling.max_new_tokens
    return judge(
        "context",
        f"{most} tokens; prompt and answer may take {needed}",
        ok=most >= needed,
        otherwise=Verdict.BAD,
        advice="lower sampling.max_prompt_tokens or sampling.max_new_tokens in rlhf.toml",
    )


def _disk(shape: PreTrainedModel, settings: Settings, home: Path) -> Check:
    """Checkpoints of ROUNDS rounds with their reward models, and one merged base."""
    adapter = 4 * adapter_parameters(shape, settings) / GIB
    merged = 4 * shape.num_parameters() / GIB
    needed = ROUNDS * (2 + settings.reward.members) * adapter + merged
    there = next(folder for folder in (home, *home.parents) if folder.is_dir())
    free = shutil.disk_usage(there).free / GIB
    return judge(
        "disk",
        f"{1024 * adapter:,.1f} MiB per adapter; about {needed:.1f} GiB of {free:.1f} GiB for "
        f"{ROUNDS} rounds and a merged base",
        ok=needed <= free,
        otherwise=Verdict.WARN,
        advice=f"make room on the disk of {there}, or give another folder with --home",
    )
