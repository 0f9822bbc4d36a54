"""A small fine-tuning in a process of its own, for the test that kills it."""

from __future__ import annotations

import sys
from pathlib import Path

from rlhf.data.datasets import Example
from rlhf.models.base import load_base, load_tokenizer
from rlhf.settings import SFT, LoRA
from rlhf.sft.rows import Row, Writer
from rlhf.sft.training import Fitted, fit

SETTINGS = SFT(epochs=2, batch_size=4, learning_rate=5e-3, save_every=3, evaluations=5)


def examples(count: int, offset: int = 0) -> list[Example]:
    """Questions of different lengths, and answers that can be learned."""
    return [
        Example(
            "chat",
            [
                {
                    "role": "user",
                    "content": f"Where is order {number}?" + " Please." * (number % 5),
                },
                {"role": "assistant", "content": f"Order {number} is on its way."},
            ],
            "",
            "test",
            str(number),
            number,
        )
        for number in range(offset, offset + count)
    ]


def rows(base: Path, count: int, offset: int = 0) -> list[Row]:
    return list(Writer(load_tokenizer(base), 256).rows(examples(count, offset)))


def train(base: Path, folder: Path, target: Path, settings: SFT = SETTINGS) -> Fitted:
    return fit(
        load_base(base),
        load_tokenizer(base),
        rows(base, 22),
        rows(base, 6, 100),
        folder,
        target,
        settings=settings,
        lora=LoRA(r=4, alpha=8),
        seed=7,
        progress=lambda done, total, text: print(done, flush=True),
    )


if __name__ == "__main__":
    base_folder, work, adapter = map(Path, sys.argv[1:])
    train(base_folder, work, adapter)
