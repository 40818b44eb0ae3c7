"""What an objective may do with parts of an agent: leave them as they are, or bring its own."""

from __future__ import annotations

import copy
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
import torch
from torch import nn

from unified.core.base.errors import PluginFailed, UsageError
from unified.core.base.rng import Streams
from unified.core.base.spec import Space, Spec
from unified.core.config.compose import compose
from unified.core.learn.actions import Action
from unified.core.learn.agent import Agent
from unified.core.learn.builder import Builder
from unified.core.learn.objective import Loss, Objective, Phase, frozen, unmet
from unified.core.replay.batch import Batch
from unified.core.replay.views import Transitions, View
from unified.core.trainer.build import make_agent

SPEC = Spec(Space((2,), "float32"), Space((1,), "float32", -1.0, 1.0))


def test_a_frozen_part_passes_gradients_on_and_takes_none():
    judge, rows = nn.Linear(3, 1), torch.ones(2, 3, requires_grad=True)
    with frozen(judge):
        value = judge(rows).sum()
    given, taken = torch.autograd.grad(value, [rows, judge.weight], allow_unused=True)
    assert torch.equal(given, judge.weight.detach().expand(2, 3))
    assert taken is None


def test_afterwards_it_is_as_it_was_whatever_was_raised():
    judge = nn.Linear(3, 1)
    judge.bias.requires_grad_(False)
    with frozen(judge):
        assert not judge.weight.requires_grad
    with pytest.raises(RuntimeError), frozen(judge):
        raise RuntimeError
    assert judge.weight.requires_grad
    assert not judge.bias.requires_grad


# Objectives that ask for more of an agent ---------------------------------------------------------------------------------------


class Seeing(Agent):
    """An agent whose encoder is all that it has."""

    def __init__(self, *terms: Objective) -> None:
        super().__init__(SPEC, None, Builder(torch.device("cpu"), "fp32", Streams(0), None))
        self.encoder = nn.Linear(2, 2)
        self.terms = terms

    base_view = Transitions(batch_size=4)
    action_space = SPEC.action

    def act(self, batch: Batch, *, explore: bool) -> Action:
        raise NotImplementedError

    def phases(self) -> list[Phase]:
        return [Phase("seeing", self.terms, trains=("encoder",))]

    def optimizer(self, part: str, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.Adam(parameters, lr=0.1, fused=True)

    def encode_batch(self, batch: Batch) -> Batch:
        return batch.with_columns(features=self.encoder(batch.obs))


class Ahead(Objective):
    """It wants to see two steps ahead, and brings a part and two copies."""

    needs = ("obs", "future_obs")
    parts = ("encoder",)

    def extend_view(self, view: View) -> View:
        return replace(view, future_steps=2)  # type: ignore[call-arg]

    def attach(self, agent: Any) -> None:
        agent.add_modules(guess=nn.Linear(2, 2), quiet=nn.ReLU())
        agent.add_target("encoder", 0.5, name="slow_encoder")
        agent.add_target("guess", 1.0, every=2, name="late_guess")

    def __call__(self, agent: Any, batch: Batch) -> Loss:
        return Loss((agent.guess(batch.features) - agent.slow_encoder(batch.future_obs[:, 1])).square().mean())


class Plain(Objective):
    """It asks for nothing."""

    def __call__(self, agent: Any, batch: Batch) -> Loss:
        return Loss(batch.features.square().mean())


def seen() -> Batch:
    numbers = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))
    return Batch(obs=numbers[:, :2], future_obs=numbers[:, 2:].view(4, 2, 2))


def ready(*terms: Objective) -> Seeing:
    agent = Seeing(*terms)
    agent.configure()
    return agent


def test_an_objective_widens_the_view_of_the_agent_it_is_added_to():
    agent = Seeing(Plain(), Ahead())
    assert agent.view == agent.base_view
    agent.configure()
    assert agent.view == replace(agent.base_view, future_steps=2)
    assert ready(Plain()).view == Seeing.base_view


