"""`rlhf evaluate`: checkpoints answer the same prompts, everything is measured, a report is kept.

The work runs in a process of its own, the Ray driver (`python -m ray_jobs.evaluating`), started by
`evaluate` and ended with it. The report becomes a row and a folder together, or neither.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import ray

from ray_jobs import contesting, tether
from ray_jobs.cluster import cluster
from ray_jobs.measuring import Task, measure
from ray_jobs.ray_environment import private_environment
from rlhf import settings as settings_tree
from rlhf.data.datasets import dataset, rows
from rlhf.data.files import read_rows
from rlhf.data.shapes import shape
from rlhf.durable import replace_folder
from rlhf.errors import InputError, RLHFError, UsageError
from rlhf.evaluation import kept, regression, standing
from rlhf.evaluation.measured import Asked, Measured
from rlhf.evaluation.report import Contestant, report
from rlhf.seeds import derived
from rlhf.settings import Settings
from rlhf.store import Connection, Store, checkpoints, open_store, prompts
from rlhf.store.checkpoints import Checkpoint
from rlhf.store.evaluations import add_evaluation

Progress = Callable[[int, int, str], None]
MARK = "@progress "
"""Begins a line of the driver that says how far it is."""
TAIL = 30
"""Lines of a failed driver that are shown."""


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
class _Work:
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


def evaluate(home: Path, request: Request, progress: Progress) -> int:
    """Measure in a driver of its own; returns the number of the report.

    Raises UsageError in the driver's words for what cannot be evaluated.
    """
    settings = settings_tree.load_settings(home)
    private = settings.ray.address is None
    command = [sys.executable, "-m", "ray_jobs.evaluating", "--home", str(home)]
    ours, theirs = os.pipe()
    with os.fdopen(theirs, "wb") as log:
        child = tether.spawn(
            [*command, json.dumps(asdict(request))],
            home=home,
            log=log,
            namespaces=tether.isolation(network=private),
            env=private_environment(home) if private else {},
        )
    tail: list[str] = []
    try:
        with os.fdopen(ours, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if line.startswith(MARK):
                    progress(*json.loads(line.removeprefix(MARK)))
                else:
                    tail = [*tail[-TAIL:], line.rstrip()]
        code = child.wait()
    finally:
        child.kill()
        child.wait()
    said = [line.removeprefix("error: ") for line in tail if line.startswith("error: ")]
    if code == UsageError.exit_code and said:
        raise UsageError(said[-1])
    if code or not tail:
        raise RLHFError(said[-1] if said else "the evaluation ended early:\n" + "\n".join(tail))
    return int(tail[-1])


def run(home: Path, request: Request, progress: Progress) -> int:
    """The driver's work: look up, measure, write; returns the number of the report."""
    settings = settings_tree.load_settings(home)
    store = open_store(home, settings.database)
    try:
        work = _prepare(home, store, settings, request)
        tasks = _tasks(work)
        progress(0, 1, "starting")
        with cluster(home, settings.ray, cpus=settings.ray.workers, apart=True):
            measured = measure(home, settings, work.policies, work.reward, tasks, progress)
        progress(1, 1, "writing the report")
        return _keep(store, work, measured)
    finally:
        store.close()


