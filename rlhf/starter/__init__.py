"""The built-in tiny chat model and its small world, for a machine without network or GPU.

The world is the help desk of a shop. Nothing here is imported by what learns: the loop sees only
prompts, answers and verdicts, never an intent or a gold score. Importing this package loads
neither torch nor transformers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

MODEL_PATH: Final[Path] = Path(__file__).parent / "model"
"""The packaged base model: safetensors, config, tokenizer, chat template and model card."""
