"""The rating page: a Gradio app whose card is one constant skeleton.

No text of people or models passes through here. `static/annotate.js` fetches it from the REST API
and sets it as text content, because `gr.HTML` templates execute `${...}` found in values.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import gradio as gr

from feedback_app import api_guidelines, texts
from feedback_app.theme import HEADER, module
from rlhf.store import Store, validate

OPENED = 'document.dispatchEvent(new Event("history-opened"));'
"""Gradio builds what an accordion holds only when it is opened: the list asks to be filled."""


def annotate_page(store: Store, attributes: Sequence[str], root_path: str) -> gr.Blocks:
    """The page as Gradio blocks: header, guidelines, rating card, latest ratings.

    `attributes` are what annotators may compare two answers in, beside the verdict.
    """

    def in_force() -> str:
        with store.read() as tx:
            version, text, _ = api_guidelines.in_force(tx)
        return f"{text}\n\n*{texts.GUIDELINES_VERSION.format(version=version)}*"

    page = gr.Blocks(title=f"{texts.ANNOTATE['title']} · {texts.PRODUCT}", fill_width=True)
    with page:
        gr.HTML(html_template=HEADER, js_on_load=None, apply_default_css=False)
        with gr.Accordion(texts.GUIDELINES_TITLE, open=False, elem_id="guidelines"):
            gr.Markdown(in_force)
        gr.HTML(
            html_template=skeleton(attributes, root_path),
            js_on_load=module("annotate.js", root_path).replace(
                "start(element)", "start(element.querySelector('#rating'))"
            ),
            apply_default_css=False,
            elem_classes=["rating-frame"],
        )
        with gr.Accordion(texts.HISTORY_TITLE, open=False, elem_id="history"):
            gr.HTML(html_template=_history(), js_on_load=OPENED, apply_default_css=False)
    return page


def skeleton(attributes: Sequence[str], root_path: str) -> str:
    """The card's markup: every word from `texts`, every place for data empty."""
    return f"""
<main id="rating" class="rating" data-state="loading" aria-label="{_text("region")}">
  <div class="strip">
    <span class="progress" data-slot="progress"></span>
    <span class="delivery" data-slot="delivery" role="status"></span>
    <span class="lease" data-slot="lease"></span>
    <button type="button" class="quiet" data-act="flag" aria-keyshortcuts="f">
      {_text("flag")} <kbd aria-hidden="true">f</kbd></button>
    <button type="button" class="quiet" data-act="keys" aria-keyshortcuts="?">
      {_text("keys")} <kbd aria-hidden="true">?</kbd></button>
  </div>
  <p class="banner" data-slot="banner" role="note" aria-live="polite" hidden></p>
  <p class="announced" data-slot="announced" role="status"></p>
  <div data-slot="stage" aria-busy="true">
    {_loading()}
    {_comparison(attributes)}
    {_empty()}
    {_problem(root_path)}
  </div>
  <div class="dock">
    <div class="scale-row" role="radiogroup" aria-label="{_text("scale")}">{_scale()}</div>
    <div class="thumbs-row" role="radiogroup" aria-label="{_text("thumbs")}">{_thumbs()}</div>
    <div class="dock-actions">
      <button type="button" class="toggle" data-act="both-bad" aria-pressed="false"
        aria-keyshortcuts="x">{_text("both_bad")} <kbd aria-hidden="true">x</kbd></button>
      <button type="button" class="quiet" data-act="why" aria-expanded="false"
        aria-keyshortcuts="r">{_text("why")} <kbd aria-hidden="true">r</kbd></button>
      <button type="button" class="quiet" data-act="skip" aria-keyshortcuts="s">
        {_text("skip")} <kbd aria-hidden="true">s</kbd></button>
      <button type="button" class="quiet" data-act="undo" aria-keyshortcuts="u">
        {_text("undo")} <kbd aria-hidden="true">u</kbd></button>
      <p class="status" data-slot="status" role="status" aria-live="polite"></p>
      <button type="button" class="primary" data-act="save" aria-disabled="true"
        aria-keyshortcuts="Enter">{_text("save")} <kbd aria-hidden="true">Enter</kbd></button>
    </div>
  </div>
  {_guidelines_dialog()}
  {_skip_dialog()}
  {_flag_dialog()}
  {_keys_dialog()}
</main>"""


