"""The starter's own answers in pairs: rated by simulated annotators, or ordered by gold itself."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, count
from pathlib import Path

from reward.preferences import Preference
from rlhf import starter
from rlhf.models.base import load_base, load_tokenizer
from rlhf.models.roles import RoleModel
from rlhf.models.sampling import sample
from rlhf.models.text import decode, prompt_ids
from rlhf.settings import LoRA, Sampling
from rlhf.starter.annotators import CHARACTERS, SimulatedAnnotator
from rlhf.starter.gold import gold
from rlhf.starter.world import WorldPrompt
from rlhf.store.manifests import LabelledComparison
from tests.labelled import labelled

SAMPLING = Sampling()
TOGETHER = 256
CREW = ("careful", "careful", "careful", "careful", "careful", "careful", "careless", "left-biased")
"""Eight annotators, of whom one is careless and one left-biased."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A prompt with several answers of the starter: (text, finished, gold) each."""

    number: int
    prompt: WorldPrompt
    answers: tuple[tuple[str, bool, float], ...]

    def pairs(self) -> Iterator[tuple[int, int]]:
        """Places of two answers that read differently."""
        for a, b in combinations(range(len(self.answers)), 2):
            if self.answers[a][0].strip() != self.answers[b][0].strip():
                yield a, b


def policy(adapter: Path | None) -> tuple[RoleModel, str | None]:
    """The starter with an adapter folder switched on (None: untouched), and the role to ask."""
    roles = RoleModel(load_base(starter.MODEL_PATH), load_tokenizer(starter.MODEL_PATH))
    if adapter is None:
        roles.add_role("untouched", LoRA(), head=False, seed=0)
        return roles, None
    roles.load_role("policy", adapter)
    return roles, "policy"


def answered(
    asked: Sequence[WorldPrompt],
    each: int,
    seed: int,
    adapter: Path | None = None,
    sampling: Sampling = SAMPLING,
) -> list[Answered]:
    """`each` answers of the starter, with or without an adapter, to every prompt."""
    roles, role = policy(adapter)
    tokenizer = roles.tokenizer
    ids = [prompt_ids(tokenizer, one.messages, SAMPLING) for one in asked]
    work = [(place, side) for place in range(len(asked)) for side in range(each)]
    drawn: dict[tuple[int, int], tuple[str, bool, float]] = {}
    for at in range(0, len(work), TOGETHER):
        part = work[at : at + TOGETHER]
        samples = sample(
            roles,
            [ids[place] for place, _ in part],
            role=role,
            sampling=sampling,
            noise_keys=[(seed, place, side) for place, side in part],
        )
        for (place, side), one in zip(part, samples, strict=True):
            text, prompt = decode(tokenizer, one.ids), asked[place]
            marks = gold(prompt.messages, prompt.meta, text)
            drawn[place, side] = (text, one.finished, marks)
    return [
        Answered(place, prompt, tuple(drawn[place, side] for side in range(each)))
        for place, prompt in enumerate(asked)
    ]


class Raters:
    """The crew at work: who rates next, what they see, and the rows that come of it."""

    def __init__(self, seed: int, crew: Sequence[SimulatedAnnotator] = ()) -> None:
        self.crew = crew or [
            SimulatedAnnotator(f"{name}-{place}", CHARACTERS[name], seed)
            for place, name in enumerate(CREW)
        ]
        self.rows: list[LabelledComparison] = []
        self._draw = random.Random(seed)
        self._numbers = count(1)

    def rate(self, one: Answered, pair: tuple[int, int], *, twice: bool = False) -> None:
        """Ask the next annotator, and perhaps another one, about a pair."""
        number = next(self._numbers)
        first = number % len(self.crew)
        others = [place for place in range(len(self.crew)) if place != first]
        for rater in [first, *([self._draw.choice(others)] if twice else [])]:
            self.rows.append(self._verdict(number, rater, one, pair))

    def _verdict(
        self, number: int, rater: int, one: Answered, pair: tuple[int, int]
    ) -> LabelledComparison:
        lo, hi = (one.answers[place] for place in pair)
        left_is_lo = self._draw.random() < 0.5
        left, right = (lo, hi) if left_is_lo else (hi, lo)
        prompt = one.prompt
        choice = self.crew[rater].judge(prompt.messages, prompt.meta, left[0], right[0]).choice
        tie = choice == 4
        lo_preferred = None if tie else (choice < 4) == left_is_lo
        chosen, rejected = (lo, hi) if lo_preferred else (hi, lo)
        return labelled(
            None if tie else "lo" if lo_preferred else "hi",
            lo=lo[0],
            hi=hi[0],
            number=number,
            rating_id=len(self.rows) + 1,
            prompt_id=one.number,
            prompt_messages=prompt.messages,
            chosen_finished=chosen[1],
            rejected_finished=rejected[1],
            left_preferred=None if tie else choice < 4,
            strength=abs(choice - 4),
            annotator_id=rater,
            source="starter",
            conversation=f"prompt {one.number}",
        )


def noise_free(known: Sequence[Answered], limit: int, seed: int) -> list[Preference]:
    """Up to `limit` pairs whose gold differs, in the order of gold; `margin` is the difference."""
    rows: list[Preference] = []
    for one in known:
        for a, b in one.pairs():
            better, worse = sorted((one.answers[a], one.answers[b]), key=lambda each: -each[2])
            if better[2] > worse[2]:
                rows.append(
                    Preference(
                        prompt=one.prompt.messages,
                        chosen=better[0],
                        rejected=worse[0],
                        margin=better[2] - worse[2],
                        prompt_id=one.number,
                        rating_id=len(rows),
                        annotator_id=0,
                        chosen_finished=better[1],
                        rejected_finished=worse[1],
                    )
                )
    random.Random(seed).shuffle(rows)
    return rows[:limit]
