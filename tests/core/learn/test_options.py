"""How parameters are to move, as it is typed: names, parts, schedules. Torch-free."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from unified.cli.train import as_yaml
from unified.core.base.errors import UsageError
from unified.core.config.compose import compose
from unified.core.config.describe import options as described
from unified.core.learn.options import LearningOptions, OptimizerOptions, PartOptimizerOptions, VectorOptimizerOptions
from unified.core.registry import registry

PENDULUM = ["agent=sac", "suite=gym:Pendulum-v1"]


def composed(*words: str, **more: Any) -> Any:
    return compose([*PENDULUM, *words], **more)


def optimizer(*words: str, **more: Any) -> OptimizerOptions:
    found = composed(*words, **more).agent.options.optimizer
    assert isinstance(found, OptimizerOptions)
    return found


def refused(*words: str) -> str:
    with pytest.raises(UsageError) as error:
        composed(*words)
    return "\n".join(map(str, error.value.problems))


def test_what_is_typed_is_what_moves() -> None:
    found = optimizer("agent.optimizer.name=sgd", "agent.optimizer.momentum=0.9", "agent.optimizer.schedule=cosine(1.0,0.0,20000)")
    assert (found.name, found.momentum, found.schedule) == ("sgd", 0.9, "cosine(1.0,0.0,20000)")
    found = optimizer("agent.optimizer.weight_decay=0.01", "agent.optimizer.betas=[0.5,0.99]", "agent.optimizer.gradient_accumulation=4")
    assert (found.name, found.weight_decay, found.betas, found.gradient_accumulation) == ("adam", 0.01, (0.5, 0.99), 4)


def test_a_name_alone_is_short_as_for_a_slot() -> None:
    assert optimizer("agent.optimizer=sgd") == optimizer("agent.optimizer.name=sgd")
    assert composed("agent.optimizer=sgd").sources["agent.optimizer.name"] == "the command line"
    assert optimizer("agent.optimizer.parts.actor=rmsprop").parts["actor"].name == "rmsprop"


def test_another_one_drops_what_was_said_of_the_first(tmp_path: Path) -> None:
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("agent: {optimizer: {eps: 1.0e-4, schedule: 'linear(1,0,9)', gradient_accumulation: 2, parts: {actor: {lr: 0.5}}}}\n")
    assert optimizer(recipes=[str(recipe)]).eps == 1e-4
    assert optimizer("agent.optimizer=adam", recipes=[str(recipe)]).eps == 1e-4
    other = optimizer("agent.optimizer=sgd", recipes=[str(recipe)])
    assert other.eps is None
    assert (other.schedule, other.gradient_accumulation, other.parts["actor"].lr) == (
        "linear(1,0,9)",
        2,
        0.5,
    )  # what is no optimiser's own stays


@pytest.mark.parametrize(("agent", "name"), [("dqn", "adam"), ("drqv2", "adam"), ("sac", "adam"), ("ppo", "adam"), ("ac2", "adamw")])
def test_every_agent_has_them(agent: str, name: str) -> None:
    found: Any = compose([f"agent={agent}", "suite=gym:Pendulum-v1", "agent.ema=true"]).agent.options
    assert isinstance(found, LearningOptions)
    assert (found.optimizer.name, found.optimizer.weight_decay, found.ema, found.ema_tau) == (name, 0.0, True, 0.01)


def test_a_preset_says_what_an_agent_had_an_option_of_its_own_for() -> None:
    (values,) = (preset.values for preset in registry().get("agents", "dqn").load_presets() if preset.name == "atari")
    assert values["agent.optimizer.eps"] == 1.5e-4


# Parts --------------------------------------------------------------------------------------------------------------------------


def test_a_part_has_its_own(tmp_path: Path) -> None:
    words = ["agent.optimizer.parts.encoder.lr=1e-5", "agent.optimizer.parts.actor.weight_decay=0.1"]
    config = composed(*words)
    assert config.agent.options.optimizer.parts == {
        "encoder": PartOptimizerOptions(lr=1e-5),
        "actor": PartOptimizerOptions(weight_decay=0.1),
    }
    assert config.sources["agent.optimizer.parts.encoder.lr"] == "the command line"
    assert ("agent.optimizer.parts.encoder.lr", 1e-5, "the command line") in config.changed()
    path = tmp_path / "printed.yaml"
    path.write_text(as_yaml(config), encoding="utf-8")
    assert compose([], [str(path)]).digest() == config.digest() != composed().digest()


def test_without_any_nothing_is_changed() -> None:
    assert not [key for key, _, _ in composed().changed() if key.startswith("agent.optimizer")]


def test_a_layer_adds_to_the_parts_of_those_below(tmp_path: Path) -> None:
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("agent.optimizer.parts: {encoder: {lr: 1.0e-5, eps: 1.0e-6}}\n")
    parts = optimizer("agent.optimizer.parts.encoder.lr=2e-5", "agent.optimizer.parts.actor.lr=1", recipes=[str(recipe)]).parts
    assert (parts["encoder"].lr, parts["encoder"].eps, parts["actor"].lr) == (2e-5, 1e-6, 1.0)


def test_a_part_has_the_rest_from_all_and_another_optimiser_only_the_decay() -> None:
    all_parts = OptimizerOptions(
        name="sgd",
        momentum=0.9,
        weight_decay=0.1,
        parts={"encoder": PartOptimizerOptions(lr=1e-5), "actor": PartOptimizerOptions(name="adam", eps=1e-3, weight_decay=0.2)},
    )
    encoder, actor, critic = all_parts.of("encoder"), all_parts.of("actor"), all_parts.of("critic")
    assert (encoder.name, encoder.lr, encoder.momentum, encoder.weight_decay) == ("sgd", 1e-5, 0.9, 0.1)
    assert (actor.name, actor.lr, actor.momentum, actor.eps, actor.weight_decay) == ("adam", None, None, 1e-3, 0.2)
    assert (critic.name, critic.lr, critic.momentum, critic.weight_decay) == ("sgd", None, 0.9, 0.1)


def test_arguments_of_the_class_are_read_and_dropped_with_it(tmp_path: Path) -> None:
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("agent.optimizer: {name: 'torch.optim:Muon', vectors: adamw, options: {ns_steps: 3}, no_decay: true}\n")
    found = optimizer("agent.optimizer.options.nesterov=false", "agent.optimizer.vectors.options.amsgrad=true", recipes=[str(recipe)])
    assert (found.options, found.vectors.name, found.vectors.options) == ({"ns_steps": 3, "nesterov": False}, "adamw", {"amsgrad": True})
    other = optimizer("agent.optimizer=sgd", recipes=[str(recipe)])
    assert (other.options, other.vectors, other.no_decay) == ({}, VectorOptimizerOptions(), True)


def test_parameters_that_are_no_matrices_have_the_rest_from_matrices_and_another_optimiser_rate_and_decay() -> None:
    options = OptimizerOptions(
        name="sgd",
        momentum=0.9,
        weight_decay=0.1,
        no_decay=True,
        options={"nesterov": True},
        vectors=VectorOptimizerOptions(name="adamw", eps=1e-3, options={"amsgrad": True}),
        parts={
            "encoder": PartOptimizerOptions(lr=1e-5, no_decay=False),
            "actor": PartOptimizerOptions(name="adam"),
            "critic": PartOptimizerOptions(vectors=VectorOptimizerOptions(name="sgd", lr=1e-2)),
        },
    )
    encoder, critic = options.of("encoder").for_vectors(), options.of("critic").for_vectors()
    assert encoder is not None
    assert critic is not None
    assert options.of("actor").for_vectors() is None
    assert (encoder.name, encoder.lr, encoder.momentum, encoder.eps, encoder.weight_decay) == ("adamw", 1e-5, None, 1e-3, 0.1)
    assert (encoder.options, encoder.no_decay) == ({"amsgrad": True}, False)
    assert (critic.name, critic.lr, critic.momentum, critic.eps, critic.options) == ("sgd", 1e-2, 0.9, None, {"nesterov": True})
    assert critic.no_decay is True


# What is refused ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("agent.optimizer=sdg", "did you mean  sgd ?"),
        ("agent.optimizer.name=adm", "must be one of adam, adamw, radam, sgd, rmsprop, rmsprop_tf, adagrad, or package.module:Class"),
        ("agent.optimizer=torch.optim.NAdam", "or package.module:Class"),
        ("agent.optimizer=null", "must be one of"),
        ("agent.optimiser=sgd", "did you mean  agent.optimizer ?"),
        ("agent.optimizer.momentum=0.9", "adam has no momentum    sgd, rmsprop, rmsprop_tf take it"),
        ("agent.optimizer.parts.encoder.momentum=0.9", "optimizer.parts.encoder.momentum: adam has no momentum"),
        ("agent.optimizer.betas=[0.9]", "agent.optimizer.betas"),
        ("agent.optimizer.betas=[0.9,1.5]", "must be less than 1"),
        ("agent.optimizer.schedule=cosin(1,0,5)", "is no schedule"),
        ("agent.optimizer.schedule=linear(1,-1,5)", "would be negative"),
        ("agent.optimizer.schedule=linear(1,nan,5)", "finite"),
        (
            "agent.optimizer.gradient_accumulation=3",
            "optimizer.gradient_accumulation=3 does not divide batch_size=256; it divides batch_size=255",
        ),
        ("agent.optimizer.lr=1e-4", "agent.lr"),
        ("agent.optimizer.parts.encoder.lrr=1", "did you mean  agent.optimizer.parts.encoder.lr ?"),
        ("agent.optimizer.parts.encoder.lr=fast", "agent.optimizer.parts.encoder.lr=fast: must be a number"),
        ("agent.optimizer.parts.encoder.lr=-1", "agent.optimizer.parts.encoder.lr=-1: must be greater than 0"),
        ("agent.optimizer.parts.encoder=sdg", "agent.optimizer.parts.encoder=sdg: must be one of"),
        ("agent.optimizer.parts=encoder", "agent.optimizer.parts.NAME.name=…"),
        ("agent.optimizer.wight_decay=1", "agent.optimizer.weight_decay"),
        ("agent.optimizer.ns_steps=3", "an argument of the class that agent.optimizer selects:  agent.optimizer.options.ns_steps=…"),
        ("agent.optimizer.vectors.amsgrad=true", "agent.optimizer.vectors.options.amsgrad=…"),
        ("agent.optimizer.options.lr=1", "agent.optimizer.options.lr cannot be set: agent.lr is the learning rate"),
        ("agent.optimizer.options.betas=[0.5,0.9]", "agent.optimizer.options.betas is agent.optimizer.betas"),
        ("agent.optimizer.parts.actor.options.fused=false", "parts.actor.options.fused cannot be set"),
        ("agent.optimizer.vectors=adamv", "agent.optimizer.vectors=adamv: must be one of"),
        ("agent.optimizer.vectors.momentum=0.9", "agent.optimizer.vectors.momentum: adam has no momentum"),
        ("agent.optimizer.no_decay=maybe", "agent.optimizer.no_decay=maybe"),
        ("agent.ema_tau=2", "must be at most 1"),
    ],
)
def test_what_cannot_be_is_refused_in_words(word: str, said: str) -> None:
    assert said in refused(word)


def test_keys_are_told_with_a_name_in_the_place_of_each_part() -> None:
    rows = {key: (kind, default) for key, kind, default, _ in described(LearningOptions, "agent.")}
    assert rows["agent.optimizer.parts.PART.lr"] == ("float > 0 or null", "null")
    assert rows["agent.optimizer.name"] == ("adam|adamw|radam|sgd|rmsprop|rmsprop_tf|adagrad or text", "adam")
    assert rows["agent.optimizer.betas"] == ("[float,…] or null", "null")
