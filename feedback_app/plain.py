"""Server-rendered pages without script: one frame, and every value escaped."""

from __future__ import annotations

from html import escape

from fastapi.responses import HTMLResponse

from feedback_app import texts
from feedback_app.access import ANNOTATOR, OPERATOR, READER
from feedback_app.sessions import Caller

HOME = {ANNOTATOR: "/annotate/", OPERATOR: "/operate/", READER: "/checkpoints/"}


def page(title: str, body: str, *, root_path: str, status: int = 200) -> HTMLResponse:
    """A page with one panel. `body` is markup whose values were escaped by `paragraph` and co."""
    name, root = escape(texts.PRODUCT), escape(root_path)
    return HTMLResponse(
        f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{escape(title)} · {name}</title>
<link rel="icon" href="{root}/static/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="{root}/static/site.css">
</head>
<body class="plain">
<header class="shell"><a class="brand" href="{root}/">
<img src="{root}/static/icon.svg" alt=""><span>{name}</span></a></header>
<main><section class="panel">
<h1>{escape(title)}</h1>
{body}
</section></main>
</body>
</html>""",
        status,
    )


def paragraph(text: str, style: str = "") -> str:
    """One paragraph of text; words in backticks become code."""
    parts = escape(text).split("`")
    marked = "".join(f"<code>{p}</code>" if i % 2 else p for i, p in enumerate(parts))
    role = ' role="status"' if "notice" in style else ""
    return f'<p class="{escape(style)}"{role}>{marked}</p>' if style else f"<p>{marked}</p>"


def field(label: str, name: str, kind: str, complete: str, value: str = "") -> str:
    """A labelled input."""
    limit = ' maxlength="200"' if kind == "password" else ' maxlength="100"'
    return (
        f'<label>{escape(label)}<input name="{escape(name)}" type="{escape(kind)}" required'
        f' autocomplete="{escape(complete)}" value="{escape(value)}"{limit}></label>'
    )


def hidden(name: str, value: str) -> str:
    """A value that travels with a form unseen."""
    return f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'


def form(action: str, fields: str, submit: str, style: str = "") -> str:
    """A form that posts; `fields` come from `field`."""
    button = f'<button class="button {escape(style)}">{escape(submit)}</button>'
    return f'<form method="post" action="{escape(action)}">{fields}{button}</form>'


def link(to: str, text: str) -> str:
    """A link that looks like a button."""
    return f'<a class="button" href="{escape(to)}">{escape(text)}</a>'


def refused_page(status: int, caller: Caller, root_path: str) -> HTMLResponse:
    """What a signed-in person sees on a page that is not theirs, or that does not exist."""
    if status == 404:
        title, body = texts.REFUSED["missing_title"], texts.REFUSED["missing"]
    else:
        title = texts.REFUSED["title"]
        body = texts.REFUSED["body"].format(name=caller.name, role=texts.ROLE[caller.role])
    way = link(root_path + HOME[caller.role], texts.REFUSED["home"])
    return page(title, paragraph(body) + way, root_path=root_path, status=status)
