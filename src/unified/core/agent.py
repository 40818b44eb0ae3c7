"""The contract of agents: named parts, a policy that acts, and phases of objectives that train the parts."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from unified.core.batch import Batch
from unified.core.errors import Problem, UsageError, blame
from unified.core.objective import Loss, Objective, Phase

if TYPE_CHECKING:
    from unified.core.action import Action
    from unified.core.components import Component
    from unified.core.parts import Build
    from unified.core.spec import Space, Spec
    from unified.core.views import View


@dataclass(frozen=True)
class Learned:
    """What one update tells: scalars on the device, and priorities ``(B,)`` where an objective gave some."""

    metrics: dict[str, torch.Tensor]
    priority: torch.Tensor | None = None


class Agent(nn.Module, ABC):
    """Parts (attributes that are modules), an acting rule and phases; the update itself is written once, here.

    A subclass makes its parts in `__init__`, says what it `needs`, and defines `act` and `phases`; `perceive` where there is something to
    augment or encode. An agent may override `learn` outright.

    Args:
        spec: Of the task; every network is sized from it.
        options: The validated options of the agent.
        build: Makes parts and objectives by name, sized by inference; gives device, precision and random streams.
    """

    def __init__(self, spec: Spec, options: Any, build: Build) -> None:
        super().__init__()
        self.spec, self.options = spec, options
        self.device, self.precision, self.streams = build.device, build.precision, build.streams
        #: What makes parts, in `__init__`, and objectives, in `phases`.
        self.build = build
        self._targets: dict[str, tuple[float, int]] = {}  # part -> τ, and every how many updates
        self.phase_list: list[Phase] = []
        self._optimizers: dict[str, torch.optim.Optimizer] = {}
        self._mixes_rows = False  # whether some module's answer to a row depends on the other rows
        #: Agent steps taken so far, of all environments; schedules and seed exploration read it.
        self.steps = 0
        #: Updates done so far.
        self.updates = 0

    # What a subclass says -------------------------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def needs(self) -> View:
        """The view of the replay this agent learns from."""

    @property
    @abstractmethod
    def stored_action(self) -> Space:
        """What `Action.stored` looks like."""

    @property
    def extra_columns(self) -> Mapping[str, Space]:
        """What the replay keeps beside the action: the columns of `Action.extra` that are learned from, one row's form each."""
        return {}

    @abstractmethod
    def act(self, observation: torch.Tensor, *, explore: bool) -> Action:
        """Actions for ``(n, *observation)`` on the agent's device.

        Without `explore` they are a function of the observation and the state of the random streams, and leave nothing behind.
        """

    def phases(self) -> list[Phase]:
        """Which objectives train which parts, in which order; an agent that learns nothing has none."""
        return []

    def optimizer(self, part: str, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        """The optimiser of one part. Fused ones skip a non-finite update on the device, without waiting for it."""
        return torch.optim.Adam(parameters, lr=self.options.lr, fused=True)

    def perceive(self, batch: Batch) -> Batch:
        """Augment and encode once, for all phases: adds `features` and `next_features`."""
        return batch

    def prepare(self, batch: Batch) -> Batch:
        """Everything that a view shows before it is learned from in parts, a rollout for one: adds advantages, say. On the device."""
        return batch

    # What the base does ---------------------------------------------------------------------------------------------------------

    def follow(self, part: str, tau: float, every: int = 1) -> None:
        """Keep ``<part>_target``, a copy that follows `part` by θ' ← θ' + τ (θ - θ') after every update, or after every so many.

        A hard copy is τ = 1 every few thousand updates.
        """
        target = copy.deepcopy(getattr(self, part)).requires_grad_(False)
        setattr(self, f"{part}_target", target)
        self._targets[part] = (tau, every)

    def ready(self) -> None:
        """Called once when all parts exist and lie on their device: makes the phases and the optimisers of the parts they train."""
        self.phase_list = self.build.phases(self.phases())
        self._mixes_rows = any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in self.modules())
        self._refuse_misfits()
        for part in dict.fromkeys(part for phase in self.phase_list for part in phase.trains):
            parameters = [parameter for parameter in getattr(self, part).parameters() if parameter.requires_grad]
            if parameters:
                self._optimizers[part] = self.optimizer(part, parameters)

    def _refuse_misfits(self) -> None:
        """Objectives that need what the view does not give or the agent does not have, and phases that would undo each other."""
        problems = []
        for phase in self.phase_list:
            for objective in phase.objectives:
                name = objective.label
                columns = [column for column in objective.needs if column not in self.needs.columns]
                parts = [part for part in dict.fromkeys((*objective.parts, *phase.trains)) if not hasattr(self, part)]
                if columns:
                    has = ", ".join(self.needs.columns)
                    problems.append(Problem(f"objective {name} needs column {', '.join(columns)}; the agent's view has {has}"))
                if parts:
                    has = ", ".join(part for part, _ in self.named_children()) or "none"
                    problems.append(Problem(f"objective {name} needs part {', '.join(parts)}; the agent's parts are: {has}"))
        encoding = [phase.name for phase in self.phase_list if "encoder" in phase.trains]
        if len(encoding) > 1:
            problems.append(Problem(f"phases {', '.join(encoding)} all train the encoder, and features are made once", "add one: -o +NAME"))
        if problems:
            raise UsageError(*problems)

    @property
    def components(self) -> list[Component]:
        """What it was made of by name: architectures and objectives."""
        return list(self.build.used)

    def draw(self, stream: str) -> torch.Generator:
        """The generator of the next draw of a named stream, on the agent's device."""
        return self.streams[stream].torch(self.device)

    def encode(self, observation: torch.Tensor, encoder: nn.Module | None = None, *, full: bool = True) -> torch.Tensor:
        """Features in float32, or with ``full=False`` as the encoder made them: in bfloat16 where the run's precision says so.

        Nothing but the encoder and a projection of its features belongs in bfloat16: there a policy's tanh is exactly ±1 beyond 3.5, its
        gradient exactly 0, and the agent never learns.

        Args:
            observation: ``(B, *observation)``.
            encoder: Another one than the agent's part of this name: a copy that follows it, say.
            full: Whether the features have to be float32.
        """
        encoder = self.get_submodule("encoder") if encoder is None else encoder
        # What mixes rows (batch normalisation) does so where it learns, and nowhere else: acting on one row moves no statistics.
        still = self.training and self._mixes_rows and not torch.is_grad_enabled()
        if still:
            encoder.train(False)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            features: torch.Tensor = encoder(observation)
        if still:
            encoder.train()
        return features.float() if full else features

    def learn(self, batch: Batch) -> Learned:
        """One update: every phase that is due sums its objectives, and moves exactly the parts it trains; then the targets follow.

        A phase with a non-finite loss or gradient moves nothing; updates with such a phase are counted in the metric ``nonfinite``.
        """
        batch = self.perceive(batch)
        self.updates += 1
        metrics: dict[str, torch.Tensor] = {"nonfinite": torch.zeros((), device=self.device)}
        priority = None
        for phase in self.phase_list:
            if self.updates % phase.every:
                continue
            rows = batch if "encoder" in phase.trains else batch.detach()
            losses = [self._loss(objective, rows) for objective in phase.objectives]
            total = torch.stack([loss.value for loss in losses]).sum()
            self._descend(phase, total, metrics)
            for loss in losses:
                metrics.update({name: value.detach() for name, value in loss.metrics.items()})
                priority = loss.priority if loss.priority is not None else priority
        self._follow()
        return Learned(metrics, priority)

    def _loss(self, objective: Objective, batch: Batch) -> Loss:
        with blame(f"objective {objective.label}", "in its loss"):
            return objective(self, batch)

    def _descend(self, phase: Phase, total: torch.Tensor, metrics: dict[str, torch.Tensor]) -> None:
        optimizers = [self._optimizers[part] for part in phase.trains if part in self._optimizers]
        parameters = [p for optimizer in optimizers for group in optimizer.param_groups for p in group["params"]]
        gradients = torch.autograd.grad(total, parameters, allow_unused=True)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = None if gradient is None else laid_out_like(gradient, parameter)
        norms = torch._foreach_norm([gradient for gradient in gradients if gradient is not None])
        norm = torch.stack(norms).norm()
        broken = (~torch.isfinite(norm + total.detach())).float()
        if phase.clip is not None:
            scale = (phase.clip / (norm + 1e-6)).clamp(max=1.0)
            torch._foreach_mul_([p.grad for p in parameters if p.grad is not None], scale)
        for optimizer in optimizers:
            optimizer.found_inf = broken  # type: ignore[attr-defined]  # fused optimisers leave everything as it is where this is 1
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        metrics["nonfinite"] = torch.maximum(metrics["nonfinite"], broken)
        metrics[f"{phase.name}_loss"] = total.detach()
        metrics[f"{phase.name}_gradient_norm"] = norm

    def _follow(self) -> None:
        for part, (tau, every) in self._targets.items():
            if self.updates % every:
                continue
            source, target = getattr(self, part), getattr(self, f"{part}_target")
            with torch.no_grad():
                if ours := list(target.parameters()):
                    torch._foreach_lerp_(ours, list(source.parameters()), tau)
                for buffer, newer in zip(target.buffers(), source.buffers(), strict=True):
                    buffer.copy_(newer)

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


def laid_out_like(tensor: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """The same numbers in the memory format of `other`: fused optimisers walk through memory and take equal layouts for granted."""
    return tensor if tensor.stride() == other.stride() else torch.empty_like(other, dtype=tensor.dtype).copy_(tensor)
