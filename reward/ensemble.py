"""Members become an ensemble: each gets the gain and shift that make their scores comparable.

The last step of reward training; what is measured of the result is in `reward.measures`.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from reward.circumstances import Circumstances
from reward.measures import measure
from reward.preferences import Answer, PreferenceSet
from reward.report import MemberReport, RewardReport
from reward.scoring import Encoder, score_ids
from reward.splits import Plan
from rlhf.durable import sync_tree
from rlhf.errors import ModelError, UsageError
from rlhf.models.base import load_base, load_tokenizer
from rlhf.models.role_files import HEAD
from rlhf.models.roles import RoleModel
from rlhf.settings import Sampling

SMALLEST_SPREAD = 1e-6
"""A standard deviation below this is that of a constant score: it is centred, not scaled."""


@dataclass(frozen=True, slots=True)
class Normalisation:
    """score = gain * raw + shift."""

    gain: float
    shift: float


def assemble(
    base: str | Path,
    folder: Path,
    trained: Sequence[MemberReport],
    preferences: PreferenceSet,
    plan: Plan,
    reference: Sequence[Answer],
    circumstances: Circumstances,
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
        load_reward_model(roles, report.name, folder / report.name)
    encoder = Encoder(tokenizer, sampling, longest=roles.context)
    reports = []
    for report in trained:
        scale = normalise(roles, report.name, encoder, reference)
        _rewrite_head(roles, report.name, folder / report.name)
        reports.append(replace(report, gain=scale.gain, shift=scale.shift))
    return measure(roles, reports, encoder, preferences, plan, reference, circumstances)


def load_reward_model(roles: RoleModel, role: str, folder: Path) -> None:
    """Load a role that scores. Raises ModelError for a missing or foreign head."""
    roles.load_role(role, folder)
    if role not in roles.heads:
        raise ModelError(f"{folder}: the reward head is missing. Train it again")


def normalise(
    roles: RoleModel, role: str, encoder: Encoder, reference: Iterable[Answer]
) -> Normalisation:
    """Give a role the gain and shift with which `reference` scores mean 0, standard deviation 1.

    As in Stiennon et al. (2020, appendix C.1) for the mean; the scale makes members comparable.
    A role that scores everything alike keeps gain 1. What it had before does not matter.
    """
    roles.set_normalisation(role, gain=1.0, shift=0.0)
    sequences = encoder.fitting(reference)
    if len(sequences) < 2:
        raise UsageError("Normalising a reward model needs at least two reference responses")
    raw = score_ids(roles, role, sequences)
    spread = float(raw.std())
    gain = 1 / spread if spread > SMALLEST_SPREAD else 1.0
    scale = Normalisation(gain=gain, shift=-float(raw.mean()) * gain)
    roles.set_normalisation(role, gain=scale.gain, shift=scale.shift)
    return scale


def _rewrite_head(roles: RoleModel, role: str, folder: Path) -> None:
    """Put the new gain and shift into a role folder that is whole at every moment."""
    fresh = folder.with_name(f".{role}.head")
    shutil.rmtree(fresh, ignore_errors=True)
    roles.save_role(role, fresh)
    sync_tree(fresh)
    (fresh / HEAD).replace(folder / HEAD)
    shutil.rmtree(fresh)
