"""Training the starter from scratch: plain PyTorch, one thread, the same bits for the same seed.

One thread, because sums over several threads may differ from run to run and from machine to
machine. On another kind of CPU the last bits can still differ: kernels follow the instructions
that the CPU has.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate, islice
from random import Random

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pad_sequence
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from rlhf.starter.tokenizer import CONTEXT, END
from rlhf.starter.world import Conversation

MUON_RATE = 0.02
"""Learning rate of the matrices between layers (torch's own default is 0.001)."""
ADAMW_RATE = 5e-3
"""Learning rate of embeddings and norms."""

_POOL = 50
"""Batches that are sorted by length together, so that little is padding."""


@dataclass(frozen=True, slots=True)
class Row:
    """A conversation: its tokens, and what each counts in the loss."""

    ids: list[int]
    weights: list[float]


def new_model(tokenizer: PreTrainedTokenizerFast, seed: int) -> LlamaForCausalLM:
    """A random Llama of about one million parameters, its embeddings tied."""
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=352,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=CONTEXT,
        initializer_range=0.06,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.manual_seed(seed)
    return LlamaForCausalLM(config)


def encode(conversations: Sequence[Conversation], tokenizer: PreTrainedTokenizerFast) -> list[Row]:
    """Conversations as the chat template writes them; a turn reaches up to its end token."""
    texts = [tokenizer.apply_chat_template(one.messages, tokenize=False) for one in conversations]
    encoded: list[list[int]] = tokenizer(texts, add_special_tokens=False)["input_ids"]
    end = tokenizer.get_vocab()[END]
    rows = []
    for conversation, ids in zip(conversations, encoded, strict=True):
        turns = accumulate((token == end for token in ids[:-1]), initial=0)
        rows.append(Row(ids, [conversation.weights[turn] for turn in turns]))
    return rows


def pad(rows: Sequence[Row], pad_id: int) -> tuple[Tensor, Tensor]:
    """Ids and weights [rows, longest], padded on the right with `pad_id` and no weight."""
    ids = [torch.tensor(row.ids) for row in rows]
    weights = [torch.tensor(row.weights) for row in rows]
    return (
        pad_sequence(ids, batch_first=True, padding_value=pad_id),
        pad_sequence(weights, batch_first=True),
    )


def batches(rows: Sequence[Row], size: int, seed: int) -> Iterator[list[Row]]:
    """Shuffled batches for ever, of rows of similar length."""
    rng = Random(f"batches {seed}")
    while True:
        shuffled = rng.sample(rows, len(rows))
        for start in range(0, len(shuffled), size * _POOL):
            pool = sorted(shuffled[start : start + size * _POOL], key=lambda row: len(row.ids))
            cut = [pool[at : at + size] for at in range(0, len(pool) - size + 1, size)]
            yield from rng.sample(cut, len(cut))


def train(
    model: LlamaForCausalLM,
    stream: Iterator[list[Row]],
    *,
    pad_id: int,
    steps: int,
    pace: float = 1.0,
    progress: Callable[[int, float], None],
) -> None:
    """Next-token training; 5 % warm-up, then a cosine down to a hundredth.

    Muon (Jordan 2024, as in torch) moves the matrices between layers and AdamW the rest: on this
    model it reaches AdamW's loss in about four fifths of the steps.

    `pace` multiplies both learning rates. `stream` gives one batch per step; `progress` gets the
    steps done and the weighted loss in nats per token. Rows are padded on the right, which causal
    attention never sees.
    """
    inner = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
    outer = [p for name, p in model.named_parameters() if p.ndim != 2 or "embed" in name]
    optimisers: list[torch.optim.Optimizer] = [
        torch.optim.Muon(inner, lr=MUON_RATE * pace, weight_decay=0.01),
        torch.optim.AdamW(
            outer, lr=ADAMW_RATE * pace, betas=(0.9, 0.98), weight_decay=0.01, fused=True
        ),
    ]
    warm_up = max(1, steps // 20)

    def factor(step: int) -> float:
        if step < warm_up:
            return (step + 1) / warm_up
        return 0.505 + 0.495 * math.cos(math.pi * (step - warm_up) / max(1, steps - warm_up))

    schedules = [torch.optim.lr_scheduler.LambdaLR(one, factor) for one in optimisers]
    model.train()
    for step, batch in enumerate(islice(stream, steps), start=1):
        ids, weights = pad(batch, pad_id)
        logits = model(input_ids=ids, use_cache=False).logits[:, :-1]
        losses = cross_entropy(logits.transpose(1, 2), ids[:, 1:], reduction="none")
        loss = (losses * weights[:, 1:]).sum() / weights[:, 1:].sum()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimiser, schedule in zip(optimisers, schedules, strict=True):
            optimiser.step()
            optimiser.zero_grad()
            schedule.step()
        progress(step, loss.item())
    model.eval()


@contextmanager
def reproducible() -> Iterator[None]:
    """One thread, deterministic kernels and a random state of our own; all put back at the end."""
    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(strict)
