"""Tokenizers as people have them: pad is end, no pad, no template, padding on the left."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import GenerationConfig

from rlhf.errors import ModelError
from rlhf.models.base import load_base, load_tokenizer
from rlhf.models.roles import RoleModel
from rlhf.models.sampling import sample
from rlhf.models.text import decode, left_pad, prompt_ids, response_ids, right_pad
from rlhf.settings import LoRA, Sampling
from tests.shapes import ODD, made

TALK = [{"role": "system", "content": "be kind"}, {"role": "user", "content": "and you?"}]
KINDS: dict[str, dict[str, Any]] = {
    "pad is end": {"pad_token": "<|end|>"},
    "no pad": {"pad_token": None},
    "pads on the left": {"padding_side": "left"},
}


def changed(source: Path, folder: Path, **settings: Any) -> Path:
    """A copy of a model folder whose tokenizer has other settings."""
    shutil.copytree(source, folder)
    file = folder / "tokenizer_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **settings}))
    return folder


def outcome(folder: Path) -> tuple[list[list[int]], list[float]]:
    """What is drawn, and what a reward role thinks of it."""
    roles = RoleModel(load_base(folder), load_tokenizer(folder))
    roles.add_role("reward-0", LoRA(r=4), head=True, seed=2)
    prompts = [prompt_ids(roles.tokenizer, TALK[start:], Sampling()) for start in (0, 1)]
    drawn = sample(
        roles,
        prompts,
        role=None,
        sampling=Sampling(max_new_tokens=8),
        noise_keys=[(1, 0), (1, 1)],
    )
    whole = [[*prompt, *one.ids] for prompt, one in zip(prompts, drawn, strict=True)]
    with torch.no_grad():
        return whole, roles.scores("reward-0", *right_pad(whole)).tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_how_a_tokenizer_pads_changes_nothing(kind: str, tiny_llama: Path, tmp_path: Path) -> None:
    folder = changed(tiny_llama, tmp_path / "model", **KINDS[kind])
    assert outcome(folder) == outcome(tiny_llama)


def test_a_tokenizer_without_a_template_writes_plain_turns(
    tiny_llama: Path, tmp_path: Path
) -> None:
    folder = changed(tiny_llama, tmp_path / "model")
    (folder / "chat_template.jinja").unlink()
    tokenizer = load_tokenizer(folder)
    talk = [*TALK, {"role": "assistant", "content": "fine"}, TALK[1]]
    told = tokenizer.decode(prompt_ids(tokenizer, talk, Sampling()))
    assert told == (
        "system: be kind\nuser: and you?\nassistant: fine<|end|>\nuser: and you?\nassistant:"
    )


def test_a_tokenizer_without_an_end_is_refused(tiny_llama: Path, tmp_path: Path) -> None:
    folder = changed(tiny_llama, tmp_path / "model", eos_token=None)
    with pytest.raises(ModelError, match="no end-of-sequence token"):
        load_tokenizer(folder)


@pytest.mark.parametrize(("named", "end"), [([0, 1], "<|end|>"), (0, "<|pad|>"), (None, "<|pad|>")])
def test_a_turn_ends_with_what_template_and_model_call_an_end(
    named: int | list[int] | None, end: str, tiny_llama: Path, tmp_path: Path
) -> None:
    """As with Gemma, whose tokenizer has another end of sequence than its template."""
    folder = changed(tiny_llama, tmp_path / "model", eos_token="<|pad|>")
    GenerationConfig(eos_token_id=named).save_pretrained(folder)
    tokenizer = load_tokenizer(folder)
    assert tokenizer.eos_token == end
    assert response_ids(tokenizer, "yes")[-1] == tokenizer.convert_tokens_to_ids(end)


def test_a_tokenizer_that_knows_more_than_the_model_is_refused(
    tiny_llama: Path, tmp_path: Path
) -> None:
    folder = changed(tiny_llama, tmp_path / "model")
    base = load_base(folder)
    base.config.vocab_size = 50
    with pytest.raises(ModelError, match="do not belong together"):
        RoleModel(base, load_tokenizer(folder))


def test_a_model_with_logits_of_an_unknown_kind_is_refused(tiny_llama: Path) -> None:
    base = load_base(tiny_llama)
    base.lm_head.register_forward_hook(lambda _, __, logits: 1.5 * logits)
    with pytest.raises(ModelError, match="type llama make their logits in a way"):
        RoleModel(base, load_tokenizer(tiny_llama))


@pytest.mark.parametrize("kind", ODD)
def test_logits_of_odd_kinds_are_known(kind: str, tiny_llama: Path, tmp_path: Path) -> None:
    folder = made(kind, tmp_path / kind, tiny_llama)
    RoleModel(load_base(folder), load_tokenizer(folder))


def test_an_answer_survives_encoding_and_decoding(tiny_llama: Path) -> None:
    tokenizer = load_tokenizer(tiny_llama)
    text = "naïve café, 東京 🙂"
    ids = response_ids(tokenizer, text)
    assert ids[-1] == tokenizer.eos_token_id
    assert decode(tokenizer, ids) == text
    assert response_ids(tokenizer, text, finished=False) == ids[:-1]


def test_padding_stands_where_it_should() -> None:
    ids, mask = right_pad([[5, 6], [7]])
    assert (ids.tolist(), mask.tolist()) == ([[5, 6], [7, 0]], [[1, 1], [1, 0]])
    ids, mask = left_pad([[5, 6], [7]])
    assert (ids.tolist(), mask.tolist()) == ([[5, 6], [0, 7]], [[1, 1], [0, 1]])


def test_a_system_turn_that_the_template_refuses_opens_the_question(
    tiny_llama: Path, tmp_path: Path
) -> None:
    folder = changed(tiny_llama, tmp_path / "model")
    (folder / "chat_template.jinja").write_text(
        "{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
        "{{ raise_exception('turns must alternate, a question first') }}{% endif %}"
        "{{ '<|' + m['role'] + '|>' + m['content'] + '<|end|>' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
    )
    tokenizer = load_tokenizer(folder)
    told = tokenizer.decode(prompt_ids(tokenizer, TALK, Sampling()))
    assert told == "<|user|>be kind\n\nand you?<|end|><|assistant|>"
    talk = [*TALK, {"role": "assistant", "content": "fine " * 20}, TALK[1]]
    kept = tokenizer.decode(prompt_ids(tokenizer, talk, Sampling(max_prompt_tokens=60)))
    assert kept == told, "the oldest exchange goes, and no answer without its question is left"
