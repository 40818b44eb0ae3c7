"""The step of TRPO: a natural gradient by conjugate gradients, scaled to a KL limit, with a backtracking line search."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from unified import PhaseLoss, PhaseStep


class TrustRegion(PhaseStep):
    """θ ← θ + kʲ √(2δ / xᵀFx) x with x ≈ -F⁻¹g, for the first j at which the loss is lower and the mean KL(π_old ‖ π_θ) is below δ.

    F is the Hessian of the mean KL divergence at the parameters before the step, plus damping. Where no j will do, the parameters stay as
    they are, bit for bit. Source: Schulman et al. 2015, appendix C.

    Args:
        target_kl: δ.
        cg_steps: Greatest number of conjugate gradient iterations.
        damping: c of F + c I.
        tries: Step sizes of the line search.
        shrink: k.
    """

    def __init__(self, target_kl: float, cg_steps: int = 15, damping: float = 0.1, tries: int = 10, shrink: float = 0.8) -> None:
        self.target_kl, self.cg_steps, self.damping, self.tries, self.shrink = target_kl, cg_steps, damping, tries, shrink

    def apply(self, parameters: Sequence[nn.Parameter], gradients: Sequence[torch.Tensor], loss: PhaseLoss) -> dict[str, torch.Tensor]:
        agent: Any = loss.agent
        with torch.no_grad():  # detached: the deviation of a normal policy may be a view of a parameter
            old = [agent.policy(batch.features).detach() for _, batch in loss.batches()]

        def kl() -> torch.Tensor:
            """Mean KL(π_old ‖ π_θ), with a graph."""
            pairs = zip(old, loss.batches(), strict=True)
            return torch.stack([share * before.kl(agent.policy(batch.features)).mean() for before, (share, batch) in pairs]).sum()

        gradient = flat(gradients)
        slopes = torch.autograd.grad(kl(), parameters, create_graph=True, allow_unused=True)

        def fisher(vector: torch.Tensor) -> torch.Tensor:
            """(F + c I) v, by the gradient of ∇KL · v."""
            pieces = vector.split([parameter.numel() for parameter in parameters])
            along = [(slope.flatten() * piece).sum() for slope, piece in zip(slopes, pieces, strict=True) if slope is not None]
            found = torch.autograd.grad(torch.stack(along).sum(), parameters, retain_graph=True, allow_unused=True)
            product = flat([torch.zeros_like(p) if each is None else each for p, each in zip(parameters, found, strict=True)])
            return loss.reduce([product])[0] + self.damping * vector

        direction = conjugate_gradient(fisher, -gradient, self.cg_steps)
        curvature = direction @ fisher(direction)
        step = direction * (2.0 * self.target_kl / curvature.clamp_min(1e-30)).sqrt()
        return self._search(parameters, step, loss, lambda: loss.reduce([kl().detach()])[0])

    @torch.no_grad()
    def _search(
        self, parameters: Sequence[nn.Parameter], step: torch.Tensor, loss: PhaseLoss, kl: Callable[[], torch.Tensor]
    ) -> dict[str, torch.Tensor]:
        """Backtrack from the full step until the loss is lower and the KL limit holds."""
        before, start = [parameter.clone() for parameter in parameters], loss()
        pieces = [piece.view_as(p) for piece, p in zip(step.split([p.numel() for p in parameters]), parameters, strict=True)]
        for number in range(self.tries):
            for parameter, old, piece in zip(parameters, before, pieces, strict=True):
                parameter.copy_(old + self.shrink**number * piece)
            reached, divergence = loss(), kl()
            if reached < start and divergence < self.target_kl:  # neither holds for what is not a number
                return {"kl": divergence, "improvement": start - reached, "line_search_failed": torch.zeros_like(start)}
        for parameter, old in zip(parameters, before, strict=True):
            parameter.copy_(old)
        return {"kl": torch.zeros_like(start), "improvement": torch.zeros_like(start), "line_search_failed": torch.ones_like(start)}


def flat(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    """All numbers of several tensors, as one vector without a graph."""
    return torch.cat([tensor.detach().flatten() for tensor in tensors])


def conjugate_gradient(
    product: Callable[[torch.Tensor], torch.Tensor], target: torch.Tensor, steps: int, tolerance: float = 1e-10
) -> torch.Tensor:
    """Solve A x = b for a symmetric positive definite A, from x = 0. Source: Hestenes & Stiefel 1952; Nocedal & Wright, algorithm 5.2.

    Args:
        product: Computes A v.
        target: b ``(N,)``.
        steps: Greatest number of iterations; N of them solve it exactly but for rounding.
        tolerance: Iterations end where ‖b - A x‖² is below it, relative to ‖b‖².
    """
    solution, residual = torch.zeros_like(target), target.clone()
    direction, square = residual.clone(), residual @ residual
    limit = tolerance * float(square)
    for _ in range(steps):
        if not float(square) > limit:
            break
        image = product(direction)
        curvature = direction @ image
        if not float(curvature) > 0:  # no curvature along it: rounding, or a matrix that is not positive definite
            break
        size = square / curvature
        solution = solution + size * direction
        residual = residual - size * image
        square, previous = residual @ residual, square
        direction = residual + (square / previous) * direction
    return solution
