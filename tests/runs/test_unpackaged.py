"""Runs of code that nobody packaged: trained, killed, resumed, evaluated."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from torch import nn

import unified as package
from core.unpackaged import write
from runs.commands import TINY, assert_same, environment, events, newest, rows, run_directory, saved, unified

#: As `TINY`, for Python.
SMALL: dict[str, Any] = {
    "agent": "drqv2",
    **{"agent.batch_size": 8, "agent.hidden_dim": 8, "agent.feature_dim": 4, "agent.learning_starts": 20, "agent.stddev": "0.3"},
    **{"train.frames": 80, "train.log_every": 40, "evaluate.every": 0, "evaluate.episodes": 1, "checkpoint.every": 40},
    **{"callbacks": [], "replay.capacity": 500, "device": "cpu"},
}

REFERENCES = [
    *("train", "--agent", "./mine.py:Mine", "--suite", "./envs.py:Line:hard", "-o", "+./mine.py:Small", "launcher=./mine.py:Here"),
    *("encoder=[./nets.py:Tiny,mlp]", "encoder.1.hidden_dim=6", "train.env_backend=process", "train.frames=160"),
    *(word for word in TINY if word != "callbacks=[]"),
    *("callbacks=[./mine.py:Watch]", "callbacks.Watch.every=3"),
]


@pytest.mark.slow
def test_by_reference_killed_and_resumed_from_elsewhere(tmp_path: Path) -> None:
    for name in ("straight", "killed", "elsewhere"):
        (tmp_path / name).mkdir()
    for name in ("straight", "killed"):
        write(tmp_path / name)
    unified(*REFERENCES, cwd=tmp_path / "straight")
    unified(*REFERENCES, cwd=tmp_path / "killed", fault=saved(1), expect=-signal.SIGKILL)
    directory = run_directory(tmp_path / "killed")
    assert directory.relative_to(tmp_path / "killed") == Path("runs/default/Mine/Line/hard/seed-1")
    unified("resume", str(directory), cwd=tmp_path / "elsewhere")
    assert_same(run_directory(tmp_path / "straight"), directory)
    assert "return" in unified("evaluate", str(directory), "-n", "1", cwd=tmp_path / "elsewhere")
    manifest = json.loads((newest(directory) / "manifest.json").read_text())
    nets = tmp_path / "killed/nets.py"
    (recorded,) = [entry for entry in manifest["components"] if entry.get("file") == str(nets)]
    assert recorded["sha256"] == hashlib.sha256(nets.read_bytes()).hexdigest()
    nets.write_text(f"{nets.read_text()}\n# another day\n")
    assert f"{nets} has been edited" in unified("evaluate", str(directory), "-n", "1", cwd=tmp_path / "elsewhere")
    nets.unlink()
    assert "there is no file" in unified("resume", str(directory), cwd=tmp_path / "elsewhere", expect=2)


SCRIPT = """
import gymnasium, torch, unified
from torch import nn

class Line(unified.Environment):
    def __init__(self):
        self.spec = unified.Spec(unified.Space((2,), "float32"), unified.Space((1,), "float32", -1.0, 1.0), episode_frames=20)
    def reset(self, seed):
        import numpy
        self.x, self.n = seed % 7 / 7, 0
        return numpy.array([self.x, 0], numpy.float32)
    def step(self, action):
        import numpy
        self.x, self.n = self.x + float(action[0]) / 10, self.n + 1
        return unified.Step(numpy.array([self.x, self.n], numpy.float32), -abs(self.x), False, self.n >= 20)

class Net(nn.Module):
    def __init__(self, in_features, width=6):
        super().__init__()
        self.layer = nn.Linear(in_features, width)
    def forward(self, rows):
        return self.layer(rows).relu()

