"""Whatever is in a file, it is read or refused in a sentence; harmless oddities are read."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from rlhf.data.files import READERS
from rlhf.data.intake import As
from rlhf.data.preview import preview
from rlhf.errors import InputError

GOOD = b'{"prompt": "fine"}\n'


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", b"\xef\xbb\xbf" + GOOD),
        ("a.jsonl", GOOD.replace(b"\n", b"\r\n")),
        ("a.jsonl", GOOD.strip()),
        ("a.jsonl", b"\n\n" + GOOD + b"  \n"),
        ("a.csv", b"\xef\xbb\xbfprompt\r\nfine\r\n"),
        ("a.csv", b"prompt;id\nfine;1"),
        ("a.csv", b"prompt\rfine\r"),
        ("a.csv", b"prompt\nfine\n\n\n"),
        ("a.csv", "prompt\nfine\n".encode("utf-16")),
        ("a.json", b'\xef\xbb\xbf [\r\n{"prompt": "fine"}\r\n]\r\n'),
        ("a.json", b'{"prompt": "fine"}'),
        ("a.json", b'["fine"]'),
        ("A.JSONL", GOOD),
        ("a.jsonl.gz", gzip.compress(GOOD, mtime=0)),
        ("a.csv.gz", gzip.compress(b"prompt\n", mtime=0) + gzip.compress(b"fine\n", mtime=0)),
    ],
)
def test_harmless_oddities_are_read(tmp_path: Path, name: str, content: bytes) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    told = preview(file)
    assert (told.rows, told.samples) == (1, ("user: fine",))


START = st.sampled_from([b"", b"[", b"{", b'{"prompt": "', b"prompt\n", b"PAR1", b"\x1f\x8b\x08"])


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(sorted(READERS)), st.booleans(), START, st.binary(max_size=300))
@example(".jsonl", False, b"", b'{"prompt": {"a": []}, "label": 1, "completion": 2}')
@example(".json", False, b"[", b'{"message_tree_id": 1, "prompt": {"role": "user"}}]')
def test_whatever_the_bytes_they_are_read_or_refused(
    tmp_path: Path, extension: str, packed: bool, start: bytes, rest: bytes
) -> None:
    file = tmp_path / f"a{extension}{'.gz' if packed else ''}"
    file.write_bytes(gzip.compress(start + rest) if packed else start + rest)
    try:
        preview(file)
    except InputError as told:
        assert str(file) in str(told)  # noqa: PT017 (success is as good)


FIELDS = """
messages conversations conversation transcript prompt chosen rejected responses ranks label
completion instruction input output instances text question answer message_tree_id replies rank
role content from value margin strength annotator title
"""
NAMES = st.sampled_from(FIELDS.split())
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(NAMES, PLAIN, min_size=1, max_size=6), st.sampled_from([None, "documents"]))
def test_whatever_the_values_they_are_read_or_refused_with_their_line(
    tmp_path: Path, record: dict[str, Any], kind: As | None
) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text("\n" + json.dumps(record) + "\n", encoding="utf-8")
    try:
        preview(file, kind)
    except InputError as told:
        assert told.line == 2  # noqa: PT017 (success is as good)
