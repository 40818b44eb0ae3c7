"""Judging by rows: what agents answer, how sure they are, and what they make, in whose features."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import unified
from unified.core.base.errors import PluginFailed, UsageError
from unified.core.base.rng import Streams
from unified.core.base.spec import Space, Spec
from unified.core.envs.dataset import DataSuite, Rows, Split
from unified.core.learn.actions import Action
from unified.core.replay.batch import Batch
from unified.core.trainer import dataset_evaluation
from unified.core.trainer.dataset_evaluation import DatasetEvaluator, by_class
from unified.core.trainer.evaluation import EpisodeEvaluator
from unified.core.trainer.features import ClassifierFeatures
from unified.testing.environments import Counter

RANDOM = np.random.default_rng(0)


class Toy(DataSuite):
    """24 rows to train on and 15 to judge by, of three classes, as pictures or as vectors."""

    def __init__(self, pictures: bool = False, task_type: str = "auto", conditional: bool = False) -> None:
        super().__init__("", SimpleNamespace(task_type=task_type, conditional=conditional))
        self.pictures = pictures

    def native(self) -> Spec:
        seen = Space((1, 2, 2), "uint8", 0, 255) if self.pictures else Space((2,), "float32")
        return Spec(seen, Space((), "int64", 0, 2, 3), task_type="classify", classes=("a", "b", "c"))

    def data(self, split: Split) -> Rows:
        labels = np.arange({"train": 24, "test": 15}[split]) % 3
        noise = np.random.default_rng(len(split)).integers(0, 20, (len(labels), 4))
        if self.pictures:
            return Rows((noise + 80 * labels[:, None]).astype(np.uint8).reshape(-1, 1, 2, 2), labels)
        return Rows((noise[:, :2] / 20 + 10 * labels[:, None]).astype(np.float32), labels)


class Stub(torch.nn.Module):
    """Answers with what a function says of the observations."""

    def __init__(self, answer: Any, probabilities: Any = None) -> None:
        super().__init__()
        self.answer, self.probabilities, self.device, self.streams = answer, probabilities, torch.device("cpu"), Streams(1)

    def initial_state(self, count: int) -> dict[str, torch.Tensor]:
        return {}

    def receive(self, batch: Batch) -> Batch:
        return batch

    def act(self, batch: Batch, *, explore: bool) -> Action:
        assert not explore
        likely = None if self.probabilities is None else self.probabilities(batch.obs)
        answer = self.answer(batch.obs)
        return Action(answer, answer, probabilities=likely)


def nearest(observation: torch.Tensor) -> torch.Tensor:
    return (observation[:, 0] / 10).floor().clamp(0, 2).long()


# Classification -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", [512, 4])
def test_stated_probabilities_are_judged_too(batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset_evaluation, "BATCH", batch)

    def sure(observation: torch.Tensor) -> torch.Tensor:  # of what is right, and of what is right only half the time
        likely = torch.full((len(observation), 3), 0.1)
        likely[torch.arange(len(observation)), nearest(observation)] = 0.8
        return likely

    judged = DatasetEvaluator(Toy()).evaluate(Stub(nearest, sure), 0)
    assert judged is not None
    assert judged.row["accuracy"] == 1.0
    assert judged.row["log_loss"] == pytest.approx(-math.log(0.8))
    assert judged.row["calibration_error"] == pytest.approx(0.2)
    assert "log loss 0.223   calibration error 20.0%" in judged.report[0]


def test_who_states_none_has_no_such_figures() -> None:
    judged = DatasetEvaluator(Toy()).evaluate(Stub(nearest), 0)
    assert judged is not None
    assert judged.metric == "accuracy"
    assert not {"log_loss", "calibration_error"} & set(judged.row)


# Figures of the suite -----------------------------------------------------------------------------------------------------------


class Told(Toy):
    """Adds a figure of its own."""

    def extra_metrics(self, row: Any) -> dict[str, float]:
        return {"errors": 15 * (1 - row["accuracy"])}


class Failing(Toy):
    """Cannot say it."""

    def extra_metrics(self, row: Any) -> dict[str, float]:
        return {"errors": row["nothing of this name"]}


def test_a_suite_adds_its_figures() -> None:
    judged = DatasetEvaluator(Told()).evaluate(Stub(lambda seen: nearest(seen) * 0), 0)
    assert judged is not None
    assert judged.row["errors"] == pytest.approx(10.0)
    assert judged.report[-1] == "errors  10"
    with pytest.raises(PluginFailed, match="suite Failing failed in its metrics: KeyError"):
        DatasetEvaluator(Failing()).evaluate(Stub(nearest), 0)


def test_a_judgement_of_episodes_has_them_too() -> None:
    class Doubled(Counter):
        def extra_metrics(self, row: Any) -> dict[str, float]:
            return {"doubled": 2 * row["return"]}

    from unified.core.envs.vector_env import WorkerVectorEnv

    suite = Doubled("", SimpleNamespace(length=4))
    judge = EpisodeEvaluator(suite, lambda: WorkerVectorEnv(suite, 1, 0, "evaluation", "inline"), 2)
    agent: Any = Stub(lambda seen: torch.zeros(len(seen), 1))
    agent.base_view = agent.view = SimpleNamespace(stack=1)
    judged = judge.evaluate(agent, 0)
    assert judged is not None
    assert judged.row["doubled"] == 2 * judged.row["return"]
    assert judged.row["episodes"] == 2
    assert judge.evaluate(agent, 0, stopping=lambda: True) is None
    judge.close()


# Generation ---------------------------------------------------------------------------------------------------------------------


def drawn(observation: torch.Tensor) -> torch.Tensor:
    """Pictures of the brightness of the class that is asked for."""
    brightness = 80 * observation.argmax(dim=-1) + 10
    return brightness.to(torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 2, 2).clone()


def test_what_is_made_for_a_class_is_shown_by_class_and_learned_from() -> None:
    judged = DatasetEvaluator(Toy(pictures=True, task_type="generate", conditional=True)).evaluate(Stub(drawn), 0)
    assert judged is not None
    assert (judged.row["train_on_generated"], judged.row["train_on_generated_floor"]) == (1.0, 1.0)
    assert judged.pictures is not None
    assert judged.columns == 5
    assert judged.captions == ["a"] * 5 + ["b"] * 5 + ["c"] * 5
    assert judged.pictures[:, 0, 0, 0].tolist() == [10] * 5 + [90] * 5 + [170] * 5
    assert any(line.startswith("train_on_generated") for line in judged.report)


def test_what_is_made_for_the_wrong_class_teaches_nothing() -> None:
    judged = DatasetEvaluator(Toy(pictures=True, task_type="generate", conditional=True)).evaluate(
        Stub(lambda seen: drawn(seen.roll(1, -1))), 0
    )
    assert judged is not None
    assert (judged.row["train_on_generated"], judged.row["train_on_generated_floor"]) == (0.0, 1.0)
    right = DatasetEvaluator(Toy(pictures=True, task_type="generate", conditional=True)).evaluate(Stub(drawn), 0)
    assert right is not None
    assert judged.row["coverage"] == right.row["coverage"]  # as a set it is no worse: five of each class, in another order


def test_what_is_made_for_nothing_has_no_such_figure() -> None:
    made = torch.from_numpy(Toy(pictures=True).data("train").inputs[:15])
    judged = DatasetEvaluator(Toy(pictures=True, task_type="generate")).evaluate(Stub(lambda seen: made), 0)
    assert judged is not None
    assert "train_on_generated" not in judged.row
    assert "features" not in judged.row
    assert (judged.columns, judged.captions) == (None, None)


@pytest.mark.parametrize("samples", [6, None, 100])
def test_fewer_rows_are_made_unless_the_evaluation_is_whole(samples: int | None) -> None:
    asked: list[int] = []

    def counted(observation: torch.Tensor) -> torch.Tensor:
        asked.append(len(observation))
        return drawn(observation)

    judge = DatasetEvaluator(Toy(pictures=True, task_type="generate", conditional=True), samples=samples)
    judge.whole = False
    some = judge.evaluate(Stub(counted), 0)
    again = judge.evaluate(Stub(counted), 1)
    judge.whole = True
    everything = judge.evaluate(Stub(counted), 2)
    assert some is not None
    assert again is not None
    assert everything is not None
    few = min(samples or 15, 15)
    assert asked == [few, few, 15]
    assert (some.row["samples"], everything.row["samples"]) == (few, 15)
    assert some.row == again.row
    assert judge.is_whole(everything.row)
    assert judge.is_whole(some.row) == (few == 15)
    assert not judge.is_whole({"samples": "many"})
    assert some.row["train_on_generated"] == 1.0  # each row is of the class that was asked for


def test_a_run_ends_with_a_whole_evaluation(tmp_path: Path) -> None:
    config: dict[str, Any] = {
        **{"agent": "ac2", "suite": "iris", "objective": "flow", "suite.task_type": "generate", "callbacks": [], "device": "cpu"},
        **{"root": str(tmp_path), "train.updates": 4, "evaluate.samples": 5, "checkpoint.every": 0},
        **{"agent.batch_size": 8, "evaluate.every": 16, "train.log_every": 8},
    }
    run = unified.train(config=config)
    rows = [(row["frames"], row["samples"]) for row in run.metrics() if row["kind"] == "evaluate"]
    assert rows == [(16, 5), (32, 5), (32, 30)]
    unified.train(config=config)  # it has ended: nothing is added
    assert len([row for row in run.metrics() if row["kind"] == "evaluate"]) == 3


def test_equally_many_of_each_class_that_occurs_are_shown() -> None:
    classes = np.array([2, 0, 0, 2, 4, 2, 0, 4])
    assert by_class(classes, 6) == (pytest.approx(np.array([1, 2, 0, 3, 4, 7])), 2)
    assert by_class(classes, 64)[1] == 2  # as many as the rarest has
    assert by_class(classes, 2) == (pytest.approx(np.array([1, 0])), 1)  # no more than were asked for


# In features --------------------------------------------------------------------------------------------------------------------


class Eye(Stub):
    """A classifier whose features are the brightness and its square."""

    seen: list[torch.Tensor]

    def forward_features(self, observation: torch.Tensor) -> torch.Tensor:
        self.seen = [*getattr(self, "seen", []), observation]
        mean = observation.float().flatten(1).mean(dim=1, keepdim=True)
        return torch.cat([mean, mean.square()], dim=1)


def player(spec: Spec, agent: Any) -> Any:
    return SimpleNamespace(agent=agent, spec=spec, frames=1234)


def test_rows_are_compared_in_the_features_of_a_classifier() -> None:
    suite, agent = Toy(pictures=True, task_type="generate", conditional=True), Eye(nearest)
    features = ClassifierFeatures(player(Toy(pictures=True).spec(), agent), "a/classifier", suite.spec())
    judge = DatasetEvaluator(suite, features)
    judged = judge.evaluate(Stub(drawn), 0)
    assert judged is not None
    assert judged.row["features"] == "a/classifier at 1,234 frames"
    assert judged.report[0] == "in the features of a/classifier at 1,234 frames"
    test = Toy(pictures=True).data("test").inputs.reshape(15, -1).mean(1, dtype=np.float64)
    made = 80.0 * (np.arange(15) % 3) + 10
    moments = [np.stack([each, each**2], 1) for each in (test, made)]
    assert judged.row["frechet"] == pytest.approx(frechet(*moments), rel=1e-4)
    looked = len(agent.seen)
    judge.evaluate(Stub(drawn), 1)
    assert len(agent.seen) == looked + 1  # at what was made: what is real is known already


def frechet(x: np.ndarray, y: np.ndarray) -> float:
    one, other = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = np.sqrt(np.linalg.eigvals(one @ other).real.clip(0)).sum()
    return float(((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(one) + np.trace(other) - 2 * root)


def test_vectors_are_looked_at_in_units_of_their_own() -> None:
    made, agent = Toy(task_type="generate").spec(), Eye(nearest)
    assert made.target_range is not None
    features = ClassifierFeatures(player(Toy().spec(), agent), "a/classifier", made)
    features(np.array([[-1.0, -1.0], [1.0, 1.0]], np.float32))
    torch.testing.assert_close(agent.seen[-1], torch.tensor(made.target_range, dtype=torch.float32))


@pytest.mark.parametrize(
    ("seen", "made", "says"),
    [
        (Toy(True, "generate"), Toy(True, "generate"), "the task of that run is to generate, and features need a classifier"),
        (Toy(False), Toy(True, "generate"), r"its observations are float32 \(2,\), and uint8 \(1, 2, 2\) is generated here"),
        (Toy(True), Toy(False, "generate"), r"its observations are uint8 \(1, 2, 2\), and float32 \(2,\) is generated here"),
    ],
)
def test_features_of_something_else_are_refused(seen: Toy, made: Toy, says: str) -> None:
    with pytest.raises(UsageError, match=f"evaluate.features=a/run: {says}"):
        ClassifierFeatures(player(seen.spec(), Eye(nearest)), "a/run", made.spec())
