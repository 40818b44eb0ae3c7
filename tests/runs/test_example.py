"""The example package, installed from its wheel as a stranger's package is: it works by name, and nobody suffers where it is broken."""

from __future__ import annotations

import contextlib
import json
import math
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runs.beside import EXAMPLE, Beside, build_wheel
from runs.commands import assert_same, events, newest, rows, run_directory, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

PACKAGE = "unified_plugin_example"
ORIGIN = "unified-plugin-example 0.1.0"
#: A run of seconds.
TINY = ["train.log_every=100", "evaluate.every=200", "evaluate.episodes=1", "agent.learning_starts=50", "agent.batch_size=16"]
HEADS = ["actor.hidden_dim=16", "critic.hidden_dim=16"]
SMALL = ["encoder=norm_mlp", "encoder.width=16", *HEADS]


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> Beside:
    """An environment in which the wheel is installed."""
    root = tmp_path_factory.mktemp("beside")
    installed = Beside(root / "environment")
    installed.install(build_wheel(EXAMPLE, root / "dist"))
    return installed


def test_everything_is_found_by_name(beside: Beside, tmp_path: Path) -> None:
    listed = beside.unified("plugins", "list", cwd=tmp_path)
    for names in ("twin", "harbour (2 tasks)", "fourier · norm_mlp", "decorrelate", "her", "milestones", "logbook", "harbour", "chart"):
        assert re.search(rf"^\s+{re.escape(names)} +{ORIGIN}$|^[a-z]+ +{re.escape(names)} +{ORIGIN}$", listed, re.M), names
    assert "not loaded" not in listed
    for name in ("twin", "harbour", "fourier", "norm_mlp", "decorrelate", "her", "milestones", "logbook", "chart", "example/twin"):
        assert ORIGIN in beside.unified("plugins", "show", name, cwd=tmp_path)
    off = beside.unified("-p", "no:example", "plugins", "list", cwd=tmp_path)
    assert "twin" not in off
    assert "disabled" in off


def test_its_own_tests_pass_and_with_them_the_contracts(beside: Beside, tmp_path: Path) -> None:
    words = ["-v", "-p", "no:cacheprovider", "--rootdir", str(EXAMPLE), str(EXAMPLE / "tests")]
    said = beside.run("pytest", *words, cwd=tmp_path).stdout
    assert re.search(r"\d+ passed", said)
    assert "failed" not in said
    for component in (
        "agent:twin",
        "suite:harbour",
        "sampler:her",
        "architecture:fourier",
        "objective:decorrelate",
        "callback:milestones",
        "launcher:logbook",
    ):
        assert re.search(rf"\[{component}-\w+\] PASSED", said), component


def test_a_run_of_all_of_them_at_once(beside: Beside, tmp_path: Path) -> None:
    words = ["--agent", "twin", "--suite", "harbour:dock", "-o", "+decorrelate", "launcher=logbook", "train.frames=200", *TINY]
    parts = ["encoder=[fourier,norm_mlp]", "encoder.0.waves=8", "encoder.1.width=16", *HEADS]
    watch = ["callbacks=[milestones]", "callbacks.milestones.levels=[-100,1e9]"]
    beside.unified("train", *words, *parts, *watch, cwd=tmp_path)
    run = run_directory(tmp_path)
    assert run.relative_to(tmp_path) == Path("runs/default/twin/harbour/dock/seed-1")
    last = [row for row in rows(run) if row["kind"] == "train"][-1]
    assert {"critic_loss", "actor_loss", "feature_std", "feature_covariance"} <= set(last)
    assert last["updates"] >= 140
    assert list(json.loads((run / "milestones.json").read_text())) == ["-100"]
    started, ended = (tmp_path / "runs" / "logbook.txt").read_text().splitlines()
    assert started.endswith("default · twin · harbour:dock · seed 1  begins")
    assert ended.endswith("default · twin · harbour:dock · seed 1  is finished")
    made_of = {
        (part["kind"], part["name"]) for part in newest_manifest(run)["components"] if part["distribution"] == "unified-plugin-example"
    }
    assert made_of >= {("agents", "twin"), ("suites", "harbour"), ("architectures", "fourier"), ("architectures", "norm_mlp")}
    assert made_of >= {("objectives", "decorrelate"), ("callbacks", "milestones"), ("launchers", "logbook")}
    config = json.loads((run / "config.json").read_text())
    assert "agent.lr=0.001" in beside.unified("plugins", "show", "twin", cwd=tmp_path)
    assert json.dumps(config).count('"lr": 0.001') == 1  # the preset of its own suite


