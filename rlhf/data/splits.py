"""Train or held out: by the beginning of the conversation, stable as data grows."""

from __future__ import annotations

import hashlib
from typing import Literal

from rlhf.data.shapes import Messages

UNIT = 2**48


def split_of(messages: Messages, heldout_share: float) -> Literal["train", "heldout"]:
    """Where a prompt belongs.

    The first user turn decides, through a hash: all turns of a conversation fall on one side, a
    prompt stays where it was when more data comes, and a larger share only moves prompts out of
    training.
    """
    first = next(one["content"] for one in messages if one["role"] == "user")
    plain = " ".join(first.lower().split())
    digest = hashlib.sha256(plain.encode("utf-8", errors="replace")).digest()
    drawn = int.from_bytes(digest[:6], "big") / UNIT
    return "heldout" if drawn < heldout_share else "train"
