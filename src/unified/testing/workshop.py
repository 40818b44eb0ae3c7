"""Small agents on all supported probes, with batches of real experience."""

from __future__ import annotations

import json
import random
import warnings
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from pydantic import ValidationError

from unified.core.base.errors import UsageError
from unified.core.base.rng import Streams
from unified.core.base.spec import Spec
from unified.core.components.descriptors import AgentComponent, Component, SuiteComponent
from unified.core.components.options import Options
from unified.core.components.user_code import AdoptedSuite
from unified.core.config.schema import Selection
from unified.core.envs.dataset import DataSuite
from unified.core.envs.suite_ref import SuiteReference
from unified.core.envs.vector_env import WorkerVectorEnv
from unified.core.learn.agent import Agent
from unified.core.registry import registry
from unified.core.replay.batch import Batch
from unified.core.replay.buffer import Replay
from unified.core.replay.dataset import DatasetBuffer
from unified.core.replay.views import View
from unified.core.runs.serialization import pack, safetensors_buffers, unpack
from unified.core.trainer.build import make_agent
from unified.core.trainer.sources import EnvCollector
from unified.testing.check import Failed, Skipped
from unified.testing.settings import ON, fixed_options, small, varied

SEED = 3
#: Small values of options, and no downloads, for components that have
#: these options and allow these values.
TINY: dict[str, Any] = {
    "download": False,
    **{"batch_size": 8, "learn_after": 0, "learning_starts": 4, "n_steps": 8, "epochs": 2, "minibatches": 2, "workers": 2},
    **{"hidden_dim": 16, "hidden_size": 16, "width": 16, "feature_dim": 8, "channels": 4, "depth": 1, "size": 24},
}
#: Sizes of images; the first that an agent supports is used, since some encoders need more than 12 pixels.
SIZES = (12, 24, 84)


@dataclass(frozen=True, eq=False)
class Place:
    """A probe that an agent supports; compared by identity, as a key of caches."""

    name: str
    reference: SuiteReference
    spec: Spec

    @property
    def pixels(self) -> bool:
        return len(self.spec.observation.shape) == 3

    @property
    def discrete(self) -> bool:
        return self.spec.action.n is not None


def default_options(component: Component, **values: Any) -> Options:
    """The options of a component: defaults and `values`.

    Raises:
        Skipped: If an option has no default.
    """
    return _options(varied(component).options_model(), values)


def _options(model: type[Options], values: Mapping[str, Any]) -> Options:
    if required := [name for name, field in model.model_fields.items() if field.is_required() and name not in values]:
        raise Skipped(f"{', '.join(required)} must be given: see describes_itself")
    return model(**values)


def tiny_options(component: Component) -> Options:
    """The component's options with the small ones of an agent, and the values of `TINY` that are smaller and valid.

    What the caller set stays.
    """
    model, fixed = small(component).options_model(), fixed_options(component)
    defaults = {name: field.default for name, field in model.model_fields.items() if name in TINY and name not in fixed}
    values = {name: TINY[name] for name, default in defaults.items() if not isinstance(default, int) or TINY[name] < default}
    while True:
        try:
            return _options(model, values)
        except ValidationError as errors:
            refused = {str(error["loc"][0]) for error in errors.errors() if error["loc"]} & set(values)
            if not values:
                raise
            values = {name: value for name, value in values.items() if refused and name not in refused}


@cache
def places(component: AgentComponent) -> tuple[Place, ...]:
    """The probes for which an agent can be built.

    Raises:
        Failed: If there is none.
    """
    if chosen := getattr(component, ON, None):
        return (_place_of(component, *chosen),)
    found, refused = [], []
    for pixels in (False, True):
        for discrete in (False, True):
            name = f"{'pixels' if pixels else 'vector'}, {'discrete' if discrete else 'continuous'} actions"
            for size in SIZES if pixels else SIZES[:1]:
                place = _place(name, {"discrete": discrete, "pixels": pixels, "size": size, "rounds": 8})
                try:
                    build(component, place)
                except UsageError as error:
                    refused.append(f"{name}: {error.problems[0].message}")
                    continue
                found.append(place)
                break
    found += _labelled(component)
    if not found:
        contract = "An agent can be built with its default options for vectors or images, with continuous or discrete actions."
        raise Failed(contract, "\n".join(refused), "support at least one of them, or change the defaults of options")
    return tuple(found)


