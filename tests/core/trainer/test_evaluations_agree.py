"""An agent is judged the same in training, by `unified evaluate`, by `unified play`, and in a loop that its user writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import unified
from core.trainer.course import Act, Played, evaluation
from unified.core.runs.run import Run
from unified.core.trainer.build import built_suite, evaluate
from unified.core.trainer.inference import InferencePolicy

EPISODES = 5
#: Weights and batches as small as the agents allow; ``ppo-gru`` is the agent ``ppo`` with a memory, ``ppo-normalized`` one with running
#: statistics of vectors.
TINY: dict[str, dict[str, Any]] = {
    "random": {},
    "dqn": {"batch_size": 8, "learning_starts": 4, "critic.hidden_dim": 16},
    "sac": {"batch_size": 8, "learning_starts": 4, "critic.hidden_dim": 16, "actor.hidden_dim": 16, "feature_dim": 8},
    "ppo": {"n_steps": 8, "batch_size": 8, "epochs": 2, "hidden_dim": 16, "depth": 1},
    "ppo-gru": {"n_steps": 8, "batch_size": 8, "epochs": 2, "hidden_dim": 16, "depth": 1, "memory": "gru", "sequence_length": 3},
    "ppo-normalized": {"n_steps": 8, "batch_size": 8, "hidden_dim": 16, "normalize_observations": True, "normalize_rewards": True},
    "a3c": {"n_steps": 2, "hidden_dim": 16},
    "pqn": {"n_steps": 8, "batch_size": 8, "epochs": 2, "critic.hidden_dim": 16},
    "iqn": {"batch_size": 8, "learning_starts": 4, "critic.hidden_dim": 16},
    "ddpg": {"batch_size": 8, "learning_starts": 4, "critic.hidden_dim": 16, "actor.hidden_dim": 16, "feature_dim": 8, "noise": "ou"},
    "crossq": {"batch_size": 8, "learning_starts": 4, "critic.hidden_dim": 16, "actor.hidden_dim": 16, "feature_dim": 8},
    "drqv2": {"batch_size": 8, "learning_starts": 4, "hidden_dim": 16, "feature_dim": 8},
    "ac2": {"batch_size": 8, "learning_starts": 4, "critic.hidden_dim": 16, "actor.hidden_dim": 16, "feature_dim": 8},
}
#: Time limit in steps, one episode in so many that fails (0: none), environments of an evaluation in training.
SITUATIONS = [(1, 0, 3), (6, 3, 3), (6, 3, 1), (1, 3, 1)]


def combinations() -> list[Any]:
    """Each agent in all situations on state (which is never stacked) and on stacked pixels, and in two of them on single pictures."""
    found = []
    for agent in TINY:
        for pixels, stack, situations in ((False, 1, SITUATIONS), (True, 1, SITUATIONS[:2]), (True, 3, SITUATIONS)):
            if (agent == "random" and stack > 1) or (agent == "ppo-normalized" and pixels):
                continue  # it looks at nothing, or at vectors alone
            for number, (length, fails, environments) in enumerate(situations):
                discrete = number % 2 == 1
                count = 1 if agent == "random" else environments  # its draws for three environments are not three times those for one
                task = f"{'pixels' if pixels else 'state'}-{'discrete' if discrete else 'continuous'}"
                name = f"{agent}-{task}-stack={stack}-length={length}-fails={fails}-environments={count}"
                found.append(pytest.param(agent, pixels, discrete, stack, length, fails, count, id=name))
    return found


class Recorder:
    """Keeps the episodes of the last evaluation in training, and of one with the seeds that `unified evaluate` takes."""

    @unified.hookimpl
    def on_evaluation_end(self, trainer: Any, row: Any, episodes: Any) -> None:
        self.frames, self.row = trainer.clock.frames, row
        self.own = rounded(episodes)
        self.same = rounded(trainer.evaluator.play_episodes(trainer.agent, "of checkpoint newest"))


def trained(root: Path, agent: str, suite: str, **values: Any) -> tuple[Run, Recorder]:
    """A run of 24 frames that ends with an evaluation and a checkpoint of the same parameters."""
    recorder = Recorder()
    config = {
        **{"root": str(root), "callbacks": [], "device": "cpu", "train.frames": 24, "train.env_backend": "inline"},
        **{"train.num_envs": 1, "evaluate.every": 0, "evaluate.episodes": EPISODES, "checkpoint.every": 0},
        **{f"agent.{key}": value for key, value in TINY[agent].items()},
        **values,
    }
    return unified.train(agent=agent.partition("-")[0], suite=suite, config=config, callbacks=[recorder]), recorder


def rounded(episodes: Any) -> list[tuple[Any, int]]:
    """Returns and lengths, to be compared; a matrix product for three rows may differ in the last bits from three for one row."""
    return [(pytest.approx(episode.return_, abs=1e-4), episode.length) for episode in episodes]


def listed(episodes: Any) -> list[Played]:
    """Returns and lengths."""
    return [Played(episode.return_, episode.length) for episode in episodes]


def acting(player: InferencePolicy) -> Act:
    """As a user of `unified.load` acts."""

    def act(observation: np.ndarray, first: bool) -> np.ndarray:
        if first:
            player.reset()
        return player.act(observation)

    return act


def looped(run: Run, stream: str, count: int, wanted: int) -> list[Played]:
    """The hand-written loop."""
    loaded = unified.load(run, "newest")
    players = [loaded, *(InferencePolicy(loaded.agent, loaded.spec) for _ in range(1, count))]
    return evaluation(built_suite(run.config).environment(), run.config.seed, stream, wanted, [acting(player) for player in players])


@pytest.mark.parametrize(("agent", "pixels", "discrete", "stack", "length", "fails", "environments"), combinations())
def test_four_ways_agree(
    tmp_path: Path, agent: str, pixels: bool, discrete: bool, stack: int, length: int, fails: int, environments: int
) -> None:
    values = {
        **{"suite.pixels": pixels, "suite.discrete": discrete, "suite.length": length, "suite.fails": fails},
        **({} if agent == "random" else {"agent.stack": stack}),
        **{"evaluate.num_envs": environments},
    }
    run, recorder = trained(tmp_path, agent, "core.trainer.course:Course", **values)

    assert looped(run, f"evaluation {recorder.frames}", environments, EPISODES) == recorder.own
    stream = "evaluation of checkpoint newest"
    assert looped(run, stream, environments, EPISODES) == recorder.same

    frames, judged = evaluate(run, EPISODES, "newest")
    assert frames == recorder.frames
    assert judged.episodes is not None
    assert looped(run, stream, 1, EPISODES) == rounded(judged.episodes)
    shared = recorder.same[::environments]  # environment 0 of several plays the same episodes as the only one of `unified evaluate`
    assert listed(judged.episodes)[: len(shared)] == shared

    _, played = evaluate(run, 1, "newest", record=(16, 16), features="")  # as `unified play` does
    assert played.episodes is not None
    assert listed(played.episodes) == listed(judged.episodes)[:1]
    assert len(played.episodes[0].pictures or ()) == played.episodes[0].length


def test_other_observations_give_other_returns(tmp_path: Path) -> None:
    """What the test above stands on: a player that is never reset, and so begins with frames of the episode before, is told apart."""
    run, _ = trained(tmp_path, "sac", "core.trainer.course:Course", **{"suite.pixels": True, "suite.fails": 3, "agent.stack": 3})
    right = looped(run, "evaluation 0", 1, EPISODES)
    player, environment = unified.load(run, "newest"), built_suite(run.config).environment()
    wrong = evaluation(environment, run.config.seed, "evaluation 0", EPISODES, [lambda observation, first: player.act(observation)])
    assert len({played.length for played in right}) > 2
    assert [played.length for played in right] == [played.length for played in wrong]
    assert right[0] == wrong[0]
    assert not any(one == other for one, other in zip(listed(right)[1:], rounded(wrong)[1:], strict=True))


def test_the_commands_say_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from unified import units, video
    from unified.cli.main import app

    run, _ = trained(tmp_path, "sac", "core.trainer.course:Course", **{"suite.fails": 3})
    loop = looped(run, "evaluation of checkpoint newest", 1, EPISODES)
    words = [str(run.path), "--checkpoint", "newest", "--root", str(tmp_path)]
    result = CliRunner().invoke(app, ["evaluate", *words, "--episodes", str(EPISODES), "--json"])
    assert json.loads(result.stdout)["returns"] == pytest.approx([played.return_ for played in loop], abs=1e-4)

    pictures: list[np.ndarray] = []

    def keep(path: Path, frames: list[np.ndarray], fps: float) -> Path:
        pictures.extend(frames)
        return path

    monkeypatch.setattr(video, "write_mp4", keep)
    result = CliRunner().invoke(app, ["play", *words])
    assert f"return {units.value(loop[0].return_)} " in result.stdout
    assert [picture[0, 0, 0] for picture in pictures] == list(range(loop[0].length))


@pytest.mark.parametrize("stack", [1, 3])
def test_what_is_learned_in_episodes_of_one_step_is_found_by_its_evaluation(tmp_path: Path, stack: int) -> None:
    """The terminal observation of `both` is the cue 0, which does not tell the right choice."""
    values = {
        **{"suite.discrete": True, "train.frames": 500, "train.log_every": 100, "evaluate.episodes": 30},
        **{"agent.stack": stack, "agent.n_step": 1, "agent.lr": 3e-3, "agent.epsilon": "linear(1.0,0.0,300)", "agent.learning_starts": 50},
        **{"agent.batch_size": 32, "agent.critic.hidden_dim": 32, "evaluate.num_envs": 3},
    }
    run, recorder = trained(tmp_path, "dqn", "unified.testing.probes:Probes:both", **values)
    returns = [row["return"] for row in run.metrics() if row["kind"] == "train"]
    assert returns[-1] > 0.95
    assert recorder.row["return"] == pytest.approx(returns[-1], abs=0.05)
    assert [played.return_ for played in looped(run, "evaluation of checkpoint newest", 1, 30)] == [1.0] * 30
