"""PPO: proximal policy optimisation. Schulman, Wolski, Dhariwal, Radford & Klimov 2017."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from unified.core.base.errors import Problem, UsageError
from unified.core.base.spec import Space
from unified.core.learn.actions import Action, ContinuousActions
from unified.core.learn.agent import Agent
from unified.core.learn.discrete_actions import DiscreteActions
from unified.core.learn.memory import Memory, state_columns
from unified.core.learn.networks import output_shape
from unified.core.learn.objective import Objective, Phase
from unified.core.learn.returns import compute_gae
from unified.core.replay.batch import Batch
from unified.core.replay.views import Rollout, RolloutSequences
from unified.plugins.architectures.encoders import make_encoder, shows_pixels
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
    """On-policy actor-critic: rollouts of several environments, generalised advantages, clipped updates in minibatches.

    With ``agent.memory=gru`` or ``lstm``, a recurrent network lies between the encoder and the two heads, and updates run through
    sequences of steps that start from the stored state.
    """

    policy_parts = ("encoder", "memory", "actor")

    named_observations = True

    def __init__(self, spec: Spec, options: Any, build: Builder) -> None:
        super().__init__(spec, options, build)
        discrete = spec.action.discrete
        self.actions = DiscreteActions(spec.action) if discrete else ContinuousActions(spec.action)
        self.stack = options.stack if shows_pixels(spec) else 1
        self.encoder, features = make_encoder(build, options.encoder, spec, self.stack, pictures="nature_cnn", smallest=36, flatten=True)
        self.memory: Any = None
        if options.memory:
            self.memory = build.part(options.memory, (1, features))
            if not isinstance(self.memory, Memory):
                name = getattr(options.memory, "name", options.memory)
                problem = f"agent.memory={name} has no state: its class lacks initial_state, step or unroll"
                raise UsageError(Problem(problem, "agent.memory=gru or agent.memory=lstm"))
            features = output_shape(self.memory, (1, features))[-1]
        sizes = (options.hidden_dim, options.depth)
        self.actor = (CategoricalActor if discrete else GaussianActor)(features, self.actions.size, *sizes)
        self.critic = Critic(features, *sizes)
        self._seen: tuple[torch.Tensor, Policy] | None = None

    @property
    def base_view(self) -> Rollout:
        o = self.options
        columns = ("log_prob", "advantage", "return")
        shared = {"batch_size": o.batch_size, "stack": self.stack, "n_steps": o.n_steps, "epochs": o.epochs, "discount": o.discount}
        if self.memory is None:
            return Rollout(**shared, extra_columns=columns)
        return RolloutSequences(**shared, extra_columns=(*columns, *self._state_columns), sequence_length=o.sequence_length)

    @property
    def action_space(self) -> Space:
        # The sampled numbers are stored unclipped: their log-probability is the one of these numbers.
        return self.actions.space if self.spec.action.discrete else Space((self.actions.size,), "float32")

    def initial_state(self, count: int) -> dict[str, torch.Tensor]:
        state: dict[str, torch.Tensor] = {} if self.memory is None else self.memory.initial_state(count)
        return state

    @property
    def _state_columns(self) -> dict[str, Space]:
        return {name: Space(tuple(rows.shape[1:]), "float32") for name, rows in state_columns(self.initial_state(1)).items()}

    @property
    def extra_columns(self) -> Mapping[str, Space]:
        return {"log_prob": Space((), "float32"), **self._state_columns}

    def phases(self) -> list[Phase]:
        o = self.options
        terms: list[Objective] = [PPOClip(clip_range=o.clip_range), ValueMSE(weight=o.vf_coef)]
        if o.ent_coef:
            terms.append(Entropy(weight=o.ent_coef))
        memory = ("memory",) if self.memory is not None else ()
        return [Phase("policy", tuple(terms), trains=("encoder", *memory, "actor", "critic"), max_grad_norm=o.max_grad_norm)]

    @torch.no_grad()
    def process_rollout(self, batch: Batch) -> Batch:
        """Advantages and returns of a rollout, by the critic as it is now.

        With a memory, the value of a row starts from the state that was stored with it, and the value after the last row of an episode or
        of the rollout from the state after that row.
        """
        boundary = batch.boundary
        features, state = self._features(batch.obs, {} if self.memory is None else batch.state)
        value = self._value(features)
        after, _ = self._features(batch.rows(boundary).next_obs, {name: rows[boundary] for name, rows in state.items()})
        next_value = value.roll(-1)
        next_value[boundary] = self._value(after)
        advantage = compute_gae(batch.reward, batch.discount, value, next_value, boundary, self.options.gae_lambda)
        kept = ("obs", "action", "reward", "discount", "index", "weight", *self.extra_columns, *self.spec.columns)
        rollout = {name: column for name, column in batch.items() if name in kept or name.startswith("obs.")}
        return Batch(rollout).with_columns(advantage=advantage, **{"return": advantage + value})

    def _features(self, observation: torch.Tensor, state: Mapping[str, torch.Tensor]) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Inputs of actor and critic for one step of each row, and the next state."""
        features = self.encode(observation).flatten(1)
        if self.memory is None:
            return features, {}
        outputs: tuple[torch.Tensor, dict[str, torch.Tensor]] = self.memory.step(features, state)
        return outputs

    def _value(self, features: torch.Tensor) -> torch.Tensor:
        value: torch.Tensor = self.critic(features).mean[0]
        return value

    def encode_batch(self, batch: Batch) -> Batch:
        """Adds `features`. With a memory, these are its outputs along each sequence, and the valid steps become rows, without padding."""
        self._seen = None
        if self.memory is None:
            return batch.with_columns(features=self.encode(batch.obs).flatten(1))
        rows, mask = batch.steps(), batch.mask
        encoded = self.encode(rows.obs).flatten(1)
        features = encoded.new_zeros(*mask.shape, encoded.shape[1])
        features[mask] = encoded
        return rows.with_columns(features=self.memory.unroll(features, batch.state, batch.is_first)[mask])

    def policy(self, features: torch.Tensor) -> Policy:
        """π(·|s); that of the same features once, however many terms ask for it."""
        if self._seen is None or self._seen[0] is not features:
            self._seen = (features, self.actor(features))
        return self._seen[1]

    @torch.no_grad()
    def act(self, batch: Batch, *, explore: bool) -> Action:
        features, state = self._features(batch.obs, {} if self.memory is None else batch.state)
        policy = self.actor(features)
        if not explore:
            return replace(self.actions.greedy(policy), state=state)
        action = policy.sample(self.generator("explore"))
        env_action = self.actions.to_env(action, None).env_action
        before = {name: batch[name] for name in self._state_columns}
        return Action(action, env_action, {"log_prob": policy.log_prob(action), **before}, state=state)
