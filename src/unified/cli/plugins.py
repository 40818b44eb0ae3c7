"""`unified plugins`: installed components and the state of plugins."""

from __future__ import annotations

import json
import shutil
import textwrap
from collections.abc import Iterable, Iterator
from typing import Annotated, Any

import typer

from unified.cli.check import check
from unified.cli.main import typed
from unified.cli.scaffold import new
from unified.cli.wording import SEPARATOR, origin, tasks_of
from unified.core.base import suggest
from unified.core.base.errors import Problem, UnifiedError, UsageError
from unified.core.components.descriptors import KINDS, Component, SuiteComponent
from unified.core.registry import Plugin, Registry, registry
from unified.terminal import echo

app = typer.Typer(help="List, show, create and check plugins.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_plugins(
    kind: Annotated[str | None, typer.Argument(metavar="KIND", help=f"One of {', '.join(KINDS)}.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List all components by kind, and plugins that are not loaded."""
    kinds = KINDS if kind is None else (_kind(kind),)
    names = registry()
    if as_json:
        echo(json.dumps(_as_json(names, kinds), indent=2))
        return
    if not names.plugins:
        raise UnifiedError(
            Problem("no plugins are installed, not even the built-in ones", "pip install unified-ml (in a checkout: pip install -e .)")
        )
    rows = [row for each in kinds for row in _rows(names, each)]
    for line in _table(rows, min(shutil.get_terminal_size().columns, 140)):
        echo(line)
    for line in _remarks(names.plugins):
        echo(line)


def _remarks(plugins: Iterable[Plugin]) -> Iterator[str]:
    """Plugins that are not loaded, with the reason, and slow plugins."""
    for index, plugin in enumerate(plugin for plugin in plugins if plugin.state != "active"):
        details = "" if plugin.state == "disabled" else f"   details: unified plugins show {plugin.provider}"
        yield f"{'' if index else 'not loaded':<14}  {plugin.state:<12}  {origin(plugin)}   {plugin.error}{details}"
    for index, plugin in enumerate(plugin for plugin in plugins if plugin.slow):
        advice = f"it slows every command; disable it: -p no:{plugin.provider}"
        took = f"{plugin.milliseconds / 1000:.1f} s"
        yield f"{'' if index else 'slow':<14}  {took:<12}  {origin(plugin)}   {advice}"


def _kind(text: str) -> str:
    for kind in KINDS:
        if text in (kind, kind.removesuffix("s")):
            return kind
    raise UsageError(Problem(f"there is no kind {text!r}", suggest.did_you_mean(text, KINDS) or f"one of {', '.join(KINDS)}"))


def _rows(names: Registry, kind: str) -> Iterator[tuple[str, list[str], str]]:
    """Kind, names and package, one row for each provider."""
    providers: dict[str, list[str]] = {}
    for component in names.all(kind):
        providers.setdefault(component.origin.provider, []).append(_short(names, component))
    records = {plugin.provider: plugin for plugin in names.plugins if plugin.state == "active"}
    order = sorted(providers, key=lambda provider: list(records).index(provider))
    for index, provider in enumerate(order):
        yield ("" if index else kind), providers[provider], origin(records[provider])


def _short(names: Registry, component: Component) -> str:
    name = typed(names, component)
    if isinstance(component, SuiteComponent):
        tasks = tasks_of(component)
        if tasks:
            return f"{name} ({len(tasks)} tasks)"
    return name


def _table(rows: list[tuple[str, list[str], str]], width: int) -> Iterator[str]:
    last = max((len(package) for _, _, package in rows), default=0)
    middle = max(24, width - 16 - last - 3)
    middle = min(middle, max((len(SEPARATOR.join(names)) for _, names, _ in rows), default=0))
    for kind, names, package in rows:
        lines = textwrap.wrap(SEPARATOR.join(names), middle, break_long_words=False, break_on_hyphens=False) or [""]
        for index, line in enumerate(lines):
            yield f"{kind if index == 0 else '':<14}  {line:<{middle}}   {package if index == 0 else ''}".rstrip()


def _as_json(names: Registry, kinds: tuple[str, ...]) -> dict[str, Any]:
    components = [
        {
            "kind": kind,
            "name": typed(names, component),
            "provider": component.origin.provider,
            "distribution": component.origin.distribution,
            "version": component.origin.version,
            "summary": component.summary,
            "target": component.target,
        }
        | ({"tasks": tasks_of(component)} if isinstance(component, SuiteComponent) else {})
        for kind in kinds
        for component in names.all(kind)
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
def show(name: Annotated[str, typer.Argument(help="Component (drqv2, dmc) or plugin.")]) -> None:
    """Show options with types and defaults, tasks, presets, and an example."""
    from unified.cli.show import describe

    echo("\n".join(describe(registry(), name)))


@app.command("hooks")
def hooks(name: Annotated[str | None, typer.Argument(help="Hook; by default all.")] = None) -> None:
    """Show the hooks of plugins with signature and documentation."""
    from unified.cli.hooks import describe

    echo("\n".join(describe(name)))


app.command("new")(new)
app.command("check")(check)
