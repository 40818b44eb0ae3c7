"""Layers, sources, slots, presets: what is said where, and what wins."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import toy
from unified.core import registry
from unified.core.base.errors import UsageError
from unified.core.components.descriptors import AgentComponent, ArchitectureComponent, ObjectiveComponent
from unified.core.components.hookspecs import hookimpl
from unified.core.components.options import Options
from unified.core.config.compose import compose
from unified.core.config.schema import Part, Selection
from unified.core.registry import Registry
from unified.core.runs.lookup import identity_path
from unified.testing.plugins import entry_points

CARTPOLE = ["agent=drqv2", "suite=dmc:cartpole_balance"]


@pytest.fixture
def plugin_registry(monkeypatch) -> Callable[..., Registry]:
    """As `unified.testing.fixtures.plugin_registry`, with the toy components in the place of the built-ins."""

    def make(*plugins: Any, **named: Any) -> Registry:
        known = toy.registry(*entry_points(*plugins, core=False, **named))
        monkeypatch.setattr(registry, "_current", [known])
        return known

    return make


@pytest.fixture(autouse=True)
def _toys(plugin_registry) -> None:
    plugin_registry()


def refused(*words: str, **more) -> list[str]:
    with pytest.raises(UsageError) as error:
        compose(list(words), **more)
    assert error.value.exit_code == 2
    return [str(problem) for problem in error.value.problems]


def test_defaults_are_typed_and_have_sources():
    config = compose(["agent=random", "suite=gym:CartPole-v1"])
    assert (config.experiment, config.seed, config.device, config.precision, config.root) == ("default", 1, "auto", "auto", "runs")
    assert (config.train.frames, config.train.num_envs, config.evaluate.episodes, config.checkpoint.keep) == (1_000_000, 1, 10, 2)
    assert [callback.name for callback in config.callbacks] == ["console", "curve", "video"]
    assert config.sources["train.frames"] == "default"
    assert config.sources["agent.name"] == "the command line"
    assert (config.suite.name, config.suite.task, config.launcher.name) == ("gym", "CartPole-v1", "local")


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "1e300"])
def test_a_time_limit_of_environments_is_a_time(value):
    assert refused(f"train.env_timeout={value}")


def test_precedence_and_sources(tmp_path):
    (tmp_path / "low.yaml").write_text("agent.lr: 1e-3\nagent.n_step: 5\nseed: 5\nreplay: {capacity: 1e5}\n")
    (tmp_path / "high.yaml").write_text("imports: [./low.yaml]\nagent: {n_step: 7}\nseed: 7\n")
    config = compose([*CARTPOLE, "train.frames=2e6"], [str(tmp_path / "high.yaml")], {"seed": 9, "train": {"frames": 5, "log_every": 10}})
    options = config.agent.options
    assert (options.lr, options.n_step, config.seed, config.train.frames, config.train.log_every) == (1e-3, 7, 9, 2_000_000, 10)
    assert config.replay.capacity == 100_000
    assert config.sources["agent.lr"] == "recipe ./low.yaml"
    assert config.sources["agent.n_step"] == f"recipe {tmp_path / 'high.yaml'}"
    assert config.sources["seed"] == "Python"
    assert config.sources["train.frames"] == "the command line"
    assert config.sources["agent.stddev"] == "preset easy of drqv2"


def test_presets_are_of_the_agent_that_is_chosen_in_the_end(tmp_path):
    recipe = tmp_path / "other.yaml"
    recipe.write_text("agent: random\nsuite: dmc:walker_walk\n")
    config = compose(["agent=drqv2"], [str(recipe)])
    assert (config.agent.options.n_step, config.train.frames) == (1, 1_100_000)
    assert compose([], [str(recipe)]).train.frames == 1_000_000


def test_a_slot_selected_again_drops_the_options_below(tmp_path):
    recipe = tmp_path / "a.yaml"
    recipe.write_text("agent: {name: drqv2, lr: 0.5, encoder: {name: drqv2_cnn, channels: 8}}\nsuite: dmc:walker_walk\nsuite.size: 32\n")
    path = [str(recipe)]
    assert compose(["agent=random"], path).agent.options.model_dump() == {}
    assert compose(["agent=drqv2"], path).agent.options.lr == 0.5
    assert compose(["suite=gym:Pendulum-v1"], path).suite.options.size == 84
    assert compose(["suite=dmc:cartpole_swingup"], path).suite.options.size == 32
    assert compose(["encoder=mlp", "encoder.depth=3"], path).agent.options.encoder.options.depth == 3
    assert compose(["encoder=null"], path).agent.options.encoder is None
    assert refused("agent=random", "agent.lr=1", recipes=path)[0].startswith("agent.lr does not exist")


def test_a_qualified_name_is_the_same_component(tmp_path):
    recipe = tmp_path / "a.yaml"
    recipe.write_text(
        "agent: {name: drqv2, lr: 0.5, encoder: {name: mlp, hidden_dim: 8}}\nsuite: dmc:walker_walk\nsuite.size: 32\n"
        "callbacks: [console, video]\ncallbacks.video.every: 9\nobjective: [td]\n"
    )
    path = [str(recipe)]
    for words in (
        ["agent=core/drqv2"],
        ["encoder=core/mlp"],
        ["suite=core/dmc:walker_walk"],
        ["callbacks=[+core/video]"],
        ["objective=core/td"],
    ):
        config = compose(words, path)
        assert config.tree == compose([], path).tree
        assert (config.agent.options.lr, config.agent.options.encoder.options.hidden_dim, config.suite.options.size) == (0.5, 8, 32)
    assert [callback.name for callback in compose([*CARTPOLE, "callbacks=[+core/video]"]).callbacks] == ["console", "curve", "video"]
    low = {"encoder": ["drqv2_cnn", "core/mlp"], "encoder.1.hidden_dim": 8}
    assert compose([*CARTPOLE, "encoder=[core/drqv2_cnn,mlp]"], values=low).tree["agent"]["encoder"]["1"]["hidden_dim"] == 8


def test_a_qualified_default_is_no_change(plugin_registry):
    def register_architectures():
        yield ArchitectureComponent("mine", f"{__name__}:mine", f"{__name__}:Weighted", "Of mine.")

    def register_agents():
        yield AgentComponent("other", "json:loads", f"{__name__}:Parted", "Has a part.")

    plugin_registry(
        ahead=SimpleNamespace(register_architectures=hookimpl(register_architectures), register_agents=hookimpl(register_agents))
    )
    for word in ("encoder=mine", "encoder=ahead/mine", "seed=1"):
        config = compose(["agent=other", word], values={"encoder.weight": 3})
        assert config.agent.options.encoder.options.weight == 3.0
        assert [key for key, _, _ in config.changed() if "encoder" in key] == ["agent.encoder.weight"]


def test_shorthand_of_a_part():
    config = compose([*CARTPOLE, "encoder=mlp", "encoder.hidden_dim=64"])
    encoder = config.agent.options.encoder
    assert isinstance(encoder, Selection)
    assert (encoder.kind, encoder.name, encoder.options.hidden_dim, encoder.options.depth) == ("architectures", "mlp", 64, 2)
    assert config.tree["agent"]["encoder"] == {"name": "mlp", "hidden_dim": 64, "depth": 2}
    assert compose([*CARTPOLE, "agent.encoder=mlp", "agent.encoder.hidden_dim=64"]).tree == config.tree
    assert "was not checked" in refused("agent=nobody", "encoder=mlp")[1]


def test_the_task_is_part_of_the_suite():
    config = compose(["agent=random", "suite=dmc:walker_walk", "suite.task=walker_run"])
    assert config.suite.task == "walker_run"
    assert config.tree["suite"]["name"] == "dmc"
    assert config.tree["suite"]["task"] == "walker_run"
    assert compose(["suite=gym:ALE/Pong-v5", "agent=random"]).suite.task == "ALE/Pong-v5"
    (alone,) = refused("suite=dmc")
    assert "needs a task" in alone
    assert "dmc:humanoid_run" in alone
    assert "all 51: unified plugins show dmc" in alone
    assert alone.count("dmc:") < 6
    assert "gym:" in refused("suite=gym")[0]
    assert "did you mean  dmc:humanoid_run ?" in refused("suite=humanoid_run")[0]


def test_only_one_of_agent_and_suite_named():
    assert compose(["agent=drqv2"], default_recipe=True).suite.task == "cartpole_balance"
    config = compose(["suite=dmc:walker_walk"], default_recipe=True)
    assert (config.agent.name, config.recipes, config.embedded) == ("drqv2", (), False)
    assert compose(["suite=gym:CartPole-v1"]).agent.name == "ac2"
    assert compose(["suite=gym:CartPole-v1"]).sources["agent.name"] == "default"


def test_nothing_named_is_the_recipe_laptop():
    config = compose(["seed=3"], default_recipe=True)
    assert (config.recipes, config.embedded, config.seed) == (("laptop",), True, 3)
    assert (config.agent.name, config.suite.name, config.suite.task) == ("drqv2", "dmc", "cartpole_balance")
    assert "recipe laptop" in config.sources.values()
    assert compose([], [], {}, default_recipe=False).recipes == ()


def test_a_saved_tree_is_a_recipe(tmp_path):
    words = [
        "suite=dmc:humanoid_run",
        "encoder=mlp",
        "callbacks=[video]",
        "callbacks.video.every=3",
        "objective=[+td]",
        "replay.save=x",
        "agent.lr=3e-5",
    ]
    config = compose(words)
    path = tmp_path / "run" / "config.json"
    path.parent.mkdir()
    path.write_text(json.dumps(config.tree))
    for name in (str(path), str(path.parent)):
        again = compose([], [name])
        assert again.tree == config.tree
        assert again.digest() == config.digest()
    assert compose(["agent.lr=1e-5"], [str(path)]).digest() != config.digest()


def test_the_digest_is_of_what_defines_the_result():
    digest = compose(CARTPOLE).digest()
    for word in ("root=elsewhere", "experiment=x", "callbacks=[]", "checkpoint.every=5", "train.frames=5"):
        assert compose([*CARTPOLE, word]).digest() == digest
    for word in ("seed=2", "agent.lr=1", "suite.size=64", "precision=fp32"):
        assert compose([*CARTPOLE, word]).digest() != digest


def test_what_changed():
    changed = compose([*CARTPOLE, "suite.size=64", "seed=1", "encoder=mlp"]).changed()
    assert ("suite.size", 64, "the command line") in changed
    assert ("agent.encoder", "mlp", "the command line") in changed
    assert ("train.frames", 1_100_000, "preset easy of drqv2") in changed
    assert ("agent", "drqv2", "the command line") in changed
    assert not [key for key, _, _ in changed if key in ("seed", "agent.encoder.depth")]
    assert {key for key, _, _ in compose(["suite=dmc:walker_run"]).changed()} >= {"suite.task", "agent.n_step"}


def test_every_leaf_has_a_source():
    from unified.core.config.config import leaves

    config = compose(["encoder=mlp"], default_recipe=True)
    assert {".".join(path) for path, _ in leaves(config.tree)} <= set(config.sources)


def test_callbacks():
    config = compose([*CARTPOLE, "callbacks=[console,video]", "callbacks.video.every=2"])
    assert [(callback.name, callback.kind) for callback in config.callbacks] == [("console", "callbacks"), ("video", "callbacks")]
    assert config.callbacks[1].options.every == 2
    assert [callback.name for callback in compose([*CARTPOLE, "callbacks=[+tensorboard]"]).callbacks][-1] == "tensorboard"
    for nothing in ("callbacks=[]", "callbacks=none"):
        assert compose([*CARTPOLE, nothing]).callbacks == []
    assert compose(["callbacks=[console]"], values={"callbacks.video.every": 2}).callbacks[0].name == "console"
    (problem,) = refused("callbacks=[console]", "callbacks.video.every=2")
    assert "add it:  callbacks=[console,video]" in problem
    assert "did you mean  console ?" in refused("callbacks=[konsole]")[0]


def test_objectives():
    def chosen(*words: str, **values: Any) -> list[str]:
        return [objective.name for objective in compose([*CARTPOLE, *words], values=values).objectives]

    assert chosen("objective=td") == ["td"]
    assert chosen("objective=[+dpg]", objective=["td"]) == ["td", "+dpg"]
    assert chosen("objective=[dpg]", objective=["td"]) == ["dpg"]
    assert "did you mean  td ?" in refused("objective=[+tdd]")[0]


def test_everything_wrong_is_told_at_once():
    assert refused("agent=drqv3", "suite=dmc:humanoid_rum", "agent.lrr=1e-4", "train.frames=-5") == [
        "agent 'drqv3' does not exist    did you mean  drqv2 ?    (from the command line)",
        "suite dmc has no task 'humanoid_rum'    did you mean  humanoid_run ?   all: unified plugins show dmc    (from the command line)",
        "train.frames=-5: must be greater than 0    (from the command line)",
        "agent.lrr was not checked, since the agent is unknown",
    ]


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("agent.lrr=1", "did you mean  agent.lr ?"),
        ("lr=1", "did you mean  agent.lr ?"),
        ("trian.frames=1", "did you mean  train.frames ?"),
        ("frames=1", "did you mean  train.frames ?"),
        ("agent.lr.x=1", "agent.lr is a value:  agent.lr=…"),
        ("agent.zzzz=1", "all: unified plugins show drqv2"),
        ("zzzz=1", "all keys, with their values:  unified train --dry-run"),
        ("train=5", "train is a group of options    it has train.frames"),
        ("agent.name.x=1", "agent.name.x does not exist"),
        ("suite.task.x=1", "suite.task.x does not exist"),
        ("callbacks.name.x=1", "callback 'name' is not selected"),
        ("size=3", "did you mean  suite.size ?"),
        ("every=3", "did you mean  evaluate.every, checkpoint.every or callbacks.video.every ?"),
        ("env=walker_walk", "it is called  suite"),
        ("agent.learning_rate=1", "it is called  agent.lr"),
        ("actor=mlp", "actor does not exist    ac2, sac have it, drqv2 does not"),
        ("seed=abc", "seed=abc: must be a whole number"),
        ("seed=-1", "must be at least 0"),
        ("precision=fp16", "must be one of auto, fp32, bf16"),
        ("threads=0", "must be auto or a whole number from 1 to 256"),
        ("threads=true", "must be"),
        ("agent.discount=1.5", "must be at most 1"),
        ("agent.lr=nan", "must be a finite number"),
        ("agent.lr=inf", "must be a finite number"),
        ("agent.stddev=linear(1)", "schedule"),
        ("train.frames=null", "no budget is left"),
        ("device=gpu", "device=gpu: must be auto, cpu, cuda"),
        ("encoder=mpl", "did you mean  mlp ?"),
        ("encoder.depth=3", "select first:  encoder=cnn encoder.depth=…"),
        ("agent=", "must be a name    all: unified plugins list agents"),
        ("suite=", "must be a name    all: unified plugins list suites"),
        ("suite=:walker_walk", "did you mean  dmc:walker_walk ?"),
        ("suite=dm:walker_walk", "did you mean  dmc:walker_walk ?"),
        ("suite=dmc/walker_walk", "did you mean  dmc:walker_walk ?"),
        ("callbacks=", "must be a list of names, [a,b]    for none  []"),
        ("objective=[+]", "one is empty"),
        ("callbacks=[+tensorboard,console]", "callbacks=[+tensorboard,console]: some have a plus and some have none    to add all of it:"),
        ("callbacks=[console,+video]", "to add all of it:  callbacks=[+console,+video]   for this alone:  callbacks=[console,video]"),
        ("callbacks=[console", "a bracket is not closed    did you mean  [console] ?"),
        ("callbacks=console]", "nothing opens the ]    did you mean  [console] ?"),
        ("callbacks=[console,,video]", "nothing stands before a comma    did you mean  [console,video] ?"),
        ("train.frames=10k", "did you mean  10_000 ?"),
        ("launcher=null", "must be a name"),
        ("launcher.x=1", "launcher.x does not exist"),
        ("checkpoint.keep=1", "must be at least 2"),
    ],
)
def test_problems_say_what_to_do(word, says):
    problems = refused(*(each for each in CARTPOLE if each.partition("=")[0] != word.partition("=")[0]), word)
    assert len(problems) == 1
    assert says in problems[0]
    assert "(from the command line)" in problems[0]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["foo"], "for example  agent.lr=1e-4"),
        (["=5"], "for example  agent.lr=1e-4"),
        (["a..b=5"], "for example  agent.lr=1e-4"),
        (["seed"], "give it a value:  seed=…"),
        (["seed", "3"], "did you mean  seed=3 ?"),
        (["agent.lr", "=", "1"], "did you mean  agent.lr=1 ?"),
        (["agent.lr=", "1"], "did you mean  agent.lr=1 ?"),
        (["agent.lr", "=1"], "did you mean  agent.lr=1 ?"),
        (["agent.lr:1"], "did you mean  agent.lr=1 ?"),
        (["drqv2"], "did you mean  agent=drqv2 ?"),
        (["drqv3"], "did you mean  agent=drqv2 ?"),
        (["dmc"], "did you mean  suite=dmc:TASK ?"),
        (["dmc:walker_walk"], "did you mean  suite=dmc:walker_walk ?"),
        (["walker_walk"], "did you mean  suite=dmc:walker_walk ?"),
        (["laptop"], "did you mean  -r laptop ?"),
        (["td"], "did you mean  -o +td ?"),
        (["video"], "did you mean  callbacks=[+video] ?"),
    ],
)
def test_words_that_are_not_key_and_value(words, says):
    (problem,) = refused(*words)
    assert problem.startswith(f"{' '.join(words)!r} is not KEY=VALUE    {says}")


def test_what_was_meant_is_checked_too():
    assert [problem.partition("    ")[0] for problem in refused("agent", "drqv3", "seed", "=", "x")] == [
        "'agent drqv3' is not KEY=VALUE",
        "'seed = x' is not KEY=VALUE",
        "agent 'drqv3' does not exist",
        "seed=x: must be a whole number",
    ]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["agent=random", "agent.lr=1"], "agent.lr does not exist    ac2, dqn, drqv2 have it, random does not"),
        (["agent=random", "encoder=mlp"], "encoder does not exist    ac2, dqn, drqv2 have it, random does not"),
        (["suite=gym:Pendulum-v1", "suite.camera=1"], "suite.camera does not exist    dmc has it, gym does not"),
        (["encoder=drqv2_cnn", "encoder.depth=1"], "agent.encoder.depth does not exist    cnn, mlp, resnet18 have it, drqv2_cnn does not"),
    ],
)
def test_options_of_something_else_are_told_from_typing_errors(words, says):
    (problem,) = refused(*words)
    assert problem.startswith(says)


def test_a_component_that_has_the_group_of_an_unknown_option_is_not_said_to_lack_it():
    (problem,) = refused("agent=sac", "suite=gym:CartPole-v1", "critic.hiden=3", registry=Registry())
    assert problem == "agent.critic.hiden does not exist    did you mean  agent.critic.hidden_dim ?    (from the command line)"


def test_python_values_are_checked_as_strictly():
    problems = refused(values={"seed": True, "agent": {"lr": "fast"}, "suite": {"name": 5}, "train": {"frames": 1.5}})
    assert len(problems) == 4
    assert all("(from Python)" in problem for problem in problems)


def test_composing_imports_nothing_heavy():
    code = (
        "import sys; from unified.core.config.compose import compose; compose(['suite=dmc:humanoid_run', 'encoder=mlp']);"
        "heavy = {'torch', 'numpy', 'gymnasium', 'dm_control', 'matplotlib', 'rich'} & set(sys.modules); assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


class Weighted(Options):
    """Of an objective."""

    weight: float = 1.0
    """Of its loss."""


class Parted(Options):
    """Of an agent."""

    encoder: Part = "ahead/mine"
    """Of a plugin of its own."""


def test_objectives_have_options(plugin_registry):
    def register_objectives():
        yield ObjectiveComponent("foresee", "json:loads", f"{__name__}:Weighted", "Looks ahead.")

    module = ModuleType("future_steps")
    module.register_objectives = hookimpl(register_objectives)
    sys.modules.setdefault(__name__, sys.modules[Weighted.__module__])
    plugin_registry(module)
    (foresee,) = compose([*CARTPOLE, "objective=[+foresee]", "objective.foresee.weight=2"]).objectives
    assert (foresee.name, foresee.options.weight) == ("+foresee", 2.0)
    config = compose([*CARTPOLE], values={"objective": {"name": ["+foresee"], "foresee": {"weight": 3}}})
    assert config.tree["objective"] == {"name": ["+foresee"], "foresee": {"weight": 3.0}}
    assert compose([], values=config.tree).tree == config.tree
    assert refused(*CARTPOLE, "objective.foresee.weight=2") == [
        "objective.foresee.weight: objective 'foresee' is not selected    add it:  objective=[+foresee]    (from the command line)"
    ]
    assert "did you mean  objective.foresee.weight ?" in refused(*CARTPOLE, "objective=[+foresee]", "objective.foresee.wieght=2")[0]


@pytest.mark.parametrize(
    ("words", "budgets"),
    [
        (["agent=dqn", "suite=gym:CartPole-v1"], {"frames": 50_000}),  # of a preset
        (["agent=dqn", "suite=gym:CartPole-v1", "train.updates=60000"], {"updates": 60_000}),
        (["agent=dqn", "suite=gym:CartPole-v1", "train.hours=2", "train.frames=70000"], {"frames": 70_000, "hours": 2.0}),
        (["agent=dqn", "suite=gym:CartPole-v1", "train.hours=null"], {"frames": 50_000}),
        (["agent=random", "suite=dmc:walker_walk"], {"frames": 1_000_000}),  # the default
        (["agent=random", "suite=dmc:walker_walk", "train.hours=2"], {"hours": 2.0}),
        (["suite=digits"], {"epochs": 200.0}),
        (["suite=digits", "train.updates=3"], {"updates": 3}),
        (["suite=digits", "train.epochs=null"], {"frames": 1_000_000}),
    ],
)
def test_a_budget_that_was_said_is_not_cut_short_by_one_that_was_not(words, budgets):
    config = compose(words)
    found = {name: getattr(config.train, name) for name in ("frames", "updates", "hours", "epochs")}
    assert {name: value for name, value in found.items() if value is not None} == budgets
    again = compose([], [], config.tree)  # as a run's own configuration is read
    assert again.train == config.train


def test_the_recipe_that_nobody_named_brings_no_budget_beside_one_that_was_said():
    assert compose(["train.hours=8"], default_recipe=True).train.frames is None
    assert compose(["train.hours=8"], ["laptop"]).train.frames == 50_000
    assert compose(["seed=2"], default_recipe=True).train.frames == 50_000


# One tree with provenance ------------------------------------------------------------------------------------------------------------


def test_each_entry_of_a_mapping_has_its_own_source(plugin_registry, tmp_path):
    def register_objectives():
        yield ObjectiveComponent("foresee", "json:loads", f"{__name__}:Mapped", "Looks ahead.")

    plugin_registry(future_steps=SimpleNamespace(register_objectives=hookimpl(register_objectives)))
    (tmp_path / "low.yaml").write_text("objective: [foresee]\nobjective.foresee.weights: {a: 1, b: {c: 2}}\n")
    config = compose([*CARTPOLE, "objective.foresee.weights.b.c=3"], [str(tmp_path / "low.yaml")])
    assert config.objectives[0].options.weights == {"a": 1, "b": {"c": 3}}
    below = "objective.foresee.weights"
    assert config.sources[f"{below}.a"] == f"recipe {tmp_path / 'low.yaml'}"
    assert config.sources[f"{below}.b.c"] == "the command line"
    assert compose(values=config.tree).tree == config.tree
    words = [*CARTPOLE, "objective=[foresee]"]
    low = {below: {"a": 1, "b": {"c": 2}}}
    for typed, expected in (
        ([f"{below}.b=5"], {"a": 1, "b": 5}),
        ([f"{below}.b=5", f"{below}.b.c=6"], {"a": 1, "b": {"c": 6}}),
        ([f"{below}={{b: 7}}"], {"b": 7}),
        ([f"{below}={{b: 7}}", f"{below}.d=1e2"], {"b": 7, "d": "1e2"}),
    ):
        assert compose([*words, *typed], values=low).objectives[0].options.weights == expected
    assert f"{below}=5: must be a mapping" in refused(*words, f"{below}=5")[0]


class Mapped(Options):
    """Of an objective."""

    weights: dict[str, Any] = {"z": 9}
    """Of its losses."""


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["seed=1", "seed=2"], "seed is set to 1 and to 2"),
        (["agent=dqn", "agent=sac"], "agent is set to dqn and to sac"),
        (["agent=dqn", "agent.name=sac"], "agent is set to dqn and to sac"),
        (["objective=[td]", "objective=[dpg]"], "objective is set to [td] and to [dpg]"),
    ],
)
def test_a_key_that_two_words_set_is_refused(words, says):
    assert f"{says}    leave one of them out    (from the command line)" in refused(*words)
    assert compose(["seed=2", "seed=2"]).seed == 2


def test_the_later_of_two_spellings_of_a_part_wins():
    assert compose([*CARTPOLE, "agent.encoder=mlp", "encoder=cnn"]).agent.options.encoder.name == "cnn"
    assert compose([*CARTPOLE, "encoder=cnn", "agent.encoder=mlp"]).agent.options.encoder.name == "mlp"


def test_a_missing_task_hides_no_other_problem():
    problems = refused("suite=dmc", "train.epochs=2", "train.frames=null", "agent.lrr=1", "seed=x")
    assert [problem.partition("    ")[0] for problem in problems] == [
        "suite dmc needs a task: dmc:TASK",
        "seed=x: must be a whole number",
        "agent.lrr does not exist",
    ]
    problems = refused(*CARTPOLE, "train.frames=null", "seed=x")
    assert [problem.partition(":")[0] for problem in problems] == ["seed=x", "no budget is left"]


def test_a_check_of_a_whole_group_waits_until_the_group_is_complete():
    problems = refused("agent=sac", "suite=gym:Pendulum-v1", "critic.head=quantle", "critic.v_min=3", "critic.v_max=2", "actor.depth=-1")
    assert [problem.partition("    ")[0] for problem in problems] == [
        "architecture 'quantle' does not exist",
        "agent.actor.depth=-1: must be at least 0",
    ]
    assert "v_min must be less than v_max" in refused("agent=sac", "suite=gym:Pendulum-v1", "critic.v_min=3", "critic.v_max=2")[0]


# Another configuration -----------------------------------------------------------------------------------------------------------


def test_replace_keeps_the_sources_of_everything_else(tmp_path):
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("agent: drqv2\nagent.lr: 0.5\nsuite: dmc:walker_walk\n")
    config = compose(["seed=3", "train.log_every=7"], [str(recipe)])
    other = config.replace({"agent.n_step": 9}, seed=4, train={"frames": 5})
    assert (other.seed, other.agent.options.n_step, other.train.frames, other.train.log_every) == (4, 9, 5, 7)
    assert (other.agent.options.lr, other.recipes) == (0.5, config.recipes)
    assert [other.sources[key] for key in ("seed", "train.log_every", "agent.lr", "agent.stddev")] == [
        "Python",
        "the command line",
        f"recipe {recipe}",
        "preset easy of drqv2",
    ]
    assert config.seed == 3
    assert config.replace().tree == config.tree
    assert config.replace().sources == config.sources


def test_replace_chooses_presets_and_budgets_again():
    config = compose(["agent=drqv2", "suite=dmc:walker_walk"])
    assert config.replace(suite="dmc:humanoid_run").train.frames == 30_100_000
    assert config.replace({"train.hours": 1}).train.frames is None
    assert config.replace(agent="random").agent.options.model_dump() == {}
    embedded = compose(default_recipe=True)
    assert embedded.replace(seed=2).embedded
    assert embedded.replace({"train.hours": 1}).train.frames is None
    with pytest.raises(UsageError, match="must be at least 0"):
        config.replace(seed=-1)


def test_the_registry_that_is_given_is_used_throughout():
    from unified.core.registry import Registry, registry
    from unified.testing.plugins import entry_points

    def register_architectures():
        yield ArchitectureComponent("mine", "torch.nn:Identity", None, "Of mine.")

    given = Registry(entry_points(future_steps=SimpleNamespace(register_architectures=hookimpl(register_architectures))))
    assert "mine" not in registry().names("architectures")
    config = compose([*CARTPOLE, "encoder=mine"], registry=given)
    assert config.agent.options.encoder.name == "mine"
    assert config.registry is config.replace(seed=2).registry is given
    assert refused(*CARTPOLE, "encoder=mien", registry=given)[0].startswith("architecture 'mien' does not exist    did you mean  mine ?")


@pytest.mark.parametrize("name", ["a b", "a/b", "..", ".", " ", "-x", ".x", "\N{PILE OF POO}", "a\0b", "x" * 101, "a:b", "a\nb"])
def test_names_of_experiments_that_are_no_folder_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="must begin with a letter or digit"):
        compose(CARTPOLE, [], {"experiment": name})


@pytest.mark.parametrize("name", ["a-b", "a_b", "2026-11-21", "1e5", "é", "x" * 100, "_x", "v1.2+seed"])
def test_names_of_experiments_are_folders_as_they_are(name: str) -> None:
    config = compose(CARTPOLE, [], {"experiment": name})
    assert identity_path(config.experiment, "random", "gym", "x", 1).parts[0] == name
