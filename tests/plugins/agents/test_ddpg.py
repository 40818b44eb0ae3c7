"""DDPG: updates by a slow reference, noise that is each environment's own, and what its relatives got wrong."""

from __future__ import annotations

import inspect
import math
from typing import Any

import pytest
import torch

from unified.agents.exploration import ActionNoise
from unified.agents.options import NoiseOptions
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
from unified.plugins.agents.td3 import ddpg as module
from unified.plugins.agents.td3.ddpg import DDPG
from unified.testing.workshop import differences, through_a_file

NUMBERS = Space((2,), "float32", -1.0, 1.0)
OU = {"name": "ou", "std": "0.5", "theta": 0.15, "dt": 0.5}


SPEC = Spec(Space((3,), "float32"), NUMBERS)


def make_agent(spec: Spec = SPEC, name: str = "ddpg", **changes: Any) -> DDPG:
    component = registry().get("agents", name)
    sizes = {"actor": {"hidden_dim": 16}, "critic": {"hidden_dim": 16}, "batch_size": 6, "learning_starts": 0}
    merged = {**sizes, **changes, **{key: {**sizes[key], **changes.get(key, {})} for key in ("actor", "critic")}}
    with torch.random.fork_rng():
        torch.manual_seed(3)
        agent: DDPG = component.load()(
            spec, component.options_model()(**merged), Builder(torch.device("cpu"), "fp32", Streams(3), registry())
        )
    agent.configure()
    return agent


def make_batch(rows: int = 6) -> Batch:
    generator = torch.Generator().manual_seed(1)
    obs, next_obs = torch.randn(2, rows, 3, generator=generator)
    return Batch(
        obs=obs,
        next_obs=next_obs,
        action=torch.rand(rows, 2, generator=generator) * 2 - 1,
        reward=torch.rand(rows, generator=generator),
        discount=torch.tensor([0.99] * (rows - 1) + [0.0]),
        weight=torch.ones(rows),
    )


def q(critic: Any, obs: torch.Tensor, action: torch.Tensor) -> torch.Tensor:
    hidden = torch.cat([obs, action], dim=1)
    for index, (weight, bias) in enumerate(zip(critic.values.weights, critic.values.biases, strict=True)):
        hidden = hidden @ weight[0] + bias[0, 0]
        hidden = hidden.clamp(min=0) if index < len(critic.values.weights) - 1 else hidden
    return hidden[:, 0]


def pi(actor: Any, obs: torch.Tensor) -> torch.Tensor:
    for layer in actor.numbers:
        obs = obs @ layer.weight.T + layer.bias if isinstance(layer, torch.nn.Linear) else obs.clamp(min=0)
    return obs.tanh()


@pytest.mark.parametrize("action_l2", [0.0, 0.3])
def test_two_updates_are_the_papers_by_hand(action_l2: float) -> None:
    """y = r + γ Q̄(s', μ̄(s')), L = (Q - y)², then the actor climbs, then both copies follow."""
    agent, by_hand, batch = make_agent(lr=1e-2, tau=0.1, action_l2=action_l2), make_agent(), make_batch()
    critics, actors = (torch.optim.Adam(part.parameters(), 1e-2) for part in (by_hand.critic, by_hand.actor))
    for _ in range(2):
        metrics = agent.learn(batch).metrics
        y = batch.reward + batch.discount * q(by_hand.critic_target, batch.next_obs, pi(by_hand.actor_target, batch.next_obs))
        critic_loss = ((q(by_hand.critic, batch.obs, batch.action) - y.detach()) ** 2).mean()
        critics.zero_grad()
        critic_loss.backward()
        critics.step()
        action = pi(by_hand.actor, batch.obs)
        actor_loss = -q(by_hand.critic, batch.obs, action).mean() + action_l2 * (action**2).mean()
        actors.zero_grad()
        actor_loss.backward()
        actors.step()
        with torch.no_grad():
            for part in ("actor", "critic"):
                copies, parts = getattr(by_hand, f"{part}_target").parameters(), getattr(by_hand, part).parameters()
                for theirs, ours in zip(copies, parts, strict=True):
                    theirs.mul_(0.9).add_(0.1 * ours)
        assert metrics["critic_loss"].item() == pytest.approx(critic_loss.item(), rel=1e-4)
        assert metrics["actor_loss"].item() == pytest.approx(actor_loss.item(), rel=1e-4)
        for name, value in by_hand.state_dict().items():
            torch.testing.assert_close(agent.state_dict()[name], value, rtol=1e-3, atol=2e-5, msg=lambda text, name=name: f"{name}: {text}")


def test_the_target_is_by_the_target_actor() -> None:
    agent = make_agent()
    rows = agent.encode_batch(make_batch())
    before = agent.bootstrap(rows).mean
    with torch.no_grad():
        for parameter in agent.actor.parameters():
            parameter.add_(1.0)
    assert torch.equal(agent.bootstrap(rows).mean, before)
    with torch.no_grad():
        for parameter in agent.actor_target.parameters():
            parameter.add_(1.0)
    assert not torch.equal(agent.bootstrap(rows).mean, before)


