"""An actor that answers held-out prompts and measures every answer by every role."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ray_jobs.answering import Answerer
from ray_jobs.messages import Examined, Question
from reward.report import HOLDOUT
from rlhf.models.logprobs import response_logprobs
from rlhf.models.text import prompt_ids, response_ids, right_pad
from rlhf.ppo.advantages import conservative_score
from rlhf.ppo.kl import k1
from rlhf.settings import Sampling


class Examiner(Answerer):
    """An answering actor that also holds the reward models."""

    def examine(
        self,
        role: str,
        questions: Sequence[Question],
        references: Sequence[str | None],
        seed: int,
        members: Sequence[str],
        pessimism: float,
    ) -> list[Examined]:
        """Answer with `role` and measure; `references` are known answers to the same prompts."""
        answers = self.answer(role, questions, seed)
        prompts = [prompt_ids(self.tokenizer, q.messages, self.mind.sampling) for q in questions]
        with torch.no_grad():
            ids, mask, response = self._together(prompts, [one.ids for one in answers])
            temperature = self.mind.sampling.temperature
            hidden, trunk = self.roles.hidden_and_trunk(role, ids, mask)
            ours = response_logprobs(self.roles, hidden, ids, response, temperature)
            hidden = self.roles.hidden(None, ids, mask, trunk)
            base = response_logprobs(self.roles, hidden, ids, response, temperature)
            scores = torch.stack([self.roles.scores(name, ids, mask, trunk) for name in members])
            proxy = conservative_score(scores, pessimism)
            holdout = self.roles.scores(HOLDOUT, ids, mask, trunk)
            nll, tokens = self._reference_nll(role, prompts, references)
        kl = k1(ours, base).sum(dim=1)
        columns = zip(
            answers,
            proxy.tolist(),
            holdout.tolist(),
            kl.tolist(),
            nll.tolist(),
            tokens.tolist(),
            strict=True,
        )
        return [Examined(a, p, h, k, n, int(t)) for a, p, h, k, n, t in columns]

    def liking(
        self, role: str, questions: Sequence[Question], seed: int, sampling: Sampling
    ) -> list[tuple[str, float]]:
        """(text, score by the hold-out) of answers drawn from `role` in another way."""
        answers = self.answer(role, questions, seed, sampling)
        prompts = [prompt_ids(self.tokenizer, q.messages, sampling) for q in questions]
        with torch.no_grad():
            ids, mask, _ = self._together(prompts, [one.ids for one in answers])
            scores = self.roles.scores(HOLDOUT, ids, mask).tolist()
        return [(answer.text, score) for answer, score in zip(answers, scores, strict=True)]

    def _reference_nll(
        self, role: str, prompts: list[list[int]], references: Sequence[str | None]
    ) -> tuple[Tensor, Tensor]:
        """(negative log-likelihood [B], tokens [B]) of reference answers, at temperature 1.

        Both are 0 where there is none, or one that the context does not hold.
        """
        nll, tokens = torch.zeros(2, len(prompts), device=self.roles.device)
        told = {
            row: response_ids(self.tokenizer, text)
            for row, text in enumerate(references)
            if text is not None
        }
        known = [row for row in told if len(prompts[row]) + len(told[row]) <= self.roles.context]
        if known:
            ids, mask, response = self._together(
                [prompts[row] for row in known], [told[row] for row in known]
            )
            hidden = self.roles.hidden(role, ids, mask)
            logprob = response_logprobs(self.roles, hidden, ids, response, 1.0)
            nll[known], tokens[known] = -logprob.sum(dim=1), response.sum(dim=1).float()
        return nll, tokens

    def _together(
        self, prompts: Sequence[Sequence[int]], answers: Sequence[Sequence[int]]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """(ids, mask, response mask), each [B, S]."""
        rows = [[*p, *a] for p, a in zip(prompts, answers, strict=True)]
        ids, mask = right_pad(rows, self.roles.device)
        response = mask.clone()
        for row, prompt in enumerate(prompts):
            response[row, : len(prompt)] = 0
        return ids, mask, response
