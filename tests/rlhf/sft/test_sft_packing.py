"""Rows without padding: only with FlashAttention, and with the same loss as padded ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from rlhf.models.base import load_base
from rlhf.sft.packing import kernel, packed, use_flash_attention
from rlhf.sft.training import collator, mean_loss
from tests.killed_sft import rows, train

GPU: dict[str, Any] = {"able": True, "device": "cuda", "dtype": torch.bfloat16}


def test_flash_attention_is_used_where_it_is_installed_the_faster_first() -> None:
    assert kernel(["flash_attention_2"], **GPU) == "flash_attention_2"
    assert kernel(["flash_attention_2", "flash_attention_3"], **GPU) == "flash_attention_3"
    assert kernel([], **GPU) is None


@pytest.mark.parametrize(
    "otherwise", [{"able": False}, {"device": "cpu"}, {"dtype": torch.float32}]
)
def test_it_is_not_used_where_it_cannot_be(otherwise: dict[str, Any]) -> None:
    assert kernel(["flash_attention_2"], **{**GPU, **otherwise}) is None


def test_on_a_cpu_rows_stay_padded(tiny_llama: Path) -> None:
    model = load_base(tiny_llama, device="cpu")
    before = model.config._attn_implementation
    use_flash_attention(model)
    assert model.config._attn_implementation == before
    assert not packed(model)


@torch.no_grad()
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_the_loss_of_packed_rows_is_that_of_each_alone(tiny_llama: Path, attention: str) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_llama, attn_implementation=attention)
    some = rows(tiny_llama, 8)
    batch = collator(0, packed=True)([{"input_ids": r.ids, "labels": r.labels} for r in some])
    assert batch["input_ids"].shape == (1, sum(len(row.ids) for row in some))
    alone = mean_loss(model, some)
    assert float(model(**batch, use_cache=False).loss) == pytest.approx(alone, abs=1e-5)
    mixed = {name: batch[name] for name in ("input_ids", "labels")}
    assert float(model(**mixed, use_cache=False).loss) != pytest.approx(alone, abs=1e-4)


def test_training_on_packed_rows_ends_where_padded_ones_do(
    tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apart = train(tiny_llama, tmp_path / "work", tmp_path / "adapter")
    monkeypatch.setattr("rlhf.sft.training.packed", lambda _: True)
    together = train(tiny_llama, tmp_path / "packed", tmp_path / "again")
    assert together.steps == apart.steps
    assert together.train_loss == pytest.approx(apart.train_loss, abs=1e-4)
    assert together.validation_loss == pytest.approx(apart.validation_loss, abs=1e-4)
