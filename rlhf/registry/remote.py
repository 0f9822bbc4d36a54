"""`rlhf pull --from URL`: the same folder, from another machine, with a read-only token."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import httpx

from rlhf.durable import write_folder
from rlhf.errors import Forbidden, NotFound, RLHFError, UsageError
from rlhf.registry.card import CARD
from rlhf.registry.pulling import check_target, finish

Progress = Callable[[int, int, str], None]
TIMEOUT_S = 60.0
BASE_FOLDER = "base"
"""Where the base lands inside the target when it is no hub id."""


def pull(
    url: str,
    ref: str,
    target: Path,
    *,
    token: str,
    merged: bool = False,
    progress: Progress | None = None,
) -> str:
    """Fetch a policy from a service at `url` and return its digest.

    `progress(done, total, file)` counts bytes. Raises Forbidden for a bad token, NotFound for an
    unknown checkpoint, RLHFError when the service cannot be reached or bytes were damaged on the
    way. A local base of the service is fetched into `target/base`.
    """
    check_target(target)
    headers = {"Authorization": f"Bearer {token}"}
    address = url.rstrip("/") + "/api/v1/checkpoints"
    with httpx.Client(headers=headers, timeout=TIMEOUT_S, follow_redirects=False) as client:
        told = _get(client, f"{address}/{ref}").json()
        card = _get(client, f"{address}/{told['digest']}/card?merged={merged}").text
        files = [(f"{address}/{told['digest']}/files", "", one) for one in told["files"]]
        base_files = told["base"].get("files", [])
        files += [(f"{address}/{told['digest']}/base", BASE_FOLDER, one) for one in base_files]
        show = _Shown(progress, sum(one["size"] for _, _, one in files))

        def fill(folder: Path) -> None:
            for source, place, one in files:
                _fetch(client, f"{source}/{one['name']}", folder / place, one, show)
            final = target.absolute() / BASE_FOLDER
            finish(
                folder,
                base=str(final) if base_files else told["base"]["path"],
                base_now=folder / BASE_FOLDER if base_files else None,
                digest=told["digest"],
                merged=merged,
                temperature=told["figures"].get("temperature"),
            )
            (folder / CARD).write_text(card, encoding="utf-8")
            if merged and base_files:
                shutil.rmtree(folder / BASE_FOLDER)

        write_folder(target, fill)
    return str(told["digest"])


class _Shown:
    """Bytes so far, told to whoever watches."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def add(self, count: int, name: str) -> None:
        self._done += count
        if self._progress:
            self._progress(self._done, self._total, name)


def _get(client: httpx.Client, address: str) -> httpx.Response:
    try:
        answer = client.get(address)
    except httpx.HTTPError as lost:
        raise RLHFError(f"{address} cannot be reached ({lost}). Is the service up?") from lost
    _check(answer)
    return answer


def _check(answer: httpx.Response) -> None:
    if answer.is_success:
        return
    answer.read()
    try:
        reason = answer.json().get("error", answer.text)
    except ValueError:
        reason = answer.text[:200]
    if answer.status_code in (401, 403):
        raise Forbidden(f"the service refuses this token ({reason or answer.status_code})")
    if answer.status_code == 404:
        raise NotFound(str(reason))
    raise RLHFError(f"the service answered {answer.status_code}: {reason}")


def _fetch(
    client: httpx.Client, address: str, folder: Path, one: dict[str, Any], show: _Shown
) -> None:
    """Stream one file, check its SHA-256, keep its name inside `folder`."""
    name = PurePosixPath(one["name"])
    if name.is_absolute() or ".." in name.parts or len(name.parts) != 1:
        raise UsageError(f"the service offers a file named '{name}', which is refused")
    folder.mkdir(exist_ok=True)
    digest = hashlib.sha256()
    try:
        with client.stream("GET", address) as answer, (folder / name).open("wb") as file:
            _check(answer)
            for part in answer.iter_bytes():
                digest.update(part)
                file.write(part)
                show.add(len(part), name.name)
            file.flush()
            os.fsync(file.fileno())
    except httpx.HTTPError as lost:
        raise RLHFError(f"the connection broke at {name} ({lost}); pull again") from lost
    if digest.hexdigest() != one["sha256"]:
        raise RLHFError(f"{name} arrived damaged; pull again")
