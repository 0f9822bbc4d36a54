"""What a model's folder must hold, told without loading anything of it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from rlhf.errors import ModelError

PICKLES = ("*.bin", "*.pt", "*.pth", "*.pkl", "*.ckpt")


def check_folder_if_local(path: str | Path) -> None:
    """As `check_folder`, for what cannot be a hub id."""
    folder = Path(path).expanduser()
    if folder.exists() or str(path).startswith((".", "/", "~")):
        check_folder(folder)


def check_folder(folder: Path) -> None:
    """Raise ModelError, in words, where a folder holds no model that will be read."""
    if not folder.exists():
        raise ModelError(f"{folder}: there is no such folder")
    if not folder.is_dir():
        raise ModelError(f"{folder}: this is a file; give the folder of a model")
    if not (folder / "config.json").is_file():
        raise ModelError(f"{folder}: this is no model folder; config.json is missing")
    try:
        plain = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as broken:
        raise ModelError(f"{folder / 'config.json'}: not valid JSON ({broken})") from broken
    if "model_type" not in plain:
        raise ModelError(f"{folder / 'config.json'}: names no model_type")
    if not any(folder.glob("*.safetensors")):
        pickles = [file.name for pattern in PICKLES for file in folder.glob(pattern)]
        hint = f"; {pickles[0]} is a pickle, convert it to safetensors" if pickles else ""
        raise ModelError(f"{folder}: no *.safetensors weights are in it{hint}")
    if not any((folder / name).is_file() for name in ("tokenizer.json", "tokenizer_config.json")):
        raise ModelError(f"{folder}: no tokenizer is in it (tokenizer.json)")


def folder_digest(folder: Path) -> str:
    """SHA-256 over configuration and weights."""
    digest = hashlib.sha256()
    for file in (folder / "config.json", *sorted(folder.glob("*.safetensors"))):
        digest.update(file.name.encode())
        with file.open("rb") as data:
            digest.update(hashlib.file_digest(data, "sha256").digest())
    return digest.hexdigest()
