"""Which conversation a prompt is from, and on which side of the split it falls, for good."""

from __future__ import annotations

import hashlib
from typing import Literal

import numpy as np
from numpy.typing import NDArray

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


def drawn_lots(conversations: NDArray[np.uint64], what: str) -> NDArray[np.float64]:
    """A number in [0, 1) for each hash of a conversation or document, always the same for `what`.

    Different words for `what` draw independent lots; a lot never depends on what else is there.
    """
    salt = hashlib.blake2b(what.encode(), digest_size=8).digest()
    mixed = conversations ^ np.uint64(int.from_bytes(salt, "little"))
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 1)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return (mixed >> np.uint64(11)) / 2.0**53
