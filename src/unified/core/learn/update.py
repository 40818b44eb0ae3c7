"""One update of an agent: microbatches, gradients, reduction over processes, clipping, a step, and then the target networks.

Every agent learns through `Updater`. What differs between algorithms is in their phases: the objectives, the parts these train, and where
gradient descent will not do, a step of the phase's own (`PhaseStep`).
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from unified.core.base.errors import Problem, UsageError, plugin_errors
from unified.core.learn.objective import Loss, Objective, Phase
from unified.core.learn.optim import laid_out_like, make_moments, step
from unified.core.learn.options import optimizer_options
from unified.core.replay.batch import Batch

if TYPE_CHECKING:
    from unified.core.learn.agent import Agent
    from unified.core.learn.ema import EmaCopy

Gradient = torch.Tensor | None
#: Averages tensors over the processes of a run, in place or not, and returns them in the same order.
Reduce = Callable[[list[torch.Tensor]], list[torch.Tensor]]


@dataclass(frozen=True)
class UpdateResult:
    """Result of one update: scalar metrics on the device, and priorities ``(B,)`` where an objective returned some."""

    metrics: dict[str, torch.Tensor]
    priority: torch.Tensor | None = None


class PhaseStep(ABC):
    """Moves the parameters of a phase in its own way: ``Phase(step=…)``.

    The base computes the gradients, averages them over microbatches and processes, clips them where the phase says so, and calls no step
    where the loss or a gradient is not finite. Phases with a step of their own have no optimiser.
    """

    @abstractmethod
    def apply(self, parameters: Sequence[nn.Parameter], gradients: Sequence[torch.Tensor], loss: PhaseLoss) -> dict[str, torch.Tensor]:
        """Move the parameters in place.

        Args:
            parameters: Those of the phase that the loss depends on.
            gradients: Of the loss, for each parameter.
            loss: Computes the loss again, at the parameters as they are by then.

        Returns:
            Scalars for the log.
        """


@dataclass
class Microbatch:
    """A piece of the batch of an update.

    Attributes:
        share: Its share of the rows.
        batch: As the replay gave it.
        encoded: As `Agent.encode_batch` returned it; ``None`` before the first phase.
        draws: Counters of the random streams before it was encoded.
    """

    share: float
    batch: Batch
    encoded: Batch | None = None
    draws: dict[str, Any] | None = None


class PhaseLoss:
    """The loss of a phase on the batch of an update, as a function of the parameters.

    Every evaluation draws the same random numbers as the first one, so that the loss depends on the parameters alone.

    Attributes:
        agent: Whose loss it is.
    """

    def __init__(self, updater: Updater, phase: Phase, microbatches: Sequence[Microbatch], draws: Sequence[dict[str, Any]]) -> None:
        self.agent = updater.agent
        self._updater, self._phase, self._microbatches, self._draws = updater, phase, microbatches, draws

    @torch.no_grad()
    def __call__(self) -> torch.Tensor:
        """The loss, a scalar without graph, at the parameters as they are now."""
        losses = []
        for (share, batch), draws in zip(self.batches(), self._draws, strict=True):
            with self.agent.streams.replayed(draws):
                terms = [self._updater.loss(objective, batch).value for objective in self._phase.objectives]
            losses.append(share * functools.reduce(torch.add, terms))
        return self.reduce([torch.stack(losses).sum()])[0]

    def batches(self) -> Iterator[tuple[float, Batch]]:
        """Each microbatch with its share of the rows, encoded by the present parameters; with a graph if the phase trains the encoder."""
        for each in self._microbatches:
            if "encoder" not in self._phase.trains:
                assert each.encoded is not None
                yield each.share, each.encoded.detach()
            else:
                with self.agent.streams.replayed(each.draws or {}):
                    encoded = self.agent.encode_batch(each.batch)
                yield each.share, encoded

    def reduce(self, tensors: list[torch.Tensor]) -> list[torch.Tensor]:
        """Averages over processes; the tensors themselves where there is one process."""
        return self._updater.reduced(tensors)


class Updater:
    """Performs the updates of an agent.

    Args:
        agent: With its parts and its phases.

    Attributes:
        optimizers: The optimiser of each part that a phase trains by gradient descent.
        moved: Every parameter that an optimiser or a step moves.
        reduce: Averages tensors over processes before clipping; ``None`` in a run of one process. Tensors are the gradients of a phase
            and its loss: an update is finite everywhere or nowhere.
    """

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self.optimizers: dict[str, torch.optim.Optimizer] = {}
        self.moved: frozenset[torch.Tensor] = frozenset()
        self._relabelling: list[Objective] = []
        self.reduce: Reduce | None = None
        #: Steps one optimiser; a traced update may put another form of the same step here.
        self.step: Callable[[torch.optim.Optimizer, torch.Tensor], None] = step
        options = optimizer_options(agent.options)
        self._pieces = options.gradient_accumulation
        #: Schedule of the learning rates of all parts, and of single ones.
        self._schedule = None if options.schedule is None else agent.build.schedule(options.schedule)
        self._schedules = {part: agent.build.schedule(own.schedule) for part, own in options.parts.items() if own.schedule is not None}

    def make_optimizers(self) -> None:
        """Make the optimisers of the parts that the phases of the agent train."""
        self._relabelling = [each for each in self.agent.objectives if type(each).relabel is not Objective.relabel]
        for part in dict.fromkeys(part for phase in self.agent.phase_list if phase.step is None for part in phase.trains):
            if parameters := _trainable(getattr(self.agent, part)):
                self.optimizers[part] = self.agent.optimizer(part, parameters)
                make_moments(self.optimizers[part])
        groups = self.param_groups
        stepped = [part for phase in self.agent.phase_list if phase.step is not None for part in phase.trains]
        self.moved = frozenset(
            [parameter for group in groups for parameter in group["params"]]
            + [parameter for part in stepped for parameter in _trainable(getattr(self.agent, part))]
        )
        if self._schedule is not None or self._schedules:
            for group in groups:
                group["initial_lr"] = group["lr"]

    def __call__(self, batch: Batch) -> UpdateResult:
        """One update: `set_rates`, then `compute`; then it counts."""
        self.set_rates()
        result = self.compute(batch)
        self.agent.updates += 1
        return result

    def set_rates(self) -> None:
        """Set the learning rates of the next update, where they have a schedule."""
        if self._schedule is None and not self._schedules:
            return
        for part, optimizer in self.optimizers.items():
            schedule = self._schedules.get(part, self._schedule)
            if schedule is None:
                continue
            factor = schedule(self.agent.steps if schedule.over_budget else self.agent.updates)
            for group in optimizer.param_groups:
                group["lr"] = factor * group["initial_lr"]

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The parameter groups of all optimisers."""
        return [group for optimizer in self.optimizers.values() for group in optimizer.param_groups]

    @property
    def due(self) -> tuple[list[Phase], dict[str, EmaCopy]]:
        """The phases and the target networks that move in the next update."""
        number = int(self.agent.updates) + 1
        targets = {name: target for name, target in self.agent.targets.items() if number % target.every == 0}
        return [phase for phase in self.agent.phase_list if number % phase.every == 0], targets

    def compute(self, batch: Batch) -> UpdateResult:
        """Every phase that is due sums its objectives and moves exactly the parts it trains; then the target networks follow.

        It is a function of the state, the rates, the batch and the random numbers, and changes nothing but the state, so that it can be
        traced (`unified.core.learn.traced`).

        A phase with a non-finite loss or gradient moves nothing; updates with such a phase are counted in the metric ``nonfinite``. Where
        options say ``optimizer.gradient_accumulation``, microbatches are encoded and differentiated one after the other, and a phase moves
        its parts once, along the average: the same as the whole batch where a loss is a mean over rows, in the memory of a microbatch.
        """
        agent = self.agent
        for objective in self._relabelling:
            with plugin_errors(f"objective {objective.label}", "while it relabelled a batch"):
                batch = objective.relabel(agent, batch)
        microbatches = [Microbatch(share, piece) for share, piece in batch.split(self._pieces)]
        phases, targets = self.due
        metrics: dict[str, torch.Tensor] = {"nonfinite": torch.zeros((), device=agent.device)}
        priority = None
        for phase in phases:
            loss = self._train(phase, microbatches, metrics)
            priority = loss.priority if loss.priority is not None else priority
        for target in targets.values():
            target.update(getattr(agent, target.part), self.moved)
        return UpdateResult(metrics, priority)

    def _train(self, phase: Phase, microbatches: Sequence[Microbatch], metrics: dict[str, torch.Tensor]) -> Loss:
        """One phase of an update."""
        optimizers = [] if phase.step is not None else [self.optimizers[part] for part in phase.trains if part in self.optimizers]
        parameters = [parameter for optimizer in optimizers for group in optimizer.param_groups for parameter in group["params"]]
        if phase.step is not None:
            parameters = [parameter for part in phase.trains for parameter in _trainable(getattr(self.agent, part))]
        draws: list[dict[str, Any]] = []
        found, loss = self._gradients(phase, parameters, microbatches, draws)
        present = [gradient for gradient in found if gradient is not None]
        if not present:
            raise _no_gradient(phase)
        *gradients, value = self.reduced([*present, loss.value])
        with_gradient = [parameter for parameter, gradient in zip(parameters, found, strict=True) if gradient is not None]
        norm = torch.stack(torch._foreach_norm(gradients)).norm()
        gradients = [laid_out_like(gradient, parameter) for gradient, parameter in zip(gradients, with_gradient, strict=True)]
        broken = ((norm + value) * 0.0).ne(0.0).float()  # 0 times what is not finite is not a number, which equals nothing
        if phase.max_grad_norm is not None:
            scale = (phase.max_grad_norm / (norm + 1e-6)).clamp(max=1.0)
            torch._foreach_mul_(gradients, scale)
        metrics.update({name: number for name, number in loss.metrics.items() if name != "nonfinite"})
        if phase.step is None:
            for parameter, gradient in zip(with_gradient, gradients, strict=True):
                parameter.grad = gradient
            for optimizer in optimizers:
                self.step(optimizer, broken)
            for parameter in with_gradient:
                parameter.grad = None
        elif not broken:
            with plugin_errors(f"the step of phase {phase.name}", "in an update"):
                metrics.update(phase.step.apply(with_gradient, gradients, PhaseLoss(self, phase, microbatches, draws)))
        metrics["nonfinite"] = torch.maximum(metrics["nonfinite"], broken)
        metrics[f"{phase.name}_loss"] = value
        metrics[f"{phase.name}_gradient_norm"] = norm
        return loss

    def _gradients(
        self, phase: Phase, parameters: list[nn.Parameter], microbatches: Sequence[Microbatch], draws: list[dict[str, Any]]
    ) -> tuple[list[Gradient], Loss]:
        """The gradients of a phase, and its loss without a graph; of several microbatches, their average.

        For a phase with a step of its own, the counters of the random streams before each loss are appended to `draws`.
        """
        gradients: list[Gradient] = []
        losses: list[Loss] = []
        replayed = any(each.step is not None for each in self.agent.phase_list)
        for index, microbatch in enumerate(microbatches):
            if microbatch.encoded is None:
                microbatch.draws = self.agent.streams.state_dict() if replayed else None
                microbatch.encoded = self.agent.encode_batch(microbatch.batch)
            if phase.step is not None:
                draws.append(self.agent.streams.state_dict())
            rows = microbatch.encoded if "encoder" in phase.trains else microbatch.encoded.detach()
            terms = [(objective.label, self.loss(objective, rows)) for objective in phase.objectives]
            total = functools.reduce(torch.add, [loss.value for _, loss in terms])
            found: Sequence[Gradient] = [None] * len(parameters)
            if parameters and total.requires_grad:
                share = microbatch.share
                found = torch.autograd.grad(total if share == 1.0 else share * total, parameters, allow_unused=True)
            gradients = _summed(gradients, found) if index else list(found)
            losses.append(_merged(total, terms))
        return gradients, _averaged([each.share for each in microbatches], losses)

    def loss(self, objective: Objective, batch: Batch) -> Loss:
        """The loss of one objective.

        Raises:
            PluginFailed: If the objective fails, or its loss is not a scalar.
        """
        with plugin_errors(f"objective {objective.label}", "in its loss"):
            loss = objective(self.agent, batch)
            if loss.value.dim():
                raise ValueError(f"a loss is one number, and this one has the shape {tuple(loss.value.shape)}: end with .mean()")
            return loss

    def reduced(self, tensors: list[torch.Tensor]) -> list[torch.Tensor]:
        """Averages over processes, by `reduce` where it is set."""
        return tensors if self.reduce is None else self.reduce(tensors)


