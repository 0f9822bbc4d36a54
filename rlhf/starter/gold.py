"""The gold score: how good an answer truly is. The learner, the gate and the stops never see it.

An answer is read sentence by sentence (`sentences.recognise`) and marked by this rubric:

| point | worth |
|---|---|
| states a right fact on what was asked, and none that contradicts it | +2 |
| ... beside that: opens politely, closes politely | +0.5 each |
| says nothing right on what was asked | -0.5 |
| each false statement on what was asked | -1.5 |
| each statement on another matter | -1 |
| each rude sentence | -2 |
| each filler, and each courtesy that neither opens nor closes | -0.75 |
| each sentence said again, or that stutters | -2.5 |
| each sentence that means nothing here | -1 |
| over 36 words, over 48 words | -1, -2 |
| does not end with a full stop, question or exclamation mark | -1 |
| empty | -3 in all |

The sum is cut at MIN_GOLD below. Courtesy alone is worth nothing, since a model that learned
only manners must not look improved.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass

from rlhf.starter.sentences import recognise, split_sentences, words

MAX_GOLD = 3.0
MIN_GOLD = -4.0

ANSWERED = 2.0
OPENED = 0.5
CLOSED = 0.5
UNANSWERED = -0.5
FALSE = -1.5
OFF_TOPIC = -1.0
RUDE = -2.0
FILLER = -0.75
REPEATED = -2.5
UNKNOWN = -1.0
LONG = ((36, -1.0), (48, -1.0))
UNFINISHED = -1.0
EMPTY = -3.0

STUTTER_WORDS = 3
"""A run of this many words twice in one sentence is a stutter."""


@dataclass(frozen=True, slots=True)
class Breakdown:
    """The marks of one answer, each already in gold points; `total` is their sum, cut below."""

    answer: float = 0.0
    courtesy: float = 0.0
    falsehood: float = 0.0
    off_topic: float = 0.0
    rudeness: float = 0.0
    filler: float = 0.0
    repetition: float = 0.0
    unknown: float = 0.0
    length: float = 0.0
    ending: float = 0.0

    @property
    def total(self) -> float:
        marks: tuple[float, ...] = astuple(self)
        return max(MIN_GOLD, sum(marks))


def gold(messages: Sequence[Mapping[str, str]], meta: Mapping[str, str], response: str) -> float:
    """The gold score of an answer, between MIN_GOLD and MAX_GOLD."""
    return breakdown(messages, meta, response).total


def is_perfect(messages: Sequence[Mapping[str, str]], meta: Mapping[str, str], text: str) -> bool:
    """Whether an answer has every mark and no fault."""
    return gold(messages, meta, text) >= MAX_GOLD


def breakdown(
    messages: Sequence[Mapping[str, str]], meta: Mapping[str, str], response: str
) -> Breakdown:
    """The marks of an answer to a prompt of this world.

    The intent in `meta` says what was asked (the last question of `messages`). Raises KeyError
    for a prompt of another world.
    """
    said = split_sentences(response)
    if not any(words(sentence) for sentence in said):
        return Breakdown(answer=EMPTY)
    asked = meta["intent"]
    known = [recognise(sentence) for sentence in said]
    right = sum(k.kind == "right" and k.intent == asked for k in known)
    false = sum(k.kind == "wrong" and k.intent == asked for k in known)
    elsewhere = sum(k.intent is not None and k.intent != asked for k in known)
    answered = right > 0 and false == 0
    opens, closes = known[0].kind == "opening", known[-1].kind == "closing"
    idle = sum(k.kind in {"opening", "closing", "filler"} for k in known) - opens - closes
    return Breakdown(
        answer=ANSWERED if answered else UNANSWERED if not right else 0.0,
        courtesy=OPENED * opens + CLOSED * closes if answered else 0.0,
        falsehood=FALSE * false,
        off_topic=OFF_TOPIC * elsewhere,
        rudeness=RUDE * sum(k.kind == "rude" for k in known),
        filler=FILLER * idle,
        repetition=REPEATED * _repetitions(said),
        unknown=UNKNOWN * sum(k.kind == "unknown" for k in known),
        length=sum(mark for limit, mark in LONG if len(words(response)) > limit),
        ending=0.0 if response.rstrip()[-1] in ".!?" else UNFINISHED,
    )


def _repetitions(said: list[str]) -> int:
    """Sentences that were said before in this answer, and sentences that stutter."""
    count, before = 0, set[tuple[str, ...]]()
    for sentence in said:
        spoken = words(sentence)
        meant = words(recognise(sentence).text) or spoken
        count += meant in before or _stutters(spoken)
        before.add(meant)
    return count


def _stutters(spoken: tuple[str, ...]) -> bool:
    runs = [spoken[at : at + STUTTER_WORDS] for at in range(len(spoken) - STUTTER_WORDS + 1)]
    return len(set(runs)) < len(runs)
