"""The first gate of a round: may PPO use this reward ensemble?

Pure and light: the controller asks it, and every answer comes in words with its number.
"""

from __future__ import annotations

from reward.report import RewardReport
from rlhf.rounds import Decision
from rlhf.settings import Gate

__all__ = ["RewardReport", "decide"]


def decide(report: RewardReport, floors: Gate) -> Decision:
    """Pass an ensemble with enough preferences whose held-out accuracy reaches the floor.

    The interval is stated but the point decides: with a few dozen held-out pairs the lower end
    would refuse useful ensembles, and the policy gate stands behind this one.
    """
    checks = [_enough(report, floors), _accurate(report, floors), _watched(report)]
    return Decision(
        passed=all(passed for passed, _ in checks), reasons=tuple(reason for _, reason in checks)
    )


def _enough(report: RewardReport, floors: Gate) -> tuple[bool, str]:
    counted = f"{report.preferences} usable preferences from {report.ratings} ratings"
    if report.preferences < floors.min_preferences:
        return False, f"{counted} are fewer than the {floors.min_preferences} that are needed"
    return True, f"{counted} are enough (at least {floors.min_preferences})"


def _accurate(report: RewardReport, floors: Gate) -> tuple[bool, str]:
    if not report.members:
        return False, "no reward model was trained"
    if not report.ensemble.count:
        return False, "no preference was held out, so that the accuracy is not known"
    stated = f"held-out accuracy {report.ensemble}"
    if not report.ensemble.value >= floors.min_accuracy:
        return False, f"{stated} is below the floor {floors.min_accuracy:g}"
    if report.ensemble.low < 0.5:
        stated += ", not yet clearly better than a coin,"
    return True, f"{stated} is above the floor {floors.min_accuracy:g}"


def _watched(report: RewardReport) -> tuple[bool, str]:
    if report.holdout is None:
        return False, "no hold-out reward model was trained, so that nobody could watch PPO"
    return True, f"hold-out reward model: held-out accuracy {report.holdout.accuracy}"
