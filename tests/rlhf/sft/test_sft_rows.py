"""Which tokens of a conversation are learned, against masks made by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerBase as Tokenizer

from rlhf.data.datasets import Example
from rlhf.models.base import PLAIN_CHAT_TEMPLATE, load_tokenizer
from rlhf.sft.rows import IGNORED, Row, Writer, chat_row

ASKED = {"role": "user", "content": "Where is it?"}
SAID = {"role": "assistant", "content": "On its way."}
THANKS = {"role": "user", "content": "Thanks"}
BYE = {"role": "assistant", "content": "Bye"}
SYSTEM = {"role": "system", "content": "Be kind."}

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] | trim }}<|end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
GEMMA = (
    "{% for m in messages %}{% if m['role'] == 'system' %}"
    "{{ raise_exception('System role not supported') }}{% endif %}"
    "<start_of_turn>{{ 'model' if m['role'] == 'assistant' else m['role'] }}\n"
    "{{ m['content'] | trim }}<end_of_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
THINKING = (
    "{% for m in messages %}<|{{ m['role'] }}|>"
    "{% if m['role'] == 'assistant' %}{{ m['content'].split('</think>')[-1].lstrip() }}"
    "{% else %}{{ m['content'] }}{% endif %}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|><think></think>{% endif %}"
)


@pytest.fixture
def tokenizer(tiny_llama: Path) -> Tokenizer:
    return load_tokenizer(tiny_llama)


def with_template(tokenizer: Tokenizer, template: str) -> Tokenizer:
    tokenizer.chat_template = template
    return tokenizer


def learned(tokenizer: Tokenizer, row: Row) -> str:
    return str(tokenizer.decode([one for one in row.labels if one != IGNORED]))


def example(*messages: dict[str, str]) -> Example:
    return Example("chat", list(messages), "", "test", "1", 1)


def passage(text: str) -> Example:
    return Example("passage", [], text, "test", "1", 1)


def test_a_short_conversation_is_masked_as_by_hand(tokenizer: Tokenizer) -> None:
    row = chat_row(tokenizer, [{"role": "user", "content": "Hi"}, BYE])
    said = [*tokenizer("Bye")["input_ids"], 1]
    assert row.ids == [3, *tokenizer("Hi")["input_ids"], 1, 4, *said]
    assert row.labels == [IGNORED] * 5 + said


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize(
    ("template", "expected"),
    [
        (None, "On its way.<|end|>Bye<|end|>"),
        (PLAIN_CHAT_TEMPLATE, " On its way.<|end|> Bye<|end|>"),
        (CHATML, "On its way.<|end|>Bye<|end|>"),
        (GEMMA, "On its way.<end_of_turn>Bye<end_of_turn><|end|>"),
        (THINKING, "On its way.<|end|>Bye<|end|>"),
    ],
)
def test_every_answer_is_learned_with_its_end(
    tokenizer: Tokenizer,
    template: str | None,
    expected: str,
    fast: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if template is not None:
        tokenizer.chat_template = template
    if not fast:
        monkeypatch.setattr(type(tokenizer), "is_fast", False)
    row = chat_row(tokenizer, [ASKED, SAID, THANKS, BYE])
    assert learned(tokenizer, row) == expected


def test_the_same_words_in_question_and_answer_are_told_apart(tokenizer: Tokenizer) -> None:
    row = chat_row(tokenizer, [{"role": "user", "content": "Bye"}, BYE])
    assert row.labels[: 1 + 3 + 2] == [IGNORED] * 6
    assert learned(tokenizer, row) == "Bye<|end|>"


def test_spaces_around_an_answer_that_the_template_cuts_do_no_harm(tokenizer: Tokenizer) -> None:
    spaced = {"role": "assistant", "content": "  Bye \n"}
    row = chat_row(with_template(tokenizer, CHATML), [ASKED, spaced])
    assert learned(tokenizer, row) == "Bye<|end|>"


def test_a_system_turn_that_the_template_refuses_opens_the_question(tokenizer: Tokenizer) -> None:
    row = chat_row(with_template(tokenizer, GEMMA), [SYSTEM, ASKED, SAID])
    assert "Be kind.\n\nWhere is it?" in tokenizer.decode(row.ids)
    assert learned(tokenizer, row) == "On its way.<end_of_turn><|end|>"


def test_a_conversation_that_is_too_long_loses_its_oldest_turns(tokenizer: Tokenizer) -> None:
    writer = Writer(tokenizer, 24)
    (row,) = writer.rows([example(SYSTEM, ASKED, SAID, THANKS, BYE)])
    assert tokenizer.decode(row.ids) == (
        "<|system|>Be kind.<|end|><|user|>Thanks<|end|><|assistant|>Bye<|end|>"
    )
    assert (writer.count.rows, writer.count.shortened) == (1, 1)


def test_a_conversation_without_an_answer_that_fits_is_left_out(tokenizer: Tokenizer) -> None:
    writer = Writer(tokenizer, 10)
    assert list(writer.rows([example(ASKED, SAID), example(ASKED)])) == []
    assert writer.count.left_out == 2


def test_a_passage_is_learned_whole_and_cut_into_pieces(tokenizer: Tokenizer) -> None:
    writer = Writer(tokenizer, 8)
    made = list(writer.rows([passage("0123456789")]))
    assert [tokenizer.decode(row.ids) for row in made] == ["01234567", "89<|end|>"]
    assert all(row.ids == row.labels for row in made)
    assert (writer.count.tokens, writer.count.learned, writer.count.shortened) == (11, 11, 1)
