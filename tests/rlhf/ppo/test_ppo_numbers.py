"""Every formula of PPO against a computation by another hand."""

from __future__ import annotations

import math
import random
import threading
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from rlhf.ppo.advantages import conservative_score, gae, place_rewards, whiten
from rlhf.ppo.kl import k1, k3
from rlhf.ppo.kl_coef import KLController, carried
from rlhf.ppo.objective import policy_loss, value_loss
from rlhf.ppo.reduce import Alone
from rlhf.ppo.stops import reason
from rlhf.settings import PPO


def ragged(rows: int, width: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Rewards, values and a mask whose ones stand together, somewhere in each row."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((rows, width))
    for row in mask:
        start = rng.integers(0, width - 1)
        row[start : rng.integers(start + 1, width + 1)] = 1
    reward, value = (rng.normal(size=mask.shape) * mask for _ in range(2))
    return torch.tensor(reward), torch.tensor(value), torch.tensor(mask)


@pytest.mark.parametrize(("gamma", "lam"), [(1.0, 0.95), (0.9, 0.5), (1.0, 1.0), (1.0, 0.0)])
def test_gae_is_the_sum_that_its_definition_says(gamma: float, lam: float) -> None:
    reward, value, mask = ragged(7, 11, seed=3)
    told = gae(reward, value, mask, gamma=gamma, lam=lam)
    for row in range(7):
        places = [s for s in range(11) if mask[row, s]]
        for at, s in enumerate(places):
            expected = 0.0
            for steps, t in enumerate(places[at:]):
                after = float(value[row, t + 1]) if t + 1 in places else 0.0
                delta = float(reward[row, t]) + gamma * after - float(value[row, t])
                expected += (gamma * lam) ** steps * delta
            assert float(told[row, s]) == pytest.approx(expected, abs=1e-12)
    assert torch.equal(told * (1 - mask), torch.zeros_like(told))


def test_gae_by_literal_numbers() -> None:
    reward, value = torch.tensor([[0.0, 0.0, 1.0]]), torch.tensor([[0.5, 0.4, 0.2]])
    told = gae(reward, value, torch.ones(1, 3), gamma=1.0, lam=0.5)
    assert told.tolist()[0] == pytest.approx([0.0, 0.2, 0.8], abs=1e-6)


def test_whitening_is_numpys_over_the_response_tokens() -> None:
    values, _, mask = ragged(6, 9, seed=5)
    told = whiten(values, mask, Alone()).numpy()
    inside = values.numpy()[mask.numpy() == 1]
    expected = (inside - inside.mean()) / np.sqrt(inside.var() + 1e-8)
    assert told[mask.numpy() == 1] == pytest.approx(expected)
    assert not told[mask.numpy() == 0].any()


class Together:
    """Two workers in threads that agree on sums."""

    size = 2

    def __init__(self, rank: int, shared: dict[str, Any]) -> None:
        self.rank, self.shared = rank, shared

    def sum_(self, tensor: Tensor) -> Tensor:
        self.shared[f"{self.rank}"] = tensor.clone()
        self.shared["meet"].wait()
        total = self.shared["0"] + self.shared["1"]
        self.shared["meet"].wait()
        return tensor.copy_(total)


def test_two_workers_whiten_as_one_would() -> None:
    values, _, mask = ragged(8, 9, seed=6)
    shared: dict[str, Any] = {"meet": threading.Barrier(2)}
    told: dict[int, Tensor] = {}

    def work(rank: int) -> None:
        told[rank] = whiten(values[rank::2], mask[rank::2], Together(rank, shared))

    workers = [threading.Thread(target=work, args=(rank,)) for rank in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    whole = whiten(values, mask, Alone())
    assert torch.allclose(told[0], whole[0::2])
    assert torch.allclose(told[1], whole[1::2])


def test_the_reward_falls_on_the_last_token_and_a_missing_end_costs() -> None:
    mask = torch.tensor([[0.0, 1, 1, 0], [0, 1, 1, 1], [0, 0, 0, 0]])
    kl = torch.full((3, 4), 0.5)
    told = place_rewards(
        torch.tensor([9.0, 2.0, 3.0]),
        kl,
        mask,
        torch.tensor([True, False, False]),
        kl_coef=0.2,
        score_clip=5.0,
        missing_eos_penalty=1.0,
    )
    assert told.tolist() == [
        pytest.approx([0, -0.1, 4.9, 0]),
        pytest.approx([0, -0.1, -0.1, 0.9]),
        pytest.approx([0, 0, 0, 0]),
    ]


def test_the_conservative_score_is_mean_less_spread() -> None:
    scores = torch.tensor([[1.0, 0.0], [3.0, 0.0]])
    assert conservative_score(scores, 1.0).tolist() == pytest.approx([1.0, 0.0])
    assert conservative_score(scores, 0.5).tolist() == pytest.approx([1.5, 0.0])
    assert conservative_score(scores[:1], 1.0).tolist() == pytest.approx([1.0, 0.0])


@pytest.mark.parametrize(
    ("ratio", "advantage", "expected"),
    [
        (1.0, 2.0, 2.0),
        (1.5, 2.0, 2.4),  # clipped from above
        (0.5, 2.0, 1.0),
        (0.5, -2.0, -1.6),  # clipped from below
        (1.5, -2.0, -3.0),
        (9.0, -2.0, -6.0),  # dual clip: not below 3 times the advantage
    ],
)
def test_the_clipped_objective_by_hand(ratio: float, advantage: float, expected: float) -> None:
    one = torch.ones(1, 1)
    told = policy_loss(
        one * math.log(ratio), one * 0, one * advantage, one, clip=0.2, dual_clip=3.0
    )
    assert -float(told.loss) == pytest.approx(expected)
    assert float(told.clipped) == float(abs(ratio - 1) > 0.2)
    assert float(told.approx_kl) == pytest.approx(ratio - 1 - math.log(ratio))


def test_the_value_loss_takes_the_larger_error() -> None:
    one = torch.ones(1, 1)
    far = value_loss(one * 2.0, one * 1.0, one * 2.0, one, clip=0.2)
    assert float(far.loss) == pytest.approx(0.5 * 0.8**2)
    assert float(far.clipped) == 1
    near = value_loss(one * 1.1, one * 1.0, one * 2.0, one, clip=0.2)
    assert float(near.loss) == pytest.approx(0.5 * 0.9**2)


def test_losses_ignore_what_stands_outside_the_response() -> None:
    _, _, mask = ragged(4, 8, seed=1)
    noise = torch.randn(4, 8, generator=torch.Generator().manual_seed(0)).double()
    clean, dirty = noise * mask, noise + (1 - mask) * 0.7
    for given in (clean, dirty):
        told = policy_loss(given, clean * 0.9, noise * mask, mask, clip=0.2, dual_clip=3.0)
        lost = value_loss(given, clean * 0.9, noise * mask, mask, clip=0.2)
        assert float(told.loss) == pytest.approx(
            float(policy_loss(clean, clean * 0.9, noise, mask, clip=0.2, dual_clip=3.0).loss)
        )
        assert float(lost.loss) == pytest.approx(
            float(value_loss(clean, clean * 0.9, noise * mask, mask, clip=0.2).loss)
        )


def test_kl_estimators_agree_with_the_exact_divergence() -> None:
    p, q = torch.tensor([0.5, 0.3, 0.2]).log(), torch.tensor([0.2, 0.5, 0.3]).log()
    exact = float((p.exp() * (p - q)).sum())
    assert float((p.exp() * k1(p, q)).sum()) == pytest.approx(exact)
    assert float((p.exp() * k3(p, q)).sum()) == pytest.approx(exact)
    assert (k3(p, q) >= 0).all()


def test_the_controller_counts_nats_per_sequence() -> None:
    controller = KLController(coef=0.1, target=6.0, horizon=1000)
    controller.update(kl=12.0, episodes=64)
    assert controller.coef == pytest.approx(0.1 * (1 + 0.2 * 64 / 1000))
    controller = KLController(coef=0.1, target=6.0, horizon=1000)
    controller.update(kl=5.4, episodes=100)
    assert controller.coef == pytest.approx(0.1 * (1 - 0.1 * 100 / 1000))
    fixed = KLController(coef=0.1, target=None, horizon=1000)
    fixed.update(kl=50.0, episodes=64)
    assert fixed.coef == 0.1


CALM = {
    "objective/kl": 2.0,
    "completions/mean_length": 20.0,
    "policy/entropy_avg": 1.0,
    "val/explained_variance": 0.4,
    "objective/scores": 0.0,
    "objective/holdout": 0.0,
}


@pytest.mark.parametrize(
    ("late", "words"),
    [
        ({"objective/kl": 12.5}, "over the budget"),
        ({"completions/mean_length": 31.0}, "longer than at the start"),
        ({"completions/mean_length": 9.0}, "shorter than at the start"),
        ({"policy/entropy_avg": 0.4}, "entropy fell to 40%"),
        ({"val/explained_variance": -0.6}, "explains nothing"),
        ({"objective/holdout": -0.5, "objective/scores": 1.0}, "over-optimisation"),
    ],
)
def test_each_stop_says_why(late: dict[str, float], words: str) -> None:
    calm = [CALM] * 6
    assert reason(calm * 2, PPO()) is None
    told = reason([*calm, *[{**CALM, **late}] * 6], PPO())
    assert told is not None
    assert words in told


@pytest.mark.parametrize(("slope", "stops"), [(+0.5, False), (-0.5, True)])
def test_a_bad_value_role_that_gets_better_is_left_to_learn(slope: float, stops: bool) -> None:
    learning = [{**CALM, "val/explained_variance": -7.0 + slope * at} for at in range(12)]
    assert (reason(learning, PPO()) is not None) == stops


def test_the_hold_out_may_fall_while_the_proxy_does_not_rise() -> None:
    late = [{**CALM, "objective/holdout": -0.5, "objective/scores": -0.1}] * 6
    assert reason([CALM] * 6 + late, PPO()) is None


def test_a_round_may_spend_its_budget_wherever_it_began() -> None:
    far = [{**CALM, "objective/kl": kl} for kl in (9.0, 9.0, 9.0, *[16.0] * 6)]
    assert reason(far, PPO()) is None
    told = reason([{**CALM, "objective/kl": 0.0}, *far[3:]], PPO())
    assert told is not None
    assert "from 0.0 to 16.0 nats" in told


def test_a_round_stops_where_the_hold_outs_curve_has_its_peak() -> None:
    course = [
        {
            **CALM,
            "objective/kl": kl,
            "objective/holdout": kl**0.5 * (1 - 0.8 * math.log(kl**0.5)),
            "objective/scores": kl,
        }
        for kl in (0.25 * step for step in range(1, 17))
    ]
    peak = math.exp(1 / 0.8 - 1) ** 2
    assert reason([one for one in course if one["objective/kl"] < peak], PPO()) is None
    told = reason(course, PPO())
    assert told is not None
    assert f"peaks at a KL of {peak:.1f} nats" in told


@pytest.mark.parametrize(("slope", "most", "least"), [(0.0, 4, 0), (-0.03, 20, 20)])
def test_luck_alone_seldom_ends_a_round(slope: float, most: int, least: int) -> None:
    """Twenty rounds of 80 iterations, whose hold-out scores have a batch's usual noise."""
    draw = random.Random(0)
    ended = 0
    for _ in range(20):
        course = [
            {
                **CALM,
                "objective/kl": 3.0 + at / 80 + draw.gauss(0, 0.5),
                "objective/holdout": 0.8 + slope * at + draw.gauss(0, 0.15),
            }
            for at in range(80)
        ]
        ended += any(reason(course[:at], PPO()) for at in range(10, 81, 2))
    assert least <= ended <= most


def test_a_policy_that_was_certain_from_the_start_divides_by_nothing() -> None:
    assert reason([{**CALM, "policy/entropy_avg": 0.0}] * 12, PPO()) is None


def test_a_round_goes_on_with_the_kl_weight_of_the_champions_round() -> None:
    assert carried(0.1, None) == 0.1, "the untouched champion has none"
    assert carried(0.1, {"set": 0.1, "reached": 0.06}) == 0.06
    assert carried(0.2, {"set": 0.1, "reached": 0.06}) == 0.2, "the operator chose another"
