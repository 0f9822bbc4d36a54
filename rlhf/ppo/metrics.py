"""The figures of one PPO iteration: the one place that says what they mean.

Names are those of TRL's PPO where it had one, so that plots and habits carry over.
"""

from __future__ import annotations

import torch

from rlhf.ppo.experience import Experience
from rlhf.ppo.kl import k1, k3
from rlhf.ppo.reduce import Reduce
from rlhf.ppo.tally import Tally

METRICS = {
    "objective/scores": "mean conservative score of the ensemble (the proxy)",
    "objective/rlhf_reward": "mean of what PPO maximises: score after clip and penalties, less KL",
    "objective/non_score_reward": "mean of its KL part",
    "objective/kl": "KL to the reference by k1, nats per sequence",
    "objective/kl_k3": "the same by k3",
    "objective/kl_coef": "weight of the KL term in the reward of this iteration",
    "objective/holdout": "mean score of the hold-out reward model, which PPO never sees",
    "policy/entropy_avg": "mean entropy of the policy, nats per token",
    "policy/approxkl_avg": "KL(old || new) per token, mean over epochs",
    "policy/clipfrac_avg": "share of tokens whose ratio left the clip range",
    "policy/epochs": "epochs before approx_kl_stop",
    "loss/policy_avg": "clipped surrogate, mean over tokens and epochs",
    "loss/value_avg": "clipped squared error of the value, halved",
    "val/clipfrac_avg": "share of tokens where the clipped error was the larger",
    "val/explained_variance": "1 - var(returns - value) / var(returns), at rollout",
    "val/num_eos_tokens": "responses that came to an end",
    "completions/mean_length": "mean response tokens, the end included",
    "completions/finished": "share of responses that came to an end",
    "completions/count": "responses",
    "lr": "learning rate of the policy",
    "time/generate": "seconds of drawing answers, on the worker that reports",
    "time/score": "seconds of scoring them by all roles",
    "time/holdout": "seconds of scoring them by the hold-out model",
    "time/update": "seconds of the update",
    "throughput/tokens": "response tokens of all workers per second of the iteration",
}
"""Every figure of an iteration, and what it means."""

UPDATE = {
    "loss/policy_avg": "policy_loss",
    "policy/approxkl_avg": "approx_kl",
    "policy/clipfrac_avg": "policy_clipped",
    "loss/value_avg": "value_loss",
    "val/clipfrac_avg": "value_clipped",
}
"""Figure -> what the update sums up for it."""


def update_figures(told: Tally, reduce: Reduce) -> dict[str, float]:
    """Means over the response tokens of all mini-batches. Collective."""
    means = told.means(list(UPDATE.values()), "tokens", reduce)
    return dict(zip(UPDATE, means, strict=True))


def rollout_figures(shard: Experience, kl_coef: float, reduce: Reduce) -> dict[str, float]:
    """Means over all workers' responses. Collective."""
    mask = shard.response_mask
    error = (shard.returns - shard.value) * mask
    kl = k1(shard.logprob, shard.ref_logprob)
    sums = {
        "count": torch.tensor(float(len(shard))),
        "tokens": mask.sum(),
        "score": shard.score.sum(),
        "reward": shard.reward.sum(),
        "kl": kl.sum(),
        "kl_k3": (k3(shard.logprob, shard.ref_logprob) * mask).sum(),
        "entropy": shard.entropy.sum(),
        "finished": shard.finished.sum(),
        "error": error.sum(),
        "error_squared": error.square().sum(),
        "returns": shard.returns.sum(),
        "returns_squared": shard.returns.square().sum(),
    }
    stacked = torch.stack([value.double().cpu() for value in sums.values()])
    total = dict(zip(sums, reduce.sum_(stacked).tolist(), strict=True))
    count, tokens = total["count"], max(total["tokens"], 1.0)
    left = total["error_squared"] / tokens - (total["error"] / tokens) ** 2
    spread = total["returns_squared"] / tokens - (total["returns"] / tokens) ** 2
    return {
        "objective/scores": total["score"] / count,
        "objective/rlhf_reward": total["reward"] / count,
        "objective/non_score_reward": -kl_coef * total["kl"] / count,
        "objective/kl": total["kl"] / count,
        "objective/kl_k3": total["kl_k3"] / count,
        "objective/kl_coef": kl_coef,
        "policy/entropy_avg": total["entropy"] / tokens,
        "val/explained_variance": 1 - left / spread if spread > 0 else 0.0,
        "val/num_eos_tokens": total["finished"],
        "completions/mean_length": total["tokens"] / count,
        "completions/finished": total["finished"] / count,
        "completions/count": count,
    }
