"""Texts of people and models: shown as they are, styled at most, never executed."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import BrowserContext, Dialog, Page, Request, expect

from rlhf.store import Store
from tests.feedback_app.browser.hostile import PAYLOADS, TEXTS
from tests.feedback_app.browser.pages import annotate, enter, ready, saved
from tests.seeded import ask
from tests.served import Web

pytestmark = [pytest.mark.browser, pytest.mark.slow]

STYLES = {"code-point", *(f"md-{kind}" for kind in ("heading", "quote", "block", "code"))}
STYLES |= {"md-strong", "md-em", "md-math"}
"""All that may stand inside a text: spans that style it."""


@dataclass
class Watched:
    """A page on which every request elsewhere, every dialog and every error is noted."""

    page: Page
    home: str
    noted: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.context.on("request", self.request)
        self.page.on("dialog", self.dialog)
        self.page.on("pageerror", lambda error: self.noted.append(str(error)))

    def request(self, request: Request) -> None:
        if not request.url.startswith((self.home, "data:", "blob:")):
            self.noted.append(request.url)

    def dialog(self, dialog: Dialog) -> None:
        self.noted.append(dialog.message)
        dialog.dismiss()

    def is_clean(self) -> bool:
        return self.noted == [] and self.page.evaluate("window.x") is None


def texts(page: Page, where: str) -> list[str]:
    told: list[str] = page.locator(where).evaluate_all("all => all.map(it => it.textContent)")
    return told


def test_hostile_texts_are_shown_as_they_are_and_nothing_else(
    context: BrowserContext, web: Web, store: Store
) -> None:
    """Twenty to a page, two as answers and the others as turns of the conversation."""
    assert len(TEXTS) > 200
    given = [TEXTS[start : start + 20] for start in range(0, len(TEXTS), 20)]
    with store.write() as tx:
        for some in given:
            ask(tx, some[-1], some[0], some[1], before=some[2:-1])
    watched = Watched(context.new_page(), web.url)
    page = watched.page
    enter(page, web.link(store, "ann", "annotator"))
    for some in given:
        ready(page)
        assert texts(page, ".turn-text") == [*some[2:-1], some[-1]]
        assert set(texts(page, ".answer-text")) == set(some[:2])
        inside = page.locator(".comparison .turn-text *, .comparison .answer-text *")
        assert set(inside.evaluate_all("all => all.map(it => it.className)")) <= STYLES
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        page.keyboard.press("4")
        page.keyboard.press("Enter")
        saved(page)
    assert watched.is_clean(), watched.noted


@pytest.mark.parametrize(
    "text", [f"</textarea>{PAYLOADS[3]}${{alert(1)}}", f"{PAYLOADS[8]}`${{x}}`"]
)
def test_a_hostile_name_and_what_a_person_writes_stay_text(
    context: BrowserContext, web: Web, store: Store, text: str
) -> None:
    with store.write() as tx:
        ask(tx, "Which?", "One.", "Other.")
    watched = Watched(context.new_page(), web.url)
    page = watched.page
    enter(page, web.link(store, text, "annotator"))
    expect(page.locator(".shell .who")).to_contain_text(text)
    page.keyboard.press("2")
    page.keyboard.press("e")
    page.keyboard.insert_text(text)
    page.keyboard.press("Escape")
    page.keyboard.press("r")
    page.keyboard.insert_text(text)
    page.keyboard.press("Control+Enter")
    saved(page)
    page.keyboard.press("u")
    expect(page.locator("[data-slot=reason]")).to_have_value(text)
    expect(page.locator('[data-edit="left"]')).to_have_value(re.compile(re.escape(text) + "$"))
    operator = watched.page.context.browser
    assert operator is not None
    looking = Watched(operator.new_context().new_page(), web.url)
    looking.page.goto(web.link(store, f"op {text}", "operator"))
    looking.page.get_by_role("tab", name="People").click()
    expect(looking.page.get_by_role("gridcell", name=text, exact=True)).to_be_visible()
    assert watched.is_clean(), watched.noted
    assert looking.is_clean(), looking.noted
    looking.page.context.close()


def test_markdown_is_styled_and_loses_no_character(
    context: BrowserContext, web: Web, store: Store
) -> None:
    text = (
        "# A plan\n\n**Bold**, *slanted* and `x = 1`, $a^2$ but $5 and 6$.\n> said\n"
        "```python\nprint('**no**')\n```\n1. one\nsnake_case_name 2*3*4"
    )
    with store.write() as tx:
        ask(tx, "How?", text, "Plain.")
    page = annotate(context, web, store)
    side = "left" if page.locator("[data-slot=right]").inner_text() == "Plain." else "right"
    shown = page.locator(f'[data-slot="{side}"]')
    assert shown.evaluate("it => it.textContent") == text
    assert shown.locator("span").evaluate_all(
        "all => all.map(it => [it.className, it.textContent])"
    ) == [
        ["md-heading", "# A plan\n"],
        ["md-strong", "**Bold**"],
        ["md-em", "*slanted*"],
        ["md-code", "`x = 1`"],
        ["md-math", "$a^2$"],
        ["md-quote", "> said\n"],
        ["md-block", "```python\nprint('**no**')\n```\n"],
    ]
