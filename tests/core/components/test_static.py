"""Signatures and class attributes that are read from source code, without importing it."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import pytest
from annotated_types import Ge

from unified.core.components import static
from unified.core.components.descriptors import ArchitectureComponent, ObjectiveComponent
from unified.core.components.options import RenamedFrom
from unified.core.components.signature import options_of
from unified.core.components.static import is_filled_in
from unified.core.registry import registry

NETS = '''
"""Never imported by the reader."""
from typing import Annotated, Literal

from annotated_types import Ge
from torch import nn

raise RuntimeError("imported")

Size = Annotated[int, Ge(1)]
WIDTH = 16


class Base(nn.Module):
    """Of the others.

    Args:
        width: Units.
    """

    needs, parts = ("obs",), ("encoder",)

    def __init__(self, in_features: int, width: Size = WIDTH, norm: Literal["none", "layer"] = "none", *, bias: bool = True) -> None:
        super().__init__()


class Derived(Base):
    """Inherits its arguments."""

    needs = ("obs", "action")


@unknown
def decorated(in_features: int, width: int = 3): ...


def computed(in_features: int, width: int = sum([1, 2])): ...
'''


@pytest.fixture
def nets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "nets_of_a_test.py").write_text(NETS)
    monkeypatch.syspath_prepend(str(tmp_path))
    return "nets_of_a_test"


def test_a_signature_with_names_literals_and_limits(nets: str) -> None:
    found = static.signature(f"{nets}:Base")
    assert [(each.name, each.default) for each in found.parameters[1:]] == [("width", 16), ("norm", "none"), ("bias", True)]
    model = ArchitectureComponent("base", f"{nets}:Base").options_model()
    assert list(model.model_fields) == ["width", "norm", "bias"]
    assert model.model_fields["width"].description == "Units."
    with pytest.raises(ValueError, match="greater than or equal to 1"):
        model(width=0)
    assert nets not in sys.modules


def test_bases_are_followed(nets: str) -> None:
    derived = ObjectiveComponent("derived", f"{nets}:Derived")
    assert (derived.needs, derived.parts, derived.trains, dict(derived.asks)) == (("obs", "action"), ("encoder",), ("encoder",), {})
    assert [each.name for each in static.signature(f"{nets}:Derived").parameters] == ["in_features", "width", "norm", "bias"]


@pytest.mark.parametrize(
    "expression",
    [
        "__import__('os').system('true')",
        "().__class__",
        "open('/dev/null')",
        "sum([1, 2])",
        "[n for n in (1, 2)]",
        "(lambda: 1)()",
        "type('X', (), {})",
        "Path.cwd()",
        "int(**{'x': 1})",
        "'a' + 'b'",
        "f'{1}'",
        "undefined",
    ],
)
def test_no_expression_runs_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expression: str) -> None:
    (tmp_path / "expression_of_a_test.py").write_text(f"from pathlib import Path\ndef f(x=1, y={expression}): ...\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    static._source.cache_clear()
    with pytest.raises(static.Unreadable):
        static.signature("expression_of_a_test:f")


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("-1.5", -1.5),
        ("(WIDTH, [WIDTH])", (16, [16])),
        ("{'a': WIDTH}", {"a": 16}),
        ("TABLE['b']", 2),
        ("float('inf')", float("inf")),
        ("math.inf", float("inf")),
        ("int | None", int | None),
        ("Annotated[int, Ge(ge=1)]", Annotated[int, Ge(ge=1)]),
        ("Annotated[int, RenamedFrom('old')]", Annotated[int, RenamedFrom("old")]),
    ],
)
def test_expressions_of_names_subscripts_and_constructors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expression: str, value: Any
) -> None:
    names = "import math\nfrom typing import Annotated\nfrom annotated_types import Ge\nfrom unified import RenamedFrom\n"
    names += "WIDTH = 16\nTABLE = {'b': 2}\n"
    (tmp_path / "expression_of_a_test.py").write_text(f"{names}def f(x={expression}): ...\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    static._source.cache_clear()
    assert static.signature("expression_of_a_test:f").parameters[0].default == value


@pytest.mark.parametrize("name", ["decorated", "computed", "Nothing"])
def test_what_is_not_in_plain_sight_is_left_to_an_import(nets: str, name: str) -> None:
    with pytest.raises(static.Unreadable):
        static.signature(f"{nets}:{name}")


def test_a_component_whose_source_says_too_little_is_imported() -> None:
    assert ArchitectureComponent("flatten", "torch.nn:Flatten").options_model().model_fields.keys() == {"start_dim", "end_dim"}


def built_in() -> list[Any]:
    return [each for kind in ("architectures", "objectives") for each in registry().all(kind) if each.config is None]


@pytest.mark.parametrize("component", built_in(), ids=lambda component: component.name)
def test_reading_says_what_importing_says(component: Any) -> None:
    read, imported = component.options_model(), options_of(component.load())
    shown = [{name: re.sub(r"0x\w+", "", repr(field)) for name, field in model.model_fields.items()} for model in (read, imported)]
    assert shown[0] == shown[1]
    assert all(not field.description.startswith("Argument of") for field in read.model_fields.values())
    if isinstance(component, ObjectiveComponent):
        thing = component.load()
        assert (component.needs, component.parts, dict(component.asks)) == (thing.needs, thing.parts, dict(thing.asks))
    names = {name for name in inspect.signature(component.load()).parameters if not is_filled_in(name)}
    assert set(read.model_fields) <= names


def test_listing_options_and_declarations_imports_no_torch() -> None:
    code = (
        "import sys; from unified.core.registry import registry; names = registry();"
        "[each.options_model() for kind in ('architectures', 'objectives') for each in names.all(kind)];"
        "[(each.needs, each.trains, each.asks) for each in names.all('objectives')];"
        "assert not {'torch', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
