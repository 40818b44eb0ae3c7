"""Twin: two critics, a smoothed target and a delayed actor. After Fujimoto, van Hoof & Meger 2018 (TD3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from unified import Action, Agent, ContinuousActions, Phase, Problem, Transitions, UsageError, output_shape
from unified.heads import ScalarValue, TruncatedNormal

if TYPE_CHECKING:
    from unified import Batch, Builder, Space, Spec


class Critics(nn.Module):
    """Q(s, a) twice, by two networks that share nothing.

    Args:
        make: Makes one network, from features and action joined to one number.
    """

    def __init__(self, make: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList([make(), make()])

    def forward(self, features: torch.Tensor, action: torch.Tensor) -> ScalarValue:
        """``(B, F)`` and ``(B, A)`` to the values of both, ``(2, B)``."""
        rows = torch.cat([features, action], dim=-1)
        return ScalarValue(torch.stack([member(rows).squeeze(-1) for member in self.members]))


class Twin(Agent):
    """An off-policy actor-critic for continuous actions, seen as a vector.

    Against a critic that promises too much: of two critics the lesser makes the target, at an action blurred by noise; and the actor
    waits until the critics have learned more. Discrete tasks work too, their choices taken as a vector.
    """

    def __init__(self, spec: Spec, options: Any, build: Builder) -> None:
        super().__init__(spec, options, build)
        shape = spec.observation.shape
        if len(shape) != 1:
            raise UsageError(Problem(f"agent twin sees vectors, and this task shows {shape}", "suite.pixels=false, or: --agent drqv2"))
        self.actions = ContinuousActions(spec.action)
        self.encoder = build.part(options.encoder, shape)
        (features,) = output_shape(self.encoder, shape)
        self.actor = build.part(options.actor, (features,), (self.actions.size,))
        self.critic = Critics(lambda: build.part(options.critic, (features + self.actions.size,), (1,)))
        self.add_target("actor", options.tau)
        self.add_target("critic", options.tau)

    @property
    def base_view(self) -> Transitions:
        o = self.options
        return Transitions(batch_size=o.batch_size, updates_per_step=o.updates_per_step, learn_after=o.learning_starts, discount=o.discount)

    @property
    def action_space(self) -> Space:
        return self.actions.space

    def phases(self) -> list[Phase]:
        return [
            Phase("critic", (self.build.objective("td"),), trains=("encoder", "critic")),
            Phase("actor", (self.build.objective("dpg"),), trains=("actor",), every=self.options.delay),
        ]

    def encode_batch(self, batch: Batch) -> Batch:
        with torch.no_grad():
            next_features = self.encode(batch.next_obs)
        return batch.with_columns(features=self.encode(batch.obs), next_features=next_features)

    def policy(self, features: torch.Tensor) -> TruncatedNormal:
        """π(a|s), for `dpg` to climb and for who acts."""
        return TruncatedNormal(self.actor(features).tanh(), self.options.explore_std)

    def noise(self) -> torch.Generator:
        return self._draw("policy")

    def bootstrap(self, batch: Batch) -> ScalarValue:
        """V(s'): the least of the target critics at the target actor's action, blurred."""
        mean = self.actor_target(batch.next_features).tanh()
        action = TruncatedNormal(mean, self.options.smooth_std, self.options.smooth_clip).rsample(self._draw("target"))
        return self.critic_target(batch.next_features, action).min()

    @torch.no_grad()
    def act(self, batch: Batch, *, explore: bool) -> Action:
        if not explore:
            return self.actions.to_env(self.policy(self.encode(batch.obs)).mode, None)
        generator = self._draw("explore")
        if self.steps < self.options.learning_starts:
            action = torch.empty(len(batch.obs), self.actions.size, device=self.device).uniform_(-1.0, 1.0, generator=generator)
        else:
            action = self.policy(self.encode(batch.obs)).rsample(generator)
        return self.actions.to_env(action, generator)

    def _draw(self, stream: str) -> torch.Generator:
        return self.streams[stream].torch(self.device)
