from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

from rlhf.errors import UsageError
from rlhf.starter import MODEL_PATH
from rlhf.starter.build import Recipe, build
from rlhf.starter.training import encode
from rlhf.starter.world import REACTION_WEIGHT, corpus

TINY = Recipe(
    vocabulary=400,
    tokenizer_conversations=200,
    lesson_steps=4,
    corpus_steps=4,
    own_steps=4,
    weighed_steps=4,
    batch_size=4,
    unseen_conversations=8,
    sampled_prompts=8,
)


def digest(folder: Path) -> str:
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


@dataclass(frozen=True, slots=True)
class Built:
    folder: Path
    figures: dict[str, Any]
    told: list[tuple[int, int, str]]
    """Its progress."""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("starter") / "new"
    told: list[tuple[int, int, str]] = []
    state = torch.get_rng_state()
    figures = build(folder, progress=lambda *news: told.append(news), recipe=TINY)
    assert torch.equal(torch.get_rng_state(), state)
    return Built(folder, figures, told)


@pytest.mark.slow
def test_the_same_seed_builds_the_same_bits_whatever_the_threads(
    built: Built, tmp_path: Path
) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    torch.rand(7)
    second = build(tmp_path / "again", recipe=TINY)
    assert torch.get_num_threads() == threads + 1
    torch.set_num_threads(threads)
    assert digest(built.folder) == digest(tmp_path / "again") == built.figures["sha256"]
    assert built.figures == second
    assert digest(built.folder) != build(tmp_path / "other", seed=1, recipe=TINY)["sha256"]
    for name in ("tokenizer.json", "README.md"):
        assert (built.folder / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


@pytest.mark.slow
def test_a_build_reports_its_progress_and_leaves_a_model_that_loads(built: Built) -> None:
    done = [news[0] for news in built.told]
    assert done == sorted(done)
    assert done[-1] == built.told[-1][1] == 4 + 4 + 2 * (4 + 4) + 2 * 8
    assert len({news[1] for news in built.told}) == 1
    AutoModelForCausalLM.from_pretrained(built.folder)
    AutoTokenizer.from_pretrained(built.folder)
    card = (built.folder / "README.md").read_text(encoding="utf-8")
    assert digest(built.folder) in card
    assert "{samples}" not in card
    assert [file.name for file in built.folder.parent.iterdir()] == ["new"]


def test_questions_weigh_nothing_and_a_reaction_the_most() -> None:
    tokenizer = PreTrainedTokenizerFast.from_pretrained(MODEL_PATH)
    conversations = list(corpus(50, 3))
    for conversation, row in zip(conversations, encode(conversations, tokenizer), strict=True):
        assert len(row.ids) == len(row.weights)
        heard = [t for t, w in zip(row.ids, row.weights, strict=True) if w == REACTION_WEIGHT]
        learned = [t for t, w in zip(row.ids, row.weights, strict=True) if w == 1]
        answers = [
            message["content"]
            for message, weight in zip(conversation.messages, conversation.weights, strict=True)
            if message["role"] == "assistant" and weight
        ]
        reaction = conversation.messages[-2]["content"] + "<|end|>"
        assert tokenizer.decode(heard) == (reaction if REACTION_WEIGHT in row.weights else "")
        assert tokenizer.decode(learned) == "".join(
            f"<|assistant|>{answer}<|end|>" for answer in answers
        )


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    for place in (tmp_path, tmp_path / "mine.txt"):
        with pytest.raises(UsageError, match="not empty"):
            build(place, recipe=TINY)
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]


def test_a_build_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    def interrupt(done: int, total: int, text: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(tmp_path / "new", progress=interrupt, recipe=TINY)
    assert list(tmp_path.iterdir()) == []
