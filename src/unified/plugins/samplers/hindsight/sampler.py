"""Hindsight experience replay. Andrychowicz, Wolski, Ray et al. 2017; mixtures of goals as in mrl, Pitis et al. 2020."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from unified import Problem, Suite, UsageError
from unified.plugins.samplers.prioritised.sampler import Prioritised
from unified.replay import Sampler, Transitions, Uniform, windows

if TYPE_CHECKING:
    from unified.plugins.samplers.hindsight.config import HindsightOptions
    from unified.replay import Array, Batch, Store, View

#: Share of each strategy in the warm-up.
WARM_UP = {"future": 1.0}
#: Columns of a batch that hold the goal.
GOALS = ("obs.desired_goal", "next_obs.desired_goal", "future_obs.desired_goal")


class Hindsight(Sampler):
    """Transitions, of which most get another goal than the one that was pursued, with its rewards.

    | strategy | the goal is |
    |---|---|
    | `future` | what the episode achieved after this step, or after a later one, each with the same probability |
    | `final` | what it achieved after its last step |
    | `episode` | what it achieved after any of its steps |
    | `random` | what any episode in the replay achieved after any of its steps |
    | `actual` | the goal that the task set in any step of the replay: the column ``actual_goal``, or ``obs.desired_goal`` without one |
    | `behavioural` | the goal that was pursued in any step of the replay: ``obs.desired_goal`` |

    The rewards of a relabelled row, all n of an n-step return, are `Suite.compute_reward` of the goals achieved after its steps. When rows
    end, with discount 0, is the option `ends`:

    | ends | a row ends at the first step |
    |---|---|
    | `environment` | whose state is terminal for its goal (`Suite.compute_terminated`); rows with their own goal end as they were stored |
    | `first_visit` | that earns what achieving exactly the goal would; all rows do |
    | `never_done` | none does: the discount is γ, of an n-step return its power, in all rows |

    In the first two, a step that was terminal for another reason than the goal it pursued stays so. An unfinished episode offers what it
    achieved so far. Rows with their own goal keep their rewards, and all rows their other columns (``success``). Priorities belong to rows,
    whatever goals they get. Sources: Andrychowicz et al. 2017, sections 3.4 and 4.5, https://arxiv.org/abs/1707.01495; Pitis et al. 2020,
    appendix, https://arxiv.org/abs/2007.02832.

    Args:
        options: As in `config.py`.

    Attributes:
        steps: Transitions that were added so far.
    """

    def __init__(self, options: HindsightOptions) -> None:
        self.shares, self.warm_up, self.ends, self.steps = options.shares, options.warm_up, options.ends, 0
        self.rows: Sampler = Uniform() if options.prioritised is None else Prioritised(options.prioritised, options.priority_beta)
        self.prioritises = self.rows.prioritises

    def setup(self, store: Store, view: View, *, suite: Suite | None = None, updates: int | None = None) -> None:
        if not isinstance(view, Transitions):
            raise UsageError(Problem("replay.sampler=hindsight needs an off-policy agent that learns from transitions", "--agent sac"))
        if not {"obs.achieved_goal", "obs.desired_goal"} <= store.columns.keys():
            has = ", ".join(name.removeprefix("obs.") for name in store.observations)
            needs = "observations named achieved_goal and desired_goal"
            raise UsageError(Problem(f"replay.sampler=hindsight needs {needs}; the task has {has}", "replay.sampler=uniform"))
        if suite is None or type(suite).compute_reward is Suite.compute_reward:
            raise UsageError(Problem(f"replay.sampler=hindsight needs {type(suite).__name__}.compute_reward(achieved, desired)"))
        self.suite: Any = suite
        _probe(suite, store.columns["obs.desired_goal"].shape)
        self.actual = "actual_goal" if "actual_goal" in store.columns else "obs.desired_goal"
        self.rows.setup(store, view, suite=suite, updates=updates)

    def sample(self, store: Store, view: View, count: int, generator: np.random.Generator) -> tuple[Array, Array]:
        return self.rows.sample(store, view, count, generator)

    def relabel(self, batch: Batch, store: Store, view: View, generator: np.random.Generator) -> Batch:
        shares = WARM_UP if self.steps < self.warm_up else self.shares
        bounds, draws, index = np.cumsum(list(shares.values())), generator.random(batch.size), batch.index.numpy()
        goal, low = store.data["obs.desired_goal"].take(index, axis=0), 0.0
        for strategy, high in zip(shares, bounds, strict=True):
            rows = np.flatnonzero((draws >= low) & (draws < high))
            if len(rows):
                goal[rows] = self._goals(strategy, store, view, index[rows], generator)
            low = high
        changed = draws < low
        reward, discount = self._returns(store, view, index, goal, ~changed)
        # Rows with their own goal end as the environment said, unless another rule holds for all.
        judged = changed if self.ends == "environment" else True
        np.copyto(batch["reward"].numpy(), reward, where=judged)
        np.copyto(batch["discount"].numpy(), discount, where=judged)
        goal = np.concatenate([goal] * view.stack, axis=1) if view.stack > 1 else goal
        for name in GOALS:
            if name in batch:
                column = batch[name].numpy()
                steps = goal[:, None] if name.startswith("future") else goal
                np.copyto(column, steps, where=changed.reshape(-1, *[1] * (column.ndim - 1)))
        return batch

    def _goals(self, strategy: str, store: Store, view: View, index: Array, generator: np.random.Generator) -> Array:
        """Goals ``(B, *goal)`` for the rows that begin at `index`."""
        if strategy in ("random", "actual", "behavioural"):
            index, _ = Uniform().sample(store, view, len(index), generator)
            if strategy != "random":
                return store.data[self.actual if strategy == "actual" else "obs.desired_goal"].take(index, axis=0)
            chosen = store.slot(index) + 1  # what a step achieves is in the slot after it
        else:
            first, last = store.episodes(index)
            start = store.slot(index) if strategy == "future" else first
            chosen = last if strategy == "final" else generator.integers(start + 1, last + 1)
        return store.data["obs.achieved_goal"].take(store.index(index // store.length, chosen), axis=0)

    def _returns(self, store: Store, view: Any, index: Array, goal: Array, own: Array) -> tuple[Array, Array]:
        """n-step reward and discount ``(B,)`` of rows with these goals ``(B, *goal)``, of which some are their `own` ``(B,)``."""
        data = store.data
        at, inside = windows(view, store, index)
        achieved = data["obs.achieved_goal"].take(at[1:], axis=0)
        goals = np.broadcast_to(goal, achieved.shape)
        reward = self._of_steps(self.suite.compute_reward, achieved, goals).astype(np.float32)
        terminal = np.zeros(inside.shape, bool)
        if self.ends != "never_done":
            if self.ends == "environment":
                terminal = self._of_steps(self.suite.compute_terminated, achieved, goals).astype(bool)
            else:
                terminal = reward == np.asarray(self.suite.compute_reward(goal, goal)).astype(np.float32)
            old = data["terminated"][at[:-1]]
            if old.any():  # for which reason
                old &= ~self._of_steps(self.suite.compute_terminated, achieved, data["obs.desired_goal"][at[:-1]]).astype(bool)
            terminal |= old
        inside[1:] &= np.logical_and.accumulate(~terminal[:-1], axis=0)
        if own.any():
            reward = np.where(own, data["reward"][at[:-1]], reward)
        powers = (view.discount ** np.arange(view.n_step + 1)).astype(np.float32)
        steps = inside.sum(axis=0)
        ended = terminal[steps - 1, np.arange(len(index))]
        return (powers[:-1, None] * reward * inside).sum(axis=0), np.where(ended, np.float32(0), powers[steps])

    def _of_steps(self, function: Any, achieved: Array, desired: Array) -> Array:
        """A function of the suite on goals ``(n, B, *goal)``: ``(n, B)``."""
        shape = (-1, *achieved.shape[2:])
        return np.asarray(function(achieved.reshape(shape), desired.reshape(shape))).reshape(achieved.shape[:2])

    def add(self, index: Array) -> None:
        self.steps += len(index)
        self.rows.add(index)

    def remove(self, index: Array) -> None:
        self.rows.remove(index)

    def update_priorities(self, index: Array, priority: Array) -> None:
        self.rows.update_priorities(index, priority)

    def state_dict(self) -> dict[str, Any]:
        return {"steps": self.steps, "rows": self.rows.state_dict()}

    def load_state_dict(self, state: dict[str, Any], store: Store) -> None:
        self.steps = int(state["steps"])
        self.rows.load_state_dict(state["rows"], store)


def _probe(suite: Suite, goal: tuple[int, ...]) -> None:
    """Check that a suite computes one reward, and one end, for each row of goals."""
    rows = np.zeros((2, *goal), np.float32)
    for name in ("compute_reward", "compute_terminated"):
        with np.errstate(all="ignore"):  # zeros need not be goals
            shape = np.shape(getattr(suite, name)(rows, rows))
        if shape != (2,):
            what = f"{type(suite).__name__}.{name} must return one value for each row of goals, shape (2,) for {rows.shape}; it is {shape}"
            raise UsageError(Problem(what, "add  axis=-1  to sums and norms"))
