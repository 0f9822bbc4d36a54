"""An actor that answers and scores for `rlhf bias`."""

from __future__ import annotations

from collections.abc import Sequence

from ray_jobs.answering import Answerer
from ray_jobs.messages import Question
from reward.scoring import Encoder, score_ids
from rlhf.evaluation.bias.measuring import Answered, Judged
from rlhf.models.text import prompt_ids


class BiasExaminer(Answerer):
    """An answering actor whose answers, and those of others, reward models score."""

    def measure(
        self, role: str, asked: Sequence[Question], seed: int, scorers: Sequence[str]
    ) -> list[Answered]:
        """Draw one answer per question and score it under its prompt."""
        answers = self.answer(role, asked, seed)
        prompts_ = [prompt_ids(self.tokenizer, one.messages, self.mind.sampling) for one in asked]
        rows = [[*p, *a.ids] for p, a in zip(prompts_, answers, strict=True)]
        scores = {name: score_ids(self.roles, name, rows).tolist() for name in scorers}
        return [
            Answered(a.text, len(a.ids), a.finished, {name: scores[name][at] for name in scorers})
            for at, a in enumerate(answers)
        ]

    def score(
        self, judged: Sequence[Judged], scorers: Sequence[str]
    ) -> list[dict[str, float] | None]:
        """Role -> score of each given answer; None where the context is too short for it."""
        encoder = Encoder(self.tokenizer, self.mind.sampling, longest=self.roles.context)
        rows = [encoder.answer(one.messages, one.answer, True) for one in judged]
        fitting = [at for at, row in enumerate(rows) if len(row) <= encoder.longest]
        found: list[dict[str, float] | None] = [None] * len(rows)
        scores = {
            name: score_ids(self.roles, name, [rows[at] for at in fitting]) for name in scorers
        }
        for number, at in enumerate(fitting):
            found[at] = {name: float(scores[name][number]) for name in scorers}
        return found
