"""HIRO: data-efficient hierarchical reinforcement learning. Nachum, Gu, Lee & Levine 2018."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from unified import Action, Agent, Batch, ContinuousActions, Loss, Objective, Phase, Problem, Space, UsageError
from unified.heads import TruncatedNormal
from unified.nets import make_actor, make_critic, policy_head, reduced, uniform
from unified.plugins.agents.hiro.view import Decisions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import nn

    from unified import Builder, Spec
    from unified.heads import Policy, Value


class HIRO(Agent):
    """A high level sets goals every c steps; a low level is rewarded for reaching them. Both are TD3.

    A goal g is a change of the observation s that is asked for. Between two decisions it moves with the observation, g' = h(s, g, s') =
    s + g - s' (section 3.1), so that s + g stays where it is. The low level acts on (s, g) and is rewarded by -‖s + g - s'‖ (equation 3);
    the high level acts on s, and is rewarded by the sum of c rewards of the task.

    The low level changes while it learns, and with it what a goal leads to. So the high level learns from goals for which the present low
    level would have acted as the former one did (`corrected`, section 3.3).
    """

    policy_parts = ("high_actor", "low_actor")

    def __init__(self, spec: Spec, options: Any, build: Builder) -> None:
        super().__init__(spec, options, build)
        if len(spec.space.shape) != 1 or spec.action.discrete:
            what = "hiro sets goals for vectors and acts by numbers"
            raise UsageError(Problem(what, "a task of that kind: --suite gym:Pendulum-v1"))
        if options.critic.reduce not in ("least", "average"):
            what = f"critic.reduce={options.critic.reduce} is drawn for one level of critics"
            raise UsageError(Problem(what, "critic.reduce=least or average"))
        self.actions, size = ContinuousActions(spec.action), spec.space.size
        self.goal_size = min(options.goal_dims or size, size)
        self.high = Level(self, "high", size, self.goal_size)
        self.low = Level(self, "low", size + self.goal_size, self.actions.size)

    @property
    def base_view(self) -> Decisions:
        options = self.options
        rates = {"updates_per_step": options.updates_per_step, "learn_after": options.learning_starts}
        return Decisions(batch_size=options.batch_size, discount=options.discount, interval=options.interval, **rates)

    @property
    def action_space(self) -> Space:
        return self.actions.space

    @property
    def extra_columns(self) -> Mapping[str, Space]:
        """The goal of a step, and how many steps the decision for it is old."""
        return {"subgoal": Space((self.goal_size,), "float32"), "clock": Space((), "int64")}

    def place(self, observation: torch.Tensor) -> torch.Tensor:
        """What goals are for: the first numbers of observations ``(…, D)``."""
        return observation[..., : self.goal_size]

    # Learning -------------------------------------------------------------------------------------------------------------------

    def phases(self) -> list[Phase]:
        c, delay = self.options.interval, self.options.policy_delay
        td, dpg = (self.build.objective(name) for name in ("td", "dpg"))
        return [
            Phase("low_critic", (OfLevel(self.low, td, self.steps_of),), trains=("low_critic",)),
            Phase("low_actor", (OfLevel(self.low, dpg, self.steps_of),), trains=("low_actor",), every=delay),
            Phase("high_critic", (OfLevel(self.high, td, self.decisions_of),), trains=("high_critic",), every=c),
            Phase("high_actor", (OfLevel(self.high, dpg, self.choices_of),), trains=("high_actor",), every=c * delay),
        ]

    def steps_of(self, batch: Batch) -> Batch:
        """The transitions of the low level, (s, g, a, r, s', h(s, g, s'))."""
        goal, before, after = batch["subgoal"], self.place(batch.obs), self.place(batch.next_obs)
        left = before + goal - after  # h(s, g, s')
        return Batch(
            features=torch.cat([batch.obs, goal], dim=-1),
            action=batch.action,
            reward=-left.norm(dim=-1),
            discount=batch.discount,
            next_features=torch.cat([batch.next_obs, left], dim=-1),
            weight=batch.weight,
        )

    @torch.no_grad()
    def decisions_of(self, batch: Batch) -> Batch:
        """The transitions of the high level, (s_t, g̃_t, Σ R, s_{t+c}), of goals that explain what the low level did."""
        return Batch(
            features=batch["path"][:, 0],
            action=self.corrected(batch) / self.options.goal_range,
            reward=self.options.reward_scale * batch["path_reward"],
            discount=batch["path_discount"],
            next_features=batch["path"][:, -1],
            weight=batch.weight,
        )

    def choices_of(self, batch: Batch) -> Batch:
        """What the actor of the high level learns at."""
        return Batch(features=batch["path"][:, 0])

    def corrected(self, batch: Batch) -> torch.Tensor:
        """Of some goals the one that the present low level most likely followed, ``(B, G)``.

        log μ(a_{t:t+c-1} | s_{t:t+c-1}, g̃_{t:t+c-1}) ∝ -½ Σ ‖a_i - μ(s_i, g̃_i)‖² + const (equation 5), g̃_i = s_t + g̃_t - s_i. Candidates
        g̃_t are the original goal, s_{t+c} - s_t, and Gaussian ones around the latter of half the range, within the range.
        """
        path, goal, span = batch["path"], batch["path_goal"], self.options.goal_range
        change = self.place(path[:, -1] - path[:, 0])
        shape, generator = (len(goal), self.options.candidates, self.goal_size), self.generator("correction")
        around = change[:, None] + 0.5 * span * torch.randn(shape, generator=generator, device=goal.device)
        candidates = torch.cat([goal[:, None], change[:, None], around], dim=1).clamp(-span, span)  # (B, K, G)
        states = path[:, None, :-1].expand(-1, candidates.shape[1], -1, -1)  # (B, K, c, D)
        goals = (self.place(path[:, :1]) - self.place(path[:, :-1]))[:, None] + candidates[:, :, None]
        actions = self.low.policy(torch.cat([states, goals], dim=-1).flatten(0, 2)).mode.view(*goals.shape[:3], -1)
        misfit = (batch["path_action"][:, None] - actions).square().sum(dim=-1)  # (B, K, c)
        best = (misfit * batch["path_mask"][:, None]).sum(dim=-1).argmin(dim=1)
        return candidates[torch.arange(len(goal), device=goal.device), best]

    # Acting ---------------------------------------------------------------------------------------------------------------------

    def initial_state(self, count: int) -> dict[str, torch.Tensor]:
        """Where the goal is, s + g, and the steps since it was chosen; after c of them, as at first, it is chosen anew."""
        target = torch.zeros(count, self.goal_size, device=self.device)
        return {"target": target, "clock": torch.zeros(count, dtype=torch.int64, device=self.device)}

    @torch.no_grad()
    def act(self, batch: Batch, *, explore: bool) -> Action:
        observation, starts = batch.obs, explore and bool(self.steps < self.options.learning_starts)
        initial = self.initial_state(len(observation))
        target, clock = (batch.get(f"state.{name}", rows) for name, rows in initial.items())
        chosen = self.options.goal_range * self.high.emitted(observation, self.options.goal_noise, explore, starts)
        goal = torch.where((clock == 0)[:, None], chosen, target - self.place(observation))
        action = self.low.emitted(torch.cat([observation, goal], dim=-1), self.options.noise, explore, starts)
        state = {"target": self.place(observation) + goal, "clock": (clock + 1) % self.options.interval}
        extra = {"subgoal": goal, "clock": clock} if explore else {}
        return Action(action, self.actions.to_env(action, None).env_action, extra, state=state)


class Level:
    """One of the two TD3s: an actor and twin critics of a hierarchy, with their targets, as `td` and `dpg` see an agent.

    Args:
        agent: It belongs to.
        name: The parts are ``<name>_actor`` and ``<name>_critic``.
        features: Numbers that it sees.
        actions: Numbers that it emits, within [-1, 1].
    """

    def __init__(self, agent: HIRO, name: str, features: int, actions: int) -> None:
        self.agent, self.name, self.options = agent, name, agent.options
        self.space = Space((actions,), "float32", -1.0, 1.0)
        build, options = agent.build, agent.options
        head = policy_head(build, options.actor.head or "deterministic")
        every = options.policy_delay * (options.interval if name == "high" else 1)
        agent.add_modules(
            **{
                f"{name}_actor": make_actor(options.actor, head, features, actions=actions, build=build),
                f"{name}_critic": make_critic(build, options.critic, features, actions=actions),
            }
        )
        agent.add_target(f"{name}_actor", options.tau, every)
        agent.add_target(f"{name}_critic", options.tau, every)

    @property
    def critic(self) -> nn.Module:
        return self.agent.get_submodule(f"{self.name}_critic")

    def policy(self, features: torch.Tensor) -> Policy:
        policy: Policy = self.agent.acting(f"{self.name}_actor")(features, self.agent.steps)
        return policy

    def noise(self) -> torch.Generator:
        return self.agent.generator(f"{self.name}_policy")

    def bootstrap(self, batch: Batch) -> Value:
        """min Q̄(s', π̄(s') + clipped noise): the target of TD3."""
        agent, options = self.agent, self.options
        mode = agent.get_submodule(f"{self.name}_actor_target")(batch.next_features, agent.steps).mode
        smoothed = TruncatedNormal(mode, options.target_noise, options.target_noise_clip).sample(agent.generator(f"{self.name}_target"))
        value: Value = agent.get_submodule(f"{self.name}_critic_target")(batch.next_features, smoothed)
        return reduced(value, options.critic.reduce, batch)

    def emitted(self, features: torch.Tensor, std: float, explore: bool, starts: bool) -> torch.Tensor:
        """What it does at features ``(n, F)``: its mode, with noise where it explores, and at the start uniformly random."""
        if starts:
            return uniform(self.space, len(features), self.agent.generator(f"{self.name}_explore"))
        mode = self.policy(features).mode
        return TruncatedNormal(mode, std).sample(self.agent.generator(f"{self.name}_explore")) if explore else mode


class OfLevel(Objective):
    """An objective of one level, on that level's rows of a batch."""

    needs = ("obs", "action", "discount", "next_obs", "weight", "path")

    def __init__(self, level: Level, objective: Objective, rows: Callable[[Batch], Batch]) -> None:
        super().__init__()
        self.level, self.objective, self.rows = level, objective, rows
        self.selected = objective.label

    def __call__(self, agent: Any, batch: Batch) -> Loss:
        loss = self.objective(self.level, self.rows(batch))
        metrics = {f"{self.level.name}_{name}": value for name, value in loss.metrics.items()}
        return Loss(loss.value, metrics, loss.priority if self.level is agent.low else None)  # a row is a step of the low level
