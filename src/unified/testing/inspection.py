"""Check the environments of a suite. Torch-free: it runs in a process like those of environments.

``python -m unified.testing.inspection FILE`` reads a `SuiteReference` as JSON from stdin and writes the result of each check to FILE, as
JSON: ``{name: [state, contract, seen, change]}``.
"""

from __future__ import annotations

import json
import math
import numbers
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from unified.core.base.errors import FilesMissing
from unified.core.base.spec import Space, Spec
from unified.core.envs.suite import Environment, EpisodeFailed, Step, Suite, UnsupportedRender
from unified.core.envs.suite_ref import SuiteReference
from unified.core.envs.vector_agreement import agree
from unified.core.envs.vector_env import WorkerVectorEnv
from unified.testing.check import Failed, Skipped

#: Maximum number of episodes, and of their steps in total.
EPISODES, STEPS = 3, 2000
#: Maximum number of repeated steps.
AGAIN = 200
#: Number of environments of a vectorised implementation.
VECTOR = 3
#: Observations to watch for later changes; and initial observations to compare last ones with.
WATCHED, STARTS = 20, 24


@dataclass
class Episode:
    """A recorded episode.

    `observations` are T + 1 copies, `returned` the original arrays of the first ones, `actions` and `steps` have T elements.
    """

    seed: int
    observations: list[np.ndarray] = field(default_factory=list)
    returned: list[np.ndarray] = field(default_factory=list)
    actions: list[np.ndarray] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)

    @property
    def ended(self) -> bool:
        return bool(self.steps and (self.steps[-1].terminated or self.steps[-1].truncated))

    def see(self, observation: Any) -> None:
        if len(self.returned) < WATCHED:
            self.returned.append(observation)
        self.observations.append(np.array(observation))


