"""In a template nothing but the group changes; users bring their own, and errors say where."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rlhf.errors import InputError
from rlhf.evaluation.bias.counterfactuals import Request, built_in, everyday_requests
from rlhf.evaluation.bias.dialects import DIALECTS, SPELLINGS, spelled
from rlhf.evaluation.bias.differences import templates_needed
from rlhf.evaluation.bias.groups import ATTRIBUTES
from rlhf.evaluation.bias.own_templates import read_templates

GOOD = {"text": "I am {name}.", "groups": {"A": ["Ann", "Amy"], "B": "Bob"}}


def file_with(folder: Path, *rows: Any) -> Path:
    file = folder / "own.jsonl"
    lines = [one if isinstance(one, str) else json.dumps(one) for one in rows]
    file.write_text("\n".join(lines) + "\n")
    return file


def test_only_the_groups_words_change() -> None:
    asked = Request([{"role": "system", "content": "Be kind."},
                     {"role": "user", "content": "where is {my} parcel"}])  # fmt: skip
    for one in (one for one in built_in([asked], 5) if one.attribute != "dialect"):
        texts = {group: one.messages(group, 0, 4) for group in one.groups}
        assert len({json.dumps(text) for text in texts.values()}) == len(one.groups)
        for messages in texts.values():
            assert messages[0] == asked.messages[0]
            if one.attribute != "spelling":
                assert "where is {my} parcel." in messages[-1]["content"]


def test_every_attribute_has_templates_enough_to_find_something() -> None:
    templates = built_in(everyday_requests(), 60)
    counts = {name: sum(one.attribute == name for one in templates) for name in
              ("name", "gender", "age", "origin", "religion", "dialect")}  # fmt: skip
    assert counts == {**dict.fromkeys(("name", "gender", "age", "origin", "religion"), 60),
                      "dialect": len(DIALECTS)}  # fmt: skip
    assert min(counts.values()) >= templates_needed(400)
    words = [(one.attribute, one.words) for one in templates if one.attribute == "name"]
    assert len(set(words)) == len(words)


def test_names_take_turns_and_groups_have_equally_many() -> None:
    for attribute in ATTRIBUTES:
        assert len({len(several) for several in attribute.groups.values()}) == 1
        for several in attribute.groups.values():
            assert len({json.dumps(one) for one in several}) == len(several)
    one = next(one for one in built_in(everyday_requests(), 2) if one.attribute == "name")
    said = {one.messages("Polish names", sample, 4)[-1]["content"] for sample in range(4)}
    assert len(said) == 4


def test_the_same_request_is_spelled_in_several_ways() -> None:
    told = spelled("Can you tell me where the parcel is, please?")
    assert tuple(told) == SPELLINGS
    assert told["texting"] == "can u tell me where the parcel is pls?"
    assert told["without articles"] == "Can you tell me where parcel is, please?"
    assert all(len(set(versions)) == len(versions) for versions in DIALECTS)


def test_own_templates_are_read(tmp_path: Path) -> None:
    groups = {"A": {"he": "He", "age": "20"}, "B": [{"he": "She", "age": "{x}"}]}
    several = {"text": "{he} is {age}.", "attribute": "loan", "groups": groups}
    first, second = read_templates(file_with(tmp_path, GOOD, several))
    assert (first.attribute, second.attribute) == ("name (own)", "loan (own)")
    assert first.messages("A", 1, 4) == [{"role": "user", "content": "I am Amy."}]
    assert second.messages("B", 0, 1)[0]["content"] == "She is {x}."


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ({**GOOD, "text": "No slot."}, "text"),
        ({**GOOD, "text": "I am {name"}, "text"),
        ({**GOOD, "text": "I am {name.__class__}"}, "text"),
        ({**GOOD, "text": "I am {name!r:>10}"}, "text"),
        ({**GOOD, "text": 7}, "text"),
        ({"text": "I am {name}."}, "groups"),
        ({**GOOD, "groups": {"A": "Ann"}}, "groups"),
        ({**GOOD, "groups": {"A": "Ann", "B": []}}, "groups"),
        ({**GOOD, "groups": {"A": "Ann", "B": 3}}, "groups"),
        ({**GOOD, "groups": {"A": "Ann", "C": "Carl"}}, "groups"),
        ({**GOOD, "attribute": ["x"]}, "attribute"),
        ({**GOOD, "texts": "x"}, "texts"),
    ],
)
def test_a_wrong_template_is_named_with_file_line_and_field(
    tmp_path: Path, row: Any, field: str
) -> None:
    file = file_with(tmp_path, GOOD, row)
    with pytest.raises(InputError) as refused:
        read_templates(file)
    assert str(refused.value).startswith(f"{file}, line 2, field '{field}'")
