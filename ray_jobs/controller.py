"""Moves one round after another through its states, for ever. Killed anywhere, it goes on.

It computes nothing: it reads rows, decides, starts the runner of a step and waits for it. Imports
neither Ray nor torch. Every write carries the round's fence, so that a controller that was
replaced while it slept changes nothing and stops.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ray_jobs import tether
from ray_jobs.hearing import hear
from ray_jobs.ray_environment import private_environment
from reward import gate as reward_gate
from rlhf import settings as settings_tree
from rlhf.errors import Superseded
from rlhf.evaluation import gate as policy_gate
from rlhf.override import WAITING
from rlhf.rounds import MAX_ATTEMPTS, RUNNER_STEPS, State, after
from rlhf.settings import Settings, load_settings
from rlhf.store import (
    Store,
    checkpoints,
    events,
    facts,
    manifests,
    open_store,
    prompts,
    requests,
    rounds,
)

if TYPE_CHECKING:
    from rlhf.store import Connection

HEARTBEAT_S = 2.0
"""Pause between two looks at the database while waiting for people or for a runner."""

LOG_TAIL = 1500
"""Characters of a failed runner's log that are kept with the round."""

LOOP = "loop"
"""Who asked for a round that began because the one before it had ended."""

WRONG_INPUT = 2
"""Exit code of a runner that met an error which trying again cannot mend."""


@dataclass(frozen=True, slots=True)
class Service:
    """What a controller works on."""

    home: Path
    store: Store
    stopping: threading.Event

    def pause(self) -> None:
        """Wait one heartbeat, or less when the service stops."""
        self.stopping.wait(HEARTBEAT_S)


def run(service: Service, *, until: Callable[[Service], bool] = lambda _: False) -> None:
    """Advance rounds until `until(service)` holds or the service stops."""
    fences: dict[int, int] = {}
    while not service.stopping.is_set() and not until(service):
        with service.store.read() as tx:
            current = rounds.current_round(tx)
        if current is None:
            if not _open_next(service):
                service.pause()
            continue
        if current.id not in fences:
            with service.store.write() as tx:
                fences[current.id] = rounds.claim(tx, current.id)
            continue
        _step(service, current, fences[current.id])


def _step(service: Service, current: rounds.Round, fence: int) -> None:
    state = State(current.state)
    if state in RUNNER_STEPS:
        _run_step(service, current, state, fence)
    else:
        CONTROLLER_STEPS[state](service, current, fence)


def _open_next(service: Service) -> bool:
    """Open the next round from the champion, unless the last one failed and nobody asked again."""
    with service.store.write() as tx:
        past = rounds.all_rounds(tx)
        failed = bool(past) and past[-1].state == State.FAILED
        asked = requests.take(tx, "start_round")
        if failed and asked is None:
            return False
        chosen = load_settings(service.home)
        champion = checkpoints.alias(tx, "champion")
        base = facts.get(tx, "base")
        if champion is None or base is None:
            return False
        number = len(past) + 1
        opened = rounds.create_round(
            tx,
            settings=chosen.model_dump(mode="json"),
            base=base,
            start_checkpoint=champion,
            seed=chosen.seed * 1000 + number,
            requested_by=asked.by if asked else LOOP,
        )
        events.note(tx, "controller", "round_opened", f"round {opened.id}", {"champion": champion})
    return True


def _finish(
    service: Service,
    current: rounds.Round,
    fence: int,
    output: dict[str, Any],
    changes: dict[str, Any],
    *,
    passed: bool = True,
) -> None:
    with service.store.write() as tx:
        _move_on(tx, current, fence, output, changes, passed=passed)


