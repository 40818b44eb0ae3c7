"""What is refused when the parts of a run are put together: each is right, and they do not go together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unified.core.base.errors import Problem, UsageError

if TYPE_CHECKING:
    from unified.core.base.spec import Space, Spec
    from unified.core.config.config import Config
    from unified.core.envs.suite import Suite
    from unified.core.replay.views import View


def refuse_idle(config: Config, view: View) -> None:
    """Refuse what is asked for and would never happen with the view of this agent.

    Raises:
        UsageError: With what to leave out.
    """
    if view.from_dataset and config.replay.save:
        raise UsageError(Problem(f"replay.save={config.replay.save}: a data set is there already, and is not saved again", "leave it out"))
    if not config.online and view.max_slots is not None:
        what = f"agent {config.agent.label} learns from what it has just done itself, and not from a replay that is there already"
        raise UsageError(Problem(what, "take an off-policy agent; all: unified plugins list agents"))
    if not config.train.learn and (view.from_dataset or not config.online):
        raise UsageError(Problem("train.learn=false only collects, and here is nothing to collect", "leave it out"))


def refuse_rollouts(config: Config, view: View) -> None:
    """Refuse an agent that learns from whole rollouts, of which several tasks cannot take turns.

    Raises:
        UsageError: With another agent.
    """
    if view.whole or view.max_slots is not None:
        what = f"agent {config.agent.label} learns from whole rollouts, and the updates of several suites take turns"
        raise UsageError(Problem(what, "an off-policy agent: --agent ac2"))


def refuse_epochs(config: Config) -> None:
    """Refuse to count rows of a data set where the agent learns from what it does.

    Raises:
        UsageError: With what to count instead.
    """
    for name in ("epochs", "overfit"):
        if getattr(config.train, name) is not None:
            what = f"train.{name} counts rows of a data set; agent {config.agent.label} learns from what it does on {config.suite.text}"
            raise UsageError(Problem(what, "train.frames=…   or a data set and an agent that learns from labels: --suite digits"))


def refuse_another_task(config: Config, kept: Spec, suite: Suite) -> None:
    """Refuse a replay whose rows are not of the task that the agent is judged on.

    Args:
        config: Of the run.
        kept: What the task of the replay looks like.
        suite: Of the run; an environment of it is made and closed.

    Raises:
        UsageError: With what differs.
    """
    environment = suite.environment()
    try:
        task = environment.spec
    finally:
        environment.close()
    sides = [("observations are", _all(kept), _all(task)), ("actions are", _shown(kept.action), _shown(task.action))]
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
