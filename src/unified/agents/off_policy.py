"""The base of off-policy agents: actor and critics on features of an encoder, learned from transitions of a replay."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from unified.agents.exploration import ActionNoise, StateNoise
from unified.core.base.errors import Problem, UsageError
from unified.core.learn.actions import Action, ContinuousActions, DiscreteActions
from unified.core.learn.agent import Agent
from unified.core.learn.distributions import Policy, Value
from unified.core.learn.objective import Objective, Phase
from unified.core.replay.batch import Batch
from unified.core.replay.views import Transitions, View
from unified.plugins.architectures.actors import Actor, Columns, MaskedActor, StateNoiseActor, make_actor, policy_head, uniform
from unified.plugins.architectures.augment.augment import make_augmentations
from unified.plugins.architectures.augment.shift import RandomShift
from unified.plugins.architectures.critics import ChoiceCritic, Critic, make_critic, reduced
from unified.plugins.architectures.encoders import Sight, action_mask, augment, with_mask
from unified.plugins.architectures.heads.modules import DeterministicHead
from unified.plugins.architectures.reductions import Reduction

if TYPE_CHECKING:
    from unified.core.base.spec import Space, Spec
    from unified.core.learn.builder import Builder


class OffPolicyAgent(Agent):
    """Learns from transitions of a replay; by default an actor-critic by `td` and `dpg`.

    The base makes the encoder, which the critic trains (`Sight`); pixels are shifted at random (Kostrikov et al. 2020, DrQ) and seen by
    actor and critic through a bottleneck each. Target critics read the online encoder's features of the next observation, as in DrQ-v2:
    they follow slowly. A subclass makes its parts in ``__init__``:

    >>> class DDPG(OffPolicyAgent):  # doctest: +SKIP
    ...     def __init__(self, spec, options, build):
    ...         super().__init__(spec, options, build)
    ...         self.actor = self.make_actor("truncated_normal")
    ...         self.critic = self.make_critic()
    ...         self.add_target("critic", options.tau)

    and overrides what differs: `phases`, `bootstrap`, `explore`. An agent with options ``noise`` (`NoiseOptions`) explores by noise around
    the mode of its policy; one with ``use_sde`` (and ``sde_sample_freq, log_std_init``) by noise that is a function of the state.

    Args:
        spec: Of the task.
        options: `OffPolicyOptions`; `make_actor` and `make_critic` read ``actor, critic, feature_dim``, `make_aug` ``pad``, and `phases`
            ``clip_target, policy_delay, climb, action_l2``.
        build: Makes parts.

    Attributes:
        sight: The encoder's rules; ``sight.features`` is F.
        aug: Augmentation of observations, called with a generator; ``None`` for vectors.
        actions: Adapts what the policy emits to what the task takes; `make_actor` chooses it by the policy head.
        action_noise: Noise on actions by which it explores; ``None``: by draws of its policy.
        state_noise: Noise as a function of the state by which it explores; ``None``: by draws of its policy.
    """

    named_observations = True

    actions: ContinuousActions | DiscreteActions
    action_noise: ActionNoise | None = None
    state_noise: StateNoise | None = None

    _shows_mask = False  # whether features have the valid choices behind them, which `MaskedActor` reads

    def __init__(self, spec: Spec, options: Any, build: Builder) -> None:
        super().__init__(spec, options, build)
        self.sight = Sight(build, spec, options.encoder, stack=options.stack)
        self.encoder = self.sight.encoder
        self.aug = self.make_aug()

    # Parts ----------------------------------------------------------------------------------------------------------------------

    @property
    def bottleneck(self) -> int | None:
        """Features behind the bottleneck of actor and critic; ``None`` without pixels."""
        return self.options.feature_dim if self.sight.pixels else None

    def make_aug(self) -> nn.Module | None:
        """The augmentation of pictures that are learned from: ``options.aug``, where there is one, else `default_aug`.

        Raises:
            UsageError: If one is selected and there are no pictures, or it changes their shape.
        """
        selected = getattr(self.options, "aug", None)
        if selected is None:
            return self.default_aug()
        pictures = [space for space in self.spec.spaces.values() if space.is_picture]
        if not pictures:
            raise UsageError(Problem("agent.aug augments pictures, and this task shows none", "leave it out"))
        return make_augmentations(self.build, selected, (pictures[0].shape[0] * self.sight.stack, *pictures[0].shape[1:]))

    def default_aug(self) -> nn.Module | None:
        """Random shifts of pixels by ``options.pad``; nothing for vectors, and for pictures with labels."""
        return RandomShift(self.options.pad) if self.sight.pixels else None

    def make_actor(self, head: str, bins: int = 5) -> Actor | MaskedActor:
        """The actor of ``options.actor``, and `actions` with it: choices where its head is over choices, else numbers.

        Args:
            head: Policy head where the options name none.
            bins: Choices of each number of an action, where the head is over choices and the task takes numbers.

        Raises:
            UsageError: If the selected head explores nothing and the agent adds no noise of its own, or noise is to be added to choices.
        """
        policy, noise = policy_head(self.build, self.options.actor.head or head), getattr(self.options, "noise", None)
        if isinstance(policy, DeterministicHead) and head != "deterministic" and noise is None and self.spec.task_type == "control":
            what = f"actor.head=deterministic always acts the same, and {type(self).__name__} explores by what its policy draws"
            raise UsageError(Problem(what, "an agent that adds noise: --agent td3   or actor.head=truncated_normal"))
        self.actions = DiscreteActions(self.spec.action, bins) if policy.discrete else ContinuousActions(self.spec.action)
        if noise is not None:
            if policy.discrete:
                what = f"{type(self).__name__} adds noise to numbers, and this policy head is over choices"
                raise UsageError(Problem(what, "actor.head=deterministic"))
            self.action_noise = ActionNoise(noise, self.action_space)
        sde = {"log_std": self.options.log_std_init} if getattr(self.options, "use_sde", False) else {}
        actor: nn.Module = make_actor(
            self.options.actor, policy, self.sight.features, trunk=self.bottleneck, build=self.build, **self._emitted(), **sde
        )
        self.masked_actions = self._shows_mask = self.spec.masks_actions and policy.discrete
        if self._shows_mask:
            actor = MaskedActor(actor, self.actions.size)
        if isinstance(actor, StateNoiseActor):
            self.state_noise = StateNoise(self.options.sde_sample_freq, tuple(actor.log_std.shape))
        return actor

    def make_critic(self) -> Critic | ChoiceCritic:
        """The critics of ``options.critic``: Q(s, ·) where `actions` are choices, else Q(s, a). They do not see which choices are valid."""
        noise = self.streams["noise"]
        critic = make_critic(self.build, self.options.critic, self.sight.features, trunk=self.bottleneck, stream=noise, **self._emitted())
        if getattr(critic.head, "one_step", False) and self.options.n_step > 1:
            raise UsageError(Problem("this head of values has discounts of its own, and rewards are added up by one", "agent.n_step=1"))
        return self._without_mask(critic)

    def make_value(self, options: Any) -> Critic | ChoiceCritic:
        """V(s), as its options say (`CriticOptions`)."""
        return self._without_mask(make_critic(self.build, options, self.sight.features, trunk=self.bottleneck))

    def _without_mask(self, critic: Critic | ChoiceCritic) -> Critic | ChoiceCritic:
        """The critic, which reads the features alone where valid choices stand behind them."""
        if self._shows_mask:
            critic.trunk = nn.Sequential(Columns(0, self.sight.features), critic.trunk)
        return critic

    def _emitted(self) -> dict[str, Any]:
        return {"choices": self.actions.choices} if isinstance(self.actions, DiscreteActions) else {"actions": self.actions.size}

    # Learning -------------------------------------------------------------------------------------------------------------------

    @property
    def base_view(self) -> View:
        return Transitions.of(self.options, self.sight.stack)

    @property
    def action_space(self) -> Space:
        return self.actions.space

    def phases(self) -> list[Phase]:
        climbing = {name: getattr(self.options, name) for name in ("climb", "action_l2") if hasattr(self.options, name)}
        return [self.critic_phase(), self.actor_phase(self.build.objective("dpg", **climbing))]

    def critic_phase(self) -> Phase:
        """The phase of encoder and critic, by `td`; with ``options.clip_target`` within possible returns."""
        clip = getattr(self.options, "clip_target", False)
        return Phase("critic", (self.build.objective("td", clip=clip),), trains=("encoder", "critic"))

    def actor_phase(self, *objectives: Objective, trains: tuple[str, ...] = ("actor",)) -> Phase:
        """The phase of the actor: in every update, or in every so many of ``options.policy_delay``."""
        return Phase("actor", objectives, trains, every=getattr(self.options, "policy_delay", 1))

    def encode_batch(self, batch: Batch) -> Batch:
        """Add `features`, `next_features` without a graph (rows with labels have none), and what `with_draws` adds.

        Features are as the encoder makes them, in bfloat16 where the run's precision says so: actor and critic make them float32.
        """
        batch, obs = self.with_draws(batch), self.augmented(batch.obs)
        if "label" in batch:
            return batch.with_columns(features=self.encode(obs), action=self.encode_label(batch.label))
        next_obs = self.augmented(batch.next_obs)
        with torch.no_grad():
            next_features = self._features(next_obs)
        return batch.with_columns(features=self._features(obs), next_features=next_features)

    def _features(self, observation: Any) -> torch.Tensor:
        """Inputs of actor and critic: what the encoder makes of observations, and behind it which choices are valid, where they show it."""
        features = self.encode(observation, full=False)
        return with_mask(self.spec, features, observation) if self._shows_mask else features

    def augmented(self, observation: Any) -> Any:
        """Observations that are learned from, with their pictures augmented, and laid out once for the networks that read them."""
        if self.aug is None or isinstance(self.aug, RandomShift):  # others are fast on rows as the replay gives them
            observation = self.sight.laid_out(observation)
        return observation if self.aug is None else augment(observation, self.aug, lambda: self.generator("shift"))

    def with_draws(self, batch: Batch) -> Batch:
        """Where ``critic.reduce`` is random, the batch with what was drawn for it, as a column.

        It is drawn once for each update, the same for all rows of all microbatches: `mixture` ``(B, E)``, α of each critic, or `subset`
        ``(B, K)``, the critics whose least is the target.

        α_k = u_k / Σ u, u ~ U(0, 1), serves for prediction and target: (Σ α_k Q_k(s, a) - r - γ max Σ α_k Q̄_k(s', ·))². Sources: Agarwal
        et al. 2020, REM, equation 6; Chen et al. 2021, REDQ, algorithm 1.
        """
        critic = getattr(self.options, "critic", None)
        reduction = Reduction.of(getattr(critic, "reduce", "least"))
        if reduction.name not in ("mixture", "subset"):
            return batch
        draws = torch.rand(critic.members, generator=self.streams["mixture"].at(self.updates, self.device), device=self.device)
        if reduction.name == "subset":
            return batch.with_columns(subset=draws.argsort()[: reduction.count].expand(batch.size, -1))
        return batch.with_columns(mixture=(draws / draws.sum()).expand(batch.size, -1))

    def policy(self, features: torch.Tensor) -> Policy:
        """π(·|s) at features ``(B, F)``."""
        policy: Policy = self.acting("actor")(features, self.steps)
        return policy

    def bootstrap(self, batch: Batch) -> Value:
        """V(s'), by `next_value`."""
        return self.next_value(batch)[0]

    def next_value(self, batch: Batch) -> tuple[Value, torch.Tensor]:
        """The target critics, reduced to one, at the policy's next action, and E[log π] ``(B,)``; over choices an exact expectation."""

        def target(action: torch.Tensor | None) -> Value:
            return self.reduced(self.target_value(batch, action), batch)

        return self.policy(batch.next_features).expectation(target, self.generator("target"))

    @torch.no_grad()
    def advantage(self, batch: Batch) -> torch.Tensor:
        """How much better than the policy the actions of the batch are, ``(B,)``: Q(s, a) - Q(s, a'), a' ~ π, by the least critic.

        Over choices the second term is an exact expectation. Source: Nair et al. 2020, AWAC, section 4.2.
        """

        def value_of(action: torch.Tensor | None) -> Value:
            return self.critic(batch.features, action).min()  # type: ignore[no-any-return]

        expected, _ = self.policy(batch.features).expectation(value_of, self.noise())
        advantage: torch.Tensor = value_of(batch.action).mean[0] - expected.mean[0]
        return advantage

    def target_value(self, batch: Batch, action: torch.Tensor | None) -> Value:
        """All target critics at the next action, or at all choices, ``(E, B)``.

        Without a target network the critic itself values it, in one pass with the prediction of `td`: statistics over rows (batch
        normalisation) are then those of both. Source: Bhatt et al. 2024, CrossQ, section 4.
        """
        if "critic_target" in self.targets:
            value: Value = self.get_submodule("critic_target")(batch.next_features, action)
            return value
        numbers = None if action is None or self.action_space.discrete else torch.cat([batch.action, action])
        with torch.enable_grad():
            both: Value = self.critic(torch.cat([batch.features, batch.next_features]), numbers)
            prediction = both.rows(slice(batch.size))
            prediction = prediction if numbers is not None else prediction.gather(batch.action)
        batch.once("prediction", lambda: prediction)
        following = both.rows(slice(batch.size, None))
        return following if numbers is not None or action is None else following.gather(action)

    def reduced(self, value: Value, batch: Batch) -> Value:
        """An ensemble of critics ``(E, B)`` as one ``(1, B)``, as ``critic.reduce`` says; the least without this option."""
        return reduced(value, getattr(self.options.critic, "reduce", "least"), batch)

    # Acting ---------------------------------------------------------------------------------------------------------------------

    @property
    def starts(self) -> bool:
        """Whether actions are still uniformly random."""
        return bool(self.steps < self.options.learning_starts)

    def initial_state(self, count: int) -> dict[str, torch.Tensor]:
        """The noise of each environment, where it has a memory."""
        noise = self.action_noise or self.state_noise
        return {} if noise is None else noise.initial_state(count, self.device)

    @torch.no_grad()
    def act(self, batch: Batch, *, explore: bool) -> Action:
        state = {name: batch.get(f"state.{name}", rows) for name, rows in self.initial_state(batch.size).items()}
        if not explore:
            return replace(self.actions.greedy(self.policy(self._features(batch.obs))), state=state)
        generator = self.generator("explore")
        if self.starts:
            action = uniform(self.action_space, batch.size, generator, action_mask(self.spec, batch.obs))
            return replace(self.actions.to_env(action, generator), state=state)
        features = self._features(batch.obs)
        if self.state_noise is not None:
            action, state = self.state_noise(self.acting("actor")(features, self.steps, acting=True), state, generator)
            return replace(self.actions.to_env(action, generator), state=state)
        action = self.explore(features, generator)
        if self.action_noise is not None:
            action, state = self.action_noise(action, state, self.steps, generator)
        return replace(self.actions.to_env(action, generator), state=state)

    def explore(self, features: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """What the policy emits at features ``(n, F)`` while it explores: a draw, or its mode where noise is added to it."""
        policy: Policy = self.acting("actor")(features, self.steps, acting=True)
        return policy.sample(generator) if self.action_noise is None else policy.mode

    @torch.no_grad()
    def random_action(self, batch: Batch) -> Action:
        generator = self.generator("random_action")
        drawn = uniform(self.action_space, batch.size, generator, action_mask(self.spec, batch.obs))
        return self.actions.to_env(drawn, generator)

    @torch.no_grad()
    def expected_return(self, batch: Batch) -> torch.Tensor:
        """Q(s, π(s)) at the mode of the policy, averaged over the critics."""
        features = self._features(batch.obs)
        value: Value = self.get_submodule("critic")(features, self.policy(features).mode)
        return value.mean.mean(dim=0)
