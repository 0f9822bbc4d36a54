"""`rlhf preflight MODEL`: can this model be the base of a service on this machine?

The last check is the real path: an adapter is put on the base and answers a question.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import torch
from peft import PeftModel
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel
from transformers import PreTrainedTokenizerBase as Tokenizer

from rlhf.checks import Check, Verdict, judge
from rlhf.models.adapters import lora_config
from rlhf.models.base import PLAIN_CHAT_TEMPLATE, load_base, load_tokenizer
from rlhf.models.roles import RoleModel
from rlhf.models.sampling import sample
from rlhf.models.text import TemplateError, prompt_ids
from rlhf.settings import Settings
from rlhf.sft import MICRO_BATCH

GIB = 2**30
WORKER_GIB = 1.0
"""What a worker takes beside the weights: libraries, adapters, a batch's activations."""
FAMILIES = (
    *("gemma", "gemma2", "gemma3", "gemma3_text", "gpt2", "llama", "mistral"),
    *("phi", "phi3", "qwen2", "qwen3"),
)
"""Whose tiny models go through the tests."""
STATES_PER_LAYER = 20
"""Hidden sizes that a layer keeps per token for the way back, the feed-forward's among them."""
LOGIT_COPIES = 3
"""Logits, their softmax, their gradient: an upper bound, for TRL computes them in pieces."""
ROUNDS = 20
"""Rounds that the disk should hold."""
SYSTEM = {"role": "system", "content": "You are a kind assistant."}
QUESTION = [{"role": "user", "content": "What can you help me with?"}]


def examine(model: str, settings: Settings, home: Path) -> Iterator[Check]:
    """Check family, tokenizer, context, memory, disk, and last an answer through an adapter.

    home: where checkpoints will be written.

    Raises ModelError for what is no causal language model with safetensors and a tokenizer.
    """
    tokenizer = load_tokenizer(model)
    config: PreTrainedConfig = AutoConfig.from_pretrained(model)
    yield _family(config)
    yield _chat_template(tokenizer)
    yield _system_turn(tokenizer)
    yield _padding(tokenizer)
    with torch.device("meta"):
        shape = AutoModelForCausalLM.from_config(config)
    yield _context(config, settings)
    memory = _memory(shape.num_parameters(), settings)
    yield memory
    yield _tuning_memory(shape, settings)
    yield _disk(shape, settings, home)
    if memory.verdict is not Verdict.BAD:
        yield _answer(RoleModel(load_base(model), tokenizer), settings)


def _family(config: PreTrainedConfig) -> Check:
    family = str(config.model_type)
    return judge(
        "family",
        family if family in FAMILIES else f"{family}, which no test has been through",
        ok=family in FAMILIES,
        otherwise=Verdict.WARN,
        advice=f"it may well work; tested are {', '.join(FAMILIES)}",
    )


def _system_turn(tokenizer: Tokenizer) -> Check:
    """Some templates refuse a system turn, and some swallow it."""
    try:
        written = tokenizer.apply_chat_template([SYSTEM, *QUESTION], tokenize=False)
        found = "written" if SYSTEM["content"] in str(written) else "swallowed by the template"
    except TemplateError as refused:
        found = f"refused by the template ({refused})"
    return judge(
        "system turn",
        found,
        ok=found == "written",
        otherwise=Verdict.WARN,
        advice="put what it says into the first question of your data instead",
    )


def _padding(tokenizer: Tokenizer) -> Check:
    """Our own training masks by place; other programs that mask by token lose every end."""
    pad, end = tokenizer.pad_token, tokenizer.eos_token
    found = f"{pad} pads, {end} ends" if pad else f"none of its own, {end} ends"
    return judge(
        "pad token",
        found,
        ok=pad is not None and pad != end,
        otherwise=Verdict.WARN,
        advice="training here is not harmed; elsewhere, masking the padding by its token would "
        "also hide the end of every answer",
    )


def _chat_template(tokenizer: Tokenizer) -> Check:
    plain = tokenizer.chat_template == PLAIN_CHAT_TEMPLATE
    return judge(
        "chat template",
        "none; turns will be written as `role: text` lines" if plain else "its own",
        ok=not plain,
        otherwise=Verdict.WARN,
        advice="a model that was never taught to chat improves slowly; prefer a chat model",
    )


