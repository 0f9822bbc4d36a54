"""The token that ends an answer, where a tokenizer and its model name different ones.

Gemma's tokenizer calls <eos> the end, while its template and the model end a turn with
<end_of_turn>. An answer that is drawn, one that a reward model reads and one that fine-tuning
teaches must end alike: with what the model says.
"""

from __future__ import annotations

from pathlib import Path

from transformers import GenerationConfig
from transformers import PreTrainedTokenizerBase as Tokenizer

from rlhf.models.text import TemplateError, written

ANSWER = "an answer"
TALK = [{"role": "user", "content": "a question"}, {"role": "assistant", "content": ANSWER}]


def let_turns_end_as_the_model_does(tokenizer: Tokenizer, path: str | Path) -> None:
    """Make the token that the template writes after an answer the tokenizer's end of sequence.

    Only where the generation settings of the model at `path` name it as an end.
    """
    end = _after_an_answer(tokenizer)
    if end is not None and tokenizer.convert_tokens_to_ids(end) in _named(path):
        tokenizer.eos_token = end


def _after_an_answer(tokenizer: Tokenizer) -> str | None:
    try:
        text = written(tokenizer, TALK, asking=False)
    except TemplateError:
        return None
    _, _, rest = text.rpartition(ANSWER)
    special = {str(one) for one in tokenizer.added_tokens_decoder.values() if one.special}
    return max((one for one in special if rest.lstrip().startswith(one)), key=len, default=None)


def named_ends(settings: GenerationConfig) -> list[int]:
    """The end tokens that generation settings name: none, one or several."""
    told = settings.eos_token_id
    return told if isinstance(told, list) else [] if told is None else [told]


def _named(path: str | Path) -> list[int]:
    try:
        return named_ends(GenerationConfig.from_pretrained(str(path)))
    except OSError:  # there are no settings
        return []
