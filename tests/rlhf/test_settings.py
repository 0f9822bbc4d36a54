"""Settings: where they come from, what wins, and what is refused with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from rlhf.errors import InputError
from rlhf.settings import load_settings, settings_from


def test_the_environment_stands_above_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rlhf.toml").write_text("seed = 3\n[ppo]\niterations = 7\n")
    assert load_settings(tmp_path).ppo.iterations == 7
    monkeypatch.setenv("RLHF_PPO__ITERATIONS", "9")
    found = load_settings(tmp_path)
    assert (found.seed, found.ppo.iterations) == (3, 9)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sed = 3", r"rlhf\.toml, field 'sed'"),
        ("[ppo]\niterations = 0", r"field 'ppo\.iterations'"),
        ("seed = ", r"rlhf\.toml: not valid TOML"),
    ],
)
def test_a_wrong_file_is_refused_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "rlhf.toml").write_text(text)
    with pytest.raises(InputError, match=said):
        load_settings(tmp_path)


def test_fewer_rollouts_than_workers_are_refused() -> None:
    tree = {"ppo": {"rollouts": 3}, "ray": {"workers": 4}}
    with pytest.raises(InputError, match=r"ppo\.rollouts \(3\) must be at least ray\.workers"):
        settings_from(tree, origin="test")


def test_none_in_words_takes_a_value_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rlhf.toml").write_text('[ppo]\nkl_target = "none"\n')
    assert load_settings(tmp_path).ppo.kl_target is None
    monkeypatch.setenv("RLHF_RAY__ADDRESS", "none")
    assert load_settings(tmp_path).ray.address is None
    (tmp_path / "rlhf.toml").write_text('[ppo]\niterations = "none"\n')
    with pytest.raises(InputError, match=r"field 'ppo\.iterations'"):
        load_settings(tmp_path)
