"""What each stage takes of the memory, at most: weights, adapters, and what a batch leaves behind.

Upper bounds that hold for rows of the longest kind; most batches take far less.
"""

from __future__ import annotations

import psutil
import torch
from peft import PeftModel
from transformers import PreTrainedConfig, PreTrainedModel

from rlhf.checks import Check, Verdict, judge
from rlhf.models.adapters import lora_config
from rlhf.models.attention import SHORT
from rlhf.ppo.learner import TRAINING_STATES
from rlhf.settings import Settings
from rlhf.sft import MICRO_BATCH

GIB = 2**30
WORKER_GIB = 1.0
"""What a worker takes beside the weights: libraries, adapters, a batch's activations."""
HIDDEN_KEPT, INNER_KEPT = 8, 4
"""What a layer with adapters keeps per token for the way back, in hidden sizes and in inner sizes
of its feed-forward (counted: docs/lab.md)."""
SLACK = 1.5
"""What the process holds for it, with all that is freed late (measured: 1.04 to 1.57)."""
LOGIT_COPIES = 3
"""Logits, their softmax, their gradient: an upper bound, for TRL computes them in pieces."""
TRAINED = 4
"""Of an adapter that learns: itself, its gradient, AdamW's two."""
SEQUENCES = 2 * MICRO_BATCH
"""Of a reward model's forward pass: chosen and rejected of as many preferences."""


def workers(parameters: int, settings: Settings) -> Check:
    """Whether every worker can hold the base at all."""
    weights = parameters * _bytes() / GIB
    needed = settings.ray.workers * (weights + WORKER_GIB)
    free = free_gib()
    return judge(
        "memory",
        f"{parameters / 1e6:,.1f} million parameters; about {needed:.1f} GiB of {free:.1f} GiB "
        f"for {settings.ray.workers} workers",
        ok=needed <= free,
        otherwise=Verdict.BAD if weights + WORKER_GIB > free else Verdict.WARN,
        advice="set ray.workers lower in rlhf.toml, take a smaller model, or a bigger machine",
    )


def sft(shape: PreTrainedModel, settings: Settings) -> Check:
    """Weights once, the adapter four times (with gradient and AdamW's two), a batch's states."""
    length = min(settings.sft.max_tokens, longest(shape.config))
    tokens = MICRO_BATCH * length
    states = _states(shape, tokens, length)
    if torch.cuda.is_available():  # there each layer keeps its input alone, and is run once more
        config = shape.config.get_text_config()
        states = states / config.num_hidden_layers + (
            tokens * config.num_hidden_layers * config.hidden_size
        )
    logits = tokens * shape.config.get_text_config().vocab_size * LOGIT_COPIES
    weights = _weights(shape)
    adapter = TRAINED * 4 * adapter_parameters(shape, settings) / GIB
    batch = 4 * (states + logits) / GIB
    return _judged(
        "memory for rlhf sft",
        weights + adapter + batch + WORKER_GIB,
        f"weights {weights:.1f}, adapter {adapter:.2f}, {MICRO_BATCH} rows of the longest kind "
        f"{batch:.1f}",
        "lower sft.max_tokens in rlhf.toml, or take a smaller model",
    )


def reward(shape: PreTrainedModel, settings: Settings) -> Check:
    """Like `sft`, without logits, for chosen and rejected; every task has weights of its own."""
    length = _conversation(shape, settings)
    states = _states(shape, SEQUENCES * length, length)
    weights = _weights(shape)
    adapter = TRAINED * 4 * adapter_parameters(shape, settings) / GIB
    batch = 4 * states / GIB
    one = weights + adapter + batch + WORKER_GIB
    at_once = int(max(settings.ray.workers, 2) / settings.ray.reward_cpus)
    tasks = min(settings.reward.members + 1, max(1, at_once))
    return _judged(
        "memory for reward models",
        tasks * one,
        f"{tasks} at a time, {one:.1f} each: weights {weights:.1f}, adapter {adapter:.2f}, "
        f"{MICRO_BATCH} preferences of the longest kind {batch:.1f}",
        "raise ray.reward_cpus or lower sampling.max_prompt_tokens in rlhf.toml, or take a smaller "
        "model",
    )


