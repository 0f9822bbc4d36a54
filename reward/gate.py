"""The first gate of a round: may PPO use this reward ensemble?

Pure and light: the controller asks it, and every answer comes in words with its number.
"""

from __future__ import annotations

from collections.abc import Iterator

from reward.report import RewardReport
from rlhf.rounds import Decision
from rlhf.settings import Gate

__all__ = ["RewardReport", "decide"]

ENOUGH_PEOPLE = 30
"""Pairs of people's preferences on the same comparison below which the ceiling is a guess."""
ENOUGH_CALIBRATION = 100
"""Held-out pairs below which the calibration error is mostly chance."""

Check = tuple[bool, str]


def decide(report: RewardReport, floors: Gate) -> Decision:
    """Pass an ensemble that shows enough of everything that can be known of it.

    Where an interval is stated the point decides, except against the previous model: with a few
    dozen held-out pairs the lower end would refuse useful ensembles, and the policy gate stands
    behind this one.
    """
    checks = list(_checks(report, floors))
    return Decision(
        passed=all(passed for passed, _ in checks), reasons=tuple(reason for _, reason in checks)
    )


def _checks(report: RewardReport, floors: Gate) -> Iterator[Check]:
    yield _enough(report, floors)
    yield _accurate(report, floors)
    yield _watched(report)
    if not report.members or not report.ensemble.count:
        return
    yield from _against_people(report, floors)
    yield from _against_previous(report)
    yield from _calibrated(report, floors)
    yield from _more_than_length(report, floors)


def _enough(report: RewardReport, floors: Gate) -> Check:
    counted = f"{report.preferences} usable preferences from {report.ratings} ratings"
    if round(report.effective, 1) != report.preferences:
        counted += f", worth {report.effective:.0f} independent and reliable ones,"
    if report.effective < floors.min_preferences:
        return False, f"{counted} are fewer than the {floors.min_preferences} that are needed"
    return True, f"{counted} are enough (at least {floors.min_preferences})"


def _accurate(report: RewardReport, floors: Gate) -> Check:
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


def _watched(report: RewardReport) -> Check:
    if report.holdout is None:
        return False, "no hold-out reward model was trained, so that nobody could watch PPO"
    return True, f"hold-out reward model: held-out accuracy {report.holdout.accuracy}"


def _against_people(report: RewardReport, floors: Gate) -> Iterator[Check]:
    ceiling = report.people.ceiling
    if ceiling.count < ENOUGH_PEOPLE or ceiling.value <= 0.5:
        yield (
            True,
            (
                f"the human ceiling is not known yet ({ceiling.count} pairs of preferences on the "
                f"same comparison, {ENOUGH_PEOPLE} are needed)"
            ),
        )
        return
    share = (report.ensemble.value - 0.5) / (ceiling.value - 0.5)
    stated = (
        f"accuracy {report.ensemble.value:.2f} is {share:.0%} of the way from a coin to the human "
        f"ceiling {ceiling}"
    )
    wanted = f"{floors.min_of_ceiling:.0%}"
    if share < floors.min_of_ceiling:
        yield False, f"{stated}; at least {wanted} are wanted"
    else:
        yield True, f"{stated} (at least {wanted})"


def _against_previous(report: RewardReport) -> Iterator[Check]:
    before = report.previous
    if before is None:
        return
    stated = (
        f"against the previous ensemble's {before.accuracy.value:.2f} on the same pairs: "
        f"{before.gain:+.2f} ({before.low:+.2f} to {before.high:+.2f})"
    )
    if before.high < 0:
        yield False, f"{stated}, clearly worse"
    else:
        yield True, f"{stated}, {'clearly better' if before.low > 0 else 'not clearly worse'}"


def _calibrated(report: RewardReport, floors: Gate) -> Iterator[Check]:
    error = report.calibration_error
    if error is None or report.ensemble.count < ENOUGH_CALIBRATION:
        yield (
            True,
            (
                f"calibration is not judged on {report.ensemble.count} pairs "
                f"({ENOUGH_CALIBRATION} are needed)"
            ),
        )
        return
    passed = error <= floors.max_calibration_error
    relation = "within" if passed else "above"
    yield (
        passed,
        (
            f"stated probabilities are off by {error:.2f} on average, {relation} the limit "
            f"{floors.max_calibration_error:g}"
        ),
    )


def _more_than_length(report: RewardReport, floors: Gate) -> Iterator[Check]:
    r = report.length_correlation
    if r is None:
        return
    passed = abs(r) <= floors.max_length_correlation
    relation = "within" if passed else "beyond"
    yield (
        passed,
        (
            f"score and length correlate by {r:+.2f}, {relation} the limit "
            f"{floors.max_length_correlation:g} (people chose the longer response in "
            f"{report.people_length_share.value:.2f} of pairs)"
        ),
    )
