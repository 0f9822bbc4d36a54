"""The evaluation page: what `rlhf evaluate` measured, and what people said of it since.

Texts of people and models go into table cells and text boxes alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import gradio as gr
import numpy as np
import pandas as pd

from feedback_app import texts
from feedback_app.evaluation_texts import EVALUATION
from feedback_app.theme import HEADER
from rlhf.evaluation.standing import KIND, with_people
from rlhf.evaluation.words import (
    BY,
    FIGURES,
    figure_in_words,
    rate_in_words,
    rates_told,
    strength_in_words,
    strengths_told,
)
from rlhf.store import Store
from rlhf.store.evaluations import EvaluationRow, evaluations

NEWEST = "the newest"
PLOT: dict[str, Any] = {"height": 260, "color_title": " ", "min_width": 340}
BINS = 20
"""Points of a distribution's line."""
DOTS = 40
"""Points that draw an interval."""
WIDTHS: list[str | int] = ["340px", "110px", "90px", "320px", "320px"]

SHORT = {BY["reward"]: "reward", BY["holdout"]: "hold-out"}
"""For the axis, where there is little room."""

Report = Mapping[str, Any]


def evaluation_page(store: Store) -> gr.Blocks:
    """The page as Gradio blocks."""
    words = EVALUATION
    page = gr.Blocks(title=f"{words['title']} · {texts.PRODUCT}", fill_width=True)
    with page:
        gr.HTML(html_template=HEADER, js_on_load=None, apply_default_css=False)
        gr.Markdown(words["lead"])
        with gr.Row():
            shown = gr.Dropdown([NEWEST], value=NEWEST, label=words["shown"], scale=1)
            summary = gr.Textbox(
                label=words["summary"],
                lines=4,
                max_lines=20,
                interactive=False,
                scale=3,
                min_width=320,
            )
        figures = gr.Dataframe(interactive=False, label=words["figures"], wrap=True, max_height=720)
        won = gr.Dataframe(interactive=False, label=words["won"], wrap=True)
        with gr.Row():
            strengths = gr.ScatterPlot(
                x="strength",
                y="checkpoint",
                color="by",
                title=words["strengths"],
                x_title=words["nats"],
                y_title=" ",
                **PLOT,
            )
            scattered = gr.ScatterPlot(
                x="tokens",
                y="reward",
                color="checkpoint",
                title=words["scattered"],
                x_title=words["tokens"],
                y_title=words["reward"],
                **PLOT,
            )
        with gr.Row():
            lengths = gr.LinePlot(
                x="tokens",
                y="answers",
                color="checkpoint",
                title=words["lengths"],
                x_title=words["tokens"],
                y_title=words["answers"],
                **PLOT,
            )
            rewards = gr.LinePlot(
                x="reward",
                y="answers",
                color="checkpoint",
                title=words["rewards"],
                x_title=words["reward"],
                y_title=words["answers"],
                **PLOT,
            )
        regression = gr.Dataframe(interactive=False, label=words["regression"], wrap=True)
        differing = gr.Dataframe(
            interactive=False, label=words["differing"], wrap=True, column_widths=WIDTHS
        )

        def look(chosen: str) -> list[object]:
            with store.read() as tx:
                known = evaluations(tx, KIND)
                row = _wanted(chosen, known)
                told = with_people(tx, row) if row else None
            return [
                gr.update(choices=[NEWEST, *(_named(one) for one in known)]),
                _summary(told) if told else words["nothing"],
                *map(
                    _if_any,
                    (
                        _figures(told),
                        _won(told),
                        _strengths(told),
                        _scattered(told),
                        _distribution(told, "tokens"),
                        _distribution(told, "reward"),
                        _regression(told),
                        _differing(told),
                    ),
                ),
            ]

        plots = [strengths, scattered, lengths, rewards]
        outputs = [shown, summary, figures, won, *plots, regression, differing]
        for moment in (page.load, shown.change):
            moment(look, [shown], outputs, api_visibility="private", show_progress="hidden")
    return page


def _if_any(rows: pd.DataFrame) -> dict[str, Any]:
    """A table or plot of these rows, which is not there without any."""
    told: dict[str, Any] = gr.update(value=rows, visible=not rows.empty)
    return told


def _named(row: EvaluationRow) -> str:
    """`3: v0, v1 (2026-01-31 12:00)`."""
    names = ", ".join(f"v{one['version']}" for one in row.report["checkpoints"])
    made = datetime.fromtimestamp(row.created_at, UTC).strftime("%Y-%m-%d %H:%M")
    return f"{row.id}: {names} ({made})"


def _wanted(chosen: str, known: Sequence[EvaluationRow]) -> EvaluationRow | None:
    """The chosen one, else the newest."""
    return next((one for one in known if _named(one) == chosen), known[0] if known else None)


