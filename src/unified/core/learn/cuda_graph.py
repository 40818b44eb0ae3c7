"""The graph of an update as a CUDA graph: one call starts all kernels of an update, which are those of the eager update.

A CUDA graph reads and writes the addresses that it was captured with. The state of an agent is written in place and stays where it is; all
other inputs (numbers, columns of the batch, noise) are copied into buffers that never move, and outputs are copied out of memory that the
next update overwrites. Copies and kernels are queued on one stream, in this order, and nothing waits for them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import torch

from unified.core.base.errors import error_text
from unified.core.learn.compiler import CompilationFailed
from unified.core.learn.traced import RunGraph, TracedUpdate

#: Updates before the capture: libraries choose their algorithms and allocate their workspaces in the first ones.
WARM_UP = 3


class Cuda:
    """The calls to CUDA."""

    def warm_up(self, work: Callable[[], object]) -> None:
        """Do `work` a few times on another stream than the default one, as a capture does."""
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP):
                work()
        torch.cuda.current_stream().wait_stream(stream)

    def capture(self, work: RunGraph, inputs: Sequence[torch.Tensor]) -> tuple[Callable[[], None], Sequence[torch.Tensor]]:
        """Record the kernels of `work` without running them: the function that runs them, and the outputs that it overwrites each time."""
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):  # other threads may use the GPU meanwhile
            outputs = work(*inputs)
        return graph.replay, outputs


class CudaGraphs:
    """Makes CUDA graphs of updates, in the place of a `Compiler`.

    Args:
        cuda: Captures and replays.
    """

    #: A CUDA graph has the bits of the eager update.
    rounds = False

    def __init__(self, cuda: Cuda | None = None) -> None:
        self.cuda = cuda or Cuda()

    def missing(self) -> str:
        """What is missing for it: nothing where there is a GPU."""
        return ""

    def key(self, text: str) -> str:
        """A name for the graph, as `Compiler.key` gives one."""
        return hashlib.sha256(f"CUDA graph, torch {torch.__version__}\n{text}".encode()).hexdigest()[:32]

    def start(self, key: str, traced: TracedUpdate, inputs: Sequence[torch.Tensor], *, urgent: bool) -> CudaGraph:
        """The graph of an update, which is captured when it is waited for."""
        return CudaGraph(self.cuda, traced.graph, inputs, traced.states)


class CudaGraph:
    """A CUDA graph of one kind of update.

    Args:
        cuda: Captures and replays.
        graph: With flat inputs and outputs.
        inputs: State, whose tensors are written in place, and examples of all other inputs.
        states: Number of inputs that are state.
    """

    def __init__(self, cuda: Cuda, graph: RunGraph, inputs: Sequence[torch.Tensor], states: int) -> None:
        self._cuda, self._graph, self._states = cuda, graph, states
        self._state = list(inputs[:states])
        self._examples = list(inputs[states:])
        self._buffers = [torch.empty_strided(each.shape, each.stride(), dtype=each.dtype, device=each.device) for each in self._examples]
        self._replay: Callable[[], None] | None = None
        self._outputs: Sequence[torch.Tensor] = ()

    @torch.no_grad()
    def wait(self, meanwhile: Callable[[], object]) -> RunGraph:
        """Capture the graph; afterwards the state is as before.

        Raises:
            CompilationFailed: If CUDA refuses.
        """
        inputs, before = [*self._state, *self._buffers], [each.clone() for each in self._state]
        try:
            torch._foreach_copy_(self._buffers, self._examples)
            self._cuda.warm_up(lambda: self._graph(*inputs))
            self._replay, self._outputs = self._cuda.capture(self._graph, inputs)
        except Exception as error:
            raise CompilationFailed(f"capturing a CUDA graph fails: {error_text(error)}") from error
        finally:
            torch._foreach_copy_(self._state, before)
            self._examples = []
        return self

    def __call__(self, *inputs: torch.Tensor) -> list[torch.Tensor]:
        """Run the graph."""
        state, varying = inputs[: self._states], inputs[self._states :]
        if any(one is not other for one, other in zip(state, self._state, strict=True)):  # a moment was loaded
            self._state, self._examples = list(state), list(varying)
            self.wait(lambda: None)
        torch._foreach_copy_(self._buffers, list(varying), non_blocking=True)
        assert self._replay is not None
        self._replay()
        results = [torch.empty_like(each) for each in self._outputs]
        torch._foreach_copy_(results, list(self._outputs))
        return results

    def stop(self) -> None:
        """Free the graph and its memory."""
        self._replay, self._outputs, self._buffers = None, (), []
