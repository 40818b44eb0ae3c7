"""Variants of DQN: what each is, part by part, and the mistakes of its relatives."""

from __future__ import annotations

from typing import Any

import pytest

from unified.core.base.errors import UsageError
from unified.core.components.descriptors import AgentComponent
from unified.core.config.compose import compose
from unified.core.config.config import Config
from unified.core.registry import registry
from unified.plugins.agents.dqn import components

VARIANTS = [component.name for component in components[1:]]
CARTPOLE = "suite=gym:CartPole-v1"


def config_of(*words: str) -> Config:
    return compose([CARTPOLE, *words])


def parts_of(config: Config) -> dict[str, Any]:
    """The six parts of Rainbow, and what explores."""
    options = config.agent.options
    return {
        **{"double": options.double, "n_step": options.n_step, "epsilon": options.epsilon},
        **{"dueling": options.critic.dueling, "noisy": options.critic.noisy},
        **{"head": options.critic.head.name, "sampler": config.replay.sampler.name},
    }


RAINBOW = {
    **{"double": True, "n_step": 3, "epsilon": None, "dueling": True, "noisy": True},
    **{"head": "categorical", "sampler": "prioritised"},
}


def test_rainbow_has_all_six_parts_and_noise_instead_of_random_actions() -> None:
    config = config_of("agent=rainbow")
    assert parts_of(config) == RAINBOW
    assert (config.replay.sampler.options.alpha, config.replay.sampler.options.beta) == (0.5, None)  # β to 1 over the budget


@pytest.mark.parametrize(
    ("words", "part", "off"),
    [
        (["agent.double=false"], "double", False),
        (["critic.dueling=false"], "dueling", False),
        (["critic.head=scalar"], "head", "scalar"),
        (["agent.n_step=1"], "n_step", 1),
        (["replay.sampler=uniform"], "sampler", "uniform"),
    ],
)
def test_each_part_of_rainbow_is_switched_off_alone(words: list[str], part: str, off: Any) -> None:
    assert parts_of(config_of("agent=rainbow", *words)) == {**RAINBOW, part: off}


def test_without_noise_something_else_has_to_explore() -> None:
    """Rainbow: an ε that nothing reads, or a greedy agent without noise."""
    with pytest.raises(UsageError, match="explores by nothing") as error:
        config_of("agent=rainbow", "critic.noisy=false")
    hint = error.value.problems[0].hint
    assert parts_of(config_of("agent=rainbow", "critic.noisy=false", hint)) == {
        **RAINBOW,
        "noisy": False,
        "epsilon": hint.partition("=")[2],
    }


@pytest.mark.parametrize("task", ["Acrobot-v1", "MountainCar-v0", "LunarLander-v3"])
def test_presets_of_tasks_leave_the_parts_of_rainbow_alone(task: str) -> None:
    config = compose(["agent=rainbow", f"suite=gym:{task}"])
    assert parts_of(config) == {**RAINBOW, "n_step": 5 if task == "LunarLander-v3" else 3}


def test_munchausen_is_soft_takes_one_step_and_chooses_no_greatest_value() -> None:
    for words in (["agent=munchausen"], ["agent=dqn", "objective=munchausen"], ["agent=iqn", "objective=munchausen"]):
        config = config_of(*words)
        options = config.agent.options
        assert (options.temperature, options.double, options.n_step) == (0.03, False, 1)
        (objective,) = config.objectives
        assert (objective.name, objective.options.alpha, objective.options.least) == ("munchausen", 0.9, -1.0)
    with pytest.raises(UsageError, match=r"agent\.double=true chooses a greatest value"):
        config_of("agent=munchausen", "agent.double=true")


def test_a_draw_of_a_policy_needs_its_temperature() -> None:
    with pytest.raises(UsageError, match="there is no τ"):
        config_of("agent=dqn", "agent.softmax=true")


def test_rem_is_a_mixture_of_members_without_a_double_choice() -> None:
    options = config_of("agent=rem").agent.options
    assert (options.critic.reduce, options.double, options.n_step, options.critic.members) == ("mixture", False, 1, 4)
    assert options.critic.head.options.huber == 1.0


def test_iqn_has_the_settings_of_dopamine_on_atari_and_fewer_levels_on_vectors() -> None:
    options = compose(["agent=iqn", "suite=atari:pong"]).agent.options
    head = options.critic.head.options
    assert (head.atoms, head.grid, head.cosines, head.huber) == (64, 32, 64, 1.0)
    assert (options.lr, options.optimizer.eps, options.n_step, options.double, options.batch_size) == (5e-5, 3.125e-4, 3, False, 32)
    assert config_of("agent=iqn").agent.options.critic.head.options.atoms == 8


@pytest.mark.parametrize("name", ["dqn", *VARIANTS])
@pytest.mark.parametrize("task", ["gym:CartPole-v1", "gym:Acrobot-v1", "gym:MountainCar-v0", "gym:LunarLander-v3", "atari:pong"])
def test_every_preset_names_options_that_exist(name: str, task: str) -> None:
    config = compose([f"agent={name}", f"suite={task}"])
    assert config.agent.name == name
    component = registry().get("agents", name)
    assert isinstance(component, AgentComponent)
    assert component.target.endswith("dqn.agent:DQN")  # no agent file of its own


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ("Acrobot-v1", (6.3e-4, 128, 50_000, 0, 0.99, 250, 1.0, "linear(1.0,0.1,12000)", 100_000)),
        ("LunarLander-v3", (6.3e-4, 128, 50_000, 0, 0.99, 250, 1.0, "linear(1.0,0.1,12000)", 100_000)),
        ("MountainCar-v0", (4e-3, 128, 10_000, 1000, 0.98, 300, 0.5, "linear(1.0,0.07,24000)", 120_000)),
    ],
)
def test_settings_of_classic_tasks_are_those_of_the_zoo(task: str, expected: tuple[Any, ...]) -> None:
    config = compose(["agent=dqn", f"suite=gym:{task}"])
    o = config.agent.options
    found = (o.lr, o.batch_size, config.replay.capacity, o.learning_starts, o.discount, o.target_update_interval, o.updates_per_step)
    assert (*found, o.epsilon, config.train.frames) == expected
    assert (o.tau, o.n_step, o.double, o.critic.head.options.huber, o.critic.hidden_dim, o.critic.depth) == (1.0, 1, False, 1.0, 256, 2)


def test_presets_of_an_agent_and_an_objective_of_one_name_are_told_apart() -> None:
    """`munchausen` is an agent, and an objective of any agent of values."""
    task = "suite=gym:CartPole-v1"
    own, added = compose(["agent=munchausen", task]), compose(["agent=iqn", task, "objective=munchausen"])
    assert own.sources["agent.temperature"] == "preset munchausen of agent munchausen"
    assert added.sources["agent.temperature"] == "preset munchausen of objective munchausen"
    with pytest.raises(UsageError, match="preset munchausen of objective munchausen"):
        compose(["agent=ppo", task, "objective=munchausen"])
