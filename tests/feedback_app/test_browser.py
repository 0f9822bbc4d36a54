"""The pages in a real browser: keyboard, mouse, a phone, hostile texts, and kill -9."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Dialog,
    Page,
    Request,
    Route,
    ViewportSize,
    expect,
    sync_playwright,
)

from rlhf.home import make_home
from rlhf.store import Store, metrics, open_store, prompts, ratings, rounds
from tests.lively import WHY, finished_round
from tests.seeded import ask, empty, hired, queued, rated
from tests.served import Web

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
DESK = ViewportSize(width=1280, height=860)
PHONE = ViewportSize(width=390, height=844)
PATIENCE_MS = 30_000
SEEN_MS = 400
"""The page takes no verdict on a card that could not have been read yet."""

HOSTILE = (
    "${alert(1)}",
    "<script>window.x=1</script>",
    "<img src=x onerror=window.x=1>",
    "{{7*7}}",
    "{constructor.constructor('window.x=1')()}",
    "javascript:window.x=1",
    "</textarea></div><svg onload=window.x=1>",
    "\u202egnorw daer si siht\u202c \u200bzero\u200dwidth",
    "x" * 20_000,
)


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


def annotate(context: BrowserContext, web: Web, store: Store, name: str = "ann") -> Page:
    page = context.new_page()
    page.goto(web.link(store, name, "annotator"))
    ready(page)
    return page


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
    expect(page.locator("[data-slot=status]")).to_have_text(re.compile("^Saved"))


def kept(store: Store) -> list[ratings.Rating]:
    with store.read() as tx:
        return ratings.current_ratings(tx)


def test_a_session_by_keyboard_alone(context: BrowserContext, web: Web, store: Store) -> None:
    queued(store, 9)
    page = annotate(context, web, store)
    for choice in range(1, 8):
        before = question(page)
        page.keyboard.press(str(choice))
        expect(page.locator(f'[data-choice="{choice}"]')).to_have_attribute("aria-checked", "true")
        if choice == 2:
            page.keyboard.press("x")
            expect(page.locator("[data-act=both-bad]")).to_have_attribute("aria-pressed", "true")
        page.keyboard.press("Enter")
        saved(page)
        expect(page.locator(".turn-text").last).not_to_have_text(before)
        ready(page)
    told = kept(store)
    assert [one.strength for one in told] == [3, 2, 1, 0, 1, 2, 3]
    assert [one.both_bad for one in told] == [False, True, *[False] * 5]
    for one, side in zip(told, [0, 0, 0, None, 1, 1, 1], strict=True):
        assert one.preferred == (None if side is None else one.order_shown[side])

    page.keyboard.press("s")
    expect(page.locator("dialog[data-dialog=skip]")).to_be_visible()
    page.keyboard.press("2")
    page.keyboard.press("Enter")
    expect(page.locator("[data-slot=status]")).to_have_text(re.compile("^Skipped"))
    ready(page)

    page.keyboard.press("u")
    expect(page.locator("[data-slot=banner]")).to_be_visible()
    ready(page)
    expect(page.locator('[data-choice="7"]')).to_have_attribute("aria-checked", "true")
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    expect(page.locator("[data-slot=status]")).to_have_text(re.compile("as revision 2$"))
    revised = kept(store)[-1]
    assert (revised.revision, revised.strength) == (2, 3)
    assert revised.preferred == revised.order_shown[0]


def test_a_session_by_mouse_alone(context: BrowserContext, web: Web, store: Store) -> None:
    queued(store, 3)
    page = annotate(context, web, store)
    page.get_by_role("radio", name="B better").click()
    page.get_by_role("button", name="Both bad").click()
    page.get_by_role("button", name="Save and next").click()
    saved(page)
    ready(page)
    page.get_by_role("button", name="Skip", exact=False).first.click()
    page.get_by_label("Something else").check()
    page.get_by_role("button", name="Skip it").click()
    expect(page.locator("[data-slot=status]")).to_have_text(re.compile("^Skipped"))
    ready(page)
    page.get_by_role("button", name="Undo").click()
    ready(page)
    page.get_by_role("radio", name="Tie").click()
    page.get_by_role("button", name="Save and next").click()
    saved(page)
    (one,) = kept(store)
    assert (one.revision, one.preferred, one.strength, one.both_bad) == (2, None, 0, True)
    page.get_by_role("button", name="Your latest ratings").click()
    expect(page.locator(".history li")).to_have_count(1)
    expect(page.locator(".history li")).to_contain_text("Tie")


def test_everything_fits_a_phone(browser: Browser, web: Web, store: Store) -> None:
    long = "A sentence that goes on. " * 60
    with store.write() as tx:
        ask(tx, "What is the plan?", long, "Unbreakable" * 40)
    phone = browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True)
    page = annotate(phone, web, store)
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= PHONE["width"], "nothing may be wider than the screen"
    for number in range(1, 8):
        button = page.locator(f'[data-choice="{number}"]')
        expect(button).to_be_in_viewport(ratio=1)
        box = button.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= 40, "large enough for a thumb"
    page.locator('[data-choice="5"]').tap()
    save = page.get_by_role("button", name="Save and next")
    expect(save).to_be_in_viewport(ratio=1)
    save.tap()
    expect(page.locator("#rating")).to_have_attribute("data-state", "empty")
    assert [one.strength for one in kept(store)] == [1]
    phone.close()


def test_hostile_texts_are_shown_and_nothing_else(
    context: BrowserContext, web: Web, store: Store
) -> None:
    with store.write() as tx:
        for text in HOSTILE:
            ask(tx, f"{text} ?", text, f"{text} too")
    away: list[str] = []
    errors: list[str] = []

    def watch(request: Request) -> None:
        if not request.url.startswith((web.url, "data:", "blob:")):
            away.append(request.url)

    def refuse(dialog: Dialog) -> None:
        errors.append(dialog.message)
        dialog.dismiss()

    context.on("request", watch)
    page = context.new_page()
    page.on("dialog", refuse)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(web.link(store, "ann", "annotator"))
    for text in HOSTILE:
        ready(page)
        assert page.locator(".turn-text").last.evaluate("it => it.textContent") == f"{text} ?"
        shown = {
            page.locator(f'[data-slot="{side}"]').evaluate("it => it.textContent")
            for side in ("left", "right")
        }
        assert shown == {text, f"{text} too"}
        inside = page.locator(".comparison .turn-text *, .comparison .answer-text *")
        assert set(inside.evaluate_all("all => all.map(it => it.className)")) <= {"code-point"}
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        page.keyboard.press("4")
        page.keyboard.press("Enter")
        saved(page)
    assert page.evaluate("window.x") is None
    assert (away, errors) == ([], [])


def test_a_rating_that_was_saved_survives_kill_9_of_the_service(
    context: BrowserContext, web: Web, store: Store
) -> None:
    queued(store, 2)
    page = annotate(context, web, store)
    page.keyboard.press("6")
    page.keyboard.press("Enter")
    saved(page)
    web.kill()
    (one,) = kept(store)
    assert one.strength == 2
    ready(page)
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    expect(page.locator("[data-slot=status]")).to_have_text(re.compile("^Not saved yet"))
    web.start()
    page.evaluate("window.dispatchEvent(new Event('online'))")
    expect(page.locator("#rating")).to_have_attribute("data-state", "empty")
    assert [one.strength for one in kept(store)] == [2, 3], "the verdict in between arrived once"


def test_a_verdict_whose_answer_was_lost_is_stored_once(
    context: BrowserContext, web: Web, store: Store
) -> None:
    queued(store, 1)
    page = annotate(context, web, store)
    lost: list[int] = []

    def lose_the_first(route: Route) -> None:
        if lost:
            route.continue_()
            return
        lost.append(route.fetch().status)
        route.abort()

    page.route("**/api/v1/ratings", lose_the_first)
    page.keyboard.press("3")
    page.keyboard.press("Enter")
    expect(page.locator("#rating")).to_have_attribute("data-state", "empty")
    assert lost == [200]
    assert [one.strength for one in kept(store)] == [1]


def test_the_operators_page_shows_the_round_and_its_plots(
    context: BrowserContext, web: Web, store: Store
) -> None:
    finished_round(store, web.home)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(web.link(store, "olga", "operator"))
    expect(page.locator("ol.steps li")).to_have_count(9)
    expect(page.get_by_label("Now")).to_have_value(re.compile("Round 2: Collecting"))
    expect(page.get_by_label("Now")).to_have_value(re.compile("rate some comparisons first"))
    expect(page.get_by_role("button", name="Start round now")).to_be_disabled()
    expect(page.locator(".vega-embed canvas, .vega-embed svg")).to_have_count(4)
    expect(page.get_by_label("The radar says")).to_have_value(re.compile("predicted to peak at"))
    expect(page.get_by_role("gridcell", name=WHY)).to_be_visible()
    page.get_by_role("tab", name="People").click()
    page.get_by_label("Name").fill("<b>rita</b>")
    page.get_by_role("button", name="Make a sign-in link").click()
    expect(page.locator("#link textarea, #link input")).to_have_value(
        re.compile(f"^{web.url}/join/")
    )
    expect(page.get_by_role("gridcell", name="<b>rita</b>")).to_be_visible()
    queued(store, 1)
    rated(store, *hired(store, "ann"))
    page.get_by_role("button", name="Start round now").click()
    expect(page.get_by_label("The service says")).to_have_value(re.compile("^Asked"))
    assert errors == []


def test_the_reward_page_shows_plots_people_and_who_overruled_the_gate(
    context: BrowserContext, web: Web, store: Store
) -> None:
    finished_round(store, web.home)
    hired(store, "<img src=x onerror=alert(1)>", "ben")
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("dialog", lambda dialog: errors.append(dialog.message))
    page.goto(web.link(store, "olga", "operator"))
    page.get_by_role("link", name="Reward models").click()
    expect(page.locator(".vega-embed canvas, .vega-embed svg")).to_have_count(4)
    expect(page.get_by_label("In short")).to_have_value(re.compile("Human ceiling.*0.84"))
    expect(page.get_by_role("gridcell", name="<img src=x onerror=alert(1)>")).to_be_visible()
    expect(page.get_by_role("gridcell", name="confirmed in 0.61 of 128 checks")).to_be_visible()
    page.get_by_role("button", name="Overrule the gate").first.click()
    page.get_by_label("Why").fill("read fifty pairs by hand")
    page.get_by_role("button", name="Overrule the gate").last.click()
    expect(page.get_by_label("The service says")).to_have_value(
        re.compile("not refused by the reward gate")
    )
    assert errors == []


def test_operators_read_answers_of_the_policy_as_plain_text(
    context: BrowserContext, web: Web, store: Store
) -> None:
    finished_round(store, web.home)
    with store.write() as tx:
        prompt_id = prompts.split_prompts(tx, "train")[0].id
        drawn = [metrics.Sampled(prompt_id, text, 0.5, 1.0, True) for text in HOSTILE[:7]]
        metrics.keep_samples(tx, 1, rounds.round_(tx, 1).fence, 99, drawn)
    page = context.new_page()
    page.goto(web.link(store, "olga", "operator"))
    page.get_by_role("tab", name="Answers").click()
    for text in HOSTILE[:7]:
        cell = page.get_by_role("gridcell", name=text, exact=True)
        expect(cell).to_be_visible()
    assert page.evaluate("window.x") is None
    page.get_by_label("Plots of round").click()
    page.get_by_role("option", name="2", exact=True).click()
    expect(page.get_by_role("gridcell", name=HOSTILE[0], exact=True)).to_have_count(0)


def test_the_checkpoints_page_shows_how_to_pull(
    context: BrowserContext, web: Web, store: Store
) -> None:
    finished_round(store, web.home)
    page = context.new_page()
    page.goto(web.link(store, "rita", "reader"))
    pull = page.locator("#pull textarea")
    expect(pull).to_have_value(re.compile(rf"rlhf pull champion my-model --from {web.url}"))
    expect(page.get_by_role("gridcell", name="champion")).to_be_visible()
    expect(page.get_by_role("button", name="Roll the champion back")).to_have_count(0)
