"""The reference, built from the code and not committed: ``make docs``, or ``python tools/reference.py DIRECTORY``.

A page for each public module with every public Python name (signature and docstring), for each hook (the specification), for each
built-in component (its descriptor and its options), and one of the options of every run.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from unified.cli.hooks import hooks, signature
from unified.cli.show import example, prefix
from unified.core.components.descriptors import KINDS, AgentComponent, Component, ObjectiveComponent, RecipeComponent, SuiteComponent
from unified.core.components.hookspecs import API_VERSION, REGISTRATION
from unified.core.config.describe import options
from unified.core.config.schema import LISTS, RunOptions
from unified.core.config.values import show
from unified.core.registry import CORE, Registry, registry

#: The modules whose names a plugin or a script may use.
PUBLIC = ("unified", "unified.agents", "unified.heads", "unified.nets", "unified.replay", "unified.testing", "unified.testing.probes")
_HEAD = "<!-- built by tools/reference.py from the code -->\n\n"


def pages() -> dict[str, str]:
    """Path below the reference's directory -> text of every page."""
    names = registry()
    found = {f"hooks/{name}.md": "\n".join(_hook(name)) for name in hooks()}
    for kind in KINDS:
        for component in names.all(kind):
            if component.origin.provider == CORE:
                found[f"{kind}/{component.name}.md"] = "\n".join(_component(names, component))
    found |= {f"python/{module}.md": "\n".join(_module(module)) for module in PUBLIC}
    found["run.md"] = "\n".join(_run())
    found["README.md"] = "\n".join(_index(names))
    return {path: f"{_HEAD}{text.rstrip()}\n" for path, text in found.items()}


def _index(names: Registry) -> Iterator[str]:
    yield "# Reference"
    yield f"\nOne page for each public module, hook and built-in component. Plugin API {API_VERSION}. `unified plugins show NAME` and"
    yield "`unified plugins hooks NAME` print the same, also for the components of other packages."
    yield "\nThe options of every run – budgets, replay, evaluation, checkpoints – are on [a page of their own](run.md).\n"
    yield "\n## Python\n"
    for module in PUBLIC:
        yield f"- [{module}](python/{module}.md): {(inspect.getdoc(import_module(module)) or '').splitlines()[0]}"
    for kind in KINDS:
        components = [component for component in names.all(kind) if component.origin.provider == CORE]
        if components:
            yield f"\n## {kind.capitalize()}\n"
            yield from (f"- [{component.name}]({kind}/{component.name}.md): {component.summary}" for component in components)
    yield "\n## Hooks\n"
    for name, spec in hooks().items():
        yield f"- [{name}](hooks/{name}.md): {(inspect.getdoc(spec) or '').splitlines()[0]}"


def public_names(module: str) -> list[str]:
    """The names that a public module exports."""
    names = getattr(import_module(module), "__all__", None) or [name for name in vars(import_module(module)) if not name.startswith("_")]
    return sorted(name for name in names if name != "__version__")


def _module(module: str) -> Iterator[str]:
    contents = import_module(module)
    yield f"# {module}\n"
    yield inspect.getdoc(contents) or ""
    for name in public_names(module):
        yield from _name(name, getattr(contents, name))


def _name(name: str, thing: Any) -> Iterator[str]:
    """A class with its public attributes and methods, a function, or a value."""
    yield f"\n## {name}\n"
    if not (isinstance(thing, type) or inspect.isroutine(thing)):
        yield f"`{name} = {thing!r}`" if isinstance(thing, int | str) else f"A `{type(thing).__name__}`."
        return
    kind = "class" if isinstance(thing, type) else "def"
    yield f"```python\n{kind} {name}{_signature(thing)}\n```\n"
    yield _documentation(thing)
    if isinstance(thing, type):
        yield from _members(name, thing)


def _members(name: str, thing: type) -> Iterator[str]:
    """Public methods and properties of a class, those of its own bases in this package included."""
    own = [base for base in thing.__mro__ if base.__module__.startswith("unified.")]
    for member in sorted(
        {key for base in own for key in vars(base) if not key.startswith("_") or key in ("__call__", "__init_subclass__")}
    ):
        found = inspect.getattr_static(thing, member)
        function = found.__func__ if isinstance(found, classmethod | staticmethod) else found
        if isinstance(function, property):
            yield f"\n### {name}.{member}\n\nA property. {inspect.getdoc(function) or ''}"
        elif inspect.isfunction(function):
            yield f"\n### {name}.{member}\n\n```python\ndef {member}{_signature(function)}\n```\n\n{inspect.getdoc(function) or ''}"


