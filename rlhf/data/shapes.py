"""From a record in one of the field's shapes to prompts with, where there is one, an answer.

Known: `prompt` (text or messages), `messages` (OpenAI), `conversations` (ShareGPT), `instruction`
with `input` and `output` (Alpaca) or `instances` (Self-Instruct), `text` or `question`,
OpenAssistant trees, and preferences (`judged`). A conversation that ends with the assistant gives
the prompt before it and that turn as its reference answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from rlhf.data.files import Record, Row
from rlhf.data.judged import EMPTY_TURN, Judged, all_pairs, pair, ranking, thumb
from rlhf.data.turns import Messages, text, turn
from rlhf.errors import InputError

ANSWERS = ("reference", "response", "completion", "answer", "output")
"""Columns that hold a known answer beside a prompt."""


@dataclass(frozen=True, slots=True)
class Shaped:
    """A conversation that ends with a user turn, and an answer to it that people gave."""

    messages: Messages
    reference: str | None
    judged: tuple[Judged, ...] = ()
    """What people preferred among answers to it."""
    ranked: int = 0
    """Answers that were ordered to give `judged`; 0 for a record without a preference."""
    dropped: str | None = None
    """Why a preference in the record says nothing; without messages, nor does the record."""


def shape(row: Row) -> Iterator[Shaped]:
    """The prompts of a record; a tree gives several. Raises InputError that names the field."""
    for column, read in SHAPES.items():
        if row.record.get(column) is not None and (read is not _thumb or _is_kto(row.record)):
            yield from read(row.record)
            return
    columns = ", ".join(map(str, row.record)) or "none"
    raise InputError(
        f"has no prompt; columns found: {columns}",
        fix=f"Name one of them {', '.join(SHAPES)}",
    )


def _is_kto(record: Record) -> bool:
    """Other data sets have labels too, of topics or of languages."""
    return record.get("prompt") is not None and record.get("completion") is not None


def _prompt(record: Record, column: str = "prompt") -> Iterator[Shaped]:
    value = record[column]
    if isinstance(value, list):
        yield _conversation(value, column)
        return
    yield Shaped([{"role": "user", "content": text(value, column)}], _answer(record))


def _text_column(column: str) -> Callable[[Record], Iterator[Shaped]]:
    return lambda record: _prompt(record, column)


def _messages_column(column: str) -> Callable[[Record], Iterator[Shaped]]:
    return lambda record: iter([_conversation(record[column], column)])


def _instruction(record: Record) -> Iterator[Shaped]:
    instruction = text(record["instruction"], "instruction")
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
        asked = f"{instruction}\n\n{text(given, f'{here}.input')}" if given else instruction
        yield Shaped([{"role": "user", "content": asked}], case.get("output") or None)


def _pair(record: Record) -> Iterator[Shaped]:
    read = pair(record)
    judged = () if read.judged is None else (read.judged,)
    best = (read.judged.better or "").strip() if read.judged else ""
    messages = [] if read.dropped == EMPTY_TURN else read.messages
    yield Shaped(messages, best or None, judged, ranked=2, dropped=read.dropped)


def _thumb(record: Record) -> Iterator[Shaped]:
    judged = thumb(record)
    for shaped in _prompt({**record, "completion": None}):
        yield replace(shaped, reference=judged.better or None, judged=(judged,), ranked=1)


def _ranking(record: Record) -> Iterator[Shaped]:
    for shaped in _prompt(record):
        judged = ranking(record)
        yield replace(shaped, judged=tuple(judged), ranked=len(record["responses"]))


def _tree(record: Record) -> Iterator[Shaped]:
    """Every user turn of an OpenAssistant tree with its ranked replies, the best its reference."""
    root = record["prompt"]
    if not isinstance(root, dict):
        raise InputError("must be an object in a message tree", field="prompt")
    yield from _branch(root, [])


def _branch(message: dict[str, Any], before: Messages) -> Iterator[Shaped]:
    here = [*before, turn(message, "prompt")]
    replies = [reply for reply in message.get("replies") or () if isinstance(reply, dict)]
    if here[-1]["role"] == "user":
        best = sorted(replies, key=lambda reply: reply.get("rank") or 0)
        reference = text(best[0].get("text"), "replies.text") if best else None
        ranked = [reply for reply in replies if reply.get("rank") is not None]
        answers = [text(reply.get("text"), "replies.text") for reply in ranked]
        judged = tuple(all_pairs(answers, [reply["rank"] for reply in ranked]))
        yield Shaped(here, reference, judged, ranked=len(ranked) if judged else 0)
    for reply in replies:
        yield from _branch(reply, here)


def _conversation(value: Any, column: str) -> Shaped:
    if not isinstance(value, list) or not value:
        raise InputError("must be a list of at least one message", field=column)
    turns = [turn(message, f"{column}[{i}]") for i, message in enumerate(value)]
    reference = turns.pop()["content"] if turns[-1]["role"] == "assistant" else None
    if not turns or turns[-1]["role"] != "user":
        raise InputError("must end with a user turn, or an assistant turn after one", field=column)
    return Shaped(turns, reference)


def _answer(record: Record) -> str | None:
    for column in ANSWERS:
        if record.get(column):
            return text(record[column], column)
    return None


SHAPES: dict[str, Callable[[Record], Iterator[Shaped]]] = {
    "message_tree_id": _tree,
    "chosen": _pair,
    "responses": _ranking,
    "label": _thumb,
    "messages": _messages_column("messages"),
    "conversations": _messages_column("conversations"),
    "conversation": _messages_column("conversation"),
    "prompt": _prompt,
    "instruction": _instruction,
    "question": _text_column("question"),
    "text": _text_column("text"),
}
"""Column that tells a shape -> its reader, in the order in which they are tried."""
