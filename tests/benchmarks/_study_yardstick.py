"""What a policy is worth: the same for every method of the study, by gold, on held-out prompts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from statistics import fmean

import numpy as np
import torch

from rlhf.evaluation.texts import text_figures
from rlhf.evaluation.winrate import win_rate
from rlhf.models.logprobs import response_logprobs
from rlhf.models.text import prompt_ids, response_ids, right_pad
from rlhf.starter.gold import MAX_GOLD
from rlhf.starter.world import WorldPrompt, prompts
from tests.benchmarks._starter_pairs import SAMPLING, Answered, answered, policy

PROMPTS_SEED = 7_000_000
RESAMPLES = 2000
COOLER = (0.7, 0.5)
"""Temperatures at which every method's last policy is judged besides."""
TOGETHER = 128


@dataclass(frozen=True, slots=True)
class Worth:
    """Against the untouched starter, at temperature 1, on the same prompts; ties count half."""

    win_rate: float
    win_rate_low: float
    win_rate_high: float
    ceiling: float
    """The win rate of a policy whose every answer is perfect."""
    win_rate_alike: float
    """Against the starter at the policy's own temperature."""
    gold: float
    gold_error: float
    """Standard error of the mean."""
    kl: float
    """Nats per sequence from the starter at temperature 1, by k1."""
    length: float
    """Response tokens, the end included."""
    distinct_2: float
    repeated_sentences: float
    empty: float


def cooler(adapter: Path | None, seed: int, answers: int) -> dict[str, dict[str, float]]:
    """Temperature -> what the policy is worth there."""
    return {f"{each:g}": asdict(worth(adapter, seed, answers, each)) for each in COOLER}


def worth(adapter: Path | None, seed: int, answers: int, temperature: float = 1.0) -> Worth:
    """Measure a policy (None: the starter itself, drawn again) at a temperature."""
    before, as_cool = _starters(seed, answers, 1.0), _starters(seed, answers, temperature)
    drawn = answered(_asked(seed, answers), 1, 2 * seed + 1, adapter, SAMPLING.heated(temperature))
    after = [one.answers[0][2] for one in drawn]
    won = win_rate(after, before, resamples=RESAMPLES, seed=seed)
    alike = win_rate(after, as_cool, resamples=1, seed=seed)
    best = win_rate([MAX_GOLD] * len(before), before, resamples=1, seed=seed)
    counted = text_figures([one.answers[0][0] for one in drawn])
    kl, length = _distance(adapter, drawn, temperature)
    return Worth(
        win_rate=won.rate,
        win_rate_low=won.low,
        win_rate_high=won.high,
        ceiling=best.rate,
        win_rate_alike=alike.rate,
        gold=fmean(after),
        gold_error=float(np.std(after, ddof=1) / len(after) ** 0.5),
        kl=kl,
        length=length,
        distinct_2=counted.distinct_2,
        repeated_sentences=counted.repeated_sentences,
        empty=counted.empty,
    )


def _asked(seed: int, answers: int) -> list[WorldPrompt]:
    return prompts("heldout", answers, PROMPTS_SEED + seed)


@cache
def _starters(seed: int, answers: int, temperature: float) -> list[float]:
    """Gold of the starter's answers."""
    way = SAMPLING.heated(temperature)
    return [one.answers[0][2] for one in answered(_asked(seed, answers), 1, 2 * seed, sampling=way)]


@torch.inference_mode()
def _distance(
    adapter: Path | None, drawn: Sequence[Answered], temperature: float
) -> tuple[float, float]:
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
            response_logprobs(roles, roles.hidden(one, ids, mask), ids, response, each)
            for one, each in ((role, temperature), (None, 1.0))
        )
        nats += float((ours - theirs).sum())
        tokens += float(response.sum())
    return nats / len(drawn), tokens / len(drawn)
