"""The base of on-policy agents: rollouts of the present policy, with generalised advantages."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from unified.core.base.errors import Problem, UsageError
from unified.core.base.spec import Space
from unified.core.learn.actions import Action, ContinuousActions, DiscreteActions
from unified.core.learn.agent import Agent
from unified.core.learn.distributions import Policy
from unified.core.learn.memory import Memory, State, state_columns
from unified.core.learn.networks import output_shape
from unified.core.learn.objective import Objective, Phase
from unified.core.learn.returns import compute_gae
from unified.core.replay.batch import Batch
from unified.core.replay.views import Rollout, RolloutSequences
from unified.plugins.architectures.actors import Columns, MaskedActor
from unified.plugins.architectures.encoders import Sight, with_mask
from unified.plugins.architectures.heads.policies import Categorical, Gaussian, StateDependentGaussian
from unified.plugins.architectures.heads.values import ScalarValue
from unified.plugins.architectures.selected import SelectedNetwork, selected_network

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

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

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.logits = network

    def forward(self, features: torch.Tensor) -> Categorical:
        return Categorical(self.logits(features))


class GaussianActor(nn.Module):
    """Features to a normal policy, with one learned deviation for all states."""

    def __init__(self, network: nn.Module, actions: int, log_std: float = 0.0) -> None:
        super().__init__()
        self.mean = network
        self.log_std = nn.Parameter(torch.full((actions,), log_std))

    def forward(self, features: torch.Tensor) -> Gaussian:
        return Gaussian(self.mean(features), self.log_std)


class StateDependentActor(nn.Module):
    """Features to a normal policy whose noise is a function of the state (`StateDependentGaussian`).

    Args:
        network: A `SelectedNetwork`, or layers one after another; the inputs of the last one are the latent features.
        latent: Number H of latent features.
        actions: Numbers of an action, A.
        log_std: First value of log σ.
    """

    def __init__(self, network: nn.Module, latent: int, actions: int, log_std: float = 0.0) -> None:
        super().__init__()
        self.mean = network
        self.log_std = nn.Parameter(torch.full((latent, actions), log_std))

    def forward(self, features: torch.Tensor) -> StateDependentGaussian:
        if isinstance(self.mean, SelectedNetwork):
            latent, last = self.mean.forward_features(features), self.mean.last
        else:
            *layers, last = self.mean.children()
            latent = nn.Sequential(*layers)(features)
        return StateDependentGaussian(last(latent), latent.detach(), self.log_std)


class StateCritic(nn.Module):
    """Features to the value of a state."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.value = network

    def forward(self, features: torch.Tensor) -> ScalarValue:
        return ScalarValue(self.value(features).T)


