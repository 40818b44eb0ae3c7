"""Many MuJoCo simulations of one model that step at once, on threads (`mujoco.batch`), and the state of a simulation as one array."""

from __future__ import annotations

import importlib
import os
import sys
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from unified.array_vector_env import ArrayVectorEnv
from unified.core.base.cores import usable_cores
from unified.core.base.rng import derive
from unified.core.base.spec import Spec
from unified.core.envs.suite import Environment, EpisodeFailed, Suite
from unified.core.envs.suite_ref import SuiteReference
from unified.core.envs.vector_env import STARTS, WorkerVectorEnv

#: The fields of a simulation by name, ``(k, *shape)`` each for k simulations.
Fields = dict[str, np.ndarray]


def import_mujoco() -> Any:
    """MuJoCo, imported without OpenGL: Mesa and Triton must not share the process of the trainer."""
    if "mujoco" not in sys.modules:
        with _without_gl():
            importlib.import_module("mujoco")
    return sys.modules["mujoco"]


@contextmanager
def _without_gl() -> Iterator[None]:
    before = os.environ.get("MUJOCO_GL")
    os.environ["MUJOCO_GL"] = "disable"
    try:
        yield
    finally:
        del os.environ["MUJOCO_GL"]
        if before is not None:
            os.environ["MUJOCO_GL"] = before


class Layout:
    """The state of a simulation as one vector ``(S,)``: MuJoCo's integration state, and then further fields of its data.

    With the integration state MuJoCo computes the next one to the bit. The further fields are those that a reward or an observation
    reads and that were computed before the last integration, so that the state does not determine them: positions of bodies, say.

    Args:
        model: MuJoCo's model.
        data: Any data of it, for the shapes of the fields.
        further: Names of the further fields, as in MuJoCo's ``MjData``.
    """

    def __init__(self, model: Any, data: Any, further: Sequence[str]) -> None:
        mujoco = import_mujoco()
        self._set, self._get, self._forward = mujoco.mj_setState, mujoco.mj_getState, mujoco.mj_forward
        self.kind = mujoco.mjtState.mjSTATE_INTEGRATION.value
        self.size = self.row = mujoco.mj_stateSize(model, self.kind)
        self.further, self._parts = tuple(further), {}
        for name, bit in (("qpos", "QPOS"), ("qvel", "QVEL"), ("act", "ACT"), ("ctrl", "CTRL")):
            lower = getattr(mujoco.mjtState, f"mjSTATE_{bit}").value - 1
            start = mujoco.mj_stateSize(model, self.kind & lower)
            shape = getattr(data, name).shape
            self._parts[name] = (slice(start, start + shape[0]), shape)
        for name in self.further:
            field = getattr(data, name)
            self._parts[name] = (slice(self.size, self.size + field.size), field.shape)
            self.size += field.size

    def fields(self, rows: np.ndarray) -> Fields:
        """Views of the fields in states ``(k, S)``."""
        return {name: rows[:, part].reshape(len(rows), *shape) for name, (part, shape) in self._parts.items()}

    def taken(self, model: Any, data: Any) -> np.ndarray:
        """The state of `data`."""
        state = np.empty(self.size)
        self._get(model, data, state[: self.row], self.kind)
        for name in self.further:
            state[self._parts[name][0]] = getattr(data, name).ravel()
        return state

    def put(self, model: Any, data: Any, state: np.ndarray) -> None:
        """Set `data` to a state. What else it holds is computed, for pictures, and has no effect on the next step."""
        self._set(model, data, state[: self.row], self.kind)
        self._forward(model, data)
        self._set(model, data, state[: self.row], self.kind)  # the computation above wrote the start of the solver
        for name in self.further:
            part, shape = self._parts[name]
            getattr(data, name)[...] = state[part].reshape(shape)


