"""How answers are drawn, and how reward models and policies learn."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt

from rlhf.settings.branch import Branch

ValueLayout = Literal["adapter", "policy", "reward"]


class Sampling(Branch):
    """How answers are drawn."""

    temperature: PositiveFloat = 1.0
    """Divides the logits wherever answers are sampled or log-probabilities are taken."""
    max_new_tokens: PositiveInt = 64
    """Longest answer in tokens; one that reaches it has no end and is penalised."""
    max_prompt_tokens: PositiveInt = 512
    """Longer conversations lose their oldest turns."""

    def heated(self, factor: float) -> Self:
        """The same at a temperature `factor` times as high."""
        return self.model_copy(update={"temperature": self.temperature * factor})


class LoRA(Branch):
    """The shape of every trained adapter."""

    r: PositiveInt = 16
    """Rank. RL needs little; see "LoRA Without Regret" (Schulman et al., 2025)."""
    alpha: PositiveInt = 32
    """The update is scaled by alpha / r."""
    adapted_layers: Literal["all", "top-half"] | PositiveInt = "all"
    """Which decoder layers carry adapters: all, the upper half, or the N uppermost."""


class Reward(Branch):
    """How ratings become a score."""

    members: PositiveInt = 3
    """Reward models that PPO sees, one more, the hold-out, being seen by evaluation alone. A single
    one has no doubts: its score is not lowered where it may be wrong."""
    learning_rate: PositiveFloat = 1e-4
    """AdamW on adapters and head, which begin as a linear probe: votes between answers that are as
    good are noise, and at 5e-4 they bend it (docs/lab.md)."""
    epochs: PositiveInt = 4
    """Passes over a member's sample."""
    batch_size: PositiveInt = 16
    """Preferences per optimiser step."""
    centre: float = Field(0.01, ge=0)
    """Weight of (score_chosen + score_rejected)^2 (Eisenstein et al., 2023, eq. 2)."""
    margin_scale: float = Field(0.0, ge=0)
    """Strength 1, 2, 3 asks for a margin of 0.33, 0.67, 1 times this (Llama 2); 0 turns it off."""
    heldout_share: float = Field(0.1, gt=0, lt=0.5)
    """Share of the rated prompts kept from all training, to measure accuracy."""
    holdout_model_share: float = Field(0.25, gt=0, lt=0.8)
    """Share of the other prompts that trains the hold-out model and nothing else."""
    weight_floor: float = Field(0.25, gt=0, le=1)
    """Least weight of a rating in training, however unreliable the annotator; 1 weighs all
    alike."""
    pessimism: float = Field(1.0, ge=0)
    """Score of a response = ensemble mean - pessimism * std (Coste et al., 2023)."""


