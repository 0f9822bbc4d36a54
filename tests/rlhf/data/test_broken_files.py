"""Files that are not what they say: one sentence with file and line, nothing stored, no waiting."""

from __future__ import annotations

import gzip
import json
import os
import signal
import socket
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rlhf.data.ingest import ingest
from rlhf.data.intake import As, Wanted
from rlhf.data.mapping import mapping_of
from rlhf.errors import InputError
from rlhf.home import make_home
from rlhf.store import Store, open_store, passages, people, prompts

PATIENCE_S = 60
"""For one file, on a machine that does much else; reading none of them takes a second."""
GOOD = b'{"prompt": "fine"}\n'


@dataclass(frozen=True)
class Case:
    """A file, and what must be said of it."""

    name: str
    content: bytes | Callable[[Path], object]
    said: str
    line: int | None = None
    kind: As | None = None
    maps: dict[str, str] = field(default_factory=dict)


def row(**record: Any) -> bytes:
    return json.dumps(record).encode() + b"\n"


def chat(*turns: tuple[str, Any]) -> bytes:
    return row(messages=[{"role": role, "content": content} for role, content in turns])


def table(**columns: Any) -> Callable[[Path], object]:
    return lambda file: pq.write_table(pa.table(columns), file)


def without(file: Path, *, first: int = 0, last: int = 0) -> None:
    """A sound Parquet file less some bytes."""
    pq.write_table(pa.table({"prompt": ["one", "two"]}), file)
    whole = file.read_bytes()
    file.write_bytes(whole[first : len(whole) - last])


def flipped(file: Path) -> None:
    pq.write_table(pa.table({"prompt": ["one", "two"]}), file)
    whole = bytearray(file.read_bytes())
    for at in range(len(whole) - 60, len(whole) - 10):
        whole[at] ^= 0xFF
    file.write_bytes(whole)


def parquet_bomb(file: Path) -> None:
    pq.write_table(pa.table({"prompt": ["a" * 2**27]}), file, compression="zstd")


def workbook(file: Path) -> None:
    with zipfile.ZipFile(file, "w") as packed:
        packed.writestr("xl/workbook.xml", "<workbook/>")


def bomb(file: Path) -> None:
    with gzip.open(file, "wb", compresslevel=9) as packed:
        for _ in range(90):
            packed.write((b'{"prompt": "' + b"a" * 1000 + b'"}\n') * 1000)


def loop(file: Path) -> None:
    file.symlink_to(file.with_name("other.jsonl"))
    file.with_name("other.jsonl").symlink_to(file)


def bound_socket(file: Path) -> None:
    here = Path.cwd()
    os.chdir(file.parent)
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(file.name)
    finally:
        os.chdir(here)


def other_things(file: Path) -> None:
    file.mkdir()
    (file / "a.docx").touch()


DEEP = b"[" * 10_000 + b"]" * 10_000