def ppo(shape: PreTrainedModel, settings: Settings) -> Check:
    """Per worker: the base once; policy and value learn, the reward models only score."""
    length = _conversation(shape, settings)
    config = shape.config.get_text_config()
    fit = TRAINING_STATES // (config.num_hidden_layers * config.hidden_size)
    tokens = max(length, min(settings.ppo.minibatch * length, fit))
    batch = 4 * _states(shape, tokens, length) / GIB
    rollouts = -(-settings.ppo.rollouts // settings.ray.workers)
    kept = 4 * rollouts * length * _keys_and_values(shape) / GIB
    weights = _weights(shape)
    adapters = 2 * TRAINED + settings.reward.members
    adapter = adapters * 4 * adapter_parameters(shape, settings) / GIB
    one = weights + adapter + batch + kept + WORKER_GIB
    return _judged(
        "memory for PPO",
        settings.ray.workers * one,
        f"{settings.ray.workers} workers, {one:.1f} each: weights {weights:.1f}, adapters "
        f"{adapter:.2f}, an update {batch:.1f}, keys and values of {rollouts} answers {kept:.1f}",
        "set ray.workers, ppo.rollouts or sampling.max_new_tokens lower in rlhf.toml, or take a "
        "smaller model",
    )


def _judged(name: str, needed: float, parts: str, advice: str) -> Check:
    free = free_gib()
    return judge(
        name,
        f"at most {needed:.1f} GiB of {free:.1f} GiB ({parts})",
        ok=needed <= free,
        otherwise=Verdict.WARN,
        advice=advice,
    )


def _weights(shape: PreTrainedModel) -> float:
    """GiB of the base."""
    return shape.num_parameters() * _bytes() / GIB


def _bytes() -> int:
    """Of a weight: bf16 on a GPU, fp32 on a CPU."""
    return 2 if torch.cuda.is_available() else 4


def _conversation(shape: PreTrainedModel, settings: Settings) -> int:
    """Tokens of the longest prompt with the longest answer."""
    wanted = settings.sampling.max_prompt_tokens + settings.sampling.max_new_tokens
    return min(wanted, longest(shape.config))


def _states(shape: PreTrainedModel, tokens: int, length: int) -> float:
    """Numbers that a pass over rows of `length` tokens keeps, `tokens` in all."""
    config = shape.config.get_text_config()
    hidden = int(config.hidden_size)
    inner = int(getattr(config, "intermediate_size", None) or 4 * hidden)
    scores = int(config.num_attention_heads) * length if length <= SHORT else 0
    layer = HIDDEN_KEPT * hidden + INNER_KEPT * inner + scores
    return SLACK * tokens * int(config.num_hidden_layers) * layer


def _keys_and_values(shape: PreTrainedModel) -> int:
    """Numbers that generation keeps per token."""
    config = shape.config.get_text_config()
    heads = int(config.num_attention_heads)
    groups = int(getattr(config, "num_key_value_heads", None) or heads)
    size = int(getattr(config, "head_dim", None) or config.hidden_size // heads)
    return 2 * int(config.num_hidden_layers) * groups * size


def adapter_parameters(shape: PreTrainedModel, settings: Settings) -> int:
    """r x (in + out) of every layer that carries an adapter."""
    with torch.device("meta"):
        adapted = PeftModel(shape, lora_config(shape, settings.lora), low_cpu_mem_usage=True)
    count = sum(one.numel() for name, one in adapted.named_parameters() if "lora_" in name)
    adapted.unload()
    return count


def longest(config: PreTrainedConfig) -> int:
    """The context, in tokens."""
    return int(getattr(config.get_text_config(), "max_position_embeddings", 10**9))


def free_gib() -> float:
    """Of the GPU where there is one, else of the machine."""
    if torch.cuda.is_available():
        return float(torch.cuda.mem_get_info()[0] / GIB)
    return float(psutil.virtual_memory().available / GIB)
