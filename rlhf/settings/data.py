"""What is made of the data that people bring."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from rlhf.settings.branch import Branch

Policy = Literal["mask", "drop", "keep"]


class Clean(Branch):
    """What `rlhf clean` does to the rows that were brought; the raw rows always stay."""

    template_tokens: Literal["remove", "drop", "keep"] = "remove"
    """Tokens of chat templates inside texts (`<|im_start|>`, `[INST]`): taken out, the row dropped,
    or left."""
    boilerplate: float | None = Field(0.01, gt=0, le=1)
    """Share of the conversations and documents from which a line at a text's edge is boilerplate
    (at least 20 of them); none takes nothing away."""
    shortest_answer: PositiveInt = 1
    """Characters that the final answer must have: to some questions, "5" is one."""
    shortest_passage: PositiveInt = 40
    """Characters of a passage."""
    longest: PositiveInt = 20_000
    """Characters of a whole conversation or passage."""
    longest_ratio: float | None = Field(None, gt=1)
    """How many times longer or shorter than its question an answer may be."""
    languages: tuple[str, ...] = ()
    """Codes (`en`, `de`) of the languages that stay; empty: all. Short texts are not judged."""
    near_duplicates: float | None = Field(0.6, ge=0.3, le=1)
    """Share of pairs of neighbouring words that two rows have in common (Jaccard) from which one of
    them goes; none leaves all but exact copies in."""
    email: Policy = "mask"
    """E-mail addresses: a placeholder in their place, the row dropped, or left."""
    phone: Policy = "mask"
    """Telephone numbers."""
    card: Policy = "mask"
    """Numbers of payment cards."""
    account: Policy = "mask"
    """Bank accounts (IBAN and others) and US social security numbers."""
    key: Policy = "mask"
    """API keys, tokens, private keys and passwords."""
    ip: Policy = "mask"
    """Addresses in a network."""
    validation_share: float = Field(0.1, ge=0, lt=0.5)
    """Share of the conversations and documents outside the test split on which training stops."""
    document_test_share: float = Field(0.1, ge=0, lt=0.5)
    """Share of the documents kept for the test split; that of the prompts is their ingest's."""
    balance: Literal["source", "topic", "length"] | None = None
    """What the training rows are balanced by; none leaves them as they are."""
    balance_ratio: float = Field(3.0, ge=1)
    """How many times the median group the largest may be; what is over goes by a hash."""
    topics: int = Field(12, ge=2, le=100)
    """Groups of words by which rows are told apart, for balance and report."""


class SFT(Branch):
    """Supervised fine-tuning on a cleaned data set, before anybody has rated."""

    epochs: PositiveInt = 3
    """Passes over the training rows at most; the validation loss may end it earlier."""
    learning_rate: PositiveFloat = 5e-4
    """AdamW on the adapter; about 10x what full fine-tuning takes (Schulman et al., 2025)."""
    batch_size: PositiveInt = 16
    """Rows per optimiser step; small batches suit LoRA (Schulman et al., 2025)."""
    warmup: float = Field(0.05, ge=0, lt=1)
    """Share of the steps in which the learning rate rises; it then falls along a cosine to 0
    (Loshchilov and Hutter, 2017)."""
    max_grad_norm: PositiveFloat = 1.0
    """L2 norm to which the gradient is cut."""
    max_tokens: PositiveInt = 1024
    """Longest row. A conversation loses its oldest turns, a passage is cut into several rows; never
    more than the model's context."""
    evaluations: PositiveInt = 8
    """How often the validation loss is looked at over the whole training."""
    patience: PositiveInt = 3
    """Looks without a lower validation loss after which training ends; the best state is kept."""
    validation_rows: PositiveInt = 1000
    """Validation rows that are looked at, evenly spread over the split."""
    save_every: PositiveInt = 20
    """Optimiser steps after which the state is durable: what a kill can cost."""
    sweep_trials: PositiveInt = 8
    """Trainings that `rlhf sft --sweep` begins: these settings as they are, then draws from the
    seed. From a quarter of its steps on, the worse ones are cut (Li et al., 2020)."""
    sweep_learning_rates: tuple[PositiveFloat, PositiveFloat] = (1e-4, 2e-3)
    """Lowest and highest that are drawn, evenly in their logarithm."""
    sweep_ranks: tuple[PositiveInt, ...] = Field((4, 8, 16, 32), min_length=1)
    """Ranks that are drawn; lora.alpha / lora.r stays what it is."""
    sweep_epochs: tuple[PositiveInt, ...] = Field((1, 2, 3, 5), min_length=1)
    """Epochs that are drawn."""
    sweep_batch_sizes: tuple[PositiveInt, ...] = Field((8, 16, 32), min_length=1)
    """Batch sizes that are drawn."""

    @model_validator(mode="after")
    def _rates_in_order(self) -> Self:
        lowest, highest = self.sweep_learning_rates
        if lowest >= highest:
            raise ValueError(
                f"sft.sweep_learning_rates must be the lowest and the highest, not {lowest:g} "
                f"and {highest:g}"
            )
        return self
