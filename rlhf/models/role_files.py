"""A role on disk: a standard PEFT adapter folder, and the head beside it for a role that scores."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from peft import (
    LoraConfig,
    PeftModel,
    get_peft_model_state_dict,
    set_peft_model_state_dict,
)
from safetensors.torch import load_file, save_file

from rlhf.errors import ModelError
from rlhf.models.head import Head
from rlhf.models.model_folder import PICKLES

ADAPTER, ADAPTER_CONFIG = "adapter_model.safetensors", "adapter_config.json"
HEAD, HEAD_CONFIG = "head.safetensors", "head.json"


def write_adapter(model: PeftModel, name: str, folder: Path, base: str | None) -> None:
    """What PEFT and vLLM load unchanged, from a model that holds the adapter `name`."""
    weights = get_peft_model_state_dict(model, adapter_name=name)
    save_file(
        {key: value.detach().cpu().contiguous().clone() for key, value in weights.items()},
        folder / ADAPTER,
        metadata={"format": "pt"},
    )
    config = model.peft_config[name].to_dict()
    config |= {"inference_mode": True, "base_model_name_or_path": base}
    _write_json(folder / ADAPTER_CONFIG, _plain(config))


def write_head(head: Head, folder: Path, identity: dict[str, Any]) -> None:
    """The head's weights, gain and shift, and what it belongs to."""
    tensors = {name: value.detach().cpu().clone() for name, value in head.state_dict().items()}
    save_file(tensors, folder / HEAD)
    _write_json(folder / HEAD_CONFIG, identity)


def check_adapter(folder: Path) -> None:
    """Raise ModelError for a folder with a pickle, or without the two files of an adapter."""
    pickles = [file.name for pattern in PICKLES for file in folder.glob(pattern)]
    if pickles:
        raise ModelError(f"{folder}: {pickles[0]} is a pickle; only safetensors are read")
    for part in (ADAPTER, ADAPTER_CONFIG):
        if not (folder / part).is_file():
            raise ModelError(f"{folder}: this is no adapter folder; {part} is missing")


def read_config(folder: Path) -> LoraConfig:
    """The adapter's settings, ready to be trained on."""
    config: LoraConfig = LoraConfig.from_pretrained(str(folder))
    config.inference_mode = False
    return config


def read_adapter(model: PeftModel, name: str, folder: Path) -> None:
    """Fill the adapter `name`, which must be there. Raises ModelError when the two do not match."""
    weights = load_file(folder / ADAPTER)
    result: Any = set_peft_model_state_dict(model, weights, adapter_name=name)
    foreign = [key for key in result.unexpected_keys if "lora_" in key]
    if foreign:
        raise ModelError(f"{folder}: the adapter is for another model (has {foreign[0]})")
    absent = [key for key in result.missing_keys if "lora_" in key and f".{name}." in key]
    if absent:
        raise ModelError(f"{folder}: the adapter is incomplete, {absent[0]} is missing")


def read_head(folder: Path, hidden_size: int, identity: dict[str, Any]) -> Head | None:
    """The head in a folder, if there is one. Raises ModelError for half a head or a foreign one."""
    parts = (HEAD, HEAD_CONFIG)
    if not any((folder / part).exists() for part in parts):
        return None
    for part in parts:
        if not (folder / part).is_file():
            raise ModelError(f"{folder}: the reward head is incomplete, {part} is missing")
    told = json.loads((folder / HEAD_CONFIG).read_text(encoding="utf-8"))
    for key, mine in identity.items():
        if told.get(key) != mine:
            raise ModelError(
                f"{folder}: the reward head belongs to another {key.replace('_', ' ')}"
            )
    head = Head(hidden_size, 0)
    head.load_state_dict(load_file(folder / HEAD))
    return head


def _plain(config: dict[str, Any]) -> dict[str, Any]:
    """A PEFT configuration as values that JSON knows, in an order that is always the same."""
    return {
        key: sorted(value) if isinstance(value, set) else getattr(value, "value", value)
        for key, value in config.items()
    }


def _write_json(file: Path, plain: dict[str, Any]) -> None:
    file.write_text(json.dumps(plain, indent=2, sort_keys=True) + "\n", encoding="utf-8")
