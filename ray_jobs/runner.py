"""One step of one round, in a process of its own: the Ray driver.

Started by the controller as `python -m ray_jobs.runner --home H ROUND STEP FENCE`. It computes the
step's result, then commits it together with the round's next state in a single transaction that
names the fence: a runner whose controller was replaced changes nothing. Exit codes: 0 committed,
2 wrong input (trying again cannot help), 3 superseded, 1 anything else.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from ray_jobs.step import Result, Step, clear_finished
from rlhf import settings as settings_tree
from rlhf.errors import RLHFError, Superseded, UsageError
from rlhf.rounds import State, after
from rlhf.store import events, open_store, rounds

SUPERSEDED = 3


def work(state: State) -> Callable[[Step], Result]:
    """What computes the step; no other step's libraries are imported."""
    match state:
        case State.COMPARISONS:
            from ray_jobs.comparisons import run
        case State.REWARD:
            from ray_jobs.reward_round import run
        case State.PPO:
            from ray_jobs.ppo_round import run
        case State.EVALUATION:
            from ray_jobs.evaluation_round import run
        case _:
            raise UsageError(f"{state} is nothing that a runner does")
    return run


def run_step(home: Path, round_id: int, state: State, fence: int) -> None:
    """Do the step and commit it. Raises Superseded when the fence is no longer the newest."""
    store = open_store(home, settings_tree.load_settings(home).database)
    with store.read() as tx:
        current = rounds.round_(tx, round_id)
    step = Step(
        home=home,
        store=store,
        round=current,
        fence=fence,
        name=state,
        settings=settings_tree.settings_from(current.settings, origin=f"round {round_id}"),
    )
    step.owned()
    result = work(state)(step)
    with store.write() as tx:
        result.write(tx)
        done = rounds.finish_step(tx, round_id, state, fence, result.output) and rounds.advance(
            tx, round_id, fence, frm=state, to=after(state), changes=result.changes
        )
        if not done:
            raise Superseded(f"round {round_id} has a newer owner; nothing of {state} was kept")
        events.note(tx, "runner", f"{state}_finished", f"round {round_id}", result.output)
    clear_finished(home, store)
    store.close()


def main() -> int:
    """Parse the controller's command line and run; errors for people become one line."""
    parser = argparse.ArgumentParser(prog="ray_jobs.runner", description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("round", type=int)
    parser.add_argument("step", type=State)
    parser.add_argument("fence", type=int)
    asked = parser.parse_args()
    os.umask(0o077)
    try:
        run_step(asked.home, asked.round, asked.step, asked.fence)
    except Superseded as superseded:
        print(f"stopped: {superseded}", file=sys.stderr)
        return SUPERSEDED
    except RLHFError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
