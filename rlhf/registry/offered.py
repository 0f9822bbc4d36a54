"""What a service says of a checkpoint, read from its answer; nothing of it is trusted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from rlhf.errors import UsageError


@dataclass(frozen=True, slots=True)
class OfferedFile:
    """A file that can be fetched."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Offer:
    """A checkpoint and its base, which has files where it is no hub id."""

    digest: str
    files: list[OfferedFile]
    base: str
    base_files: list[OfferedFile]
    temperature: float | None


def offer_in(told: Any) -> Offer:
    """The offer in an answer's JSON.

    Raises UsageError for a file name that leaves its folder; any other error means that no service
    of ours has written the answer.
    """
    temperature = told["figures"].get("temperature")
    return Offer(
        digest=bytes.fromhex(told["digest"]).hex(),
        files=[_file(one) for one in told["files"]],
        base=str(told["base"]["path"]),
        base_files=[_file(one) for one in told["base"].get("files", [])],
        temperature=None if temperature is None else float(temperature),
    )


def _file(told: Any) -> OfferedFile:
    name = PurePosixPath(str(told["name"]))
    plain = len(name.parts) == 1 and name.parts[0] not in ("/", "..")
    if not plain or not str(name).isprintable():
        raise UsageError(f"the service offers a file named '{name}', which is refused")
    return OfferedFile(str(name), int(told["size"]), str(told["sha256"]))
