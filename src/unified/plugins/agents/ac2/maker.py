"""AC2 where the action is what is made: a picture, or a vector, from noise."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from unified.core.action import Action, ContinuousActions
from unified.core.agent import Agent
from unified.core.architecture import output_shape
from unified.core.batch import Batch
from unified.core.heads import Policy, Value
from unified.core.objective import Phase
from unified.core.views import Labelled
from unified.plugins.agents.ac2.agent import AC2
from unified.plugins.architectures.actors import policy_head
from unified.plugins.architectures.critics import make_critic
from unified.plugins.architectures.flow import FlowActor, FlowHead, VelocityMLP
from unified.plugins.architectures.mlp import MLP

if TYPE_CHECKING:
    from unified.core.parts import Build
    from unified.core.spec import Spec

#: Least height and width of pictures for which convolutions are worth it.
LARGE = 16


class Judge(nn.Module):
    """What was made to a value: D(x) of a GAN, the same thing as Q(s, a) without a state."""

    def __init__(self, seen: nn.Module, shape: tuple[int, ...], critic: nn.Module) -> None:
        super().__init__()
        self.seen, self.shape, self.critic = seen, shape, critic

    def forward(self, features: torch.Tensor, action: torch.Tensor) -> Value:
        """What was made ``(B, D)`` to values ``(E, B)``, whatever noise it was made from."""
        value: Value = self.critic(self.seen(action.view(-1, *self.shape)).flatten(1))
        return value


class Making(nn.Module):
    """Noise to a policy: a network gives numbers within [-1, 1], the head reads them."""

    def __init__(self, network: nn.Module, head: Any) -> None:
        super().__init__()
        self.network, self.head = network, head

    def forward(self, features: torch.Tensor, step: int = 0, *, acting: bool = False) -> Policy:
        policy: Policy = self.head.policy(self.network(features).flatten(1), step, acting=acting)
        return policy


class Maker(AC2):
    """Generation as acting: nothing is observed but noise, and the action is the picture.

    ``-o flow``: the policy follows a velocity (its head is a flow). ``-o adversarial``: the critic judges what the actor makes. ``-o vae``,
    and without any objective: the actor decodes, a posterior encodes.
    """

    def __init__(self, spec: Spec, options: Any, build: Build) -> None:
        Agent.__init__(self, spec, options, build)
        self.actions = ContinuousActions(spec.action)
        shape, size = spec.action.shape, self.actions.size
        large = len(shape) == 3 and min(shape[1:]) >= LARGE
        head = policy_head(build, options.actor.head or "deterministic")
        self.flows = isinstance(head, FlowHead)
        self.noise_dim = 0 if self.flows else options.noise_dim
        if self.flows:
            velocity: nn.Module = VelocityMLP(size, hidden=options.actor.hidden, depth=options.actor.depth + 1)
            if options.generator is not None or large:
                velocity = build.part(options.generator or "unet", shape)
            form = shape if options.generator is not None or large else (size,)
            self.actor: nn.Module = FlowActor(velocity, form, head.steps, self.streams["flow"])
        else:
            network: nn.Module = MLP(options.noise_dim, size, options.actor.hidden, options.actor.depth)
            if options.generator is not None or large:
                network = build.part(options.generator or "dcgan_generator", (options.noise_dim,), shape)
            self.actor = Making(nn.Sequential(network, nn.Tanh()) if isinstance(network, MLP) else network, head)
            seen = build.part(options.discriminator or ("dcgan_discriminator" if large else "identity"), shape)
            critic = make_critic(build, options.critic, math.prod(output_shape(seen, shape)), stream=self.streams["noise"])
            self.critic = Judge(seen, shape, critic)
            self.posterior = MLP(size, 2 * options.noise_dim, options.actor.hidden, options.actor.depth)
        if options.ema:
            self.follow("actor", options.ema_tau)

    @property
    def needs(self) -> Labelled:
        return Labelled(batch_size=self.options.batch_size)

    def phases(self) -> list[Phase]:
        if self.flows:
            return [Phase("actor", (self.build.objective("flow"),), trains=("actor",), clip=self.options.clip)]
        return [Phase("actor", (self.build.objective("vae"),), trains=("actor", "posterior"), clip=self.options.clip)]

    def optimizer(self, part: str, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        betas = (0.5, 0.999) if hasattr(self, "critic") else (0.9, 0.999)  # Radford et al. 2016: 0.9 makes a game of two oscillate
        return torch.optim.AdamW(parameters, lr=self.options.lr, betas=betas, weight_decay=self.options.weight_decay, fused=True)

    def perceive(self, batch: Batch) -> Batch:
        return batch.with_columns(features=self._noise(len(batch.obs), self.noise()), action=self.actions.store(batch.label))

    def _noise(self, rows: int, generator: torch.Generator) -> torch.Tensor:
        return torch.randn(rows, self.noise_dim, generator=generator, device=self.device)

    @torch.no_grad()
    def act(self, observation: torch.Tensor, *, explore: bool) -> Action:
        """Something new for each row ``(n, 0)``, whether it explores or not."""
        generator = self.draw("explore")
        averaged = self.options.ema and not self.training
        actor = self.get_submodule("actor_target" if averaged else "actor")
        made = actor(self._noise(len(observation), generator), self.steps).sample(generator)
        return self.actions.enact(made, None)
