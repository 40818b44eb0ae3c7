from __future__ import annotations

import importlib
import subprocess
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import unified


@pytest.fixture
def builder(monkeypatch, tmp_path):
    """Takes the place of what needs torch; `asked` is what it was called with."""
    monkeypatch.chdir(tmp_path)
    module: Any = ModuleType("unified.core.trainer.build")
    module.asked = []
    module.launch = lambda config, run, make_source=None: module.asked.append(config) or SimpleNamespace(config=config)
    module.load_agent = lambda run, checkpoint: (run.path, checkpoint)
    monkeypatch.setitem(sys.modules, "unified.core.trainer.build", module)
    return module


def test_every_public_name_is_where_it_is_said_to_be():
    for name in unified.__all__:
        assert getattr(unified, name) is not None, name
    exported = {name for names in unified._HOMES.values() for name in names}
    assert set(unified.__all__) == {*exported, "__version__"}
    assert set(dir(unified)) == set(unified.__all__)


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        _ = unified.trian


def test_importing_the_package_imports_nothing_heavy():
    code = (
        "import sys, unified, unified.api; heavy = {'torch', 'numpy', 'matplotlib', 'gymnasium', 'pydantic', 'rich'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_version_is_the_distributions():
    import re
    import tomllib
    from pathlib import Path

    project = Path(__file__).parents[1] / "pyproject.toml"
    assert tomllib.loads(project.read_text())["project"]["version"] == unified.__version__
    assert re.fullmatch(r"\d+\.\d+\.\d+", unified.__version__)


def test_train_composes_what_was_said_and_runs_it(builder):
    run = unified.train(
        agent="random",
        suite="dmc:cartpole_balance",
        config={"train.frames": 2000, "evaluate.episodes": 2},
        train={"log_every": 500},
        seed=7,
    )
    (config,) = builder.asked
    assert run.config is config
    assert (config.agent.name, config.suite.name, config.suite.task, config.seed) == ("random", "dmc", "cartpole_balance", 7)
    assert (config.train.frames, config.train.log_every, config.evaluate.episodes) == (2000, 500, 2)


def test_train_refuses_what_cannot_be(builder):
    with pytest.raises(unified.UsageError, match="drqv2"):
        unified.train(agent="drqv3", suite="dmc:cartpole_balance")
    with pytest.raises(unified.UsageError, match="frames"):
        unified.train(agent="random", suite="dmc:cartpole_balance", train={"frames": -5})
    assert builder.asked == []


class Looks:
    @unified.hookimpl
    def on_log(self, row): ...


def test_callbacks_come_beside_the_default_ones_or_beside_those_that_were_said(builder):
    looks = Looks()
    unified.train(seed=2, callbacks=[looks, "tensorboard"])
    unified.train(seed=2, callbacks=[looks], config={"callbacks": []})
    unified.train(seed=2, callbacks=["+tensorboard"], config={"callbacks": "console"})
    unified.train(seed=2, callbacks=[looks], config={"callbacks": ["+tensorboard"]})
    unified.train(seed=2, callbacks="tensorboard", config={"callbacks.name": ["console"], "callbacks.console.plain": True})
    names = [[callback.label for callback in config.callbacks] for config in builder.asked]
    assert names == [
        ["console", "curve", "video", "Looks", "tensorboard"],
        ["Looks"],
        ["console", "tensorboard"],
        ["console", "curve", "video", "tensorboard", "Looks"],
        ["console", "tensorboard"],
    ]
    with pytest.raises(unified.UsageError, match=r"callbacks\.vdeo\.every: callback 'vdeo' is not selected    did you mean  video"):
        unified.train(seed=2, callbacks=[looks], config={"callbacks.vdeo.every": 3})
    assert builder.asked[0].callbacks[3].component.load()(None) is looks


def test_bare_parts_and_objects_work_in_python(builder):
    from torch import nn

    net = nn.Sequential(nn.Linear(5, 4))
    unified.train(agent="drqv2", encoder=net)
    unified.train(agent="drqv2", encoder=["mlp", nn.ReLU], config={"encoder.0.hidden_dim": 7})
    unified.train(agent="drqv2", encoder={"name": "mlp", "hidden_dim": 7})
    one, several, named = (config.agent.options.encoder for config in builder.asked)
    assert one.component.load() is net
    assert [selection.label for selection in several] == ["mlp", "ReLU"]
    assert several[0].options.hidden_dim == named.options.hidden_dim == 7


def test_train_with_nothing_said_is_the_embedded_default(builder):
    unified.train(seed=2)
    (config,) = builder.asked
    assert (config.agent.name, config.suite.task, config.seed) == ("drqv2", "cartpole_balance", 2)


def test_load_takes_a_run_a_directory_or_a_name(builder, tmp_path):
    path = tmp_path / "runs/default/drqv2/dmc/cartpole_balance/seed-1"
    path.mkdir(parents=True)
    (path / "config.json").write_text("{}")
    assert unified.load(unified.Run(path)) == (path, "best")
    assert unified.load(path, 20_000) == (path, "20000")
    assert unified.load("cartpole", "newest", root=tmp_path / "runs") == (path, "newest")
    with pytest.raises(unified.UsageError, match="cartpole_balance"):
        unified.load("cartpole_balanse", root=tmp_path / "runs")


def test_the_module_runs_as_the_command():
    assert importlib.import_module("unified.__main__").main is importlib.import_module("unified.cli.main").main
