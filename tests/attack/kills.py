"""A storm of signals over many kinds of runs: each is killed at random moments, resumed until it has finished, and compared byte for byte.

```console
$ PYTHONPATH=tests python -m attack kills --seed 1 --count 60
```

``--count`` is the number of signals that strike: SIGKILL of the trainer, of one of its environments' processes or of both together, SIGTERM
and Ctrl-C. A killed run holds if its parameters, optimisers, replay, collector and metrics are those of the run that nothing disturbed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from attack import common
from core.processes import lives

COMMON = ("device=cpu", "precision=fp32", "callbacks=[]")
INLINE = ("train.env_backend=inline",)
OFTEN = ("train.log_every=40", "evaluate.every=120", "evaluate.episodes=1", "checkpoint.every=70")
OFF_POLICY = ("replay.capacity=2000", "agent.learning_starts=40", "agent.batch_size=16", "agent.updates_per_step=0.5")
DQN = ("--agent", "dqn", "--suite", "gym:CartPole-v1", "agent.critic.hidden_dim=8", "train.frames=360", *OFF_POLICY, *OFTEN)
SAC = ("--agent", "sac", "--suite", "gym:Pendulum-v1", "agent.actor.hidden_dim=8", "agent.critic.hidden_dim=8", *OFF_POLICY)
PIXELS = (
    *("--agent", "drqv2", "--suite", "dmc:cartpole_balance", "suite.size=24", "suite.action_repeat=8", "suite.gl=osmesa", "agent.pad=2"),
    *("agent.batch_size=8", "agent.hidden_dim=8", "agent.feature_dim=8", "agent.learning_starts=20", "agent.stddev=0.3"),
    *("replay.capacity=2000", "train.frames=960", "train.log_every=160", "evaluate.every=480", "evaluate.episodes=1"),
    "checkpoint.every=240",
)
ON_POLICY = ("agent.n_steps=48", "agent.hidden_dim=8", "train.num_envs=2", "train.frames=400", *OFTEN)
PPO = ("--agent", "ppo", "agent.epochs=2", "agent.batch_size=32", *ON_POLICY)
DIGITS = (
    *("--agent", "ac2", "--suite", "digits", "agent.batch_size=64", "agent.actor.hidden_dim=16", "train.epochs=2"),
    *("train.log_every=400", "evaluate.every=1200", "checkpoint.every=500"),
)
SEVERAL = (
    *("--suite", "gym:CartPole-v1", "--suite", "digits", "agent.trunk=16", "actor.hidden_dim=16", "critic.hidden_dim=16"),
    *("agent.batch_size=8", "agent.learning_starts=20", "replay.capacity=2000", "train.frames=300", *OFTEN),
)
GOALS = (
    *("--agent", "dqn", "--suite", "goals:bit_flip", "suite.n=5", "replay.sampler=hindsight", "agent.critic.hidden_dim=8"),
    *("train.frames=360", *OFF_POLICY, *OFTEN),
)


@dataclass(frozen=True)
class Kind:
    """A kind of run.

    Attributes:
        words: After ``unified train``.
        before: Of a run that is trained first, undisturbed, in the same root.
        between: Whether it is evaluated before it is resumed.
    """

    words: tuple[str, ...]
    before: tuple[str, ...] = ()
    between: bool = False


KINDS = {
    "dqn": Kind((*DQN, *INLINE)),
    "dqn in processes": Kind((*DQN, "train.env_backend=process", "train.num_envs=2")),
    "dqn prioritised": Kind((*DQN, *INLINE, "replay.sampler=prioritised")),
    "dqn evaluated in between": Kind((*DQN, *INLINE), between=True),
    "dqn on disk": Kind((*DQN, *INLINE, "replay.backing=disk", "replay.save=end")),
    "sac": Kind((*SAC, *OFTEN, "train.frames=360", *INLINE)),
    "sac in processes": Kind((*SAC, *OFTEN, "train.frames=360", "train.env_backend=process", "train.num_envs=2")),
    "sac offline": Kind(
        (
            *SAC,
            "train.offline=true",
            "replay.load=kept",
            "train.updates=60",
            "train.log_every=160",
            "checkpoint.every=160",
            "evaluate.episodes=1",
        ),
        before=(*SAC, *INLINE, "train.learn=false", "replay.save=kept", "train.frames=300", "experiment=collected", "evaluate.episodes=1"),
    ),
    "drqv2 pixels": Kind((*PIXELS, *INLINE)),
    "ppo": Kind((*PPO, "--suite", "gym:CartPole-v1", *INLINE)),
    "ppo in processes": Kind((*PPO, "--suite", "gym:CartPole-v1", "train.env_backend=process")),
    "ppo recurrent": Kind(
        (*PPO, "--suite", "unified.testing:CartPoleWithoutVelocities", "agent.memory=gru", "agent.memory.hidden_dim=8", *INLINE)
    ),
    "trpo": Kind(("--agent", "trpo", "--suite", "gym:CartPole-v1", *ON_POLICY, *INLINE)),
    "pqn": Kind(
        (
            "--agent",
            "pqn",
            "--suite",
            "gym:CartPole-v1",
            "agent.n_steps=48",
            "critic.hidden_dim=8",
            "train.num_envs=2",
            "train.frames=400",
            *OFTEN,
            *INLINE,
        )
    ),
    "ac2 classify": Kind(DIGITS),
    "ac2 flow": Kind((*DIGITS, "objective=flow")),
    "several suites": Kind((*SEVERAL, *INLINE)),
    "hindsight": Kind((*GOALS, *INLINE)),
}
#: What is struck, and how often.
STRIKES = {"trainer": 4, "worker": 3, "group": 3, "SIGTERM": 1, "SIGINT": 1}
#: How a struck or finished command may end; a Ctrl-C or SIGTERM before the training begins ends the process in the usual way of Python.
ENDS = (0, 130, 143, -signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT)
#: Commands of one run before it has to finish undisturbed.
ATTEMPTS = 6


@dataclass
class Tally:
    """What became of the runs of a kind."""

    equal: int = 0
    runs: int = 0
    strikes: list[str] = field(default_factory=list)


def attack(seed: int, count: int, work: Path, names: Sequence[str] = ()) -> Iterator[tuple[str, list[str], str]]:
    """Yields the kind, what struck, and what is wrong, for each run that was killed and resumed."""
    common.warm()
    rng, struck, straights = random.Random(seed), 0, {}
    order = list(names or KINDS)
    rng.shuffle(order)
    for number in range(10**9):
        name = order[number % len(order)]
        if name not in straights:
            straights[name] = straight(KINDS[name], work / f"straight-{len(straights)}")
        place = work / f"run-{number}"
        place.mkdir()
        strikes, failure = killed(KINDS[name], place, straights[name], min(rng.randint(1, 3), count - struck), rng)
        struck += len(strikes)
        yield name, strikes, failure
        if struck >= count:
            return


def straight(kind: Kind, place: Path) -> tuple[Path, float]:
    """The undisturbed run, and the seconds it took."""
    place.mkdir()
    _prepare(kind, place)
    begin = time.monotonic()
    ended = common.forked(common.unified("train", *kind.words, *COMMON), place, 240.0)
    assert ended.status == 0, f"{' '.join(kind.words)}\n{ended.text}"
    return _run(place), time.monotonic() - begin


def _prepare(kind: Kind, place: Path) -> None:
    if kind.before:
        ended = common.forked(common.unified("train", *kind.before, *COMMON), place, 240.0)
        assert ended.status == 0, ended.text


def _run(place: Path) -> Path:
    found = [path.parent for path in (place / "runs").rglob("config.json") if "collected" not in path.parts]
    assert len(found) == 1, found
    return found[0]


def killed(kind: Kind, place: Path, expected: tuple[Path, float], wanted: int, rng: random.Random) -> tuple[list[str], str]:
    """Strike a run so often, resume it until it has finished; what struck, and what is wrong."""
    _prepare(kind, place)
    strikes: list[str] = []
    train = ("train", *kind.words, *COMMON)
    for _ in range(ATTEMPTS):
        if len(strikes) == wanted:
            break
        words = _again(place, rng) or train
        target = rng.choices([*STRIKES], [*STRIKES.values()])[0]
        what, failure = struck(words, place, target, rng.uniform(0.03, 0.9) * expected[1])
        strikes += [what] if what else []
        if failure:
            return strikes, f"{words[0]} struck by {what}: {failure}"
        if kind.between and (resumed := _again(place, rng, always=True)):
            ended = common.forked(common.unified("evaluate", resumed[1], "--episodes", "1"), place)
            if ended.fault or ended.status:
                return strikes, f"evaluate: {ended.fault or ended.text[-300:]}"
    words = _again(place, rng) or train
    ended = common.forked(common.unified(*words), place, 240.0)
    if ended.fault or ended.status:
        return strikes, f"{words[0]} does not finish: {ended.fault or ended.text[-300:]}"
    return strikes, differing(expected[0], _run(place))


def _again(place: Path, rng: random.Random, always: bool = False) -> tuple[str, ...]:
    """Words to resume the run with, if it has a checkpoint; in half of the cases the training's own words do that too."""
    configs = [path.parent for path in (place / "runs").rglob("config.json") if "collected" not in path.parts]
    chosen = rng.random() < 0.5
    if configs and (chosen or always) and any(path.name.isdigit() for path in (configs[0] / "checkpoints").glob("*")):
        return "resume", str(configs[0].relative_to(place))
    return ()


