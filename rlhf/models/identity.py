"""Which base a home belongs to.

Only a base from a hub is loaded to know it: for a folder this room stays without torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rlhf.models.model_folder import check_folder, folder_digest


@dataclass(frozen=True, slots=True)
class BaseIdentity:
    """Which base a home belongs to: where it was found, and the hash of what it is."""

    path: str
    """Absolute folder or hub id."""
    kind: str
    """"folder" or "hub"."""
    revision: str | None
    """Commit of a hub model."""
    sha256: str
    """Over configuration and weights."""


def base_identity(path: str | Path) -> BaseIdentity:
    """Look a base up and hash it. Raises ModelError when it is no usable model."""
    folder = Path(path).expanduser()
    if folder.exists():
        folder = folder.resolve()
        check_folder(folder)
        return BaseIdentity(str(folder), "folder", None, folder_digest(folder))
    from rlhf.models.base import load_base, weights_digest

    model = load_base(path)
    revision = getattr(model.config, "_commit_hash", None)
    return BaseIdentity(str(path), "hub", revision, weights_digest(model))
