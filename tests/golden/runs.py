"""Eight tiny runs whose metrics and parameters are frozen: a change that claims to change no result leaves every bit as it is.

```console
$ export PYTHONPATH=src:tests
$ python -m golden check           # compare with expected/, exit code 1 where something differs
$ python -m golden freeze ppo sac  # write expected/ anew, after a change that is meant to change results
```

Every run is trained twice: straight through, and stopped by SIGTERM in mid-course and resumed. Both must agree bit for bit on any machine.
The frozen numbers also depend on the processor and the versions of libraries (`bits_depend_on`): they are compared only where these agree.
"""

from __future__ import annotations

import hashlib
import json
import random
import signal
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits  # scikit-learn brings it

from runs.commands import assert_same
from unified import Run, UnifiedError, compose, hookimpl, launch, load
from unified.core.learn import device

EXPECTED = Path(__file__).parent / "expected"

#: Names in the frozen metrics that have another name now, old -> new; keys, and texts such as those of ``kind``.
RENAMED: dict[str, str] = {
    "Surrogate_loss": "ppo_clip_loss",
    "StateValue_loss": "value_mse_loss",
    "maxent_loss": "sac_actor_loss",
    "temperature_loss": "sac_alpha_loss",
    "imitate_loss": "nll_loss",
    "imitate": "nll",
}
#: Names of parameters that begin otherwise now, by the name of the run: old prefix -> new prefix.
RENAMED_PARAMETERS: dict[str, dict[str, str]] = {"drqv2-pixels": {"actor.mean.": "actor.numbers."}}

Found = dict[str, Any]

#: One thread of one processor in float32. No checkpoint but the last one, that of the stop, and those of better evaluations.
COMMON = ("device=cpu", "precision=fp32", "train.env_backend=inline", "checkpoint.every=0")
SMALL_DQN = ("agent=dqn", "suite=gym:CartPole-v1", "agent.learning_starts=100", "agent.batch_size=32", "agent.critic.hidden_dim=16")
SMALL_SAC = (
    *("agent=sac", "suite=gym:Pendulum-v1", "agent.learning_starts=100", "agent.batch_size=32"),
    *("agent.actor.hidden_dim=16", "agent.critic.hidden_dim=16"),
)
SMALL_AC2 = ("agent=ac2", "suite=digits", "agent.batch_size=64", "agent.actor.hidden_dim=16")
DIGITS = ("train.epochs=2", "train.log_every=500", "evaluate.every=1000")


@dataclass(frozen=True)
class Golden:
    """A frozen run.

    Args:
        name: Of its file.
        stop: Frames after which the second copy is stopped: in the middle of an episode, a rollout or an epoch.
        words: ``key=value`` words of the command line.
        before: Words of a run that is trained first, in the same root.
        draws: Whether OpenGL draws its observations.
    """

    name: str
    stop: int
    words: tuple[str, ...]
    before: tuple[str, ...] = ()
    draws: bool = False


GOLDEN = (
    Golden(
        "ppo",
        450,  # rollouts end at 384 and 512
        (
            *("agent=ppo", "suite=gym:CartPole-v1", "train.num_envs=2", "agent.n_steps=64", "agent.epochs=2", "agent.batch_size=32"),
            *("agent.hidden_dim=16", "train.frames=1000", "train.log_every=100", "evaluate.every=400", "evaluate.episodes=2"),
        ),
    ),
    Golden(
        "dqn-prioritised",
        257,
        (
            *SMALL_DQN,
            *(
                "replay.sampler=prioritised",
                "replay.sampler.beta=0.4",
                "train.frames=400",
                "train.log_every=50",
                "evaluate.every=200",
                "evaluate.episodes=2",
            ),
        ),
    ),
    Golden(
        "sac",
        257,
        (*SMALL_SAC, "train.frames=450", "train.log_every=50", "evaluate.every=200", "evaluate.episodes=1"),
    ),
    Golden(
        "drqv2-pixels",
        632,
        (
            *("agent=drqv2", "suite=dmc:cartpole_balance", "suite.size=24", "suite.action_repeat=8", "suite.gl=osmesa"),
            *("agent.pad=2", "agent.batch_size=16", "agent.hidden_dim=16", "agent.feature_dim=8", "agent.learning_starts=20"),
            *("agent.stddev=0.3", "train.frames=1200", "train.log_every=200", "evaluate.every=800", "evaluate.episodes=1"),
        ),
        draws=True,
    ),
    Golden("ac2-digits", 1700, (*SMALL_AC2, *DIGITS)),
    Golden("ac2-flow", 1700, (*SMALL_AC2, *DIGITS, "objective=flow")),
    Golden(
        "offline",
        1700,
        (
            *SMALL_SAC,
            *("train.offline=true", "replay.load=kept", "train.updates=100", "train.log_every=500"),
            *("evaluate.every=1600", "evaluate.episodes=1"),
        ),
        before=(
            *SMALL_SAC,
            *("train.learn=false", "replay.save=kept", "experiment=collected", "train.frames=500"),
            *("evaluate.every=0", "evaluate.episodes=1"),
        ),
    ),
    Golden(
        "spr",
        207,
        (
            *SMALL_DQN,
            *("encoder=mlp", "objective=[+spr]", "train.frames=300", "train.log_every=50", "evaluate.every=200", "evaluate.episodes=2"),
        ),
    ),
)


