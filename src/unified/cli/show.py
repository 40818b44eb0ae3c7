"""`unified plugins show NAME`: describe a component or plugin."""

from __future__ import annotations

import re
import shutil
import textwrap
from collections.abc import Iterator

from unified.cli.main import typed
from unified.cli.wording import SEPARATOR, origin, tasks_of
from unified.core.base import suggest
from unified.core.base.errors import Problem, UnifiedError, UsageError
from unified.core.components.descriptors import (
    KINDS,
    AgentComponent,
    ArchitectureComponent,
    Component,
    ObjectiveComponent,
    RecipeComponent,
    SamplerComponent,
    SuiteComponent,
)
from unified.core.components.import_paths import guess, is_reference, label, shown
from unified.core.registry import Plugin, Registry


def describe(names: Registry, name: str) -> list[str]:
    """Lines that describe all components and the plugin of a name.

    Raises:
        UsageError: If there is no component or plugin of this name.
    """
    if is_reference(name):
        return list(_component(names, guess(name, [component for kind in KINDS for component in names.all(kind)])))
    bare = name.partition(":")[0]
    matches = [component for kind in KINDS for component in names.all(kind) if bare in (component.name, component.qualified)]
    records = [plugin for plugin in names.plugins if name in (plugin.provider, plugin.distribution)]
    if not matches and not records:
        everything = [*(each for kind in KINDS for each in names.names(kind)), *(plugin.provider for plugin in names.plugins)]
        raise UsageError(
            Problem(f"there is no component or plugin {name!r}", suggest.did_you_mean(bare, everything) or "all: unified plugins list")
        )
    lines: list[str] = []
    for component in matches:
        lines += [*_component(names, component), ""]
    for plugin in records:
        lines += [*_plugin(names, plugin), ""]
    return lines[:-1]


def _plugin(names: Registry, plugin: Plugin) -> Iterator[str]:
    yield f"plugin {plugin.provider} · {origin(plugin)} · {plugin.state} · loaded in {plugin.milliseconds:.1f} ms"
    if plugin.error:
        yield f"  {plugin.error}"
    yield from (f"  {line}" for line in plugin.traceback.splitlines())
    for kind in KINDS:
        provided = [component.name for component in names.all(kind) if component.origin.provider == plugin.provider]
        if provided:
            yield f"  {kind:<14}  {SEPARATOR.join(provided)}"


def _component(names: Registry, component: Component) -> Iterator[str]:
    yield f"{component.kind.removesuffix('s')} {shown(typed(names, component))} · {origin(component.origin) or 'not packaged'}"
    if component.summary:
        yield f"  {component.summary}"
    yield f"  {component.path if isinstance(component, RecipeComponent) else component.target}"
    if isinstance(component, AgentComponent) and component.base is not None:
        yield f"  agent {shown(component.base.name)} with other values, those of the preset {component.name}"
    if isinstance(component, ObjectiveComponent):
        yield from _declared(component)
    if isinstance(component, RecipeComponent):
        yield from _recipe(component)
    else:
        yield from _options(names, component)
    if isinstance(component, SuiteComponent):
        yield from _suite_tasks(component)
    if isinstance(component, AgentComponent | SuiteComponent):
        yield from _presets(component)
    if command := example(names, component):
        yield ""
        yield f"  for example   {command}"


def _declared(component: ObjectiveComponent) -> Iterator[str]:
    try:
        yield f"  needs {', '.join(component.needs) or 'nothing'} · trains {', '.join(component.trains) or 'the parts of its phase'}"
        for index, (name, signature) in enumerate(component.asks.items()):
            wanted = f"{name}{signature}" if signature.startswith("(") else f"{name}: {signature}"
            yield f"  {'' if index else 'calls methods of the agent':<18}  {wanted}"
    except UnifiedError as error:
        yield from (f"  its class cannot be loaded: {problem.message}" for problem in error.problems)


def _options(names: Registry, component: Component) -> Iterator[str]:
    from unified.core.config.describe import options

    try:
        rows = options(component.options_model(), prefix(names, component))
    except UnifiedError as error:
        yield from (f"  its options cannot be loaded: {problem.message}" for problem in error.problems)
        return
    if not rows:
        return
    yield ""
    keys, kinds, defaults = (max(len(row[index]) for row in rows) for index in range(3))
    width = max(40, min(shutil.get_terminal_size().columns, 140) - keys - kinds - defaults - 11)
    for key, kind, default, description in rows:
        first, *rest = textwrap.wrap(description, width) or [""]
        yield f"  {key:<{keys}}   {kind:<{kinds}}   {default:<{defaults}}   {first}".rstrip()
        yield from (f"{'':<{keys + kinds + defaults + 11}}{line}" for line in rest)


