"""An actor that draws several answers per prompt and tells what chooses among pairs of them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from ray_jobs.answering import Answerer
from ray_jobs.messages import Asked, Candidate, Question
from reward.scoring import score_ids
from reward.selection import Numbers
from reward.states import state_differences, states
from rlhf.models.text import prompt_ids, response_ids


class Pairer(Answerer):
    """An answering actor that also holds the members of the last round's ensemble, if any."""

    def states_of(self, asked: Sequence[Asked]) -> Numbers:
        """The base's state [M, D] of the first response less that of the second."""
        pairs = []
        for one in asked:
            prompt = prompt_ids(self.tokenizer, one.messages, self.mind.sampling)
            first, second = (response_ids(self.tokenizer, text) for text in (one.first, one.second))
            pairs.append(([*prompt, *first], [*prompt, *second]))
        return state_differences(self.roles, pairs)

    def candidates(
        self, role: str, questions: Sequence[Question], seed: int, members: Sequence[str]
    ) -> list[Candidate]:
        """All pairs of different answers to each prompt; questions of one prompt come together."""
        answers = self.answer(role, questions, seed)
        sequences = [
            [*prompt_ids(self.tokenizer, question.messages, self.mind.sampling), *answer.ids]
            for question, answer in zip(questions, answers, strict=True)
        ]
        scores = np.array([score_ids(self.roles, member, sequences) for member in members])
        scores = scores.reshape(len(members), len(sequences))
        seen = states(self.roles, sequences)
        by_prompt: dict[int, list[int]] = {}
        for place, answer in enumerate(answers):
            by_prompt.setdefault(answer.prompt_id, []).append(place)
        return [
            Candidate(answers[a], answers[b], scores[:, a] - scores[:, b], seen[a] - seen[b])
            for places in by_prompt.values()
            for a, b in combinations(places, 2)
            if answers[a].text.strip() != answers[b].text.strip()
        ]