def _context(config: PreTrainedConfig, settings: Settings) -> Check:
    longest = _longest(config)
    needed = settings.sampling.max_prompt_tokens + settings.sampling.max_new_tokens
    return judge(
        "context",
        f"{longest} tokens; prompt and answer may take {needed}",
        ok=longest >= needed,
        otherwise=Verdict.BAD,
        advice="lower sampling.max_prompt_tokens or sampling.max_new_tokens in rlhf.toml",
    )


def _memory(parameters: int, settings: Settings) -> Check:
    """Every worker holds the base once, in fp32 on a CPU and in bf16 on a GPU."""
    on_gpu = torch.cuda.is_available()
    weights = parameters * (2 if on_gpu else 4) / GIB
    needed = settings.ray.workers * (weights + WORKER_GIB)
    free = _free_gib()
    return judge(
        "memory",
        f"{parameters / 1e6:,.1f} million parameters; about {needed:.1f} GiB of {free:.1f} GiB "
        f"for {settings.ray.workers} workers",
        ok=needed <= free,
        otherwise=Verdict.BAD if weights + WORKER_GIB > free else Verdict.WARN,
        advice="set ray.workers lower in rlhf.toml, take a smaller model, or a bigger machine",
    )


def _tuning_memory(shape: PreTrainedModel, settings: Settings) -> Check:
    """Weights once, the adapter four times (with gradient and AdamW's two), a batch's states."""
    on_gpu = torch.cuda.is_available()
    config = shape.config.get_text_config()
    tokens = MICRO_BATCH * min(settings.sft.max_tokens, _longest(shape.config))
    states = tokens * config.num_hidden_layers * config.hidden_size * STATES_PER_LAYER
    logits = tokens * config.vocab_size * LOGIT_COPIES
    weights = shape.num_parameters() * (2 if on_gpu else 4) / GIB
    adapter = 4 * 4 * _adapter_parameters(shape, settings) / GIB
    batch = 4 * (states + logits) / GIB
    needed = weights + adapter + batch + WORKER_GIB
    free = _free_gib()
    return judge(
        "memory for rlhf sft",
        f"at most {needed:.1f} GiB of {free:.1f} GiB (weights {weights:.1f}, adapter "
        f"{adapter:.2f}, {MICRO_BATCH} rows of the longest kind {batch:.1f})",
        ok=needed <= free,
        otherwise=Verdict.WARN,
        advice="lower sft.max_tokens in rlhf.toml, or take a smaller model",
    )


def _disk(shape: PreTrainedModel, settings: Settings, home: Path) -> Check:
    """Checkpoints of ROUNDS rounds with their reward models, and one merged base."""
    adapter = 4 * _adapter_parameters(shape, settings) / GIB
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


def _adapter_parameters(shape: PreTrainedModel, settings: Settings) -> int:
    """r x (in + out) of every layer that carries an adapter."""
    with torch.device("meta"):
        adapted = PeftModel(shape, lora_config(shape, settings.lora), low_cpu_mem_usage=True)
    count = sum(one.numel() for name, one in adapted.named_parameters() if "lora_" in name)
    adapted.unload()
    return count


def _longest(config: PreTrainedConfig) -> int:
    return int(getattr(config.get_text_config(), "max_position_embeddings", 10**9))


def _free_gib() -> float:
    if torch.cuda.is_available():
        return float(torch.cuda.mem_get_info()[0] / GIB)
    return float(psutil.virtual_memory().available / GIB)


def _answer(roles: RoleModel, settings: Settings) -> Check:
    roles.add_role("policy", settings.lora, head=False, seed=settings.seed)
    question = prompt_ids(roles.tokenizer, QUESTION, settings.sampling)
    started = time.perf_counter()
    (drawn,) = sample(
        roles, [question], role="policy", sampling=settings.sampling, noise_keys=[(0, 0)]
    )
    seconds = time.perf_counter() - started
    return judge(
        "answer",
        f"{len(drawn.ids)} tokens in {seconds:.1f} s, "
        + ("ended by itself" if drawn.finished else "cut at sampling.max_new_tokens"),
        ok=drawn.finished,
        otherwise=Verdict.WARN,
        advice="answers without an end are penalised; raise sampling.max_new_tokens if most are",
    )
