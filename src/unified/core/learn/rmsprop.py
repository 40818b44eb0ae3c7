"""RMSProp as TensorFlow computes it."""

from __future__ import annotations

from typing import Any

import torch


class RMSPropTF(torch.optim.Optimizer):
    """v ← α v + (1 - α) g², v₀ = 1; m ← μ m + η g / √(v + ε); θ ← θ - m.

    `torch.optim.RMSprop` adds ε to the root instead, begins with v₀ = 0, so that the first steps are ten times as long at α = 0.99, and
    takes the learning rate out of the momentum. Source: TensorFlow's RMSPropOptimizer (tf.compat.v1.train).

    Args:
        params: Parameters, or groups of them.
        lr: Learning rate η.
        alpha: Decay α of the average of squared gradients.
        eps: ε, within the root.
        weight_decay: Weight decay, added to the gradient.
        momentum: μ.
    """

    def __init__(
        self, params: Any, lr: float = 1e-2, alpha: float = 0.99, eps: float = 1e-10, weight_decay: float = 0.0, momentum: float = 0.0
    ) -> None:
        defaults = {"lr": lr, "alpha": alpha, "eps": eps, "weight_decay": weight_decay, "momentum": momentum}
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One step along the gradients.

        Args:
            closure: Must be ``None``.
        """
        assert closure is None
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, parameter.grad, group)

    def _move(self, parameter: torch.Tensor, gradient: torch.Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            state["square_avg"] = torch.ones_like(parameter)
            state["momentum_buffer"] = torch.zeros_like(parameter)
        if group["weight_decay"]:
            gradient = gradient.add(parameter, alpha=group["weight_decay"])
        square = state["square_avg"].mul_(group["alpha"]).addcmul_(gradient, gradient, value=1.0 - group["alpha"])
        change = state["momentum_buffer"].mul_(group["momentum"])
        change.addcdiv_(gradient, square.add(group["eps"]).sqrt_(), value=group["lr"])
        parameter.sub_(change)
