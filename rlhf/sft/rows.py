"""From conversations and passages to token ids, and which of them are learned.

A conversation is written by the tokenizer's own chat template, as PPO's prompts are. Learned is
what the model itself has to say: every answer, from where the template lets the model begin up to
and with the end of the turn. The template is asked where that is, by writing the conversation up
to each answer and past it, so it needs no `{% generation %}` of its own.

A row has S tokens.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from transformers import PreTrainedTokenizerBase as Tokenizer

from rlhf.data.datasets import Example
from rlhf.models.text import Messages, TemplateError, acceptable, written

IGNORED = -100
"""The label of a token that is read but not learned; torch's and TRL's."""

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Row:
    """One row to learn: ids [S], and labels [S], which are the ids or IGNORED."""

    ids: list[int]
    labels: list[int]


@dataclass(slots=True)
class Count:
    """What became of a split's rows."""

    rows: int = 0
    tokens: int = 0
    learned: int = 0
    """Tokens with a label."""
    shortened: int = 0
    """Conversations that lost turns or the end of an answer, and passages in several pieces."""
    left_out: int = 0
    """Conversations without an answer that fits, or that the chat template refuses."""


@dataclass(slots=True)
class Writer:
    """Turns examples into rows of at most `longest` tokens, and counts them."""

    tokenizer: Tokenizer
    longest: int
    count: Count = field(default_factory=Count)

    def rows(self, examples: Iterable[Example]) -> Iterator[Row]:
        """The rows of a split, in its order."""
        for example in examples:
            made = self._chat(example.messages) if example.messages else self._passage(example.text)
            for row in made:
                self.count.rows += 1
                self.count.tokens += len(row.ids)
                self.count.learned += sum(label != IGNORED for label in row.labels)
                yield row

    def _chat(self, messages: Messages) -> list[Row]:
        """One row, or none when no answer fits; the oldest turns go first."""
        turns = list(messages)
        first = 1 if turns[0]["role"] == "system" else 0
        try:
            row = chat_row(self.tokenizer, turns)
            while len(row.ids) > self.longest and (gone := _oldest(turns, first)):
                del turns[first : first + gone]
                row = chat_row(self.tokenizer, turns)
        except TemplateError:
            self.count.left_out += 1
            return []
        shortened = len(turns) < len(messages) or len(row.ids) > self.longest
        row = Row(row.ids[: self.longest], row.labels[: self.longest])
        if all(label == IGNORED for label in row.labels[1:]):
            self.count.left_out += 1
            return []
        self.count.shortened += shortened
        return [row]

    def _passage(self, text: str) -> list[Row]:
        """The passage with its end, in pieces; all of it is learned."""
        ids = list(self.tokenizer(text)["input_ids"])
        if ids[-1:] != [self.tokenizer.eos_token_id]:
            ids.append(self.tokenizer.eos_token_id)
        pieces = [ids[at : at + self.longest] for at in range(0, len(ids), self.longest)]
        pieces = [piece for piece in pieces if len(piece) > 1]
        self.count.shortened += len(pieces) > 1
        return [Row(piece, list(piece)) for piece in pieces]


def chat_row(tokenizer: Tokenizer, messages: Messages) -> Row:
    """Ids and labels of a whole conversation.

    The last answer ends with the end-of-sequence token even where the template writes none there:
    it is what ends an answer here. Raises TemplateError where the template refuses.
    """
    turns, text = acceptable(tokenizer, messages, asking=False)
    spans = learned_spans(tokenizer, turns, text)
    unfinished = _without_eos(tokenizer, text, spans) if turns[-1]["role"] == "assistant" else False
    if unfinished:
        text = text[: spans[-1][1]]
    ids, learned = _encoded(tokenizer, text, spans)
    if unfinished:
        ids, learned = [*ids, int(tokenizer.eos_token_id)], [*learned, True]
    return Row(ids, [token if on else IGNORED for token, on in zip(ids, learned, strict=True)])


def learned_spans(tokenizer: Tokenizer, turns: Messages, text: str) -> list[Span]:
    """(start, end) of every answer in `text`, which is the whole conversation as written."""
    spans: list[Span] = []
    for at, turn in enumerate(turns):
        if turn["role"] != "assistant":
            continue
        least = spans[-1][1] if spans else 0
        start = _start(tokenizer, turns, at, text, least)
        if start is None:
            continue
        end = _end(tokenizer, turns, at, text, start)
        spans.append((start, start + len(text[start:end].rstrip())))
    return [(start, end) for start, end in spans if end > start]


def _start(tokenizer: Tokenizer, turns: Messages, at: int, text: str, least: int) -> int | None:
    """Where the model would begin; else where the answer's own words do (none: it was rewritten).

    The second is for templates that write a past answer otherwise than one to be given, such as
    those that drop a chain of thought.
    """
    before = written(tokenizer, turns[:at], asking=True) if at else ""
    if before and text.startswith(before):
        return len(before)
    found = text.find(turns[at]["content"].strip(), least)
    return None if found < 0 else found


def _end(tokenizer: Tokenizer, turns: Messages, at: int, text: str, start: int) -> int:
    """Where the turn ends; else after its words and an end-of-sequence token that follows them."""
    past = written(tokenizer, turns[: at + 1], asking=False)
    if text.startswith(past):
        return len(past)
    words = turns[at]["content"].strip()
    end = max(start, text.find(words, start)) + len(words)
    eos = str(tokenizer.eos_token)
    return end + len(eos) if text.startswith(eos, end) else end


def _without_eos(tokenizer: Tokenizer, text: str, spans: list[Span]) -> bool:
    return bool(spans) and not text[slice(*spans[-1])].endswith(str(tokenizer.eos_token))


def _encoded(tokenizer: Tokenizer, text: str, spans: list[Span]) -> tuple[list[int], list[bool]]:
    """Ids [S], and whether each is learned: a token that reaches into a span is.

    A tokenizer that cannot say where its tokens lie gets the text span by span.
    """
    if tokenizer.is_fast:
        given = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        ids = list(given["input_ids"])
        return ids, list(_inside(given["offset_mapping"], spans))
    ids, learned = [], []
    for start, end, on in _pieces(len(text), spans):
        some = list(tokenizer(text[start:end], add_special_tokens=False)["input_ids"])
        ids += some
        learned += [on] * len(some)
    return ids, learned


def _inside(offsets: Iterable[Span], spans: list[Span]) -> Iterator[bool]:
    """For tokens and spans in the order of the text: does the token overlap a span?"""
    left = iter([*spans, (1 << 62, 1 << 62)])
    start, end = next(left)
    for first, last in offsets:
        while first >= end:
            start, end = next(left)
        yield last > start and last > first


def _pieces(length: int, spans: list[Span]) -> Iterator[tuple[int, int, bool]]:
    """The text cut at the spans, and which cuts are learned."""
    at = 0
    for start, end in spans:
        yield at, start, False
        yield start, end, True
        at = end
    yield at, length, False


def _oldest(turns: Messages, first: int) -> int:
    """How many of the oldest turns can go so that a question still begins; 0 for none."""
    starts = [at for at in range(first + 1, len(turns)) if turns[at]["role"] == "user"]
    return starts[0] - first if starts else 0
