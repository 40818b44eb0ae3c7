"""Base class of the options of components. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationInfo
from pydantic.fields import FieldInfo

from unified.core.base.schedule import Schedule

if TYPE_CHECKING:
    from unified.core.base.errors import Problem

#: The key of the selected component in a slot; no option has this name.
NAME = "name"
#: Methods of options; no option has these names.
METHODS = ("lacking", "upgrade")


class Options(BaseModel):
    """Base class of options: unknown keys are errors, values are validated and immutable.

    A docstring under a field, or ``Field(description=…)``, describes it; ``unified plugins show`` prints it. A package needs one for each.
    """

    #: For a group with a `name` that selects something (``agent.optimizer=sgd`` is short for ``agent.optimizer.name=sgd``): the options of
    #: the selection. They are dropped if a higher layer selects something else.
    selects: ClassVar[tuple[str, ...]] = ()

    #: For a group: the option that its own key is short for. A slot takes the options of its component too: with ``"network"``,
    #: ``actor=mlp actor.depth=3`` is short for ``actor.network=mlp actor.network.depth=3``. Options in `selects` are for an empty slot.
    short_for: ClassVar[str] = NAME

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False, coerce_numbers_to_str=True, protected_namespaces=()
    )

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if NAME in cls.model_fields and not cls.selects:
            raise TypeError(f"{cls.__name__}.{NAME}: this key is the selected component, rename the option")
        if taken := [name for name in cls.model_fields if name in METHODS]:
            raise TypeError(f"{cls.__name__}.{taken[0]}: options have a method of this name, rename the option")

    def lacking(self, run: Path) -> list[Problem]:
        """Problems with what these options refer to: a missing folder, a missing run.

        Called before a new run starts and by ``--dry-run``, without torch.

        Args:
            run: Future directory of the run, ``<root>/<experiment>/<agent>/<suite>/<task>/seed-<n>``.
        """
        return []

    @classmethod
    def upgrade(cls, values: dict[str, Any], since: str) -> dict[str, Any]:
        """The options of a run as this version of the package has them.

        Called when the configuration of a run is read that another version, older or newer, has written; ``config.json`` is not changed.

        Args:
            values: Options of the component as plain data, nested as in ``config.json``; selections are mappings with a ``name``.
            since: Version of the package that wrote them.
        """
        return values


@dataclass(frozen=True)
class RenamedFrom:
    """Marks an option that had another name in earlier versions: ``k: Annotated[int, RenamedFrom("n_step")] = 3``.

    Recipes and the configurations of runs that have an old name are read as if they had the new one.
    """

    names: tuple[str, ...]

    def __init__(self, *names: str) -> None:
        object.__setattr__(self, "names", names)


def old_names(field: FieldInfo) -> tuple[str, ...]:
    """The earlier names of an option."""
    return tuple(name for mark in field.metadata if isinstance(mark, RenamedFrom) for name in mark.names)


def above(other: str) -> AfterValidator:
    """Require an option to be greater than another one that is declared before it: ``high: Annotated[float, above("low")] = 1.0``.

    ``None`` is not compared.
    """

    def check(value: Any, info: ValidationInfo) -> Any:
        least = info.data.get(other)
        if value is not None and least is not None and value <= least:
            raise ValueError(f"{other} must be less than {info.field_name}")
        return value

    return AfterValidator(check)


def _is_a_schedule(text: str) -> str:
    Schedule(text)
    return text


def _is_a_schedule_of_a_run(text: str) -> str:
    Schedule(text, 1.0)
    return text


#: A schedule as text that may go without steps, ``linear(1,0)``: it then lasts as long as the budget of the run (`Builder.schedule`).
BudgetScheduleText = Annotated[str, AfterValidator(_is_a_schedule_of_a_run)]
#: A schedule as text: ``stddev: ScheduleText = "linear(1.0,0.1,100000)"``.
ScheduleText = Annotated[str, AfterValidator(_is_a_schedule)]
