"""References, Python objects and lists where a configuration is composed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium
import pytest
from torch import nn

from core.unpackaged import write
from unified.core.base.errors import UsageError
from unified.core.components.hookspecs import hookimpl
from unified.core.config.compose import compose
from unified.core.config.config import Config
from unified.core.config.schema import Selection
from unified.plugins.agents.drqv2.agent import DrQV2

CARTPOLE = ["agent=drqv2", "suite=dmc:cartpole_balance"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(write(tmp_path))
    monkeypatch.setattr(sys, "path", list(sys.path))
    return tmp_path


def refused(*words: str, **more: Any) -> list[str]:
    with pytest.raises(UsageError) as error:
        compose(list(words), **more)
    return [str(problem) for problem in error.value.problems]


def again(config: Config, directory: Path) -> Config:
    """The configuration that its saved tree is a recipe of."""
    path = directory / "saved.json"
    path.write_text(json.dumps(config.tree))
    return compose([], [str(path)], trust=True)


# References ---------------------------------------------------------------------------------------------------------------------


def test_references_wherever_a_name_is_typed(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = compose(
        [
            *("agent=./mine.py:Mine", "agent.lr=3e-4", "suite=./envs.py:Lines:hard", "suite.slope=2", "encoder=./nets.py:Tiny"),
            *(
                "encoder.width=7",
                "objective=[+./mine.py:Small]",
                "callbacks=[+./mine.py:Watch]",
                "callbacks.Watch.every=9",
                "launcher=./mine.py:Here",
            ),
        ]
    )
    assert (config.agent.name, config.agent.label, config.agent.options.lr) == (f"{here}/mine.py:Mine", "Mine", 3e-4)
    assert (config.suite.name, config.suite.task, config.suite.options.slope) == (f"{here}/envs.py:Lines", "hard", 2.0)
    assert (config.agent.options.encoder.label, config.agent.options.encoder.options.width) == ("Tiny", 7)
    assert [objective.name for objective in config.objectives] == [f"+{here}/mine.py:Small"]
    assert [callback.label for callback in config.callbacks] == ["console", "curve", "video", "Watch"]
    assert config.callbacks[-1].options.every == 9
    assert config.launcher.label == "Here"
    monkeypatch.chdir("/")
    saved = again(config, here)
    assert (saved.tree, saved.digest()) == (config.tree, config.digest())


def test_the_task_is_the_third_part_or_said_alone(here: Path) -> None:
    assert compose(["suite=./envs.py:Lines", "suite.task=easy"]).suite.task == "easy"
    assert compose(["suite=./envs.py:Lines:easy", "suite.task=hard"]).suite.task == "hard"
    assert compose(["suite=./envs.py:Bell"]).suite.task is None
    assert "needs a task: ./envs.py:Lines:TASK" in refused("suite=./envs.py:Lines")[0]
    assert "did you mean  hard ?" in refused("suite=./envs.py:Lines:harf")[0]
    assert compose(["suite=dmc:walker_walk"]).suite.text == "dmc:walker_walk"


def test_selecting_the_same_again_in_another_way_keeps_its_options(here: Path) -> None:
    recipe = here / "recipe.yaml"
    recipe.write_text("agent: ./mine.py:Own\nagent.gain: 5\n")
    for same in ("./mine.py:Own", "mine.py:Own", f"{here}/mine.py:Own"):
        assert compose([f"agent={same}"], [str(recipe)]).agent.options.gain == 5
    assert compose(["agent=./mine.py:Mine"], [str(recipe)]).agent.label == "Mine"
    assert "agent.gain does not exist" in refused("agent=./mine.py:Mine", "agent.gain=1")[0]


def test_a_path_in_a_recipe_is_relative_to_the_recipe(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "recipe.yaml").write_text("agent.encoder: [./nets.py:Tiny, {name: ./nets.py:Tiny, width: 3}]\ncallbacks: [+./mine.py:Bare]\n")
    monkeypatch.chdir("/")
    config = compose(CARTPOLE, [str(here / "recipe.yaml")], trust=True)
    assert config.tree["agent"]["encoder"] == {"name": [f"{here}/nets.py:Tiny"] * 2, "0": {"width": 16}, "1": {"width": 3}}
    assert config.callbacks[-1].name == f"{here}/mine.py:Bare"


def test_a_file_of_the_working_directory_is_not_the_recipes(here: Path) -> None:
    (here / "folder").mkdir()
    recipe = here / "folder/recipe.yaml"
    recipe.write_text("agent: ./mine.py:Mine\nroot: ./runs\n")
    (problem,) = [problem for problem in refused(recipes=[str(recipe)]) if "was not checked" not in problem]
    assert problem.startswith(
        f"there is no file ./folder/mine.py    there is {here}/mine.py; in a recipe, a path is relative to the recipe    (from recipe"
    )
    recipe.write_text("agent: ../mine.py:Mine\nroot: ./runs\n")
    config = compose([], [str(recipe)], trust=True)
    assert (config.agent.name, config.root) == (f"{here}/mine.py:Mine", "./runs")


def test_wrong_references_are_told_with_everything_else(here: Path) -> None:
    problems = refused("agent=./mine.py:Mien", "encoder=./nets.py:Tiny", "suite=./mine.py:Watch", "callbacks=[+./cb.py:X]", "seed=x")
    assert [problem for problem in problems if "was not checked" not in problem] == [
        "./mine.py has no Mien    did you mean  Mine ?    (from the command line)",
        "./mine.py:Watch is no suite but a class, a callback    wanted: a subclass of unified.Suite or unified.Environment, or an object "
        "that a suite adapts (a gymnasium.Env, a torch.utils.data.Dataset), or a function that returns one    (from the command line)",
        "seed=x: must be a whole number    (from the command line)",
        f"there is no file ./cb.py    the working directory is {here}    (from the command line)",
    ]


def test_two_callbacks_of_one_short_name(here: Path) -> None:
    (here / "other.py").write_text((here / "mine.py").read_text())
    assert any("two callbacks are called Watch" in problem for problem in refused("callbacks=[./mine.py:Watch,./other.py:Watch]"))


SAVED: list[dict[str, Any]] = [
    {},
    {"agent": "random", "suite": "gym:CartPole-v1"},
    {"agent": "core/drqv2", "agent.lr": 1e-3, "suite": "core/dmc:walker_walk", "suite.size": 32},
    {"encoder": None},
    {"encoder": "mlp", "encoder.hidden_dim": 7, "callbacks": [], "objective": []},
    {"encoder": ["drqv2_cnn"]},
    {"encoder": ["drqv2_cnn", {"name": "core/mlp", "hidden_dim": 7}], "agent.encoder.1.depth": 1},
    {"encoder": ["./nets.py:Tiny", "./nets.py:Tiny"], "encoder.1.width": 3},
    {"callbacks": ["+tensorboard"], "callbacks.video.every": 3},
    {"callbacks": ["video", "./mine.py:Watch"], "callbacks.Watch.every": 3, "callbacks.video.every": 9},
    {"objective": ["+td", "dpg"]},
    {"objective": ["td", "./mine.py:Small"]},
    {"agent": "./mine.py:Own", "agent.gain": 4, "suite": "./envs.py:Lines:hard", "launcher": "./mine.py:Here"},
    {"suite": "gym:ALE/Pong-v5", "replay.save": "null", "train.updates": 5, "train.frames": None},
    {"experiment": "1e3", "agent.stddev": "0.5", "root": "~/a b"},
]


@pytest.mark.parametrize("values", SAVED, ids=str)
def test_a_saved_tree_composes_to_itself(here: Path, values: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    config = compose(values=values)
    monkeypatch.chdir("/")
    saved = again(config, here)
    assert (saved.tree, saved.digest()) == (config.tree, config.digest())
    assert compose(values=config.tree).tree == config.tree


# Networks of actor and critic --------------------------------------------------------------------------------------------------

NETWORKS: list[tuple[list[str], dict[str, Any], dict[str, Any]]] = [
    (["actor=mlp", "actor.depth=3"], {"name": "mlp", "hidden_dim": 256, "depth": 3}, {}),
    (["actor=mlp", "actor.network.depth=3"], {"name": "mlp", "hidden_dim": 256, "depth": 3}, {}),
    (["actor.network=mlp", "agent.actor.depth=3"], {"name": "mlp", "hidden_dim": 256, "depth": 3}, {}),
    (["actor=[mlp,identity]", "actor.0.depth=3"], {"name": ["mlp", "identity"], "0": {"hidden_dim": 256, "depth": 3}}, {}),
    (["actor=null", "actor.depth=3"], None, {"hidden_dim": 256, "depth": 3}),  # type: ignore[list-item]
    (["actor.depth=3"], None, {"hidden_dim": 256, "depth": 3}),  # type: ignore[list-item]
]


@pytest.mark.parametrize(("words", "network", "sizes"), NETWORKS, ids=lambda value: " ".join(value) if isinstance(value, list) else None)
def test_actor_is_short_for_its_network(words: list[str], network: Any, sizes: dict[str, Any], here: Path) -> None:
    """The options of the network stand below ``actor`` too; those that size the default network only exist without another one."""
    config = compose(["agent=sac", "suite=gym:Pendulum-v1", *words])
    of_the_default = {"norm": None} if network is None else {}
    assert config.tree["agent"]["actor"] == {"network": network, "head": None, "last_init": None, **of_the_default, **sizes}
    saved = again(config, here)
    assert (saved.tree, saved.digest()) == (config.tree, config.digest())
    assert compose(values=config.tree).tree == config.tree


def test_sizes_of_a_lower_layer_are_not_for_a_network_of_a_higher_one(here: Path) -> None:
    values = {"agent": "sac", "suite": "gym:Pendulum-v1", "agent.actor.depth": 5, "agent.critic": "./nets.py:Tiny", "agent.critic.width": 3}
    assert compose(["actor=mlp"], values=values).tree["agent"]["actor"]["network"]["depth"] == 2
    assert compose(["critic.width=4"], values=values).tree["agent"]["critic"]["network"]["width"] == 4
    assert compose(["critic=mlp"], values=values).tree["agent"]["critic"]["network"] == {"name": "mlp", "hidden_dim": 256, "depth": 2}
    assert compose(["critic=null"], values=values).tree["agent"]["critic"]["hidden_dim"] == 256


def test_a_network_has_its_own_options_only(here: Path) -> None:
    (problem,) = refused("agent=sac", "suite=gym:Pendulum-v1", "critic=./nets.py:Tiny", "critic.depth=3")
    assert problem.startswith("agent.critic.network.depth does not exist")
    (problem,) = refused("agent=sac", "suite=gym:Pendulum-v1", "actor=nowhere")
    assert "architecture 'nowhere' does not exist" in problem
    (problem,) = refused("agent=sac", "suite=gym:Pendulum-v1", "model=resnet18")
    assert "encoder=resnet18" in problem


# Lists --------------------------------------------------------------------------------------------------------------------------


def test_a_list_of_architectures_has_options_by_index(here: Path) -> None:
    config = compose([*CARTPOLE, "encoder=[drqv2_cnn,./nets.py:Tiny,mlp]", "encoder.1.width=3", "encoder.2.hidden_dim=64"])
    first, second, third = config.agent.options.encoder
    assert isinstance(first, Selection)
    assert [selection.label for selection in (first, second, third)] == ["drqv2_cnn", "Tiny", "mlp"]
    assert (first.options.channels, second.options.width, third.options.hidden_dim, third.options.depth) == (32, 3, 64, 2)
    names = ["drqv2_cnn", f"{here}/nets.py:Tiny", "mlp"]
    assert config.tree["agent"]["encoder"] == {
        "name": names,
        "0": {"channels": 32},
        "1": {"width": 3},
        "2": {"hidden_dim": 64, "depth": 2},
    }
    assert config.sources["agent.encoder.2.hidden_dim"] == config.sources["agent.encoder.name"] == "the command line"
    assert config.sources["agent.encoder.2.depth"] == "default"
    assert ("agent.encoder", names, "the command line") in config.changed()
    assert ("agent.encoder.2.hidden_dim", 64, "the command line") in config.changed()
    assert again(config, here).tree == config.tree


def test_a_list_in_yaml_and_in_python(here: Path) -> None:
    typed = compose([*CARTPOLE, "encoder=[drqv2_cnn,mlp]", "encoder.1.hidden_dim=64"])
    (here / "a.yaml").write_text("agent:\n  encoder:\n  - drqv2_cnn\n  - {name: mlp, hidden_dim: 64}\n")
    (here / "b.yaml").write_text("encoder: [drqv2_cnn, mlp]\nencoder.1.hidden_dim: 64\n")
    (here / "c.yaml").write_text("agent.encoder:\n  name: [drqv2_cnn, mlp]\n  1: {hidden_dim: 64}\n")
    for recipe in ("a", "b", "c"):
        assert compose(CARTPOLE, [str(here / f"{recipe}.yaml")]).tree == typed.tree, recipe
    assert compose(CARTPOLE, values={"encoder": ("drqv2_cnn", {"name": "mlp", "hidden_dim": 64})}).tree == typed.tree
    assert compose(CARTPOLE, values={"encoder": ["drqv2_cnn", "mlp"], "encoder.1.hidden_dim": 64}).tree == typed.tree


def test_another_list_drops_the_options_below_and_the_same_one_keeps_them(here: Path) -> None:
    (here / "low.yaml").write_text("encoder: [drqv2_cnn, mlp]\nencoder.1.hidden_dim: 64\n")
    low = [str(here / "low.yaml")]
    assert compose([*CARTPOLE, "encoder=[drqv2_cnn,mlp]"], low).tree["agent"]["encoder"]["1"]["hidden_dim"] == 64
    assert compose([*CARTPOLE, "encoder=[drqv2_cnn,mlp,mlp]"], low).tree["agent"]["encoder"]["1"]["hidden_dim"] == 256
    assert compose([*CARTPOLE, "encoder=mlp"], low).tree["agent"]["encoder"] == {"name": "mlp", "hidden_dim": 256, "depth": 2}
    assert compose([*CARTPOLE, "encoder=null"], low).agent.options.encoder is None
    assert compose([*CARTPOLE, "encoder.1.depth=1"], low).tree["agent"]["encoder"]["1"] == {"hidden_dim": 64, "depth": 1}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            ["encoder.2.hidden_dim=1"],
            "agent.encoder.2.hidden_dim does not exist: agent.encoder is [drqv2_cnn,mlp]    there is agent.encoder.0 to",
        ),
        (["encoder.0.hidden_dim=1"], "did you mean  agent.encoder.1.hidden_dim"),
        (["encoder.hidden_dim=1"], "did you mean  agent.encoder.1.hidden_dim ?"),
        (["encoder.1.hiden=1"], "did you mean  agent.encoder.1.hidden_dim ?"),
        (["encoder.1.hidden_dim=x"], "agent.encoder.1.hidden_dim=x: must be a whole number"),
        (["encoder.1=mlp"], "agent.encoder.1 selects nothing    set the list:  agent.encoder=[drqv2_cnn,mlp]"),
        (["encoder.1.name=mlp"], "agent.encoder.1 selects nothing"),
        (["encoder=[drqv2_cnn,mpl]"], "architecture 'mpl' does not exist    did you mean  mlp ?"),
        (["encoder=[null,mlp]"], "agent.encoder=[null,mlp]: a list holds no null    leave it out, or say null alone"),
        (["encoder=[mlp,None]"], "a list holds no null"),
        (["encoder=[]"], "agent.encoder=[]: must be a name"),
        (["encoder=[mlp,,mlp]"], "nothing stands before a comma"),
        (["encoder=[mlp,mlp"], "a bracket is not closed"),
        (["agent=[drqv2,random]"], "agent '[drqv2,random]' does not exist"),
    ],
)
def test_wrong_lists(words: list[str], says: str) -> None:
    given = {word.partition("=")[0] for word in words}
    problems = refused(*(word for word in (*CARTPOLE, "encoder=[drqv2_cnn,mlp]") if word.partition("=")[0] not in given), *words)
    assert any(says in problem for problem in problems), problems
    assert len([problem for problem in problems if "was not checked" not in problem]) == 1


def test_dry_run_shows_the_leaves_of_a_list(here: Path) -> None:
    words = [*CARTPOLE, "encoder=[drqv2_cnn,mlp]", "encoder.1.hidden_dim=64", "--dry-run"]
    done = subprocess.run([sys.executable, "-m", "unified", "train", *words], capture_output=True, text=True, check=True, cwd=here)
    lines = [line.split("#")[0].strip() for line in done.stdout.splitlines()]
    at = lines.index("encoder:")
    assert lines[at + 1 : at + 7] == ["name: [drqv2_cnn, mlp]", "0:", "channels: 32", "1:", "hidden_dim: 64", "depth: 2"]
    (here / "shown.yaml").write_text(done.stdout)
    assert compose([], [str(here / "shown.yaml")]).tree == compose([*words[:-1]]).tree


# Python objects -----------------------------------------------------------------------------------------------------------------


class Looks:
    @hookimpl
    def on_log(self, row: Any) -> None: ...


def test_objects_wherever_a_name_is_typed() -> None:
    env, net, looks = gymnasium.make("Pendulum-v1"), nn.Sequential(nn.Linear(3, 4)), Looks()

    def loss(agent: Any, batch: Any) -> Any: ...

    values = {"agent": DrQV2, "suite": env, "encoder": [net, nn.Flatten, "mlp"], "objective": ["+", loss], "callbacks": ["console", looks]}
    config = compose(values={**values, "suite.action_repeat": 2})
    assert (config.agent.name, config.suite.label, config.suite.options.action_repeat) == ("drqv2", "Pendulum-v1", 2)
    assert [selection.label for selection in config.agent.options.encoder] == ["Sequential", "Flatten", "mlp"]
    assert config.agent.options.encoder[0].component.load() is net
    assert config.tree["agent"]["encoder"]["1"] == {"start_dim": 1, "end_dim": -1}
    assert config.objectives[0].name.startswith("+object:loss-")
    assert config.callbacks[1].component.load()(None) is looks
    assert compose(values={**values, "suite.action_repeat": 2}).tree == config.tree
    assert json.loads(json.dumps(config.tree)) == config.tree
    assert set(config.sources.values()) == {"Python", "default"}


def test_each_configuration_keeps_its_own_objects() -> None:
    def config(length: int, looks: Looks) -> Config:
        def pendulum() -> gymnasium.Env:
            return gymnasium.make("Pendulum-v1", max_episode_steps=length)

        return compose(values={"agent": "random", "suite": pendulum, "callbacks": looks})

    def steps(config: Config) -> int | None:
        suite: Any = config.suite.component.load()("", config.suite.options)
        return suite.environment().spec.episode_frames

    a, b = Looks(), Looks()
    five, eight, again = config(5, a), config(8, b), config(5, b)
    assert five.digest() == again.digest() != eight.digest()
    assert (steps(five), steps(eight)) == (5, 8)
    assert [each.callbacks[0].component.load()(None) for each in (five, eight)] == [a, b]


def test_a_single_object_is_a_list_of_one() -> None:
    looks = Looks()
    assert [callback.label for callback in compose(values={"callbacks": looks}).callbacks] == ["Looks"]
    assert [callback.label for callback in compose(values={"callbacks": ["+", looks]}).callbacks] == ["console", "curve", "video", "Looks"]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"agent": nn.Linear}, "is no agent but a class, an architecture"),
        ({"agent": object()}, "is no agent but an object of type object"),
        ({"suite": nn.ReLU()}, "is no suite"),
        ({"encoder": gymnasium.Env}, "is no architecture but a class"),
        ({"callbacks": [object()]}, "is no callback"),
        ({"encoder": 5}, "must be a name"),
        ({"objective": [5]}, "must be a list of names"),
        ({"agent.lr": nn.ReLU()}, "agent.lr"),
    ],
)
def test_objects_of_another_kind(values: dict[str, Any], says: str) -> None:
    (problem,) = refused(values=values)
    assert says in problem
    assert "(from Python)" in problem


def test_another_process_says_whose_objects_they_were(tmp_path: Path) -> None:
    config = compose(values={"suite": gymnasium.make("Pendulum-v1"), "encoder": nn.Sequential(nn.Linear(3, 41))})
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config.tree))
    words = [sys.executable, "-m", "unified", "train", "-r", str(path), "--dry-run"]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "suite Pendulum-v1 and architecture Sequential were Python objects of the script that started the run" in line
    assert "run the same script again" in line
