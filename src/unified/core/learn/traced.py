"""Record an update as a graph: a function of the state, scheduled numbers, the batch and noise that writes the state in place.

`trace` records `Updater.compute` of an unmodified agent. The graph, run by the interpreter, equals `Agent.learn` bit for bit; a compiler
or a CUDA graph may run it instead (`TracedUpdate.__call__`).

- State: parameters, buffers and the tensors of the optimisers are inputs, and their changes are operations in place.
- Numbers that change from update to update are inputs, 0-d tensors of float64: learning rates, and every `Schedule` that is read at
  `agent.steps` or `agent.updates`. All other numbers are constants of the graph.
- Noise: each draw with ``generator=`` from a stream of the run becomes an input. It is drawn before the update from the same stream with
  the same counter: the same numbers.
- Control flow by the number of the update: there is a graph for each set of phases and target networks that are due (`update_key`).

All other decisions of Python must be the same in every update. Two recordings at different updates, steps and rows must give the same
graph; otherwise the update is `Untraceable`. An update that reads a value of a tensor, has shapes that depend on values, or draws from
torch's global generator is `Untraceable` too.
"""

from __future__ import annotations

import hashlib
import math
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch._guards import TracingContext, tracing
from torch._subclasses import FakeTensorMode
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from unified.core.base.errors import UnifiedError, error_text
from unified.core.learn.agent import Agent
from unified.core.learn.optim import CombinedOptimizer, plain_step
from unified.core.learn.rollback import rolled_back
from unified.core.learn.update import UpdateResult
from unified.core.replay.batch import Batch

#: A function that runs a graph: from its inputs to its outputs. It writes the state in place.
RunGraph = Callable[..., Sequence[torch.Tensor]]
#: Names of the phases and of the target networks that are due, and name, shape, strides and type of each column of the batch.
Key = tuple[tuple[str, ...], tuple[str, ...], tuple[tuple[str, tuple[int, ...], tuple[int, ...], torch.dtype], ...]]


class Untraceable(UnifiedError):
    """An update cannot be one graph; the message is the reason, in one sentence."""


