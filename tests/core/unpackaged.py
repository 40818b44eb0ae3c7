"""Code as a person has it lying about: a file each of networks, environments and the rest. Written into a directory by tests."""

from __future__ import annotations

from pathlib import Path

NETS = '''
"""Networks."""
import torch
from torch import nn


class Tiny(nn.Module):
    """Two layers.

    Args:
        width: Units between them.
    """

    def __init__(self, in_features: int, width: int = 16) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(in_features, width), nn.Linear(width, 5)

    def forward(self, rows):
        return self.two(self.one(rows).relu())


def conv(in_channels, channels=4, flat=True):
    return nn.Sequential(nn.Conv2d(in_channels, channels, 3), *([nn.Flatten()] if flat else []))


def head(in_features, out_features, bias=True):
    return nn.Linear(in_features, out_features, bias)


ready = nn.ReLU()
'''

ENVS = '''
"""Environments."""
import gymnasium
import numpy as np
from unified import Environment, Options, Space, Spec, Step, Suite


class Line(Environment):
    """Walks to zero."""

    def __init__(self, task="easy"):
        self.spec = Spec(Space((2,), "float32"), Space((1,), "float32", -1.0, 1.0), episode_frames=20)
        self.start = 1.0 if task == "easy" else 3.0

    def reset(self, seed):
        self.x, self.n = self.start + seed % 7 / 7, 0
        return np.array([self.x, 0], np.float32)

    def step(self, action):
        self.x, self.n = self.x + float(action[0]) / 10, self.n + 1
        return Step(np.array([self.x, self.n], np.float32), -abs(self.x), False, self.n >= 20)


class Lines(Suite):
    """Lines to walk on."""

    tasks = ("easy", "hard")

    class Options(Options):
        """Of lines."""

        slope: float = 0.0
        """Of the line."""

    def environment(self):
        return Line(self.task)


class Bell(gymnasium.Env):
    """Rings for ten steps."""

    observation_space = gymnasium.spaces.Box(-1, 1, (3,))
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, loudness=1.0):
        self.loudness = float(loudness)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.n, self.x = 0, self.np_random.uniform(-1, 1, 3).astype(np.float32)
        return self.x, {}

    def step(self, action):
        self.n += 1
        return self.x * np.float32(0.9**self.n), self.loudness * float(action), False, self.n >= 10, {}


def says_what() -> gymnasium.Env:
    raise RuntimeError("not called to see what it makes")


def says_nothing():
    raise RuntimeError("not called to see what it makes")


def annotated() -> Bell:
    return Bell()


def takes_something(loudness):
    return Bell(loudness)


def makes_nothing() -> int:
    return 3
'''

MINE = '''
"""The rest."""
from unified import Agent, Loss, Objective, Options, hookimpl
from unified.plugins.agents.drqv2.agent import DrQV2

seen = []


class Mine(DrQV2):
    """DrQ-v2, but mine."""


class Own(DrQV2):
    """With options of its own."""

    class Options(Options):
        """Of mine."""

        gain: float = 2.0
        """Of something."""


class Half(Agent):
    """Not finished."""


class Small(Objective):
    """Small features."""

    needs = ("obs",)
    parts = ("encoder",)

    def __call__(self, agent, batch):
        return Loss(1e-3 * batch.features.square().mean())


def small(agent, batch):
    return 1e-3 * batch.features.square().mean()


class Watch:
    """Looks on."""

    class Options(Options):
        """Of it."""

        every: int = 1
        """Rows."""

    def __init__(self, options):
        self.every = options.every

    @hookimpl
    def on_log(self, row):
        seen.append((row["frames"], self.every))


class Bare:
    """Takes no options."""

    @hookimpl
    def on_log(self, row):
        seen.append(row["frames"])


class Unmarked:
    def on_log(self, row):
        pass


class Here:
    """Descriptor of the launcher local."""

    def launch(self, config, run):
        from unified.core.trainer.build import launch

        seen.append("launched")
        return launch(config, run)
'''


def write(directory: Path) -> Path:
    """The three files, in a directory."""
    for name, text in (("nets", NETS), ("envs", ENVS), ("mine", MINE)):
        (directory / f"{name}.py").write_text(text.lstrip())
    return directory
