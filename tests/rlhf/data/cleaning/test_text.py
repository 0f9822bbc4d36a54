"""Broken texts are mended, whole ones are left as they are, and template tokens come out."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlhf.data.cleaning.text import (
    normalised,
    repaired,
    template_tokens,
    without_template_tokens,
)

WHOLE = [
    "Grüße aus Köln – „schön“, n’est-ce pas? Ça va… 50 €",
    "中文文本，日本語のテキスト、한국어",
    "Привет, как дела?",
    "emoji 👨‍👩‍👧 and می‌خواهم stay",
    "a < b && c > d in `x &lt; y`",
    "AT&T and R&D",
    "São Paulo, coração, mãe",
]


@pytest.mark.parametrize("text", ["Grüße aus Köln", "naïve café", "50 €", "It’s “fine” – really"])
@pytest.mark.parametrize("wrong", ["cp1252", "latin-1"])
def test_mojibake_is_decoded_again(text: str, wrong: str) -> None:
    broken = text.encode().decode(wrong, errors="ignore")
    if broken.encode(wrong) == text.encode():
        assert repaired(f"Hello, {broken} there") == f"Hello, {text} there"


@pytest.mark.parametrize("text", WHOLE)
def test_what_is_whole_stays_as_it_is(text: str) -> None:
    assert repaired(text) == text
    assert normalised(text) == unicodedata.normalize("NFC", text)


def test_character_references_are_resolved_where_no_markup_is() -> None:
    assert repaired("Tom &amp; Jerry&#39;s &quot;show&quot;") == 'Tom & Jerry\'s "show"'
    assert repaired("write <b>&lt;</b>") == "write <b>&lt;</b>"


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("cafe\u0301", "café"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("bell\x07 and\x00 nul", "bell and nul"),
        ("non\u00a0breaking", "non breaking"),
        ("soft\u00adhyphen \u202eturned\u202c", "softhyphen turned"),
        ("many    blanks\t\there  \nnext", "many blanks here\nnext"),
        ("one\n\n\n\n\ntwo", "one\n\ntwo"),
        ("\n\n  alone  \n", "alone"),
        ("def f():\n    return 1  ", "def f():\n    return 1"),
        ("```\na   =  1\n\n\n\nb\n```", "```\na   =  1\n\n\n\nb\n```"),
    ],
)
def test_one_form_for_characters_line_ends_and_blanks(text: str, plain: str) -> None:
    assert normalised(text) == plain


@given(st.text())
def test_normalising_twice_changes_nothing_more(text: str) -> None:
    once = normalised(text)
    assert normalised(once) == once


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("<|im_start|>user\nHello<|im_end|>", "Hello"),
        ("<s>[INST] Hello [/INST] Hi</s>", "Hello Hi"),
        ("<|start_header_id|>assistant<|end_header_id|>\n\nHi<|eot_id|>", "Hi"),
        ("<|user|> Hello <|assistant|>", "Hello"),
        ("<start_of_turn>model\nHi<end_of_turn>", "Hi"),
        ("[INST] <<SYS>>\nBe kind.\n<</SYS>>\n\nHello [/INST]", "Be kind.\n\nHello"),
        ("Hi<|endoftext|>", "Hi"),
        ("Hi</s>", "Hi"),
        ("<｜begin▁of▁sentence｜>Hi", "Hi"),
    ],
)
def test_template_tokens_come_out_with_their_roles(text: str, left: str) -> None:
    assert template_tokens(text)
    assert without_template_tokens(text) == left


@pytest.mark.parametrize(
    "text",
    [
        "<s>struck out</s> in HTML",
        "a <b>bold</b> [word]",
        "x <| y |> z",
        "list[INT]",
        "f :: a -> b",
    ],
)
def test_markup_and_code_are_no_template_tokens(text: str) -> None:
    assert template_tokens(text) == []
    assert without_template_tokens(text) == text
