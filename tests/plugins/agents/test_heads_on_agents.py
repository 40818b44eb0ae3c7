"""Every value head works on every agent that learns values, through one objective; and agents find what probes hide."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from unified.core.base.errors import UsageError
from unified.core.base.rng import Streams
from unified.core.base.spec import Space, Spec
from unified.core.components.descriptors import AgentComponent, ArchitectureComponent
from unified.core.config.schema import Selection
from unified.core.envs.suite_ref import SuiteReference
from unified.core.envs.vector_env import WorkerVectorEnv
from unified.core.learn.agent import Agent
from unified.core.registry import registry
from unified.core.replay.batch import Batch
from unified.core.replay.buffer import Replay
from unified.core.trainer.build import make_agent
from unified.core.trainer.sources import EnvCollector
from unified.plugins import builtins

HEADS = [each.name for each in builtins() if isinstance(each, ArchitectureComponent) and "critic.head" in each.places]


def agents_with_critics() -> list[str]:
    """Built-in agents whose critics have a head, without their variants, which are the same classes, and without those of other rows."""
    agents = [each for each in builtins() if isinstance(each, AgentComponent) and each.base is None and each.name != "hiro"]
    groups = {each.name: each.options_model().model_fields.get("critic") for each in agents}
    return [name for name, field in groups.items() if field and "head" in getattr(field.annotation, "model_fields", {})]


ROWS, SIZE = 4, 24
PIXELS, VECTOR = Space((3, SIZE, SIZE), "uint8", 0, 255), Space((5,), "float32")
NUMBERS, CHOICES = Space((2,), "float32", -1.0, 1.0), Space((), "int64", 0, 2, 3)


def build(name: str, spec: Spec, head: str, **changes: Any) -> Agent:
    component = registry().get("agents", name)
    model: Any = component.options_model()
    group = model.model_fields["critic"].annotation
    critic = {key: changes.pop(key) for key in list(changes) if key in group.model_fields}
    if "value" in model.model_fields:  # a critic of states, from which the other one bootstraps
        changes["value"] = model.model_fields["value"].annotation(head=head)
    one_step = {"n_step": 1} if head == "gammas" and "n_step" in model.model_fields else {}  # others are refused
    options = model(**{"batch_size": ROWS, **one_step, **changes, "critic": group(head=head, **critic)})
    selection = Selection("agents", name, None, component, options)
    config: Any = SimpleNamespace(device="cpu", precision="fp32", objectives=(), seed=1, agent=selection, registry=registry())
    return make_agent(config, spec, Streams(1))


def batch_of(agent: Agent) -> Batch:
    generator = torch.Generator().manual_seed(0)
    space, stored = agent.spec.observation, agent.action_space
    shape = (2, ROWS, agent.base_view.stack * space.shape[0], *space.shape[1:])
    pixels = space.dtype == "uint8"
    obs, next_obs = torch.randint(256, shape, dtype=torch.uint8, generator=generator) if pixels else torch.randn(shape, generator=generator)
    drawn = torch.rand(ROWS, *stored.shape, generator=generator)
    action = (drawn * stored.n).long() if stored.n else drawn * 2 - 1
    ends = torch.tensor([0.9] * (ROWS - 1) + [0.0])
    reward = drawn.view(ROWS, -1)[:, 0]
    batch = Batch(obs=obs, next_obs=next_obs, action=action, reward=reward, discount=ends, weight=torch.ones(ROWS))
    return batch.with_columns(**{"return": reward}) if "return" in agent.base_view.columns else batch


#: λ-returns have one discount, these values several.
REFUSED = ("pqn", "gammas")
PAIRS = [(name, head) for name in agents_with_critics() for head in HEADS if (name, head) != REFUSED]


def test_values_of_several_discounts_have_no_lambda_returns() -> None:
    with pytest.raises(UsageError, match="λ-returns have one"):
        build(REFUSED[0], Spec(VECTOR, CHOICES), REFUSED[1])


@pytest.mark.parametrize("action", [NUMBERS, CHOICES], ids=["numbers", "choices"])
@pytest.mark.parametrize(("name", "head"), PAIRS)
def test_every_value_head_works_on_every_agent(name: str, action: Space, head: str) -> None:
    one = {"n_step": 1} if "n_step" in registry().get("agents", name).options_model().model_fields else {}
    agent = build(name, Spec(VECTOR, action), head, **one)
    batch = batch_of(agent)
    metrics = agent.learn(batch.with_columns(**{"return": batch.reward})).metrics
    assert metrics["nonfinite"] == 0
    assert all(torch.isfinite(value) for value in metrics.values())
    assert agent.act(Batch(obs=torch.zeros(2, 5)), explore=False).env_action.shape == (2, *action.shape)


@pytest.mark.parametrize("name", ["dqn", "sac"])
@pytest.mark.parametrize("action", [NUMBERS, CHOICES], ids=["numbers", "choices"])
def test_pixels_train_the_encoder_by_the_critic_alone(name: str, action: Space) -> None:
    agent = build(name, Spec(PIXELS, action), "quantile", hidden_dim=8)
    assert agent.base_view.stack == 3
    before = {key: value.clone() for key, value in agent.named_parameters()}
    agent.phase_list = agent.phase_list[:1]
    assert agent.learn(batch_of(agent)).metrics["nonfinite"] == 0
    moved = {key.split(".")[0] for key, value in agent.named_parameters() if not torch.equal(value, before[key])}
    assert moved == {"encoder", "critic", "critic_target", *(["encoder_target"] if name == "dqn" else [])}


@pytest.mark.parametrize("changes", [{"dueling": True}, {"noisy": True}, {"dueling": True, "noisy": True}, {"members": 3}], ids=str)
@pytest.mark.parametrize("head", HEADS)
def test_modifiers_work_with_every_value_head(head: str, changes: dict[str, Any]) -> None:
    agent = build("dqn", Spec(VECTOR, CHOICES), head, n_step=1, **changes)
    assert agent.learn(batch_of(agent)).metrics["nonfinite"] == 0


@pytest.mark.parametrize("action", [NUMBERS, CHOICES], ids=["numbers", "choices"])
@pytest.mark.parametrize("name", ["dqn", "sac", "ac2"])
def test_a_mixture_of_critics_moves_all_of_them(name: str, action: Space) -> None:
    agent = build(name, Spec(VECTOR, action), "quantile", members=3, reduce="mixture")
    weights = [parameter for key, parameter in agent.critic.named_parameters() if ".weights." in key]
    before = [weight.clone() for weight in weights]
    assert agent.learn(batch_of(agent)).metrics["nonfinite"] == 0
    for weight, old in zip(weights, before, strict=True):
        assert len(weight) == 3
        assert ((weight - old).abs().flatten(1).sum(dim=1) > 0).all()


PROBE = "unified.testing.probes:Probes"
TASKS = ("constant", "observation", "delayed", "action", "both")


def learned(name: str, task: str, head: str, discrete: bool, updates: int) -> tuple[Agent, list[float], list[float]]:
    """An agent that lived a probe; what it does, and how it values that, at the cues that there are."""
    reference = SuiteReference(PROBE, task, {"discrete": discrete, "pixels": False, "size": 12, "rounds": 1}, f"{PROBE}.Options")
    spec = reference.build().environment().spec
    small = {"hidden_dim": 32, "depth": 1, "v_min": -3.0, "v_max": 3.0}
    lr = 1e-2 if task in ("constant", "action") else 3e-3  # they show 0 alone: only the last biases learn, and 51 of them have far to go
    changes: dict[str, Any] = {"batch_size": 64, "lr": lr, "tau": 0.05, "learning_starts": 300, "n_step": 1, "discount": 0.9}
    changes |= {"epsilon": "0.3", "bins": 5} if name == "dqn" else {"alpha": 0.02, "target_entropy": -3.0 if not discrete else 0.05}
    agent = build(name, spec, head, **small, **changes)
    replay = Replay(spec, agent.base_view, 4000, 1, agent.streams, action=agent.action_space, pin=False)
    with WorkerVectorEnv(reference, 1, 1, placement="inline") as environments:
        collector = EnvCollector(environments, agent, replay)
        collector.start()
        for step in range(1, 300 + updates):
            collector.step_async()
            collector.step_wait()
            agent.steps = step
            if step > 300:
                agent.learn(replay.sample())
    agent.train(False)
    cues = torch.tensor([[0.0], [0.0]]) if task in ("constant", "action") else torch.tensor([[-1.0], [1.0]])
    action = agent.act(Batch(obs=cues), explore=False)
    value = agent.critic(agent.encode(cues), action.action).mean_over_ensemble().mean[0]
    return agent, action.env_action.flatten().tolist(), value.tolist()


#: Agent, head and whether actions are choices: every head where its agent is at home, one head also elsewhere.
AT_HOME = [(name, head, name == "dqn") for name in ("dqn", "sac") for head in HEADS]
ELSEWHERE = [("dqn", "scalar", False), ("sac", "scalar", True)]


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(("name", "head", "discrete"), [*AT_HOME, *ELSEWHERE])
def test_probes_are_solved(name: str, head: str, task: str, discrete: bool) -> None:
    _, actions, values = learned(name, task, head, discrete, 600)
    best = {"observation": [-1, 1], "delayed": [0.9, 1]}.get(task, [1, 1])
    assert values == pytest.approx(best, abs=0.25)
    if task in ("action", "both"):
        wanted = [1, 1] if task == "action" else [-1, 1]
        aim = [(each + 1) / 2 if discrete else each / 2 for each in wanted]
        assert actions == pytest.approx(aim, abs=0.0 if discrete else 0.3)


def test_components_name_their_parts() -> None:
    for name in ("dqn", "sac", "drqv2"):
        component = registry().get("agents", name)
        assert isinstance(component, AgentComponent)
        assert "critic" in component.parts


@pytest.mark.parametrize("name", ["dqn", "sac", "td3", "drqv2", "ac2"])
def test_noise_in_the_weights_works_wherever_a_critic_stands(name: str) -> None:
    agent: Any = build(name, Spec(VECTOR, NUMBERS), "scalar", noisy=True)
    batch, sizes = batch_of(agent), {}
    for key, value in agent.critic.named_parameters():
        if "_stds" in key:
            sizes[key] = value.clone()
    assert sizes
    for _ in range(2):
        assert agent.learn(batch).metrics["nonfinite"] == 0
    assert all(not torch.equal(value, dict(agent.critic.named_parameters())[key]) for key, value in sizes.items())

    def values() -> torch.Tensor:
        with torch.no_grad():
            found: torch.Tensor = agent.critic(agent.encode(batch.obs), batch.action).mean
        return found

    assert not torch.equal(values(), values())
    agent.eval()
    assert torch.equal(values(), values())
