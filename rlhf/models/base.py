"""The frozen base: any Hugging Face causal language model, from a folder or a hub id.

Only safetensors are read and no code that comes with a model is run.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Literal

import torch
from huggingface_hub.errors import HFValidationError
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedModel
from transformers import PreTrainedTokenizerBase as Tokenizer

from rlhf.errors import ModelError
from rlhf.models import attention, norm, rotary
from rlhf.models.model_folder import check_folder_if_local
from rlhf.models.turn_end import let_turns_end_as_the_model_does

UNLOADABLE = (OSError, ValueError, KeyError, RuntimeError, SafetensorError, HFValidationError)
"""What the libraries raise for files that are damaged, foreign or not there."""

WIDE = 256
"""Hidden size from which bf16 is worth its rounding on a CPU."""

PLAIN_CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ message['role'] + ': ' + message['content'] }}"
    "{% if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}{{ '\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant:' }}{% endif %}"
)
"""For tokenizers without a template of their own: one `role: text` line per turn."""


def load_tokenizer(path: str | Path) -> Tokenizer:
    """The tokenizer of a base; one without a chat template gets PLAIN_CHAT_TEMPLATE.

    Raises ModelError when there is none, or when it cannot end a turn.
    """
    check_folder_if_local(path)
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(path))
    except UNLOADABLE as missing:
        raise ModelError(f"{path}: no tokenizer can be loaded ({first_line(missing)})") from missing
    if tokenizer.eos_token_id is None:
        raise ModelError(f"{path}: the tokenizer has no end-of-sequence token to end a turn with")
    if tokenizer.chat_template is None:
        tokenizer.chat_template = PLAIN_CHAT_TEMPLATE
    let_turns_end_as_the_model_does(tokenizer, path)
    return tokenizer


def load_base(
    path: str | Path, device: str | torch.device | None = None, *, dtype: torch.dtype | None = None
) -> PreTrainedModel:
    """The model, frozen, in evaluation mode: fp32 on CPU, bf16 on a GPU, unless told otherwise.

    Raises ModelError that says what is missing.
    """
    check_folder_if_local(path)
    place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    dtype = dtype or (torch.bfloat16 if place.type == "cuda" else torch.float32)
    try:
        config = AutoConfig.from_pretrained(str(path))
        if getattr(config, "auto_map", None):
            raise ModelError(f"{path}: this model wants to run code of its own; that is refused")
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            str(path), config=config, dtype=dtype, use_safetensors=True, output_loading_info=True
        )
    except UNLOADABLE as broken:
        raise ModelError(
            f"{path}: no causal language model can be loaded ({first_line(broken)}). "
            "Give a folder with config.json, *.safetensors and a tokenizer, or a hub id"
        ) from broken
    model: PreTrainedModel = loaded[0]
    if missing := sorted(loaded[1]["missing_keys"]):
        raise ModelError(
            f"{path}: the weights are incomplete; {len(missing)} are missing, such as "
            f"{missing[0]}. Copy or download the model again"
        )
    torch.nn.Module.to(model, place)
    model.requires_grad_(False).eval()
    attention.use_where_faster(model)
    norm.use_where_equal(model)
    rotary.use_where_equal(model)
    return model


def ppo_dtype(path: str | Path, precision: Literal["auto", "fp32", "bf16"]) -> torch.dtype | None:
    """What the frozen weights are loaded as for PPO; none leaves it to `load_base`.

    "auto" takes bf16 on a CPU that multiplies it natively, for models that are wide enough to be
    bound by products (tests/benchmarks/README.md).
    """
    if precision != "auto":
        return {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    if torch.cuda.is_available() or not _native_bf16():
        return None
    width = int(AutoConfig.from_pretrained(str(path)).get_text_config().hidden_size)
    return torch.bfloat16 if width >= WIDE else None


def _native_bf16() -> bool:
    told = torch.cpu.get_capabilities()
    return any(told.get(name) for name in ("amx_bf16", "avx512_bf16", "bf16"))


def weights_digest(model: PreTrainedModel) -> str:
    """SHA-256 over the names and values of all weights, in the order of their names.

    Values as bf16, so that a model has one digest in whatever precision it was loaded.
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        plain = tensor.detach().to("cpu", torch.bfloat16).flatten()
        digest.update(plain.view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def first_line(error: BaseException) -> str:
    """What a library said, short enough for a sentence of ours."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
