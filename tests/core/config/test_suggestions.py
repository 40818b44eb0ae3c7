"""Suggestions for tasks and for options that were renamed."""

from __future__ import annotations

import pytest

from unified.core.base.errors import UsageError
from unified.core.components.descriptors import SuiteComponent
from unified.core.components.options import Options
from unified.core.config import suggestions
from unified.core.config.compose import compose
from unified.core.config.schema import RunOptions, group_of
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
        # anywhere
        ("dqn", "seed_steps=3", "agent.learning_starts"),
        ("dqn", "train.seed_steps=3", "agent.learning_starts"),
        ("ppo", "horizon=3", "agent.n_steps"),
        ("ppo", "environments=3", "train.num_envs or evaluate.num_envs"),
        # of other libraries
        ("dqn", "gamma=0.9", "agent.discount"),
        ("dqn", "agent.gamma=0.9", "agent.discount"),
        ("dqn", "buffer_size=5", "replay.capacity"),
        ("dqn", "train_freq=4", "agent.updates_per_step"),
        ("dqn", "learning_rate=1e-3", "agent.lr"),
        ("dqn", "n_envs=2", "train.num_envs"),
        ("dqn", "total_timesteps=9", "train.frames"),
        ("dqn", "total-timesteps=9", "train.frames"),
        ("ac2", "max_epochs=3", "train.epochs"),
        ("dqn", "Eyes=ViT", "agent.encoder"),
        ("ppo", "n_epochs=3", "agent.epochs"),
        ("dqn", "frame_stack=3", "agent.stack"),
    ],
)
def test_another_name_of_an_option_is_answered_with_ours(agent: str, word: str, new: str) -> None:
    with pytest.raises(UsageError) as error:
        compose([f"agent={agent}", "suite=gym:CartPole-v1", word])
    (problem,) = error.value.problems
    assert problem.message.endswith(f"{word.partition('=')[0]} does not exist")
    assert problem.hint == f"it is called  {new}"
    assert error.value.exit_code == 2


@pytest.mark.parametrize(
    ("word", "answer"),
    [
        ("recipe=laptop", "type  -r laptop"),
        ("task=dmc/walker_walk", "type  suite=dmc/walker_walk"),
        ("wandb=true", "callbacks=[+tensorboard]"),
        ("num_workers=3", "leave it out"),
        ("+encoder.depth=3", "values need no +:  encoder.depth=3"),
        ("generate=true", "-o flow"),
        ("load.every=3", "replay.load=RUN"),
        ("agent.seed_steps=3", "it is called  agent.learning_starts   ac2, "),
        ("replay.alpha=0.5", "it is called  replay.sampler.alpha   prioritised has it, uniform does not:  replay.sampler=prioritised"),
    ],
)
def test_a_name_without_a_counterpart_is_answered_too(word: str, answer: str) -> None:
    with pytest.raises(UsageError) as error:
        compose(["agent=ppo", "suite=gym:CartPole-v1", word])
    assert answer in error.value.problems[0].hint


@pytest.mark.parametrize(
    ("word", "answer"),
    [
        ("agent=c51", "--agent dqn critic.head=categorical"),
        ("agent=qr_dqn", "--agent qrdqn"),
        ("agent=mdqn", "--agent munchausen"),
        ("critic.head=twohot", "critic.head=two_hot"),
        ("agent=ddqn", "--agent dqn"),
        ("agent=HER", "replay.sampler=hindsight"),
        ("encoder=convnext", "encoder=torchvision.models:"),
        ("callbacks=[+wandb]", "callbacks=[+tensorboard]"),
        ("objective=[imitate]", "-o nll"),
        ("objective=[+reward]", "-o reinforce_critic"),
        ("suite=CartPole-v1", "gym:CartPole-v1"),
        ("suite=ALE/Pong-v5", "atari:pong"),
        ("suite=atari:BattleZoneNoFrameskip-v4", "atari:battle_zone"),
    ],
)
def test_what_something_is_called_elsewhere_is_answered(word: str, answer: str) -> None:
    with pytest.raises(UsageError) as error:
        compose([word])
    assert answer in error.value.problems[0].hint
    assert error.value.exit_code == 2


def test_every_answer_can_be_typed() -> None:
    """The tables suggest nothing that is not there: keys exist, and what stands before a remark composes."""
    components = registry()
    options = {"suite", "agent", "objective", "callbacks", *_fields(RunOptions)}
    for kind in ("agents", "suites", "samplers", "architectures"):
        for component in components.all(kind):
            options |= set(_fields(component.options_model()))
    for old, names in suggestions.other_names().items():
        for name in names:
            assert suggestions.is_answer(name) or name.rpartition(".")[2] in options, (old, name)
    for kind in suggestions.SELECTED:
        for component in components.all(kind):
            for old, answer in component.answers.items():
                assert old == old.lower()
                assert old not in components.names(kind), old
                if "torchvision" in answer or "timm" in answer:  # whose names are not known here
                    continue
                words = answer.split("   ")[0].replace("--agent ", "agent=").replace("-o ", "objective=").split()
                rest = ["agent=ac2", "suite=digits"] if kind == "objectives" else ["agent=sac", "suite=gym:CartPole-v1"]
                compose([*words, *(each for each in rest if not any(word.startswith(each[:6]) for word in words))])


def _fields(model: type[Options]) -> list[str]:
    groups = [group for field in model.model_fields.values() if (group := group_of(field.annotation))]
    return [*model.model_fields, *(name for group in groups for name in _fields(group))]
