"""Preflight on real tiny models: what is usable passes, what is not says why."""

from __future__ import annotations

import json
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
    monkeypatch.setattr("rlhf.preflight.GIB", 1)
    monkeypatch.setattr("rlhf.preflight._free_gib", lambda: 0.5)
    monkeypatch.setattr("shutil.disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, 1))
    found = by_name(tiny_llama, Settings())
    assert "max_tokens" in found["memory for rlhf sft"].advice
    assert "--home" in found["disk"].advice


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
