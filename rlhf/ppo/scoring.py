"""What every role thinks of the same sequences, from as few passes as there are roles.

B sequences of S tokens, K reward models, hidden size D. No gradients.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from rlhf.models.logprobs import response_logprobs, response_logprobs_and_entropy
from rlhf.models.roles import RoleModel
from rlhf.ppo.experience import Experience, Sequences
from rlhf.settings import ValueLayout

POLICY, VALUE = "policy", "value"

SCORING_ROWS = 32
"""Sequences per forward pass; like lengths go together."""


def add_value(roles: RoleModel, layout: ValueLayout, source: str) -> None:
    """Let the value start as the reward model `source`: its adapter and head, or its head alone."""
    if layout == "adapter":
        roles.copy_role(source, VALUE)
    else:
        roles.copy_head(source, VALUE)


@dataclass(frozen=True, slots=True)
class Views:
    """The roles' views of B sequences; see `Experience` for the fields."""

    logprob: Tensor
    entropy: Tensor
    ref_logprob: Tensor
    value: Tensor
    scores_KB: Tensor
    trunk: Tensor | None
    value_states: Tensor | None


class Scorer:
    """Looks at sequences with all roles; `value_role` is the one whose states the value reads."""

    def __init__(
        self, roles: RoleModel, members: Sequence[str], layout: ValueLayout, temperature: float
    ) -> None:
        self.roles, self.members, self.temperature = roles, list(members), temperature
        self.value_role = {"adapter": VALUE, "policy": POLICY, "reward": members[0]}[layout]

    @torch.no_grad()
    def views(self, part: Sequences) -> Views:
        """Everything that a rollout must know of its answers."""
        roles, count, width = self.roles, *part.ids.shape
        logprob, entropy, ref_logprob, value = torch.zeros(4, count, width, device=roles.device)
        scores_KB = torch.zeros(len(self.members), count, device=roles.device)
        trunks, value_states = _Kept(count, width), _Kept(count, width)
        for rows, one in _batches(part):
            at = (rows, slice(one.ids.shape[1]))
            ids, response, t = one.ids, one.response_mask, self.temperature
            hidden, trunk = roles.hidden_and_trunk(POLICY, ids, one.mask)
            trunks.put(at, trunk)
            logprob[at], entropy[at] = response_logprobs_and_entropy(
                roles, hidden, ids, response, t
            )
            reference = roles.hidden(None, ids, one.mask, trunk)
            ref_logprob[at] = response_logprobs(roles, reference, ids, response, t)
            if self.value_role != POLICY:
                hidden = roles.hidden(self.value_role, ids, one.mask, trunk)
            value[at] = self.value_of(hidden, response)
            for k, member in enumerate(self.members):
                if member == self.value_role:
                    value_states.put(at, hidden)
                    scores_KB[k, rows] = roles.scores_of(member, hidden, one.mask)
                else:
                    scores_KB[k, rows] = roles.scores(member, ids, one.mask, trunk)
        kept = (trunks.tensor, value_states.tensor)
        return Views(logprob, entropy, ref_logprob, value, scores_KB, *kept)

    @torch.no_grad()
    def scores(self, role: str, part: Sequences | Experience) -> Tensor:
        """One reward model's opinion [B]."""
        score = torch.zeros(len(part.ids), device=self.roles.device)
        for rows, one in _batches(part):
            score[rows] = self.roles.scores(role, one.ids, one.mask, one.trunk)
        return score

    @torch.no_grad()
    def values(self, part: Sequences | Experience) -> Tensor:
        """The value [B, S] before each response token."""
        value = torch.zeros(part.ids.shape, device=self.roles.device)
        for rows, one in _batches(part):
            hidden = one.value_states
            if hidden is None:
                hidden = self.roles.hidden(self.value_role, one.ids, one.mask, one.trunk)
            value[rows, : one.ids.shape[1]] = self.value_of(hidden, one.response_mask)
        return value

    def value_of(self, hidden: Tensor, response_mask: Tensor) -> Tensor:
        """[b, s] from states [b, s, D]: a token's value is read before it is spoken."""
        value = self.roles.head(VALUE, hidden)
        return torch.nn.functional.pad(value[:, :-1], (1, 0)) * response_mask


class _Kept:
    """Hidden states [B, S, D] that are put together from batches; none until there is one."""

    def __init__(self, count: int, width: int) -> None:
        self.shape, self.tensor = (count, width), cast(Tensor | None, None)

    def put(self, at: tuple[Tensor, slice], states: Tensor | None) -> None:
        """Keep a batch's [b, s, D]."""
        if states is None:
            return
        if self.tensor is None:
            self.tensor = states.new_zeros(*self.shape, states.shape[-1])
        self.tensor[at] = states


def _batches(part: Sequences | Experience) -> Iterator[tuple[Tensor, Sequences]]:
    """(row numbers, those rows without the padding that none of them needs)."""
    lengths = part.mask.sum(dim=1)
    for rows in lengths.argsort(stable=True).split(SCORING_ROWS):
        span = slice(int(lengths[rows].max()))
        masks = (part.mask[rows, span], part.response_mask[rows, span])
        kept = (
            None if states is None else states[rows, span]
            for states in (part.trunk, part.value_states)
        )
        yield rows, Sequences(part.ids[rows, span], *masks, *kept)
