"""An update as a graph: the bits of the eager one, no trace of tracing, and a reason where there is none."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from unified.core.base.rng import Streams
from unified.core.base.schedule import Schedule
from unified.core.base.spec import Space, Spec
from unified.core.learn.actions import Action
from unified.core.learn.agent import Agent
from unified.core.learn.builder import Builder
from unified.core.learn.objective import FunctionObjective, Loss, Phase
from unified.core.learn.options import LearningOptions, OptimizerOptions
from unified.core.learn.traced import Pure, TracedUpdate, Untraceable, trace, update_key
from unified.core.learn.update import PhaseStep, UpdateResult
from unified.core.registry import registry
from unified.core.replay.batch import Batch
from unified.core.replay.views import Transitions, View
from unified.testing.workshop import differences

SPEC = Spec(Space((3,), "float32"), Space((2,), "float32", -1.0, 1.0))
Term = Callable[["Line", Batch], Any]


def error(agent: Line, batch: Batch) -> torch.Tensor:
    return (agent.actor(batch.features) - batch.action).square().mean()


def noisy(agent: Line, batch: Batch) -> Loss:
    """Draws by making a tensor and by filling one in place, and reads a schedule."""
    noise = torch.randn(batch.action.shape, generator=agent.noise()) * agent.spread(agent.steps)
    waits = torch.empty_like(batch.action.T).exponential_(generator=agent.noise()).T
    mixture = torch.rand(2, generator=agent.streams["mixture"].at(agent.updates))
    errors = (agent.actor(batch.features) + noise - batch.action).square() * waits * mixture
    return Loss(errors.mean() * agent.growth(agent.updates), {"noise": noise.mean()}, errors.detach().sum(dim=1))


class Line(Agent):
    """The actor fits actions; every other update the critic does, and a target of it follows."""

    def __init__(self, term: Term = error, step: PhaseStep | None = None, **options: Any) -> None:
        given = {"optimizer": OptimizerOptions(**options.pop("optimizer", {}))}
        super().__init__(
            SPEC, LearningOptions(lr=0.1, **given, **options), Builder(torch.device("cpu"), "fp32", Streams(3), registry(), (), SPEC)
        )
        self.term, self.own_step = term, step
        self.spread, self.growth = Schedule("linear(1,0,100)"), Schedule("cosine(1,2,10)")
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.encoder, self.actor, self.critic = nn.Linear(3, 4), nn.Linear(4, 2), nn.Linear(4, 2)
        self.encoder.register_buffer("mean", torch.zeros(2))
        self.held = torch.zeros(2)
        self.add_target("critic", 0.5, every=2)
        self.configure()
        self.steps = 20

    @property
    def base_view(self) -> View:
        return Transitions()

    @property
    def action_space(self) -> Space:
        return SPEC.action

    def act(self, batch: Batch, *, explore: bool) -> Action:
        raise NotImplementedError

    def encode_batch(self, batch: Batch) -> Batch:
        return batch.with_columns(features=self.encode(batch.obs))

    def phases(self) -> list[Phase]:
        fit = Phase("fit", (FunctionObjective(self.term),), ("encoder", "actor"), max_grad_norm=1.0, step=self.own_step)
        value = FunctionObjective(lambda agent, batch: (agent.critic(batch.features) - batch.action).square().mean())
        return [fit, Phase("value", (value,), ("critic",), every=2)]


def batch_of(seed: int = 0, rows: int = 8) -> Batch:
    g = torch.Generator().manual_seed(seed)
    return Batch(obs=torch.randn(rows, 3, generator=g), action=torch.randn(rows, 2, generator=g))


def state(agent: Agent) -> dict[str, Any]:
    return copy.deepcopy({"state": agent.training_state(), "streams": agent.streams.state_dict(), "steps": agent.steps})


def assert_same(ours: Agent, theirs: Agent) -> None:
    assert differences(state(ours), state(theirs)) == []


def assert_same_result(one: UpdateResult, other: UpdateResult) -> None:
    assert list(one.metrics) == list(other.metrics)
    assert differences({"m": one.metrics, "p": one.priority}, {"m": other.metrics, "p": other.priority}) == []


class Graphs:
    """Learns by graphs, one for each key."""

    def __init__(self, agent: Agent, **options: Any) -> None:
        self.agent, self.options = agent, options
        self.traced: dict[Any, TracedUpdate] = {}

    def learn(self, batch: Batch) -> UpdateResult:
        key = update_key(self.agent, batch)
        if key not in self.traced:
            self.traced[key] = trace(self.agent, batch, **self.options)
        return self.traced[key](batch)


OPTIONS: list[dict[str, Any]] = [
    {},
    {"optimizer": {"name": "sgd", "momentum": 0.9}},
    {"optimizer": {"schedule": "linear(1,0.1,10)", "name": "adamw", "weight_decay": 0.1}},
    {"ema": True, "optimizer": {"gradient_accumulation": 3}},
    {"optimizer": {"name": "sgd"}},
    {"optimizer": {"name": "adagrad"}},
    {"optimizer": {"name": "adamw", "parts": {"actor": {"name": "sgd", "lr": 0.5}}}},
]


@pytest.mark.parametrize("options", [*OPTIONS[:3], *(pytest.param(each, marks=pytest.mark.slow) for each in OPTIONS[3:])], ids=str)
def test_the_graph_gives_the_bits_of_the_eager_update(options: dict[str, Any]) -> None:
    ours, theirs = Line(noisy, **options), Line(noisy, **options)
    graphs = Graphs(ours)
    for number in range(13):
        for agent in (ours, theirs):
            agent.steps += 11  # the deviation falls to 0 in between
        batch = batch_of(number)
        if number == 9:
            batch["action"][0] = torch.nan  # nothing moves, and steps are not counted
        assert_same_result(graphs.learn(batch), theirs.learn(batch))
        assert_same(ours, theirs)
    assert ours.updates == 13
    due = {(key[0], key[1]) for key in graphs.traced}
    followers = ("encoder_average", "actor_average") if options.get("ema") else ()
    assert due == {(("fit",), followers), (("fit", "value"), ("critic_target", *followers))}


def test_a_graph_goes_on_with_a_state_that_was_loaded() -> None:
    ours, theirs = Line(noisy), Line(noisy)
    graphs = Graphs(ours)
    for number in range(12):
        if number == 6:
            ours.load_training_state(state(theirs)["state"])  # other moments, and other learning rates
            for agent in (ours, theirs):
                agent.updater.optimizers["actor"].param_groups[0]["lr"] = 0.03
        assert_same_result(graphs.learn(batch_of(number)), theirs.learn(batch_of(number)))
    assert_same(ours, theirs)
    assert len(graphs.traced) == 2


def test_tracing_changes_nothing() -> None:
    agent, batch = Line(noisy), batch_of()
    agent.learn(batch)
    versions = {name: value._version for name, value in agent.named_parameters() if name.startswith("critic")}
    before, given, random = state(agent), copy.deepcopy(dict(batch)), torch.get_rng_state()
    trace(agent, batch)
    assert differences(state(agent), before) == []
    assert differences(dict(batch), given) == []
    assert torch.equal(torch.get_rng_state(), random)
    assert type(agent.steps) is type(agent.updates) is int
    assert all(parameter.grad is None for parameter in agent.parameters())
    assert {name: value._version for name, value in agent.named_parameters() if name.startswith("critic")} == versions


def test_tracing_leaves_what_an_agent_counts_by_itself() -> None:
    """An update that is no graph goes on eagerly, with the counts that it has without tracing."""
    calls, seen = [0], deque([1], maxlen=2)
    state = {"rows": np.zeros(2), "generator": np.random.default_rng(1)}

    def counts(agent: Line, batch: Batch) -> torch.Tensor:
        calls[0] += 1
        seen.append(calls[0])
        agent.held = agent.held + 1.0
        state["rows"] += state["generator"].random(2)
        state["new"] = calls[0]
        agent.__dict__["own"] = calls[0]
        agent.encoder.kept = agent.encoder.mean
        return error(agent, batch) * calls[0]

    agent, batch = Line(counts), batch_of()
    held = agent.held
    with pytest.raises(Untraceable):
        trace(agent, batch)
    assert agent.held is held
    assert not held.any()
    assert (calls, list(seen), not state["rows"].any()) == ([0], [1], True)
    assert state["generator"].random() == np.random.default_rng(1).random()
    assert set(state) == {"rows", "generator"}
    assert not hasattr(agent, "own")
    assert not hasattr(agent.encoder, "kept")


def test_text_is_equal_for_equal_updates_and_tells_others_apart() -> None:
    batch = batch_of()
    agent, later, other = Line(noisy), Line(noisy), Line(noisy, optimizer={"eps": 1e-3})
    for number in range(6):
        later.learn(batch_of(number))
    later.steps = 99
    texts = [trace(each, batch).text for each in (agent, later, other)]
    assert texts[0] == texts[1] != texts[2]
    assert trace(agent, batch_of(rows=9)).text != texts[0]


def test_another_function_may_run_the_graph() -> None:
    ours, theirs, batch = Line(noisy), Line(noisy), batch_of()
    traced, called = trace(ours, batch), []

    def run(*inputs: torch.Tensor) -> list[torch.Tensor]:
        called.append(len(inputs))
        assert not any(tensor.requires_grad for tensor in inputs)
        return list(torch.fx.Interpreter(traced.graph).run(*inputs))

    assert_same_result(traced(batch, run), theirs.learn(batch))
    assert_same(ours, theirs)
    assert called == [len([node for node in traced.graph.graph.nodes if node.op == "placeholder"])]


# The step in plain operations ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [pytest.param("adam", marks=pytest.mark.slow), "adamw"])
def test_adam_in_plain_operations_differs_by_rounding(name: str) -> None:
    options = {"optimizer": {"name": name, "weight_decay": 0.1, "schedule": "linear(1,0.5,20)"}}
    ours, theirs = Line(noisy, **options), Line(noisy, **options)
    graphs = Graphs(ours, plain_optimizer=True)
    for number in range(20):
        batch = batch_of(number)
        if number == 7:
            batch["obs"][0] = torch.inf
        learned, expected = graphs.learn(batch).metrics, theirs.learn(batch).metrics
        assert learned["nonfinite"] == expected["nonfinite"] == (number == 7)
    for (at, one), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6, msg=lambda text, at=at: f"{at}: {text}")
    for part, optimizer in ours.updater.optimizers.items():
        other = theirs.updater.optimizers[part].state_dict()["state"]
        assert all(value["step"] == other[key]["step"] for key, value in optimizer.state_dict()["state"].items())
    assert not any("fused" in traced.text for traced in graphs.traced.values())


def test_other_optimisers_have_no_plain_form() -> None:
    with pytest.raises(Untraceable, match="the optimiser SGD has no form in plain operations"):
        trace(Line(optimizer={"name": "sgd"}), batch_of(), plain_optimizer=True)


# What is no graph ---------------------------------------------------------------------------------------------------------------


class Nothing(PhaseStep):
    def apply(self, parameters: Any, gradients: Any, loss: Any) -> dict[str, torch.Tensor]:
        return {}


def _replaced(agent: Line, batch: Batch) -> torch.Tensor:
    agent.encoder.mean = 0.5 * agent.encoder.mean + 0.5 * batch.action.mean(dim=0)
    return error(agent, batch)


def _counted(agent: Line, batch: Batch) -> torch.Tensor:
    agent.__dict__["calls"] = agent.__dict__.get("calls", 0) + 1
    return error(agent, batch) * agent.__dict__["calls"]


def _drawn(*arguments: Any) -> Term:
    return lambda agent, batch: error(agent, batch) + torch.normal(*arguments, generator=agent.noise()).mean()


REASONS: dict[str, tuple[Term, str]] = {
    "item": (lambda agent, batch: error(agent, batch) * batch.action.max().item(), r"reads a value.*test_traced\.py"),
    "if": (lambda agent, batch: error(agent, batch) * (2 if batch.action.mean() > 0 else 1), "reads a value"),
    "mask": (lambda agent, batch: error(agent, batch) + agent.actor(batch.features)[batch.action > 0].mean(), "rows that a mask selects"),
    "nonzero": (lambda agent, batch: error(agent, batch) + len((batch.action > 0).nonzero()), "shape of a result depends on values"),
    "numpy": (lambda agent, batch: error(agent, batch) + float(batch.action.numpy().mean()), "NumPy"),
    "global": (lambda agent, batch: error(agent, batch) + torch.randn(2).mean(), "global generator"),
    "dropout": (lambda agent, batch: nn.functional.dropout(error(agent, batch)), "global generator"),
    "foreign": (lambda agent, batch: error(agent, batch) + torch.rand(2, generator=torch.Generator()).mean(), "no stream of the run"),
    "NumPy's noise": (lambda agent, batch: error(agent, batch) + torch.as_tensor(agent.streams["x"].numpy().random(2)).mean(), "differ"),
    "computed": (
        lambda agent, batch: error(agent, batch) + torch.bernoulli(batch.action.sigmoid(), generator=agent.noise()).mean(),
        "from a distribution that is computed",
    ),
    "steps": (lambda agent, batch: error(agent, batch) * agent.steps, r"computes with agent\.steps"),
    "updates": (lambda agent, batch: error(agent, batch) * 0.9**agent.updates, r"computes with agent\.updates"),
    "decides": (lambda agent, batch: error(agent, batch) * (2 if agent.steps < 10**9 else 1), r"computes with agent\.steps"),
    "from the right": (lambda agent, batch: error(agent, batch) * (2 if 1e9 > agent.steps else 1), r"computes with agent\.steps"),  # noqa: SIM300
    "next": (lambda agent, batch: error(agent, batch) * (2 if agent.updates + 1 < 10**9 else 1), r"computes with agent\.updates"),
    "share": (lambda agent, batch: error(agent, batch) * (2 if agent.steps / 10 < 10**9 else 1), r"computes with agent\.steps"),
    "equal": (lambda agent, batch: error(agent, batch) * (2 if agent.steps == 10**9 else 1), r"computes with agent\.steps"),
    "counter": (_counted, "two recordings of it differ"),
    "replaced": (_replaced, "replaces a parameter"),
    "rows": (lambda agent, batch: error(agent, batch) + torch.tensor(np.asarray(batch.action.tolist())).mean(), "NumPy or Python"),
    "fails": (lambda agent, batch: batch.features @ batch.features, "failed in its loss"),
}


@pytest.mark.parametrize("name", REASONS)
def test_what_is_no_function_of_tensors_is_named_and_the_agent_is_as_before(name: str) -> None:
    term, reason = REASONS[name]
    agent = Line(term)
    before = state(agent)
    with pytest.raises(Untraceable, match=reason) as raised:
        trace(agent, batch_of())
    assert "\n" not in str(raised.value)
    assert differences(state(agent), before) == []
    assert type(agent.steps) is int


def test_what_is_known_without_trying() -> None:
    with pytest.raises(Untraceable, match="phase fit has a step of its own"):
        trace(Line(step=Nothing()), batch_of())
    with pytest.raises(Untraceable, match="RMSprop of part encoder is not fused"):
        trace(Line(optimizer={"parts": {"encoder": {"name": "rmsprop"}}}), batch_of())
    agent = Line()
    agent.updater.optimizers["actor"].register_step_post_hook(lambda *_: None)
    with pytest.raises(Untraceable, match="the optimiser of part actor has hooks"):
        trace(agent, batch_of())
    agent = Line()
    agent.updater.reduce = lambda tensors: tensors
    with pytest.raises(Untraceable, match="averaged over processes"):
        trace(agent, batch_of())

    class Own(Line):
        def learn(self, batch: Batch) -> UpdateResult:
            return super().learn(batch)

    with pytest.raises(Untraceable, match="Own has a `learn` of its own"):
        trace(Own(), batch_of())


# The mode -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wait",
    [
        lambda x: x.max().item(),
        lambda x: bool(x.any()),
        lambda x: x.nonzero(),
        lambda x: x[x > 0],
        lambda x: x.masked_select(x > 0),
        lambda x: x.unique(),
        lambda x: x.to("meta"),
        lambda x: torch.rand(2),
    ],
)
def test_pure_refuses_what_waits_or_varies(wait: Callable[[torch.Tensor], Any]) -> None:
    with Pure(), pytest.raises(Untraceable):
        wait(torch.arange(3.0))


def test_pure_lets_an_update_pass() -> None:
    agent, batch = Line(noisy), batch_of()
    with Pure():
        agent.learn(batch)
        assert torch.where(batch.obs > 0, batch.obs, 0.0)[torch.tensor([1, 0])].shape == (2, 3)
        assert torch.nn.functional.dropout(batch.obs, training=False).shape == (8, 3)
