"""The model card of a checkpoint: what it is, what it was made from, how to load it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

CARD, LINEAGE = "README.md", "lineage.json"

LIMITS = """It was tuned towards what its annotators preferred, as far as a reward model could
learn that; it has their blind spots, and can be confidently wrong. Measure it on your own
prompts before you rely on it."""


def write(
    folder: Path,
    *,
    base: dict[str, Any],
    round_id: int | None,
    figures: dict[str, Any],
    lineage: dict[str, Any],
) -> None:
    """Write README.md and lineage.json into a checkpoint's folder."""
    plain = json.dumps(lineage, indent=2, sort_keys=True) + "\n"
    (folder / LINEAGE).write_text(plain, encoding="utf-8")
    text = _card(base=base, round_id=round_id, figures=figures, lineage=lineage)
    (folder / CARD).write_text(text, encoding="utf-8")


def _card(
    *,
    base: dict[str, Any],
    round_id: int | None,
    figures: dict[str, Any],
    lineage: dict[str, Any],
) -> str:
    made = (
        "The untouched adapter: it answers exactly as its base does."
        if round_id is None
        else f"Round {round_id} of the feedback loop improved it with PPO."
    )
    head = {"base_model": base["path"], "library_name": "peft", "tags": ["lora", "rlhf", "ppo"]}
    front = "\n".join(f"{key}: {json.dumps(value)}" for key, value in head.items())
    parts = [f"---\n{front}\n---\n", "# A chat model tuned on human feedback\n", f"{made}\n"]
    if figures:
        parts += ["## Figures\n", _table(figures)]
    parts += ["## Made from\n", _table({"base": base["path"], "base sha256": base["sha256"]})]
    if lineage:
        parts.append(_table(lineage))
    parts += [
        "## Limits\n",
        f"{LIMITS}\n",
        "## Load it\n",
        "```python\nfrom peft import AutoPeftModelForCausalLM\n"
        "from transformers import AutoTokenizer\n\n"
        'model = AutoPeftModelForCausalLM.from_pretrained("THIS_FOLDER")\n'
        'tokenizer = AutoTokenizer.from_pretrained("THIS_FOLDER")\n```\n',
    ]
    return "\n".join(parts)


def _table(rows: dict[str, Any]) -> str:
    lines = ["| what | value |", "|---|---|"]
    lines += [f"| {_cell(name)} | {_cell(value)} |" for name, value in rows.items()]
    return "\n".join(lines) + "\n"


def _cell(value: Any) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")[:300]
