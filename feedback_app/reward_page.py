"""The reward models' page: may PPO trust them, and the people they learned from?

Reads the report that training left with the round. Text of people goes into text boxes and table
cells alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr
import pandas as pd

from feedback_app import texts
from feedback_app.theme import HEADER
from rlhf import report
from rlhf.errors import RLHFError
from rlhf.override import overrule_reward_gate
from rlhf.rounds import State
from rlhf.store import Connection, Store, people, rounds

NEWEST = "the newest"
PLOT: dict[str, Any] = {"height": 260, "y_title": " ", "color_title": " "}
SLICED = ("length difference", "strength", "asked", "source")
"""What accuracies are broken down by in the plot; the JSON has more."""
BINS = 12
"""Bars of the histogram of disagreement."""

Report = Mapping[str, Any]


def reward_page(store: Store) -> gr.Blocks:
    """The page as Gradio blocks."""
    words = texts.REWARD
    page = gr.Blocks(title=f"{words['title']} · {texts.PRODUCT}", fill_width=True)
    with page:
        gr.HTML(html_template=HEADER, js_on_load=None, apply_default_css=False)
        gr.Markdown(words["lead"])
        with gr.Row():
            shown = gr.Dropdown([NEWEST], value=NEWEST, label=words["shown"], scale=1)
            summary = gr.Textbox(label=words["summary"], lines=4, interactive=False, scale=3)
        gate = gr.Textbox(
            label=words["gate"], lines=2, max_lines=12, interactive=False, elem_id="gate"
        )
        with gr.Accordion(words["override"], open=False):
            why = gr.Textbox(label=words["why"], max_length=1000, info=words["consequence"])
            overrule = gr.Button(words["override"], variant="stop")
            said = gr.Textbox(label=words["said"], interactive=False)
        with gr.Row():
            reliability = gr.LinePlot(
                x="stated",
                y="right",
                color="line",
                title=words["reliability"],
                x_title=words["stated"],
                x_lim=[0.5, 1.0],
                y_lim=[0.0, 1.0],
                **PLOT,
            )
            best_of = gr.LinePlot(
                x="answers", y="score", color="line", title=words["best_of"], **PLOT
            )
        with gr.Row():
            lengths = gr.ScatterPlot(x="tokens", y="score", title=words["lengths"], **PLOT)
            unsure = gr.BarPlot(
                x="disagreement", y="answers", title=words["unsure"], sort=None, **PLOT
            )
        accuracies = gr.Dataframe(interactive=False, label=words["accuracies"], wrap=True)
        crew = gr.Dataframe(
            interactive=False,
            label=words["people"],
            wrap=True,
            column_widths=["9%", "6%", "8%", "6%", "24%", "5%", "8%", "8%", "8%", "8%", "6%", "8%"],
        )
        with gr.Row():
            models = gr.Dataframe(interactive=False, label=words["models"], wrap=True)
            counted = gr.Dataframe(interactive=False, label=words["counted"], wrap=True)

        def look(chosen: str) -> list[object]:
            with store.read() as tx:
                known = rounds.having_finished(tx, State.REWARD)
                wanted = _wanted(chosen, known)
                told = report.reward_report(tx, wanted)[1] if wanted else {}
                said_by_gate = _reasons(tx, rounds.round_(tx, wanted)) if wanted else []
                named = {one.id: one.name for one in people.people(tx)}
            return [
                gr.update(choices=[NEWEST, *(str(one) for one in reversed(known))]),
                _summary(told) if wanted else words["nothing"],
                "\n".join(said_by_gate),
                _reliability(told),
                _best_of(told),
                _scored(told),
                _disagreement(told),
                _slices(told),
                _people(told, named),
                _models(told),
                _counted(told),
            ]

        def overruled(chosen: str, reason: str, request: gr.Request) -> str:
            try:
                with store.write() as tx:
                    wanted = _wanted(chosen, rounds.having_finished(tx, State.REWARD))
                    if wanted is None:
                        return words["nothing"]
                    overrule_reward_gate(tx, wanted, by=str(request.username), why=reason)
            except RLHFError as refused:
                return str(refused)
            return words["overruled"].format(round=wanted)

        plots = [reliability, best_of, lengths, unsure]
        outputs = [shown, summary, gate, *plots, accuracies, crew, models, counted]
        quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        for moment in (page.load, shown.change):
            moment(look, [shown], outputs, **quiet)
        overrule.click(overruled, [shown, why], [said], api_visibility="private").then(
            look, [shown], outputs, **quiet
        )
    return page


def _wanted(chosen: str, known: Sequence[int]) -> int | None:
    """The chosen one of the rounds with reward models, else the newest."""
    return next((one for one in known if str(one) == chosen), known[-1] if known else None)


def _reasons(tx: Connection, one: rounds.Round) -> list[str]:
    """What the reward gate said, in words, and who overruled it."""
    step = rounds.step(tx, one.id, State.REWARD_GATE)
    if step is None or step.output is None:
        return []
    verdict = texts.REWARD["passed" if step.output["passed"] else "refused"]
    overruled = one.decision.get("override")
    after = [texts.REWARD["by"].format(**overruled)] if overruled else []
    return [verdict, *step.output["reasons"], *after]


def _summary(told: Report) -> str:
    """The figures that matter most: accuracy beside the ceiling, and what was learned from."""
    words = texts.REWARD
    agreement = told.get("people") or {}
    alpha = agreement.get("alpha")
    lines = [
        words["accuracy"].format(share=report.share_in_words(told["ensemble"])),
        words["ceiling"].format(share=report.share_in_words(agreement.get("ceiling"))),
        words["alpha"].format(
            alpha=report.UNKNOWN
            if alpha is None
            else f"{alpha:.2f} ({agreement['low']:.2f} to {agreement['high']:.2f})"
        ),
        words["learned"].format(
            preferences=told["preferences"],
            effective=told.get("effective", 0.0),
            ratings=told["ratings"],
        ),
    ]
    if told.get("previous"):
        lines.append(words["previous"].format(**told["previous"]))
    return "\n".join(lines)


def _known(share: Mapping[str, Any] | None) -> str:
    """Nothing where nothing is known: most cells of a wide table."""
    return report.share_in_words(share) if share and share["count"] else ""


def _reliability(told: Report) -> pd.DataFrame:
    """Stated probability against how often that was right, beside the line of a perfect model."""
    words = texts.REWARD
    rows = [
        {"stated": one["confidence"], "right": one["right"]["value"], "line": words["seen"]}
        for one in told.get("bins", ())
    ]
    rows += [{"stated": at, "right": at, "line": words["perfect"]} for at in (0.5, 1.0)]
    return pd.DataFrame(rows, columns=["stated", "right", "line"])


def _best_of(told: Report) -> pd.DataFrame:
    words = texts.REWARD
    rows = [
        {"answers": one["n"], "score": one[name], "line": words[name]}
        for one in told.get("best_of", ())
        for name in ("proxy", "holdout")
    ]
    return pd.DataFrame(rows, columns=["answers", "score", "line"])


def _scored(told: Report) -> pd.DataFrame:
    return pd.DataFrame(told.get("reference", ()), columns=["tokens", "score"])


def _disagreement(told: Report) -> pd.DataFrame:
    """How many reference answers the members disagree on, and by how much."""
    values = pd.Series([one["disagreement"] for one in told.get("reference", ())], dtype=float)
    if values.empty:
        return pd.DataFrame(columns=["disagreement", "answers"])
    bins = pd.cut(values, bins=BINS)
    counts = values.groupby(bins, observed=False).size()
    return pd.DataFrame(
        {"disagreement": [f"{one.mid:.2f}" for one in counts.index], "answers": counts.to_numpy()}
    )


def _slices(told: Report) -> pd.DataFrame:
    fresh = [one for one in told.get("slices", ()) if (one["by"], one["name"]) == ("round", "this")]
    sliced = [one for by in SLICED for one in told.get("slices", ()) if one["by"] == by]
    rows = [
        {
            "held-out pairs": texts.REWARD["all"],
            "of": "",
            "accuracy": report.share_in_words(told["ensemble"]),
        }
        for _ in [told]
        if told
    ]
    rows += [
        {
            "held-out pairs": texts.REWARD["fresh"],
            "of": "",
            "accuracy": report.share_in_words(one["accuracy"]),
        }
        for one in fresh
    ]
    rows += [
        {
            "held-out pairs": one["name"],
            "of": one["by"],
            "accuracy": report.share_in_words(one["accuracy"]),
        }
        for one in sliced
    ]
    return pd.DataFrame(rows, columns=["held-out pairs", "of", "accuracy"])


def _people(told: Report, named: Mapping[int, str]) -> pd.DataFrame:
    """Everybody who rated, whoever looks odd first."""
    rows = [
        {
            "name": named.get(one["annotator_id"], str(one["annotator_id"])),
            "ratings": one.get("ratings", ""),
            "reliability": _number(one.get("reliability")),
            "weight": _number(one.get("weight")),
            "look at": "; ".join(one.get("odd", ())),
            "ties": _number(one.get("ties")),
            "left": _known(one.get("left")),
            "longer": _known(one.get("longer")),
            "known answers": _known(one.get("known")),
            "same again": _known(one.get("repeats")),
            "seconds": _number(one.get("seconds")),
            "model agrees": _known(one.get("accuracy")),
        }
        for one in sorted(told.get("annotators", ()), key=lambda one: not one.get("odd"))
    ]
    return pd.DataFrame(rows, columns=list(rows[0]) if rows else ["name"])


def _models(told: Report) -> pd.DataFrame:
    members = [*told.get("members", ()), *([told["holdout"]] if told.get("holdout") else [])]
    rows = [
        {
            "model": one["name"],
            "rows": one["rows"],
            "steps": one["steps"],
            "loss": _number(one["loss"]),
            "unseen loss": _number(one.get("stopping_loss")),
            "accuracy": report.share_in_words(one["accuracy"]),
        }
        for one in members
    ]
    return pd.DataFrame(rows, columns=list(rows[0]) if rows else ["model"])


def _counted(told: Report) -> pd.DataFrame:
    """Where every rating went."""
    words = texts.REWARD
    edited = told.get("edited", 0)
    rows = [(words["used"], told["preferences"] - edited)] if told else []
    rows += [(words["edited"], edited)] if edited else []
    rows += list(told.get("excluded", {}).items())
    rows += [(f"{words['before']}: {why}", n) for why, n in told.get("left_out", {}).items()]
    rows += [(f"{words['part']} {part}", count) for part, count in told.get("split", {}).items()]
    if told.get("contradicted"):
        rows.append((words["contradicted"], told["contradicted"]))
    too_long = sum(one.get("too_long", 0) for one in told.get("members", ())[:1])
    if too_long:
        rows.append((words["too_long"], too_long))
    return pd.DataFrame(rows, columns=["ratings", "count"])


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
