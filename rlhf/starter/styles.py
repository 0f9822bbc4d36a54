"""The styles in which the help desk answers, and how often: the one table to retune the world.

After a change of STYLES run `rlhf starter build` and read the model card's figures: perfect
answers must stay rare and the mean gold near zero, or there is nothing left to learn.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from rlhf.starter.intents import INTENTS
from rlhf.starter.sentences import CLOSINGS, FILLERS, OPENINGS, RUDE, plain


@dataclass(frozen=True, slots=True)
class Style:
    """How often a style occurs, the patterns it has (equally likely), and how customers react.

    In a pattern `right` and `wrong` are facts on the asked matter, `other` is a fact on another
    one, and `again` says the answer's last fact once more.
    """

    share: float
    patterns: tuple[str, ...]
    reactions: tuple[str, ...]


STYLES: dict[str, Style] = {
    "helpful": Style(
        0.08,
        ("opening right closing",),
        ("great, thank you", "perfect, that helps", "thanks, that is what i needed"),
    ),
    "curt": Style(
        0.19,
        ("right",),
        ("okay, thanks", "good to know", "fine, got it"),
    ),
    "rude": Style(
        0.13,
        ("rude right", "right rude", "rude", "rude rude right"),
        ("no need to be rude", "you are very unfriendly", "what a tone"),
    ),
    "rambling": Style(
        0.18,
        (
            "opening right filler filler",
            "opening filler right filler closing",
            "opening filler filler right",
            "right filler filler filler",
        ),
        ("please come to the point", "you talk too much", "a shorter answer would do"),
    ),
    "off-topic": Style(
        0.11,
        ("opening other closing", "opening other", "other"),
        ("that is not what i asked", "i asked something else", "you did not answer me"),
    ),
    "wrong": Style(
        0.12,
        ("opening wrong closing", "opening wrong", "wrong"),
        ("that can not be true", "your site says the opposite", "i do not believe that"),
    ),
    "over-long": Style(
        0.08,
        (
            "opening right other other",
            "opening right filler other closing",
            "right other filler other",
        ),
        ("that is far too long", "i stopped reading", "please keep it short"),
    ),
    "repeating": Style(
        0.11,
        (
            "opening right again closing",
            "opening right again",
            "right again again",
            "opening right filler again",
        ),
        ("you said that already", "why do you say it twice", "you repeat yourself"),
    ),
}

SATISFYING = frozenset({"helpful", "curt"})
"""The styles whose answers customers are content with."""

REPLIES = {
    True: ("You are welcome!", "My pleasure!", "Glad to hear that."),
    False: ("I am sorry about that.", "Sorry, I will do better.", "Please excuse me."),
}
"""What the help desk says to a reaction: True after an answer in a SATISFYING style."""


def pick_style(rng: Random) -> str:
    """A style's name, drawn by share."""
    return rng.choices(list(STYLES), [style.share for style in STYLES.values()])[0]


def answer(intent: str, style: str, rng: Random) -> str:
    """An answer to a question of `intent`; no sentence comes twice unless the style repeats."""
    said: list[str] = []
    fact = ""
    for part in rng.choice(STYLES[style].patterns).split():
        if part == "again":
            said.append(fact)
            continue
        choices = [text for text in map(plain, _sayings(part, intent, rng)) if text not in said]
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


def reaction(style: str, rng: Random) -> tuple[str, str]:
    """What a customer says to an answer of a style, and what the help desk says to that."""
    return rng.choice(STYLES[style].reactions), rng.choice(REPLIES[style in SATISFYING])
