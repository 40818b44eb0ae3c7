"""Advantages along trajectories."""

from __future__ import annotations

import torch


def compute_gae(
    reward: torch.Tensor, discount: torch.Tensor, value: torch.Tensor, next_value: torch.Tensor, boundary: torch.Tensor, gae_lambda: float
) -> torch.Tensor:
    """GAE(λ): Â_t = δ_t + γ λ Â_{t+1} with δ_t = r_t + γ V(s_{t+1}) - V(s_t), the sum ending where a trajectory is cut.

    A cut for lack of time keeps the value of what would have come; only a terminal state, whose `discount` is 0, has none.
    Source: Schulman et al. 2016, "High-Dimensional Continuous Control Using Generalized Advantage Estimation", equation 16.

    Args:
        reward: ``(N,)``, trajectories one after another, each in the order of time.
        discount: ``(N,)``, γ, or 0 where the next state is terminal.
        value: ``(N,)``, V(s).
        next_value: ``(N,)``, V(s').
        boundary: ``(N,)`` bool, where the next row does not follow this one.
        gae_lambda: λ.

    Returns:
        ``(N,)``.
    """
    delta = reward + discount * next_value - value
    factor = torch.where(boundary, 0.0, discount * gae_lambda)
    running, advantages = 0.0, []
    for error, keep in zip(reversed(delta.tolist()), reversed(factor.tolist()), strict=True):
        running = error + keep * running
        advantages.append(running)
    return torch.tensor(advantages[::-1], dtype=reward.dtype, device=reward.device)


def standardised(advantage: torch.Tensor) -> torch.Tensor:
    """Advantages ``(B,)`` with mean 0 and deviation 1; a single one stays as it is, since it has no deviation.

    >>> standardised(torch.tensor([3.0])), standardised(torch.tensor([1.0, 3.0])).sum().item()
    (tensor([3.]), 0.0)
    """
    if len(advantage) < 2:
        return advantage
    spread, mean = torch.std_mean(advantage)
    return (advantage - mean) / (spread + 1e-8)
