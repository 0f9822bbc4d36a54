"""The champion before anybody rated: an adapter that changes nothing."""

from __future__ import annotations

import uuid
from dataclasses import asdict
from pathlib import Path

from rlhf.models.base import load_base, load_tokenizer
from rlhf.models.identity import BaseIdentity
from rlhf.models.roles import RoleModel
from rlhf.registry import card
from rlhf.settings import Settings


def untouched(home: Path, identity: BaseIdentity, settings: Settings) -> Path:
    """A folder, ready to be published, with a fresh adapter on a base."""
    roles = RoleModel(load_base(identity.path), load_tokenizer(identity.path))
    roles.add_role("policy", settings.lora, head=False, seed=settings.seed)
    folder = home / "tmp" / f"untouched-{uuid.uuid4().hex}"
    roles.save_role("policy", folder)
    card.write(folder, base=asdict(identity), round_id=None, figures={}, lineage={})
    return folder
