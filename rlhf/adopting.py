"""`rlhf adopt`: a checkpoint becomes the base, from which the feedback loop then starts.

Its adapter is merged into the base's weights. All that was measured against the old base would
then mean something else, so this is for the time before the first round.
"""

from __future__ import annotations

import shutil
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path

from rlhf import registry
from rlhf.durable import move_into_place
from rlhf.errors import UsageError
from rlhf.home import sole_service
from rlhf.models.base import BaseIdentity, base_identity
from rlhf.registry.merging import merge_in_place
from rlhf.registry.pulling import copy_adapter
from rlhf.registry.untouched import untouched
from rlhf.settings import Settings
from rlhf.store import Store, checkpoints, events, facts, rounds
from rlhf.store.checkpoints import Checkpoint


@dataclass(frozen=True, slots=True)
class Adopted:
    """What a home stands on from now on."""

    checkpoint: Checkpoint
    """The one that was merged."""
    base: BaseIdentity
    champion: Checkpoint
    """The new base, untouched."""


def adopt(store: Store, home: Path, ref: str, settings: Settings) -> Adopted:
    """Merge a policy into its base and make that the home's base, with an untouched champion.

    Raises UsageError after a round has begun, while a service runs, or for a checkpoint of
    another base; NotFound for an unknown one; RLHFError for damaged bytes.
    """
    with sole_service(home):
        wanted = _adoptable(store, ref)
        identity = _merged(home, wanted)
        digest = registry.publish(home, untouched(home, identity, settings))
        with store.write() as tx:
            starter = facts.get(tx, "base")["starter"]
            facts.put(tx, "base", {**asdict(identity), "starter": starter})
            champion = checkpoints.record_checkpoint(
                tx,
                digest=digest,
                kind="policy",
                round_id=None,
                parent=wanted.digest,
                base=asdict(identity),
            )
            before = checkpoints.alias(tx, "champion")
            why = f"v{wanted.version} was adopted as the base"
            checkpoints.move_alias(tx, "champion", digest, before, "command line", why)
            told = {"checkpoint": wanted.digest, "champion": digest}
            events.note(tx, "command line", "base_adopted", "base", told)
    return Adopted(wanted, identity, champion)


def _adoptable(store: Store, ref: str) -> Checkpoint:
    with store.read() as tx:
        wanted = checkpoints.resolve(tx, ref)
        base = facts.get(tx, "base")
        begun = bool(rounds.all_rounds(tx))
        champion = checkpoints.alias(tx, "champion")
    if begun:
        raise UsageError(
            "a round has begun here, and its ratings and figures belong to the present base. "
            f"Write the model with `rlhf pull {ref} NEW_MODEL --merged`, then start a home of its "
            "own with `rlhf up --base NEW_MODEL --home ANOTHER_FOLDER`"
        )
    if wanted.base["sha256"] != base["sha256"]:
        raise UsageError(
            f"v{wanted.version} is an adapter for another base than the present one. "
            "Adopt a checkpoint that was trained since"
        )
    if wanted.digest == champion:
        raise UsageError(f"v{wanted.version} is the champion of this base already")
    return wanted


def _merged(home: Path, wanted: Checkpoint) -> BaseIdentity:
    """The full model in the home's `bases`, named by its digest."""
    fresh = home / "tmp" / f"base-{uuid.uuid4().hex}"
    fresh.mkdir(mode=0o700)
    try:
        copy_adapter(registry.verify(home, wanted.digest), fresh)
        merge_in_place(fresh, str(wanted.base["path"]))
        digest = base_identity(fresh).sha256
        final = home / "bases" / digest
        if not final.exists():
            final.parent.mkdir(mode=0o700, exist_ok=True)
            move_into_place(fresh, final)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return base_identity(final)