class Inspection:
    """A suite with its environments and the episodes that all checks use."""

    def __init__(self, reference: SuiteReference) -> None:
        self.suite: Suite = reference.build()
        self.environment: Environment = self._made()
        self.spec: Spec = self.environment.spec
        #: Steps of an episode up to its time limit.
        self.limit = math.ceil(self.spec.episode_frames / self.spec.action_repeat) if self.spec.episode_frames else None

    @cached_property
    def other(self) -> Environment:
        """A second environment of the task."""
        return self._made()

    def _made(self) -> Environment:
        environment = self.suite.environment()
        return environment if isinstance(environment.spec.observation, Space) else Joined(environment)

    @cached_property
    def episodes(self) -> list[Episode]:
        """Up to `EPISODES` episodes with random actions, fewer if they are long; the last may be incomplete."""
        played: list[Episode] = []
        left = STEPS
        for seed in range(1, 4 * EPISODES):
            if len(played) == EPISODES or left <= (STEPS // 2 if len(played) > 1 else 0):  # two are enough if they are long
                break
            try:
                played.append(play(self.environment, seed, left))
            except EpisodeFailed:  # skip a failed episode
                continue
            left -= len(played[-1].steps)
        if not played:
            raise Failed(
                "An episode can be stepped.", f"{4 * EPISODES - 1} episodes failed in a row", "find out why EpisodeFailed is raised"
            )
        return played

    @cached_property
    def starts(self) -> np.ndarray:
        """Initial observations of many seeds, including those of the episodes and their successors, ``(K, size)``."""
        return np.stack([np.array(self.other.reset(seed), np.float64).ravel() for seed in range(STARTS)])

    @cached_property
    def unlike(self) -> str:
        """How the repeated first episode differs, in the same or another environment; empty if it does not."""
        first = self.episodes[0]
        for environment, which in ((self.environment, "the same environment"), (self.other, "another environment")):
            again = play(environment, first.seed, AGAIN, first.actions)
            steps = not all(_same(a, b) for a, b in zip(first.steps, again.steps, strict=False))
            pairs = enumerate(zip(first.observations, again.observations, strict=False))
            at = next((number for number, (a, b) in pairs if not np.array_equal(a, b)), None)
            if at is not None:
                return f"{which}, repeated: other observations after {at} steps"
            if steps or len(again.steps) != min(AGAIN, len(first.steps)):
                return f"{which}, repeated: other rewards or another end"
        return ""

    def close(self) -> None:
        self.environment.close()
        if "other" in vars(self):
            self.other.close()


def _same(one: Step, other: Step) -> bool:
    """Whether two steps are the same but for their observations."""
    extra = one.extra.keys() == other.extra.keys() and all(np.array_equal(one.extra[name], other.extra[name]) for name in one.extra)
    return extra and one[1:-1] == other[1:-1]


class Joined(Environment):
    """An environment whose named observations are one vector, for checks that compare arrays: all numbers in the order of the spec."""

    def __init__(self, inner: Environment) -> None:
        self.inner, self.spaces = inner, dict(inner.spec.observation)
        bounds = [space.bounds() for space in self.spaces.values()]
        low, high = (np.concatenate([np.ravel(bound) for bound in each]).astype(float) for each in zip(*bounds, strict=True))
        one = Space((len(low),), "float32", tuple(low.tolist()), tuple(high.tolist()))
        self.spec = replace(inner.spec, observation=one)

    def reset(self, seed: int, options: Mapping[str, Any] | None = None) -> np.ndarray:
        return self._joined(self.inner.reset(seed) if options is None else self.inner.reset(seed, options))

    def step(self, action: np.ndarray) -> Step:
        step = self.inner.step(action)
        return step._replace(observation=self._joined(step.observation))

    def fast_forward(self, seed: int, actions: np.ndarray, options: Mapping[str, Any] | None = None) -> np.ndarray:
        return self._joined(self.inner.fast_forward(seed, actions) if options is None else self.inner.fast_forward(seed, actions, options))

    def state_dict(self) -> dict[str, np.ndarray] | None:
        return self.inner.state_dict()

    def load_state_dict(self, state: dict[str, np.ndarray]) -> np.ndarray:
        return self._joined(self.inner.load_state_dict(state))

    def render(self, height: int, width: int) -> np.ndarray:
        return self.inner.render(height, width)

    def close(self) -> None:
        self.inner.close()

    def _joined(self, observation: Any) -> np.ndarray:
        contract = "An observation with names has all names, shapes and types of the spec."
        declared = {name: (space.dtype, space.shape) for name, space in self.spaces.items()}
        seen = {name: (str(np.asarray(each).dtype), np.shape(each)) for name, each in dict(observation).items()}
        if seen != declared:
            raise Failed(contract, f"{seen}, declared is {declared}", "{name: np.asarray(array, dtype) for each name of the spec}")
        return np.concatenate([np.ravel(observation[name]) for name in self.spaces]).astype(np.float32)


def play(environment: Environment, seed: int, most: int, actions: list[np.ndarray] | None = None) -> Episode:
    """Record an episode up to its end or a number of steps; by default with random actions, some of them at the bounds."""
    episode, generator = Episode(seed), np.random.default_rng(seed)
    episode.see(environment.reset(seed))
    for number in range(most if actions is None else min(most, len(actions))):
        action = random_action(environment.spec.action, generator) if actions is None else actions[number]
        episode.actions.append(action)
        step = environment.step(action.copy())
        episode.see(step.observation)
        episode.steps.append(step)
        if step.terminated or step.truncated:
            break
    return episode


def random_action(space: Space, generator: np.random.Generator) -> np.ndarray:
    if space.n is not None:
        return np.asarray(generator.integers(space.n, size=space.shape), space.dtype)
    low, high = (np.clip(bound, -1e6, 1e6) for bound in space.bounds())
    action = generator.uniform(low, high)
    return np.asarray(generator.choice([low, high, action], p=[0.1, 0.1, 0.8]), space.dtype)


# Checks -------------------------------------------------------------------------------------------------------------------------


def agrees_with_its_spec(found: Inspection) -> None:
    """Observations and rewards have the shape, dtype and range of the spec, also at the end of an episode."""
    spec, space = found.spec, found.spec.observation
    if not isinstance(spec, Spec) or Spec.from_json(json.loads(json.dumps(spec.to_json()))) != spec:
        raise Failed("The spec is a Spec of plain values.", repr(spec), "use numbers and tuples, not arrays")
    action = spec.action
    discrete = action.n is not None
    if discrete != (np.dtype(action.dtype).kind in "iu") or (not discrete and not np.isfinite([action.low, action.high]).all()):
        contract = "An action is discrete (an integer dtype and `n`), or continuous with finite bounds."
        raise Failed(contract, repr(action), "Space((), 'int64', 0, n - 1, n), or Space((n,), 'float32', -1.0, 1.0) and rescale inside")
    for episode in found.episodes:
        for number, (returned, seen) in enumerate(zip(_all_returned(episode), episode.observations, strict=True)):
            _check_observation(returned, seen, space, f"episode {episode.seed}, after {number} steps")
        for number, step in enumerate(episode.steps, 1):
            _check_reward(step.reward, spec.reward_range, f"episode {episode.seed}, step {number}")


def _all_returned(episode: Episode) -> list[Any]:
    return [*episode.returned, *episode.observations[len(episode.returned) :]]


def _check_observation(returned: Any, seen: np.ndarray, space: Space, where: str) -> None:
    contract = "Every observation is an array with the shape, dtype and range of the spec."
    if not isinstance(returned, np.ndarray) or returned.shape != space.shape or returned.dtype != space.dtype:
        what = f"{returned.dtype} {returned.shape}" if isinstance(returned, np.ndarray) else type(returned).__name__
        raise Failed(contract, f"{where}: {what}, declared is {space.dtype} {space.shape}", "np.asarray(observation, dtype).reshape(shape)")
    if seen.size and (not np.isfinite(seen).all() if seen.dtype.kind == "f" else False):
        raise Failed(contract, f"{where}: it is not finite", "raise EpisodeFailed if the simulation diverges")
    flat, low, high = seen.ravel(), np.asarray(space.low), np.asarray(space.high)
    if (flat < low - 1e-4 * (1 + abs(low))).any() or (flat > high + 1e-4 * (1 + abs(high))).any():
        raise Failed(
            contract, f"{where}: from {flat.min():g} to {flat.max():g}, declared is {space.low} to {space.high}", "declare the true bounds"
        )


def _check_reward(reward: Any, bounds: tuple[float, float], where: str) -> None:
    contract = "A reward is one finite number within `reward_range`."
    number = isinstance(reward, numbers.Real) or (isinstance(reward, np.ndarray) and reward.ndim == 0)
    if not number or not math.isfinite(float(reward)):
        raise Failed(contract, f"{where}: {reward!r}", "float(reward); raise EpisodeFailed if it is not finite")
    low, high = bounds
    if not low - 1e-6 * (1 + abs(low)) <= float(reward) <= high + 1e-6 * (1 + abs(high)):
        raise Failed(
            contract,
            f"{where}: {float(reward):g}, declared is {low:g} to {high:g}",
            "declare the range of a whole agent step with all its repeats",
        )


def ends_honestly(found: Inspection) -> None:
    """`terminated` marks terminal states, `truncated` the time limit of the spec."""
    ends = []
    for episode in found.episodes:
        for number, step in enumerate(episode.steps, 1):
            if any(not isinstance(flag, bool | np.bool_) for flag in (step.terminated, step.truncated)):
                contract = "`terminated` and `truncated` are booleans."
                raise Failed(contract, f"{step.terminated!r}, {step.truncated!r}", "bool(…)")
            where = f"episode {episode.seed}, step {number}"
            limit = f"{found.limit} steps" if found.limit is not None else "none"
            if step.truncated and not step.terminated and number != found.limit:
                contract = "An episode is truncated only by its time limit, which the spec declares as `episode_frames`."
                raise Failed(contract, f"{where} is truncated; declared limit: {limit}", "declare the limit in frames, or use terminated")
            if found.limit is not None and number >= found.limit and not (step.terminated or step.truncated):
                contract = "An episode ends at the time limit of the spec, `episode_frames`."
                raise Failed(contract, f"{where} goes on; declared limit: {limit}", "declare the limit in frames (steps × action_repeat)")
        if episode.ended:
            ends.append((len(episode.steps), bool(episode.steps[-1].terminated), bool(episode.steps[-1].truncated)))
    if not ends:
        raise Skipped(f"no episode ended within {STEPS} steps")
    if found.limit is not None and len(ends) > 1 and set(ends) == {(found.limit, True, False)} and found.limit > 1:
        contract = "A time limit is not a terminal state: values are bootstrapped after it."
        change = "use truncated=True, or episode_frames=None if the last state is really terminal"
        raise Failed(contract, f"all {len(ends)} episodes are terminated exactly at the limit of {found.limit} steps", change)


def shows_the_last_observation(found: Inspection) -> None:
    """The observation of the last step belongs to its episode and not to the next one."""
    ended = [episode for episode in found.episodes if episode.ended and len(episode.steps) > 1]
    if len(ended) < 2:
        raise Skipped(f"fewer than two episodes of more than one step ended within {STEPS} steps")
    if all(_looks_like_a_start(episode.observations[-1], found) for episode in ended) and not any(
        _looks_like_a_start(episode.observations[-2], found) for episode in ended
    ):
        contract = "The last step returns the last observation of its episode; only `reset` starts the next one."
        seen = f"at the end of {len(ended)} of {len(ended)} episodes, what a reset shows, and never one step before"
        change = "return the observation before the reset (Gymnasium: no autoreset, or info['final_obs'])"
        raise Failed(contract, seen, change)


def _looks_like_a_start(observation: np.ndarray, found: Inspection) -> bool:
    """Whether an observation is within the range of initial observations, widened by half on both sides."""
    flat, low, high = observation.astype(np.float64).ravel(), found.starts.min(0), found.starts.max(0)
    slack = 0.5 * (high - low)
    return bool(((flat >= low - slack) & (flat <= high + slack)).all())


def repeats_an_episode(found: Inspection) -> None:
    """The same seed and actions give the same episode bit for bit, in the same and in another environment."""
    if not found.spec.deterministic:
        raise Skipped("its spec has deterministic=False")
    if found.unlike:
        contract = "An episode is a function of its seed and actions, so that resuming is exact."
        change = "use only the seed of `reset`, keep no state of earlier episodes; or Spec(deterministic=False)"
        raise Failed(contract, found.unlike, change)


def fast_forwards_to_the_same(found: Inspection) -> None:
    """`fast_forward` reaches the same state as stepping."""
    if not found.spec.deterministic:
        raise Skipped("its spec has deterministic=False")
    if found.unlike:
        raise Skipped("its episodes do not repeat: see repeats_an_episode")
    episode, space = found.episodes[0], found.spec.action
    most = len(episode.steps) - (1 if episode.ended else 0)  # only unfinished episodes are rebuilt
    contract = "`fast_forward(seed, actions)` rebuilds an unfinished episode: its observation and its state."
    for count in dict.fromkeys((0, 1, most // 2, min(most, 200))):
        if count > most:
            continue
        actions = np.array(episode.actions[:count], space.dtype).reshape(count, *space.shape)
        reached = np.array(found.other.fast_forward(episode.seed, actions))
        if not np.array_equal(reached, episode.observations[count]):
            raise Failed(
                contract,
                f"after {count} actions the observation differs from that of stepping",
                "do everything that `step` does except rendering",
            )
        for number in range(count, min(count + 3, len(episode.steps))):
            step = found.other.step(episode.actions[number].copy())
            if not np.array_equal(step.observation, episode.observations[number + 1]) or step.reward != episode.steps[number].reward:
                seen = f"after {count} actions, {number + 1 - count} steps later, the episode has become another"
                raise Failed(contract, seen, "set time, filters and counters as `step` does")


def saves_its_state(found: Inspection) -> None:
    """`load_state_dict` continues the episode of `state_dict` in another environment."""
    one, other, episode = found.environment, found.other, found.episodes[0]
    actions, half = episode.actions[: len(episode.steps)], (len(episode.steps) - 1) // 2
    newest = one.reset(episode.seed)
    for action in actions[:half]:
        newest = one.step(action.copy()).observation
    newest, state = np.array(newest), one.state_dict()
    if state is None:
        raise Skipped("it has no state_dict: episodes are rebuilt by repeating their actions")
    contract = "`state_dict` holds the whole state of an unfinished episode; `load_state_dict` returns its newest observation."
    state = {name: np.array(array) for name, array in state.items()}
    rest = []
    for action in actions[half:]:
        step = one.step(action.copy())
        rest.append(step._replace(observation=np.array(step.observation)))
    other.reset(episode.seed + 1)
    if not np.array_equal(np.array(other.load_state_dict(state)), newest):
        raise Failed(contract, f"after {half} steps another observation is returned", "return the observation of the last `step`")
    if not found.spec.deterministic:
        return
    for number, action in enumerate(actions[half:]):
        step = other.step(action.copy())
        if not np.array_equal(step.observation, rest[number].observation) or not _same(step, rest[number]):
            seen = f"taken after {half} steps, {number + 1} steps later, the episode has become another"
            raise Failed(contract, seen, "save time, counters, filters and the state of random generators too")


def vectorises_the_same_episodes(found: Inspection) -> None:
    """Its own vectorised implementation, if it has one, has the episodes of its single environments, bit for bit."""
    vector = found.suite.vector(VECTOR, 0, "inspection")
    if vector is None:
        raise Skipped("it has no vectorised implementation")
    try:
        if not vector.spec.deterministic:
            raise Skipped("its environments are not deterministic")
        with WorkerVectorEnv(found.suite, VECTOR, 0, "inspection", "inline") as singles:
            same = agree(vector, singles, AGAIN)
    finally:
        vector.close()
    if not same:
        contract = "Suite.vector has the episodes of Suite.environment: episode e of environment i resets with derive(seed, stream, i, e)."
        raise Failed(contract, f"another bit within {AGAIN} steps", "compare the first observations, then one step")


def keeps_what_it_returned(found: Inspection) -> None:
    """Returned observations do not change later."""
    for episode in found.episodes:
        for number, (returned, copy) in enumerate(zip(episode.returned, episode.observations, strict=False)):
            if not np.array_equal(returned, copy, equal_nan=copy.dtype.kind == "f"):
                contract = "The environment does not write into an observation after returning it."
                seen = f"episode {episode.seed}: the observation after {number} steps changed later"
                raise Failed(contract, seen, "return observation.copy() and not a reused buffer")


def draws_or_says_so(found: Inspection) -> None:
    """`render` returns an image of the requested size, or raises UnsupportedRender."""
    found.other.reset(1)
    try:
        picture = found.other.render(48, 64)
    except UnsupportedRender as error:
        raise Skipped(f"it cannot be rendered: {error}") from None
    if not isinstance(picture, np.ndarray) or picture.shape != (48, 64, 3) or picture.dtype != np.uint8:
        seen = f"{picture.dtype} {picture.shape}" if isinstance(picture, np.ndarray) else type(picture).__name__
        raise Failed("`render(height, width)` returns (height, width, 3) uint8.", f"render(48, 64): {seen}", "or raise UnsupportedRender")


def closes_twice(found: Inspection) -> None:
    """Closing twice, or before a reset, raises no error."""
    fresh = found.suite.environment()
    for environment in (fresh, found.environment):
        for time in ("first", "second"):
            try:
                environment.close()
            except Exception as error:
                contract = "`close` releases resources and can be called twice."
                seen = f"the {time} time: {type(error).__name__}: {error}"
                raise Failed(contract, seen, "remember that it is closed") from error


def lives_without_torch(found: Inspection) -> None:
    """Its environments do not import torch, so that their processes start fast and stay small, without a conflict of OpenGL and Triton."""
    if found.suite.placement == "inline":
        raise Skipped("it runs in the process of the trainer, which has torch")
    if "torch" in sys.modules:
        contract = "The modules of environments do not import torch."
        raise Failed(contract, "building and stepping it imported torch", "move code that needs torch to other modules")


#: In order of execution: the last ones close the environments.
INSPECTED = (
    agrees_with_its_spec,
    ends_honestly,
    shows_the_last_observation,
    repeats_an_episode,
    fast_forwards_to_the_same,
    saves_its_state,
    vectorises_the_same_episodes,
    keeps_what_it_returned,
    draws_or_says_so,
    lives_without_torch,
    closes_twice,
)


def inspect(reference: SuiteReference) -> dict[str, list[str]]:
    """State, contract, observation and fix for each check."""
    try:
        found = Inspection(reference)
    except FilesMissing as missing:  # a data set that is not on every machine
        return {check.__name__: ["skipped", missing.problems[0].message] for check in INSPECTED}
    results: dict[str, list[str]] = {}
    for check in INSPECTED:
        try:
            check(found)
            results[check.__name__] = ["ok"]
        except Skipped as skipped:
            results[check.__name__] = ["skipped", str(skipped)]
        except Failed as failed:
            results[check.__name__] = ["failed", failed.contract, failed.seen, failed.change]
        except Exception:
            results[check.__name__] = ["failed", check.__doc__ or "", traceback.format_exc(), "fix the error"]
    found.close()
    return results


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(inspect(SuiteReference.from_json(json.load(sys.stdin)))))
