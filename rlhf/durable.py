"""Files and folders that are there whole or not at all, whatever is killed."""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path

from rlhf.errors import UsageError


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


def check_place(target: Path) -> None:
    """Raise UsageError where nothing can lie at `target`, whose folder may not be there yet."""
    try:
        there = next(place for place in (target, *target.absolute().parents) if place.exists())
    except OSError as impossible:
        raise UsageError(f"{target} cannot be made ({impossible.strerror})") from impossible
    if there != target and not there.is_dir():
        raise UsageError(f"{target} cannot be made: {there} is a file")


def write_folder(target: Path, fill: Callable[[Path], object]) -> None:
    """Let `fill` write a folder beside `target`, then put it in its place at once.

    Where `target` is a link, what it points at is replaced, and the link stays.
    """
    target = target.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}")
    fresh.mkdir()
    try:
        fill(fresh)
        replace_folder(fresh, target)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


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
