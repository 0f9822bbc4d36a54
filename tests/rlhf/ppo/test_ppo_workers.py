"""How a batch is cut (over workers, in micro-batches, in what order) changes no result."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TypeVar, get_args

import pytest
import torch
from torch import Tensor

from rlhf.models.base import load_base, load_tokenizer
from rlhf.models.logprobs import response_logprobs
from rlhf.models.roles import RoleModel
from rlhf.ppo import adamw
from rlhf.ppo.experience import Experience
from rlhf.ppo.learner import Learner
from rlhf.ppo.reduce import Alone, Reduce
from rlhf.ppo.rollout import PromptItem
from rlhf.ppo.scoring import add_value
from rlhf.settings import PPO, LoRA, Sampling, ValueLayout

T = TypeVar("T")
LAYOUTS = {
    layout: PPO(minibatch=64, epochs=1, value_warmup=0, value_layout=layout)
    for layout in get_args(ValueLayout)
}
"""One optimiser step on everything: its gradient must not depend on the cut."""


class Pair:
    """One of two threads that agree on sums; one that waits in vain breaks the barrier."""

    size = 2

    def __init__(self, rank: int, meet: threading.Barrier, slots: list[Tensor]) -> None:
        self.rank, self.meet, self.slots = rank, meet, slots

    def sum_(self, tensor: Tensor) -> Tensor:
        self.slots[self.rank] = tensor.detach().clone()
        self.meet.wait()
        total = self.slots[0] + self.slots[1]
        self.meet.wait()
        return tensor.copy_(total)


def learner(folder: Path, ppo: PPO, reduce: Reduce | None = None) -> Learner:
    roles = RoleModel(load_base(folder), load_tokenizer(folder))
    roles.add_role("reward-0", LoRA(r=4), head=True, seed=1)
    roles.add_role("policy", LoRA(r=4), head=False, seed=2)
    add_value(roles, ppo.value_layout, "reward-0")
    return Learner(
        roles,
        ppo,
        Sampling(max_new_tokens=9),
        members=["reward-0"],
        pessimism=0.0,
        seed=5,
        reduce=reduce or Alone(),
    )


def together(folder: Path, ppo: PPO, work: Callable[[Learner], T]) -> list[T]:
    """What each of two workers returns; they load one after the other, then run in threads."""
    meet, slots = threading.Barrier(2, timeout=60), [torch.empty(0)] * 2
    learners = [learner(folder, ppo, Pair(rank, meet, slots)) for rank in range(2)]
    with ThreadPoolExecutor(2) as threads:
        return list(threads.map(work, learners))


def items(count: int) -> list[PromptItem]:
    return [PromptItem(number, 0, [3, *range(20, 21 + number), 1, 4]) for number in range(count)]


def stepped(folder: Path, ppo: PPO, shard: Experience) -> tuple[dict[str, Tensor], dict[str, Any]]:
    one = learner(folder, ppo)
    figures = one.update(0, shard)
    return one.state()[0], figures


def gradients(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """After one step Adam's first moment is a tenth of the gradient, whatever its size."""
    return {name: value for name, value in tensors.items() if name.endswith("/exp_avg")}