def test_parts_that_an_objective_brings_are_trained_by_its_phase_and_copies_follow():
    agent = ready(Plain(), Ahead())
    assert agent.phase_list[0].trains == ("encoder", "guess", "quiet")
    assert set(agent.updater.optimizers) == {"encoder", "guess"}  # there is nothing to train in the other
    start = {name: value.clone() for name, value in agent.state_dict().items()}
    assert torch.equal(start["slow_encoder.weight"], start["encoder.weight"])
    agent.learn(seen())
    now = agent.state_dict()
    assert not torch.equal(now["encoder.weight"], start["encoder.weight"])
    assert not torch.equal(now["guess.weight"], start["guess.weight"])
    torch.testing.assert_close(now["slow_encoder.weight"], (start["encoder.weight"] + now["encoder.weight"]) / 2)
    assert torch.equal(now["late_guess.weight"], start["guess.weight"])
    agent.learn(seen())
    assert torch.equal(agent.state_dict()["late_guess.weight"], agent.state_dict()["guess.weight"])


def test_what_an_objective_brings_is_saved_and_goes_on_the_same():
    one, other = ready(Ahead()), ready(Ahead())
    one.learn(seen())
    other.load_training_state(copy.deepcopy(one.training_state()))
    for agent in (one, other):
        agent.learn(seen())
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in one.state_dict().items())


def test_two_parts_of_one_name_are_refused():
    with pytest.raises(UsageError, match="the agent has a part guess, quiet already"):
        ready(Ahead(), Ahead())
    with pytest.raises(UsageError, match="part encoder already"):
        ready().add_target("encoder", 0.1, name="encoder")


def test_a_column_that_nobody_gives_is_refused():
    class Blind(Ahead):
        def extend_view(self, view: View) -> View:
            return view

    with pytest.raises(UsageError, match="objective Blind needs column future_obs; the agent's view has obs, action"):
        ready(Blind())


def test_an_objective_that_fails_to_join_is_named():
    class Clumsy(Plain):
        def attach(self, agent: Any) -> None:
            raise ValueError("oops")

    with pytest.raises(PluginFailed, match="objective Clumsy failed while attaching to the agent: ValueError: oops"):
        ready(Clumsy())


def test_an_agent_without_what_an_objective_asks_for_is_refused_before_the_start() -> None:
    class Asks(Objective):
        asks: ClassVar[dict[str, str]] = {"imagine": "(batch, steps) -> Value", "act": "(observation) -> Action"}

        def __call__(self, agent: Any, batch: Batch) -> Loss:
            raise NotImplementedError

    config = compose(["agent=dqn", "suite=gym:CartPole-v1", "device=cpu"])
    spec = Spec(Space((4,), "float32"), Space((), "int64", 0, 1, n=2))
    agent = make_agent(config, spec, Streams(1))
    assert unmet(agent, Asks.asks) == ["imagine(batch, steps) -> Value"]
    agent.phase_list[0] = replace(agent.phase_list[0], objectives=(Asks(),))
    with pytest.raises(UsageError, match=r"objective Asks asks agent DQN for imagine\(batch, steps\) -> Value.*plugins show Asks"):
        agent._refuse_misfits()


def test_a_part_that_is_called_otherwise_is_refused() -> None:
    values = SimpleNamespace(critic=nn.Linear(2, 1))
    assert unmet(values, {"critic": "(features, action) -> Value"}) == ["critic(features, action) -> Value (it takes 1 argument)"]
    assert unmet(values, {"critic": "(features) -> Value"}) == []


# Losses that move nothing -------------------------------------------------------------------------------------------------------


class Detached(Objective):
    """Its loss has no graph."""

    def __call__(self, agent: Any, batch: Batch) -> Loss:
        return Loss(batch.features.detach().square().mean())


class Elsewhere(Objective):
    """Its loss has a graph, to something that its phase does not train."""

    def __init__(self) -> None:
        super().__init__()
        self.other = torch.zeros(1, requires_grad=True)

    def __call__(self, agent: Any, batch: Batch) -> Loss:
        return Loss(self.other.sum())


@pytest.mark.parametrize("terms", [(Detached(),), (Elsewhere(),), (Detached(), Elsewhere())], ids=["no graph", "elsewhere", "both"])
def test_a_phase_that_no_gradient_reaches_is_named_with_its_objectives(terms: tuple[Objective, ...]) -> None:
    agent = ready(*terms)
    names = ", ".join(type(term).__name__ for term in terms)
    with pytest.raises(UsageError, match=rf"phase seeing \(objective {names}\) trains encoder, and no gradient of its loss reaches them"):
        agent.learn(seen())


def test_a_term_without_a_gradient_is_fine_beside_one_that_has_some() -> None:
    agent = ready(Detached(), Plain())
    before = agent.encoder.weight.clone()
    agent.learn(seen())
    assert not torch.equal(agent.encoder.weight, before)
