"""REST for operators: reports about checkpoints, and the files that belong to them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import APIRouter
from fastapi.responses import FileResponse

from feedback_app.ids import Id
from rlhf.errors import NotFound
from rlhf.evaluation.standing import folder_of, with_people
from rlhf.store import Store
from rlhf.store.evaluations import evaluation, evaluations

SUFFIXES = frozenset({".json", ".jsonl", ".md", ".png"})


def evaluation_routes(store: Store, home: Path) -> APIRouter:
    """The routes of this module, closed over the store and the home."""
    routes = APIRouter(prefix="/api/v1")

    @routes.get("/evaluations")
    def every_evaluation() -> dict[str, Any]:
        """All reports, newest first, without their content."""
        with store.read() as tx:
            known = evaluations(tx)
        return {
            "evaluations": [
                {
                    "id": one.id,
                    "kind": one.kind,
                    "checkpoints": one.checkpoints,
                    "created_at": one.created_at,
                }
                for one in known
            ]
        }

    @routes.get("/evaluations/{number}")
    def one_evaluation(number: Id) -> dict[str, Any]:
        """A report, with what people said up to now. Raises NotFound."""
        with store.read() as tx:
            row = evaluation(tx, number)
            report = with_people(tx, row)
        files = sorted(_files(home, number))
        return {"id": row.id, "kind": row.kind, "report": report, "files": files}

    @routes.api_route("/evaluations/{number}/files/{name}", methods=["GET", "HEAD"])
    def evaluation_file(number: Id, name: str) -> FileResponse:
        """One file of a report; the name is looked up, never joined to a path."""
        with store.read() as tx:
            evaluation(tx, number)
        found = _files(home, number)
        if name not in found:
            raise NotFound(f"evaluation {number} has no file '{name}'")
        return FileResponse(found[name], content_disposition_type="attachment", filename=name)

    return routes


def _files(home: Path, number: int) -> dict[str, Path]:
    folder = folder_of(home, number)
    if not folder.is_dir():
        return {}
    return {file.name: file for file in folder.iterdir() if file.suffix in SUFFIXES}
