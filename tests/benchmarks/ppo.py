"""Our PPO engine beside the last TRL that had one, on the same work, in turns.

    python -m tests.benchmarks.ppo [--quick] [--json FILE]

Work: a random Llama (`tiny`, `135m`), LoRA r=16 on all linear layers, the same initial weights
and prompts, query 24 tokens, response 48, 4 epochs, mini-batches of 16. Each engine runs alone in
a process of two threads, A B A B; its first iteration is not counted. TRL 1.12.0 is installed
without its dependencies into a folder of its own. README.md beside this file tells the levers.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import torch

from tests.benchmarks._child import child
from tests.benchmarks._ppo_work import SHAPES, Flop, Shape, flop, make_model, matrix_peak
from tests.benchmarks._record import Goal, finish, parser

TRL = "trl==1.12.0"
TURNS, ITERATIONS = 3, 4
QUICK_TURNS, QUICK_ITERATIONS = 1, 2
PHASES = ("generate", "score", "update")


@dataclass(frozen=True, slots=True)
class Engine:
    """A row of the table: an engine with its settings, and what its layout must compute."""

    name: str
    settings: str | None
    """JSON: what differs from the work; none for TRL."""
    epochs: int = 4
    values: int = 0
    """Value models that are trained beside the policy on states of their own."""
    adapted: float = 1.0


THEIRS = Engine("TRL 1.12.0, second model as value", None, values=1)
OURS = Engine("ours, value on the reward's states", "{}")
PROFILES = (
    Engine("ours, value on the policy's states", '{"value_layout": "policy"}'),
    Engine("ours, value adapter", '{"value_layout": "adapter"}', values=1),
    Engine("ours, value on the reward's states, fp32", '{"precision": "fp32"}'),
    Engine("ours, value on the reward's states, 2 epochs", '{"epochs": 2}', epochs=2),
    Engine("ours, upper half adapted", '{"adapted_layers": "top-half"}', adapted=0.5),
    Engine(
        "ours, upper half adapted, 2 epochs",
        '{"adapted_layers": "top-half", "epochs": 2}',
        epochs=2,
        adapted=0.5,
    ),
)


@dataclass(slots=True)
class Measured:
    """Laps (seconds by phase) and peak memory (GiB) of an engine, over all its turns."""

    laps: list[dict[str, float]] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    precision: str = "fp32"

    def add(self, told: dict[str, Any]) -> None:
        """Keep what one process reported."""
        self.laps += told["laps"]
        self.memory.append(told["memory"])
        self.precision = told.get("precision", "fp32")

    def seconds(self, phase: str = "iteration") -> float:
        """Median over the laps."""
        return median(lap[phase] for lap in self.laps)


def main() -> None:
    """Measure both shapes and hold the ratios against the goals."""
    asked = parser(__doc__ or "").parse_args()
    turns, iterations = (QUICK_TURNS, QUICK_ITERATIONS) if asked.quick else (TURNS, ITERATIONS)
    shapes = ("tiny",) if asked.quick else ("tiny", "135m")
    torch.set_num_threads(2)
    peaks = {"fp32": matrix_peak(torch.float32), "bf16": matrix_peak(torch.bfloat16)}
    print(f"matrix peak: fp32 {peaks['fp32']:.0f}, bf16 {peaks['bf16']:.0f} GFLOP/s")
    figures: dict[str, Any] = {"matrix_peak_gflops": peaks}
    goals: list[Goal] = []
    with tempfile.TemporaryDirectory(prefix="ppo-bench-") as scratch:
        trl = _trl(Path(scratch) / "trl")
        for name in shapes:
            model = Path(scratch) / name
            make_model(model, SHAPES[name])
            measured = _in_turns(name, model, trl, turns, iterations)
            figures[name] = _table(name, measured, peaks)
            goals += _goals(name, figures[name])
            ray = _on_ray(name, model, turns, iterations)
            figures[f"{name}, Ray"] = {str(n): _ray_row(one) for n, one in ray.items()}
            goals += _ray_goals(name, ray)
    finish("ppo", figures, goals, asked.json)


def _trl(folder: Path) -> Path:
    """TRL 1.12.0 without its dependencies: it runs on the pinned torch and transformers."""
    told = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder)]
    subprocess.run([*told, TRL], check=True)
    return folder


def _in_turns(
    shape: str, model: Path, trl: Path, turns: int, iterations: int
) -> dict[Engine, Measured]:
    measured = {engine: Measured() for engine in (THEIRS, OURS, *PROFILES)}
    for turn in range(turns):
        for engine, seen in measured.items():
            if engine in PROFILES and turn:
                continue
            seen.add(child(*_command(shape, model, trl, engine, iterations)))
            print(f"  {shape} {turn + 1}/{turns} {engine.name}: {seen.seconds():.2f} s", flush=True)
    return measured


def _command(
    shape: str, model: Path, trl: Path, engine: Engine, iterations: int
) -> tuple[str, list[str]]:
    laps = str(iterations + 1)
    if engine.settings is None:
        return "_ppo_trl", [shape, str(model), str(trl), laps]
    return "_ppo_ours", [shape, str(model), laps, engine.settings]


def _on_ray(shape: str, model: Path, turns: int, iterations: int) -> dict[int, Measured]:
    """One and two workers of one thread, in turns."""
    measured = {1: Measured(), 2: Measured()}
    for turn in range(turns):
        for workers, seen in measured.items():
            given = [shape, str(model), str(workers), str(iterations + 1), "{}"]
            seen.add(child("_ppo_ray", given))
            print(
                f"  {shape} {turn + 1}/{turns} Ray, {workers} x 1 thread: {seen.seconds():.2f} s",
                flush=True,
            )
    return measured


def _work(shape: Shape, engine: Engine) -> Flop:
    trl = engine.settings is None
    return flop(
        shape,
        passes=3 if trl else 3 + engine.values,
        values=engine.values,
        epochs=engine.epochs,
        adapted=engine.adapted,
    )


def _table(
    name: str, measured: dict[Engine, Measured], peaks: dict[str, float]
) -> dict[str, dict[str, Any]]:
    shape = SHAPES[name]
    theirs = measured[THEIRS]
    print(f"\n| {name} | s | generate | score | update | share of peak | GiB | tokens/s | ratio |")
    print("|---|---|---|---|---|---|---|---|---|")
    rows: dict[str, dict[str, Any]] = {}
    for engine, seen in measured.items():
        work = _work(shape, engine)
        needed = {"generate": work.generate, "score": work.score, "update": work.update}
        share = {
            phase: needed[phase] / seen.seconds(phase) / 1e9 / peaks[seen.precision]
            for phase in PHASES
        }
        rows[engine.name] = {
            **{f"seconds_{phase}": seen.seconds(phase) for phase in ("iteration", *PHASES)},
            **{f"share_of_peak_{phase}": share[phase] for phase in PHASES},
            "precision": seen.precision,
            "memory_gib": max(seen.memory),
            "tokens_per_second": shape.batch * 48 / seen.seconds(),
            "time_ratio": theirs.seconds() / seen.seconds(),
            "memory_ratio": max(theirs.memory) / max(seen.memory),
            "laps": seen.laps,
        }
        row = rows[engine.name]
        print(
            f"| {engine.name}, {seen.precision} | {seen.seconds():.2f} "
            + "".join(f"| {seen.seconds(phase):.2f} " for phase in PHASES)
            + "| "
            + " / ".join(f"{share[phase]:.0%}" for phase in PHASES)
            + f" | {row['memory_gib']:.2f} | {row['tokens_per_second']:.0f}"
            + f" | {row['time_ratio']:.2f} |"
        )
    return rows


def _ray_row(seen: Measured) -> dict[str, Any]:
    return {
        "seconds_iteration": seen.seconds(),
        "overhead": seen.seconds("overhead") / seen.seconds(),
        "memory_gib": max(seen.memory),
        "laps": seen.laps,
    }


def _ray_goals(name: str, measured: dict[int, Measured]) -> list[Goal]:
    gain = measured[1].seconds() / measured[2].seconds()
    goals = [Goal(f"{name}: two workers over one, iterations/s", gain, ">= 1.85", gain >= 1.85)]
    if name == "tiny":
        overhead = measured[1].seconds("overhead") / measured[1].seconds()
        goals.append(
            Goal("tiny: driver and Ray per iteration", overhead, "<= 0.05", overhead <= 0.05)
        )
    return goals


def _goals(name: str, rows: dict[str, Any]) -> list[Goal]:
    ours = rows[OURS.name]
    time_goal = {"tiny": 3.0, "135m": 4.0}[name]
    ratio = ours["time_ratio"]
    goals = [Goal(f"{name}: time of TRL over ours", ratio, f">= {time_goal}", ratio >= time_goal)]
    if name == "135m":
        memory, update = ours["memory_ratio"], ours["share_of_peak_update"]
        goals += [
            Goal("135m: memory of TRL over ours", memory, ">= 5", memory >= 5),
            Goal("135m: update's share of the peak", update, ">= 0.6", update >= 0.6),
        ]
    return goals


if __name__ == "__main__":
    main()
