"""What a policy is worth: the same for every method of the study, by gold, on held-out prompts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np
import torch

from rlhf.evaluation.texts import text_figures
from rlhf.evaluation.winrate import win_rate
from rlhf.models.logprobs import response_logprobs
from rlhf.models.text import prompt_ids, response_ids, right_pad
from rlhf.starter.gold import MAX_GOLD
from rlhf.starter.world import prompts
from tests.benchmarks._starter_pairs import SAMPLING, Answered, answered, policy

ANSWERS = 2000
"""Held-out prompts, half of them of held-out intents; one answer each."""
PROMPTS_SEED = 7_000_000
RESAMPLES = 2000
TOGETHER = 128


@dataclass(frozen=True, slots=True)
class Worth:
    """Against the untouched starter on the same prompts; ties count half."""

    win_rate: float
    win_rate_low: float
    win_rate_high: float
    ceiling: float
    """The win rate of a policy whose every answer is perfect."""
    gold: float
    gold_error: float
    """Standard error of the mean."""
    kl: float
    """Nats per sequence from the starter, by k1."""
    length: float
    """Response tokens, the end included."""
    distinct_2: float
    repeated_sentences: float
    empty: float


def worth(adapter: Path | None, seed: int) -> Worth:
    """Measure a policy (None: the starter itself, drawn again)."""
    asked = prompts("heldout", ANSWERS, PROMPTS_SEED + seed)
    before = [one.answers[0][2] for one in answered(asked, 1, 2 * seed)]
    drawn = answered(asked, 1, 2 * seed + 1, adapter)
    after = [one.answers[0][2] for one in drawn]
    won = win_rate(after, before, resamples=RESAMPLES, seed=seed)
    best = win_rate([MAX_GOLD] * len(before), before, resamples=1, seed=seed)
    counted = text_figures([one.answers[0][0] for one in drawn])
    kl, length = _distance(adapter, drawn)
    return Worth(
        win_rate=won.rate,
        win_rate_low=won.low,
        win_rate_high=won.high,
        ceiling=best.rate,
        gold=fmean(after),
        gold_error=float(np.std(after, ddof=1) / len(after) ** 0.5),
        kl=kl,
        length=length,
        distinct_2=counted.distinct_2,
        repeated_sentences=counted.repeated_sentences,
        empty=counted.empty,
    )


@torch.inference_mode()
def _distance(adapter: Path | None, drawn: Sequence[Answered]) -> tuple[float, float]:
    """(KL in nats per sequence, response tokens per sequence)."""
    roles, role = policy(adapter)
    nats = tokens = 0.0
    for at in range(0, len(drawn), TOGETHER):
        part = drawn[at : at + TOGETHER]
        asked = [prompt_ids(roles.tokenizer, one.prompt.messages, SAMPLING) for one in part]
        said = [
            response_ids(roles.tokenizer, one.answers[0][0], finished=one.answers[0][1])
            for one in part
        ]
        ids, mask = right_pad([[*a, *b] for a, b in zip(asked, said, strict=True)])
        response = mask.clone()
        for row, prompt in enumerate(asked):
            response[row, : len(prompt)] = 0
        ours, theirs = (
            response_logprobs(roles, roles.hidden(one, ids, mask), ids, response, 1.0)
            for one in (role, None)
        )
        nats += float((ours - theirs).sum())
        tokens += float(response.sum())
    return nats / len(drawn), tokens / len(drawn)
