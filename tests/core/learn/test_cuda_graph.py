"""CUDA graphs of updates, without a GPU: captures and replays are interpreted, and devices are checked with tensors that have no values."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorDeviceMismatchError, FakeTensorMode

from unified.core.base import rng
from unified.core.components.descriptors import AgentComponent
from unified.core.learn.agent import Agent
from unified.core.learn.cuda_graph import WARM_UP, Cuda, CudaGraphs
from unified.core.learn.optim import _rate
from unified.core.learn.traced import Pure, RunGraph, TracedUpdate, trace
from unified.core.learn.update import UpdateResult
from unified.core.registry import registry
from unified.core.replay.batch import Batch
from unified.core.trainer.engine import WORTHWHILE, Engine
from unified.testing.workshop import Place, build, differences, experience, fresh, places, saved

CUDA, META = torch.device("cuda:0"), torch.device("meta")


class Interpreter(Cuda):
    """In the place of CUDA: captures run nothing, and a replay reads and writes the addresses of the capture."""

    def __init__(self) -> None:
        self.warmed = self.captured = self.replayed = 0
        self.refuses = ""

    def warm_up(self, work: Callable[[], object]) -> None:
        for _ in range(WARM_UP):
            work()
        self.warmed += 1

    def capture(self, work: RunGraph, inputs: Sequence[torch.Tensor]) -> tuple[Callable[[], None], Sequence[torch.Tensor]]:
        if self.refuses:
            raise RuntimeError(self.refuses)
        seen, addresses = tuple(inputs), [each.data_ptr() for each in inputs]
        before = [each.clone() for each in seen]
        outputs = [torch.full_like(each, torch.nan) for each in work(*seen)]
        torch._foreach_copy_(seen, before)
        self.captured += 1

        def replay() -> None:
            assert [each.data_ptr() for each in seen] == addresses
            torch._foreach_copy_(outputs, list(work(*seen)))
            self.replayed += 1

        return replay, outputs


def found(name: str) -> tuple[AgentComponent, Place]:
    component = registry().get("agents", name)
    return component, next(place for place in places(component) if not place.pixels)


class Bench:
    """Two equal agents: one learns by CUDA graphs, one eagerly."""

    def __init__(self, name: str) -> None:
        component, place = found(name)
        self.cuda, self.events = Interpreter(), list[tuple[str, dict[str, Any]]]()
        self.ours, self.theirs = build(component, place), build(component, place)
        record = lambda event, **fields: self.events.append((event, fields))  # noqa: E731
        self.engine = Engine(self.ours, True, None, record, compiler=CudaGraphs(self.cuda))
        self.batches = experience(component, place)
        self.results: list[tuple[UpdateResult, UpdateResult]] = []

    def learn(self, updates: int) -> None:
        for _ in range(updates):
            batch = self.batches[self.ours.updates % len(self.batches)]
            self.ours.steps = self.theirs.steps = self.ours.steps + 7
            self.results.append((self.engine.learn(fresh(batch)), self.theirs.learn(fresh(batch))))

    def assert_same(self) -> None:
        """The state, and all results so far: no replay overwrites an earlier one."""
        assert differences(saved(self.ours), saved(self.theirs)) == []
        assert self.ours.streams.state_dict() == self.theirs.streams.state_dict()
        for ours, theirs in self.results:
            assert differences({"metrics": ours.metrics, "p": ours.priority}, {"metrics": theirs.metrics, "p": theirs.priority}) == []


@pytest.mark.parametrize("name", ["dqn", "ppo", "sac"])
def test_a_replayed_graph_has_the_bits_of_the_eager_update(name: str) -> None:
    bench = Bench(name)
    addresses = [parameter.data_ptr() for parameter in bench.ours.parameters()]
    bench.learn(7)
    bench.assert_same()
    assert bench.cuda.replayed == 7
    assert bench.cuda.captured == bench.cuda.warmed == len(bench.engine.state_dict()["keys"])
    assert [parameter.data_ptr() for parameter in bench.ours.parameters()] == addresses
    assert bench.events[0][1]["from_update"] == 1
    bench.ours.load_training_state(copy.deepcopy(bench.theirs.training_state()))  # the moments are other tensors then
    bench.learn(2)
    bench.assert_same()
    assert bench.cuda.captured > len(bench.engine.state_dict()["keys"])


def test_what_cannot_be_captured_is_learned_eagerly() -> None:
    bench = Bench("dqn")
    bench.engine.load_state_dict(bench.engine.state_dict(), set())
    bench.cuda.refuses = "operation not permitted when stream is capturing"
    bench.learn(3)
    bench.assert_same()
    assert bench.engine.exact  # it has the same bits
    (message,) = (fields["message"] for event, fields in bench.events if event == "warning")
    assert message == f"updates are not compiled: capturing a CUDA graph fails: RuntimeError: {bench.cuda.refuses}"


@pytest.mark.parametrize(
    ("wanted", "updates", "graphs"), [(True, 1, True), ("auto", WORTHWHILE, True), ("auto", 1, False), (False, None, False)]
)
def test_the_updates_of_an_agent_on_a_gpu_are_cuda_graphs(wanted: Any, updates: int | None, graphs: bool) -> None:
    agent = build(*found("dqn"))
    agent.device = CUDA
    engine = Engine(agent, wanted, updates, lambda *_, **__: None)
    assert engine.from_update == (1 if graphs else None)
    assert ("updates are CUDA graphs (compile=false: no update)" in engine.notes()) == graphs


# Devices ----------------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def without_values(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Agent], Agent]]:
    """Makes all tensors of an agent tensors without values, on a device that is not the CPU; generators stay on the CPU."""
    generator = torch.Generator
    monkeypatch.setattr(rng.Stream, "torch", lambda self, device="cpu": generator().manual_seed(self._next()))
    monkeypatch.setattr(
        rng.Stream, "at", lambda self, number, device="cpu": generator().manual_seed(rng.derive(self.seed, self.name, number))
    )
    monkeypatch.setattr(torch, "Generator", lambda device=None: generator())

    def adam(parameters: Sequence[torch.Tensor], *_: Any, lr: torch.Tensor, **__: Any) -> None:
        """What the kernel of a GPU takes."""
        assert lr.dtype == torch.float32
        assert lr.device == parameters[0].device

    with torch.library._scoped_library("aten", "IMPL") as library:
        for kernel in ("_fused_adam_", "_fused_adamw_"):
            library.impl(f"{kernel}.tensor_lr", adam, "Meta")
        yield _moved


def _moved(agent: Agent) -> Agent:
    parameters: dict[Any, nn.Parameter] = {}

    def moved(parameter: Any) -> nn.Parameter:
        return parameters.setdefault(parameter, nn.Parameter(like(parameter, META), requires_grad=parameter.requires_grad))

    for module in agent.modules():
        module._parameters.update({name: None if each is None else moved(each) for name, each in module._parameters.items()})
        module._buffers.update({name: None if each is None else like(each, META) for name, each in module._buffers.items()})
    for optimizer in agent.updater.optimizers.values():
        state = {moved(key): {name: like(each, META) for name, each in values.items()} for key, values in optimizer.state.items()}
        optimizer.state.clear()
        optimizer.state.update(state)
        for group in optimizer.param_groups:
            group["params"] = [moved(each) for each in group["params"]]
    agent.updater.moved = frozenset(map(moved, agent.updater.moved))
    agent.device = agent.build.device = META
    return agent


def like(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device=device)


def on_gpu(traced: TracedUpdate, batch: Batch) -> list[torch.Tensor]:
    """The inputs of a graph as tensors of a GPU, where the graph then is; within `FakeTensorMode`."""
    for node in traced.graph.graph.nodes:
        if node.kwargs.get("device") == META:
            node.kwargs = {**node.kwargs, "device": CUDA}
    traced.graph.recompile()
    return [like(each, CUDA) for each in traced.inputs(batch)]


@pytest.mark.parametrize("name", ["ac2", "dqn", "ppo", "sac"])
def test_an_update_stays_on_its_device(name: str, without_values: Callable[[Agent], Agent]) -> None:
    component, place = found(name)
    batch = Batch({column: like(each, META) for column, each in experience(component, place)[0].items()})
    agent = without_values(build(component, place))
    with Pure():
        traced = trace(agent, batch)
    assert "cpu" not in traced.text
    with FakeTensorMode(allow_non_fake_inputs=False), torch.no_grad():
        inputs = on_gpu(traced, batch)
        assert {each.device for each in traced.graph(*inputs)} == {CUDA}
        inputs[-1] = like(inputs[-1], torch.device("cpu"))  # noise, or a column of the batch
        with pytest.raises(FakeTensorDeviceMismatchError):
            traced.graph(*inputs)


def test_learning_rates_are_tensors_of_float32_on_a_gpu() -> None:
    assert _rate(1e-4, torch.device("cpu")) == 1e-4
    with FakeTensorMode():
        rates = [_rate(rate, CUDA) for rate in (1e-4, torch.full((), 1e-4, dtype=torch.float64, device=CUDA))]
    assert all(isinstance(rate, torch.Tensor) and rate.dtype == torch.float32 and rate.device == CUDA for rate in rates)
