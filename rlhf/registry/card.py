"""The short model card that is published inside a checkpoint: what it is and what it came from.

A checkpoint never changes, so this card knows nothing of what was measured later;
`rlhf.registry.full_card` writes the one that does, whenever somebody asks.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rlhf.markdown import inline, table

CARD, LINEAGE = "README.md", "lineage.json"

LIMITS = """It was tuned towards what its annotators preferred, as far as a reward model could
learn that; it has their blind spots, and can be confidently wrong. Measure it on your own
prompts before you rely on it."""

LOAD_ADAPTER = """```python
from peft import AutoPeftModelForCausalLM
from transformers import AutoTokenizer

model = AutoPeftModelForCausalLM.from_pretrained("THIS_FOLDER")
tokenizer = AutoTokenizer.from_pretrained("THIS_FOLDER")
```
"""
LOAD_MERGED = """```python
from transformers import AutoModelForCausalLM, AutoTokenizer

model = AutoModelForCausalLM.from_pretrained("THIS_FOLDER")
tokenizer = AutoTokenizer.from_pretrained("THIS_FOLDER")
```
"""
LOAD_GENERATION = """```python
from transformers import GenerationConfig

model.generation_config = GenerationConfig.from_pretrained("THIS_FOLDER")
```
"""


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
    parts = [
        front_matter({"base_model": base["path"], "library_name": "peft", "tags": tags(lineage)}),
        "# A chat model tuned on human feedback\n",
        f"{made_by(round_id, lineage)}\n",
    ]
    if figures:
        parts += ["## Figures\n", facts_table(figures)]
    parts += [
        "## Made from\n",
        facts_table({"base": base["path"], "base sha256": base["sha256"], **lineage}),
        "## Limits\n",
        f"{LIMITS}\n",
        "`rlhf card` writes the whole card: data, settings, evaluation, bias.\n",
        "## Load it\n",
        LOAD_ADAPTER,
    ]
    (folder / CARD).write_text("\n".join(parts), encoding="utf-8")


def front_matter(head: dict[str, Any]) -> str:
    """YAML between its lines; JSON is YAML, and no text can end it early."""
    lines = [
        f"{key}: {json.dumps(_printable(value), ensure_ascii=False)}" for key, value in head.items()
    ]
    return "\n".join(("---", *lines, "---", ""))


def facts_table(rows: dict[str, Any]) -> str:
    """Names and values; whatever people or models wrote stays text."""
    return table(("what", "value"), rows.items())


def made_by(round_id: int | None, lineage: dict[str, Any]) -> str:
    """In a sentence, what made the checkpoint."""
    if round_id is not None:
        return f"Round {round_id} of the feedback loop improved it with PPO."
    if "sft" in lineage:
        digest = inline((lineage["sft"] or {}).get("dataset", "")[:12])
        return f"It was fine-tuned on the answers of the cleaned data set {digest}."
    return "The untouched adapter: it answers exactly as its base does."


def serving(figures: dict[str, Any], *, merged: bool) -> list[str]:
    """At which temperature it was found to answer best, where that is known; how to have it so."""
    if "temperature" not in figures:
        return []
    told = (
        f"Its answers were liked best at temperature {figures['temperature']:g}, as "
        "`generation_config.json` says. "
    )
    if merged:
        return [f"{told}`generate`, `transformers serve` and vLLM read it by themselves.\n"]
    return [f"{told}With an adapter, load that too:\n", LOAD_GENERATION]


def tags(lineage: dict[str, Any]) -> list[str]:
    """What a model hub files it under."""
    return ["lora", "sft"] if "sft" in lineage else ["lora", "rlhf", "ppo"]


def _printable(value: Any) -> Any:
    """Texts without characters that YAML has no name for."""
    if isinstance(value, list):
        return [_printable(one) for one in value]
    if isinstance(value, str):
        return "".join(one if one.isprintable() else " " for one in value)
    return value
