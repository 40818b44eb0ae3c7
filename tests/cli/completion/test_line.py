"""What can follow on a command line."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from seeded import write_run

from unified.cli.completion.line import complete
from unified.core.registry import registry


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with runs, a recipe and a file of code."""
    write_run(tmp_path / "runs")
    write_run(tmp_path / "runs", seed=2)
    path = write_run(tmp_path / "runs", task="walker_walk")
    (path / "checkpoints" / "000020000").mkdir(parents=True)
    write_run(tmp_path / "elsewhere", task="cheetah_run")
    (tmp_path / "mine.yaml").write_text("agent: random\nencoder: mlp\n")
    (tmp_path / "mine.py").write_text('class Mine:\n    """My own."""\n\nclass _Not:\n    pass\n\ndef net(): ...\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "environ", dict(os.environ))  # switches on a line are put there
    return tmp_path


def completed(line: str) -> list[str]:
    words = shlex.split(line) + ([""] if line.endswith(" ") else [])
    return [candidate.value for candidate in complete(words, len(words) - 1)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        # commands
        ("unified tr", ["train"]),
        ("unified plugins sh", ["show"]),
        ("unified runs ", ["list", "show"]),
        ("unified trian ", []),
        ("unified --no-plugins --trace-hooks tr", ["train"]),
        ("unified -p no:zzz train --ag", ["--agent"]),
        # options
        ("unified --inst", ["--install-completion"]),
        ("unified train --re", ["--recipe"]),
        ("unified train --agent drqv2 --ag", []),  # given already
        ("unified train -r laptop --re", ["--recipe"]),  # may be given again
        ("unified train --dry-run --f", ["--format"]),  # a flag takes no value
        # their values
        ("unified train --agent ra", ["rainbow", "random"]),
        ("unified train -a ra", ["rainbow", "random"]),
        ("unified train --agent=ra", ["--agent=rainbow", "--agent=random"]),
        ("unified train --suite d", ["dataset:", "diabetes", "digits", "dmc:"]),
        ("unified train --suite dmc:cheet", ["dmc:cheetah_run"]),
        ("unified train --suite gym:", ["gym:Pendulum-v1"]),
        ("unified train -o +t", ["+td", "+td3bc"]),
        ("unified train -r la", ["laptop"]),
        ("unified train -r m", ["mine.yaml"]),
        ("unified train --agent ./m", ["./mine.py:"]),
        ("unified train --agent ./mine.py:", ["./mine.py:Mine", "./mine.py:net"]),
        ("unified train --format ", ["yaml", "json"]),
        ("unified train --experiment ", []),
        ("unified doctor --root r", ["runs/"]),
        ("unified plot --x ", ["frames", "hours", "updates"]),
        # runs
        ("unified resume w", ["walker_walk"]),
        ("unified resume cart", ["cartpole_balance/seed-1", "cartpole_balance/seed-2"]),
        ("unified resume default/drqv2/dmc/w", ["default/drqv2/dmc/walker_walk/seed-1"]),
        ("unified resume walker_walk ", []),
        ("unified evaluate w", ["walker_walk"]),
        ("unified evaluate --root elsewhere ", ["elsewhere/default/drqv2/dmc/cheetah_run/seed-1"]),
        ("unified evaluate walker_walk -c ", ["best", "newest", "20000"]),
        ("unified evaluate -c ", ["best", "newest"]),
        ("unified plot walker_walk w", ["walker_walk"]),
        ("unified runs show w", ["walker_walk"]),
        # plugins
        ("unified plugins show drqv2", ["drqv2", "drqv2_cnn"]),
        ("unified plugins show cor", ["core"]),
        ("unified plugins list arch", ["architectures"]),
        ("unified plugins hooks on_l", ["on_log"]),
        ("unified plugins check random_", ["random_crop", "random_erasing", "random_horizontal_flip", "random_shift"]),
        ("unified plugins new mine --kind a", ["agent", "architecture"]),
        ("unified plugins new mine --kind agent,suite,a", ["agent,suite,architecture"]),
        ("unified plugins new mine --kind agent --path r", ["runs/"]),
        # keys
        ("unified train tr", ["train."]),
        ("unified train train.fr", ["train.frames="]),
        ("unified train agent.b", ["agent.batch_size="]),
        ("unified train --agent random agent.", []),
        ("unified train agent=random agent.", []),
        ("unified train -r mine.yaml agent.", []),
        ("unified train -r ./gone.yaml agent.b", ["agent.batch_size="]),
        ("unified train callbacks.video.e", ["callbacks.video.every="]),
        ("unified train callbacks=[console] callbacks.", ["callbacks.console."]),
        ("unified train callbacks=[+tensorboard] callbacks.v", ["callbacks.video."]),
        # parts
        ("unified train enc", ["encoder="]),
        ("unified train encoder.", []),
        ("unified train encoder=mlp encoder.", ["encoder.hidden_dim=", "encoder.depth="]),
        ("unified train agent.encoder=mlp encoder.h", ["encoder.hidden_dim="]),
        ("unified train encoder=mlp agent.encoder.h", ["agent.encoder.hidden_dim="]),
        # values
        ("unified train agent=ra", ["agent=rainbow", "agent=random"]),
        ("unified train suite=dmc:cheet", ["suite=dmc:cheetah_run"]),
        ("unified train encoder=ml", ["encoder=mlp"]),
        ("unified train agent.encoder=nu", ["agent.encoder=null"]),
        ("unified train encoder=[ml", ["encoder=[mlp]", "encoder=[mlp,"]),
        ("unified train suite.render=", ["suite.render=auto", "suite.render=fast", "suite.render=exact"]),
        ("unified train suite.pixels=", ["suite.pixels=true", "suite.pixels=false"]),
        ("unified train train.frames=", []),
        ("unified train nonsense=", []),
        ("unified train callbacks=[+t", ["callbacks=[+tensorboard]", "callbacks=[+tensorboard,"]),
        ("unified train callbacks=[console,vi", ["callbacks=[console,video]", "callbacks=[console,video,"]),
        ("unified train callbacks=[console,cons", []),  # it is there already
        ("unified train callbacks=con", ["callbacks=console"]),
        ("unified train objective=[td", ["objective=[td", "objective=[td3bc"]),
    ],
)
def test_completions(line: str, expected: list[str]) -> None:
    assert completed(line) == expected


