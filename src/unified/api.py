"""`train` and `load`, the Python functions of the commands."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unified.core.runs.run import Run
    from unified.core.trainer.inference import InferencePolicy


def train(
    agent: Any = None,
    suite: Any = None,
    recipes: str | Iterable[str] = (),
    config: Mapping[str, Any] | None = None,
    callbacks: Iterable[Any] = (),
    trust: bool = False,
    **values: Any,
) -> Run:
    """Train to the end of the budget and return the run, with its metrics.

    The same as ``unified train``: a run of the same configuration is resumed.

    Every name can also be a class, a function or an object. If it can be imported, the run stores its import path. Anything
    else (of a notebook, of ``__main__``, an instance) exists in this process only; running the same script again resumes the run.

    Args:
        agent: Name of an agent, ``"drqv2"``, a reference, ``"./mine.py:MyAgent"``, or a subclass of `Agent`.
        suite: Name of a suite and its task, ``"dmc:cartpole_swingup"``, a reference, a subclass of `Suite` or `Environment`, a
            `gymnasium.Env` (which is left alone: the run makes environments like it), or a function that makes one. A tuple
            ``(train, test)`` of two `torch.utils.data.Dataset` is one data set, and a list names several suites.
        recipes: Names or paths of recipes, later ones win.
        config: Values by dotted key, ``{"agent.lr": 1e-4, "train.frames": 20_000}``.
        callbacks: Callbacks in addition to the defaults (console, curve, video); ``{"callbacks": […]}`` in `config` replaces these.
        trust: Whether code that the recipes name may run; what the arguments name always runs.
        **values: Nested values, ``train={"frames": 20_000}, seed=2``, and parts of the agent, ``encoder="mlp"`` or
            ``encoder=nn.Sequential(…)`` (which is copied). They override `config`.

    Raises:
        UsageError: If the configuration is invalid, or names code that is not trusted; all problems are reported together.
        UnifiedError: If the run fails.

    >>> run = train(agent="random", suite="dmc:cartpole_balance", train={"frames": 2000})   # doctest: +SKIP
    >>> run.metrics()[-1]["return"]                                                         # doctest: +SKIP
    """
    from unified.core.base.errors import Notice
    from unified.core.components.trust import granted
    from unified.core.config.compose import compose
    from unified.core.config.layers import is_key
    from unified.core.runs.launching import start

    named = {name: value for name, value in (("agent", agent), ("suite", _as_one_data_set(suite))) if value is not None}
    tree: dict[str, Any] = {**(config or {}), **values, **named}
    if ignored := [word for word in sys.argv[1:] if "=" in word and is_key(word.partition("=")[0])]:
        what = f"{' '.join(ignored)} on the command line of {sys.argv[0]} is not read: unified.train takes Python values"
        warnings.warn(f"{what}; to read it:  unified.launch(unified.compose(sys.argv[1:]))", Notice, stacklevel=2)
    watching = [callbacks] if isinstance(callbacks, str) else callbacks
    recipes = [recipes] if isinstance(recipes, str) else list(recipes)
    with granted(trust):
        return start(compose([], recipes, tree, default_recipe=True, callbacks=watching))


def load(
    run: Run | str | os.PathLike[str], checkpoint: str | int = "best", root: str | os.PathLike[str] = "runs", trust: bool = False
) -> InferencePolicy:
    """The trained agent of a run, ready to act on one environment at a time.

    Call ``reset()`` at the start of an episode and ``act(observation, explore=False)`` with each observation as the
    environment returns it; frames are stacked internally.

    Args:
        run: A run, its directory, or its name in ``unified runs list``.
        checkpoint: ``"best"``, ``"newest"`` or a number of frames.
        root: Directory of all runs.
        trust: Whether code that the run names may run, although this user did not start the run.

    Raises:
        UsageError: If there is no such run or checkpoint, or if it names code that is not trusted.
    """
    from unified.core.components.trust import granted
    from unified.core.runs.run import Run
    from unified.core.trainer.build import load_agent

    if not isinstance(run, Run):
        run = Run.find(os.fspath(run), Path(root))
    with granted(trust):
        return load_agent(run, str(checkpoint))


def _as_one_data_set(suite: Any) -> Any:
    """A function that returns a training and a test set, for a tuple of two; anything else as it is."""
    pair = isinstance(suite, tuple) and len(suite) == 2 and not any(isinstance(side, str | type | list | tuple) for side in suite)
    if not pair or not all(hasattr(side, "__getitem__") and hasattr(side, "__len__") for side in suite):
        return suite
    from torch.utils.data import Dataset

    def make() -> Any:
        return suite

    make.__name__ = make.__qualname__ = type(suite[0]).__name__
    make.__annotations__ = {"return": tuple[Dataset[Any], Dataset[Any]]}
    return make
