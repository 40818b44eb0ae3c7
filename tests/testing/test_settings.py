"""Options and tasks for conformance checks."""

from __future__ import annotations

import pytest

from unified.core.base.errors import UsageError
from unified.core.components.descriptors import AgentComponent, SuiteComponent
from unified.core.registry import registry
from unified.testing.checks.agents import acts_in_every_space
from unified.testing.checks.suites import tasks_of
from unified.testing.kit import components_of
from unified.testing.settings import configure
from unified.testing.workshop import default_options, places, samples, tiny_options


def agent(*words: str, task: str | None = None, name: str = "dqn") -> AgentComponent:
    (found,) = configure(components_of(name), words, task)
    assert isinstance(found, AgentComponent)
    return found


def test_options_become_defaults() -> None:
    changed = agent("agent.critic.head=quantile", "batch_size=16")
    options = default_options(changed)
    assert options.critic.head.name == "quantile"
    assert options.batch_size == 16
    plain = default_options(registry().get("agents", "dqn"))
    assert (plain.batch_size, plain.tau) == (128, options.tau)


def test_small_values_do_not_replace_the_given_ones() -> None:
    assert tiny_options(registry().get("agents", "dqn")).batch_size == 8
    assert tiny_options(agent("batch_size=16")).batch_size == 16


def test_small_options_of_an_agent_are_below_those_that_the_caller_sets() -> None:
    plain = tiny_options(registry().get("agents", "crossq"))
    assert plain.critic.hidden_dim == 16 < default_options(registry().get("agents", "crossq")).critic.hidden_dim
    assert (plain.critic.norm, plain.actor.norm) == ("batch_renorm", "batch_renorm")  # the values of the variant
    changed = tiny_options(agent("critic.hidden_dim=24", name="crossq"))
    assert (changed.critic.hidden_dim, changed.actor.hidden_dim) == (24, 16)


def test_a_small_value_is_never_greater_than_the_default() -> None:
    assert tiny_options(registry().get("architectures", "impala_cnn")).width == 1


def test_a_variant_is_checked_at_both_kinds_of_observations_and_of_actions() -> None:
    both = samples(registry().get("agents", "tqc"))
    assert [(place.pixels, place.discrete) for place in both] == [(False, False), (True, True)]
    assert len(samples(registry().get("agents", "sac"))) == len(places(registry().get("agents", "sac"))) > 2
    assert len(places(registry().get("agents", "tqc"))) > 2  # where it acts
    (place,) = samples(agent(task="gym:CartPole-v1", name="tqc"))
    assert place.name == "gym:CartPole-v1"


def test_the_original_component_is_unchanged() -> None:
    original = registry().get("agents", "dqn")
    changed = agent("critic.head=quantile")
    assert changed != original
    assert (changed.qualified, changed.target) == (original.qualified, original.target)
    assert default_options(original).critic.head == "scalar"


def test_an_agent_is_checked_on_the_task() -> None:
    on_task = agent(task="gym:CartPole-v1")
    (place,) = places(on_task)
    assert place.name == "gym:CartPole-v1"
    assert place.spec.observation.shape == (4,)
    assert acts_in_every_space(on_task) == "gym:CartPole-v1"


def test_an_agent_is_checked_on_a_data_set() -> None:
    (place,) = places(agent(task="digits", name="ac2"))
    assert place.spec.task_type == "classify"


@pytest.mark.parametrize("task", ["walker_run", "dmc:walker_run"])
def test_a_suite_is_checked_on_the_task(task: str) -> None:
    (found,) = configure(components_of("dmc"), task=task)
    assert isinstance(found, SuiteComponent)
    assert tasks_of(found) == ("walker_run",)


@pytest.mark.parametrize(
    ("name", "words", "task", "error"),
    [
        ("dqn", ["critic.hed=quantile"], None, "agent.critic.hed does not exist    did you mean  agent.critic.head"),
        ("dqn", ["batchsize=3"], None, "agent dqn has no option 'batchsize'    did you mean  batch_size"),
        ("dqn", ["batch_size=0"], None, "agent.batch_size=0: must be at least 1"),
        ("core", ["lr=0.1"], None, "lr: there are several components, so the key begins with a kind    agent.lr=… or suite.lr=…"),
        ("dmc", [], "walkr_walk", "suite dmc has no task 'walkr_walk'    did you mean  walker_walk"),
        ("dqn", [], "gymm:CartPole-v1", "suite 'gymm' does not exist    did you mean  gym"),
        ("mlp", [], "gym:CartPole-v1", "neither an agent nor the suite gym is checked"),
    ],
)
def test_what_does_not_exist_is_refused(name: str, words: list[str], task: str | None, error: str) -> None:
    with pytest.raises(UsageError) as refused:
        configure(components_of(name), words, task)
    assert error in str(refused.value.problems[0])