def _move_on(
    tx: Connection,
    current: rounds.Round,
    fence: int,
    output: dict[str, Any],
    changes: dict[str, Any],
    *,
    passed: bool = True,
) -> None:
    """Record a controller's step and the next state in the caller's transaction.

    Raises Superseded when a newer controller owns the round.
    """
    state = State(current.state)
    to = after(state, passed=passed)
    rounds.start_step(tx, current.id, state, fence)
    owned = rounds.finish_step(tx, current.id, state, fence, output) and rounds.advance(
        tx, current.id, fence, frm=state, to=to, changes=changes
    )
    if not owned:
        raise Superseded(f"round {current.id} is moved by a newer controller; this one stops")
    events.note(tx, "controller", f"round_{to}", f"round {current.id}", output)


def collect(service: Service, current: rounds.Round, fence: int) -> None:
    """Wait for people: until enough new ratings exist, or an operator says that these will do.

    An operator who asked for this very round has said so.
    """
    chosen = _settings(current)
    needed = chosen.feedback.ratings_per_round
    with service.store.write() as tx:
        last = manifests.latest(tx)
        have = manifests.new_ratings_since(tx, last)
        asked = have > 0 and (
            current.requested_by != LOOP or requests.take(tx, "start_round") is not None
        )
        rounds.report_progress(
            tx, current.id, fence, "collecting", min(have, needed), needed, f"{have} new ratings"
        )
    if have < needed and not asked:
        service.pause()
        return
    _finish(service, current, fence, {"new_ratings": have, "needed": needed}, {})


def freeze(service: Service, current: rounds.Round, fence: int) -> None:
    """Freeze every valid rating so far, and hear what they say of a candidate refused before."""
    with service.store.write() as tx:
        frozen = manifests.freeze_manifest(tx, current.id)
        output = {
            "manifest": frozen.digest,
            "ratings": frozen.count,
            "left_out": manifests.left_out(tx),
            "heard": hear(tx, current, _settings(current)),
        }
        _move_on(tx, current, fence, output, {"manifest": frozen.digest})


def judge_reward(service: Service, current: rounds.Round, fence: int) -> None:
    """Ask the reward gate about the report that training left."""
    report = _output(service, current, State.REWARD)["report"]
    verdict = reward_gate.decide(
        reward_gate.RewardReport.from_json(report), _settings(current).gate
    )
    decision = {"gate": "reward", "passed": verdict.passed, "reasons": list(verdict.reasons)}
    _finish(service, current, fence, decision, {"decision": decision}, passed=verdict.passed)


def judge_policy(service: Service, current: rounds.Round, fence: int) -> None:
    """Ask the policy gate about the evaluation; gold is not among what it is shown."""
    record = policy_gate.Evaluation.from_json(current.evaluation)
    verdict = policy_gate.decide(record, _settings(current).gate)
    decision = {"gate": "policy", "passed": verdict.passed, "reasons": list(verdict.reasons)}
    if "override" in current.decision:
        decision["override"] = current.decision["override"]
    _finish(service, current, fence, decision, {"decision": decision}, passed=verdict.passed)


def promote(service: Service, current: rounds.Round, fence: int) -> None:
    """Move `champion` to the candidate, unless somebody moved it since this round began."""
    assert current.candidate is not None
    actor, why = f"round {current.id}", f"won round {current.id}"
    with service.store.write() as tx:
        champion = current.start_checkpoint
        unmoved = checkpoints.alias(tx, "champion") == champion
        if unmoved:
            before = checkpoints.alias(tx, "previous")
            checkpoints.move_alias(tx, "previous", champion, before, actor, why)
            checkpoints.move_alias(tx, "champion", current.candidate, champion, actor, why)
            rounds.follow_champion(tx, champion, current.candidate, WAITING)
            reasons = [f"champion moved from {champion[:12]} to {current.candidate[:12]}"]
        else:
            reasons = ["the champion was moved by hand while this round ran; it stays where it is"]
        output = {**current.decision, "passed": unmoved}
        output["reasons"] = [*current.decision["reasons"], *reasons]
        _move_on(tx, current, fence, output, {"decision": output}, passed=unmoved)