CASES: dict[str, Case] = {
    # JSON
    "a JSONL line cut off": Case("a.jsonl", GOOD + b'{"prompt": "x', "not valid JSON", 2),
    "a JSON list cut off": Case("a.json", b'[{"prompt": "a"},\n{"prompt": "b"', "not valid", 2),
    "a trailing comma in a line": Case("a.jsonl", GOOD + b'{"prompt": "a",}\n', "not valid", 2),
    "a trailing comma in a list": Case("a.json", b'[{"prompt": "a"},\n]', "not valid", 2),
    "no comma between rows": Case("a.json", b'[{"prompt": "a"}\n{"prompt": "b"}]', "','", 2),
    "JSONL named JSON": Case("a.json", GOOD + GOOD, "Name a file of one object per line .jsonl", 2),
    "two objects on a line": Case("a.jsonl", GOOD[:-1] + GOOD, "Extra data", 1),
    "single quotes": Case("a.jsonl", b"{'prompt': 'a'}\n", "not valid JSON", 1),
    "NaN": Case("a.jsonl", GOOD + b'{"prompt": "a", "margin": NaN}\n', "NaN", 2),
    "Infinity": Case("a.jsonl", b'{"prompt": "a", "margin": -Infinity}\n', "Infinity", 1),
    "1e999": Case("a.jsonl", b'{"prompt": "a", "margin": 1e999}\n', "too large", 1),
    "a number of 5,000 digits": Case("a.jsonl", b'{"n": ' + b"9" * 5000 + b"}\n", "not valid", 1),
    "a key twice": Case("a.jsonl", b'{"prompt": "a", "prompt": "b"}\n', "stands twice", 1),
    "a key twice within": Case("a.json", b'[{"messages": [{"role":1,"role":2}]}]', "twice", 1),
    "10,000 lists deep": Case("a.jsonl", GOOD + DEEP + b"\n", "nested too deeply", 2),
    "10,000 objects deep": Case("a.json", b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "deeply", 1),
    "a gzip bomb of blank lines": Case(
        "a.jsonl.gz", gzip.compress(b"\n" * 2**27), "unpacks to more than"
    ),
    "a tree of 300 replies deep without end": Case(
        "a.jsonl",
        b'{"message_tree_id": "1", "prompt": ' + b'{"role": "prompter", "text": "a", '
        b'"replies": [' * 300,
        "not valid",
        1,
    ),
    "a bare number": Case("a.jsonl", b"7\n", "must be an object or a text", 1),
    "a list a line": Case("a.jsonl", GOOD + b"[1]\n", "must be an object or a text", 2),
    "null among rows": Case("a.json", b'[{"prompt": "a"},\nnull]', "element 2", 2),
    "an empty list": Case("a.json", b"[]", "no rows"),
    # encodings
    "Latin-1": Case("a.csv", "prompt\nGrüße\n".encode("latin-1"), "is not UTF-8", 2),
    "Shift-JIS": Case("a.jsonl", '{"prompt": "日本語"}\n'.encode("shift-jis"), "not UTF-8", 1),
    "Latin-1 late in a file": Case("a.jsonl", GOOD * 90_000 + b'"\xfc"\n', "UTF-8", 90_001),
    "UTF-16 without a mark": Case("a.jsonl", '{"prompt": "a"}\n'.encode("utf-16-le"), "NUL", 1),
    "UTF-16 cut in a letter": Case("a.csv", "prompt\nab\n".encode("utf-16")[:-1], "UTF-8", 2),
    "UTF-32": Case("a.csv", "prompt\na\n".encode("utf-32"), "NUL", 1),
    "a mark in the middle": Case("a.csv", b"prompt\na\n\xef\xbb\xbfprompt\nb\n", "mark", 3),
    "a NUL byte": Case("a.csv", b"prompt\na\nb\0c\n", "NUL", 3),
    "an escaped NUL": Case("a.jsonl", b'{"prompt": "a\\u0000b"}\n', "NUL", 1),
    "half a surrogate pair": Case("a.jsonl", GOOD + b'{"prompt": "\\ud800"}\n', "surrogate", 2),
    "a surrogate in a judge": Case(
        "a.jsonl", row(prompt="a", chosen="b", rejected="c", judge="\ud800"), "surrogate", 1
    ),
    # tables
    "a short row": Case("a.csv", b"prompt,answer\na,b\nc\n", "has 1 cells and not the 2", 3),
    "a long row": Case("a.tsv", b"prompt\tanswer\na\tb\tc\n", "has 3 cells", 2),
    "a quote never closed": Case("a.csv", b'prompt,answer\na,"b\nc,d\n', "never closed", 2),
    "a quote bomb": Case(
        "a.csv", b'prompt\n"' + b'""' * 100_000 + b"\n" + b"x\n" * 9, "never closed", 2
    ),
    "a quote open for 20 MB": Case("a.csv", b'prompt\n"' + b"a,b\n" * 5_000_000, "characters", 2),
    "text after a quoted cell": Case("a.csv", b'prompt\n"a" b\n', "no row of a table", 2),
    "only a header": Case("a.csv", b"prompt,answer\n", "no rows"),
    "a column twice": Case("a.csv", b"prompt,prompt\na,b\n", "'prompt' 2 times", 1),
    "a column without a name": Case("a.csv", b"prompt,\na,b\n", "has no name", 1),
    "an index column": Case("a.csv", b",prompt\n0,a\n", "without its index", 1),
    "2,000 columns": Case("a.csv", b",".join(b"c%d" % i for i in range(2000)), "2000 columns", 1),
    "2,000 keys": Case("a.jsonl", row(**{f"c{at}": 1 for at in range(2000)}), "2000 columns", 1),
    "unknown columns": Case("a.csv", b"foo,bar\n1,2\n", "columns found: foo, bar", 2),
    "a workbook named CSV": Case("a.csv", workbook, "zip archive", 1),
    "Parquet named JSONL": Case("a.jsonl", table(prompt=["a"]), "Parquet", 1),
    # size
    "a line of 17 million characters": Case(
        "a.jsonl", GOOD + b'{"prompt": "' + b"a" * 17 * 2**20, "more than", 2
    ),
    "an element of 40 MB": Case("a.json", b'[{"prompt": "' + b"a" * 40_000_000, "more than", 1),
    "a prompt of 300,000 characters": Case("a.jsonl", row(prompt="a" * 300_000), "300000", 1),
    # gzip
    "a gzip bomb": Case("a.jsonl.gz", bomb, "unpacks to more than"),
    "gzip cut off": Case("a.jsonl.gz", gzip.compress(GOOD * 999)[:-9], "middle of its gzip"),
    "no gzip at all": Case("a.jsonl.gz", GOOD, "not sound gzip"),
    "gzip with a wrong sum": Case(
        "a.csv.gz", gzip.compress(b"prompt\na\n")[:-8] + b"\0" * 8, "not sound gzip"
    ),
    "gzip of nothing": Case("a.jsonl.gz", gzip.compress(b""), "no rows"),
    "gzip named JSONL": Case("a.jsonl", gzip.compress(GOOD), "packed with gzip", 1),
    "gzip twice": Case("a.jsonl.gz", gzip.compress(gzip.compress(GOOD)), "packed with gzip", 1),
    # Parquet
    "Parquet of other columns": Case("a.parquet", table(x=[1], y=["a"]), "columns found: x, y", 1),
    "Parquet of numbers": Case("a.parquet", table(prompt=[1, 2]), "must be text, not int", 1),
    "Parquet without rows": Case(
        "a.parquet", table(prompt=pa.array([], pa.string())), "has no rows"
    ),
    "Parquet without its end": Case("a.parquet", lambda file: without(file, last=20), "Parquet"),
    "Parquet without its beginning": Case(
        "a.parquet", lambda file: without(file, first=30), "Parquet"
    ),
    "Parquet with a broken footer": Case("a.parquet", flipped, "Parquet"),
    "a Parquet bomb of rows": Case(
        "a.parquet", table(prompt=pa.nulls(3_000_000, pa.string())), "3,000,000 rows in"
    ),
    "a Parquet bomb": Case("a.parquet", parquet_bomb, "unpacks to 128 MB"),
    "text named Parquet": Case("a.parquet", GOOD, "cannot be read as Parquet"),
    # places
    "a dangling link": Case("a.jsonl", lambda file: file.symlink_to("gone"), "cannot be opened"),
    "a loop of links": Case("a.jsonl", loop, "cannot be opened"),
    "a link to a device": Case("a.jsonl", lambda file: file.symlink_to("/dev/zero"), "device"),
    "a pipe": Case("a.jsonl", lambda file: os.mkfifo(file), "pipe"),
    "a socket": Case("a.jsonl", bound_socket, "socket"),
    "a folder named as a file": Case("a.jsonl", lambda file: file.mkdir(), "no file that can be"),
    "a folder of other things": Case("folder", other_things, "can be read"),
    "a name that is too long": Case("a" * 300 + ".jsonl", lambda _: None, "no such file"),
    "a missing file": Case("a.jsonl", lambda _: None, "no such file"),
    "a pattern of nothing": Case("*.nothing", lambda _: None, "matches no file"),
    "a file of another kind": Case("a.docx", b"x", "known are"),
    "an empty file": Case("a.jsonl", b"", "is empty"),
    "an empty text": Case("a.txt", b"", "is empty"),
    "blanks only": Case("a.csv", b" \n\n", "no rows"),
    "a text of blanks": Case("a.md", b" \n\n\t", "no rows"),
    # fields
    "an empty prompt": Case("a.jsonl", GOOD + row(prompt=" "), "field 'prompt': is empty", 2),
    "a prompt that is an object": Case("a.jsonl", row(prompt={"a": 1}), "text, not dict", 1),
    "messages that are a number": Case("a.jsonl", row(messages=3), "list of at least one", 1),
    "no messages": Case("a.jsonl", row(messages=[]), "list of at least one", 1),
    "a message that is a text": Case("a.jsonl", row(messages=["a"]), "messages[0]", 1),
    "an unknown role": Case("a.jsonl", chat(("alien", "x")), "speaker 'alien'", 1),
    "a role that is a list": Case("a.jsonl", chat(([], "x")), "is not known", 1),  # type: ignore[arg-type]
    "content that is null": Case("a.jsonl", chat(("user", None)), "NoneType", 1),
    "a picture as content": Case(
        "a.jsonl", chat(("user", [{"type": "image_url", "image_url": {}}])), "no text", 1
    ),
    "no user turn": Case("a.jsonl", chat(("system", "x"), ("assistant", "y")), "user turn", 1),
    "only an answer": Case("a.jsonl", chat(("assistant", "y")), "user turn", 1),
    "an answer that is a number": Case("a.jsonl", row(prompt="a", answer=7), "text, not int", 1),
    "instances that are a text": Case("a.jsonl", row(instruction="a", instances="b"), "list", 1),
    "an instance's output of 1": Case(
        "a.jsonl", row(instruction="a", instances=[{"output": 1}]), "text, not int", 1
    ),
    "responses without a prompt": Case("a.jsonl", row(responses=["a", "b"]), "prompt", 1),
    "ranks that are texts": Case(
        "a.jsonl", row(prompt="a", responses=["b", "c"], ranks=["1", "2"]), "must be numbers", 1
    ),
    "a strength of 10 ** 400": Case(
        "a.jsonl", row(prompt="a", chosen="b", rejected="c", strength=10**400), "number", 1
    ),
    "a judge that is a list": Case(
        "a.jsonl", row(prompt="a", chosen="b", rejected="c", judge=[1]), "annotator", 1
    ),
    "a label of maybe": Case("a.jsonl", row(prompt="a", completion="b", label="maybe"), "true", 1),
    "replies that are a number": Case(
        "a.jsonl",
        row(message_tree_id="1", prompt={"role": "prompter", "text": "a", "replies": 5}),
        "replies",
        1,
    ),
    "a rank that is a text": Case(
        "a.jsonl",
        row(
            message_tree_id="1",
            prompt={
                "role": "prompter",
                "text": "a",
                "replies": [{"role": "assistant", "text": "b", "rank": "x"}] * 2,
            },
        ),
        "rank",
        1,
    ),
    # what was asked for
    "a column that is not there": Case(
        "a.csv",
        b"body,x\na,b\n",
        "no column 'text'; columns found: body, x",
        2,
        maps={"text": "prompt"},
    ),
    "one of two columns not there": Case(
        "a.csv",
        b"body,x\na,b\n",
        "'y'; columns found",
        None,
        maps={"body": "prompt", "y": "answer"},
    ),
    "answers asked for, none there": Case("a.jsonl", GOOD, "no answer", 1, "demonstrations"),
    "preferences asked for, none there": Case("a.jsonl", GOOD, "is better", 1, "preferences"),
    "conversations asked for, none there": Case("a.jsonl", GOOD, "single turn", 1, "conversations"),
    "documents asked for, none there": Case("a.jsonl", GOOD, "no document", 1, "documents"),
    "a document that is a list": Case("a.jsonl", row(text=[1]), "text, not list", 1, "documents"),
    "a text that is no transcript": Case("a.txt", b"Hello.\n", "transcript", 1, "conversations"),
}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """One store for all of them: nothing that is tried may leave anything in it."""
    store = open_store(make_home(tmp_path_factory.mktemp("home") / "home"))
    yield store
    store.close()


