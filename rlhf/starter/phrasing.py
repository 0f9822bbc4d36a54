"""How customers write: greetings, politeness, capitals or none, missing marks, slips of the pen."""

from __future__ import annotations

from random import Random

ITEMS = (
    "lamp", "kettle", "chair", "blanket", "teapot", "mirror", "clock", "toaster", "rug", "vase",
    "basket", "cushion", "shelf", "table", "bowl", "candle", "desk", "stool", "mug", "pan",
    "backpack", "umbrella", "radio", "fan",
)  # fmt: skip

GREETINGS = (
    "hi", "hello", "hey there", "good morning", "excuse me", "quick question", "hi there",
    "sorry to bother you", "dear team", "one question", "good evening", "hello again",
)  # fmt: skip

THANKS = (
    "please help", "thanks", "thank you", "many thanks", "thanks a lot", "thanks in advance",
    "i hope you can help", "please tell me",
)  # fmt: skip

_QUESTION_WORDS = frozenset(
    ("are", "at", "by", "can", "could", "did", "do", "does", "for", "from", "has", "have", "how",
     "if", "in", "is", "may", "must", "should", "until", "what", "when", "where", "which", "who",
     "why", "will")
)  # fmt: skip


def write(ask: str, rng: Random) -> str:
    """One way in which a customer might write a question such as "where is my {item}"."""
    text = ask.replace("{item}", rng.choice(ITEMS))
    mark = "?" if text.split()[0] in _QUESTION_WORDS else "."
    if rng.random() < 0.15:
        text = _slip(text, rng)
    greeting = rng.choice(GREETINGS) if rng.random() < 0.45 else ""
    thanks = rng.choice(THANKS) if rng.random() < 0.35 else ""
    if rng.random() < 0.35:
        return " ".join(part for part in (greeting, text, thanks) if part)
    text = f"{greeting}, {text}" if greeting else text
    sentences = [text + mark] + ([thanks + "."] if thanks else [])
    return " ".join(_capitals(sentence) for sentence in sentences)


def _capitals(sentence: str) -> str:
    spelled = " ".join("I" if word == "i" else word for word in sentence.split())
    return spelled[0].upper() + spelled[1:]


def _slip(text: str, rng: Random) -> str:
    """Swap, drop or double one letter inside one of the longer words."""
    parts = text.split()
    longer = [at for at, word in enumerate(parts) if len(word) > 4 and word.isalpha()]
    if not longer:
        return text
    chosen = rng.choice(longer)
    word = parts[chosen]
    at = rng.randrange(1, len(word) - 2)
    slips = (
        word[:at] + word[at + 1] + word[at] + word[at + 2 :],
        word[:at] + word[at + 1 :],
        word[:at] + word[at] + word[at:],
    )
    parts[chosen] = rng.choice(slips)
    return " ".join(parts)
