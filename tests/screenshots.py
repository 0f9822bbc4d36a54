"""Writes the pictures of the documentation: `python -m tests.screenshots`.

The real service in a headless Chromium, over a made-up home: docs/images/*.png, light theme.
"""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

from playwright.sync_api import Page, ViewportSize, expect, sync_playwright

from rlhf.home import make_home
from rlhf.store import Store, open_store, rounds
from tests.conftest import installed_browser
from tests.evaluated import kept_evaluation, told
from tests.lively import finished_round
from tests.seeded import ask, hired, queued, rated
from tests.served import Web

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
ADDRESS = "https://rlhf.example.org"
SIZE = ViewportSize(width=1280, height=860)
BUSY = 18
"""Ratings that others gave before the picture."""

SHOWN = (
    "My parcel was due on Monday and has not come. What can I do?",
    "I am sorry about the wait. Please send me the tracking number from your order e-mail: I will "
    "look up where the parcel is. If it has not moved for three days, we send a new one at once, "
    "and you pay nothing.",
    "Parcels are sometimes late. Parcels are sometimes late because of many reasons. Please wait.",
)


def main() -> None:
    """Take all pictures."""
    browser = installed_browser()
    if browser is None:
        raise SystemExit("error: no Chromium is installed, and pictures need one")
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        home = make_home(Path("rlhf-home"))
        store = open_store(home)
        seed(store, home)
        with Web(home) as web, sync_playwright() as playwright:
            opened = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
            (home / "run" / "url").write_text(ADDRESS)
            page = opened.new_context(
                viewport=SIZE, color_scheme="light", reduced_motion="reduce"
            ).new_page()
            page.goto(f"{web.url}/sign-in")
            keep(page, "sign-in")
            annotate(page, web.link(store, "Ann", "annotator"))
            show_a_living_controller(store)
            operate(page, web.link(store, "Olga", "operator"))
            reward_models(page, f"{web.url}/reward/")
            evaluation(page, f"{web.url}/evaluation/")
            checkpoints(page, web.link(store, "Rita", "reader"))
            opened.close()
        store.close()


def seed(store: Store, home: Path) -> None:
    """A promoted round, a second one that collects, and ratings by three people in it."""
    finished_round(store, home)
    queued(store, BUSY)
    crew = hired(store, "Ann", "Ben", "Cleo")
    for number in range(BUSY):
        rated(store, crew[number % len(crew)])
    with store.write() as tx:
        ask(tx, *SHOWN)
    queued(store, 2 * BUSY, about="another question")
    kept_evaluation(store, told())


def show_a_living_controller(store: Store) -> None:
    """The open round's heartbeat, as its controller would give it."""
    with store.write() as tx:
        current = rounds.current_round(tx)
        assert current is not None
        assert rounds.heartbeat(tx, current.id, current.fence)


def annotate(page: Page, link: str) -> None:
    """A comparison with a verdict chosen."""
    page.goto(link)
    page.locator("[data-dialog=guidelines] button").click()
    expect(page.locator("#rating")).to_have_attribute("data-state", "card")
    better = "2" if "tracking" in page.locator("[data-slot=left]").inner_text() else "6"
    chosen = page.locator(f'[data-choice="{better}"]')
    while chosen.get_attribute("aria-checked") != "true":
        page.keyboard.press(better)
    keep(page, "annotate")


def operate(page: Page, link: str) -> None:
    """The loop, with the plots of the round that ended."""
    page.goto(link)
    expect(page.locator(".vega-embed canvas, .vega-embed svg")).to_have_count(4)
    expect(page.get_by_role("gridcell", name="Promoted")).to_be_visible()
    keep(page, "operate")


def reward_models(page: Page, address: str) -> None:
    """The report of the round that ended, down to the people behind it."""
    page.goto(address)
    expect(page.locator(".vega-embed canvas, .vega-embed svg")).to_have_count(4)
    expect(page.get_by_role("gridcell", name="0.41")).to_be_visible()
    page.set_viewport_size(ViewportSize(width=1280, height=1720))
    keep(page, "reward-models")
    page.set_viewport_size(SIZE)


def evaluation(page: Page, address: str) -> None:
    """Two checkpoints side by side, with what people said of them."""
    page.goto(address)
    expect(page.locator(".vega-embed canvas, .vega-embed svg")).to_have_count(4)
    page.set_viewport_size(ViewportSize(width=1280, height=2200))
    expect(page.get_by_role("gridcell", name="v1, ").first).to_be_visible()
    keep(page, "evaluation")
    page.set_viewport_size(SIZE)


def checkpoints(page: Page, link: str) -> None:
    """Every version, and the command that pulls one."""
    page.goto(link)
    expect(page.get_by_role("gridcell", name="champion")).to_be_visible()
    keep(page, "checkpoints")


def keep(page: Page, name: str) -> None:
    """Write one picture, once nothing is under way on the page."""
    page.wait_for_function("document.fonts.status === 'loaded'")
    page.screenshot(path=IMAGES / f"{name}.png", animations="disabled")


if __name__ == "__main__":
    main()
