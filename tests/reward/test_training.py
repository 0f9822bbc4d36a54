"""Reward models of a tiny random Llama: what they learn, leave on disk and refuse."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerBase

from reward.preferences import Preference
from reward.report import MemberReport
from reward.scoring import Encoder, differences, score_ids
from reward.splits import Job
from reward.training import fit, train_member
from rlhf.errors import ModelError, UsageError
from rlhf.models.base import load_base, load_tokenizer
from rlhf.models.roles import RoleModel
from rlhf.models.text import right_pad
from rlhf.settings import LoRA, Reward, Sampling

WORDS = ("red", "blue", "green", "stone", "river", "cloud", "table", "lamp", "door", "tree")
SETTINGS = Reward(learning_rate=3e-3)


def planted(count: int, seed: int) -> tuple[Preference, ...]:
    """Pairs of four words; the one with "thanks" is preferred to the one with "bricks"."""
    draw = random.Random(seed)

    def answer(marker: str) -> str:
        words = [draw.choice(WORDS) for _ in range(3)]
        words.insert(draw.randrange(4), marker)
        return " ".join(words)

    return tuple(
        Preference(
            prompt=[{"role": "user", "content": f"{seed}: {draw.choice(WORDS)}?"}],
            chosen=answer("thanks"),
            rejected=answer("bricks"),
            margin=0.0,
            prompt_id=index,
            rating_id=index,
            annotator_id=index % 3,
        )
        for index in range(count)
    )


def train(base: Path, folder: Path, rows: tuple[Preference, ...], seed: int = 5) -> MemberReport:
    return train_member(
        base,
        Job("reward-0", rows, (), seed),
        planted(60, seed=1),
        folder,
        settings=SETTINGS,
        lora=LoRA(),
        sampling=Sampling(),
    )


def hashes(folder: Path) -> dict[str, str]:
    return {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.iterdir())
    }


@pytest.fixture(scope="module")
def trained(
    tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, MemberReport]:
    folder = tmp_path_factory.mktemp("roles") / "reward-0"
    return folder, train(tiny_llama, folder, planted(96, seed=0))


@pytest.fixture
def tokenizer(tiny_llama: Path) -> PreTrainedTokenizerBase:
    return load_tokenizer(tiny_llama)


@cache
def untrained_role(base: Path) -> RoleModel:
    roles = RoleModel(load_base(base), load_tokenizer(base))
    roles.add_role("reward-0", LoRA(), head=True, seed=1)
    return roles


def roles_with(base: Path, folder: Path) -> RoleModel:
    roles = RoleModel(load_base(base), load_tokenizer(base))
    roles.load_role("reward-0", folder)
    return roles


def test_a_planted_preference_is_learnt(trained: tuple[Path, MemberReport]) -> None:
    _, report = trained
    assert report.accuracy.value > 0.9
    assert report.accuracy.count == 60
    assert report.loss < 0.3
    assert (report.rows, report.preferences, report.too_long) == (96, 96, 0)
    assert report.steps == 32  # 4 epochs of 6 would be fewer than the least


def test_a_role_folder_holds_safetensors_and_json_alone(trained: tuple[Path, MemberReport]) -> None:
    names = {file.name for file in trained[0].iterdir()}
    assert {"adapter_model.safetensors", "adapter_config.json", "head.safetensors"} <= names
    assert {Path(name).suffix for name in names} <= {".safetensors", ".json", ".md"}


def test_same_rows_and_seed_give_the_same_bytes(
    trained: tuple[Path, MemberReport], tiny_llama: Path, tmp_path: Path
) -> None:
    torch.manual_seed(1234)
    again = train(tiny_llama, tmp_path / "again", planted(96, seed=0))
    assert hashes(tmp_path / "again") == hashes(trained[0])
    assert again.loss == trained[1].loss


def test_another_seed_gives_another_adapter(
    trained: tuple[Path, MemberReport], tiny_llama: Path, tmp_path: Path
) -> None:
    train(tiny_llama, tmp_path / "other", planted(96, seed=0), seed=6)
    weights = "adapter_model.safetensors"
    assert hashes(tmp_path / "other")[weights] != hashes(trained[0])[weights]


def test_the_loaded_role_scores_what_was_trained(
    tiny_llama: Path, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    roles = RoleModel(load_base(tiny_llama), tokenizer)
    roles.add_role("reward-0", LoRA(), head=True, seed=1)
    encoder = Encoder(tokenizer, Sampling(), longest=1024)
    rows = encoder.pairs(planted(16, seed=0))
    fit(roles, "reward-0", rows, SETTINGS, seed=1, progress=lambda done, total, text: None)
    roles.save_role("reward-0", tmp_path / "role")
    sequences = [row.chosen for row in rows]
    expected = score_ids(roles, "reward-0", sequences)
    loaded = score_ids(roles_with(tiny_llama, tmp_path / "role"), "reward-0", sequences)
    assert loaded.tolist() == expected.tolist()


@pytest.mark.slow
def test_another_process_scores_the_same_batch_exactly_the_same(
    trained: tuple[Path, MemberReport], tiny_llama: Path, tokenizer: PreTrainedTokenizerBase
) -> None:
    program = (
        "import sys, torch\n"
        "from rlhf.models.base import load_base, load_tokenizer\n"
        "from rlhf.models.roles import RoleModel\n"
        "from reward.scoring import score_ids\n"
        "roles = RoleModel(load_base(sys.argv[1]), load_tokenizer(sys.argv[1]))\n"
        "roles.load_role('reward-0', sys.argv[2])\n"
        "torch.set_num_threads(int(sys.argv[3]))\n"
        "print(score_ids(roles, 'reward-0', [[5, 9, 12, 1], [3, 20, 21]]).tolist())\n"
    )
    threads = str(torch.get_num_threads())
    done = subprocess.run(
        [sys.executable, "-c", program, str(tiny_llama), str(trained[0]), threads],
        capture_output=True,
        text=True,
        check=True,
    )
    batch = [[5, 9, 12, 1], [3, 20, 21]]
    here = score_ids(roles_with(tiny_llama, trained[0]), "reward-0", batch)
    assert json.loads(done.stdout.splitlines()[-1]) == here.tolist()


@given(
    sequences=st.lists(
        st.lists(st.integers(2, 60), min_size=1, max_size=24), min_size=2, max_size=6
    ),
    padding=st.integers(0, 40),
    order=st.randoms(use_true_random=False),
)
def test_a_score_depends_on_nothing_but_the_response(
    tiny_llama: Path, sequences: list[list[int]], padding: int, order: random.Random
) -> None:
    roles = untrained_role(tiny_llama)
    alone = [score_ids(roles, "reward-0", [one])[0] for one in sequences]
    shuffled = order.sample(range(len(sequences)), len(sequences))
    together = score_ids(roles, "reward-0", [sequences[place] for place in shuffled])
    assert together == pytest.approx([alone[place] for place in shuffled], abs=1e-5)
    ids, mask = right_pad(sequences)
    wide = torch.nn.functional.pad(ids, (0, padding), value=roles.tokenizer.eos_token_id)
    with torch.inference_mode():
        padded = roles.scores("reward-0", wide, torch.nn.functional.pad(mask, (0, padding)))
    assert padded.tolist() == pytest.approx(alone, abs=1e-5)


def test_padding_with_the_end_token_does_not_move_the_score(
    tiny_llama: Path, tokenizer: PreTrainedTokenizerBase
) -> None:
    tokenizer.pad_token = tokenizer.eos_token
    roles = RoleModel(load_base(tiny_llama), tokenizer)
    roles.add_role("reward-0", LoRA(), head=True, seed=1)
    end = tokenizer.eos_token_id
    short, long = [3, 20, 21, end, 4, 30, 31, end], list(range(5, 40))
    alone = [score_ids(roles, "reward-0", [one])[0] for one in (short, long, short[:-1])]
    together = score_ids(roles, "reward-0", [short, long, short[:-1]])
    assert together == pytest.approx(alone, abs=1e-5)
    assert alone[0] != pytest.approx(alone[2], abs=1e-4)


def test_training_with_the_end_token_as_padding_learns_as_well(
    tiny_llama: Path, tokenizer: PreTrainedTokenizerBase
) -> None:
    tokenizer.pad_token = tokenizer.eos_token
    roles = RoleModel(load_base(tiny_llama), tokenizer)
    roles.add_role("reward-0", LoRA(), head=True, seed=1)
    encoder = Encoder(tokenizer, Sampling(), longest=1024)
    done: list[tuple[int, int]] = []
    fit(
        roles,
        "reward-0",
        encoder.pairs(planted(64, seed=0)),
        SETTINGS,
        seed=1,
        progress=lambda step, steps, text: done.append((step, steps)),
    )
    heldout = differences(roles, "reward-0", encoder.pairs(planted(40, seed=1)))
    assert (heldout > 0).mean() > 0.9
    assert done == [(step, 32) for step in range(1, 33)]


def test_the_loss_is_bradley_terry_with_margin_centring_and_weights(
    tiny_llama: Path, tokenizer: PreTrainedTokenizerBase
) -> None:
    roles = RoleModel(load_base(tiny_llama), tokenizer)
    roles.add_role("reward-0", LoRA(), head=True, seed=1)
    encoder = Encoder(tokenizer, Sampling(), longest=1024)
    rows = planted(16, seed=0)
    pairs = encoder.pairs(
        [replace(row, margin=0.5, weight=1 / (1 + row.rating_id)) for row in rows]
    )
    still = Reward(learning_rate=1e-12, centre=0.2)
    fitted = fit(roles, "reward-0", pairs, still, seed=1, progress=lambda done, steps, text: None)
    chosen = score_ids(roles, "reward-0", [pair.chosen for pair in pairs])
    rejected = score_ids(roles, "reward-0", [pair.rejected for pair in pairs])
    by_hand = np.log1p(np.exp(-(chosen - rejected - 0.5))) + 0.2 * (chosen + rejected) ** 2
    weights = np.array([pair.source.weight for pair in pairs])
    by_hand *= weights / weights.mean()
    assert fitted.loss == pytest.approx(by_hand.mean(), rel=1e-5)
    assert fitted.steps == 32


def test_ratings_of_little_weight_move_little(
    tiny_llama: Path, tokenizer: PreTrainedTokenizerBase
) -> None:
    """As many contradicting rows as true ones: the weights alone say which to believe."""
    encoder = Encoder(tokenizer, Sampling(), longest=1024)
    true = planted(48, seed=0)
    turned = [
        replace(row, chosen=row.rejected, rejected=row.chosen, weight=0.1)
        for row in planted(48, seed=2)
    ]
    roles = RoleModel(load_base(tiny_llama), tokenizer)
    roles.add_role("reward-0", LoRA(), head=True, seed=1)
    fit(
        roles,
        "reward-0",
        encoder.pairs([*true, *turned]),
        SETTINGS,
        seed=1,
        progress=lambda done, steps, text: None,
    )
    heldout = differences(roles, "reward-0", encoder.pairs(planted(40, seed=1)))
    assert (heldout > 0).mean() > 0.85


def test_training_ends_early_and_keeps_the_weights_that_did_best_on_unseen_rows(
    tiny_llama: Path, tokenizer: PreTrainedTokenizerBase
) -> None:
    """Labels at random: every pass over them makes unseen rows worse."""
    draw = random.Random(3)
    rows = [
        replace(row, chosen=row.rejected, rejected=row.chosen) if draw.random() < 0.5 else row
        for row in planted(96, seed=0)
    ]
    encoder = Encoder(tokenizer, Sampling(), longest=1024)
    roles = RoleModel(load_base(tiny_llama), tokenizer)
    roles.add_role("reward-0", LoRA(), head=True, seed=1)
    stopping = encoder.pairs(rows[64:])
    done: list[int] = []
    fitted = fit(
        roles,
        "reward-0",
        encoder.pairs(rows[:64]),
        replace_epochs(12),
        seed=1,
        stopping=stopping,
        progress=lambda step, steps, text: done.append(step),
    )
    margins = differences(roles, "reward-0", stopping)
    centred = score_ids(roles, "reward-0", [one.chosen for one in stopping])
    others = score_ids(roles, "reward-0", [one.rejected for one in stopping])
    by_hand = np.logaddexp(0, -margins) + SETTINGS.centre * (centred + others) ** 2
    assert fitted.stopping_loss == pytest.approx(by_hand.mean(), rel=1e-4)
    assert fitted.steps < max(done) < 12 * 4


def replace_epochs(epochs: int) -> Reward:
    return SETTINGS.model_copy(update={"epochs": epochs})


def test_more_rows_take_whole_epochs(tiny_llama: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    roles = RoleModel(load_base(tiny_llama), tokenizer)
    roles.add_role("reward-0", LoRA(), head=True, seed=1)
    pairs = Encoder(tokenizer, Sampling(), longest=1024).pairs(planted(34, seed=0))
    settings = Reward(epochs=2, batch_size=2)
    fitted = fit(
        roles, "reward-0", pairs, settings, seed=1, progress=lambda done, steps, text: None
    )
    assert fitted.steps == 2 * 17


def test_training_reads_the_ids_that_ppo_scores(tokenizer: PreTrainedTokenizerBase) -> None:
    encoder = Encoder(tokenizer, Sampling(), longest=1024)
    prompt = [{"role": "user", "content": "Hi"}]
    finished = encoder.answer(prompt, "Yes", finished=True)
    assert tokenizer.decode(finished) == "<|user|>Hi<|end|><|assistant|>Yes<|end|>"
    assert encoder.answer(prompt, "Yes", finished=False) == finished[:-1]


def test_rows_beyond_the_context_are_left_out_and_counted(tiny_llama: Path, tmp_path: Path) -> None:
    long = Preference(
        prompt=[{"role": "user", "content": "Hi"}],
        chosen="word " * 300,
        rejected="no",
        margin=0.0,
        prompt_id=9,
        rating_id=9,
        annotator_id=1,
    )
    report = train(tiny_llama, tmp_path / "role", (*planted(8, seed=0), long))
    assert (report.rows, report.too_long) == (8, 1)


def test_nothing_to_train_on_is_said_in_words(tiny_llama: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="reward-0 has no preference"):
        train(tiny_llama, tmp_path / "role", ())
    assert not (tmp_path / "role").exists()


def test_a_missing_head_is_refused(
    trained: tuple[Path, MemberReport], tiny_llama: Path, tmp_path: Path
) -> None:
    shutil.copytree(trained[0], tmp_path / "role")
    (tmp_path / "role" / "head.safetensors").unlink()
    with pytest.raises(ModelError, match="head"):
        roles_with(tiny_llama, tmp_path / "role")


def test_the_head_of_another_base_is_refused(
    trained: tuple[Path, MemberReport], tiny_llama: Path, tmp_path: Path
) -> None:
    other = load_base(tiny_llama)
    with torch.no_grad():
        next(other.parameters()).mul_(1.5)
    other.save_pretrained(tmp_path / "base")
    load_tokenizer(tiny_llama).save_pretrained(tmp_path / "base")
    with pytest.raises(ModelError):
        roles_with(tmp_path / "base", trained[0])


SHAPES = {
    "qwen2": {"num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 64},
    "gpt2": {"n_positions": 256, "n_head": 4},
}


@pytest.mark.parametrize("shape", SHAPES)
def test_other_architectures_train_and_come_back_with_the_same_score(
    shape: str, tiny_llama: Path, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.for_model(
        shape, vocab_size=300, hidden_size=32, num_hidden_layers=2, eos_token_id=1, **SHAPES[shape]
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    report = train(tmp_path / "base", tmp_path / "role", planted(64, seed=0))
    assert report.accuracy.value > 0.9
    roles = roles_with(tmp_path / "base", tmp_path / "role")
    encoder = Encoder(tokenizer, Sampling(), longest=256)
    again = differences(roles, "reward-0", encoder.pairs(planted(60, seed=1)))
    assert (again > 0).mean() == report.accuracy.value