class PPO(Branch):
    """Proximal policy optimisation (Schulman et al., 2017); every default says where it comes from.

    B responses of T tokens, all [B, T] unless said; scores and rewards are in standard deviations
    of the reference's score, KL and entropy in nats.
    """

    iterations: PositiveInt = 80
    """Batches of rollouts in one round."""
    rollouts: PositiveInt = 64
    """Responses per iteration, over all workers."""
    rollout_temperature: PositiveFloat = 1.25
    """Rollouts, and the answers of a tuned policy that people rate, are drawn at
    `sampling.temperature` times this: a policy that mostly answers well meets more of its own
    faults, and is surer at the temperature of its users (docs/lab.md)."""
    epochs: PositiveInt = 2
    """Passes over one batch of rollouts."""
    minibatch: PositiveInt = 16
    """Responses per optimiser step, over all workers."""
    learning_rate: PositiveFloat = 1e-3
    """Policy adapter, AdamW, as the first round begins: it falls linearly to 0, so that the last
    steps do not wander. About 10x what full fine-tuning takes (Schulman et al., 2025)."""
    later_learning_rate: PositiveFloat = 3e-4
    """The same, as a round begins that goes on from a policy of an earlier one: the first rate
    shakes what is mostly right already (docs/lab.md)."""
    value_learning_rate: PositiveFloat = 1e-3
    """Value adapter, where the layout has one; an AdamW of its own."""
    value_head_learning_rate: PositiveFloat = 1e-2
    """Value head: one linear layer takes ten times what an adapter does
    (tests/benchmarks/README.md)."""
    adam_eps: PositiveFloat = 1e-5
    """AdamW's epsilon; PyTorch's place for it makes 1e-8 too aggressive (Huang et al., 2023)."""
    max_grad_norm: PositiveFloat = 1.0
    """L2 norm to which each role's gradient is cut, over all workers (Andrychowicz et al.,
    2021)."""
    gamma: float = Field(1.0, gt=0, le=1)
    """Discount per token; 1, since an answer is judged whole (Ouyang et al., 2022)."""
    lam: float = Field(1.0, ge=0, le=1)
    """GAE lambda of the advantages, which are whitened over the batch (Schulman et al., 2016). 1,
    since all reward comes with an answer's end and the value foresees little of it: 0.95 pays the
    first of 26 tokens a quarter of what the last one gets (docs/lab.md)."""
    value_lam: float = Field(1.0, ge=0, le=1)
    """GAE lambda of the value's targets (VAPO, 2025: decoupled GAE)."""
    clip: PositiveFloat = 0.2
    """Range around 1 in which a token's probability ratio pays (Schulman et al., 2017)."""
    dual_clip: float = Field(3.0, gt=1)
    """Ratio above which a token with a negative advantage pays no more (Ye et al., 2020)."""
    value_clip: PositiveFloat = 0.2
    """How far the value may pull away from the one at rollout before the larger of both squared
    errors counts, in units of reward (Schulman et al., 2017, in their code)."""
    value_layout: ValueLayout = "reward"
    """What the value's head reads: the states of the first reward model, which scoring leaves
    behind, of the policy, or of an adapter of its own, which is trained with it and makes an
    update twice the work (what each buys: tests/benchmarks/README.md)."""
    value_warmup: int = Field(10, ge=0)
    """Value-only optimiser steps before the first policy update of a round (VC-PPO, 2025; verl)."""
    score_clip: PositiveFloat = 5.0
    """Scores are clipped to +- this, after normalisation (DeepSpeed-Chat, 2023)."""
    missing_eos_penalty: float = Field(1.0, ge=0)
    """Taken from the score of a response without an end (Huang et al., 2024, set it to -1)."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Of the frozen weights; adapters, heads, softmax and losses are always fp32."""
    kl_coef: float = Field(0.1, ge=0)
    """Weight of the KL per token, by k1, in the reward (Schulman, 2020), as the first round begins.
    Later ones go on with that of the champion's round, unless a stop rule ended it."""
    kl_target: float | None = Field(6.0, gt=0)
    """Adaptive control aims at this many nats per sequence (Ziegler et al., 2019); none = fixed."""
    kl_horizon: PositiveInt = 1000
    """Responses over which the controller corrects (Ziegler et al., 2019: 10,000)."""
    approx_kl_stop: PositiveFloat = 0.03
    """Nats per token: the epochs of an iteration end when KL(old || new) passes this (OpenAI,
    Spinning Up, 2018: 1.5 times its target of 0.01 to 0.05)."""
    kl_budget: PositiveFloat = 8.0
    """Nats per sequence, from the reference, that one round may add to the policy it began with;
    above, it stops and keeps its best state (Gao et al., 2022)."""
    length_drift: PositiveFloat = 0.5
    """Share by which the mean length may move from the start before the round stops."""
    entropy_floor: float = Field(0.5, ge=0, le=1)
    """Share of the starting entropy, nats per token, below which the round stops."""
    value_floor: float = -0.5
    """Explained variance below which, several times in a row and falling, the round stops."""
    holdout_fall: PositiveFloat = 0.25
    """Fall of the hold-out's mean score from its best, while the ensemble's rises, at which the
    round stops (Gao et al., 2022)."""
