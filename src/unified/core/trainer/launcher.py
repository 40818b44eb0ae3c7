"""The contract of launchers: where a run executes, and where its experience comes from. Torch-free."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unified.core.config.config import Config
    from unified.core.envs.vector_protocol import VectorEnv
    from unified.core.learn.agent import Agent
    from unified.core.replay.buffer import Replay
    from unified.core.runs.run import Run
    from unified.core.trainer.sources import ExperienceSource


class Launcher:
    """Executes a run in this process. A subclass may execute it elsewhere (`launch`), or collect experience differently (`make_source`).

    Args:
        options: The validated options of the launcher, an instance of its config model.
    """

    def __init__(self, options: Any = None) -> None:
        self.options = options

    def launch(self, config: Config, run: Run) -> Run:
        """Train a run to the end of its budget, from the start or from its newest checkpoint, and return it.

        ``unified train``, ``unified.train`` and ``unified resume`` all call it.

        Raises:
            UsageError: If the run is refused, before anything was started.
            Stopped: If the run was interrupted; everything is saved.
        """
        from unified.core.trainer.build import launch

        return launch(config, run, self.make_source)

    def make_source(self, config: Config, run: Run, agent: Agent, replay: Replay, environments: VectorEnv) -> ExperienceSource:
        """The source of experience of a run that steps environments.

        Args:
            config: Configuration of the run.
            run: The run.
            agent: The agent that learns. `Agent.policy_snapshot` copies what it acts with.
            replay: Receives the rows; it has one lane for each of `environments`.
            environments: The environments, before their first reset. The source closes them, at once if it steps others.
        """
        from unified.core.trainer.build import make_collector

        return make_collector(config, run, agent, replay, environments)
