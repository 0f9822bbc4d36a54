"""Nothing serious for axe-core on any page, in light and dark, with every part of it open."""

from __future__ import annotations

from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from rlhf.store import Store
from tests.evaluated import kept_evaluation, told
from tests.feedback_app.browser.pages import PHONE, annotate, ready
from tests.lively import finished_round
from tests.seeded import own_answers, queued
from tests.served import Web

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SERIOUS = {"serious", "critical"}
OURS = ".rating, .shell, .plain, main"
"""What is written here; the inside of Gradio's own components is not."""


def problems(page: Page, within: str | None = None) -> list[str]:
    """What axe holds against the page, each with the places."""
    told = Axe().run(page, context=within).response
    return [
        f"{one['id']}: {node['target']} {node['failureSummary']}"
        for one in told["violations"]
        if one["impact"] in SERIOUS
        for node in one["nodes"]
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_rating_page_is_open_to_everybody(
    browser: Browser, web: Web, store: Store, theme: Literal["light", "dark"]
) -> None:
    queued(store, 3)
    context = browser.new_context(color_scheme=theme)
    page = context.new_page()
    page.goto(web.link(store, "ann", "annotator"))
    expect(page.locator("dialog[data-dialog=guidelines]")).to_be_visible()
    assert problems(page) == []
    page.keyboard.press("Enter")
    ready(page)
    assert problems(page) == []
    page.keyboard.press("2")
    page.keyboard.press("e")
    page.keyboard.press("Escape")
    page.keyboard.press("r")
    assert problems(page) == []
    page.keyboard.press("Escape")
    for key in ("f", "s", "?"):
        page.keyboard.press(key)
        expect(page.locator("dialog[open]")).to_be_visible()
        assert problems(page) == []
        page.keyboard.press("Escape")
    context.close()


def test_the_rating_page_on_a_phone_and_when_empty(
    browser: Browser, web: Web, store: Store
) -> None:
    queued(store, 1)
    own_answers(store, "Is this good?", "It is.")
    context = browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True)
    page = annotate(context, web, store)
    assert problems(page) == []
    page.keyboard.press("4")
    page.keyboard.press("Enter")
    expect(page.locator("#rating")).to_have_attribute("data-shape", "single")
    ready(page)
    page.get_by_role("radio", name="Bad").click()
    assert problems(page) == []
    page.keyboard.press("Enter")
    expect(page.locator("#rating")).to_have_attribute("data-state", "empty")
    assert problems(page) == []
    context.close()


@pytest.mark.parametrize(
    "path", ["sign-in", "account", "operate/", "reward/", "evaluation/", "checkpoints/"]
)
def test_the_other_pages(browser: Browser, web: Web, store: Store, path: str) -> None:
    finished_round(store, web.home)
    kept_evaluation(store, told())
    context = browser.new_context()
    page = context.new_page()
    if path != "sign-in":
        page.goto(web.link(store, "olga", "operator"))
    page.goto(f"{web.url}/{path}")
    page.wait_for_load_state("networkidle")
    assert problems(page) == []
    context.close()