def test_the_papers_critic_takes_the_action_behind_its_first_layer_and_last_layers_start_near_0() -> None:
    agent = make_agent(critic={"late_action": True, "last_init": 3e-3}, actor={"last_init": 1e-4})
    features, action = torch.randn(5, 3), torch.randn(5, 2)
    first = agent.critic.trunk[1][0]
    hidden = torch.cat([(features @ first.weight.T + first.bias).clamp(min=0), action], dim=1)
    (inner, last), (bias, last_bias) = agent.critic.values.weights, agent.critic.values.biases
    expected = (hidden @ inner[0] + bias[0, 0]).clamp(min=0) @ last[0] + last_bias[0, 0]
    torch.testing.assert_close(agent.critic(features, action).mean[0], expected[:, 0])
    assert inner.shape == (1, 16 + 2, 16)
    assert 2e-3 < last.abs().max() <= 3e-3
    assert 0 < last_bias.abs().max() <= 3e-3
    assert agent.actor.numbers[-1].weight.abs().max() <= 1e-4
    assert agent.learn(make_batch()).metrics["nonfinite"] == 0


def test_the_agent_of_the_paper_has_its_settings() -> None:
    options = compose(["agent=ddpg_2015", "suite=gym:HalfCheetah-v4"]).agent.options
    assert (options.tau, options.batch_size, options.lr, options.optimizer.parts["actor"].lr) == (1e-3, 64, 1e-3, 1e-4)
    assert options.optimizer.of("critic").weight_decay == 1e-2
    assert options.optimizer.of("actor").weight_decay == 0.0
    assert (options.noise.name, options.noise.std, options.noise.theta, options.noise.dt) == ("ou", "0.2", 0.15, 0.01)
    ours = compose(["agent=ddpg", "suite=gym:HalfCheetah-v4"]).agent.options
    assert (ours.lr, ours.noise.name, ours.noise.std, ours.critic.members, ours.policy_delay) == (3e-4, "gaussian", "0.1", 1, 1)


def test_it_reads_like_its_paper() -> None:
    assert len(inspect.getsource(module).splitlines()) <= 50


# Noise ------------------------------------------------------------------------------------------------------------------------------


def noise(**options: Any) -> ActionNoise:
    return ActionNoise(NoiseOptions(**options), NUMBERS)


