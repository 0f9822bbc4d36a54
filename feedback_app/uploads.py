"""Files on their way from a browser into the store: private, under their own names, soon gone.

Gradio lays what arrives into `incoming`, under names that it has changed. Each page that is open
has a folder of its own, into which its files are moved at once, under the names that people gave
them. Names and paths come from outside and are checked here.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import gradio as gr

from rlhf.errors import InputError

LIMIT_MB = 256
LIMIT = LIMIT_MB * 2**20
"""Bytes that may arrive at once. Larger files are better taken in on the machine itself."""
ABANDONED_S = 24 * 3600
"""After this long nobody comes back for a file, whatever its page said."""
LONGEST_NAME = 200
"""Bytes of a file's name that are kept, the end with its extension; file systems take 255."""

Sent = Sequence[Mapping[str, Any]]
"""What the page says has arrived: `path` where it lies and `orig_name`, neither to be trusted."""


def make_room(home: Path) -> Path:
    """The folder where uploads lie, emptied of those from before.

    Before any page is built: Gradio then asks the environment where uploads go.
    """
    room = (home / "tmp" / "uploads").resolve()
    shutil.rmtree(room, ignore_errors=True)
    _incoming(room).mkdir(mode=0o700, parents=True)
    room.chmod(0o700)
    os.environ["GRADIO_TEMP_DIR"] = str(_incoming(room))
    return room


def never_fetched(files: gr.File) -> gr.File:
    """The same component, which takes what was uploaded and nothing else.

    Gradio would download what a request calls a file and names by its URL.
    """

    async def as_it_lies(path: str | Path | None) -> str | None:
        return None if path is None else str(path)

    vars(files)["async_move_resource_to_block_cache"] = as_it_lies
    return files


def owner_of(request: gr.Request) -> str:
    """The name of a page's folder: nobody else's session leads there."""
    return hashlib.sha256(f"{request.username}\0{request.session_hash}".encode()).hexdigest()


def claim(room: Path, owner: str, sent: Sent) -> list[Path]:
    """Move what has arrived into the owner's folder, in place of what was there.

    Raises InputError for a path where nothing arrived; then the owner has no files.
    """
    drop(room, owner)
    _sweep(room)
    arrived = {str(one.get("path")): one for one in sent}
    try:
        for number, (path, one) in enumerate(arrived.items()):
            place = room / owner / f"{number:04}"
            place.mkdir(mode=0o700, parents=True)
            name = plain_name(str(one.get("orig_name") or Path(path).name))
            _take(room, path, place / name)
    except InputError:
        drop(room, owner)
        raise
    return held(room, owner)


def held(room: Path, owner: str) -> list[Path]:
    """The owner's files, in the order in which they were chosen."""
    return sorted((room / owner).glob("*/*"))


def drop(room: Path, owner: str) -> None:
    """Delete the owner's files."""
    shutil.rmtree(room / owner, ignore_errors=True)


def plain_name(name: str) -> str:
    """A file's own name without folders and without what cannot be printed."""
    last = re.split(r"[/\\]", name)[-1]
    printable = "".join(one for one in last if one.isprintable())
    end = printable.encode()[-LONGEST_NAME:].decode(errors="ignore")
    return end if end.strip(". ") else "file"


def _incoming(room: Path) -> Path:
    return room / "incoming"


def _take(room: Path, path: str, place: Path) -> None:
    """Move a file that lies where Gradio puts them: in a folder of `incoming`."""
    try:
        lies = Path(path).resolve(strict=True)
        if lies.parent.parent != _incoming(room) or not lies.is_file():
            raise InputError("was not uploaded", file=place.name)
        lies.rename(place)
        lies.parent.rmdir()
    except (OSError, ValueError) as gone:
        if not place.exists():
            raise InputError("has not arrived", file=place.name, fix="Choose it again") from gone


def _sweep(room: Path) -> None:
    """Delete what uploads that broke off and pages that never said goodbye left behind."""
    before = time.time() - ABANDONED_S
    for left in (*room.iterdir(), *_incoming(room).iterdir()):
        with suppress(OSError):
            if left == _incoming(room) or left.stat().st_mtime > before:
                continue
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink()
