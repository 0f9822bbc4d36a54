"""REST for operators and product teams: the loop's state, its rounds, and checkpoints to pull."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse, PlainTextResponse
from pydantic import BaseModel

from feedback_app import loop_state
from feedback_app.ids import Id
from feedback_app.sessions import caller_of
from rlhf import registry, report
from rlhf.durable import file_digest
from rlhf.errors import NotFound
from rlhf.override import overrule_reward_gate
from rlhf.registry.full_card import full_card
from rlhf.settings import load_settings
from rlhf.store import Store, checkpoints, metrics, rounds

BASE_SUFFIXES = frozenset({".json", ".safetensors", ".jinja", ".model", ".txt", ".md"})
"""Files of a local base that may be fetched; a folder may hold more than the model."""


class Overrule(BaseModel):
    """What an operator says to the reward gate."""

    why: str


def service_routes(store: Store, home: Path, ratings_per_round: int) -> APIRouter:
    """The routes of this module, closed over the store and the home."""
    routes = APIRouter(prefix="/api/v1")

    @routes.get("/status")
    def status() -> dict[str, Any]:
        """Where the loop stands."""
        with store.read() as tx:
            return loop_state.look(tx, ratings_per_round).to_json()

    @routes.post("/rounds")
    def start_round(request: Request) -> dict[str, Any]:
        """Ask the controller to train on the ratings there are. Raises Conflict in words."""
        with store.write() as tx:
            loop_state.ask_for_round(tx, caller_of(request).name)
        return {"asked": True}

    @routes.get("/rounds/{round_id}/metrics")
    def round_metrics(round_id: Id, step: str = "ppo") -> dict[str, Any]:
        """Every iteration's figures of one step of a round."""
        with store.read() as tx:
            rounds.round_(tx, round_id)
            known = metrics.metrics(tx, round_id, step)
        return {"iterations": [{"iteration": at, **figures} for at, figures in known]}

    @routes.get("/rounds/{round_id}/reward")
    def round_reward(round_id: Id) -> dict[str, Any]:
        """What is known of a round's reward models. Raises NotFound before they are trained."""
        with store.read() as tx:
            return report.reward_report(tx, round_id)[1]

    @routes.post("/rounds/{round_id}/overrule")
    def overrule(round_id: Id, said: Overrule, request: Request) -> dict[str, Any]:
        """Let a round go on that the reward gate refused, with a reason that stays with it."""
        with store.write() as tx:
            overrule_reward_gate(tx, round_id, by=caller_of(request).name, why=said.why)
        return {"overruled": True}

    @routes.get("/rounds/{round_id}/samples")
    def round_samples(
        round_id: Id, newest: Annotated[int, Query(ge=1, le=1000)] = 1
    ) -> dict[str, Any]:
        """A few responses of the `newest` PPO iterations, with their score and KL."""
        with store.read() as tx:
            rounds.round_(tx, round_id)
            found = metrics.samples(tx, round_id, newest=newest)
        return {"samples": [{"iteration": at, **asdict(one)} for at, one in found]}

    @routes.get("/checkpoints")
    def every_checkpoint() -> dict[str, Any]:
        """All policies, newest first, and the aliases."""
        with store.read() as tx:
            known, names = checkpoints.checkpoints(tx), checkpoints.aliases(tx)
        return {
            "aliases": names,
            "checkpoints": [
                {
                    "digest": one.digest,
                    "version": one.version,
                    "round": one.round_id,
                    "figures": one.figures,
                    "created_at": one.created_at,
                }
                for one in reversed(known)
            ],
        }

    @routes.get("/checkpoints/{ref}")
    def one_checkpoint(ref: str) -> dict[str, Any]:
        """What a checkpoint is and which files it has, with size and SHA-256."""
        with store.read() as tx:
            found = checkpoints.resolve(tx, ref)
        folder = registry.checkpoint_path(home, found.digest)
        told = json.loads((folder / registry.MANIFEST).read_text(encoding="utf-8"))
        base = {name: found.base.get(name) for name in ("path", "revision", "sha256")}
        return {
            "digest": found.digest,
            "kind": found.kind,
            "version": found.version,
            "figures": found.figures,
            "files": [{"name": name, **about} for name, about in told["files"].items()],
            "base": {**base, "files": _base_files(found.base)},
        }

    @routes.get("/checkpoints/{ref}/card")
    def checkpoint_card(ref: str, merged: bool = False) -> PlainTextResponse:
        """The whole model card as Markdown, with what was measured up to now."""
        with store.read() as tx:
            text = full_card(tx, ref, load_settings(home).card, merged=merged)
        return PlainTextResponse(text)

    @routes.api_route("/checkpoints/{digest}/files/{name}", methods=["GET", "HEAD"])
    def checkpoint_file(digest: str, name: str) -> FileResponse:
        """One published file; the name is looked up in the manifest, never joined to a path."""
        with store.read() as tx:
            found = checkpoints.resolve(tx, digest)
        folder = registry.checkpoint_path(home, found.digest)
        told = json.loads((folder / registry.MANIFEST).read_text(encoding="utf-8"))
        if name not in told["files"]:
            raise NotFound(f"checkpoint {found.digest[:12]} has no file '{name}'")
        return FileResponse(folder / name, headers={"etag": told["files"][name]["sha256"]})

    @routes.api_route("/checkpoints/{digest}/base/{name}", methods=["GET", "HEAD"])
    def base_file(digest: str, name: str) -> FileResponse:
        """One file of a base that is a folder of this machine."""
        with store.read() as tx:
            found = checkpoints.resolve(tx, digest)
        local = {file.name: file for file in _local_base(found.base)}
        if name not in local:
            raise NotFound(f"the base has no file '{name}'")
        return FileResponse(local[name])

    return routes


def _local_base(base: dict[str, Any]) -> list[Path]:
    folder = Path(str(base["path"]))
    if base.get("kind") == "hub" or not folder.is_dir():
        return []
    return [
        file for file in sorted(folder.iterdir()) if file.is_file() and file.suffix in BASE_SUFFIXES
    ]


def _base_files(base: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"name": file.name, "size": file.stat().st_size, "sha256": _digest(file)}
        for file in _local_base(base)
    ]


def _digest(file: Path) -> str:
    about = file.stat()
    return _digest_of(file, about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns)


@lru_cache(maxsize=1024)
def _digest_of(file: Path, *_: int) -> str:
    """Reading a base takes seconds per gigabyte: once for the file as it is, by its marks."""
    return file_digest(file)