def test_the_recipe_and_the_qualified_names(beside: Beside, tmp_path: Path) -> None:
    beside.unified("train", "-r", "harbour", "train.frames=150", "callbacks=[]", *TINY, *SMALL, cwd=tmp_path)
    assert run_directory(tmp_path).relative_to(tmp_path) == Path("runs/default/twin/harbour/reach/seed-1")
    words = ["--agent", "example/twin", "--suite", "example/harbour:reach", "-r", "example/harbour"]
    said = beside.unified("train", *words, "train.frames=150", "callbacks=[]", *TINY, *SMALL, "--dry-run", cwd=tmp_path)
    assert re.search(r"name: twin\b", said)
    assert re.search(r"name: harbour\b", said)


def test_its_agent_and_its_suite_go_with_those_of_others(beside: Beside, tmp_path: Path) -> None:
    quiet = ["callbacks=[]", "train.frames=120", *TINY]
    beside.unified("train", "--agent", "twin", "--suite", "gym:CartPole-v1", *quiet, *SMALL, cwd=tmp_path)
    small = ["agent.hidden_dim=16", "agent.feature_dim=8", "encoder=norm_mlp", "-o", "+decorrelate"]
    beside.unified("train", "--agent", "drqv2", "--suite", "harbour:reach", *quiet, *small, cwd=tmp_path)
    found = {path.parent.relative_to(tmp_path / "runs/default").as_posix() for path in tmp_path.rglob("config.json")}
    assert found == {"twin/gym/CartPole-v1/seed-1", "drqv2/harbour/reach/seed-1"}


@pytest.mark.parametrize(
    ("suite", "words"),
    [
        ("dmc:cartpole_balance", ["replay.capacity=1000"]),
        ("gym:CartPole-v1", []),
        ("gym:Pendulum-v1", ["critic.head=quantile"]),
        ("harbour:reach", ["encoder=norm_mlp", "-o", "+spr"]),
    ],
    ids=["pixels", "choices", "quantiles", "an objective beside its own"],
)
def test_twin_does_what_the_base_does(beside: Beside, tmp_path: Path, suite: str, words: list[str]) -> None:
    beside.unified("train", "--agent", "twin", "--suite", suite, "callbacks=[]", "train.frames=200", *TINY, *HEADS, *words, cwd=tmp_path)
    run = run_directory(tmp_path)
    last = [row for row in rows(run) if row["kind"] == "train"][-1]
    assert last["updates"] > 0
    assert all(math.isfinite(last[name]) for name in ("critic_loss", "actor_loss"))
    assert ("spr_loss" in last) is ("+spr" in words)
    observation = json.loads((newest(run) / "manifest.json").read_text())["spec"]["observation"]["shape"]
    assert (len(observation) == 3) is suite.startswith("dmc:")


def test_twin_learns_offline(beside: Beside, tmp_path: Path) -> None:
    words = ["train", "--agent", "twin", "--suite", "harbour:reach", "callbacks=[]", *SMALL, "agent.batch_size=16"]
    beside.unified(*words, "train.frames=200", "train.learn=false", "replay.save=kept", "evaluate.every=0", "-e", "collected", cwd=tmp_path)
    beside.unified(*words, "train.offline=true", "replay.load=kept", "train.updates=20", "evaluate.every=0", "-e", "offline", cwd=tmp_path)
    last = rows(tmp_path / "runs/offline/twin/harbour/reach/seed-1")[-1]
    assert (last["updates"], last["frames"]) == (20, 20 * 16)


@pytest.mark.parametrize(("agent", "suite"), [("dqn", "bit_flip"), ("twin", "point_reach")])
def test_its_sampler_relabels_as_the_built_in_one(beside: Beside, tmp_path: Path, agent: str, suite: str) -> None:
    learned = {}
    for sampler in ("her", "hindsight", "uniform"):
        words = ["--agent", agent, "--suite", f"goals:{suite}", f"replay.sampler={sampler}", "-e", sampler, "agent.n_step=1"]
        beside.unified("train", *words, "callbacks=[]", "train.frames=200", *TINY, cwd=tmp_path)
        (path,) = (tmp_path / "runs" / sampler).rglob("metrics.jsonl")
        learned[sampler] = [row["critic_loss"] for row in rows(path.parent) if row["kind"] == "train"]
    assert learned["her"] == learned["hindsight"] != learned["uniform"]
    refused = beside.unified("train", "--agent", "twin", "--suite", "harbour:reach", "replay.sampler=her", cwd=tmp_path, expect=2)
    assert "needs single steps of a task with goals" in refused


