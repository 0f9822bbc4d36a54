"""What every room's tests share: an empty home, its store, and a tiny model made on the spot.

The environment is set before any library is imported: no network, no telemetry, one thread per
process (two cores are shared by parallel test workers).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

if TYPE_CHECKING:
    from rlhf.store import Store

os.environ |= {
    "HF_HUB_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "GRADIO_ANALYTICS_ENABLED": "False",
    "RAY_USAGE_STATS_ENABLED": "0",
    "TOKENIZERS_PARALLELISM": "false",
    "OMP_NUM_THREADS": "1",
}
for name in [name for name in os.environ if name.startswith("RLHF_")]:
    del os.environ[name]

hypothesis.settings.register_profile("house", deadline=None, print_blob=True)
hypothesis.settings.load_profile("house")
"""No deadline per example: two cores are shared, and slowness is measured elsewhere."""

SPECIAL_TOKENS = ("<|pad|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>")

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>' }}"
    "{% if message['role'] == 'assistant' %}"
    "{% generation %}{{ message['content'] + '<|end|>' }}{% endgeneration %}"
    "{% else %}{{ message['content'] + '<|end|>' }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def installed_browser() -> Path | None:
    """The first Chromium on PATH."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    return Path(found) if found else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Heavy tests go first, those of a file, or a named group, on one worker; browser tests need a
    browser."""
    if installed_browser() is None:
        config.hook.pytest_deselected(items=[item for item in items if needs_browser(item)])
        items[:] = [item for item in items if not needs_browser(item)]
    for item in filter(is_heavy, items):
        if item.get_closest_marker("xdist_group") is None:
            group = "browser" if needs_browser(item) else item.path.stem
            item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=is_heavy, reverse=True)


def needs_browser(item: pytest.Item) -> bool:
    return item.get_closest_marker("browser") is not None


def is_heavy(item: pytest.Item) -> bool:
    return needs_browser(item) or item.get_closest_marker("ray") is not None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say plainly what was left out, and how to have it."""
    if installed_browser() is None:
        terminalreporter.write_line(
            f"Left out: the browser tests; none of {', '.join(BROWSERS)} is installed."
        )


@pytest.fixture(scope="session")
def chromium() -> Path:
    """The browser to drive with Playwright's `executable_path`."""
    found = installed_browser()
    assert found is not None, "browser tests are deselected when no browser is installed"
    return found


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty home folder, as `rlhf up` makes one."""
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture
def store(home: Path) -> Iterator[Store]:
    """A migrated SQLite store in `home`."""
    from rlhf.store import open_store

    opened = open_store(home)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def tiny_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random Llama (2 layers, hidden 32, tied) and a byte-level chat tokenizer.

    Session-scoped: read it, never write into it.
    """
    folder = tmp_path_factory.mktemp("tiny-llama")
    save_tiny_tokenizer(folder)
    save_tiny_llama(folder)
    return folder


def save_tiny_tokenizer(folder: Path) -> None:
    """One token per byte and five special tokens: 261 in all; pad 0, end of turn 1."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = [*SPECIAL_TOKENS, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokenizer = Tokenizer(models.BPE(vocab={word: i for i, word in enumerate(words)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<|pad|>",
        eos_token="<|end|>",
        additional_special_tokens=list(SPECIAL_TOKENS[2:]),
        model_max_length=1024,
        clean_up_tokenization_spaces=False,
    )
    wrapped.chat_template = CHAT_TEMPLATE
    wrapped.save_pretrained(folder)


def save_tiny_llama(folder: Path) -> None:
    """Random weights from a fixed seed; the global random state is left as it was."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=261,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=1,
        pad_token_id=0,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        LlamaForCausalLM(config).save_pretrained(folder)
