"""The learner on a tiny model: where it starts, what it touches, how it resumes."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
import torch

from rlhf.models.base import load_base, load_tokenizer, ppo_dtype
from rlhf.models.logprobs import response_logprobs
from rlhf.models.roles import RoleModel
from rlhf.models.text import prompt_ids
from rlhf.ppo.experience import Sequences
from rlhf.ppo.learner import Learner
from rlhf.ppo.rollout import PromptItem
from rlhf.ppo.scoring import add_value
from rlhf.settings import PPO, LoRA, Sampling, ValueLayout
from tests.shapes import SHAPES, made

MEMBERS = ["reward-0", "reward-1", "reward-2"]
SAMPLING = Sampling(max_new_tokens=12)
SMALL = PPO(rollouts=12, minibatch=4, value_warmup=2)


LAYOUTS = {
    "value on a reward model": (SMALL, LoRA()),
    "value on the policy": (SMALL.model_copy(update={"value_layout": "policy"}), LoRA()),
    "value adapter": (SMALL.model_copy(update={"value_layout": "adapter"}), LoRA()),
    "upper layers": (SMALL, LoRA(adapted_layers="top-half")),
}


def learner(
    folder: Path,
    ppo: PPO = SMALL,
    sampling: Sampling = SAMPLING,
    lora: LoRA | None = None,
    dtype: torch.dtype | None = None,
) -> Learner:
    roles = RoleModel(load_base(folder, dtype=dtype), load_tokenizer(folder))
    lora = lora or LoRA()
    for number, name in enumerate(MEMBERS):
        roles.add_role(name, lora, head=True, seed=number)
    roles.add_role("policy", lora, head=False, seed=9)
    add_value(roles, ppo.value_layout, MEMBERS[0])
    return Learner(roles, ppo, sampling, members=MEMBERS, pessimism=1.0, seed=3)


def items(one: Learner, count: int = 12) -> list[PromptItem]:
    tokenizer = one.roles.tokenizer
    return [
        PromptItem(
            number, 0, prompt_ids(tokenizer, [{"role": "user", "content": f"q {number}"}], SAMPLING)
        )
        for number in range(count)
    ]


def trained(one: Learner) -> dict[str, torch.Tensor]:
    return one.state()[0]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_untouched_policy_is_the_reference_exactly(tiny_llama: Path, layout: str) -> None:
    ppo, lora = LAYOUTS[layout]
    one = learner(tiny_llama, ppo, lora=lora)
    shard = one.rollout(0, items(one))
    assert torch.equal(shard.logprob, shard.ref_logprob)
    assert one.update(0, shard)["objective/kl"] == 0.0


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("kind", SHAPES)
def test_every_shape_of_model_starts_as_its_reference_and_learns(
    kind: str, tied: bool, tiny_llama: Path, tmp_path: Path
) -> None:
    one = learner(made(kind, tmp_path / kind, tiny_llama, tie_word_embeddings=tied))
    shard = one.rollout(0, items(one))
    assert torch.equal(shard.logprob, shard.ref_logprob)
    assert one.update(0, shard)["objective/kl"] == 0.0
    again = one.scorer.views(Sequences(shard.ids, shard.mask, shard.response_mask))
    assert torch.equal(again.ref_logprob, shard.ref_logprob)
    assert not torch.equal(again.logprob, shard.logprob)


def test_every_ratio_is_1_before_the_first_update(tiny_llama: Path) -> None:
    one = learner(tiny_llama)
    shard = one.rollout(0, items(one))
    for part in (shard, shard.rows(torch.tensor([3, 1]))):
        hidden = one.roles.hidden("policy", part.ids, part.mask)
        given = (part.ids, part.response_mask, one.sampling.temperature)
        again = response_logprobs(one.roles, hidden, *given)
        assert torch.allclose(again, part.logprob, atol=1e-6)


def test_rollouts_are_warmer_than_the_answers_of_users(tiny_llama: Path) -> None:
    usual = Sampling(max_new_tokens=12, temperature=0.1)
    warm = learner(tiny_llama, PPO(rollout_temperature=8.0), usual)
    assert warm.sampling == usual.model_copy(update={"temperature": pytest.approx(0.8)})
    shard, cooler = (
        one.rollout(0, items(one)) for one in (warm, learner(tiny_llama, PPO(), usual))
    )
    assert shard.entropy.sum() / shard.response_mask.sum() > (
        cooler.entropy.sum() / cooler.response_mask.sum()
    )


def test_bf16_weights_keep_the_exact_promises_and_leave_the_rest_in_fp32(tiny_llama: Path) -> None:
    one = learner(tiny_llama, dtype=torch.bfloat16)
    assert all(parameter.dtype == torch.float32 for parameter in one.parameters["policy"])
    assert one.roles.base_digest == learner(tiny_llama).roles.base_digest
    shard = one.rollout(0, items(one))
    assert torch.equal(shard.logprob, shard.ref_logprob)
    for part, allowed in ((shard, 0.0), (shard.rows(torch.tensor([3, 1])), 0.05)):
        hidden = one.roles.hidden("policy", part.ids, part.mask)
        given = (part.ids, part.response_mask, one.sampling.temperature)
        again = response_logprobs(one.roles, hidden, *given)
        assert float((again.detach() - part.logprob).abs().max()) <= allowed
    figures = one.update(0, shard)
    assert figures["objective/kl"] == 0.0
    moved = one.rollout(1, items(one))
    assert not torch.equal(moved.logprob, moved.ref_logprob)


@pytest.mark.parametrize(
    ("precision", "expected"), [("fp32", torch.float32), ("bf16", torch.bfloat16), ("auto", None)]
)
def test_narrow_models_stay_as_they_are_unless_told(
    tiny_llama: Path, precision: Literal["auto", "fp32", "bf16"], expected: torch.dtype | None
) -> None:
    assert ppo_dtype(tiny_llama, precision) == expected


@pytest.mark.parametrize(("layout", "steps"), [("adapter", 40), ("reward", 120)])
def test_a_value_role_far_off_is_near_before_the_first_update(
    layout: ValueLayout, steps: int, tiny_llama: Path
) -> None:
    """The warm-up is not held back by the clip, and the first figures are of the warmed value."""
    loss = {}
    for warmup in (0, steps):
        ppo = SMALL.model_copy(update={"value_layout": layout, "value_warmup": warmup})
        one = learner(tiny_llama, ppo)
        (bias,) = (p for name, p in one.roles.trainable("value") if name.endswith("bias"))
        with torch.no_grad():
            bias.fill_(5.0)
        loss[warmup] = one.update(0, one.rollout(0, items(one)))["loss/value_avg"]
    assert loss[steps] < loss[0] / 4


def test_updates_touch_policy_and_value_alone(tiny_llama: Path) -> None:
    one = learner(tiny_llama)
    rewards = {
        (name, part): parameter.clone()
        for name in MEMBERS
        for part, parameter in one.roles.trainable(name)
    }
    base = [name for name in one.roles.base.state_dict() if "lora_" not in name]
    before = {name: one.roles.base.state_dict()[name].clone() for name in base}
    start = trained(one)
    one.update(0, one.rollout(0, items(one)))
    after = one.roles.base.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in base)
    for name in MEMBERS:
        for part, parameter in one.roles.trainable(name):
            assert torch.equal(parameter, rewards[name, part])
    moved = trained(one)
    for role in ("policy", "value"):
        names = [name for name in start if name.startswith(f"{role}/weight/")]
        assert any(not torch.equal(start[name], moved[name]) for name in names)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_resumed_run_ends_in_the_same_bits(tiny_llama: Path, layout: str) -> None:
    ppo, lora = LAYOUTS[layout]
    straight = learner(tiny_llama, ppo, lora=lora)
    for iteration in range(2):
        straight.update(iteration, straight.rollout(iteration, items(straight)))
    saved = straight.state()
    straight.update(2, straight.rollout(2, items(straight)))
    resumed = learner(tiny_llama, ppo, lora=lora)
    resumed.restore(*saved)
    resumed.update(2, resumed.rollout(2, items(resumed)))
    expected = trained(straight)
    assert trained(resumed).keys() == expected.keys()
    assert all(torch.equal(value, expected[name]) for name, value in trained(resumed).items())
    assert resumed.kl.coef == straight.kl.coef


def test_the_rate_falls_to_nothing_over_the_round(tiny_llama: Path) -> None:
    one = learner(tiny_llama, SMALL.model_copy(update={"iterations": 4, "learning_rate": 4e-4}))
    shard = one.rollout(0, items(one))
    rates = [one.update(iteration, shard)["lr"] for iteration in range(4)]
    assert rates == pytest.approx([4e-4, 3e-4, 2e-4, 1e-4])
    groups = [group["lr"] for group in one.optimisers["policy"].param_groups]
    assert groups == pytest.approx([1e-4])
    assert one.optimisers["value"].param_groups[-1]["lr"] == SMALL.value_head_learning_rate


def test_an_answer_is_the_same_in_any_batch(tiny_llama: Path) -> None:
    one = learner(tiny_llama)
    whole = one.rollout(4, items(one))
    alone = one.rollout(4, items(one)[5:6])
    width = int(alone.mask.sum())
    assert torch.equal(whole.ids[5, :width], alone.ids[0, :width])
    assert int(whole.mask[5].sum()) == width


def test_the_base_is_the_same_after_roles_were_switched(tiny_llama: Path) -> None:
    before = {name: p.clone() for name, p in load_base(tiny_llama).named_parameters()}
    one = learner(tiny_llama)
    one.update(0, one.rollout(0, items(one)))
    after = {
        name.replace("base_layer.", ""): parameter
        for name, parameter in one.roles.base.named_parameters()
        if "lora_" not in name
    }
    assert after.keys() == before.keys()
    assert all(torch.equal(parameter, before[name]) for name, parameter in after.items())


@pytest.mark.parametrize("layout", ["value on the policy", "value on a reward model"])
def test_a_value_without_an_adapter_learns_and_leaves_the_others_alone(
    tiny_llama: Path, layout: str
) -> None:
    """Its head alone is trained, and the policy takes the step that it takes without it."""
    ppo, _ = LAYOUTS[layout]
    shard = learner(tiny_llama, ppo).rollout(0, items(learner(tiny_llama)))
    told = {}
    for rate in (1e-9, 1e-2):
        one = learner(
            tiny_llama, ppo.model_copy(update={"value_head_learning_rate": rate, "epochs": 1})
        )
        one.settings = one.settings.model_copy(update={"value_warmup": 0})
        one.update(0, shard)
        told[rate] = one.state()[0]
    values = [name for name in told[1e-2] if name.startswith("value/weight/")]
    assert values == ["value/weight/head.weight", "value/weight/head.bias"]
    assert not torch.equal(told[1e-2][values[0]], told[1e-9][values[0]])
    for name, tensor in told[1e-2].items():
        if name.startswith("policy/"):
            assert torch.equal(tensor, told[1e-9][name]), name


def test_a_value_on_a_reward_model_starts_as_its_opinion(tiny_llama: Path) -> None:
    """Before the last token it says what the model scores a response that ends one token sooner."""
    one = learner(tiny_llama, *LAYOUTS["value on a reward model"][:1])
    shard = one.rollout(0, items(one))
    sooner = shard.mask.clone()
    last = shard.mask.sum(dim=1) - 1
    rows = torch.arange(len(shard))
    sooner[rows, last] = 0
    expected = one.roles.scores(MEMBERS[0], shard.ids, sooner)
    assert torch.allclose(shard.value[rows, last], expected, atol=1e-5)


@pytest.mark.slow
def test_ppo_raises_a_reward_that_can_be_read_off_the_tokens(
    tiny_llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The score is four times the share of tokens in the upper half of the vocabulary.

    A random model's logits are nearly flat; the low temperature gives them weight.
    """
    ppo = PPO(minibatch=8, kl_coef=0.0, kl_target=None, learning_rate=5e-3)
    one = learner(tiny_llama, ppo, Sampling(max_new_tokens=12, temperature=0.1))

    def share(_: str, ids: torch.Tensor, mask: torch.Tensor, __: object) -> torch.Tensor:
        return 4 * ((ids > 130) * mask).sum(dim=1) / mask.sum(dim=1)

    monkeypatch.setattr(one.roles, "scores", share)
    scores = []
    for iteration in range(10):
        shard = one.rollout(iteration, items(one, 32))
        scores.append(float(shard.score.mean()))
        one.update(iteration, shard)
    assert scores[-1] > scores[0] + 0.3
