"""From scores to advantages: where the reward falls, and what each token is to be thanked for.

B responses in rows of S tokens; mask_BS is 1 on response tokens, which stand together.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rlhf.ppo.reduce import Reduce

EPS = 1e-8
"""Keeps whitening finite (Huang et al., 2023)."""


def conservative_score(scores_KB: Tensor, pessimism: float) -> Tensor:
    """[K, B] -> [B]: mean - pessimism * standard deviation over K members (Coste et al., 2023)."""
    return scores_KB.mean(dim=0) - pessimism * scores_KB.std(dim=0, correction=0)


def place_rewards(
    score_B: Tensor,
    kl_BS: Tensor,
    mask_BS: Tensor,
    finished_B: Tensor,
    *,
    kl_coef: float,
    score_clip: float,
    missing_eos_penalty: float,
) -> Tensor:
    """Rewards [B, S]: -kl_coef * KL at every response token, the score at the last one.

    The score is clipped to +- score_clip; a response without an end loses the penalty (Huang et
    al., 2024, detail 7). An empty response earns nothing.
    """
    assert kl_BS.shape == mask_BS.shape
    score_B = score_B.clamp(-score_clip, score_clip) - missing_eos_penalty * (~finished_B).float()
    places = torch.arange(mask_BS.shape[1], device=mask_BS.device)
    last_B = (mask_BS * places).argmax(dim=1)
    reward_BS = -kl_coef * kl_BS * mask_BS
    rows = torch.arange(len(score_B), device=mask_BS.device)
    reward_BS[rows, last_B] += score_B * mask_BS[rows, last_B]
    return reward_BS


def gae(
    reward_BS: Tensor, value_BS: Tensor, mask_BS: Tensor, *, gamma: float, lam: float
) -> Tensor:
    """Advantages [B, S] (Schulman et al., 2016, eq. 16); the value after the last token is 0."""
    assert reward_BS.shape == value_BS.shape == mask_BS.shape
    advantage_BS = torch.zeros_like(reward_BS)
    next_advantage_B = next_value_B = torch.zeros_like(reward_BS[:, 0])
    for s in reversed(range(reward_BS.shape[1])):
        delta_B = reward_BS[:, s] + gamma * next_value_B - value_BS[:, s]
        next_advantage_B = (delta_B + gamma * lam * next_advantage_B) * mask_BS[:, s]
        next_value_B = value_BS[:, s] * mask_BS[:, s]
        advantage_BS[:, s] = next_advantage_B
    return advantage_BS


def whiten(values_BS: Tensor, mask_BS: Tensor, reduce: Reduce) -> Tensor:
    """Mean 0 and standard deviation 1 over the response tokens of all workers; 0 elsewhere."""
    sums = torch.stack([(values_BS * mask_BS).double().sum(), mask_BS.double().sum()])
    total, count = reduce.sum_(sums)
    mean = total / count.clamp_min(1)
    centred = (values_BS.double() - mean) * mask_BS
    (spread,) = reduce.sum_(centred.square().sum().unsqueeze(0))
    variance = spread / count.clamp_min(1)
    whitened: Tensor = (centred * torch.rsqrt(variance + EPS)).to(values_BS.dtype)
    return whitened
