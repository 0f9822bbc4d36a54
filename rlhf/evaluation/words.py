"""How an evaluation's figures are called and written, the same in a terminal, a page and a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FIGURES = {
    "reward": "reward (ensemble)",
    "holdout": "reward (hold-out)",
    "perplexity": "perplexity of references",
    "bleu": "BLEU",
    "chrf": "chrF",
    "rouge_l": "ROUGE-L",
    "kl": "KL from the reference, nats",
    "length": "length, tokens",
    "distinct_1": "distinct-1",
    "distinct_2": "distinct-2",
    "repeated_sentences": "answers that repeat a sentence",
    "empty": "empty answers",
    "unfinished": "answers without an end",
    "refusals": "refusals",
}
"""Name of a figure -> what people call it, in the order in which they are shown."""

BY = {
    "reward": "reward ensemble",
    "holdout": "hold-out reward model",
    "people": "people",
    "text": "text",
}
"""Who says that answers differ."""

SHARES = frozenset({"repeated_sentences", "empty", "unfinished", "refusals"})
"""Figures that are shares of the answers."""
FINE = frozenset({"rouge_l", "distinct_1", "distinct_2"})
"""Figures between 0 and 1, of which the third decimal matters."""
UNKNOWN = "-"

Values = Mapping[str, Any]


def figure_in_words(name: str, figure: Values | None) -> str:
    """`12.3 (11.9 to 12.8)`, in percent for shares; a dash where nothing was measured."""
    if figure is None:
        return UNKNOWN
    form = "{:.1%}" if name in SHARES else "{:.3f}" if name in FINE else "{:.2f}"
    value = form.format(figure["value"])
    if figure["low"] is None:
        return value
    return f"{value} ({form.format(figure['low'])} to {form.format(figure['high'])})"


def rate_in_words(one: Values) -> str:
    """A win rate with its interval."""
    return f"{one['rate']:.1%} ({one['low']:.1%} to {one['high']:.1%})"


def strength_in_words(one: Values) -> str:
    """A Bradley-Terry strength with its interval."""
    return f"{one['value']:+.2f} ({one['low']:+.2f} to {one['high']:+.2f})"


def strengths_told(report: Values) -> dict[str, Any]:
    """Who judged, in words -> strengths, people included where they have rated."""
    told = {BY[by]: values for by, values in report["strengths"].items()}
    people = (report["people"] or {}).get("strengths")
    return {**told, BY["people"]: people} if people else told


def rates_told(report: Values) -> list[tuple[str, Values]]:
    """(who judged, in words, win rate of a pair), people last."""
    people = (report["people"] or {}).get("win_rates", [])
    told = [(BY[one["by"]], one) for one in report["win_rates"]]
    return told + [(BY["people"], one) for one in people]
