"""Data sets of pictures by the commands that people type: on files in their true formats, as torchvision reads them, and without any."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision

from plugins.suites import pictures
from runs.commands import rows, run_directory, unified
from unified.core.replay.batch import Batch
from unified.core.runs.run import Run
from unified.core.trainer.build import load_agent
from unified.plugins.suites.vision.sources import SOURCES

CIFAR10 = ["train", "--suite", "vision:cifar10", "encoder=resnet18", "-o", "nll"]
MNIST = ["train", "--suite", "vision:mnist"]
SHORT = ["agent.batch_size=10", "train.updates=3", "callbacks=[]"]


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where data are; whoever asks the network for them is refused at once."""
    root = tmp_path / "data"
    root.mkdir()
    monkeypatch.setenv("UNIFIED_DATA", str(root))
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    return root


def accuracy(run: Run, shown: np.ndarray, classes: list[int]) -> float:
    """Of a run's agent on pictures ``(N, C, H, W)``."""
    answers = load_agent(run).agent.act(Batch(obs=torch.from_numpy(shown.copy())), explore=False).env_action
    return float((answers == torch.tensor(classes)).float().mean())


def judged(root: Path) -> tuple[Run, dict[str, Any]]:
    directory = run_directory(root)
    (last,) = [row for row in rows(directory) if row["kind"] == "evaluate"]
    assert (last["metric"], last["updates"]) == ("accuracy", 3)
    return Run(directory), last


@pytest.mark.slow
def test_mnist_as_it_is_typed(data: Path, tmp_path: Path) -> None:
    pictures.write_mnist(data)
    unified(*MNIST, *SHORT, cwd=tmp_path)
    run, last = judged(tmp_path)
    assert (run.config.agent.name, run.config.suite.text) == ("ac2", "vision:mnist")
    theirs = torchvision.datasets.MNIST(data, train=False)
    assert last["accuracy"] == pytest.approx(accuracy(run, theirs.data.numpy()[:, None], theirs.targets.tolist()))


@pytest.mark.slow
def test_cifar10_as_it_is_typed(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures.write_cifar10(data, packed=True)
    unified(*CIFAR10, *SHORT, cwd=tmp_path)
    run, last = judged(tmp_path)
    assert run.config.agent.options.encoder.name == "resnet18"
    assert [objective.name for objective in run.config.objectives] == ["nll"]
    md5 = {path.name: hashlib.md5(path.read_bytes()).hexdigest() for path in (data / "cifar-10-batches-py").iterdir()}
    reader = torchvision.datasets.CIFAR10  # told the sums of these files
    monkeypatch.setattr(reader, "train_list", [[name, md5[name]] for name, _ in reader.train_list])
    monkeypatch.setattr(reader, "test_list", [[name, md5[name]] for name, _ in reader.test_list])
    monkeypatch.setattr(reader, "meta", reader.meta | {"md5": md5["batches.meta"]})
    theirs = reader(data, train=False)
    assert last["accuracy"] == pytest.approx(accuracy(run, theirs.data.transpose(0, 3, 1, 2), theirs.targets))


@pytest.mark.slow
@pytest.mark.parametrize(("task", "words"), [("mnist", MNIST), ("cifar10", CIFAR10)])
def test_a_machine_without_the_files_is_told_which_and_where(task: str, words: list[str], data: Path, tmp_path: Path) -> None:
    said = unified(*words, cwd=tmp_path, expect=2)
    assert f"vision:{task} needs files that are missing and cannot be downloaded" in said
    for file in SOURCES[task].files:
        assert all(part in said for part in (file.name, f"{file.size:,} bytes", f"md5 {file.md5}"))
    assert f"put them in {data / SOURCES[task].folder}" in said
    assert "suite.root=DIR" in said
    assert "--suite digits" in said
    assert not list(tmp_path.rglob("config.json"))  # nothing was begun
