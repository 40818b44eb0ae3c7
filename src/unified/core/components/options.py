"""The base of every component's options. Torch-free."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationInfo

from unified.core.base.schedule import Schedule

if TYPE_CHECKING:
    from unified.core.base.errors import Problem

#: The key that a slot keeps for itself: what is selected lies under it.
NAME = "name"
#: What options are asked; no option is called so.
METHODS = ("lacking",)


class Options(BaseModel):
    """Base of all options: unknown keys are refused, values are checked and never change.

    Every field has a description, a docstring under it or ``Field(description=…)``: people read it in ``unified plugins show``.
    """

    #: Of a group whose own `name` says what is selected (``agent.optimizer=sgd`` is short for ``agent.optimizer.name=sgd``): the options
    #: that are for what was selected, and are dropped where a higher layer selects something else.
    selects: ClassVar[tuple[str, ...]] = ()

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False, coerce_numbers_to_str=True, protected_namespaces=()
    )

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if NAME in cls.model_fields and not cls.selects:
            raise TypeError(f"{cls.__name__}.{NAME}: this key says what is selected, call the option otherwise")
        if taken := [name for name in cls.model_fields if name in METHODS]:
            raise TypeError(f"{cls.__name__}.{taken[0]}: options have a method of this name, call the option otherwise")
        undescribed = [name for name, field in cls.model_fields.items() if not field.description]
        if undescribed:
            raise TypeError(f"{cls.__name__}: each option needs a line of text under it that says what it is: {', '.join(undescribed)}")

    def lacking(self, run: Path) -> list[Problem]:
        """What these options name outside of the configuration, and is not there: a folder, another run. Nothing, if all is.

        Asked before a new run begins, and by ``--dry-run``, while torch is not imported yet.

        Args:
            run: Where the run will be, ``<root>/<experiment>/<agent>/<suite>/<task>/seed-<n>``; nothing is there yet.
        """
        return []


def above(other: str) -> AfterValidator:
    """Marks an option as greater than another one, declared before it: ``high: Annotated[float, above("low")] = 1.0``.

    Either may be ``None``, and is not compared then.
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


#: A number that changes over steps, as text: ``stddev: ScheduleText = "linear(1.0,0.1,100000)"``.
ScheduleText = Annotated[str, AfterValidator(_is_a_schedule)]
