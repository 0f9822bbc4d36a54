"""`rlhf pull --from URL`: the same folder, from another machine, with a read-only token."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import httpx

from rlhf.durable import write_folder
from rlhf.errors import Forbidden, NotFound, RLHFError, UsageError
from rlhf.registry.card import CARD
from rlhf.registry.offered import Offer, OfferedFile, offer_in
from rlhf.registry.pulling import check_target, finish

Progress = Callable[[int, int, str], None]
TIMEOUT_S = 60.0
LONGEST_REASON = 200
"""Characters that are shown of an answer in another form than ours."""
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

    `progress(done, total, file)` counts bytes. Raises UsageError for what can be no address or
    token, Forbidden for a bad token, NotFound for an unknown checkpoint, RLHFError when the service
    cannot be reached, is none, or bytes were damaged on the way. A local base of the service is
    fetched into `target/base`.
    """
    check_target(target)
    _check_address(url)
    _check_token(token)
    headers = {"Authorization": f"Bearer {token}"}
    address = url.rstrip("/") + "/api/v1/checkpoints"
    with httpx.Client(headers=headers, timeout=TIMEOUT_S, follow_redirects=False) as client:
        offer = _offer(client, address, ref)
        here = f"{address}/{offer.digest}"
        card = _get(client, f"{here}/card?merged={merged}").text
        files = [(f"{here}/files", "", one) for one in offer.files]
        files += [(f"{here}/base", BASE_FOLDER, one) for one in offer.base_files]
        show = _Shown(progress, sum(one.size for _, _, one in files))

        def fill(folder: Path) -> None:
            for source, place, one in files:
                _fetch(client, f"{source}/{quote(one.name)}", folder / place, one, show)
            final = target.absolute() / BASE_FOLDER
            finish(
                folder,
                base=str(final) if offer.base_files else offer.base,
                base_now=folder / BASE_FOLDER if offer.base_files else None,
                digest=offer.digest,
                merged=merged,
                temperature=offer.temperature,
            )
            (folder / CARD).write_text(card, encoding="utf-8")
            if merged and offer.base_files:
                shutil.rmtree(folder / BASE_FOLDER)

        write_folder(target, fill)
    return offer.digest


def _check_address(url: str) -> None:
    try:
        parts = httpx.URL(url)
        usable = parts.scheme in ("http", "https") and bool(parts.host)
    except (httpx.InvalidURL, ValueError):
        usable = False
    if not usable:
        raise UsageError(
            f"'{url}' is no address of a service; give one such as http://ml-server:7860"
        )


def _check_token(token: str) -> None:
    """Refuse what no header can carry, without showing it."""
    if not token or not token.isascii() or not token.isprintable():
        raise UsageError(
            "the token must be one line of plain characters, as `rlhf users token` prints it"
        )


def _offer(client: httpx.Client, address: str, ref: str) -> Offer:
    if ref in ("", ".", ".."):
        raise NotFound(f"no checkpoint is called '{ref}'")
    answer = _get(client, f"{address}/{quote(ref, safe='', errors='surrogateescape')}")
    try:
        return offer_in(answer.json())
    except (LookupError, TypeError, AttributeError, ValueError, OverflowError) as foreign:
        raise RLHFError(f"{address} is no rlhf service: it answers something else") from foreign


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
        reason = answer.json()["error"]
    except (ValueError, LookupError, TypeError):
        reason = " ".join(answer.text.split())[:LONGEST_REASON]
    if answer.status_code in (401, 403):
        raise Forbidden(f"the service refuses this token ({reason or answer.status_code})")
    if answer.status_code == 404:
        raise NotFound(str(reason))
    raise RLHFError(f"the service answered {answer.status_code}: {reason}")


def _fetch(
    client: httpx.Client, address: str, folder: Path, one: OfferedFile, show: _Shown
) -> None:
    """Stream one file into `folder` and check its SHA-256."""
    folder.mkdir(exist_ok=True)
    digest = hashlib.sha256()
    try:
        with client.stream("GET", address) as answer, (folder / one.name).open("wb") as file:
            _check(answer)
            for part in answer.iter_bytes():
                digest.update(part)
                file.write(part)
                show.add(len(part), one.name)
            file.flush()
            os.fsync(file.fileno())
    except httpx.HTTPError as lost:
        raise RLHFError(f"the connection broke at {one.name} ({lost}); pull again") from lost
    if digest.hexdigest() != one.sha256:
        raise RLHFError(f"{one.name} arrived damaged; pull again")
