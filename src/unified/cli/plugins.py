"""`unified plugins`: what is installed, and every option of it."""

from __future__ import annotations

import json
import shutil
import textwrap
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from unified.core import suggest
from unified.core.components import KINDS, AgentComponent, Component, Found, ObjectiveComponent, RecipeComponent, SuiteComponent
from unified.core.errors import Problem, UnifiedError, UsageError
from unified.core.registry import Plugin, Registry, registry

app = typer.Typer(help="What is installed: agents, suites, and all their options.", no_args_is_help=True, rich_markup_mode=None)

_SEPARATOR = " · "


@app.command("list")
def list_plugins(
    kind: Annotated[str | None, typer.Argument(metavar="[KIND]", help=f"One of {', '.join(KINDS)}.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Everything that can be named, by kind, and what could not be loaded."""
    kinds = KINDS if kind is None else (_kind(kind),)
    names = registry()
    if as_json:
        typer.echo(json.dumps(_as_json(names, kinds), indent=2))
        return
    rows = [row for each in kinds for row in _rows(names, each)]
    failed = [plugin for plugin in names.plugins if plugin.state != "active"]
    width = min(shutil.get_terminal_size().columns, 140)
    for line in _table(rows, width):
        typer.echo(line)
    for index, plugin in enumerate(failed):
        typer.echo(
            f"{'' if index else 'not loaded':<14}  {plugin.state:<12}  {_origin(plugin)}   {plugin.error}   "
            f"details: unified plugins show {plugin.provider}"
        )
    if not names.plugins:
        raise UnifiedError(
            Problem("no plugins are installed, not even the built-in ones", "pip install unified-ml (in a checkout: pip install -e .)")
        )


def _kind(text: str) -> str:
    for kind in KINDS:
        if text in (kind, kind.removesuffix("s")):
            return kind
    raise UsageError(Problem(f"there is no kind {text!r}", suggest.did_you_mean(text, KINDS) or f"one of {', '.join(KINDS)}"))


def _rows(names: Registry, kind: str) -> Iterator[tuple[str, list[str], str]]:
    """Kind, names and origin, one row for each provider."""
    providers: dict[str, list[str]] = {}
    for found in names.found(kind):
        providers.setdefault(found.provider, []).append(_short(names, found))
    records = {plugin.provider: plugin for plugin in names.plugins if plugin.state == "active"}
    order = sorted(providers, key=lambda provider: list(records).index(provider))
    for index, provider in enumerate(order):
        yield ("" if index else kind), providers[provider], _origin(records[provider])


def _short(names: Registry, found: Found) -> str:
    name = names.name_of(found)
    if isinstance(found.component, SuiteComponent):
        tasks = _tasks(found.component)
        if tasks:
            return f"{name} ({len(tasks)} tasks)"
    return name


def _tasks(suite: SuiteComponent) -> tuple[str, ...] | None:
    try:
        return suite.load_tasks()
    except UnifiedError:
        return None


def _origin(plugin: Plugin) -> str:
    return f"{plugin.provider if plugin.provider == 'core' else plugin.distribution or plugin.provider} {plugin.version}".strip()


def _table(rows: list[tuple[str, list[str], str]], width: int) -> Iterator[str]:
    last = max((len(origin) for _, _, origin in rows), default=0)
    middle = max(24, width - 16 - last - 3)
    middle = min(middle, max((len(_SEPARATOR.join(names)) for _, names, _ in rows), default=0))
    for kind, names, origin in rows:
        lines = textwrap.wrap(_SEPARATOR.join(names), middle, break_long_words=False, break_on_hyphens=False) or [""]
        for index, line in enumerate(lines):
            yield f"{kind if index == 0 else '':<14}  {line:<{middle}}   {origin if index == 0 else ''}".rstrip()


def _as_json(names: Registry, kinds: tuple[str, ...]) -> dict[str, Any]:
    components = [
        {
            "kind": kind,
            "name": names.name_of(found),
            "provider": found.provider,
            "summary": found.component.summary,
            "target": found.component.target,
        }
        | ({"tasks": _tasks(found.component)} if isinstance(found.component, SuiteComponent) else {})
        for kind in kinds
        for found in names.found(kind)
    ]
    plugins = [
        {
            "provider": plugin.provider,
            "distribution": plugin.distribution,
            "version": plugin.version,
            "state": plugin.state,
            "error": plugin.error,
            "milliseconds": round(plugin.milliseconds, 2),
        }
        for plugin in names.plugins
    ]
    return {"components": components, "plugins": plugins}


@app.command("show")
def show(name: Annotated[str, typer.Argument(help="Of a component (drqv2, dmc) or of a plugin.")]) -> None:
    """Every option with its type and default, tasks, presets, and an example to type."""
    names = registry()
    bare = name.partition(":")[0]
    matches = [found for kind in KINDS for found in names.found(kind) if bare in (found.component.name, found.qualified)]
    records = [plugin for plugin in names.plugins if plugin.provider == name]
    if not matches and not records:
        everything = [names.name_of(found) for kind in KINDS for found in names.found(kind)] + [plugin.provider for plugin in names.plugins]
        raise UsageError(
            Problem(f"there is no component or plugin {name!r}", suggest.did_you_mean(bare, everything) or "all: unified plugins list")
        )
    lines: list[str] = []
    for found in matches:
        lines += [*_component(names, found), ""]
    for plugin in records:
        lines += [*_plugin(names, plugin), ""]
    typer.echo("\n".join(lines).rstrip())


def _plugin(names: Registry, plugin: Plugin) -> Iterator[str]:
    yield f"plugin {plugin.provider} · {_origin(plugin)} · {plugin.state} · loaded in {plugin.milliseconds:.1f} ms"
    if plugin.error:
        yield f"  {plugin.error}"
    yield from (f"  {line}" for line in plugin.traceback.splitlines())
    for kind in KINDS:
        provided = [found.component.name for found in names.found(kind) if found.provider == plugin.provider]
        if provided:
            yield f"  {kind:<14}  {_SEPARATOR.join(provided)}"


def _component(names: Registry, found: Found) -> Iterator[str]:
    component = found.component
    record = next(plugin for plugin in names.plugins if plugin.provider == found.provider and plugin.state == "active")
    yield f"{component.kind.removesuffix('s')} {names.name_of(found)} · {_origin(record)}"
    if component.summary:
        yield f"  {component.summary}"
    yield f"  {component.path if isinstance(component, RecipeComponent) else component.target}"
    if isinstance(component, ObjectiveComponent):
        yield f"  needs {', '.join(component.needs) or 'nothing'} · trains {', '.join(component.trains) or 'what its phase trains'}"
    if isinstance(component, RecipeComponent):
        yield from _recipe(component)
    else:
        yield from _options(component)
    if isinstance(component, SuiteComponent):
        yield from _suite_tasks(component)
    if isinstance(component, AgentComponent | SuiteComponent):
        yield from _presets(component)
    if example := _example(names, found):
        yield ""
        yield f"  for example   {example}"


def _options(component: Component) -> Iterator[str]:
    from unified.core.config.describe import options

    try:
        rows = options(component.options_model(), _PREFIX.get(component.kind, "").format(name=component.name))
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


#: Where the options of a kind stand in a run.
_PREFIX = {"agents": "agent.", "suites": "suite.", "callbacks": "with.{name}.", "launchers": "launcher.", "architectures": "encoder."}


def _suite_tasks(suite: SuiteComponent) -> Iterator[str]:
    try:
        tasks = suite.load_tasks()
    except UnifiedError as error:
        yield from (f"  its tasks cannot be loaded: {problem.message}" for problem in error.problems)
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
    yield "  presets, used where the task fits; recipes and what is typed win over them"
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


def _example(names: Registry, found: Found) -> str:
    """A command that uses it."""
    component, name = found.component, names.name_of(found)
    if isinstance(component, SuiteComponent):
        tasks = _tasks(component)
        task = component.example or (tasks[0] if tasks else "")
        return f"unified train --suite {name}{f':{task}' if task else ''}"
    return {
        "agents": f"unified train --agent {name} --suite dmc:walker_walk seed=2",
        "architectures": f"unified train encoder={name}",
        "objectives": f"unified train -o +{name}",
        "callbacks": f"unified train with=[+{name}]",
        "launchers": f"unified train launcher={name}",
        "recipes": f"unified train -r {name}",
        "commands": f"unified {name} --help",
    }.get(component.kind, "")
