from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest

from rlhf.starter.annotators import CHARACTERS, SimulatedAnnotator, Verdict, crew
from rlhf.starter.gold import gold
from rlhf.starter.styles import answer, pick_style
from rlhf.starter.world import WorldPrompt, prompts


def pairs(count: int) -> list[tuple[WorldPrompt, str, str]]:
    """Prompts of the world with two answers in the corpus's mix of styles."""
    rng = Random(5)

    def say(prompt: WorldPrompt) -> str:
        return answer(prompt.meta["intent"], pick_style(rng), rng)

    return [(prompt, say(prompt), say(prompt)) for prompt in prompts("train", count, 0)]


def share_wrong(annotators: list[SimulatedAnnotator], count: int = 1500) -> float:
    """Share of verdicts for one side that name the worse of two answers."""
    right = wrong = 0
    for at, (prompt, one, other) in enumerate(pairs(count)):
        truth = gold(prompt.messages, prompt.meta, other) - gold(prompt.messages, prompt.meta, one)
        annotator = annotators[at % len(annotators)]
        choice = annotator.judge(prompt.messages, prompt.meta, one, other).choice
        if truth and choice != 4:
            right += (choice > 4) == (truth > 0)
            wrong += (choice > 4) != (truth > 0)
    return wrong / (right + wrong)


def annotator(character: str, seed: int = 0) -> SimulatedAnnotator:
    return SimulatedAnnotator("someone", CHARACTERS[character], seed)


def test_a_careful_annotator_is_rarely_wrong_and_every_other_is_worse() -> None:
    wrong = {name: share_wrong([annotator(name)]) for name in CHARACTERS}
    assert wrong["careful"] < 0.08
    assert all(wrong[name] > wrong["careful"] + 0.05 for name in set(CHARACTERS) - {"careful"})


def test_the_default_crew_is_wrong_about_a_fifth_of_the_time() -> None:
    assert 0.14 < share_wrong(crew(8, 0), 3000) < 0.25


def test_only_the_left_biased_one_prefers_a_side() -> None:
    shown = pairs(1500)
    lefts = {
        name: sum(annotator(name).judge(p.messages, p.meta, a, b).choice < 4 for p, a, b in shown)
        - sum(annotator(name).judge(p.messages, p.meta, a, b).choice > 4 for p, a, b in shown)
        for name in CHARACTERS
    }
    assert lefts["left-biased"] > 0.15 * len(shown)
    assert all(abs(lefts[name]) < 0.1 * len(shown) for name in ("careful", "noisy", "careless")), (
        lefts
    )


def test_a_verdict_depends_on_nothing_but_who_judges_what() -> None:
    shown = pairs(40)
    one = [annotator("noisy").judge(p.messages, p.meta, a, b) for p, a, b in shown]
    other = annotator("noisy")
    assert [other.judge(p.messages, p.meta, a, b) for p, a, b in reversed(shown)] == one[::-1]
    assert [annotator("noisy", 1).judge(p.messages, p.meta, a, b) for p, a, b in shown] != one


def test_identical_answers_are_a_tie() -> None:
    prompt = prompts("train", 1, 0)[0]
    for name in CHARACTERS:
        verdict = annotator(name).judge(prompt.messages, prompt.meta, "Hello.", "Hello.")
        assert verdict.choice == 4


def test_a_perfect_answer_is_much_better_than_an_insult_for_whoever_looks() -> None:
    prompt = prompts("train", 1, 0)[0]
    careful = annotator("careful")
    bad = "Can you not read? Everybody knows that."
    assert careful.judge(prompt.messages, prompt.meta, prompt.reference, bad) == Verdict(1, False)
    assert careful.judge(prompt.messages, prompt.meta, bad, prompt.reference) == Verdict(7, False)
    assert careful.judge(prompt.messages, prompt.meta, bad, bad + " Learn.").both_bad


def test_the_better_the_answer_the_stronger_the_verdict() -> None:
    prompt = prompts("train", 1, 0)[0]
    worse = ["Can you not read?", prompt.reference.split("! ", 1)[-1], prompt.reference]
    choices = [
        annotator("careful").judge(prompt.messages, prompt.meta, prompt.reference, text).choice
        for text in worse
    ]
    assert all(one <= other for one, other in pairwise(choices))
    assert choices[-1] == 4


def test_a_crew_has_every_character_and_distinct_names() -> None:
    team = crew(6, 0)
    assert len({member.name for member in team}) == 6
    assert {member.character.name for member in team} == set(CHARACTERS)
    assert [member.name for member in crew(6, 0)] == [member.name for member in team]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_crew_has_as_many_as_asked_for(count: int) -> None:
    assert len(crew(count, 0)) == count
