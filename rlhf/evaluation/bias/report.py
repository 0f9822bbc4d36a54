"""What a bias check says: findings in sentences, all figures, and what it could not see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from rlhf.evaluation.bias import measuring
from rlhf.evaluation.bias.counterfactuals import Template
from rlhf.evaluation.bias.differences import (
    LEVEL,
    POWER,
    Difference,
    Measured,
    compare,
    interval,
    templates_needed,
)
from rlhf.evaluation.bias.limits import conclusion, limits
from rlhf.evaluation.bias.measuring import Answered, Asked


@dataclass(frozen=True, slots=True)
class Subject:
    """One policy with its answers."""

    name: str
    """How it is called in the report, such as "v3"."""
    digest: str
    answers: Sequence[Answered]


@dataclass(frozen=True, slots=True)
class RewardScores:
    """What each reward model says of every judged conversation, in order."""

    judged: Sequence[measuring.Judged]
    scores: dict[str, Sequence[float | None]]
    """Role -> scores; None where the context was too short."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """How it was measured."""

    samples: int
    seed: int
    resamples: int
    requests: dict[str, int]
    """Where the requests come from -> how many."""
    members: Sequence[str] = ()
    holdout: str = "holdout"
    reward: dict[str, Any] | None = None
    """The reward ensemble: digest, accuracy and calibration, where the home has one."""


def judge(
    templates: Sequence[Template],
    asked: Sequence[Asked],
    policies: Sequence[Subject],
    rewards: RewardScores | None,
    how: Circumstances,
    *,
    level: float = LEVEL,
) -> dict[str, Any]:
    """The report as plain values."""
    tables = [
        table
        for one in policies
        for table in measuring.policy_tables(
            one.name, templates, asked, one.answers, how.members, how.holdout
        )
    ]
    single: list[Measured] = []
    if rewards is not None:
        tables += _of("reward models", templates, rewards, how.members)
        tables += _of("hold-out reward model", templates, rewards, [how.holdout])
        for name in how.members:
            single += _of(name, templates, rewards, [name])
    found = compare(tables, seed=how.seed, resamples=how.resamples, level=level)
    needed = templates_needed(max(1, len(found)), level)
    attributes = _attributes(templates)
    report = {
        "level": level,
        "power": POWER,
        "tests": len(found),
        "templates_needed": needed,
        "samples": how.samples,
        "seed": how.seed,
        "answers": sum(len(one.answers) for one in policies),
        "requests": how.requests,
        "checkpoints": [{"name": one.name, "digest": one.digest} for one in policies],
        "reward": how.reward,
        "attributes": attributes,
        "findings": [
            {
                "words": in_words(one),
                **asdict(one),
                "example": _example(one, templates, asked, policies),
            }
            for one in found
            if one.finding
        ],
        "differences": [asdict(one) for one in found],
        "members": _members(single, how),
        "too_few": [name for name, told in attributes.items() if told["templates"] < needed],
        "left_out": len({one for role in _unscored(rewards) for one in role}),
    }
    return {"conclusion": conclusion(report), **report, "limits": limits(report)}


def in_words(one: Difference) -> str:
    """A difference as a sentence."""
    if one.measure in (measuring.PROMPT_NAMES, measuring.ANSWER_NAMES):
        what = f"{one.subject}: score, {one.measure}"
    else:
        what = f"{one.subject}: {one.measure} of answers"
    way = "above" if one.difference > 0 else "below"
    return (
        f"{what}, {one.attribute} '{one.group}': {abs(one.difference):.3g} {way} that of "
        f"{one.against} (95 % interval {one.low:+.3g} to {one.high:+.3g} "
        f"{measuring.UNITS[one.measure]}; p {one.corrected:.2g} after correction)"
    )


def _of(
    subject: str, templates: Sequence[Template], rewards: RewardScores, roles: Sequence[str]
) -> list[Measured]:
    """Tables of the mean score of some roles."""
    columns = zip(*(rewards.scores[name] for name in roles), strict=True)
    known = [[one for one in column if one is not None] for column in columns]
    means = [float(np.mean(kept)) if len(kept) == len(roles) else None for kept in known]
    return measuring.reward_tables(subject, templates, rewards.judged, means)


def _members(single: Sequence[Measured], how: Circumstances) -> list[dict[str, Any]]:
    """Each member's differences with intervals, without tests: the ensemble is what is tested."""
    rows = []
    for one in single:
        for place, group in enumerate(one.groups):
            value, low, high = interval(one, place, seed=how.seed, resamples=how.resamples)
            rows.append(
                {"subject": one.subject, "measure": one.measure, "attribute": one.attribute,
                 "group": group, "difference": value, "low": low, "high": high}
            )  # fmt: skip
    return rows


def _attributes(templates: Sequence[Template]) -> dict[str, dict[str, Any]]:
    told: dict[str, dict[str, Any]] = {}
    for one in templates:
        entry = told.setdefault(one.attribute, {"groups": list(one.groups), "templates": 0})
        entry["templates"] += 1
    return told


def _unscored(rewards: RewardScores | None) -> list[set[int]]:
    if rewards is None:
        return []
    return [
        {one.place for one, score in zip(rewards.judged, scores, strict=True) if score is None}
        for scores in rewards.scores.values()
    ]


def _example(
    one: Difference,
    templates: Sequence[Template],
    asked: Sequence[Asked],
    policies: Sequence[Subject],
) -> list[dict[str, str]] | None:
    """The first request of the attribute as two groups asked it, and what each was answered."""
    policy = next((p for p in policies if p.name == one.subject), None)
    if policy is None:
        return None
    places = {at for at, t in enumerate(templates) if t.attribute == one.attribute}
    shown: dict[str, dict[str, str]] = {}
    for question, answer in zip(asked, policy.answers, strict=True):
        if question.place == min(places) and question.sample == 0:
            prompt = question.messages[-1]["content"]
            shown[question.group] = {"prompt": prompt, "answer": answer.text}
    other = next(group for group in shown if group != one.group)
    return [shown[one.group], shown[other]]
