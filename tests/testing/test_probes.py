"""Probe environments: what uniform random actions and the best ones return is what their documentation says."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from unified.core.base.errors import UsageError
from unified.core.envs.suite import Environment
from unified.core.envs.suite_ref import SuiteReference
from unified.core.envs.vector_env import WorkerVectorEnv
from unified.testing.probes import TASKS, ProbeOptions, Probes

TARGET = "unified.testing.probes:Probes"
FORMS = [{"discrete": discrete, "pixels": pixels} for discrete in (False, True) for pixels in (False, True)]
#: Mean return of uniform random actions, continuous and discrete.
RANDOM = {"constant": (1, 1), "observation": (0, 0), "delayed": (1, 1), "action": (5 / 12, 0), "both": (5 / 12, 0)}


def probe(task: str, **options: Any) -> Environment:
    return Probes(task, ProbeOptions(**options)).environment()


def cue_of(observation: np.ndarray) -> float:
    """What an observation shows, from numbers or brightness."""
    return {0: -1.0, 127: 0.0, 255: 1.0}[int(observation.flat[0])] if observation.dtype == np.uint8 else float(observation[0])


def returns(environment: Environment, policy: Any, episodes: int) -> list[float]:
    found = []
    for seed in range(episodes):
        observation, total, over = environment.reset(seed), 0.0, False
        while not over:
            step = environment.step(np.asarray(policy(cue_of(observation)), environment.spec.action.dtype))
            observation, total, over = step.observation, total + step.reward, step.terminated
            assert not step.truncated
        found.append(total)
    return found


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("task", TASKS)
def test_random_actions_return_what_is_written(task, form):
    draw = np.random.default_rng(1)
    environment = probe(task, **form)
    policy = (lambda cue: draw.integers(2)) if form["discrete"] else (lambda cue: [draw.uniform(-1, 1)])
    found = returns(environment, policy, 3000)
    assert np.mean(found) == pytest.approx(RANDOM[task][form["discrete"]], abs=0.06)
    low, high = environment.spec.reward_range
    assert low <= min(found)
    assert max(found) <= high


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("task", ["action", "both"])
def test_the_best_action_is_worth_one(task, form):
    def right(cue: float) -> Any:
        aim = 1.0 if task == "action" else cue
        return int(aim > 0) if form["discrete"] else [aim / 2]

    assert returns(probe(task, **form), right, 20) == [1.0] * 20


def test_who_does_not_look_at_the_cue_gets_less():
    assert np.mean(returns(probe("both"), lambda cue: [0.0], 50)) == 0.75
    assert abs(np.mean(returns(probe("both", discrete=True), lambda cue: 1, 2000))) < 0.06


def test_the_value_of_an_observation_is_the_cue_it_shows():
    environment = probe("observation")
    cues = []
    for seed in range(40):
        cue = cue_of(environment.reset(seed))
        assert environment.step(np.zeros(1, np.float32)).reward == cue
        cues.append(cue)
    assert set(cues) == {-1.0, 1.0}


def test_the_delayed_reward_comes_at_the_second_step():
    environment = probe("delayed")
    assert cue_of(environment.reset(0)) == -1.0
    first = environment.step(np.zeros(1, np.float32))
    second = environment.step(np.zeros(1, np.float32))
    assert (first.reward, first.terminated, cue_of(first.observation)) == (0.0, False, 1.0)
    assert (second.reward, second.terminated, cue_of(second.observation)) == (1.0, True, 0.0)


def test_rounds_follow_each_other():
    environment = probe("both", rounds=20)
    cues = [cue_of(environment.reset(7))]
    for number in range(1, 21):
        step = environment.step(np.array([cues[-1] / 2], np.float32))
        assert step.reward == 1.0
        assert step.terminated == (number == 20)
        cues.append(cue_of(step.observation))
    assert cues[-1] == 0.0
    assert {*cues[:-1]} == {-1.0, 1.0}


def test_pictures_are_twelve_pixels_wide_and_as_bright_as_the_cue():
    environment = probe("observation", pixels=True)
    space = environment.spec.observation
    assert (space.shape, space.dtype, space.low, space.high) == ((3, 12, 12), "uint8", 0, 255)
    seen = {int(environment.reset(seed).min()) for seed in range(20)}
    assert seen == {0, 255}
    assert environment.step(np.zeros(1, np.float32)).observation.max() == 127
    assert environment.render(4, 6).shape == (4, 6, 3)


def test_an_episode_is_a_function_of_seed_and_actions():
    one, other = probe("both", rounds=6), probe("both", rounds=6)
    other.reset(99)
    for environment in (one, other):
        environment.reset(5)
    for action in np.linspace(-1, 1, 6):
        a, b = (environment.step(np.array([action], np.float32)) for environment in (one, other))
        assert np.array_equal(a.observation, b.observation)
        assert a[1:] == b[1:]


def test_they_are_selected_by_reference_in_processes_without_torch():
    reference = SuiteReference(TARGET, "both", {"discrete": True, "pixels": True, "size": 12, "rounds": 3}, f"{TARGET}.Options")
    with WorkerVectorEnv(reference, 2, 1, placement="process") as vector:
        assert vector.reset().shape == (2, 3, 12, 12)
        vector.step_async(np.array([0, 1]))
        assert set(vector.step_wait().reward) <= {-1.0, 1.0}
    assert Probes("both", None).environment().spec.action.size == 1  # without options, the defaults


def test_importing_them_is_light():
    code = "import sys, unified.testing.probes\nassert not {'torch', 'pytest', 'gymnasium'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unknown_probe_gets_a_suggestion():
    with pytest.raises(UsageError, match="did you mean  delayed"):
        probe("delay")
