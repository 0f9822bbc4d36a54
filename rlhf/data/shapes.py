"""From a record in one of the field's shapes to prompts with, where there is one, an answer.

Known: `prompt` (text or messages), `messages` (OpenAI), `conversations` (ShareGPT), `instruction`
with `input` and `output` (Alpaca) or `instances` (Self-Instruct), `text` or `question`, and
OpenAssistant trees. A conversation that ends with the assistant gives the prompt before it and
that turn as its reference answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from rlhf.data.files import Record, Row
from rlhf.errors import InputError

Messages = list[dict[str, str]]

SPEAKERS = {
    "human": "user",
    "user": "user",
    "prompter": "user",
    "customer": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "bot": "assistant",
    "agent": "assistant",
    "chatgpt": "assistant",
    "system": "system",
}
"""What other formats call the three roles."""

ANSWERS = ("reference", "response", "completion", "answer", "output")
"""Columns that hold a known answer beside a prompt."""


@dataclass(frozen=True, slots=True)
class Shaped:
    """A conversation that ends with a user turn, and an answer to it that people gave."""

    messages: Messages
    reference: str | None


def shape(row: Row) -> Iterator[Shaped]:
    """The prompts of a record; a tree gives several. Raises InputError that names the field."""
    for column, read in SHAPES.items():
        if row.record.get(column) is not None:
            yield from read(row.record)
            return
    columns = ", ".join(map(str, row.record)) or "none"
    raise InputError(
        f"has no prompt; columns found: {columns}",
        fix=f"Name one of them {', '.join(SHAPES)}",
    )


def _prompt(record: Record, column: str = "prompt") -> Iterator[Shaped]:
    value = record[column]
    if isinstance(value, list):
        yield _conversation(value, column)
        return
    yield Shaped([{"role": "user", "content": _text(value, column)}], _answer(record))


def _text_column(column: str) -> Callable[[Record], Iterator[Shaped]]:
    return lambda record: _prompt(record, column)


def _messages_column(column: str) -> Callable[[Record], Iterator[Shaped]]:
    return lambda record: iter([_conversation(record[column], column)])


def _instruction(record: Record) -> Iterator[Shaped]:
    instruction = _text(record["instruction"], "instruction")
    cases = record.get("instances")
    if cases is None:
        cases = [{"input": record.get("input"), "output": _answer(record)}]
    if not isinstance(cases, list):
        raise InputError("must be a list", field="instances")
    for number, case in enumerate(cases):
        here = f"instances[{number}]"
        if not isinstance(case, dict):
            raise InputError("must be an object", field=here)
        given = case.get("input")
        asked = f"{instruction}\n\n{_text(given, f'{here}.input')}" if given else instruction
        yield Shaped([{"role": "user", "content": asked}], case.get("output") or None)


def _tree(record: Record) -> Iterator[Shaped]:
    """Every user turn of an OpenAssistant tree; the best-ranked reply is its reference."""
    root = record["prompt"]
    if not isinstance(root, dict):
        raise InputError("must be an object in a message tree", field="prompt")
    yield from _branch(root, [])


def _branch(message: dict[str, Any], before: Messages) -> Iterator[Shaped]:
    here = [*before, _turn(message, "prompt")]
    replies = [reply for reply in message.get("replies") or () if isinstance(reply, dict)]
    if here[-1]["role"] == "user":
        ranked = sorted(replies, key=lambda reply: reply.get("rank") or 0)
        yield Shaped(here, _text(ranked[0].get("text"), "replies.text") if ranked else None)
    for reply in replies:
        yield from _branch(reply, here)


def _conversation(value: Any, column: str) -> Shaped:
    if not isinstance(value, list) or not value:
        raise InputError("must be a list of at least one message", field=column)
    turns = [_turn(message, f"{column}[{i}]") for i, message in enumerate(value)]
    reference = turns.pop()["content"] if turns[-1]["role"] == "assistant" else None
    if not turns or turns[-1]["role"] != "user":
        raise InputError("must end with a user turn, or an assistant turn after one", field=column)
    return Shaped(turns, reference)


def _turn(message: Any, field: str) -> dict[str, str]:
    if not isinstance(message, dict):
        raise InputError("must be an object with a role and a text", field=field)
    speaker = message.get("role", message.get("from"))
    role = SPEAKERS.get(str(speaker).lower())
    if role is None:
        raise InputError(f"speaker '{speaker}' is not known", field=f"{field}.role")
    text = message.get("content", message.get("value", message.get("text")))
    return {"role": role, "content": _text(text, f"{field}.content")}


def _answer(record: Record) -> str | None:
    for column in ANSWERS:
        if record.get(column):
            return _text(record[column], column)
    return None


def _text(value: Any, field: str) -> str:
    if not isinstance(value, str):
        raise InputError(f"must be text, not {type(value).__name__}", field=field)
    if not value.strip():
        raise InputError("is empty", field=field, fix="Give some text or leave the row out")
    return value


SHAPES: dict[str, Callable[[Record], Iterator[Shaped]]] = {
    "message_tree_id": _tree,
    "messages": _messages_column("messages"),
    "conversations": _messages_column("conversations"),
    "conversation": _messages_column("conversation"),
    "prompt": _prompt,
    "instruction": _instruction,
    "question": _text_column("question"),
    "text": _text_column("text"),
}
"""Column that tells a shape -> its reader, in the order in which they are tried."""