def test_everything_that_can_be_set_is_offered() -> None:
    from unified.core.config.compose import compose

    groups = completed("unified train ")
    assert {"agent=", "agent.", "suite=", "train.", "callbacks=", "callbacks.", "encoder=", "seed="} <= set(groups)
    leaves = {leaf for leaf in compose().defaults if not leaf.endswith(".name")} - {"suite.task"}
    for leaf in leaves:
        assert f"{leaf}=" in completed(f"unified train {leaf}"), leaf


def test_every_task_and_every_agent_is_offered() -> None:
    assert completed("unified train --suite dmc:") == [f"dmc:{task}" for task in registry().get("suites", "dmc").load_tasks()]
    assert completed("unified train -a ") == registry().names("agents")
    assert completed("unified plugins show ")[: len(registry().names("agents"))] == registry().names("agents")


def test_candidates_come_with_help() -> None:
    (agent,) = complete(["unified", "train", "--agent", "drq"], 3)
    assert "Yarats" in agent.help
    (key,) = complete(["unified", "train", "agent.batch"], 2)
    assert key.help == "int ≥ 1: Transitions of an update."
    (key,) = complete(["unified", "train", "--suite", "digits", "agent.batch"], 4)
    assert key.help == "int ≥ 1: Transitions of an update."  # of the agent that the suite names


def test_what_stands_behind_the_cursor_does_not_count() -> None:
    words = ["unified", "train", "agent.bat", "agent=random"]
    assert [candidate.value for candidate in complete(words, 2)] == ["agent.batch_size="]


@pytest.mark.parametrize(
    "line",
    [
        "train --agent ./loud.py:Mine agent.l",
        "train encoder=./loud.py:Mine encoder.",
        "train callbacks=[+./loud.py:Mine] with.",
        "train -r l.yaml agent.",
    ],
)
def test_code_that_is_only_named_is_not_run(place: Path, line: str) -> None:
    (place / "loud.py").write_text("from pathlib import Path\nPath('ran').touch()\nprint('agent.loud=')\nclass Mine: ...\n")
    (place / "l.yaml").write_text("agent: ./loud.py:Mine\n")
    run = subprocess.run(
        [sys.executable, "-m", "unified", "unified", *line.split()],
        env={**os.environ, "_UNIFIED_COMPLETE": "fish"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "loud" not in run.stdout
    assert not (place / "ran").exists()


def test_torch_is_never_imported(place: Path) -> None:
    lines = [
        "train ",
        "train agent.",
        "train --suite dmc:",
        "train encoder=",
        "resume ",
        "evaluate walker_walk -c ",
        "plugins show ",
        "plot --",
    ]
    code = f"""
import sys
from unified.cli.completion.line import complete
for line in {lines!r}:
    words = ["unified", *line.split(" ")]
    assert complete(words, len(words) - 1), line
heavy = {{"torch", "numpy", "gymnasium", "dm_control", "matplotlib", "mujoco"}} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=place)
