"""Training the starter from scratch: plain PyTorch, one thread, the same bits for the same seed.

One thread, because sums over several threads may differ from run to run and from machine to
machine. On another kind of CPU the last bits can still differ: kernels follow the instructions
that the CPU has.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from random import Random

import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from rlhf.starter.tokenizer import CONTEXT
from rlhf.starter.world import Message

IGNORED = -100
"""The label of a position that takes no part in the loss (the one that PyTorch ignores)."""

_POOL = 50
"""Batches that are sorted by length together, so that little is padding."""


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


def encode(
    conversations: list[list[Message]], tokenizer: PreTrainedTokenizerFast
) -> list[list[int]]:
    """Token ids of whole conversations, as the chat template writes them."""
    texts = [tokenizer.apply_chat_template(messages, tokenize=False) for messages in conversations]
    encoded: list[list[int]] = tokenizer(texts, add_special_tokens=False)["input_ids"]
    return encoded


def pad(rows: list[list[int]], pad_id: int, answer_id: int) -> tuple[Tensor, Tensor]:
    """Ids [rows, longest] padded on the right with `pad_id`, and their labels.

    Labels are IGNORED on the padding and up to the first `answer_id`, where the first answer
    begins: guessing how people ask would drown what is to be learned.
    """
    ids = torch.full((len(rows), max(map(len, rows))), pad_id)
    labels = torch.full_like(ids, IGNORED)
    for at, row in enumerate(rows):
        ids[at, : len(row)] = torch.tensor(row)
        first = row.index(answer_id) + 1
        labels[at, first : len(row)] = ids[at, first : len(row)]
    return ids, labels


def batches(rows: list[list[int]], size: int, seed: int) -> Iterator[list[list[int]]]:
    """Shuffled batches for ever, of rows of similar length."""
    rng = Random(f"batches {seed}")
    while True:
        shuffled = rng.sample(rows, len(rows))
        for start in range(0, len(shuffled), size * _POOL):
            pool = sorted(shuffled[start : start + size * _POOL], key=len)
            cut = [pool[at : at + size] for at in range(0, len(pool) - size + 1, size)]
            yield from rng.sample(cut, len(cut))


def train(
    model: LlamaForCausalLM,
    stream: Iterator[list[list[int]]],
    *,
    pad_id: int,
    answer_id: int,
    steps: int,
    learning_rate: float,
    progress: Callable[[int, float], None],
) -> None:
    """Next-token training; AdamW, 5 % warm-up, then a cosine down to a hundredth.

    `stream` gives one batch of token ids per step; `progress` gets the steps done and the loss in
    nats per token. Rows are padded on the right, which causal attention never sees.
    """
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=learning_rate, betas=(0.9, 0.98), weight_decay=0.01, fused=True
    )
    warm_up = max(1, steps // 20)

    def factor(step: int) -> float:
        if step < warm_up:
            return (step + 1) / warm_up
        return 0.505 + 0.495 * math.cos(math.pi * (step - warm_up) / max(1, steps - warm_up))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, factor)
    model.train()
    for step, batch in enumerate(islice(stream, steps), start=1):
        ids, labels = pad(batch, pad_id, answer_id)
        loss = model(input_ids=ids, labels=labels, use_cache=False).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
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
