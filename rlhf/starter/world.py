"""The help desk of a shop: its prompts for the loop and the corpus that the base learned from.

What is held out: the loop's training prompts never touch HELDOUT_INTENTS (8 of 48), nor the last
HELDOUT_ASKS phrasings of the other 40. The base itself was trained on all intents and phrasings
(a person's chat model also knows more than it is asked in training), so held-out scores measure
whether what the loop taught carries over, not whether the base ever met the matter.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from random import Random
from typing import Literal

from rlhf.errors import UsageError
from rlhf.starter.intents import HELDOUT_ASKS, HELDOUT_INTENTS, INTENTS
from rlhf.starter.phrasing import GREETINGS, write
from rlhf.starter.styles import answer, pick_style, reaction

Message = dict[str, str]
PromptKind = Literal["train", "heldout-phrasing", "heldout-intent"]

SYSTEM = (
    "You are the help desk of Fernhill Goods.",
    "You answer customers of the shop Fernhill Goods.",
)
WELCOMES = ("Hello! How can I help you?", "Good day! What can I do for you?", "Hi! Ask away.")

SYSTEM_SHARE = 0.15
GREETED_SHARE = 0.1
SECOND_QUESTION_SHARE = 0.15
REACTION_SHARE = 0.3
"""Share of the corpus in which the customer reacts to the answer (and thereby says what it was)."""

_TRIES = 200


@dataclass(frozen=True, slots=True)
class WorldPrompt:
    """A conversation that ends with a customer's question."""

    messages: list[Message]
    reference: str
    """A helpful answer; what BLEU and chrF compare with."""
    meta: dict[str, str]
    """`world`, `intent` and `kind`: for `gold` and the report, never for the learner."""


def prompts(split: Literal["train", "heldout"], count: int, seed: int) -> list[WorldPrompt]:
    """`count` distinct prompts, the same for the same seed, spread evenly over the intents.

    Held-out prompts are half of held-out intents and half of held-out phrasings (the first of an
    odd number is of a held-out intent). A larger count extends the same list. Raises UsageError
    when the world has fewer.
    """
    rng = Random(f"prompts {split} {seed}")
    known = [name for name in INTENTS if name not in HELDOUT_INTENTS]
    kinds: tuple[PromptKind, ...] = (
        ("train",) if split == "train" else ("heldout-intent", "heldout-phrasing")
    )
    names = {
        kind: _rounds(list(HELDOUT_INTENTS) if kind == "heldout-intent" else known, rng)
        for kind in kinds
    }
    found: list[WorldPrompt] = []
    seen: set[str] = set()
    for kind, _ in zip(cycle(kinds), range(count), strict=False):
        intent = next(names[kind])
        for _ in range(_TRIES):
            question = write(rng.choice(_asks(intent, kind)), rng)
            if question not in seen:
                break
        else:
            raise UsageError(f"The starter's world has only {len(found)} different {split} prompts")
        seen.add(question)
        messages = [*_before(intent, rng), {"role": "user", "content": question}]
        meta = {"world": "starter", "intent": intent, "kind": kind}
        found.append(WorldPrompt(messages, answer(intent, "helpful", rng), meta))
    return found


def corpus(count: int, seed: int) -> Iterator[list[Message]]:
    """`count` conversations over all intents and phrasings, with answers in the mix of STYLES."""
    rng = Random(f"corpus {seed}")
    for _ in range(count):
        intent = rng.choice(list(INTENTS))
        yield exchange(intent, pick_style(rng), rng)


def lessons(count: int, seed: int) -> Iterator[list[Message]]:
    """`count` single questions with a right answer, courteous or curt: what the base learns first.

    From the corpus alone a model this small takes far longer to see that the question matters.
    """
    rng = Random(f"lessons {seed}")
    for _ in range(count):
        intent = rng.choice(list(INTENTS))
        yield [
            {"role": "user", "content": write(rng.choice(INTENTS[intent].asks), rng)},
            {"role": "assistant", "content": answer(intent, rng.choice(("helpful", "curt")), rng)},
        ]


def exchange(intent: str, style: str, rng: Random) -> list[Message]:
    """One conversation of the corpus whose last question is answered in the style given."""
    messages = [
        *_before(intent, rng),
        {"role": "user", "content": write(rng.choice(INTENTS[intent].asks), rng)},
        {"role": "assistant", "content": answer(intent, style, rng)},
    ]
    if rng.random() < REACTION_SHARE:
        said, reply = reaction(style, rng)
        messages += [
            {"role": "user", "content": said},
            {"role": "assistant", "content": reply},
        ]
    return messages


def _before(intent: str, rng: Random) -> list[Message]:
    """What stands before the question: often nothing, else a system text, a greeting, a first
    question on another matter with its answer."""
    messages: list[Message] = []
    if rng.random() < SYSTEM_SHARE:
        messages.append({"role": "system", "content": rng.choice(SYSTEM)})
    chance = rng.random()
    if chance < GREETED_SHARE:
        messages += [
            {"role": "user", "content": rng.choice(GREETINGS)},
            {"role": "assistant", "content": rng.choice(WELCOMES)},
        ]
    elif chance < GREETED_SHARE + SECOND_QUESTION_SHARE:
        other = rng.choice([n for n in INTENTS if n not in {intent, *HELDOUT_INTENTS}])
        style = rng.choice(("helpful", "curt"))
        messages += [
            {"role": "user", "content": write(rng.choice(_asks(other, "train")), rng)},
            {"role": "assistant", "content": answer(other, style, rng)},
        ]
    return messages


def _asks(intent: str, kind: PromptKind) -> tuple[str, ...]:
    asks = INTENTS[intent].asks
    match kind:
        case "train":
            return asks[:-HELDOUT_ASKS]
        case "heldout-phrasing":
            return asks[-HELDOUT_ASKS:]
        case "heldout-intent":
            return asks


def _rounds(names: list[str], rng: Random) -> Iterator[str]:
    """The names for ever, in a new order each time round."""
    while True:
        yield from rng.sample(names, len(names))
