"""The contract of agents: named parts, a policy that acts, and phases of objectives that train the parts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import nn

from unified.core.base.errors import Problem, UsageError, plugin_errors
from unified.core.base.spec import wrong_task
from unified.core.base.suggest import did_you_mean
from unified.core.learn.ema import EmaCopy
from unified.core.learn.normalize import ObservationNormalizer, RewardNormalizer
from unified.core.learn.objective import Objective, Phase, unmet
from unified.core.learn.optim import laid_out_like, make_optimizer
from unified.core.learn.options import LearningOptions, optimizer_options
from unified.core.learn.update import Updater, UpdateResult
from unified.core.replay.batch import Batch
from unified.core.replay.views import Labelled

if TYPE_CHECKING:
    from unified.core.base.spec import Space, Spec
    from unified.core.components.descriptors import Component
    from unified.core.envs.step_batch import StepBatch
    from unified.core.learn.actions import Action
    from unified.core.learn.builder import Builder
    from unified.core.replay.views import View


@dataclass(frozen=True)
class PolicySnapshot:
    """The numbers that an agent acts with, at one time (`Agent.policy_snapshot`).

    Args:
        version: Updates that the agent had done.
        steps: Agent steps that had been taken.
        state: Parameters and buffers by name, on the device of the agent.
    """

    version: int
    steps: int
    state: dict[str, torch.Tensor]


class Agent(nn.Module, ABC):
    """Parts (attributes that are modules), an acting rule and phases; the update is written once, in `Updater`.

    A subclass makes its parts in `__init__` and defines `base_view`, `act` and `phases`; `encode_batch` where there is something to augment
    or encode. An agent may override `learn` outright.

    Args:
        spec: Of the task; every network is sized from it.
        options: The validated options of the agent.
        build: Makes parts and objectives by name, sized by inference; gives device, precision and random streams.
    """

    #: Parts that answer when it acts: where options say ``ema``, averages of them do whenever it is not training.
    policy_parts: ClassVar[tuple[str, ...]] = ("encoder", "actor")
    #: Whether the agent reads named observations (`batch.obs["image"]`). If not, named vectors are joined to one for it, in `spec` and in
    #: batches, and a task with named pictures is refused.
    named_observations: ClassVar[bool] = False
    #: Whether the agent takes only the valid actions of a task that shows which are (`Spec.masks_actions`). If not, it is refused there.
    masked_actions: bool = False

    def __init__(self, spec: Spec, options: Any, build: Builder) -> None:
        super().__init__()
        self.spec, self.options = spec, options
        self.device, self.precision, self.streams = build.device, build.precision, build.streams
        #: Builds parts, in `__init__`, and objectives, in `phases`.
        self.build = build
        #: Copies that follow a part: target networks and averaged weights, by the name of the copy.
        self.targets: dict[str, EmaCopy] = {}
        self.phase_list: list[Phase] = []
        self._averages: dict[str, str] = {}  # part -> the copy that replaces it in evaluation mode
        #: Performs the updates; its hook `reduce` averages gradients over processes.
        self.updater = Updater(self)
        self._mixes_rows = False  # whether the output of a module for a row depends on the other rows
        learns = isinstance(options, LearningOptions)
        #: Running normalisation of observations, by `encode`, and of rewards, by `receive`; ``None`` where options do not ask for it.
        self.observation_norm = ObservationNormalizer(spec) if learns and options.normalize_observations else None
        self.reward_norm = RewardNormalizer(spec, getattr(options, "discount", 0.99)) if learns and options.normalize_rewards else None
        #: Agent steps taken so far, of all environments; schedules and seed exploration read it.
        self.steps = 0
        #: Updates done so far.
        self.updates = 0

    # What a subclass defines ----------------------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def base_view(self) -> View:
        """The view of the replay this agent learns from."""

    @property
    @abstractmethod
    def action_space(self) -> Space:
        """The space of `Action.action`, which the replay stores."""

    @property
    def extra_columns(self) -> Mapping[str, Space]:
        """The columns of `Action.extra` that the replay stores, with the space of one row each."""
        return {}

    def initial_state(self, count: int) -> dict[str, torch.Tensor]:
        """State of the policy at the start of an episode, by name: ``(count, …)`` each, on the agent's device. A stateless agent has none.

        `act` gets the state as columns ``state.NAME`` of its batch, with initial rows where `is_first` is true, and returns the next one
        as `Action.state`. Collector, evaluator and `unified.load` keep it between two steps; checkpoints of training hold it.
        """
        return {}

    @abstractmethod
    def act(self, batch: Batch, *, explore: bool) -> Action:
        """Choose actions for n environments. Nothing in the result may require a gradient.

        Args:
            batch: What the environments show now, n rows on the agent's device: `obs` ``(n, *observation)``, frames stacked. It is the
                same kind of batch as the one that `learn` gets. An agent with a state also gets `is_first` ``(n,)`` bool and the columns
                ``state.NAME`` (see `initial_state`), and the `reward` ``(n,)`` of the step before, 0 at first. A stateless agent reads
                `obs` only.
            explore: Whether to explore, as in training. Without it, the actions depend on the batch and on the random streams only, and
                the call changes nothing in the agent.
        """

    def random_action(self, batch: Batch) -> Action:
        """Uniformly random actions for n environments, among the valid ones; the state of a policy stays as it is.

        Raises:
            UsageError: If the agent has none, as on-policy agents, which learn from draws of their policy alone.
        """
        raise UsageError(Problem(f"{type(self).__name__} cannot learn from random actions", "an off-policy agent can"))

    def expected_return(self, batch: Batch) -> torch.Tensor:
        """What the agent expects of the states of a batch ``(n,)`` if it acts greedily; without a graph, and nothing is drawn.

        Raises:
            UsageError: If the agent has no estimate.
        """
        raise UsageError(Problem(f"{type(self).__name__} estimates no returns of states", "an off-policy agent does"))

    def phases(self) -> list[Phase]:
        """The phases of an update in their order: which objectives train which parts. An agent that does not learn has none."""
        return []

    def optimizer(self, part: str, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        """The optimiser of one part, as the options say; other defaults: ``make_optimizer(self.options, part, parameters, betas=…)``."""
        return make_optimizer(self.options, part, parameters)

    def encode_batch(self, batch: Batch) -> Batch:
        """Augment and encode once, for all phases: adds `features` and `next_features`."""
        return batch

    def process_rollout(self, batch: Batch) -> Batch:
        """Process a whole rollout, on the device, before minibatches are made of it: add advantages, for example."""
        return batch

    def ends_rollout(self, result: UpdateResult) -> bool:
        """Whether the remaining updates on the present rollout are left out, after one with this result; a replay has no rest."""
        return False

    def forward_features(self, observation: torch.Tensor) -> torch.Tensor:
        """Inputs of the last layer of the policy ``(n, F)`` in evaluation mode, used as features for FID-like scores.

        Raises:
            UsageError: If the agent has no such layer.
        """
        raise UsageError(Problem(f"{type(self).__name__} has no features before a last layer", "all agents: unified plugins list agents"))

    # What the base provides -----------------------------------------------------------------------------------------------------

    def add_target(self, part: str, tau: float, every: int = 1, name: str = "") -> None:
        """Keep a copy that follows `part` by θ' ← θ' + τ (θ - θ') after every update, or after every so many.

        A hard copy is τ = 1 every few thousand updates. The copy is called `name`, or ``<part>_target``.
        """
        name = name or f"{part}_target"
        follower = EmaCopy(part, getattr(self, part), tau, every)
        self.add_modules(**{name: follower.copy})
        self.targets[name] = follower

    def add_modules(self, **parts: nn.Module) -> None:
        """Add modules on the agent's device. The phase of an objective trains the modules that the objective adds (`Objective.attach`).

        Raises:
            UsageError: If there is a part of one of the names.
        """
        if taken := [name for name in parts if hasattr(self, name)]:
            raise UsageError(Problem(f"the agent has a part {', '.join(taken)} already", "call the new one otherwise"))
        for name, part in parts.items():
            setattr(self, name, part.to(self.device))

    def share(self, part: str, module: nn.Module) -> None:
        """Use a module of another agent in the place of a part of this one, before `configure`: both train it.

        Raises:
            UsageError: If there is no such part, or one of other shapes.
        """
        own = self._modules.get(part)
        if own is None:
            has = ", ".join(name for name, _ in self.named_children())
            raise UsageError(Problem(f"agent.shared: {type(self).__name__} has no part {part!r} on this task", f"its parts are: {has}"))
        shapes, others = ([tuple(p.shape) for p in each.parameters()] for each in (own, module))
        if shapes != others:
            what = f"agent.shared: part {part!r} has parameters of the shapes {shapes} on one task and {others} on another"
            raise UsageError(Problem(what, "share a part whose input has the same size on all tasks: agent.shared=[trunk]"))
        setattr(self, part, module)

    def configure(self) -> None:
        """Called once when all parts exist and lie on their device: makes the phases and the optimisers of the parts they train."""
        self.phase_list = self.build.phases(self.phases())
        self._refuse_misfits()
        self.phase_list = [self._joined(phase) for phase in self.phase_list]
        self._mixes_rows = any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in self.modules())
        self.updater.make_optimizers()
        self._refuse_parts_that_nothing_moves()
        if isinstance(self.options, LearningOptions) and self.options.ema:
            self._average(self.options.ema_tau)

    def _average(self, tau: float) -> None:
        """Keep averages of the parts that act; they replace these parts in evaluation mode."""
        for part in self.policy_parts:
            if isinstance(getattr(self, part, None), nn.Module):
                self._averages[part] = f"{part}_average"
                self.add_target(part, tau, name=self._averages[part])
        if not self._averages:
            problem = f"agent.ema averages the parts that act, and {type(self).__name__} has none of {', '.join(self.policy_parts)}"
            raise UsageError(Problem(problem, 'name them in its class:  policy_parts = ("policy",)'))

    def acting(self, part: str) -> nn.Module:
        """The part that acts: the part itself while the agent trains, and its averaged weights in evaluation where options say ``ema``.

        Use it wherever the agent acts, ``self.acting("actor")(features)``; ``self.actor`` is always the part that learns.
        """
        name = part if self.training else self._averages.get(part, part)
        module = self._modules.get(name)
        return self.get_submodule(name) if module is None else module

    @property
    def view(self) -> View:
        """The view of the replay: `base_view`, extended by the objectives.

        On rows of a data set it is `Labelled` where no objective needs more than these columns: the policy then learns the labels.
        """
        view = self.base_view
        objectives = self.objectives
        read = {column for objective in objectives for column in objective.needs}
        if self._has_labels and not view.from_dataset and all(map(_of_labels, objectives)) and read & {"action", "label"}:
            view = Labelled(batch_size=getattr(self.options, "batch_size", Labelled.batch_size))
        for objective in objectives:
            with plugin_errors(f"objective {objective.label}", "while extending the view"):
                view = objective.extend_view(view)
        return view

    @property
    def _has_labels(self) -> bool:
        return self.spec.task_type in ("classify", "regress")

    @property
    def objectives(self) -> list[Objective]:
        """The objectives of all phases."""
        return [objective for phase in self.phase_list for objective in phase.objectives]

    def _joined(self, phase: Phase) -> Phase:
        """The phase, which also trains the modules that its objectives add."""
        before = set(self._modules)
        for objective in phase.objectives:
            with plugin_errors(f"objective {objective.label}", "while attaching to the agent"):
                objective.attach(self)
        brought = [name for name in self._modules if name not in before and name not in self.targets]
        return replace(phase, trains=(*phase.trains, *brought))

    def _refuse_misfits(self) -> None:
        """Objectives that need what the view does not give or the agent does not have, and phases that would undo each other."""
        problems = []
        task, view = self.spec.task_type, self.view
        for phase in self.phase_list:
            for objective in phase.objectives:
                name = objective.label
                if what := wrong_task(f"objective {name}", objective.task_types, task):
                    problems.append(Problem(what, "suite.task_type=generate of a data set" if "generate" in objective.task_types else ""))
                if self._has_labels and not view.from_dataset and _of_labels(objective) and "action" in objective.needs:
                    what = f"objective {name} would learn the actions that the agent took itself: the other objectives need their rewards"
                    problems.append(Problem(what, f"labels alone:  -o {name}"))
                columns = [column for column in objective.needs if column not in (*view.columns, *self.spec.columns)]
                parts = [part for part in dict.fromkeys((*objective.parts, *phase.trains)) if not hasattr(self, part)]
                if columns:
                    has = ", ".join(view.columns)
                    problems.append(Problem(f"objective {name} needs column {', '.join(columns)}; the agent's view has {has}"))
                if parts:
                    has = ", ".join(part for part, _ in self.named_children()) or "none"
                    problems.append(Problem(f"objective {name} needs part {', '.join(parts)}; the agent's parts are: {has}"))
                elif asked := unmet(self, objective.asks):
                    what = f"objective {name} asks agent {type(self).__name__} for {', '.join(asked)}"
                    problems.append(Problem(what, f"unified plugins show {name}"))
        encoding = [phase.name for phase in self.phase_list if "encoder" in phase.trains]
        if len(encoding) > 1:
            problems.append(Problem(f"phases {', '.join(encoding)} all train the encoder, and features are made once", "add one: -o +NAME"))
        if problems:
            raise UsageError(*problems)

    def _refuse_parts_that_nothing_moves(self) -> None:
        """Options for the optimiser of a part that there is not, or that no phase trains."""
        trained = list(self.updater.optimizers)
        problems = [
            Problem(
                f"agent.optimizer.parts.{part}: the agent trains no part of this name here",
                did_you_mean(part, trained) or f"it trains {', '.join(trained) or 'none'}",
            )
            for part in optimizer_options(self.options).parts
            if part not in trained
        ]
        if problems:
            raise UsageError(*problems)

    def noise(self) -> torch.Generator:
        """The generator of the next action that is drawn in an update."""
        return self.generator("policy")

    def notes(self) -> list[str]:
        """Lines for the user before the start: a part that acts and that no phase trains, for example."""
        idle = [part for part in self.policy_parts if self._is_idle(part)] if self.phase_list else []
        if not idle:
            return []
        return [f"nothing trains {' and '.join(idle)}, which it acts with: -o +NAME adds an objective to its own, -o NAME replaces them"]

    def _is_idle(self, part: str) -> bool:
        module = getattr(self, part, None)
        learning = [parameter for parameter in module.parameters() if parameter.requires_grad] if isinstance(module, nn.Module) else []
        return bool(learning) and self.updater.moved.isdisjoint(learning)

    @property
    def target_parts(self) -> tuple[str, ...]:
        """Names of the copies that follow a part."""
        return tuple(self.targets)

    @property
    def components(self) -> list[Component]:
        """The components that it was built of by name: architectures and objectives."""
        return list(self.build.used)

    def generator(self, stream: str) -> torch.Generator:
        """The generator of the next draw of a named stream, on the agent's device."""
        return self.streams[stream].torch(self.device)

    def receive(self, batch: Batch) -> Batch:
        """A batch of the replay or of environments as the agent reads it: on its device, named vectors joined if it takes one.

        Rewards are normalised here, where options say so; call it once for each batch.
        """
        if self.device.type != "cpu":
            batch = batch.to(self.device)
        if self.reward_norm is not None and "reward" in batch:
            batch = batch.with_columns(reward=self.reward_norm(batch.reward))
        return batch if self.named_observations or "obs" in batch else batch.joined(self.view.stack)

    def observe(self, steps: StepBatch) -> None:
        """Take note of new rows of experience: the running statistics of observations and rewards move by these and by nothing else.

        So may what an objective keeps (`Objective.observe`).
        """
        if self.observation_norm is not None:
            shown = np.concatenate([steps.observation[~steps.failed], steps.reset_observation[steps.over]])
            names = shown.dtype.names
            batch = Batch({"obs": torch.from_numpy(shown)} if names is None else _columns(shown, names))
            batch = batch if self.named_observations or names is None else batch.joined()
            self.observation_norm.observe(batch.to(self.device), int(self.updates), self.view.whole)
        if self.reward_norm is not None:
            self.reward_norm.observe(steps)
        for objective in self.objectives:
            objective.observe(self, steps)

    def observe_data(self, rows: Iterable[Batch], returns: np.ndarray) -> None:
        """Take note of a replay that is learned from alone, once, before the first update.

        With ``normalize_observations``, they are standardised by their mean and deviation: in training, evaluation and play.

        Args:
            rows: Columns of all its observations, single frames, in portions; read only where the agent has a use for them.
            returns: Sums of rewards of its whole episodes, ``(N,)``.
        """
        if self.observation_norm is not None:
            joined = (batch if self.named_observations or "obs" in batch else batch.joined() for batch in rows)
            self.observation_norm.fit(batch.to(self.device) for batch in joined)

    def encode_label(self, label: torch.Tensor) -> torch.Tensor:
        """Labels or targets of rows ``(B, *action)`` as actions ``(B, …)`` of the policy; by default by its `actions`, where it has them.

        `encode_batch` adds them as the column `action` where a batch has labels.

        Raises:
            UsageError: If it has none.
        """
        actions = getattr(self, "actions", None)
        if not hasattr(actions, "encode_target"):
            what = f"{type(self).__name__} cannot learn labels: its class has neither `actions` nor encode_label"
            raise UsageError(Problem(what, "in the class:  self.actions = DiscreteActions(spec.action)"))
        encoded: torch.Tensor = actions.encode_target(label)  # type: ignore[union-attr]
        return encoded

    def encode(self, observation: Any, encoder: nn.Module | None = None, *, full: bool = True, few: bool = False) -> torch.Tensor:
        """Features in float32, or with ``full=False`` as the encoder made them: in bfloat16 where the run's precision says so.

        Nothing but the encoder and a projection of its features belongs in bfloat16: there a policy's tanh is exactly ±1 beyond 3.5, its
        gradient exactly 0, and the agent never learns.

        Args:
            observation: ``(B, *observation)``, or a mapping of named ones, if the encoder takes it.
            encoder: Another encoder than the agent's own (`acting`): a copy that follows it, say.
            full: Whether the features have to be float32.
            few: Whether these are few rows: to cast the weights to bfloat16 would take longer than to answer in float32.
        """
        encoder = self.acting("encoder") if encoder is None else encoder
        if self.observation_norm is not None:
            observation = self.observation_norm(observation)
        # What mixes rows (batch normalisation) does so where it learns, and nowhere else: acting on one row moves no statistics.
        still = self.training and self._mixes_rows and not torch.is_grad_enabled()
        if still:
            encoder.train(False)
        features: torch.Tensor
        if self.precision == "bf16" and not few and next(encoder.parameters(), None) is not None:
            with torch.autocast(self.device.type, torch.bfloat16):
                features = encoder(observation)
        else:
            features = encoder(observation)
        if still:
            encoder.train()
        return features.float() if full else features

    def prepare_rollout(self, batch: Batch) -> Batch:
        """A rollout as it is learned from: processed by the agent, and then by each of its objectives (`Objective.process_rollout`)."""
        processed = self.process_rollout(batch)
        for objective in self.objectives:
            processed = objective.process_rollout(self, batch, processed)
        return processed

    def learn(self, batch: Batch) -> UpdateResult:
        """One update, by `Updater`: every phase that is due trains its parts, then the target networks follow."""
        return self.updater(batch)

    def policy_snapshot(self) -> PolicySnapshot:
        """A copy of the parameters and buffers of `policy_parts`, for an agent that acts elsewhere while this one learns."""
        state = {
            f"{part}.{name}": tensor.detach().clone()
            for part in (*self.policy_parts, "observation_norm")
            if (module := self._modules.get(part)) is not None
            for name, tensor in module.state_dict().items()
        }
        return PolicySnapshot(self.updates, self.steps, state)

    def load_policy_snapshot(self, snapshot: PolicySnapshot) -> None:
        """Act with the parameters of a snapshot of another agent of the same configuration.

        Raises:
            UsageError: If the snapshot is of another agent.
        """
        own = self.state_dict()
        if unknown := [name for name, tensor in snapshot.state.items() if name not in own or own[name].shape != tensor.shape]:
            raise UsageError(Problem(f"the snapshot is of another agent: {', '.join(unknown)}", "use an agent of the same configuration"))
        self.load_state_dict(snapshot.state, strict=False)
        self.updates, self.steps = snapshot.version, snapshot.steps

    def training_state(self) -> dict[str, Any]:
        """Everything that learning goes on from, beside the run's random streams."""
        return {
            "updates": self.updates,
            "parameters": self.state_dict(),
            "optimizers": {part: optimizer.state_dict() for part, optimizer in self.updater.optimizers.items()},
            **({} if self.reward_norm is None else {"returns": self.reward_norm.returns.copy()}),
        }

    def upgrade_state(self, state: dict[str, Any], since: str) -> dict[str, Any]:
        """A state that another version of this package saved, as this version has it.

        Called before a checkpoint of another version is loaded.

        Args:
            state: What `training_state` returned; to act, its ``parameters`` (name to tensor) alone.
            since: Version of the package that saved it.
        """
        return state

    def load_training_state(self, state: dict[str, Any]) -> None:
        self.updates = state["updates"]
        self.load_state_dict(state["parameters"])
        if self.reward_norm is not None:
            self.reward_norm.returns = np.array(state["returns"])
        for part, optimizer in self.updater.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][part])
            for parameter, moments in optimizer.state.items():
                for name, value in moments.items():
                    if isinstance(value, torch.Tensor) and value.shape == parameter.shape:
                        moments[name] = laid_out_like(value, parameter)


def _columns(records: np.ndarray, names: tuple[str, ...]) -> dict[str, torch.Tensor]:
    """Records of named observations as columns."""
    return {f"obs.{name}": torch.from_numpy(records[name].copy()) for name in names}


def _of_labels(objective: Objective) -> bool:
    """Whether rows of a data set have all columns that an objective needs."""
    return set(objective.needs) <= set(Labelled().columns)
