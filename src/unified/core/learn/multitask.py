"""One agent for several tasks: an agent for each, with some parts in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from torch import nn

from unified.core.learn.objective import Phase
from unified.core.learn.update import UpdateResult
from unified.core.replay.multitask import TaskBatch

if TYPE_CHECKING:
    import torch

    from unified.core.components.descriptors import Component
    from unified.core.envs.step_batch import StepBatch
    from unified.core.learn.agent import Agent
    from unified.core.replay.batch import Batch
    from unified.core.replay.views import View


class MultiTaskAgent(nn.Module):
    """An agent for each task; the parts in ``agent.shared`` are the same modules in all of them.

    Each update learns from a batch of one task. The optimiser of a shared part has moments of its own for each task.

    Args:
        agents: The agents, by the name of their task; configured.
        shared: Names of the parts that they have in common.
    """

    def __init__(self, agents: Mapping[str, Agent], shared: tuple[str, ...]) -> None:
        super().__init__()
        self.names, self.shared = list(agents), shared
        self.agents = nn.ModuleList(agents.values())
        first = self.of(0)
        self.device, self.precision, self.streams = first.device, first.precision, first.streams
        #: Updates of all tasks so far.
        self.updates = 0

    def of(self, task: int | str) -> Agent:
        """The agent of a task, by its number or name."""
        return cast("Agent", self.agents[self.names.index(task) if isinstance(task, str) else task])

    @property
    def view(self) -> View:
        """The view of the first task; those of all tasks give single batches and no whole rollouts."""
        return self.of(0).view

    @property
    def phase_list(self) -> list[Phase]:
        """The phases of all agents."""
        return [phase for number in range(len(self.names)) for phase in self.of(number).phase_list]

    @property
    def components(self) -> list[Component]:
        """Architectures and objectives that were selected by name."""
        return list(dict.fromkeys(component for number in range(len(self.names)) for component in self.of(number).components))

    @property
    def steps(self) -> int:
        """Agent steps taken so far, in all tasks together; schedules of exploration read it."""
        return self.of(0).steps

    @steps.setter
    def steps(self, steps: int) -> None:
        for number in range(len(self.names)):
            self.of(number).steps = steps

    def receive(self, batch: Batch) -> TaskBatch:
        """The batch of one task as its agent takes it (`Agent.receive`)."""
        assert isinstance(batch, TaskBatch)
        return TaskBatch(self.of(batch.task_number).receive(batch), batch.task_number)

    def observe(self, steps: StepBatch) -> None:
        """New rows of one task (`Agent.observe`)."""
        self.of(steps.task).observe(steps)

    def prepare_rollout(self, batch: Batch) -> Batch:
        """Return a batch as it is: rollouts are of one task."""
        return batch

    def ends_rollout(self, result: UpdateResult) -> bool:
        """Return ``False``: the views of several tasks are no rollouts."""
        return False

    def learn(self, batch: Batch) -> UpdateResult:
        """One update of the agent of the batch's task; metrics are called ``NAME/TASK``."""
        assert isinstance(batch, TaskBatch)
        learned = self.of(batch.task_number).learn(batch)
        self.updates += 1
        task = self.names[batch.task_number]
        metrics = {name if name == "nonfinite" else f"{name}/{task}": value for name, value in learned.metrics.items()}
        return UpdateResult(metrics, learned.priority)

    def state_dict(self, *arguments: Any, **options: Any) -> dict[str, Any]:  # type: ignore[override]
        """Parameters and buffers by name, those of a shared part once, below the first task."""
        return {name: value for name, value in super().state_dict(*arguments, **options).items() if not self._is_again(name)}

    def load_state_dict(self, state_dict: Mapping[str, torch.Tensor], strict: bool = True, assign: bool = False) -> Any:
        """Load what `state_dict` returned."""
        own = super().state_dict()
        complete = {name: state_dict[self._first(name)] for name in own if self._first(name) in state_dict}
        return super().load_state_dict({**state_dict, **complete}, strict, assign)

    def _is_again(self, name: str) -> bool:
        return self._first(name) != name

    def _first(self, name: str) -> str:
        """The name under which a parameter of a shared part is saved."""
        _, number, part, *_ = name.split(".")
        return name.replace(f"agents.{number}.", "agents.0.", 1) if part in self.shared else name

    def training_state(self) -> dict[str, Any]:
        """See `Agent.training_state`."""
        states = [self.of(number).training_state() for number in range(len(self.names))]
        return {"updates": self.updates, "parameters": self.state_dict(), "tasks": [_without(state, "parameters") for state in states]}

    def upgrade_state(self, state: dict[str, Any], since: str) -> dict[str, Any]:
        """See `Agent.upgrade_state`."""
        parameters: dict[str, Any] = {}
        tasks: list[dict[str, Any]] = []
        for number, task in enumerate(state.get("tasks") or [{} for _ in self.names]):
            prefix = f"agents.{number}."
            own = {name.removeprefix(prefix): each for name, each in state["parameters"].items() if name.startswith(prefix)}
            upgraded = self.of(number).upgrade_state({**task, "parameters": own}, since)
            parameters |= {prefix + name: each for name, each in upgraded["parameters"].items()}
            tasks.append(_without(upgraded, "parameters"))
        return {**state, "parameters": parameters, **({"tasks": tasks} if "tasks" in state else {})}

    def load_training_state(self, state: dict[str, Any]) -> None:
        """See `Agent.load_training_state`."""
        self.updates = state["updates"]
        self.load_state_dict(state["parameters"])
        for number, each in enumerate(state["tasks"]):
            agent = self.of(number)
            agent.load_training_state({**each, "parameters": agent.state_dict()})


def _without(tree: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in tree.items() if name != key}
