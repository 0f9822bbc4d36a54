"""A browser, and one server process over a store emptied for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ViewportSize, expect, sync_playwright

from rlhf.home import make_home
from rlhf.store import Store, open_store
from tests.seeded import empty
from tests.served import Web

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
DESK = ViewportSize(width=1280, height=860)
PATIENCE_MS = 30_000


@pytest.fixture(scope="module")
def browser(chromium: Path) -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """One server process for all tests: it starts in seconds and keeps nothing in memory."""
    with Web(make_home(tmp_path_factory.mktemp("served"))) as running:
        yield running


@pytest.fixture
def store(served: Web) -> Iterator[Store]:
    """The server's own database, emptied."""
    opened = open_store(served.home)
    empty(opened)
    yield opened
    opened.close()


@pytest.fixture
def web(served: Web, store: Store) -> Web:
    """The server over an empty database."""
    return served


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    opened = browser.new_context(viewport=DESK)
    opened.set_default_timeout(PATIENCE_MS)
    yield opened
    opened.close()