CONTROLLER_STEPS: dict[State, Callable[[Service, rounds.Round, int], None]] = {
    State.COLLECTING: collect,
    State.MANIFEST: freeze,
    State.REWARD_GATE: judge_reward,
    State.GATE: judge_policy,
    State.PROMOTION: promote,
}


def _run_step(service: Service, current: rounds.Round, state: State, fence: int) -> None:
    """Start the step's runner and wait for it; it commits its result and the next state itself."""
    if state is State.COMPARISONS and not _have_prompts(service):
        with service.store.write() as tx:
            rounds.report_progress(
                tx, current.id, fence, state, 0, 1, "waiting for prompts: rlhf ingest FILE"
            )
        service.pause()
        return
    with service.store.write() as tx:
        attempt = rounds.start_step(tx, current.id, state, fence)
    log = service.home / "logs" / f"round-{current.id}-{state}.log"
    command = [sys.executable, "-m", "ray_jobs.runner", "--home", str(service.home)]
    command += [str(current.id), str(state), str(fence)]
    private = _settings(current).ray.address is None
    with log.open("ab") as lines:
        child = tether.spawn(
            command,
            home=service.home,
            log=lines,
            namespaces=tether.isolation(network=private),
            env=private_environment(service.home) if private else {},
        )
        code = _wait(service, child, current.id, fence)
    if code not in (0, None):
        _record_failure(service, current, state, fence, attempt, code, log)


def _wait(
    service: Service, child: subprocess.Popen[bytes], round_id: int, fence: int
) -> int | None:
    """The runner's exit code; None when the service stopped first and ended it."""
    while True:
        try:
            return child.wait(timeout=HEARTBEAT_S)
        except subprocess.TimeoutExpired:
            pass
        with service.store.write() as tx:
            owned = rounds.heartbeat(tx, round_id, fence)
        if service.stopping.is_set() or not owned:
            child.kill()
            child.wait()
            return None


def _record_failure(
    service: Service,
    current: rounds.Round,
    state: State,
    fence: int,
    attempt: int,
    code: int,
    log: Path,
) -> None:
    """Note the failed attempt; end the round when it was the last or cannot be mended."""
    tail = log.read_text(encoding="utf-8", errors="replace")[-LOG_TAIL:]
    final = attempt >= MAX_ATTEMPTS or code == WRONG_INPUT
    with service.store.write() as tx:
        rounds_left = "" if final else f"; attempt {attempt + 1} follows"
        events.note(
            tx,
            "controller",
            "step_failed",
            f"round {current.id}",
            {"step": state, "attempt": attempt, "exit_code": code, "then": rounds_left},
        )
        if final:
            last_line = next((line for line in reversed(tail.splitlines()) if line.strip()), "")
            error = f"step {state} failed (exit code {code}): {last_line} (see {log})"
            rounds.advance(
                tx, current.id, fence, frm=state, to=State.FAILED, changes={"error": error}
            )
    if not final:
        service.stopping.wait(HEARTBEAT_S * attempt)


def _have_prompts(service: Service) -> bool:
    with service.store.read() as tx:
        return prompts.count_prompts(tx).get("train", 0) > 0


def _output(service: Service, current: rounds.Round, state: State) -> dict[str, Any]:
    with service.store.read() as tx:
        done = rounds.step(tx, current.id, state)
    assert done is not None
    assert done.output is not None
    return done.output


def _settings(current: rounds.Round) -> Settings:
    return settings_tree.settings_from(current.settings, origin=f"round {current.id}")


def main() -> int:
    """Run the controller of one home until SIGTERM: `python -m ray_jobs.controller --home H`."""
    parser = argparse.ArgumentParser(prog="ray_jobs.controller", description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    home = parser.parse_args().home
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    store = open_store(home, load_settings(home).database)
    try:
        run(Service(home=home, store=store, stopping=stopping))
    finally:
        store.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
