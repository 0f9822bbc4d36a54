"""The data page over HTTP, as its script in the browser calls it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from rlhf.home import make_home
from rlhf.store import Store, open_store, people, prompts
from tests.seeded import empty
from tests.served import LOOK_S, Web

pytestmark = pytest.mark.slow

RECOGNISE = "recognise"
FINE = b'{"prompt": "Where is it?"}\n{"prompt": "Is it late?"}\n'
BROKEN = FINE + b'{"prompt": "Lo\n'


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with Web(make_home(tmp_path_factory.mktemp("served"))) as running:
        yield running


@pytest.fixture
def store(served: Web) -> Iterator[Store]:
    opened = open_store(served.home)
    empty(opened)
    yield opened
    opened.close()


@dataclass
class Page:
    """The data page as one tab has it open."""

    client: httpx.Client
    session: str

    @property
    def steps(self) -> list[dict[str, Any]]:
        told: list[dict[str, Any]] = self.client.get("config").json()["dependencies"]
        return told

    def step(self, event: str, nth: int = 0) -> int:
        """The number of the nth handler of an event."""
        found = [one["id"] for one in self.steps if any(t[1] == event for t in one["targets"])]
        return int(found[nth])

    def upload(self, *files: tuple[str, bytes]) -> list[dict[str, Any]]:
        """Send files, and name them as Gradio's script does."""
        parts = [("files", file) for file in files]
        answer = self.client.post("gradio_api/upload", files=parts)
        answer.raise_for_status()
        return [
            {"path": path, "orig_name": name, "meta": {"_type": "gradio.FileData"}}
            for path, (name, _) in zip(answer.json(), files, strict=True)
        ]

    def call(self, step: int, *data: object) -> list[Any]:
        """Run a handler and wait for what it leaves on the page."""
        asked = {"data": data, "fn_index": step, "session_hash": self.session}
        self.client.post("gradio_api/queue/join", json=asked).raise_for_status()
        query = {"session_hash": self.session}
        with self.client.stream("GET", "gradio_api/queue/data", params=query) as stream:
            for line in stream.iter_lines():
                told = json.loads(line.removeprefix("data:") or "{}")
                if told.get("msg") == "process_completed":
                    assert told["success"], told
                    output: list[Any] = told["output"]["data"]
                    return output
        raise AssertionError("the stream ended without an answer")

    def receive(self, *files: tuple[str, bytes]) -> str:
        """Upload and look; what the service says of it."""
        return said(self.call(self.step("upload"), self.upload(*files), RECOGNISE, "")[1])

    def take_in(self) -> str:
        """Press the button that stores it all; what the service says."""
        return said(self.call(self.step("click", 2), None, RECOGNISE, "")[0])


def said(output: object) -> str:
    return str(output["value"] if isinstance(output, dict) else output)


@pytest.fixture
def olga(served: Web, store: Store) -> Iterator[Page]:
    with store.write() as tx:
        person = people.add_person(tx, "olga", "operator")
        session = people.open_session(tx, person.id)
    address, cookies = f"{served.url}/data/", {"rlhf": session}
    with httpx.Client(base_url=address, cookies=cookies, timeout=60) as client:
        page = Page(client, "one")
        yield page
        page.call(page.step("click", 1))


def stored(store: Store) -> int:
    with store.read() as tx:
        return sum(prompts.count_prompts(tx).values())


def lying(home: Path) -> list[str]:
    return sorted(one.name for one in (home / "tmp").rglob("*") if one.is_file())


def test_files_are_looked_at_taken_in_once_and_deleted(
    olga: Page, served: Web, store: Store
) -> None:
    looked = olga.receive(("März <b>.jsonl", FINE))
    assert looked == "1 file read: 2 of 2 rows can be taken in. Nothing is written yet."
    assert stored(store) == 0
    assert lying(served.home) == ["März <b>.jsonl"]
    assert olga.take_in() == "Taken in: 2 of 2 rows from 1 file."
    assert stored(store) == 2
    assert lying(served.home) == []
    assert olga.take_in().startswith("There are no files here")
    olga.receive(("März <b>.jsonl", FINE))
    assert olga.take_in().startswith("Nothing was added")
    assert stored(store) == 2


def test_a_broken_file_is_named_with_its_line_and_writes_nothing(
    olga: Page, served: Web, store: Store
) -> None:
    looked = olga.receive(("fine.jsonl", FINE), ("../März <b>.jsonl", BROKEN))
    assert looked.startswith("März <b>.jsonl, line 3: not valid JSON")
    assert str(served.home) not in looked
    assert olga.take_in().startswith("März <b>.jsonl, line 3: not valid JSON")
    assert stored(store) == 0


def test_one_page_does_not_see_the_files_of_another(olga: Page, served: Web, store: Store) -> None:
    olga.receive(("fine.jsonl", FINE))
    with store.write() as tx:
        other = people.open_session(tx, people.add_person(tx, "otto", "operator").id)
    with httpx.Client(base_url=olga.client.base_url, cookies={"rlhf": other}) as client:
        assert Page(client, olga.session).take_in().startswith("There are no files here")
    assert Page(olga.client, "two").take_in().startswith("There are no files here")
    assert stored(store) == 0
    assert lying(served.home) == ["fine.jsonl"]


def test_the_service_cannot_be_led_to_other_files(olga: Page, served: Web, store: Store) -> None:
    (served.home / "secret.jsonl").write_bytes(FINE)
    for path in (str(served.home / "secret.jsonl"), f"{served.url}/healthz"):
        sent = [{"path": path, "orig_name": "a.jsonl", "meta": {"_type": "gradio.FileData"}}]
        told = olga.call(olga.step("upload"), sent, RECOGNISE, "")
        assert said(told[1]).startswith("a.jsonl: ")
        assert olga.take_in().startswith("There are no files here")
    assert stored(store) == 0


def test_files_go_with_the_page(olga: Page, served: Web, store: Store) -> None:
    olga.receive(("fine.jsonl", FINE))
    with olga.client.stream("GET", f"gradio_api/heartbeat/{olga.session}") as open_page:
        beats = open_page.iter_lines()
        next(beats)
        assert lying(served.home) == ["fine.jsonl"]
    patience = threading.Event()
    while lying(served.home):
        patience.wait(LOOK_S)
