"""Plays a suite's environments and says where they break the contract. Torch-free: it runs in a process like those of environments.

``python -m unified.testing.inspection FILE`` reads a `SuiteReference` as JSON from the standard input and writes to FILE, as JSON, what
became of each check: ``{name: [state, contract, seen, change]}``.
"""

from __future__ import annotations

import json
import math
import numbers
import sys
import traceback
from dataclasses import dataclass, field
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

#: Episodes that are played to their end, and steps that all of them may take together.
EPISODES, STEPS = 3, 2000
#: Steps that are played again.
AGAIN = 200
#: Environments of a vectorised implementation.
VECTOR = 3
#: Observations whose memory is watched; and first observations that an end is compared with.
WATCHED, STARTS = 20, 24


@dataclass
class Episode:
    """What was seen of an episode: copies, and what was returned itself.

    `observations` are T + 1 copies, `returned` the very arrays of the first ones, `actions` and `steps` are T.
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
    """A suite under inspection: its environments, and the episodes that all checks look at."""

    def __init__(self, reference: SuiteReference) -> None:
        self.suite: Suite = reference.build()
        self.environment: Environment = self.suite.environment()
        self.spec: Spec = self.environment.spec
        #: Steps of an episode at its time limit.
        self.limit = math.ceil(self.spec.episode_frames / self.spec.action_repeat) if self.spec.episode_frames else None

    @cached_property
    def other(self) -> Environment:
        """A second environment of the task."""
        return self.suite.environment()

    @cached_property
    def episodes(self) -> list[Episode]:
        """Up to `EPISODES` of them with random actions, fewer where they are long; the last may be cut off."""
        played: list[Episode] = []
        left = STEPS
        for seed in range(1, 4 * EPISODES):
            if len(played) == EPISODES or left <= (STEPS // 2 if len(played) > 1 else 0):  # two will do where they are long
                break
            try:
                played.append(play(self.environment, seed, left))
            except EpisodeFailed:  # that happens; the next one
                continue
            left -= len(played[-1].steps)
        if not played:
            raise Failed("An episode can be played.", f"{4 * EPISODES - 1} episodes failed in a row", "look at why EpisodeFailed is raised")
        return played

    @cached_property
    def starts(self) -> np.ndarray:
        """First observations of many seeds, those of the episodes and their followers among them, ``(K, size)``."""
        return np.stack([np.array(self.other.reset(seed), np.float64).ravel() for seed in range(STARTS)])

    @cached_property
    def unlike(self) -> str:
        """How the first episode differs when it is played again, in the same or another environment; empty where it does not."""
        first = self.episodes[0]
        for environment, which in ((self.environment, "the same environment"), (self.other, "another environment")):
            again = play(environment, first.seed, AGAIN, first.actions)
            steps = any(a[1:] != b[1:] for a, b in zip(first.steps, again.steps, strict=False))
            pairs = enumerate(zip(first.observations, again.observations, strict=False))
            at = next((number for number, (a, b) in pairs if not np.array_equal(a, b)), None)
            if at is not None:
                return f"{which}, played again: other observations after {at} steps"
            if steps or len(again.steps) != min(AGAIN, len(first.steps)):
                return f"{which}, played again: other rewards or another end"
        return ""

    def close(self) -> None:
        self.environment.close()
        if "other" in vars(self):
            self.other.close()


def play(environment: Environment, seed: int, most: int, actions: list[np.ndarray] | None = None) -> Episode:
    """An episode to its end, or as many steps as allowed or given; by default with random actions, some of them at the bounds."""
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
    """Observations and rewards are of the shape, type and range that the spec declares, at an end too."""
    spec, space = found.spec, found.spec.observation
    if not isinstance(spec, Spec) or Spec.from_json(json.loads(json.dumps(spec.to_json()))) != spec:
        raise Failed("The spec is a Spec of plain values.", repr(spec), "give numbers and tuples, no arrays")
    action = spec.action
    discrete = action.n is not None
    if discrete != (np.dtype(action.dtype).kind in "iu") or (not discrete and not np.isfinite([action.low, action.high]).all()):
        contract = "An action is a choice (an integer type, and `choices`), or real numbers within finite bounds."
        raise Failed(contract, repr(action), "Space((), 'int64', 0, n - 1, n), or Space((n,), 'float32', -1.0, 1.0) and rescale inside")
    for episode in found.episodes:
        for number, (returned, seen) in enumerate(zip(_all_returned(episode), episode.observations, strict=True)):
            _check_observation(returned, seen, space, f"episode {episode.seed}, after {number} steps")
        for number, step in enumerate(episode.steps, 1):
            _check_reward(step.reward, spec.reward_range, f"episode {episode.seed}, step {number}")


def _all_returned(episode: Episode) -> list[Any]:
    return [*episode.returned, *episode.observations[len(episode.returned) :]]


def _check_observation(returned: Any, seen: np.ndarray, space: Space, where: str) -> None:
    contract = "Every observation is an array of the shape, type and range in the spec."
    if not isinstance(returned, np.ndarray) or returned.shape != space.shape or returned.dtype != space.dtype:
        what = f"{returned.dtype} {returned.shape}" if isinstance(returned, np.ndarray) else type(returned).__name__
        raise Failed(contract, f"{where}: {what}, declared is {space.dtype} {space.shape}", "np.asarray(observation, dtype).reshape(shape)")
    if seen.size and (not np.isfinite(seen).all() if seen.dtype.kind == "f" else False):
        raise Failed(contract, f"{where}: it is not finite", "raise EpisodeFailed where the simulation diverges")
    flat, low, high = seen.ravel(), np.asarray(space.low), np.asarray(space.high)
    if (flat < low - 1e-4 * (1 + abs(low))).any() or (flat > high + 1e-4 * (1 + abs(high))).any():
        raise Failed(
            contract, f"{where}: from {flat.min():g} to {flat.max():g}, declared is {space.low} to {space.high}", "declare the true bounds"
        )


def _check_reward(reward: Any, bounds: tuple[float, float], where: str) -> None:
    contract = "A reward is one finite number within `reward_range`."
    number = isinstance(reward, numbers.Real) or (isinstance(reward, np.ndarray) and reward.ndim == 0)
    if not number or not math.isfinite(float(reward)):
        raise Failed(contract, f"{where}: {reward!r}", "float(reward); raise EpisodeFailed where it is none")
    low, high = bounds
    if not low - 1e-6 * (1 + abs(low)) <= float(reward) <= high + 1e-6 * (1 + abs(high)):
        raise Failed(contract, f"{where}: {float(reward):g}, declared is {low:g} to {high:g}", "of a whole agent step, all its repeats")


def ends_honestly(found: Inspection) -> None:
    """`terminated` says that the task is over, `truncated` that only the time is, at the limit that the spec declares."""
    ends = []
    for episode in found.episodes:
        for number, step in enumerate(episode.steps, 1):
            if any(not isinstance(flag, bool | np.bool_) for flag in (step.terminated, step.truncated)):
                contract = "`terminated` and `truncated` are two truths."
                raise Failed(contract, f"{step.terminated!r}, {step.truncated!r}", "bool(…)")
            where = f"episode {episode.seed}, step {number}"
            limit = f"{found.limit} steps" if found.limit is not None else "none"
            if step.truncated and not step.terminated and number != found.limit:
                contract = "An episode is truncated by its time limit alone, and the spec declares it: `episode_frames`."
                raise Failed(contract, f"{where} is truncated; declared limit: {limit}", "declare the limit in frames, or say terminated")
            if found.limit is not None and number >= found.limit and not (step.terminated or step.truncated):
                contract = "An episode ends at the limit that the spec declares: `episode_frames`."
                raise Failed(contract, f"{where} goes on; declared limit: {limit}", "declare the limit in frames (steps × action_repeat)")
        if episode.ended:
            ends.append((len(episode.steps), bool(episode.steps[-1].terminated), bool(episode.steps[-1].truncated)))
    if not ends:
        raise Skipped(f"no episode ended within {STEPS} steps")
    if found.limit is not None and len(ends) > 1 and set(ends) == {(found.limit, True, False)} and found.limit > 1:
        contract = "A time limit is no end of the task: the value of what would follow still counts."
        change = "truncated=True there; or episode_frames=None where the last state really is terminal"
        raise Failed(contract, f"all {len(ends)} episodes are terminated exactly at the limit of {found.limit} steps", change)


def shows_the_last_observation(found: Inspection) -> None:
    """The observation of an episode's last step belongs to this episode, not to the next one."""
    ended = [episode for episode in found.episodes if episode.ended and len(episode.steps) > 1]
    if len(ended) < 2:
        raise Skipped(f"fewer than two episodes of more than one step ended within {STEPS} steps")
    if all(_looks_like_a_start(episode.observations[-1], found) for episode in ended) and not any(
        _looks_like_a_start(episode.observations[-2], found) for episode in ended
    ):
        contract = "The last step returns the last observation of its own episode; the next one begins with `reset` alone."
        seen = f"at the end of {len(ended)} of {len(ended)} episodes, what a reset shows, and never one step before"
        change = "take the observation before anything is reset (Gymnasium: no autoreset, or info['final_obs'])"
        raise Failed(contract, seen, change)


