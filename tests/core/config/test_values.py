"""Text becomes what the field says."""

from __future__ import annotations

import contextlib
from typing import Any, Literal

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from unified.core.components.options import Options
from unified.core.config import values
from unified.core.config.describe import options
from unified.core.config.limits import read_yaml
from unified.core.config.schema import Part

Side = Literal["auto", "left"]


def read(text: Any, kind: Any) -> Any:
    """The value of a field of this type, as options have it."""
    return TypeAdapter(kind, config=ConfigDict(allow_inf_nan=False)).validate_python(values.plain(text, kind))


def refusal(text: Any, kind: Any) -> str:
    """Message and hint where it cannot be read."""
    try:
        read(text, kind)
    except ValidationError as errors:
        (error,) = errors.errors()
        return "   ".join(values.complaint(error, kind, text, error["loc"]))
    except ValueError as error:
        return "   ".join(error.args)
    raise AssertionError(f"{text!r} was read")


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("1e5", int, 100_000),
        ("1_000_000", int, 1_000_000),
        ("-3", int, -3),
        ("2.0", int, 2),
        ("1e-4", float, 1e-4),
        ("1_000.5", float, 1000.5),
        ("7", float, 7.0),
        ("true", bool, True),
        ("False", bool, False),
        ("none", int | None, None),
        ("null", str | None, None),
        ("none", str, "none"),
        ("12", str, "12"),
        ("left", Side, "left"),
        ("[1,2]", list[int], [1, 2]),
        ("1, 2", list[int], [1, 2]),
        ("[]", list[int], []),
        ("[linear(1,0,5),b]", list[str], ["linear(1,0,5)", "b"]),
        ("5", int | str, 5),
        ("five", int | str, "five"),
        ("{a: 1}", dict[str, int], {"a": 1}),
        ("[0.5, 1e2]", tuple[float, int], (0.5, 100)),
        ("8", Literal[8, 16], 8),
        ("yes", bool | str, "yes"),
        ("9223372036854775807", int, 2**63 - 1),
        (["1e3"], list[int], [1000]),
        (0.5, float, 0.5),
    ],
)
def test_reading(text, kind, value):
    found = read(text, kind)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "kind", "says"),
    [
        ("1.5", int, "a whole number"),
        ("abc", int | None, "a whole number or null"),
        ("abc", float, "a number"),
        ("yes", bool, "true or false"),
        ("1", bool, "true or false"),
        (True, int, "a whole number"),
        ("yes", bool, "did you mean  true ?"),
        ("0", bool, "did you mean  false ?"),
        ("2M", int | None, "did you mean  2_000_000 ?"),
        ("1,5", float, "did you mean  1.5 ?"),
        ("[1,2", list[int], "a bracket is not closed"),
        ("1,2]", list[int], "nothing opens the ]"),
        ("[1,,2]", list[int], "nothing stands before a comma"),
        ("lefft", Side, "one of auto, left   did you mean  left ?"),
        ("[1,x]", list[int], "a whole number"),
        ("", int, "a whole number"),
        ("9", Literal[8, 16], "one of 8, 16"),
        ("5", dict[str, int], "a mapping"),
        ({"a": "x"}, dict[str, int], "a whole number"),
        ([[1], 2], list[list[int]], "a list"),
        ("inf", float, "a finite number"),
    ],
)
def test_refusing(text, kind, says):
    assert refusal(text, kind).startswith("must be")
    assert says in refusal(text, kind)


def test_lists_of_names():
    assert values.names("[td,+spr]") == values.names(("td", "+spr")) == ["td", "+spr"]
    assert values.names("td,spr,") == ["td", "spr"]
    assert values.names("none") == values.names(None) == values.names("[]") == []
    for wrong in ("", " ", "[+]", 5, {"td": 1}, [5]):
        with pytest.raises(ValueError, match="must be a list of names"):
            values.names(wrong)


@given(st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.booleans(), st.none()))
def test_what_is_shown_can_be_typed(value):
    kind = type(value) if value is not None else int | None
    assert read(values.show(value), kind) == value


@given(st.text())
def test_any_text_is_read_or_refused(text):
    kinds: list[Any] = [int, float, bool, Side, list[int], int | None]
    for kind in kinds:
        with contextlib.suppress(ValueError):
            read(text, kind)


def test_options_describe_themselves():
    class Inner(Options):
        depth: int = Field(2, gt=0, le=9)
        """How deep."""

    class Outer(Options):
        side: Side = "auto"
        """Which side."""
        inner: Inner = Inner()
        """Below."""
        encoder: Part | None = None
        """What sees."""
        rate: float | None = Field(None, gt=0)
        """How fast."""

    assert options(Outer, "agent.") == [
        ("agent.side", "auto|left", "auto", "Which side."),
        ("agent.inner.depth", "int > 0 ≤ 9", "2", "How deep."),
        ("agent.encoder", "architecture or null", "null", "What sees."),
        ("agent.rate", "float > 0 or null", "null", "How fast."),
    ]


def test_options_need_no_description():
    class Bare(Options):
        lr: float = 1.0

    assert options(Bare, "agent.") == [("agent.lr", "float", "1.0", "")]


def test_the_key_name_is_the_slots_own():
    with pytest.raises(TypeError, match=r"Named\.name"):

        class Named(Options):
            name: str = "x"
            """Taken."""


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[1", "expected ',' or ']'"),
        ("[" * 3000, "nested more than 64 levels deep"),
        ("x" * 40_000 + ": 1", "larger than 32,768 bytes"),
        ("\n".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}' if i else 'x'] * 9)}]" for i in range(9)), "more than 20,000 values"),
    ],
)
def test_a_text_that_is_no_value_is_refused_at_once(text, says):
    with pytest.raises(ValueError, match="cannot be read: ") as error:
        values.plain(text, Any)
    assert says in str(error.value)


def test_levels_are_counted_while_the_text_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """The parser of YAML looks at all levels for each bracket: thousands take seconds."""
    opened = []
    usual = yaml.SafeLoader.fetch_flow_collection_start
    monkeypatch.setattr(yaml.SafeLoader, "fetch_flow_collection_start", lambda loader, kind: [opened.append(kind), usual(loader, kind)])
    with pytest.raises(ValueError, match="nested more than 64 levels deep"):
        read_yaml(f"a: {'[' * 5000}\nb: {'[' * 5000}\n")
    assert len(opened) < 100