def test_the_command_carries_out_the_strict_checks_of_its_own_tests(beside: Beside, tmp_path: Path) -> None:
    assert re.search(r": \d+ ok", beside.unified("plugins", "check", "her", "--strict", cwd=tmp_path))


def test_its_agent_and_its_sampler_are_short() -> None:
    folder = EXAMPLE / "src" / PACKAGE
    lengths = {name: len((folder / name).read_text().splitlines()) for name in ("agent.py", "sampler.py")}
    assert lengths["agent.py"] <= 70
    assert lengths["sampler.py"] <= 40


def test_the_command(beside: Beside, tmp_path: Path) -> None:
    *water, said = beside.unified("chart", "dock", "--seed", "3", cwd=tmp_path).splitlines()
    assert sum(row.count("o") for row in water) == sum(row.count("x") for row in water) == 1
    assert said.startswith("harbour:dock seed 3")
    assert "chart" in beside.unified("--help", cwd=tmp_path)
    assert "it has dock, reach" in beside.unified("chart", "dok", cwd=tmp_path, expect=2)


def test_a_killed_run_goes_on_as_if_nothing_had_happened(beside: Beside, tmp_path: Path) -> None:
    words = ["train", "-r", "harbour", "train.frames=700", "callbacks=[milestones]", "checkpoint.every=150", *TINY, *SMALL]
    words += ["callbacks.milestones.levels=[-1,10,20]"]
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    straight.mkdir()
    killed.mkdir()
    beside.unified(*words, cwd=straight)
    command = [str(beside.path / "bin" / "python"), "-m", "unified", *words]
    process = subprocess.Popen(command, cwd=killed, env=beside.variables(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(killed, 300)
    finally:
        process.kill()
        process.wait()
    assert "resuming" in beside.unified("resume", "reach", cwd=killed)
    assert_same(run_directory(straight), run_directory(killed))
    reached = [(run_directory(root) / "milestones.json").read_text() for root in (straight, killed)]
    assert reached[0] == reached[1]
    assert "-1" in json.loads(reached[0])


def newest_manifest(run: Path) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads((newest(run) / "manifest.json").read_text())
    return manifest


# On purpose -----------------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def broken(beside: Beside, file: str, old: str, new: str) -> Iterator[None]:
    """Its installed code with `old` replaced by `new`."""
    path = beside.packages / PACKAGE / file
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))
    try:
        yield
    finally:
        path.write_text(text)


QUIET = ["callbacks=[]", "train.frames=200", "train.log_every=100", "evaluate.every=0", "evaluate.episodes=1"]


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [("__init__.py", "    hookimpl,\n)", "    hookimpl,\n    nothing,\n)"), ("agent.py", "import torch\n", "import flux\nimport torch\n")],
    ids=["not loaded", "fails when it is wanted"],
)
def test_who_does_not_need_what_is_broken_never_notices(beside: Beside, tmp_path: Path, file: str, old: str, new: str) -> None:
    with broken(beside, file, old, new):
        assert "train" in beside.unified("--help", cwd=tmp_path)
        beside.unified("train", "--agent", "random", "--suite", "gym:Pendulum-v1", *QUIET, cwd=tmp_path)