def _looks_like_a_start(observation: np.ndarray, found: Inspection) -> bool:
    """Whether it lies among first observations: their range, widened by half of it on both sides for those that were not drawn."""
    flat, low, high = observation.astype(np.float64).ravel(), found.starts.min(0), found.starts.max(0)
    slack = 0.5 * (high - low)
    return bool(((flat >= low - slack) & (flat <= high + slack)).all())


def repeats_an_episode(found: Inspection) -> None:
    """The same seed and actions give the same episode, bit for bit, again and in another environment."""
    if not found.spec.deterministic:
        raise Skipped("its spec says deterministic=False")
    if found.unlike:
        contract = "An episode is a function of its seed and actions: so a run can be resumed exactly."
        change = "draw everything from the seed given to `reset`, keep nothing of earlier episodes; or Spec(deterministic=False)"
        raise Failed(contract, found.unlike, change)


def fast_forwards_to_the_same(found: Inspection) -> None:
    """`fast_forward` leads where stepping leads, and the episode goes on from there."""
    if not found.spec.deterministic:
        raise Skipped("its spec says deterministic=False")
    if found.unlike:
        raise Skipped("its episodes do not repeat: see repeats_an_episode")
    episode, space = found.episodes[0], found.spec.action
    most = len(episode.steps) - (1 if episode.ended else 0)  # unfinished episodes are rebuilt, never finished ones
    contract = "`fast_forward(seed, actions)` rebuilds an unfinished episode: the observation reached, and the state behind it."
    for count in dict.fromkeys((0, 1, most // 2, min(most, 200))):
        if count > most:
            continue
        actions = np.array(episode.actions[:count], space.dtype).reshape(count, *space.shape)
        reached = np.array(found.other.fast_forward(episode.seed, actions))
        if not np.array_equal(reached, episode.observations[count]):
            raise Failed(
                contract, f"after {count} actions the observation differs from that of stepping", "do all that `step` does but draw"
            )
        for number in range(count, min(count + 3, len(episode.steps))):
            step = found.other.step(episode.actions[number].copy())
            if not np.array_equal(step.observation, episode.observations[number + 1]) or step.reward != episode.steps[number].reward:
                seen = f"after {count} actions, {number + 1 - count} steps later, the episode has become another"
                raise Failed(contract, seen, "leave time, filters and counters as `step` leaves them")


def saves_its_state(found: Inspection) -> None:
    """`load_state_dict` goes on with the episode whose `state_dict` was taken, in another environment."""
    one, other, episode = found.environment, found.other, found.episodes[0]
    actions, half = episode.actions[: len(episode.steps)], (len(episode.steps) - 1) // 2
    newest = one.reset(episode.seed)
    for action in actions[:half]:
        newest = one.step(action.copy()).observation
    newest, state = np.array(newest), one.state_dict()
    if state is None:
        raise Skipped("it has no state_dict: episodes are rebuilt by repeating their actions")
    contract = "`state_dict` holds all that an unfinished episode goes on from; `load_state_dict` returns its newest observation."
    state = {name: np.array(array) for name, array in state.items()}
    rest = []
    for action in actions[half:]:
        step = one.step(action.copy())
        rest.append(step._replace(observation=np.array(step.observation)))
    other.reset(episode.seed + 1)
    if not np.array_equal(np.array(other.load_state_dict(state)), newest):
        raise Failed(contract, f"after {half} steps another observation is returned", "return what the last `step` returned")
    if not found.spec.deterministic:
        return
    for number, action in enumerate(actions[half:]):
        step = other.step(action.copy())
        if not np.array_equal(step.observation, rest[number].observation) or step[1:] != rest[number][1:]:
            seen = f"taken after {half} steps, {number + 1} steps later, the episode has become another"
            raise Failed(contract, seen, "save time, counters, filters and the state of random generators too")


def vectorises_the_same_episodes(found: Inspection) -> None:
    """Its own vectorised implementation, if it has one, has the episodes of its single environments, bit for bit."""
    with WorkerVectorEnv(found.suite, VECTOR, 0, "inspection", "inline") as singles:
        vector = found.suite.vector(VECTOR, 0, "inspection")
        if vector is None:
            raise Skipped("it has no vectorised implementation")
        if not singles.spec.deterministic:
            raise Skipped("its environments are not deterministic")
        try:
            same = agree(vector, singles, AGAIN)
        finally:
            vector.close()
    if not same:
        contract = (
            "Suite.vector has the episodes of Suite.environment: episode e of environment i is reset with derive(seed, stream, i, e)."
        )
        raise Failed(contract, f"another bit within {AGAIN} steps", "compare the resets first, then one step; or return None")


def keeps_what_it_returned(found: Inspection) -> None:
    """Observations that were returned are not written into later."""
    for episode in found.episodes:
        for number, (returned, copy) in enumerate(zip(episode.returned, episode.observations, strict=False)):
            if not np.array_equal(returned, copy, equal_nan=copy.dtype.kind == "f"):
                contract = "An observation belongs to whom it was given: the environment does not write into it afterwards."
                seen = f"episode {episode.seed}: the observation after {number} steps changed later"
                raise Failed(contract, seen, "return observation.copy(), not the buffer it is drawn into")


def draws_or_says_so(found: Inspection) -> None:
    """`render` gives a picture of the size asked for, or says that there is none."""
    found.other.reset(1)
    try:
        picture = found.other.render(48, 64)
    except UnsupportedRender as error:
        raise Skipped(f"it has no picture: {error}") from None
    if not isinstance(picture, np.ndarray) or picture.shape != (48, 64, 3) or picture.dtype != np.uint8:
        seen = f"{picture.dtype} {picture.shape}" if isinstance(picture, np.ndarray) else type(picture).__name__
        raise Failed("`render(height, width)` gives (height, width, 3) uint8.", f"render(48, 64): {seen}", "or raise UnsupportedRender")


def closes_twice(found: Inspection) -> None:
    """Closing twice does no harm, nor does closing what was never reset."""
    fresh = found.suite.environment()
    for environment in (fresh, found.environment):
        for time in ("first", "second"):
            try:
                environment.close()
            except Exception as error:
                contract = "`close` releases everything; closing twice does no harm."
                seen = f"the {time} time: {type(error).__name__}: {error}"
                raise Failed(contract, seen, "remember that it is closed") from error


def lives_without_torch(found: Inspection) -> None:
    """Its environments import no torch: their processes start fast and stay small, and software OpenGL never meets Triton."""
    if found.suite.placement == "inline":
        raise Skipped("it lives in the trainer's process, which has torch")
    if "torch" in sys.modules:
        contract = "A suite's environment code is a torch-free module of its own."
        raise Failed(contract, "torch was imported by building and playing it", "move what needs torch out of the environment's modules")


#: In the order in which they are done: the last ones end the environments.
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
    """State, contract, what was seen and what to change, for each check."""
    try:
        found = Inspection(reference)
    except FilesMissing as missing:  # a data set that is not on every machine
        return {check.__name__: ["skipped", missing.problems[0].message] for check in INSPECTED}
    told: dict[str, list[str]] = {}
    for check in INSPECTED:
        try:
            check(found)
            told[check.__name__] = ["ok"]
        except Skipped as skipped:
            told[check.__name__] = ["skipped", str(skipped)]
        except Failed as failed:
            told[check.__name__] = ["failed", failed.contract, failed.seen, failed.change]
        except Exception:
            told[check.__name__] = ["failed", check.__doc__ or "", traceback.format_exc(), "mend what is raised"]
    found.close()
    return told


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(inspect(SuiteReference.from_json(json.load(sys.stdin)))))