def samples(component: AgentComponent) -> tuple[Place, ...]:
    """The places at which acting and learning are checked: all `places` of a class, and two of a variant.

    A variant has the code of its base, which is checked everywhere; its values bring other modules and losses, which are the same on every
    task. Its two places have both kinds of observations and both kinds of actions where it supports them.
    """
    known = places(component)
    if component.base is None or len(known) < 3:
        return known
    first = known[0]
    unlike = [place for place in known if place.pixels != first.pixels] or list(known[1:])
    return first, next((place for place in unlike if place.discrete != first.discrete), unlike[0])


def _labelled(component: AgentComponent) -> list[Place]:
    """The probe data sets from whose labelled rows the agent learns; as one-step environments they are like other probes."""
    found = []
    target = "unified.testing.labels:Labels"
    for task, pixels in (("classify", False), ("classify", True), ("regress", False), ("generate", False)):
        reference = SuiteReference(target, task, {"pixels": pixels}, f"{target}.Options")
        suite = reference.build()
        assert isinstance(suite, DataSuite)
        place = Place(f"{'pictures' if pixels else 'rows'} to {task}", reference, suite.spec())
        with suppress(UsageError), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # zero-size layers without observations
            if not build(component, place).view.from_dataset:
                break
            found.append(place)
    return found


def _place(name: str, options: dict[str, Any]) -> Place:
    target = "unified.testing.probes:Probes"
    reference = SuiteReference(target, "both", options, f"{target}.Options")
    return Place(name, reference, reference.build().environment().spec)


def _place_of(component: AgentComponent, suite: SuiteComponent, task: str) -> Place:
    """The task that the caller chose.

    Raises:
        UsageError: If the agent cannot be built for it.
    """
    options = tiny_options(suite).model_dump(mode="json")
    adapter = suite.adapter if isinstance(suite, AdoptedSuite) else ""
    reference = SuiteReference(suite.target, task, options, suite.config, adapter)
    built = reference.build()
    if isinstance(built, DataSuite):
        spec = built.spec()
    else:
        with closing(built.environment()) as environment:
            spec = environment.spec
    place = Place(f"{suite.name}:{task}" if task else suite.name, reference, spec)
    build(component, place)
    return place


def build(component: AgentComponent, place: Place, *, parameters: int = SEED, objectives: tuple[Selection, ...] = ()) -> Agent:
    """A new agent with fixed random streams; its initial parameters depend on the seed `parameters`."""
    options = tiny_options(component)
    selection = Selection(component.kind, component.name, None, component, options)
    config: Any = SimpleNamespace(
        device="cpu",
        precision="fp32",
        objectives=objectives,
        seed=parameters,
        agent=selection,
        suite=SimpleNamespace(text=place.name),
        registry=registry(),
    )
    return make_agent(config, place.spec, Streams(SEED))


@cache
def experience(component: AgentComponent, place: Place, count: int = 6, view: View | None = None) -> tuple[Batch, ...]:
    """Batches of the agent's own experience in its view, or another `view`; copy them (`fresh`) before use.

    Raises:
        Failed: If the view has no batch after a few thousand steps.
    """
    agent = build(component, place)
    num_envs, limit, own = 1, 4000, view is None
    view, action, extra = view or agent.view, agent.action_space, agent.extra_columns
    if view.from_dataset:
        suite = place.reference.build()
        assert isinstance(suite, DataSuite)
        return tuple(
            fresh(batch) for batch in DatasetBuffer(suite.rows("train"), view, agent.streams).batches(count, agent.prepare_rollout)
        )
    replay = Replay(place.spec, view, limit + 2 * view.window, num_envs, agent.streams, action=action, pin=False, extra=extra)
    with WorkerVectorEnv(place.reference, num_envs, SEED, placement="inline") as environments:
        collector = EnvCollector(environments, agent, replay)
        collector.start()
        batches: list[Batch] = []
        for step in range(1, limit + 1):
            collector.step_async()
            collector.step_wait()
            agent.steps = step
            if step > max(40, view.learn_after) and step % view.update_schedule(num_envs)[0] == 0 and replay.ready:
                batches += [fresh(batch) for batch in replay.batches(4 * count, agent.prepare_rollout)]
                if own and len(batches) < count:  # a rollout is one batch for some agents
                    continue
                # Batches with different rows first: losses that compare rows have no gradient for equal rows.
                return tuple(sorted(batches, key=_all_equal)[:count])
    contract = "The view of an agent returns batches of its experience."
    raise Failed(contract, f"{view} has no row after {limit} steps in episodes of 8", "check its `eligible` and `count`")


