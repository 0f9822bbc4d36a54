"""Where uploads lie, under which names, and who can lead the service to another file."""

from __future__ import annotations

import os
from pathlib import Path

import gradio as gr
import pytest

from feedback_app import uploads
from rlhf.errors import InputError

OWNER = "a" * 64


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GRADIO_TEMP_DIR", "")
    return uploads.make_room(tmp_path)


def arrived(room: Path, name: str, text: str = "{}", folder: str = "0123") -> str:
    """A file as Gradio lays it down."""
    file = room / "incoming" / folder / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    return str(file)


def test_the_room_is_private_empty_and_where_gradio_puts_uploads(
    room: Path, tmp_path: Path
) -> None:
    assert os.environ["GRADIO_TEMP_DIR"] == str(room / "incoming")
    assert room.stat().st_mode & 0o077 == 0
    assert (room / "incoming").stat().st_mode & 0o077 == 0
    uploads.claim(room, OWNER, [{"path": arrived(room, "a.csv"), "orig_name": "a.csv"}])
    arrived(room, "b.csv")
    uploads.make_room(tmp_path)
    assert [one.name for one in room.rglob("*")] == ["incoming"]


def test_files_get_their_own_names_back_in_their_order(room: Path) -> None:
    first = arrived(room, "tickets b.jsonl", "first", "01")
    second = arrived(room, "tickets b.jsonl", "second", "02")
    sent = [{"path": first, "orig_name": "tickets <b>.jsonl"}, {"path": second}]
    held = uploads.claim(room, OWNER, sent)
    assert [one.name for one in held] == ["tickets <b>.jsonl", "tickets b.jsonl"]
    assert [one.read_text() for one in held] == ["first", "second"]
    assert held == uploads.held(room, OWNER)
    assert list((room / "incoming").iterdir()) == []
    assert uploads.held(room, "b" * 64) == []
    uploads.drop(room, OWNER)
    assert not (room / OWNER).exists()


def test_new_files_take_the_place_of_the_old_ones(room: Path) -> None:
    uploads.claim(room, OWNER, [{"path": arrived(room, "a.csv")}])
    held = uploads.claim(room, OWNER, [{"path": arrived(room, "b.csv")}])
    assert [one.name for one in held] == ["b.csv"]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("tickets.csv", "tickets.csv"),
        ("März 2026 (1).jsonl", "März 2026 (1).jsonl"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\olga\\a.csv", "a.csv"),
        ("a\0b\n\u202etxt.csv", "abtxt.csv"),
        ("", "file"),
        ("..", "file"),
        ("a/", "file"),
        ("x" * 300 + ".csv", "x" * 196 + ".csv"),
        ("ä" * 150 + "x.csv", "ä" * 97 + "x.csv"),
        ("\ud800.csv", ".csv"),
    ],
)
def test_a_name_is_a_name_and_no_path(given: str, kept: str) -> None:
    assert uploads.plain_name(given) == kept


@pytest.mark.parametrize(
    "path",
    [
        "{home}/secret.csv",
        "{room}/incoming/../../../secret.csv",
        "{room}/incoming/01/../../../../secret.csv",
        "{room}/incoming/01/link.csv",
        "{room}/incoming/01",
        "{room}/incoming/01/missing.csv",
        "{room}/" + "b" * 64 + "/0000/theirs.csv",
        "http://127.0.0.1:1/a.csv",
        "/dev/stdin",
        "a\0b",
        "",
    ],
)
def test_nothing_but_an_upload_can_be_claimed(room: Path, tmp_path: Path, path: str) -> None:
    (tmp_path / "secret.csv").write_text("prompt\nsecret\n")
    fine = arrived(room, "fine.csv", folder="01")
    (room / "incoming" / "01" / "link.csv").symlink_to(tmp_path / "secret.csv")
    uploads.claim(room, "b" * 64, [{"path": arrived(room, "theirs.csv", folder="02")}])
    asked = path.format(home=tmp_path, room=room)
    with pytest.raises(InputError, match=r"was not uploaded|has not arrived"):
        uploads.claim(room, OWNER, [{"path": fine}, {"path": asked, "orig_name": "it.csv"}])
    assert uploads.held(room, OWNER) == []
    assert len(uploads.held(room, "b" * 64)) == 1
    assert (tmp_path / "secret.csv").exists()


def test_what_was_abandoned_is_swept_away(room: Path) -> None:
    old = [Path(arrived(room, "a.csv", folder="old")).parent, room / "incoming" / "tmpbroken"]
    old[1].write_text("half an upload")
    uploads.claim(room, "b" * 64, [{"path": arrived(room, "b.csv", folder="02")}])
    old.append(room / ("b" * 64))
    for one in old:
        os.utime(one, (0, 0))
    uploads.claim(room, OWNER, [{"path": arrived(room, "new.csv", folder="03")}])
    assert [one.exists() for one in old] == [False, False, False]
    assert len(uploads.held(room, OWNER)) == 1


def test_a_page_is_known_by_its_person_and_its_session() -> None:
    pages = {
        uploads.owner_of(gr.Request(username=name, session_hash=session))
        for name, session in (("olga", "1"), ("olga", "2"), ("otto", "1"))
    }
    assert len(pages) == 3
    assert {len(one) for one in pages} == {64}
    assert all(one.isalnum() for one in pages)


@pytest.mark.anyio
async def test_what_a_request_names_by_its_url_is_not_fetched(
    room: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetched(*_: object, **__: object) -> None:
        raise AssertionError("went out to fetch it")

    for name in ("async_ssrf_protected_download", "save_url_to_cache"):
        monkeypatch.setattr(f"gradio.processing_utils.{name}", fetched)
    with gr.Blocks():
        files = uploads.never_fetched(gr.File(file_count="multiple"))
    address = "http://example.com/a.csv"
    assert await files.async_move_resource_to_block_cache(address) == address
