"""The model card says what a model was made from and what was measured; nothing in it is markup."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rlhf.errors import NotFound
from rlhf.registry import card
from rlhf.registry.full_card import full_card
from rlhf.settings import Card
from rlhf.store import Connection, Store, checkpoints, datasets, evaluations, facts

BASE = {"path": "/models/my: base\n---\nevil: 1", "sha256": "b" * 64}
SFT, TUNED = "5" * 64, "7" * 64
HOSTILE = "<img src=x onerror=alert(1)>|[a](javascript:b)"


def record(tx: Connection, digest: str, parent: str | None, **more: Any) -> None:
    checkpoints.record_checkpoint(
        tx, digest=digest, kind="policy", round_id=None, parent=parent, base=BASE, **more
    )


@pytest.fixture
def filled(store: Store) -> Store:
    """A base, a model that was fine-tuned on own data, and what was measured of it."""
    with store.write() as tx:
        facts.put(tx, "base", {**BASE, "starter": True})
        report = {
            "rows": 12, "kept": 9, "splits": {"train": 7, "validation": 1, "test": 1},
            "dropped": {"exact duplicate": 3},
            "changed": {},
            "masked": {"email": {"rows": 2, "values": 5}},
            "tables": {"source": [{"name": HOSTILE, "before": 12, "after": 9, "train": 7}]},
        }  # fmt: skip
        datasets.record_dataset(tx, digest="d" * 64, settings={}, report=report)
        record(tx, "0" * 64, None)
        sft = {"dataset": "d" * 64, "settings": {"epochs": 3, "lora": {"r": 16}}}
        record(tx, SFT, "0" * 64, lineage={"sft": sft}, figures={"perplexity": 2.5})
        record(tx, TUNED, SFT, lineage={"manifest": "e" * 64, "seed": 4})
        figure = {"value": 0.4321, "low": 0.4, "high": 0.5, "count": 80}
        evaluations.add_evaluation(
            tx, kind="evaluation", checkpoints=[SFT], settings={},
            report={"checkpoints": [{"digest": SFT, "name": "v1", "figures": {"rouge_l": figure}}],
                    "prompts": 80, "source": "the test split", "win_rates": []},
        )  # fmt: skip
        difference = {"subject": "v1", "measure": "length", "attribute": "name", "group": "A",
                      "difference": -9.5, "low": -11.0, "high": -8.0, "matters": 2.0,
                      "corrected": 0.0001}  # fmt: skip
        evaluations.add_evaluation(
            tx, kind="bias", checkpoints=[SFT], settings={},
            report={"conclusion": "v1: 1 finding.", "findings": [{"words": f"shorter {HOSTILE}"}],
                    "checkpoints": [{"digest": SFT, "name": "v1"}], "differences": [difference],
                    "limits": ["Languages: English alone."]},
        )  # fmt: skip
    return store


def test_it_states_data_settings_figures_bias_and_limits(filled: Store) -> None:
    with filled.read() as tx:
        text = full_card(tx, "v1", Card())
    for part in (
        "fine-tuned on the answers of the cleaned data set dddddddddddd",
        "| kept | 9 |", "| in train | 7 |", "| dropped | exact duplicate | 3 |",
        "| masked | email | 2 |", "| epochs | 3 |", "| lora.r | 16 |", "| perplexity | 2.5 |",
        "| rouge l | 0.4321 | 0.4 | 0.5 | 80 |", "v1: 1 finding.", "| length | name: A |",
        "Languages: English alone.", "built-in starter",
        "Not stated by the people", BASE["sha256"],
    ):  # fmt: skip
        assert part in text, part


def test_what_people_say_of_their_model_stands_in_it(filled: Store) -> None:
    said = Card(name="Shop helper", owner="Anna", contact="anna@shop.example", license="mit",
                intended_use="Answers customers.", out_of_scope="Legal advice.")  # fmt: skip
    with filled.read() as tx:
        text = full_card(tx, "v1", said)
    for part in ("# Shop helper", "Owner: Anna", "anna&#64;shop", 'license: "mit"',
                 "Answers customers.", "Legal advice."):  # fmt: skip
        assert part in text
    assert "Not stated" not in text


def test_a_model_inherits_the_data_of_what_it_came_from(filled: Store) -> None:
    with filled.read() as tx:
        text = full_card(tx, TUNED, Card())
    assert "Ratings behind v2" in text
    assert "| in train | 7 |" in text
    assert "It has not been checked by `rlhf bias` yet." in text


def test_front_matter_is_yaml_that_no_text_ends_early(filled: Store) -> None:
    with filled.read() as tx:
        text = full_card(tx, "v1", Card(license="a\x00: b\n---"), merged=True)
    opening, front, _ = text.split("---\n", 2)
    head = {key: json.loads(value) for key, value in
            (line.split(": ", 1) for line in front.splitlines())}  # fmt: skip
    assert opening == ""
    assert head["base_model"] == "/models/my: base --- evil: 1"
    assert head["library_name"] == "transformers"
    assert head["license"] == "a : b ---"


def test_nothing_that_people_wrote_is_markup(filled: Store) -> None:
    with filled.read() as tx:
        text = full_card(tx, "v1", Card(name=HOSTILE, owner=HOSTILE, intended_use=HOSTILE))
    assert "<img" not in text
    assert "[a](" not in text


def test_the_published_card_is_short_and_names_the_one_that_is_not(tmp_path: Path) -> None:
    card.write(tmp_path, base=BASE, round_id=3, figures={"kl": 1.5}, lineage={"manifest": HOSTILE})
    text = (tmp_path / "README.md").read_text()
    assert "Round 3 of the feedback loop" in text
    assert "`rlhf card`" in text
    assert "<img" not in text
    assert json.loads((tmp_path / "lineage.json").read_text()) == {"manifest": HOSTILE}


def test_an_unknown_checkpoint_has_no_card(filled: Store) -> None:
    with filled.read() as tx, pytest.raises(NotFound, match="v9"):
        full_card(tx, "v9", Card())
