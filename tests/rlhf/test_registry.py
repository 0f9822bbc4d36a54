"""Published checkpoints are whole, verified, and pulled as folders that plain libraries load."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from rlhf import registry, serving
from rlhf.errors import NotFound, RLHFError, UsageError
from rlhf.home import make_home
from rlhf.models.roles import RoleModel
from rlhf.models.text import right_pad
from rlhf.registry import pulling
from rlhf.store import Store, checkpoints
from tests.published import publish_policy

PROMPT = [[5, 6, 7, 8, 9], [10, 11, 12]]

PUBLISH_FOREVER = """
import sys, uuid
from pathlib import Path
from rlhf import registry
home = Path(sys.argv[1])
while True:
    folder = home / "tmp" / uuid.uuid4().hex
    folder.mkdir()
    for name in "abcdef":
        (folder / name).write_text(uuid.uuid4().hex * 2000)
    print(registry.publish(home, folder), flush=True)
"""


def folder_with(home: Path, name: str, **files: str) -> Path:
    folder = home / "tmp" / name
    folder.mkdir()
    for file, text in files.items():
        (folder / file).write_text(text)
    return folder


@pytest.fixture
def ready(home: Path) -> Path:
    return make_home(home)


def test_the_same_content_has_the_same_digest_and_is_kept_once(ready: Path) -> None:
    first = registry.publish(ready, folder_with(ready, "one", a="1", b="2"))
    again = registry.publish(ready, folder_with(ready, "two", b="2", a="1"))
    other = registry.publish(ready, folder_with(ready, "three", a="1", b="3"))
    assert first == again != other
    assert sorted(path.name for path in (ready / "checkpoints").iterdir()) == sorted({first, other})
    assert list((ready / "tmp").iterdir()) == []


@pytest.mark.parametrize("damage", ["change", "remove", "add", "manifest"])
def test_damaged_bytes_are_noticed(ready: Path, damage: str) -> None:
    digest = registry.publish(ready, folder_with(ready, "one", a="1", b="2"))
    folder = registry.verify(ready, digest)
    if damage == "change":
        (folder / "a").write_text("x")
    elif damage == "remove":
        (folder / "a").unlink()
    elif damage == "add":
        (folder / "c").write_text("3")
    else:
        told = json.loads((folder / "manifest.json").read_text())
        told["files"].pop("a")
        (folder / "a").unlink()
        (folder / "manifest.json").write_text(json.dumps(told))
    with pytest.raises(RLHFError, match="damaged"):
        registry.verify(ready, digest)


@pytest.mark.parametrize("damaged", ["a", "manifest.json"])
def test_publishing_again_mends_a_damaged_folder(ready: Path, damaged: str) -> None:
    digest = registry.publish(ready, folder_with(ready, "one", a="1", b="2"))
    (ready / "checkpoints" / digest / damaged).write_text("x")
    assert registry.publish(ready, folder_with(ready, "two", a="1", b="2")) == digest
    registry.verify(ready, digest)
    assert [path.name for path in (ready / "checkpoints").iterdir()] == [digest]


@pytest.mark.parametrize("text", [b"{broken", b"{}", b"[]", b'{"files": 3}', b"null", b"\xff"])
def test_a_manifest_that_is_none_is_damage_and_no_crash(ready: Path, text: bytes) -> None:
    digest = registry.publish(ready, folder_with(ready, "one", a="1"))
    manifest = registry.verify(ready, digest) / "manifest.json"
    manifest.write_bytes(text)
    with pytest.raises(RLHFError, match=r"damaged \(manifest\.json\)"):
        registry.verify(ready, digest)


@pytest.mark.slow
def test_killed_publishing_leaves_nothing_half_visible(ready: Path) -> None:
    for _ in range(5):
        process = subprocess.Popen(
            [sys.executable, "-c", PUBLISH_FOREVER, str(ready)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        acknowledged = [process.stdout.readline().strip() for _ in range(20)]
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        assert set(acknowledged) <= {path.name for path in (ready / "checkpoints").iterdir()}
        for path in (ready / "checkpoints").iterdir():
            registry.verify(ready, path.name)


@pytest.fixture
def policy(ready: Path, store: Store, tiny_llama: Path) -> RoleModel:
    """A policy that was trained a little, published as v0 and named champion."""
    return publish_policy(store, ready, tiny_llama)


def inside(roles: RoleModel) -> torch.Tensor:
    ids, mask = right_pad(PROMPT)
    with torch.no_grad():
        return roles.logits(roles.hidden("policy", ids, mask))[mask.bool()]


def outside(model: Any) -> torch.Tensor:
    ids, mask = right_pad(PROMPT)
    with torch.no_grad():
        logits: torch.Tensor = model(input_ids=ids, attention_mask=mask).logits[mask.bool()]
        return logits


def test_a_pulled_champion_is_the_same_model_in_plain_peft(
    ready: Path, store: Store, policy: RoleModel, tmp_path: Path
) -> None:
    from peft import AutoPeftModelForCausalLM
    from transformers import AutoTokenizer

    pulling.pull(store, ready, "champion", tmp_path / "pulled")
    loaded = AutoPeftModelForCausalLM.from_pretrained(str(tmp_path / "pulled"))
    assert torch.allclose(outside(loaded), inside(policy), atol=1e-5)
    tokenizer = AutoTokenizer.from_pretrained(str(tmp_path / "pulled"))
    assert tokenizer.chat_template == policy.tokenizer.chat_template
    assert "manifest" in (tmp_path / "pulled" / "README.md").read_text()


def test_a_merged_pull_is_a_whole_model_without_peft(
    ready: Path, store: Store, policy: RoleModel, tmp_path: Path
) -> None:
    from transformers import AutoModelForCausalLM

    pulling.pull(store, ready, "v0", tmp_path / "merged", merged=True)
    loaded = AutoModelForCausalLM.from_pretrained(str(tmp_path / "merged"))
    assert torch.allclose(outside(loaded), inside(policy), atol=1e-5)
    assert not (tmp_path / "merged" / "adapter_config.json").exists()


@pytest.mark.parametrize("merged", [False, True])
def test_a_pulled_model_draws_its_answers_as_they_were_liked_best(
    ready: Path, store: Store, policy: RoleModel, tmp_path: Path, merged: bool
) -> None:
    from transformers import GenerationConfig

    pulling.pull(store, ready, "champion", tmp_path / "before", merged=merged)
    with store.write() as tx:
        checkpoints.add_figures(tx, str(checkpoints.alias(tx, "champion")), {"temperature": 0.7})
    pulling.pull(store, ready, "champion", tmp_path / "pulled", merged=merged)
    told = GenerationConfig.from_pretrained(tmp_path / "pulled")
    assert (told.do_sample, told.temperature, told.top_k, told.top_p) == (True, 0.7, 0, 1.0)
    assert told.eos_token_id == policy.base.generation_config.eos_token_id
    assert "temperature 0.7" in (tmp_path / "pulled" / "README.md").read_text()
    assert "temperature 0.7" not in (tmp_path / "before" / "README.md").read_text()


def test_what_was_learned_of_serving_since_is_served_at_the_next_start(
    ready: Path, store: Store, policy: RoleModel
) -> None:
    folder = serving.merged_folder(store, ready, "champion")
    marked = folder / "made-before"
    marked.touch()
    assert serving.merged_folder(store, ready, "champion") == folder
    assert marked.exists()
    with store.write() as tx:
        checkpoints.add_figures(tx, str(checkpoints.alias(tx, "champion")), {"temperature": 0.5})
    serving.merged_folder(store, ready, "champion")
    assert not marked.exists()
    assert json.loads((folder / "generation_config.json").read_text())["temperature"] == 0.5


def test_an_earlier_pull_is_replaced_and_anything_else_is_left_alone(
    ready: Path, store: Store, policy: RoleModel, tmp_path: Path
) -> None:
    pulling.pull(store, ready, "champion", tmp_path / "pulled")
    (tmp_path / "pulled" / "stale").write_text("old")
    pulling.pull(store, ready, "champion", tmp_path / "pulled")
    assert not (tmp_path / "pulled" / "stale").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="not empty"):
        pulling.pull(store, ready, "champion", tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


def test_a_link_stays_one_and_what_it_points_at_is_replaced(
    ready: Path, store: Store, policy: RoleModel, tmp_path: Path
) -> None:
    link, real = tmp_path / "link", tmp_path / "real"
    real.mkdir()
    link.symlink_to(real)
    for _ in range(2):
        pulling.pull(store, ready, "champion", link)
    assert link.readlink() == real
    assert (real / "adapter_config.json").is_file()
    assert sorted(tmp_path.glob(".*")) == []


def test_an_unknown_checkpoint_is_named_with_what_there_is(
    ready: Path, store: Store, policy: RoleModel, tmp_path: Path
) -> None:
    with pytest.raises(NotFound, match=r"'winner'.*champion.*v0"):
        pulling.pull(store, ready, "winner", tmp_path / "pulled")
    assert not (tmp_path / "pulled").exists()
