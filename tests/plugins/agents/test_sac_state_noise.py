"""Noise that is a function of the state, of `sac` and its variants, against hand-written loops."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn

from unified.agents.exploration import StateNoise
from unified.core.base.errors import UsageError
from unified.core.base.rng import Streams
from unified.core.base.spec import Space, Spec
from unified.core.config.compose import compose
from unified.core.envs.suite_ref import SuiteReference
from unified.core.envs.vector_env import WorkerVectorEnv
from unified.core.learn.builder import Builder
from unified.core.registry import registry
from unified.core.replay.batch import Batch
from unified.core.replay.buffer import Replay
from unified.core.trainer.sources import EnvCollector
from unified.plugins.agents.sac.agent import SAC
from unified.testing.settings import configure
from unified.testing.workshop import default_options, differences, through_a_file

NUMBERS, CHOICES = Space((2,), "float32", -1.0, 1.0), Space((), "int64", 0, 1, 2)
SMALL = ("actor.hidden_dim=8", "critic.hidden_dim=8", "batch_size=6", "learning_starts=0", "use_sde=true")


def make_agent(name: str = "sac", *words: str, spec: Spec | None = None) -> SAC:
    changed = {word.partition("=")[0] for word in words}
    small = [word for word in SMALL if word.partition("=")[0] not in changed]
    (component,) = configure([registry().get("agents", name)], [*small, *words])
    with torch.random.fork_rng():
        torch.manual_seed(3)
        build = Builder(torch.device("cpu"), "fp32", Streams(3), registry())
        agent = SAC(spec or Spec(Space((3,), "float32"), NUMBERS), default_options(component), build)
    agent.configure()
    return agent


def make_batch(rows: int = 6) -> Batch:
    generator = torch.Generator().manual_seed(1)
    obs, next_obs = torch.randn(2, rows, 3, generator=generator)
    action, reward = torch.rand(rows, 2, generator=generator) * 2 - 1, torch.rand(rows, generator=generator)
    discount = torch.tensor([0.9] * (rows - 1) + [0.0])
    return Batch(obs=obs, next_obs=next_obs, action=action, reward=reward, discount=discount, weight=torch.ones(rows))


def shown(obs: torch.Tensor, state: dict[str, torch.Tensor]) -> Batch:
    return Batch({"obs": obs, **{f"state.{name}": rows for name, rows in state.items()}})


# The policy ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [(), ("actor.norm=layer",), ("actor=mlp",), ("actor.depth=0",)], ids=str)
def test_the_policy_is_that_of_its_layers_by_hand(words: tuple[str, ...]) -> None:
    """π(·|s) = tanh N(μ(z), Σ_h z_h² σ²_hd + 10⁻⁶), where z is what the last layer reads, and μ is within ±2."""
    agent, obs = make_agent("sac", *words), make_batch().obs
    with torch.no_grad():
        for parameter in agent.actor.parameters():
            parameter.add_(0.5 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)))
    z, matrix, policy = agent.actor.forward_features(obs), agent.actor.log_std, agent.policy(obs)
    raw = agent.actor.numbers(obs)
    weight, bias = agent.actor.numbers.last_layer()
    weight, bias = (weight[0].T, bias[0, 0]) if weight.dim() == 3 else (weight, bias)
    weight, bias, z, matrix = weight.detach(), bias.detach(), z.detach(), matrix.detach()
    for row in range(len(obs)):
        for number in range(2):
            mean = float(weight[number] @ z[row] + bias[number])
            assert raw[row, number].item() == pytest.approx(mean, abs=1e-5)
            assert policy.mode[row, number].item() == pytest.approx(math.tanh(min(max(mean, -2.0), 2.0)), abs=1e-5)
            variance = sum(z[row, h].item() ** 2 * math.exp(2 * matrix[h, number].item()) for h in range(z.shape[1]))
            assert policy.normal.log_std[row, number].item() == pytest.approx(0.5 * math.log(variance + 1e-6), abs=1e-4)


def test_the_log_density_of_a_draw_is_that_of_its_action() -> None:
    policy = make_agent().policy(make_batch().obs)
    action, log_prob = policy.sample_and_log_prob(torch.Generator().manual_seed(0))
    torch.testing.assert_close(policy.log_prob(action), log_prob, rtol=1e-3, atol=1e-3)


def test_actions_with_noise_are_those_of_the_matrix() -> None:
    agent, obs = make_agent("sac", "log_std_init=-1"), make_batch().obs
    action = agent.act(shown(obs, agent.initial_state(6)), explore=True)
    z, noise = agent.actor.forward_features(obs), action.state["noise"]
    for row in range(6):
        for number in range(2):
            moved = sum(z[row, h].item() * math.exp(-1.0) * noise[row, h, number].item() for h in range(8))
            mean = agent.actor.numbers(obs)[row, number].item()
            assert action.env_action[row, number].item() == pytest.approx(math.tanh(min(max(mean, -2.0), 2.0) + moved), abs=1e-5)


@pytest.mark.parametrize("name", ["sac", "tqc", "redq", "droq", "crossq", "simba"])
def test_every_variant_explores_by_it_and_learns_its_deviation(name: str) -> None:
    agent = make_agent(name, "policy_delay=1")
    before = agent.actor.log_std.clone()
    assert agent.learn(make_batch()).metrics["nonfinite"] == 0
    assert not torch.equal(agent.actor.log_std, before)
    acted = agent.act(shown(make_batch().obs, agent.initial_state(6)), explore=True)
    assert acted.env_action.abs().max() <= 1.0
    assert acted.state["noise"].shape == (6, *agent.actor.log_std.shape)


def test_it_is_refused_over_choices_and_other_heads() -> None:
    with pytest.raises(UsageError, match=r"agent\.use_sde is noise of a squashed normal policy over numbers"):
        make_agent(spec=Spec(Space((3,), "float32"), CHOICES))
    with pytest.raises(UsageError, match=r"actor\.head=tanh_gaussian"):
        make_agent("sac", "actor.head=truncated_normal")


# The period ---------------------------------------------------------------------------------------------------------------------


def loop(noise: StateNoise, lengths: tuple[int, ...], steps: int) -> list[list[int]]:
    """The number of the draw that each environment acts with in each step, where its episodes have these lengths: a plain count."""
    found = []
    for length in lengths:
        draws, age = [], 0
        for step in range(steps):
            if step % length == 0:
                age = 0  # a new episode
            if age == 0:
                current = step
            draws.append(current)
            age = age + 1 if noise.period is None else (age + 1) % noise.period
        found.append(draws)
    return found


@pytest.mark.parametrize("period", [1, 3, 4, None])
def test_it_is_drawn_anew_after_its_steps_and_with_each_episode_in_each_environment(period: int | None) -> None:
    noise, lengths, steps = StateNoise(period, (4, 2)), (1, 5, 8, 100), 24
    agent = make_agent("sac")
    policy = agent.policy(torch.ones(4, 3))
    initial = noise.initial_state(4, torch.device("cpu"))
    state, drawn, seen = initial, [], []
    policy.normal.latent, policy.normal.matrix = torch.ones(4, 4), torch.zeros(4, 2)
    for step in range(steps):
        begins = torch.tensor([step % length == 0 for length in lengths])
        state = {name: torch.where(begins.view(-1, *[1] * (rows.dim() - 1)), initial[name], rows) for name, rows in state.items()}
        drawn.append(torch.randn(4, 4, 2, generator=torch.Generator().manual_seed(step)))
        _, state = noise(policy, state, torch.Generator().manual_seed(step))
        seen.append(state["noise"])
    for env, draws in enumerate(loop(noise, lengths, steps)):
        for step, number in enumerate(draws):
            assert torch.equal(seen[step][env], drawn[number][env]), (env, step)


def test_each_environment_has_a_matrix_of_its_own() -> None:
    agent, obs = make_agent("sac", "log_std_init=0"), torch.ones(2, 3)
    one, other = agent.act(shown(obs, agent.initial_state(2)), explore=True).action
    assert not torch.equal(one, other)


def test_evaluation_is_the_mode_and_draws_nothing() -> None:
    agent, obs = make_agent("sac", "log_std_init=0"), make_batch().obs
    state = agent.act(shown(obs, agent.initial_state(6)), explore=True).state
    counters = agent.streams.state_dict()
    acted = agent.act(shown(obs, state), explore=False)
    assert torch.equal(acted.action, agent.policy(obs).mode)
    assert torch.equal(acted.state["noise"], state["noise"])
    assert agent.streams.state_dict() == counters


def collector(*words: str) -> tuple[SAC, EnvCollector, Replay]:
    """Two environments with episodes of 8 steps."""
    target = "unified.testing.probes:Probes"
    reference = SuiteReference(target, "both", {"discrete": False, "pixels": False, "size": 12, "rounds": 8}, f"{target}.Options")
    spec = reference.build().environment().spec
    agent = make_agent("sac", "log_std_init=0", *words, spec=spec)
    replay = Replay(spec, agent.view, 400, 2, agent.streams, action=agent.action_space, pin=False)
    return agent, EnvCollector(WorkerVectorEnv(reference, 2, 1, placement="inline"), agent, replay), replay


def stepped(source: EnvCollector, steps: int) -> list[torch.Tensor]:
    found = []
    for _ in range(steps):
        source.step_async()
        source.step_wait()
        source.agent.steps += 2
        found.append(torch.from_numpy(source._stored.copy()))
    return found


def test_it_rests_during_the_random_start(monkeypatch: pytest.MonkeyPatch) -> None:
    agent, source, _ = collector("learning_starts=6", "sde_sample_freq=5")
    given: list[Batch] = []
    act = agent.act
    monkeypatch.setattr(agent, "act", lambda batch, explore: given.append(batch) or act(batch, explore=explore))
    source.start()
    stepped(source, 30)
    starts = torch.stack([batch["is_first"] for batch in given])
    ages = torch.stack([batch["state.age"] for batch in given])
    assert (starts.sum(dim=0) >= 3).all()
    assert (ages[starts] == 0).all()
    assert (ages[:4] == 0).all()
    assert ages.max() == 4


@pytest.mark.parametrize("words", [(), ("sde_sample_freq=4",)], ids=["episode", "4"])
def test_it_is_resumed_in_the_middle_of_a_period_with_the_same_bits(words: tuple[str, ...]) -> None:
    _, straight, _ = collector(*words)
    straight.start()
    expected = stepped(straight, 17)[6:]
    agent, first, _ = collector(*words)
    first.start()
    stepped(first, 6)
    state, counters, steps = through_a_file(first.state_dict()), agent.streams.state_dict(), agent.steps
    assert (state["inputs"]["state"]["age"] > 0).all()
    other, second, replay = collector(*words)
    other.streams.load_state_dict(counters)
    other.steps = steps
    second.load_state_dict(state)
    for env_id, observation in enumerate(second.environments.observations):
        replay.begin(env_id, observation)  # its rows are restored elsewhere
    assert not differences(expected, stepped(second, 11))


# The temperature that stays -----------------------------------------------------------------------------------------------------


def test_a_temperature_that_is_not_learned_stays() -> None:
    agent = make_agent("sac", "alpha=0.1", "learn_alpha=false")
    metrics = agent.learn(make_batch()).metrics
    assert agent.alpha().item() == pytest.approx(0.1)
    assert "sac_alpha_loss" not in metrics
    assert isinstance(agent.alpha, nn.Module)
    rows = agent.encode_batch(make_batch())
    counters = agent.streams.state_dict()
    found = agent.bootstrap(rows).mean[0]
    agent.streams.rewind(counters)
    action, log_prob = agent.policy(rows.next_features).sample_and_log_prob(agent.generator("target"))
    torch.testing.assert_close(found, agent.critic_target(rows.next_features, action).mean.amin(dim=0) - 0.1 * log_prob)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sac", {"use_sde": True, "sde_sample_freq": 32, "log_std_init": -3.67, "alpha": 0.1, "learn_alpha": False, "tau": 0.01}),
        ("tqc", {"use_sde": True, "discount": 0.9999, "batch_size": 512, "learning_starts": 0}),
        ("simba", {"use_sde": True, "alpha": 0.01, "learn_alpha": True}),
    ],
)
def test_the_preset_of_mountain_car_is_the_zoos(name: str, expected: dict[str, Any]) -> None:
    tree = compose([f"agent={name}", "suite=gym:MountainCarContinuous-v0"]).tree["agent"]
    assert {key: tree[key] for key in expected} == expected
