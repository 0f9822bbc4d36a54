"""Bringing data in a real browser."""

from __future__ import annotations

import json
import re
from typing import Literal

import pytest
from playwright.sync_api import Browser, BrowserContext, FilePayload, Page, expect

from rlhf.store import Store, prompts
from tests.feedback_app.browser.hostile import PAYLOADS
from tests.feedback_app.browser.pages import PHONE
from tests.feedback_app.browser.test_accessibility import problems
from tests.served import Web

pytestmark = [pytest.mark.browser, pytest.mark.slow]

HOSTILE = PAYLOADS[:7]
NAME = "<img src=x onerror=alert(1)>${x}.jsonl"


def sheet(name: str, *rows: object) -> FilePayload:
    text = "".join(json.dumps(row) + "\n" for row in rows)
    return FilePayload(name=name, mimeType="application/json", buffer=text.encode())


def choose(page: Page, *files: FilePayload) -> None:
    drop = page.get_by_role("button", name="Click to upload or drop files")
    drop.locator("input").set_input_files(list(files))


def test_an_operator_uploads_looks_and_takes_in(
    context: BrowserContext, web: Web, store: Store
) -> None:
    page = context.new_page()
    noted: list[str] = []
    page.on("pageerror", lambda error: noted.append(str(error)))
    page.on("dialog", lambda dialog: noted.append(dialog.message))
    page.on("response", lambda told: noted.append(told.url) if told.status >= 400 else None)
    page.goto(web.link(store, "olga", "operator"))
    page.get_by_role("link", name="Data", exact=True).click()
    said, take = (
        page.get_by_label("The service says"),
        page.get_by_role("button", name="Take it in"),
    )
    expect(take).to_be_disabled()
    choose(page, sheet("broken.jsonl", {"prompt": "Where?"}, {"prompt": 7}))
    expect(said).to_have_value(re.compile("^broken.jsonl, line 2, field 'prompt': must be text"))
    expect(take).to_be_disabled()
    choose(page, sheet(NAME, *({"ask": text, "answer": "No."} for text in HOSTILE)))
    expect(said).to_have_value(re.compile("columns found|has no", re.IGNORECASE))
    page.get_by_label("Columns, where their names").fill("ask=prompt\nanswer=completion")
    page.get_by_role("button", name="Preview again").click()
    expect(said).to_have_value("1 file read: 7 of 7 rows can be taken in. Nothing is written yet.")
    expect(page.get_by_role("gridcell", name=NAME, exact=True).first).to_be_visible()
    shown = f"user: {HOSTILE[0]} | assistant: No."
    expect(page.get_by_role("gridcell", name=shown, exact=True)).to_be_visible()
    take.click()
    expect(said).to_have_value("Taken in: 7 of 7 rows from 1 file.")
    expect(page.get_by_role("gridcell", name="prompts added")).to_be_visible()
    expect(page.get_by_role("gridcell", name=NAME, exact=True)).to_be_visible()
    expect(take).to_be_disabled()
    with store.read() as tx:
        assert sum(prompts.count_prompts(tx).values()) == 7
    assert noted == []
    assert page.evaluate("window.x") is None


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_page_fits_a_phone_and_is_open_to_everybody(
    browser: Browser, web: Web, store: Store, theme: Literal["light", "dark"]
) -> None:
    context = browser.new_context(viewport=PHONE, color_scheme=theme)
    page = context.new_page()
    page.goto(web.link(store, "olga", "operator"))
    page.goto(f"{web.url}/data/")
    choose(page, sheet("a.jsonl", {"prompt": "Where?"}))
    expect(page.get_by_role("gridcell", name="user: Where?")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert problems(page) == []
    context.close()
