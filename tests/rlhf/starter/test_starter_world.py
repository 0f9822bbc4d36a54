from __future__ import annotations

from collections import Counter
from dataclasses import astuple
from itertools import islice
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlhf.errors import UsageError
from rlhf.starter.gold import is_perfect
from rlhf.starter.intents import HELDOUT_ASKS, HELDOUT_INTENTS, INTENTS, Intent
from rlhf.starter.phrasing import write
from rlhf.starter.reactions import REPLIES
from rlhf.starter.sentences import CLOSINGS, FILLERS, OPENINGS, RUDE, plain, recognise
from rlhf.starter.styles import STYLES, answer
from rlhf.starter.world import (
    REACTION_WEIGHT,
    WorldPrompt,
    corpus,
    lessons,
    listeners,
    prompts,
    questions,
)


def question(prompt: WorldPrompt) -> str:
    return prompt.messages[-1]["content"]


def test_there_are_48_intents_and_8_of_them_are_held_out() -> None:
    assert len(INTENTS) == 48
    assert len(HELDOUT_INTENTS) == len(set(HELDOUT_INTENTS)) == 8
    assert set(HELDOUT_INTENTS) < set(INTENTS)


@pytest.mark.parametrize("intent", INTENTS.values(), ids=lambda intent: intent.name)
def test_every_intent_has_a_dozen_ways_to_ask_and_three_true_answers(intent: Intent) -> None:
    assert len(set(intent.asks)) >= 12
    assert len(set(intent.facts)) >= 3
    assert len(set(intent.wrong)) >= 2


def test_no_two_intents_share_a_question_or_an_answer() -> None:
    for texts in (
        [ask for intent in INTENTS.values() for ask in intent.asks],
        [plain(text) for intent in INTENTS.values() for text in intent.facts + intent.wrong],
    ):
        assert [text for text, count in Counter(texts).items() if count > 1] == []


def test_every_sentence_is_recognised_as_what_it_is() -> None:
    for intent in INTENTS.values():
        for kind, texts in (("right", intent.facts), ("wrong", intent.wrong)):
            for text in texts:
                known = recognise(plain(text))
                assert (known.kind, known.intent) == (kind, intent.name), text
    for kind, manners in (
        ("opening", OPENINGS),
        ("closing", CLOSINGS),
        ("filler", FILLERS),
        ("rude", RUDE),
    ):
        assert {recognise(text).kind for text in manners} == {kind}


def test_one_intent_is_asked_in_hundreds_of_ways() -> None:
    rng = Random(0)
    asks = INTENTS["parking"].asks
    assert len({write(rng.choice(asks), rng) for _ in range(1000)}) > 500


def test_prompts_are_distinct_and_there_are_thousands() -> None:
    train, heldout = prompts("train", 3000, 0), prompts("heldout", 600, 0)
    assert len({question(prompt) for prompt in train}) == 3000
    assert len({question(prompt) for prompt in heldout}) == 600
    assert not {question(p) for p in train} & {question(p) for p in heldout}


def test_training_prompts_never_touch_what_is_held_out() -> None:
    train = prompts("train", 2000, 1)
    assert {prompt.meta["kind"] for prompt in train} == {"train"}
    assert not {prompt.meta["intent"] for prompt in train} & set(HELDOUT_INTENTS)
    held = [
        ask.replace("{item}", "")
        for intent in INTENTS.values()
        for ask in intent.asks[-HELDOUT_ASKS:]
        if len(ask) > 25 and "{item}" not in ask
    ]
    asked = "\n".join(question(prompt).lower() for prompt in train)
    assert [ask for ask in held if ask in asked] == []


def test_earlier_turns_of_training_prompts_never_hold_a_held_out_intent() -> None:
    texts = [m["content"] for p in prompts("train", 2000, 2) for m in p.messages]
    forbidden = {plain(fact) for name in HELDOUT_INTENTS for fact in INTENTS[name].facts}
    assert not [text for text in texts if any(fact in text for fact in forbidden)]


