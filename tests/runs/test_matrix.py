"""Every agent on every kind of task: it learns and is judged, or it is refused with a reason when the run is composed."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pytest

import unified as library
from matrix import AGENTS, REPOSITORY, TASKS, plain, reason, table
from unified.core.base.errors import UsageError
from unified.core.config.compose import compose
from unified.core.registry import registry

#: What each kind of task is judged by.
METRICS = {"classify": "accuracy", "regress": "r2", "generate": "coverage"}
COMPONENTS = {name: registry().get("agents", name) for name in AGENTS}
#: Agents that learn from rewards alone, of which what is made has none.
REWARDED = [name for name, component in COMPONENTS.items() if component.task_types and "generate" not in component.task_types]
REASON = "control, classify, regress, and not generate: there is no reward in a generation task"
SHORT = {"train.frames": 200, "train.num_envs": 1, "evaluate.every": 0, "evaluate.episodes": 1, "checkpoint.every": 0, "callbacks": []}
#: Agents with the code of another one, whose values bring other networks and losses, and tasks of all kinds of actions and observations.
VARIANTS = [name for name, component in COMPONENTS.items() if component.base is not None]
OF_VARIANTS = ("discrete control", "continuous control", "few pixels")
#: Seconds go into episodes and pictures; these are the few that everybody waits for.
QUICK = [("random", "generate"), ("random", "classify"), ("drqv2", "classify"), ("dqn", "regress"), ("sac", "classify"), ("ppo", "regress")]
#: What an agent refuses on some of the tasks, beside kinds of tasks that it does not name: actions that are no numbers, pictures.
OTHERS = {"hiro": ("discrete control", "pixels", "few pixels")}


def fits(agent: str, task: str) -> bool:
    """Whether the agent trains on the task."""
    kinds = COMPONENTS[agent].task_types
    return (not kinds or (task if task in METRICS else "control") in kinds) and task not in OTHERS.get(agent, ())


CELLS = [
    pytest.param(agent, task, marks=() if (agent, task) in QUICK else pytest.mark.slow, id=f"{agent}-{task}")
    for agent in AGENTS
    for task in TASKS
    if fits(agent, task) and (agent not in VARIANTS or task in OF_VARIANTS)
]


@pytest.mark.parametrize(("agent", "task"), CELLS)
def test_it_trains_and_is_judged(agent: str, task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    suite, *words = TASKS[task]
    small = {f"agent.{key}": value for key, value in COMPONENTS[agent].small.items()}
    pixels = {"suite.size": 24} if task == "pixels" else {}
    said = dict(word.split("=") for word in words)
    # whole episodes come before its first update, of 200 frames or 1,000
    longer = {"train.frames": 1_050 if task == "pixels" else 250} if agent == "decision_transformer" else {}
    run = library.train(agent=agent, suite=suite, config={**SHORT, **said, **small, **pixels, **longer, "root": str(tmp_path)})
    (judged,) = [row for row in run.metrics() if row["kind"] == "evaluate"]
    metric = METRICS.get(task, "return")
    assert judged.get("metric", "return") == metric
    assert math.isfinite(judged[metric])
    assert judged["frames"] >= 200
    if agent != "random":
        assert judged["updates"] >= 10
    bad = [row["nonfinite"] for row in run.metrics() if "nonfinite" in row]
    assert not any(bad)


@pytest.mark.parametrize("agent", REWARDED)
def test_what_has_no_reward_is_refused(agent: str) -> None:
    tasks = ", ".join(COMPONENTS[agent].task_types)
    wanted = f"agent {agent} can {tasks}, and not generate: there is no reward in a generation task    --agent ac2"
    for word, source in (("suite.task_type=generate", "the command line"), ("objective=vae", "preset generate of vae")):
        with pytest.raises(UsageError) as refused:
            compose([f"agent={agent}", "suite=digits", word])
        assert str(refused.value.problems[0]) == f"{wanted}    (from {source})"
    if "classify" in COMPONENTS[agent].task_types:
        assert compose([f"agent={agent}", "suite=digits"]).agent.name == agent
        assert compose([f"agent={agent}", "suite=digits", "suite.task_type=classify"]).agent.name == agent


def test_it_is_refused_before_anything_is_imported() -> None:
    program = f"""
import sys
from unified.cli.main import main
sys.argv = ["unified", *{plain("dqn", "generate")!r}]
try:
    main()
except SystemExit as exit:
    assert exit.code == 2, exit.code
assert not {{"torch", "numpy", "sklearn"}} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert reason(done.stderr) == f"agent dqn can {REASON}; --agent ac2"


def test_random_pixels_are_random(tmp_path: Path) -> None:
    from unified.core.trainer.build import evaluate, load_agent

    run = library.train(agent="random", suite="digits", config={**SHORT, "suite.task_type": "generate", "root": str(tmp_path)})
    (judged,) = [row for row in run.metrics() if row["kind"] == "evaluate"]
    assert judged["coverage"] < 0.05 < judged["coverage_floor"]
    pictures = evaluate(run)[1].pictures
    assert pictures is not None
    assert (pictures.dtype, pictures.shape[1:]) == ("uint8", (1, 8, 8))
    assert 100 < pictures.mean() < 155
    assert not load_agent(run).agent.phase_list


@pytest.mark.parametrize("suite", ["digits", "diabetes", "vision:mnist", "atari:pong", "gym:CartPole-v1"])
def test_where_nobody_names_an_agent_it_is_the_generalist(suite: str) -> None:
    assert compose([f"suite={suite}"]).agent.name == "ac2"
    assert compose([f"suite={suite}"], default_recipe=True).agent.name == "ac2"
    assert compose([f"suite={suite}", "agent=dqn"]).agent.name == "dqn"


def test_the_table_says_what_is_known() -> None:
    found = {
        "train --agent random --suite gym:CartPole-v1": {"metric": "return", "score": 22.4, "sd": 9.0},
        "train --agent dqn --suite gym:CartPole-v1": {"metric": "return", "score": 498.0, "sd": 3.0},
        "train --agent ppo --suite digits": {"metric": "accuracy", "score": 0.9, "sd": None},
        "train --agent dqn --suite digits suite.task_type=generate": {"refused": "no"},
        "train --agent sac --suite digits suite.task_type=generate": {"refused": "no"},
    }
    lines = {line.split(" | ")[0]: line for line in table(found).splitlines()}
    assert lines["| random"].startswith("| random | return 22.4 ± 9.0 |  |")
    assert lines["| dqn"].startswith("| dqn | return 498 ± 3 (random 22.4) |")
    assert "| accuracy 0.9 |" in lines["| ppo"]
    assert lines["| sac"].endswith("| –[^1] |")
    assert table(found).endswith("\n\n[^1]: no")
