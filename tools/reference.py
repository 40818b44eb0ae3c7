"""The reference, built from the code and not committed: ``make docs``, or ``python tools/reference.py DIRECTORY``.

A page for each public module with every public Python name (signature and docstring), for each hook (the specification), for each
built-in component (its descriptor and its options), and one of the options of every run. Those of agents also have the algorithm with its
equation, what it combines with, and what its anchors reached.
"""

from __future__ import annotations

import inspect
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from unified.cli.hooks import hooks, signature
from unified.cli.show import example, prefix
from unified.core.base.errors import UnifiedError
from unified.core.components.descriptors import (
    KINDS,
    AgentComponent,
    ArchitectureComponent,
    Component,
    ObjectiveComponent,
    RecipeComponent,
    SuiteComponent,
)
from unified.core.components.hookspecs import API_VERSION, REGISTRATION
from unified.core.config.compose import compose
from unified.core.config.describe import options
from unified.core.config.schema import LISTS, RunOptions
from unified.core.config.values import show
from unified.core.registry import CORE, Registry, registry

#: The modules whose names a plugin or a script may use.
PUBLIC = ("unified", "unified.agents", "unified.heads", "unified.nets", "unified.replay", "unified.testing", "unified.testing.probes")
#: Keys of heads, and what these are.
HEADS = {"critic.head": "Values", "actor.head": "Policies"}
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
    if isinstance(component, AgentComponent):
        yield from _algorithm(component)
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
    if isinstance(component, AgentComponent):
        own = values_of(component)
        rows = [(key, kind, show(own[key]) if key in own else default, text) for key, kind, default, text in rows]
        yield from _combinations(names, component)
        yield "\n## Options"
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
    if isinstance(component, AgentComponent):
        yield from _anchors(component)


# Agents -------------------------------------------------------------------------------------------------------------------------


def values_of(component: AgentComponent) -> dict[str, Any]:
    """The values of a variant, those of its base below them."""
    return {**(values_of(component.base) if component.base else {}), **component.values}


def _algorithm(component: AgentComponent) -> Iterator[str]:
    """What it computes: the paragraphs of its class, or that of a variant, with the equation and its source."""
    target = component.load()
    found = vars(sys.modules[target.__module__]).get(component.name.upper(), target) if inspect.isfunction(target) else target
    if component.base is None:
        yield f"{_documentation(found)}\n"
        yield f"Source: {(inspect.getdoc(sys.modules[found.__module__]) or '').splitlines()[0]}\n"
        return
    yield f"{component.about}\n"
    yield f"It is [{component.base.name}]({component.base.name}.md), the same class, with other values on every task:\n"
    yield "| key | value |\n|---|---|"
    yield from (f"| `{key}` | `{_cell(show(value))}` |" for key, value in component.values.items())
    yield ""


def _combinations(names: Registry, component: AgentComponent) -> Iterator[str]:
    """Heads, objectives and samplers with which it can be built on some probe."""
    yield "\n## Combines with\n"
    if component.base is not None:
        yield f"What [{component.base.name}]({component.base.name}.md) combines with."
        return
    for what, kind, found in combinations(component):
        listed = ", ".join(f"[{name}](../{kind}/{name}.md)" for name in found)
        yield f"- {what}: {listed or 'none'}."


@cache
def combinations(component: AgentComponent) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
    """What, kind, and the names of what it can be built with on some probe of the conformance kit, perhaps with ``n_step=1``."""
    from unified.agents import OffPolicyAgent
    from unified.core.config.schema import Selection
    from unified.testing.settings import configure
    from unified.testing.workshop import build, default_options, places

    everything = {kind: [each for each in registry().all(kind) if each.origin.provider == CORE] for kind in KINDS}
    keys = {key.removeprefix("agent.") for key, *_ in options(component.options_model(), "agent.")}

    vectors = [place for place in places(component) if not place.pixels] or places(component)

    def works(words: Sequence[str] = (), objective: ObjectiveComponent | None = None) -> bool:
        return built(words, objective) or ("n_step" in keys and built([*words, "agent.n_step=1"], objective))

    def built(words: Sequence[str], objective: ObjectiveComponent | None) -> bool:
        for place in vectors:
            if objective and objective.task_types and place.spec.task_type not in objective.task_types:
                continue
            try:
                added = (Selection("objectives", f"+{objective.name}", None, objective, default_options(objective)),) if objective else ()
                (changed,) = configure([component], words) if words else (component,)
                assert isinstance(changed, AgentComponent)
                build(changed, place, objectives=added)
            except UnifiedError:
                continue
            return True
        return False

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zero-size layers without observations
        found = []
        for key, what in HEADS.items():
            heads = [each for each in everything["architectures"] if isinstance(each, ArchitectureComponent) and key in each.places]
            if key in keys:
                found.append((f"{what} (`{key}`)", "architectures", [each.name for each in heads if works([f"agent.{key}={each.name}"])]))
        objectives = [each for each in everything["objectives"] if isinstance(each, ObjectiveComponent)]
        found.append(("Objectives (`-o +NAME`, also its own)", "objectives", [each.name for each in objectives if works((), each)]))
        replayed = isinstance(build(component, places(component)[0]), OffPolicyAgent)
        samplers = [each.name for each in everything["samplers"]] if replayed else []
    what = "Samplers of its replay (`replay.sampler`)" if replayed else "It has no replay to sample, so samplers"
    found.append((what, "samplers", samplers))
    return tuple((what, kind, tuple(each)) for what, kind, each in found)


@cache
def anchors() -> Any:
    """The module of the learning anchors, with the rows of their evidence."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))
    try:
        return import_module("anchors")
    finally:
        sys.path.pop(0)


def _anchors(component: AgentComponent) -> Iterator[str]:
    """What its anchors have to reach, and what they reached."""
    module = anchors()
    own = {name: anchor for name, anchor in module.ANCHORS.items() if agent_of(anchor.values) == component.name}
    yield "\n## Anchors\n"
    if not own:
        yield "None yet."
        return
    yield "What it has to reach, and what the last evaluations of its runs reached (`python benchmarks/anchors.py NAME`):\n"
    yield f"{module.HEAD}"
    kept: dict[str, list[Mapping[str, str]]] = {}
    for row in module.kept():
        kept.setdefault(row["name"], []).append(row)
    yield from (module.line(anchor, kept[name]) if name in kept else module.due(name, anchor) for name, anchor in own.items())


def agent_of(values: Mapping[str, Any]) -> str:
    """The agent of a run: named, or that of its suite."""
    return str(values["agent"]) if "agent" in values else compose([], [], dict(values)).agent.name.rpartition("/")[2]


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
