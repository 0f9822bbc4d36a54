"""From a finished folder to `checkpoints/<digest>`: whole or not at all, always the same."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from rlhf.durable import file_digest, replace_folder
from rlhf.errors import NotFound, RLHFError

MANIFEST = "manifest.json"


def publish(home: Path, folder: Path) -> str:
    """Move `folder` into the home's checkpoints and return its digest.

    The digest covers the name, size and SHA-256 of every file. Publishing the same content again
    drops the new copy, or puts it in the place of one that was damaged meanwhile.
    """
    plain = _describe(folder)
    digest = _digest(plain)
    final = home / "checkpoints" / digest
    manifest = (json.dumps(plain, indent=2, sort_keys=True) + "\n").encode()
    if _is_whole(final, plain, manifest):
        shutil.rmtree(folder)
        return digest
    (folder / MANIFEST).write_bytes(manifest)
    replace_folder(folder, final)
    return digest


def _is_whole(folder: Path, plain: dict[str, Any], manifest: bytes) -> bool:
    told = folder / MANIFEST
    return told.is_file() and told.read_bytes() == manifest and _describe(folder) == plain


def checkpoint_path(home: Path, digest: str) -> Path:
    """The folder of a published checkpoint. Raises NotFound when its bytes are not here."""
    folder = home / "checkpoints" / digest
    if not (folder / MANIFEST).is_file():
        raise NotFound(f"checkpoint {digest[:12]} is not in {home / 'checkpoints'}")
    return folder


def verify(home: Path, digest: str) -> Path:
    """The folder of a checkpoint after reading every byte. Raises RLHFError when it is damaged."""
    folder = checkpoint_path(home, digest)
    wrong = _damaged(folder, digest)
    if wrong:
        raise RLHFError(
            f"checkpoint {digest[:12]} is damaged ({', '.join(wrong)}). Restore {folder} from a "
            "backup, or roll back to another checkpoint"
        )
    return folder


def _damaged(folder: Path, digest: str) -> list[str]:
    """Names of the files that are not as they were published; of the manifest where it is not."""
    found = _describe(folder)["files"]
    try:
        told = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        files = told["files"]
        wrong = [name for name in {*files, *found} if files.get(name) != found.get(name)]
    except (ValueError, KeyError, TypeError, AttributeError, OSError):
        return [MANIFEST]
    if not wrong and _digest(told) != digest:
        return [MANIFEST]
    return sorted(wrong)


def _describe(folder: Path) -> dict[str, Any]:
    files = {
        path.relative_to(folder).as_posix(): {
            "sha256": file_digest(path),
            "size": path.stat().st_size,
        }
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path != folder / MANIFEST
    }
    return {"files": files}


def _digest(plain: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()
