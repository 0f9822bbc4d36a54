"""Preferences in a record: two answers of which one was chosen, or several in an order.

Known: `chosen` and `rejected` beside a `prompt` (each a text or messages), without one (messages,
or whole "Human: ... Assistant: ..." transcripts, whose common beginning is the prompt), and
`responses` in the order of their `ranks`. KTO's rows call a single `completion` good or bad by its
`label`. OpenAssistant trees are ranked as well, see `shapes`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, takewhile
from typing import Any

from rlhf.data.reading.rows import Record
from rlhf.data.turns import Messages, text, transcript, turn
from rlhf.errors import InputError
from rlhf.store import validate

JUDGES = ("annotator", "annotator_id", "worker_id", "labeler", "judge")
"""Columns that say who chose; without one, all of a file counts as one judge."""
STRONGEST = 3
LARGEST = 1e15
"""More than any margin or rank; JSON's whole numbers have no end, and floats have."""
LABELS = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}
LATER = "chosen and rejected differ before their last answers"
LONGEST_NAME = 10_000
EMPTY_TURN = "a turn before the answers is empty"


@dataclass(frozen=True, slots=True)
class Judged:
    """One answer was preferred to another, by `strength` 1 to 3.

    A single answer that was called good is the better one of none, a bad one the worse.
    """

    better: str | None
    worse: str | None
    strength: int = 1
    judge: str = ""


@dataclass(frozen=True, slots=True)
class Pair:
    """A prompt and what `chosen` and `rejected` say of it, or why they say nothing."""

    messages: Messages
    judged: Judged | None
    dropped: str | None = None


def pair(record: Record) -> Pair:
    """Read a chosen and a rejected answer. Raises InputError that names the field."""
    prompt = None if record.get("prompt") is None else _dialogue(record["prompt"], "prompt")
    sides = [_dialogue(record.get(name), name) for name in ("chosen", "rejected")]
    if prompt is None:
        alike = takewhile(lambda two: two[0] == two[1], zip(*sides, strict=False))
        prompt = [one for one, _ in alike]
        if prompt == sides[0] == sides[1] and prompt[-1]["role"] == "assistant":
            prompt = prompt[:-1]
    if not prompt or prompt[-1]["role"] != "user":
        raise InputError(
            "has no prompt that ends with a user turn",
            field="prompt",
            fix="Give a 'prompt' column, or chosen and rejected as whole conversations",
        )
    answers = [side[len(prompt) :] if side[: len(prompt)] == prompt else side for side in sides]
    if not all(one["content"].strip() for one in prompt):
        return Pair(prompt, None, EMPTY_TURN)
    if any([one["role"] for one in answer] != ["assistant"] for answer in answers):
        return Pair(prompt, None, LATER)
    chosen, rejected = (answer[0]["content"] for answer in answers)
    return Pair(prompt, Judged(chosen, rejected, _strength(record), _judge(record)))


def thumb(record: Record) -> Judged:
    """Read a single answer that was called good or bad. Raises InputError that names the field."""
    said = _dialogue(record.get("completion"), "completion")
    if [one["role"] for one in said] != ["assistant"]:
        raise InputError("must be one answer of the assistant", field="completion")
    good = LABELS.get(str(record["label"]).strip().lower())
    if good is None:
        raise InputError("must be true or false", field="label")
    answer = said[0]["content"]
    return Judged(answer if good else None, None if good else answer, STRONGEST, _judge(record))


def ranking(record: Record) -> list[Judged]:
    """Every pair of `responses`; the lower of two `ranks` is better (none: the list's order)."""
    told = record["responses"]
    if not isinstance(told, list) or len(told) < 2:
        raise InputError("must be a list of at least two answers", field="responses")
    answers = [text(one, f"responses[{at}]", may_be_empty=True) for at, one in enumerate(told)]
    ranks = record.get("ranks")
    if ranks is None:
        ranks = list(range(len(answers)))
    if not isinstance(ranks, list) or len(ranks) != len(answers):
        raise InputError("must be a list with one rank per response", field="ranks")
    if not all(map(is_rank, ranks)):
        raise InputError("must be numbers, the lowest for the best response", field="ranks")
    return list(all_pairs(answers, ranks, _judge(record)))


def all_pairs(answers: Sequence[str], ranks: Sequence[float], judge: str = "") -> Iterator[Judged]:
    """The pairs of a ranking, in its order; answers of equal rank make none."""
    ordered = sorted(zip(ranks, answers, strict=True), key=lambda one: one[0])
    for (first, better), (second, worse) in combinations(ordered, 2):
        if first < second:
            yield Judged(better, worse, judge=judge)


def is_rank(value: object) -> bool:
    """Whether a value can say where an answer stands."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < LARGEST


def _dialogue(value: Any, field: str) -> Messages:
    """Turns from messages or a transcript; a bare text is a question or, elsewhere, an answer.

    A transcript's empty last turn ("Assistant:") only says whose turn it is.
    """
    if isinstance(value, list):
        if not value:
            raise InputError("must be a list of at least one message", field=field)
        answers = field != "prompt"
        return [turn(one, f"{field}[{at}]", may_be_empty=answers) for at, one in enumerate(value)]
    spoken = text(value, field, may_be_empty=field != "prompt")
    turns = transcript(spoken)
    if turns is None:
        return [{"role": "user" if field == "prompt" else "assistant", "content": spoken}]
    if field == "prompt" and turns[-1] == {"role": "assistant", "content": ""}:
        turns.pop()
    return turns


def _strength(record: Record) -> int:
    """1 to 3, from a `strength`, or from a `margin` as the nearest third; 1 without either."""
    strength, margin = _number(record, "strength"), _number(record, "margin")
    if strength is not None:
        if strength not in range(1, STRONGEST + 1):
            raise InputError(f"must be 1 to {STRONGEST}", field="strength")
        return int(strength)
    return 1 if margin is None else min(max(round(margin * STRONGEST), 1), STRONGEST)


def _number(record: Record, name: str) -> float | None:
    """A number, also as text (CSV knows nothing else); None for an empty cell or not-a-number."""
    value = record.get(name)
    if isinstance(value, str) and value.strip():
        try:
            value = float(value)
        except ValueError as broken:
            raise InputError("must be a number", field=name) from broken
    if value is None or value == "" or value != value:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > LARGEST:
        raise InputError("must be a number", field=name)
    return float(value)


def _judge(record: Record) -> str:
    told = next((record[name] for name in JUDGES if record.get(name) is not None), "")
    if not isinstance(told, str | int | float):
        raise InputError("must be a name or a number", field="annotator")
    return validate.text_field(str(told), "annotator", longest=LONGEST_NAME, empty=True)
