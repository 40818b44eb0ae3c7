"""Mistakes of other implementations, made on purpose: the test that keeps each of them out has to fail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import pytest


@dataclass(frozen=True)
class Mistake:
    """A mistake, and the test that finds it.

    Args:
        name: What is wrong.
        make: Makes it, with a `pytest.MonkeyPatch`.
        test: ``module::name`` of the test, below the folder of tests.
        args: Its arguments; `pytest.MonkeyPatch` stands for the fixture.
    """

    name: str
    make: Callable[[pytest.MonkeyPatch], None]
    test: str
    args: tuple[Any, ...] = ()

    def found(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Run the test with the mistake in place: it has to fail, by an assertion."""
        module, _, name = self.test.partition("::")
        function = getattr(import_module(module), name)
        self.make(monkeypatch)
        with pytest.raises(AssertionError):
            function(*(monkeypatch if arg is pytest.MonkeyPatch else arg for arg in self.args))


def replaced(owner: Any, name: str, value: Any) -> Callable[[pytest.MonkeyPatch], None]:
    """An attribute of a class or a module (or its dotted name) has another value."""
    target = import_module(owner) if isinstance(owner, str) else owner
    return lambda monkeypatch: monkeypatch.setattr(target, name, value)
