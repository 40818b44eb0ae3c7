"""The contract of agents: named parts, a policy that acts, and phases of objectives that train the parts."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import torch
from torch import nn

from unified.core.base.errors import Problem, UsageError, plugin_errors
from unified.core.base.schedule import Schedule
from unified.core.base.suggest import did_you_mean
from unified.core.learn.ema import EmaCopy
from unified.core.learn.microbatches import Gradient, averaged, summed, together
from unified.core.learn.objective import Loss, Objective, Phase, unmet
from unified.core.learn.optim import make_optimizer, step
from unified.core.learn.options import LearningOptions, optimizer_options
from unified.core.replay.batch import Batch

if TYPE_CHECKING:
    from unified.core.base.spec import Space, Spec
    from unified.core.components.descriptors import Component
    from unified.core.learn.actions import Action
    from unified.core.learn.builder import Builder
    from unified.core.replay.views import View


@dataclass(frozen=True)
class UpdateResult:
    """What one update tells: scalars on the device, and priorities ``(B,)`` where an objective gave some."""

    metrics: dict[str, torch.Tensor]
    priority: torch.Tensor | None = None


@dataclass(frozen=True)
class PolicySnapshot:
    """The numbers that an agent acts with, at one time (`Agent.policy_snapshot`).

    Args:
        version: Updates that the agent had done.
        steps: Agent steps that had been taken.
        state: Parameters and buffers by name, on the device of the agent.
    """

    version: int
    steps: int
    state: dict[str, torch.Tensor]


class Agent(nn.Module, ABC):
    """Parts (attributes that are modules), an acting rule and phases; the update itself is written once, here.

    A subclass makes its parts in `__init__`, says what it `needs`, and defines `act` and `phases`; `encode_batch` where there is something to
    augment or encode. An agent may override `learn` outright.

    Args:
        spec: Of the task; every network is sized from it.
        options: The validated options of the agent.
        build: Makes parts and objectives by name, sized by inference; gives device, precision and random streams.
    """

    #: Parts that answer when it acts: where options say ``ema``, averages of them do whenever it is not training.
    policy_parts: ClassVar[tuple[str, ...]] = ("encoder", "actor")

    def __init__(self, spec: Spec, options: Any, build: Builder) -> None:
        super().__init__()
        self.spec, self.options = spec, options
        self.device, self.precision, self.streams = build.device, build.precision, build.streams
        #: What makes parts, in `__init__`, and objectives, in `phases`.
        self.build = build
        self._targets: dict[str, EmaCopy] = {}  # by the name of the copy
        self._moved: frozenset[torch.Tensor] = frozenset()  # parameters that an optimiser moves
        self.phase_list: list[Phase] = []
        self._optimizers: dict[str, torch.optim.Optimizer] = {}
        self._averages: dict[str, str] = {}  # part -> the copy that answers for it where it does not train
        moving = optimizer_options(options)
        self._pieces = moving.gradient_accumulation
        self._schedule = None if moving.schedule is None else Schedule(moving.schedule)
        self._mixes_rows = False  # whether some module's answer to a row depends on the other rows
        #: Agent steps taken so far, of all environments; schedules and seed exploration read it.
        self.steps = 0
        #: Updates done so far.
        self.updates = 0

    # What a subclass says -------------------------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def base_view(self) -> View:
        """The view of the replay this agent learns from."""

    @property
    @abstractmethod
    def action_space(self) -> Space:
        """What `Action.action` looks like."""

    @property
    def extra_columns(self) -> Mapping[str, Space]:
        """What the replay keeps beside the action: the columns of `Action.extra` that are learned from, one row's form each."""
        return {}

    @abstractmethod
    def act(self, batch: Batch, *, explore: bool) -> Action:
        """Choose actions for n environments. Nothing in the result may require a gradient.

        Args:
            batch: What the environments show now, n rows on the agent's device: `obs` ``(n, *observation)``, frames stacked. It is the
                same kind of batch as the one that `learn` gets; a stateless agent reads `obs` only.
            explore: Whether to explore, as in training. Without it, the actions depend on the batch and on the random streams only, and
                the call changes nothing in the agent.
        """

    def phases(self) -> list[Phase]:
        """Which objectives train which parts, in which order; an agent that learns nothing has none."""
        return []

    def optimizer(self, part: str, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        """The optimiser of one part, as the options say; other defaults: ``make_optimizer(self.options, part, parameters, betas=…)``."""
        return make_optimizer(self.options, part, parameters)

    def encode_batch(self, batch: Batch) -> Batch:
        """Augment and encode once, for all phases: adds `features` and `next_features`."""
        return batch

    def process_rollout(self, batch: Batch) -> Batch:
        """Everything that a view shows before it is learned from in parts, a rollout for one: adds advantages, say. On the device."""
        return batch

    def forward_features(self, observation: torch.Tensor) -> torch.Tensor:
        """What the last layer of the policy reads, ``(n, F)``, when the agent is judged: a classifier's features, for who compares by them.

        Raises:
            UsageError: If the agent does not tell.
        """
        raise UsageError(
            Problem(f"{type(self).__name__} does not tell what its last layer reads", "all agents: unified plugins list agents")
        )

    # What the base does ---------------------------------------------------------------------------------------------------------

    def add_target(self, part: str, tau: float, every: int = 1, name: str = "") -> None:
        """Keep a copy that follows `part` by θ' ← θ' + τ (θ - θ') after every update, or after every so many.

        A hard copy is τ = 1 every few thousand updates. The copy is called `name`, or ``<part>_target``.
        """
        name = name or f"{part}_target"
        follower = EmaCopy(part, getattr(self, part), tau, every)
        self.add_modules(**{name: follower.copy})
        self._targets[name] = follower

    def add_modules(self, **parts: nn.Module) -> None:
        """Take further parts, on the agent's device: an objective's own, when it joins. What joins a phase is trained by it.

        Raises:
            UsageError: If there is a part of one of the names.
        """
        if taken := [name for name in parts if hasattr(self, name)]:
            raise UsageError(Problem(f"the agent has a part {', '.join(taken)} already", "call the new one otherwise"))
        for name, part in parts.items():
            setattr(self, name, part.to(self.device))

    def share(self, part: str, module: nn.Module) -> None:
        """Use a module of another agent in the place of a part of this one, before `configure`: both train it.

        Raises:
            UsageError: If there is no such part, or one of other shapes.
        """
        own = self._modules.get(part)
        if own is None:
            has = ", ".join(name for name, _ in self.named_children())
            raise UsageError(Problem(f"agent.shared: {type(self).__name__} has no part {part!r} on this task", f"its parts are: {has}"))
        shapes, others = ([tuple(p.shape) for p in each.parameters()] for each in (own, module))
        if shapes != others:
            what = f"agent.shared: part {part!r} has parameters of the shapes {shapes} on one task and {others} on another"
            raise UsageError(Problem(what, "share a part whose input has the same size on all tasks: agent.shared=[trunk]"))
        setattr(self, part, module)

    def configure(self) -> None:
        """Called once when all parts exist and lie on their device: makes the phases and the optimisers of the parts they train."""
        self.phase_list = self.build.phases(self.phases())
        self._refuse_misfits()
        self.phase_list = [self._joined(phase) for phase in self.phase_list]
        self._mixes_rows = any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in self.modules())
        for part in dict.fromkeys(part for phase in self.phase_list for part in phase.trains):
            parameters = [parameter for parameter in getattr(self, part).parameters() if parameter.requires_grad]
            if parameters:
                self._optimizers[part] = self.optimizer(part, parameters)
        groups = [group for optimizer in self._optimizers.values() for group in optimizer.param_groups]
        self._moved = frozenset(parameter for group in groups for parameter in group["params"])
        self._refuse_parts_that_nothing_moves()
        if self._schedule is not None:
            for group in groups:
                group["initial_lr"] = group["lr"]
        if isinstance(self.options, LearningOptions) and self.options.ema:
            self._average(self.options.ema_tau)

    def _average(self, tau: float) -> None:
        """Averages of the parts that it acts with, which stand for them while it does not train."""
        for part in self.policy_parts:
            if isinstance(getattr(self, part, None), nn.Module):
                self._averages[part] = f"{part}_average"
                self.add_target(part, tau, name=self._averages[part])
        if not self._averages:
            problem = f"agent.ema averages what an agent acts with, and {type(self).__name__} has none of {', '.join(self.policy_parts)}"
            raise UsageError(Problem(problem, 'its class says what there is:  acting = ("policy",)'))

    def train(self, mode: bool = True) -> Self:
        """As every module; and where averages are kept, they answer for their parts as long as it does not train."""
        for part, average in self._averages.items():
            if mode:
                self.__dict__.pop(part, None)
            else:
                self.__dict__[part] = self._modules[average]  # found before the part itself, which stays what is saved and learned
        return super().train(mode)

    @property
    def view(self) -> View:
        """The view that its batches come from: the one it `needs`, as its objectives widen it."""
        view = self.base_view
        for objective in (objective for phase in self.phase_list for objective in phase.objectives):
            with plugin_errors(f"objective {objective.label}", "to say what it reads"):
                view = objective.extend_view(view)
        return view

    def _joined(self, phase: Phase) -> Phase:
        """The phase, with the parts that its objectives bring: it trains them too."""
        before = set(self._modules)
        for objective in phase.objectives:
            with plugin_errors(f"objective {objective.label}", "to join the agent"):
                objective.attach(self)
        brought = [name for name in self._modules if name not in before and name not in self._targets]
        return replace(phase, trains=(*phase.trains, *brought))

    def _refuse_misfits(self) -> None:
        """Objectives that need what the view does not give or the agent does not have, and phases that would undo each other."""
        problems = []
        for phase in self.phase_list:
            for objective in phase.objectives:
                name = objective.label
                columns = [column for column in objective.needs if column not in self.view.columns]
                parts = [part for part in dict.fromkeys((*objective.parts, *phase.trains)) if not hasattr(self, part)]
                if columns:
                    has = ", ".join(self.view.columns)
                    problems.append(Problem(f"objective {name} needs column {', '.join(columns)}; the agent's view has {has}"))
                if parts:
                    has = ", ".join(part for part, _ in self.named_children()) or "none"
                    problems.append(Problem(f"objective {name} needs part {', '.join(parts)}; the agent's parts are: {has}"))
                elif asked := unmet(self, objective.asks):
                    what = f"objective {name} asks agent {type(self).__name__} for {', '.join(asked)}"
                    problems.append(Problem(what, f"unified plugins show {name}"))
        encoding = [phase.name for phase in self.phase_list if "encoder" in phase.trains]
        if len(encoding) > 1:
            problems.append(Problem(f"phases {', '.join(encoding)} all train the encoder, and features are made once", "add one: -o +NAME"))
        if problems:
            raise UsageError(*problems)

    def _refuse_parts_that_nothing_moves(self) -> None:
        """Options for the optimiser of a part that there is not, or that no phase trains."""
        trained = list(self._optimizers)
        problems = [
            Problem(
                f"agent.optimizer.parts.{part}: the agent trains no part of this name here",
                did_you_mean(part, trained) or f"it trains {', '.join(trained) or 'none'}",
            )
            for part in optimizer_options(self.options).parts
            if part not in trained
        ]
        if problems:
            raise UsageError(*problems)

    def notes(self) -> list[str]:
        """Lines worth telling before it learns: a part that it acts with and that nothing trains, say."""
        idle = [part for part in self.policy_parts if self._is_idle(part)] if self.phase_list else []
        if not idle:
            return []
        return [f"nothing trains {' and '.join(idle)}, which it acts with: -o +NAME adds an objective to its own, -o NAME replaces them"]

    def _is_idle(self, part: str) -> bool:
        module = getattr(self, part, None)
        learning = [parameter for parameter in module.parameters() if parameter.requires_grad] if isinstance(module, nn.Module) else []
        return bool(learning) and self._moved.isdisjoint(learning)

    @property
    def target_parts(self) -> tuple[str, ...]:
        """Names of the copies that follow a part."""
        return tuple(self._targets)

    @property
    def components(self) -> list[Component]:
        """What it was made of by name: architectures and objectives."""
        return list(self.build.used)

    def generator(self, stream: str) -> torch.Generator:
        """The generator of the next draw of a named stream, on the agent's device."""
        return self.streams[stream].torch(self.device)

    def encode(self, observation: torch.Tensor, encoder: nn.Module | None = None, *, full: bool = True, few: bool = False) -> torch.Tensor:
        """Features in float32, or with ``full=False`` as the encoder made them: in bfloat16 where the run's precision says so.

        Nothing but the encoder and a projection of its features belongs in bfloat16: there a policy's tanh is exactly ±1 beyond 3.5, its
        gradient exactly 0, and the agent never learns.

        Args:
            observation: ``(B, *observation)``.
            encoder: Another one than the agent's part of this name: a copy that follows it, say.
            full: Whether the features have to be float32.
            few: Whether these are few rows: to cast the weights to bfloat16 would take longer than to answer in float32.
        """
        encoder = self.get_submodule("encoder") if encoder is None else encoder
        # What mixes rows (batch normalisation) does so where it learns, and nowhere else: acting on one row moves no statistics.
        still = self.training and self._mixes_rows and not torch.is_grad_enabled()
        if still:
            encoder.train(False)
        features: torch.Tensor
        if self.precision == "bf16" and not few and next(encoder.parameters(), None) is not None:
            with torch.autocast(self.device.type, torch.bfloat16):
                features = encoder(observation)
        else:
            features = encoder(observation)
        if still:
            encoder.train()
        return features.float() if full else features

    def learn(self, batch: Batch) -> UpdateResult:
        """One update: every phase that is due sums its objectives, and moves exactly the parts it trains; then the targets follow.

        A phase with a non-finite loss or gradient moves nothing; updates with such a phase are counted in the metric ``nonfinite``. Where
        options say ``optimizer.gradient_accumulation``, pieces of the batch are perceived and differentiated one after the other, and a phase moves
        its parts once, along the average: the same as the whole batch where a loss is a mean over rows, in the memory of a piece.
        """
        pieces = batch.split(self._pieces)
        seen: list[Batch] = []  # what was perceived of each
        number = self.updates + 1  # of this update; it counts when it is done
        metrics: dict[str, torch.Tensor] = {"nonfinite": torch.zeros((), device=self.device)}
        priority = None
        for phase in self.phase_list:
            if number % phase.every:
                continue
            loss = self._descend(phase, pieces, seen, metrics)
            priority = loss.priority if loss.priority is not None else priority
        self._follow(number)
        self.updates = number
        return UpdateResult(metrics, priority)

    def _loss(self, objective: Objective, batch: Batch) -> Loss:
        with plugin_errors(f"objective {objective.label}", "in its loss"):
            loss = objective(self, batch)
            if loss.value.dim():
                raise ValueError(f"a loss is one number, and this one has the shape {tuple(loss.value.shape)}: end with .mean()")
            return loss

    def _differentiate(
        self, phase: Phase, parameters: list[nn.Parameter], pieces: list[tuple[float, Batch]], seen: list[Batch]
    ) -> tuple[list[Gradient], Loss]:
        """The gradients of a phase, and its loss without a graph; of several pieces, their average."""
        gradients: list[Gradient] = []
        told: list[Loss] = []
        for index, (share, piece) in enumerate(pieces):
            if index == len(seen):
                seen.append(self.encode_batch(piece))
            rows = seen[index] if "encoder" in phase.trains else seen[index].detach()
            terms = [(objective.label, self._loss(objective, rows)) for objective in phase.objectives]
            total = functools.reduce(torch.add, [loss.value for _, loss in terms])
            found: Sequence[Gradient] = [None] * len(parameters)
            if parameters and total.requires_grad:
                found = torch.autograd.grad(total if share == 1.0 else share * total, parameters, allow_unused=True)
            gradients = summed(gradients, found) if index else list(found)
            told.append(together(total, terms))
        return gradients, averaged([share for share, _ in pieces], told)

    def _descend(self, phase: Phase, pieces: list[tuple[float, Batch]], seen: list[Batch], metrics: dict[str, torch.Tensor]) -> Loss:
        optimizers = [self._optimizers[part] for part in phase.trains if part in self._optimizers]
        parameters = [p for optimizer in optimizers for group in optimizer.param_groups for p in group["params"]]
        gradients, loss = self._differentiate(phase, parameters, pieces, seen)
        if all(gradient is None for gradient in gradients):
            raise _no_gradient(phase)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = None if gradient is None else laid_out_like(gradient, parameter)
        norm = torch.stack(torch._foreach_norm([gradient for gradient in gradients if gradient is not None])).norm()
        broken = ((norm + loss.value) * 0.0).ne(0.0).float()  # 0 times what is not finite is not a number, which equals nothing
        if phase.max_grad_norm is not None:
            scale = (phase.max_grad_norm / (norm + 1e-6)).clamp(max=1.0)
            torch._foreach_mul_([p.grad for p in parameters if p.grad is not None], scale)
        for optimizer in optimizers:
            self._step(optimizer, broken)
        for parameter in parameters:
            parameter.grad = None
        metrics.update({name: value for name, value in loss.metrics.items() if name != "nonfinite"})
        metrics["nonfinite"] = torch.maximum(metrics["nonfinite"], broken)
        metrics[f"{phase.name}_loss"] = loss.value
        metrics[f"{phase.name}_gradient_norm"] = norm
        return loss

    def _step(self, optimizer: torch.optim.Optimizer, broken: torch.Tensor) -> None:
        """One step of this optimiser at the rate that is due, and none where `broken` is 1."""
        if self._schedule is not None:
            factor = self._schedule(self.updates)
            for group in optimizer.param_groups:
                group["lr"] = factor * group["initial_lr"]
        step(optimizer, broken)

    def _follow(self, number: int) -> None:
        for follower in self._targets.values():
            if number % follower.every == 0:
                follower.update(getattr(self, follower.part), self._moved)

    def policy_snapshot(self) -> PolicySnapshot:
        """A copy of the parameters and buffers of `policy_parts`, for an agent that acts elsewhere while this one learns."""
        state = {
            f"{part}.{name}": tensor.detach().clone()
            for part in self.policy_parts
            if (module := self._modules.get(part)) is not None
            for name, tensor in module.state_dict().items()
        }
        return PolicySnapshot(self.updates, self.steps, state)

    def load_policy_snapshot(self, snapshot: PolicySnapshot) -> None:
        """Act with the parameters of a snapshot of another agent of the same configuration.

        Raises:
            UsageError: If the snapshot is of another agent.
        """
        own = self.state_dict()
        if unknown := [name for name, tensor in snapshot.state.items() if name not in own or own[name].shape != tensor.shape]:
            raise UsageError(Problem(f"the snapshot is of another agent: {', '.join(unknown)}", "use an agent of the same configuration"))
        self.load_state_dict(snapshot.state, strict=False)
        self.updates, self.steps = snapshot.version, snapshot.steps

    def training_state(self) -> dict[str, Any]:
        """Everything that learning goes on from, beside the run's random streams."""
        return {
            "updates": self.updates,
            "parameters": self.state_dict(),
            "optimizers": {part: optimizer.state_dict() for part, optimizer in self._optimizers.items()},
        }

    def load_training_state(self, state: dict[str, Any]) -> None:
        self.updates = state["updates"]
        self.load_state_dict(state["parameters"])
        for part, optimizer in self._optimizers.items():
            optimizer.load_state_dict(state["optimizers"][part])
            for parameter, moments in optimizer.state.items():
                for name, value in moments.items():
                    if isinstance(value, torch.Tensor) and value.shape == parameter.shape:
                        moments[name] = laid_out_like(value, parameter)


def _no_gradient(phase: Phase) -> UsageError:
    """The loss of a phase does not depend on the parts that the phase trains."""
    names = ", ".join(objective.label for objective in phase.objectives)
    message = f"phase {phase.name} (objective {names}) trains {', '.join(phase.trains)}, and no gradient of its loss reaches them"
    return UsageError(Problem(message, "remove detach() or no_grad() from the loss, or train a part that it depends on"))


def laid_out_like(tensor: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """The same numbers in the memory format of `other`: fused optimisers walk through memory and take equal layouts for granted."""
    return tensor if tensor.stride() == other.stride() else torch.empty_like(other, dtype=tensor.dtype).copy_(tensor)
