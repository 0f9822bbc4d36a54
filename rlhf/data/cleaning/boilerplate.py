"""Lines that stand at the edge of text after text, such as signatures and legal footers.

They are found by how many conversations or documents have them, not by what they say, and are
taken only from the beginning and the end of a text that says something else as well.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]

FIRST, LAST = 3, 8
"""Lines with text that are looked at from either end."""
SHORTEST_LINE, FEWEST_WORDS, FEWEST_LETTERS = 25, 4, 15
"""Shorter lines ("Hello,", "Thanks") repeat because people talk so."""
FEWEST_CONVERSATIONS = 20
"""In fewer than this, a line has not shown that it is boilerplate, whatever the share."""


def edge_lines(text: str) -> set[int]:
    """Hashes of the lines that could be boilerplate."""
    if "\n" not in text:
        return set()
    lines = [line for line in text.split("\n") if line.strip()]
    if len(lines) < 2:
        return set()
    near = lines if len(lines) <= FIRST + LAST else lines[:FIRST] + lines[-LAST:]
    return {line_hash(line) for line in near if _is_long(line)}


def line_hash(line: str) -> int:
    """64 bits of a line, its case, digits and blanks left out: "Ticket 17" is "ticket 18"."""
    plain = "".join(one for one in line.casefold() if one.isalpha())
    return int.from_bytes(hashlib.blake2b(plain.encode(), digest_size=8).digest(), "little")


def repeated(pairs: Iterable[tuple[Hashes, Hashes]], share: float, conversations: int) -> Hashes:
    """Sorted hashes of the lines that stand in `share` of all conversations or more.

    pairs: per chunk of rows, (line hashes, hash of the conversation each stands in).
    """
    parts = [np.stack(pair, axis=1) for pair in pairs]
    if not parts:
        return np.empty(0, np.uint64)
    least = max(FEWEST_CONVERSATIONS, share * conversations)
    both = np.concatenate(parts)
    lines, counts = np.unique(both[:, 0], return_counts=True)
    often = lines[counts >= least]
    both = both[np.isin(both[:, 0], often)]
    once = np.unique(both, axis=0)
    lines, counts = np.unique(once[:, 0], return_counts=True)
    return lines[counts >= least]


def without_boilerplate(text: str, known: frozenset[int]) -> tuple[str, list[str]]:
    """The text between its boilerplate, and the lines taken away.

    A text that would have nothing left stays as it is.
    """
    if not known or "\n" not in text or not known & edge_lines(text):
        return text, []
    lines = text.split("\n")
    start = _end_of_run(lines, known, FIRST)
    stop = len(lines) - _end_of_run(lines[::-1], known, LAST)
    if start >= stop:
        return text, []
    taken = [line for line in lines[:start] + lines[stop:] if line.strip()]
    if not taken:
        return text, []
    return "\n".join(lines[start:stop]).strip("\n").rstrip(), taken


def _end_of_run(lines: list[str], known: frozenset[int], most: int) -> int:
    """How many lines from the edge go: up to the last boilerplate among the first `most`.

    Rules and blanks beside it go with it; a line that says something else ends the run.
    """
    end, seen = 0, 0
    for place, line in enumerate(lines):
        if not line.strip():
            continue
        seen += 1
        if seen > most:
            break
        if _is_long(line) and line_hash(line) in known:
            end = place + 1
        elif _says_something(line):
            break
    while 0 < end < len(lines) and not _says_something(lines[end]):
        end += 1
    return end


def _says_something(line: str) -> bool:
    return any(map(str.isalnum, line))


def _is_long(line: str) -> bool:
    """Whether a line is a sentence rather than a greeting, a rule or a row of figures."""
    return (
        len(line) >= SHORTEST_LINE
        and len(line.split()) >= FEWEST_WORDS
        and sum(map(str.isalpha, line)) >= FEWEST_LETTERS
    )
