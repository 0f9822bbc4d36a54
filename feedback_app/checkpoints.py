"""The checkpoints page: every version with its figures, and how to pull it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import gradio as gr
import pandas as pd

from feedback_app import texts
from feedback_app.operate import address
from feedback_app.theme import HEADER
from rlhf import champion, report
from rlhf.errors import RLHFError
from rlhf.registry.full_card import full_card
from rlhf.settings import load_settings
from rlhf.store import Connection, Store, checkpoints, people

FIGURES = {
    "win_rate": "win rate",
    "holdout": "hold-out",
    "proxy": "proxy",
    "kl": "KL",
    "length": "length",
    "perplexity": "perplexity",
    "temperature": "temp.",
}
"""Figure of a checkpoint -> heading of its column."""

COLUMNS = ("version", "names", "round", *FIGURES.values(), "gold", "made", "digest")


def checkpoints_page(store: Store, home: Path) -> gr.Blocks:
    """The page as Gradio blocks."""
    words = texts.CHECKPOINTS
    page = gr.Blocks(title=f"{words['title']} · {texts.PRODUCT}", fill_width=True)
    with page:
        gr.HTML(html_template=HEADER, js_on_load=None, apply_default_css=False)
        gr.Markdown(words["lead"])
        table = gr.Dataframe(interactive=False, show_label=False)
        chosen = gr.Dropdown(["champion"], value="champion", label=words["chosen"])
        pull = gr.Textbox(
            label=words["pull"], lines=6, interactive=False, buttons=["copy"], elem_id="pull"
        )
        with gr.Accordion(words["card"], open=False):
            card = gr.Textbox(show_label=False, lines=18, interactive=False)
        with gr.Accordion(words["roll_back"], open=False, visible=False) as operators:
            why = gr.Textbox(label=words["why"], max_length=300)
            back = gr.Button(words["roll_back"], variant="stop")
            said = gr.Textbox(label=words["said"], interactive=False)

        def look(ref: str, request: gr.Request) -> list[object]:
            with store.read() as tx:
                known, names = checkpoints.checkpoints(tx), checkpoints.aliases(tx)
                rows = _table(tx, known, names)
                text = _card(tx, home, ref)
                person = people.person_named(tx, str(request.username))
            refs = [*sorted(names), *(f"v{one.version}" for one in reversed(known))]
            operator = person is not None and person.role == "operator"
            return [
                rows,
                gr.update(choices=refs),
                _commands(home, ref),
                text,
                gr.update(visible=operator),
            ]

        def roll_back(reason: str, request: gr.Request) -> str:
            try:
                with store.write() as tx:
                    person = people.person_named(tx, str(request.username))
                    if person is None or person.role != "operator":
                        return texts.REFUSED["role"].format(role=person.role if person else "")
                    if not reason.strip():
                        return words["say_why"]
                    digest = champion.roll_back(tx, actor=person.name, why=reason.strip())
            except RLHFError as refused:
                return str(refused)
            return words["rolled_back"].format(digest=digest[:12])

        outputs = [table, chosen, pull, card, operators]
        quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        for moment in (page.load, chosen.change):
            moment(look, [chosen], outputs, **quiet)
        back.click(roll_back, [why], [said], api_visibility="private").then(
            look, [chosen], outputs, **quiet
        )
    return page


def _table(
    tx: Connection, known: Sequence[checkpoints.Checkpoint], names: dict[str, str]
) -> pd.DataFrame:
    rows = [
        {
            "version": f"v{one.version}",
            "names": ", ".join(sorted(n for n, digest in names.items() if digest == one.digest)),
            "round": "" if one.round_id is None else str(one.round_id),
            **{heading: _number(one.figures.get(name)) for name, heading in FIGURES.items()},
            "gold": _number(report.mean_gold(tx, one.digest)),
            "made": datetime.fromtimestamp(one.created_at, UTC).strftime("%Y-%m-%d %H:%M"),
            "digest": one.digest[:12],
        }
        for one in reversed(known)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _commands(home: Path, ref: str) -> str:
    """The commands that pull a checkpoint, here and from another machine."""
    return texts.CHECKPOINTS["commands"].format(ref=ref, home=home, address=address(home))


def _card(tx: Connection, home: Path, ref: str) -> str:
    try:
        return full_card(tx, ref, load_settings(home).card)
    except RLHFError as missing:
        return str(missing)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
