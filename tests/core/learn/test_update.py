"""The update: a phase's own step, the reduction over processes, and what objectives share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import nn

from unified.core.base.rng import Streams
from unified.core.base.spec import Space, Spec
from unified.core.learn.actions import Action
from unified.core.learn.agent import Agent
from unified.core.learn.builder import Builder
from unified.core.learn.objective import FunctionObjective, Loss, Phase
from unified.core.learn.options import LearningOptions, OptimizerOptions
from unified.core.learn.update import PhaseLoss, PhaseStep
from unified.core.registry import registry
from unified.core.replay.batch import Batch
from unified.core.replay.views import Transitions, View

NUMBERS = Space((2,), "float32", -1.0, 1.0)


class Plain(PhaseStep):
    """Gradient descent that keeps what it was given."""

    def __init__(self, rate: float = 0.5) -> None:
        self.rate, self.losses, self.gradients = rate, [], []

    def apply(self, parameters: Sequence[nn.Parameter], gradients: Sequence[torch.Tensor], loss: PhaseLoss) -> dict[str, torch.Tensor]:
        self.losses.append(loss())
        self.gradients.append([gradient.clone() for gradient in gradients])
        with torch.no_grad():
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter -= self.rate * gradient
        self.losses.append(loss())
        return {"after": self.losses[-1]}


class Line(Agent):
    """The actor fits the encoder's features of observations with noise drawn in the encoder's place and in the loss."""

    def __init__(self, step: PhaseStep | None, max_grad_norm: float | None = None, noise: float = 0.0, **options: Any) -> None:
        build = Builder(torch.device("cpu"), "fp32", Streams(3), registry())
        super().__init__(Spec(Space((3,), "float32"), NUMBERS), LearningOptions(lr=0.1, **options), build)
        self.step, self.max_grad_norm, self.noise_size = step, max_grad_norm, noise
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.encoder, self.actor = nn.Linear(3, 4), nn.Linear(4, 2)
        self.configure()

    @property
    def base_view(self) -> View:
        return Transitions()

    @property
    def action_space(self) -> Space:
        return NUMBERS

    def act(self, batch: Batch, *, explore: bool) -> Action:
        action = self.acting("actor")(self.encode(batch.obs)).tanh()
        return Action(action, action)

    def encode_batch(self, batch: Batch) -> Batch:
        noise = self.noise_size * torch.randn(batch.obs.shape, generator=self.generator("shift"))
        return batch.with_columns(features=self.encode(batch.obs + noise))

    def phases(self) -> list[Phase]:
        def loss(agent: Line, batch: Batch) -> Loss:
            noise = agent.noise_size * torch.randn(batch.action.shape, generator=agent.noise())
            return Loss((agent.actor(batch.features) + noise - batch.action).square().mean())

        return [Phase("fit", (FunctionObjective(loss),), ("encoder", "actor"), max_grad_norm=self.max_grad_norm, step=self.step)]


def batch_of(rows: int = 8) -> Batch:
    g = torch.Generator().manual_seed(1)
    return Batch(obs=torch.randn(rows, 3, generator=g), action=torch.randn(rows, 2, generator=g))


def weights(agent: Agent) -> dict[str, torch.Tensor]:
    return {name: parameter.detach().clone() for name, parameter in agent.named_parameters()}


def test_a_step_of_its_own_gets_the_gradients_of_an_optimiser() -> None:
    ours, theirs = Line(Plain()), Line(None, optimizer=OptimizerOptions(name="sgd", parts={}))
    assert ours.updater.optimizers == {}
    for group in (group for optimizer in theirs.updater.optimizers.values() for group in optimizer.param_groups):
        group["lr"] = 0.5
    first, second = ours.learn(batch_of()).metrics, theirs.learn(batch_of()).metrics
    assert first["fit_loss"] == second["fit_loss"]
    assert first["fit_gradient_norm"] == second["fit_gradient_norm"]
    assert first["after"] < first["fit_loss"]
    for name, value in weights(ours).items():
        torch.testing.assert_close(value, weights(theirs)[name], rtol=0, atol=1e-7)


@pytest.mark.parametrize("pieces", [1, 2])
def test_the_loss_of_a_step_is_a_function_of_the_parameters_alone(pieces: int) -> None:
    """Its first value is the loss that was differentiated, noise in the encoding and in the loss included, and nothing more is drawn."""
    step = Plain(rate=0.0)
    agent = Line(step, noise=0.3, optimizer=OptimizerOptions(gradient_accumulation=pieces))
    learned = agent.learn(batch_of())
    assert step.losses[0].item() == pytest.approx(learned.metrics["fit_loss"].item(), rel=1e-6)
    assert step.losses[1] == step.losses[0]
    other = Line(Plain(rate=0.0), noise=0.3, optimizer=OptimizerOptions(gradient_accumulation=pieces))
    other.updater.agent.phase_list[0].step.apply = lambda *given: {}
    other.learn(batch_of())
    assert agent.streams.state_dict() == other.streams.state_dict()


def test_gradients_of_a_step_are_clipped_and_accumulated() -> None:
    clipped, whole, halves = Plain(), Plain(), Plain()
    Line(clipped, max_grad_norm=1e-3).learn(batch_of())
    Line(whole).learn(batch_of())
    Line(halves, optimizer=OptimizerOptions(gradient_accumulation=2)).learn(batch_of())
    assert torch.cat([gradient.flatten() for gradient in clipped.gradients[0]]).norm().item() == pytest.approx(1e-3, rel=1e-3)
    for one, other in zip(whole.gradients[0], halves.gradients[0], strict=True):
        torch.testing.assert_close(one, other)


def test_an_update_that_is_not_finite_calls_no_step() -> None:
    step = Plain()
    agent, batch = Line(step), batch_of()
    before = weights(agent)
    batch["action"][0, 0] = float("nan")
    assert agent.learn(batch).metrics["nonfinite"] == 1
    assert step.losses == []
    assert all(torch.equal(value, before[name]) for name, value in weights(agent).items())


def test_averaged_weights_follow_what_a_step_moves() -> None:
    agent = Line(Plain(), ema=True, ema_tau=0.25)
    before = weights(agent)
    agent.learn(batch_of())
    expected = torch.lerp(before["actor.weight"], agent.actor.weight, 0.25)
    torch.testing.assert_close(agent.actor_average.weight, expected)
    agent.train(False)
    assert agent.acting("actor") is agent.actor_average
    assert agent.actor is not agent.actor_average  # the name of a part is always the part that learns
    agent.train()
    assert agent.acting("actor") is agent.actor


@pytest.mark.parametrize("own", [False, True])
def test_two_processes_with_half_of_the_rows_each_learn_as_one_with_all(own: bool) -> None:
    whole, halves = batch_of(), [piece for _, piece in batch_of().split(2)]
    agents = [Line(Plain() if own else None) for _ in halves]
    contributions: list[list[list[torch.Tensor]]] = []
    for agent, half in zip(agents, halves, strict=True):  # a first pass records what each contributes
        rounds: list[list[torch.Tensor]] = []
        agent.updater.reduce = lambda tensors, rounds=rounds: rounds.append([each.clone() for each in tensors]) or tensors
        state = agent.training_state()
        state = {**state, "parameters": {name: value.clone() for name, value in state["parameters"].items()}}
        agent.learn(half)
        agent.load_training_state(
            {"updates": 0, "parameters": state["parameters"], "optimizers": Line(None).training_state()["optimizers"]}
        )
        contributions.append(rounds)
    means = [(one + other) / 2 for one, other in zip(contributions[0][0], contributions[1][0], strict=True)]
    for agent, half in zip(agents, halves, strict=True):
        agent.updater.reduce = lambda tensors: [mean.clone() for mean in means] if len(tensors) == len(means) else tensors
        agent.learn(half)
    alone = Line(Plain() if own else None)
    alone.learn(whole)
    assert all(torch.equal(value, weights(agents[1])[name]) for name, value in weights(agents[0]).items())
    for name, value in weights(alone).items():
        torch.testing.assert_close(value, weights(agents[0])[name], rtol=1e-5, atol=1e-6)


def test_a_loss_that_is_not_finite_in_one_process_stops_the_step_of_all() -> None:
    agent = Line(None)
    before = weights(agent)
    agent.updater.reduce = lambda tensors: [*tensors[:-1], torch.full_like(tensors[-1], float("nan"))]
    assert agent.learn(batch_of()).metrics["nonfinite"] == 1
    assert all(torch.equal(value, before[name]) for name, value in weights(agent).items())


def test_what_objectives_share_is_computed_once_for_a_batch_and_anew_for_the_next() -> None:
    calls: list[int] = []

    def compute() -> int:
        calls.append(len(calls))
        return len(calls)

    batch = batch_of()
    assert [batch.once("policy", compute), batch.once("policy", compute), batch.once("draw", compute)] == [1, 1, 2]
    assert batch.with_columns().once("policy", compute) == 3
    assert batch.detach().once("policy", compute) == 4