def _text(name: str) -> str:
    return escape(texts.ANNOTATE[name])


def _loading() -> str:
    return '<div class="loading" aria-hidden="true"><i></i><div><i></i><i></i></div></div>'


def _comparison(attributes: Sequence[str]) -> str:
    answers = "".join(
        f'<article class="answer" data-answer="{side}" aria-labelledby="answer-{side}">'
        f'<header><h2 id="answer-{side}">{_text(f"answer_{side}")}</h2>{_edit_buttons(slot)}'
        f'</header><div class="answer-text" data-slot="{slot}" tabindex="0" dir="auto" '
        f'role="region" aria-labelledby="answer-{side}"></div>'
        f'<textarea class="answer-edit" data-edit="{slot}" dir="auto" hidden '
        f'maxlength="{validate.RESPONSE_CHARS}" '
        f'aria-label="{_text(f"edit_{side}")}"></textarea></article>'
        for side, slot in (("a", "left"), ("b", "right"))
    )
    return (
        '<div class="comparison">'
        '<section class="conversation" data-slot="conversation" tabindex="0" '
        f'aria-label="{_text("conversation")}"><ol data-slot="turns"></ol></section>'
        f'<div class="answers">{answers}</div>{_remarks(attributes)}</div>'
    )


def _edit_buttons(side: str) -> str:
    return (
        f'<button type="button" class="quiet" data-act="edit" aria-keyshortcuts="e">'
        f'{_text("edit")} <kbd aria-hidden="true">e</kbd></button>'
        f'<button type="button" class="quiet" data-act="unedit" data-side="{side}">'
        f"{_text('unedit')}</button>"
    )


def _remarks(attributes: Sequence[str]) -> str:
    compared = "".join(
        f'<div class="attribute" role="group" aria-label="{_more(name)}"><span>{_more(name)}</span>'
        + "".join(
            f'<button type="button" data-attribute="{escape(name)}" data-side="{side}" '
            f'aria-pressed="false">{_text(f"more_{side}")}</button>'
            for side in ("a", "same", "b")
        )
        + "</div>"
        for name in attributes
    )
    return (
        f'<section class="remarks" data-slot="remarks" aria-label="{_text("remarks")}" hidden>'
        f'<div class="attributes">{compared}</div><label>{_text("reason")}'
        '<textarea data-slot="reason" rows="2" maxlength="10000" dir="auto"></textarea></label>'
        f"<p>{_text('remarks_keys')}</p></section>"
    )


def _more(attribute: str) -> str:
    return escape(texts.ANNOTATE["more"].format(attribute=attribute))


def _scale() -> str:
    return _radios("choice", texts.CHOICES)


def _thumbs() -> str:
    return _radios("thumb", texts.THUMBS)


def _radios(name: str, choices: Sequence[str]) -> str:
    return "".join(
        f'<button type="button" role="radio" aria-checked="false" data-{name}="{number}" '
        f'aria-keyshortcuts="{number}" tabindex="{0 if number == 1 else -1}">'
        f'<kbd aria-hidden="true">{number}</kbd><span>{escape(choice)}</span></button>'
        for number, choice in enumerate(choices, start=1)
    )


def _empty() -> str:
    return (
        f'<section class="stand empty">{_EMPTY_ART}<h2 data-slot="empty-title"></h2>'
        f'<p data-slot="empty-body"></p>{_button("again", "look_again")}'
        '<p class="looked" data-slot="empty-looked"></p></section>'
    )


def _problem(root_path: str) -> str:
    way = escape(f"{root_path}/sign-in?next=/annotate/")
    return (
        f'<section class="stand problem">{_PROBLEM_ART}<p data-slot="problem"></p>'
        f'{_button("retry", "retry")}<a class="primary" href="{way}">'
        f"{escape(texts.SIGN_IN['submit'])}</a></section>"
    )


def _button(action: str, label: str) -> str:
    return f'<button type="button" class="toggle" data-act="{action}">{_text(label)}</button>'


