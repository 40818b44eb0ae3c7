"""The contract of objectives: one term of what is minimised."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import nn

from unified.core.batch import Batch

if TYPE_CHECKING:
    from unified.core.views import View


@dataclass(frozen=True)
class Loss:
    """What an objective returns.

    Args:
        value: The scalar to minimise, with its graph.
        metrics: Scalars to log, on the device they were computed on: nothing is transferred within an update.
        priority: One number per row ``(B,)`` for a prioritised replay.
    """

    value: torch.Tensor
    metrics: dict[str, torch.Tensor] = field(default_factory=dict)
    priority: torch.Tensor | None = None


class Objective(ABC):
    """One term of what is minimised: ``(agent, batch) -> Loss``.

    A misfit between `needs`, the columns of the batch, and `parts`, what the agent has, is refused before the first step.

    Args:
        options: The validated options of the objective.
    """

    #: Columns of the batch that are read.
    needs: ClassVar[tuple[str, ...]] = ()
    #: Parts of the agent that are used.
    parts: ClassVar[tuple[str, ...]] = ()

    #: As it was selected; whoever makes it by name sets it.
    selected: str = ""

    def __init__(self, options: Any = None) -> None:
        self.options = options

    @property
    def label(self) -> str:
        """What people are told it is called."""
        return self.selected or type(self).__name__

    @abstractmethod
    def __call__(self, agent: Any, batch: Batch) -> Loss:
        """The loss on one batch."""

    def widen(self, view: View) -> View:
        """The view of the agent with the further columns that this objective reads; as it is for most.

        Raises:
            UsageError: If nothing can be added to such a view.
        """
        return view

    def join(self, agent: Any) -> None:  # noqa: B027  # most have no parts of their own
        """Called once, when the agent's parts are there and nothing was learned: an objective with parts of its own brings them here.

        ``agent.bring(projector=module)`` makes it a part, saved and loaded with the agent and trained by the phase that this objective is
        in; ``agent.follow("encoder", tau, name="momentum_encoder")`` keeps a copy that follows one.

        Raises:
            UsageError: If it can do nothing with such an agent.
        """

    def phases(self) -> list[Phase]:
        """The phases that stand for an agent's own where this objective replaces them; empty for one, of all that it trains.

        An objective that pulls two parts in opposite directions has two. The objectives in them are asked to `widen` and to `join`,
        this one only where it is one of them.
        """
        return []


@contextmanager
def frozen(*parts: nn.Module) -> Iterator[None]:
    """Within it, what the parts compute passes gradients on to their inputs and takes none for their own parameters.

    For parts that only judge: an objective that is added to a phase which trains them must not move them.

    >>> critic = nn.Linear(2, 1)
    >>> with frozen(critic):
    ...     value = critic(torch.ones(1, 2, requires_grad=True))
    >>> value.requires_grad, critic.weight.requires_grad
    (True, True)
    """
    parameters = [parameter for part in parts for parameter in part.parameters() if parameter.requires_grad]
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)


class FunctionObjective(Objective):
    """A function ``(agent, batch) -> Loss``, or one that returns the scalar alone, as an objective."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def __call__(self, agent: Any, batch: Any) -> Loss:
        found = self.function(agent, batch)
        return found if isinstance(found, Loss) else Loss(found)


@dataclass(frozen=True)
class Phase:
    """One step of learning: the sum of some objectives trains some parts.

    Args:
        name: For the logs.
        objectives: Terms that are added.
        trains: Names of the parts whose parameters move; gradients reach these and nothing else.
        every: In updates; 2 skips every other one.
        clip: Greatest norm of the gradient, of all these parameters together; a longer one is scaled down to it. ``None``: as it is.
    """

    name: str
    objectives: tuple[Objective, ...]
    trains: tuple[str, ...]
    every: int = 1
    clip: float | None = None