class TwoMemories(nn.Module):
    """A memory of the actor and one of the critic on the same inputs, as one network: outputs side by side ``(…, 2 H)``.

    A loss of the critic then changes nothing that the actor remembers. sb3-contrib's ``enable_critic_lstm`` is the same.

    Args:
        actor: The actor's memory.
        critic: The critic's.
    """

    def __init__(self, actor: Memory, critic: Memory) -> None:
        super().__init__()
        self.actor, self.critic = actor, critic

    def initial_state(self, count: int) -> State:
        """As `unified.Memory.initial_state`; the names are ``actor_NAME`` and ``critic_NAME``."""
        return self._joined([memory.initial_state(count) for memory in (self.actor, self.critic)])

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Outputs ``(B, T, 2 H)`` of sequences ``(B, T, F)`` from the initial state."""
        start = torch.zeros(features.shape[:2], dtype=torch.bool, device=features.device)
        return self.unroll(features, self.initial_state(len(features)), start)

    def step(self, features: torch.Tensor, state: Mapping[str, torch.Tensor]) -> tuple[torch.Tensor, State]:
        """As `unified.Memory.step`."""
        outputs, after = zip(*(memory.step(features, own) for memory, own in self._each(state)), strict=True)
        return torch.cat(outputs, -1), self._joined(after)

    def unroll(self, features: torch.Tensor, state: Mapping[str, torch.Tensor], is_first: torch.Tensor) -> torch.Tensor:
        """As `unified.Memory.unroll`."""
        return torch.cat([memory.unroll(features, own, is_first) for memory, own in self._each(state)], -1)

    def _each(self, state: Mapping[str, torch.Tensor]) -> list[tuple[Memory, State]]:
        named = {
            prefix: {name.removeprefix(prefix): rows for name, rows in state.items() if name.startswith(prefix)} for prefix in PREFIXES
        }
        return list(zip((self.actor, self.critic), named.values(), strict=True))

    def _joined(self, states: Iterable[State]) -> State:
        return {prefix + name: rows for prefix, state in zip(PREFIXES, states, strict=True) for name, rows in state.items()}


#: Prefixes of the names of a state in `TwoMemories`.
PREFIXES = ("actor_", "critic_")


class OnPolicyAgent(Agent):
    """Learns from rollouts of its own policy, with advantages and returns by the critic as it is when a rollout ends.

    The base makes an encoder that actor and critic share (`Sight`; the identity for vectors, so that they share nothing), acts, and adds
    `advantage` and `return` to each rollout. With ``agent.memory=gru`` or ``lstm``, a recurrent network lies between the encoder and the
    two heads, one for each (`TwoMemories`) or one for both, and updates run through sequences of steps that start from the stored state.
    A subclass defines `phases`.

    Args:
        spec: Of the task.
        options: `OnPolicyOptions`; ``batch_size`` where there is one, else a minibatch is the whole rollout.
        build: Makes parts.
    """

    policy_parts = ("encoder", "memory", "actor")

    named_observations = True
    masked_actions = True

    def __init__(self, spec: Spec, options: Any, build: Builder) -> None:
        super().__init__(spec, options, build)
        self.sight = Sight(build, spec, options.encoder, stack=options.stack, pictures="nature_cnn", smallest=36, flatten=True)
        self.encoder, features = self.sight.encoder, self.sight.features
        self.memory: Any = None
        if options.memory:
            self.memory = build.part(options.memory, (1, features))
            if not isinstance(self.memory, Memory):
                name = getattr(options.memory, "name", options.memory)
                problem = f"agent.memory={name} has no state: its class lacks initial_state, step or unroll"
                raise UsageError(Problem(problem, "agent.memory=gru or agent.memory=lstm"))
            inputs, features = features, output_shape(self.memory, (1, features))[-1]
            if not getattr(options, "shared_memory", True):
                self.memory = TwoMemories(self.memory, build.part(options.memory, (1, inputs)))
        self.make_heads(features)

    def make_heads(self, features: int) -> None:
        """Make `actions`, and the parts on features ``(B, F)``: the actor and the critic of states."""
        discrete = self.spec.action.discrete
        if discrete and self.options.use_sde:
            raise UsageError(Problem("agent.use_sde adds noise to numbers, and the actions of this task are choices", "leave it out"))
        self.actions = DiscreteActions(self.spec.action) if discrete else ContinuousActions(self.spec.action)
        network = self._network("actor", features, self.actions.size, 0.01)
        self.actor: nn.Module = CategoricalActor(network) if discrete else self._over_numbers(network)
        self.critic: nn.Module = StateCritic(self._network("critic", features, 1, 1.0))
        if isinstance(self.memory, TwoMemories):
            self.actor = nn.Sequential(Columns(0, features), self.actor)
            self.critic = nn.Sequential(Columns(features, 2 * features), self.critic)
        self.masks = self.spec.masks_actions
        if self.masks:
            outputs = 2 * features if isinstance(self.memory, TwoMemories) else features
            self.actor = MaskedActor(self.actor, self.actions.size)
            self.critic = nn.Sequential(Columns(0, outputs), self.critic)

    def _over_numbers(self, network: nn.Module) -> nn.Module:
        """The actor of a task that takes numbers."""
        size, log_std = self.actions.size, self.options.log_std_init
        if not self.options.use_sde:
            return GaussianActor(network, size, log_std)
        last = network.last if isinstance(network, SelectedNetwork) else list(network.children())[-1]
        return StateDependentActor(network, last.in_features, size, log_std)  # type: ignore[arg-type]

    def _network(self, part: str, features: int, outputs: int, gain: float) -> nn.Module:
        """The network of actor or critic: the selected one, else `tanh_mlp`."""
        selection = getattr(self.options, part)
        if selection is not None:
            return selected_network(self.build, selection, part, "features", features, outputs, gain)
        return tanh_mlp(features, outputs, self.options.hidden_dim, self.options.depth, gain)

    def policy_phase(self, policy: Objective, value: Objective) -> Phase:
        """The phase of actor, critic and what they share: the loss of each, and with ``options.ent_coef`` a bonus for entropy."""
        o = self.options
        bonus = (self.build.objective("entropy", weight=o.ent_coef),) if o.ent_coef else ()
        return Phase("policy", (policy, value, *bonus), trains=(*self.shared, "actor", "critic"), max_grad_norm=o.max_grad_norm)

    @property
    def shared(self) -> tuple[str, ...]:
        """The parts that actor and critic share."""
        return ("encoder",) if self.memory is None else ("encoder", "memory")

    @property
    def base_view(self) -> Rollout:
        o = self.options
        value = ("value",) if self._clips_values else ()
        columns: tuple[str, ...] = (*self.extra_columns, "advantage", "return", *value)
        size = getattr(o, "batch_size", WHOLE)
        sizes: dict[str, Any] = {"batch_size": size, "stack": self.sight.stack, "n_steps": o.n_steps, "epochs": o.epochs}
        if self.memory is None:
            return Rollout(**sizes, discount=o.discount, extra_columns=columns)
        return RolloutSequences(**sizes, discount=o.discount, extra_columns=columns, sequence_length=o.sequence_length)

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

    @torch.no_grad()
    def process_rollout(self, batch: Batch) -> Batch:
        """Add advantages and returns to a rollout, by the critic as it is now.

        With a memory, the value of a row starts from the state that was stored with it, and the value after the last row of an episode or
        of the rollout from the state after that row.
        """
        boundary = batch.boundary
        features, state = self.step_features(batch)
        value = self._value(features)
        after = batch.rows(boundary)
        next_value = value.roll(-1)
        next_value[boundary] = self._value(self._features(after.next_obs, {name: rows[boundary] for name, rows in state.items()})[0])
        advantage = compute_gae(batch.reward, batch.discount, value, next_value, boundary, self.trace_decay)
        kept = ("obs", "action", "reward", "discount", "index", "weight", *self.extra_columns, *self.spec.columns)
        rollout = {name: column for name, column in batch.items() if name in kept or name.startswith("obs.")}
        old = {"value": value} if self._clips_values else {}
        return Batch(rollout).with_columns(advantage=advantage, **{"return": advantage + value}, **old)

    @property
    def _clips_values(self) -> bool:
        return getattr(self.options, "clip_range_vf", None) is not None

    def step_features(self, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Inputs of actor and critic ``(n, F)`` for one step of each row, and the next state of the memory, where there is one."""
        return self._features(batch.obs, {} if self.memory is None else batch.state)

    def _features(self, observation: Any, state: Mapping[str, torch.Tensor]) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        features = self.encode(observation).flatten(1)
        if self.memory is not None:
            memory: Any = self.acting("memory")
            features, state = memory.step(features, state)
        return with_mask(self.spec, features, observation), dict(state)

    @property
    def trace_decay(self) -> float:
        """λ of advantages and returns."""
        decay: float = self.options.gae_lambda
        return decay

    def _value(self, features: torch.Tensor) -> torch.Tensor:
        value: torch.Tensor = self.critic(features).mean[0]
        return value

    def encode_batch(self, batch: Batch) -> Batch:
        """Add `features`. With a memory, these are its outputs along each sequence, and the valid steps become rows, without padding."""
        if "label" in batch:
            features, _ = self._features(batch.obs, self.initial_state(batch.size))
            return batch.with_columns(features=features, action=self.encode_label(batch.label))
        if self.memory is None:
            return batch.with_columns(features=with_mask(self.spec, self.encode(batch.obs).flatten(1), batch.obs))
        rows, mask = batch.steps(), batch.mask
        encoded = self.encode(rows.obs).flatten(1)
        features = encoded.new_zeros(*mask.shape, encoded.shape[1])
        features[mask] = encoded
        remembered = self.memory.unroll(features, batch.state, batch.is_first)[mask]
        return rows.with_columns(features=with_mask(self.spec, remembered, rows.obs))

    def policy(self, features: torch.Tensor) -> Policy:
        """π(·|s) at features ``(B, F)``."""
        policy: Policy = self.acting("actor")(features)
        return policy

    @torch.no_grad()
    def act(self, batch: Batch, *, explore: bool) -> Action:
        features, state = self.step_features(batch)
        policy = self.policy(features)
        if not explore:
            return replace(self.actions.greedy(policy), state=state)
        if isinstance(policy, StateDependentGaussian):
            action = policy.explored(self._exploration(batch.size, policy))
        else:
            action = policy.sample(self.generator("explore"))
        env_action = self.actions.to_env(action, None).env_action
        before = {name: batch[name] for name in self._state_columns}
        return Action(action, env_action, {"log_prob": policy.log_prob(action), **before}, state=state)

    def _exploration(self, count: int, policy: StateDependentGaussian) -> torch.Tensor:
        """The standard normal matrices ``(n, H, A)`` of all environments: a function of the seed and the number of steps alone."""
        period = self.options.sde_sample_freq or self.options.n_steps
        generator = self.streams["sde"].at(self.steps // count // period, self.device)
        return torch.randn((count, *policy.matrix.shape), generator=generator, device=self.device)


#: Rows of a minibatch that no rollout reaches: a minibatch is the whole rollout.
WHOLE = 2**62
