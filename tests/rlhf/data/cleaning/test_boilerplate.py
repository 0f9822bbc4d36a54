"""Lines are boilerplate where many conversations have them at their edges, and only there."""

from __future__ import annotations

import numpy as np

from rlhf.data.cleaning.boilerplate import (
    FEWEST_CONVERSATIONS,
    edge_lines,
    repeated,
    without_boilerplate,
)

FOOTER = "This e-mail is confidential and meant for the addressee alone."
TICKET = "Your request has been entered under ticket number {}."


def known(texts: list[str], share: float = 0.01) -> frozenset[int]:
    pairs = [(line, number) for number, text in enumerate(texts) for line in edge_lines(text)]
    both = np.array(pairs, np.uint64).reshape(-1, 2)
    return frozenset(repeated([(both[:, 0], both[:, 1])], share, len(texts)).tolist())


def test_a_footer_that_many_have_is_taken_off_with_what_differs_in_its_digits() -> None:
    texts = [f"Answer {n}.\n\n--\n{FOOTER}\n{TICKET.format(n)}" for n in range(40)]
    left, taken = without_boilerplate(texts[7], known(texts))
    assert left == "Answer 7."
    assert taken == ["--", FOOTER, TICKET.format(7)]


def test_a_line_that_few_have_stays() -> None:
    texts = [f"Answer {n}.\n{FOOTER}" for n in range(FEWEST_CONVERSATIONS - 1)]
    assert known(texts) == frozenset()


def test_one_conversation_that_says_a_line_often_has_not_shown_anything() -> None:
    line = next(iter(edge_lines(f"Answer.\n{FOOTER}")))
    lines = np.full(500, line, np.uint64)
    assert len(repeated([(lines, np.zeros(500, np.uint64))], 0.01, 100)) == 0


def test_a_line_in_the_middle_stays_and_so_does_a_text_that_is_nothing_else() -> None:
    texts = [f"Answer {n}.\n{FOOTER}" for n in range(40)]
    middle = f"He wrote:\n{FOOTER}\nWhat shall I do with it?"
    assert without_boilerplate(middle, known(texts)) == (middle, [])
    only = f"{FOOTER}\n{FOOTER}"
    assert without_boilerplate(only, known(texts)) == (only, [])


def test_greetings_and_rows_of_figures_are_no_boilerplate() -> None:
    texts = [f"Hello,\n1 2 3 4 5 6 7 8 9 10 11 12 13 14\nAnswer {n}.\nThanks" for n in range(40)]
    assert known(texts) == frozenset()
