"""`unified export`: write what a run made in the form of another library."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unified.core.base.errors import Problem, UsageError
from unified.terminal import echo

#: What can be written: the word before the colon of ``--to``.
TARGETS = ("minari",)


def export(
    name: Annotated[str, typer.Argument(help="Name of a run, or of a saved replay.")],
    to: Annotated[str, typer.Option("--to", help="Form, and a name in it: minari, or minari:NAMESPACE/NAME-v0.", metavar="FORM[:NAME]")],
    root: Annotated[Path, typer.Option(help="Directory of all runs.")] = Path("runs"),
) -> None:
    """Write the replay of a run as a data set of Minari."""
    from unified.core.base.suggest import did_you_mean

    word, _, wanted = to.partition(":")
    if word not in TARGETS:
        raise UsageError(Problem(f"--to {to}: there is no form {word!r}", did_you_mean(word, TARGETS) or f"--to {TARGETS[0]}"))
    from unified import units
    from unified.core.runs import lookup
    from unified.logged.exporting import to_minari

    try:
        directory = lookup.find_replay(name, root)
    except UsageError as error:
        raise UsageError(*(Problem(each.message.replace("replay.load=", ""), each.hint) for each in error.problems)) from error
    written = to_minari(directory, wanted)
    echo(f"{written.name}: {units.count(written.episodes)} episodes with {units.count(written.steps)} steps in {written.directory}")
    echo(f"  learn from it: unified train -a td3_bc -s {written.suite} offline=true replay.load=minari:{written.name}")
