"""PPO: proximal policy optimisation. Schulman, Wolski, Dhariwal, Radford & Klimov 2017."""

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
from unified.core.learn.networks import output_shape
from unified.core.learn.objective import Objective, Phase
from unified.core.learn.returns import compute_gae
from unified.core.replay.batch import Batch
from unified.core.replay.views import Rollout
from unified.plugins.architectures.heads.policies import Categorical, Gaussian
from unified.plugins.architectures.heads.values import ScalarValue
from unified.plugins.objectives.entropy.objective import Entropy
from unified.plugins.objectives.ppo_clip.objective import PPOClip
from unified.plugins.objectives.value_mse.objective import ValueMSE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from unified.core.base.spec import Spec
    from unified.core.learn.builder import Builder
    from unified.core.learn.distributions import Policy


def mlp(inputs: int, outputs: int, hidden_dim: int, depth: int, gain: float) -> nn.Sequential:
    """Layers with tanh between them; orthogonal weights, the last ones scaled by `gain`. Andrychowicz et al. 2021, section 3.2."""
    sizes = [inputs, *[hidden_dim] * depth]
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), nn.Tanh()]
        nn.init.orthogonal_(layers[-2].weight, math.sqrt(2))  # type: ignore[arg-type]
    layers.append(nn.Linear(sizes[-1], outputs))
    nn.init.orthogonal_(layers[-1].weight, gain)  # type: ignore[arg-type]
    for layer in layers[::2]:
        nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return nn.Sequential(*layers)


class CategoricalActor(nn.Module):
    """Features to a policy over choices."""

    def __init__(self, features: int, actions: int, hidden_dim: int, depth: int) -> None:
        super().__init__()
        self.logits = mlp(features, actions, hidden_dim, depth, 0.01)

    def forward(self, features: torch.Tensor) -> Categorical:
        return Categorical(self.logits(features))


class GaussianActor(nn.Module):
    """Features to a normal policy whose deviation is the same everywhere."""

    def __init__(self, features: int, actions: int, hidden_dim: int, depth: int) -> None:
        super().__init__()
        self.mean = mlp(features, actions, hidden_dim, depth, 0.01)
        self.log_std = nn.Parameter(torch.zeros(actions))

    def forward(self, features: torch.Tensor) -> Gaussian:
        return Gaussian(self.mean(features), self.log_std)


class Critic(nn.Module):
    """Features to the value of a state."""

    def __init__(self, features: int, hidden_dim: int, depth: int) -> None:
        super().__init__()
        self.value = mlp(features, 1, hidden_dim, depth, 1.0)

    def forward(self, features: torch.Tensor) -> ScalarValue:
        return ScalarValue(self.value(features).T)


class PPO(Agent):
    """On-policy actor-critic: rollouts of several environments, generalised advantages, clipped updates in minibatches."""

    def __init__(self, spec: Spec, options: Any, build: Builder) -> None:
        super().__init__(spec, options, build)
        discrete = spec.action.discrete
        self.actions = DiscreteActions(spec.action) if discrete else ContinuousActions(spec.action)
        shape = spec.observation.shape
        pixels = len(shape) == 3
        self.stack = options.stack if pixels and spec.task_type == "control" else 1
        if pixels:
            shape = (shape[0] * self.stack, *shape[1:])
        usual = "identity" if not pixels else "nature_cnn" if min(shape[1:]) >= 36 else "cnn"
        self.encoder = build.part(options.encoder or usual, shape)
        features = math.prod(output_shape(self.encoder, shape))
        sizes = (options.hidden_dim, options.depth)
        self.actor = (CategoricalActor if discrete else GaussianActor)(features, self.actions.size, *sizes)
        self.critic = Critic(features, *sizes)
        self._seen: tuple[torch.Tensor, Policy] | None = None

    @property
    def base_view(self) -> Rollout:
        o = self.options
        return Rollout(
            batch_size=o.batch_size,
            stack=self.stack,
            n_steps=o.n_steps,
            epochs=o.epochs,
            discount=o.discount,
            extra_columns=("log_prob", "advantage", "return"),
        )

    @property
    def action_space(self) -> Space:
        # Numbers are kept as they were drawn, beyond the bounds too: that is what their probability is of.
        return self.actions.space if self.spec.action.discrete else Space((self.actions.size,), "float32")

    @property
    def extra_columns(self) -> Mapping[str, Space]:
        return {"log_prob": Space((), "float32")}

    def phases(self) -> list[Phase]:
        o = self.options
        terms: list[Objective] = [PPOClip(clip_range=o.clip_range), ValueMSE(weight=o.vf_coef)]
        if o.ent_coef:
            terms.append(Entropy(weight=o.ent_coef))
        return [Phase("policy", tuple(terms), trains=("encoder", "actor", "critic"), max_grad_norm=o.max_grad_norm)]

    @torch.no_grad()
    def process_rollout(self, batch: Batch) -> Batch:
        """Advantages and returns of a rollout, by the critic as it is now."""
        value = self._value(batch.obs)
        next_value = value.roll(-1)
        next_value[batch.boundary] = self._value(batch.next_obs[batch.boundary])
        advantage = compute_gae(batch.reward, batch.discount, value, next_value, batch.boundary, self.options.gae_lambda)
        kept = {name: batch[name] for name in ("obs", "action", "reward", "discount", "index", "weight", "log_prob")}
        return Batch(kept).with_columns(advantage=advantage, **{"return": advantage + value})

    def _value(self, observation: torch.Tensor) -> torch.Tensor:
        value: torch.Tensor = self.critic(self.encode(observation).flatten(1)).mean[0]
        return value

    def encode_batch(self, batch: Batch) -> Batch:
        self._seen = None
        return batch.with_columns(features=self.encode(batch.obs).flatten(1))

    def policy(self, features: torch.Tensor) -> Policy:
        """π(·|s); that of the same features once, however many terms ask for it."""
        if self._seen is None or self._seen[0] is not features:
            self._seen = (features, self.actor(features))
        return self._seen[1]

    @torch.no_grad()
    def act(self, batch: Batch, *, explore: bool) -> Action:
        policy = self.actor(self.encode(batch.obs).flatten(1))
        if not explore:
            return self.actions.greedy(policy)
        action = policy.sample(self.generator("explore"))
        env_action = self.actions.to_env(action, None)
        return Action(action, env_action.env_action, {"log_prob": policy.log_prob(action)})
