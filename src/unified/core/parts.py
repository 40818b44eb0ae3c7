"""Makes parts and objectives by name, for agents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from unified.core.architecture import construct
from unified.core.errors import Problem, UsageError
from unified.core.objective import Objective, Phase

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from unified.core.components import Component
    from unified.core.rng import Streams


class Build:
    """What an agent is given to make its parts with.

    Args:
        device: Where the agent lives.
        precision: ``"fp32"`` or ``"bf16"`` (of encoders; the rest is always float32).
        streams: The run's random streams.
        registry: Where names are looked up.
        objectives: The run's choice, ``["td", "dpg"]`` instead of the agent's own or ``["+spr"]`` beside them.
    """

    def __init__(self, device: torch.device, precision: str, streams: Streams, registry: Any, objectives: Sequence[str] = ()) -> None:
        self.device, self.precision, self.streams = device, precision, streams
        self._registry, self._objectives = registry, tuple(objectives)
        #: What was made so far, for the run's manifest.
        self.used: list[Component] = []

    def part(self, selection: Any, in_shape: tuple[int, ...], out_shape: tuple[int, ...] | None = None) -> nn.Module:
        """The architecture that was selected by name, or `selection` itself where it is a module or a class.

        Args:
            selection: A `Selection`, a name, a class or function, or a finished module.
            in_shape: Of one row that goes in.
            out_shape: Of one row that has to come out, for a head.
        """
        if isinstance(selection, nn.Module):
            return selection
        target: Callable[..., nn.Module]
        options: dict[str, Any] = {}
        if isinstance(selection, str):
            component = self._registry.get("architectures", selection)
            self.used.append(component)
            target = component.load()
        elif callable(selection):
            target = selection
        else:
            target = selection.component.load()
            options = dict(selection.options)  # the fields of a pydantic model
        return construct(target, in_shape, out_shape, options).to(self.device)

    def objective(self, name: str) -> Objective:
        """The objective of this name, with its defaults."""
        component = self._registry.get("objectives", name)
        self.used.append(component)
        objective: Objective = component.load()(component.options_model()())
        return objective

    def phases(self, own: list[Phase]) -> list[Phase]:
        """An agent's own phases as the run changes them: ``NAME`` replaces them, ``+NAME`` joins the first."""
        replaced = [name for name in self._objectives if not name.startswith("+")]
        added = [name[1:] for name in self._objectives if name.startswith("+")]
        if replaced:
            own = [Phase(name, (self.objective(name),), tuple(self._registry.get("objectives", name).trains)) for name in replaced]
        if added:
            if not own:
                raise UsageError(Problem(f"objective +{added[0]} has nothing to be added to: this agent has no phases"))
            first = own[0]
            own = [Phase(first.name, (*first.objectives, *map(self.objective, added)), first.trains, first.every), *own[1:]]
        return own
