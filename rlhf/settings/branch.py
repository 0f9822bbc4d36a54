"""What all branches of the settings have in common."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator


class Branch(BaseModel):
    """Frozen, and unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    @model_validator(mode="before")
    @classmethod
    def _none_in_words(cls, tree: Any) -> Any:
        """TOML and the environment have no null: there, "none" takes a value away."""
        if not isinstance(tree, dict):
            return tree
        return {key: None if value == "none" else value for key, value in tree.items()}
