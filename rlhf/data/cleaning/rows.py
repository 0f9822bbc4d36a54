"""What is done to each row by itself, in two passes, and what is written down about it.

The first pass mends texts and looks at the edges of them. The second knows which lines are
boilerplate, and decides whether the row may stay. Rows travel between the passes as Arrow files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rlhf.data.cleaning import filters, privacy
from rlhf.data.cleaning.boilerplate import without_boilerplate
from rlhf.data.cleaning.text import (
    normalised,
    repaired,
    template_tokens,
    without_template_tokens,
)
from rlhf.data.turns import Messages

if TYPE_CHECKING:
    from rlhf.settings import Clean
    from rlhf.store.datasets import Kind, RawRow

DROPPED, CHANGED, MASKED = "dropped", "changed", "masked"
REPAIRED = "encoding repaired"
NORMALISED = "characters and blanks normalised"
OPEN_END = "last question without an answer taken off"
BOILERPLATE = "boilerplate taken off"
TOKENS = "template tokens taken out"
HAS_TOKENS = "has template tokens"


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that was done to a raw row. `detail` never holds what was masked."""

    kind: Kind
    row: int
    action: str
    reason: str
    detail: str = ""


@dataclass(slots=True)
class Row:
    """A row on its way through the passes."""

    kind: Kind
    row: int
    messages: Messages
    text: str
    source: str
    conversation: str
    heldout: bool
    dropped: bool = False

    def texts(self) -> list[str]:
        """Everything that is said in it."""
        return [one["content"] for one in self.messages] or [self.text]

    def replace(self, change: Callable[[str], str]) -> bool:
        """Change every text; whether any is another one now."""
        before = self.texts()
        after = [change(text) for text in before]
        if after == before:
            return False
        if self.messages:
            self.messages = [
                {"role": one["role"], "content": text}
                for one, text in zip(self.messages, after, strict=True)
            ]
        else:
            self.text = after[0]
        return True


@dataclass(slots=True)
class Notes:
    """What a pass over some rows leaves behind beside the rows."""

    actions: list[Action] = field(default_factory=list)
    boilerplate: Counter[str] = field(default_factory=Counter)
    """The lines taken off, personal data in them masked, and from how many rows."""

    values_masked: Counter[str] = field(default_factory=Counter)
    """By kind."""

    def add(self, row: Row, action: str, reason: str, detail: str = "") -> None:
        """Write down an action; a dropped row is done with."""
        self.actions.append(Action(row.kind, row.row, action, reason, detail))
        row.dropped = row.dropped or action == DROPPED


def mended(raw: RawRow, notes: Notes) -> Row:
    """The first pass: a conversation that ends with an answer, repaired and normalised."""
    row = Row(raw.kind, raw.row, raw.messages, raw.text, raw.source, raw.conversation, raw.heldout)
    if row.kind != "passage":
        _end_with_an_answer(row, notes)
        if row.dropped:
            return row
    if row.replace(repaired):
        notes.add(row, CHANGED, REPAIRED)
    if row.replace(normalised):
        notes.add(row, CHANGED, NORMALISED)
    return row


def judged(row: Row, settings: Clean, boilerplate: frozenset[int], notes: Notes) -> None:
    """The second pass: boilerplate, template tokens, filters, personal data; in place."""
    if row.dropped:
        return
    _take_boilerplate(row, boilerplate, notes)
    why = (
        _take_tokens(row, settings.template_tokens, notes)
        or _look_what_is_left(row)
        or filters.unfit(row.messages, row.text, settings)
        or _hide(row, settings, notes)
    )
    if why is not None:
        notes.add(row, DROPPED, *why)


def _end_with_an_answer(row: Row, notes: Notes) -> None:
    turns = row.messages
    while turns and turns[-1]["role"] != "assistant":
        turns = turns[:-1]
    if not any(one["role"] == "user" for one in turns):
        notes.add(row, DROPPED, filters.NO_ANSWER)
    elif len(turns) < len(row.messages):
        row.messages = turns
        notes.add(row, CHANGED, OPEN_END)


def _take_boilerplate(row: Row, boilerplate: frozenset[int], notes: Notes) -> None:
    taken: list[str] = []

    def shortened(text: str) -> str:
        left, lines = without_boilerplate(text, boilerplate)
        taken.extend(lines)
        return left

    if boilerplate and row.replace(shortened):
        notes.add(row, CHANGED, BOILERPLATE, f"lines: {len(taken)}")
        notes.boilerplate.update({privacy.Mask().apply(one, privacy.find(one)) for one in taken})


def _take_tokens(row: Row, policy: str, notes: Notes) -> tuple[str, str] | None:
    if policy == "keep":
        return None
    found = " ".join(sorted({token for text in row.texts() for token in template_tokens(text)}))
    if found and policy == "drop":
        return HAS_TOKENS, found
    if found and row.replace(without_template_tokens):
        notes.add(row, CHANGED, TOKENS, found)
    return None


def _look_what_is_left(row: Row) -> tuple[str, str] | None:
    """Empty system messages go; anything else that is empty takes the row with it."""
    row.messages = [one for one in row.messages if one["role"] != "system" or one["content"]]
    return None if all(text.strip() for text in row.texts()) else (filters.EMPTY, "")


def _hide(row: Row, settings: Clean, notes: Notes) -> tuple[str, str] | None:
    """Mask personal data, or say why the row goes."""
    policies = {kind: getattr(settings, kind) for kind in privacy.FINDERS}
    kinds = frozenset(kind for kind, policy in policies.items() if policy != "keep")
    found = [privacy.find(text, kinds) for text in row.texts()]
    unwanted = {one.kind for some in found for one in some if policies[one.kind] == "drop"}
    if unwanted:
        return f"has personal data: {min(unwanted)}", ""
    if any(found):
        mask, places = privacy.Mask(), iter(found)
        row.replace(lambda text: mask.apply(text, next(places)))
        notes.values_masked.update(mask.masked)
        for kind, count in sorted(mask.masked.items()):
            notes.add(row, MASKED, kind, f"values: {count}")
    return None
