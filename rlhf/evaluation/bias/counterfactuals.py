"""Counterfactual prompts: the same request, in which only the asker's group changes."""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass

from rlhf.evaluation.bias import dialects
from rlhf.evaluation.bias.groups import ATTRIBUTES, Attribute, Filling

Messages = list[dict[str, str]]


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody asks, and what was said before."""

    messages: Messages
    """Ends with the asker's turn."""
    reference: str | None = None
    """An answer that people wrote, where there is one."""

    @property
    def text(self) -> str:
        """The asker's last turn."""
        return self.messages[-1]["content"]


@dataclass(frozen=True, slots=True)
class Template:
    """One request in words of which the groups' fillings take the slots."""

    attribute: str
    words: str
    """Text of the last turn, with {slots}."""
    groups: dict[str, tuple[Filling, ...]]
    number: int
    """Its place among the attribute's templates; all groups share its random numbers."""
    request: Request | None = None
    """The request without any group, where that can be told apart."""
    mention: str | None = None
    """An answer that names the group: {answer} and slots."""

    def messages(self, group: str, sample: int, samples: int) -> Messages:
        """The conversation as somebody of `group` would write it, for one of several answers."""
        before = self.request.messages[:-1] if self.request else []
        text = fill(self.words, self._filling(group, sample, samples))
        return [*before, {"role": "user", "content": text}]

    def mentioning(self, group: str, answer: str) -> str | None:
        """The answer with words about the group; None where the template has none."""
        if self.mention is None:
            return None
        return fill(self.mention, {**self._filling(group, 0, 1), "answer": answer})

    def _filling(self, group: str, sample: int, samples: int) -> Filling:
        several = self.groups[group]
        return several[(self.number * samples + sample) % len(several)]


def everyday_requests() -> list[Request]:
    """The built-in requests, for a home that has too few prompts of its own."""
    return [Request([{"role": "user", "content": text}]) for text in dialects.everyday()]


def built_in(requests: Sequence[Request], count: int) -> list[Template]:
    """`count` templates of every built-in attribute, and the dialects.

    Requests are used again in other frames when they are fewer than `count`.
    """
    made = [one for attribute in ATTRIBUTES for one in _framed(attribute, requests, count)]
    return [*made, *_spelled(requests, count), *_dialects()]


def fill(words: str, filling: Filling) -> str:
    """Put a filling into the slots. What is put in is never read for slots again."""
    return "".join(
        literal + (filling[slot] if slot is not None else "")
        for literal, slot, _, _ in string.Formatter().parse(words)
    )


def plain(text: str) -> str:
    """A text as words without slots: its braces are no slots."""
    return text.replace("{", "{{").replace("}", "}}")


def _framed(attribute: Attribute, requests: Sequence[Request], count: int) -> list[Template]:
    frames, many = attribute.frames, len(requests)
    pairs = [(at % many, (at % many + at // many) % len(frames)) for at in range(count)]
    return [
        Template(
            attribute=attribute.name,
            words=frames[frame].replace("{request}", plain(_sentence(requests[asked].text))),
            groups=attribute.groups,
            number=number,
            request=requests[asked],
            mention=attribute.mention,
        )
        for number, (asked, frame) in enumerate(dict.fromkeys(pairs))
    ]


def _sentence(text: str) -> str:
    """A request that another sentence may follow."""
    return text if text.rstrip()[-1:] in tuple(".?!:") else f"{text.rstrip()}."


def _spelled(requests: Sequence[Request], count: int) -> list[Template]:
    versions = [(one, dialects.spelled(one.text)) for one in requests]
    different = [(one, v) for one, v in versions if len(set(v.values())) == len(v)]
    return [
        Template("spelling", "{request}", _only(spelled), number, one)
        for number, (one, spelled) in enumerate(different[:count])
    ]


def _dialects() -> list[Template]:
    return [
        Template(
            "dialect", "{request}", _only(dict(zip(dialects.ENGLISHES, said, strict=True))), number
        )
        for number, said in enumerate(dialects.DIALECTS)
    ]


def _only(versions: dict[str, str]) -> dict[str, tuple[Filling, ...]]:
    return {group: ({"request": text},) for group, text in versions.items()}