class Pure(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Context that refuses operations which cannot be part of a graph, or which make the CPU wait for a GPU.

    Raises:
        Untraceable: If an operation reads a value of a tensor, has a shape that depends on values, copies to another device, or draws from
            torch's global generator.
    """

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if reason := _impurity(func, args, kwargs):
            raise Untraceable(f"{reason}: {func}")
        return func(*args, **kwargs)


def _impurity(func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> str:
    name, tags = func.overloadpacket.__name__, func.tags
    if torch.Tag.data_dependent_output in tags:
        return "Python reads a value of a tensor: .item(), float(), an `if` or an index"
    if name in ("index", "index_put", "index_put_", "_index_put_impl_"):
        masks = [each for each in args[1] if each is not None and each.dtype in (torch.bool, torch.uint8)]
        chosen = name == "index" or args[2].numel() > 1
        return "the rows that a mask selects are a shape that depends on values" if masks and chosen else ""
    if torch.Tag.dynamic_output_shape in tags:
        return "the shape of a result depends on values"
    if torch.Tag.nondeterministic_seeded in tags and kwargs.get("generator") is None and _argument(func, args, kwargs, "dropout_p") != 0.0:
        return "it draws from torch's global generator"
    device = kwargs.get("device")
    if name == "_to_copy" and device is not None and torch.device(device).type != args[0].device.type:
        return "it copies a tensor to another device"
    return ""


def _argument(func: Any, args: Sequence[Any], kwargs: dict[str, Any], name: str) -> Any:
    """The argument of an operation, or its default value; ``None`` where it takes none of this name."""
    for position, argument in enumerate(func._schema.arguments):
        if argument.name == name:
            return args[position] if position < len(args) else kwargs.get(name, argument.default_value)
    return None


def update_key(agent: Agent, batch: Batch) -> Key:
    """The key of the next update's graph."""
    phases, targets = agent.updater.due
    columns = tuple((name, tuple(value.shape), value.stride(), value.dtype) for name, value in batch.items())
    return tuple(phase.name for phase in phases), tuple(targets), columns


@dataclass(frozen=True)
class Source:
    """The generator of some draws.

    Args:
        stream: Name of its stream.
        number: Number of the draw since the start of the update; ``None`` for the draw with the number `agent.updates`.
    """

    stream: str
    number: int | None


@dataclass(frozen=True)
class Draw:
    """A call that draws random numbers.

    Args:
        source: Index of its source.
        function: Function of torch, called with `arguments`, `keywords` and a generator.
        arguments: Positional arguments.
        keywords: Keyword arguments.
        fills: Shape, strides, type and device of the tensor that it fills in place; ``None`` if it returns a new tensor.
    """

    source: int
    function: Callable[..., torch.Tensor]
    arguments: tuple[Any, ...]
    keywords: dict[str, Any]
    fills: tuple[tuple[int, ...], tuple[int, ...], torch.dtype, torch.device] | None

    def __call__(self, generator: torch.Generator) -> torch.Tensor:
        if self.fills is None:
            return self.function(*self.arguments, **self.keywords, generator=generator)
        shape, strides, dtype, device = self.fills
        filled = torch.empty_strided(shape, strides, dtype=dtype, device=device)
        return self.function(filled, *self.arguments, **self.keywords, generator=generator)

    def __str__(self) -> str:
        return f"{self.function.__name__}{self.arguments}{sorted(self.keywords.items(), key=str)} from {self.source} into {self.fills}"


class _Count:
    """Stands for a count of the agent in a recording: its schedules are inputs of the graph, and arithmetic with it is refused."""

    def __init__(self, name: str, value: int, record: Callable[[str, Callable[[float], float]], Any]) -> None:
        self._name, self._value, self._record = name, value, record

    def scheduled(self, function: Callable[[float], float]) -> Any:
        return self._record(self._name, function)

    def __int__(self) -> int:
        return self._value

    def _refuse(self, *_: object) -> Any:
        raise Untraceable(f"it computes with agent.{self._name}, which a graph sees through a Schedule only")

    __lt__ = __le__ = __gt__ = __ge__ = __eq__ = __ne__ = __bool__ = __float__ = _refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _refuse
    __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __pow__ = __rpow__ = _refuse
    __hash__ = object.__hash__


class _Recorder(TorchFunctionMode):
    """Context that lists scheduled numbers and draws in order; with `numbers` and `noise` it returns these inputs in their place."""

    def __init__(self, agent: Agent, numbers: Sequence[torch.Tensor] | None = None, noise: Sequence[torch.Tensor] | None = None) -> None:
        super().__init__()
        self.agent = agent
        self.numbers: list[tuple[str, Callable[[float], float]]] = []
        self.sources: list[Source] = []
        self.draws: list[Draw] = []
        self._generators: list[torch.Generator] = []
        self._given_numbers, self._given_noise = numbers, noise
        self._scalars: dict[int, torch.Tensor] = {}  # scheduled numbers, and results of operations on these alone
        self._counts = {name: int(getattr(agent, name)) for name in ("steps", "updates")}
        self._before = agent.streams.state_dict()

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Context in which schedules at the counts of the agent are listed."""
        for name, value in self._counts.items():
            setattr(self.agent, name, _Count(name, value, self._number))
        try:
            yield
        finally:
            for name, value in self._counts.items():
                setattr(self.agent, name, value)

    def _number(self, name: str, function: Callable[[float], float]) -> torch.Tensor:
        self.numbers.append((name, function))
        if self._given_numbers is None:
            number = _number(function(self._counts[name]), self.agent.device)
        else:
            number = self._next(self._given_numbers, self.numbers)
        self._scalars[id(number)] = number
        return number

    def _next(self, given: Sequence[torch.Tensor], noted: Sequence[Any]) -> torch.Tensor:
        if len(noted) > len(given):
            raise Untraceable("it draws or reads schedules more often in some updates than in others")
        return given[len(noted) - 1]

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in (torch.Tensor.numpy, torch.Tensor.__array__, torch.Tensor.tolist):
            raise Untraceable("NumPy or Python computes a part of it")
        generator = kwargs.get("generator")
        if generator is None:
            return self._computed(func, args, kwargs)
        self.draws.append(_draw(func, args, kwargs, self._source(generator)))
        if self._given_noise is None:
            return func(*args, **kwargs)
        drawn = self._next(self._given_noise, self.draws)
        return drawn if self.draws[-1].fills is None else args[0].copy_(drawn)

    def _computed(self, func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        """An operation with scheduled numbers, which must not change the type of its result: a Python number would not either."""
        tensors = [each for each in args if isinstance(each, torch.Tensor)]
        others = [each for each in tensors if id(each) not in self._scalars]
        if len(others) == len(tensors):
            return func(*args, **kwargs)
        floats = [each for each in others if each.is_floating_point()]
        if others and (not floats or all(each.dim() == 0 for each in others)):
            dtype = floats[0].dtype if floats else torch.get_default_dtype()
            args = [each.to(dtype) if id(each) in self._scalars else each for each in args]
        found = func(*args, **kwargs)
        if not others and isinstance(found, torch.Tensor):
            self._scalars[id(found)] = found
        return found

    def _source(self, generator: torch.Generator) -> int:
        for number, known in enumerate(self._generators):
            if known is generator:
                return number
        found = self.agent.streams.origin(generator.initial_seed(), self._before, self._counts["updates"])
        if found is None:
            raise Untraceable("it draws from a generator that belongs to no stream of the run")
        self._generators.append(generator)
        self.sources.append(Source(*found))
        return len(self.sources) - 1


def _draw(func: Any, args: Sequence[Any], kwargs: dict[str, Any], source: int) -> Draw:
    keywords = {name: value for name, value in kwargs.items() if name != "generator"}
    fills = None
    if func.__name__.endswith("_"):
        into, *args = args
        fills = (tuple(into.shape), into.stride(), into.dtype, into.device)
    if any(isinstance(each, torch.Tensor) for each in (*args, *keywords.values())):
        raise Untraceable("it draws from a distribution that is computed in the update")
    return Draw(source, func, tuple(args), keywords, fills)


class TracedUpdate:
    """One update as a graph, recorded by `trace`.

    Args:
        agent: The agent.
        graph: Graph with flat inputs (`inputs`) and flat outputs (`result`).
        text: The graph as text, with the types of inputs and the values of constants; equal graphs have equal texts.
        key: Key of the updates that it performs (`update_key`).
        metrics: Names of the metrics.
        prioritised: Whether the last output is the priority of each row.
        recorder: Holds the scheduled numbers and the draws.
        counters: Number of draws of each stream in one update.
    """

    def __init__(
        self,
        agent: Agent,
        graph: GraphModule,
        text: str,
        key: Key,
        metrics: Sequence[str],
        prioritised: bool,
        recorder: _Recorder,
        counters: dict[str, int],
    ) -> None:
        self.agent, self.graph, self.text, self.key = agent, graph, text, key
        self.metrics, self.prioritised = tuple(metrics), prioritised
        self.columns = tuple(name for name, *_ in key[2])
        self._numbers, self._sources, self._draws, self._counters = recorder.numbers, recorder.sources, recorder.draws, counters
        self._known: dict[float, torch.Tensor] = {}
        self._modules = [tensor.detach() for tensor in _module_state(agent)]

    @property
    def is_bound(self) -> bool:
        """Whether the agent still has the parameters and buffers that the graph writes."""
        present = _module_state(self.agent)
        return [each.data_ptr() for each in present] == [each.data_ptr() for each in self._modules]

    def inputs(self, batch: Batch) -> list[torch.Tensor]:
        """The inputs of the next update: state, numbers, columns of the batch, noise. The noise is drawn, which advances the counters.

        The graph writes the tensors of the state in place. No input needs a gradient.
        """
        agent = self.agent
        agent.updater.set_rates()
        numbers = [function(getattr(agent, name)) for name, function in self._numbers]
        numbers += _rates(agent)
        columns = [batch[name] for name in self.columns]
        return [*self._modules, *_moments(agent), *map(self._as_tensor, numbers), *columns, *self._noise()]

    @property
    def states(self) -> int:
        """Number of inputs that are state; they come first."""
        return len(self._modules) + len(_moments(self.agent))

    def _as_tensor(self, number: float) -> torch.Tensor:
        if number not in self._known:
            if len(self._known) > 64:
                self._known.clear()
            self._known[number] = _number(number, self.agent.device)
        return self._known[number]

    def _noise(self) -> list[torch.Tensor]:
        agent = self.agent
        generators = []
        for source in self._sources:
            stream = agent.streams[source.stream]
            generators.append(stream.at(agent.updates if source.number is None else stream.count + source.number, agent.device))
        for name, count in self._counters.items():
            agent.streams[name].count += count
        return [draw(generators[draw.source]) for draw in self._draws]

    def result(self, outputs: Sequence[torch.Tensor]) -> UpdateResult:
        """The outputs of the graph as `Agent.learn` returns them."""
        return UpdateResult(dict(zip(self.metrics, outputs, strict=False)), outputs[-1] if self.prioritised else None)

    @torch.no_grad()
    def __call__(self, batch: Batch, run: RunGraph | None = None) -> UpdateResult:
        """One update, instead of `Agent.learn`.

        Args:
            batch: A batch of the form in `key`.
            run: Runs the graph; by default the graph itself, operation by operation, which gives the bits of `Agent.learn`.
        """
        outputs = (run or self.graph)(*self.inputs(batch))
        self.agent.updates += 1
        return self.result(outputs)


def trace(agent: Agent, batch: Batch, *, plain_optimizer: bool = False) -> TracedUpdate:
    """Record the next update. The agent, everything that it holds, and the counters of its streams are left unchanged.

    Args:
        agent: A configured agent in training mode.
        batch: A batch; only shapes and types matter.
        plain_optimizer: Whether to record Adam as plain operations, which a compiler fuses; results then differ by rounding. By default it
            is one call of the fused kernel.

    Raises:
        Untraceable: If the update cannot be one graph.
    """
    if reason := _obstacle(agent):
        raise Untraceable(reason)
    key, columns = update_key(agent, batch), list(batch)
    period = math.lcm(*(phase.every for phase in agent.phase_list), *(target.every for target in agent.targets.values()))
    before = agent.streams.state_dict()
    with _unchanged(agent, plain_optimizer):
        dry = _Recorder(agent)
        try:
            with dry.counting(), _tensor_rates(agent, None), Pure(), dry:  # type: ignore[no-untyped-call]
                agent.updater.compute(Batch(batch))
            counters = {name: count - before.get(name, 0) for name, count in agent.streams.state_dict().items()}
            counters = {name: count for name, count in counters.items() if count}
            found = _graph(agent, dry, columns, list(batch.values()))
            agent.updates, agent.steps = agent.updates + 7 * period, agent.steps + 1_000_003
            again = _graph(agent, dry, columns, [value.roll(1, 0) for value in batch.values()])
        except Exception as error:
            reason = str(error) if isinstance(error, UnifiedError) else f"recording it fails: {error_text(error)}"
            raise Untraceable(f"{reason}{_place(error)}") from error
    if found.text != again.text:
        raise Untraceable(f"two recordings of it differ: {_difference(found.text, again.text)}")
    return TracedUpdate(agent, found.graph, found.text, key, found.metrics, found.prioritised, dry, counters)


def _obstacle(agent: Agent) -> str:
    """The reason why the update cannot be traced, if it is known beforehand; else empty."""
    if not isinstance(agent, Agent) or type(agent).learn is not Agent.learn:
        return f"{type(agent).__name__} has a `learn` of its own"
    phases, _ = agent.updater.due
    if not agent.phase_list:
        return f"{type(agent).__name__} has no phases"
    if own := [phase.name for phase in phases if phase.step is not None]:
        return f"phase {own[0]} has a step of its own, which decides by values"
    if agent.updater.reduce is not None:
        return "gradients are averaged over processes"
    trained = {part for phase in phases for part in phase.trains}
    for part, optimizer in agent.updater.optimizers.items():
        for each in optimizer.members if isinstance(optimizer, CombinedOptimizer) else [optimizer]:
            if part not in trained:
                continue
            if not each.defaults.get("fused"):
                return f"the optimiser {type(each).__name__} of part {part} is not fused: it waits for the value of each loss"
            if each._optimizer_step_pre_hooks or each._optimizer_step_post_hooks:
                return f"the optimiser of part {part} has hooks"
    return ""


def _place(error: BaseException) -> str:
    """The line outside torch that an error comes from."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not {"torch", "traced.py"} & set(Path(frame.filename).parts)]
    return f" ({'/'.join(Path(frames[-1].filename).parts[-2:])}:{frames[-1].lineno})" if frames else ""


@dataclass(frozen=True)
class _Graph:
    graph: GraphModule
    text: str
    metrics: list[str]
    prioritised: bool


def _graph(agent: Agent, dry: _Recorder, columns: Sequence[str], rows: Sequence[torch.Tensor]) -> _Graph:
    """Record the next update with the numbers and draws of `dry` as inputs."""
    state = [*_module_state(agent), *_moments(agent)]
    numbers = [_number(float(number), agent.device) for number in range(1, 1 + len(dry.numbers))]
    rates = [_number(rate, agent.device) for rate in _rates(agent)]
    noise = [draw(torch.Generator(agent.device).manual_seed(1)) for draw in dry.draws]
    sizes = [len(each) for each in (state, numbers, rates, rows, noise)]
    learned: list[UpdateResult] = []

    def update(*inputs: torch.Tensor) -> list[torch.Tensor]:
        _, numbers, rates, rows, noise = _split(inputs, sizes)
        recorder = _Recorder(agent, numbers, noise)
        with recorder.counting(), _tensor_rates(agent, rates), recorder:
            result = agent.updater.compute(Batch(zip(columns, rows, strict=True)))
        if recorder.sources != dry.sources or [*map(str, recorder.draws)] != [*map(str, dry.draws)]:
            raise Untraceable("it draws different random numbers in different updates")
        if len(recorder.numbers) != len(dry.numbers):
            raise Untraceable("it reads schedules more often in some updates than in others")
        learned.append(result)
        return [*result.metrics.values(), *([] if result.priority is None else [result.priority])]

    inputs = [*state, *numbers, *rates, *(row.clone() for row in rows), *noise]
    # One mode for the shapes of all operations: `make_fx` makes one for each, which takes longer than everything else.
    with tracing(TracingContext(FakeTensorMode())):
        graph = make_fx(update, tracing_mode="real")(*inputs)
    if any(one is not other for one, other in zip(state, [*_module_state(agent), *_moments(agent)], strict=True)):
        raise Untraceable("it replaces a parameter, a buffer or a moment by another tensor, instead of writing in place")
    graph.graph.set_codegen(torch.fx.graph.CodeGen())  # flat inputs
    graph.recompile()
    return _Graph(graph, _text(graph, inputs), list(learned[-1].metrics), learned[-1].priority is not None)


def _split(tensors: Sequence[torch.Tensor], sizes: Sequence[int]) -> list[list[torch.Tensor]]:
    rest = iter(tensors)
    return [[next(rest) for _ in range(size)] for size in sizes]


def _module_state(agent: Agent) -> list[torch.Tensor]:
    """Parameters and buffers, each once."""
    return [*agent.parameters(), *agent.buffers()]


def _moments(agent: Agent) -> list[torch.Tensor]:
    """The tensors of the optimisers."""
    return [
        value
        for optimizer in agent.updater.optimizers.values()
        for group in optimizer.param_groups
        for parameter in group["params"]
        for _, value in sorted(optimizer.state.get(parameter, {}).items())
        if isinstance(value, torch.Tensor)
    ]


def _rates(agent: Agent) -> list[float]:
    return [group["lr"] for group in agent.updater.param_groups]


def _number(value: float, device: torch.device) -> torch.Tensor:
    return torch.full((), value, dtype=torch.float64, device=device)  # unlike torch.tensor, without waiting for a GPU


@contextmanager
def _tensor_rates(agent: Agent, rates: Sequence[torch.Tensor] | None) -> Iterator[None]:
    """Context in which learning rates are tensors."""
    floats = _rates(agent)
    groups = agent.updater.param_groups
    try:
        for group, rate in zip(groups, [_number(each, agent.device) for each in floats] if rates is None else rates, strict=True):
            group["lr"] = rate
        yield
    finally:
        for group, value in zip(groups, floats, strict=True):
            group["lr"] = value


@contextmanager
def _unchanged(agent: Agent, plain_optimizer: bool) -> Iterator[None]:
    """Context with optional plain steps of the optimisers that restores the agent and all counters at its end."""
    try:
        with rolled_back(agent, agent.build), torch.random.fork_rng(devices=[]):
            if plain_optimizer:
                agent.updater.step = plain_step
            yield
    finally:
        for parameter in agent.parameters():
            parameter.grad = None


def _text(graph: GraphModule, inputs: Sequence[torch.Tensor]) -> str:
    """The graph in one line for each operation."""
    lines = []
    types = iter(inputs)
    for node in graph.graph.nodes:
        if node.op == "placeholder":
            tensor = next(types)
            lines.append(f"{node.name}: {tensor.dtype} {tuple(tensor.shape)} {tensor.stride()} {tensor.device}")
        elif node.op == "get_attr":
            lines.append(f"{node.name} = {_constant(getattr(graph, node.target))}")
        else:
            lines.append(f"{node.name} = {node.target}{node.args} {node.kwargs}")
    return "\n".join(lines)


def _constant(value: Any) -> str:
    if not isinstance(value, torch.Tensor):
        return str(value)
    digest = hashlib.sha256(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()).hexdigest()[:16]
    return f"{value.dtype} {tuple(value.shape)} {digest}"


def _difference(one: str, other: str) -> str:
    """The first operation that differs."""
    for line, changed in zip(one.splitlines(), other.splitlines(), strict=False):
        if line != changed:
            return f"{line} and {changed}"
    return "one has more operations"
