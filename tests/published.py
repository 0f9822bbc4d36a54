"""Policies for a home without training one: the base with random weights added."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from rlhf import registry
from rlhf.models.base import load_base, load_tokenizer
from rlhf.models.identity import base_identity
from rlhf.models.roles import RoleModel
from rlhf.registry import card
from rlhf.settings import LoRA
from rlhf.store import Store, checkpoints, facts, open_store


def publish_policy(
    store: Store, home: Path, base_folder: Path, *, champion: bool = True
) -> RoleModel:
    """A policy that was trained a little becomes the next version, and the champion of `home`."""
    roles = _noisy(base_folder, 0.1)
    folder = home / "tmp" / "policy"
    roles.save_role("policy", folder)
    identity = base_identity(base_folder)
    base: dict[str, Any] = {"path": identity.path, "sha256": identity.sha256}
    card.write(folder, base=base, round_id=1, figures={"kl": 1.5}, lineage={"manifest": "abc"})
    digest = registry.publish(home, folder)
    with store.write() as tx:
        checkpoints.record_checkpoint(
            tx,
            digest=digest,
            kind="policy",
            round_id=None,
            parent=None,
            base=base,
            lineage={"manifest": "abc"},
        )
        if champion:
            checkpoints.move_alias(tx, "champion", digest, None, "test", "made for a test")
    return roles


def add_noise(home: Path) -> str:
    """One more checkpoint of an open home, which says less sensible things; its digest."""
    store = open_store(home)
    with store.read() as tx:
        base = facts.get(tx, "base")
    assert base is not None
    folder = home / "tmp" / "noise"
    _noisy(base["path"], 0.3).save_role("policy", folder)
    digest = registry.publish(home, folder)
    with store.write() as tx:
        checkpoints.record_checkpoint(
            tx, digest=digest, kind="policy", round_id=None, parent=None, base=base
        )
    store.close()
    return digest


def _noisy(base: str | Path, spread: float) -> RoleModel:
    roles = RoleModel(load_base(base), load_tokenizer(base))
    roles.add_role("policy", LoRA(), head=False, seed=1)
    with torch.no_grad():
        for name, parameter in roles.trainable("policy"):
            if "lora_B" in name:
                parameter.normal_(std=spread, generator=torch.Generator().manual_seed(2))
    return roles
