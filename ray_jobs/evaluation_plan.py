"""What an evaluation was asked for, with everything that it names looked up before work begins."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rlhf.data.datasets import dataset, rows
from rlhf.data.files import read_rows
from rlhf.data.shapes import shape
from rlhf.errors import InputError, UsageError
from rlhf.evaluation.measured import Asked
from rlhf.evaluation.report import Contestant
from rlhf.seeds import derived
from rlhf.settings import Settings
from rlhf.store import Connection, Store, checkpoints, prompts, validate
from rlhf.store.checkpoints import Checkpoint


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be evaluated, and on what."""

    refs: tuple[str, ...]
    prompts: int | None = None
    """How many; None: as many as the settings say."""
    dataset: str | None = None
    """Measure on the test split of this data set; None: on the held-out prompts of the home."""
    people: int = 0
    """Blind comparisons to queue."""
    regression: str | None = None
    """A file of prompts that must not get worse."""
    allow_worse: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """A request with everything that it names looked up."""

    request: Request
    settings: Settings
    policies: tuple[Checkpoint, ...]
    contestants: tuple[Contestant, ...]
    reward: Checkpoint | None
    asked: tuple[Asked, ...]
    fixed: tuple[Asked, ...]
    """The regression set."""
    source: str
    home: Path


def prepare(home: Path, store: Store, settings: Settings, request: Request) -> Plan:
    """Look everything up. Raises UsageError for what cannot be evaluated, in words."""
    with store.read() as tx:
        policies = _resolved(tx, request)
        reward = checkpoints.newest(tx, "reward")
        names: dict[str, list[str]] = {}
        for name, digest in checkpoints.aliases(tx).items():
            names.setdefault(digest, []).append(name)
    if request.people and len(policies) < 2:
        raise UsageError("people compare checkpoints with each other: name two or more")
    asked, source = _asked(home, store, settings, request)
    fixed = _fixed(Path(request.regression)) if request.regression else ()
    known = any(one.reference is not None for one in fixed)
    if fixed and reward is None and not known:
        raise UsageError(
            f"{request.regression}: nothing can be seen to get worse: there are no reward models "
            "yet, and no prompt has a known answer"
        )
    for one in policies:
        base = str(one.base["path"])
        if base.startswith("/") and not Path(base).is_dir():
            raise UsageError(f"the base of v{one.version} is no longer at {base}; put it back")
    return Plan(
        request=request,
        settings=settings,
        policies=policies,
        contestants=tuple(
            Contestant(
                f"v{one.version}"
                + (f" ({', '.join(sorted(names[one.digest]))})" if one.digest in names else ""),
                one.version,
                one.digest,
                str(one.base["path"]),
            )
            for one in policies
        ),
        reward=reward,
        asked=asked,
        fixed=fixed,
        source=source,
        home=home,
    )


def _resolved(tx: Connection, request: Request) -> tuple[Checkpoint, ...]:
    """The checkpoints; for a regression set of a single one, the champion before it."""
    found = [checkpoints.resolve(tx, ref) for ref in request.refs]
    if request.regression and len(found) == 1:
        found.insert(0, checkpoints.resolve(tx, "champion"))
    for place, one in enumerate(found):
        if one.digest in [other.digest for other in found[:place]]:
            raise UsageError(
                f"v{one.version} is named twice; name different checkpoints "
                "(`rlhf checkpoints` lists them)"
            )
    return tuple(found)


def _asked(
    home: Path, store: Store, settings: Settings, request: Request
) -> tuple[tuple[Asked, ...], str]:
    """(prompts, where they are from), the same for every checkpoint and every time."""
    count = request.prompts or settings.evaluation.prompts
    if request.dataset:
        data = dataset(store, home, request.dataset)
        chats = [one for one in rows(data, "test") if one.kind != "passage"]
        chats.sort(key=lambda one: derived(settings.seed, one.row))
        told = tuple(
            Asked(one.row, one.messages[:-1], one.messages[-1]["content"])
            if one.messages[-1]["role"] == "assistant"
            else Asked(one.row, one.messages, None)
            for one in chats[:count]
        )
        source = f"test split of data set {data.digest[:12]}"
    else:
        with store.read() as tx:
            held_out = prompts.pick_fixed(tx, "heldout", count, settings.seed)
        told = tuple(Asked(one.id, one.messages, one.reference) for one in held_out)
        source = "held-out prompts"
    if not told:
        raise UsageError(f"there are no {source} to evaluate on. Bring some: rlhf ingest FILE")
    return told, source


def _fixed(file: Path) -> tuple[Asked, ...]:
    """The prompts of a regression file. Raises InputError that names file and line."""
    found: dict[str, Asked] = {}
    for row in read_rows(file):
        try:
            for shaped in shape(row):
                if not shaped.messages:
                    continue
                validate.messages_field(shaped.messages)
                if shaped.reference is not None:
                    longest = validate.RESPONSE_CHARS
                    validate.text_field(shaped.reference, "reference", longest=longest)
                digest = prompts.digest_of(shaped.messages)
                number = derived("regression", digest)
                found.setdefault(digest, Asked(number, shaped.messages, shaped.reference))
        except InputError as wrong:
            raise InputError(
                wrong.problem, file=file, line=row.line, field=wrong.field, fix=wrong.fix
            ) from wrong
    if not found:
        raise InputError("has no prompt to compare answers to", file=file)
    return tuple(found.values())
