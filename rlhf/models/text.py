"""From conversations to token ids and back, the same way everywhere.

P prompt tokens, T response tokens, S = P + T, B sequences.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase as Tokenizer
from transformers.utils import chat_template_utils

from rlhf.settings import Sampling

Messages = list[dict[str, str]]

TemplateError: type[Exception] = chat_template_utils.jinja2.exceptions.TemplateError  # type: ignore[attr-defined]
"""What a chat template raises for a conversation that it does not take (jinja2's)."""


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
        try:
            ids = _render(tokenizer, turns)
        except TemplateError:  # some templates want a question first: drop on until there is one
            if len(turns) == first + 1:
                raise
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


def written(tokenizer: Tokenizer, turns: Messages, *, asking: bool) -> str:
    """Turns as text; `asking`: up to where the model's answer begins."""
    return str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=asking))


def acceptable(tokenizer: Tokenizer, turns: Messages, *, asking: bool) -> tuple[Messages, str]:
    """The conversation as the template takes it, and its text.

    Some templates know no system turn (Gemma's): its words then open the first question. Raises
    TemplateError where the template refuses that too.
    """
    try:
        return turns, written(tokenizer, turns, asking=asking)
    except TemplateError:
        if len(turns) < 2 or turns[0]["role"] != "system" or turns[1]["role"] != "user":
            raise
        said = f"{turns[0]['content']}\n\n{turns[1]['content']}"
        joined = [{**turns[1], "content": said}, *turns[2:]]
        return joined, written(tokenizer, joined, asking=asking)


def _render(tokenizer: Tokenizer, turns: Messages) -> list[int]:
    _, text = acceptable(tokenizer, turns, asking=True)
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
