"""From what a person names, files, folders and patterns, to the files that are meant."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from rlhf.data.files import READERS, extension, known
from rlhf.errors import InputError

PATTERN = frozenset("*?[")


def find_files(paths: Sequence[Path]) -> list[Path]:
    """Each file once, in the order named; those of a folder or pattern by name.

    Of a folder only those that can be read by their extension are meant, hidden ones never. Links
    to folders are not followed. Raises InputError for a path that means no file.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if not os.path.lexists(path) and PATTERN & set(str(path)):
            found.update(dict.fromkeys(_matched(path)))
        elif _is_folder(path):
            inside = _inside(path)
            if not inside:
                raise InputError(
                    "the folder has no file that can be read", file=path, fix=f"Known are {known()}"
                )
            found.update(dict.fromkeys(inside))
        else:
            found[path] = None
    return list(found)


def _matched(pattern: Path) -> list[Path]:
    start = Path(pattern.anchor or ".")
    try:
        matched = sorted(start.glob(str(pattern.relative_to(pattern.anchor))))
    except (ValueError, NotImplementedError) as wrong:
        raise InputError(f"is no pattern ({wrong})", file=pattern) from wrong
    seen = [one for one in matched if not _is_hidden(one, pattern)]
    met = [file for one in seen for file in (_inside(one) if _is_folder(one) else [one])]
    if not met:
        raise InputError("the pattern matches no file", file=pattern, fix="Check the path")
    return met


def _is_hidden(path: Path, pattern: Path) -> bool:
    """Whether it, or a folder on the way that the pattern does not name, is hidden or a link."""
    hidden = any(part.startswith(".") for part in set(path.parts) - set(pattern.parts))
    return hidden or (path.is_symlink() and _is_folder(path))


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False


def _inside(folder: Path) -> list[Path]:
    met: list[Path] = []
    for here, folders, names in os.walk(folder, onerror=_refuse):
        folders[:] = sorted(one for one in folders if not one.startswith("."))
        files = (Path(here, name) for name in sorted(names) if not name.startswith("."))
        met += [file for file in files if extension(file) in READERS]
    return met


def _refuse(broken: OSError) -> NoReturn:
    raise InputError(f"cannot be opened ({broken.strerror})", file=broken.filename) from broken
