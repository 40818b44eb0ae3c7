"""`unified plugins new`: a package of one's own, with a component that works and is there to be changed."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from string import Template
from typing import Annotated

import typer

from unified.core.base import suggest
from unified.core.base.errors import Problem, UnifiedError, UsageError
from unified.core.components.filters import same
from unified.core.components.hookspecs import API_VERSION
from unified.core.registry import registry
from unified.version import __version__

#: What every package has, and what one kind adds. ``package`` stands for ``src/<package>``, ``dot_`` for a leading dot.
TEMPLATES = Path(__file__).parent / "templates"
COMMON, SUFFIX = "common", ".template"

_NAME = re.compile(r"[a-z][a-z0-9]*([_-][a-z0-9]+)*")
_LONGEST = 40


@dataclass(frozen=True)
class Kind:
    """What a package can be made for.

    Args:
        plural: As the registry calls it.
        module: Where its work is done, and changing it begins.
        example: A command that uses it.
    """

    plural: str
    module: str
    example: str


#: An agent, small, on a task that needs no pictures.
_BESIDE_OTHERS = "unified train --agent drqv2 --suite gym:Pendulum-v1 train.frames=5000 agent.hidden_dim=64"
KINDS = {
    "agent": Kind("agents", "agent.py", "unified train --agent $name --suite gym:Pendulum-v1 train.frames=5000"),
    "suite": Kind("suites", "environment.py", "unified train --agent drqv2 --suite $name:centre train.frames=5000 agent.hidden_dim=64"),
    "architecture": Kind("architectures", "network.py", f"{_BESIDE_OTHERS} encoder=$name"),
    "objective": Kind("objectives", "objective.py", f"{_BESIDE_OTHERS} encoder=mlp -o +$name"),
    "callback": Kind("callbacks", "callback.py", f"{_BESIDE_OTHERS} callbacks=[+$name]"),
}


def new(
    name: Annotated[str, typer.Argument(help="What people will type: lower-case letters, digits, - and _.")],
    kind: Annotated[str, typer.Option("--kind", "-k", help=f"One of {', '.join(KINDS)}.")],
    path: Annotated[Path, typer.Option(help="Where its folder is made.")] = Path("."),
) -> None:
    """Write an installable package with a component that works, its tests and a CI file."""
    chosen = check(name, kind)
    folder = path / distribution_of(name)
    write(folder, render(name, chosen))
    typer.echo(f"wrote {folder}/")
    for file in sorted(render(name, chosen)):
        typer.echo(f"  {file}")
    typer.echo(f"\nnext, a line at a time; what to change is {src(name)}/{KINDS[chosen].module}")
    for command in next_commands(name, chosen, folder):
        typer.echo(f"  {command}")


def next_commands(name: str, kind: str, folder: Path) -> list[str]:
    """What to type in a package that was just written."""
    return [
        f"cd {folder}",
        "pip install -e '.[dev]'",
        "unified plugins list",
        f"unified plugins check {name}",
        Template(KINDS[kind].example).substitute(name=name),
        "pytest",
    ]


def distribution_of(name: str) -> str:
    """What pip calls the package, and what its folder is called."""
    return f"unified-plugin-{name}".replace("_", "-")


def package_of(name: str) -> str:
    """What Python calls it."""
    return distribution_of(name).replace("-", "_")


def src(name: str) -> str:
    """Where its code lies within its folder."""
    return f"src/{package_of(name)}"


def check(name: str, kind: str) -> str:
    """The kind, if a package of this name can be made for it.

    Raises:
        UsageError: If there is no such kind, or the name cannot be typed or is taken.
    """
    problems = [*_kind_problems(kind), *_name_problems(name)]
    if problems:
        raise UsageError(*problems)
    chosen = kind.removesuffix("s")
    names = registry()
    for component in names.all(KINDS[chosen].plural):
        if component.name == name:
            raise UsageError(Problem(f"{component} exists already, in {component.origin}", _another(name)))
    for plugin in names.plugins:
        if plugin.provider == name or same(plugin.distribution, distribution_of(name)):
            raise UsageError(Problem(f"a plugin {plugin.provider!r} is installed already: {plugin}", _another(name)))
    return chosen


def _kind_problems(kind: str) -> Iterator[Problem]:
    if kind.removesuffix("s") not in KINDS:
        others = ("launcher", "recipe", "command")
        if kind.removesuffix("s") in others:
            singular = kind.removesuffix("s")
            hint = f"begin with --kind callback and yield it from a hook of its own: unified plugins hooks register_{singular}s"
            yield Problem(f"there is no template for a {singular}", hint)
        else:
            yield Problem(f"there is no kind {kind!r}", suggest.did_you_mean(kind, KINDS) or f"one of {', '.join(KINDS)}")


def _name_problems(name: str) -> Iterator[Problem]:
    if _NAME.fullmatch(name) and len(name) <= _LONGEST and not name.startswith("unified-plugin"):
        return
    plain = re.sub(r"[^a-z0-9]+", "-", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower())
    plain = re.sub(r"^(unified-plugin-?)?[0-9-]*", "", plain)[:_LONGEST].strip("-")
    allowed = f"lower-case letters, digits, - and _, at most {_LONGEST}, a letter first"
    yield Problem(f"the name {name!r} cannot be used", f"did you mean  {plain} ?   {allowed}" if plain else allowed)


def _another(name: str) -> str:
    return f"choose another name, for example  my-{name}"


def render(name: str, kind: str) -> dict[str, str]:
    """Path within the package's folder, and text, of each file.

    Args:
        name: Checked by `check`.
        kind: A key of `KINDS`.
    """
    templates = {
        path.relative_to(root): path.read_text(encoding="utf-8")
        for root in (TEMPLATES / COMMON, TEMPLATES / kind)
        for path in sorted(root.rglob(f"*{SUFFIX}"))
    }
    values = {
        "name": name,
        "kind": kind,
        "distribution": distribution_of(name),
        "package": package_of(name),
        "Class": class_of(name, kind, set(re.findall(r"\w+", " ".join(templates.values())))),
        "module": f"{src(name)}/{KINDS[kind].module}",
        "example": Template(KINDS[kind].example).substitute(name=name),
        "year": str(date.today().year),
        "version": ".".join(__version__.split(".")[:2]),
        "api": str(API_VERSION),
    }
    return {_place(path, name): Template(text).substitute(values) for path, text in templates.items()}


def class_of(name: str, kind: str, taken: set[str]) -> str:
    """The name of its class; with its kind behind it where it would be a name that its code uses already."""
    camel = "".join(word.capitalize() for word in re.split(r"[_-]", name))
    if camel in taken or keyword.iskeyword(camel) or hasattr(builtins, camel):
        camel += kind.capitalize()
    return camel


def _place(path: Path, name: str) -> str:
    parts = [f".{part.removeprefix('dot_')}" if part.startswith("dot_") else part for part in path.parts]
    if parts[0] == "package":
        parts[0] = src(name)
    return "/".join(parts).removesuffix(SUFFIX)


def write(folder: Path, files: dict[str, str]) -> None:
    """Write the files of a new folder.

    Raises:
        UsageError: If the folder exists; nothing is overwritten.
        UnifiedError: If it cannot be written.
    """
    if folder.exists():
        raise UsageError(Problem(f"{folder} exists already: nothing was written", "remove it, or choose another place: --path DIR"))
    try:
        for file, text in files.items():
            place = folder / file
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UnifiedError(Problem(f"{folder} cannot be written: {error}", "choose another place: --path DIR")) from error
