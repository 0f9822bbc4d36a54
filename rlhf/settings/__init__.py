"""One typed settings tree: `rlhf.toml` in the home folder, then `RLHF_*` variables, then flags.

Functions take the branch they need (`settings.ppo`), never the tree. Unknown keys are refused.
A round stores the resolved tree as JSON, so that a change of the file never changes a round that
has begun.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any, Self

from pydantic import PositiveFloat, PositiveInt, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from rlhf.errors import InputError
from rlhf.settings.branch import Branch
from rlhf.settings.data import SFT, Clean, Policy
from rlhf.settings.judging import Evaluation, Gate
from rlhf.settings.learning import PPO, LoRA, Reward, Sampling, ValueLayout
from rlhf.settings.people import Card, Feedback, Web

__all__ = [
    "PPO",
    "SFT",
    "Card",
    "Clean",
    "Evaluation",
    "Feedback",
    "Gate",
    "LoRA",
    "Policy",
    "Ray",
    "Reward",
    "Sampling",
    "Settings",
    "ValueLayout",
    "Web",
    "home_folder",
    "load_settings",
    "settings_from",
]

DEFAULT_HOME = Path("~/.rlhf")


class Ray(Branch):
    """Where the work runs."""

    address: str | None = None
    """A running cluster; none starts a private one on this machine for each step."""
    workers: PositiveInt = 2
    """Equal policy workers; the same seed and number give the same adapter."""
    reward_cpus: PositiveFloat = 1.0
    """CPUs of one reward member's task."""


class Settings(BaseSettings):
    """The whole tree."""

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        env_prefix="RLHF_",
        env_nested_delimiter="__",
        use_attribute_docstrings=True,
    )

    seed: int = 0
    """Every random choice of round n derives from (seed, n)."""
    database: str | None = None
    """A database URL; none means SQLite in the home folder."""
    web: Web = Web()
    feedback: Feedback = Feedback()
    clean: Clean = Clean()
    sampling: Sampling = Sampling()
    lora: LoRA = LoRA()
    reward: Reward = Reward()
    sft: SFT = SFT()
    ppo: PPO = PPO()
    evaluation: Evaluation = Evaluation()
    gate: Gate = Gate()
    card: Card = Card()
    ray: Ray = Ray()

    @model_validator(mode="after")
    def _work_for_everybody(self) -> Self:
        if self.ppo.rollouts < self.ray.workers:
            raise ValueError(
                f"ppo.rollouts ({self.ppo.rollouts}) must be at least ray.workers "
                f"({self.ray.workers}), or a worker would have nothing to answer"
            )
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The file arrives as init values; the environment stands above it."""
        return env_settings, init_settings


def load_settings(home: Path) -> Settings:
    """Read `rlhf.toml` of a home folder (it may be absent) and the environment.

    Raises InputError that names the file and the key for anything unknown or out of range.
    """
    file = home / "rlhf.toml"
    tree: dict[str, Any] = {}
    if file.exists():
        try:
            tree = tomllib.loads(file.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as broken:
            raise InputError(f"not valid TOML ({broken})", file=file) from broken
        except OSError as unreadable:
            raise InputError(f"cannot be read ({unreadable.strerror})", file=file) from unreadable
    return settings_from(tree, origin=str(file) if tree else "environment")


def settings_from(tree: dict[str, Any], *, origin: str) -> Settings:
    """Check a tree of plain values; `origin` is named in the error."""
    try:
        return Settings(**tree)
    except ValidationError as invalid:
        first = invalid.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise InputError(
            str(first["msg"]), file=origin, field=key or None, fix="Correct or remove this setting"
        ) from invalid
    except SettingsError as unparsed:
        raise InputError(
            f"a variable that holds a whole table must be JSON ({unparsed})",
            file="environment",
            fix="Or set its values one by one, as in RLHF_WEB__PORT=7861",
        ) from unparsed


def home_folder(given: Path | None) -> Path:
    """The home folder: `--home`, else RLHF_HOME, else ~/.rlhf."""
    return (given or Path(os.environ.get("RLHF_HOME", DEFAULT_HOME))).expanduser().absolute()
