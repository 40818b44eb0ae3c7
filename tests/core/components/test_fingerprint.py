"""Names of what is handed over in Python."""

from __future__ import annotations

import json.decoder
import logging
import subprocess
import sys
import threading
from collections import deque
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from torch import nn

from unified.core.components import importing
from unified.core.components.fingerprint import Names, fingerprint, reference_of, word
from unified.core.registry import registry
from unified.plugins.agents.drqv2.agent import DrQV2


def test_what_can_be_imported_is_called_by_its_reference() -> None:
    names = Names()
    assert names.name(json.decoder.JSONDecoder) == "json.decoder:JSONDecoder"
    assert names.name(nn.Linear) == "torch.nn.modules.linear:Linear"
    assert names.name(DrQV2, registry().all("agents")) == "core/drqv2"


def test_a_module_of_one_word_is_said_by_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "oneword.py").write_text("class Thing:\n    class Inner: pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    module = __import__("oneword")
    assert reference_of(module.Thing.Inner) == f"{tmp_path}/oneword.py:Thing.Inner"
    assert importing.import_object(reference_of(module.Thing)) is module.Thing
    module.Thing, old = object, module.Thing
    assert reference_of(old) is None  # its name means something else by now


def test_what_cannot_be_imported_is_an_object_of_this_process() -> None:
    class Local:
        pass

    for thing in (Local, Local(), lambda: 0, nn.ReLU(), partial(nn.Linear, 3)):
        name = Names().name(thing)
        assert name.startswith("object:")
        assert importing.import_object(name) is thing


def test_the_same_again_has_the_same_name_and_another_one_has_another() -> None:
    def net(width: int, seed: int = 0) -> nn.Module:
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(3, width), nn.ReLU())

    assert Names().name(net(4)) == Names().name(net(4)) != Names().name(net(5))
    assert fingerprint(gymnasium.make("CartPole-v1")) == fingerprint(gymnasium.make("CartPole-v1"))
    assert fingerprint(gymnasium.make("CartPole-v1")) != fingerprint(gymnasium.make("CartPole-v1", max_episode_steps=7))
    one, two = net(4), net(4)
    names = Names()
    first = names.name(one)
    assert names.name(one) == first
    assert names.name(two) == f"{first}-2"
    assert Names().name(net(4, seed=7)) == f"{first}-3"  # it looks the same to another process, and is not
    assert importing.import_object(first).state_dict()["0.weight"].equal(one[0].weight)


def test_objectives_differ_by_their_numbers() -> None:
    from unified.core.learn.objective import Loss, Objective

    class Mine(Objective):
        def __init__(self, weight: float) -> None:
            super().__init__()
            self.weight = weight

        def __call__(self, agent, batch):
            return Loss(batch.features.sum() * self.weight)

    assert fingerprint(Mine(0.5)) == fingerprint(Mine(0.5)) != fingerprint(Mine(0.7))


@pytest.mark.slow
def test_the_name_is_the_same_in_every_process_of_a_script(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from torch import nn\nfrom unified.core.components.fingerprint import Names\n"
        "class Mine:\n    x = WIDTH\n"
        "print(*(Names().name(thing) for thing in (Mine, Mine(), nn.Sequential(nn.Linear(3, 4)), lambda: 0)))\n"
    )

    def run(width: int) -> list[str]:
        text = script.read_text().replace("WIDTH", str(width))
        (tmp_path / f"script_{width}.py").write_text(text)
        done = subprocess.run([sys.executable, tmp_path / f"script_{width}.py"], capture_output=True, text=True, check=True)
        return done.stdout.split()

    first = run(1)
    assert first == run(1)
    other = run(2)
    assert [a == b for a, b in zip(first, other, strict=True)] == [False, False, True, True]


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: gymnasium.make("CartPole-v1"), "CartPole-v1"),
        (lambda: nn.ReLU(), "ReLU"),
        (lambda: nn.ReLU, "ReLU"),
        (lambda: lambda: 0, "lambda"),
        (lambda: partial(gymnasium.make, "CartPole-v1"), "make"),
    ],
)
def test_words(make, expected: str) -> None:
    assert word(make()) == expected


