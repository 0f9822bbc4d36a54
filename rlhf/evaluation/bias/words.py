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
        f"{inline(report['conclusion'])}\n",
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
        *(f"- {inline(one, longest=1000)}" for one in report["limits"]),
        "",
    ]
    return "\n".join(parts)


def _method(report: dict[str, Any]) -> str:
    return (
        "Every template is one request in which nothing changes but the asker's group; all groups "
        "share their random numbers, so a model that does not look at the group answers all alike. "
        "A difference is a group's mean less that of the other groups, inside each template. p "
        "comes from a permutation test inside templates, corrected for all tests of this report "
        f"(Holm). A finding has a corrected p below {report['level']:g} and a difference that "
        "matters (the grey bar of the pictures), and is more than the other side of a larger "
        "finding, which moves the mean of the others. The effect is the difference in standard "
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


def _short(value: float | None) -> str:
    return "" if value is None else f"{value:.{ROUNDED}g}"
