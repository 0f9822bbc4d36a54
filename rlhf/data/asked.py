"""`rlhf ask`: people's own answers into the queue, to be rated, compared or ranked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rlhf.data.files import Row, read_rows, refused
from rlhf.data.shapes import Shaped, only_shape
from rlhf.data.splits import conversation_of, split_of
from rlhf.data.turns import text
from rlhf.errors import InputError
from rlhf.store import Store, asked, validate
from rlhf.store.asked import Asked
from rlhf.store.prompts import NewPrompt, add_prompts, digest_of
from rlhf.store.rankings import MOST


@dataclass(frozen=True, slots=True)
class Report:
    """What came of it: rows = singles + pairs + rankings = added + those that were asked before."""

    singles: int
    pairs: int
    rankings: int
    added: int


def ask(
    store: Store,
    files: Sequence[Path],
    *,
    overlap: int = 1,
    priority: float = 0.0,
    heldout_share: float = 0.15,
) -> Report:
    """Read every file, then queue all of it in one transaction.

    A row has one prompt, in any shape that `rlhf ingest` reads, and `responses`, a list; or an
    answer as the last turn or in a column of its own. Raises InputError that names file, line and
    field; then nothing was queued.
    """
    found = [_asked(row, file, heldout_share) for file in files for row in read_rows(file)]
    with store.write() as tx:
        add_prompts(tx, [prompt for prompt, _ in found])
        added = asked.add_asked(tx, [one for _, one in found], overlap=overlap, priority=priority)
    counts = [min(len(one.answers), 3) for _, one in found]
    return Report(counts.count(1), counts.count(2), counts.count(3), added)


def _asked(row: Row, file: Path, heldout_share: float) -> tuple[NewPrompt, Asked]:
    try:
        shaped = only_shape(Row(row.line, {**row.record, "responses": None}))
        answers = _answers(row) or _reference(shaped)
        messages = validate.messages_field(shaped.messages)
    except InputError as wrong:
        raise refused(wrong, file, row) from wrong
    prompt = NewPrompt(
        messages=messages,
        source=file.name,
        conversation=conversation_of(messages),
        split=split_of(messages, heldout_share),
    )
    return prompt, Asked(digest_of(messages), answers)


def _reference(shaped: Shaped) -> tuple[str, ...]:
    if not shaped.reference:
        raise InputError(
            "has no answer to ask about", field="responses", fix=f"Give a list of 1 to {MOST}"
        )
    said = shaped.reference
    return (validate.text_field(said, "reference", longest=validate.RESPONSE_CHARS),)


def _answers(row: Row) -> tuple[str, ...]:
    told = row.record.get("responses")
    if told is None:
        return ()
    if not isinstance(told, list) or not 1 <= len(told) <= MOST:
        raise InputError(f"must be a list of 1 to {MOST} answers", field="responses")
    answers = tuple(text(one, f"responses[{at}]") for at, one in enumerate(told))
    for at, one in enumerate(answers):
        validate.text_field(one, f"responses[{at}]", longest=validate.RESPONSE_CHARS)
    if len(set(answers)) < len(answers):
        raise InputError("has the same answer twice", field="responses")
    return answers
