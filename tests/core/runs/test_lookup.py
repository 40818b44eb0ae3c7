from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from unified.core.base.errors import UsageError
from unified.core.runs import lookup
from unified.core.runs.run import Run


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in (
        "default/drqv2/dmc/cartpole_balance/seed-1",
        "default/drqv2/dmc/cartpole_balance/seed-2",
        "default/drqv2/dmc/cartpole_balance/seed-10",
        "default/drqv2/dmc/walker_walk/seed-1",
        "default/random/dmc/walker_walk_hard/seed-1",
        "paper/drqv2/gym/ALE-Pong-v5/seed-1",
    ):
        path = Path("runs") / name
        path.mkdir(parents=True)
        (path / "config.json").write_text("{}")
    (Path("runs") / "default/drqv2/dmc/half_made/seed-1").mkdir(parents=True)
    return Path("runs")


def test_all_in_natural_order(root: Path) -> None:
    found = [str(run.path.relative_to(root)) for run in Run.all(root)]
    assert found[:3] == [f"default/drqv2/dmc/cartpole_balance/seed-{seed}" for seed in (1, 2, 10)]
    assert len(found) == 6
    assert Run.all("elsewhere") == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("pong", "paper/drqv2/gym/ALE-Pong-v5/seed-1"),
        ("paper", "paper/drqv2/gym/ALE-Pong-v5/seed-1"),
        ("experiment=paper", "paper/drqv2/gym/ALE-Pong-v5/seed-1"),
        ("random", "default/random/dmc/walker_walk_hard/seed-1"),
        ("walker_walk", "default/drqv2/dmc/walker_walk/seed-1"),  # the whole part wins over the start of another
        ("dmc:walker_walk", "default/drqv2/dmc/walker_walk/seed-1"),
        ("agent=random walker", "default/random/dmc/walker_walk_hard/seed-1"),
        ("cartpole seed-1", "default/drqv2/dmc/cartpole_balance/seed-1"),
        ("cartpole/1", "default/drqv2/dmc/cartpole_balance/seed-1"),
        ("cartpole seed=10", "default/drqv2/dmc/cartpole_balance/seed-10"),
        ("default/drqv2/dmc/cartpole_balance/seed-2", "default/drqv2/dmc/cartpole_balance/seed-2"),
        ("runs/default/drqv2/dmc/cartpole_balance/seed-2/", "default/drqv2/dmc/cartpole_balance/seed-2"),
        ("runs/default/drqv2/dmc/cartpole_balance/seed-2/config.json", "default/drqv2/dmc/cartpole_balance/seed-2"),
    ],
)
def test_enough_of_a_name_finds_it(root: Path, text: str, found: str) -> None:
    assert Run.find(text, root).path == root / found


def test_several_are_listed_as_they_can_be_typed(root: Path) -> None:
    with pytest.raises(UsageError) as caught:
        Run.find("cartpole", root)
    message, *listed = [problem.message for problem in caught.value.problems]
    assert message == "'cartpole' fits 3 runs; name one of them:"
    assert [Run.find(name.strip(), root).path.name for name in listed] == ["seed-1", "seed-2", "seed-10"]
    with pytest.raises(UsageError) as caught:
        Run.find("cartpole", root.absolute())
    assert caught.value.problems[1].message.strip() == str(root.absolute() / "default/drqv2/dmc/cartpole_balance/seed-1")


