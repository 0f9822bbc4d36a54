"""The doors and the pages behind them, but for the rating page, in a real browser."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import BrowserContext, expect

from rlhf.store import Store, flags, guidelines, metrics, prompts, rounds
from tests.feedback_app.browser.hostile import PAYLOADS
from tests.lively import WHY, finished_round
from tests.seeded import hired, queued, rated
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


def test_operators_see_what_annotators_flagged(
    context: BrowserContext, web: Web, store: Store
) -> None:
    (about,) = queued(store, 1)
    (ann,) = hired(store, "ann")
    with store.write() as tx:
        flags.flag(tx, about, ann, "names <b>a person</b>")
    page = context.new_page()
    page.goto(web.link(store, "olga", "operator"))
    page.get_by_role("tab", name="Flags").click()
    expect(page.get_by_role("gridcell", name="names <b>a person</b>")).to_be_visible()
    page.get_by_role("button", name="Mark all as seen").click()
    expect(page.get_by_role("gridcell", name="olga")).to_be_visible()
    with store.read() as tx:
        assert [one.seen_by for one in flags.flags(tx, 5)] == ["olga"]


def test_operators_read_answers_of_the_policy_as_plain_text(
    context: BrowserContext, web: Web, store: Store
) -> None:
    finished_round(store, web.home)
    with store.write() as tx:
        prompt_id = prompts.split_prompts(tx, "train")[0].id
        drawn = [metrics.Sampled(prompt_id, text, 0.5, 1.0, True) for text in PAYLOADS[:7]]
        metrics.keep_samples(tx, 1, rounds.round_(tx, 1).fence, 99, drawn)
    page = context.new_page()
    page.goto(web.link(store, "olga", "operator"))
    page.get_by_role("tab", name="Answers").click()
    for text in PAYLOADS[:7]:
        cell = page.get_by_role("gridcell", name=text, exact=True)
        expect(cell).to_be_visible()
    assert page.evaluate("window.x") is None
    page.get_by_label("Plots of round").click()
    page.get_by_role("option", name="2", exact=True).click()
    expect(page.get_by_role("gridcell", name=PAYLOADS[0], exact=True)).to_have_count(0)


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


def test_the_operators_page_comes_back_after_a_restart_of_the_service(
    context: BrowserContext, web: Web, store: Store
) -> None:
    queued(store, 1)
    page = context.new_page()
    page.goto(web.link(store, "olga", "operator"))
    expect(page.get_by_label("Now")).to_have_value(re.compile("Queue: 1 open"))
    web.kill()
    lost = page.locator(".toast-body", has_text="Connection")
    expect(lost.first).to_be_visible()
    web.start()
    queued(store, 2, about="more")
    expect(page.get_by_label("Now")).to_have_value(re.compile("Queue: 3 open"))


def test_operators_write_the_guidelines(context: BrowserContext, web: Web, store: Store) -> None:
    page = context.new_page()
    page.goto(web.link(store, "olga", "operator"))
    page.get_by_role("tab", name="Guidelines").click()
    text = page.get_by_label("What annotators read before they rate")
    expect(text).to_have_value(re.compile("Does it do what was asked"))
    text.fill("Judge facts alone.")
    page.get_by_role("button", name="Put a new version in force").click()
    expect(page.get_by_label("The service says")).to_have_value(re.compile("is empty"))
    page.get_by_label("What is new").fill("manners <b>no longer</b> count")
    page.get_by_role("button", name="Put a new version in force").click()
    expect(page.get_by_label("The service says")).to_have_value(
        re.compile("^Version 2 is in force")
    )
    expect(page.get_by_role("gridcell", name="manners <b>no longer</b> count")).to_be_visible()
    with store.read() as tx:
        stand = guidelines.newest(tx)
        assert stand is not None
        assert (stand.version, stand.text, stand.by) == (2, "Judge facts alone.", "olga")
