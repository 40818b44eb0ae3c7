"""What is asked of launchers, recipes and commands."""

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
    """It carries out a small run to its end and gives it back."""
    contract = "`launch(config, run)` trains the run to the end of its budget and returns it."
    launcher = component.load()(default_options(component))
    if not callable(getattr(launcher, "launch", None)):
        raise Failed(contract, f"{type(launcher).__name__} has no method launch", "def launch(self, config: Config, run: Run) -> Run: …")
    with tempfile.TemporaryDirectory() as directory:
        config = tiny_config(Path(directory), launcher=component.qualified)
        run = launcher.launch(config, Run.create_or_open(config))
        if not isinstance(run, Run):
            raise Failed(contract, f"it returned {type(run).__name__}", "return what unified.launch gives")
        frames = [row["frames"] for row in run.metrics()]
        if not run.finished or not frames or max(frames) < 120:
            seen = f"{run.path}: {run.status}, {max(frames, default=0)} of 120 frames"
            raise Failed(contract, seen, "wait for its end before you return")


def composes(component: RecipeComponent) -> None:
    """It can be read, and with it alone a run is composed."""
    if not Path(component.path).is_file():
        contract = "A recipe is a file of the package."
        raise Failed(contract, f"there is no {component.path}", "name it by Path(__file__).parent, and see that the wheel holds it")
    try:
        compose([], [component.qualified])
    except UsageError as error:
        contract = "A recipe says what can be: names that are installed, keys that exist, values that fit."
        raise Failed(contract, str(error), f"unified train -r {component.qualified} --dry-run") from error


def has_help(component: CommandComponent) -> None:
    """``unified NAME --help`` works."""
    from typer.testing import CliRunner

    from unified.cli.main import app, typed

    name = typed(registry(), component)
    result = CliRunner().invoke(app, [name, "--help"])
    if result.exit_code or "Usage" not in result.output:
        seen = f"code {result.exit_code}: {result.exception or result.output.strip()[-300:]}"
        raise Failed(f"`unified {name} --help` says what it does.", seen, "let its target be a typer.Typer or a function for one")


def has_presets_that_fit(component: Component) -> str:
    """Its presets name keys that exist and values that fit, on the tasks that they are for."""
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
            contract = "A preset says what can be, on every task that it is for."
            raise Failed(contract, f"preset {preset.name} on {task}: {error}", "look at its keys and values") from error
        tried.append(f"{preset.name} on {task}")
    if not tried:
        raise Skipped("no installed suite has a task that they are for")
    return ", ".join(tried)


def has_an_example_that_composes(component: Component) -> str:
    """The command that `unified plugins show` gives as an example can be typed as it stands."""
    from typer.testing import CliRunner

    from unified.cli.main import app
    from unified.cli.show import example

    default_options(component)
    command = example(registry(), component)
    result = CliRunner().invoke(app, [*shlex.split(command)[1:], "--dry-run"])
    if result.exit_code and not isinstance(result.exception, FilesMissing):  # what it is to begin with is the reader's
        contract = "What a component gives as its example can be typed."
        raise Failed(contract, f"{command}: {result.exception}", f"{type(component).__name__}(…, example='--suite gym:Pendulum-v1')")
    return command


def _tasks() -> list[str]:
    """``suite:task`` of everything that is installed and says what tasks it has."""
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