def struck(words: Sequence[str], place: Path, target: str, delay: float) -> tuple[str, str]:
    """Begin a command and strike after so many seconds: what struck, empty if the command was done before; and what is wrong."""
    with tempfile.TemporaryFile() as output:
        child = common.begun(common.unified(*words), place, output.fileno())
        ended, status = _waited(child, delay)
        what, workers = "", [] if ended else descendants(child)
        if not ended:
            what = target if workers or target != "worker" else "trainer"
            victims = {"worker": workers[:1], "group": [child, *workers]}.get(what, [child])
            number = signal.SIGKILL if what in ("trainer", "worker", "group") else signal.Signals[what]
            for victim in victims:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(victim, number)
            ended, status = _waited(child, 240.0 * common.busy())
        if not ended:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return what, "it hangs"
        output.seek(0)
        text = output.read().decode(errors="replace")
    code = os.waitstatus_to_exitcode(status)
    if "Traceback (most recent call last)" in text:
        return what, f"traceback: {text.strip().splitlines()[-1]}"
    if code not in ENDS:
        return what, f"exit code {code}: {text[-300:]}"
    if left := _left(workers):
        return what, f"processes {left} of environments are left"
    return what, ""


def _waited(child: int, seconds: float) -> tuple[bool, int]:
    deadline = time.monotonic() + seconds
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done or time.monotonic() >= deadline:
            return bool(done), status
        time.sleep(0.005)