def _all_equal(batch: Batch) -> bool:
    obs = batch.get("obs")
    return obs is not None and bool((obs == obs[:1]).all())


def fresh(batch: Batch) -> Batch:
    """A copy that may be changed."""
    return Batch({name: value.clone() for name, value in batch.items()})


@cache
def _stack(component: AgentComponent, place: Place) -> int:
    return build(component, place).view.stack


def observations(component: AgentComponent, place: Place, count: int) -> torch.Tensor:
    """Different observations ``(count, *observation)``, stacked for the agent."""
    stack, space = _stack(component, place), place.spec.observation
    first, *rest = space.shape
    generator = torch.Generator().manual_seed(SEED)
    shape = (count, stack * first, *rest)
    if space.dtype == "uint8":
        return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    return torch.rand(shape, generator=generator) * 2 - 1


def learner(component: AgentComponent, place: Place) -> Agent:
    """A new agent that learns.

    Raises:
        Skipped: If it has nothing to learn.
    """
    agent = build(component, place)
    if not agent.phase_list and not learns_its_own_way(agent):
        raise Skipped("it has no phases")
    return agent


def learns_its_own_way(agent: Agent) -> bool:
    """Whether the agent overrides `learn`."""
    return type(agent).learn is not Agent.learn


@contextmanager
def disturbed(seed: int) -> Iterator[None]:
    """Within it, global random generators have another state, so that code that depends on them gives other results."""
    before = random.getstate(), np.random.get_state()  # the global generator that must not be used
    with torch.random.fork_rng(devices=[]):
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        try:
            yield
        finally:
            random.setstate(before[0])
            np.random.set_state(before[1])


def saved(agent: Agent) -> dict[str, Any]:
    """The training state of the agent after a round trip through a checkpoint.

    Raises:
        Failed: If a checkpoint cannot hold it.
    """
    try:
        state: dict[str, Any] = through_a_file(agent.training_state())
        return state
    except TypeError as error:
        contract = "`training_state` holds plain values, tensors and arrays: checkpoints are never pickled."
        raise Failed(contract, str(error), "save plain values, and rebuild the object in `load_training_state`") from error


def through_a_file(tree: Any) -> Any:
    """A tree after a round trip through the format of checkpoints."""
    from safetensors.torch import load

    text, tensors = pack(tree)
    return unpack(json.loads(json.dumps(text)), load(b"".join(bytes(part) for part in safetensors_buffers(tensors))))


def differences(one: Any, other: Any, path: str = "") -> list[str]:
    """Paths at which two trees of tensors and plain values differ; NaNs are equal."""
    if isinstance(one, dict) and isinstance(other, dict):
        keys = list(dict.fromkeys([*one, *other]))
        return [found for key in keys for found in differences(one.get(key), other.get(key), f"{path}.{key}".lstrip("."))]
    if isinstance(one, list | tuple) and isinstance(other, list | tuple) and len(one) == len(other):
        return [found for index, (a, b) in enumerate(zip(one, other, strict=True)) for found in differences(a, b, f"{path}.{index}")]
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return [] if _equal(one, other) else [path]
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return [] if np.array_equal(one, other, equal_nan=np.asarray(one).dtype.kind == "f") else [path]
    return [] if one == other or (one != one and other != other) else [path]


def _equal(one: torch.Tensor, other: torch.Tensor) -> bool:
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    return torch.allclose(one, other, rtol=0, atol=0, equal_nan=True) if one.is_floating_point() else torch.equal(one, other)


def some(names: list[str], limit: int = 6) -> str:
    """A list in one line, shortened if it is long."""
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"
