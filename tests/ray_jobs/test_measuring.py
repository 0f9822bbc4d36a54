"""What the measuring actors say, against plain transformers with the published adapter."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from ray_jobs.measuring import Measurer
from ray_jobs.messages import Drawn, Mind, Question
from rlhf import registry
from rlhf.evaluation.perplexity import perplexity
from rlhf.home import make_home
from rlhf.settings import Sampling
from rlhf.store import checkpoints, open_store
from tests.published import publish_policy

ASKED = (
    ("Where is my parcel?", "It arrives on Monday."),
    ("Hi", "Hello! How can I help?"),
    ("And the price of it, please, in euros?", "3,50 € with taxes."),
    ("No known answer to this one", None),
)


@pytest.fixture(scope="module")
def published(tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a policy that is far from its base."""
    home = make_home(tmp_path_factory.mktemp("published") / "home")
    store = open_store(home)
    publish_policy(store, home, tiny_llama)
    with store.read() as tx:
        digest = checkpoints.resolve(tx, "champion").digest
    store.close()
    return registry.checkpoint_path(home, digest)


def drawn(base: Path, published: Path, *, served: float = 0.7) -> list[Drawn]:
    sampling = Sampling(max_new_tokens=12, temperature=0.7)
    ways = {"policy-0": sampling.model_copy(update={"temperature": served})}
    measurer = Measurer(Mind(str(base), {"policy-0": str(published)}, sampling, ways), threads=1)
    return measurer.draw(
        "policy-0",
        [Question(n, 0, [{"role": "user", "content": text}]) for n, (text, _) in enumerate(ASKED)],
        [answer for _, answer in ASKED],
        seed=5,
    )


def test_perplexity_is_the_one_of_plain_transformers(tiny_llama: Path, published: Path) -> None:
    """The library's own loss, prompt tokens masked by -100, one conversation at a time."""
    tokenizer = AutoTokenizer.from_pretrained(tiny_llama)
    base = AutoModelForCausalLM.from_pretrained(tiny_llama, dtype=torch.float32)
    model = PeftModel.from_pretrained(base, str(published)).eval()
    nll, tokens = [], []
    for text, answer in ASKED:
        if answer is None:
            continue
        chat = [{"role": "user", "content": text}]
        before = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        whole = tokenizer.apply_chat_template(
            [*chat, {"role": "assistant", "content": answer}], tokenize=False
        )
        ids = tokenizer(whole, return_tensors="pt", add_special_tokens=False).input_ids
        start = len(tokenizer(before, add_special_tokens=False).input_ids)
        labels = ids.clone()
        labels[:, :start] = -100
        with torch.no_grad():
            loss = float(model(input_ids=ids, labels=labels).loss)
        count = int((labels != -100).sum())
        nll.append(loss * count)
        tokens.append(count)
    theirs = math.exp(sum(nll) / sum(tokens))
    seen = [one.measured for one in drawn(tiny_llama, published)]
    ours = perplexity(
        [one.reference_nll for one in seen],
        [one.reference_tokens for one in seen],
        resamples=50,
        seed=0,
    )
    assert ours is not None
    assert [one.reference_tokens for one in seen] == [*tokens, 0]
    assert ours.value == pytest.approx(theirs, rel=1e-4)
    assert ours.count == 3


@pytest.mark.parametrize("served", [0.7, 0.4])
def test_kl_is_the_difference_of_both_models_log_probabilities(
    tiny_llama: Path, published: Path, served: float
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_llama)
    seen = drawn(tiny_llama, published, served=served)
    plain = AutoModelForCausalLM.from_pretrained(tiny_llama, dtype=torch.float32)
    tuned = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(tiny_llama, dtype=torch.float32), str(published)
    ).eval()
    for (text, _), one in zip(ASKED, seen, strict=True):
        before = tokenizer.apply_chat_template(
            [{"role": "user", "content": text}], tokenize=False, add_generation_prompt=True
        )
        prompt = tokenizer(before, add_special_tokens=False).input_ids
        ids = torch.tensor([[*prompt, *one.ids]])
        summed = []
        for model, temperature in ((tuned, served), (plain, 0.7)):
            with torch.no_grad():
                logits = model(input_ids=ids).logits[0, len(prompt) - 1 : -1] / temperature
            told = torch.log_softmax(logits, dim=-1)
            summed.append(float(told.gather(1, ids[0, len(prompt) :, None]).sum()))
        assert one.measured.kl == pytest.approx(summed[0] - summed[1], abs=1e-3)
        assert one.measured.tokens == len(one.ids)


def test_a_known_answer_that_the_context_does_not_hold_is_passed_over(
    tiny_llama: Path, published: Path
) -> None:
    measurer = Measurer(
        Mind(str(tiny_llama), {"policy-0": str(published)}, Sampling(max_new_tokens=4)), threads=1
    )
    question = Question(0, 0, [{"role": "user", "content": "Hi"}])
    (one,) = measurer.draw("policy-0", [question], ["long " * 400], seed=0)
    assert (one.measured.reference_nll, one.measured.reference_tokens) == (0.0, 0)
