"""`unified plugins`: what there is, from which package, and every option of it."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated, Any

import typer

from unified.core import suggest
from unified.core.components import KINDS, AgentComponent, Component, Found, ObjectiveComponent, SuiteComponent
from unified.core.errors import Problem, UsageError

app = typer.Typer(help="What is installed, from which package.", no_args_is_help=True)


@app.command("list")
def list_(
    kind: Annotated[str | None, typer.Argument(help=f"One of {', '.join(KINDS)}.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """What there is, by kind and package; what could not be loaded at the end."""
    from unified.core.registry import registry

    if kind is not None and kind not in KINDS:
        raise UsageError(Problem(f"there are no {kind!r}", f"one of {', '.join(KINDS)}   {suggest.did_you_mean(kind, KINDS)}".strip()))
    known, kinds = registry(), [kind] if kind else list(KINDS)
    if as_json:
        found = {name: [_as_json(known.name_of(entry), entry) for entry in known.found(name)] for name in kinds}
        typer.echo(json.dumps({"components": found, "plugins": [asdict(plugin) for plugin in known.plugins]}, indent=2))
        return
    packages = {plugin.provider: f"{plugin.provider} {plugin.version}".strip() for plugin in known.plugins}
    for name in kinds:
        title = name
        for provider in packages:
            names = [_label(known.name_of(entry), entry.component) for entry in known.found(name) if entry.provider == provider]
            if names:
                typer.echo(f"{title:<15} {' · '.join(names):<60}  {packages[provider]}")
                title = ""
    title = "not loaded"
    for plugin in known.plugins:
        if plugin.state != "active":
            origin = f"{plugin.distribution} {plugin.version}".strip()
            typer.echo(f"{title:<15} {plugin.provider}  {plugin.state}  {origin}  {plugin.error}  details: unified plugins show {plugin.provider}")
            title = ""


def _label(name: str, component: Component) -> str:
    tasks = component.load_tasks() if isinstance(component, SuiteComponent) else ()
    return f"{name} ({len(tasks)} tasks)" if tasks else name


def _as_json(name: str, found: Found) -> dict[str, Any]:
    component = found.component
    return {"name": name, "provider": found.provider, "target": component.target, "summary": component.summary}


@app.command()
def show(name: Annotated[str, typer.Argument(help="Of a component or a plugin, e.g. drqv2.")]) -> None:
    """Everything about one: options with types and defaults, tasks, presets, an example."""
    from unified.core.registry import registry

    known = registry()
    shown = [
        (kind, found) for kind in KINDS for found in known.found(kind) if name in (known.name_of(found), found.qualified, found.component.name)
    ]
    broken = [plugin for plugin in known.plugins if plugin.provider == name and plugin.state != "active"]
    if not shown and not broken:
        names = [known.name_of(found) for kind in KINDS for found in known.found(kind)]
        raise UsageError(Problem(f"there is nothing named {name!r}", f"{suggest.did_you_mean(name, names)}   all: unified plugins list".strip()))
    for index, (kind, found) in enumerate(shown):
        typer.echo("\n" * bool(index) + _page(kind, found))
    for plugin in broken:
        typer.echo(f"{plugin.provider}: {plugin.state}, {plugin.distribution} {plugin.version}\n{plugin.error}\n{plugin.traceback}".rstrip())


def _page(kind: str, found: Found) -> str:
    component = found.component
    lines = [f"{component.name} · {kind.removesuffix('s')} · {found.provider}", component.summary]
    if isinstance(component, ObjectiveComponent):
        lines += [f"needs columns   {', '.join(component.needs)}", f"trains parts    {', '.join(component.trains)}"]
    lines += _options(kind, component)
    if isinstance(component, SuiteComponent):
        tasks = component.load_tasks()
        if tasks:
            lines += ["", f"tasks ({len(tasks)})", *_columns(tasks)]
    if isinstance(component, AgentComponent | SuiteComponent):
        presets = component.load_presets()
        lines += ["", "presets, by task"] if presets else []
        for preset in presets:
            lines.append(f"  {preset.name:<14} {' '.join(f'{key}={value}' for key, value in preset.values.items())}   ({preset.reason})")
            lines += [f"  {'':<14} {line}" for line in _wrap(preset.match, 100)]
    lines += ["", f"example: {_example(kind, component)}"]
    return "\n".join(lines)


def _options(kind: str, component: Component) -> list[str]:
    prefix = {"agents": "agent", "suites": "suite", "callbacks": f"with.{component.name}", "architectures": "encoder"}.get(kind, component.name)
    rows = []
    for name, info in component.options_model().model_fields.items():
        default = info.get_default(call_default_factory=True)
        text = "none" if default is None else str(default).lower() if isinstance(default, bool) else str(default)
        rows.append((f"  {prefix}.{name}={text}", _type(info.annotation), info.description or ""))
    if not rows:
        return []
    wide, kinds = (max(len(row[index]) for row in rows) for index in (0, 1))
    return ["", "options", *(f"{option:<{wide}}  {of:<{kinds}}  {words}" for option, of, words in rows)]


def _type(annotation: Any) -> str:
    text = annotation.__name__ if isinstance(annotation, type) else str(annotation)
    for long, short in (("typing.", ""), ("Literal", "one of "), ("NoneType", "none"), ("None", "none")):
        text = text.replace(long, short)
    return "architecture or none" if "Slot" in text else text


def _columns(names: tuple[str, ...]) -> list[str]:
    wide = max(map(len, names)) + 2
    each = max(1, 120 // wide)
    return ["  " + "".join(f"{name:<{wide}}" for name in names[start : start + each]).rstrip() for start in range(0, len(names), each)]


def _wrap(text: str, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) > width:
            lines.append("")
        lines[-1] += f"{word} "
    return lines


def _example(kind: str, component: Component) -> str:
    name = component.name
    suite = f"{name}:{component.example}" if isinstance(component, SuiteComponent) and component.example else name
    return {
        "agents": f"unified train --agent {name} --suite dmc:cartpole_balance",
        "suites": f"unified train --suite {suite}",
        "architectures": f"unified train encoder={name}",
        "objectives": f"unified train -o +{name}",
        "callbacks": f"unified train with=[console,{name}]",
        "launchers": f"unified train launcher={name}",
        "recipes": f"unified train -r {name}",
    }.get(kind, f"unified {name}")
