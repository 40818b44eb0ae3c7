"""Agents and objectives by other options than the default ones: their updates as graphs, or the reason why these run eagerly."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from unified.core.base.rng import Streams
from unified.core.config.schema import Selection
from unified.core.learn.agent import Agent
from unified.core.registry import registry
from unified.core.trainer.build import make_agent
from unified.testing.graphs import compared
from unified.testing.workshop import SEED, Place, experience, places, tiny_options

GRAPHS: list[tuple[str, str, dict[str, Any]]] = [
    ("dqn", "vector, discrete", {"critic": {"noisy": True}}),
    ("dqn", "vector, discrete", {"critic": {"dueling": True, "head": "categorical", "v_min": -5, "v_max": 5}}),
    ("dqn", "vector, discrete", {"critic": {"head": "quantile"}}),
    ("dqn", "vector, discrete", {"critic": {"members": 4, "reduce": "mixture"}}),
    ("dqn", "pixels, discrete", {"precision": "bf16"}),
    ("dqn", "pixels, discrete", {"objectives": "+spr", "aug": ["random_shift"]}),
    ("drqv2", "pixels, continuous", {"precision": "bf16"}),
    ("drqv2", "vector, continuous", {"objectives": "+entropy"}),
    ("ppo", "vector, continuous", {"ema": True, "ent_coef": 0.01}),
    ("ppo", "vector, continuous", {"normalize_observations": True, "normalize_rewards": True}),
    ("sac", "vector, continuous", {"normalize_observations": True, "normalize_rewards": True}),
    ("sac", "vector, continuous", {"ema": True, "optimizer": {"gradient_accumulation": 2}}),
    ("sac", "vector, continuous", {"critic": {"head": "quantile"}}),
    ("sac", "vector, continuous", {"critic": {"members": 4, "reduce": "subset(2)", "dropout": 0.1, "norm": "layer"}, "climb": "average"}),
    ("sac", "vector, continuous", {"critic": {"head": "quantile", "reduce": "truncated(2)"}, "climb": "average", "policy_delay": 2}),
    ("sac", "vector, continuous", {"critic": {"norm": "batch_renorm"}, "actor": {"norm": "batch_renorm"}, "target_critic": False}),
    ("sac", "vector, discrete", {"critic": {"norm": "batch_renorm", "dueling": True}, "target_critic": False}),
    ("ddpg", "vector, continuous", {"noise": {"name": "ou"}, "critic": {"late_action": True, "head": "sigma"}, "action_l2": 0.1}),
    ("td3", "vector, continuous", {"critic": {"head": "horizon"}, "clip_target": True}),
    ("td3", "vector, continuous", {"optimizer": {"schedule": "cosine(0,1,10,0,100)"}}),
    ("ac2", "vector, continuous", {"trunk": 8}),
    ("ac2", "pictures to classify", {"aug": ["random_crop", "random_horizontal_flip"]}),
    ("ac2", "pictures to classify", {"aug": ["random_erasing", "cutout"]}),
    ("ac2", "pictures to classify", {"encoder": "vit"}),
    ("ac2", "rows to classify", {"objectives": "reinforce_critic"}),
    ("ac2", "rows to generate", {"objectives": "adversarial"}),
    ("ac2", "rows to generate", {"objectives": "flow", "actor": {"head": "flow"}}),
]
EAGER: list[tuple[str, str, dict[str, Any], str]] = [
    ("sac", "vector, continuous", {"optimizer": {"name": "rmsprop"}}, "RMSprop of part critic is not fused"),
    (
        "sac",
        "vector, continuous",
        {"optimizer": {"name": "torch.optim:Muon", "vectors": {"name": "adamw"}}},
        "Muon of part actor is not fused",
    ),
]
#: Of these everybody waits.
QUICK = 4


def note_of(name: str, where: str, options: dict[str, Any]) -> str:
    component = registry().get("agents", name)
    place = next(place for place in places(component) if place.name.startswith(where))
    given = dict(options)
    precision, objective = given.pop("precision", "fp32"), given.pop("objectives", "")
    tiny = tiny_options(component).model_dump(exclude_unset=True)
    chosen = component.options_model()(**{**tiny, **given})

    def make() -> Agent:
        return _made(component, place, chosen, precision, objective)

    return compared(make, experience(component, place, view=make().view), name)


def _made(component: Any, place: Place, options: Any, precision: str, objective: str) -> Agent:
    objectives = []
    if objective:
        found = registry().get("objectives", objective.removeprefix("+"))
        objectives.append(Selection("objectives", objective, None, found, found.options_model()()))
    selection = Selection("agents", component.name, None, component, options)
    config: Any = SimpleNamespace(
        device="cpu", precision=precision, objectives=tuple(objectives), seed=SEED, agent=selection, registry=registry()
    )
    agent = make_agent(config, place.spec, Streams(SEED))
    assert isinstance(agent, Agent)
    return agent


@pytest.mark.parametrize(
    ("name", "where", "options"), [*GRAPHS[:QUICK], *(pytest.param(*each, marks=pytest.mark.slow) for each in GRAPHS[QUICK:])], ids=str
)
def test_an_update_is_a_graph_with_the_bits_of_the_eager_one(name: str, where: str, options: dict[str, Any]) -> None:
    note = note_of(name, where, options)
    assert note.startswith("one graph of ")
    assert "eager" not in note


@pytest.mark.parametrize(("name", "where", "options", "reason"), EAGER, ids=str)
def test_an_update_that_is_no_graph_says_why(name: str, where: str, options: dict[str, Any], reason: str) -> None:
    note = note_of(name, where, options)
    assert note.startswith("eager, since ")
    assert reason in note