def assert_close(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> None:
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        assert torch.allclose(value, theirs[name], atol=1e-6), name


@pytest.fixture(params=LAYOUTS)
def whole(request: pytest.FixtureRequest) -> PPO:
    return LAYOUTS[request.param]


@pytest.fixture
def batch(tiny_llama: Path, whole: PPO) -> Experience:
    return learner(tiny_llama, whole).rollout(0, items(11))


def test_the_cut_into_micro_batches_changes_no_gradient(
    tiny_llama: Path, whole: PPO, batch: Experience, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, figures = stepped(tiny_llama, whole, batch)
    monkeypatch.setattr("rlhf.ppo.learner.TRAINING_STATES", 2000)
    told, again = stepped(tiny_llama, whole, batch)
    assert any(bool(value.any()) for value in gradients(told).values())
    assert_close(gradients(told), gradients(expected))
    assert again["loss/policy_avg"] == pytest.approx(figures["loss/policy_avg"], abs=1e-6)
    assert again["loss/value_avg"] == pytest.approx(figures["loss/value_avg"], abs=1e-6)


def test_the_order_of_a_batch_changes_no_gradient(
    tiny_llama: Path, whole: PPO, batch: Experience
) -> None:
    expected, _ = stepped(tiny_llama, whole, batch)
    told, _ = stepped(tiny_llama, whole, batch.rows(torch.arange(10, -1, -1)))
    assert_close(gradients(told), gradients(expected))


def test_more_padding_changes_no_gradient(tiny_llama: Path, whole: PPO, batch: Experience) -> None:
    wide = {
        field.name: torch.nn.functional.pad(value, (0, 0) * (value.dim() - 2) + (0, 7))
        for field in fields(batch)
        if (value := getattr(batch, field.name)) is not None and value.dim() > 1
    }
    expected, figures = stepped(tiny_llama, whole, batch)
    told, again = stepped(tiny_llama, whole, replace(batch, **wide))
    assert_close(gradients(told), gradients(expected))
    assert again["objective/rlhf_reward"] == pytest.approx(
        figures["objective/rlhf_reward"], abs=1e-6
    )


def test_the_cut_of_the_vocabulary_changes_no_gradient(
    tiny_llama: Path, whole: PPO, batch: Experience, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, _ = stepped(tiny_llama, whole, batch)
    monkeypatch.setattr("rlhf.models.logprobs.CHUNK_ELEMENTS", 261 * 5)
    told, _ = stepped(tiny_llama, whole, batch)
    assert_close(gradients(told), gradients(expected))


def test_every_ratio_is_exactly_1_on_the_same_batch(
    tiny_llama: Path, whole: PPO, batch: Experience
) -> None:
    one = learner(tiny_llama, whole)
    with torch.no_grad():
        hidden = one.roles.hidden("policy", batch.ids, batch.mask)
        drawn = response_logprobs(one.roles, hidden, batch.ids, batch.response_mask, 1.0)
    hidden = one.roles.hidden("policy", batch.ids, batch.mask)
    trained = response_logprobs(one.roles, hidden, batch.ids, batch.response_mask, 1.0)
    assert torch.equal((trained - drawn).exp(), torch.ones_like(drawn))


def test_two_workers_take_the_step_that_one_would(
    tiny_llama: Path, whole: PPO, batch: Experience
) -> None:
    expected, figures = stepped(tiny_llama, whole, batch)

    def work(one: Learner) -> tuple[dict[str, Tensor], dict[str, Any]]:
        again = one.update(0, batch.rows(torch.arange(one.reduce.rank, 11, 2)))
        return one.state()[0], again

    for told, again in together(tiny_llama, whole, work):
        assert_close(gradients(told), gradients(expected))
        same = [name for name in figures if not name.startswith(("time/", "throughput/"))]
        assert {name: again[name] for name in same} == pytest.approx(
            {name: figures[name] for name in same}, abs=1e-5
        )


@pytest.mark.parametrize(("count", "minibatch"), [(13, 4), (5, 2), (9, 1)])
def test_workers_with_unequal_shards_meet_and_stay_the_same_bit_for_bit(
    tiny_llama: Path, count: int, minibatch: int
) -> None:
    ppo = PPO(minibatch=minibatch, epochs=2, value_warmup=3, approx_kl_stop=100)

    def work(one: Learner) -> dict[str, Tensor]:
        for iteration in range(2):
            one.update(iteration, one.rollout(iteration, items(count)[one.reduce.rank :: 2]))
        return one.state()[0]

    first, second = together(tiny_llama, ppo, work)
    assert all(torch.equal(value, second[name]) for name, value in first.items())


def test_an_optimisers_memory_comes_back_bit_for_bit() -> None:
    def fresh() -> tuple[list[torch.nn.Parameter], torch.optim.AdamW]:
        noise = torch.Generator().manual_seed(0)
        parameters = [torch.nn.Parameter(torch.randn(3, 2, generator=noise)) for _ in range(2)]
        return parameters, torch.optim.AdamW(parameters, lr=0.1)

    def step(parameters: list[torch.nn.Parameter], optimiser: torch.optim.AdamW) -> None:
        for parameter in parameters:
            parameter.grad = parameter.detach() ** 3 + 1
        optimiser.step()

    parameters, optimiser = fresh()
    assert adamw.tensors("p", optimiser) == {}
    step(parameters, optimiser)
    saved = adamw.tensors("p", optimiser)
    copied, other = fresh()
    for mine, theirs in zip(copied, parameters, strict=True):
        mine.data.copy_(theirs.data)
    adamw.restore("p", other, saved)
    step(parameters, optimiser)
    step(copied, other)
    assert all(torch.equal(a, b) for a, b in zip(parameters, copied, strict=True))
    assert set(saved) == {f"p/{i}/{m}" for i in (0, 1) for m in adamw.MOMENTS}
    again = adamw.tensors("p", other)
    assert all(torch.equal(value, again[n]) for n, value in adamw.tensors("p", optimiser).items())
