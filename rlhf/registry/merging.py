"""A pulled adapter and its base become one model, for servers that take no adapters."""

from __future__ import annotations

from pathlib import Path

from peft import PeftModel

from rlhf.models.base import load_base, load_tokenizer
from rlhf.models.role_files import ADAPTER, ADAPTER_CONFIG


def merge_in_place(folder: Path, base: str) -> None:
    """Replace the adapter in `folder` by the full model: safetensors, config and tokenizer."""
    adapted = PeftModel.from_pretrained(load_base(base, device="cpu"), str(folder))
    adapted.merge_and_unload().save_pretrained(folder)
    load_tokenizer(base).save_pretrained(folder)
    for name in (ADAPTER, ADAPTER_CONFIG):
        (folder / name).unlink()
