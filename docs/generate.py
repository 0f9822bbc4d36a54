"""Writes the pages that a program can write: `python docs/generate.py` (or `make docs`).

A test compares them with the program, so that they cannot grow stale.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from rlhf.cli import app
from rlhf.settings import Settings

DOCS = Path(__file__).parent
NOTICE = "<!-- Written by docs/generate.py; do not edit. -->"


def commands_page() -> str:
    """Every command with its purpose, options and examples, in the order of `rlhf --help`."""
    lines = [NOTICE, "", "# Commands", ""]
    for name, command in walk("rlhf", typer.main.get_command(app)):
        lines += [f"## `{name}`", "", command.help, ""]
        lines += [*options(command), ""]
        if command.epilog:
            shown = [line.strip() for line in command.epilog.splitlines()[1:] if line.strip()]
            lines += ["```", *shown, "```", ""]
    return "\n".join(lines).rstrip() + "\n"


def walk(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    """The commands that do something, with their full names."""
    if not hasattr(command, "commands"):
        yield name, command
        return
    for part, inner in command.commands.items():
        yield from walk(f"{name} {part}", inner)


def options(command: Any) -> Iterator[str]:
    """A list item for each argument and option."""
    for param in command.params:
        shown = ", ".join(f"`{flag}`" for flag in (*param.opts, *param.secondary_opts))
        if param.param_type_name == "argument":
            shown = f"`{param.metavar or param.name.upper()}`"
        plain = param.default is None or param.default is False
        default = "" if plain else f" (default `{param.default}`)"
        yield f"- {shown}: {param.help or ''}{default}"


def settings_page() -> str:
    """Every setting with its default, and why it is that."""
    lines = [
        NOTICE,
        "",
        "# Settings",
        "",
        "In `rlhf.toml` in the home folder, or in the environment: `ppo.clip` is",
        "`RLHF_PPO__CLIP` there, and wins. Unknown keys are refused.",
        "",
    ]
    branches = {
        name: field.default
        for name, field in Settings.model_fields.items()
        if isinstance(field.default, BaseModel)
    }
    lines += ["## Top level", "", *table("", Settings, skip=set(branches)), ""]
    for name, branch in branches.items():
        purpose = (type(branch).__doc__ or "").strip()
        lines += [f"## `[{name}]`", "", purpose, "", *table(f"{name}.", type(branch)), ""]
    return "\n".join(lines).rstrip() + "\n"


def table(prefix: str, tree: type[BaseModel], skip: set[str] | None = None) -> Iterator[str]:
    """Rows of one branch."""
    yield "| setting | default | meaning |"
    yield "|---|---|---|"
    for name, field in tree.model_fields.items():
        if name not in (skip or set()):
            yield f"| `{prefix}{name}` | `{default_of(field)}` | {field.description or ''} |"


def default_of(field: FieldInfo) -> str:
    """As a person would write it in the file."""
    return "none" if field.default is None else json.dumps(field.default)


PAGES = {"commands.md": commands_page, "settings.md": settings_page}

if __name__ == "__main__":
    for file, page in PAGES.items():
        (DOCS / file).write_text(page(), encoding="utf-8")
