"""Preflight on real tiny models: what is usable passes, what is not says why."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from rlhf.checks import Check, Verdict
from rlhf.errors import ModelError
from rlhf.preflight import examine
from rlhf.settings import Settings


def by_name(model: Path, settings: Settings) -> dict[str, Check]:
    return {check.name: check for check in examine(str(model), settings, model / "no" / "home")}


def test_a_usable_model_answers_through_an_adapter(tiny_llama: Path) -> None:
    found = by_name(tiny_llama, Settings())
    assert not [check for check in found.values() if check.verdict is Verdict.BAD]
    assert "tokens in" in found["answer"].found
    assert found["chat template"].verdict is Verdict.OK


def test_a_context_shorter_than_prompt_and_answer_is_bad(tiny_llama: Path) -> None:
    wide = Settings.model_validate({"sampling": {"max_prompt_tokens": 1000, "max_new_tokens": 64}})
    context = by_name(tiny_llama, wide)["context"]
    assert context.verdict is Verdict.BAD
    assert "1024" in context.found
    assert "max_prompt_tokens" in context.advice


def test_a_model_without_a_chat_template_is_told(tiny_llama: Path, tmp_path: Path) -> None:
    model = tmp_path / "plain"
    shutil.copytree(tiny_llama, model)
    (model / "chat_template.jinja").unlink()
    assert by_name(model, Settings())["chat template"].verdict is Verdict.WARN


def test_more_workers_than_memory_holds_is_told(tiny_llama: Path) -> None:
    crowd = Settings.model_validate({"ray": {"workers": 100_000}, "ppo": {"rollouts": 100_000}})
    assert by_name(tiny_llama, crowd)["memory"].verdict is Verdict.WARN


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"config\.json"):
        list(examine(str(tmp_path), Settings(), tmp_path))


def changed(model: Path, target: Path, **settings: str) -> Path:
    """A copy of a model with other settings of its tokenizer."""
    shutil.copytree(model, target)
    file = target / "tokenizer_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **settings}))
    return target


def test_family_and_numbers_for_memory_and_disk_are_told(tiny_llama: Path) -> None:
    found = by_name(tiny_llama, Settings())
    assert found["family"] == Check("family", Verdict.OK, "llama")
    assert "weights 0.0" in found["memory for rlhf sft"].found
    assert found["disk"].found.startswith("0.1 MiB per adapter")
    assert found["system turn"].verdict is Verdict.OK


def test_too_little_disk_and_memory_are_told(
    tiny_llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("memory", "examining"):
        monkeypatch.setattr(f"rlhf.preflight.{module}.GIB", 1)
    monkeypatch.setattr("rlhf.preflight.memory.free_gib", lambda: 0.5)
    monkeypatch.setattr("shutil.disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, 1))
    found = by_name(tiny_llama, Settings())
    assert "max_tokens" in found["memory for rlhf sft"].advice
    assert "max_prompt_tokens" in found["memory for reward models"].advice
    assert "ppo.rollouts" in found["memory for PPO"].advice
    assert "speed" not in found, "what does not fit is not loaded"
    assert "--home" in found["disk"].advice


def test_memory_of_reward_models_and_ppo_is_counted_by_what_they_hold(
    tiny_llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("memory", "examining"):
        monkeypatch.setattr(f"rlhf.preflight.{module}.GIB", 1)  # figures in bytes
    monkeypatch.setattr("rlhf.preflight.memory.WORKER_GIB", 0)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    settings = Settings.model_validate(
        {"sampling": {"max_prompt_tokens": 100, "max_new_tokens": 28}, "ray": {"workers": 2}}
    )
    found = by_name(tiny_llama, settings)
    weights, adapter = 4 * tiny_parameters(), 4 * 16 * WIDTHS
    kept = 8 * 32 + 4 * 64 + 4 * 128  # hidden sizes, inner sizes, and each head's scores
    states = 1.5 * 128 * 2 * kept * 4  # slack, tokens, layers, bytes
    keys = 32 * 128 * 2 * 2 * 2 * 8 * 4  # answers, tokens, both, layers, groups, size, bytes
    reward = weights + 4 * adapter + 16 * states
    ppo = weights + 11 * adapter + 16 * states + keys
    assert found["memory for reward models"].found.startswith(f"at most {2 * reward:.1f} GiB")
    assert f"2 at a time, {reward:.1f} each" in found["memory for reward models"].found
    assert f"2 workers, {ppo:.1f} each" in found["memory for PPO"].found


WIDTHS = 2 * ((32 + 32) * 2 + (32 + 16) * 2 + (32 + 64) * 3)
"""In and out of the seven products of two layers: a rank costs as many numbers."""


def tiny_parameters() -> int:
    """Embeddings (tied), and per layer attention, feed-forward and two norms; the last norm."""
    return 261 * 32 + 2 * (2 * 32 * 32 + 2 * 32 * 16 + 3 * 32 * 64 + 2 * 32) + 32


def test_on_a_gpu_fine_tuning_keeps_the_input_of_each_layer_alone(
    tiny_llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("memory", "examining"):
        monkeypatch.setattr(f"rlhf.preflight.{module}.GIB", 1)
    monkeypatch.setattr("rlhf.preflight.memory.free_gib", lambda: 0.0)
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    settings = Settings.model_validate({"sft": {"max_tokens": 512}})
    layer, inputs, logits = 1.5 * (8 * 32 + 4 * 64), 2 * 32, 3 * 261
    batch = 8 * 512 * 4 * (layer + inputs + logits)
    told = by_name(tiny_llama, settings)["memory for rlhf sft"].found
    assert f"8 rows of the longest kind {batch:.1f}" in told


def test_the_speed_of_reading_is_measured(tiny_llama: Path) -> None:
    speed = by_name(tiny_llama, Settings())["speed"]
    assert speed.verdict is Verdict.OK
    told = re.match(r"(\S+) s per 1,000 tokens read, in 8 rows of 128 on ", speed.found)
    assert told is not None
    assert 0 < float(told[1]) < 10


def test_text_in_many_scripts_comes_back_from_its_tokens(tiny_llama: Path) -> None:
    found = by_name(tiny_llama, Settings())["text round trip"]
    assert found.verdict is Verdict.OK
    assert "7 kinds of text and a conversation" in found.found


def test_scripts_that_a_tokenizer_loses_are_named(tiny_llama: Path, tmp_path: Path) -> None:
    model = changed(tiny_llama, tmp_path / "lossy")
    file = model / "tokenizer.json"
    tokenizer = json.loads(file.read_text())
    tokenizer["normalizer"] = {"type": "Replace", "pattern": {"String": "你"}, "content": "?"}
    file.write_text(json.dumps(tokenizer))
    found = by_name(model, Settings())["text round trip"]
    assert found.verdict is Verdict.WARN
    assert found.found == (
        "changed on the way through tokens: Chinese, Japanese and Korean, a conversation as the "
        "template writes it"
    )


def test_a_pad_token_that_also_ends_answers_is_told(tiny_llama: Path, tmp_path: Path) -> None:
    model = changed(tiny_llama, tmp_path / "one-token", pad_token="<|end|>")
    padding = by_name(model, Settings())["pad token"]
    assert padding.verdict is Verdict.WARN
    assert padding.found == "<|end|> pads, <|end|> ends"


def test_a_template_that_refuses_system_turns_is_told(tiny_llama: Path, tmp_path: Path) -> None:
    model = tmp_path / "no-system"
    shutil.copytree(tiny_llama, model)
    file = model / "chat_template.jinja"
    refusal = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('No') }}{% endif %}"
    file.write_text(refusal + file.read_text())
    assert by_name(model, Settings())["system turn"].found == "refused by the template (No)"