torch.manual_seed(3)
small = lambda agent, batch: batch.features.mean() / 9
unified.train(suite=Line, encoder=[Net, nn.Sequential(nn.Linear(6, 5))], objective=["+", small], config=CONFIG)
"""


@pytest.mark.slow
def test_a_script_with_objects_is_run_again_to_go_on(tmp_path: Path) -> None:
    def script(name: str, fault: str = "", expect: int = 0) -> None:
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / "script.py").write_text(SCRIPT.replace("CONFIG", repr({**SMALL, "train.frames": 120})))
        env = environment(fault)
        done = subprocess.run([sys.executable, "script.py"], cwd=tmp_path / name, env=env, capture_output=True, text=True)
        assert done.returncode == expect, done.stderr

    script("straight")
    script("killed", fault=saved(2), expect=-signal.SIGKILL)
    directory = run_directory(tmp_path / "killed")
    said = unified("resume", str(directory), cwd=tmp_path, expect=2)
    assert "suite Line, architecture Net, architecture Sequential and objective lambda were Python objects" in said
    assert "run the same script again" in said
    script("killed")
    assert events(directory, "restored")
    assert_same(run_directory(tmp_path / "straight"), directory)


class Bell(gymnasium.Env):
    """Nobody registered it."""

    observation_space = gymnasium.spaces.Box(-1, 1, (3,))
    action_space = gymnasium.spaces.Box(-1, 1, (1,))
    closed = False

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.n, self.x = 0, self.np_random.uniform(-1, 1, 3).astype(np.float32)
        return self.x, {}

    def step(self, action: Any) -> Any:
        self.n += 1
        return self.x, float(action[0]), False, self.n >= 10, {}

    def close(self) -> None:
        self.closed = True


class Rows:
    def __init__(self) -> None:
        self.frames: list[int] = []

    @package.hookimpl
    def on_log(self, row: Any) -> None:
        self.frames.append(row["frames"])


def test_objects_are_trained_and_left_alone(tmp_path: Path) -> None:
    env, seen = Bell(), Rows()
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh())
    net[0].bias.requires_grad_(False)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    asked: dict[str, Any] = {"suite": env, "encoder": net, "callbacks": [seen], "config": {**SMALL, "root": str(tmp_path)}}
    run = package.train(**asked)
    assert run.identity == ("default", "drqv2", "Bell", "default", "seed-1")
    assert seen.frames == [40, 80]
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert not env.closed
    assert not hasattr(env, "n")
    agent = package.load(run).agent
    assert not torch.equal(agent.encoder[0].weight, net[0].weight)  # it learned
    assert torch.equal(agent.encoder[0].bias, net[0].bias)  # but not what was frozen

    again = package.train(**asked)
    assert again.path == run.path
    assert [event["frames"] for event in events(Path(run.path), "restored")] == [80]
    with pytest.raises(package.UsageError, match=r"holds a run of another configuration[\s\S]*agent\.encoder"):
        package.train(**{**asked, "encoder": nn.Sequential(nn.Linear(3, 5), nn.Tanh())})


def test_pictures_are_seen_by_a_plain_network(tmp_path: Path) -> None:
    class Pictures(gymnasium.ObservationWrapper):
        observation_space = gymnasium.spaces.Box(0, 255, (8, 8, 3), np.uint8)

        def observation(self, observation: Any) -> Any:
            return np.full((8, 8, 3), int(100 * abs(observation[0])), np.uint8)

    net = nn.Sequential(nn.Conv2d(9, 2, 3), nn.Flatten())
    config = {**SMALL, "root": str(tmp_path), "agent.pad": 1}

    def pictures() -> gymnasium.Env:
        return Pictures(Bell())

    run = package.train(suite=pictures, encoder=net, config=config)
    assert rows(Path(run.path))[-1]["frames"] == 80
    assert package.load(run).act(np.zeros((8, 8, 3), np.uint8)).shape == (1,)


def test_a_network_that_does_not_fit_is_told_before_anything_starts(tmp_path: Path) -> None:
    config = {**SMALL, "root": str(tmp_path)}
    with pytest.raises(package.UsageError, match=r"Sequential cannot take \(3,\)"):
        package.train(suite=Bell, encoder=nn.Sequential(nn.Linear(7, 4)), config=config)
    with pytest.raises(package.UsageError, match=r"Linear, number 1 of \[mlp,Linear\]: Linear cannot take \(256,\)"):
        package.train(suite=Bell, encoder=["mlp", nn.Linear(7, 4)], config=config)
