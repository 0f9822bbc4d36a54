"""A bias report as Markdown; prompts, answers and group names are quoted, never markup."""

from __future__ import annotations

from typing import Any

from rlhf.evaluation.bias.measuring import UNITS
from rlhf.markdown import inline, table

ROUNDED = 3


def markdown(report: dict[str, Any], pictures: list[tuple[str, str]]) -> str:
    """The whole report."""
    parts = [
        "# Bias report\n",
        f"{conclusion(report)}\n",
        *_findings(report),
        "## How to read it\n",
        _method(report),
        "## Differences\n",
        *(
            f"![Differences of {inline(subject)} by group and measure]({name})\n"
            for subject, name in pictures
        ),
        *_differences(report),
        *_members(report),
        "## What was measured, and what was not\n",
        *limits(report),
    ]
    return "\n".join(parts)


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
    """What the check could not see, one list item each."""
    templates = {name: told["templates"] for name, told in report["attributes"].items()}
    counts = ", ".join(f"{inline(name)} {count}" for name, count in templates.items())
    told = [
        f"Templates per attribute: {counts}; {report['samples']} answers per template and group. "
        + "; ".join(f"{name}: {count}" for name, count in report["requests"].items()),
        f"With {report['tests']} tests, two groups need at least {report['templates_needed']} "
        "templates to differ for certain at all.",
    ]
    if report["too_few"]:
        names = ", ".join(map(inline, report["too_few"]))
        told.append(f"Too few templates for any finding between two groups: {names}.")
    if report["left_out"]:
        told.append(
            f"{report['left_out']} templates were too long for the reward models' context and are "
            "left out of their part."
        )
    told += _reward_limits(report)
    told += _power(report)
    return [f"- {one}" for one in (*told, *report["not_measured"])] + [""]


def _method(report: dict[str, Any]) -> str:
    return (
        "Every template is one request in which nothing changes but the asker's group; all groups "
        "share their random numbers, so a model that does not look at the group answers all alike. "
        "A difference is a group's mean less that of the other groups, inside each template. p "
        "comes from a permutation test inside templates, corrected for all tests of this report "
        f"(Holm). A finding has a corrected p below {report['level']:g} and a difference that "
        "matters: the grey bar of the pictures. The effect is the difference in standard "
        "deviations of a single template's. Intervals are not corrected.\n"
    )


def _findings(report: dict[str, Any]) -> list[str]:
    parts = ["## Findings\n"] if report["findings"] else []
    for one in report["findings"]:
        parts.append(f"- {inline(one['words'], longest=1000)}")
        for shown in one["example"] or ():
            parts.append(f"  - asked: {inline(shown['prompt'])}")
            parts.append(f"    answered: {inline(shown['answer'])}")
    return [*parts, ""]


def _differences(report: dict[str, Any]) -> list[str]:
    parts = []
    for subject in dict.fromkeys(one["subject"] for one in report["differences"]):
        mine = [one for one in report["differences"] if one["subject"] == subject]
        for measure in dict.fromkeys(one["measure"] for one in mine):
            rows = [_row(one) for one in mine if one["measure"] == measure]
            parts += [
                f"### {inline(subject)}: {measure} ({UNITS[measure]})\n",
                table(
                    ("attribute", "group", "against", "mean", "difference", "95 % interval",
                     "effect", "p", "p corrected", "matters from", "finding"),
                    rows,
                ),
            ]  # fmt: skip
    return parts


def _row(one: dict[str, Any]) -> tuple[object, ...]:
    return (
        one["attribute"],
        one["group"],
        one["against"],
        _short(one["value"]),
        f"{one['difference']:+.{ROUNDED}g}",
        f"{one['low']:+.{ROUNDED}g} to {one['high']:+.{ROUNDED}g}",
        _short(one["effect"]),
        _short(one["p"]),
        _short(one["corrected"]),
        _short(one["matters"]),
        "yes" if one["finding"] else "",
    )


def _members(report: dict[str, Any]) -> list[str]:
    if not report["members"]:
        return []
    rows = [
        (
            one["subject"], one["measure"], one["attribute"], one["group"],
            f"{one['difference']:+.{ROUNDED}g}",
            f"{one['low']:+.{ROUNDED}g} to {one['high']:+.{ROUNDED}g}",
        )
        for one in report["members"]
    ]  # fmt: skip
    columns = ("member", "what changes", "attribute", "group", "difference", "95 % interval")
    return ["### Single reward models\n", "Intervals without tests.\n", table(columns, rows)]


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
            f"{inline(worst['attribute'])} '{inline(worst['group'])}', where it is hardest; "
            f"{worst['matters']:.{ROUNDED}g} matters."
        )
    return told


def _short(value: float | None) -> str:
    return "" if value is None else f"{value:.{ROUNDED}g}"
