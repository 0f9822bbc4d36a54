"""`rlhf ingest --known`: pairs whose better answer is known, for practice and for checks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rlhf.data.files import Row, read_rows, refused
from rlhf.data.shapes import Shaped, only_shape
from rlhf.data.splits import conversation_of
from rlhf.errors import InputError
from rlhf.store import Store, known, validate
from rlhf.store.known import Known
from rlhf.store.prompts import NewPrompt, add_prompts, digest_of


@dataclass(frozen=True, slots=True)
class Report:
    """What came of it: the pairs of the files = added + those that were there."""

    pairs: int
    added: int
    explained: int
    """Pairs with an explanation: what new annotators practise on."""


def ingest_known(store: Store, files: Sequence[Path]) -> Report:
    """Read every file, then store all pairs in one transaction.

    A row is a preference; its column `explanation` says why the chosen answer is better. Raises
    InputError that names file, line and field; then nothing was stored.
    """
    found = [_pair(row, file) for file in files for row in read_rows(file)]
    with store.write() as tx:
        add_prompts(tx, [prompt for prompt, _ in found])
        added = known.add_known(tx, [pair for _, pair in found])
    explained = sum(pair.explanation is not None for _, pair in found)
    return Report(pairs=len(found), added=added, explained=explained)


def _pair(row: Row, file: Path) -> tuple[NewPrompt, Known]:
    try:
        return _checked(only_shape(row), row, file)
    except InputError as wrong:
        raise refused(wrong, file, row) from wrong


def _checked(shaped: Shaped, row: Row, file: Path) -> tuple[NewPrompt, Known]:
    if shaped.ranked != 2 or len(shaped.judged) != 1:
        reason = shaped.dropped or "does not say which of two answers is better"
        raise InputError(reason, fix="Give 'chosen' and 'rejected', two different answers")
    (one,) = shaped.judged
    assert one.better is not None
    assert one.worse is not None
    for name, answer in (("chosen", one.better), ("rejected", one.worse)):
        validate.text_field(answer, name, longest=validate.RESPONSE_CHARS, empty=True)
    if one.better == one.worse:
        raise InputError("is the same answer as 'chosen'", field="rejected")
    said = row.record.get("explanation")
    explanation = (
        validate.text_field(said, "explanation", longest=validate.REASON_CHARS) if said else None
    )
    messages = validate.messages_field(shaped.messages)
    prompt = NewPrompt(
        messages=messages,
        source=file.name,
        conversation=conversation_of(messages),
        split="train",
    )
    return prompt, Known(digest_of(messages), one.better, one.worse, explanation)
