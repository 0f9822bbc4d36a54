"""Cheap passes of one token a row give what the plain ones give."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers.cache_utils import DynamicLayer

from rlhf.models.decoding import FEW, RoomyLayer, product

ROWS = 6


def grown(make: Callable[[], DynamicLayer], steps: list[int]) -> list[torch.Tensor]:
    """Everything a layer shows as it grows by `steps` tokens; 0 drops a row."""
    noise = torch.Generator().manual_seed(0)
    layer, rows, seen = make(), ROWS, []
    for tokens in steps:
        if tokens == 0:
            if rows > 1 and layer.is_initialized:
                rows -= 1
                layer.batch_select_indices(torch.arange(rows).flip(0))
            continue
        new = torch.randn(2, rows, 2, tokens, 3, generator=noise)
        seen += [one.clone() for one in layer.update(*new)]
        assert layer.get_seq_length() == seen[-1].shape[-2]
    return seen


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([0, 1, 1, 1, 2, 70]), max_size=12))
def test_a_cache_with_room_shows_what_one_without_shows(steps: list[int]) -> None:
    ours, theirs = (grown(make, steps) for make in (RoomyLayer, DynamicLayer))
    assert len(ours) == len(theirs)
    assert all(torch.equal(one, other) for one, other in zip(ours, theirs, strict=True))


def test_what_was_shown_before_is_not_overwritten() -> None:
    layer = RoomyLayer()  # type: ignore[no-untyped-call]
    first, _ = layer.update(torch.ones(1, 1, 2, 3), torch.ones(1, 1, 2, 3))
    layer.update(torch.zeros(1, 1, 1, 3), torch.zeros(1, 1, 1, 3))
    assert torch.equal(first, torch.ones(1, 1, 2, 3))


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("rows", [1, FEW, FEW + 1])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_product_with_few_rows_is_the_plain_one(
    dtype: torch.dtype, rows: int, bias: bool
) -> None:
    noise = torch.Generator().manual_seed(1)
    x, weight = (
        torch.randn(*shape, generator=noise).to(dtype) for shape in ((rows, 1, 32), (48, 32))
    )
    added = torch.randn(48, generator=noise).to(dtype) if bias else None
    expected = torch.nn.functional.linear(x.double(), weight.double())
    expected = expected + added.double() if added is not None else expected
    told = product(x, weight, added)
    assert told.shape == (rows, 1, 48)
    assert told.is_contiguous()
    allowed = 2**-7 if dtype == torch.bfloat16 else 1e-5
    assert torch.allclose(told.double(), expected, rtol=allowed, atol=4 * allowed)
