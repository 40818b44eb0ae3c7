"""Architectures, objectives, callbacks and launchers that break one rule each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import typer
from pydantic import Field
from torch import nn

from unified.core.components.hookspecs import hookimpl
from unified.core.components.options import Options
from unified.core.learn.objective import Loss, Objective
from unified.core.replay.batch import Batch
from unified.plugins.objectives.td.objective import TD

# Architectures ------------------------------------------------------------------------------------------------------------------


class Right(nn.Module):
    """A layer, as it should be."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.layer = nn.Linear(in_features, out_features)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return self.layer(rows)


class DeadParameter(Right):
    """It has a scale that it does not use."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(in_features, out_features)
        self.scale = nn.Parameter(torch.ones(3))


class OneTooMany(Right):
    """Its output is not the one asked for."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(in_features, out_features + 1)


class OtherOnMeta(Right):
    """Its shape depends on the device."""

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return self.layer(rows)[:, :2] if rows.is_meta else self.layer(rows)


class ForgetsItsMean(Right):
    """It remembers a mean that is no buffer."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(in_features, out_features)
        self.mean = torch.zeros(in_features)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.mean = rows.mean(0).detach()
        return self.layer(rows - self.mean.to(rows.device))


class MixesRows(Right):
    """A row depends on its neighbours."""

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return self.layer(rows - rows.mean(0))


class AlwaysNoisy(Right):
    """It draws in evaluation too."""

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return self.layer(rows) + torch.randn(1)


class Impossible(nn.Module):
    """It cannot be built."""

    def __init__(self, in_features: int) -> None:
        raise ValueError("never")


# Objectives ---------------------------------------------------------------------------------------------------------------------


class Leaks(TD):
    """Its target has a graph: the actor is trained through it."""

    def __call__(self, agent: Any, batch: Batch) -> Loss:
        target = agent.bootstrap(batch).backup(batch.reward, batch.discount)
        return Loss((batch.weight * agent.critic(batch.features, batch.action).loss(target)).mean())


class Claims(TD):
    """It says that it trains the actor."""

    trains = ("encoder", "critic", "actor")


class ReadsMore(TD):
    """It reads columns that it does not need."""

    needs = ("obs", "action", "reward", "discount", "next_obs")


class NotOneNumber(TD):
    """A loss for each row."""

    def __call__(self, agent: Any, batch: Batch) -> Loss:
        return Loss(agent.critic(batch.features, batch.action).mean.mean(0) + 0 * (batch.reward + batch.discount + batch.weight))


class Itemises(TD):
    """A metric that waits for the device."""

    def __call__(self, agent: Any, batch: Batch) -> Loss:
        loss = super().__call__(agent, batch)
        return Loss(loss.value, {"loss": loss.value.item()})  # type: ignore[dict-item]


class DrawsFromAnywhere(TD):
    """Noise from nobody's generator."""

    def __call__(self, agent: Any, batch: Batch) -> Loss:
        return Loss(super().__call__(agent, batch).value * (1 + torch.rand(())))


class BringsTheDead(TD):
    """It brings a part that it does not use."""

    def attach(self, agent: Any) -> None:
        agent.add_modules(idle=nn.Linear(2, 2))


class ForNobody(Objective):
    """No agent has such a part."""

    parts = ("soul",)

    def __call__(self, agent: Any, batch: Batch) -> Loss:
        raise NotImplementedError


# Callbacks ----------------------------------------------------------------------------------------------------------------------


class Counts:
    """Counts steps, as it should be done."""

    def __init__(self, options: Any) -> None:
        self.steps = 0

    @hookimpl
    def on_experience(self, steps: Any) -> None:
        self.steps += 1

    @hookimpl
    def checkpoint_save(self) -> dict[str, Any]:
        return {"steps": self.steps}

    @hookimpl
    def checkpoint_load(self, state: Mapping[str, Any]) -> None:
        self.steps = state["steps"]


class LosesState(Counts):
    """It loads nothing."""

    @hookimpl
    def checkpoint_load(self, state: Mapping[str, Any]) -> None:
        pass


class SavesAlone:
    """It cannot load what it saves."""

    def __init__(self, options: Any) -> None:
        pass

    @hookimpl
    def checkpoint_save(self) -> dict[str, Any]:
        return {"steps": 1}


class Misspelt(Counts):
    """It answers a hook that does not exist."""

    @hookimpl
    def on_evaluaton_end(self) -> None:
        pass


class Unmarked(Counts):
    """It would like to be set up."""

    def setup(self) -> None:
        pass


class Fails(Counts):
    """It fails at every log."""

    @hookimpl
    def on_log(self) -> None:
        raise ValueError("no such row")


class FailsAtABadEnd(Counts):
    """It takes an evaluation for granted."""

    result: dict[str, int]

    @hookimpl
    def on_log(self) -> None:
        self.result = {"once": 1}

    @hookimpl
    def teardown(self) -> None:
        self.result.clear()


# Launchers, commands and options ------------------------------------------------------------------------------------------------


class GivesNothingBack:
    """It trains and returns nothing."""

    def __init__(self, options: Any) -> None:
        pass

    def launch(self, config: Any, run: Any) -> None:
        from unified.core.trainer.build import launch

        launch(config, run)


def mute() -> Any:
    raise RuntimeError


#: No command at all.
NOTHING = typer.Typer()


class HeavyOptions(Options):
    """Options in a module that imports torch."""

    rate: float = Field(0.1, ge=0)
    """A rate."""


class NeededOptions(Options):
    """An option that must be given."""

    rate: float
    """A rate."""


class Undocumented(Right):
    __doc__ = None
