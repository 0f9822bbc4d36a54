"""The trunk cache: with adapters in the upper layers alone, the lower ones are run once.

Their output is the same for every role and every epoch, so it is kept per sequence and the layers
are skipped from then on. Exact: the same batch gives the same bits with and without.

B sequences of S tokens, hidden size D.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from peft.tuners.lora import LoraLayer
from torch import Tensor, nn
from transformers import PreTrainedModel


class Trunk:
    """The decoder layers below the lowest adapter; none when the lowest layer has one."""

    def __init__(self, base: PreTrainedModel) -> None:
        adapted = [
            any(isinstance(part, LoraLayer) for part in layer.modules())
            for layer in decoder_layers(base)
        ]
        depth = adapted.index(True) if True in adapted else 0
        self.layers = decoder_layers(base)[:depth]
        self._tuples = False

    @contextmanager
    def kept(self) -> Iterator[list[Tensor]]:
        """Passes inside leave the trunk's output [B, S, D] in the list, one each."""
        outputs: list[Tensor] = []

        def keep(_: nn.Module, __: Any, out: Any) -> None:
            self._tuples = isinstance(out, tuple)
            outputs.append(out[0] if self._tuples else out)

        handle = self.layers[-1].register_forward_hook(keep)
        try:
            yield outputs
        finally:
            handle.remove()

    @contextmanager
    def replaced(self, output: Tensor) -> Iterator[None]:
        """Passes inside find `output` above the trunk and compute nothing of it."""

        def skip(*_: Any, **__: Any) -> Any:
            return (output,) if self._tuples else output

        for layer in self.layers:
            layer.forward = skip
        try:
            yield
        finally:
            for layer in self.layers:
                del layer.forward


def decoder_layers(base: PreTrainedModel) -> list[nn.Module]:
    """From the embeddings upwards."""
    depth = int(base.config.get_text_config().num_hidden_layers)
    lists = (one for one in base.base_model.modules() if isinstance(one, nn.ModuleList))
    return list(next(one for one in lists if len(one) == depth))
