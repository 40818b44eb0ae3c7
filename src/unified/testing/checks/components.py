"""Checks of all components."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from functools import cache
from importlib import metadata

from unified.core.components.descriptors import AgentComponent, Component, RecipeComponent, SuiteComponent
from unified.core.components.importing import import_object
from unified.core.registry import CORE, GROUP, registry
from unified.testing.check import Check, Failed, Skipped
from unified.testing.children import environment_of_child

#: Required base class by kind; any callable for other kinds.
_BASES = {
    "agents": "unified.core.learn.agent:Agent",
    "suites": "unified.core.envs.suite:Suite",
    "objectives": "unified.core.learn.objective:Objective",
    "samplers": "unified.core.replay.samplers:Sampler",
}
#: Modules with a slow import.
HEAVY = ("torch", "gymnasium", "mujoco", "dm_control", "matplotlib")


def imports(component: Component) -> None:
    """The import paths of the descriptor exist and have the right type."""
    component.options_model()
    if isinstance(component, RecipeComponent):
        return
    target = component.load()
    if isinstance(component, AgentComponent | SuiteComponent):
        component.load_presets()
    if isinstance(component, SuiteComponent):
        component.load_tasks()
    base = _BASES.get(component.kind)
    if not component.origin.provider:
        return  # from an import path: checked when it was found
    if base is not None:
        wanted = import_object(base)
        if not (inspect.isclass(target) and issubclass(target, wanted)) and not _returns(target, wanted):
            contract = (
                f"The target of {_article(component)} is a subclass of unified.{wanted.__name__}, or a function annotated to return one."
            )
            raise Failed(contract, f"{component.target} is {target!r}", f"inherit from unified.{wanted.__name__}, or point to the class")
        if missing := sorted(getattr(target, "__abstractmethods__", ())):
            contract = f"{_article(component).capitalize()} implements the abstract methods of unified.{wanted.__name__}."
            raise Failed(contract, f"{target.__name__} does not define {', '.join(missing)}", "define it")
    elif not callable(target):
        contract = f"The target of {_article(component)} is a class or a function."
        raise Failed(contract, f"{component.target} is {target!r}", "name a class or function")


def _returns(target: Any, wanted: type) -> bool:
    """Whether a function is annotated to return an instance of the class."""
    if not inspect.isfunction(target):
        return False
    annotation = inspect.signature(target).return_annotation
    found = target.__globals__.get(annotation) if isinstance(annotation, str) else annotation
    return inspect.isclass(found) and issubclass(found, wanted)


def describes_itself(component: Component) -> None:
    """It has a one-line summary, and every option has a default and a description."""
    if not component.summary.strip() or "\n" in component.summary:
        contract = "A component has a one-line summary, which `unified plugins show` prints."
        raise Failed(contract, f"summary={component.summary!r}", f"{type(component).__name__}(…, summary='one line')")
    fields = component.options_model().model_fields
    if bare := [name for name, field in fields.items() if not (field.description or "").strip()]:
        contract = "Every option has a description, which `unified plugins show` prints."
        raise Failed(contract, f"no description: {', '.join(bare)}", "write a docstring under the field")
    if required := [name for name, field in fields.items() if field.is_required()]:
        contract = "Every option has a default, so that the name of the component is enough to use it."
        raise Failed(contract, f"no default: {', '.join(required)}", "add a default with its reason")
    if isinstance(component, SuiteComponent) and component.tasks is None and component.task_needed and not component.example:
        contract = "A suite without a list of tasks has an example, for hints and for these checks."
        raise Failed(contract, "tasks=None and no example", "SuiteComponent(…, example='a-task')")


def resolves_by_name(component: Component) -> None:
    """Its qualified name and its displayed name resolve to it."""
    if not component.origin.provider:
        raise Skipped("it is not part of a plugin")
    for name in (component.qualified, registry().name_of(component)):
        found = registry().get(component.kind, name)
        if (found.qualified, found.target, found.origin) != (component.qualified, component.target, component.origin):
            contract = "A component is found by provider/name."
            raise Failed(contract, f"{name!r} resolves to {found.qualified}, {found.target}", "use a unique name")


def is_documented(component: Component) -> None:
    """The target has a docstring."""
    if isinstance(component, RecipeComponent):
        raise Skipped("a recipe is a file")
    target = component.load()
    if not (inspect.isclass(target) or inspect.isfunction(target)):
        raise Skipped(f"{component.target} is neither a class nor a function")
    text = target.__doc__ or ""
    if not text.strip():
        contract = "The target of a component has a docstring that describes it, with its source."
        raise Failed(contract, f"{component.target} has none", "add a docstring to the class or function")


def is_light_to_name(component: Component) -> None:
    """Importing its descriptor, options, tasks and presets imports neither torch nor a simulator."""
    modules = [_module(component.config), _module(getattr(component, "tasks", None)), _module(getattr(component, "presets", None))]
    wanted = tuple(dict.fromkeys(module for module in (_descriptor(component.origin.provider), *modules) if module))
    if not wanted:
        raise Skipped("its descriptor is not in an installed plugin, and it has no modules besides its target")
    for module, heavy in _brought_by(wanted):
        if heavy:
            contract = "Listing components is fast: descriptor, options, tasks and presets import neither torch nor a simulator."
            raise Failed(contract, f"importing {module} imports {', '.join(heavy)}", "import it in the module of the target")


def loads_soon(component: Component) -> str:
    """Report the import time of its plugin; never a failure."""
    record = next((plugin for plugin in registry().plugins if plugin.provider == component.origin.provider), None)
    if record is None:
        raise Skipped("it is not part of a plugin")
    return f"plugin {record.provider} took {record.milliseconds:.0f} ms{', which slows every command' if record.slow else ''}"


@cache
def _brought_by(modules: tuple[str, ...]) -> list[tuple[str, list[str]]]:
    """Modules with the heavy modules that each imports, from a fresh interpreter."""
    code = (
        "import importlib, json, sys\n"
        f"heavy, found = {HEAVY!r}, []\n"
        f"for name in {modules!r}:\n"
        "    importlib.import_module(name)\n"
        "    found.append((name, [each for each in heavy if each in sys.modules]))\n"
        "print('\\n' + json.dumps(found))\n"
    )
    command = [sys.executable, "-P", "-c", code]
    child = subprocess.run(command, capture_output=True, text=True, check=False, env=environment_of_child(), timeout=300)
    if child.returncode:
        contract = "Descriptor, options, tasks and presets can be imported in a fresh interpreter."
        raise Failed(contract, child.stderr.strip() or f"exit code {child.returncode}", "add the missing imports")
    return [(name, heavy) for name, heavy in json.loads(child.stdout.splitlines()[-1])]


def _descriptor(provider: str) -> str:
    """The module of the entry point of an installed plugin; empty for others."""
    found = [entry.value for entry in metadata.entry_points(group=GROUP) if entry.name == provider]
    return _module(found[0]) if len(found) == 1 or (found and provider == CORE) else ""


def _module(reference: str | None) -> str:
    return (reference or "").partition(":")[0]


def _article(component: Component) -> str:
    kind = component.kind.removesuffix("s")
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


CHECKS = (
    *(Check.of("", function) for function in (imports, describes_itself, resolves_by_name)),
    *(Check.of("", function, "strict") for function in (is_documented, is_light_to_name, loads_soon)),
)
