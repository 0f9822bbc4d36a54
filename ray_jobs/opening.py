"""Opens a home for the first time: checks the base model, publishes the untouched champion.

A process of its own (`python -m ray_jobs.opening --home H [--base B]`), because it loads the model
and the service above it stays light. Opening an opened home again only checks that the base is
the same one, and loads nothing for that where it is a folder.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Literal

from rlhf import registry, starter
from rlhf.errors import RLHFError, UsageError
from rlhf.models.identity import base_identity
from rlhf.settings import Settings, load_settings
from rlhf.starter import world
from rlhf.starter.known import pairs
from rlhf.store import Connection, Store, checkpoints, events, facts, known, open_store
from rlhf.store import prompts as prompt_rows

STARTER_TRAIN, STARTER_HELDOUT = 2400, 600
"""Prompts of the starter world for a home that was given none, to rate and to evaluate on."""
STARTER_KNOWN = 40
"""Pairs of it whose better answer is known, to practise on and to check people by."""


def open_home(home: Path, base: str | None) -> None:
    """Make sure that the home has a base and a champion.

    Raises ModelError when `base` is no usable model, UsageError when the home has another base.
    """
    settings = load_settings(home)
    store = open_store(home, settings.database)
    with store.read() as tx:
        recorded = facts.get(tx, "base")
    if recorded is not None:
        _same_base(home, recorded, base)
    else:
        _first_opening(home, store, settings, base)
    store.close()


def _same_base(home: Path, recorded: dict[str, str], base: str | None) -> None:
    if base is None or base == recorded["path"]:
        return
    if base_identity(base).sha256 != recorded["sha256"]:
        raise UsageError(
            f"{home} was opened with the base {recorded['path']} and its ratings belong to it. "
            f"Start {base} in a home of its own: rlhf up --base {base} --home ANOTHER_FOLDER"
        )


def _first_opening(home: Path, store: Store, settings: Settings, base: str | None) -> None:
    from rlhf.registry.untouched import untouched  # torch takes seconds to load

    path = base or str(starter.MODEL_PATH)
    identity = base_identity(path)
    digest = registry.publish(home, untouched(home, identity, settings))
    with store.write() as tx:
        facts.put(tx, "base", {**asdict(identity), "starter": base is None})
        checkpoints.record_checkpoint(
            tx, digest=digest, kind="policy", round_id=None, parent=None, base=asdict(identity)
        )
        why = "the untouched base opens the first round"
        checkpoints.move_alias(tx, "champion", digest, None, "opening", why)
        if base is None and not prompt_rows.count_prompts(tx):
            prompt_rows.add_prompts(tx, _starter_prompts(settings.seed))
            _add_known(tx, settings.seed)
        events.note(tx, "opening", "home_opened", "base", {"path": path, "champion": digest})


def _starter_prompts(seed: int) -> list[prompt_rows.NewPrompt]:
    splits: tuple[tuple[Literal["train", "heldout"], int], ...] = (
        ("train", STARTER_TRAIN),
        ("heldout", STARTER_HELDOUT),
    )
    return [
        prompt_rows.NewPrompt(
            messages=prompt.messages,
            reference=prompt.reference,
            source="starter",
            split=split,
            meta=prompt.meta,
        )
        for split, count in splits
        for prompt in world.prompts(split, count, seed)
    ]


def _add_known(tx: Connection, seed: int) -> None:
    told = list(pairs(STARTER_KNOWN, seed))
    new = [
        prompt_rows.NewPrompt(
            messages=one.prompt.messages,
            reference=one.prompt.reference,
            source="starter",
            split="train",
            meta=one.prompt.meta,
        )
        for one in told
    ]
    prompt_rows.add_prompts(tx, new)
    answered = [
        known.Known(
            prompt_rows.digest_of(one.prompt.messages), one.better, one.worse, one.explanation
        )
        for one in told
    ]
    known.add_known(tx, answered)


def main() -> int:
    """Open a home; errors for people become one line on stderr."""
    parser = argparse.ArgumentParser(prog="ray_jobs.opening", description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--base")
    asked = parser.parse_args()
    os.umask(0o077)
    os.environ |= {"TRANSFORMERS_VERBOSITY": "error", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    try:
        open_home(asked.home, asked.base)
    except RLHFError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
