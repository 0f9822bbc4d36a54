"""PPO killed at fifty random points: does it always end in the same bits?

python -m tests.benchmarks.crash [--quick] [--json FILE]
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from tests.benchmarks._record import Goal, finish, parser
from tests.killed_ppo import before_ppo, candidate, candidate_after_a_kill, copied, longer, points

KILLS, QUICK_KILLS = 50, 5
PACE_S = 1.0
"""About one iteration."""


def main() -> None:
    """Kill, start again, compare the SHA-256 of what is published."""
    asked = parser(__doc__ or "").parse_args()
    kills = points(QUICK_KILLS if asked.quick else KILLS, seed=1, pace=PACE_S)
    same = 0
    with tempfile.TemporaryDirectory(prefix="crash-") as scratch:
        small, ready = Path(scratch) / "small", Path(scratch) / "ready"
        before_ppo(small)
        longer(small, ready)
        expected = candidate(copied(ready, Path(scratch) / "whole"))
        for number, point in enumerate(kills, start=1):
            home = Path(scratch) / f"killed-{number}"
            got = candidate_after_a_kill(ready, home, point)
            same += got == expected
            shutil.rmtree(home)
            print(
                f"{number}/{len(kills)}: {point.seconds:.2f} s after iteration {point.iteration}: "
                f"{'the same' if got == expected else 'ANOTHER ADAPTER'}",
                flush=True,
            )
    figures = {"kills": len(kills), "same": same, "adapter": expected}
    goals = [
        Goal("kills after which the adapter is the same", same, f"{len(kills)}", same == len(kills))
    ]
    finish("crash", figures, goals, asked.json)


if __name__ == "__main__":
    main()
