"""The rating page when answers are lost, slow or a stranger's, and when the service is killed."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import BrowserContext, Route, expect

from rlhf.store import Store
from tests.feedback_app.browser.pages import annotate, kept, question, ready, saved
from tests.seeded import queued
from tests.served import Web

pytestmark = [pytest.mark.browser, pytest.mark.slow]


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
    expect(page.locator("[data-slot=delivery]")).to_have_text(re.compile("^Not saved yet"))
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


def test_a_rating_opened_again_is_not_replaced_by_a_comparison_on_its_way(
    context: BrowserContext, web: Web, store: Store
) -> None:
    queued(store, 4)
    page = annotate(context, web, store)
    held: list[Route] = []
    page.route("**/next?after=*", lambda route: held.append(route))
    with page.expect_request("**/next?after=*"):
        page.keyboard.press("1")
        page.keyboard.press("Enter")
    ready(page)
    rated = question(page)
    page.keyboard.press("2")
    page.keyboard.press("Enter")
    saved(page)
    page.keyboard.press("u")
    expect(page.locator("[data-slot=banner]")).to_have_text(re.compile("^You rated this"))
    with page.expect_response("**/next?after=*"):
        for route in held:
            route.continue_()
    ready(page)
    assert question(page) == rated
    page.keyboard.press("7")
    page.keyboard.press("Enter")
    expect(page.locator("[data-slot=delivery]")).to_have_text(re.compile("as revision 2$"))
    assert [(one.strength, one.revision) for one in kept(store)] == [(3, 1), (3, 2)]


def test_what_is_not_saved_yet_is_neither_opened_again_nor_left_unasked(
    context: BrowserContext, web: Web, store: Store
) -> None:
    queued(store, 3)
    page = annotate(context, web, store)
    with page.expect_response("**/next?after=*"):
        page.keyboard.press("2")
        page.keyboard.press("Enter")
    ready(page)
    context.set_offline(True)
    page.keyboard.press("2")
    page.keyboard.press("Enter")
    expect(page.locator("[data-slot=delivery]")).to_have_text(re.compile("^Not saved yet"))
    page.keyboard.press("u")
    expect(page.locator("[data-slot=status]")).to_have_text(re.compile("not saved yet"))
    with page.expect_event("dialog") as asked:
        page.close(run_before_unload=True)
    assert asked.value.type == "beforeunload"
    asked.value.dismiss()
    context.set_offline(False)
    saved(page)
    expect(page.locator("[data-slot=banner]")).to_be_hidden()
    assert [one.strength for one in kept(store)] == [2, 2]


def test_an_answer_that_is_not_the_services_own_is_no_acknowledgement(
    context: BrowserContext, web: Web, store: Store
) -> None:
    queued(store, 1)
    page = annotate(context, web, store)
    page.route(
        "**/api/v1/ratings",
        lambda route: route.fulfill(content_type="text/html", body="<p>Log in to the network</p>"),
        times=1,
    )
    page.keyboard.press("3")
    page.keyboard.press("Enter")
    expect(page.locator("[data-slot=delivery]")).to_have_text(re.compile("^Not saved yet"))
    page.evaluate("window.dispatchEvent(new Event('online'))")
    saved(page)
    assert [one.strength for one in kept(store)] == [1]


def test_a_comparison_whose_time_ran_out_while_it_waited_is_asked_for_again(
    context: BrowserContext, web: Web, store: Store
) -> None:
    queued(store, 3)
    page = annotate(context, web, store)

    def run_out(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, json={**answer.json(), "seconds_left": 0})

    page.route("**/next?after=*", run_out)
    for _ in range(2):
        page.keyboard.press("3")
        page.keyboard.press("Enter")
        saved(page)
        ready(page)
    expect(page.locator("[data-slot=lease]")).to_have_text(re.compile(r"^1\d:\d\d left$"))


def test_an_empty_queue_and_a_failure_are_announced_once(
    context: BrowserContext, web: Web, store: Store
) -> None:
    queued(store, 1)
    page = annotate(context, web, store)
    page.evaluate(
        """() => {
            window.heard = [];
            for (const region of document.querySelectorAll("[role=status]")) {
                const hear = () => region.textContent && window.heard.push(region.textContent);
                new MutationObserver(hear).observe(region, { childList: true });
            }
        }"""
    )
    page.keyboard.press("3")
    page.keyboard.press("Enter")
    expect(page.locator("#rating")).to_have_attribute("data-state", "empty")
    saved(page)
    page.evaluate("window.heard = window.heard.filter((it) => it.startsWith('Everything'))")
    for _ in range(2):
        with page.expect_response("**/api/v1/next"):
            page.get_by_role("button", name="Look again").click()
    page.route("**/api/v1/next", lambda route: route.abort())
    for _ in range(2):
        with page.expect_event("requestfailed"):
            page.locator(".stand button:visible").click()
    expect(page.locator("#rating")).to_have_attribute("data-state", "problem")
    heard = page.evaluate("window.heard")
    assert [one[: one.index(" ")] for one in heard] == ["Everything", "The"]
