"""An update in pieces: what the pieces of a batch told, as the whole batch would have told it."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from unified.core.learn.objective import Loss

Gradient = torch.Tensor | None


def together(total: torch.Tensor, terms: Sequence[tuple[str, Loss]]) -> Loss:
    """The terms of a phase as one, without a graph; of several priorities the last counts.

    Args:
        total: Their sum.
        terms: The name of each, and what it told; where there are several, the loss of each is a metric.
    """
    metrics = {f"{name}_loss": loss.value.detach() for name, loss in terms} if len(terms) > 1 else {}
    metrics.update({name: value.detach() for _, loss in terms for name, value in loss.metrics.items()})
    priorities = [loss.priority for _, loss in terms if loss.priority is not None]
    return Loss(total.detach(), metrics, priorities[-1] if priorities else None)


def averaged(shares: Sequence[float], told: Sequence[Loss]) -> Loss:
    """The loss and the metrics of all pieces, and their priorities one after the other.

    Args:
        shares: Of the rows, for each piece.
        told: By each piece.
    """
    if len(told) == 1:
        return told[0]

    def mean(values: Sequence[torch.Tensor]) -> torch.Tensor:
        return torch.stack([share * value for share, value in zip(shares, values, strict=True)]).sum(dim=0)

    metrics = {name: mean([loss.metrics[name] for loss in told]) for name in told[0].metrics}
    priorities = [loss.priority for loss in told if loss.priority is not None]
    return Loss(mean([loss.value for loss in told]), metrics, torch.cat(priorities) if priorities else None)


def summed(gradients: Sequence[Gradient], more: Sequence[Gradient]) -> list[Gradient]:
    """Gradients of the same parameters, each of which may be missing."""
    pairs = zip(gradients, more, strict=True)
    return [other if one is None else one if other is None else one + other for one, other in pairs]
