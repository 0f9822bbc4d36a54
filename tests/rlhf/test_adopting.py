"""A checkpoint becomes the base of the loop: the same answers, and only before the first round."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from rlhf import registry
from rlhf.adopting import Adopted, adopt
from rlhf.errors import NotFound, RLHFError, UsageError
from rlhf.home import make_home, sole_service
from rlhf.models.base import load_base, load_tokenizer
from rlhf.models.identity import base_identity
from rlhf.models.roles import RoleModel
from rlhf.registry.untouched import untouched
from rlhf.settings import Settings
from rlhf.store import Store, checkpoints, facts, rounds
from tests.published import publish_policy

IDS = torch.tensor([[5, 6, 7, 8, 9]])


@pytest.fixture
def tuned(store: Store, home: Path, tiny_llama: Path) -> RoleModel:
    """A home whose champion v0 is untouched, and v1 a tuned policy."""
    make_home(home)
    identity = base_identity(tiny_llama)
    digest = registry.publish(home, untouched(home, identity, Settings()))
    with store.write() as tx:
        facts.put(tx, "base", {**asdict(identity), "starter": False})
        checkpoints.record_checkpoint(
            tx, digest=digest, kind="policy", round_id=None, parent=None, base=asdict(identity)
        )
        checkpoints.move_alias(tx, "champion", digest, None, "test", "untouched")
    roles = publish_policy(store, home, tiny_llama, champion=False)
    return roles


def logits(roles: RoleModel, role: str | None) -> torch.Tensor:
    with torch.no_grad():
        return roles.logits(roles.hidden(role, IDS, torch.ones_like(IDS)))


def adopted(store: Store, home: Path, ref: str = "v1") -> Adopted:
    return adopt(store, home, ref, Settings())


def test_the_new_base_and_its_champion_answer_as_the_checkpoint_did(
    store: Store, home: Path, tuned: RoleModel
) -> None:
    made = adopted(store, home)
    assert Path(made.base.path) == home.resolve() / "bases" / made.base.sha256
    roles = RoleModel(load_base(made.base.path), load_tokenizer(made.base.path))
    roles.load_role("champion", registry.verify(home, made.champion.digest))
    assert torch.allclose(logits(roles, None), logits(tuned, "policy"), atol=1e-5)
    assert torch.equal(logits(roles, "champion"), logits(roles, None))
    with store.read() as tx:
        assert facts.get(tx, "base")["sha256"] == made.base.sha256
        assert checkpoints.alias(tx, "champion") == made.champion.digest
        assert checkpoints.alias(tx, "previous") is None
    assert list((home / "tmp").iterdir()) == []


def test_adopting_the_untouched_version_of_before_takes_it_back(
    store: Store, home: Path, tuned: RoleModel, tiny_llama: Path
) -> None:
    made = adopted(store, home)
    with store.read() as tx:
        assert facts.get(tx, "untouched") == made.champion.digest
    back = adopted(store, home, "v0")
    assert back.base == base_identity(tiny_llama)
    with store.read() as tx:
        assert facts.get(tx, "base")["path"] == str(tiny_llama)
        v0 = checkpoints.resolve(tx, "v0").digest
        assert checkpoints.alias(tx, "champion") == facts.get(tx, "untouched") == v0
    again = adopted(store, home)
    assert again.champion.digest == made.champion.digest


def test_a_merged_model_that_answers_otherwise_is_not_taken(
    store: Store, home: Path, tuned: RoleModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forgets_the_adapter(folder: Path, base: str) -> None:
        load_base(base).save_pretrained(folder)
        load_tokenizer(base).save_pretrained(folder)
        (folder / "adapter_config.json").unlink()

    monkeypatch.setattr("rlhf.adopting.merge_in_place", forgets_the_adapter)
    with pytest.raises(RLHFError, match="answers differently from v1"):
        adopted(store, home)
    with store.read() as tx:
        assert checkpoints.alias(tx, "champion") == checkpoints.resolve(tx, "v0").digest


def test_what_cannot_be_adopted_is_said(store: Store, home: Path, tuned: RoleModel) -> None:
    with pytest.raises(NotFound):
        adopted(store, home, "v7")
    with pytest.raises(UsageError, match="is the champion of this base already"):
        adopted(store, home, "champion")
    adopted(store, home)
    with pytest.raises(UsageError, match="another base than the present one"):
        adopted(store, home)


def test_a_running_service_keeps_its_base(store: Store, home: Path, tuned: RoleModel) -> None:
    with sole_service(home), pytest.raises(UsageError, match="already runs"):
        adopted(store, home)


def test_a_begun_round_keeps_its_base(store: Store, home: Path, tuned: RoleModel) -> None:
    with store.write() as tx:
        champion = checkpoints.alias(tx, "champion")
        assert champion is not None
        base = facts.get(tx, "base")
        rounds.create_round(
            tx, seed=0, settings={}, base=base, start_checkpoint=champion, requested_by="test"
        )
    with pytest.raises(UsageError, match="a round has begun here"):
        adopted(store, home)
    assert not (home / "bases").exists()
