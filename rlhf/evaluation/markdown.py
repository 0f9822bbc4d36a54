"""The report of `rlhf evaluate` as Markdown, for people who read it in an editor or on a forge.

Texts of people and models stand in fenced blocks that they cannot leave: no markup in them works.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rlhf.evaluation.words import (
    BY,
    FIGURES,
    figure_in_words,
    rate_in_words,
    strength_in_words,
    strengths_told,
)
from rlhf.markdown import inline, table

SHOWN = 5
"""Prompts per pair and kind of difference that the page of text holds; the JSON has more."""
Report = Mapping[str, Any]


def markdown(report: Report, *, title: str, plots: Sequence[str] = ()) -> str:
    """The whole report; `plots` are files beside it."""
    parts = [f"# {title}", _about(report), *_notes(report), "## Figures", _figures(report)]
    parts += _signatures(report)
    if report["win_rates"]:
        parts += ["## Who wins, by reward", _win_rates(report), _strengths(report)]
    if report["people"]:
        parts += ["## Who wins, by people", *_people(report)]
    if report["regression"]:
        parts += ["## Regression set", *_regression(report["regression"])]
    if plots:
        parts += ["## Plots", *(f"![{name.removesuffix('.png')}]({name})" for name in plots)]
    if report["differing"]:
        parts += ["## Where they differ most", *_differing(report)]
    return "\n\n".join(part.rstrip() for part in parts if part) + "\n"


def fenced(text: str) -> str:
    """A text as a block that it cannot end: its fence is longer than any run of backticks in it."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"


def _about(report: Report) -> str:
    names = ", ".join(one["name"] for one in report["checkpoints"])
    return (
        f"{names}: one answer each to the same {report['prompts']} prompts ({report['source']}), "
        f"{report['references']} of them with a known answer. Intervals are 95 % bootstrap "
        "intervals over the prompts."
    )


def _notes(report: Report) -> list[str]:
    return ["\n".join(f"- {inline(note)}" for note in report["notes"])] if report["notes"] else []


def _figures(report: Report) -> str:
    rows = [
        [words, *(figure_in_words(name, one["figures"][name]) for one in report["checkpoints"])]
        for name, words in FIGURES.items()
        if any(one["figures"][name] for one in report["checkpoints"])
    ]
    return table(["", *(one["name"] for one in report["checkpoints"])], rows)


def _signatures(report: Report) -> list[str]:
    told = report["signatures"]
    return ["Signatures: " + "; ".join(f"{n} `{s}`" for n, s in told.items())] if told else []


def _names(report: Report) -> list[str]:
    return [one["name"] for one in report["checkpoints"]]


def _win_rates(report: Report) -> str:
    return _rates(report, [(BY[one["by"]], one) for one in report["win_rates"]])


def _rates(report: Report, told: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    names = _names(report)
    rows = [
        [
            *(names[one[side]] for side in ("first", "second")),
            by,
            rate_in_words(one),
            one["ties"],
            one["count"],
        ]
        for by, one in told
    ]
    return table(["first", "second", "by", "first wins (ties half)", "ties", "of"], rows)


def _strengths(report: Report) -> str:
    told = strengths_told(report)
    rows = [
        [name, *(strength_in_words(values[place]) for values in told.values())]
        for place, name in enumerate(_names(report))
    ]
    words = "Bradley-Terry strengths, in nats over the mean of all:"
    return f"{words}\n\n{table(['', *told], rows)}" if told else ""


def _people(report: Report) -> Iterator[str]:
    told = report["people"]
    yield (
        f"{told['rated']} of {told['asked']} blind comparisons are rated, "
        f"{told['outstanding']} are outstanding."
    )
    if told["win_rates"]:
        yield _rates(report, [(BY["people"], one) for one in told["win_rates"]])


def _regression(told: Mapping[str, Any]) -> Iterator[str]:
    verdict = "PASSED" if told["passed"] else "FAILED"
    yield (
        f"**{verdict}**: against {told['baseline']}, on {told['prompts']} prompts "
        f"({told['references']} with a known answer), at most {told['allowed']} may get worse."
    )
    yield table(
        ["candidate", "got worse", ""],
        [
            [c["name"], c["worse"], "passed" if c["passed"] else "failed"]
            for c in told["candidates"]
        ],
    )
    for candidate in told["candidates"]:
        for one in candidate["prompts"]:
            yield f"### {candidate['name']}, prompt {one['prompt'] + 1}: {'; '.join(one['why'])}"
            yield from _conversation(one["messages"])
            yield from _both((told["baseline"], candidate["name"]), one["answers"])


def _differing(report: Report) -> Iterator[str]:
    names, shown = _names(report), dict[tuple[int, int, str], int]()
    for one in report["differing"]:
        key = (one["first"], one["second"], one["by"])
        shown[key] = shown.get(key, 0) + 1
        if shown[key] > SHOWN:
            continue
        pair = (names[one["first"]], names[one["second"]])
        yield f"### {pair[0]} and {pair[1]}, by {BY[one['by']]}: {one['amount']:+.2f}"
        yield from _conversation(one["messages"])
        if one["reference"] is not None:
            yield from ("Known answer:", fenced(one["reference"]))
        yield from _both(pair, one["answers"], one["rewards"])


def _conversation(messages: Sequence[Mapping[str, str]]) -> Iterator[str]:
    yield fenced("\n\n".join(f"{one['role']}: {one['content']}" for one in messages))


def _both(
    names: Sequence[str], answers: Sequence[str], rewards: Sequence[float | None] = (None, None)
) -> Iterator[str]:
    for name, text, reward in zip(names, answers, rewards, strict=True):
        yield f"{name}" + ("" if reward is None else f", reward {reward:.2f}") + ":"
        yield fenced(text)
