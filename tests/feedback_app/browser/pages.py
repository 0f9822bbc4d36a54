"""What tests do on a page."""

from __future__ import annotations

import re

from playwright.sync_api import BrowserContext, Page, ViewportSize, expect

from rlhf.store import Store, ratings
from tests.served import Web

PHONE = ViewportSize(width=390, height=844)
SEEN_MS = 400
"""The page takes no verdict on a card that could not have been read yet."""


def annotate(context: BrowserContext, web: Web, store: Store, name: str = "ann") -> Page:
    page = context.new_page()
    enter(page, web.link(store, name, "annotator"))
    return page


def enter(page: Page, link: str) -> None:
    """Come for the first time: to the guidelines, and on to a comparison."""
    page.goto(link)
    page.locator("[data-dialog=guidelines] button").click()
    ready(page)


def ready(page: Page) -> None:
    """Until a comparison is on screen and has been there long enough to be judged."""
    expect(page.locator("#rating")).to_have_attribute("data-state", "card")
    page.wait_for_function(
        """async (wait) => {
            const shown = document.querySelector("[data-slot=turns]").textContent;
            await new Promise((go) => setTimeout(go, wait));
            return document.querySelector("[data-slot=turns]").textContent === shown;
        }""",
        arg=SEEN_MS + 50,
    )


def question(page: Page) -> str:
    return page.locator(".turn-text").last.inner_text()


def saved(page: Page) -> None:
    expect(page.locator("[data-slot=delivery]")).to_have_text(re.compile("^Saved"))


def kept(store: Store) -> list[ratings.Rating]:
    with store.read() as tx:
        return ratings.current_ratings(tx)
