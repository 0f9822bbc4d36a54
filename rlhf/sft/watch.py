"""What is kept while an adapter learns: the best weights so far, and states to go on from.

The trainer writes its own state; what the validation rows showed is added to it, and both are
renamed into place at a stroke.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from peft import PeftModel, get_peft_model_state_dict, set_peft_model_state_dict
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from rlhf.durable import move_into_place

Progress = Callable[[int, int, str], None]
"""Called with steps done, steps in all, and a line for people."""
Looked = Callable[[int, int, float], None]
"""Called after a look at the validation rows during training: steps done, steps planned, and the
lowest loss so far in nats per learned token. It may end the training by raising."""
ADAPTER = "default"
"""PEFT's own name, under which the trainer saves and finds it again."""
STATE = "state-"
"""In the folder of a training: the finished states, by their step."""
WATCH, BEST = "watch.json", "best.safetensors"
"""In a resume folder beside the trainer's own files: what the validation rows showed so far."""


@dataclass(slots=True)
class Seen:
    """What the validation loss was, in nats per learned token."""

    before: float | None = None
    """Of the untouched base; None without validation rows."""
    lowest: float | None = None
    best_step: int = 0
    waited: int = 0
    """Looks since the lowest."""
    looked: int = -1
    """The step of the last look."""
    loss: float | None = None
    """Mean of the training steps up to the last save, in nats per learned token."""


class Watch(TrainerCallback):
    """Passes steps on as progress, keeps the best weights, and makes saved states durable."""

    def __init__(
        self,
        model: PeftModel,
        folder: Path,
        patience: int,
        progress: Progress,
        looked: Looked,
    ) -> None:
        self.seen = Seen()
        self._model, self._folder, self._patience = model, folder, patience
        self._progress, self._looked = progress, looked
        self._best = self._weights()

    def read(self, state: Path) -> None:
        """Go on from what was seen when a state was saved."""
        self.seen = Seen(**json.loads((state / WATCH).read_text(encoding="utf-8")))
        self._best = load_file(state / BEST)

    def restore(self) -> None:
        """Put the weights back whose validation loss was lowest."""
        set_peft_model_state_dict(self._model, self._best, adapter_name=ADAPTER)

    @property
    def had_enough(self) -> bool:
        """Whether the validation loss has not fallen for too long."""
        return self.seen.waited >= self._patience

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Any
    ) -> None:
        """The validation rows were looked at."""
        loss, seen = given["metrics"]["eval_loss"], self.seen
        seen.looked = state.global_step
        if seen.before is None:
            seen.before = loss
        if seen.lowest is None or loss < seen.lowest:
            seen.lowest, seen.best_step, seen.waited = loss, state.global_step, 0
            self._best = self._weights()
        else:
            seen.waited += 1
            control.should_training_stop = self.had_enough
        if state.global_step:
            self._looked(state.global_step, state.max_steps, seen.lowest)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Any
    ) -> None:
        """One optimiser step is done."""
        told = "" if self.seen.lowest is None else f", validation loss {self.seen.lowest:.3f}"
        self._progress(state.global_step, state.max_steps, f"training{told}")

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Any
    ) -> None:
        """The mean loss of the last steps is in the newest entry that has one."""
        logged = (entry["loss"] for entry in reversed(state.log_history) if "loss" in entry)
        self.seen.loss = next(logged, self.seen.loss)

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Any
    ) -> None:
        """The trainer wrote its state: add ours, and let both take the place of the last one."""
        fresh = Path(str(args.output_dir)) / f"checkpoint-{state.global_step}"
        save_file(self._best, fresh / BEST)
        (fresh / WATCH).write_text(json.dumps(asdict(self.seen)), encoding="utf-8")
        older = states(self._folder)
        move_into_place(fresh, self._folder / f"{STATE}{state.global_step:09d}")
        for state_before in older:
            shutil.rmtree(state_before)

    def _weights(self) -> dict[str, Tensor]:
        weights = get_peft_model_state_dict(self._model, adapter_name=ADAPTER)
        return {name: one.detach().cpu().clone() for name, one in weights.items()}


def states(folder: Path) -> list[Path]:
    """Resume folders, oldest first; more than one only after a kill."""
    return sorted(folder.glob(f"{STATE}*"))
