"""Multi-layer perceptrons with normalisation and dropout: DroQ, CrossQ, and networks with layer normalisation."""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn

from unified.plugins.architectures.mlp.network import EnsembleMLP
from unified.plugins.architectures.noisy import Noise

Norm = Literal["layer", "batch_renorm"] | None


class BatchRenorm(nn.modules.batchnorm._BatchNorm):
    """Batch renormalisation of ``(B, F)``, or ``(E, B, F)`` with statistics for each member.

    Where it learns, rows are standardised by the statistics of the batch, and after the first `warm_up` batches corrected towards the
    running ones: x̂ = (x - μ_B) / σ_B · r + d, r = σ_B / σ within [1/3, 3], d = (μ_B - μ) / σ within [-5, 5], both without a gradient.
    Everywhere else they are standardised by the running statistics, which only learning moves: it learns in training mode, with a graph,
    and with parameters that need gradients. So acting, a target copy and a loss that only evaluates (`unified.core.learn.objective.frozen`)
    leave it as it is. Rows that are not finite do not enter the statistics. Source: Ioffe 2017, "Batch Renormalization"; the limits and the
    warm-up as in Bhatt et al. 2024 (CrossQ).

    Args:
        features: F.
        members: E; statistics and parameters are of E · F features.
        momentum: Share of a batch in the running statistics; the authors' 0.99 is the share that is kept.
        warm_up: Batches of plain batch normalisation.
    """

    R_MAX, D_MAX = 3.0, 5.0
    running_mean: torch.Tensor
    running_var: torch.Tensor
    num_batches_tracked: torch.Tensor

    def __init__(self, features: int, members: int = 1, momentum: float = 0.01, warm_up: int = 100_000) -> None:
        super().__init__(members * features, eps=1e-3, momentum=momentum)
        self.rate, self.warm_up = momentum, warm_up

    @property
    def learns(self) -> bool:
        """Whether it standardises by the batch, and its statistics move."""
        return self.training and torch.is_grad_enabled() and self.weight.requires_grad

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        shape = (-1, 1, inputs.shape[-1]) if inputs.dim() == 3 else (1, -1)
        weight, bias, mean, var = (each.view(shape) for each in (self.weight, self.bias, self.running_mean, self.running_var))
        std = (var + self.eps).sqrt()
        if self.learns:
            var_here, mean_here = torch.var_mean(inputs, dim=-2, correction=0, keepdim=True)
            std_here = (var_here + self.eps).sqrt()
            with torch.no_grad():
                warm = self.num_batches_tracked >= self.warm_up
                r = torch.where(warm, (std_here / std).clamp(1.0 / self.R_MAX, self.R_MAX), 1.0)
                d = torch.where(warm, ((mean_here - mean) / std).clamp(-self.D_MAX, self.D_MAX), 0.0)
                self._track(mean_here, var_here)
            standardised = (inputs - mean_here) / std_here * r + d
        else:
            standardised = (inputs - mean) / std
        return standardised * weight + bias

    def _track(self, mean: torch.Tensor, var: torch.Tensor) -> None:
        finite = ((mean + var) * 0.0).eq(0.0).all()
        for running, now in ((self.running_mean, mean), (self.running_var, var)):
            running.copy_(torch.where(finite, torch.lerp(running, now.flatten(), self.rate), running))
        self.num_batches_tracked.add_(finite)


class NormalisedEnsembleMLP(EnsembleMLP):
    """E independent MLPs with dropout or normalisation; each hidden layer is Linear → Dropout → LayerNorm → ReLU.

    Batch renormalisation stands before each linear layer instead, the first and the last one too. Dropout is on wherever the module is in
    training mode, in targets too, with a mask for each member and row; it is off in evaluation. Sources: Hiraoka et al. 2022 (DroQ), figure
    3; Bhatt et al. 2024 (CrossQ).

    Args:
        in_features: Numbers that come in.
        out_features: Numbers that go out of each member.
        noise: Where masks come from.
        members: E.
        hidden_dim: Units of each hidden layer.
        depth: Hidden layers.
        norm: ``"layer"``, ``"batch_renorm"`` or ``None``.
        dropout: Probability that a hidden unit is 0.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        noise: Noise | None = None,
        members: int = 1,
        hidden_dim: int = 256,
        depth: int = 2,
        norm: Norm = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__(in_features, out_features, members, hidden_dim, depth, norm)
        self.noise, self.dropout = noise, dropout
        self.before = nn.ModuleList(BatchRenorm(weight.shape[1], members) for weight in self.weights if norm == "batch_renorm")

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """``(B, in)`` to ``(E, B, out)``."""
        return self.last(self.forward_features(inputs))

    def last(self, features: torch.Tensor) -> torch.Tensor:
        """The last layer alone, with the normalisation before it: outputs of `forward_features`."""
        return self._linear(len(self.weights) - 1, features)

    def forward_features(self, inputs: torch.Tensor) -> torch.Tensor:
        """Of ``(B, in)``, or ``(E, B, in)`` of each member, the last hidden layer ``(E, B, hidden)``."""
        outputs = inputs.expand(len(self.weights[0]), *inputs.shape[-2:])
        generator = self.noise(inputs.device) if self.noise is not None and self.dropout > 0.0 and self.training else None
        for index in range(len(self.weights) - 1):
            outputs = self._linear(index, outputs)
            if generator is not None:
                kept = torch.rand(outputs.shape, generator=generator, device=outputs.device) >= self.dropout
                outputs = outputs * kept / (1.0 - self.dropout)
            outputs = self.activated(index, outputs)
        return outputs

    def _linear(self, index: int, inputs: torch.Tensor) -> torch.Tensor:
        return torch.baddbmm(self.biases[index], self.before[index](inputs) if len(self.before) else inputs, self.weights[index])


class NormalisedMLP(nn.Module):
    """One MLP with normalisation, ``(B, in)`` to ``(B, out)``; see `NormalisedEnsembleMLP`.

    Args:
        in_features: Numbers that come in.
        out_features: Numbers that go out.
        hidden_dim: Units of each hidden layer.
        depth: Hidden layers.
        norm: ``"layer"`` or ``"batch_renorm"``.
    """

    def __init__(self, in_features: int, out_features: int, hidden_dim: int = 256, depth: int = 2, norm: Norm = None) -> None:
        super().__init__()
        self.one = NormalisedEnsembleMLP(in_features, out_features, members=1, hidden_dim=hidden_dim, depth=depth, norm=norm)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.one(inputs.flatten(1))[0]
        return outputs

    def forward_features(self, inputs: torch.Tensor) -> torch.Tensor:
        """The last hidden layer, ``(B, hidden)``."""
        return self.one.forward_features(inputs.flatten(1))[0]

    def last(self, features: torch.Tensor) -> torch.Tensor:
        """The last layer alone: outputs of `forward_features`."""
        return self.one.last(features[None])[0]

    def last_layer(self) -> list[nn.Parameter]:
        """Weights and biases of the last layer."""
        return self.one.last_layer()
