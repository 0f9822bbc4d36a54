"""Markdown in which whatever people or models wrote stays text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

SPECIAL = re.compile(r"[\\`*_\[\]<>#!|~$&@]|:(?=//)|(?<=www)\.", re.IGNORECASE)
ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;", ":": "&#58;", "@": "&#64;", ".": "&#46;"}
"""What could begin a tag, an entity or a bare link; backslashes do for the rest."""
LONGEST = 300
"""Characters of one cell or quotation."""


def inline(value: object, longest: int = LONGEST) -> str:
    """A value on one line, in which nothing is markup, HTML, a link or a control character."""
    if isinstance(value, float):
        return f"{value:.4g}"
    shown = "".join(one if one.isprintable() else " " for one in str(value))
    shown = " ".join(shown.split())
    cut = shown if len(shown) <= longest else shown[: longest - 3] + "..."
    return SPECIAL.sub(_harmless, cut)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table; cells are escaped, headings are ours."""
    lines = [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
    lines += [f"| {' | '.join(inline(cell) for cell in row)} |" for row in rows]
    return "\n".join(lines) + "\n"


def _harmless(found: re.Match[str]) -> str:
    return ENTITIES.get(found[0], f"\\{found[0]}")
