"""Options of the sampler hindsight. Torch-free."""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from unified import Options
from unified.agents import ScheduleText

#: Where the goal of a relabelled row comes from.
STRATEGIES = ("future", "final", "episode", "random", "actual", "behavioural")
#: Mixtures -> what each weight of their names is for; `own` are the rows that keep their goal, of weight 1 where the name has none.
MIXTURES = {
    **{strategy: (strategy,) for strategy in STRATEGIES},
    "achieved": ("random",),
    "futureactual": ("future", "actual"),
    "futureachieved": ("future", "random"),
    "rfaa": ("own", "future", "actual", "random"),
    "rfaab": ("own", "future", "actual", "random", "behavioural"),
}


def shares_of(strategy: str, k: float = 4.0) -> dict[str, float]:
    """The share of the rows that each strategy relabels; the other rows keep their goals.

    >>> shares_of("future"), shares_of("rfaab_1_4_3_1_1")
    ({'future': 0.8}, {'future': 0.4, 'actual': 0.3, 'random': 0.1, 'behavioural': 0.1})
    >>> shares_of("futureactual_2_2") == {"future": 2 / 5, "actual": 2 / 5}
    True

    Args:
        strategy: The name of a strategy, or of a mixture with its weights.
        k: Weight of a strategy without one.

    Raises:
        ValueError: If there is none of this name, or its weights are no weights.
    """
    name, *numbers = strategy.split("_")
    if name not in MIXTURES:
        raise ValueError(f"there is no strategy {strategy!r}   one of {', '.join(STRATEGIES)}, rfaab_1_4_3_1_1 or another mixture")
    kinds = MIXTURES[name]
    example = f"{name}_" + "_".join(map(str, (1, 4, 3, 1, 1)[: len(kinds)] if "own" in kinds else (4, 2)[: len(kinds)]))
    if len(numbers) != len(kinds) and (numbers or len(kinds) > 1):
        raise ValueError(f"{strategy} has {len(numbers)} weights, and {name} takes {len(kinds)} ({', '.join(kinds)})   {example}")
    try:
        weights = [float(number) for number in numbers] or [k]
    except ValueError:
        weights = [math.nan]
    if not all(0 <= weight < math.inf for weight in weights) or not sum(weights) + ("own" not in kinds):
        raise ValueError(f"the weights of {strategy} must be numbers from 0, not all 0   {example}")
    total = sum(weights) + ("own" not in kinds)
    return {kind: weight / total for kind, weight in zip(kinds, weights, strict=True) if kind != "own"}


def _is_a_strategy(strategy: str) -> str:
    shares_of(strategy)
    return strategy


class HindsightOptions(Options):
    """Whose goals the rows get, how often, and when they end."""

    strategy: Annotated[str, AfterValidator(_is_a_strategy)] = "future"
    """Source of the goals: future, final, episode, random, actual, behavioural; or a mixture with weights: futureactual_2_2,
    futureachieved_2_2, rfaa_1_4_3_1, rfaab_1_4_3_1_1 (own, future, actual, random, behavioural)."""
    k: float | None = Field(None, ge=0)
    """Relabelled rows for each row with its own goal; null: 4, or as the weights of a mixture say."""
    warm_up: int = Field(0, ge=0)
    """Agent steps in which every row is relabelled by future, before the strategy counts."""
    ends: Literal["environment", "first_visit", "never_done"] = "environment"
    """When rows end with discount 0: environment, as Suite.compute_terminated says; first_visit, where the goal is reached; never_done."""
    prioritised: float | None = Field(None, ge=0, le=1)
    """Exponent α of priorities, as replay.sampler=prioritised draws rows; null: rows are drawn uniformly."""
    priority_beta: ScheduleText | None = None
    """Exponent β of the importance weights of prioritised rows; null: from 0.4 to 1 over the updates of the run."""

    @model_validator(mode="after")
    def _counts(self) -> Self:
        if self.k is not None and "_" in self.strategy:
            raise ValueError(f"k is for strategies without weights, and {self.strategy} has some   leave one of the two out")
        if self.priority_beta is not None and self.prioritised is None:
            raise ValueError("priority_beta is of prioritised rows, and these are drawn uniformly   prioritised=0.6")
        return self

    @property
    def shares(self) -> dict[str, float]:
        """The share of the rows that each strategy relabels."""
        return shares_of(self.strategy, 4.0 if self.k is None else self.k)
