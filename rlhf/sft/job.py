"""One fine-tuning from a cleaned data set to a finished adapter folder, wherever it runs.

Finished work is kept in its folder until it is published, so that a driver that was killed in
between trains nothing twice.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

from rlhf.data.datasets import Dataset, Example, rows
from rlhf.durable import write_whole
from rlhf.errors import UsageError
from rlhf.models.base import load_base, load_tokenizer
from rlhf.settings import Settings
from rlhf.sft.finished import ADAPTER, DONE, figures_of
from rlhf.sft.packing import use_flash_attention
from rlhf.sft.rows import Writer
from rlhf.sft.training import fit
from rlhf.sft.watch import Looked, Progress


def train(
    base: str,
    data: Dataset,
    folder: Path,
    settings: Settings,
    progress: Progress,
    looked: Looked = lambda step, steps, lowest: None,
) -> dict[str, Any]:
    """Train an adapter into `folder`/adapter, or go on where a kill ended it; returns figures.

    Raises UsageError for a data set without a row to learn, ModelError for an unusable base.
    """
    if (folder / DONE).is_file():
        return figures_of(folder)
    tokenizer = load_tokenizer(base)
    model = load_base(base)
    use_flash_attention(model)
    context = int(getattr(model.config.get_text_config(), "max_position_embeddings", 10**9))
    longest = min(settings.sft.max_tokens, context)
    progress(0, 1, "reading the rows")
    learning, checking = Writer(tokenizer, longest), Writer(tokenizer, longest)
    train_rows = list(learning.rows(rows(data, "train")))
    validation = list(checking.rows(_spread(data, settings.sft.validation_rows)))
    if not train_rows:
        raise UsageError(
            f"the data set {data.digest[:12]} has no answer or passage to learn from. "
            "Ingest prompts with answers, conversations or documents, then run `rlhf clean`"
        )
    fitted = fit(
        model,
        tokenizer,
        train_rows,
        validation,
        folder,
        folder / ADAPTER,
        settings=settings.sft,
        lora=settings.lora,
        seed=settings.seed,
        progress=progress,
        looked=looked,
    )
    figures = {
        **asdict(fitted),
        "perplexity": _perplexity(fitted.validation_loss),
        "perplexity_before": _perplexity(fitted.validation_loss_before),
        "rows": learning.count.rows,
        "tokens": learning.count.tokens,
        "learned_tokens": learning.count.learned,
        "rows_shortened": learning.count.shortened,
        "rows_left_out": learning.count.left_out,
        "validation_rows": checking.count.rows,
    }
    write_whole(folder / DONE, lambda file: file.write_text(json.dumps(figures), encoding="utf-8"))
    return figures


def _spread(data: Dataset, most: int) -> Iterator[Example]:
    """At most `most` validation rows, evenly spread over the split."""
    every = math.ceil(sum(1 for _ in rows(data, "validation")) / most)
    return islice(rows(data, "validation"), 0, None, max(1, every))


def _perplexity(loss: float | None) -> float | None:
    return None if loss is None else math.exp(loss)