def _signature(thing: Any) -> str:
    try:
        return str(inspect.signature(thing)).replace("'", "")
    except (TypeError, ValueError):
        return "(…)"


def _documentation(thing: Any) -> str:
    """The docstring; examples stay as they are."""
    return inspect.cleandoc(thing.__doc__ or "") if isinstance(thing, type) else inspect.getdoc(thing) or ""


def _run() -> Iterator[str]:
    yield "# Options of every run\n"
    yield "`KEY=VALUE` words of `unified train`, keys of recipes, and arguments of `unified.train`. Those of the agent, the suite"
    yield "and the other components are on the pages of these.\n"
    yield from _table(options(RunOptions))
    yield "\nLists of components, each with its options below its name:\n\n| key | holds | default | |\n|---|---|---|---|"
    for key, listed in LISTS.items():
        yield f"| `{key}` | {listed.kind} | `[{','.join(listed.default)}]` | {_cell(listed.help)} |"


def _table(rows: list[tuple[str, str, str, str]]) -> Iterator[str]:
    yield "| option | type | default | |\n|---|---|---|---|"
    yield from (f"| `{key}` | {_cell(kind)} | `{default}` | {_cell(description)} |" for key, kind, default, description in rows)


def _hook(name: str) -> Iterator[str]:
    spec = hooks()[name]
    said, _, shown = (inspect.getdoc(spec) or "").partition("\n>>> ")
    yield f"# {name}\n"
    yield f"```python\n{signature(name, spec)}\n```\n"
    yield said.strip()
    when = "registration, once per process" if name in REGISTRATION else "lifecycle, of one run"
    yield f"\nKind: {when}. An implementation takes only the arguments it names.\n"
    yield "```python"
    yield from (line.removeprefix(">>> ").removeprefix("... ") for line in f">>> {shown}".splitlines())
    yield "```"


def _component(names: Registry, component: Component) -> Iterator[str]:
    yield f"# {component.kind.removesuffix('s')} {component.name}\n"
    yield f"{component.summary[:1].upper()}{component.summary[1:]}.\n"
    if not isinstance(component, RecipeComponent):
        yield f"Defined in `{component.target}`."
    if isinstance(component, ObjectiveComponent):
        trains = ", ".join(f"`{part}`" for part in component.trains) or "trains"
        yield f"\nNeeds the columns {', '.join(f'`{column}`' for column in component.needs) or 'none'}; trains {trains}."
        if component.asks:
            asked = (f"`{name}{what}`" if what.startswith("(") else f"`{name}: {what}`" for name, what in component.asks.items())
            yield f"Asks the agent for {', '.join(asked)}."
    if typed := example(names, component):
        yield f"\n```console\n{typed}\n```"
    if isinstance(component, RecipeComponent):
        yield f"\n```yaml\n{Path(component.path).read_text(encoding='utf-8').rstrip()}\n```"
        return
    rows = options(component.options_model(), prefix(names, component))
    if rows:
        yield ""
        yield from _table(rows)
    if isinstance(component, SuiteComponent) and (tasks := component.load_tasks()):
        yield f"\n{len(tasks)} tasks: {', '.join(f'`{task}`' for task in tasks)}."
    if isinstance(component, AgentComponent | SuiteComponent) and (presets := component.load_presets()):
        yield "\n## Presets\n\nUsed where the task fits; recipes and what is typed win over them.\n"
        for preset in presets:
            values = " ".join(f"{key}={show(value)}" for key, value in preset.values.items())
            yield f"- **{preset.name}**: `{values}`. {preset.reason.rstrip('.')}. For `{preset.match}`."


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def build(home: Path) -> list[str]:
    """Write the pages below a directory, which is empty or holds an earlier build, and return their paths."""
    if home.exists() and not (home / "README.md").is_file() and any(home.iterdir()):
        sys.exit(f"{home} holds something else than a reference")
    wanted = pages()
    for path in home.rglob("*.md"):
        if path.relative_to(home).as_posix() not in wanted:
            path.unlink()
    for name, text in wanted.items():
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return sorted(wanted)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python tools/reference.py DIRECTORY")
    print(f"{len(build(Path(sys.argv[1])))} pages in {sys.argv[1]}")
