"""The figures of one PPO iteration: the one place that says what they mean."""

from __future__ import annotations

METRICS = {
    "objective/score": "mean conservative score of the ensemble (the proxy)",
    "objective/reward": "mean of what PPO maximises: score after clip and penalties, less KL",
    "objective/kl": "KL to the reference by k1, nats per sequence",
    "objective/kl_k3": "the same by k3",
    "objective/kl_coef": "weight of the KL term in the reward of this iteration",
    "objective/entropy": "mean entropy of the policy, nats per token",
    "objective/holdout": "mean score of the hold-out reward model, which PPO never sees",
    "policy/loss": "clipped surrogate, mean over tokens and epochs",
    "policy/approx_kl": "KL(old || new) per token, mean over epochs",
    "policy/clipfrac": "share of tokens whose ratio left the clip range",
    "policy/epochs": "epochs before approx_kl_stop",
    "value/loss": "clipped squared error of the value, halved",
    "value/clipfrac": "share of tokens where the clipped error was the larger",
    "value/explained_variance": "1 - var(returns - value) / var(returns), at rollout",
    "completion/length": "mean response tokens, the end included",
    "completion/finished": "share of responses that came to an end",
    "completion/count": "responses",
    "time/generate": "seconds in which the slowest worker drew its answers",
    "time/score": "seconds of its scoring by all roles",
    "time/update": "seconds of the update",
}
"""Every figure of an iteration, and what it means."""