class SimulationVectorEnv(ArrayVectorEnv):
    """A `VectorEnv` (see there) of a MuJoCo task: physics on threads, rewards and observations of all environments by array operations.

    A step has the bits of the single environment, at any number of threads. Resets are done by a single environment, so their random
    draws are its own. Pictures are drawn by one in a process of its own, because OpenGL must not share a process with Triton.

    Args:
        suite: Of the task.
        num_envs: n.
        seed: Seed of the run.
        stream: Name of the random stream.
        single: An environment of the task, with a `state_dict`; it is closed at the end.
        simulation: MuJoCo's model and data of `single`.
    """

    #: Names of the further fields of the state, see `Layout`.
    further: Sequence[str] = ()
    #: Stages that are computed at the state after a step: ``"NONE"`` leaves the fields as `mj_step` does.
    stage = "NONE"

    def __init__(self, suite: Suite, spec: Spec, num_envs: int, seed: int, stream: str, single: Environment, simulation: Any) -> None:
        mujoco, batch = import_mujoco(), importlib.import_module("mujoco.batch")
        self._mujoco, (self._model, self._data) = mujoco, simulation
        self.layout = Layout(self._model, self._data, self.further)
        self._after_step = "cfrc_ext" in self.further  # MuJoCo computes contact forces on request
        persistent = self._after_step or self.stage != "NONE"
        self.batch = batch.Batch(self._model, num_envs, min(num_envs, usable_cores()), persistent)
        self._stage = getattr(mujoco.mjtStage, f"mjSTAGE_{self.stage}").value
        if self._after_step:
            self._data = mujoco.MjData(self._model)
        self._bound = {} if self._after_step else {name: self.batch.bind(name) for name in self.further}
        self._rows = np.zeros((num_envs, self.layout.size))
        self.now = self.layout.fields(self._rows)
        self._errors, self._broken = batch.SimulationError, np.zeros(num_envs, bool)  # whose simulation failed in this step
        self._resets, self._painter = single, None
        super().__init__(suite, spec, num_envs, seed, stream, self._rows.T)

    # The task

    @abstractmethod
    def stepped(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """See `advance`."""

    @abstractmethod
    def seen(self, fields: Fields) -> np.ndarray:
        """The observations ``(k, D)``."""

    def simulate(self, control: np.ndarray, substeps: int) -> None:
        """Step the physics of all environments with controls ``(n, nu)``, and bring `now` up to date."""
        self.now["ctrl"][:] = control
        row = self.layout.row
        self.batch.state[:] = self._rows[:, :row]
        try:
            self.batch.step(nstep=substeps, stage=self._stage)
        except self._errors as error:
            self._broken[error.ids] = True
        self._rows[:, :row] = self.batch.state
        for name, values in self._bound.items():
            self.now[name][:] = values
        if self._after_step:
            for i in range(self.num_envs):
                self.batch.get_data(i, self._data)
                self._mujoco.mj_rnePostConstraint(self._model, self._data)
                for name in self.further:
                    self.now[name][i] = getattr(self._data, name)

    def advance(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        self._broken[:] = ~self._started
        reward, terminated = self.stepped(actions)
        if not np.isfinite(self._rows.sum()):
            self._broken |= ~np.isfinite(self.observe(self.states)).all(1)
        if self._broken.any():
            reward = np.where(self._broken, np.nan, reward)  # which fails the episode
        return reward, terminated

    def observe(self, states: np.ndarray) -> np.ndarray:
        fields = self.now if states is self.states else self.layout.fields(np.ascontiguousarray(states.T))
        return np.asarray(self.seen(fields), np.float32)

    # Resets and pictures

    def initial_states(self, seeds: np.ndarray) -> np.ndarray:
        states = []
        for seed in seeds.tolist():
            self._resets.reset(seed)
            state = self._resets.state_dict()
            assert state is not None
            states.append(state["state"])
        return np.stack(states, 1)

    def _first_states(self, index: np.ndarray) -> np.ndarray:
        """The states in which the present episodes begin. One that fails at its first observation is skipped; after `STARTS` of them none
        has started, and the next step of the environment fails."""
        return np.concatenate([self._first_state(i) for i in index.tolist()], 1)

    def _first_state(self, i: int) -> np.ndarray:
        for attempt in range(STARTS):
            self._at[i] += attempt > 0
            seed = derive(self.seed, self.stream, i, self._episode(i), bits=31)
            try:
                state = self.initial_states(np.array([seed], np.uint64))
            except EpisodeFailed as error:
                self.failed_episodes += 1
                self.env_failures.append(f"environment {i}, episode {self._episode(i)} was discarded: it could not start: {error}")
            else:
                self._started[i] = True
                return state
        self._started[i] = False
        return self.layout.taken(self._model, self._mujoco.MjData(self._model))[:, None]

    def render(self, i: int, height: int, width: int) -> np.ndarray:
        """The present state of environment i, drawn by a single environment in another process, ``(height, width, 3)`` uint8.

        Raises:
            UnsupportedRender: If the task cannot be rendered.
        """
        self._idle("render")
        if self._painter is None:
            placement = "inline" if SuiteReference.of(self._suite) is None else "process"
            self._painter = WorkerVectorEnv(self._suite, 1, self.seed, self.stream, placement)
        state = self.state_dict()
        self._painter.load_state_dict({**state, "lanes": [state["lanes"][i]], "next_options": [None]})
        return self._painter.render(0, height, width)

    def close(self) -> None:
        """Release everything. Closing twice does no harm."""
        super().close()
        self._resets.close()
        if self._painter is not None:
            self._painter.close()
            self._painter = None
