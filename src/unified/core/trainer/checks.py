"""Checks for combinations of values that cannot work, when the objects of a run are built."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unified.core.base.errors import Problem, UsageError
from unified.core.base.spec import ACTION_MASK, wrong_task

if TYPE_CHECKING:
    from unified.core.base.spec import Space, Spec
    from unified.core.config.config import Config
    from unified.core.envs.suite import Suite
    from unified.core.learn.agent import Agent
    from unified.core.replay.views import View


def check_options_used(config: Config, view: View) -> None:
    """Check for options that have no effect with this agent.

    Raises:
        UsageError: If there is one.
    """
    if view.from_dataset and config.replay.save:
        raise UsageError(Problem(f"replay.save={config.replay.save}: a data set is not saved as a replay", "leave it out"))
    if view.from_dataset and config.replay.device not in ("auto", "cpu"):
        raise UsageError(
            Problem(f"replay.device={config.replay.device}: the rows of a data set are gathered on the CPU", "replay.device=cpu")
        )
    budget = config.train
    if budget.updates and not view.updates_per_step and not view.from_dataset and budget.frames is None and budget.hours is None:
        what = f"train.updates={budget.updates} never ends the run: agent {config.agent.label} does no updates"
        raise UsageError(Problem(what, "train.frames=…"))
    sampler = config.replay.sampler.label
    if sampler != "uniform" and (view.from_dataset or view.max_slots is not None):
        what = "of a data set are all seen in every epoch" if view.from_dataset else "of a rollout are all learned from"
        raise UsageError(Problem(f"replay.sampler={sampler} has no effect: the rows {what}", "leave it out"))
    if not config.online and view.max_slots is not None:
        what = f"agent {config.agent.label} is on-policy and cannot train offline from replay.load"
        raise UsageError(Problem(what, "take an off-policy agent; all: unified plugins list agents"))
    if getattr(config.agent.options, "normalize_rewards", False) and not config.online:
        what = "agent.normalize_rewards=true: new rows of environments move the statistics, and an offline run steps none"
        raise UsageError(Problem(what, "replay.return_range=1000 scales the rewards of the data by its returns"))
    if not config.train.learn and (view.from_dataset or not config.online):
        what = f"train.learn=false only collects experience, and agent {config.agent.label} steps no environment of {config.suite.text}"
        raise UsageError(Problem(what, "leave it out"))


def check_task_type(config: Config, spec: Spec) -> None:
    """Check that the agent can learn the type of the task, which a suite may choose itself.

    Raises:
        UsageError: If its descriptor has other types only.
    """
    if what := wrong_task(f"agent {config.agent.label}", getattr(config.agent.component, "task_types", ()), spec.task_type):
        raise UsageError(Problem(f"{what}, the type of {config.suite.text}", "all agents: unified plugins list agents"))


def check_valid_actions(config: Config, spec: Spec, agent: Agent) -> None:
    """Check that the agent takes valid actions only, where the task shows which are.

    Raises:
        UsageError: If it does not.
    """
    if spec.masks_actions and not agent.masked_actions:
        what = f"{config.suite.text} shows which actions are valid ({ACTION_MASK}), and agent {config.agent.label} would take others too"
        raise UsageError(Problem(what, "an agent whose policy or values are over choices: unified plugins list agents"))


def check_no_rollouts(config: Config, view: View) -> None:
    """Check that the agent of several suites does not learn from whole rollouts, since updates take turns.

    Raises:
        UsageError: With another agent.
    """
    if view.whole or view.max_slots is not None:
        what = f"agent {config.agent.label} learns from whole rollouts, and the updates of several suites take turns"
        raise UsageError(Problem(what, "an off-policy agent: unified plugins list agents"))


def check_epochs(config: Config) -> None:
    """Check that budgets in rows of a data set are not set for environments.

    Raises:
        UsageError: If one is set.
    """
    for name in ("epochs", "overfit"):
        if getattr(config.train, name) is not None:
            what = f"train.{name} counts rows of a data set; agent {config.agent.label} steps environments of {config.suite.text}"
            raise UsageError(Problem(what, "train.frames=…   or a data set and an agent that learns from labels: --suite digits"))


def check_same_task(config: Config, stored: Spec, suite: Suite) -> None:
    """Check that the replay has the observations and actions of the evaluation task.

    Args:
        config: Configuration of the run.
        stored: Spec of the replay.
        suite: Suite of the run; one environment is opened and closed.

    Raises:
        UsageError: If they differ.
    """
    environment = suite.environment()
    try:
        task = environment.spec
    finally:
        environment.close()
    sides = [("observations are", _all(stored), _all(task)), ("actions are", _shown(stored.action), _shown(task.action))]
    unlike = [f"{what} {theirs} there and {ours} here" for what, theirs, ours in sides if theirs != ours]
    if unlike:
        what = f"replay.load={config.replay.load} is of another task than {config.suite.text}: {'; '.join(unlike)}"
        raise UsageError(Problem(what, "the same suite, size and action space"))


def _all(spec: Spec) -> str:
    spaces = {name.removeprefix("obs").removeprefix("."): space for name, space in spec.spaces.items()}
    return ", ".join(f"{name} {_shown(space)}".strip() for name, space in spaces.items())


def _shown(space: Space) -> str:
    kind = f"one of {space.n}" if space.n else space.dtype
    return f"{space.shape} {kind}" if space.shape else kind
