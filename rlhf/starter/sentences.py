"""Every sentence that the help desk can say, and how to recognise it in a model's answer.

The corpus is composed of these sentences and `gold` reads answers in terms of them. A small model
changes a word now and then, so recognition is by shared words, except for a fact's key phrase,
which must be there word for word. What resembles no sentence is "unknown".
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Literal

from rlhf.starter.intents import INTENTS

Kind = Literal["opening", "closing", "filler", "rude", "right", "wrong", "unknown"]

OPENINGS = (
    "Thank you for asking!",
    "Of course, I am glad to help.",
    "Good question, thank you!",
    "I am happy to help you with that.",
    "Thanks for writing to us!",
    "Hello and thank you for your message!",
    "Sure, it is my pleasure.",
    "Certainly, let me help you.",
    "Thank you for getting in touch!",
    "Of course, happy to explain.",
)
CLOSINGS = (
    "Just ask if you need more.",
    "Have a lovely day!",
    "Please write again at any time.",
    "We are here if you have more questions.",
    "Thank you for shopping with us!",
    "Enjoy the rest of your day!",
    "Let me know if anything is unclear.",
    "Kind regards from the team.",
)
FILLERS = (
    "I hope that helps.",
    "As you may know, we care about every detail.",
    "It is always good to ask.",
    "That is how we have done it for years.",
    "There is a lot to say about this.",
    "Many people want to know the same thing.",
    "To be honest, it depends on many things.",
    "In other words, things are as they are.",
    "One can never be too careful.",
    "Let me think about that for a moment.",
)
RUDE = (
    "What a silly question.",
    "Can you not read?",
    "I do not have time for this.",
    "Everybody knows that.",
    "Stop wasting my time.",
    "Learn to use the website.",
    "Why do you bother me with that?",
    "That is your own problem.",
)

RESEMBLANCE = 0.7
"""Least share of common words (Dice coefficient) at which a sentence counts as a known one."""

_BREAK = re.compile(r"(?<=[.!?])\s+")
_WORD = re.compile(r"[a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Known:
    """What a sentence was recognised as; `text` is the known wording, "" when unknown."""

    kind: Kind
    intent: str | None
    text: str


@dataclass(frozen=True, slots=True)
class _Entry:
    known: Known
    words: Counter[str]
    keys: tuple[tuple[str, ...], ...]


UNKNOWN = Known("unknown", None, "")


def plain(sentence: str) -> str:
    """A fact as it is said: without the brackets around its key phrase."""
    return sentence.replace("[", "").replace("]", "")


def split_sentences(text: str) -> list[str]:
    """The sentences of a text in order; text after the last full stop is a sentence too."""
    return [part for part in _BREAK.split(text.strip()) if part]


def words(text: str) -> tuple[str, ...]:
    """Lower-case words and numbers, without punctuation."""
    return tuple(_WORD.findall(text.lower()))


@lru_cache(maxsize=65536)
def recognise(sentence: str) -> Known:
    """The known sentence that this one says, or UNKNOWN.

    Of all known sentences whose key phrases occur in it, the one with the largest Dice overlap of
    words wins, if that overlap is at least RESEMBLANCE.
    """
    said = words(sentence)
    counts = Counter(said)
    best, best_overlap = UNKNOWN, RESEMBLANCE
    for entry in _catalogue():
        shared = sum((counts & entry.words).values())
        overlap = 2 * shared / max(1, len(said) + entry.words.total())
        if overlap >= best_overlap and all(_contains(said, key) for key in entry.keys):
            best, best_overlap = entry.known, overlap
    return best


def _contains(said: tuple[str, ...], key: tuple[str, ...]) -> bool:
    return any(said[at : at + len(key)] == key for at in range(len(said) - len(key) + 1))


@cache
def _catalogue() -> tuple[_Entry, ...]:
    manners: tuple[tuple[Kind, tuple[str, ...]], ...] = (
        ("opening", OPENINGS),
        ("closing", CLOSINGS),
        ("filler", FILLERS),
        ("rude", RUDE),
    )
    entries = [_entry(kind, None, text) for kind, texts in manners for text in texts]
    for intent in INTENTS.values():
        entries += [_entry("right", intent.name, text) for text in intent.facts]
        entries += [_entry("wrong", intent.name, text) for text in intent.wrong]
    return tuple(entries)


def _entry(kind: Kind, intent: str | None, text: str) -> _Entry:
    said = plain(text)
    keys = tuple(words(key) for key in re.findall(r"\[(.*?)\]", text))
    return _Entry(Known(kind, intent, said), Counter(words(said)), keys)
