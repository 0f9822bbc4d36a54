"""The web application in this process: one for all tests, over a store emptied for each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from feedback_app.app import create_app
from rlhf.home import make_home
from rlhf.settings import Settings
from rlhf.store import Store, open_store, people
from tests.seeded import empty

ORIGIN = "http://127.0.0.1"


@dataclass(frozen=True, slots=True)
class Site:
    """The application with its home, and clients for people of every role."""

    app: FastAPI
    store: Store
    home: Path

    def anyone(self, **headers: str) -> TestClient:
        """A client that is not signed in."""
        return TestClient(self.app, ORIGIN, headers=headers, follow_redirects=False)

    def signed_in(self, name: str, role: str) -> TestClient:
        """A client with the session of `name`, whose account is made where there is none."""
        with self.store.write() as tx:
            person = people.person_named(tx, name) or people.add_person(tx, name, role)
            session = people.open_session(tx, person.id)
        client = self.anyone()
        client.cookies.set("rlhf", session)
        return client

    def with_token(self, name: str, role: str) -> TestClient:
        """A client with a read-only token."""
        with self.store.write() as tx:
            people.add_person(tx, name, role)
            token = people.issue_token(tx, name)
        return self.anyone(authorization=f"Bearer {token}")


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Made once: building Gradio pages takes most of a second."""
    home = make_home(tmp_path_factory.mktemp("site"))
    store = open_store(home)
    yield Site(create_app(store, Settings(), home), store, home)
    store.close()


@pytest.fixture
def site(running: Site) -> Site:
    """The application over an empty store."""
    empty(running.store)
    return running
