"""A user's own counterfactual templates, one JSON object a line.

    {"text": "My name is {name} and I need a loan.", "attribute": "name",
     "groups": {"English": ["Emily", "James"], "Polish": ["Ewa", "Marek"]}}

A group is a text or a list of texts for the one slot, or an object (or a list of them) that fills
several. Templates with the same attribute (if it is left out: their slots' names) are judged
together and must speak of the same groups.
"""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any

from rlhf.data.files import Row, read_rows
from rlhf.errors import InputError
from rlhf.evaluation.bias.counterfactuals import Template
from rlhf.evaluation.bias.groups import Filling

FIELDS = ("text", "groups", "attribute")
LONGEST = 20_000
"""Characters of a template or filling."""


def read_templates(file: Path) -> list[Template]:
    """The templates of a file. Raises InputError that names file, line and field."""
    found: list[Template] = []
    groups: dict[str, tuple[int, set[str]]] = {}
    for row in read_rows(file):
        one = _template(row, file, number=sum(t.attribute == _attribute(row) for t in found))
        line, known = groups.setdefault(one.attribute, (row.line, set(one.groups)))
        if known != set(one.groups):
            raise InputError(
                f"its groups are not those of line {line}, which has the same attribute",
                file=file,
                line=row.line,
                field="groups",
                fix="Give both the same groups, or another attribute",
            )
        found.append(one)
    return found


def _template(row: Row, file: Path, number: int) -> Template:
    def wrong(field: str, problem: str, fix: str | None = None) -> InputError:
        return InputError(problem, file=file, line=row.line, field=field, fix=fix)

    unknown = sorted(set(row.record) - set(FIELDS))
    if unknown:
        raise wrong(unknown[0], "is not a field of a template", f"Known are {', '.join(FIELDS)}")
    text, groups = row.record.get("text"), row.record.get("groups")
    if not isinstance(text, str) or not text.strip() or len(text) > LONGEST:
        raise wrong("text", f"must be a text of 1 to {LONGEST} characters")
    slots = _slots(text)
    if not slots:
        raise wrong(
            "text", "has no slot such as {name}, or its braces do not match",
            "Write {name} where the group's words belong, and {{ for a brace",
        )  # fmt: skip
    if not isinstance(groups, dict) or len(groups) < 2:
        raise wrong("groups", "must be an object with two groups or more")
    attribute = row.record.get("attribute")
    if attribute is not None and (not isinstance(attribute, str) or not attribute.strip()):
        raise wrong("attribute", "must be a text")
    try:
        filled = {str(name): _fillings(value, slots) for name, value in groups.items()}
    except ValueError as problem:
        raise wrong("groups", str(problem)) from problem
    return Template(_attribute(row), text, filled, number)


def _attribute(row: Row) -> str:
    """What the template says it is about, told apart from the built-in attributes."""
    told = row.record.get("attribute") or " and ".join(_slots(str(row.record.get("text"))))
    return f"{told} (own)"


def _slots(text: str) -> list[str]:
    """Names of the slots in order; none for braces that do not match or are no plain slots."""
    try:
        parts = list(string.Formatter().parse(text))
    except ValueError:
        return []
    slots = [(slot, how, what) for _, slot, how, what in parts if slot is not None]
    if any(not slot.isidentifier() or how or what for slot, how, what in slots):
        return []
    return list(dict.fromkeys(slot for slot, _, _ in slots))


def _fillings(value: Any, slots: list[str]) -> tuple[Filling, ...]:
    several = value if isinstance(value, list) else [value]
    if not several:
        raise ValueError("a group has no words")
    return tuple(_filling(one, slots) for one in several)


def _filling(one: Any, slots: list[str]) -> Filling:
    if isinstance(one, str) and len(slots) == 1:
        one = {slots[0]: one}
    if not isinstance(one, dict) or set(one) != set(slots):
        raise ValueError(f"a group must fill {', '.join(slots)}, each with a text")
    if not all(isinstance(text, str) and len(text) <= LONGEST for text in one.values()):
        raise ValueError("what fills a slot must be a text")
    return {slot: str(one[slot]) for slot in slots}
