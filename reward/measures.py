"""Everything the gate and the pages want to know of an ensemble, on pairs it was not trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import comb

import numpy as np
from numpy.typing import NDArray

from reward.calibration import (
    accuracy,
    calibrate,
    fit_temperature,
    mean_agreement,
    pairwise_correlation,
    wilson,
)
from reward.circumstances import Circumstances, untrained
from reward.preferences import EDITED, Answer, PreferenceSet
from reward.report import (
    HOLDOUT,
    AnnotatorReport,
    BestOf,
    MemberReport,
    Previous,
    RewardReport,
    Scored,
    Slice,
)
from reward.scoring import Encoded, Encoder, differences, score_ids
from reward.splits import Plan
from rlhf.models.roles import RoleModel

Numbers = NDArray[np.float64]

CERTAIN = 3.0
"""Standard errors either side of the gain over the last ensemble: with two of them one round in
forty would be refused by luck."""
ENOUGH_OVERLAP = 100
"""Pairs of people's preferences on one comparison from which reliabilities have a scale."""
STRENGTHS = {1: "slightly better", 2: "clearly better", 3: "much better"}
ASKED = {
    "train": "drawn uniformly",
    "evaluation": "drawn uniformly, only to measure",
    "active": "chosen for what it teaches",
    "imported": "from a file",
    EDITED: "edited by an annotator",
}
HARD_OR_EASY = frozenset({"active", EDITED})
"""What was not drawn by chance, and would make the ensemble look worse or better than it is."""
LENGTHS = (
    (0.5, "chosen much shorter"),
    (0.8, "chosen shorter"),
    (1.25, "about as long"),
    (2.0, "chosen longer"),
    (float("inf"), "chosen much longer"),
)
"""Tokens of the chosen response over those of the rejected one, up to which a name holds."""


def measure(
    roles: RoleModel,
    trained: Sequence[MemberReport],
    encoder: Encoder,
    preferences: PreferenceSet,
    plan: Plan,
    reference: Sequence[Answer],
    known: Circumstances,
) -> RewardReport:
    """The whole report of normalised members that `roles` holds."""
    members = tuple(one for one in trained if one.name != HOLDOUT)
    names = [one.name for one in members]
    report = replace(
        untrained(preferences, plan, known),
        members=members,
        holdout=next((one for one in trained if one.name == HOLDOUT), None),
        reference=_scored(roles, names, encoder, reference),
        best_of=_best_of(roles, names, encoder, known.best_of),
    )
    pairs = encoder.pairs(plan.unseen(names[0])) if names else []
    if not pairs:
        return report
    by_member = np.stack([differences(roles, name, pairs) for name in names])
    ensemble = by_member.mean(axis=0)
    uniform = _uniform(pairs)
    drawn = [pair for pair, one in zip(pairs, uniform, strict=True) if one]
    calibration = calibrate(
        ensemble[uniform], [one.source.group for one in drawn], _trust(drawn, known)
    )
    longer = np.array([len(one.chosen) - len(one.rejected) for one in pairs], dtype=np.float64)
    return replace(
        report,
        ensemble=accuracy(ensemble[uniform]),
        agreement=mean_agreement(by_member),
        holdout_agreement=_agreement(roles, names, encoder.pairs(plan.heldout)),
        length_correlation=pairwise_correlation(ensemble, longer),
        people_length_share=wilson(int((longer > 0).sum()), int((longer != 0).sum())),
        temperature=calibration.temperature if calibration else None,
        holdout_temperature=_holdout_temperature(roles, encoder, plan, known),
        calibration_error=calibration.error if calibration else None,
        calibration_error_raw=calibration.raw_error if calibration else None,
        bins=calibration.bins if calibration else (),
        annotators=_with_accuracy(known.annotators, pairs, ensemble),
        slices=_slices(pairs, ensemble, known.round_id),
        previous=_previous(roles, known, drawn, ensemble[uniform]),
    )


def _uniform(pairs: Sequence[Encoded]) -> NDArray[np.bool_]:
    """Which pairs say how good the ensemble is; all, where each was asked because it is hard."""
    uniform = np.array([one.source.purpose not in HARD_OR_EASY for one in pairs])
    return uniform if uniform.any() else np.ones(len(pairs), dtype=bool)


def _trust(pairs: Sequence[Encoded], known: Circumstances) -> Numbers | None:
    """How often each pair's annotator names the better response; none while few were compared.

    Too little overlap leaves open whether people err or the probe does, and a trust that is too
    low would make every stated probability too bold.
    """
    if known.people.ceiling.count < ENOUGH_OVERLAP:
        return None
    told = {one.annotator_id: one.reliability for one in known.annotators}
    return np.array([max(0.5, told.get(one.source.annotator_id) or 1.0) for one in pairs])


def _agreement(roles: RoleModel, names: Sequence[str], pairs: Sequence[Encoded]) -> float | None:
    """Share of pairs, new to both, that ensemble and hold-out order alike."""
    if not pairs or HOLDOUT not in roles.heads:
        return None
    ensemble = np.mean([differences(roles, name, pairs) for name in names], axis=0)
    return float(np.mean(np.sign(ensemble) == np.sign(differences(roles, HOLDOUT, pairs))))


