"""The web application: guard, sign-in, REST, and six Gradio pages on one FastAPI root."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response

from feedback_app import texts, uploads
from feedback_app.annotate import annotate_page
from feedback_app.api_evaluations import evaluation_routes
from feedback_app.api_guidelines import guidelines_routes
from feedback_app.api_rating import rating_routes
from feedback_app.api_service import service_routes
from feedback_app.checkpoints import checkpoints_page
from feedback_app.data_page import data_page
from feedback_app.evaluation_page import evaluation_page
from feedback_app.guard import Guard
from feedback_app.headers import SecurityHeaders
from feedback_app.operate import operate_page
from feedback_app.plain import HOME, refused_page
from feedback_app.reward_page import reward_page
from feedback_app.sessions import Sessions, caller_of
from feedback_app.sign_in import sign_in_routes
from feedback_app.static_files import static_routes
from feedback_app.theme import mount
from rlhf.errors import RLHFError
from rlhf.settings import Settings
from rlhf.store import Store


def create_app(store: Store, settings: Settings, home: Path, root_path: str = "") -> FastAPI:
    """The application of one home; `root_path` is the prefix that a proxy strips."""
    app = FastAPI(title=texts.PRODUCT, openapi_url=None, docs_url=None, redoc_url=None)
    sessions = Sessions(store, tls=settings.web.behind_tls_proxy)
    app.add_exception_handler(RLHFError, _in_words)
    app.add_exception_handler(RequestValidationError, _invalid)
    _entry(app, root_path)
    app.include_router(static_routes(root_path))
    app.include_router(sign_in_routes(store, sessions, root_path))
    app.include_router(rating_routes(store, settings.feedback))
    app.include_router(guidelines_routes(store))
    app.include_router(service_routes(store, home, settings.feedback.ratings_per_round))
    app.include_router(evaluation_routes(store, home))

    async def who(request: Request) -> str | None:
        """Gradio's own check, behind the guard."""
        return caller_of(request).name

    room = uploads.make_room(home)
    pages = {
        "/annotate": (
            annotate_page(store, settings.feedback.attributes, root_path),
            ("annotate.css",),
        ),
        "/data": (data_page(store, home, room), ("operate.css",)),
        "/operate": (operate_page(store, settings, home), ("operate.css",)),
        "/reward": (reward_page(store), ("operate.css",)),
        "/evaluation": (evaluation_page(store), ("operate.css",)),
        "/checkpoints": (checkpoints_page(store, home), ("operate.css",)),
    }
    for path, (blocks, sheets) in pages.items():
        mount(
            app,
            blocks,
            path,
            root_path=root_path,
            stylesheets=sheets,
            who=who,
            largest_file=uploads.LIMIT if path == "/data" else 0,
        )
    app.add_middleware(
        Guard,
        identify=sessions.identify,
        allowed_hosts=settings.web.allowed_hosts,
        refused_page=lambda status, caller: refused_page(status, caller, root_path),
        root_path=root_path,
    )
    app.add_middleware(SecurityHeaders, root_path=root_path, tls=settings.web.behind_tls_proxy)
    return app


def _entry(app: FastAPI, root_path: str) -> None:
    @app.api_route("/healthz", methods=["GET", "HEAD"])
    def healthz() -> dict[str, str]:
        """Whether the process answers."""
        return {"status": "ok"}

    @app.api_route("/", methods=["GET", "HEAD"])
    def start(request: Request) -> Response:
        """To the page of the caller's role."""
        return RedirectResponse(root_path + HOME[caller_of(request).role], status_code=303)


async def _in_words(_: Request, error: Exception) -> Response:
    status = error.status if isinstance(error, RLHFError) else 500
    return JSONResponse({"error": str(error)}, status)


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    wrong = [
        f"{'.'.join(str(part) for part in one['loc'][1:]) or one['loc'][0]}: {one['msg']}"
        for one in error.errors()
    ]
    return JSONResponse({"error": "; ".join(wrong)}, 422)
