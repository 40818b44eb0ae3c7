"""TD3: addressing function approximation error in actor-critic methods. Fujimoto, van Hoof & Meger 2018."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unified.heads import TruncatedNormal
from unified.plugins.agents.td3.ddpg import DDPG

if TYPE_CHECKING:
    import torch

    from unified import Batch


class TD3(DDPG):
    """DDPG with clipped double Q-learning, target policy smoothing and delayed policy updates.

    y = r + γ min_i Q̄_i(s', clip(μ̄(s') + clip(ε, -c, c))) with ε ~ N(0, σ²), L_Q = Σ_i (y - Q_i(s, a))² and L_μ = -min_i Q_i(s, μ(s)).

    The target of the critics is the lesser target critic at the target actor's action with clipped noise (equations 10 and 14). The actor
    and all target networks move in every second update (``policy_delay``). The actor climbs the lesser critic, where the paper has the
    first (``climb=first``).
    """

    def target_action(self, batch: Batch) -> torch.Tensor:
        """ã = π̄(s') with clipped noise, within the bounds."""
        smoothed = TruncatedNormal(super().target_action(batch), self.options.target_noise, self.options.target_noise_clip)
        return smoothed.sample(self.generator("target"))
