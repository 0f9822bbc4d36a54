"""Pulling from another machine: whatever answers there, and whatever stands for a token."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from rlhf.errors import NotFound, RLHFError, UsageError
from rlhf.registry import remote

TOKEN = "rlhf_secret"


@dataclass
class Other:
    """A server that gives every question the same answer."""

    status: int
    body: bytes
    url: str = ""
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def answering() -> Iterator[Callable[[int, bytes], Other]]:
    """Start such servers; they end with the test."""
    running: list[ThreadingHTTPServer] = []

    def start(status: int, body: bytes) -> Other:
        other = Other(status, body)

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                other.asked.append(self.path)
                self.send_response(other.status)
                self.send_header("content-length", str(len(other.body)))
                self.end_headers()
                self.wfile.write(other.body)

            def log_message(self, *_: object) -> None:
                """Nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        running.append(server)
        other.url = f"http://127.0.0.1:{server.server_port}"
        return other

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    "body",
    [
        b"<html>Welcome</html>",
        b"{}",
        b"[1]",
        b"null",
        b'{"digest": "../..", "files": [], "figures": {}, "base": {"path": "x"}}',
        b'{"digest": "ab", "files": [1], "figures": {}, "base": {"path": "x"}}',
    ],
)
def test_what_is_no_service_is_called_so(
    answering: Callable[[int, bytes], Other], tmp_path: Path, body: bytes
) -> None:
    with pytest.raises(RLHFError, match="no rlhf service"):
        remote.pull(answering(200, body).url, "champion", tmp_path / "new", token=TOKEN)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("body", [b"[1]", b"{}", b"<html>\nWelcome</html>", b""])
def test_an_error_in_a_foreign_form_is_told_in_a_line(
    answering: Callable[[int, bytes], Other], tmp_path: Path, body: bytes
) -> None:
    with pytest.raises(RLHFError, match=r"^the service answered 500: .*$"):
        remote.pull(answering(500, body).url, "champion", tmp_path / "new", token=TOKEN)


@pytest.mark.parametrize("name", ["../x", "/etc/x", ".", "..", "a\\u0000b", "\\ud800"])
def test_a_file_name_that_is_none_is_refused(
    answering: Callable[[int, bytes], Other], tmp_path: Path, name: str
) -> None:
    file = f'{{"name": "{name}", "size": 1, "sha256": "x"}}'
    body = f'{{"digest": "ab", "files": [{file}], "figures": {{}}, "base": {{"path": "x"}}}}'
    with pytest.raises(UsageError, match="refused"):
        remote.pull(answering(200, body.encode()).url, "v0", tmp_path / "new", token=TOKEN)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("ref", ["../../html", "v1?x", "", "..", "\udcff"], ids=ascii)
def test_a_reference_never_leaves_its_place_in_the_address(
    answering: Callable[[int, bytes], Other], tmp_path: Path, ref: str
) -> None:
    other = answering(404, b'{"error": "no such checkpoint"}')
    with pytest.raises(NotFound):
        remote.pull(other.url, ref, tmp_path / "new", token=TOKEN)
    for path in other.asked:
        assert path.startswith("/api/v1/checkpoints/")
        assert path.count("/") == 4
        assert "?" not in path


@pytest.mark.parametrize("url", ["foo", "http://[::1", "http://", "ftp://x", "http://x:port", ""])
def test_what_is_no_address_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(UsageError, match="no address of a service"):
        remote.pull(url, "champion", tmp_path / "new", token=TOKEN)


@pytest.mark.parametrize("token", ["", "\u00e9", f"{TOKEN}\nsecond", "\udcff"], ids=ascii)
def test_what_can_be_no_token_is_refused_and_not_shown(tmp_path: Path, token: str) -> None:
    with pytest.raises(UsageError, match="must be one line") as refused:
        remote.pull("http://127.0.0.1:9", "champion", tmp_path / "new", token=token)
    assert TOKEN not in str(refused.value)
