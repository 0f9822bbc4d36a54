"""A second checkpoint for a home on the starter, without training one."""

from __future__ import annotations

from pathlib import Path

import torch

from rlhf import registry
from rlhf.models.base import load_base, load_tokenizer
from rlhf.models.roles import RoleModel
from rlhf.settings import LoRA
from rlhf.store import checkpoints, facts, open_store


def add_noise(home: Path) -> str:
    """The starter with random weights added, which says less sensible things; its digest."""
    store = open_store(home)
    with store.read() as tx:
        base = facts.get(tx, "base")
    assert base is not None
    roles = RoleModel(load_base(base["path"]), load_tokenizer(base["path"]))
    roles.add_role("policy", LoRA(), head=False, seed=1)
    with torch.no_grad():
        for name, parameter in roles.trainable("policy"):
            if "lora_B" in name:
                parameter.normal_(std=0.3, generator=torch.Generator().manual_seed(2))
    folder = home / "tmp" / "noise"
    roles.save_role("policy", folder)
    digest = registry.publish(home, folder)
    with store.write() as tx:
        checkpoints.record_checkpoint(
            tx, digest=digest, kind="policy", round_id=None, parent=None, base=base
        )
    store.close()
    return digest
