"""What the untouched base model sees in a response: its last hidden state.

A linear probe reads it, a reward model starts from it, and it tells how alike two comparisons are.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from reward.scoring import batches
from rlhf.models.roles import RoleModel

Numbers = NDArray[np.float64]


@torch.inference_mode()
def states(roles: RoleModel, sequences: Sequence[Sequence[int]]) -> Numbers:
    """Last hidden state [N, D] of the reference at the last token of each sequence."""
    found = np.empty((len(sequences), roles.hidden_size))
    for rows, ids, mask in batches(sequences, roles.device):
        hidden = roles.hidden(None, ids, mask)
        last = mask.sum(dim=1) - 1
        found[rows] = hidden[torch.arange(len(rows)), last].double().cpu().numpy()
    return found


def state_differences(roles: RoleModel, pairs: Sequence[Sequence[Sequence[int]]]) -> Numbers:
    """State of the first sequence less that of the second [N, D], for each of N pairs."""
    read = states(roles, [ids for pair in pairs for ids in pair])
    return np.asarray(read[0::2] - read[1::2], dtype=np.float64)
