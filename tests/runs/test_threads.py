"""The number of threads of a run: chosen by the size of its updates, recorded, and the same when it is resumed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import unified
from runs.commands import events
from unified.core.base.rng import Streams
from unified.core.base.spec import Space, Spec
from unified.core.base.waiting import wait_briefly
from unified.core.learn.device import bits_depend_on, threads_for
from unified.core.trainer.build import evaluate, make_agent
from unified.core.trainer.evaluation import EpisodeEvaluator
from unified.testing.rehearsal import tiny_config, tiny_run
from unified.testing.workshop import differences

VECTOR = Spec(Space((3,), "float32"), Space((1,), "float32", -1.0, 1.0))
CHOICES = Spec(Space((4,), "float32"), Space((), "int64", 0, 1, 2))
PIXELS = Spec(Space((3, 84, 84), "uint8", 0, 255), Space((1,), "float32", -1.0, 1.0))


@pytest.fixture(autouse=True)
def four_threads() -> Iterator[None]:
    """Torch's own number, as on four cores or with OMP_NUM_THREADS=4."""
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


def recorded(run: unified.Run) -> dict[str, Any]:
    checkpoint = run.checkpoints.newest()
    assert checkpoint is not None
    return checkpoint.manifest


@pytest.mark.parametrize(
    ("agent", "spec", "values", "expected"),
    [
        pytest.param("random", VECTOR, {}, 1, id="no weights"),
        pytest.param("ppo", CHOICES, {"agent.batch_size": 64}, 1, id="64 wide"),
        pytest.param("ppo", CHOICES, {"agent.batch_size": 16_384}, 4, id="64 wide, of many rows"),
        pytest.param("sac", VECTOR, {}, 4, id="256 wide"),
        pytest.param("sac", VECTOR, {"agent.actor.hidden_dim": 64, "agent.critic.hidden_dim": 64}, 1, id="64 wide, off-policy"),
        pytest.param("drqv2", PIXELS, {"agent.batch_size": 8, "agent.hidden_dim": 16}, 4, id="convolutions"),
    ],
)
def test_small_updates_have_one_thread(agent: str, spec: Spec, values: dict[str, Any], expected: int, tmp_path: Path) -> None:
    config = unified.compose([], [], {"agent": agent, "suite": "gym:Pendulum-v1", "root": str(tmp_path), **values})
    assert threads_for(make_agent(config, spec, Streams(1)), 4) == expected


def test_a_run_has_its_own_number_and_the_process_keeps_its_own(tmp_path: Path) -> None:
    seen: list[int] = []

    class Watch:
        @unified.hookimpl
        def after_update(self) -> None:
            seen.append(torch.get_num_threads())

    for threads in ("auto", 3):
        config = tiny_config(tmp_path / str(threads)).replace(threads=threads).tree
        run = unified.train(config=config, callbacks=[Watch()])
        assert recorded(run)["bits_depend_on"] == {**bits_depend_on(torch.device("cpu"), "fp32"), "threads": str(seen[-1])}
        assert torch.get_num_threads() == 4
    assert set(seen) == {1, 3}


def test_a_resume_has_the_threads_of_the_checkpoint(tmp_path: Path) -> None:
    tiny_run(tmp_path, threads=2)
    run = tiny_run(tmp_path, train__frames=180)  # threads=auto, which alone would choose 1
    assert recorded(run)["bits_depend_on"]["threads"] == "2"
    assert recorded(run)["exact"] is True
    assert events(run.path, "restored")[-1]["exact"] is True


