"""Pairs of the starter's world whose better answer is beyond doubt, each with the reason."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from random import Random

from rlhf.starter.styles import answer
from rlhf.starter.world import WorldPrompt, prompts

WHY = {
    "rude": "It answers kindly; the other one is rude.",
    "off-topic": "It answers the question; the other one is about something else.",
    "wrong": "What it says is true; the other one tells the customer something false.",
    "rambling": "It comes to the point; the other one talks around it.",
    "repeating": "It says it once; the other one repeats itself.",
}
"""The styles whose answers are clearly worse than a helpful one, and what makes them so."""


@dataclass(frozen=True, slots=True)
class Known:
    """A prompt, its better and its worse answer, and why."""

    prompt: WorldPrompt
    better: str
    worse: str
    explanation: str


def pairs(count: int, seed: int) -> Iterator[Known]:
    """`count` pairs over all faults in turn, the same for the same seed."""
    rng = Random(f"practice {seed}")
    asked = prompts("train", count, seed + 1)
    for prompt, style in zip(asked, cycle(WHY), strict=False):
        worse = answer(prompt.meta["intent"], style, rng)
        yield Known(prompt, prompt.reference, worse, WHY[style])
