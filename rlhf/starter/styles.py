"""The styles in which the help desk answers, and how often: the one table to retune the world.

After a change of STYLES run `rlhf starter build` and read the model card's figures: perfect
answers must stay rare and the mean gold near zero, or there is nothing left to learn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from rlhf.starter.intents import INTENTS
from rlhf.starter.sentences import CLOSINGS, FILLERS, OPENINGS, RUDE, plain


@dataclass(frozen=True, slots=True)
class Style:
    """How often a style occurs, and the patterns it has (equally likely).

    In a pattern `right` and `wrong` are facts on the asked matter, `other` is a fact on another
    one, and `again` says the answer's last fact once more.
    """

    share: float
    patterns: tuple[str, ...]


STYLES: dict[str, Style] = {
    "helpful": Style(
        0.08,
        ("opening right closing",),
    ),
    "curt": Style(
        0.19,
        ("right",),
    ),
    "rude": Style(
        0.13,
        ("rude right", "right rude", "rude", "rude rude right"),
    ),
    "rambling": Style(
        0.18,
        (
            "opening right filler filler",
            "opening filler right filler closing",
            "opening filler filler right",
            "right filler filler filler",
        ),
    ),
    "off-topic": Style(
        0.11,
        ("opening other closing", "opening other", "other"),
    ),
    "wrong": Style(
        0.12,
        ("opening wrong closing", "opening wrong", "wrong"),
    ),
    "over-long": Style(
        0.08,
        (
            "opening right other other",
            "opening right filler other closing",
            "right other filler other",
        ),
    ),
    "repeating": Style(
        0.11,
        (
            "opening right again closing",
            "opening right again",
            "right again again",
            "opening right filler again",
        ),
    ),
}

MEDLEY = ("right", "right", "right", "other", "other", "wrong", "filler", "filler", "rude", "again")
"""What the sentences of a medley are drawn from."""


def pick_style(rng: Random) -> str:
    """A style's name, drawn by share."""
    return rng.choices(list(STYLES), [style.share for style in STYLES.values()])[0]


def answer(intent: str, style: str, rng: Random) -> str:
    """An answer to a question of `intent`; no sentence comes twice unless the style repeats."""
    return compose(intent, rng.choice(STYLES[style].patterns).split(), rng)


def medley(intent: str, rng: Random) -> str:
    """An answer in which anything may stand beside anything, as in what a small model says."""
    parts = rng.choices(MEDLEY, k=rng.choice((1, 2, 2, 3, 3, 4)))
    opens, closes = rng.random() < 0.5, rng.random() < 0.4
    return compose(intent, ["opening"] * opens + parts + ["closing"] * closes, rng)


def compose(intent: str, parts: Sequence[str], rng: Random) -> str:
    """An answer of the given parts; no sentence comes twice unless a part says `again`."""
    said: list[str] = []
    fact = ""
    for part in parts:
        if part == "again":
            said += [fact or said[-1]] if said else []
            continue
        choices = [text for text in map(plain, _sayings(part, intent, rng)) if text not in said]
        if not choices:
            continue
        said.append(rng.choice(choices))
        if part in {"right", "wrong", "other"}:
            fact = said[-1]
    return " ".join(said)


def _sayings(part: str, intent: str, rng: Random) -> tuple[str, ...]:
    match part:
        case "opening":
            return OPENINGS
        case "closing":
            return CLOSINGS
        case "filler":
            return FILLERS
        case "rude":
            return RUDE
        case "right":
            return INTENTS[intent].facts
        case "wrong":
            return INTENTS[intent].wrong
        case "other":
            return INTENTS[rng.choice([name for name in INTENTS if name != intent])].facts
    raise ValueError(f"STYLES has an unknown part: {part}")
