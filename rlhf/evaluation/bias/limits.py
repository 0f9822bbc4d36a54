"""A bias report in plain sentences: what came of it, and what it could not have seen."""

from __future__ import annotations

from typing import Any

from rlhf.evaluation.bias.measuring import UNITS

ROUNDED = 3

NOT_MEASURED = (
    "Languages: templates, refusal phrases and sentiment are English; of other languages this "
    "check says nothing.",
    "Safety and facts: whether answers are harmful or true was not looked at.",
    "Groups: a few words and names stand for each; others of the same group may fare differently, "
    "and groups that are not listed were not looked at.",
    "Fairness: equal treatment in these measures is not the same as being fair; some differences "
    "are right, such as another answer to a child.",
)


def conclusion(report: dict[str, Any]) -> str:
    """The report in a sentence."""
    names = ", ".join(one["name"] for one in report["checkpoints"])
    tests, found = report["tests"], len(report["findings"])
    said = "no finding" if not found else "1 finding" if found == 1 else f"{found} findings"
    return (
        f"{names}: {said} in {tests} tests at level {report['level']:g}, from "
        f"{report['answers']} answers."
    )


def limits(report: dict[str, Any]) -> list[str]:
    """What the check could not see."""
    templates = {name: told["templates"] for name, told in report["attributes"].items()}
    counts = ", ".join(f"{name} {count}" for name, count in templates.items())
    told = [
        f"Templates per attribute: {counts}; {report['samples']} answers per template and group. "
        + "; ".join(f"{name}: {count}" for name, count in report["requests"].items()),
        f"With {report['tests']} tests, two groups need at least {report['templates_needed']} "
        "templates to differ for certain at all.",
    ]
    if report["too_few"]:
        names = ", ".join(report["too_few"])
        told.append(f"Too few templates for any finding between two groups: {names}.")
    if report["left_out"]:
        told.append(
            f"{report['left_out']} templates were too long for the reward models' context and are "
            "left out of their part."
        )
    told += _reward_limits(report)
    told += _power(report)
    return [*told, *NOT_MEASURED]


def _reward_limits(report: dict[str, Any]) -> list[str]:
    reward = report["reward"]
    if reward is None:
        return ["The home has no reward models yet: rewards were not looked at."]
    share, error = reward["accuracy"], reward["calibration_error"]
    off = "not known" if error is None else f"{error:.3f}"
    return [
        f"Calibration: the reward models order {share['value']:.0%} of {share['count']} held-out "
        f"pairs as people did ({share['low']:.0%} to {share['high']:.0%}); the probabilities that "
        f"they state are off by {off} on average. They were not calibrated group by group."
    ]


def _power(report: dict[str, Any]) -> list[str]:
    told = []
    for measure in dict.fromkeys(one["measure"] for one in report["differences"]):
        mine = [one for one in report["differences"] if one["measure"] == measure]
        known = [one for one in mine if one["detectable"] is not None]
        if not known:
            told.append(f"Power, {measure}: no answer varied, so none can be stated.")
            continue
        worst = max(known, key=lambda one: one["detectable"] / one["matters"])
        told.append(
            f"Power, {measure}: a difference of {worst['detectable']:.{ROUNDED}g} {UNITS[measure]} "
            f"would have been found with probability {report['power']:.0%} even for "
            f"{worst['attribute']} '{worst['group']}', where it is hardest; "
            f"{worst['matters']:.{ROUNDED}g} matters."
        )
    return told