def _trainable(module: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in module.parameters() if parameter.requires_grad]


def _merged(total: torch.Tensor, terms: Sequence[tuple[str, Loss]]) -> Loss:
    """The terms of a phase as one loss without a graph; of several priorities the last counts.

    Args:
        total: Their sum.
        terms: Name and loss of each; where there are several, the loss of each is a metric.
    """
    metrics = {f"{name}_loss": loss.value.detach() for name, loss in terms} if len(terms) > 1 else {}
    metrics.update({name: value.detach() for _, loss in terms for name, value in loss.metrics.items()})
    priorities = [loss.priority for _, loss in terms if loss.priority is not None]
    return Loss(total.detach(), metrics, priorities[-1] if priorities else None)


def _averaged(shares: Sequence[float], losses: Sequence[Loss]) -> Loss:
    """The loss and the metrics of all microbatches, weighted by their shares of the rows, and their priorities one after the other."""
    if len(losses) == 1:
        return losses[0]

    def mean(values: Sequence[torch.Tensor]) -> torch.Tensor:
        return torch.stack([share * value for share, value in zip(shares, values, strict=True)]).sum(dim=0)

    metrics = {name: mean([loss.metrics[name] for loss in losses]) for name in losses[0].metrics}
    priorities = [loss.priority for loss in losses if loss.priority is not None]
    return Loss(mean([loss.value for loss in losses]), metrics, torch.cat(priorities) if priorities else None)


def _summed(gradients: Sequence[Gradient], more: Sequence[Gradient]) -> list[Gradient]:
    """Sum the gradients of the same parameters, each of which may be missing."""
    pairs = zip(gradients, more, strict=True)
    return [other if one is None else one if other is None else one + other for one, other in pairs]


def _no_gradient(phase: Phase) -> UsageError:
    """The error for a phase whose loss does not depend on the parts that the phase trains."""
    names = ", ".join(objective.label for objective in phase.objectives)
    message = f"phase {phase.name} (objective {names}) trains {', '.join(phase.trains)}, and no gradient of its loss reaches them"
    return UsageError(Problem(message, "remove detach() or no_grad() from the loss, or train a part that it depends on"))
