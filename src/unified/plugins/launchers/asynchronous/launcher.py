"""Collect and learn at the same time, in one process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unified.core.trainer.launcher import Launcher

if TYPE_CHECKING:
    from unified.core.config.config import Config
    from unified.core.envs.vector_protocol import VectorEnv
    from unified.core.learn.agent import Agent
    from unified.core.replay.buffer import Replay
    from unified.core.runs.run import Run
    from unified.core.trainer.sources import ExperienceSource


class Async(Launcher):
    """Threads step the environments with copies of the policy; the main thread learns from the steps that arrive."""

    def make_source(self, config: Config, run: Run, agent: Agent, replay: Replay, environments: VectorEnv) -> ExperienceSource:
        """See `Launcher.make_source`.

        Raises:
            UsageError: If there are fewer environments than collectors.
        """
        from contextlib import ExitStack

        from unified.core.base.errors import Problem, UsageError
        from unified.core.base.rng import Streams, derive
        from unified.core.trainer.build import make_agent, make_environments
        from unified.plugins.launchers.asynchronous.source import AsyncSource, Collector

        count, total = self.options.collectors, environments.num_envs
        if total < count:
            raise UsageError(Problem(f"launcher.collectors={count}: there are {total} environments", f"train.num_envs={count}"))
        groups = [environments]
        streams = [Streams(derive(config.seed, "collector", number)) for number in range(count)]
        agents = [make_agent(config, environments.spec, each) for each in streams]
        with ExitStack() as opened:
            if count > 1:
                environments.close()
                groups.clear()
                for number in range(count):
                    groups.append(make_environments(config, f"environment {number}", len(range(number, total, count)), run))
                    opened.callback(groups[-1].close)
            opened.pop_all()
        name = f"agent {config.agent.label}"
        first = [sum(group.num_envs for group in groups[:number]) for number in range(count)]
        collectors = [
            Collector(f"collector {number}", *each, replay.extra, name)
            for number, each in enumerate(zip(groups, agents, first, strict=True))
        ]
        return AsyncSource(agent, replay, collectors, self.options.max_staleness, self.options.queue, config.train.env_timeout)
