"""One process of TRL 1.12.0's PPO on the benchmark's work; prints its figures as JSON.

python -m tests.benchmarks._ppo_trl SHAPE MODEL TRL_FOLDER ITERATIONS
"""

from __future__ import annotations

import importlib
import json
import sys
import tempfile
import time
from typing import Any

import torch

from rlhf.models.base import load_tokenizer
from tests.benchmarks._ppo_work import (
    ALPHA,
    EPOCHS,
    LEARNING_RATE,
    MINIBATCH,
    RANK,
    RESPONSE,
    SHAPES,
    peak_memory,
    queries,
)


def main(shape_name: str, model: str, trl_folder: str, iterations: int) -> None:
    """Train for some iterations, the first of which is not counted."""
    sys.path.insert(0, trl_folder)
    import trl
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import (
        AutoModelForCausalLM,
        AutoModelForSequenceClassification,
        AutoTokenizer,
        TrainerCallback,
    )

    ppo = importlib.import_module("trl.experimental.ppo")

    assert trl.__version__ == "1.12.0", trl.__version__
    torch.set_num_threads(2)
    shape = SHAPES[shape_name]
    clock = Clock()
    for phase, name in (("generate", "batch_generation"), ("score", "get_reward")):
        setattr(ppo.ppo_trainer, name, clock.watch(phase, getattr(ppo.ppo_trainer, name)))

    class Bell(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            clock.lap()

    tokenizer = AutoTokenizer.from_pretrained(model)
    told: dict[str, Any] = {"dtype": torch.float32}
    scorers = [
        AutoModelForSequenceClassification.from_pretrained(model, num_labels=1, **told)
        for _ in range(2)
    ]
    trainer = ppo.PPOTrainer(
        args=ppo.PPOConfig(
            output_dir=tempfile.mkdtemp(prefix="ppo-trl-"),
            per_device_train_batch_size=MINIBATCH,
            gradient_accumulation_steps=shape.batch // MINIBATCH,
            num_mini_batches=shape.batch // MINIBATCH,
            num_ppo_epochs=EPOCHS,
            total_episodes=iterations * shape.batch,
            local_rollout_forward_batch_size=shape.batch,
            response_length=RESPONSE,
            temperature=1.0,
            learning_rate=LEARNING_RATE,
            num_sample_generations=0,
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            report_to=[],
            save_strategy="no",
            disable_tqdm=True,
        ),
        processing_class=tokenizer,
        model=AutoModelForCausalLM.from_pretrained(model, **told),
        ref_model=None,
        reward_model=scorers[0],
        value_model=scorers[1],
        train_dataset=Dataset.from_dict({"input_ids": queries(load_tokenizer(model), shape)}),
        peft_config=LoraConfig(
            r=RANK, lora_alpha=ALPHA, target_modules="all-linear", task_type="CAUSAL_LM"
        ),
        callbacks=[Bell()],
    )
    clock.start()
    trainer.train()
    print(json.dumps({"laps": clock.laps[1:], "memory": peak_memory(), "precision": "fp32"}))


class Clock:
    """Seconds per iteration: generate, score (with what lies between), update."""

    def __init__(self) -> None:
        self.laps: list[dict[str, float]] = []
        self.start()

    def start(self) -> None:
        """A new iteration begins."""
        self.began = self.scored = time.perf_counter()
        self.generated = 0.0

    def watch(self, phase: str, work: Any) -> Any:
        """`work`, with the time of its end noted."""

        def watched(*given: Any, **named: Any) -> Any:
            started = time.perf_counter()
            result = work(*given, **named)
            if phase == "generate":
                self.generated += time.perf_counter() - started
            self.scored = time.perf_counter()
            return result

        return watched

    def lap(self) -> None:
        """An iteration is over."""
        now = time.perf_counter()
        self.laps.append(
            {
                "iteration": now - self.began,
                "generate": self.generated,
                "score": self.scored - self.began - self.generated,
                "update": now - self.scored,
            }
        )
        self.start()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
