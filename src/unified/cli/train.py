"""`unified train`: compose a configuration and train to the end of the budget."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unified.core.base.errors import plain
from unified.terminal import line

if TYPE_CHECKING:
    from unified.core.config.config import Config


#: Options that are lists only so that a second one can be refused.
ONCE = ("agent", "seed", "experiment", "launcher")


class Format(StrEnum):
    yaml = "yaml"
    json = "json"


def words(suite: list[str], objectives: list[str], **named: list[Any]) -> list[str]:
    """The options as ``key=value`` words; one that is repeated is a word each time."""
    given = [f"{key}={value}" for key, several in (*named.items(), ("suite", suite[:1] if len(suite) == 1 else ())) for value in several]
    if len(suite) > 1:
        given.append(f"suite=[{','.join(suite)}]")
    if not objectives:
        return given
    listed = ",".join(name.removeprefix("[").removesuffix("]") for name in objectives)  # [td,dpg] too
    return [*given, f"objective=[{listed}]" if all(objectives) else "objective="]  # an empty text is an error


def train(
    overrides: Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Options of the run, e.g. agent.lr=1e-4.")] = None,
    agent: Annotated[list[str] | None, typer.Option("--agent", "-a", help="Agent, e.g. drqv2.")] = None,
    suite: Annotated[
        list[str] | None, typer.Option("--suite", "-s", help="Suite and task, e.g. dmc:humanoid_run; repeat it for several.")
    ] = None,
    objective: Annotated[
        list[str] | None, typer.Option("--objective", "-o", help="Objective instead of the agent's own; +NAME adds one.")
    ] = None,
    recipe: Annotated[list[str] | None, typer.Option("--recipe", "-r", help="Recipe by name or path, e.g. laptop.")] = None,
    seed: Annotated[list[int] | None, typer.Option(help="Seed of all random numbers of the run.")] = None,
    experiment: Annotated[
        list[str] | None, typer.Option("--experiment", "-e", help="Name of the experiment, part of the run's directory.")
    ] = None,
    launcher: Annotated[
        list[str] | None, typer.Option("--launcher", "-l", help="Launcher: where and how the run executes, e.g. async.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print every value with its source and exit.")] = False,
    format: Annotated[Format | None, typer.Option(help="Output format of --dry-run; both are recipes.")] = None,
) -> None:
    """Train an agent on a task. The same command resumes the run.

    Without an agent, suite or recipe, this trains drqv2 on dmc:cartpole_balance with the recipe laptop, for a few minutes.
    """
    from unified.core.base.errors import FilesMissing, Problem, UsageError
    from unified.core.config.compose import compose
    from unified.core.runs.run import Run

    if format is not None and not dry_run:
        raise UsageError(Problem(f"--format {format} needs --dry-run", f"unified train … --dry-run --format {format}"))
    named = {"agent": agent or [], "seed": seed or [], "experiment": experiment or [], "launcher": launcher or []}
    given = words(suite or [], objective or [], **named) + list(overrides or [])
    config = compose(given, list(recipe or []), default_recipe=True)
    if dry_run:
        typer.echo(as_json(config) if format is Format.json else as_yaml(config, sys.stdout.isatty()), nl=False)  # styled
        if problems := Run.planned(config).lacking():
            raise FilesMissing(*problems)
        for option, name in {"device": config.device, "replay.device": config.replay.device}.items():
            if name not in ("auto", "cpu"):
                from unified.core.learn.device import resolve_device

                resolve_device(name, option)
        return
    from unified.cli.running import train_run

    train_run(config)


def as_json(config: Config) -> str:
    """The values as a recipe."""
    return json.dumps(config.tree, indent=2) + "\n"


def as_yaml(config: Config, dim: bool = False) -> str:
    """The values as a recipe, each with its source as a comment.

    Args:
        config: What to print.
        dim: Print defaults dimly, for terminals.
    """
    lines = _lines(config.tree, config.sources)
    column = min(48, max(len(text) for text, _ in lines))
    note = "# This recipe names code. To train from it:  unified train -r FILE --trust\n" if config.code else ""
    return note + "".join(f"{text:<{column}}  {_remark(source, dim)}\n" if source else f"{text}\n" for text, source in lines)


def _lines(tree: dict[str, Any], sources: dict[str, str], prefix: str = "", indent: str = "") -> list[tuple[str, str]]:
    found = []
    for key, value in tree.items():
        dotted = f"{prefix}{key}"
        if isinstance(value, dict) and value:
            found.append((f"{indent}{_key(key)}:", line(sources.get(dotted, ""))))
            found += _lines(value, sources, f"{dotted}.", f"{indent}  ")
        else:
            found.append((f"{indent}{_key(key)}: {_flow(value)}", line(sources.get(dotted, ""))))
    return found


def _key(key: str) -> str:
    return key if key.isdigit() else _flow(key)  # items of a list; keys are always text


def _flow(value: Any) -> str:
    import yaml

    text: str = yaml.safe_dump(value, default_flow_style=True, width=10**6, allow_unicode=True)
    if plain(text) != text:
        text = yaml.safe_dump(value, default_flow_style=True, width=10**6)
    return text.removesuffix("\n").removesuffix("...").removesuffix("\n")


def _remark(source: str, dim: bool) -> str:
    text = f"# {source}"
    return typer.style(text, dim=True) if dim and source == "default" else text
