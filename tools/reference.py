"""The pages under docs/reference, written from the live code: ``python tools/reference.py`` (a test sees that nobody forgot).

A page for each hook (the specification) and for each built-in component (its descriptor and its options),
and one of the options of every run.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

from unified.cli.hooks import hooks, signature
from unified.cli.show import example, prefix
from unified.core.components import KINDS, AgentComponent, Component, ObjectiveComponent, RecipeComponent, SuiteComponent
from unified.core.config.describe import options
from unified.core.config.schema import LISTS, RunOptions
from unified.core.config.values import show
from unified.core.hookspecs import API_VERSION, REGISTRATION
from unified.core.registry import CORE, Registry, registry

HOME = Path(__file__).parents[1] / "docs" / "reference"
_HEAD = "<!-- written by tools/reference.py: change the code, then run it -->\n\n"


def pages() -> dict[str, str]:
    """Path below docs/reference -> text of every page."""
    names = registry()
    found = {f"hooks/{name}.md": "\n".join(_hook(name)) for name in hooks()}
    for kind in KINDS:
        for component in names.all(kind):
            if component.origin.provider == CORE:
                found[f"{kind}/{component.name}.md"] = "\n".join(_component(names, component))
    found["run.md"] = "\n".join(_run())
    found["README.md"] = "\n".join(_index(names))
    return {path: f"{_HEAD}{text.rstrip()}\n" for path, text in found.items()}


def _index(names: Registry) -> Iterator[str]:
    yield "# Reference"
    yield f"\nOne page for each hook and each built-in component. Plugin API {API_VERSION}. The same is told by"
    yield "`unified plugins show NAME` and `unified plugins hooks NAME`, also of what others have published."
    yield "\nWhat every run has, whatever its components – budgets, replay, judging, checkpoints – is on [a page of its own](run.md).\n"
    for kind in KINDS:
        components = [component for component in names.all(kind) if component.origin.provider == CORE]
        if components:
            yield f"\n## {kind.capitalize()}\n"
            yield from (f"- [{component.name}]({kind}/{component.name}.md): {component.summary}" for component in components)
    yield "\n## Hooks\n"
    for name, spec in hooks().items():
        yield f"- [{name}](hooks/{name}.md): {(inspect.getdoc(spec) or '').splitlines()[0]}"


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
        trains = ", ".join(f"`{part}`" for part in component.trains) or "what its phase trains"
        yield f"\nNeeds the columns {', '.join(f'`{column}`' for column in component.needs) or 'none'}; trains {trains}."
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


def main() -> int:
    """Write the pages, remove those of what is no more."""
    wanted = pages()
    for path in HOME.rglob("*.md"):
        if path.relative_to(HOME).as_posix() not in wanted:
            path.unlink()
    for name, text in wanted.items():
        path = HOME / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    print(f"{len(wanted)} pages in {HOME}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
