"""The rating service under load, and what an annotator feels in a browser.

python -m tests.benchmarks.rating [--quick] [--json FILE]

A hundred annotators with two seconds of thinking rate out of 100,000 comparisons over HTTP, as the
page does: the next comparison is fetched while the present one is read. Client and service share
the machine. Then Chromium: from the key that saves to the next comparison painted.
"""

from __future__ import annotations

import asyncio
import ssl
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from playwright.sync_api import sync_playwright

from rlhf.home import make_home
from rlhf.store import Connection, Store, open_store, people, queue, schema
from tests.benchmarks._record import Goal, finish, parser
from tests.conftest import installed_browser
from tests.feedback_app.browser.pages import annotate, ready
from tests.served import Web

TASKS, QUICK_TASKS = 100_000, 10_000
ANNOTATORS = 100
THINK_S = 2.0
WARM_S, LAST_S, QUICK_LAST_S = 10.0, 60.0, 20.0
TOGETHER = 5000
"""Rows per insert."""
KEYPRESSES, QUICK_KEYPRESSES = 40, 10

PAINTED = """async () => {
    const shown = () => document.querySelector("[data-slot=turns]").textContent;
    const before = shown();
    const from = performance.now();
    document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true }));
    while (shown() === before) await new Promise((go) => requestAnimationFrame(go));
    await new Promise((go) => requestAnimationFrame(() => setTimeout(go, 0)));
    return performance.now() - from;
}"""
"""Milliseconds from Enter to the frame after the next comparison stands in the page."""


@dataclass
class Seen:
    """Milliseconds, as clients saw them."""

    save: list[float] = field(default_factory=list)
    next: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def fill(store: Store, tasks: int) -> None:
    """That many comparisons of short answers, each wanted once."""
    with store.write() as tx:
        prompts = _insert(tx, schema.prompts, (_prompt(number) for number in range(tasks)))
        answers = _insert(
            tx, schema.responses, (_answer(one, side) for one in prompts for side in "ab")
        )
        pairs = zip(prompts, answers[::2], answers[1::2], strict=True)
        asked = _insert(tx, schema.comparisons, (_comparison(*pair) for pair in pairs))
        _insert(tx, schema.assignments, ({"comparison_id": one, "slot": 0} for one in asked))


def _insert(tx: Connection, table: Any, rows: Iterator[dict[str, Any]]) -> list[int]:
    every = list(rows)
    for start in range(0, len(every), TOGETHER):
        tx.execute(table.insert(), every[start : start + TOGETHER])
    return [
        row.id
        for row in tx.execute(table.select().with_only_columns(table.c.id).order_by(table.c.id))
    ]


def _prompt(number: int) -> dict[str, Any]:
    return {
        "digest": f"{number:064d}",
        "conversation": f"{number:064d}",
        "messages": [{"role": "user", "content": f"What about matter {number}?"}],
        "source": "benchmark",
        "split": "train",
        "meta": {},
        "created_at": 0.0,
    }


def _answer(prompt: int, side: str) -> dict[str, Any]:
    return {
        "prompt_id": prompt,
        "text": f"An answer {side} to {prompt}. " * 8,
        "checkpoint": "c" * 64,
        "sampling": {},
        "finished": True,
        "tokens": 40,
        "purpose": "train",
        "created_at": 0.0,
    }


def _comparison(prompt: int, low: int, high: int) -> dict[str, Any]:
    values = {"purpose": "train", "priority": 0.0, "created_at": 0.0}
    return {"prompt_id": prompt, "response_lo": low, "response_hi": high, **values}


async def work(client: httpx.AsyncClient, delay: float, until: float, seen: Seen) -> None:
    """One annotator: read, judge, save, and have the next one already."""
    await asyncio.sleep(delay)
    item = (await client.get("next")).json()
    while time.monotonic() < until:
        begun = time.perf_counter()
        ahead = await client.get("next", params={"after": item["lease_id"]})
        fetched = time.perf_counter()
        await asyncio.sleep(THINK_S)
        body = {name: item[name] for name in ("lease_id", "submission_id")} | {"choice": 2}
        sent = time.perf_counter()
        saved = await client.post("ratings", json=body)
        done = time.perf_counter()
        seen.errors += [one.text for one in (ahead, saved) if one.status_code != 200]
        seen.next.append(1000 * (fetched - begun))
        seen.save.append(1000 * (done - sent + fetched - begun))
        item = ahead.json()