@pytest.mark.parametrize(
    ("file", "old", "new", "state", "reason"),
    [
        ("__init__.py", "    hookimpl,\n)", "    hookimpl,\n    nothing,\n)", "broken", "ImportError: cannot import name 'nothing'"),
        ("__init__.py", "example.agent:Twin", "example.agnt:Twin", "broken", "there is no module 'unified_plugin_example.agnt'"),
        (
            "__init__.py",
            "def register_agents(",
            "def register_agnets(",
            "broken",
            "no hook 'register_agnets' +did you mean +register_agents",
        ),
        ("__init__.py", "API_VERSION = 2", "API_VERSION = 3", "incompatible", "plugin API 3, this is 2"),
    ],
    ids=["import error", "target that does not exist", "mistyped hook", "wrong API"],
)
def test_what_cannot_be_loaded_is_named(beside: Beside, tmp_path: Path, file: str, old: str, new: str, state: str, reason: str) -> None:
    with broken(beside, file, old, new):
        listed = beside.unified("plugins", "list", cwd=tmp_path)
        assert re.search(rf"not loaded +{state} +{ORIGIN} +.*{reason}", listed)
        assert "drqv2" in listed
        assert "harbour (2 tasks)" not in listed
        assert re.search(reason, beside.unified("plugins", "show", "example", cwd=tmp_path))
        said = beside.unified("train", "--agent", "twin", "--suite", "harbour:reach", cwd=tmp_path, expect=2)
        assert "agent 'twin' does not exist" in said
        assert "unified plugins show example" in said
        assert "not loaded" not in beside.unified("-p", "no:example", "plugins", "list", cwd=tmp_path).replace(
            "not loaded      disabled", ""
        )
        strict = beside.unified("plugins", "list", cwd=tmp_path, expect=1, more={"UNIFIED_STRICT_PLUGINS": "1"})
        assert re.search(reason, strict)


@pytest.mark.parametrize(
    ("file", "old", "new", "reason"),
    [
        ("agent.py", "import torch\n", "import flux\nimport torch\n", "No module named 'flux'.*it imports 'flux', which is not installed"),
        (
            "config.py",
            "    delay: int = Field(2, ge=1)\n",
            "    learning: float = undefined\n    delay: int = Field(2, ge=1)\n",
            "name 'undefined' is not defined",
        ),
        ("agent.py", "class Twin(OffPolicyAgent):", "class Tween(OffPolicyAgent):", "has no attribute 'Twin'"),
    ],
    ids=["missing dependency", "options with an error", "attribute that does not exist"],
)
def test_what_fails_when_it_is_wanted_is_named(beside: Beside, tmp_path: Path, file: str, old: str, new: str, reason: str) -> None:
    with broken(beside, file, old, new):
        listed = beside.unified("plugins", "list", cwd=tmp_path)
        assert "twin" in listed
        assert "not loaded" not in listed
        done = beside.run("unified", "train", "--agent", "twin", "--suite", "harbour:reach", *QUIET, cwd=tmp_path, expect=None)
        assert done.returncode in (1, 2)
        assert "Traceback" not in done.stderr
        assert re.search(rf"agent 'twin' of {ORIGIN} cannot be loaded from .*{reason}", done.stderr, re.S)


def test_a_callback_that_always_raises_is_named_and_left_out(beside: Beside, tmp_path: Path) -> None:
    words = [
        "--agent",
        "random",
        "--suite",
        "harbour:reach",
        "callbacks=[milestones]",
        "train.frames=500",
        "evaluate.every=100",
        "evaluate.episodes=1",
    ]
    with broken(beside, "callback.py", "        for level in self.options.levels:\n", "        for level in self.levels:\n"):
        beside.unified("train", *words, cwd=tmp_path)
    run = run_directory(tmp_path)
    warnings: list[Any] = [event for event in events(run, "warning") if "milestones" in json.dumps(event)]
    assert len(warnings) == 3
    assert "AttributeError" in json.dumps(warnings[0])
    assert "left out from here on, after 3 failures" in json.dumps(warnings[2])
    assert rows(run)[-1]["frames"] == 500


def test_an_objective_that_raises_ends_the_run_with_its_name(beside: Beside, tmp_path: Path) -> None:
    words = ["--agent", "twin", "--suite", "harbour:reach", "-o", "+decorrelate", "callbacks=[]", "train.frames=150", *TINY, *SMALL]
    with broken(beside, "objective.py", "metrics = {", "features = features + self.nothing\n        metrics = {"):
        said = beside.unified("train", *words, cwd=tmp_path, expect=1)
    assert "decorrelate" in said.lower()
    assert "no attribute 'nothing'" in said
    assert list((run_directory(tmp_path) / "checkpoints").iterdir())
    beside.unified("train", *words, cwd=tmp_path)  # mended, the same command goes on
    assert [row for row in rows(run_directory(tmp_path)) if row["kind"] == "train"][-1]["frames"] == 150
