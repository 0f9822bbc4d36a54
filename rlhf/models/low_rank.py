"""A frozen linear layer with its adapter, in as few passes over memory as it takes.

PEFT's own layer computes W x and s B A x apart and adds them: three more passes over the output
than the arithmetic needs, and as many backward. Here the second product is added while it is
computed (GEMM's own accumulation). Weights, names and files stay PEFT's.

T tokens, layer I -> O, rank R.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from peft.tuners import lora
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx

from rlhf.models.decoding import product


class LowRankLinear(lora.Linear):
    """PEFT's LoRA layer on an `nn.Linear`, with our product."""

    merged_weight: Tensor | None = None
    """[O, I], while one adapter is merged for decoding; then no other can be asked for."""

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """[..., I] -> [..., O] in the dtype of `x`."""
        base = cast(nn.Linear, self.base_layer)
        if self.merged_weight is not None:
            return product(x, self.merged_weight, base.bias)
        name = None if self.disable_adapters else self.active_adapters[0]
        if name is None or name not in self.lora_A:
            return nn.functional.linear(x, base.weight, base.bias)
        given = (x, base.weight, base.bias, *self._pair(name), self.scaling[name])
        out: Tensor = _Product.apply(*given)  # type: ignore[no-untyped-call]
        return out

    def merge_for_decoding(self, name: str) -> None:
        """Compute W + s B A once; the base's own weight is not touched."""
        if name in self.lora_A:
            weight = cast(nn.Linear, self.base_layer).weight
            down, up = self._pair(name)
            merged = torch.addmm(weight.float(), up, down, alpha=self.scaling[name])
            self.merged_weight = merged.to(weight.dtype)

    def _pair(self, name: str) -> tuple[Tensor, Tensor]:
        """A [R, I] and B [O, R]."""
        return cast(Tensor, self.lora_A[name].weight), cast(Tensor, self.lora_B[name].weight)


class _Product(torch.autograd.Function):
    """W x + b + s B A x; gradients for x, A and B. Of activations it keeps x and A x alone."""

    @staticmethod
    def forward(
        ctx: FunctionCtx,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        down: Tensor,
        up: Tensor,
        scale: float,
    ) -> Tensor:
        flat = x.reshape(-1, x.shape[-1])
        low = flat @ down.to(x.dtype).T
        out = nn.functional.linear(flat, weight, bias)
        out.addmm_(low, up.to(x.dtype).T, alpha=scale)
        ctx.save_for_backward(flat, low, weight, down, up)
        ctx.scale = scale  # type: ignore[attr-defined]
        return out.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        flat, low, weight, down, up = ctx.saved_tensors
        out = grad.reshape(-1, grad.shape[-1])
        low_grad = (out @ up.to(out.dtype)).mul_(ctx.scale)
        x_grad = None
        if ctx.needs_input_grad[0]:
            x_grad = (out @ weight).addmm_(low_grad, down.to(out.dtype))
            x_grad = x_grad.view(*grad.shape[:-1], -1)
        down_grad = (low_grad.T @ flat).to(down.dtype)
        up_grad = (out.T @ low).to(up.dtype).mul_(ctx.scale)
        return x_grad, None, None, down_grad, up_grad, None