@pytest.fixture(autouse=True)
def _in_time() -> Iterator[None]:
    def give_up(_: int, __: FrameType | None) -> None:
        raise TimeoutError("it hangs")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(PATIENCE_S)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_broken_file_is_one_sentence_and_stores_nothing(
    shared: Store, tmp_path: Path, case: Case
) -> None:
    good, bad = tmp_path / "good.jsonl", tmp_path / case.name
    good.write_bytes(row(body="fine", text="fine", prompt="fine", y="fine", **PREFERRED))
    if callable(case.content):
        case.content(bad)
    else:
        bad.write_bytes(case.content)
    with pytest.raises(InputError) as told:
        ingest(shared, [good, bad], Wanted(case.kind, case.maps))
    said = str(told.value)
    assert case.said in said
    assert str(bad) in said
    assert told.value.line == case.line
    assert len(said) < 1000
    assert said.isprintable()
    assert told.value.exit_code == 2
    assert is_empty(shared)


PREFERRED = {"chosen": "yes", "rejected": "no"}


def is_empty(store: Store) -> bool:
    with store.read() as tx:
        kept = sum(prompts.count_prompts(tx).values()) + passages.count_passages(tx)
        return kept == 0 and people.people(tx) == []


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        (["body"], "--map column=field"),
        (["=prompt"], "--map column=field"),
        (["body=question_text"], "no field 'question_text'. Known are"),
        (["body=prompt", "other=prompt"], "maps already"),
        (["body=prompt", "body=answer"], "maps already"),
    ],
)
def test_a_mapping_that_means_nothing_is_refused(pairs: list[str], said: str) -> None:
    with pytest.raises(InputError, match=said):
        mapping_of(pairs)