def test_the_process_is_that_of_a_slow_loop() -> None:
    process, steps = noise(**OU), 50
    state = process.initial_state(3, torch.device("cpu"))
    slow = torch.zeros(3, 2, dtype=torch.float64)
    for step in range(steps):
        action, state = process(torch.zeros(3, 2), state, 0, torch.Generator().manual_seed(step))
        drawn = torch.randn(3, 2, generator=torch.Generator().manual_seed(step))
        for env in range(3):
            for number in range(2):
                x = slow[env, number]
                slow[env, number] = x + 0.15 * (0.0 - x) * 0.5 + 0.5 * math.sqrt(0.5) * drawn[env, number]
        torch.testing.assert_close(state["noise"].double(), slow, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(action.double(), slow.clamp(-1, 1), rtol=1e-4, atol=1e-5)


def test_in_the_long_run_its_deviation_and_memory_are_those_of_theta_and_dt() -> None:
    process = noise(name="ou", std="0.2", theta=0.15, dt=0.1)
    generator = torch.Generator().manual_seed(0)
    state, seen = process.initial_state(500, torch.device("cpu")), []
    for _ in range(600):
        _, state = process(torch.zeros(500, 2), state, 0, generator)
        seen.append(state["noise"])
    late = torch.stack(seen[400:])
    assert late.std().item() == pytest.approx(0.2 / math.sqrt(2 * 0.15), rel=0.05)
    correlation = (late[:-50] * late[50:]).mean() / late.square().mean()
    assert correlation.item() == pytest.approx((1 - 0.15 * 0.1) ** 50, abs=0.05)


def test_two_environments_have_noise_of_their_own() -> None:
    """One process for all environments would correlate by 1."""
    process, generator = noise(**OU), torch.Generator().manual_seed(0)
    state, seen = process.initial_state(2, torch.device("cpu")), []
    for _ in range(4000):
        _, state = process(torch.zeros(2, 2), state, 0, generator)
        seen.append(state["noise"].flatten())
    correlations = torch.corrcoef(torch.stack(seen).T) - torch.eye(4)
    assert correlations.abs().max() < 0.25


@pytest.mark.parametrize("options", [{"std": "5"}, {**OU, "std": "5"}], ids=["gaussian", "ou"])
def test_noise_takes_no_action_out_of_the_box(options: dict[str, Any]) -> None:
    agent = make_agent(noise=options)
    state = agent.initial_state(64)
    action = agent.act(Batch({"obs": torch.randn(64, 3), **{f"state.{name}": rows for name, rows in state.items()}}), explore=True)
    assert action.action.abs().max() <= 1.0
    assert action.action.abs().max() > 0.99
    assert torch.equal(action.action, action.env_action)


def test_a_share_of_the_actions_is_uniformly_random_for_each_environment() -> None:
    generator = torch.Generator().manual_seed(0)
    action, _ = noise(std="0", epsilon=0.3)(torch.full((4000, 2), 0.5), {}, 0, generator)
    random = (action != 0.5).any(dim=1)
    assert random.float().mean().item() == pytest.approx(0.3, abs=0.03)
    assert (action[random] != 0.5).all()  # whole actions
    assert action[random].std().item() == pytest.approx(3**-0.5, abs=0.03)


def test_its_size_may_rise_from_environment_to_environment_and_fall_over_steps() -> None:
    process = noise(std="linear(0.4,0.0,100)", ramp=True)
    draws = torch.stack([process(torch.zeros(3, 2), {}, 50, torch.Generator().manual_seed(seed))[0] for seed in range(2000)])
    for measured, wanted in zip(draws.std(dim=(0, 2)).tolist(), (0.0, 0.1, 0.2), strict=True):
        assert measured == pytest.approx(wanted, abs=0.01)


def test_an_option_that_nothing_reads_is_refused() -> None:
    with pytest.raises(UsageError, match="theta and dt are of noise=ou"):
        compose(["agent=ddpg", "suite=gym:Pendulum-v1", "agent.noise.dt=1"])
    with pytest.raises(UsageError, match="over choices"):
        make_agent(Spec(Space((3,), "float32"), Space((), "int64", 0, 3, 4)), actor={"head": "categorical"})


def collector(seed: int = 1, **changes: Any) -> tuple[DDPG, EnvCollector, Replay]:
    """Two environments with episodes of 8 steps."""
    target = "unified.testing.probes:Probes"
    reference = SuiteReference(target, "both", {"discrete": False, "pixels": False, "size": 12, "rounds": 8}, f"{target}.Options")
    spec = reference.build().environment().spec
    agent = make_agent(spec, **{"noise": OU, **changes})
    replay = Replay(spec, agent.view, 400, 2, agent.streams, action=agent.action_space, pin=False)
    return agent, EnvCollector(WorkerVectorEnv(reference, 2, seed, placement="inline"), agent, replay), replay


def stepped(source: EnvCollector, steps: int) -> list[torch.Tensor]:
    found = []
    for _ in range(steps):
        source.step_async()
        source.step_wait()
        source.agent.steps += 2
        found.append(torch.from_numpy(source._stored.copy()))
    return found


def test_the_process_begins_anew_with_each_episode(monkeypatch: pytest.MonkeyPatch) -> None:
    agent, source, _ = collector(learning_starts=6)
    given: list[Batch] = []
    act = agent.act
    monkeypatch.setattr(agent, "act", lambda batch, explore: given.append(batch) or act(batch, explore=explore))
    source.start()
    stepped(source, 40)
    starts = torch.stack([batch["is_first"] for batch in given])
    states = torch.stack([batch["state.noise"] for batch in given]).flatten(2)
    assert (starts.sum(dim=0) >= 4).all()
    assert (states[starts] == 0).all()
    assert (states[4:][~starts[4:]] != 0).all()  # during the random start, the process rests


def test_it_is_resumed_in_the_middle_of_an_episode_with_the_same_bits() -> None:
    _, straight, _ = collector()
    straight.start()
    expected = stepped(straight, 13)[5:]
    agent, first, _ = collector()
    first.start()
    stepped(first, 5)
    state, counters, steps = through_a_file(first.state_dict()), agent.streams.state_dict(), agent.steps
    assert state["inputs"]["state"]["noise"].abs().min() > 0
    other, second, replay = collector()
    other.streams.load_state_dict(counters)
    other.steps = steps
    second.load_state_dict(state)
    for env_id, observation in enumerate(second.environments.observations):
        replay.begin(env_id, observation)  # its rows are restored elsewhere
    assert not differences(expected, stepped(second, 8))


def test_nothing_is_added_where_it_does_not_explore() -> None:
    agent = make_agent(noise={**OU, "epsilon": 0.5})
    batch = Batch({"obs": torch.randn(4, 3), "state.noise": torch.full((4, 2), 0.7)})
    counters = agent.streams.state_dict()
    action = agent.act(batch, explore=False)
    torch.testing.assert_close(action.action, pi(agent.actor, batch.obs))
    assert torch.equal(action.state["noise"], batch["state.noise"])
    assert agent.streams.state_dict() == counters


def test_the_replay_has_what_the_critic_sees_whatever_the_bounds_of_the_task() -> None:
    """SB3 and others stored actions in units of the environment and acted in units of the policy."""
    config = compose(["agent=ddpg", "suite=gym:Pendulum-v1"])  # whose actions go from -2 to 2
    assert config.agent.options.noise.std == "0.1"
    _, source, replay = collector(learning_starts=0, noise={"std": "3"})
    source.start()
    stored = torch.stack(stepped(source, 30))
    assert 0.99 < stored.abs().max() <= 1.0
    batch = next(iter(replay.batches(1, lambda rows: rows)))
    assert batch.action.abs().max() <= 1.0