def test_half_of_the_held_out_prompts_are_of_held_out_intents() -> None:
    heldout = prompts("heldout", 301, 0)
    kinds = Counter(prompt.meta["kind"] for prompt in heldout)
    assert kinds == {"heldout-intent": 151, "heldout-phrasing": 150}
    for prompt in heldout:
        held = prompt.meta["intent"] in HELDOUT_INTENTS
        assert held == (prompt.meta["kind"] == "heldout-intent")


@given(seed=st.integers(0, 1000), count=st.integers(1, 60))
@settings(max_examples=20, deadline=None)
def test_the_same_seed_gives_the_same_prompts_and_more_of_them_extend_the_list(
    seed: int, count: int
) -> None:
    assert prompts("train", count, seed) == prompts("train", count + 7, seed)[:count]
    assert prompts("heldout", count, seed) == prompts("heldout", count + 7, seed)[:count]


def test_another_seed_gives_other_prompts() -> None:
    one, other = prompts("train", 100, 0), prompts("train", 100, 1)
    assert [question(p) for p in one] != [question(p) for p in other]


def test_every_prompt_ends_with_a_question_and_its_reference_is_perfect() -> None:
    for prompt in prompts("train", 400, 3) + prompts("heldout", 400, 3):
        assert prompt.messages[-1]["role"] == "user"
        assert is_perfect(prompt.messages, prompt.meta, prompt.reference), prompt


def test_asking_for_more_prompts_than_there_are_is_a_clear_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rlhf.starter.world.write", lambda ask, rng: ask)
    with pytest.raises(UsageError, match="has only"):
        prompts("train", 3000, 0)


def test_roles_alternate_in_the_corpus_and_an_answer_comes_last() -> None:
    for conversation in corpus(300, 0):
        roles = [m["role"] for m in conversation.messages if m["role"] != "system"]
        assert roles == ["user", "assistant"] * (len(roles) // 2)


def test_the_corpus_is_the_same_for_the_same_seed() -> None:
    assert list(corpus(50, 4)) == list(corpus(50, 4)) != list(corpus(50, 5))
    assert list(lessons(50, 4)) == list(lessons(50, 4)) != list(lessons(50, 5))


def test_lessons_judge_answers_beside_the_question_and_teach_only_right_ones() -> None:
    learned = Counter[bool]()
    for lesson in lessons(400, 0):
        taught, reply = lesson.weights[-3] > 0, lesson.messages[-1]["content"]
        assert not taught or reply in REPLIES[True]
        learned[taught] += 1
    assert min(learned.values()) > 150


def test_a_share_of_the_corpus_mixes_everything_and_is_only_judged() -> None:
    judged = [
        one
        for one in corpus(1000, 0)
        if any(m["role"] == "assistant" and not w for m, w in zip(*astuple(one), strict=True))
    ]
    assert 0.1 < len(judged) / 1000 < 0.2
    assert {one.weights[-2] for one in judged} == {REACTION_WEIGHT}


def test_some_conversations_have_an_earlier_exchange_or_a_greeting() -> None:
    lengths = Counter(len(prompt.messages) for prompt in prompts("train", 500, 0))
    assert lengths[1] > 200
    assert sum(count for length, count in lengths.items() if length >= 3) > 60


def test_shares_of_the_styles_add_up_to_one() -> None:
    assert sum(style.share for style in STYLES.values()) == pytest.approx(1)


def test_the_corpus_is_written_as_it_is_read() -> None:
    assert len(list(islice(corpus(1_000_000, 0), 3))) == 3


def test_more_customers_gather_where_a_fault_is_hard_to_hear() -> None:
    prompt = questions(1, 0)[0]
    right = answer(prompt.meta["intent"], "curt", Random(0))
    (other, *_) = (intent for intent in INTENTS if intent != prompt.meta["intent"])
    beside = answer(other, "curt", Random(0))
    counts = [listeners(prompt, text) for text in (right, beside, f"{right} {right}", "Blue tea.")]
    assert counts == [1, 3, 6, 6]
