"""Conversion between the output of a policy and the actions of a task: `ContinuousActions` and `DiscreteActions`."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch

from unified.core.base.spec import Space

if TYPE_CHECKING:
    from unified.core.learn.distributions import Policy


def one_hot(choice: torch.Tensor, count: int) -> torch.Tensor:
    """Choices ``(…)`` as float32 ``(…, count)``, 1 among zeros. Unlike torch's, it does not wait for the values to check them.

    >>> one_hot(torch.tensor([2, 0]), 3).tolist()
    [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
    """
    return (choice[..., None] == torch.arange(count, device=choice.device)).float()


@dataclass(frozen=True)
class Action:
    """The actions of an agent for n environments.

    Args:
        action: Output of the policy, ``(n, *action_space)``; the replay stores it and the agent learns from it.
        env_action: Actions for the environments, ``(n, *action)``.
        extra: Further columns for the replay, ``(n, …)`` each (`log_prob`, `value`).
        probabilities: Probability of each choice of the task, ``(n, A)``, where the policy has them; a classifier is evaluated by them.
        state: Next state of the policy, ``(n, …)`` each, by name; empty for a stateless agent.
    """

    action: torch.Tensor
    env_action: torch.Tensor
    extra: dict[str, torch.Tensor] = field(default_factory=dict)
    probabilities: torch.Tensor | None = None
    state: dict[str, torch.Tensor] = field(default_factory=dict)


class ContinuousActions:
    """Lets a policy that emits real numbers act on any task.

    A continuous task takes them within [-1, 1]: what is beyond counts as the bound; where it takes bytes, they stand for these. On a
    discrete task the policy emits one number for each choice; that vector is what the replay stores and the critic sees, and the
    environment receives its argmax. Exploration is the noise in the numbers: it ends as their deviation falls, and what happens remains a
    function of the action that the critic values. Numbers that noise took beyond the bounds are equal there, and a random one of the
    greatest counts.
    """

    def __init__(self, task: Space) -> None:
        self.task = task
        self.space = Space((task.n,), "float32", -1.0, 1.0) if task.n else Space((task.size,), "float32", -1.0, 1.0)

    @property
    def size(self) -> int:
        """Numbers that the policy has to emit."""
        return self.space.size

    def to_env(self, action: torch.Tensor, generator: torch.Generator | None) -> Action:
        """Turn what the policy produced ``(n, size)`` into an `Action`.

        Args:
            action: With the noise of exploration in it, where there is some.
            generator: Chooses among the greatest where several are equal; ``None``: the first of them counts.
        """
        if not self.task.discrete:
            env_action = action.clamp(-1.0, 1.0).reshape(-1, *self.task.shape)
            return Action(action, env_action if self.task.dtype != "uint8" else ((env_action + 1.0) * 127.5).round().to(torch.uint8))
        if generator is None:
            return Action(action, action.argmax(dim=-1))
        greatest = action == action.amax(dim=-1, keepdim=True)
        lots = torch.rand(action.shape, generator=generator, device=action.device)
        return Action(action, torch.where(greatest, lots, -1.0).argmax(dim=-1))

    def greedy(self, policy: Policy) -> Action:
        """What a policy of numbers does where it does not explore."""
        return self.to_env(policy.mode, None)

    def encode_target(self, target: torch.Tensor) -> torch.Tensor:
        """What a task calls an answer ``(n, *action)``, as this policy would have produced it ``(n, size)``.

        A choice becomes 1 for itself and -1 for the others; bytes of a picture become numbers within [-1, 1].
        """
        if self.task.n is not None:
            return 2.0 * one_hot(target, self.task.n).flatten(1) - 1.0
        if target.dtype == torch.uint8:
            return (target.float() / 127.5 - 1.0).flatten(1)
        return target.float().flatten(1)


class DiscreteActions:
    """Lets a policy that chooses act on any task.

    A discrete task takes its choices as they are. Where a task takes D numbers, each is a choice of its own between `bins` evenly spaced
    ones from -1 to 1. Source: Seyde et al. 2023, "Solving continuous control via Q-learning" (decoupled Q-learning).

    Args:
        task: What the environment takes.
        bins: Choices of each number, 2 at least; a discrete task has choices of its own.
    """

    def __init__(self, task: Space, bins: int = 5) -> None:
        self.task = task
        choices = task.n or bins
        shape = task.shape if task.discrete else (task.size,)
        self.space = Space(shape, "int64", 0, choices - 1, choices)
        #: ``(A,)``, or ``(D, A)`` for D choices.
        self.choices = (*shape, choices)

    @property
    def size(self) -> int:
        """Numbers that a critic or a policy has to emit: one for every choice of every dimension."""
        return math.prod(self.choices)

    def to_env(self, action: torch.Tensor, generator: torch.Generator | None = None) -> Action:
        """Turn choices ``(n,)`` or ``(n, D)`` into an `Action`, numbers within [-1, 1]. Nothing is drawn."""
        if self.task.discrete:
            return Action(action, action)
        numbers = action.to(torch.float32) * (2.0 / (self.choices[-1] - 1)) - 1.0
        return Action(action, numbers.reshape(-1, *self.task.shape))

    def greedy(self, policy: Policy) -> Action:
        """What a policy over choices does where it does not explore, and on a discrete task how likely each choice is to it."""
        action = self.to_env(policy.mode)
        return replace(action, probabilities=policy.probabilities) if self.task.discrete else action

    def encode_target(self, target: torch.Tensor) -> torch.Tensor:
        """What a task calls an answer ``(n, *action)``, as this policy would have chosen it: of numbers and bytes, the nearest choices."""
        if self.task.discrete:
            return target
        numbers = target.float() / 127.5 - 1.0 if target.dtype == torch.uint8 else target.float()
        return ((numbers.clamp(-1.0, 1.0) + 1.0) * ((self.choices[-1] - 1) / 2.0)).round().long().flatten(1)
