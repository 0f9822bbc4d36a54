"""One typed settings tree: `rlhf.toml` in the home folder, then `RLHF_*` variables, then flags.

Functions take the branch they need (`settings.ppo`), never the tree. Unknown keys are refused.
A round stores the resolved tree as JSON, so that a change of the file never changes a round that
has begun.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from rlhf.errors import InputError

DEFAULT_HOME = Path("~/.rlhf")
ValueLayout = Literal["adapter", "policy", "reward"]


class _Branch(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    @model_validator(mode="before")
    @classmethod
    def _none_in_words(cls, tree: Any) -> Any:
        """TOML and the environment have no null: there, "none" takes a value away."""
        if not isinstance(tree, dict):
            return tree
        return {key: None if value == "none" else value for key, value in tree.items()}


class Web(_Branch):
    """Where the pages are served."""

    host: str = "127.0.0.1"
    """Loopback only, unless allowed_hosts and a TLS proxy are configured."""
    port: int = Field(7860, ge=0, le=65535)
    """TCP port; 0 asks the system for a free one."""
    allowed_hosts: tuple[str, ...] = ("127.0.0.1", "localhost", "[::1]")
    """Host headers that are answered (a defence against DNS rebinding)."""
    behind_tls_proxy: bool = False
    """A proxy in front terminates TLS: cookies become Secure and other hosts may be bound."""


class Feedback(_Branch):
    """How people are asked."""

    comparisons_per_round: PositiveInt = 300
    """New comparisons queued when a round opens."""
    ratings_per_round: PositiveInt = 300
    """New ratings after which the round trains by itself."""
    overlap: float = Field(1.1, ge=1, le=10)
    """Ratings wanted per comparison, on average: with 1.1 every tenth goes to two people, which
    shows how far they agree; where two prefer different answers, a third is asked."""
    active_share: float = Field(0.5, ge=0, le=1)
    """Share of the comparisons that teach which ask about pairs that the last reward models are
    unsure of; the others, and all that only measure, are drawn uniformly."""
    repeat_share: float = Field(0.03, ge=0, le=0.5)
    """Share of what an annotator is given that they rated before, the sides swapped: it teaches no
    reward model, and shows how far they agree with themselves."""
    practice: int = Field(3, ge=0, le=50)
    """Comparisons with a known answer that a new annotator practises on, each explained after the
    verdict."""
    known_share: float = Field(0.05, ge=0, le=0.5)
    """Share of what an annotator is given whose answer is known (`rlhf ingest --known`): it teaches
    no reward model, and nothing on the page tells it from the rest."""
    attributes: tuple[str, ...] = ("helpful", "honest", "harmless")
    """What annotators may compare two answers in beside the verdict; empty asks for nothing."""
    lease_minutes: PositiveFloat = 15.0
    """How long one annotator holds a comparison before others may get it."""


class Sampling(_Branch):
    """How answers are drawn."""

    temperature: PositiveFloat = 1.0
    """Divides the logits wherever answers are sampled or log-probabilities are taken."""
    max_new_tokens: PositiveInt = 64
    """Longest answer in tokens; one that reaches it has no end and is penalised."""
    max_prompt_tokens: PositiveInt = 512
    """Longer conversations lose their oldest turns."""


class LoRA(_Branch):
    """The shape of every trained adapter."""

    r: PositiveInt = 16
    """Rank. RL needs little; see "LoRA Without Regret" (Schulman et al., 2025)."""
    alpha: PositiveInt = 32
    """The update is scaled by alpha / r."""
    adapted_layers: Literal["all", "top-half"] | PositiveInt = "all"
    """Which decoder layers carry adapters: all, the upper half, or the N uppermost."""


class Reward(_Branch):
    """How ratings become a score."""

    members: PositiveInt = 3
    """Reward models that PPO sees, one more, the hold-out, being seen by evaluation alone. A single
    one has no doubts: its score is not lowered where it may be wrong."""
    learning_rate: PositiveFloat = 5e-4
    """AdamW on adapters and head; about 10x what full fine-tuning takes."""
    epochs: PositiveInt = 4
    """Passes over a member's bootstrap sample."""
    batch_size: PositiveInt = 16
    """Preferences per optimiser step."""
    centre: float = Field(0.01, ge=0)
    """Weight of (score_chosen + score_rejected)^2 (Eisenstein et al., 2023, eq. 2)."""
    margin_scale: float = Field(0.0, ge=0)
    """Strength 1, 2, 3 asks for a margin of 0.33, 0.67, 1 times this (Llama 2); 0 turns it off."""
    heldout_share: float = Field(0.1, gt=0, lt=0.5)
    """Share of the rated prompts kept from all training, to measure accuracy."""
    holdout_model_share: float = Field(0.35, gt=0, lt=0.8)
    """Share of the other prompts that trains the hold-out model and nothing else."""
    weight_floor: float = Field(0.25, gt=0, le=1)
    """Least weight of a rating in training, however unreliable the annotator; 1 weighs all
    alike."""
    pessimism: float = Field(1.0, ge=0)
    """Score of a response = ensemble mean - pessimism * std (Coste et al., 2023)."""


