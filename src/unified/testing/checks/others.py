"""Checks of launchers, recipes, commands, presets and examples."""

from __future__ import annotations

import shlex
import tempfile
from pathlib import Path

from unified.core.base.errors import FilesMissing, UnifiedError, UsageError
from unified.core.components.descriptors import (
    AgentComponent,
    CommandComponent,
    Component,
    LauncherComponent,
    RecipeComponent,
    SuiteComponent,
)
from unified.core.config.compose import compose
from unified.core.registry import registry
from unified.core.runs.run import Run
from unified.testing.check import Check, Failed, Skipped
from unified.testing.rehearsal import tiny_config
from unified.testing.workshop import default_options


def launches(component: LauncherComponent) -> None:
    """It trains a small run to the end and returns it."""
    contract = "`launch(config, run)` trains the run to the end of its budget and returns it."
    launcher = component.load()(default_options(component))
    if not callable(getattr(launcher, "launch", None)):
        raise Failed(contract, f"{type(launcher).__name__} has no method launch", "def launch(self, config: Config, run: Run) -> Run: …")
    with tempfile.TemporaryDirectory() as directory:
        config = tiny_config(Path(directory), launcher=component.qualified)
        run = launcher.launch(config, Run.create_or_open(config))
        if not isinstance(run, Run):
            raise Failed(contract, f"it returned {type(run).__name__}", "return the result of unified.launch")
        frames = [row["frames"] for row in run.metrics()]
        if not run.finished or not frames or max(frames) < 120:
            seen = f"{run.path}: {run.status}, {max(frames, default=0)} of 120 frames"
            raise Failed(contract, seen, "wait for the end of the run")


def composes(component: RecipeComponent) -> None:
    """It can be read, and it composes a valid configuration."""
    if not Path(component.path).is_file():
        contract = "A recipe is a file of the package."
        raise Failed(contract, f"there is no {component.path}", "use Path(__file__).parent, and include the file in the wheel")
    try:
        compose([], [component.qualified])
    except UsageError as error:
        contract = "A recipe has installed names, existing keys and valid values."
        raise Failed(contract, str(error), f"unified train -r {component.qualified} --dry-run") from error


def has_help(component: CommandComponent) -> None:
    """``unified NAME --help`` works."""
    from typer.testing import CliRunner

    from unified.cli.main import app, typed

    name = typed(registry(), component)
    result = CliRunner().invoke(app, [name, "--help"])
    if result.exit_code or "Usage" not in result.output:
        seen = f"code {result.exit_code}: {result.exception or result.output.strip()[-300:]}"
        raise Failed(f"`unified {name} --help` prints its help.", seen, "use a typer.Typer or a function as the target")


def has_presets_that_fit(component: Component) -> str:
    """Its presets have existing keys and valid values for their tasks."""
    assert isinstance(component, AgentComponent | SuiteComponent)
    if not (presets := component.load_presets()):
        raise Skipped("it has none")
    known = list(_tasks())
    tried = []
    for preset in presets:
        task = next((task for task in known if preset.matches(task)), None)
        if task is None:
            continue
        chosen = [f"agent={component.qualified}"] if isinstance(component, AgentComponent) else []
        try:
            compose([*chosen, f"suite={task}"])
        except UsageError as error:
            contract = "A preset has existing keys and valid values for all of its tasks."
            raise Failed(contract, f"preset {preset.name} on {task}: {error}", "correct its keys and values") from error
        tried.append(f"{preset.name} on {task}")
    if not tried:
        raise Skipped("no installed suite has a matching task")
    return ", ".join(tried)


def has_an_example_that_composes(component: Component) -> str:
    """The example command of `unified plugins show` is valid."""
    from typer.testing import CliRunner

    from unified.cli.main import app
    from unified.cli.show import example

    default_options(component)
    command = example(registry(), component)
    result = CliRunner().invoke(app, [*shlex.split(command)[1:], "--dry-run"])
    if result.exit_code and not isinstance(result.exception, FilesMissing):  # missing inputs are allowed
        contract = "The example of a component is a valid command."
        raise Failed(contract, f"{command}: {result.exception}", f"{type(component).__name__}(…, example='--suite gym:Pendulum-v1')")
    return command


def _tasks() -> list[str]:
    """``suite:task`` of all installed suites with a list of tasks."""
    found = []
    for suite in registry().all("suites"):
        assert isinstance(suite, SuiteComponent)
        try:
            tasks = suite.load_tasks()
        except UnifiedError:
            continue
        found += [f"{suite.name}:{task}" if task else suite.name for task in tasks or ([suite.example] if tasks is None else [""])]
    return found


CHECKS = (
    Check.of("agents", has_presets_that_fit),
    Check.of("suites", has_presets_that_fit),
    *(Check.of(kind, has_an_example_that_composes, "strict") for kind in ("agents", "architectures")),
    Check.of("launchers", launches),
    Check.of("recipes", composes),
    Check.of("commands", has_help),
)
