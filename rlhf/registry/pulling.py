"""`rlhf pull`: a checkpoint as a folder that plain PEFT and transformers load."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from rlhf.durable import check_place, write_folder
from rlhf.errors import NotFound, UsageError
from rlhf.registry.card import CARD
from rlhf.registry.full_card import full_card
from rlhf.registry.publishing import MANIFEST, verify
from rlhf.settings import load_settings
from rlhf.store import Store, checkpoints

ADAPTER_CONFIG, GENERATION = "adapter_config.json", "generation_config.json"
SHAPING = ("min_p", "typical_p", "repetition_penalty", "no_repeat_ngram_size", "num_beams")
"""Generation settings that change what is drawn; no answer was judged with them."""
PULLED = "pulled.json"
"""Marks a folder as an earlier pull, which the next one may replace."""

TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "special_tokens_map.json",
    "added_tokens.json",
    "tokenizer.model",
    "vocab.json",
    "merges.txt",
)


def pull(store: Store, home: Path, ref: str, target: Path, *, merged: bool = False) -> str:
    """Write a policy into `target` as a PEFT adapter, or merged with its base; returns its digest.

    `ref` is an alias, a version ("v3") or a digest; the model card is the whole one, as of now.
    Raises NotFound for an unknown one, UsageError for a target that holds something else,
    RLHFError for damaged bytes.
    """
    check_target(target)
    with store.read() as tx:
        wanted = checkpoints.resolve(tx, ref)
        card = full_card(tx, wanted.digest, load_settings(home).card, merged=merged)
    source = verify(home, wanted.digest)
    base = str(wanted.base["path"])

    def fill(folder: Path) -> None:
        copy_adapter(source, folder)
        temperature = wanted.figures.get("temperature")
        finish(folder, base=base, digest=wanted.digest, merged=merged, temperature=temperature)
        (folder / CARD).write_text(card, encoding="utf-8")

    write_folder(target, fill)
    return wanted.digest


def check_target(target: Path) -> None:
    """Raise UsageError unless `target` is new, empty, or an earlier pull."""
    check_place(target)
    if target.exists() and not target.is_dir():
        raise UsageError(f"{target} is a file; give a folder to pull into")
    if target.is_dir() and any(target.iterdir()) and not (target / PULLED).is_file():
        raise UsageError(f"{target} is not empty and no earlier pull; give a new folder")


def copy_adapter(source: Path, folder: Path) -> None:
    """The published files, without the manifest that names them."""
    for file in source.iterdir():
        if file.name != MANIFEST:
            shutil.copy2(file, folder / file.name)


def finish(
    folder: Path,
    *,
    base: str,
    digest: str,
    merged: bool,
    temperature: float | None,
    base_now: Path | None = None,
) -> None:
    """Point the adapter at its base and add the tokenizer; or merge both into one model.

    `base_now` is where the base lies until `folder` is moved into its place; `temperature` that at
    which the model is served, None where it is not known.
    """
    config = json.loads((folder / ADAPTER_CONFIG).read_text(encoding="utf-8"))
    config["base_model_name_or_path"] = base
    (folder / ADAPTER_CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    _add_tokenizer(str(base_now or base), folder)
    if merged:
        from rlhf.registry.merging import merge_in_place

        merge_in_place(folder, str(base_now or base))
    if temperature is not None:
        _add_generation_settings(str(base_now or base), folder, temperature)
    plain = {"checkpoint": digest, "base": base, "merged": merged, "temperature": temperature}
    (folder / PULLED).write_text(json.dumps(plain, indent=2) + "\n", encoding="utf-8")


def _add_generation_settings(base: str, folder: Path, temperature: float) -> None:
    """Those of the base, where they are known; answers are drawn as they were when judged."""
    known = next((one for one in (folder, Path(base)) if (one / GENERATION).is_file()), None)
    told = json.loads((known / GENERATION).read_text(encoding="utf-8")) if known else {}
    kept = {name: value for name, value in told.items() if name not in SHAPING}
    drawn = {"do_sample": True, "temperature": temperature, "top_k": 0, "top_p": 1.0}
    plain = json.dumps({**kept, **drawn}, indent=2, sort_keys=True)
    (folder / GENERATION).write_text(plain + "\n", encoding="utf-8")


def _add_tokenizer(base: str, folder: Path) -> None:
    """Copy a local base's tokenizer; a hub base's is found by its id."""
    local = Path(base)
    if not local.is_dir():
        if local.is_absolute():
            raise NotFound(f"the base model is no longer at {base}; put it back, then pull again")
        return
    for name in TOKENIZER_FILES:
        if (local / name).is_file():
            shutil.copy2(local / name, folder / name)
