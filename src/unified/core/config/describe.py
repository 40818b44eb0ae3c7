"""Describe options: key, type, default and description. Torch-free."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from unified.core.components.options import Options
from unified.core.config import values
from unified.core.config.schema import group_of, groups_of, slot_of, takes_none

_LIMITS = (("gt", ">"), ("ge", "≥"), ("lt", "<"), ("le", "≤"))


def options(model: type[Options], prefix: str = "") -> list[tuple[str, str, str, str]]:
    """Key, type, default and description of every option; groups are flattened, groups by name as ``parts.PART.lr``."""
    rows = []
    for name, field in model.model_fields.items():
        if group := group_of(field.annotation):
            rows += options(group, f"{prefix}{name}.")
        elif group := groups_of(field.annotation):
            rows += options(group, f"{prefix}{name}.{name.removesuffix('s').upper()}.")
        else:
            default = "needed" if field.is_required() else values.show(to_jsonable_python(field.get_default(call_default_factory=True)))
            rows.append((f"{prefix}{name}", type_of(field), default, " ".join((field.description or "").split())))
    return rows


def type_of(field: FieldInfo) -> str:
    """The type of a field: ``auto|fast|exact``, ``int > 0 or null``."""
    slot = slot_of(field)
    if slot is not None:
        return slot.kind.removesuffix("s") + (" or null" if takes_none(field) else "")
    limits = "".join(
        f" {sign} {values.show(limit)}"
        for mark in field.metadata
        for name, sign in _LIMITS
        if (limit := getattr(mark, name, None)) is not None
    )
    kinds = values.members(field.annotation)
    words = [_word(kind) + (limits if kind in (int, float) else "") for kind in kinds if kind is not type(None)]
    return " or ".join(words + ["null"] * (type(None) in kinds))


def _word(kind: Any) -> str:
    kind = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    origin = get_origin(kind)
    if origin is Literal:
        return "|".join(map(values.show, get_args(kind)))
    if kind is bool:
        return "true|false"
    if kind is str:
        return "text"
    if origin in (list, tuple, set, frozenset):
        return f"[{_word((get_args(kind) or (str,))[0])},…]"
    return str(getattr(kind, "__name__", kind))
