"""Options of optimisers, shared by all agents that learn by gradients. Torch-free."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from unified.core.base.schedule import Schedule
from unified.core.base.suggest import did_you_mean
from unified.core.components.import_paths import is_reference
from unified.core.components.options import Options

#: Optimisers by name, and the options of each beside learning rate and weight decay.
OPTIMIZERS = {
    "adam": ("eps", "betas"),
    "adamw": ("eps", "betas"),
    "radam": ("eps", "betas"),
    "sgd": ("momentum",),
    "rmsprop": ("eps", "momentum"),
    "rmsprop_tf": ("eps", "momentum"),
    "adagrad": ("eps",),
}
#: Options that only some optimisers have.
SPECIAL = ("eps", "betas", "momentum")
#: Arguments of optimisers that ``options`` cannot set, with the reason.
_CHOSEN = {"params": "the agent gives its parameters", "lr": "agent.lr is the learning rate", "fused": "it is on wherever it can be"}
OptimizerName = Literal["adam", "adamw", "radam", "sgd", "rmsprop", "rmsprop_tf", "adagrad"] | str
_Beta = Annotated[float, Field(ge=0, lt=1)]


def _is_a_schedule(text: str) -> str:
    if Schedule(text, 1.0).least < 0:
        raise ValueError(f"a learning rate would be negative: {text}")
    return text


#: A factor on a learning rate over updates, or over the budget.
RateSchedule = Annotated[str, AfterValidator(_is_a_schedule)]


class _Moving(Options):
    """Options of one optimiser, for all parts, one part, or the parameters of a part that are no matrices."""

    selects: ClassVar[tuple[str, ...]] = (*SPECIAL, "options")

    name: OptimizerName | None = None
    """Optimiser."""
    weight_decay: float | None = Field(None, ge=0)
    """Weight decay."""
    eps: float | None = Field(None, gt=0)
    """Term that keeps the denominator from 0 (adam, adamw, radam, rmsprop, rmsprop_tf, adagrad); null: the default of the optimiser."""
    betas: tuple[_Beta, _Beta] | None = None
    """Decay of the first and of the second moment (adam, adamw, radam); null: the default of the optimiser."""
    momentum: float | None = Field(None, ge=0, lt=1)
    """Momentum (sgd, rmsprop, rmsprop_tf); null: none."""
    options: dict[str, Any] = {}
    """Further arguments of the optimiser's class: options.nesterov=true (sgd), options.amsgrad=true (adam, adamw)."""

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
    """The problem if this optimiser has no such option; empty if it has, or if only its class shows that."""
    if name is None or option in OPTIMIZERS.get(name, SPECIAL):
        return ""
    return f"{name} has no {option}   {', '.join(other for other, taken in OPTIMIZERS.items() if option in taken)} take it"


class VectorOptimizerOptions(_Moving):
    """The optimiser of parameters that are no matrices: biases, norms, kernels of convolutions; null: as for matrices."""

    name: OptimizerName | None = None
    """Optimiser of parameters that are no matrices; another one than that of matrices has only learning rate and weight decay from it."""
    lr: float | None = Field(None, gt=0)
    """Learning rate of these parameters; null: that of matrices."""


class PartOptimizerOptions(_Moving):
    """Options of the optimiser of one part; null: as for all parts."""

    selects: ClassVar[tuple[str, ...]] = (*_Moving.selects, "vectors")

    name: OptimizerName | None = None
    """Optimiser of this part; another one than that of all parts has only the weight decay from it."""
    lr: float | None = Field(None, gt=0)
    """Learning rate of this part."""
    no_decay: bool | None = None
    """Whether biases and norms of this part (parameters with at most one dimension) have no weight decay."""
    schedule: RateSchedule | None = None
    """Factor on the learning rate of this part, as for all parts; null: that of all parts."""
    vectors: VectorOptimizerOptions = VectorOptimizerOptions()
    """Optimiser of the parameters of this part that are no matrices."""

    def for_vectors(self) -> PartOptimizerOptions | None:
        """The options for parameters that are no matrices; ``None`` if they are those for matrices."""
        if self.vectors == VectorOptimizerOptions():
            return None
        lr = self.lr if self.vectors.lr is None else self.vectors.lr
        own = _completed(self.vectors, self).model_dump(exclude={"lr"})
        return PartOptimizerOptions.model_construct(**own, lr=lr, no_decay=self.no_decay)


