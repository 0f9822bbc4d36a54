"""Our own style sheets and scripts, and the interface texts as a script module."""

from __future__ import annotations

import json

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, JSONResponse, Response

from feedback_app import texts
from feedback_app.theme import STATIC

_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_FILES = {file.name: file for file in STATIC.iterdir() if file.suffix in _TYPES}
_REVALIDATE = {"cache-control": "no-cache"}


def static_routes(root_path: str) -> APIRouter:
    """Routes below /static, and the two files that browsers ask for by themselves."""
    routes = APIRouter()
    words = "export default " + json.dumps(texts.BROWSER) + ";\n"

    @routes.api_route("/static/texts.js", methods=["GET", "HEAD"])
    def texts_module() -> Response:
        """`BROWSER` of `texts.py`."""
        return Response(words, media_type="text/javascript", headers=_REVALIDATE)

    @routes.api_route("/static/{name}", methods=["GET", "HEAD"])
    def static_file(name: str) -> Response:
        """One of the files that lie in `static/`; the name is looked up, never joined to a path."""
        return _serve(name)

    @routes.api_route("/favicon.ico", methods=["GET", "HEAD"])
    def favicon() -> Response:
        """Browsers take an SVG here as well."""
        return _serve("icon.svg")

    @routes.api_route("/manifest.json", methods=["GET", "HEAD"])
    def manifest(request: Request) -> Response:
        """Gradio's page links to it."""
        icon = {"src": f"{root_path}/static/icon.svg", "sizes": "any", "type": "image/svg+xml"}
        return JSONResponse(
            {
                "name": texts.PRODUCT,
                "start_url": f"{root_path}/",
                "display": "standalone",
                "icons": [icon],
            },
            headers=_REVALIDATE,
        )

    return routes


def _serve(name: str) -> Response:
    file = _FILES.get(name)
    if file is None:
        return JSONResponse({"error": texts.REFUSED["route"]}, 404)
    return FileResponse(file, media_type=_TYPES[file.suffix], headers=_REVALIDATE)
