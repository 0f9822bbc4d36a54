"""The work that both engines of the `ppo` benchmark do: model, prompts, lengths, and its FLOP.

N decoder weights in matrices, D hidden size, V vocabulary, T tokens.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)

from rlhf.models.text import prompt_ids
from rlhf.settings import Sampling

QUERY, RESPONSE = 24, 48
EPOCHS, MINIBATCH = 4, 16
RANK, ALPHA = 16, 32
LEARNING_RATE = 1e-5
"""Small: an engine's speed is measured, and a policy that moves far would end its epochs early."""

PROMPTS = 256
PAD, END = "<pad>", "<end>"
TEMPLATE_WORDS = ("user", "assistant", ":")
SPECIAL = 2 + len(TEMPLATE_WORDS)


@dataclass(frozen=True, slots=True)
class Shape:
    """A Llama and the batch that it is trained with."""

    hidden: int
    intermediate: int
    layers: int
    heads: int
    key_value_heads: int
    vocabulary: int
    batch: int

    @property
    def matrices(self) -> int:
        """N."""
        own = self.hidden * self.hidden
        shared = self.hidden * self.hidden * self.key_value_heads // self.heads
        return self.layers * (2 * own + 2 * shared + 3 * self.hidden * self.intermediate)


SHAPES = {
    "tiny": Shape(256, 704, 4, 4, 4, 2048, 64),
    "135m": Shape(576, 1536, 30, 9, 3, 49152, 16),
}


@dataclass(frozen=True, slots=True)
class Flop:
    """FLOP of one iteration's matrix products, adapters and attention left out."""

    generate: float
    score: float
    update: float


def flop(
    shape: Shape, *, passes: int, values: int, epochs: int = EPOCHS, adapted: float = 1.0
) -> Flop:
    """What an iteration must compute at least.

    passes: roles that score every sequence; values: value models that are trained beside the
    policy with states of their own; adapted: share of the layers that roles and epochs run again,
    the others being run once. Frozen weights cost 2 N T forward and 2 N T backward.
    """
    tokens, answered = shape.batch * (QUERY + RESPONSE), shape.batch * RESPONSE
    layers, head = 2.0 * shape.matrices, 2.0 * shape.hidden * shape.vocabulary
    upper = layers * adapted
    step = 2 * (upper * tokens * (1 + values) + head * answered)
    return Flop(
        generate=layers * tokens + head * answered,
        score=(layers - upper + passes * upper) * tokens + 2 * head * answered,
        update=epochs * step,
    )


def ppo_settings(shape: Shape) -> dict[str, Any]:
    """The work as settings of our engine; no epoch may end early."""
    return {
        "epochs": EPOCHS,
        "rollouts": shape.batch,
        "rollout_temperature": 1.0,
        "minibatch": MINIBATCH,
        "learning_rate": LEARNING_RATE,
        "value_learning_rate": LEARNING_RATE,
        "value_head_learning_rate": LEARNING_RATE,
        "approx_kl_stop": 1e6,
    }


def make_model(folder: Path, shape: Shape) -> None:
    """A random Llama with a tokenizer of words `w0 w1 ...`; the same bits for the same shape."""
    words = [PAD, END, *TEMPLATE_WORDS]
    words += [f"w{number}" for number in range(shape.vocabulary - SPECIAL)]
    plain = Tokenizer(models.WordLevel({word: at for at, word in enumerate(words)}, END))
    plain.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=plain, pad_token=PAD, eos_token=END, padding_side="left"
    )
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    LlamaForCausalLM(
        LlamaConfig(
            vocab_size=shape.vocabulary,
            hidden_size=shape.hidden,
            intermediate_size=shape.intermediate,
            num_hidden_layers=shape.layers,
            num_attention_heads=shape.heads,
            num_key_value_heads=shape.key_value_heads,
            max_position_embeddings=1024,
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=1,
            pad_token_id=0,
        )
    ).save_pretrained(folder)


def questions(shape: Shape) -> list[str]:
    """PROMPTS user messages; with the plain chat template around them, QUERY tokens each."""
    rng = Random("questions")
    count = QUERY - len(TEMPLATE_WORDS) - 1
    words = range(shape.vocabulary - SPECIAL)
    return [" ".join(f"w{rng.choice(words)}" for _ in range(count)) for _ in range(PROMPTS)]


def queries(tokenizer: PreTrainedTokenizerBase, shape: Shape) -> list[list[int]]:
    """The token ids of the same."""
    return [
        prompt_ids(tokenizer, [{"role": "user", "content": text}], Sampling())
        for text in questions(shape)
    ]


def peak_memory() -> float:
    """The most memory that this process ever held, GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def matrix_peak(dtype: torch.dtype, size: int = 2048, seconds: float = 2.0) -> float:
    """GFLOP/s of the best square matrix product in `seconds`, with torch's threads."""
    left, right = (torch.randn(size, size).to(dtype) for _ in range(2))
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        best = min(best, timed(lambda: left @ right))
    return 2 * size**3 / best / 1e9


def timed(work: Callable[[], object]) -> float:
    """Seconds of one call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
