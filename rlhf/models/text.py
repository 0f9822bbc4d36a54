"""From conversations to token ids and back, the same way everywhere.

P prompt tokens, T response tokens, S = P + T, B sequences.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase as Tokenizer

from rlhf.settings import Sampling

Messages = list[dict[str, str]]


def prompt_ids(tokenizer: Tokenizer, messages: Messages, sampling: Sampling) -> list[int]:
    """Ids [P] of a conversation up to where the answer begins.

    The oldest turns after a system turn are dropped until `max_prompt_tokens` are enough; a
    single turn that is still too long loses its beginning.
    """
    turns = list(messages)
    first = 1 if turns and turns[0]["role"] == "system" else 0
    ids = _render(tokenizer, turns)
    while len(ids) > sampling.max_prompt_tokens and len(turns) > first + 1:
        del turns[first]
        ids = _render(tokenizer, turns)
    return ids[-sampling.max_prompt_tokens :]


def response_ids(tokenizer: Tokenizer, text: str, *, finished: bool = True) -> list[int]:
    """Ids [T] of an answer, with the end-of-sequence token if it came to an end."""
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    return [*ids, tokenizer.eos_token_id] if finished else list(ids)


def decode(tokenizer: Tokenizer, ids: Sequence[int]) -> str:
    """The text of an answer, without special tokens and surrounding space.

    A byte-level model can say NUL, which no database stores as text: it becomes U+FFFD.
    """
    text = str(tokenizer.decode(list(ids), skip_special_tokens=True))
    return text.replace("\x00", "\ufffd").strip()


def right_pad(
    sequences: Sequence[Sequence[int]], device: torch.device | str = "cpu"
) -> tuple[Tensor, Tensor]:
    """(ids, mask), both [B, S]: sequences from the left, zeros after them."""
    return _pad(sequences, device, left=False)


def left_pad(
    sequences: Sequence[Sequence[int]], device: torch.device | str = "cpu"
) -> tuple[Tensor, Tensor]:
    """(ids, mask), both [B, S]: zeros first, so that all sequences end together."""
    return _pad(sequences, device, left=True)


def tokenizer_digest(tokenizer: Tokenizer) -> str:
    """SHA-256 of vocabulary and chat template: what a reward head was trained to read."""
    digest = hashlib.sha256(str(tokenizer.chat_template).encode())
    for token, place in sorted(tokenizer.get_vocab().items()):
        digest.update(f"{token}\x00{place}\x00".encode())
    return digest.hexdigest()


def _render(tokenizer: Tokenizer, turns: Messages) -> list[int]:
    text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def _pad(
    sequences: Sequence[Sequence[int]], device: torch.device | str, *, left: bool
) -> tuple[Tensor, Tensor]:
    longest = max(len(sequence) for sequence in sequences)
    ids = torch.zeros(len(sequences), longest, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, sequence in enumerate(sequences):
        span = slice(longest - len(sequence), longest) if left else slice(0, len(sequence))
        ids[row, span] = torch.tensor(list(sequence), dtype=torch.long)
        mask[row, span] = 1
    return ids.to(device), mask.to(device)
