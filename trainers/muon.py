"""Muon for the hidden matrices, AdamW for the rest: one optimizer for `Trainer`.

Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/) orthogonalises the momentum of every weight
matrix; from scratch it needs far fewer tokens than AdamW. Embeddings, heads, norms and biases stay with AdamW, as its
author advises, here at three times Muon's learning rate: at the same rate, embeddings of rare numbers learned too
slowly. `torch.optim.Muon` does the same, but always in bfloat16, which a CPU has to emulate (measured: four times
slower).
"""

from collections.abc import Callable
from math import sqrt
from typing import Any, overload

import torch
from torch import Tensor
from torch.optim import AdamW, Optimizer
from transformers import PreTrainedModel

_MOMENTUM = 0.95
_ITERATIONS = 5
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Coefficients of the original's quintic polynomial, chosen for a steep slope at zero."""


class MuonWithAdamW(Optimizer):
    """Both optimizers as one; its two parameter groups are the hidden matrices and all other parameters."""

    def __init__(self, model: PreTrainedModel, *, learning_rate: float, weight_decay: float = 0.0) -> None:
        ends = {
            id(end.weight)
            for end in (model.get_input_embeddings(), model.get_output_embeddings())  # type: ignore[no-untyped-call]
            if end
        }
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        hidden = [p for p in trained if p.ndim == 2 and id(p) not in ends]
        others = [p for p in trained if p.ndim != 2 or id(p) in ends]
        groups = [{"params": hidden, "lr": learning_rate}, {"params": others, "lr": 3 * learning_rate}]
        super().__init__(groups, {"weight_decay": weight_decay})
        self._adamw = AdamW(others, weight_decay=weight_decay, betas=(0.9, 0.99))
        self._adamw.state = self.state  # one state for both: `state_dict` then holds all of it

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Update all parameters with the learning rates that a scheduler has set."""
        loss = closure() if closure else None
        hidden, others = self.param_groups
        for parameter in hidden["params"]:
            self._step_matrix(parameter, hidden["lr"], hidden["weight_decay"])
        self._adamw.param_groups[0]["lr"] = others["lr"]
        self._adamw.step()
        return loss

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore a state that `state_dict` gave."""
        super().load_state_dict(state_dict)
        self._adamw.state = self.state

    def _step_matrix(self, parameter: Tensor, learning_rate: float, weight_decay: float) -> None:
        if parameter.grad is None:
            return
        state = self.state[parameter]
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
        momentum = state["momentum"].lerp_(parameter.grad, 1 - _MOMENTUM)
        update = orthogonalise(parameter.grad.lerp(momentum, _MOMENTUM))
        parameter.mul_(1 - learning_rate * weight_decay)
        # The factor makes the updates as large as those of AdamW, so that its learning rates can be used.
        parameter.add_(update, alpha=-learning_rate * 0.2 * sqrt(max(parameter.shape)))


def orthogonalise(matrix: Tensor) -> Tensor:
    """Give the nearest matrix whose singular values are near one, by Newton-Schulz iteration."""
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    x: Tensor = wide / wide.norm().clamp(min=1e-7)
    a, b, c = _COEFFICIENTS
    for _ in range(_ITERATIONS):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x if wide is matrix else x.T
