"""Numbers of stored things, as they come from outside."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

Id = Annotated[int, Field(ge=1, lt=2**63)]
"""No database keeps a larger one; what is none is refused in words."""