class Stop:
    """Callback that asks the run to stop, as `kill` does, once so many frames have been seen."""

    def __init__(self, frames: int) -> None:
        self.frames, self.asked = frames, False

    def _ask(self, trainer: Any) -> None:
        if not self.asked and trainer.clock.frames >= self.frames:
            self.asked = True
            signal.raise_signal(signal.SIGTERM)

    @hookimpl
    def on_experience(self, trainer: Any) -> None:
        self._ask(trainer)

    @hookimpl
    def after_update(self, trainer: Any) -> None:  # on_experience is not called where there are no environments
        self._ask(trainer)


# Training ---------------------------------------------------------------------------------------------------------------------------


def straight(golden: Golden, root: Path) -> Run:
    """The run, undisturbed."""
    if golden.before:
        _train(golden.before, root)
    return _train(golden.words, root)


def resumed(golden: Golden, root: Path) -> Run:
    """The run, stopped in mid-course and resumed.

    Raises:
        AssertionError: If it was done before the stop.
    """
    if golden.before:
        _train(golden.before, root)
    try:
        _train(golden.words, root, Stop(golden.stop))
    except UnifiedError as stopped:
        if stopped.exit_code != 128 + signal.SIGTERM:
            raise
    else:
        raise AssertionError(f"{golden.name} was done before {golden.stop} frames")
    return _train(golden.words, root)


def _train(words: Sequence[str], root: Path, *callbacks: Any) -> Run:
    with _one_thread(), _other_global_generators():
        return launch(compose([*words, *COMMON, f"root={root}"], [], {"callbacks": []}, callbacks=callbacks))


