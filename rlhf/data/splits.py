"""Which conversation a prompt is from, and on which side of the split it falls, for good."""

from __future__ import annotations

import hashlib
from typing import Literal

from rlhf.data.turns import Messages

UNIT = 2**48


def split_of(messages: Messages, heldout_share: float) -> Literal["train", "heldout"]:
    """Where a prompt belongs: its conversation decides, through a hash.

    A prompt stays where it was when more data comes, and a larger share only moves prompts out of
    training.
    """
    drawn = int(conversation_of(messages)[:12], 16) / UNIT
    return "heldout" if drawn < heldout_share else "train"


def conversation_of(messages: Messages) -> str:
    """SHA-256 of the first user turn, which all prompts cut from one conversation share."""
    first = next(one["content"] for one in messages if one["role"] == "user")
    plain = " ".join(first.lower().split())
    return hashlib.sha256(plain.encode("utf-8", errors="replace")).hexdigest()
