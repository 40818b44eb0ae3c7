"""The base of on-policy agents: rollouts of the present policy, with generalised advantages."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from unified.core.base.spec import Space
from unified.core.learn.actions import Action, ContinuousActions
from unified.core.learn.agent import Agent
from unified.core.learn.discrete_actions import DiscreteActions
from unified.core.learn.distributions import Policy
from unified.core.learn.returns import compute_gae
from unified.core.replay.batch import Batch
from unified.core.replay.views import Rollout
from unified.plugins.architectures.encoders import Sight
from unified.plugins.architectures.heads.policies import Categorical, Gaussian
from unified.plugins.architectures.heads.values import ScalarValue

if TYPE_CHECKING:
    from collections.abc import Mapping

    from unified.core.base.spec import Spec
    from unified.core.learn.builder import Builder


def tanh_mlp(inputs: int, outputs: int, hidden_dim: int, depth: int, gain: float) -> nn.Sequential:
    """Layers with tanh between them; orthogonal weights, the last ones scaled by `gain`. Andrychowicz et al. 2021, section 3.2."""
    sizes = [inputs, *[hidden_dim] * depth]
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        linear = nn.Linear(before, after)
        nn.init.orthogonal_(linear.weight, math.sqrt(2))
        layers += [linear, nn.Tanh()]
    last = nn.Linear(sizes[-1], outputs)
    nn.init.orthogonal_(last.weight, gain)
    layers.append(last)
    for layer in layers[::2]:
        nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return nn.Sequential(*layers)


class CategoricalActor(nn.Module):
    """Features to a policy over choices."""

    def __init__(self, features: int, actions: int, hidden_dim: int, depth: int) -> None:
        super().__init__()
        self.logits = tanh_mlp(features, actions, hidden_dim, depth, 0.01)

    def forward(self, features: torch.Tensor) -> Categorical:
        return Categorical(self.logits(features))


class GaussianActor(nn.Module):
    """Features to a normal policy, with one learned deviation for all states."""

    def __init__(self, features: int, actions: int, hidden_dim: int, depth: int) -> None:
        super().__init__()
        self.mean = tanh_mlp(features, actions, hidden_dim, depth, 0.01)
        self.log_std = nn.Parameter(torch.zeros(actions))

    def forward(self, features: torch.Tensor) -> Gaussian:
        return Gaussian(self.mean(features), self.log_std)


class StateCritic(nn.Module):
    """Features to the value of a state."""

    def __init__(self, features: int, hidden_dim: int, depth: int) -> None:
        super().__init__()
        self.value = tanh_mlp(features, 1, hidden_dim, depth, 1.0)

    def forward(self, features: torch.Tensor) -> ScalarValue:
        return ScalarValue(self.value(features).T)


class OnPolicyAgent(Agent):
    """Learns from rollouts of its own policy, with advantages and returns by the critic as it is when a rollout ends.

    The base makes an encoder that actor and critic share (`Sight`; the identity for vectors, so that they share nothing), acts, and adds
    `advantage` and `return` to each rollout. A subclass defines `phases`.

    Args:
        spec: Of the task.
        options: `OnPolicyOptions`; ``batch_size`` where there is one, else a minibatch is the whole rollout.
        build: Makes parts.
    """

    def __init__(self, spec: Spec, options: Any, build: Builder) -> None:
        super().__init__(spec, options, build)
        discrete = spec.action.discrete
        self.actions = DiscreteActions(spec.action) if discrete else ContinuousActions(spec.action)
        self.sight = Sight(build, spec, options.encoder, stack=options.stack, pixels="nature_cnn", smallest=36, maps=True)
        self.encoder = self.sight.encoder
        sizes = (options.hidden_dim, options.depth)
        self.actor = (CategoricalActor if discrete else GaussianActor)(self.sight.features, self.actions.size, *sizes)
        self.critic = StateCritic(self.sight.features, *sizes)

    @property
    def base_view(self) -> Rollout:
        o = self.options
        return Rollout(
            batch_size=getattr(o, "batch_size", WHOLE),
            stack=self.sight.stack,
            n_steps=o.n_steps,
            epochs=o.epochs,
            discount=o.discount,
            extra_columns=("log_prob", "advantage", "return"),
        )

    @property
    def action_space(self) -> Space:
        # Numbers are stored as they were drawn, beyond the bounds too: their probability is of these.
        return self.actions.space if self.spec.action.discrete else Space((self.actions.size,), "float32")

    @property
    def extra_columns(self) -> Mapping[str, Space]:
        return {"log_prob": Space((), "float32")}

    @torch.no_grad()
    def process_rollout(self, batch: Batch) -> Batch:
        """Add advantages and returns to a rollout, by the critic as it is now."""
        value = self._value(batch.obs)
        next_value = value.roll(-1)
        next_value[batch.boundary] = self._value(batch.next_obs[batch.boundary])
        advantage = compute_gae(batch.reward, batch.discount, value, next_value, batch.boundary, self.options.gae_lambda)
        kept = {name: batch[name] for name in ("obs", "action", "reward", "discount", "index", "weight", "log_prob")}
        return Batch(kept).with_columns(advantage=advantage, **{"return": advantage + value})

    def _value(self, observation: torch.Tensor) -> torch.Tensor:
        value: torch.Tensor = self.critic(self.features(observation)).mean[0]
        return value

    def features(self, observation: torch.Tensor) -> torch.Tensor:
        """Features ``(n, F)``; a feature map is flattened."""
        return self.encode(observation).flatten(1)

    def encode_batch(self, batch: Batch) -> Batch:
        return batch.with_columns(features=self.features(batch.obs))

    def policy(self, features: torch.Tensor) -> Policy:
        """π(·|s) at features ``(B, F)``."""
        policy: Policy = self.acting("actor")(features)
        return policy

    @torch.no_grad()
    def act(self, batch: Batch, *, explore: bool) -> Action:
        policy = self.policy(self.features(batch.obs))
        if not explore:
            return self.actions.greedy(policy)
        action = policy.sample(self.generator("explore"))
        env_action = self.actions.to_env(action, None)
        return Action(action, env_action.env_action, {"log_prob": policy.log_prob(action)})


#: Rows of a minibatch that no rollout reaches: a minibatch is the whole rollout.
WHOLE = 2**62
