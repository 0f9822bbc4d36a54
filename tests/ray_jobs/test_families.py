"""Every family that people bring: fine-tuned, scored, improved by PPO, merged and measured.

Random models of two layers with the starter's tokenizer, given by their local path; the real code
of every step, in this process.
"""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from torch.nn.functional import cross_entropy
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from ray_jobs.measuring import Measurer
from ray_jobs.messages import Mind, Question
from reward.preferences import Preference
from reward.scoring import Encoder, differences
from reward.splits import Job
from reward.training import train_member
from rlhf import starter
from rlhf.data.datasets import Example
from rlhf.models.base import load_base, load_tokenizer
from rlhf.models.roles import RoleModel
from rlhf.models.text import prompt_ids
from rlhf.ppo.learner import Learner
from rlhf.ppo.rollout import PromptItem
from rlhf.ppo.scoring import POLICY, add_value
from rlhf.registry.merging import merge_in_place
from rlhf.settings import PPO, SFT, LoRA, Reward, Sampling
from rlhf.sft.rows import Writer
from rlhf.sft.training import fit

SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
}
GPT2: dict[str, Any] = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 256}
FAMILIES: dict[str, dict[str, Any]] = {
    "llama": {**SIZES, "tie_word_embeddings": True},
    "qwen2": {**SIZES, "tie_word_embeddings": True},
    "qwen3": {**SIZES, "head_dim": 8, "tie_word_embeddings": False},
    "mistral": {**SIZES, "head_dim": 8, "sliding_window": 32},
    "gemma": {**SIZES, "num_key_value_heads": 1, "head_dim": 8},
    "gemma2": {**SIZES, "head_dim": 8, "query_pre_attn_scalar": 8, "sliding_window": 32},
    "gemma3_text": {**SIZES, "head_dim": 8, "query_pre_attn_scalar": 8, "sliding_window": 32},
    "gpt2": GPT2,
    "phi": SIZES,
    "phi3": {**SIZES, "pad_token_id": 0},
}
GEMMA_TEMPLATE = (
    "{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('no system') }}"
    "{% endif %}{{ '<|' + m['role'] + '|>' + m['content'] | trim + '<|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
"""Refuses system turns, as Gemma's does."""
SMALL = LoRA(r=4, alpha=8)
SAMPLING = Sampling(max_new_tokens=8)
SYSTEM = {"role": "system", "content": "Be kind."}


def made(family: str, folder: Path) -> Path:
    """A random model of a family, as a folder that somebody brings."""
    folder.mkdir()
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(starter.MODEL_PATH / name, folder / name)
    if family.startswith("gemma"):
        (folder / "chat_template.jinja").write_text(GEMMA_TEMPLATE)
    tokens = {"vocab_size": 1280, "eos_token_id": 1, "bos_token_id": None}
    config = AutoConfig.for_model(family, **tokens, **FAMILIES[family])
    with torch.random.fork_rng():
        torch.manual_seed(1)
        AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return folder


def asked(number: int) -> list[dict[str, str]]:
    return [SYSTEM, {"role": "user", "content": f"Where is parcel {number}?"}]


def examples(start: int, count: int) -> list[Example]:
    return [
        Example(
            "chat",
            [*asked(number), {"role": "assistant", "content": "Thank you, it is on its way."}],
            "",
            "test",
            str(number),
            number,
        )
        for number in range(start, start + count)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_goes_all_the_way(family: str, tmp_path: Path) -> None:
    base = made(family, tmp_path / "base")
    adapter = fine_tuned(base, tmp_path)
    member = rewarded(base, tmp_path)
    candidate = improved(base, adapter, member, tmp_path)
    measured(base, candidate)
    merged_is_the_same(base, adapter, tmp_path)


def fine_tuned(base: Path, folder: Path) -> Path:
    """An adapter that has learned: lower loss, and plain PEFT agrees with it."""
    tokenizer = load_tokenizer(base)
    train, validation = (
        list(Writer(tokenizer, 256).rows(examples(*some))) for some in ((0, 12), (50, 4))
    )
    settings = SFT(epochs=2, batch_size=4, learning_rate=5e-3, evaluations=2)
    fitted = fit(
        load_base(base),
        tokenizer,
        train,
        validation,
        folder / "work",
        folder / "sft",
        settings=settings,
        lora=SMALL,
        seed=0,
    )
    assert fitted.validation_loss is not None
    assert fitted.validation_loss_before is not None
    assert fitted.validation_loss < fitted.validation_loss_before
    roles = RoleModel(load_base(base), tokenizer)
    roles.load_role(POLICY, folder / "sft")
    plain = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(base), str(folder / "sft")
    )
    ids = torch.tensor([validation[0].ids])
    with torch.no_grad():
        ours = roles.logits(roles.hidden(POLICY, ids, torch.ones_like(ids)))
        theirs = plain(input_ids=ids).logits
    assert torch.allclose(ours, theirs, atol=1e-4)
    loss = cross_entropy(theirs[0, :-1], torch.tensor(validation[0].labels[1:]))
    assert float(loss) == pytest.approx(fitted.validation_loss, rel=0.2), "one row of four alike"
    return folder / "sft"


def rewarded(base: Path, folder: Path) -> Path:
    """A reward model that has learned which of two answers people prefer."""
    pairs = tuple(
        Preference(asked(number), "Thank you!", "No.", 0.0, number, number, 0)
        for number in range(24)
    )
    given: dict[str, Any] = {"lora": SMALL, "sampling": SAMPLING}
    settings = Reward(learning_rate=3e-3, epochs=2)
    job = Job("reward-0", pairs[:16], (), 1)
    report = train_member(base, job, pairs[16:], folder / "reward-0", settings=settings, **given)
    assert report.accuracy.value == 1.0
    roles = RoleModel(load_base(base), load_tokenizer(base))
    roles.load_role("reward-0", folder / "reward-0")
    encoder = Encoder(roles.tokenizer, SAMPLING, longest=roles.context)
    assert (differences(roles, "reward-0", encoder.pairs(pairs[16:])) > 0).all()
    return folder / "reward-0"


def improved(base: Path, adapter: Path, member: Path, folder: Path) -> Path:
    """One PPO iteration from the fine-tuned policy, and one from an untouched one."""
    for start in (adapter, None):
        roles = RoleModel(load_base(base), load_tokenizer(base))
        if start is None:
            roles.add_role(POLICY, SMALL, head=False, seed=3)
        else:
            roles.load_role(POLICY, start)
        roles.load_role("reward-0", member)
        ppo = PPO(minibatch=4, epochs=1, value_warmup=1)
        add_value(roles, ppo.value_layout, "reward-0")
        learner = Learner(roles, ppo, SAMPLING, members=["reward-0"], pessimism=0.0, seed=5)
        prompts = [
            PromptItem(number, 0, prompt_ids(roles.tokenizer, asked(number), SAMPLING))
            for number in range(8)
        ]
        figures = learner.update(0, learner.rollout(0, prompts))
        assert all(math.isfinite(value) for value in figures.values())
        kl = figures["objective/kl"]
        assert kl == 0.0 if start is None else kl != 0.0
    roles.save_role(POLICY, folder / "candidate")
    told = json.loads((folder / "candidate" / "adapter_config.json").read_text())
    assert told["base_model_name_or_path"] == str(base)
    return folder / "candidate"


def measured(base: Path, candidate: Path) -> None:
    """Evaluation draws answers and measures known ones, as plain transformers would."""
    measurer = Measurer(Mind(str(base), {"policy-0": str(candidate)}, SAMPLING), threads=1)
    known = "It is on its way."
    (drawn,) = measurer.draw("policy-0", [Question(1, 0, asked(1))], [known], seed=2)
    tokenizer = AutoTokenizer.from_pretrained(base)
    ids = prompt_ids(tokenizer, asked(1), SAMPLING)
    answer = [*tokenizer(known, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
    plain = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), str(candidate))
    with torch.no_grad():
        logits = plain(input_ids=torch.tensor([[*ids, *answer]])).logits[0, len(ids) - 1 : -1]
    loss = cross_entropy(logits, torch.tensor(answer), reduction="sum")
    assert drawn.measured.reference_tokens == len(answer)
    assert drawn.measured.reference_nll == pytest.approx(float(loss), rel=1e-3)


def merged_is_the_same(base: Path, adapter: Path, folder: Path) -> None:
    """`rlhf adopt` and `rlhf pull --merged` write a model that answers as base and adapter do."""
    shutil.copytree(adapter, folder / "merged")
    merge_in_place(folder / "merged", str(base))
    ids = torch.tensor([prompt_ids(load_tokenizer(folder / "merged"), asked(3), SAMPLING)])
    both = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), str(adapter))
    with torch.no_grad():
        one = AutoModelForCausalLM.from_pretrained(folder / "merged")(input_ids=ids).logits
        assert torch.allclose(one, both(input_ids=ids).logits, atol=1e-4)
