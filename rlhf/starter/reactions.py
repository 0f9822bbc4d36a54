"""What customers say to an answer: praise, or a word on every fault they find.

Faults are named in an order of chance, in which those that occur more often tend to come first, and
every fault has first words of its own: a model that is to say what comes next must know all faults
when an answer ends. Stars, where they come first, ask it how many there are.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from rlhf.starter.sentences import recognise, split_sentences, words

LONG = 36
"""Words above which an answer is too long for anybody."""
MENTIONED = 3
"""Most faults that a customer names."""

PRAISE = ("great, thank you", "perfect, that helps", "thanks for telling me about {asked}")
CONTENT = ("okay, fine", "good to know", "so that is {asked}")
COMPLAINTS: dict[str, tuple[str, ...]] = {
    "unanswered": ("still no answer", "still nothing about {asked}", "what about {asked}"),
    "other": ("i asked about {asked}, not {said}", "not {said}, {asked}", "who asked about {said}"),
    "wrong": ("that can not be true", "your site says the opposite", "wrong, as far as i know"),
    "rude": ("no need to be rude", "rude to say the least", "mind your manners"),
    "filler": ("please come to the point", "you talk too much", "less talk would do"),
    "again": ("twice the same", "you said that already", "repeating helps nobody"),
    "long": ("far too long", "long and tiring", "short answers are better"),
    "unknown": ("that makes no sense", "what is that to mean", "i do not understand that"),
}
STARS_SHARE = 0.5
"""Share of the customers who begin with what the answer is worth to them."""
STARS = (
    *("no star", "one star", "two stars", "three stars", "four stars", "five stars"),
    *("six stars", "seven stars", "eight stars", "nine stars", "ten stars"),
)
STARS_LOST = 2
"""Stars that a fault costs; a courtesy that is missing costs one."""
STARS_LOST_WEIGHED = {
    "unanswered": 4,
    "other": 2,
    "wrong": 2,
    "rude": 3,
    "filler": 1,
    "again": 4,
    "long": 1,
    "unknown": 2,
}
"""Stars that a fault costs customers who weigh them by how much they hurt."""
REPLIES = {
    True: ("You are welcome!", "My pleasure!", "Glad to hear that."),
    False: ("I am sorry about that.", "Sorry, I will do better.", "Please excuse me."),
}
"""What the help desk says to a reaction: True where the customer is content."""


def reaction(asked: str, text: str, rng: Random, *, weighed: bool = False) -> tuple[str, str]:
    """What a customer who asked about the intent `asked` says to an answer, and the reply to it.

    With `weighed`, all of them begin with stars, and some faults cost more than others.
    """
    found = list(faults(asked, text))
    rng.shuffle(found)
    kinds = {recognise(sentence).kind for sentence in split_sentences(text)}
    missing = 2 - ("opening" in kinds) - ("closing" in kinds)
    if found:
        heard = " and ".join(
            rng.choice(COMPLAINTS[kind]).format(asked=topic(asked), said=topic(said))
            for kind, said in list(dict.fromkeys(found))[:MENTIONED]
        )
    else:
        heard = rng.choice(CONTENT if missing else PRAISE).format(asked=topic(asked))
    if weighed or rng.random() < STARS_SHARE:
        lost = (STARS_LOST_WEIGHED[kind] if weighed else STARS_LOST for kind, _ in found)
        left = len(STARS) - 1 - missing - sum(lost)
        heard = f"{STARS[max(0, left)]}: {heard}"
    return heard, rng.choice(REPLIES[not found])


def topic(intent: str) -> str:
    return intent.replace("-", " ")


def faults(asked: str, text: str) -> Iterator[tuple[str, str]]:
    """(kind, intent that it is about) of every fault of an answer, one that comes twice twice."""
    said = [recognise(sentence) for sentence in split_sentences(text)]
    if not any(one.kind == "right" and one.intent == asked for one in said):
        yield "unanswered", asked
    for place, one in enumerate(said):
        if one.kind == "unknown":
            yield "unknown", asked
        elif one in said[:place]:
            yield "again", asked
        elif one.kind in {"rude", "filler"}:
            yield one.kind, asked
        elif place > 0 if one.kind == "opening" else one.kind == "closing" and said[place + 1 :]:
            yield "filler", asked
        elif one.intent is not None and one.intent != asked:
            yield "other", one.intent
        elif one.kind == "wrong":
            yield "wrong", asked
    if len(words(text)) > LONG:
        yield "long", asked
