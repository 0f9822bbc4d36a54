"""The doors in a real browser: what it sends with a form is what the guard lets through."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import BrowserContext, expect

from rlhf.store import Store
from tests.served import Web

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PASSWORD = "correct horse battery"


def test_a_password_is_set_and_opens_the_door_again(
    context: BrowserContext, web: Web, store: Store
) -> None:
    page = context.new_page()
    page.goto(web.link(store, "rita", "reader"))
    page.goto(f"{web.url}/account")
    page.get_by_label("New password", exact=True).fill(PASSWORD)
    page.get_by_label("New password again").fill(PASSWORD)
    page.get_by_role("button", name="Save password").click()
    expect(page.get_by_role("status")).to_have_text(re.compile("^Saved"))
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("status")).to_have_text("You are signed out.")
    page.get_by_label("Name").fill("rita")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(f"{web.url}/checkpoints/")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("status")).to_have_text("You are signed out.")