def _guidelines_dialog() -> str:
    return (
        '<dialog data-dialog="guidelines" aria-labelledby="guidelines-title">'
        f'<form method="dialog"><h2 id="guidelines-title">{escape(texts.GUIDELINES_TITLE)}</h2>'
        '<p class="changed" data-slot="guidelines-changed"></p>'
        '<div class="guidelines-text" data-slot="guidelines-text" tabindex="0" role="region" '
        'aria-labelledby="guidelines-title"></div><div class="dialog-actions">'
        f'<button class="primary" value="read" autofocus>{_text("guidelines_read")} '
        '<kbd aria-hidden="true">Enter</kbd></button></div></form></dialog>'
    )


def _skip_dialog() -> str:
    reasons = "".join(
        f'<label><input type="radio" name="reason" value="{escape(code)}"'
        f"{' checked' if number == 1 else ''}>{escape(reason)}"
        f'<kbd aria-hidden="true">{number}</kbd></label>'
        for number, (code, reason) in enumerate(texts.SKIP_REASONS.items(), start=1)
    )
    return (
        '<dialog data-dialog="skip" aria-labelledby="skip-title"><form method="dialog">'
        f'<h2 id="skip-title">{_text("skip_title")}</h2>{reasons}'
        f'<input type="text" maxlength="900" dir="auto" data-slot="skip-note" '
        f'aria-label="{_text("skip_note")}" placeholder="{_text("skip_note")}">'
        '<div class="dialog-actions">'
        f'<button class="quiet" type="button" data-close>{_text("cancel")}</button>'
        f'<button class="primary" value="skip">{_text("skip_confirm")} '
        '<kbd aria-hidden="true">Enter</kbd></button></div></form></dialog>'
    )


def _flag_dialog() -> str:
    return (
        '<dialog data-dialog="flag" aria-labelledby="flag-title"><form method="dialog">'
        f'<h2 id="flag-title">{_text("flag_title")}</h2><p>{_text("flag_lead")}</p>'
        f'<textarea required rows="4" maxlength="10000" aria-label="{_text("flag_note")}">'
        '</textarea><div class="dialog-actions">'
        f'<button class="quiet" type="button" data-close>{_text("cancel")}</button>'
        f'<button class="primary" value="flag">{_text("flag_confirm")} '
        '<kbd aria-hidden="true">Ctrl Enter</kbd></button></div></form></dialog>'
    )


def _keys_dialog() -> str:
    rows = "".join(
        f'<tr><th scope="row"><kbd>{escape(key)}</kbd></th><td>{escape(does)}</td></tr>'
        for key, does in texts.KEYS
    )
    return (
        '<dialog data-dialog="keys" aria-labelledby="keys-title"><form method="dialog">'
        f'<h2 id="keys-title">{_text("keys_title")}</h2><table class="keys-table">{rows}</table>'
        f'<div class="dialog-actions"><button class="primary">{_text("close")}</button></div>'
        "</form></dialog>"
    )


def _history() -> str:
    return (
        f'<div data-empty="true"><p class="history-empty">{_text("history_empty")}</p>'
        '<p class="history-checks" data-slot="checks"></p>'
        '<ol class="history" data-slot="history"></ol></div>'
    )


_EMPTY_ART = (
    '<svg class="art" viewBox="0 0 76 76" aria-hidden="true"><rect x="6" y="14" width="28" '
    'height="48" rx="8" fill="var(--a-soft)" stroke="var(--a)" stroke-width="2"/><rect x="42" '
    'y="14" width="28" height="48" rx="8" fill="var(--b-soft)" stroke="var(--b)" '
    'stroke-width="2"/><path d="M27 39l8 8 15-18" fill="none" stroke="var(--accent)" '
    'stroke-width="5" stroke-linecap="round" stroke-linejoin="round"/></svg>'
)
_PROBLEM_ART = (
    '<svg class="art" viewBox="0 0 76 76" aria-hidden="true"><circle cx="38" cy="38" r="28" '
    'fill="var(--bad-soft)" stroke="var(--bad)" stroke-width="2"/><path d="M38 24v18" '
    'stroke="var(--bad)" stroke-width="5" stroke-linecap="round"/><circle cx="38" cy="52" r="3" '
    'fill="var(--bad)"/></svg>'
)