async def load(web: Web, sessions: Sequence[str], seconds: float) -> Seen:
    """Everybody at work; what was seen after the first seconds."""
    seen, warming = Seen(), Seen()
    spread = [THINK_S * number / len(sessions) for number in range(len(sessions))]
    plain = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    async with AsyncExitStack() as open_clients:
        clients = [
            await open_clients.enter_async_context(
                httpx.AsyncClient(
                    base_url=f"{web.url}/api/v1/",
                    cookies={"rlhf": session},
                    timeout=30,
                    verify=plain,
                )
            )
            for session in sessions
        ]
        now = time.monotonic()
        for last, told in ((WARM_S, warming), (seconds, seen)):
            until = time.monotonic() + last
            await asyncio.gather(
                *(
                    work(client, delay, until, told)
                    for client, delay in zip(clients, spread, strict=True)
                )
            )
    print(f"{len(seen.save)} ratings in {time.monotonic() - now - WARM_S:.0f} s", flush=True)
    return seen


def grants(store: Store, annotators: Sequence[int], count: int) -> list[float]:
    """Milliseconds of granting a comparison in this process alone, the transaction included."""
    told = []
    for number in range(count):
        begun = time.perf_counter()
        with store.write() as tx:
            queue.lease_next(tx, annotators[number % len(annotators)], minutes=0.001)
        told.append(1000 * (time.perf_counter() - begun))
    return told


def painted(web: Web, store: Store, count: int) -> list[float]:
    """Milliseconds from Enter to the next comparison on the screen of a real browser."""
    executable = installed_browser()
    if executable is None:
        print("no Chromium on PATH (Debian: apt install chromium): the browser is not measured")
        return []
    told = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        page = annotate(browser.new_context(), web, store, "in a browser")
        for _ in range(count):
            ready(page)
            page.keyboard.press("2")
            told.append(float(page.evaluate(PAINTED)))
        browser.close()
    return told


def main() -> None:
    """Fill a home, load its service, look through a browser."""
    asked = parser(__doc__ or "").parse_args()
    tasks, seconds, presses = (
        (QUICK_TASKS, QUICK_LAST_S, QUICK_KEYPRESSES)
        if asked.quick
        else (TASKS, LAST_S, KEYPRESSES)
    )
    with tempfile.TemporaryDirectory(prefix="rating-") as scratch:
        home = make_home(Path(scratch) / "home")
        store = open_store(home)
        fill(store, tasks)
        with store.write() as tx:
            crew = [people.add_person(tx, f"rater {n}", "annotator").id for n in range(ANNOTATORS)]
            sessions = [people.open_session(tx, person) for person in crew]
        alone = grants(store, crew, 200)
        with Web(home) as web:
            seen = asyncio.run(load(web, sessions, seconds))
            screen = painted(web, store, presses)
        store.close()
    figures: dict[str, Any] = {
        "tasks": tasks,
        "ratings": len(seen.save),
        "errors": len(seen.errors),
        "save_and_next_ms": _spread(seen.save),
        "next_over_http_ms": _spread(seen.next),
        "grant_ms": _spread(alone),
        "painted_ms": _spread(screen) if screen else None,
    }
    print(figures)
    goals = [
        _goal("save and next, p95, ms", figures["save_and_next_ms"]["p95"], 250),
        _goal("next comparison on the server, p95, ms", figures["grant_ms"]["p95"], 50),
        Goal("errors", len(seen.errors), "0", not seen.errors),
    ]
    if screen:
        goals.append(_goal("key to next painted, median, ms", statistics.median(screen), 100))
    finish("rating", figures, goals, asked.json)


def _goal(name: str, value: float, most: float) -> Goal:
    return Goal(name, value, f"at most {most:g}", value <= most)


def _spread(told: Sequence[float]) -> dict[str, float]:
    return {
        name: float(np.quantile(told, share))
        for name, share in (("median", 0.5), ("p95", 0.95), ("p99", 0.99))
    }


if __name__ == "__main__":
    main()
