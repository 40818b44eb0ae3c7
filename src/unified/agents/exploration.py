"""Noise on actions, by which agents with a deterministic policy explore."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from unified.core.base.schedule import Schedule
from unified.plugins.architectures.actors import uniform
from unified.plugins.architectures.heads.policies import TruncatedNormal

if TYPE_CHECKING:
    from unified.agents.options import NoiseOptions
    from unified.core.base.spec import Space
    from unified.plugins.architectures.heads.policies import TanhStateDependentGaussian


class ActionNoise:
    """Noise that is added to what a policy emits, n environments at once, within [-1, 1]; a share of the actions is uniformly random.

    The noise of an Ornstein-Uhlenbeck process is x ← x - θ x dt + σ √dt ε, ε ~ N(0, 1), from x = 0 at the start of an episode: in each
    environment by itself. It is a state of the policy (`Agent.initial_state`), so that whoever acts resets it and checkpoints hold it.
    Source: Lillicrap et al. 2015, "Continuous control with deep reinforcement learning", section 7; the step dt as in OpenAI's baselines.

    Args:
        options: `NoiseOptions`.
        space: Of what the policy emits.
    """

    def __init__(self, options: NoiseOptions, space: Space) -> None:
        self.options, self.space, self.std = options, space, Schedule(options.std)
        self.theta = 0.15 if options.theta is None else options.theta
        self.dt = 0.01 if options.dt is None else options.dt

    def initial_state(self, count: int, device: torch.device) -> dict[str, torch.Tensor]:
        """The noise of `count` environments before the first step of an episode; none where it has no memory."""
        return {"noise": torch.zeros(count, *self.space.shape, device=device)} if self.options.name == "ou" else {}

    def __call__(
        self, action: torch.Tensor, state: dict[str, torch.Tensor], step: int, generator: torch.Generator
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Actions ``(n, D)`` with noise, and the state for the next step.

        Args:
            action: Without noise.
            state: As `initial_state` or the call before it returned.
            step: Of the agent, for the schedule of the deviation.
            generator: For all draws.
        """
        std = self.std(step)
        if self.options.ramp and len(action) > 1:
            std = std * torch.linspace(0.0, 1.0, len(action), device=action.device)[:, None]
        if state:
            drawn = torch.randn(action.shape, generator=generator, device=action.device)
            noise = state["noise"] * (1.0 - self.theta * self.dt) + std * math.sqrt(self.dt) * drawn
            action, state = (action + noise).clamp(-1.0, 1.0), {"noise": noise}
        else:
            action = TruncatedNormal(action, std).sample(generator)
        if self.options.epsilon:
            coins = torch.rand(len(action), 1, generator=generator, device=action.device) < self.options.epsilon
            action = torch.where(coins, uniform(self.space, len(action), generator), action)
        return action, state


class StateNoise:
    """Noise that is a function of the state, z(s)ᵀ θ, for n environments at once: each has a θ of its own, for so many steps (gSDE).

    θ of an environment is drawn anew at the start of an episode, and within it after every `period` steps. It is a state of the policy
    (`Agent.initial_state`), so that whoever acts resets it and checkpoints hold it. Source: Raffin, Kober & Stulp 2021, "Smooth exploration
    for robotic reinforcement learning".

    Args:
        period: Steps from one draw to the next; ``None``: one θ for an episode.
        shape: Of θ, ``(H, D)``.
    """

    def __init__(self, period: int | None, shape: tuple[int, ...]) -> None:
        self.period, self.shape = period, shape

    def initial_state(self, count: int, device: torch.device) -> dict[str, torch.Tensor]:
        """θ over σ, and the steps that it has lasted, of `count` environments before the first step of an episode."""
        age = torch.zeros(count, dtype=torch.int64, device=device)
        return {"noise": torch.zeros(count, *self.shape, device=device), "age": age}

    def __call__(
        self, policy: TanhStateDependentGaussian, state: dict[str, torch.Tensor], generator: torch.Generator
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Actions ``(n, D)`` of a policy with noise, and the state for the next step.

        Args:
            policy: At the present observations.
            state: As `initial_state` or the call before it returned.
            generator: For the draw.
        """
        age = state["age"]
        drawn = torch.randn(state["noise"].shape, generator=generator, device=age.device)
        noise = torch.where((age == 0)[:, None, None], drawn, state["noise"])
        age = age + 1
        return policy.explored(noise), {"noise": noise, "age": age if self.period is None else age % self.period}
