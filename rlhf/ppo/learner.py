"""Policy improvement: roll out, score, estimate advantages, update, on one of N equal workers.

Every worker holds the same base, roles and optimisers and a shard of each batch. Gradients are
summed over the workers after every mini-batch, so all of them stay the same, bit for bit.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from rlhf.models.logprobs import response_logprobs
from rlhf.models.roles import RoleModel
from rlhf.ppo import adamw
from rlhf.ppo.advantages import conservative_score, gae, place_rewards, whiten
from rlhf.ppo.experience import Experience, Sequences, minibatches
from rlhf.ppo.kl import k1
from rlhf.ppo.kl_coef import KLController
from rlhf.ppo.metrics import rollout_figures, update_figures
from rlhf.ppo.objective import policy_loss, value_loss
from rlhf.ppo.reduce import Alone, Reduce
from rlhf.ppo.rollout import PromptItem, roll_out
from rlhf.ppo.scoring import POLICY, VALUE, Scorer
from rlhf.ppo.tally import Tally
from rlhf.seeds import derived
from rlhf.settings import PPO, Sampling

TRAINING_STATES = 2**25
"""Tokens x layers x hidden size per pass with gradients: bounds the memory, changes no result."""


class Learner:
    """The training state of one worker and the three things it can do."""

    def __init__(
        self,
        roles: RoleModel,
        settings: PPO,
        sampling: Sampling,
        *,
        members: Sequence[str],
        pessimism: float,
        seed: int,
        reduce: Reduce | None = None,
    ) -> None:
        self.sampling = sampling.heated(settings.rollout_temperature)
        self.roles, self.settings = roles, settings
        self.pessimism, self.seed = pessimism, seed
        self.reduce = reduce or Alone()
        self.kl = KLController(settings.kl_coef, settings.kl_target, settings.kl_horizon)
        self.seconds: dict[str, float] = {}
        self.scorer = Scorer(roles, members, settings.value_layout, self.sampling.temperature)
        rates = {POLICY: settings.learning_rate, VALUE: settings.value_learning_rate}
        named = {role: roles.trainable(role) for role in rates}
        self.parameters = {role: [p for _, p in named[role]] for role in rates}
        self.optimisers = {
            role: adamw.optimiser(
                named[role],
                rate=rate,
                head_rate=settings.value_head_learning_rate,
                eps=settings.adam_eps,
            )
            for role, rate in rates.items()
        }

    def rollout(self, iteration: int, items: Sequence[PromptItem]) -> Experience:
        """Answer this worker's prompts and score the answers by every role."""
        started = time.monotonic()
        part, finished = roll_out(
            self.roles,
            items,
            role=POLICY,
            sampling=self.sampling,
            seed=self.seed,
            iteration=iteration,
        )
        drawn = time.monotonic()
        shard = self._scored(part, finished)
        self.seconds = {
            "time/generate": drawn - started,
            "time/score": time.monotonic() - drawn,
        }
        return shard

    def update(self, iteration: int, shard: Experience) -> dict[str, float]:
        """Improve policy and value on all workers' shards; the same figures on every worker.

        Collective. The epochs end early when the mean KL(old || new) per token of one of them
        passes `approx_kl_stop`. iteration: from 0 to `iterations` - 1; the policy's rate falls
        with it.
        """
        started = time.monotonic()
        rate = self.settings.learning_rate * (1 - iteration / self.settings.iterations)
        adamw.set_rate(self.optimisers[POLICY], rate)
        steps = self._steps_per_epoch(shard)
        if iteration == 0:
            shard = self._warm_up(shard, steps)
        advantage = whiten(shard.advantage, shard.response_mask, self.reduce)
        whitened = replace(shard, advantage=advantage)
        told = Tally()
        epochs = 0
        for epoch in range(self.settings.epochs):
            epochs += 1
            one = Tally()
            for rows, tokens in self._minibatches(shard, iteration, epoch, steps):
                self._step(whitened, rows, tokens, one)
            told.add(one)
            (moved,) = one.means(["approx_kl"], "tokens", self.reduce)
            if moved > self.settings.approx_kl_stop:
                break
        figures = rollout_figures(shard, self.kl.coef, self.reduce)
        self.kl.update(figures["objective/kl"], int(figures["completions/count"]))
        seconds = {**self.seconds, "time/update": time.monotonic() - started}
        tokens = figures["completions/mean_length"] * figures["completions/count"]
        return {
            **figures,
            **update_figures(told, self.reduce),
            "policy/epochs": float(epochs),
            "lr": rate,
            **seconds,
            "throughput/tokens": tokens / sum(seconds.values()),
        }

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Everything that a resumed run needs: tensors for safetensors, plain values for JSON."""
        tensors: dict[str, Tensor] = {}
        for role, optimiser in self.optimisers.items():
            for name, parameter in self.roles.trainable(role):
                tensors[f"{role}/weight/{name}"] = parameter.detach().cpu().clone()
            tensors |= adamw.tensors(f"{role}/adam", optimiser)
        return tensors, {"kl_coef": self.kl.coef}

    def restore(self, tensors: dict[str, Tensor], meta: dict[str, Any]) -> None:
        """Continue exactly where `state` was taken."""
        with torch.no_grad():
            for role, optimiser in self.optimisers.items():
                for name, parameter in self.roles.trainable(role):
                    parameter.copy_(tensors[f"{role}/weight/{name}"])
                adamw.restore(f"{role}/adam", optimiser, tensors)
        self.kl.coef = meta["kl_coef"]

    def _scored(self, part: Sequences, finished: Tensor) -> Experience:
        seen = self.scorer.views(part)
        settings = self.settings
        score = conservative_score(seen.scores_KB, self.pessimism)
        reward = place_rewards(
            score,
            k1(seen.logprob, seen.ref_logprob),
            part.response_mask,
            finished,
            kl_coef=self.kl.coef,
            score_clip=settings.score_clip,
            missing_eos_penalty=settings.missing_eos_penalty,
        )
        advantage, returns = self._targets(reward, seen.value, part.response_mask)
        return Experience(
            ids=part.ids,
            mask=part.mask,
            response_mask=part.response_mask,
            finished=finished,
            logprob=seen.logprob,
            ref_logprob=seen.ref_logprob,
            entropy=seen.entropy,
            value=seen.value,
            score=score,
            reward=reward,
            advantage=advantage,
            returns=returns,
            trunk=seen.trunk,
            value_states=seen.value_states,
        )

    def _targets(self, reward: Tensor, value: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """What policy and value learn from, both [B, S]: advantages and returns."""
        gamma, settings = self.settings.gamma, self.settings
        returns = gae(reward, value, mask, gamma=gamma, lam=settings.value_lam) + value
        return gae(reward, value, mask, gamma=gamma, lam=settings.lam), returns * mask

    def _steps_per_epoch(self, shard: Experience) -> int:
        """Mini-batches of an epoch: the same number on all workers, whose shards may differ.

        Collective.
        """
        own = torch.tensor([len(shard)], dtype=torch.float64, device=self.roles.device)
        return math.ceil(float(self.reduce.sum_(own)) / self.settings.minibatch)

    def _minibatches(
        self, shard: Experience, iteration: int, epoch: int, steps: int
    ) -> list[tuple[Tensor, float]]:
        """Of each mini-batch: this worker's row numbers, all workers' response tokens.

        Collective.
        """
        seed = derived(self.seed, iteration, epoch, self.reduce.rank)
        batches = minibatches(len(shard), steps, seed)
        tokens = [shard.response_mask[rows].sum() for rows in batches]
        total = self.reduce.sum_(torch.stack(tokens).double()).clamp_min(1)
        return list(zip(batches, total.tolist(), strict=True))

    def _warm_up(self, shard: Experience, steps: int) -> Experience:
        """Value-only steps, so that the first advantages are not noise (verl, NeMo-RL).

        They are not clipped: a value role that starts far off has to get near in a few steps.
        Returns the shard with the values and advantages of the value role as it is now.
        """
        batches: list[tuple[Tensor, float]] = []
        lap = 0
        while len(batches) < self.settings.value_warmup:
            lap += 1
            batches += self._minibatches(shard, 0, -lap, steps)
        for rows, tokens in batches[: self.settings.value_warmup]:
            for one in self._parts(shard, rows):
                self._value_backward(one, tokens, Tally(), math.inf)
            self._descend(VALUE)
        value = self.scorer.values(shard)
        advantage, returns = self._targets(shard.reward, value, shard.response_mask)
        return replace(shard, value=value, advantage=advantage, returns=returns)

    def _step(self, shard: Experience, rows: Tensor, tokens: float, tally: Tally) -> None:
        """One step of policy and value on a mini-batch. Collective."""
        for one in self._parts(shard, rows):
            states = self._policy_backward(one, tokens, tally)
            self._value_backward(one, tokens, tally, self.settings.value_clip, states)
        self._descend(POLICY, VALUE)

    def _policy_backward(self, one: Experience, tokens: float, tally: Tally) -> Tensor:
        """Add the policy's gradient; returns its hidden states [b, s, D]."""
        hidden = self.roles.hidden(POLICY, one.ids, one.mask, one.trunk)
        lost = policy_loss(
            response_logprobs(
                self.roles, hidden, one.ids, one.response_mask, self.sampling.temperature
            ),
            one.logprob,
            one.advantage,
            one.response_mask,
            clip=self.settings.clip,
            dual_clip=self.settings.dual_clip,
        )
        (lost.loss / tokens).backward()
        tally.count(
            tokens=one.response_mask.sum(),
            policy_loss=lost.loss,
            approx_kl=lost.approx_kl,
            policy_clipped=lost.clipped,
        )
        return hidden.detach()

    def _value_backward(
        self,
        one: Experience,
        tokens: float,
        tally: Tally,
        clip: float,
        policy_states: Tensor | None = None,
    ) -> None:
        """Add the value's gradient, which never reaches the policy."""
        states = self._value_states(one, policy_states)
        value = self.scorer.value_of(states, one.response_mask)
        lost = value_loss(value, one.value, one.returns, one.response_mask, clip=clip)
        (lost.loss / tokens).backward()
        tally.count(value_loss=lost.loss, value_clipped=lost.clipped)

    def _value_states(self, one: Experience, policy_states: Tensor | None) -> Tensor:
        """What the value's head reads [b, s, D], from a pass only where no other left it behind."""
        if one.value_states is not None:
            return one.value_states
        role = self.scorer.value_role
        if role == POLICY and policy_states is not None:
            return policy_states
        with torch.set_grad_enabled(role == VALUE):
            return self.roles.hidden(role, one.ids, one.mask, one.trunk)

    def _parts(self, shard: Experience, rows: Tensor) -> Iterator[Experience]:
        """Micro-batches of like lengths; none for a worker that has no row of a mini-batch."""
        if not len(rows):
            return
        lengths = shard.mask[rows].sum(dim=1).cpu()  # where the row numbers are
        states = len(rows) * int(lengths.max()) * self.roles.states_per_token
        parts = min(len(rows), math.ceil(states / TRAINING_STATES))
        for part in rows[lengths.argsort(stable=True)].tensor_split(parts):
            yield shard.rows(part)

    def _descend(self, *roles: str) -> None:
        """Sum the gradients over the workers, clip each role's norm, and step its optimiser."""
        parameters = [one for role in roles for one in self.parameters[role]]
        flat = torch.cat([_gradient(parameter).flatten() for parameter in parameters])
        self.reduce.sum_(flat)
        parts = flat.split([parameter.numel() for parameter in parameters])
        for parameter, part in zip(parameters, parts, strict=True):
            parameter.grad = part.view_as(parameter)
        for role in roles:
            norm = nn.utils.clip_grad_norm_(self.parameters[role], self.settings.max_grad_norm)
            if not torch.isfinite(norm):
                raise FloatingPointError(
                    f"the {role}'s gradient is not finite; lower ppo.learning_rate or the reward "
                    "clip"
                )
            self.optimisers[role].step()
            self.optimisers[role].zero_grad(set_to_none=True)


def _gradient(parameter: nn.Parameter) -> Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
