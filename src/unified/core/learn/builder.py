"""Makes parts and objectives by name, for agents."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from unified.core.base.errors import Problem, UsageError, plugin_errors
from unified.core.base.schedule import Schedule
from unified.core.components.import_paths import label
from unified.core.learn.networks import (
    NormalizeInput,
    PixelsToFloat,
    accepts_feature_maps,
    construct,
    needs_float_input,
    output_shape,
    trial,
)
from unified.core.learn.objective import Objective, Phase, make_objective

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from unified.core.base.rng import Streams
    from unified.core.base.spec import Spec
    from unified.core.components.descriptors import Component

    _Target = tuple[Callable[..., nn.Module] | nn.Module, dict[str, Any]]


class Builder:
    """What an agent is given to make its parts with.

    Args:
        device: Where the agent lives.
        precision: ``"fp32"`` or ``"bf16"`` (of encoders; the rest is always float32).
        streams: The run's random streams.
        registry: Where names are looked up.
        objectives: What the run selects (`Selection`), called ``td`` instead of the agent's own or ``+spr`` beside them.
        spec: Of the task, where it is known: its pictures come as bytes.
        budget: Agent steps of the whole run, for schedules over the budget; ``None`` if unknown.
    """

    def __init__(
        self,
        device: torch.device,
        precision: str,
        streams: Streams,
        registry: Any,
        objectives: Sequence[Any] = (),
        spec: Spec | None = None,
        budget: int | None = None,
    ) -> None:
        self.device, self.precision, self.streams = device, precision, streams
        self._registry, self._objectives, self._spec, self._budget = registry, tuple(objectives), spec, budget
        #: Components that were built so far, for the manifest of the run.
        self.used: list[Component] = []

    def part(
        self, selection: Any, in_shape: tuple[int, ...], out_shape: tuple[int, ...] | None = None, observes: bool = True, **arguments: Any
    ) -> nn.Module:
        """The selected architecture, sized for its place.

        Several are composed in their order: each takes what the one before it gives, and the last one is the head where one is wanted. One
        that gives a vector or a map (its argument `flat` is left open) gives a map to one that asks for its shape.

        Args:
            selection: A `Selection`, a name, a class or function, a finished module (it is copied), or a list of these.
            in_shape: Of one row that goes in.
            out_shape: Of one row that has to come out, for a head.
            observes: Whether observations go in, as the replay stores them: they are made float32 and standardised.
            arguments: Further arguments, of the first of several; one that does not take them is refused. A finished module is as it is.

        Raises:
            UsageError: If one cannot take what comes before it, or a body stands where a head is wanted.
        """
        if isinstance(selection, list | tuple):
            return self._chain(selection, in_shape, out_shape, observes, arguments)
        target, options = self._target(selection)
        return self._one((target, {**options, **arguments}), in_shape, out_shape, observes)

    def head(self, selection: Any) -> nn.Module:
        """The selected head: it reads the output of a network, so its input is never standardised as an observation.

        Args:
            selection: A `Selection`, a name, a class or function, or a finished module.
        """
        target, options = self._target(selection)
        return construct(target, (1,), None, options).to(self.device)

    def _one(
        self, target: _Target, in_shape: tuple[int, ...], out_shape: tuple[int, ...] | None, observes: bool, flat: bool = True
    ) -> nn.Module:
        """One architecture."""
        module = construct(target[0], in_shape, out_shape, target[1], flat)
        seen = self._spec
        if not observes or seen is None:
            return module.to(self.device)
        if self._are_pictures(in_shape):
            if needs_float_input(module, in_shape):
                module = PixelsToFloat(module, seen.mean, seen.std)
        elif seen.mean and in_shape == seen.space.shape and not any(isinstance(each, NormalizeInput) for each in module.modules()):
            module = NormalizeInput(module, seen.mean, seen.std)
        return module.to(self.device)

    def _chain(
        self,
        selections: Sequence[Any],
        in_shape: tuple[int, ...],
        out_shape: tuple[int, ...] | None,
        observes: bool,
        arguments: dict[str, Any],
    ) -> nn.Sequential:
        targets = [self._target(selection) for selection in selections]
        targets[:1] = [(target, {**options, **arguments}) for target, options in targets[:1]]
        modules: list[nn.Module] = []
        shape = in_shape
        for index, selection in enumerate(selections):
            last = index == len(selections) - 1
            flat = not accepts_feature_maps(target for target, _ in targets[index + 1 :])
            try:
                modules.append(self._one(targets[index], shape, out_shape if last else None, observes and not index, flat=flat))
                if last:
                    trial(modules[-1], shape)  # a head may return what has no shape
                else:
                    shape = output_shape(modules[-1], shape)
            except UsageError as error:
                place = f"{selection_name(selection)}, number {index} of [{','.join(map(selection_name, selections))}]"
                hint = "torch.nn:Flatten between two makes one vector" if len(shape) > 1 and index else error.problems[0].hint
                raise UsageError(*(Problem(f"{place}: {problem.message}", hint) for problem in error.problems)) from error
        return nn.Sequential(*modules)

    def _target(self, selection: Any) -> _Target:
        """What is called, or copied, for a selection, and its options."""
        if isinstance(selection, nn.Module) or not (isinstance(selection, str) or hasattr(selection, "component")):
            return selection, {}
        if not isinstance(selection, str):
            return selection.component.load(), dict(selection.options)  # the fields of a pydantic model
        component = self._registry.get("architectures", selection)
        self.used.append(component)
        return component.load(), {}

    def _are_pictures(self, shape: tuple[int, ...]) -> bool:
        """Whether rows of this shape are observations in bytes, alone or stacked."""
        spaces = self._spec.spaces.values() if self._spec is not None else ()
        return len(shape) == 3 and any(space.dtype == "uint8" and shape[1:] == space.shape[1:] for space in spaces)

    def schedule(self, text: str) -> Schedule:
        """A schedule. Without steps, ``linear(1,0)``, it is one over agent steps that lasts as long as the budget of the run in frames.

        It stays at its start where the budget is hours or updates only. A longer budget stretches it, and is then another run.
        """
        schedule = Schedule(text, self._budget or 1.0)
        if schedule.over_budget and not self._budget:
            return Schedule(schedule(0.0))
        return schedule

    def objective(self, selection: Any, **options: Any) -> Objective:
        """Make an objective.

        Args:
            selection: Its name, or a `Selection`, which has options of its own.
            options: Options that differ from the defaults, of an objective by name: ``build.objective("ppo_clip", clip_range=0.1)``.

        Raises:
            UsageError: If there is none of this name.
        """
        values: Any
        if isinstance(selection, str):
            component = self._registry.get("objectives", selection)
            self.used.append(component)
            name, values = selection, component.options_model()(**options)
        else:
            name, component, values = selection.name.removeprefix("+"), selection.component, selection.options
        with plugin_errors(f"objective {label(name)}", "to be made"):
            objective = make_objective(component, values)
        objective.selected = label(name)
        return objective

    def _phases_of(self, selection: Any, own: list[Phase]) -> list[Phase]:
        """Of an objective that replaces an agent's own; where the same parts are trained, their period and greatest gradient stay.

        A phase with a step of its own (`Phase.step`) has the period of that step, which goes with it.
        """
        objective = self.objective(selection)
        phases = objective.phases()
        for phase in phases:
            for term in phase.objectives:
                term.selected = term.selected or objective.selected
        before = {frozenset(phase.trains): phase for phase in own if phase.step is None}
        found = []
        for phase in phases or [Phase(label(selection.name), (objective,), _trained_by(selection))]:
            same = before.get(frozenset(phase.trains))
            found.append(phase if same is None else replace(phase, every=same.every, max_grad_norm=same.max_grad_norm))
        return found

    def phases(self, own: list[Phase]) -> list[Phase]:
        """An agent's own phases as the run changes them: ``NAME`` replaces them, ``+NAME`` joins what trains the encoder, or the first."""
        added = [each for each in self._objectives if each.name.startswith("+")]
        replaced = [each for each in self._objectives if each not in added]
        if replaced:
            own = [phase for each in replaced for phase in self._phases_of(each, own)]
        if added:
            if not own:
                raise UsageError(Problem(f"objective {added[0].name} has nothing to be added to: this agent has no phases"))
            at = next((number for number, phase in enumerate(own) if "encoder" in phase.trains), 0)  # features have a graph there alone
            joined, own_parts = own[at], {part for phase in own for part in phase.trains}
            # A part that nobody trained yet is trained with the terms that were added for it.
            new = [part for each in added for part in each.component.trains if part not in own_parts]
            trains = tuple(dict.fromkeys((*joined.trains, *new)))
            joined = replace(joined, objectives=(*joined.objectives, *map(self.objective, added)), trains=trains)
            own = [*own[:at], joined, *own[at + 1 :]]
        return own


def _trained_by(objective: Any) -> tuple[str, ...]:
    """The parts that an objective trains where it replaces an agent's own."""
    trains = tuple(objective.component.trains)
    if not trains:
        name = label(objective.name)
        hint = f'say it in the class: trains = ("encoder", "critic")   or add it: -o +{name}'
        raise UsageError(Problem(f"objective {name} does not say what it trains", hint))
    return trains


def selection_name(selection: Any) -> str:
    """A selection in an error."""
    if isinstance(selection, str):
        return label(selection)
    return label(getattr(selection, "name", "")) or getattr(selection, "__name__", "") or type(selection).__name__