def descendants(process: int) -> list[int]:
    """Processes that a process has started, and theirs."""
    found = []
    for path in Path(f"/proc/{process}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, path.read_text().split()):
                found += [child, *descendants(child)]
    return found


def _left(workers: Sequence[int], seconds: float = 10.0) -> list[int]:
    """Processes that live on without their trainer; they are ended."""
    deadline = time.monotonic() + seconds
    while left := [worker for worker in workers if lives(worker)]:
        if time.monotonic() > deadline:
            for worker in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(worker, signal.SIGKILL)
            return left
        time.sleep(0.02)
    return []


def differing(expected: Path, found: Path) -> str:
    """The parts in which two finished runs differ; empty if they are equal byte for byte."""
    from runs.commands import result_of, without

    try:
        one, other = result_of(expected), result_of(found)
        for result in (one, other):  # lost processes are counted
            result["collector"] = without(json.loads(result["collector"]), "restarts")
    except Exception as error:
        return f"its result cannot be read: {type(error).__name__}: {error}"
    parts = [part for part in one if one[part] != other[part]]
    return f"another {', another '.join(parts)}" if parts else ""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the attack; returns the exit code."""
    parser = argparse.ArgumentParser(prog="attack kills", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1, help="of the order, the moments and the signals")
    parser.add_argument("--count", type=int, default=60, help="number of signals that strike")
    parser.add_argument("--only", default="", help=f"kinds, with commas between them: {', '.join(KINDS)}")
    asked = parser.parse_args(argv)
    names = [name for name in asked.only.split(",") if name]
    if unknown := {*names} - {*KINDS}:
        parser.error(f"there is no kind {', '.join(sorted(unknown))}")
    tallies: dict[str, Tally] = {}
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="attack-") as work:
        for name, strikes, failure in attack(asked.seed, asked.count, Path(work), names):
            tally = tallies.setdefault(name, Tally())
            tally.runs, tally.equal = tally.runs + 1, tally.equal + (not failure)
            tally.strikes += strikes
            if failure:
                print(f"{name}, after {', '.join(strikes) or 'nothing'}: {failure}", flush=True)
            if not sum(each.runs for each in tallies.values()) % 50:
                report(tallies, asked.seed, time.monotonic() - begin)
    return report(tallies, asked.seed, time.monotonic() - begin)


def report(tallies: dict[str, Tally], seed: int, seconds: float) -> int:
    """Print the figures; returns the exit code."""
    struck_by: dict[str, int] = dict.fromkeys(STRIKES, 0)
    for name, tally in sorted(tallies.items()):
        print(f"{name}: {tally.equal} of {tally.runs} equal after {len(tally.strikes)} signals")
        for strike in tally.strikes:
            struck_by[strike] += 1
    equal, runs = sum(tally.equal for tally in tallies.values()), sum(tally.runs for tally in tallies.values())
    listed = ", ".join(f"{number} {strike}" for strike, number in struck_by.items())
    print(f"kills: {equal} of {runs} equal; {sum(struck_by.values())} signals ({listed}); seed {seed}, {seconds:.0f} s", flush=True)
    return 0 if equal == runs else 1


if __name__ == "__main__":
    sys.exit(main())
