"""The evaluation page in a real browser: figures, plots, people's verdicts, hostile answers."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import BrowserContext, expect

from rlhf.store import Store
from tests.evaluated import kept_evaluation, told
from tests.feedback_app.browser.hostile import PAYLOADS
from tests.feedback_app.browser.pages import PHONE
from tests.seeded import hired, rated
from tests.served import Web

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_figures_plots_and_verdicts_are_shown(
    context: BrowserContext, web: Web, store: Store
) -> None:
    kept_evaluation(store, told(scored=False))
    kept_evaluation(store, told(), contests=3)
    rated(store, *hired(store, "ann"))
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(web.link(store, "olga", "operator"))
    page.get_by_role("link", name="Evaluation").click()
    expect(page.locator(".vega-embed canvas, .vega-embed svg")).to_have_count(4)
    summary = page.get_by_label("In short")
    expect(summary).to_have_value(re.compile("24 prompts .held-out prompts., 24 with"))
    expect(summary).to_have_value(re.compile("1 of 3 blind comparisons rated, 2 outstanding"))
    expect(summary).to_have_value(re.compile(r"bleu: nrefs:1\|case:mixed"))
    expect(page.get_by_role("gridcell", name="perplexity of references")).to_be_visible()
    expect(page.get_by_role("gridcell", name="people").first).to_be_visible()
    expect(page.get_by_role("gridcell", name="v1, ").first).to_be_visible()
    page.get_by_role("listbox", name="Evaluation").or_(page.get_by_label("Evaluation")).last.click()
    page.get_by_role("option", name=re.compile("^1: v0, v1")).click()
    expect(page.get_by_role("gridcell", name="reward (ensemble)")).to_have_count(0)
    assert errors == []


def test_answers_are_text_and_nothing_else(context: BrowserContext, web: Web, store: Store) -> None:
    for first, second in zip(PAYLOADS[:6:2], PAYLOADS[1:6:2], strict=True):
        kept_evaluation(store, told(special=(first, second)))
    page = context.new_page()
    said: list[str] = []
    page.on("dialog", lambda dialog: said.append(dialog.message))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(web.link(store, "olga", "operator"))
    page.goto(f"{web.url}/evaluation/")
    for text in PAYLOADS[4:6]:
        expect(page.get_by_role("gridcell").filter(has_text=text[:20]).first).to_be_visible()
    assert page.evaluate("window.x") is None
    assert said == []


def test_a_phone_scrolls_in_one_direction_alone(
    context: BrowserContext, web: Web, store: Store
) -> None:
    kept_evaluation(store, told())
    page = context.new_page()
    page.set_viewport_size(PHONE)
    page.goto(web.link(store, "olga", "operator"))
    page.goto(f"{web.url}/evaluation/")
    expect(page.locator(".vega-embed canvas, .vega-embed svg")).to_have_count(4)
    wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert wide <= 0


def test_before_the_first_evaluation_the_page_says_how_to_make_one(
    context: BrowserContext, web: Web, store: Store
) -> None:
    page = context.new_page()
    page.goto(web.link(store, "olga", "operator"))
    page.goto(f"{web.url}/evaluation/")
    expect(page.get_by_label("In short")).to_have_value(re.compile("rlhf evaluate champion"))