class OptimizerOptions(_Moving):
    """The optimiser, for every part of the agent."""

    selects: ClassVar[tuple[str, ...]] = (*_Moving.selects, "vectors")

    name: OptimizerName = "adam"
    """Optimiser, or an import path of a class: package.module:Class, ./file.py:Class."""
    weight_decay: float = Field(0.0, ge=0)
    """Weight decay; adamw decays the weights themselves, adam, radam, sgd, rmsprop, rmsprop_tf and adagrad add it to the gradient."""
    no_decay: bool = False
    """Whether biases and norms (parameters with at most one dimension) have no weight decay."""
    vectors: VectorOptimizerOptions = VectorOptimizerOptions()
    """Optimiser of parameters that are no matrices, for optimisers that take matrices only."""
    schedule: RateSchedule | None = None
    """Factor on learning rates, over updates: linear(0,1,1000), cosine(1,0,20000), or over the budget: linear(1,0); null: none."""
    gradient_accumulation: int = Field(1, ge=1)
    """Number of equal microbatches of a batch; one step follows their average gradient, in the memory of one microbatch."""
    parts: dict[str, PartOptimizerOptions] = {}
    """Options of single parts of the agent: parts.encoder.lr=1e-5."""

    @model_validator(mode="after")
    def _fits_each_optimizer(self) -> Self:
        groups: list[tuple[str, _Moving, str | None]] = [("", self, self.name), ("vectors.", self.vectors, self.name)]
        for part, own in self.parts.items():
            vectors = self.vectors.name if own.name in (None, self.name) else None
            groups.append((f"parts.{part}.", own, self.name))
            groups.append((f"parts.{part}.vectors.", own.vectors, vectors or own.name or self.name))
        for path, group, name in groups:
            for option in SPECIAL:
                if getattr(group, option) is not None and (wrong := _not_taken(group.name or name, option)):
                    raise ValueError(f"agent.optimizer.{path}{option}: {wrong.replace('   ', '; ')}")
            for option in group.options:
                if option in ("weight_decay", *SPECIAL):
                    raise ValueError(f"agent.optimizer.{path}options.{option} is agent.optimizer.{path}{option}")
                if option in _CHOSEN:
                    raise ValueError(f"agent.optimizer.{path}options.{option} cannot be set: {_CHOSEN[option]}")
        return self

    def of(self, part: str) -> PartOptimizerOptions:
        """The options of one part: its own, completed by those of all parts."""
        own = self.parts.get(part, PartOptimizerOptions())
        vectors = own.vectors
        if own.name in (None, self.name):
            lr = self.vectors.lr if vectors.lr is None else vectors.lr
            vectors = _completed(vectors, self.vectors).model_copy(update={"lr": lr})
        no_decay = self.no_decay if own.no_decay is None else own.no_decay
        return _completed(own, self).model_copy(update={"no_decay": no_decay, "vectors": vectors})


_M = TypeVar("_M", bound=_Moving)


def _completed(own: _M, other: _Moving) -> _M:
    """`own`, with unset options from `other`; if it names another optimiser, with the weight decay only."""
    same = own.name in (None, other.name)
    filled = {key: getattr(other, key) for key in ("weight_decay", *(SPECIAL if same else ())) if getattr(own, key) is None}
    options = {**other.options, **own.options} if same else own.options
    return own.model_copy(update={"name": own.name or other.name, "options": options, **filled})


class LearningOptions(Options):
    """Options of every agent that learns by gradients."""

    lr: float = Field(3e-4, gt=0)
    """Learning rate, for every part."""
    optimizer: OptimizerOptions = OptimizerOptions()
    """Optimiser."""
    ema: bool = False
    """Whether evaluation, play and loaded agents use averaged weights."""
    ema_tau: float = Field(0.01, gt=0, le=1)
    """Rate at which averaged weights follow, in each update."""
    normalize_observations: bool = False
    """Normalise vectors by the running mean and deviation of all observations of training, or offline by those of the data, within ±10."""
    normalize_rewards: bool = False
    """Divide rewards by the running deviation of the discounted return, clipped to ±10; scores stay raw."""

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
    """The optimiser's options of an agent, or the defaults if it has none."""
    return options.optimizer if isinstance(options, LearningOptions) else OptimizerOptions()
