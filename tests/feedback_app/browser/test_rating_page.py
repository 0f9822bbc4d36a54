"""The rating page in a real browser: keyboard, mouse, a phone, practice, guidelines."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, BrowserContext, Route, expect
from sqlalchemy import select

from rlhf.store import Store, flags, guidelines, known, people, prompts, schema
from tests.feedback_app.browser.pages import PHONE, annotate, kept, question, ready, saved
from tests.seeded import ask, own_answers, queued
from tests.served import Web

pytestmark = [pytest.mark.browser, pytest.mark.slow]


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
    expect(page.locator("[data-slot=delivery]")).to_have_text(re.compile("as revision 2$"))
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


def test_more_than_a_verdict_by_keyboard_alone(
    context: BrowserContext, web: Web, store: Store
) -> None:
    queued(store, 2)
    page = annotate(context, web, store)
    page.keyboard.press("e")
    expect(page.locator("[data-slot=status]")).to_have_text(re.compile("^Choose the better"))
    page.keyboard.press("2")
    page.keyboard.press("e")
    page.keyboard.type(" Indeed, 7 x!")
    page.keyboard.press("Escape")
    page.keyboard.press("r")
    page.keyboard.type("A says 1, B says x")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Space")
    page.keyboard.press("f")
    page.keyboard.type("names a person")
    page.keyboard.press("Control+Enter")
    expect(page.locator("[data-slot=status]")).to_have_text(re.compile("^Flagged"))
    page.reload()
    ready(page)
    expect(page.locator('[data-choice="2"]')).to_have_attribute("aria-checked", "true")
    left = page.locator("[data-slot=left]").evaluate("it => it.textContent")
    page.keyboard.press("r")
    page.keyboard.press("Control+Enter")
    saved(page)
    ready(page)
    expect(page.locator("[data-slot=reason]")).to_have_value("")
    (one,) = kept(store)
    assert (one.reason, one.edited) == ("A says 1, B says x", f"{left} Indeed, 7 x!")
    assert one.attributes == {"harmless": one.order_shown[1]}
    with store.read() as tx:
        (flagged,) = flags.flags(tx, 5)
    assert (flagged.comparison_id, flagged.note) == (one.comparison_id, "names a person")
    page.keyboard.press("u")
    expect(page.locator(".banner")).to_be_visible()
    expect(page.locator('[data-edit="left"]')).to_have_value(f"{left} Indeed, 7 x!")
    expect(page.locator("[data-slot=reason]")).to_have_value("A says 1, B says x")


def test_a_first_time_annotator_practises_and_learns_why(
    context: BrowserContext, web: Web, store: Store
) -> None:
    queued(store, 1)
    messages = [{"role": "user", "content": "Are you open?"}]
    with store.write() as tx:
        prompts.add_prompts(tx, [prompts.NewPrompt(messages, source="test", split="train")])
        pair = known.Known(prompts.digest_of(messages), "Until six.", "What?", "It answers ${x}.")
        known.add_known(tx, [pair])
    page = annotate(context, web, store)
    expect(page.locator(".banner")).to_have_text(re.compile("^Practice 1 of 3"))
    held: list[Route] = []
    page.route("**/api/v1/ratings", lambda route: held.append(route))
    page.keyboard.press("4")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    assert question(page) == "Are you open?", "a second Enter waits for the lesson"
    held[0].continue_()
    page.unroute("**/api/v1/ratings")
    expect(page.locator(".banner")).to_contain_text("It answers ${x}.")
    assert question(page) == "Are you open?", "it stays until it was read"
    page.keyboard.press("Enter")
    expect(page.locator(".turn-text").last).to_have_text("Question 0?")
    expect(page.locator(".banner")).to_be_hidden()
    ready(page)
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    saved(page)


def test_the_next_comparison_is_there_before_the_verdict_has_arrived(
    context: BrowserContext, web: Web, store: Store
) -> None:
    queued(store, 3)
    page = annotate(context, web, store)
    held: list[Route] = []
    page.route("**/api/v1/ratings", lambda route: held.append(route))
    before = question(page)
    page.keyboard.press("5")
    page.keyboard.press("Enter")
    expect(page.locator(".turn-text").last).not_to_have_text(before)
    assert kept(store) == [], "the verdict is on its way"
    expect(page.locator("[data-slot=delivery]")).to_have_text("Saving…")
    ready(page)
    page.keyboard.press("3")
    page.keyboard.press("Enter")
    assert len(held) == 1, "the second verdict waits for the first"
    held[0].continue_()
    saved(page)
    page.unroute("**/api/v1/ratings")
    expect(page.locator('[data-choice="3"]')).to_have_attribute("aria-checked", "true")
    page.keyboard.press("Enter")
    expect(page.locator('[data-choice="3"]')).to_have_attribute("aria-checked", "false")
    ready(page)
    assert [one.strength for one in kept(store)] == [1, 1]
    assert len({one.comparison_id for one in kept(store)}) == 2


def test_long_answers_scroll_together(context: BrowserContext, web: Web, store: Store) -> None:
    with store.write() as tx:
        ask(tx, "Tell me everything.", "A line.\n" * 400, "Another line.\n" * 100)
    page = annotate(context, web, store)
    share = "it => it.scrollTop / (it.scrollHeight - it.clientHeight)"
    left, right = (page.locator(f'[data-slot="{side}"]') for side in ("left", "right"))
    for leader, follower, wanted in ((left, right, 0.5), (right, left, 1.0), (left, right, 0.0)):
        leader.evaluate(
            "(it, share) => { it.scrollTop = share * (it.scrollHeight - it.clientHeight); }", wanted
        )
        page.evaluate("new Promise((go) => setTimeout(go, 200))")
        assert follower.evaluate(share) == pytest.approx(wanted, abs=0.01)
        assert leader.evaluate(share) == pytest.approx(wanted, abs=0.01)


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


def test_nobody_rates_by_guidelines_they_have_not_read(
    context: BrowserContext, web: Web, store: Store
) -> None:
    queued(store, 4)
    page = context.new_page()
    page.goto(web.link(store, "ann", "annotator"))
    window = page.locator("dialog[data-dialog=guidelines]")
    expect(window).to_contain_text("Does it do what was asked?")
    for _ in range(3):
        page.keyboard.press("Escape")
        expect(window).to_be_visible()
    with store.read() as tx:
        ann = people.person_named(tx, "ann")
        assert ann is not None
        assert guidelines.confirmed(tx, ann.id) is None
    page.keyboard.press("Enter")
    expect(window).to_be_hidden()
    ready(page)
    with page.expect_response("**/next?after=*"):
        page.keyboard.press("1")
        page.keyboard.press("Enter")
    with store.write() as tx:
        guidelines.write(tx, "Judge **facts** alone. <b>x</b>", "manners no longer count", "olga")
    ready(page)
    with page.expect_response("**/next?after=*"):
        page.keyboard.press("2")
        page.keyboard.press("Enter")
    ready(page)
    page.keyboard.press("3")
    page.keyboard.press("Enter")
    expect(window).to_be_visible()
    expect(window).to_contain_text("New in version 2: manners no longer count")
    expect(window).to_contain_text("<b>x</b>")
    window.get_by_role("button").click()
    ready(page)
    page.keyboard.press("4")
    page.keyboard.press("Enter")
    expect(page.locator("#rating")).to_have_attribute("data-state", "empty")
    assert [one.guidelines for one in kept(store)] == [1, 1, 1, 2]
    page.reload()
    expect(page.locator("#rating")).to_have_attribute("data-state", "empty")
    expect(window).to_be_hidden()
    page.get_by_role("button", name="Guidelines: how to judge").click()
    expect(page.locator("#guidelines")).to_contain_text("Guidelines, version 2.")


def test_a_skip_can_say_more_than_its_reason(
    context: BrowserContext, web: Web, store: Store
) -> None:
    queued(store, 2)
    page = annotate(context, web, store)
    page.keyboard.press("s")
    page.keyboard.press("5")
    page.get_by_label("More about it, if you like").fill("2 answers to 1 <b>joke</b>")
    page.keyboard.press("Enter")
    expect(page.locator("[data-slot=status]")).to_have_text(re.compile("^Skipped"))
    with store.read() as tx:
        said = tx.execute(select(schema.skips.c.reason)).scalars().all()
    assert said == ["other: 2 answers to 1 <b>joke</b>"]


def test_single_answers_and_rankings_are_rated_by_the_same_keys(
    context: BrowserContext, web: Web, store: Store
) -> None:
    own_answers(store, "Which is best?", "first", "second", "third")
    own_answers(store, "Is this good?", "alone")
    own_answers(store, "Is that?", "alone too")
    page = annotate(context, web, store)
    told = page.locator("[data-slot=banner]")
    expect(told).to_contain_text("You are ranking 3 answers to one question: at most 2 more")
    while question(page) == "Which is best?":
        expect(page.locator("#rating")).to_have_attribute("data-shape", "pair")
        sides = [page.locator(f"[data-slot={side}]").inner_text() for side in ("left", "right")]
        page.keyboard.press("2" if sides[0] < sides[1] else "6")
        before = [question(page), *sides]
        page.keyboard.press("Enter")
        saved(page)
        page.wait_for_function(
            """before => JSON.stringify([...document.querySelectorAll(
                ".turn-text:last-child, [data-slot=left], [data-slot=right]")]
                .map(it => it.textContent)) !== JSON.stringify(before)""",
            arg=before,
        )
        ready(page)
    expect(told).to_be_hidden()
    expect(page.locator("#rating")).to_have_attribute("data-shape", "single")
    expect(page.locator("#answer-b")).to_be_hidden()
    expect(page.get_by_role("radio")).to_have_text(["1Good", "2Bad"])
    page.keyboard.press("3")
    expect(page.locator("[data-act=save]")).to_have_attribute("aria-disabled", "true")
    page.keyboard.press("1")
    page.keyboard.press("e")
    page.keyboard.insert_text(", mended")
    page.keyboard.press("Control+Enter")
    saved(page)
    ready(page)
    page.get_by_role("radio", name="Bad").click()
    page.get_by_role("button", name="Save and next").click()
    expect(page.locator("#rating")).to_have_attribute("data-state", "empty")
    page.keyboard.press("u")
    ready(page)
    expect(page.get_by_role("radio", name="Bad")).to_have_attribute("aria-checked", "true")
    page.get_by_role("button", name="Your latest ratings").click()
    expect(page.locator(".history li").first).to_contain_text("Bad")
    *ranked, good, bad = kept(store)
    assert 2 <= len(ranked) <= 3
    assert (good.edited, good.strength, bad.both_bad) == ("alone, mended", 3, True)