#: The prefix of the options of a kind in a run.
_PREFIX = {
    "agents": "agent.",
    "suites": "suite.",
    "architectures": "encoder.",
    "objectives": "objective.{name}.",
    "samplers": "replay.sampler.",
    "callbacks": "callbacks.{name}.",
    "launchers": "launcher.",
}


def prefix(names: Registry, component: Component) -> str:
    """The prefix of its options, ``objective.spr.``; empty if they are not options of a run.

    For an architecture it is the part in its example: ``critic.head.``, ``encoder.1.``, else ``encoder.``.
    """
    if isinstance(component, ArchitectureComponent):
        for key, selected in re.findall(r"(?:^|\s)([\w.]+)=(\[[^\]\s]*\]|\S+)", component.example):
            several = selected.strip("[]").split(",")
            if component.name in several:
                return f"{key}.{several.index(component.name)}." if selected.startswith("[") else f"{key}."
    return _PREFIX.get(component.kind, "").format(name=label(names.name_of(component)))


def _suite_tasks(suite: SuiteComponent) -> Iterator[str]:
    try:
        tasks = suite.load_tasks()
    except UnifiedError as error:
        yield from (f"  its tasks cannot be loaded: {problem.message}" for problem in error.problems)
        return
    if tasks is None and not suite.task_needed:
        return
    yield ""
    if tasks is None:
        yield f"  tasks: any name, for example {suite.name}:{suite.example}"
    elif tasks:
        yield f"  {len(tasks)} tasks"
        width = min(shutil.get_terminal_size().columns, 140)
        yield from textwrap.wrap("  ".join(tasks), width, initial_indent="    ", subsequent_indent="    ", break_on_hyphens=False)


def _presets(component: AgentComponent | SuiteComponent) -> Iterator[str]:
    from unified.core.config.values import show as shown

    try:
        presets = component.load_presets()
    except UnifiedError as error:
        yield from (f"  its presets cannot be loaded: {problem.message}" for problem in error.problems)
        return
    if not presets:
        return
    yield ""
    yield "  presets for matching tasks; recipes and the command line override them"
    width = min(shutil.get_terminal_size().columns, 140)
    for preset in presets:
        yield f"    {preset.name:<14}  {' '.join(f'{key}={shown(value)}' for key, value in preset.values.items())}"
        yield from textwrap.wrap(preset.reason, width, initial_indent=" " * 20, subsequent_indent=" " * 20)
        yield from textwrap.wrap(preset.match, width, initial_indent=" " * 20, subsequent_indent=" " * 20, break_on_hyphens=False)


def _recipe(component: RecipeComponent) -> Iterator[str]:
    from pathlib import Path

    yield ""
    try:
        yield from (f"    {line}" for line in Path(component.path).read_text(encoding="utf-8").splitlines())
    except (OSError, UnicodeDecodeError) as error:
        yield f"  cannot be read: {error}"


def example(names: Registry, component: Component) -> str:
    """A command that uses it; empty if there is none."""
    name = shown(typed(names, component))
    if isinstance(component, SuiteComponent):
        tasks = tasks_of(component)
        task = component.example or (tasks[0] if tasks else "")
        return f"unified train --suite {name}{f':{task}' if task else ''}"
    if isinstance(component, AgentComponent):
        return f"unified train --agent {name} {component.example}".rstrip()
    if isinstance(component, ArchitectureComponent):
        return f"unified train {component.example or f'encoder={name}'}"
    if isinstance(component, ObjectiveComponent):
        return f"unified train {component.example or f'-o +{name}'}"
    if isinstance(component, SamplerComponent):
        return f"unified train {component.example or f'--agent dqn --suite gym:CartPole-v1 replay.sampler={name}'}"
    return {
        "callbacks": f"unified train callbacks=[+{name}]",
        "launchers": f"unified train launcher={name}",
        "recipes": f"unified train -r {name}",
        "commands": f"unified {name} --help",
    }.get(component.kind, "")
