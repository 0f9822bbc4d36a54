"""The data page: an operator uploads files, sees what is in them, and takes them in, or not.

Between two requests the files lie in a folder of this page alone (`uploads`). Texts of files go
into table cells and text boxes only.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
import pandas as pd

from feedback_app import data_steps, data_tables, texts, uploads
from feedback_app.data_steps import Shown
from feedback_app.data_texts import DATA
from feedback_app.theme import HEADER
from rlhf.data.intake import Wanted
from rlhf.errors import InputError
from rlhf.store import Store

PROGRESS = gr.Progress()
TABLE: dict[str, Any] = {"interactive": False, "wrap": True}
FILE_WIDTHS: list[str | int] = ["180px", "80px", "190px", "280px", "200px", "290px"]
ROW_WIDTHS: list[str | int] = ["22%", "78%"]
STOCK_WIDTHS: list[str | int] = ["332px", *["180px"] * 5]


def data_page(store: Store, home: Path, room: Path) -> gr.Blocks:
    """The page as Gradio blocks; `room` is where uploads lie."""
    words = DATA
    page = gr.Blocks(title=f"{words['title']} · {texts.PRODUCT}", fill_width=True)
    with page:
        gr.HTML(html_template=HEADER, js_on_load=None, apply_default_css=False)
        gr.Markdown(words["lead"].format(limit=uploads.LIMIT_MB))
        with gr.Row():
            files = uploads.never_fetched(
                gr.File(
                    file_count="multiple", label=words["files"], height=208, scale=2, min_width=320
                )
            )
            with gr.Column(scale=1, min_width=320):
                kinds = [(words["recognise"], data_steps.RECOGNISE)]
                kind = gr.Dropdown(
                    kinds + [(one, one) for one in data_steps.KINDS],
                    value=data_steps.RECOGNISE,
                    label=words["kind"],
                )
                maps = gr.Textbox(
                    label=words["mapping"],
                    info=words["mapping_info"],
                    placeholder=words["mapping_example"],
                    lines=2,
                    max_lines=8,
                )
        said = gr.Textbox(
            value=words["choose"], label=words["said"], interactive=False, lines=2, max_lines=10
        )
        with gr.Row():
            take = gr.Button(words["take"], variant="primary", interactive=False, min_width=100)
            again = gr.Button(words["look"], interactive=False, min_width=100)
            away = gr.Button(words["drop"], interactive=False, min_width=100)
        seen = gr.State(None)
        found = gr.Dataframe(
            visible=False, label=words["preview"], column_widths=FILE_WIDTHS, **TABLE
        )
        rows = gr.Dataframe(
            visible=False, label=words["samples"], column_widths=ROW_WIDTHS, **TABLE
        )
        report = gr.Dataframe(visible=False, label=words["report"], **TABLE)
        there = gr.Dataframe(
            visible=False, label=words["store"], column_widths=STOCK_WIDTHS, **TABLE
        )
        made = gr.Dataframe(
            visible=False, label=words["datasets"], column_widths=STOCK_WIDTHS, **TABLE
        )
        gr.Textbox(
            value=words["commands"].format(home=home),
            label=words["next"],
            interactive=False,
            lines=4,
            buttons=["copy"],
        )

        def receive(
            sent: uploads.Sent | None,
            how: str,
            given: str,
            request: gr.Request,
            progress: gr.Progress = PROGRESS,
        ) -> list[object]:
            try:
                uploads.claim(room, uploads.owner_of(request), sent or ())
            except InputError as wrong:
                return [None, *_page(Shown(str(wrong)))]
            return [None, *look(how, given, request, progress)]

        def look(
            how: str, given: str, request: gr.Request, progress: gr.Progress = PROGRESS
        ) -> list[object]:
            paths = uploads.held(room, uploads.owner_of(request))
            return _page(data_steps.look(paths, how, given, _bar(progress)))

        def take_in(
            before: Wanted | None,
            how: str,
            given: str,
            request: gr.Request,
            progress: gr.Progress = PROGRESS,
        ) -> list[object]:
            owner = uploads.owner_of(request)
            shown = data_steps.take_in(
                store,
                home,
                uploads.held(room, owner),
                how,
                given,
                seen=before,
                by=str(request.username),
                progress=_bar(progress),
            )
            if shown.report is not None:
                uploads.drop(room, owner)
            return _page(shown)

        def leave(request: gr.Request) -> None:
            uploads.drop(room, uploads.owner_of(request))

        def put_away(request: gr.Request) -> list[object]:
            leave(request)
            return _page(Shown(words["dropped"]))

        def stock() -> list[object]:
            with store.read() as tx:
                return [_if_any(data_tables.stored(tx)), _if_any(data_tables.cleaned(tx))]

        asked, outputs = [kind, maps], [said, take, again, away, seen, found, rows, report]
        quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        busy: dict[str, Any] = {"api_visibility": "private", "show_progress_on": said}
        page.load(stock, None, [there, made], **quiet)
        page.unload(leave)
        files.upload(receive, [files, *asked], [files, *outputs], preprocess=False, **busy)
        for moment in (kind.input, again.click):
            moment(look, asked, outputs, **busy)
        away.click(put_away, None, outputs, **busy)
        take.click(take_in, [seen, *asked], outputs, **busy).then(
            stock, None, [there, made], **quiet
        )
    return page


def _page(shown: Shown) -> list[object]:
    """A step's outcome as the page's outputs."""
    return [
        shown.said,
        gr.update(interactive=shown.seen is not None),
        gr.update(interactive=shown.files),
        gr.update(interactive=shown.files),
        shown.seen,
        _if_any(data_tables.previewed(shown.previews)),
        _if_any(data_tables.samples(shown.previews)),
        _if_any(data_tables.report(shown.report)),
    ]


def _if_any(rows: pd.DataFrame) -> object:
    """A table of these rows, which is not there without any."""
    return gr.update(value=rows, visible=not rows.empty)


def _bar(progress: gr.Progress) -> Callable[[int, int, str], None]:
    """What an ingest tells, on Gradio's progress bar."""

    def show(done: int, total: int, what: str) -> None:
        progress(done / max(total, 1), desc=f"{done:,} of {total:,} {what}")

    return show
