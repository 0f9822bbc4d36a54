"""Simulated annotators: they see gold through noise, each with a character of its own.

A verdict depends on the annotator, the prompt and the two answers as shown, and on nothing else:
the order in which comparisons are handed out, or a restart between two, changes no verdict.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from math import sqrt
from random import Random

from rlhf.starter.gold import gold

BOTH_BAD = -1.0
"""Two answers that both look worse than this (in gold points) are marked "both bad"."""

TIE, SLIGHT, CLEAR = 0.25, 1.0, 2.0
"""Differences (in gold points) below which a verdict is a tie, slightly, clearly; else much."""


@dataclass(frozen=True, slots=True)
class Character:
    """How an annotator sees and judges."""

    name: str
    noise: float
    """Standard deviation of what is added to the difference of two gold scores, in points."""
    left_bias: float = 0.0
    """Points that the answer on the left gets for standing there."""
    careless: float = 0.0
    """Probability of a verdict drawn blindly from 1 to 7."""


CHARACTERS: dict[str, Character] = {
    character.name: character
    for character in (
        Character("careful", noise=0.8),
        Character("noisy", noise=3.5),
        Character("left-biased", noise=1.0, left_bias=2.0),
        Character("careless", noise=1.0, careless=0.6),
    )
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """A judgement of two answers as they were shown."""

    choice: int
    """1 the left is much better, 4 a tie, 7 the right is much better."""
    both_bad: bool


class SimulatedAnnotator:
    """Somebody who rates; the same name, character and seed always judge alike."""

    def __init__(self, name: str, character: Character, seed: int) -> None:
        self.name, self.character, self._seed = name, character, seed

    def judge(
        self,
        messages: Sequence[Mapping[str, str]],
        meta: Mapping[str, str],
        left: str,
        right: str,
    ) -> Verdict:
        """Compare two answers to a prompt of this world; raises KeyError for another world's."""
        if left == right:
            return Verdict(4, gold(messages, meta, left) < BOTH_BAD)
        question = [(message["role"], message["content"]) for message in messages]
        rng = Random(repr((self._seed, self.name, question, left, right)))
        if rng.random() < self.character.careless:
            return Verdict(rng.randint(1, 7), both_bad=False)
        blur = self.character.noise / sqrt(2)
        seen_left = gold(messages, meta, left) + rng.gauss(0, blur)
        seen_right = gold(messages, meta, right) + rng.gauss(0, blur)
        difference = seen_right - seen_left - self.character.left_bias
        return Verdict(_choice(difference), max(seen_left, seen_right) < BOTH_BAD)


def crew(count: int, seed: int) -> list[SimulatedAnnotator]:
    """`count` annotators named CHARACTER-N, the characters in turn.

    Four of them, or a multiple, contradict gold in about a fifth of their verdicts.
    """
    characters = islice(cycle(CHARACTERS.values()), count)
    return [
        SimulatedAnnotator(f"{character.name}-{at // len(CHARACTERS) + 1}", character, seed)
        for at, character in enumerate(characters)
    ]


def _choice(difference: float) -> int:
    """1 to 7 for how much better (in points) the right answer looks than the left."""
    size = sum(abs(difference) >= limit for limit in (TIE, SLIGHT, CLEAR))
    return 4 + size if difference > 0 else 4 - size
