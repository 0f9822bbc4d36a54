"""Files and folders that are there whole or not at all, whatever is killed."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path


def sync_tree(folder: Path) -> None:
    """Force every file and folder below `folder`, and itself, onto the disk."""
    for path in sorted(folder.rglob("*"), reverse=True):
        _sync(path)
    _sync(folder)


def move_into_place(fresh: Path, final: Path) -> None:
    """Rename a complete folder to its final name, durably. `final` must not exist."""
    sync_tree(fresh)
    fresh.rename(final)
    _sync(final.parent)


def replace_folder(fresh: Path, final: Path) -> None:
    """Like `move_into_place`, for a `final` that may exist and is then dropped."""
    old = final.with_name(f".{final.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if final.exists():
        final.rename(old)
    move_into_place(fresh, final)
    shutil.rmtree(old, ignore_errors=True)


def write_whole(file: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a fresh file, and put it in the place of `file` at a stroke."""
    fresh = file.with_name(f".{file.name}.new")
    try:
        write(fresh)
        _sync(fresh)
        fresh.replace(file)
    finally:
        fresh.unlink(missing_ok=True)
    _sync(file.parent)


def file_digest(file: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with file.open("rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
