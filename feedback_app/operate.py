"""The operator's page: where the loop stands, the running round as plots, people and the queue.

Everything is read from the store at every tick. Text of people and models goes into text boxes
and table cells alone; the one piece of HTML is made of constants and numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
import pandas as pd

from feedback_app import loop_state, operate_tables, radar_plot, texts
from feedback_app.operate_guidelines import guidelines_tab
from feedback_app.theme import HEADER
from rlhf import pace
from rlhf.errors import RLHFError
from rlhf.rounds import ENDED, STEPS, State
from rlhf.settings import Settings
from rlhf.store import (
    Store,
    flags,
    metrics,
    people,
    rounds,
)

TICK_S = 2.0
NEWEST = "the newest"

SERIES = {
    "objective/scores": ("Reward of the answers", "proxy (ensemble)"),
    "objective/holdout": ("Reward of the answers", "hold-out model"),
    "objective/kl": ("KL, nats per sequence", "KL"),
    "completions/mean_length": ("Length, tokens", "length"),
}
"""Metric -> (plot, name of its line)."""

PLOTS = tuple(dict.fromkeys(plot for plot, _ in SERIES.values()))


def operate_page(store: Store, settings: Settings, home: Path) -> gr.Blocks:
    """The page as Gradio blocks."""
    words = texts.OPERATE
    page = gr.Blocks(title=f"{words['title']} · {texts.PRODUCT}", fill_width=True)
    with page:
        gr.HTML(html_template=HEADER, js_on_load=None, apply_default_css=False)
        strip = gr.HTML(padding=False, elem_id="strip")
        with gr.Row():
            now = gr.Textbox(label=words["now"], lines=3, interactive=False, scale=3)
            start = gr.Button(words["start"], variant="primary", scale=0, min_width=200)
        said = gr.Textbox(label=words["said"], interactive=False, visible=False)
        shown = gr.Dropdown([NEWEST], value=NEWEST, label=words["shown"], interactive=True)
        with gr.Row():
            plots = [
                gr.LinePlot(
                    x="iteration",
                    y="value",
                    color="line",
                    title=plot,
                    y_title=" ",
                    color_title=" ",
                    height=260,
                )
                for plot in PLOTS
            ]
            radar = gr.LinePlot(
                x="distance",
                y="value",
                color="line",
                title=words["radar"],
                x_title=" ",
                y_title=" ",
                color_title=" ",
                height=260,
            )
        warning = gr.Textbox(label=words["radar_says"], interactive=False)
        with gr.Tab(words["rounds"]):
            past = gr.Dataframe(
                interactive=False,
                wrap=True,
                show_label=False,
                column_widths=["8%", "10%", "16%", "8%", "6%", "8%", "44%"],
            )
        with gr.Tab(words["answers"]):
            drawn = gr.Dataframe(
                interactive=False,
                wrap=True,
                show_label=False,
                column_widths=["8%", "30%", "38%", "8%", "8%", "8%"],
            )
        with gr.Tab(words["people"]):
            crew = gr.Dataframe(interactive=False, show_label=False)
            with gr.Row(equal_height=True):
                name = gr.Textbox(label=words["name"], max_length=80)
                role = gr.Dropdown(list(texts.ROLE), value="annotator", label=words["role"])
                invite = gr.Button(words["invite"])
            link = gr.Textbox(
                label=words["link"], interactive=False, buttons=["copy"], elem_id="link"
            )
        with gr.Tab(words["guidelines"]):
            guidelines_tab(page, store)
        with gr.Tab(words["flags"]):
            flagged = gr.Dataframe(
                interactive=False,
                wrap=True,
                show_label=False,
                column_widths=["16%", "12%", "34%", "26%", "12%"],
            )
            see = gr.Button(words["see_flags"], scale=0)
        with gr.Tab(words["events"]):
            recent = gr.Dataframe(interactive=False, wrap=True, show_label=False)

        def look(chosen: str) -> list[object]:
            with store.read() as tx:
                state = loop_state.look(tx, settings.feedback.ratings_per_round)
                known = rounds.all_rounds(tx)
                wanted = _chosen(chosen, known)
                told = metrics.metrics(tx, wanted) if wanted else []
                tables = [
                    operate_tables.past_rounds(known),
                    operate_tables.answers(tx, wanted),
                    operate_tables.crew(tx),
                    operate_tables.flagged(tx),
                    operate_tables.recent_events(tx),
                ]
            lines, history = _lines(told), [figures for _, figures in told]
            names = [NEWEST, *(str(one.id) for one in reversed(known))]
            return [
                _strip(state.state),
                _sentence(state),
                gr.update(interactive=state.hold is None),
                gr.update(choices=names),
                *(lines[lines["plot"] == plot] for plot in PLOTS),
                radar_plot.lines(history),
                radar_plot.sentence(history),
                *tables,
            ]

        def start_round(request: gr.Request) -> object:
            try:
                with store.write() as tx:
                    loop_state.ask_for_round(tx, str(request.username))
            except RLHFError as hold:
                return gr.update(value=str(hold), visible=True)
            return gr.update(value=words["asked"], visible=True)

        def see_flags(request: gr.Request) -> pd.DataFrame:
            with store.write() as tx:
                flags.see_all(tx, str(request.username))
                return operate_tables.flagged(tx)

        def make_link(wanted: str, kind: str) -> str:
            try:
                with store.write() as tx:
                    token = people.invite(tx, wanted.strip(), kind)
            except RLHFError as refused:
                return str(refused)
            return f"{address(home)}/join/{token}"

        plotted = [*plots, radar, warning]
        outputs = [strip, now, start, shown, *plotted, past, drawn, crew, flagged, recent]
        quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        for moment in (page.load, gr.Timer(TICK_S).tick, shown.change):
            moment(look, [shown], outputs, **quiet)
        start.click(start_round, None, [said], api_visibility="private")
        see.click(see_flags, None, [flagged], api_visibility="private")
        invite.click(make_link, [name, role], [link], api_visibility="private")
    return page


def address(home: Path) -> str:
    """Where people reach the service, as it wrote down at its start."""
    file = home / "run" / "url"
    return file.read_text(encoding="utf-8").strip() if file.exists() else ""


def _strip(state: str | None) -> str:
    """The steps in order, the present one marked: constants alone."""
    done = State(state) if state else None
    place = STEPS.index(done) if done in STEPS else -1
    items = [
        f'<li class="{"past" if i < place else "here" if i == place else "ahead"}"'
        f"{' aria-current=step' if i == place else ''}>{escape(texts.STATES[step])}</li>"
        for i, step in enumerate(STEPS)
    ]
    return f'<ol class="steps" aria-label="{escape(texts.OPERATE["steps"])}">{"".join(items)}</ol>'


def _sentence(state: loop_state.LoopState) -> str:
    """What happens now, how far it is and how long it may take."""
    counts = texts.OPERATE["queue"].format(**state.queue)
    if state.hold is not None:
        counts += "\n" + texts.OPERATE["hold"].format(why=state.hold)
    if state.state is None or state.round is None:
        return f"{texts.OPERATE['no_round']}\n{counts}"
    told = f"Round {state.round}: {texts.STATES[state.state]}"
    progress = state.progress
    if progress.get("step") == state.state and progress.get("total"):
        told += f", {progress['done']} of {progress['total']} ({progress['text']})"
        left = pace.in_words(progress.get("left_s"))
        told += f", about {left}" if left else ""
    if not state.alive:
        told += f". {texts.OPERATE['silent']}"
    return f"{told}\n{state.new_ratings} new ratings of {state.needed} needed. {counts}"


def _chosen(chosen: str, known: Sequence[rounds.Round]) -> int | None:
    """The round whose plots are wanted: a number, or the newest that has come to PPO."""
    if chosen.isdigit():
        return int(chosen)
    before = STEPS.index(State.PPO)
    begun = [
        one.id for one in known if one.state in ENDED or STEPS.index(State(one.state)) >= before
    ]
    return begun[-1] if begun else None


def _lines(told: Sequence[tuple[int, radar_plot.Figures]]) -> pd.DataFrame:
    rows = [
        {"iteration": at, "value": figures[name], "line": line, "plot": plot}
        for at, figures in told
        for name, (plot, line) in SERIES.items()
        if name in figures
    ]
    return pd.DataFrame(rows, columns=["iteration", "value", "line", "plot"])
