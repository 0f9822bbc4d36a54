"""The tab where an operator writes the annotators' guidelines."""

from __future__ import annotations

import gradio as gr
import pandas as pd

from feedback_app import api_guidelines, operate_tables, texts
from rlhf.errors import InputError
from rlhf.store import Store, guidelines


def guidelines_tab(page: gr.Blocks, store: Store) -> None:
    """What stands, to be edited, and every version so far. Call it inside a tab of the page."""
    words = texts.OPERATE

    def versions() -> pd.DataFrame:
        with store.read() as tx:
            return operate_tables.guideline_versions(tx)

    def look() -> tuple[str, pd.DataFrame]:
        with store.read() as tx:
            _, text, _ = api_guidelines.in_force(tx)
        return text, versions()

    def save(written: str, new: str, request: gr.Request) -> tuple[object, pd.DataFrame]:
        try:
            with store.write() as tx:
                version = guidelines.write(tx, written, new.strip(), str(request.username))
        except InputError as wrong:
            return gr.update(value=str(wrong), visible=True), versions()
        done = words["guidelines_saved"].format(version=version)
        return gr.update(value=done, visible=True), versions()

    written = gr.Textbox(label=words["guidelines_text"], lines=14, max_lines=30)
    new = gr.Textbox(label=words["guidelines_changed"])
    put = gr.Button(words["guidelines_save"], scale=0)
    said = gr.Textbox(label=words["guidelines_said"], interactive=False, visible=False)
    past = gr.Dataframe(interactive=False, wrap=True, show_label=False)
    page.load(look, None, [written, past], api_visibility="private", show_progress="hidden")
    put.click(save, [written, new], [said, past], api_visibility="private")