class PPO(_Branch):
    """Proximal policy optimisation (Schulman et al., 2017); every default says where it comes from.

    B responses of T tokens, all [B, T] unless said; scores and rewards are in standard deviations
    of the reference's score, KL and entropy in nats.
    """

    iterations: PositiveInt = 40
    """Batches of rollouts in one round."""
    rollouts: PositiveInt = 64
    """Responses per iteration, over all workers."""
    epochs: PositiveInt = 2
    """Passes over one batch of rollouts."""
    minibatch: PositiveInt = 16
    """Responses per optimiser step, over all workers."""
    learning_rate: PositiveFloat = 5e-4
    """Policy adapter, AdamW; about 10x what full fine-tuning takes (Schulman et al., 2025)."""
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
    lam: float = Field(0.95, ge=0, le=1)
    """GAE lambda of the advantages, which are whitened over the batch (Schulman et al., 2016)."""
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
    """Starting weight of the KL per token, by k1, in the reward (Schulman, 2020)."""
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


class SFT(_Branch):
    """Supervised fine-tuning on a cleaned data set, before anybody has rated."""

    epochs: PositiveInt = 3
    """Passes over the training rows at most; the validation loss may end it earlier."""
    learning_rate: PositiveFloat = 5e-4
    """AdamW on the adapter; about 10x what full fine-tuning takes (Schulman et al., 2025)."""
    batch_size: PositiveInt = 16
    """Rows per optimiser step; small batches suit LoRA (Schulman et al., 2025)."""
    warmup: float = Field(0.05, ge=0, lt=1)
    """Share of the steps in which the learning rate rises; it then falls along a cosine to 0
    (Loshchilov and Hutter, 2017)."""
    max_grad_norm: PositiveFloat = 1.0
    """L2 norm to which the gradient is cut."""
    max_tokens: PositiveInt = 1024
    """Longest row. A conversation loses its oldest turns, a passage is cut into several rows; never
    more than the model's context."""
    evaluations: PositiveInt = 8
    """How often the validation loss is looked at over the whole training."""
    patience: PositiveInt = 3
    """Looks without a lower validation loss after which training ends; the best state is kept."""
    validation_rows: PositiveInt = 1000
    """Validation rows that are looked at, evenly spread over the split."""
    save_every: PositiveInt = 20
    """Optimiser steps after which the state is durable: what a kill can cost."""
    sweep_learning_rates: tuple[PositiveFloat, ...] = Field((2e-4, 5e-4, 1e-3), min_length=1)
    """What `rlhf sft --sweep` tries, each with each of sweep_ranks."""
    sweep_ranks: tuple[PositiveInt, ...] = Field((8, 16), min_length=1)
    """Ranks of the adapter that `rlhf sft --sweep` tries; lora.alpha / lora.r stays what it is."""


class Evaluation(_Branch):
    """What a candidate is measured on."""

    prompts: PositiveInt = 300
    """Held-out prompts answered by candidate and champion alike."""
    bootstrap: PositiveInt = 2000
    """Resamples of the paired bootstrap interval."""


