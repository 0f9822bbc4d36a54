"""One turn of a conversation, in the words of whatever format it comes in."""

from __future__ import annotations

import re
from typing import Any

from rlhf.data.reading.rows import shown
from rlhf.errors import InputError

Messages = list[dict[str, str]]

SPEAKERS = {
    "human": "user",
    "user": "user",
    "prompter": "user",
    "customer": "user",
    "client": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "bot": "assistant",
    "agent": "assistant",
    "support": "assistant",
    "ai": "assistant",
    "chatgpt": "assistant",
    "system": "system",
}
"""What other formats call the three roles."""

_SPOKEN = re.compile(r"(?:^|\n\n)(Human|Assistant):[ \t]*")
_LINE_SPOKEN = re.compile(
    rf"^[ \t]*({'|'.join(SPEAKERS)})[ \t]*:[ \t]*", re.IGNORECASE | re.MULTILINE
)


def turn(message: Any, field: str, *, may_be_empty: bool = False) -> dict[str, str]:
    """A message as role and content. Raises InputError that names the field."""
    if not isinstance(message, dict):
        raise InputError("must be an object with a role and a text", field=field)
    speaker = message.get("role", message.get("from"))
    role = SPEAKERS.get(str(speaker).lower())
    if role is None:
        raise InputError(f"speaker '{shown(speaker)}' is not known", field=f"{field}.role")
    said = message.get("content", message.get("value", message.get("text")))
    if isinstance(said, list):
        said = _joined(said, f"{field}.content")
    return {"role": role, "content": text(said, f"{field}.content", may_be_empty=may_be_empty)}


def _joined(parts: list[Any], field: str) -> str:
    """A message in parts, as OpenAI's may be. Pictures and sounds are refused."""
    texts = [part.get("text") for part in parts if isinstance(part, dict)]
    if len(texts) < len(parts) or not all(isinstance(one, str) for one in texts):
        raise InputError("has a part that is no text", field=field)
    return "\n".join(map(str, texts))


def text(value: Any, field: str, *, may_be_empty: bool = False) -> str:
    """`value` as text. Raises InputError for anything else and, unless it may be, empty text."""
    if not isinstance(value, str):
        raise InputError(f"must be text, not {type(value).__name__}", field=field)
    if not may_be_empty and not value.strip():
        raise InputError("is empty", field=field, fix="Give some text or leave the row out")
    return value


def transcript(written: str) -> Messages | None:
    """The turns of a "Human: ... Assistant: ..." text; None for a text of another form."""
    if not _SPOKEN.match(written.lstrip()):
        return None
    parts = _SPOKEN.split(written.strip())[1:]
    return [
        {"role": SPEAKERS[speaker.lower()], "content": said.strip()}
        for speaker, said in zip(parts[0::2], parts[1::2], strict=True)
    ]


def line_transcript(written: str) -> Messages | None:
    """The turns of a text in which lines begin with "Customer:", "Agent:" and the like.

    None unless it begins so and both sides speak. What one side says twice in a row is one turn.
    """
    first = _LINE_SPOKEN.match(written.lstrip())
    if first is None:
        return None
    parts = _LINE_SPOKEN.split(written.strip())[1:]
    turns: Messages = []
    for speaker, said in zip(parts[0::2], parts[1::2], strict=True):
        role, content = SPEAKERS[speaker.lower()], said.strip()
        if turns and turns[-1]["role"] == role:
            content = f"{turns.pop()['content']}\n{content}".strip()
        turns.append({"role": role, "content": content})
    if not {"user", "assistant"} <= {one["role"] for one in turns}:
        return None
    if len(turns) > 1 and not turns[-1]["content"]:
        turns.pop()
    return turns
