"""Suggestions for tasks and for options that were renamed."""

from __future__ import annotations

import pytest

from unified.core.base.errors import UsageError
from unified.core.components.descriptors import SuiteComponent
from unified.core.components.options import Options
from unified.core.config import suggestions
from unified.core.config.compose import compose
from unified.core.config.schema import LISTS, RunOptions, Train, group_of
from unified.core.config.suggestions import meant_task
from unified.core.registry import registry

TASKS = ("battle_zone", "pong", "HalfCheetah-v5", "half_cheetah_v5")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("BattleZone", "battle_zone"),
        ("battlezone", "battle_zone"),
        ("battle-zone", "battle_zone"),
        ("pong", "pong"),
        ("half_cheetah_v5", "half_cheetah_v5"),
        ("halfcheetahv5", "halfcheetahv5"),
        ("pongg", "pongg"),
        (None, None),
    ],
)
def test_a_task_is_spelled_as_its_suite_spells_it(written: str | None, meant: str | None) -> None:
    suite = type("Here", (SuiteComponent,), {"load_tasks": lambda self: TASKS})("games")
    assert meant_task(written, suite) == meant
    assert meant_task(written, SuiteComponent("any")) == written


@pytest.mark.parametrize(
    ("agent", "word", "new"),
    [
        ("ppo", "agent.horizon=5", "agent.n_steps"),
        ("ppo", "agent.decay=0.9", "agent.gae_lambda"),
        ("ppo", "agent.clip=0.1", "agent.clip_range"),
        ("ppo", "agent.entropy=0.1", "agent.ent_coef"),
        ("ppo", "agent.value=0.1", "agent.vf_coef"),
        ("ppo", "agent.max_norm=1", "agent.max_grad_norm"),
        ("ppo", "agent.hidden=32", "agent.hidden_dim"),
        ("dqn", "agent.clip=1", "agent.max_grad_norm"),
        ("dqn", "agent.seed_steps=5", "agent.learning_starts"),
        ("dqn", "agent.target_every=5", "agent.target_update_interval"),
        ("dqn", "critic.low=-1", "agent.critic.v_min"),
        ("dqn", "agent.critic.high=1", "agent.critic.v_max"),
        ("dqn", "agent.optimizer.accumulate=2", "agent.optimizer.gradient_accumulation"),
        ("drqv2", "agent.stddev_clip=0.2", "agent.noise_clip"),
        ("drqv2", "train.environments=2", "train.num_envs"),
        ("drqv2", "evaluate.environments=2", "evaluate.num_envs"),
        ("drqv2", "train.placement=inline", "train.env_backend"),
        ("drqv2", "train.environment_timeout=5", "train.env_timeout"),
        ("drqv2", "train.bad_limit=5", "train.max_failures"),
        ("drqv2", "with=[console]", "callbacks"),
        ("drqv2", "with.video.every=3", "callbacks.video.every"),
    ],
)
def test_an_old_option_name_is_answered_with_the_new_one(agent: str, word: str, new: str) -> None:
    with pytest.raises(UsageError) as error:
        compose([f"agent={agent}", "suite=gym:CartPole-v1", word])
    (problem,) = error.value.problems
    assert f"{word.partition('=')[0]} was renamed to {new} " in f"{problem} "
    assert problem.hint == f"{new}=…"
    assert str(problem).endswith("(from the command line)")
    assert error.value.exit_code == 2


def test_options_of_the_sampler_moved_below_it() -> None:
    with pytest.raises(UsageError, match=r"replay\.alpha was renamed to replay\.sampler\.alpha"):
        compose(["agent=dqn", "suite=gym:CartPole-v1", "replay.sampler=prioritised", "replay.alpha=0.5"])


def test_the_view_of_a_suite_was_renamed() -> None:
    with pytest.raises(UsageError, match=r"suite\.view was renamed to suite\.task_type"):
        compose(["agent=ac2", "suite=digits", "suite.view=generate"])


def test_a_new_name_that_the_group_does_not_have_is_not_suggested() -> None:
    with pytest.raises(UsageError, match=r"replay\.decay does not exist"):
        compose(["agent=ppo", "suite=gym:CartPole-v1", "replay.decay=0.5"])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("surrogate", "ppo_clip"),
        ("value", "value_mse"),
        ("maxent", "sac_actor"),
        ("temperature", "sac_alpha"),
        ("imitate", "nll"),
        ("reward", "reinforce_critic"),
    ],
)
@pytest.mark.parametrize("plus", ["", "+"])
def test_an_old_objective_is_answered_with_the_new_one(old: str, new: str, plus: str) -> None:
    with pytest.raises(UsageError) as error:
        compose(["agent=ac2", "suite=digits", f"objective=[{plus}{old}]"])
    assert str(error.value.problems[0]).startswith(f"objective {old!r} was renamed to {new!r}")
    assert error.value.exit_code == 2


def test_every_new_name_exists() -> None:
    """The tables suggest nothing that is not there."""
    components = registry()
    options = set(RunOptions.model_fields) | set(LISTS) | set(Train.model_fields)
    for agent in components.all("agents"):
        options |= set(_fields(agent.options_model()))
    for kind in ("suites", "samplers"):
        for component in components.all(kind):
            options |= set(_fields(component.options_model()))
    for old, names in suggestions.RENAMED_OPTIONS.items():
        assert all(name.rpartition(".")[2] in options for name in names), old
        assert old.rpartition(".")[2] not in options or "." in old, old
    for kind, renamed in suggestions.RENAMED_COMPONENTS.items():
        assert set(renamed.values()) <= set(components.names(kind))
        assert not set(renamed) & set(components.names(kind))


def _fields(model: type[Options]) -> list[str]:
    groups = [group for field in model.model_fields.values() if (group := group_of(field.annotation))]
    return [*model.model_fields, *(name for group in groups for name in _fields(group))]