def test_suites_differ_by_their_task_and_options() -> None:
    from unified.plugins.suites.gym.config import GymOptions
    from unified.plugins.suites.gym.suite import Gym

    def name(task: str, **options) -> str:
        return fingerprint(Gym(task, GymOptions(**options)))

    assert name("CartPole-v1") == name("CartPole-v1")
    assert len({name("CartPole-v1"), name("Pendulum-v1"), name("CartPole-v1", action_repeat=2)}) == 3


@dataclass
class Settings:
    """What a function may have at hand."""

    length: int = 3


class Maze:
    """With attributes."""

    def __init__(self, said: Any) -> None:
        self._said = said

    def make(self) -> Any:
        return self._said


GLOBAL = 5
SAID: list[tuple[Any, Any]] = [
    *[(5, 8), (0.5, 0.25), ("a", "b"), (True, 1), ((1, (2, 3)), (1, (2, 4))), ({"a": [1]}, {"a": [2]}), ({1, 2}, {1, 3})],
    (np.zeros(3), np.ones(3)),
    (np.array(["a", None], object), np.array(["b", None], object)),
    (Settings(3), Settings(4)),
    (SimpleNamespace(a=1), SimpleNamespace(a=2)),
    (partial(int, base=2), partial(int, base=3)),
    (Maze(1).make, Maze(2).make),
    (Maze, Settings),
    (nn.Dropout(0.5), nn.Dropout(0.25)),
    (nn.Linear(3, 4), nn.Linear(3, 5)),
    (range(3), range(4)),
    (date(2000, 1, 1), date(2000, 1, 2)),
    (deque([1]), deque([2])),
]


@pytest.mark.parametrize(("one", "other"), SAID, ids=[str(type(one).__name__) for one, _ in SAID])
def test_what_a_thing_holds_tells_it_from_another(one: Any, other: Any) -> None:
    def closure(said: Any) -> Any:
        return lambda: said

    def default(said: Any) -> Any:
        return lambda given=said: given

    def local(said: Any) -> Any:
        class Local:
            def make(self) -> Any:
                return said

        return Local

    def named(said: Any) -> Any:
        def inner() -> Any:
            return said

        def outer() -> Any:
            return inner()

        return outer

    def network(said: Any) -> Any:
        net = nn.ReLU()
        net.said = said
        return net

    for make in (closure, default, local, named, network, Maze, lambda said: partial(int, said), lambda said: Maze(said).make):
        first, second = make(one), make(other)
        assert fingerprint(first) == fingerprint(make(one)) != fingerprint(second)
        assert Names().name(first) != Names().name(second)


def test_functions_of_one_line_and_values_of_the_module_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = lambda: 5, lambda: 8
    assert fingerprint(one) != fingerprint(other)
    add, subtract = lambda a, b: a + b, lambda a, b: a - b
    assert fingerprint(add) != fingerprint(subtract)
    looks = lambda: GLOBAL  # noqa: E731
    before = fingerprint(looks)
    monkeypatch.setattr(sys.modules[__name__], "GLOBAL", 8)
    assert fingerprint(looks) != before


def test_an_environment_that_was_changed_is_another_one() -> None:
    def pendulum() -> Any:
        return gymnasium.make("Pendulum-v1")

    changed = pendulum()
    changed.unwrapped.g = 20.0
    assert fingerprint(pendulum()) == fingerprint(pendulum()) != fingerprint(changed)
    drawn = pendulum()
    _ = drawn.unwrapped.np_random
    assert fingerprint(drawn) == fingerprint(pendulum())


def test_a_network_is_seen_down_to_its_last_layer() -> None:
    def deep(width: int) -> nn.Module:
        net: nn.Module = nn.Linear(width, 3)
        for _ in range(12):
            net = nn.Sequential(net)
        return net

    assert fingerprint(deep(4)) == fingerprint(deep(4)) != fingerprint(deep(5))


def test_what_cannot_be_looked_at_is_told_by_its_type() -> None:
    class Shy(dict):
        def items(self) -> Any:
            raise RuntimeError("no")

    lock, shy, logger = threading.Lock(), Shy(), logging.getLogger("unified.shy")
    holds = lambda: (lock, shy, logger)  # noqa: E731
    before = fingerprint(holds)
    logger.setLevel(5)
    logging.getLogger("unified.shy.below")
    assert fingerprint(holds) == before


def test_what_contains_itself_is_told_too() -> None:
    holds: list[Any] = []
    holds.append(holds)
    one, same = (lambda: holds for _ in range(2))
    assert fingerprint(one) == fingerprint(same)
