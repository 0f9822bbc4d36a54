"""Whether tokenizer, model and what this package knows of its kind belong together."""

from __future__ import annotations

import torch
from transformers import PreTrainedModel
from transformers import PreTrainedTokenizerBase as Tokenizer

from rlhf.errors import ModelError
from rlhf.models.lm_head import LmHead
from rlhf.models.text import prompt_ids
from rlhf.settings import Sampling

PROBE = [{"role": "user", "content": "The quick brown fox jumps over 13 lazy dogs? Yes!"}]

TOLERANCE = 0.05
"""Part of the logits' norm; bf16 rounds to a tenth of it, a forgotten factor changes all."""


def check(base: PreTrainedModel, tokenizer: Tokenizer, lm_head: LmHead) -> None:
    """Raise ModelError when the tokenizer speaks ids that the model lacks, or when the model makes
    its logits in a way that `lm_head` does not know."""
    known = int(base.config.get_text_config().vocab_size)
    spoken = [*prompt_ids(tokenizer, PROBE, Sampling()), int(tokenizer.eos_token_id)]
    if max(spoken) >= known:
        raise ModelError(
            f"the tokenizer uses token {max(spoken)}, the model has only {known}; "
            "they do not belong together"
        )
    if _differ(base, spoken, lm_head):
        raise ModelError(
            f"models of the type {base.config.model_type} make their logits in a way that is not "
            "known here, so that every answer would be wrong; take a model of another type"
        )


@torch.no_grad()
def _differ(base: PreTrainedModel, spoken: list[int], lm_head: LmHead) -> bool:
    longest = getattr(base.config.get_text_config(), "max_position_embeddings", len(spoken))
    ids = torch.tensor([spoken[-longest:]], device=base.device)
    theirs = base(input_ids=ids, use_cache=False).logits.float()
    states = base.base_model(input_ids=ids, use_cache=False).last_hidden_state
    return bool((lm_head.logits(states) - theirs).norm() > TOLERANCE * theirs.norm())
