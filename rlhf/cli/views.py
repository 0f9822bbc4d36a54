"""How commands show what they found: as a table for people, as JSON for programs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rlhf import pace
from rlhf.checks import Check, Verdict
from rlhf.cli.terminal import show, show_json, show_table
from rlhf.data.ingest import Preferences
from rlhf.report import share_in_words
from rlhf.store import checkpoints, people

SHORT = 12
"""Characters of a digest that are shown."""
FIGURES = ("win_rate", "kl", "length", "temperature")
"""Figures of a policy that have a column; JSON has them all."""


def show_checkpoints(
    known: Sequence[checkpoints.Checkpoint], aliases: Mapping[str, str], *, as_json: bool
) -> None:
    """Versions, newest first, with the names that point at them."""
    names = {
        one.digest: [name for name, digest in aliases.items() if digest == one.digest]
        for one in known
    }
    newest_first = sorted(known, key=lambda one: one.version, reverse=True)
    if as_json:
        show_json([{**asdict(one), "aliases": names[one.digest]} for one in newest_first])
        return
    show_table(
        ("version", "digest", "round", "aliases", *FIGURES),
        (
            (
                f"v{one.version}",
                one.digest[:SHORT],
                one.round_id,
                " ".join(names[one.digest]),
                *(_figure(one.figures.get(name)) for name in FIGURES),
            )
            for one in newest_first
        ),
        empty="nothing published yet: `rlhf up` publishes the untouched model",
    )


def show_people(known: Sequence[people.Person], *, as_json: bool) -> None:
    """Names, roles and whether they may still sign in."""
    if as_json:
        show_json([asdict(one) for one in known])
        return
    show_table(
        ("name", "role", "active"),
        ((one.name, one.role, "yes" if one.active else "no") for one in known),
        empty="nobody yet: `rlhf users invite NAME --role annotator`",
    )


def show_checks(found: Iterable[Check], *, as_json: bool) -> int:
    """Findings as they come, each with its advice; returns the exit code (1 if any is bad)."""
    checks = []
    for check in found:
        checks.append(check)
        if not as_json:
            show(f"{check.verdict:<4}  {check.name}: {check.found}")
            if check.advice:
                show(f"      -> {check.advice}")
    if as_json:
        show_json([asdict(check) for check in checks])
    return int(any(check.verdict is Verdict.BAD for check in checks))


def show_status(told: Mapping[str, Any]) -> None:
    """The answer of `rlhf status`, a line each."""
    show(f"service    {'running' if told['running'] else 'stopped'} on {told['home']}")
    show(f"base       {told['base'] or 'none yet'}")
    show(f"round      {_round(told['round'], told['rounds'])}")
    show(f"ratings    {told['ratings']['new']} new of {told['ratings']['needed']} needed")
    show(f"people     {len(told['people'])}")
    for name, digest in told["aliases"].items():
        show(f"{name:<10} {digest[:SHORT]}")


def show_reward_report(number: int, told: Mapping[str, Any], names: Mapping[int, str]) -> None:
    """The figures that decide, then the people behind them."""
    agreed = told.get("people") or {}
    show(f"round           {number}")
    show(f"accuracy        {share_in_words(told['ensemble'])}")
    show(f"human ceiling   {share_in_words(agreed.get('ceiling'))}")
    show(f"alpha           {_figure(agreed.get('alpha'))}")
    show(f"calibration     {_figure(told.get('calibration_error'))} off on average")
    effective = told.get("effective", 0.0)
    show(f"learned from    {told['preferences']} preferences, worth {effective:.0f}")
    for why, count in {**told["excluded"], **told.get("left_out", {})}.items():
        if not count:
            continue
        show(f"left out        {count}: {why}")
    show_table(
        ("annotator", "ratings", "reliability", "weight", "look at"),
        (
            (
                names.get(one["annotator_id"], one["annotator_id"]),
                one.get("ratings"),
                _figure(one.get("reliability")),
                _figure(one.get("weight")),
                "; ".join(one.get("odd", ())),
            )
            for one in told.get("annotators", ())
        ),
        empty="nobody has rated",
    )


def in_words(told: Preferences) -> str:
    """Preferences in and out, so that the numbers add up."""
    parts = [f"{told.added} added", f"{told.known} known already"]
    parts += [f"{count} left out: {reason}" for reason, count in told.dropped.items()]
    return (
        f"{told.pairs} preferences from {told.rankings} rankings of {told.ranked} answers: "
        + ", ".join(parts)
    )


def _round(now: Mapping[str, Any] | None, rounds: Sequence[Mapping[str, Any]]) -> str:
    if now is None:
        return f"{rounds[-1]['round']}: {rounds[-1]['state']}" if rounds else "none yet"
    progress = now.get("progress") or {}
    told = []
    if progress.get("total"):
        told = [f"{progress['done']} of {progress['total']}", pace.in_words(progress.get("left_s"))]
    done = ", ".join(part for part in told if part)
    return f"{now['number']}: {now['state']}" + (f" ({done})" if done else "")


def _figure(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value if value is not None else "-")
