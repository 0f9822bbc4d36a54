"""An actor that answers and measures for `rlhf evaluate`."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ray_jobs.examining import Examiner
from ray_jobs.messages import Drawn, Question
from reward.report import HOLDOUT
from rlhf.evaluation.measured import Measured
from rlhf.models.logprobs import response_logprobs
from rlhf.models.text import prompt_ids
from rlhf.ppo.advantages import conservative_score
from rlhf.ppo.kl import k1


class Measurer(Examiner):
    """Holds one base with policies, reward models, or both."""

    def draw(
        self, role: str, questions: Sequence[Question], references: Sequence[str | None], seed: int
    ) -> list[Drawn]:
        """Answer with `role`, as it is served; KL from its base as that usually answers, and how
        likely it finds the known answers."""
        answers = self.answer(role, questions, seed)
        prompts = [prompt_ids(self.tokenizer, q.messages, self.mind.sampling) for q in questions]
        with torch.no_grad():
            ids, mask, response = self._together(prompts, [one.ids for one in answers])
            hidden, trunk = self.roles.hidden_and_trunk(role, ids, mask)
            ours = response_logprobs(
                self.roles, hidden, ids, response, self.mind.way(role).temperature
            )
            hidden = self.roles.hidden(None, ids, mask, trunk)
            base = response_logprobs(
                self.roles, hidden, ids, response, self.mind.sampling.temperature
            )
            nll, tokens = self._reference_nll(role, prompts, references)
        kl = k1(ours, base).sum(dim=1)
        columns = zip(answers, kl.tolist(), nll.tolist(), tokens.tolist(), strict=True)
        return [
            Drawn(Measured(a.text, a.finished, len(a.ids), k, n, int(t)), a.ids)
            for a, k, n, t in columns
        ]

    def score(
        self,
        members: Sequence[str],
        pessimism: float,
        prompts: Sequence[list[dict[str, str]]],
        answers: Sequence[tuple[int, ...]],
    ) -> list[tuple[float, float]]:
        """(conservative score of the ensemble, score of the hold-out) of each answer."""
        given = [prompt_ids(self.tokenizer, one, self.mind.sampling) for one in prompts]
        with torch.no_grad():
            ids, mask, _ = self._together(given, answers)
            scores = torch.stack([self.roles.scores(name, ids, mask) for name in members])
            reward = conservative_score(scores, pessimism)
            holdout = self.roles.scores(HOLDOUT, ids, mask)
        return list(zip(reward.tolist(), holdout.tolist(), strict=True))
