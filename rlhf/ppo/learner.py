"""Policy improvement: roll out, score, estimate advantages, update, on one of N equal workers.

Every worker holds the same base, roles and optimisers and a shard of each batch. Gradients are
summed over the workers after every mini-batch, so all of them stay the same, bit for bit.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from rlhf.models.logprobs import response_logprobs, response_logprobs_and_entropy
from rlhf.models.roles import RoleModel
from rlhf.models.sampling import sample
from rlhf.models.text import right_pad
from rlhf.ppo import adam_state
from rlhf.ppo.advantages import conservative_score, gae, place_rewards, whiten
from rlhf.ppo.experience import Experience, Sequences, minibatches
from rlhf.ppo.kl import KLController, k1, k3
from rlhf.ppo.objective import policy_loss, value_loss
from rlhf.ppo.reduce import Alone, Reduce
from rlhf.ppo.tally import Tally
from rlhf.seeds import derived
from rlhf.settings import PPO, Sampling

POLICY, VALUE = "policy", "value"

SCORING_ROWS = 32
"""Sequences per forward pass without gradients; like lengths go together."""

TRAINING_STATES = 2**24
"""Tokens x layers x hidden size per pass with gradients: bounds the memory, changes no result."""


@dataclass(frozen=True, slots=True)
class PromptItem:
    """A prompt (ids [P]) to answer once; `sample` numbers the answers to it."""

    prompt_id: int
    sample: int
    ids: list[int]


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
        self.roles, self.settings, self.sampling = roles, settings, sampling
        self.members, self.pessimism, self.seed = list(members), pessimism, seed
        self.reduce = reduce or Alone()
        self.kl = KLController(settings.kl_coef, settings.kl_target, settings.kl_horizon)
        self.seconds: dict[str, float] = {}
        rates = {POLICY: settings.learning_rate, VALUE: settings.value_learning_rate}
        self.parameters = {role: [p for _, p in roles.trainable(role)] for role in rates}
        self.optimisers = {
            role: torch.optim.AdamW(
                self.parameters[role], lr=rate, eps=settings.adam_eps, weight_decay=0.0
            )
            for role, rate in rates.items()
        }

    def rollout(self, iteration: int, items: Sequence[PromptItem]) -> Experience:
        """Answer this worker's prompts and score the answers by every role."""
        started = time.monotonic()
        drawn = sample(
            self.roles,
            [item.ids for item in items],
            role=POLICY,
            sampling=self.sampling,
            noise_keys=[(self.seed, iteration, item.prompt_id, item.sample) for item in items],
        )
        self.seconds = {"time/generate": time.monotonic() - started}
        ids, mask = right_pad(
            [[*item.ids, *one.ids] for item, one in zip(items, drawn, strict=True)],
            self.roles.device,
        )
        response_mask = mask.clone()
        for row, item in enumerate(items):
            response_mask[row, : len(item.ids)] = 0
        finished = torch.tensor([one.finished for one in drawn], device=self.roles.device)
        shard = self._scored(ids, mask, response_mask, finished)
        self.seconds["time/score"] = time.monotonic() - started - self.seconds["time/generate"]
        return shard

    def score_with(self, role: str, shard: Sequences | Experience) -> Tensor:
        """One reward model's opinion [B] of answers that were rolled out."""
        return self._in_batches(shard, lambda ids, mask, _: self.roles.scores(role, ids, mask))

    def update(self, iteration: int, shard: Experience) -> dict[str, float]:
        """Improve policy and value on all workers' shards; the same figures on every worker.

        Collective. The epochs end early when the mean KL(old || new) per token of one of them
        passes `approx_kl_stop`.
        """
        started = time.monotonic()
        steps = self._steps_per_epoch(shard)
        if iteration == 0:
            shard = self._warm_up(shard, steps)
        advantage = whiten(shard.advantage, shard.response_mask, self.reduce)
        told = Tally()
        epochs = 0
        for epoch in range(self.settings.epochs):
            epochs += 1
            one = Tally()
            for rows in self._minibatches(shard, iteration, epoch, steps):
                self._policy_step(shard, advantage, rows, one)
                self._value_step(shard, rows, one, clip=self.settings.value_clip)
            told.add(one)
            too_far = one.mean("approx_kl", "tokens", self.reduce) > self.settings.approx_kl_stop
            if too_far:
                break
        figures = self._figures(shard)
        self.kl.update(figures["objective/kl"], int(figures["completion/count"]))
        return {
            **figures,
            "policy/loss": told.mean("policy_loss", "tokens", self.reduce),
            "policy/approx_kl": told.mean("approx_kl", "tokens", self.reduce),
            "policy/clipfrac": told.mean("policy_clipped", "tokens", self.reduce),
            "value/loss": told.mean("value_loss", "tokens", self.reduce),
            "value/clipfrac": told.mean("value_clipped", "tokens", self.reduce),
            "policy/epochs": float(epochs),
            **self.seconds,
            "time/update": time.monotonic() - started,
        }

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Everything that a resumed run needs: tensors for safetensors, plain values for JSON."""
        tensors: dict[str, Tensor] = {}
        for role, optimiser in self.optimisers.items():
            for name, parameter in self.roles.trainable(role):
                tensors[f"{role}/weight/{name}"] = parameter.detach().cpu().clone()
            tensors |= adam_state.tensors(f"{role}/adam", optimiser)
        return tensors, {"kl_coef": self.kl.coef}

    def restore(self, tensors: dict[str, Tensor], meta: dict[str, Any]) -> None:
        """Continue exactly where `state` was taken."""
        with torch.no_grad():
            for role, optimiser in self.optimisers.items():
                for name, parameter in self.roles.trainable(role):
                    parameter.copy_(tensors[f"{role}/weight/{name}"])
                adam_state.restore(f"{role}/adam", optimiser, tensors)
        self.kl.coef = meta["kl_coef"]

    def _scored(
        self, ids: Tensor, mask: Tensor, response_mask: Tensor, finished: Tensor
    ) -> Experience:
        part = Sequences(ids, mask, response_mask)
        both = self._in_batches(part, lambda *given: self._logprobs(POLICY, *given))
        logprob, entropy = both.unbind(-1)
        ref_logprob = self._in_batches(part, self._ref_logprobs)
        value = self._in_batches(part, self._values)
        scores_KB = torch.stack([self.score_with(role, part) for role in self.members])
        settings = self.settings
        score = conservative_score(scores_KB, self.pessimism)
        reward = place_rewards(
            score,
            k1(logprob, ref_logprob),
            response_mask,
            finished,
            kl_coef=self.kl.coef,
            score_clip=settings.score_clip,
            missing_eos_penalty=settings.missing_eos_penalty,
        )
        advantage, returns = self._targets(reward, value, response_mask)
        return Experience(
            ids=ids,
            mask=mask,
            response_mask=response_mask,
            finished=finished,
            logprob=logprob,
            ref_logprob=ref_logprob,
            entropy=entropy,
            value=value,
            score=score,
            reward=reward,
            advantage=advantage,
            returns=returns,
        )

    def _targets(self, reward: Tensor, value: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """What policy and value learn from, both [B, S]: advantages and returns."""
        gamma, settings = self.settings.gamma, self.settings
        returns = gae(reward, value, mask, gamma=gamma, lam=settings.value_lam) + value
        return gae(reward, value, mask, gamma=gamma, lam=settings.lam), returns * mask

    def _logprobs(self, role: str | None, ids: Tensor, mask: Tensor, response: Tensor) -> Tensor:
        """[b, s, 2]: log-probability and entropy."""
        given = (ids, mask, response, self.sampling.temperature)
        return torch.stack(response_logprobs_and_entropy(self.roles, role, *given), dim=-1)

    def _ref_logprobs(self, ids: Tensor, mask: Tensor, response: Tensor) -> Tensor:
        """[b, s]."""
        return response_logprobs(self.roles, None, ids, mask, response, self.sampling.temperature)

    def _values(self, ids: Tensor, mask: Tensor, response: Tensor) -> Tensor:
        """[b, s]: the value role's opinion before each response token."""
        value = self.roles.values(VALUE, ids, mask)
        return torch.nn.functional.pad(value[:, :-1], (1, 0)) * response

    def _in_batches(
        self, part: Sequences | Experience, look: Callable[[Tensor, Tensor, Tensor], Tensor]
    ) -> Tensor:
        """`look` at like lengths together, without gradients; results in the order of the rows."""
        lengths = part.mask.sum(dim=1)
        out: Tensor | None = None
        with torch.no_grad():
            for rows in lengths.argsort(stable=True).split(SCORING_ROWS):
                width = int(lengths[rows].max())
                seen = look(*(x[rows, :width] for x in (part.ids, part.mask, part.response_mask)))
                if out is None:
                    wide = () if seen.dim() == 1 else (part.ids.shape[1],)
                    out = seen.new_zeros((len(part.ids), *wide, *seen.shape[2:]))
                if seen.dim() == 1:
                    out[rows] = seen
                else:
                    out[rows, :width] = seen
        assert out is not None
        return out

    def _steps_per_epoch(self, shard: Experience) -> int:
        """Mini-batches of an epoch: the same number on all workers, whose shards may differ.

        Collective.
        """
        own = torch.tensor([len(shard)], dtype=torch.float64, device=self.roles.device)
        return math.ceil(float(self.reduce.sum_(own)) / self.settings.minibatch)

    def _minibatches(
        self, shard: Experience, iteration: int, epoch: int, steps: int
    ) -> list[Tensor]:
        """Row numbers of this worker's part of each mini-batch."""
        seed = derived(self.seed, iteration, epoch, self.reduce.rank)
        return minibatches(len(shard), steps, seed)

    def _warm_up(self, shard: Experience, steps: int) -> Experience:
        """Value-only steps, so that the first advantages are not noise (verl, NeMo-RL).

        They are not clipped: a value role that starts far off has to get near in a few steps.
        Returns the shard with the values and advantages of the value role as it is now.
        """
        batches: list[Tensor] = []
        lap = 0
        while len(batches) < self.settings.value_warmup:
            lap += 1
            batches += self._minibatches(shard, 0, -lap, steps)
        for rows in batches[: self.settings.value_warmup]:
            self._value_step(shard, rows, Tally(), clip=math.inf)
        value = self._in_batches(shard, self._values)
        advantage, returns = self._targets(shard.reward, value, shard.response_mask)
        return replace(shard, value=value, advantage=advantage, returns=returns)

    def _policy_step(
        self, shard: Experience, advantage: Tensor, rows: Tensor, tally: Tally
    ) -> None:
        tokens = self._global_tokens(shard, rows)
        for part in self._parts(shard, rows):
            one = replace(shard, advantage=advantage).rows(part)
            logprob = response_logprobs(
                self.roles,
                POLICY,
                one.ids,
                one.mask,
                one.response_mask,
                self.sampling.temperature,
            )
            settings = self.settings
            lost = policy_loss(
                logprob,
                one.logprob,
                one.advantage,
                one.response_mask,
                clip=settings.clip,
                dual_clip=settings.dual_clip,
            )
            (lost.loss / tokens).backward()
            tally.count(
                tokens=one.response_mask.sum(),
                policy_loss=lost.loss,
                approx_kl=lost.approx_kl,
                policy_clipped=lost.clipped,
            )
        self._step(POLICY)

    def _value_step(self, shard: Experience, rows: Tensor, tally: Tally, *, clip: float) -> None:
        tokens = self._global_tokens(shard, rows)
        for part in self._parts(shard, rows):
            one = shard.rows(part)
            value = self._values(one.ids, one.mask, one.response_mask)
            lost = value_loss(value, one.value, one.returns, one.response_mask, clip=clip)
            (lost.loss / tokens).backward()
            tally.count(value_loss=lost.loss, value_clipped=lost.clipped)
        self._step(VALUE)

    def _parts(self, shard: Experience, rows: Tensor) -> Sequence[Tensor]:
        """Micro-batches of like lengths; none for a worker that has no row of a mini-batch."""
        if not len(rows):
            return ()
        lengths = shard.mask[rows].sum(dim=1)
        states = len(rows) * int(lengths.max()) * self.roles.states_per_token
        parts = min(len(rows), math.ceil(states / TRAINING_STATES))
        return rows[lengths.argsort(stable=True)].tensor_split(parts)

    def _global_tokens(self, shard: Experience, rows: Tensor) -> Tensor:
        """Response tokens of a mini-batch over all workers: what its losses are divided by."""
        own = shard.response_mask[rows].sum().double().unsqueeze(0)
        return self.reduce.sum_(own)[0].clamp_min(1)

    def _step(self, role: str) -> None:
        """Sum the gradients over the workers, clip their norm, and take one optimiser step."""
        parameters = self.parameters[role]
        flat = torch.cat([_gradient(parameter).flatten() for parameter in parameters])
        self.reduce.sum_(flat)
        for parameter, part in zip(
            parameters, flat.split([p.numel() for p in parameters]), strict=True
        ):
            parameter.grad = part.view_as(parameter)
        norm = nn.utils.clip_grad_norm_(parameters, self.settings.max_grad_norm)
        if not torch.isfinite(norm):
            raise FloatingPointError(
                f"the {role}'s gradient is not finite; lower ppo.learning_rate or the reward clip"
            )
        self.optimisers[role].step()
        self.optimisers[role].zero_grad(set_to_none=True)

    def _figures(self, shard: Experience) -> dict[str, float]:
        """Means over all workers' responses; see rlhf.ppo.metrics for what they mean."""
        mask = shard.response_mask
        error = (shard.returns - shard.value) * mask
        sums = {
            "count": torch.tensor(float(len(shard))),
            "tokens": mask.sum(),
            "score": shard.score.sum(),
            "reward": shard.reward.sum(),
            "kl": k1(shard.logprob, shard.ref_logprob).sum(),
            "kl_k3": (k3(shard.logprob, shard.ref_logprob) * mask).sum(),
            "entropy": shard.entropy.sum(),
            "finished": shard.finished.sum(),
            "error": error.sum(),
            "error_squared": error.square().sum(),
            "returns": shard.returns.sum(),
            "returns_squared": shard.returns.square().sum(),
        }
        stacked = torch.stack([value.double().cpu() for value in sums.values()])
        total = dict(zip(sums, self.reduce.sum_(stacked).tolist(), strict=True))
        count, tokens = total["count"], max(total["tokens"], 1.0)
        left = total["error_squared"] / tokens - (total["error"] / tokens) ** 2
        spread = total["returns_squared"] / tokens - (total["returns"] / tokens) ** 2
        return {
            "objective/score": total["score"] / count,
            "objective/reward": total["reward"] / count,
            "objective/kl": total["kl"] / count,
            "objective/kl_k3": total["kl_k3"] / count,
            "objective/kl_coef": self.kl.coef,
            "objective/entropy": total["entropy"] / tokens,
            "value/explained_variance": 1 - left / spread if spread > 0 else 0.0,
            "completion/length": total["tokens"] / count,
            "completion/finished": total["finished"] / count,
            "completion/count": count,
        }


def _gradient(parameter: nn.Parameter) -> Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
