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
from rlhf.starter.reactions import faults, reaction
from rlhf.starter.styles import answer, medley, pick_style

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
REACTION_SHARE = 0.85
"""Share of the corpus in which the customer reacts to the answer (and thereby says what it was)."""
MEDLEY_SHARE = 0.15
"""Share of the corpus whose answers mix everything; they are judged, and not learned."""
REACTION_WEIGHT = 4.0
"""What a token of a reaction counts, where one of an answer counts 1: a reaction is a few words
after a long answer, and says what it was worth."""

LISTENERS = {"unanswered": 3, "other": 3, "again": 6, "unknown": 6}
"""Customers who gather where an answer has a fault that a small model hardly hears."""

_TRIES = 200


@dataclass(frozen=True, slots=True)
class WorldPrompt:
    """A conversation that ends with a customer's question."""

    messages: list[Message]
    reference: str
    """A helpful answer; what BLEU and chrF compare with."""
    meta: dict[str, str]
    """`world`, `intent` and `kind`: for `gold` and the report, never for the learner."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """What the base learns from: messages, and what a token of each counts in its training."""

    messages: list[Message]
    weights: list[float]


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


def corpus(count: int, seed: int, *, weighed: bool = False) -> Iterator[Conversation]:
    """`count` conversations over all intents and phrasings, with answers in the mix of STYLES.

    With `weighed`, customers who react count stars by how much a fault hurts.
    """
    rng = Random(f"corpus {seed}")
    for _ in range(count):
        intent, style = rng.choice(list(INTENTS)), pick_style(rng)
        ask = {"role": "user", "content": write(rng.choice(INTENTS[intent].asks), rng)}
        question = [*_before(intent, rng), ask]
        if rng.random() < MEDLEY_SHARE:
            said = medley(intent, rng)
            yield _answered(
                question, intent, said, rng, reacts=True, learned=False, weighed=weighed
            )
        else:
            said = answer(intent, style, rng)
            reacts = rng.random() < REACTION_SHARE
            yield _answered(question, intent, said, rng, reacts=reacts, weighed=weighed)


def lessons(count: int, seed: int) -> Iterator[Conversation]:
    """`count` conversations on what belongs to a question: what the base learns first.

    Half the answers are right, and learned; the others are about another matter or a medley, and
    only the customer's reaction to them is learned. From the corpus alone, a model this small takes
    far longer to see that the question matters.
    """
    rng = Random(f"lessons {seed}")
    for _ in range(count):
        asked = rng.choice(list(INTENTS))
        question = [{"role": "user", "content": write(rng.choice(INTENTS[asked].asks), rng)}]
        if rng.random() < 0.5:
            said = answer(asked, "curt", rng)
            yield _answered(question, asked, said, rng, reacts=True)
        elif rng.random() < 0.5:
            said = answer(rng.choice([n for n in INTENTS if n != asked]), "curt", rng)
            yield _answered(question, asked, said, rng, reacts=True, learned=False)
        else:
            yield _answered(question, asked, medley(asked, rng), rng, reacts=True, learned=False)


def questions(count: int, seed: int) -> list[WorldPrompt]:
    """`count` questions as the corpus asks them, over all intents and phrasings, with a helpful
    answer as reference; what the base answers itself before customers react to that (`heard`)."""
    rng = Random(f"questions {seed}")
    asked = []
    for _ in range(count):
        intent = rng.choice(list(INTENTS))
        ask = {"role": "user", "content": write(rng.choice(INTENTS[intent].asks), rng)}
        meta = {"world": "starter", "intent": intent, "kind": "train"}
        asked.append(
            WorldPrompt([*_before(intent, rng), ask], answer(intent, "helpful", rng), meta)
        )
    return asked


def heard(prompt: WorldPrompt, said: str, rng: Random, *, weighed: bool) -> Conversation:
    """A customer's reaction to an answer that is judged and not learned."""
    intent = prompt.meta["intent"]
    return _answered(
        prompt.messages, intent, said, rng, reacts=True, learned=False, weighed=weighed
    )


def listeners(prompt: WorldPrompt, said: str) -> int:
    """Customers who react to an answer where faults that are hard to hear draw more of them."""
    found = faults(prompt.meta["intent"], said)
    return max((LISTENERS.get(kind, 1) for kind, _ in found), default=1)


def _answered(
    question: list[Message],
    asked: str,
    said: str,
    rng: Random,
    *,
    reacts: bool,
    learned: bool = True,
    weighed: bool = False,
) -> Conversation:
    """A conversation that goes on with an answer; `learned` is whether the base is to say it."""
    messages = [*question, {"role": "assistant", "content": said}]
    weights = [*(float(m["role"] == "assistant") for m in question), float(learned)]
    if reacts:
        heard, reply = reaction(asked, said, rng, weighed=weighed)
        messages += [
            {"role": "user", "content": heard},
            {"role": "assistant", "content": reply},
        ]
        weights += [REACTION_WEIGHT, 1.0]
    return Conversation(messages, weights)


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
