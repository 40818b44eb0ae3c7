"""A suite by its names, so that any process can build it for itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from types import SimpleNamespace
from typing import Any

from unified.core.base.errors import UsageError
from unified.core.components.importing import import_object
from unified.core.components.user_code import adapted
from unified.core.envs.adapters import ObjectSuite
from unified.core.envs.suite import Suite


@dataclass(frozen=True)
class SuiteReference:
    """A suite as names and plain values, from which another process builds it.

    Args:
        target: The suite's class, ``"module:Class"`` or ``"/a/file.py:Class"``; or what `adapter` makes a suite of.
        task: The name after the colon in ``dmc:humanoid_run``.
        options: The suite's options, as JSON has them.
        options_target: Their model, ``"module:Model"``; ``None`` passes the options as they are, as attributes.
        adapter: Called with the target, the task and the options; empty where the target is a suite.
    """

    target: str
    task: str
    options: Mapping[str, Any] = field(default_factory=dict)
    options_target: str | None = None
    adapter: str = ""

    def build(self) -> Suite:
        """The suite, in this process.

        Raises:
            UsageError: If there is no such suite.
        """
        found, model = _import(self.target), SimpleNamespace if self.options_target is None else _import(self.options_target)
        suite = adapted(found, self.adapter, model, self.task, self.options) if self.adapter else found(self.task, model(**self.options))
        if not isinstance(suite, Suite):
            raise UsageError(f"{self.target} is no Suite but {type(suite).__name__}")
        return suite

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> SuiteReference:
        return cls(**data)

    @classmethod
    def of(cls, suite: Suite) -> SuiteReference | None:
        """The reference of a built suite, or ``None`` where no other process could find its class."""
        kind, options = type(suite), suite.options
        if not _importable(kind) or isinstance(suite, ObjectSuite):
            return None
        target = f"{kind.__module__}:{kind.__qualname__}"
        if options is None:
            return cls(target, suite.task)
        if isinstance(options, SimpleNamespace):
            return cls(target, suite.task, vars(options))
        if hasattr(options, "model_dump") and _importable(type(options)):
            model = f"{type(options).__module__}:{type(options).__qualname__}"
            return cls(target, suite.task, options.model_dump(mode="json"), model)
        return None


def _importable(kind: type) -> bool:
    return kind.__module__ != "__main__" and "<locals>" not in kind.__qualname__


def _import(target: str) -> Any:
    try:
        return import_object(target)
    except (ImportError, AttributeError, OSError) as error:
        raise UsageError(f"cannot import {target!r}: {error}") from error
