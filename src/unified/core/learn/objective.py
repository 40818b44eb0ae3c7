"""The contract of objectives: one term of what is minimised."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import nn

from unified.core.replay.batch import Batch

if TYPE_CHECKING:
    from unified.core.components.descriptors import ObjectiveComponent
    from unified.core.envs.step_batch import StepBatch
    from unified.core.learn.update import PhaseStep
    from unified.core.replay.views import View


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

    The class declares what it uses; a misfit with the batch or the agent is refused before the first step. Options are keyword
    arguments of ``__init__``, declared once with type, limit and default, and described in the section ``Args:``:

    >>> class Entropy(Objective):  # doctest: +SKIP
    ...     parts, asks = ("actor",), {"policy": "(features) -> Policy"}
    ...
    ...     def __init__(self, weight: Annotated[float, Ge(0)] = 0.01) -> None:
    ...         super().__init__()
    ...         self.weight = weight

    Args:
        options: The validated options, where the descriptor names a model of them (``config``).
    """

    #: Columns of the batch that are read.
    needs: ClassVar[tuple[str, ...]] = ()
    #: Parts of the agent that are used.
    parts: ClassVar[tuple[str, ...]] = ()
    #: Parts that are trained where this objective replaces the agent's own; empty: all of `parts`.
    trains: ClassVar[tuple[str, ...]] = ()
    #: Types of tasks that it is for (`Spec.task_type`); empty for all.
    task_types: ClassVar[tuple[str, ...]] = ()
    #: What is called on the agent, with its signature: ``{"bootstrap": "(batch) -> Value"}``; an attribute has a type alone.
    asks: ClassVar[Mapping[str, str]] = {}

    #: The name that selected it; the builder sets it.
    selected: str = ""

    def __init__(self, options: Any = None) -> None:
        self.options = options

    @property
    def label(self) -> str:
        """Its name in messages and metrics."""
        return self.selected or type(self).__name__

    @abstractmethod
    def __call__(self, agent: Any, batch: Batch) -> Loss:
        """The loss on one batch."""

    def extend_view(self, view: View) -> View:
        """The view of the agent with the further columns that this objective reads; as it is for most.

        Raises:
            UsageError: If nothing can be added to such a view.
        """
        return view

    def attach(self, agent: Any) -> None:  # noqa: B027  # most have no parts of their own
        """Called once, when the agent has its parts and nothing was learned: an objective adds parts of its own here.

        ``agent.add_modules(projector=module)`` adds a part, which is saved and loaded with the agent and trained by the phase of this
        objective; ``agent.add_target("encoder", tau, name="momentum_encoder")`` adds a copy that follows a part.

        Raises:
            UsageError: If it can do nothing with such an agent.
        """

    def process_rollout(self, agent: Any, rollout: Batch, processed: Batch) -> Batch:
        """The rollout as the agent processed it (`Agent.process_rollout`), with what this objective adds: other advantages, for example.

        Args:
            agent: The agent.
            rollout: As it was gathered: in the order of time, with `next_obs`, `boundary` and `env_id`.
            processed: As the agent and the objectives before this one return it.
        """
        return processed

    def observe(self, agent: Any, steps: StepBatch) -> None:  # noqa: B027  # most take no note of experience
        """Take note of new rows of experience, once each: to count them, for example. Not called where rows come from a data set."""

    def relabel(self, agent: Any, batch: Batch) -> Batch:
        """The batch of an update before it is encoded: with other rewards, for example. Called once in each update, and traced with it."""
        return batch

    def phases(self) -> list[Phase]:
        """The phases that stand for an agent's own where this objective replaces them; empty for one, of all that it trains.

        An objective that pulls two parts in opposite directions has two. The objectives in them are asked to `extend_view` and to `join`,
        this one only where it is one of them.
        """
        return []


@contextmanager
def frozen(*parts: nn.Module) -> Iterator[None]:
    """Within it, what the parts compute passes gradients on to their inputs and takes none for their own parameters.

    For parts that only evaluate: an objective that is added to a phase that trains them must not move them.

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


def unmet(agent: Any, asks: Mapping[str, str]) -> list[str]:
    """Of what an objective asks of an agent, what the agent does not have, or has with other arguments.

    Args:
        agent: Any object.
        asks: As `Objective.asks`.

    >>> class Learner:
    ...     def bootstrap(self): ...
    >>> unmet(Learner(), {"bootstrap": "(batch) -> Value", "policy": "(features) -> Policy", "spec": "Spec"})
    ['bootstrap(batch) -> Value (it takes 0 arguments)', 'policy(features) -> Policy', 'spec: Spec']
    """
    found = []
    for name, signature in asks.items():
        called = signature.startswith("(")
        wanted = f"{name}{signature}" if called else f"{name}: {signature}"
        if not hasattr(agent, name):
            found.append(wanted)
        elif called and (takes := _other_arguments(getattr(agent, name), signature)):
            found.append(f"{wanted} (it takes {takes})")
    return found


def _other_arguments(function: Any, signature: str) -> str:
    """How many positional arguments a function takes, where these are not as many as asked; empty where it fits or is not known."""
    try:
        parameters = inspect.signature(function.forward if isinstance(function, nn.Module) else function).parameters.values()
    except (TypeError, ValueError):
        return ""
    arguments = signature[1 : signature.index(")")]
    count = len(arguments.split(",")) if arguments else 0
    if any(each.kind is each.VAR_POSITIONAL for each in parameters):
        return ""
    positional = [each for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    needed = sum(each.default is each.empty for each in positional)
    if needed <= count <= len(positional):
        return ""
    least = str(needed) if needed == len(positional) else f"{needed} to {len(positional)}"
    return f"{least} argument{'' if least == '1' else 's'}"


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
        name: Name in the log.
        objectives: Terms of the loss, which are added.
        trains: Names of the parts whose parameters move; gradients reach these and nothing else.
        every: Updates from one step of this phase to the next; 2 skips every other update.
        max_grad_norm: Greatest norm of the gradient of all these parameters together, to which a longer one is scaled; ``None``: no limit.
        step: Moves the parameters, given their gradients and the loss as a function of them; ``None``: by the optimiser of each part.
    """

    name: str
    objectives: tuple[Objective, ...]
    trains: tuple[str, ...]
    every: int = 1
    max_grad_norm: float | None = None
    step: PhaseStep | None = None


def make_objective(component: ObjectiveComponent, options: Any) -> Objective:
    """Construct the objective of a component.

    Args:
        component: Its class, a function ``(agent, batch) -> Loss``, or an `Objective`.
        options: Passed as keyword arguments, or as one object if the component declares a model of its options.
    """
    loaded = component.load()
    if isinstance(loaded, Objective):
        return loaded
    if not isinstance(loaded, type):
        return FunctionObjective(loaded)
    made: Objective = loaded(**dict(options)) if component.config is None else loaded(options)
    return made
