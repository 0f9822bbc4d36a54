"""How hard the reward pulls the policy back to the reference, and what changes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

MAX_ERROR = 0.2
"""The controller never corrects by more than this share at once (Ziegler et al., 2019)."""


def carried(chosen: float, before: Mapping[str, float] | None) -> float:
    """The coefficient with which a round begins: where the champion's round left it.

    The controller's target is counted from the fixed reference, over all rounds, so that it must
    not begin anew with each. before: the champion's {"set": the setting, "reached": the
    coefficient at the end}, None for one that PPO did not make. Another setting begins anew.
    """
    if before is None or before["set"] != chosen:
        return chosen
    return before["reached"]


@dataclass(slots=True)
class KLController:
    """The KL coefficient of the reward: adaptive towards `target`, or fixed without one.

    coef *= 1 + clip(kl / target - 1, -0.2, 0.2) * episodes / horizon (Ziegler et al., 2019, 2.2).
    """

    coef: float
    target: float | None
    """Nats per sequence."""
    horizon: int
    """Episodes (responses)."""

    def update(self, kl: float, episodes: int) -> None:
        """Learn from a batch of `episodes` responses whose mean KL was `kl` nats per sequence."""
        if self.target is None:
            return
        error = max(-MAX_ERROR, min(MAX_ERROR, kl / self.target - 1))
        self.coef *= 1 + error * episodes / self.horizon