def _prepare(home: Path, store: Store, settings: Settings, request: Request) -> _Work:
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
    return _Work(
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
        chats = [one for one in rows(data, "test") if one.kind == "chat"]
        chats.sort(key=lambda one: derived(settings.seed, one.row))
        told = tuple(
            Asked(one.row, one.messages[:-1], one.messages[-1]["content"]) for one in chats[:count]
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
                digest = prompts.digest_of(shaped.messages)
                number = derived("regression", digest)
                found.setdefault(digest, Asked(number, shaped.messages, shaped.reference))
        except InputError as wrong:
            raise InputError(
                wrong.problem, file=file, line=row.line, field=wrong.field, fix=wrong.fix
            ) from wrong
    return tuple(found.values())


def _tasks(work: _Work) -> list[Task]:
    """Every answer wanted: the shared prompts first, then the regression set several times."""
    everybody = range(len(work.policies))
    several = range(work.settings.evaluation.regression_answers)
    return [Task(who, one, 0) for who in everybody for one in work.asked] + [
        Task(who, one, sample) for who in everybody for one in work.fixed for sample in several
    ]


def _keep(store: Store, work: _Work, measured: list[Measured]) -> int:
    """Row and folder at once: the folder is renamed while the transaction is open."""
    count = len(work.asked)
    answers = [measured[at * count : (at + 1) * count] for at in range(len(work.policies))]
    settings = work.settings
    told = report(
        work.contestants,
        work.asked,
        answers,
        source=work.source,
        reward_model=_reward_model(work.reward),
        resamples=settings.evaluation.bootstrap,
        seed=settings.seed,
        notes=_notes(work, answers),
    )
    if work.fixed:
        told["regression"] = _regression(work, measured[len(work.policies) * count :])
    fresh = work.home / "tmp" / f"evaluation-{uuid.uuid4().hex}"
    fresh.mkdir(mode=0o700)
    try:
        _write_answers(work, answers, fresh)
        with store.write() as tx:
            if work.request.people:
                ids = contesting.queue(
                    tx, work.policies, work.asked, answers, work.request.people, settings
                )
                told["people"] = {"contests": ids}
                if len(ids) < work.request.people:
                    told["notes"].append(
                        f"Only {len(ids)} comparisons could be asked of people: the answers to "
                        "the other prompts read the same."
                    )
            number = add_evaluation(
                tx,
                kind=standing.KIND,
                checkpoints=[one.digest for one in work.policies],
                settings={
                    "request": asdict(work.request),
                    "seed": settings.seed,
                    "bootstrap": settings.evaluation.bootstrap,
                    "sampling": settings.sampling.model_dump(),
                    "evaluation": settings.evaluation.model_dump(),
                },
                report=told,
            )
            kept.write(standing.as_it_stands(tx, number), fresh)
            final = standing.folder_of(work.home, number)
            final.parent.mkdir(mode=0o700, exist_ok=True)
            replace_folder(fresh, final)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return number


def _reward_model(reward: Checkpoint | None) -> dict[str, Any] | None:
    if reward is None:
        return None
    return {
        "checkpoint": reward.digest,
        "version": reward.version,
        "members": list(reward.lineage["members"]),
    }


def _notes(work: _Work, answers: list[list[Measured]]) -> list[str]:
    """What could not be measured, and why."""
    notes = []
    if work.reward is None:
        notes.append(
            "There are no reward models yet, so figures by reward are left out: a round trains "
            "them from ratings."
        )
    known = sum(one.reference is not None for one in work.asked)
    if not known:
        notes.append("No prompt has a known answer: no perplexity, BLEU, chrF or ROUGE-L.")
    read = sum(one.reference_tokens > 0 for one in answers[0])
    if read < known:
        notes.append(
            f"{known - read} known answers are longer than the model's context and stay out of "
            "the perplexity."
        )
    wanted = work.request.prompts
    if wanted and len(work.asked) < wanted:
        notes.append(f"There are only {len(work.asked)} prompts.")
    if len({one.base for one in work.contestants}) > 1:
        notes.append("The checkpoints have different bases; KL is counted from each one's own.")
    return notes


def _regression(work: _Work, measured: list[Measured]) -> dict[str, Any]:
    """The first checkpoint is the baseline of all others."""
    several = work.settings.evaluation.regression_answers
    groups = [measured[at : at + several] for at in range(0, len(measured), several)]
    count = len(work.fixed)
    mine = {
        one.name: groups[at * count : (at + 1) * count] for at, one in enumerate(work.contestants)
    }
    baseline, *candidates = mine
    return regression.told(
        work.fixed,
        {
            name: regression.judge(mine[baseline], mine[name], work.settings.evaluation)
            for name in candidates
        },
        baseline=baseline,
        allowed=work.request.allow_worse,
        answers=mine,
    )


def _write_answers(work: _Work, answers: list[list[Measured]], folder: Path) -> None:
    """One line per prompt with every checkpoint's answer: what the figures were made from."""
    with (folder / "answers.jsonl").open("w", encoding="utf-8") as file:
        for place, one in enumerate(work.asked):
            said = {
                who.name: asdict(mine[place])
                for who, mine in zip(work.contestants, answers, strict=True)
            }
            file.write(json.dumps({**asdict(one), "answers": said}, ensure_ascii=False) + "\n")


def _show(done: int, total: int, text: str) -> None:
    print(MARK + json.dumps([done, total, text]), flush=True)


def main() -> int:
    """Parse `evaluate`'s command line and run; errors for people become one line."""
    parser = argparse.ArgumentParser(prog="ray_jobs.evaluating", description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("request", type=json.loads)
    given = parser.parse_args()
    os.umask(0o077)
    request = Request(**{**given.request, "refs": tuple(given.request["refs"])})
    try:
        print(run(given.home, request, _show), flush=True)
    except RLHFError as error:
        print(f"error: {error}", flush=True)
        return error.exit_code
    except ray.exceptions.RayTaskError as failed:
        if isinstance(failed.cause, RLHFError):
            print(f"error: {failed.cause}", flush=True)
            return failed.cause.exit_code
        raise
    return 0


if __name__ == "__main__":
    sys.exit(main())