def _holdout_temperature(
    roles: RoleModel, encoder: Encoder, plan: Plan, known: Circumstances
) -> float | None:
    """Under which the hold-out's differences tell best how people chose among pairs new to it."""
    pairs = encoder.pairs(plan.unseen(HOLDOUT))
    if not pairs or HOLDOUT not in roles.heads:
        return None
    drawn = [pair for pair, one in zip(pairs, _uniform(pairs), strict=True) if one]
    return fit_temperature(differences(roles, HOLDOUT, drawn), _trust(drawn, known))


def _slices(pairs: Sequence[Encoded], ensemble: Numbers, round_id: int | None) -> tuple[Slice, ...]:
    """Accuracy by what may matter, each with the pairs that there are."""
    told = []
    for by, name_of in (
        ("length difference", _length_name),
        ("strength", lambda one: STRENGTHS[one.source.strength]),
        ("asked", lambda one: ASKED[one.source.purpose]),
        ("source", lambda one: one.source.source or "unknown"),
        ("round", lambda one: "this" if one.source.round_id == round_id else "earlier"),
    ):
        names = np.array([name_of(one) for one in pairs])
        told += [
            Slice(by, str(name), accuracy(ensemble[names == name])) for name in np.unique(names)
        ]
    return tuple(told)


def _length_name(pair: Encoded) -> str:
    ratio = max(1, pair.chosen_tokens) / max(1, pair.rejected_tokens)
    return next(name for limit, name in LENGTHS if ratio <= limit)


def _with_accuracy(
    annotators: Sequence[AnnotatorReport], pairs: Sequence[Encoded], ensemble: Numbers
) -> tuple[AnnotatorReport, ...]:
    """Everybody, with the ensemble's accuracy on their own held-out preferences."""
    owners = np.array([one.source.annotator_id for one in pairs])
    return tuple(
        replace(one, accuracy=accuracy(ensemble[owners == one.annotator_id])) for one in annotators
    )


def _previous(
    roles: RoleModel, known: Circumstances, pairs: Sequence[Encoded], ensemble: Numbers
) -> Previous | None:
    """The last ensemble on the same pairs; what a conversation's hash holds out, it never saw."""
    if known.previous is None:
        return None
    names = [f"previous-{name}" for name in known.previous_members]
    for name, member in zip(names, known.previous_members, strict=True):
        roles.load_role(name, known.previous / member)
    before = np.mean([differences(roles, name, pairs) for name in names], axis=0)
    better = (np.sign(ensemble) - np.sign(before)) / 2
    low, high = _interval(better, [one.source.group for one in pairs])
    return Previous(known.previous.name, accuracy(before), float(better.mean()), low, high)


def _interval(values: Numbers, groups: Sequence[str]) -> tuple[float, float]:
    """The mean, CERTAIN standard errors either way; values of one group go up and down together.

    Linearised variance of a ratio of group totals (Cochran, 1977, chapter 9).
    """
    numbers = np.unique(np.array(groups), return_inverse=True)[1]
    mean = values.mean()
    apart = np.bincount(numbers, weights=values - mean)
    error = float(np.sqrt((apart**2).sum())) / len(values)
    return float(mean - CERTAIN * error), float(mean + CERTAIN * error)


def _scored(
    roles: RoleModel, names: Sequence[str], encoder: Encoder, reference: Sequence[Answer]
) -> tuple[Scored, ...]:
    fitting = [one for one in reference if encoder.fits(one)]
    if not names or not fitting:
        return ()
    sequences = encoder.fitting(fitting)
    scores = np.stack([score_ids(roles, name, sequences) for name in names])
    lengths = [encoder.response_tokens(one) for one in fitting]
    columns = zip(lengths, scores.mean(axis=0), scores.std(axis=0), strict=True)
    return tuple(Scored(tokens, float(mean), float(std)) for tokens, mean, std in columns)


def _best_of(
    roles: RoleModel,
    names: Sequence[str],
    encoder: Encoder,
    prompts: Sequence[Sequence[Answer]],
) -> tuple[BestOf, ...]:
    """Both scores of the response that the ensemble picks among n, n = 1, 2, 4, ...

    Exact over all subsets of the N responses to a prompt: of those in the ensemble's order, the
    r-th (from 0) is picked in C(N - 1 - r, n - 1) of C(N, n) subsets. Where the hold-out stops
    following, choosing by this ensemble stops helping (Gao et al., 2022, best-of-n).
    """
    asked = [answers for answers in prompts if all(map(encoder.fits, answers))]
    if not names or not asked or HOLDOUT not in roles.heads:
        return ()
    count = len(asked[0])
    flat = encoder.fitting([one for answers in asked for one in answers])
    proxy = np.mean([score_ids(roles, name, flat) for name in names], axis=0)
    holdout = score_ids(roles, HOLDOUT, flat)
    order = np.argsort(-proxy.reshape(len(asked), count), axis=1)
    seen = [
        np.take_along_axis(scores.reshape(len(asked), count), order, axis=1).mean(axis=0)
        for scores in (proxy, holdout)
    ]
    told = []
    n = 1
    while n <= count:
        picked = np.array([comb(count - 1 - r, n - 1) / comb(count, n) for r in range(count)])
        told.append(BestOf(n, float(picked @ seen[0]), float(picked @ seen[1])))
        n *= 2
    return tuple(told)
