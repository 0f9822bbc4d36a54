"""What a built starter scores: how well it knows the corpus, and how good its answers are."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from random import Random
from statistics import mean
from typing import Any

import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from rlhf.starter.gold import MAX_GOLD, breakdown, gold
from rlhf.starter.intents import INTENTS
from rlhf.starter.styles import STYLES, answer
from rlhf.starter.world import Message, WorldPrompt

ROWS = 50
"""Conversations that are scored or answered together."""

LONGEST = 64
"""Tokens after which an answer is cut off, as in the loop's default settings."""


@torch.no_grad()
def perplexity(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    conversations: Sequence[list[Message]],
) -> float:
    """exp of the mean loss per token of the assistant's turns, their ends included."""
    loss = torch.zeros((), dtype=torch.float64)
    count = 0
    for messages in conversations:
        row: Any = tokenizer.apply_chat_template(
            messages, return_dict=True, return_assistant_tokens_mask=True
        )
        ids = torch.tensor(row["input_ids"])
        said = torch.tensor(row["assistant_masks"], dtype=torch.bool)[1:]
        log_probs = model(ids[None, :-1]).logits[0].log_softmax(-1)
        loss -= log_probs.gather(1, ids[1:, None])[said].double().sum()
        count += int(said.sum())
    return math.exp(loss.item() / count)


@torch.no_grad()
def sample(
    model: Any,
    tokenizer: PreTrainedTokenizerFast,
    asked: Sequence[WorldPrompt],
) -> Iterator[list[str]]:
    """One answer per prompt at temperature 1 from the global random state, ROWS at a time.

    `model` is any causal LM with `generate`, whose own types do not admit a LlamaForCausalLM.
    """
    for start in range(0, len(asked), ROWS):
        batch: Any = tokenizer.apply_chat_template(
            [prompt.messages for prompt in asked[start : start + ROWS]],
            add_generation_prompt=True,
            padding=True,
            return_tensors="pt",
            return_dict=True,
        )
        tokens = model.generate(
            **batch, do_sample=True, temperature=1.0, top_k=0, max_new_tokens=LONGEST
        )
        said = tokens[:, batch["input_ids"].shape[1] :]
        yield tokenizer.batch_decode(said, skip_special_tokens=True)


def quality(asked: Sequence[WorldPrompt], answers: Sequence[str]) -> dict[str, float]:
    """Mean gold and the shares of perfect answers, of right ones, and of each fault."""
    marks = [
        breakdown(prompt.messages, prompt.meta, text)
        for prompt, text in zip(asked, answers, strict=True)
    ]
    return {
        "gold": mean(mark.total for mark in marks),
        "perfect": mean(mark.total >= MAX_GOLD for mark in marks),
        "right": mean(mark.answer > 0 for mark in marks),
        "false": mean(mark.falsehood < 0 for mark in marks),
        "off_topic": mean(mark.off_topic < 0 for mark in marks),
        "rude": mean(mark.rudeness < 0 for mark in marks),
        "filler": mean(mark.filler < 0 for mark in marks),
        "repeated": mean(mark.repetition < 0 for mark in marks),
        "garbled": mean(mark.unknown < 0 for mark in marks),
        "too_long": mean(mark.length < 0 for mark in marks),
        "unfinished": mean(mark.ending < 0 for mark in marks),
    }


def gold_by_style(count: int, seed: int) -> dict[str, float]:
    """Mean gold of `count` answers of each style, as the corpus composes them."""
    rng = Random(f"styles {seed}")
    scores: dict[str, float] = {}
    for style in STYLES:
        chosen = rng.choices(list(INTENTS), k=count)
        scores[style] = mean(
            gold([], {"intent": intent}, answer(intent, style, rng)) for intent in chosen
        )
    return scores
