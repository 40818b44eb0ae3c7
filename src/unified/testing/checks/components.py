"""What is asked of every component."""

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

#: What each kind has to be: a class to inherit from, or None where anything that can be called will do.
_BASES = {
    "agents": "unified.core.learn.agent:Agent",
    "suites": "unified.core.envs.suite:Suite",
    "objectives": "unified.core.learn.objective:Objective",
    "samplers": "unified.core.replay.samplers:Sampler",
}
#: Modules that make every command of everybody slow.
HEAVY = ("torch", "gymnasium", "mujoco", "dm_control", "matplotlib")


def imports(component: Component) -> None:
    """What the descriptor names can be imported, and is what its kind has to be."""
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
        return  # by reference: what it is was seen when it was found
    if base is not None:
        wanted = import_object(base)
        if not (inspect.isclass(target) and issubclass(target, wanted)):
            contract = f"The target of {_article(component)} is a subclass of unified.{wanted.__name__}."
            raise Failed(contract, f"{component.target} is {target!r}", f"inherit from unified.{wanted.__name__}, or point to the class")
        if missing := sorted(getattr(target, "__abstractmethods__", ())):
            contract = f"{_article(component).capitalize()} defines what unified.{wanted.__name__} leaves open."
            raise Failed(contract, f"{target.__name__} does not define {', '.join(missing)}", "define it")
    elif not callable(target):
        contract = f"The target of {_article(component)} is a class or a function."
        raise Failed(contract, f"{component.target} is {target!r}", "name the class or the function")


def describes_itself(component: Component) -> None:
    """It has a summary of one line, and every option has a default and a description."""
    if not component.summary.strip() or "\n" in component.summary:
        contract = "A component has a summary of one line: `unified plugins show` opens with it."
        raise Failed(contract, f"summary={component.summary!r}", f"{type(component).__name__}(…, summary='what it is, in a line')")
    fields = component.options_model().model_fields
    if bare := [name for name, field in fields.items() if not (field.description or "").strip()]:
        contract = "Every option has a description: people read it in `unified plugins show`."
        raise Failed(contract, f"no description: {', '.join(bare)}", "write a docstring under the field")
    if required := [name for name, field in fields.items() if field.is_required()]:
        contract = "Every option has a default, so that the component can be tried by its name alone."
        raise Failed(contract, f"no default: {', '.join(required)}", "give each a default, with its reason in the docstring")
    if isinstance(component, SuiteComponent) and component.tasks is None and component.task_needed and not component.example:
        contract = "A suite that takes any name as a task gives an example of one, for hints and for this kit."
        raise Failed(contract, "tasks=None and no example", "SuiteComponent(…, example='a-task')")


def resolves_by_name(component: Component) -> None:
    """Its qualified name, and the shortest one that is shown, lead to it and to nothing else."""
    if not component.origin.provider:
        raise Skipped("no plugin provides it: it is said by its place")
    for name in (component.qualified, registry().name_of(component)):
        found = registry().get(component.kind, name)
        if found != component or found.origin != component.origin:
            contract = "A component is found by provider/name."
            raise Failed(contract, f"{name!r} leads to {found.qualified}, {found.target}", "give it a name of its own")


def is_documented(component: Component) -> None:
    """What it names has a docstring."""
    if isinstance(component, RecipeComponent):
        raise Skipped("a recipe is a file")
    target = component.load()
    if not (inspect.isclass(target) or inspect.isfunction(target)):
        raise Skipped(f"{component.target} is neither a class nor a function")
    text = target.__doc__ or ""
    if not text.strip():
        contract = "What a component names says in a docstring what it is, with its source where it has one."
        raise Failed(contract, f"{component.target} has none", "write it under the class or the function")


def is_light_to_name(component: Component) -> None:
    """Its descriptor, options, tasks and presets are importable without torch or a simulator."""
    modules = [_module(component.config), _module(getattr(component, "tasks", None)), _module(getattr(component, "presets", None))]
    wanted = tuple(dict.fromkeys(module for module in (_descriptor(component.origin.provider), *modules) if module))
    if not wanted:
        raise Skipped("its descriptor is not in an installed plugin, and it names no modules beside its target")
    for module, heavy in _brought_by(wanted):
        if heavy:
            contract = "A name costs nothing: what describes a component imports neither torch nor a simulator."
            raise Failed(contract, f"importing {module} imports {', '.join(heavy)}", "move what needs it into the module of the target")


def loads_soon(component: Component) -> str:
    """How long its plugin takes to be found; told, never judged."""
    record = next((plugin for plugin in registry().plugins if plugin.provider == component.origin.provider), None)
    if record is None:
        raise Skipped("it comes from no plugin")
    return f"plugin {record.provider} took {record.milliseconds:.0f} ms{', which every command waits for' if record.slow else ''}"


@cache
def _brought_by(modules: tuple[str, ...]) -> list[tuple[str, list[str]]]:
    """Modules, and what heavy ones were there after each; found out in a process of its own."""
    code = (
        "import importlib, json, sys\n"
        f"heavy, told = {HEAVY!r}, []\n"
        f"for name in {modules!r}:\n"
        "    importlib.import_module(name)\n"
        "    told.append((name, [each for each in heavy if each in sys.modules]))\n"
        "print('\\n' + json.dumps(told))\n"
    )
    command = [sys.executable, "-P", "-c", code]
    child = subprocess.run(command, capture_output=True, text=True, check=False, env=environment_of_child(), timeout=300)
    if child.returncode:
        contract = "What describes a component can be imported in a fresh interpreter."
        raise Failed(contract, child.stderr.strip() or f"it ended with code {child.returncode}", "import what each module needs in it")
    return [(name, heavy) for name, heavy in json.loads(child.stdout.splitlines()[-1])]


def _descriptor(provider: str) -> str:
    """The module that an installed plugin's entry point names; empty for others."""
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
