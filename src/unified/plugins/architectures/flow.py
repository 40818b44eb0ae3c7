"""Flows: a policy that draws by following a velocity from noise to an action."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated

import torch
from annotated_types import Ge
from torch import nn

from unified.core.base.rng import Stream, Streams
from unified.core.learn.distributions import Policy
from unified.plugins.architectures.heads.modules import PolicyHead
from unified.plugins.architectures.mlp.network import MLP
from unified.plugins.architectures.noisy import Noise

#: (x (B, *action), time (B,)) -> velocity (B, *action).
Velocity = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class Flow(Policy):
    """x₀ ~ N(0, I) carried by dx/dt = v(x, t) to x₁, the action.

    Its log-probability is told as minus half the flow matching loss at one random time of each row, which is what has to be made smaller
    for the action to become likelier: ½ ‖v(x_t, t) - (x₁ - x₀)‖² with x_t = (1 - t) x₀ + t x₁. Sources: Lipman et al. 2023, "Flow Matching
    for Generative Modeling", equation 23 with σ = 0; Liu et al. 2023, "Flow Straight and Fast".

    Args:
        velocity: v.
        shape: Of one action, without the batch: ``(D,)`` numbers go in and out, whatever shape v wants.
        rows: B.
        steps: Of the integration.
        stream: Of the noise and times that `log_prob` draws.
        device: Where noise is drawn.
    """

    def __init__(self, velocity: Velocity, shape: tuple[int, ...], rows: int, steps: int, stream: Stream, device: torch.device) -> None:
        self.velocity, self.shape, self.rows, self.steps, self.stream, self.device = velocity, shape, rows, steps, stream, device

    @property
    def mode(self) -> torch.Tensor:
        """Where the most likely noise, 0, is carried to."""
        return self._carry(torch.zeros(self.rows, *self.shape, device=self.device))

    def rsample(self, generator: torch.Generator) -> torch.Tensor:
        return self._carry(torch.randn(self.rows, *self.shape, generator=generator, device=self.device))

    def _carry(self, x: torch.Tensor) -> torch.Tensor:
        """Heun's method: the mean of the velocities at both ends of a step; `steps` of them."""
        width = 1.0 / self.steps
        for step in range(self.steps):
            time = torch.full((len(x),), step * width, device=x.device)
            here = self.velocity(x, time)
            there = self.velocity(x + width * here, time + width)
            x = x + width * 0.5 * (here + there)
        return x.flatten(1)

    def log_prob(self, action: torch.Tensor) -> torch.Tensor:
        generator = self.stream.torch(action.device)
        target = action.view(-1, *self.shape)
        time = torch.rand(len(target), generator=generator, device=action.device)
        noise = torch.randn(target.shape, generator=generator, device=action.device)
        at = time.view(-1, *[1] * len(self.shape))
        error = self.velocity(torch.lerp(noise, target, at), time) - (target - noise)
        return -0.5 * error.square().flatten(1).sum(dim=-1)

    def misfit(self, action: torch.Tensor, log_prob: torch.Tensor) -> torch.Tensor:
        """The flow matching loss that `log_prob` is the negative of: half a squared error, never negative."""
        return -log_prob

    def entropy(self) -> torch.Tensor:
        """Not told: it would take the divergence of the velocity along the way."""
        raise TypeError("a flow does not tell its entropy")


class FlowHead(PolicyHead):
    """A policy that follows a velocity.

    Read from numbers alone, the velocity is the same everywhere and at all times; a network of place and time makes it a `FlowActor`.

    Args:
        steps: Number of integration steps.
    """

    def __init__(self, steps: Annotated[int, Ge(1)] = 20) -> None:
        super().__init__()
        self.steps = steps
        self.noise: Noise | None = None

    def draw_from(self, streams: Streams) -> None:
        """Take the stream ``flow`` of the run: of the noise and times that are learned from."""
        self.noise = Noise(streams["flow"])

    def size_of(self, actions: int) -> int:
        return actions

    def policy(self, raw: torch.Tensor, step: int = 0, *, acting: bool = False) -> Flow:
        if self.noise is None:
            raise RuntimeError(
                "a flow draws from the run's random streams, and has none: call draw_from(build.streams), or use policy_head"
            )
        return Flow(lambda x, time: raw, raw.shape[1:], len(raw), self.steps, self.noise.stream, raw.device)

    def forward(self, raw: torch.Tensor) -> torch.Tensor:
        """The velocity."""
        return raw


class FlowActor(nn.Module):
    """Features to a `Flow`.

    Args:
        velocity: ``(x, time, condition)`` to a velocity of x's shape: `UNet`, or `VelocityMLP`.
        shape: Of one action as the network wants it.
        steps: Of the integration.
        stream: Of the noise and times that are learned from.
    """

    def __init__(self, velocity: nn.Module, shape: tuple[int, ...], steps: int, stream: Stream) -> None:
        super().__init__()
        self.velocity, self.shape, self.steps, self.noise = velocity, shape, steps, Noise(stream)

    def forward(self, features: torch.Tensor, step: int = 0, *, acting: bool = False) -> Flow:
        condition = features if features.shape[-1] else None

        def velocity(x: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
            found: torch.Tensor = self.velocity(x, time, condition)
            return found

        return Flow(velocity, self.shape, len(features), self.steps, self.noise.stream, features.device)


class VelocityMLP(nn.Module):
    """A velocity of vectors: an MLP of the vector, the time as waves, and the condition.

    Args:
        size: Numbers of the vector, D.
        condition: Numbers of the condition.
        hidden_dim: Units of each hidden layer.
        depth: Hidden layers.
        waves: Frequencies of the time, 1 to 2^(waves - 1) half turns.
    """

    frequencies: torch.Tensor

    def __init__(self, size: int, condition: int = 0, hidden_dim: int = 256, depth: int = 3, waves: int = 6) -> None:
        super().__init__()
        self.register_buffer("frequencies", math.pi * 2.0 ** torch.arange(waves), persistent=False)
        self.layers = MLP(size + 2 * waves + condition, size, hidden_dim, depth)

    def forward(self, x: torch.Tensor, time: torch.Tensor, condition: torch.Tensor | None = None) -> torch.Tensor:
        """``(B, D)`` and ``(B,)`` to ``(B, D)``."""
        angles = time[:, None] * self.frequencies
        inputs = [x, angles.sin(), angles.cos(), *([] if condition is None else [condition])]
        velocity: torch.Tensor = self.layers(torch.cat(inputs, dim=-1))
        return velocity