class Gate(_Branch):
    """What a reward ensemble and a candidate must show."""

    min_preferences: PositiveInt = 50
    """Fewer preferences than this, in terms of independent and reliable ones, train no reward
    model that PPO may use."""
    min_accuracy: float = Field(0.5, ge=0, le=1)
    """Held-out accuracy that the ensemble must reach: better than a coin, against noisy verdicts.

    Its standard error is 0.05 with 100 pairs; a higher floor mostly measures luck."""
    min_of_ceiling: float = Field(0.25, ge=0, le=1)
    """Least (accuracy - 0.5) / (ceiling - 0.5), the ceiling being how often two people agree;
    looked at where at least 30 pairs of their preferences are known."""
    max_calibration_error: float = Field(0.15, ge=0, le=1)
    """Most that stated probabilities may be off, on average; looked at with 100 pairs or more."""
    max_length_correlation: float = Field(0.8, ge=0, le=1)
    """Largest correlation, up or down, of score and length: above it, the score is a ruler."""
    min_win_rate: float = Field(0.5, ge=0, le=1)
    """The lower end of the 95 % interval of the hold-out win rate must be above this."""
    max_kl: PositiveFloat = 15.0
    """Nats per sequence from the reference that a champion may be away."""
    max_length_drift: PositiveFloat = 0.6
    """Share by which the mean length may differ from the champion's."""
    max_repetition: float = Field(0.05, ge=0, le=1)
    """Share by which repeated sentences may rise over the champion's."""


class Ray(_Branch):
    """Where the work runs."""

    address: str | None = None
    """A running cluster; none starts a private one on this machine for each step."""
    workers: PositiveInt = 2
    """Equal policy workers; the same seed and number give the same adapter."""
    reward_cpus: PositiveFloat = 1.0
    """CPUs of one reward member's task."""


class Settings(BaseSettings):
    """The whole tree."""

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        env_prefix="RLHF_",
        env_nested_delimiter="__",
        use_attribute_docstrings=True,
    )

    seed: int = 0
    """Every random choice of round n derives from (seed, n)."""
    database: str | None = None
    """A database URL; none means SQLite in the home folder."""
    web: Web = Web()
    feedback: Feedback = Feedback()
    sampling: Sampling = Sampling()
    lora: LoRA = LoRA()
    reward: Reward = Reward()
    ppo: PPO = PPO()
    sft: SFT = SFT()
    evaluation: Evaluation = Evaluation()
    gate: Gate = Gate()
    ray: Ray = Ray()

    @model_validator(mode="after")
    def _work_for_everybody(self) -> Self:
        if self.ppo.rollouts < self.ray.workers:
            raise ValueError(
                f"ppo.rollouts ({self.ppo.rollouts}) must be at least ray.workers "
                f"({self.ray.workers}), or a worker would have nothing to answer"
            )
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The file arrives as init values; the environment stands above it."""
        return env_settings, init_settings


def load_settings(home: Path) -> Settings:
    """Read `rlhf.toml` of a home folder (it may be absent) and the environment.

    Raises InputError that names the file and the key for anything unknown or out of range.
    """
    file = home / "rlhf.toml"
    tree: dict[str, Any] = {}
    if file.exists():
        try:
            tree = tomllib.loads(file.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as broken:
            raise InputError(f"not valid TOML ({broken})", file=file) from broken
    return settings_from(tree, origin=str(file) if tree else "environment")


def settings_from(tree: dict[str, Any], *, origin: str) -> Settings:
    """Check a tree of plain values; `origin` is named in the error."""
    try:
        return Settings(**tree)
    except ValidationError as invalid:
        first = invalid.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise InputError(
            str(first["msg"]), file=origin, field=key or None, fix="Correct or remove this setting"
        ) from invalid


def home_folder(given: Path | None) -> Path:
    """The home folder: `--home`, else RLHF_HOME, else ~/.rlhf."""
    return (given or Path(os.environ.get("RLHF_HOME", DEFAULT_HOME))).expanduser().absolute()
