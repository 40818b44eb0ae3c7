"""How parameters move: the options that agents share which learn by gradients. Torch-free."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from unified.core.base.schedule import Schedule
from unified.core.base.suggest import did_you_mean
from unified.core.components.import_paths import is_reference
from unified.core.components.options import Options

#: Optimisers by name, and what each takes beside a learning rate and weight decay.
OPTIMIZERS = {
    "adam": ("eps", "betas"),
    "adamw": ("eps", "betas"),
    "sgd": ("momentum",),
    "rmsprop": ("eps", "momentum"),
    "adagrad": ("eps",),
}
#: What only some take.
SPECIAL = ("eps", "betas", "momentum")
OptimizerName = Literal["adam", "adamw", "sgd", "rmsprop", "adagrad"] | str
_Beta = Annotated[float, Field(ge=0, lt=1)]


class _Moving(Options):
    """What parts have in common with the whole agent."""

    selects: ClassVar[tuple[str, ...]] = SPECIAL

    name: OptimizerName | None = None
    """Which optimiser."""
    weight_decay: float | None = Field(None, ge=0)
    """Decay of weights."""
    eps: float | None = Field(None, gt=0)
    """What keeps a divisor from 0 (adam, adamw, rmsprop, adagrad); null: as usual."""
    betas: tuple[_Beta, _Beta] | None = None
    """Decay of the first and of the second moment (adam, adamw); null: as usual."""
    momentum: float | None = Field(None, ge=0, lt=1)
    """Share of the last step that is taken again (sgd, rmsprop); null: none."""

    @field_validator("name")
    @classmethod
    def _is_an_optimizer(cls, name: str | None) -> str | None:
        if name is None or name in OPTIMIZERS or is_reference(name):
            return name
        raise ValueError(f"must be one of {', '.join(OPTIMIZERS)}, or package.module:Class   {did_you_mean(name, OPTIMIZERS)}")

    @field_validator(*SPECIAL)
    @classmethod
    def _is_taken(cls, value: Any, info: ValidationInfo) -> Any:
        name = info.data.get("name")
        if value is not None and (wrong := _not_taken(name, str(info.field_name))):
            raise ValueError(wrong)
        return value


def _not_taken(name: str | None, option: str) -> str:
    """What is wrong with this option for this optimiser; empty where nothing is, or where only the optimiser's class knows."""
    if name is None or option in OPTIMIZERS.get(name, SPECIAL):
        return ""
    return f"{name} has no {option}   {', '.join(other for other, taken in OPTIMIZERS.items() if option in taken)} take it"


class PartOptimizerOptions(_Moving):
    """Of one part of the agent; null: as for all parts."""

    name: OptimizerName | None = None
    """Optimiser of this part; where it is another one, it takes only the weight decay from that of all parts."""
    lr: float | None = Field(None, gt=0)
    """Learning rate of this part."""


class OptimizerOptions(_Moving):
    """How parameters are moved along their gradients."""

    name: OptimizerName = "adam"
    """Optimiser, or a class by reference: package.module:Class, ./file.py:Class."""
    weight_decay: float = Field(0.0, ge=0)
    """Decay of weights; adamw decays the weights themselves, the others by way of the gradient."""
    schedule: str | None = None
    """Factor on learning rates, over updates: linear(0,1,1000), cosine(1,0,20000); null: none."""
    gradient_accumulation: int = Field(1, ge=1)
    """Equal pieces of a batch, for one step along the average of their gradients: an update then takes the memory of a piece."""
    parts: dict[str, PartOptimizerOptions] = {}
    """What differs for a part of the agent: parts.encoder.lr=1e-5."""

    @field_validator("schedule")
    @classmethod
    def _is_a_schedule(cls, text: str | None) -> str | None:
        if text is not None:
            factor = Schedule(text)
            if factor.least < 0:
                raise ValueError(f"a learning rate would be negative: {text}")
        return text

    @model_validator(mode="after")
    def _fits_each_part(self) -> Self:
        for part, own in self.parts.items():
            for option in SPECIAL:
                if getattr(own, option) is not None and (wrong := _not_taken(own.name or self.name, option)):
                    raise ValueError(f"agent.optimizer.parts.{part}.{option}: {wrong.replace('   ', '; ')}")
        return self

    def of(self, part: str) -> PartOptimizerOptions:
        """What counts for one part: what is said of it before what is said of all."""
        own = self.parts.get(part, PartOptimizerOptions())
        shared = ("weight_decay", *SPECIAL) if own.name in (None, self.name) else ("weight_decay",)
        filled = {option: getattr(self, option) for option in shared if getattr(own, option) is None}
        return own.model_copy(update={"name": own.name or self.name, **filled})


class LearningOptions(Options):
    """Of every agent whose parameters are moved along gradients."""

    lr: float = Field(3e-4, gt=0)
    """Learning rate, for every part."""
    optimizer: OptimizerOptions = OptimizerOptions()
    """How parameters are moved along their gradients."""
    ema: bool = False
    """Whether averaged weights answer where the agent is judged, played or loaded."""
    ema_tau: float = Field(0.01, gt=0, le=1)
    """Rate at which averaged weights follow, in each update."""

    @model_validator(mode="after")
    def _is_cut_evenly(self) -> Self:
        rows, pieces = getattr(self, "batch_size", None), self.optimizer.gradient_accumulation
        if rows is not None and rows % pieces:
            fits = max(rows - rows % pieces, pieces)
            raise ValueError(
                f"agent.optimizer.gradient_accumulation={pieces} does not divide batch_size={rows}; it divides batch_size={fits}"
            )
        return self


def optimizer_options(options: Any) -> OptimizerOptions:
    """Those of an agent, or the defaults where it has none."""
    return options.optimizer if isinstance(options, LearningOptions) else OptimizerOptions()
