"""From a record in one of the field's shapes to prompts with, where there is one, an answer.

Known: `prompt` (text or messages), `messages` (OpenAI), `conversations` (ShareGPT), `instruction`
with `input` and `output` (Alpaca) or `instances` (Self-Instruct), `text`, `transcript` or
`question`, OpenAssistant trees, and preferences (`judged`). A conversation that ends with the
assistant gives the prompt before it and that turn as its reference answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from rlhf.data.judged import EMPTY_TURN, Judged, all_pairs, is_rank, pair, ranking, thumb
from rlhf.data.reading.rows import Record, Row, columns_shown
from rlhf.data.turns import Messages, line_transcript, text, turn
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


@dataclass(frozen=True, slots=True)
class Form:
    """A shape: what people call it, and how it is read."""

    name: str
    read: Callable[[Record], Iterator[Shaped]]


def shape(row: Row) -> Iterator[Shaped]:
    """The prompts of a record; a tree gives several. Raises InputError that names the field."""
    return form_of(row.record).read(row.record)


def only_shape(row: Row) -> Shaped:
    """The prompt of a record that has one and no more. Raises InputError."""
    every = list(shape(row))
    if len(every) != 1:
        count = f"{len(every)} prompts" if every else "no prompt"
        raise InputError(f"has {count}, and must have one", fix="Give each a row of its own")
    return every[0]


def form_of(record: Record) -> Form:
    """Which shape a record has. Raises InputError where it has none."""
    for column, form in SHAPES.items():
        if record.get(column) is not None and (form.read is not _thumb or _is_kto(record)):
            return form
    raise InputError(
        f"has no prompt; columns found: {columns_shown(record)}",
        fix=f"Name one {', '.join(list(SHAPES)[1:])}, or say which it is by --map column=field",
    )


def _is_kto(record: Record) -> bool:
    """Other data sets have labels too, of topics or of languages."""
    return record.get("prompt") is not None and record.get("completion") is not None


def _prompt(record: Record, column: str = "prompt") -> Iterator[Shaped]:
    value = record.get(column)
    if isinstance(value, list):
        said = _conversation(value, column)
        yield said if said.reference is not None else replace(said, reference=_answer(record))
        return
    yield Shaped([{"role": "user", "content": text(value, column)}], _answer(record))


def _text(record: Record) -> Iterator[Shaped]:
    """A transcript if it is one, else a prompt."""
    turns = line_transcript(text(record["text"], "text"))
    return _prompt(record, "text") if turns is None else iter([cut(turns, "text")])


def _text_column(column: str) -> Callable[[Record], Iterator[Shaped]]:
    return lambda record: _prompt(record, column)


def _messages_column(column: str) -> Callable[[Record], Iterator[Shaped]]:
    def read(record: Record) -> Iterator[Shaped]:
        value = record[column]
        turns = line_transcript(value) if isinstance(value, str) else None
        yield _conversation(value, column) if turns is None else cut(turns, column)

    return read


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
    root = record.get("prompt")
    if not isinstance(root, dict):
        raise InputError("must be an object in a message tree", field="prompt")
    waiting: list[tuple[dict[str, Any], Messages]] = [(root, [])]
    while waiting:
        message, before = waiting.pop()
        here = [*before, turn(message, "prompt")]
        replies = _replies(message)
        if here[-1]["role"] == "user":
            yield _ranked(here, replies)
        waiting += [(reply, here) for reply in reversed(replies)]


def _replies(message: dict[str, Any]) -> list[dict[str, Any]]:
    told = message.get("replies") or []
    if not isinstance(told, list):
        raise InputError("must be a list of messages", field="replies")
    replies = [reply for reply in told if isinstance(reply, dict)]
    if not all(is_rank(reply["rank"]) for reply in replies if reply.get("rank") is not None):
        raise InputError("must be a number", field="replies.rank")
    return replies


def _ranked(here: Messages, replies: list[dict[str, Any]]) -> Shaped:
    best = sorted(replies, key=lambda reply: reply.get("rank") or 0)
    reference = text(best[0].get("text"), "replies.text") if best else None
    ranked = [reply for reply in replies if reply.get("rank") is not None]
    answers = [text(reply.get("text"), "replies.text") for reply in ranked]
    judged = tuple(all_pairs(answers, [reply["rank"] for reply in ranked]))
    return Shaped(here, reference, judged, ranked=len(ranked) if judged else 0)


def _conversation(value: Any, column: str) -> Shaped:
    if not isinstance(value, list) or not value:
        raise InputError("must be a list of at least one message", field=column)
    return cut([turn(message, f"{column}[{i}]") for i, message in enumerate(value)], column)


def cut(turns: Messages, column: str) -> Shaped:
    """A conversation as its prompt and, where it ends with one, the answer to it.

    Raises InputError.
    """
    turns = list(turns)
    reference = turns.pop()["content"] if turns[-1]["role"] == "assistant" else None
    if not turns or turns[-1]["role"] != "user":
        raise InputError("must end with a user turn, or an assistant turn after one", field=column)
    return Shaped(turns, reference)


def _answer(record: Record) -> str | None:
    for column in ANSWERS:
        if record.get(column):
            return _said(record[column], column)
    return None


def _said(value: Any, column: str) -> str:
    """An answer's text, also where it is a list of one message, as TRL has it."""
    if not isinstance(value, list):
        return text(value, column)
    turns = [turn(message, f"{column}[{i}]") for i, message in enumerate(value)]
    if [one["role"] for one in turns] != ["assistant"]:
        raise InputError("must be one answer of the assistant", field=column)
    return turns[0]["content"]


SHAPES: dict[str, Form] = {
    "message_tree_id": Form("OpenAssistant trees", _tree),
    "chosen": Form("chosen and rejected answers", _pair),
    "responses": Form("ranked answers", _ranking),
    "label": Form("answers called good or bad (KTO)", _thumb),
    "messages": Form("message lists (OpenAI)", _messages_column("messages")),
    "conversations": Form("conversations (ShareGPT)", _messages_column("conversations")),
    "conversation": Form("conversations", _messages_column("conversation")),
    "transcript": Form("transcripts", _messages_column("transcript")),
    "prompt": Form("prompts", _prompt),
    "instruction": Form("instructions (Alpaca)", _instruction),
    "question": Form("questions", _text_column("question")),
    "text": Form("texts", _text),
}
"""Column that tells a shape -> what it is, in the order in which they are tried."""
