"""What may enter the database, the same for SQLite and PostgreSQL, which disagree on bad input."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from rlhf.errors import InputError

PROMPT_CHARS = 200_000
RESPONSE_CHARS = 400_000
REASON_CHARS = 10_000
NAME_CHARS = 80
ROLES = ("system", "user", "assistant")
ESCAPED_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
"""As JSON writes it: an odd number of backslashes before `u0000`."""


def text_field(value: object, field: str, *, longest: int, empty: bool = False) -> str:
    """`value` as storable text. Raises InputError that names the field."""
    if not isinstance(value, str):
        raise InputError(f"must be text, not {type(value).__name__}", field=field)
    if not empty and not value.strip():
        raise InputError("is empty", field=field, fix="Give some text or leave the row out")
    if len(value) > longest:
        raise InputError(f"has {len(value)} characters, more than {longest}", field=field)
    if "\x00" in value:
        raise InputError("contains a NUL character", field=field, fix="Remove it")
    try:
        value.encode()
    except UnicodeEncodeError as broken:
        raise InputError("contains half a surrogate pair", field=field, fix="Repair it") from broken
    return value


def messages_field(value: object, field: str = "messages") -> list[dict[str, str]]:
    """A conversation that ends with a user turn. Raises InputError that names the field."""
    if not isinstance(value, list) or not value:
        raise InputError("must be a list of at least one message", field=field)
    checked = []
    for number, message in enumerate(value):
        here = f"{field}[{number}]"
        if not isinstance(message, dict) or not {"role", "content"} <= set(message):
            raise InputError("must have 'role' and 'content'", field=here)
        if message["role"] not in ROLES:
            raise InputError(f"role must be one of {', '.join(ROLES)}", field=f"{here}.role")
        content = text_field(message["content"], f"{here}.content", longest=PROMPT_CHARS)
        checked.append({"role": message["role"], "content": content})
    if checked[-1]["role"] != "user":
        raise InputError("must end with a user turn", field=field)
    return checked


def json_field(value: Any, field: str) -> Any:
    """`value` if JSON can hold it. Raises InputError for NaN, infinities, foreign types, NUL."""
    try:
        written = json.dumps(value, allow_nan=False, ensure_ascii=False)
    except (TypeError, ValueError) as foreign:
        raise InputError(f"is not plain JSON ({foreign})", field=field) from foreign
    text_field(written, field, longest=10**8)
    if ESCAPED_NUL.search(written):
        raise InputError("contains a NUL character", field=field, fix="Remove it")
    return value


def number_field(value: float, field: str) -> float:
    """A finite number. Raises InputError that names the field."""
    if not math.isfinite(value):
        raise InputError("must be a finite number", field=field)
    return float(value)