def _names(told: Report | None) -> list[str]:
    return [one["name"] for one in told["checkpoints"]] if told else []


def _summary(told: Report) -> str:
    """On what it was measured, what people and the regression set say, and what is missing."""
    words = EVALUATION
    lines = [words["measured"].format(**{key: told[key] for key in SAID})]
    people = told["people"]
    if people:
        lines.append(words["people"].format(**people))
    regression = told["regression"]
    for one in regression["candidates"] if regression else ():
        verdict = words["held" if one["passed"] else "worse"]
        lines.append(verdict.format(**{**regression, **one, "prompts": regression["prompts"]}))
    lines += [f"{name}: {signature}" for name, signature in told["signatures"].items()]
    return "\n".join([*lines, *told["notes"]])


SAID = ("prompts", "source", "references")


def _figures(told: Report | None) -> pd.DataFrame:
    measured = {one["name"]: one["figures"] for one in told["checkpoints"]} if told else {}
    rows = [
        [label, *(figure_in_words(name, one[name]) for one in measured.values())]
        for name, label in FIGURES.items()
        if any(one[name] for one in measured.values())
    ]
    return pd.DataFrame(rows, columns=[EVALUATION["figure"], *measured])


def _won(told: Report | None) -> pd.DataFrame:
    """Win rates of every pair, then strengths of every checkpoint."""
    words, names = EVALUATION, _names(told)
    rows = []
    if told:
        rows += [
            (f"{names[one['first']]} : {names[one['second']]}", by, rate_in_words(one), counted)
            for by, one in rates_told(told)
            for counted in [words["ties"].format(**one)]
        ]
        rows += [
            (name, by, strength_in_words(values[place]), words["nats"])
            for by, values in strengths_told(told).items()
            for place, name in enumerate(names)
        ]
    return pd.DataFrame(rows, columns=["who", "by", "wins or strength", "of"])


def _strengths(told: Report | None) -> pd.DataFrame:
    """Every interval as a row of dots: Gradio has no bars of error."""
    rows = [
        (float(at), f"{name}, {SHORT.get(by, by)}", by)
        for place, name in enumerate(_names(told))
        for by, values in (strengths_told(told).items() if told else ())
        for at in np.linspace(values[place]["low"], values[place]["high"], DOTS)
    ]
    return pd.DataFrame(rows, columns=["strength", "checkpoint", "by"])


def _scattered(told: Report | None) -> pd.DataFrame:
    rows = [
        (tokens, reward, name)
        for name, one in zip(_names(told), told["answers"] if told else (), strict=True)
        for tokens, reward in zip(one["tokens"], one["reward"] or (), strict=False)
    ]
    return pd.DataFrame(rows, columns=["tokens", "reward", "checkpoint"])


def _distribution(told: Report | None, of: str) -> pd.DataFrame:
    """How many answers are about so long, or about so good."""
    values = [one[of] or [] for one in told["answers"]] if told else []
    together = [value for one in values for value in one]
    rows = []
    if together:
        edges = np.histogram_bin_edges(together, bins=BINS)
        for name, one in zip(_names(told), values, strict=True):
            counts, _ = np.histogram(one, bins=edges)
            middles = (edges[:-1] + edges[1:]) / 2
            rows += [(float(at), int(n), name) for at, n in zip(middles, counts, strict=True)]
    return pd.DataFrame(rows, columns=[of, "answers", "checkpoint"])


def _regression(told: Report | None) -> pd.DataFrame:
    """The prompts that got worse, with both answers."""
    regression = told["regression"] if told else None
    rows = [
        (one["messages"][-1]["content"], candidate["name"], "; ".join(one["why"]), *one["answers"])
        for candidate in (regression["candidates"] if regression else ())
        for one in candidate["prompts"]
    ]
    return pd.DataFrame(rows, columns=["prompt", "candidate", "why", "before", "after"])


def _differing(told: Report | None) -> pd.DataFrame:
    """Side by side, the largest difference first."""
    names = _names(told)
    rows = [
        (
            _conversation(one["messages"]),
            BY[one["by"]],
            f"{one['amount']:+.2f}",
            *(
                _answer(names[one[side]], text, reward)
                for side, text, reward in zip(
                    ("first", "second"), one["answers"], one["rewards"], strict=True
                )
            ),
        )
        for one in (told["differing"] if told else ())
    ]
    return pd.DataFrame(rows, columns=["prompt", "differ by", "amount", "first", "second"])


def _conversation(messages: Sequence[Mapping[str, str]]) -> str:
    return "\n".join(f"{one['role']}: {one['content']}" for one in messages)


def _answer(name: str, text: str, reward: float | None) -> str:
    return f"{name}" + ("" if reward is None else f", {reward:+.2f}") + f":\n{text}"
