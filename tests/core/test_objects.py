"""Names of what is handed over in Python."""

from __future__ import annotations

import json.decoder
import subprocess
import sys
from functools import partial
from pathlib import Path

import gymnasium
import pytest
from torch import nn

from unified.core import imports
from unified.core.objects import Names, fingerprint, reference_of, word
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
    assert imports.import_object(reference_of(module.Thing)) is module.Thing
    module.Thing, old = object, module.Thing
    assert reference_of(old) is None  # its name means something else by now


def test_what_cannot_be_imported_is_an_object_of_this_process() -> None:
    class Local:
        pass

    for thing in (Local, Local(), lambda: 0, nn.ReLU(), partial(nn.Linear, 3)):
        name = Names().name(thing)
        assert name.startswith("object:")
        assert imports.import_object(name) is thing


def test_the_same_again_has_the_same_name_and_another_one_has_another() -> None:
    def net(width: int) -> nn.Module:
        return nn.Sequential(nn.Linear(3, width), nn.ReLU())

    assert Names().name(net(4)) == Names().name(net(4)) != Names().name(net(5))
    assert fingerprint(gymnasium.make("CartPole-v1")) == fingerprint(gymnasium.make("CartPole-v1"))
    assert fingerprint(gymnasium.make("CartPole-v1")) != fingerprint(gymnasium.make("CartPole-v1", max_episode_steps=7))
    one, two = net(4), net(4)
    names = Names()
    first = names.name(one)
    assert names.name(one) == first
    assert names.name(two) == f"{first}-2"


def test_objectives_differ_by_their_numbers() -> None:
    from unified.core.objective import Loss, Objective

    class Mine(Objective):
        def __init__(self, weight: float) -> None:
            super().__init__()
            self.weight = weight

        def __call__(self, agent, batch):
            return Loss(batch.features.sum() * self.weight)

    assert fingerprint(Mine(0.5)) == fingerprint(Mine(0.5)) != fingerprint(Mine(0.7))


def test_the_name_is_the_same_in_every_process_of_a_script(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from torch import nn\nfrom unified.core.objects import Names\n"
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
