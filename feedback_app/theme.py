"""What the Gradio pages share: the theme, the header, and the settings they are mounted with."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

from fastapi import FastAPI, Request

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

import gradio as gr
from gradio.themes import Base, colors, sizes

STATIC = Path(__file__).parent / "static"

GREEN = colors.Color(
    name="green",
    c50="#eef7f3",
    c100="#e0efe9",
    c200="#bfdfd3",
    c300="#8fcab6",
    c400="#62cfae",
    c500="#2b8a72",
    c600="#14594a",
    c700="#0e463a",
    c800="#0c382f",
    c900="#15312a",
    c950="#06201a",
)
HEADER = '<header class="shell" data-shell></header>'


def service_theme() -> Base:
    """System fonts alone (nothing is fetched), and the colours of `static/site.css`."""
    theme = Base(
        primary_hue=GREEN,
        secondary_hue=GREEN,
        neutral_hue=colors.zinc,
        radius_size=sizes.radius_lg,
        text_size=sizes.text_md,
        font=("ui-sans-serif", "system-ui", "Segoe UI", "Roboto", "sans-serif"),
        font_mono=("ui-monospace", "Menlo", "Consolas", "monospace"),
    )
    both = {
        "background_fill_primary": "var(--card)",
        "background_fill_secondary": "var(--sunk)",
        "border_color_primary": "var(--line)",
        "block_background_fill": "var(--card)",
        "block_border_color": "var(--line)",
        "block_label_background_fill": "var(--card)",
        "block_label_text_color": "var(--ink-2)",
        "block_title_text_color": "var(--ink)",
        "block_info_text_color": "var(--ink-2)",
        "body_text_color_subdued": "var(--ink-2)",
        "input_background_fill": "var(--paper)",
        "input_border_color": "var(--line-2)",
        "input_placeholder_color": "var(--ink-2)",
        "button_primary_background_fill": "var(--accent)",
        "button_primary_background_fill_hover": "var(--accent-hover)",
        "button_primary_text_color": "var(--on-accent)",
        "button_secondary_background_fill": "var(--card)",
        "button_secondary_background_fill_hover": "var(--sunk)",
        "button_secondary_border_color": "var(--line-2)",
        "button_secondary_text_color": "var(--ink)",
        "link_text_color": "var(--accent)",
        "loader_color": "var(--accent)",
        "table_border_color": "var(--line)",
        "table_even_background_fill": "var(--card)",
        "table_odd_background_fill": "var(--card)",
        "table_text_color": "var(--ink)",
        "accordion_text_color": "var(--ink)",
    }
    return theme.set(
        body_background_fill="#f5f5f1",
        body_background_fill_dark="#0f1114",
        body_text_color="#17191e",
        body_text_color_dark="#eceef1",
        button_border_width="1px",
        block_shadow="none",
        **both,
        **{f"{name}_dark": value for name, value in both.items()},
    )


def mount(
    app: FastAPI,
    blocks: gr.Blocks,
    path: str,
    *,
    root_path: str,
    stylesheets: tuple[str, ...],
    who: Callable[[Request], Awaitable[str | None]],
    largest_file: int,
) -> None:
    """Hang a Gradio app into `app`.

    `who` is the second check behind the guard; `largest_file` bytes may be uploaded at once.
    """
    sheets = "".join(
        f'<link rel="stylesheet" href="{root_path}/static/{name}">'
        for name in ("site.css", "gradio.css", *stylesheets)
    )
    gr.mount_gradio_app(
        app,
        blocks,
        path=path,
        server_name="127.0.0.1",
        footer_links=[],
        run_history=False,
        auth_dependency=who,
        allowed_paths=[],
        show_error=False,
        max_file_size=largest_file,
        ssr_mode=False,
        enable_monitoring=False,
        pwa=False,
        mcp_server=False,
        theme=service_theme(),
        head=sheets + f'<script type="module" src="{root_path}/static/shell.js"></script>',
    )


def module(name: str, root_path: str) -> str:
    """The `js_on_load` of a `gr.HTML`: run our script on this component's element."""
    return f'import("{root_path}/static/{name}").then((module) => module.start(element));'
