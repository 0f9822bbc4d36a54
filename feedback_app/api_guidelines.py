"""REST for annotators: the guidelines in force, and that they have been read."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from markdown_it import MarkdownIt
from pydantic import BaseModel, ConfigDict

from feedback_app import texts
from feedback_app.ids import Id
from feedback_app.sessions import caller_of
from rlhf.store import Connection, Store, guidelines

SAFE_MARKDOWN = MarkdownIt("js-default", {"html": False}).disable(["image", "linkify"])
"""Renders what operators write: markup in it is shown as text, and nothing is fetched."""


class Read(BaseModel):
    """A version that somebody has read."""

    model_config = ConfigDict(extra="forbid")

    version: Id


def guidelines_routes(store: Store) -> APIRouter:
    """The routes of this module, closed over the store."""
    routes = APIRouter(prefix="/api/v1/guidelines")

    @routes.get("")
    def how_to_judge() -> dict[str, Any]:
        """The guidelines in force as safe HTML, and what is new in them."""
        with store.read() as tx:
            version, text, changed = in_force(tx)
        return {"version": version, "html": SAFE_MARKDOWN.render(text), "changed": changed}

    @routes.post("/read")
    def have_read(said: Read, request: Request) -> dict[str, int]:
        """Keep that the caller has read a version; ratings say which."""
        with store.write() as tx:
            guidelines.confirm(tx, caller_of(request).id, said.version)
        return {"guidelines": said.version}

    return routes


def in_force(tx: Connection) -> tuple[int, str, str | None]:
    """Version, Markdown, and what is new in it (None for those that come with the program)."""
    stand = guidelines.newest(tx)
    if stand is None:
        return guidelines.BUILT_IN, texts.GUIDELINES, None
    return stand.version, stand.text, stand.changed
