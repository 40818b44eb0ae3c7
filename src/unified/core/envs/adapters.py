"""Adapters that turn environments, and objects of other libraries, into suites. Imports no torch."""

from __future__ import annotations

import copy
import inspect
import weakref
from abc import abstractmethod
from contextlib import suppress
from functools import partial
from typing import Any

from unified.core.base.errors import Problem, UsageError
from unified.core.components.fingerprint import word
from unified.core.envs.suite import Environment, Suite


class ObjectSuite(Suite):
    """A suite of one task around an object, or around a class or function that returns one.

    A suite that is registered with ``adapts=("library:Class",)`` names a subclass as its ``adapter``.

    Args:
        thing: An object, a class, or a function; called without arguments, or with the task where one was named.
        task: The name that was typed after the thing, often empty.
        options: The validated options of the suite that adapts it.
    """

    def __init__(self, thing: Any, task: str, options: Any) -> None:
        super().__init__(task, options)
        self.thing = thing
        self.name = word(thing)
        if not _is_callable(thing):
            self.placement = "inline"  # another process could not find it

    def make(self) -> Any:
        """What the class or function makes; an object as it is."""
        if not _is_callable(self.thing):
            return self.thing
        return self.thing(self.task) if self.task else self.thing()


class SuiteAdapter(ObjectSuite):
    """A suite of one task around an environment, or around a class or function that returns one."""

    def environment(self) -> Environment:
        """A new environment.

        Raises:
            UsageError: If there is no way to have another one.
        """
        made = self.make() if _is_callable(self.thing) else self.another(self.thing)
        _refuse_again(made, self.name)
        return self.adapt(made)

    def another(self, thing: Any) -> Any:
        """A new environment like `thing`, which is left alone.

        Raises:
            UsageError: If it cannot be copied.
        """
        try:
            return copy.deepcopy(thing)
        except Exception as error:  # whatever it holds
            problem = Problem(f"{self.name} cannot be copied: {type(error).__name__}: {error}", "pass a function that returns it")
            raise UsageError(problem) from error

    @abstractmethod
    def adapt(self, made: Any) -> Environment:
        """An environment as the core has it, around what was made; it may close what was made."""


class EnvironmentAdapter(SuiteAdapter):
    """Environments of this library without a suite around them."""

    def adapt(self, made: Any) -> Environment:
        if not isinstance(made, Environment):
            raise UsageError(Problem(f"{self.name} makes {type(made).__name__}, which is no unified.Environment"))
        return made


#: What was handed out in this process and still exists: two runs that share an environment would both be wrong, and silently so.
_given: list[weakref.ref[Any]] = []


def _refuse_again(made: Any, name: str) -> None:
    if any(given() is made for given in _given):
        raise UsageError(Problem(f"{name} gives the same environment again", "each call has to make a new one"))
    _given[:] = [given for given in _given if given() is not None]
    with suppress(TypeError):  # of a class that knows no weak references
        _given.append(weakref.ref(made))


def _is_callable(thing: Any) -> bool:
    """Whether it is called for an environment, and is not one: environments may have a ``__call__`` of their own."""
    return isinstance(thing, type | partial) or inspect.isroutine(thing)
