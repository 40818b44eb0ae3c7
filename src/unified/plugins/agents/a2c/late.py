"""A3C: asynchronous advantage actor-critic, with its asynchrony made a rule. Mnih et al. 2016."""

from __future__ import annotations

import torch
from torch import nn

from unified.plugins.agents.a2c.agent import A2C


class A3C(A2C):
    """A2C whose gradients are W - 1 updates old when they are applied.

    θ_{k+1} = θ_k - η g(θ_{k-W+1}), where g is the gradient of the loss of `a2c` (Mnih et al. 2016, algorithm S3).

    In the paper, W workers pull parameters, play, and send gradients, which the server applies in the order of their arrival. Here they
    arrive in turn: update k applies the gradient of the parameters θ_{k-W+1} on a rollout that these parameters played. It depends on no
    time, so that a run is exact and resumes bit for bit. The workers play in the same environments, one after another; the first W - 1
    updates apply gradients of 0. With one worker it is A2C.
    """

    def configure(self) -> None:
        super().configure()
        if (late := self.options.workers - 1) == 0:
            return
        parameters = [parameter for group in self.updater.param_groups for parameter in group["params"]]
        #: The gradients under way, ``(W - 1, *shape)`` for each parameter.
        self.under_way = nn.Module()
        for number, parameter in enumerate(parameters):
            self.under_way.register_buffer(str(number), torch.zeros((late, *parameter.shape), device=parameter.device))
        self.updater.reduce = self._delayed

    def _delayed(self, tensors: list[torch.Tensor]) -> list[torch.Tensor]:
        """Send the gradients of this update, and receive those that were sent W - 1 updates ago; the loss stays as it is.

        What is not finite is sent as 0: it would break the update that receives it.
        """
        *gradients, loss = tensors
        turn, received = self.updates % (self.options.workers - 1), []
        finite = torch.stack([*torch._foreach_norm(gradients), loss]).isfinite().all()
        for gradient, sent in zip(gradients, self.under_way.buffers(), strict=True):
            received.append(sent[turn].clone())
            sent[turn].copy_(torch.where(finite, gradient, 0.0))
        return [*received, loss]
