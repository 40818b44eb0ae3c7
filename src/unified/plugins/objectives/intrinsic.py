"""What objectives of exploration share: rewards of the learner's own, how they are normalised, and where they are added."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from unified.core.base.errors import Problem, UsageError
from unified.core.base.spec import Space
from unified.core.learn.normalize import RunningMoments
from unified.core.learn.objective import Objective
from unified.core.learn.returns import compute_gae
from unified.core.replay.batch import Batch
from unified.core.replay.views import Rollout, Transitions, View
from unified.plugins.architectures.cnn.network import CNN, NatureCNN
from unified.plugins.architectures.mlp.network import MLP

#: Greatest size of a standardised observation. Burda et al. 2019, section 2.4.
LIMIT = 5.0
#: Added to variances.
EPS = 1e-8


class Novelty(nn.Module):
    """What an objective of exploration keeps: statistics of observations and of its own rewards.

    Args:
        space: Of a single observation; of stacked pictures, the newest one counts.
    """

    def __init__(self, space: Space) -> None:
        super().__init__()
        self.shape = space.shape or (1,)
        self.observations, self.rewards, self.returns = RunningMoments(self.shape), RunningMoments(()), RunningMoments(())
        #: The discounted sum of each environment at the end of its last rollout, ``(environments,)`` float64.
        self.sums = torch.zeros(0, dtype=torch.float64)

    def get_extra_state(self) -> torch.Tensor:
        """`sums`, whose size is known with the first rollout."""
        return self.sums

    def set_extra_state(self, state: torch.Tensor) -> None:
        self.sums = state

    def observe(self, obs: torch.Tensor) -> None:
        """Move the statistics of observations by rows ``(N, *stacked)`` that are learned from."""
        self.observations.update(self.newest(obs))

    def newest(self, obs: torch.Tensor) -> torch.Tensor:
        """Observations ``(N, *stacked)`` as ``(N, *shape)``."""
        return obs.reshape(len(obs), -1, *self.shape[1:])[:, -self.shape[0] :]

    def standardised(self, obs: torch.Tensor) -> torch.Tensor:
        """Observations ``(N, *stacked)`` as ``(N, *shape)`` with mean 0 and deviation 1, within ±`LIMIT`."""
        moments = self.observations
        offset, scale = moments.mean.float(), (moments.variance + EPS).rsqrt().float()
        return ((self.newest(obs).float() - offset) * scale).clamp(-LIMIT, LIMIT)

    def normalised(self, reward: torch.Tensor, discount: float, lane: torch.Tensor | None = None) -> torch.Tensor:
        """Rewards ``(N,)`` over the deviation of their discounted sum R ← γ R + r, which runs on over the ends of episodes.

        The sum of each environment begins at its expectation, E[r] / (1 - γ), and goes on from rollout to rollout. Rows of a replay are
        drawn at random and follow nothing: the deviation is then that of such a sum over independent rewards, √(Var[r] / (1 - γ²)).

        Args:
            reward: As they are.
            discount: γ.
            lane: Environment of each row of a rollout ``(N,)``, in the order of time within each; ``None`` for rows of a replay.
        """
        self.rewards.update(reward)
        if lane is None:
            return reward * ((self.rewards.variance / (1 - discount**2) + EPS).rsqrt()).to(reward)
        unknown = int(lane.max()) + 1 - len(self.sums)
        start = torch.full((max(unknown, 0),), float(self.rewards.mean) / (1 - discount), dtype=torch.float64)
        running, sums = torch.cat([self.sums, start]).tolist(), []
        for number, env in zip(reward.tolist(), lane.tolist(), strict=True):
            running[env] = discount * running[env] + number
            sums.append(running[env])
        self.sums = torch.tensor(running, dtype=torch.float64)
        self.returns.update(torch.tensor(sums, dtype=torch.float64))
        return reward * ((self.returns.variance + EPS).rsqrt()).to(reward)


def network(space: Space, outputs: int, hidden_dim: int, depth: int) -> nn.Module:
    """A network on standardised observations ``(N, *shape)``: convolutions for pictures, then an mlp."""
    shape = space.shape or (1,)
    if not space.is_picture:
        return MLP(math.prod(shape), outputs, hidden_dim, depth)
    trunk = NatureCNN(shape) if min(shape[1:]) >= 36 else CNN(shape)  # type: ignore[arg-type]
    with torch.no_grad():
        features = trunk(torch.zeros(1, *shape)).shape[1]
    return nn.Sequential(trunk, MLP(features, outputs, hidden_dim, depth))


class Intrinsic(Objective):
    """The base of objectives that reward an agent for what is new to it.

    Where an actor and a critic learn from rollouts, there are two streams: intrinsic rewards have a critic of their own and advantages of
    their own, which are added to those of the task: Â = Â_e + c Â_i. Intrinsic returns are not cut where an episode ends, so that it costs
    nothing to try what may end it. Source: Burda et al. 2019, section 2.3.

    Where a critic learns from a replay, or without an actor, there is one stream: r + c r_i is the reward, and ends are those of the task.
    One critic serves both, so that every head and every kind of target works with it; to tell two streams apart would take a critic, a
    target critic and a bootstrap of its own for each agent.

    A subclass defines `make` and `bonus`, and the loss. Novelty is always that of the observation an action led to.

    Args:
        coef: Coefficient c.
        discount: γ of intrinsic returns.
        hidden_dim: Units of hidden layers.
    """

    needs = ("obs", "action", "future_obs")
    task_types = ("control",)

    #: Name of the part that it adds.
    part = "novelty"

    def __init__(self, coef: float, discount: float, hidden_dim: int) -> None:
        super().__init__()
        self.coef, self.discount, self.hidden_dim = coef, discount, hidden_dim
        self._steps, self._gamma = 1, 1.0  # of the reward of a row

    @abstractmethod
    def make(self, agent: Any, space: Space) -> Novelty:
        """The part, for an agent and the space of its observations."""

    @abstractmethod
    def bonus(self, agent: Any, obs: torch.Tensor, action: torch.Tensor, next_obs: torch.Tensor) -> torch.Tensor:
        """How new the observation is that each action led to, before normalisation: ``(N,)``, without a graph."""

    def extend_view(self, view: View) -> View:
        if isinstance(view, Transitions):
            return replace(view, future_steps=max(view.future_steps, view.n_step))
        if isinstance(view, Rollout):
            return replace(view, extra_columns=(*view.extra_columns, "future_obs", "intrinsic_return"))
        what = f"objective {self.label} rewards steps of environments, and the agent's view here ({type(view).__name__}) shows none"
        raise UsageError(Problem(what, "on a task of control: --agent ppo, dqn or sac"))

    def attach(self, agent: Any) -> None:
        space, view = agent.spec.observation, agent.view
        if not isinstance(space, Space):
            what = f"objective {self.label} compares one observation with others, and this task shows several by name"
            raise UsageError(Problem(what, "a task with one observation"))
        if own := [phase.name for phase in agent.phase_list if self in phase.objectives and phase.step is not None]:
            phase = f"phase {own[0]} of {type(agent).__name__}"
            what = f"objective {self.label} trains a network by gradient descent, and {phase} moves its parts otherwise"
            raise UsageError(Problem(what, "--agent ppo"))
        if isinstance(view, Transitions):
            self._steps, self._gamma = view.n_step, view.discount
        agent.add_modules(**{self.part: self.make(agent, space)})
        if self._has_streams(agent):
            agent.add_modules(intrinsic_critic=network(space, 1, self.hidden_dim, 2))

    @staticmethod
    def _has_streams(agent: Any) -> bool:
        """Whether intrinsic rewards have a critic of their own."""
        return isinstance(agent.base_view, Rollout) and hasattr(agent, "actor")

    @torch.no_grad()
    def process_rollout(self, agent: Any, rollout: Batch, processed: Batch) -> Batch:
        novelty, lane = getattr(agent, self.part), rollout.env_id
        novelty.observe(rollout.next_obs)
        reward = novelty.normalised(self.bonus(agent, rollout.obs, rollout.action, rollout.next_obs), self.discount, lane)
        after = novelty.newest(rollout.next_obs)[:, None]
        if not self._has_streams(agent):
            zero = torch.zeros_like(reward)
            gained = compute_gae(self.coef * reward, rollout.discount, zero, zero, rollout.boundary, agent.trace_decay)
            return processed.with_columns(**{"return": processed["return"] + gained, "future_obs": after, "intrinsic_return": gained})
        last = torch.ones_like(rollout.boundary)
        last[:-1] = lane[1:] != lane[:-1]  # the rollout ends there; an episode may end anywhere
        value = self.value(agent, rollout.obs)
        next_value = value.roll(-1)
        next_value[last] = self.value(agent, rollout.next_obs[last])
        gamma = torch.full_like(reward, self.discount)
        advantage = compute_gae(reward, gamma, value, next_value, last, agent.trace_decay)
        columns = {"advantage": processed.advantage + self.coef * advantage, "intrinsic_return": advantage + value}
        return processed.with_columns(**columns, future_obs=after)

    @torch.no_grad()
    def relabel(self, agent: Any, batch: Batch) -> Batch:
        if "future_mask" not in batch:  # of a rollout, whose rewards were added when it was processed
            return batch
        novelty, rows = getattr(agent, self.part), slice(self._steps)
        after, mask = batch.future_obs[:, rows], batch.future_mask[:, rows]
        before = torch.cat([batch.obs[:, None], after[:, :-1]], dim=1)
        novelty.observe(after[:, 0])
        steps = (before.flatten(0, 1), batch.future_action[:, rows].flatten(0, 1), after.flatten(0, 1))
        reward = novelty.normalised(self.bonus(agent, *steps), self.discount).view_as(mask)
        powers = self._gamma ** torch.arange(self._steps, device=mask.device)
        return batch.with_columns(reward=batch.reward + self.coef * (powers * mask * reward).sum(dim=1))

    def value(self, agent: Any, obs: torch.Tensor) -> torch.Tensor:
        """The intrinsic critic's value ``(N,)`` of observations."""
        value: torch.Tensor = agent.intrinsic_critic(getattr(agent, self.part).standardised(obs))
        return value[:, 0]

    def value_loss(self, agent: Any, batch: Batch) -> torch.Tensor | float:
        """½ (V_i - return)², averaged over the rows; 0 where there is one stream."""
        if not self._has_streams(agent):
            return 0.0
        return 0.5 * (self.value(agent, batch.obs) - batch.intrinsic_return).square().mean()
