"""Seeds that belong to a purpose: the same parts give the same seed, on every machine."""

from __future__ import annotations

import hashlib


def derived(*parts: int | str) -> int:
    """A seed of 63 bits from numbers and names, such as (round's seed, iteration, prompt)."""
    digest = hashlib.sha256(repr(parts).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
