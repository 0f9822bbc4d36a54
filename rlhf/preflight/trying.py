"""The real paths on this machine: how fast the model reads, and an answer through an adapter."""

from __future__ import annotations

import statistics
import time

import torch

from rlhf.checks import Check, Verdict, judge
from rlhf.models.roles import RoleModel
from rlhf.models.sampling import sample
from rlhf.models.text import prompt_ids
from rlhf.preflight.words import QUESTION
from rlhf.settings import Settings
from rlhf.sft import MICRO_BATCH

ROW = 128
"""Tokens of a row that is read for the clock."""
READINGS = 3
"""The median of as many counts; one more goes before them to warm up."""
SLOW_S = 10.0
"""Seconds per 1,000 tokens from which a round takes hours: it reads a million and more."""


@torch.no_grad()
def speed(roles: RoleModel) -> Check:
    """Seconds per 1,000 tokens, forward, in rows as long as those of short conversations."""
    length = min(ROW, roles.context)
    vocabulary = int(roles.base.config.get_text_config().vocab_size)
    ids = torch.arange(MICRO_BATCH * length, device=roles.device) % vocabulary
    ids = ids.view(MICRO_BATCH, length)
    seconds = statistics.median([_read(roles, ids) for _ in range(READINGS + 1)][1:])
    per_thousand = 1000 * seconds / ids.numel()
    return judge(
        "speed",
        f"{per_thousand:.3g} s per 1,000 tokens read, in {MICRO_BATCH} rows of {length} on "
        f"{_where(roles.device)}; learning from them takes two to three times as long",
        ok=per_thousand < SLOW_S,
        otherwise=Verdict.WARN,
        advice="a round will take many hours; take a smaller model or a machine with a GPU",
    )


def _read(roles: RoleModel, ids: torch.Tensor) -> float:
    started = time.perf_counter()
    last = roles.base(input_ids=ids, use_cache=False, logits_to_keep=1).logits
    last[0, 0, 0].item()  # a GPU is done only when it says so
    return time.perf_counter() - started


def _where(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"a CPU with {threads} thread{'s' if threads > 1 else ''}"


def answer(roles: RoleModel, settings: Settings) -> Check:
    """One question, answered through a fresh adapter."""
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
