"""AC2 where the action is what is made: a picture, or a vector, from noise."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from unified import Action, Agent, ContinuousActions, Labelled, Phase, Problem, UsageError
from unified.agents import make_optimizer
from unified.nets import MLP, FlowActor, FlowHead, VelocityMLP, make_critic, output_shape, policy_head

if TYPE_CHECKING:
    from unified import Batch, Builder, Space, Spec
    from unified.heads import Policy, Value

#: Least height and width of pictures for which convolutions are worth it.
LARGE = 16


class Discriminator(nn.Module):
    """What was made to a value: D(x) of a GAN, the same thing as Q(s, a) without a state; D(x, y) where it was made for something.

    Args:
        seen: Through which it is seen.
        shape: Of what is made.
        critic: What is seen, and what it was made for beside it (Mirza & Osindero 2014), to a value.
        noise_dim: Numbers of the noise.
    """

    def __init__(self, seen: nn.Module, shape: tuple[int, ...], critic: nn.Module, noise_dim: int) -> None:
        super().__init__()
        self.seen, self.shape, self.critic, self.noise_dim = seen, shape, critic, noise_dim

    def forward(self, features: torch.Tensor, action: torch.Tensor) -> Value:
        """What was made ``(B, D)`` to values ``(E, B)``, whatever noise it was made from."""
        seen = self.seen(action.view(-1, *self.shape)).flatten(1)
        value: Value = self.critic(torch.cat([seen, features[:, self.noise_dim :]], dim=-1))
        return value


class GeneratorActor(nn.Module):
    """Noise to a policy: a network gives numbers within [-1, 1], the head reads them."""

    def __init__(self, network: nn.Module, head: Any) -> None:
        super().__init__()
        self.network, self.head = network, head

    def forward(self, features: torch.Tensor, step: int = 0, *, acting: bool = False) -> Policy:
        policy: Policy = self.head.policy(self.network(features).flatten(1), step, acting=acting)
        return policy


class GenerativeAC2(Agent):
    """Generation as acting: noise is observed, and what something is to be made for where the task says so; the action is the picture.

    ``-o flow``: the policy follows a velocity (its head is a flow). ``-o adversarial``: the critic judges what the actor makes. ``-o vae``,
    and without any objective: the actor decodes, a posterior encodes.
    """

    def __init__(self, spec: Spec, options: Any, build: Builder) -> None:
        super().__init__(spec, options, build)
        self.actions = ContinuousActions(spec.action)
        shape, size, given = spec.action.shape, self.actions.size, spec.observation.size
        large = len(shape) == 3 and min(shape[1:]) >= LARGE
        if options.actor.network is not None:
            name = getattr(options.actor.network, "label", "…")
            raise UsageError(Problem(f"actor={name}: in generation the network of the actor is the generator", f"generator={name}"))
        head = policy_head(build, options.actor.head or "deterministic")
        if head.discrete or head.size_of(size) != size:
            name = getattr(options.actor.head, "label", str(options.actor.head))
            what = (
                f"generation needs a policy head that reads {size} numbers as an action of {size} numbers, and actor.head={name} does not"
            )
            raise UsageError(Problem(what, "actor.head=deterministic, or -o flow"))
        self.flows = isinstance(head, FlowHead)
        self.noise_dim = 0 if self.flows else options.noise_dim
        if self.flows:
            carrying: nn.Module = VelocityMLP(size, given, options.actor.hidden_dim, options.actor.depth + 1)
            if options.generator is not None or large:
                carrying = build.part(options.generator or "unet", shape, **({"condition_dim": given} if given else {}))
            form = shape if options.generator is not None or large else (size,)
            self.actor: nn.Module = FlowActor(carrying, form, head.steps, self.streams["flow"])
        else:
            network: nn.Module = MLP(options.noise_dim + given, size, options.actor.hidden_dim, options.actor.depth)
            if options.generator is not None or large:
                network = build.part(options.generator or "dcgan_generator", (options.noise_dim + given,), shape)
            self.actor = GeneratorActor(nn.Sequential(network, nn.Tanh()) if isinstance(network, MLP) else network, head)
            seen = build.part(options.discriminator or ("dcgan_discriminator" if large else "identity"), shape)
            critic = make_critic(build, options.critic, math.prod(output_shape(seen, shape)) + given, stream=self.streams["noise"])
            self.critic = Discriminator(seen, shape, critic, options.noise_dim)
            self.posterior = MLP(size + given, 2 * options.noise_dim, options.actor.hidden_dim, options.actor.depth)

    @property
    def base_view(self) -> Labelled:
        return Labelled(batch_size=self.options.batch_size)

    def phases(self) -> list[Phase]:
        if self.flows:
            return [Phase("actor", (self.build.objective("flow"),), trains=("actor",), max_grad_norm=self.options.max_grad_norm)]
        return [Phase("actor", (self.build.objective("vae"),), trains=("actor", "posterior"), max_grad_norm=self.options.max_grad_norm)]

    @property
    def action_space(self) -> Space:
        return self.actions.space

    def optimizer(self, part: str, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        return make_optimizer(self.options, part, parameters, **({} if self.flows else {"betas": self.options.game_betas}))

    def policy(self, features: torch.Tensor) -> Policy:
        """The policy at noise and observations ``(B, F)``."""
        policy: Policy = self.acting("actor")(features, self.steps)
        return policy

    def encode_batch(self, batch: Batch) -> Batch:
        return batch.with_columns(features=self._seeds(batch.obs, self.noise()), action=self.encode_label(batch.label))

    def _seeds(self, observation: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """What something is made from, ``(n, noise + observation)``: noise, and what it is made for ``(n, observation)``."""
        noise = torch.randn(len(observation), self.noise_dim, generator=generator, device=self.device)
        return torch.cat([noise, observation], dim=-1)

    @torch.no_grad()
    def act(self, batch: Batch, *, explore: bool) -> Action:
        """Something new for each row ``(n, observation)``, whether it explores or not."""
        generator = self.generator("explore")
        made = self.policy(self._seeds(batch.obs, generator)).sample(generator)
        return self.actions.to_env(made, None)
