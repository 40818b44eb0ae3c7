"""The command `unified`: import the command that was typed and report errors without a traceback."""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from unified.cli import completion
from unified.cli.mistakes import in_our_words, report
from unified.core.base.errors import Notice, Problem, StorageError, UnifiedError, UsageError, plain
from unified.core.base.files import reason
from unified.core.components.filters import take_switches
from unified.terminal import echo, tolerate_encodings

if TYPE_CHECKING:
    from unified.core.components.descriptors import Component
    from unified.core.registry import Registry


@dataclass(frozen=True)
class Command:
    """A command that is imported when it is used.

    Args:
        target: ``"module:attribute"``, a function or a `typer.Typer`.
        help: One line, shown without importing anything.
    """

    target: str
    help: str


#: In the order of the help.
COMMANDS = {
    "train": Command("unified.cli.train:train", "Train an agent on a task. The same command resumes the run."),
    "resume": Command("unified.cli.resume:resume", "Resume a run that was stopped or killed."),
    "evaluate": Command("unified.cli.evaluate:evaluate", "Evaluate a trained agent."),
    "play": Command("unified.cli.play:play", "Write a video of a trained agent, or a grid of images."),
    "plot": Command("unified.cli.plot:plot", "Plot learning curves of one or more runs."),
    "export": Command("unified.cli.export:export", "Write the replay of a run as a data set of Minari."),
    "runs": Command("unified.cli.runs:app", "List runs, or show one."),
    "plugins": Command("unified.cli.plugins:app", "List, show, create and check plugins."),
    "doctor": Command("unified.cli.doctor:doctor", "Check this machine: packages, GPU, rendering, speed."),
}


class Commands(TyperGroup):
    """The built-in commands and those of plugins."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        with in_our_words():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        with in_our_words(ctx):
            return super().invoke(ctx)

    def list_commands(self, ctx: Any) -> list[str]:
        return [*COMMANDS, *_plugin_commands()]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name in COMMANDS:
            return _as_command(cmd_name, import_module_attribute(COMMANDS[cmd_name].target))
        found = _plugin_commands().get(cmd_name)
        return None if found is None else _as_command(cmd_name, found.load())

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        from unified.core.base.suggest import did_you_mean

        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            names = self.list_commands(ctx)
            if args[0] not in names:
                raise UsageError(Problem(f"there is no command {args[0]!r}", did_you_mean(args[0], names) or "all: unified --help"))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        rows = [(name, command.help) for name, command in COMMANDS.items()]
        rows += [(name, component.summary) for name, component in _plugin_commands().items()]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def typed(names: Registry, component: Component) -> str:
    """The name of a component on the command line; ``provider/name`` for a plugin's command with the name of a built-in one."""
    return component.qualified if component.kind == "commands" and component.name in COMMANDS else names.name_of(component)


def _plugin_commands() -> dict[str, Component]:
    from unified.core.registry import registry

    names = registry()
    return {typed(names, component): component for component in names.all("commands")}


def import_module_attribute(target: str) -> Any:
    """The object of ``module:attribute``.

    Raises:
        UnifiedError: If a library that the command needs is missing.
    """
    module, _, attribute = target.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except ImportError as error:
        raise UnifiedError(Problem(f"this command cannot be loaded: {error}", "see: unified doctor")) from error


def _as_command(name: str, target: Any) -> Any:
    if isinstance(target, typer.Typer):
        target.rich_markup_mode, target._add_completion = None, False
        built = typer.main.get_command(target)
    else:
        wrapped = typer.Typer(add_completion=False, rich_markup_mode=None)
        wrapped.command(name)(target)
        built = typer.main.get_command(wrapped)
    built.name = name
    return built


app = typer.Typer(
    cls=Commands,
    add_completion=False,  # importing its options would dominate the time of --help
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(asked: bool) -> None:
    if asked:
        from unified.version import __version__

        echo(f"unified {__version__}")
        raise typer.Exit


def _refuse(asked: list[str] | None) -> None:
    for text in asked or ():
        raise UsageError(Problem(f"-p {text}: must be no:NAME", f"disable a plugin:  -p no:{text}"))


@app.callback()
def unified(
    version: Annotated[bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)] = False,
    # These four are taken from anywhere on the line before it is parsed (`take_switches`); here they only have their help.
    plugins: Annotated[list[str] | None, typer.Option("-p", metavar="no:NAME", help="Disable a plugin.", callback=_refuse)] = None,
    no_plugins: Annotated[bool, typer.Option("--no-plugins", help="Disable all plugins except the built-ins.")] = False,
    trace_hooks: Annotated[bool, typer.Option("--trace-hooks", help="Print every call of a hook with its duration in ms.")] = False,
    trust: Annotated[bool, typer.Option("--trust", help="Run code that a run or a recipe names, although you did not name it.")] = False,
) -> None:
    """Reinforcement, supervised and generative learning in one training loop.

    Start with: unified train

    Completion in bash, zsh and fish: unified --install-completion
    """


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit: 0 for success, 1 for a failure of code, 2 for what the user can put right."""
    tolerate_encodings()
    _print_notices_plainly()
    sys.excepthook = lambda kind, error, trace: echo("".join(traceback.format_exception(kind, error, trace)), err=True, nl=False)
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if completion.wanted(given, os.environ):
            from unified.cli.completion.shells import main as complete

            sys.exit(complete(given))
        words, switched_off = take_switches(given, os.environ)
        for name in switched_off:
            _check_switch(name)
        app(args=words, prog_name="unified")
    except UnifiedError as error:
        report(error)
        sys.exit(error.exit_code)
    except BrokenPipeError:  # the pipe was closed, as in `unified plugins list | head`
        sys.stderr.close()
        sys.exit(141)
    except OSError as error:
        if error.filename is None:
            raise
        report(StorageError(reason(error)))
        sys.exit(StorageError.exit_code)
    sys.exit(0)


def _print_notices_plainly() -> None:
    usual = warnings.formatwarning

    def formatted(message: Any, category: Any, *where: Any, **more: Any) -> str:
        return plain(f"warning: {message}\n" if issubclass(category, Notice) else usual(message, category, *where, **more))

    warnings.formatwarning = formatted


def _check_switch(name: str) -> None:
    """Raise an error for an unknown plugin name, which would disable nothing."""
    from unified.core.base.suggest import did_you_mean
    from unified.core.components.filters import same
    from unified.core.registry import CORE, registry

    plugins = registry().plugins
    names = [each for plugin in plugins if plugin.provider != CORE for each in (plugin.provider, plugin.distribution) if each]
    if same(name, CORE):
        raise UsageError(Problem("-p no:core: the built-ins cannot be disabled"))
    if not any(same(name, each) for each in names):
        hint = did_you_mean(name, names) or ("all: unified plugins list" if names else "only the built-ins are installed")
        raise UsageError(Problem(f"-p no:{name}: there is no plugin {name!r}", hint))