def test_none_is_a_suggestion(root: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no run 'cartpole_balnce' in runs .*did you mean  cartpole_balance \?"):
        Run.find("cartpole_balnce", root)
    with pytest.raises(UsageError, match="unified runs list"):
        Run.find("xyzzy", root)
    with pytest.raises(UsageError, match=r"none at all in .*unified train"):
        Run.find("cartpole", tmp_path / "none")


def test_the_name_of_a_run_finds_it(root: Path) -> None:
    names = [run.name for run in Run.all(root)]
    assert names[0] == "cartpole_balance/seed-1"
    assert names[3:] == ["walker_walk", "walker_walk_hard", "ALE-Pong-v5"]
    assert [Run.find(name, root).path for name in names] == [run.path for run in Run.all(root)]
    elsewhere = Run.all(root.absolute())[0]
    assert elsewhere.name == str(elsewhere.path)


def test_a_name_that_was_printed_lasts(root: Path) -> None:
    """Whatever runs come after it, in other experiments too."""
    before = {run.lasting_name: run.path for run in Run.all(root)}
    assert "drqv2/dmc/cartpole_balance/seed-1" in before
    for run in Run.all(root):
        experiment, *rest = run.identity
        for other in (("another", *rest), (experiment, *rest[:-1], "seed-77"), (experiment, "sac", *rest[1:])):
            path = root.joinpath(*other)
            path.mkdir(parents=True, exist_ok=True)
            (path / "config.json").write_text("{}")
    assert {name: Run.find(name, root).path for name in before} == before
    assert Run.find("default/drqv2/dmc/walker_walk/seed-1", root).identity[0] == "default"


def test_identity_and_root(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run.all(root)[-1]
    assert run.identity == ("paper", "drqv2", "gym", "ALE-Pong-v5", "seed-1")
    assert run.root == root
    monkeypatch.chdir(run.path)
    assert Run.find(".").identity == run.identity


@pytest.mark.parametrize(
    ("names", "path"),
    [
        (("default", "drqv2", "dmc", "walker_walk", 1), "default/drqv2/dmc/walker_walk/seed-1"),
        (("a/b", "acme/xyz", "gym", "ALE/Pong-v5", 2), "a-b/xyz/gym/ALE-Pong-v5/seed-2"),
        (("..", "./file.py:Attr", "digits", None, 0), "default/Attr/digits/default/seed-0"),
    ],
)
def test_identity_path_is_always_below_the_root(names: tuple[str, str, str, str | None, int], path: str) -> None:
    assert str(lookup.identity_path(*names)) == path


CONFIG = {"experiment": "paper", "seed": 3, "agent": {"name": "drqv2"}, "suite": {"name": "gym", "task": "ALE/Pong-v5"}}


@pytest.mark.parametrize("place", ["run", "a/run", "seed-3", "a/b/c/d/e/f/run"])
def test_a_run_that_was_moved_keeps_its_identity(place: str, tmp_path: Path) -> None:
    path = tmp_path / place
    path.mkdir(parents=True)
    (path / "config.json").write_text(json.dumps(CONFIG))
    if place != "seed-3":
        assert Run(path).identity == ("paper", "drqv2", "gym", "ALE-Pong-v5", "seed-3")


@pytest.mark.parametrize("path", ["/run", "/sh/run", "/seed-1", "/a/b/seed-1"])
@pytest.mark.parametrize("tree", [{}, {"agent": "x", "suite": [1], "seed": "y", "experiment": None}, CONFIG])
def test_a_shallow_run_has_an_identity(path: str, tree: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(Path(path))
    monkeypatch.setitem(vars(run), "tree", tree)
    assert run.identity == (("paper", "drqv2", "gym", "ALE-Pong-v5", "seed-3") if tree is CONFIG else ("default",) * 4 + ("seed-0",))
    assert run.name == run.lasting_name == path
    assert run.root.is_absolute()


def test_folders_that_cannot_be_read_hold_no_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a/b/c/d/seed-1"
    path.mkdir(parents=True)
    (path / "config.json").write_text("{}")
    (tmp_path / "gone").mkdir()
    usual = os.scandir

    def scandir(place: Any) -> Any:
        if Path(place).name == "gone":
            raise FileNotFoundError(place)  # a process that ended, below /proc
        return usual(place)

    monkeypatch.setattr(os, "scandir", scandir)
    assert [run.path for run in Run.all(tmp_path)] == [path]
