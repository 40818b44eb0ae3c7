"""Anchors leave evidence: what to type, the last score and the terms it was measured on, in one row for each part."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import pytest

import anchors
from anchors import ANCHORS, COLUMNS, Anchor, command, keep, kept, label, table, trained, values_of
from unified.core.config.compose import compose

TOY = Anchor(
    {"agent": "random", "suite": "gym:CartPole-v1", "train.frames": 40, "evaluate.every": 20, "evaluate.episodes": 3, "device": "cpu"},
    10,
    parts=({"seed": 1}, {"seed": 2}),
    beside="nobody: 22 ± 1",
)


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Anchor:
    monkeypatch.setitem(ANCHORS, "toy", TOY)
    return TOY


def test_a_run_becomes_a_row_that_the_next_one_replaces(toy: Anchor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anchors, "commit", lambda: "0123456789")
    file, root = tmp_path / "anchors.csv", str(tmp_path / "runs")
    row = trained("toy", toy, {"seed": 2}, file, root=root)
    (run,) = anchors.unified.Run.all(root)
    last = [each for each in run.metrics() if each["kind"] == "evaluate"][-1]
    assert (row["metric"], float(row["score"])) == ("return", pytest.approx(last["return"], rel=1e-5))
    assert float(row["sd"]) == pytest.approx(last["return_sd"], rel=1e-2)
    assert (row["part"], row["frames"], row["threads"], row["commit"]) == ("seed=2", "40", "1", "0123456789")
    assert all(row[column] for column in COLUMNS if column not in ("beside", "success"))
    trained("toy", toy, {"seed": 1}, file, root=root)
    assert [each["part"] for each in kept(file)] == ["seed=1", "seed=2"]
    assert kept(file)[1] == row

    monkeypatch.setattr(anchors, "commit", lambda: "fedcba9876")
    assert trained("toy", toy, {"seed": 2}, file, root=root) == row  # nothing was trained: it keeps its commit
    longer = replace(toy, values={**toy.values, "train.frames": 60})
    again = trained("toy", longer, {"seed": 2}, file, root=root)
    assert (again["commit"], again["frames"]) == ("fedcba9876", "60")
    assert [each["frames"] for each in kept(file)] == ["40", "60"]


def test_the_score_is_the_last_one_and_not_the_best(toy: Anchor) -> None:
    class Judged:
        def metrics(self) -> list[dict[str, object]]:
            return [{"kind": "evaluate", "return": score, "return_sd": 1.0} for score in (100.0, 500.0, 300.0)]

    assert toy.score(Judged()) == ("return", 300.0, 1.0)


@pytest.mark.parametrize("name", [name for name in ANCHORS if name != "toy"])
def test_the_command_is_the_run(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(anchors.REPOSITORY)
    part = ANCHORS[name].parts[-1]
    values = values_of(name, ANCHORS[name], part)
    assert values["threads"] == 1
    program, verb, *words = shlex.split(command(values))
    assert (program, verb) == ("unified", "train")
    typed = []
    while words:
        word = words.pop(0)
        typed.append(f"{word.removeprefix('--')}={words.pop(0)}" if word in ("--agent", "--suite") else word)
    assert compose(typed).digest() == compose([], [], values).digest()
    assert f" {label(part)}" in command(values)


def row(name: str, part: str, score: float, **other: str) -> dict[str, str]:
    values = {"metric": "return", "command": f"unified train --agent x {part}", "sd": "2"}
    return {**dict.fromkeys(COLUMNS, ""), "name": name, "part": part, "score": str(score), **values, **other}


def test_the_table_has_a_line_for_each_anchor_that_ran(toy: Anchor, tmp_path: Path) -> None:
    rows = [row("toy", "seed=1", 8), row("toy", "seed=2", 13), row("digits", "suite.fold=3", 0.97, beside="0.99"), row("gone", "seed=1", 1)]
    digits, said = table(rows).splitlines()[2:]
    assert said == "| `unified train --agent x seed=N` | return 1: 8, 2: 13 | 10.5 ± 3.5 | nobody: 22 ± 1 | ≥ 10 | yes |"
    assert digits == "| `unified train --agent x suite.fold=N` | return 3: 0.97 | 0.97 ± 2 over episodes | 0.99 | ≥ 0.98 | no (1 of 5) |"
    assert table(rows, ["toy"]).splitlines()[2:] == [said]
    keep(rows[0], tmp_path / "some.csv")
    keep(rows[3], tmp_path / "some.csv")
    assert [each["name"] for each in kept(tmp_path / "some.csv")] == ["toy", "gone"]


def test_a_seed_alone_is_typed_and_a_wrong_name_is_answered(toy: Anchor, capsys: pytest.CaptureFixture[str]) -> None:
    anchors.main(["toy", "--seed", "7", "--commands"])
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("unified train --agent random --suite gym:CartPole-v1 'callbacks=[]' threads=1 experiment=anchor-toy ")
    assert line.endswith(" seed=7")
    with pytest.raises(SystemExit, match=r"digits has no seeds: its parts are suite\.fold=0, "):
        anchors.main(["digits", "--seed", "1"])
    with pytest.raises(SystemExit, match="no anchor tyo; there are ppo-cartpole, "):
        anchors.main(["tyo"])
