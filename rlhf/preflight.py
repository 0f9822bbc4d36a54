"""`rlhf preflight MODEL`: can this model be the base of a service on this machine?

The last check is the real path: an adapter is put on the base and answers a question.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import psutil
import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedConfig
from transformers import PreTrainedTokenizerBase as Tokenizer

from rlhf.checks import Check, Verdict, judge
from rlhf.models.base import PLAIN_CHAT_TEMPLATE, load_base, load_tokenizer
from rlhf.models.roles import RoleModel
from rlhf.models.sampling import sample
from rlhf.models.text import prompt_ids
from rlhf.settings import Settings

GIB = 2**30
WORKER_GIB = 1.0
"""What a worker takes beside the weights: libraries, adapters, a batch's activations."""
QUESTION = [{"role": "user", "content": "What can you help me with?"}]


def examine(model: str, settings: Settings) -> Iterator[Check]:
    """Check tokenizer, context, memory, and last an answer through an adapter.

    Raises ModelError for what is no causal language model with safetensors and a tokenizer.
    """
    tokenizer = load_tokenizer(model)
    config: PreTrainedConfig = AutoConfig.from_pretrained(model)
    yield _chat_template(tokenizer)
    with torch.device("meta"):
        shape = AutoModelForCausalLM.from_config(config)
    yield _context(config, settings)
    memory = _memory(shape.num_parameters(), settings)
    yield memory
    if memory.verdict is not Verdict.BAD:
        yield _answer(RoleModel(load_base(model), tokenizer), settings)


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
    longest = int(getattr(config.get_text_config(), "max_position_embeddings", 10**9))
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
    free = torch.cuda.mem_get_info()[0] / GIB if on_gpu else psutil.virtual_memory().available / GIB
    return judge(
        "memory",
        f"{parameters / 1e6:,.1f} million parameters; about {needed:.1f} GiB of {free:.1f} GiB "
        f"for {settings.ray.workers} workers",
        ok=needed <= free,
        otherwise=Verdict.BAD if weights + WORKER_GIB > free else Verdict.WARN,
        advice="set ray.workers lower in rlhf.toml, take a smaller model, or a bigger machine",
    )


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
