"""Answers: drawn from the distribution they should be, the same in any company, ended in time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from rlhf.models.base import load_base, load_tokenizer
from rlhf.models.roles import RoleModel
from rlhf.models.sampling import SampledResponse, sample
from rlhf.settings import LoRA, Sampling
from tests.shapes import SHAPES, made

PROMPTS = [[3, 20, 30, 1, 4], [3, 9, 8, 7, 6, 5, 60, 70, 80, 90, 1, 4], [3, 1, 4]]
END = 1


def with_opinions(folder: Path) -> RoleModel:
    """A random model is nearly indifferent; larger weights give its logits a shape."""
    base = load_base(folder)
    with torch.no_grad():
        for parameter in base.parameters():
            parameter.mul_(3 if parameter.dim() > 1 else 1)
    roles = RoleModel(base, load_tokenizer(folder))
    roles.add_role("policy", LoRA(r=4), head=False, seed=0)
    return roles


@pytest.fixture
def roles(tiny_llama: Path) -> RoleModel:
    return with_opinions(tiny_llama)


def answers(
    roles: RoleModel, prompts: list[list[int]], sampling: Sampling, first: int = 0
) -> list[SampledResponse]:
    keys = [(7, first + row) for row in range(len(prompts))]
    return sample(roles, prompts, role="policy", sampling=sampling, noise_keys=keys)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_tokens_come_as_often_as_the_model_says(roles: RoleModel, temperature: float) -> None:
    """Pearson's statistic over 261 tokens has mean 260 and standard deviation 23."""
    count = 8000
    drawn = answers(
        roles, [PROMPTS[0]] * count, Sampling(max_new_tokens=1, temperature=temperature)
    )
    roles.use(None)
    with torch.no_grad():
        logits = roles.base(input_ids=torch.tensor([PROMPTS[0]])).logits[0, -1].double()
    expected = torch.softmax(logits / temperature, -1) * count
    seen = torch.bincount(torch.tensor([one.ids[0] for one in drawn]), minlength=len(expected))
    assert expected.max() > 2 * expected.min()
    assert float(((seen - expected) ** 2 / expected).sum()) < 260 + 5 * 23


@pytest.mark.parametrize("kind", SHAPES)
def test_the_coldest_answer_is_the_greedy_one(kind: str, tiny_llama: Path, tmp_path: Path) -> None:
    """Left padding, the cache and leaving rows change nothing: transformers' own loop agrees."""
    roles = with_opinions(made(kind, tmp_path / kind, tiny_llama))
    drawn = answers(roles, PROMPTS, Sampling(max_new_tokens=24, temperature=1e-6))
    for prompt, one in zip(PROMPTS, drawn, strict=True):
        roles.use(None)
        with torch.no_grad():
            generate: Any = roles.base.generate
            told = generate(
                torch.tensor([prompt]), max_new_tokens=24, do_sample=False, pad_token_id=0
            )
        assert one.ids == told[0, len(prompt) :].tolist()


def test_a_sliding_window_sees_the_same_as_a_whole_pass(tiny_llama: Path, tmp_path: Path) -> None:
    roles = with_opinions(made("mistral", tmp_path / "mistral", tiny_llama))
    roles.base.config.sliding_window = 6
    for prompt, one in zip(
        PROMPTS, answers(roles, PROMPTS, Sampling(max_new_tokens=24, temperature=1e-6)), strict=True
    ):
        whole = torch.tensor([[*prompt, *one.ids]])
        with torch.no_grad():
            logits = roles.logits(roles.hidden(None, whole, torch.ones_like(whole)))
        assert logits[0, len(prompt) - 1 : -1].argmax(-1).tolist() == one.ids


def test_a_key_draws_the_same_answer_in_any_company(roles: RoleModel) -> None:
    sampling = Sampling(max_new_tokens=20)
    together = answers(roles, PROMPTS * 4, sampling)
    for row in (0, 4, 11):
        assert answers(roles, [PROMPTS[row % 3]], sampling, first=row) == [together[row]]
    assert answers(roles, [PROMPTS[0]], sampling, first=99) != [together[0]]


def test_a_long_neighbour_near_the_context_cuts_nobody_else_short(roles: RoleModel) -> None:
    roles.base.config.max_position_embeddings = 30
    sampling = Sampling(max_new_tokens=20, temperature=0.5)
    long, full = [5] * 27, [5] * 30
    drawn = answers(roles, [PROMPTS[2], long, full], sampling)
    assert drawn[0] == answers(roles, [PROMPTS[2]], sampling)[0]
    assert len(long) + len(drawn[1].ids) <= 30
    assert drawn[2] == SampledResponse([], finished=False)


def test_learnt_positions_end_at_the_context(tiny_llama: Path, tmp_path: Path) -> None:
    roles = with_opinions(made("gpt2", tmp_path / "gpt2", tiny_llama))
    roles.base.generation_config.eos_token_id = None
    prompts = [[5] * 230, *PROMPTS * 3]
    drawn = answers(roles, prompts, Sampling(max_new_tokens=45))
    assert len(drawn[0].ids) == 26 or drawn[0].finished
    assert all(one.finished or len(one.ids) == 45 for one in drawn[1:])


def test_an_answer_ends_at_any_end_token_and_keeps_the_one_that_was_drawn(
    roles: RoleModel,
) -> None:
    ends = {END, *range(100, 160)}
    roles.base.generation_config.eos_token_id = sorted(ends)
    drawn = answers(roles, PROMPTS * 20, Sampling(max_new_tokens=6, temperature=2.0))
    assert {one.finished for one in drawn} == {True, False}
    for one in drawn:
        assert not ends & set(one.said)
        assert one.finished == (one.ids[-1] in ends)
        assert one.finished or len(one.ids) == 6
    assert {one.ids[-1] for one in drawn if one.finished} - {END}
