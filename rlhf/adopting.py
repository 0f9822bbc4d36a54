"""`rlhf adopt`: a checkpoint becomes the base, from which the feedback loop then starts.

Its adapter is merged into the base's weights. All that was measured against the old base would
then mean something else, so this is for the time before the first round.
"""

from __future__ import annotations

import shutil
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from safetensors.torch import load_file

from rlhf import registry
from rlhf.durable import move_into_place
from rlhf.errors import RLHFError, UsageError
from rlhf.home import sole_service
from rlhf.models.base import load_base, load_tokenizer
from rlhf.models.identity import BaseIdentity, base_identity
from rlhf.models.role_files import ADAPTER
from rlhf.registry.merging import merge_in_place
from rlhf.registry.pulling import copy_adapter
from rlhf.registry.untouched import untouched
from rlhf.settings import Settings
from rlhf.store import Connection, Store, checkpoints, events, facts, rounds
from rlhf.store.checkpoints import Checkpoint

ALLOWED = 1e-3
"""Largest difference of a logit, in standard deviations of all, from base and adapter."""
TEXTS = (
    "Hello! What can you help me with today?",
    "The order 1234 was paid by card on 5 March, and it has not arrived; where is it?",
)
"""What the merged model is compared on."""


@dataclass(frozen=True, slots=True)
class Adopted:
    """What a home stands on from now on."""

    checkpoint: Checkpoint
    """The one that was merged, or gone back to."""
    base: BaseIdentity
    champion: Checkpoint
    """The new base, untouched."""


def adopt(store: Store, home: Path, ref: str, settings: Settings) -> Adopted:
    """Merge a policy into its base and make that the home's base, with an untouched champion.

    Raises UsageError after a round has begun, while a service runs, or for a checkpoint of
    another base; NotFound for an unknown one; RLHFError for damaged bytes, and where the merged
    model answers differently.
    """
    with sole_service(home):
        wanted = _adoptable(store, ref)
        if _changes_nothing(registry.verify(home, wanted.digest)):
            return _gone_back(store, wanted)
        _check_base(store, wanted)
        identity = _merged(home, wanted)
        digest = registry.publish(home, untouched(home, identity, settings))
        with store.write() as tx:
            champion = checkpoints.record_checkpoint(
                tx,
                digest=digest,
                kind="policy",
                round_id=None,
                parent=wanted.digest,
                base=asdict(identity),
            )
            _stand_on(tx, champion, identity, f"v{wanted.version} was adopted as the base")
    return Adopted(wanted, identity, champion)


def _gone_back(store: Store, wanted: Checkpoint) -> Adopted:
    """Stand on the base of an untouched checkpoint again."""
    identity = base_identity(str(wanted.base["path"]))
    if identity.sha256 != wanted.base["sha256"]:
        raise UsageError(
            f"{identity.path} is no longer the base that v{wanted.version} was made on. "
            "Put the model back, then adopt again"
        )
    with store.write() as tx:
        _stand_on(tx, wanted, identity, f"v{wanted.version} and its base were adopted again")
    return Adopted(wanted, identity, wanted)


def _stand_on(tx: Connection, champion: Checkpoint, base: BaseIdentity, why: str) -> None:
    """The home's base, and the champion that is untouched on it, in one transaction."""
    world = facts.get(tx, "base")["starter"]
    facts.put(tx, "base", {**asdict(base), "starter": world})
    facts.put(tx, "untouched", champion.digest)
    before = checkpoints.alias(tx, "champion")
    checkpoints.move_alias(tx, "champion", champion.digest, before, "command line", why)
    told = {"base": base.path, "champion": champion.digest, "why": why}
    events.note(tx, "command line", "base_adopted", "base", told)


def _adoptable(store: Store, ref: str) -> Checkpoint:
    with store.read() as tx:
        wanted = checkpoints.resolve(tx, ref)
        begun = bool(rounds.all_rounds(tx))
        champion = checkpoints.alias(tx, "champion")
    if begun:
        raise UsageError(
            "a round has begun here, and its ratings and figures belong to the present base. "
            f"Write the model with `rlhf pull {ref} NEW_MODEL --merged`, then start a home of its "
            "own with `rlhf up --base NEW_MODEL --home ANOTHER_FOLDER`"
        )
    if wanted.digest == champion:
        raise UsageError(f"v{wanted.version} is the champion of this base already")
    return wanted


def _check_base(store: Store, wanted: Checkpoint) -> None:
    with store.read() as tx:
        base = facts.get(tx, "base")
    if wanted.base["sha256"] != base["sha256"]:
        raise UsageError(
            f"v{wanted.version} is an adapter for another base than the present one. Adopt a "
            "checkpoint that was trained since, or go back first: rlhf adopt v0"
        )


def _changes_nothing(adapter: Path) -> bool:
    """Whether an adapter is an untouched one: every B is 0."""
    weights = load_file(adapter / ADAPTER)
    return not any(bool(value.any()) for name, value in weights.items() if "lora_B" in name)


def _merged(home: Path, wanted: Checkpoint) -> BaseIdentity:
    """The full model in the home's `bases`, named by its digest."""
    fresh = home / "tmp" / f"base-{uuid.uuid4().hex}"
    fresh.mkdir(mode=0o700)
    try:
        copy_adapter(registry.verify(home, wanted.digest), fresh)
        merge_in_place(fresh, str(wanted.base["path"]))
        _check_merged(registry.checkpoint_path(home, wanted.digest), wanted, fresh)
        digest = base_identity(fresh).sha256
        final = home / "bases" / digest
        if not final.exists():
            final.parent.mkdir(mode=0o700, exist_ok=True)
            move_into_place(fresh, final)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return base_identity(final)


@torch.no_grad()
def _check_merged(adapter: Path, wanted: Checkpoint, merged: Path) -> None:
    """Raise RLHFError unless the merged model says what base and adapter say."""
    base = str(wanted.base["path"])
    tokenizer = load_tokenizer(base)
    rows = [torch.tensor([tokenizer(text)["input_ids"]]) for text in TEXTS]
    both: Any = PeftModel.from_pretrained(load_base(base, device="cpu"), str(adapter))
    expected = [both(input_ids=ids).logits.float() for ids in rows]
    del both
    one = load_base(merged, device="cpu")
    found = [one(input_ids=ids).logits.float() for ids in rows]
    pairs = zip(expected, found, strict=True)
    off = max(float((ours - theirs).abs().max() / theirs.std()) for theirs, ours in pairs)
    if not off <= ALLOWED:
        raise RLHFError(
            f"the merged model answers differently from v{wanted.version} (by {off:.2g} standard "
            "deviations of a logit); nothing was changed. Is the disk full, or the base damaged?"
        )
