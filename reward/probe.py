"""The linear probe: what the untouched base model can tell of two responses without training.

A logistic regression on the base's last hidden states. It costs one forward pass per response,
knows every comparison, and never saw the annotator whom it helps to check.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from reward.scoring import Encoder
from reward.states import state_differences
from rlhf.models.roles import RoleModel

if TYPE_CHECKING:
    from rlhf.store.manifests import LabelledComparison

Numbers = NDArray[np.float64]
FOLDS = 5
STRENGTHS = (1e-3, 1e-2, 1e-1)
"""Inverse regularisation that is tried, on states of standard deviation 1."""


ASKED_HERE = frozenset({"train", "active", "evaluation"})
"""Purposes of comparisons that annotators of this service judge and that say nothing of them."""


def opinion(
    roles: RoleModel, encoder: Encoder, labelled: Sequence[LabelledComparison]
) -> dict[int, float]:
    """Comparison id -> probability that its first response (in canonical order) is better.

    Fitted on the people's own preferences, for each comparison on those of other conversations.
    Comparisons from files and those longer than the context are passed over.
    """
    verdicts: dict[int, list[bool]] = defaultdict(list)
    about: dict[int, LabelledComparison] = {}
    for one in labelled:
        if one.purpose in ASKED_HERE and one.lo_preferred is not None:
            verdicts[one.comparison_id].append(one.lo_preferred)
            about[one.comparison_id] = one
    sides = {
        number: [
            encoder.answer(one.prompt_messages, text, finished)
            for text, finished in (
                (one.text_lo, one.chosen_finished if one.lo_preferred else one.rejected_finished),
                (one.text_hi, one.rejected_finished if one.lo_preferred else one.chosen_finished),
            )
        ]
        for number, one in about.items()
    }
    fitting = [n for n, pair in sides.items() if max(map(len, pair)) <= encoder.longest]
    if not fitting:
        return {}
    guessed = crossfit(
        state_differences(roles, [sides[number] for number in fitting]),
        {row: verdicts[number] for row, number in enumerate(fitting)},
        [about[number].conversation for number in fitting],
    )
    return {fitting[row]: one for row, one in guessed.items()}


def crossfit(
    differences: Numbers, verdicts: Mapping[int, Sequence[bool]], groups: Sequence[str]
) -> dict[int, float]:
    """Comparison -> probability that its first response is better, from a fit on other groups.

    differences: [N, D] from `state_differences` of N comparisons; verdicts: comparison (row
    number) -> for each preference whether the first was chosen; groups: what must not be divided
    (the conversation), per comparison. Empty below FOLDS groups with verdicts.
    """
    rows = np.array([row for row, said in verdicts.items() for _ in said], dtype=np.int64)
    chosen = np.array([one for said in verdicts.values() for one in said], dtype=bool)
    if len({groups[row] for row in rows}) < FOLDS:
        return {}
    signed = np.where(chosen, 1, -1)[:, None] * differences[rows]
    guessed = np.empty(len(rows))
    for seen, unseen in GroupKFold(FOLDS).split(rows, groups=[groups[row] for row in rows]):
        inner = GroupKFold(FOLDS - 1).split(seen, groups=[groups[row] for row in rows[seen]])
        fitting, choosing = next(iter(inner))
        direction = fit(signed[seen[fitting]], signed[seen[choosing]])
        guessed[unseen] = expit(differences[rows[unseen]] @ direction)
    return {int(row): float(one) for row, one in zip(rows, guessed, strict=True)}


def fit(differences: Numbers, choosing: Numbers, weights: Numbers | None = None) -> Numbers:
    """The direction [D] along which chosen responses lie above rejected ones.

    Logistic regression on differences [N, D] of chosen less rejected states, regularised as is
    best for the differences `choosing` [M, D], on states of standard deviation 1.
    """
    spread = differences.std(axis=0)
    scale = np.where(spread > 0, spread, 1)
    rows = differences / scale
    both, labels = np.concatenate([rows, -rows]), np.repeat([1, 0], len(rows))
    doubled = None if weights is None else np.concatenate([weights, weights])
    found: list[tuple[float, Numbers]] = []
    for strength in STRENGTHS:
        model = LogisticRegression(C=strength, fit_intercept=False, max_iter=1000)
        direction = model.fit(both, labels, sample_weight=doubled).coef_[0] / scale
        loss = float(np.logaddexp(0, -(choosing @ direction)).mean()) if len(choosing) else strength
        found.append((loss, np.asarray(direction, dtype=np.float64)))
    return min(found, key=lambda one: one[0])[1]
