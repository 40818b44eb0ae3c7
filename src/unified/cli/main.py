"""The command line: one file for each family of commands, mounted here. Nothing heavy is imported before a run is built."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from unified.cli import doctor, evaluate, play, plot, plugins, resume, runs, train
from unified.core.errors import UnifiedError

app = typer.Typer(
    name="unified",
    help="Train anything that is an agent, a suite of tasks, an architecture and an objective.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from unified import __version__

        typer.echo(f"unified {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    pass


app.command()(train.train)
app.command()(resume.resume)
app.command()(evaluate.evaluate)
app.command()(play.play)
app.command()(plot.plot)
app.add_typer(runs.app, name="runs")
app.add_typer(plugins.app, name="plugins")
app.command()(doctor.doctor)


def main() -> None:
    """Run the command line; what a person can mend is printed without a traceback."""
    try:
        app()
    except UnifiedError as error:
        for problem in error.problems:
            print(f"error: {problem}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        sys.exit(130)