@contextmanager
def _one_thread() -> Iterator[None]:
    """The order of a sum depends on the number of threads, torch's and those of NumPy's BLAS."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _other_global_generators() -> Iterator[None]:
    """Every run meets other states of the global generators: one that draws from them gives other bits each time, and is found."""
    python, numpy = random.getstate(), np.random.get_state()
    random.seed()
    np.random.seed()
    try:
        with torch.random.fork_rng(devices=[]):
            torch.seed()
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)


# What is compared -------------------------------------------------------------------------------------------------------------------


def record(golden: Golden, run: Run) -> Found:
    """Everything about a finished run that is frozen. Metrics hold no times, so every field of every row counts."""
    return {
        "bits_depend_on": bits_depend_on(golden),
        "parameters": hashes(load(run, "newest").agent.state_dict(), RENAMED_PARAMETERS.get(golden.name)),
        "metrics": run.metrics(),
    }


def bits_depend_on(golden: Golden) -> dict[str, str]:
    """Whatever may change the last bit of a result beside this project. To be asked after the run, which loads the OpenGL that draws."""
    facts = device.bits_depend_on(torch.device("cpu"), "fp32")
    libraries = ("numpy", "gymnasium", "mujoco", "dm_control", "scikit-learn")
    return {
        **{key: facts[key] for key in ("machine", "processor", "instructions", "torch")},
        "threads": "1",
        **{name: version(name) for name in libraries},
        **({"picture": _picture()} if golden.draws else {}),
    }


def _picture() -> str:
    """SHA-256 of a picture that dm_control draws by itself: another OpenGL, another picture."""
    from dm_control import suite

    environment = suite.load("cartpole", "balance", task_kwargs={"random": 0})
    environment.reset()
    return hashlib.sha256(environment.physics.render(24, 24, camera_id=0).tobytes()).hexdigest()


def hashes(tensors: Mapping[str, torch.Tensor], renamed: Mapping[str, str] | None = None) -> Found:
    """Of named tensors: how many, and SHA-256 over them with their names, and over them without.

    Args:
        tensors: A ``state_dict``.
        renamed: Old prefix of names -> the prefix in `tensors`; the hash with names is over the old ones.
    """
    old = {now: before for before, now in (renamed or {}).items()}

    def frozen_name(name: str) -> str:
        prefix = max((prefix for prefix in old if name.startswith(prefix)), key=len, default="")
        return old.get(prefix, "") + name.removeprefix(prefix)

    digests = {frozen_name(name): _digest(tensor) for name, tensor in tensors.items()}
    return {
        "tensors": len(tensors),
        "sha256_by_name": _sha256(f"{name} {digest}" for name, digest in sorted(digests.items())),
        "sha256_of_values": _sha256(sorted(_digest(tensor) for tensor in tensors.values())),
    }


def _digest(tensor: torch.Tensor) -> str:
    data = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
    return hashlib.sha256(f"{tensor.dtype} {tuple(tensor.shape)} ".encode() + data).hexdigest()


def _sha256(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def compare(frozen: Found, found: Found, renamed: Mapping[str, str] | None = None) -> list[str]:
    """A line for each difference in metrics and parameters; none where every bit is the same.

    Args:
        frozen: What was recorded then.
        found: What is recorded now.
        renamed: Old name -> new name in the metrics.
    """
    then, now = [_renamed(row, renamed or {}) for row in frozen["metrics"]], found["metrics"]
    lines = []
    if len(then) != len(now):
        lines.append(f"{len(then)} rows of metrics were frozen, and {len(now)} are found")
    for index, (before, after) in enumerate(zip(then, now, strict=False)):
        for key in sorted({*before, *after}):
            values = [json.dumps(row[key]) if key in row else "(missing)" for row in (before, after)]
            if values[0] != values[1]:
                lines.append(f"row {index}, {key}: {values[0]} -> {values[1]}")
    for key in sorted({*frozen["parameters"], *found["parameters"]}):
        before, after = frozen["parameters"].get(key), found["parameters"].get(key)
        if before != after:
            lines.append(f"parameters, {key}: {before} -> {after}")
    return lines


def _renamed(row: Mapping[str, Any], renamed: Mapping[str, str]) -> Found:
    return {renamed.get(key, key): renamed.get(value, value) if isinstance(value, str) else value for key, value in row.items()}


def elsewhere(frozen: Found, found: Found) -> str:
    """Why the numbers cannot be compared: what they depend on is something else here. Empty where they can."""
    then, now = frozen["bits_depend_on"], found["bits_depend_on"]
    return ", ".join(f"{key}: {then.get(key)} -> {now.get(key)}" for key in sorted({*then, *now}) if then.get(key) != now.get(key))


# The files --------------------------------------------------------------------------------------------------------------------------


def expected(golden: Golden) -> Found:
    """What was frozen."""
    found: Found = json.loads((EXPECTED / f"{golden.name}.json").read_text())
    return found


def write(golden: Golden, found: Found) -> None:
    """Freeze it, a row of metrics on each line."""
    head = {key: value for key, value in found.items() if key != "metrics"}
    rows = ",\n".join(f"  {json.dumps(row)}" for row in found["metrics"])
    EXPECTED.mkdir(exist_ok=True)
    text = json.dumps(head, indent=1).removesuffix("\n}") + f',\n "metrics": [\n{rows}\n ]\n}}\n'
    (EXPECTED / f"{golden.name}.json").write_text(text)


def trained(golden: Golden, root: Path) -> Found:
    """Train the run both ways below `root`, and record it.

    Raises:
        AssertionError: If the resumed run is another one.
    """
    undisturbed = straight(golden, root / "straight")
    assert_same(undisturbed.path, resumed(golden, root / "resumed").path)
    return record(golden, undisturbed)
