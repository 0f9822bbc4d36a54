"""Members become an ensemble: normalised on the reference's responses, measured on held-out pairs.

The last step of reward training. Its report is all that the gate reads.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reward.calibration import accuracy, calibrate, correlation, mean_agreement, wilson
from reward.preferences import PreferenceSet
from reward.report import AnnotatorShare, MemberReport, RewardReport
from reward.scoring import Answer, Encoded, Encoder, differences, score_ids
from reward.splits import HOLDOUT, Plan
from rlhf.durable import sync_tree
from rlhf.errors import ModelError, UsageError
from rlhf.models.base import load_base, load_tokenizer
from rlhf.models.role_files import HEAD
from rlhf.models.roles import RoleModel
from rlhf.settings import Sampling

Numbers = NDArray[np.float64]
SMALLEST_SPREAD = 1e-6
"""A standard deviation below this is that of a constant score: it is centred, not scaled."""


@dataclass(frozen=True, slots=True)
class Normalisation:
    """score = gain * raw + shift."""

    gain: float
    shift: float


def untrained(preferences: PreferenceSet, plan: Plan) -> RewardReport:
    """The report of a round with too few preferences to train on; the gate refuses it."""
    return RewardReport(
        ratings=preferences.ratings,
        preferences=len(preferences.rows),
        excluded=preferences.excluded,
        split=plan.sizes,
    )


def assemble(
    base: str | Path,
    folder: Path,
    trained: Sequence[MemberReport],
    preferences: PreferenceSet,
    plan: Plan,
    reference: Sequence[Answer],
    *,
    sampling: Sampling,
) -> RewardReport:
    """Normalise the trained roles in place and measure the ensemble.

    folder: one role folder per member, named as the role ("reward-0", ..., "holdout"); their
    heads are rewritten with gain and shift, each at a stroke, so that a killed call can simply be
    made again. reference: responses of the untouched base to this
    round's prompts, at least two of them.
    Raises UsageError for too few reference responses, ModelError for a missing or foreign head.
    """
    tokenizer = load_tokenizer(base)
    roles = RoleModel(load_base(base), tokenizer)
    for report in trained:
        roles.load_role(report.name, folder / report.name)
        if report.name not in roles.heads:
            raise ModelError(f"{folder / report.name}: the reward head is missing. Train it again")
    encoder = Encoder(tokenizer, sampling, longest=roles.context)
    reports = []
    for report in trained:
        scale = normalise(roles, report.name, encoder, reference)
        _rewrite_head(roles, report.name, folder / report.name)
        reports.append(replace(report, gain=scale.gain, shift=scale.shift))
    return measure(roles, reports, encoder, preferences, plan)


def normalise(
    roles: RoleModel, role: str, encoder: Encoder, reference: Iterable[Answer]
) -> Normalisation:
    """Give a role the gain and shift with which `reference` scores mean 0, standard deviation 1.

    As in Stiennon et al. (2020, appendix C.1) for the mean; the scale makes members comparable.
    A role that scores everything alike keeps gain 1. What it had before does not matter.
    """
    roles.set_normalisation(role, gain=1.0, shift=0.0)
    encoded = [encoder.answer(one.prompt, one.text, one.finished) for one in reference]
    sequences = [ids for ids in encoded if len(ids) <= encoder.longest]
    if len(sequences) < 2:
        raise UsageError("Normalising a reward model needs at least two reference responses")
    raw = score_ids(roles, role, sequences)
    spread = float(raw.std())
    gain = 1 / spread if spread > SMALLEST_SPREAD else 1.0
    scale = Normalisation(gain=gain, shift=-float(raw.mean()) * gain)
    roles.set_normalisation(role, gain=scale.gain, shift=scale.shift)
    return scale


def measure(
    roles: RoleModel,
    trained: Sequence[MemberReport],
    encoder: Encoder,
    preferences: PreferenceSet,
    plan: Plan,
) -> RewardReport:
    """Everything the gate and the pages want to know, on pairs that were not trained on."""
    report = untrained(preferences, plan)
    members = tuple(one for one in trained if one.name != HOLDOUT)
    holdout = next((one for one in trained if one.name == HOLDOUT), None)
    report = replace(report, members=members, holdout=holdout)
    if not members:
        return report
    pairs = encoder.pairs(plan.unseen(members[0].name))
    if not pairs:
        return report
    by_member = np.stack([differences(roles, one.name, pairs) for one in members])
    ensemble = by_member.mean(axis=0)
    calibration = calibrate(ensemble, [pair.source.prompt_key for pair in pairs])
    longer = np.array([len(pair.chosen) - len(pair.rejected) for pair in pairs], dtype=np.float64)
    return replace(
        report,
        ensemble=accuracy(ensemble),
        agreement=mean_agreement(by_member),
        holdout_agreement=_agreement(roles, members, encoder.pairs(plan.heldout)),
        length_correlation=correlation(ensemble, longer),
        people_length_share=wilson(int((longer > 0).sum()), int((longer != 0).sum())),
        temperature=calibration.temperature if calibration else None,
        calibration_error=calibration.error if calibration else None,
        annotators=_by_annotator(pairs, ensemble),
    )


def _rewrite_head(roles: RoleModel, role: str, folder: Path) -> None:
    """Put the new gain and shift into a role folder that is whole at every moment."""
    fresh = folder.with_name(f".{role}.head")
    shutil.rmtree(fresh, ignore_errors=True)
    roles.save_role(role, fresh)
    sync_tree(fresh)
    (fresh / HEAD).replace(folder / HEAD)
    shutil.rmtree(fresh)


def _agreement(
    roles: RoleModel, members: Sequence[MemberReport], pairs: Sequence[Encoded]
) -> float | None:
    """Share of pairs, new to both, that ensemble and hold-out order alike."""
    if not pairs or HOLDOUT not in roles.heads:
        return None
    ensemble = np.mean([differences(roles, one.name, pairs) for one in members], axis=0)
    return float(np.mean(np.sign(ensemble) == np.sign(differences(roles, HOLDOUT, pairs))))


def _by_annotator(pairs: Sequence[Encoded], ensemble: Numbers) -> tuple[AnnotatorShare, ...]:
    verdicts = pd.DataFrame(
        {
            "annotator": [pair.source.annotator_id for pair in pairs],
            "agrees": (np.sign(ensemble) + 1) / 2,
        }
    )
    sums = verdicts.groupby("annotator")["agrees"].agg(["sum", "count"])
    return tuple(
        AnnotatorShare(int(annotator), wilson(float(row["sum"]), int(row["count"])))
        for annotator, row in sums.iterrows()
    )