@pytest.mark.parametrize("threads", [2, "auto"])
def test_a_checkpoint_is_evaluated_with_the_threads_of_its_training(threads: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    play = EpisodeEvaluator.play_episodes

    def watched(self: EpisodeEvaluator, *arguments: Any) -> Any:
        seen.append(torch.get_num_threads())
        return play(self, *arguments)

    monkeypatch.setattr(EpisodeEvaluator, "play_episodes", watched)
    run = tiny_run(tmp_path, threads=threads)
    during = set(seen)
    seen.clear()
    evaluate(run, 2)
    assert set(seen) == during == {2 if threads == 2 else 1}
    assert torch.get_num_threads() == 4


@pytest.mark.parametrize(
    ("fact", "before"), [("threads", "1"), ("torch", "2.0.0"), ("vectors", "avx9"), ("precision", "bf16"), ("device", "Abacus")]
)
def test_a_resume_on_other_terms_is_not_exact_and_says_why(fact: str, before: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = bits_depend_on
    if fact == "threads":
        tiny_run(tmp_path, threads=1)
    else:
        with monkeypatch.context() as elsewhere:
            elsewhere.setattr("unified.core.trainer.trainer.bits_depend_on", lambda *of: {**facts(*of), fact: before})
            tiny_run(tmp_path, threads=2)
    run = tiny_run(tmp_path, threads=2, train__frames=180)
    assert recorded(run)["exact"] is False
    assert recorded(run)["frames"] == 180
    assert events(run.path, "restored")[-1]["exact"] is False
    (line,) = [event["message"] for event in events(run.path, "warning")]
    assert line.startswith(f"this resume is not exact, results may differ in the last digits: {fact} {before} → ")
    assert "," not in line.partition(": ")[2]
    again = tiny_run(tmp_path, train__frames=240)
    assert recorded(again)["exact"] is False  # of the whole run
    assert events(run.path, "restored")[-1]["exact"] is True  # of this resume


@pytest.mark.parametrize("environ", [{"OMP_WAIT_POLICY": "active"}, {"GOMP_SPINCOUNT": "7"}, {}], ids=str)
def test_how_threads_wait_is_set_unless_the_user_has_chosen(environ: dict[str, str]) -> None:
    given = dict(environ)
    wait_briefly(environ)
    assert {**environ, **given} == environ
    assert ("GOMP_SPINCOUNT" in environ) == ("OMP_WAIT_POLICY" not in given)


def test_it_is_set_before_torch_is_imported() -> None:
    code = "import unified, os, sys; assert 'torch' not in sys.modules; print(os.environ['OMP_WAIT_POLICY'])"
    clean = {key: value for key, value in os.environ.items() if key not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    assert subprocess.run([sys.executable, "-c", code], env=clean, capture_output=True, text=True, check=True).stdout == "passive\n"


TRAIN = """
import os, sys
os.sched_setaffinity(0, [int(core) for core in sys.argv[1].split(",")])
import unified
config = {"agent.batch_size": 64, "agent.learning_starts": 100, "train.frames": 160, "evaluate.episodes": 1, "callbacks": []}
unified.train("sac", "gym:Pendulum-v1", config=config, root=sys.argv[2], threads=int(sys.argv[3]))
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores cannot be chosen here")
@pytest.mark.parametrize("threads", [1, 2])
def test_the_same_bits_on_one_and_two_cores(threads: int, tmp_path: Path) -> None:
    cores = sorted(os.sched_getaffinity(0))[:2]
    if len(cores) < 2:
        pytest.skip("one core")
    clean = {key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"}
    groups = []
    for count in (1, 2):
        root = tmp_path / str(count)
        command = [sys.executable, "-c", TRAIN, ",".join(map(str, cores[:count])), str(root), str(threads)]
        subprocess.run(command, env=clean, check=True)
        (run,) = root.glob("*/*/*/*/seed-1")
        manifest = json.loads(max(run.glob("checkpoints/*/manifest.json")).read_text())
        assert manifest["bits_depend_on"]["threads"] == str(threads)
        checkpoint = unified.Run(run).checkpoints.newest()
        assert checkpoint is not None
        groups.append({group: checkpoint.load(group) for group in ("parameters", "optimizer", "replay", "collector")})
    assert not differences(*groups)
