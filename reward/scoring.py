"""From text to token ids to scores: the one way in which this room reads a response.

Prompt and response become ids exactly as they do in sampling and PPO (`rlhf.models.text`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from reward.preferences import Answer, Messages, Preference
from rlhf.models.roles import RoleModel
from rlhf.models.text import prompt_ids, response_ids, right_pad
from rlhf.settings import Sampling

Numbers = NDArray[np.float64]
BATCH = 64
"""Sequences per forward pass."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A preference as token ids, prompt included."""

    chosen: list[int]
    rejected: list[int]
    source: Preference
    prompt_tokens: int = 0

    @property
    def chosen_tokens(self) -> int:
        """Of the response alone."""
        return len(self.chosen) - self.prompt_tokens

    @property
    def rejected_tokens(self) -> int:
        """Of the response alone."""
        return len(self.rejected) - self.prompt_tokens


@dataclass(frozen=True)
class Encoder:
    """Turns responses into the ids that PPO would score; `longest` is the base's context."""

    tokenizer: PreTrainedTokenizerBase
    sampling: Sampling
    longest: int

    def answer(self, prompt: Messages, text: str, finished: bool) -> list[int]:
        """Ids of the prompt (cut as in sampling), the response and, if finished, its end."""
        return [
            *prompt_ids(self.tokenizer, prompt, self.sampling),
            *response_ids(self.tokenizer, text, finished=finished),
        ]

    def fitting(self, answers: Iterable[Answer]) -> list[list[int]]:
        """Ids of the answers that the context holds."""
        encoded = (self.answer(one.prompt, one.text, one.finished) for one in answers)
        return [ids for ids in encoded if len(ids) <= self.longest]

    def fits(self, answer: Answer) -> bool:
        """Whether the context holds prompt and response."""
        return bool(self.fitting([answer]))

    def response_tokens(self, answer: Answer) -> int:
        """Of the response alone, its end included."""
        return len(response_ids(self.tokenizer, answer.text, finished=answer.finished))

    def pairs(self, rows: Sequence[Preference]) -> list[Encoded]:
        """Preferences as ids, without those of which a side is longer than the context."""
        encoded = (self._pair(row) for row in rows)
        return [one for one in encoded if max(len(one.chosen), len(one.rejected)) <= self.longest]

    def _pair(self, row: Preference) -> Encoded:
        prompt = prompt_ids(self.tokenizer, row.prompt, self.sampling)
        chosen, rejected = (
            [*prompt, *response_ids(self.tokenizer, text, finished=finished)]
            for text, finished in (
                (row.chosen, row.chosen_finished),
                (row.rejected, row.rejected_finished),
            )
        )
        return Encoded(chosen, rejected, row, len(prompt))


def score_ids(roles: RoleModel, role: str, sequences: Sequence[Sequence[int]]) -> Numbers:
    """Scores (with the role's gain and shift) of token sequences; [N], in the given order.

    Batches hold sequences of like length, which saves padding and changes nothing else.
    """
    scores = np.empty(len(sequences), dtype=np.float64)
    with torch.inference_mode():
        for rows, ids, mask in batches(sequences, roles.device):
            scores[rows] = roles.scores(role, ids, mask).double().cpu().numpy()
    return scores


def batches(
    sequences: Sequence[Sequence[int]], device: torch.device
) -> Iterator[tuple[list[int], Tensor, Tensor]]:
    """(row numbers, ids [B, S], mask [B, S]) of sequences of like length, padded on the right."""
    by_length = sorted(range(len(sequences)), key=lambda index: len(sequences[index]))
    for start in range(0, len(by_length), BATCH):
        rows = by_length[start : start + BATCH]
        yield rows, *right_pad([sequences[row] for row in rows], device)


def differences(roles: RoleModel, role: str, pairs: Sequence[Encoded]) -> Numbers:
    """Score of the chosen response less that of the rejected one; [N]."""
    both = score_ids(roles, role, [p.chosen for p in pairs] + [p.rejected for p in pairs])
    chosen, rejected = np.split(both, 2)
    return np.asarray(chosen - rejected, dtype=np.float64)
