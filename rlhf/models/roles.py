"""One frozen base, one adapter per role: policy, value, and every reward model.

The reference is the base with adapters off, so it costs nothing and cannot drift. Roles that
score carry an fp32 head.
B sequences of S tokens, hidden size D.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, cast

import torch
from peft import (
    LoraConfig,
    LoraModel,
    PeftModel,
    get_peft_model_state_dict,
    set_peft_model_state_dict,
)
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers import PreTrainedTokenizerBase as Tokenizer

from rlhf.errors import ModelError
from rlhf.models import role_files
from rlhf.models.adapters import lora_config
from rlhf.models.base import UNLOADABLE, first_line, weights_digest
from rlhf.models.compatibility import check
from rlhf.models.head import Head
from rlhf.models.lm_head import LmHead
from rlhf.models.low_rank import LowRankLinear
from rlhf.models.text import tokenizer_digest
from rlhf.models.trunk import Trunk
from rlhf.settings import LoRA

HEAD_PARAMETERS = ("head.weight", "head.bias")
"""Names of a head's parameters among a role's trainable ones."""


class RoleModel:
    """A base with named adapters and heads; exactly one role, or none, is on at a time."""

    def __init__(self, base: PreTrainedModel, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.base = base
        self.lm_head = LmHead(base)
        self.base_digest = weights_digest(base)
        self.heads: dict[str, Head] = {}
        self._peft: PeftModel | None = None
        self._on: tuple[str | None] | None = None
        self._lower: Trunk | None = None
        check(base, tokenizer, self.lm_head)

    @property
    def device(self) -> torch.device:
        """Where the base lies."""
        return self.base.device

    @property
    def context(self) -> int:
        """The longest sequence that the base takes, in tokens."""
        return int(getattr(self.base.config.get_text_config(), "max_position_embeddings", 10**9))

    @property
    def hidden_size(self) -> int:
        """D."""
        return int(self.base.config.get_text_config().hidden_size)

    @property
    def states_per_token(self) -> int:
        """Layers x D: what a pass keeps per token, to within a factor."""
        return int(self.base.config.get_text_config().num_hidden_layers) * self.hidden_size

    @property
    def roles(self) -> list[str]:
        """Names of all roles."""
        return sorted(self._peft.peft_config) if self._peft else []

    def add_role(self, name: str, lora: LoRA, *, head: bool, seed: int) -> None:
        """A fresh adapter that changes nothing yet (B = 0), and a head if the role scores."""
        self._add_adapter(name, lora_config(self.base, lora), seed)
        if head:
            self.heads[name] = Head(self.hidden_size, seed).to(self.device)

    def copy_role(self, source: str, target: str) -> None:
        """Make (or overwrite) `target` with the weights, head, gain and shift of `source`."""
        peft = self._model()
        if target not in peft.peft_config:
            self._add_adapter(target, cast(LoraConfig, copy.deepcopy(peft.peft_config[source])), 0)
        weights = get_peft_model_state_dict(peft, adapter_name=source)
        set_peft_model_state_dict(
            peft, {name: value.clone() for name, value in weights.items()}, adapter_name=target
        )
        if source in self.heads:
            self.copy_head(source, target)

    def copy_head(self, source: str, target: str) -> None:
        """Give `target` a head of its own that reads like the one of `source`."""
        self.heads[target] = Head(self.hidden_size, 0).to(self.device)
        self.heads[target].load_state_dict(self._head(source).state_dict())

    def use(self, role: str | None) -> None:
        """Switch a role's adapter on (None: the reference, all adapters off), until the next."""
        peft = self._model()
        if self._on == (role,):
            return
        if role is not None and role not in peft.peft_config:
            raise KeyError(f"no role '{role}'; there are {', '.join(self.roles)}")
        self._on = None
        if role is None:
            cast(LoraModel, peft.base_model).disable_adapter_layers()
        else:
            cast(LoraModel, peft.base_model).enable_adapter_layers()
            peft.set_adapter(role)
        self._on = (role,)

    @contextmanager
    def merged(self, role: str | None) -> Iterator[None]:
        """A role with its adapter multiplied into copies of the weights, for many short passes."""
        self.use(role)
        layers = [one for one in self.base.modules() if isinstance(one, LowRankLinear)]
        try:
            if role is not None:
                for layer in layers:
                    layer.merge_for_decoding(role)
            yield
        finally:
            for layer in layers:
                layer.merged_weight = None

    def trainable(self, role: str) -> list[tuple[str, nn.Parameter]]:
        """(name, parameter) of a role's adapter and head, in a fixed order."""
        marked = f".{role}."
        named = [
            (name.replace(marked, "."), parameter)
            for name, parameter in self._model().named_parameters()
            if marked in name and "lora_" in name
        ]
        head = self.heads.get(role)
        if head is not None:
            named += zip(HEAD_PARAMETERS, (head.weight, head.bias), strict=True)
        return named

    def hidden(
        self, role: str | None, ids: Tensor, mask: Tensor, trunk: Tensor | None = None
    ) -> Tensor:
        """Last hidden states [B, S, D] of right- or left-padded ids [B, S].

        trunk: [B, S, D] from `hidden_and_trunk` of the same ids, if there is one. No token of a
        causal model sees the padding on its right, so that needs no mask.
        """
        self.use(role)
        padded: dict[str, Tensor] = {}
        if not mask[:, 0].all():
            positions = (mask.cumsum(dim=1) - 1).clamp_min(0)
            padded = {"attention_mask": mask, "position_ids": positions}
        with self._trunk().replaced(trunk) if trunk is not None else nullcontext():
            out = self.base.base_model(input_ids=ids, use_cache=False, **padded)
        states: Tensor = out.last_hidden_state
        return states

    def hidden_and_trunk(
        self, role: str | None, ids: Tensor, mask: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """The last hidden states, and the output of the layers that no adapter changes (if any)."""
        trunk = self._trunk()
        if not trunk.layers:
            return self.hidden(role, ids, mask), None
        with trunk.kept() as outputs:
            states = self.hidden(role, ids, mask)
        return states, outputs[0]

    def logits(self, hidden: Tensor) -> Tensor:
        """Vocabulary logits [..., V] in fp32 from hidden states [..., D]."""
        return self.lm_head.logits(hidden)

    def scores(self, role: str, ids: Tensor, mask: Tensor, trunk: Tensor | None = None) -> Tensor:
        """Score [B] of each sequence, read at its last attended token."""
        return self.scores_of(role, self.hidden(role, ids, mask, trunk), mask)

    def scores_of(self, role: str, hidden: Tensor, mask: Tensor) -> Tensor:
        """The same from the role's hidden states [B, S, D]."""
        last = mask.shape[1] - 1 - mask.flip(1).argmax(dim=1)
        rows = torch.arange(len(mask), device=mask.device)
        return self.head(role, hidden[rows, last])

    def head(self, role: str, hidden: Tensor) -> Tensor:
        """What a role's head reads [...] off hidden states [..., D]."""
        read: Tensor = self._head(role)(hidden)
        return read

    def set_normalisation(self, role: str, *, gain: float, shift: float) -> None:
        """From now on the role's score is `gain * raw + shift`."""
        self._head(role).gain.fill_(gain)
        self._head(role).shift.fill_(shift)

    def save_role(self, name: str, folder: str | Path) -> None:
        """Write a standard PEFT adapter folder; a role that scores gets its head beside it."""
        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        role_files.write_adapter(self._model(), name, target, self.base.name_or_path)
        if name in self.heads:
            role_files.write_head(self.heads[name], target, self._head_identity())

    def load_role(self, name: str, folder: str | Path) -> None:
        """Load a folder that `save_role` wrote (a plain PEFT adapter for roles without a head).

        Raises ModelError for pickles, damaged files, another base, or half or a foreign head.
        """
        source = Path(folder)
        role_files.check_adapter(source)
        known = name in self.roles
        try:
            self._add_adapter(name, role_files.read_config(source), 0)
            role_files.read_adapter(self._model(), name, source)
            head = role_files.read_head(source, self.hidden_size, self._head_identity())
            if head is not None:
                self.heads[name] = head.to(self.device)
        except (ModelError, *UNLOADABLE) as broken:
            if not known:
                self._forget(name)
            if isinstance(broken, ModelError):
                raise
            raise ModelError(
                f"{source}: this role is damaged or for another model ({first_line(broken)})"
            ) from broken

    def _forget(self, name: str) -> None:
        """Take away a role that was refused while it was loaded."""
        self.heads.pop(name, None)
        if name not in self.roles:
            return
        self._on = self._lower = None
        if len(self.roles) > 1:
            self._model().delete_adapter(name)
        else:
            self.base = self._model().unload()
            self._peft = None

    def _head(self, role: str) -> Head:
        if role not in self.heads:
            raise ModelError(
                f"the role '{role}' has no head and cannot score; {role_files.HEAD} and "
                f"{role_files.HEAD_CONFIG} belong beside its adapter"
            )
        return self.heads[role]

    def _head_identity(self) -> dict[str, Any]:
        return {
            "hidden_size": self.hidden_size,
            "base": self.base_digest,
            "tokenizer": tokenizer_digest(self.tokenizer),
        }

    def _add_adapter(self, name: str, config: LoraConfig, seed: int) -> None:
        config._register_custom_module({nn.Linear: LowRankLinear})
        self._on = self._lower = None
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            if self._peft is None:
                self._peft = PeftModel(self.base, config, adapter_name=name)
            elif name not in self._peft.peft_config:
                self._peft.add_adapter(name, config)
        self._peft.eval()

    def _trunk(self) -> Trunk:
        if self._lower is None:
            self._lower = Trunk(self.base)
        return self._lower

    def _model(self) -> PeftModel:
        if self._peft is None:
            raise KeyError("no role has been added yet")
        return self._peft
