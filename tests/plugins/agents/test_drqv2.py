"""DrQ-v2 against an implementation in the reference's own style, and the traps its relatives fell into."""

from __future__ import annotations

import copy

import pytest
import torch

from reference.drqv2 import ReferenceDrQV2
from unified.core.base.rng import Streams
from unified.core.base.spec import Space, Spec
from unified.core.config.compose import compose
from unified.core.learn.builder import Builder
from unified.core.registry import registry
from unified.core.replay.batch import Batch
from unified.plugins.agents.drqv2.agent import DrQV2

SIZE, ACTIONS, ROWS = 24, 3, 6


def make_agent(seed: int = 3, precision: str = "fp32", action: Space | None = None, **changes: object) -> DrQV2:
    spec = Spec(Space((3, SIZE, SIZE), "uint8", 0, 255), action or Space((ACTIONS,), "float32", -1, 1))
    options = (
        registry()
        .get("agents", "drqv2")
        .options_model()(**{"batch_size": ROWS, "hidden_dim": 32, "feature_dim": 10, "stddev": "0.2", **changes})
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        agent = DrQV2(spec, options, Builder(torch.device("cpu"), precision, Streams(seed), registry()))
    agent.configure()
    return agent


def test_on_choices_it_explores_less_and_less() -> None:
    """A softmax of numbers within [-1, 1] keeps the greatest of 18 below 30 %, whatever is learned."""
    agent = make_agent(action=Space((), "int64", 0, 17, 18), stddev="linear(1.0,0.1,1000)", learning_starts=0)
    with torch.no_grad():
        last = agent.actor.numbers[-1]
        last.weight.zero_()
        last.bias.fill_(-1.0)
        last.bias[11] = 1.0
    obs = torch.zeros(2000, 9, SIZE, SIZE, dtype=torch.uint8)
    assert agent.act(Batch(obs=obs), explore=False).env_action.unique().tolist() == [11]
    shares = {}
    for agent.steps in (0, 1000):
        shares[agent.steps] = (agent.act(Batch(obs=obs), explore=True).env_action == 11).float().mean().item()
    assert shares[0] < 0.5
    assert shares[1000] > 0.95


def make_batch(seed: int = 0, rows: int = ROWS, actions: int = ACTIONS) -> Batch:
    g = torch.Generator().manual_seed(seed)
    obs, next_obs = torch.randint(0, 256, (2, rows, 9, SIZE, SIZE), dtype=torch.uint8, generator=g)
    return Batch(
        obs=obs,
        next_obs=next_obs,
        action=torch.rand(rows, actions, generator=g) * 2 - 1,
        reward=torch.rand(rows, generator=g),
        discount=torch.tensor([0.97] * (rows - 1) + [0.0]),
        weight=torch.ones(rows),
    )


def reference_of(agent: DrQV2) -> ReferenceDrQV2:
    """The same weights in the reference's layout: it flattens features as (C, H, W), we as (H, W, C)."""
    reference = ReferenceDrQV2((9, SIZE, SIZE), ACTIONS, dim=10, hidden_dim=32)
    side = round((reference.encoder.features // 32) ** 0.5)

    def trunk(ours: torch.nn.Module, theirs: torch.nn.Sequential) -> None:
        weight = ours.project.weight.view(-1, side, side, 32).permute(0, 3, 1, 2).flatten(1)
        theirs[0].weight.data.copy_(weight)
        theirs[0].bias.data.copy_(ours.project.bias)
        theirs[1].load_state_dict(ours.norm.state_dict())

    with torch.no_grad():
        for ours, theirs in zip(agent.encoder.parameters(), reference.encoder.parameters(), strict=True):
            theirs.copy_(ours)
        trunk(agent.actor.trunk, reference.actor.trunk)
        for ours, theirs in zip(agent.actor.numbers.parameters(), reference.actor.policy.parameters(), strict=True):
            theirs.copy_(ours)
        for critic, other in ((agent.critic, reference.critic), (agent.critic_target, reference.critic_target)):
            trunk(critic.trunk, other.trunk)
            for member, mlp in enumerate((other.Q1, other.Q2)):
                for layer, (weight, bias) in enumerate(zip(critic.values.weights, critic.values.biases, strict=True)):
                    mlp[2 * layer].weight.copy_(weight[member].T)
                    mlp[2 * layer].bias.copy_(bias[member, 0])
    return reference


def draws_of(seed: int) -> tuple[torch.Tensor, ...]:
    """What the agent will draw in its first update, in the reference's terms."""
    streams, pad = Streams(seed), 4
    shifts = [torch.randint(-pad, pad + 1, (2, ROWS, 1), generator=streams["shift"].torch()) + pad for _ in range(2)]
    shifts = [torch.stack([shift[1], shift[0]], dim=-1).view(ROWS, 1, 1, 2) for shift in shifts]  # (x, y)
    noise = [torch.randn(ROWS, ACTIONS, generator=streams[name].torch()) for name in ("target", "policy")]
    return (*shifts, *noise)


def test_one_update_is_the_references() -> None:
    agent, batch = make_agent(), make_batch()
    reference = reference_of(agent)
    expected = reference.update(
        batch.obs, batch.action, batch.reward[:, None], batch.discount[:, None], batch.next_obs, std=0.2, draws=draws_of(3)
    )
    learned = agent.learn(batch).metrics
    assert learned["critic_loss"].item() == pytest.approx(expected["critic_loss"], rel=1e-4)
    assert learned["actor_loss"].item() == pytest.approx(expected["actor_loss"], rel=1e-4, abs=1e-6)
    assert learned["target"].item() == pytest.approx(expected["target"], rel=1e-4)
    after = reference_of(agent)
    # Adam's first step is ±lr whatever the gradient's size: compare where the gradient is no rounding error.
    for part in ("encoder", "actor", "critic", "critic_target"):
        ours, theirs = getattr(after, part).state_dict(), getattr(reference, part).state_dict()
        for name, value in ours.items():
            different = (value - theirs[name]).abs() > 2e-5
            assert different.float().mean() < 0.01, f"{part}.{name}"


def test_gradients_reach_exactly_the_parts_of_a_phase() -> None:
    agent, batch = make_agent(), make_batch()
    before = {name: value.clone() for name, value in agent.state_dict().items()}
    agent.phase_list = agent.phase_list[:1]  # td alone
    agent.learn(batch)
    moved = {name.split(".")[0] for name, value in agent.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == {"encoder", "critic", "critic_target"}
    agent = make_agent()
    agent.phase_list = agent.phase_list[1:]  # the policy alone
    agent.learn(batch)
    moved = {name.split(".")[0] for name, value in agent.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == {"actor"}


def test_targets_use_the_target_critic_and_the_next_state() -> None:
    batch = make_batch()
    rows = make_agent().encode_batch(batch)
    expected = make_agent().bootstrap(rows).mean
    agent = make_agent()
    with torch.no_grad():
        for parameter in agent.critic.parameters():
            parameter.add_(1.0)
    torch.testing.assert_close(agent.bootstrap(rows).mean, expected)
    other = rows.with_columns(features=torch.zeros_like(rows.features))
    torch.testing.assert_close(make_agent().bootstrap(other).mean, expected)
    other = rows.with_columns(next_features=torch.zeros_like(rows.next_features))
    assert not torch.allclose(make_agent().bootstrap(other).mean, expected)


def test_a_terminal_state_is_worth_its_reward_alone() -> None:
    agent = make_agent()
    rows = agent.encode_batch(make_batch())
    target = agent.bootstrap(rows).backup(rows.reward, rows.discount).mean[0]
    assert target[-1] == rows.reward[-1]
    assert not torch.isclose(target[0], rows.reward[0])


def test_evaluation_is_deterministic_and_free_of_noise() -> None:
    agent = make_agent(stddev="1.0", learning_starts=1000)
    obs = make_batch().obs
    first, second = agent.act(Batch(obs=obs), explore=False), agent.act(Batch(obs=obs), explore=False)
    assert torch.equal(first.env_action, second.env_action)
    assert not torch.equal(agent.act(Batch(obs=obs), explore=True).env_action, agent.act(Batch(obs=obs), explore=True).env_action)


def test_seed_steps_are_uniform_and_end() -> None:
    agent = make_agent(stddev="0.0", learning_starts=10)
    obs = make_batch().obs.repeat(200, 1, 1, 1)
    random = agent.act(Batch(obs=obs), explore=True).env_action
    assert random.abs().max() > 0.98
    assert abs(random.mean().item()) < 0.05
    agent.steps = 10
    torch.testing.assert_close(
        agent.act(Batch(obs=obs), explore=True).env_action, agent.act(Batch(obs=obs), explore=False).env_action, atol=1e-5, rtol=0
    )


def test_a_non_finite_batch_moves_nothing_and_is_counted() -> None:
    agent, batch = make_agent(), make_batch()
    agent.learn(batch)
    before = {name: value.clone() for name, value in agent.state_dict().items() if "target" not in name}
    batch["reward"] = batch.reward.index_fill(0, torch.tensor([1]), float("nan"))
    metrics = agent.learn(batch).metrics
    assert metrics["nonfinite"] == 1
    for name, value in agent.state_dict().items():
        assert torch.isfinite(value).all(), name
        if name in before and name.split(".")[0] in ("encoder", "critic"):
            assert torch.equal(value, before[name]), name
    assert agent.learn(make_batch(1)).metrics["nonfinite"] == 0


def test_bf16_is_the_encoders_alone_and_saturated_policies_still_learn() -> None:
    agent = make_agent(precision="bf16")
    rows = agent.encode_batch(make_batch())
    assert rows.features.dtype == torch.bfloat16
    with torch.no_grad():
        agent.actor.numbers[-1].bias.fill_(5.0)  # in bfloat16 tanh(5) is exactly 1
    policy = agent.policy(rows.features.detach())
    assert policy.mean.dtype == torch.float32
    assert (policy.mean < 1).all()
    (gradient,) = torch.autograd.grad(policy.mode.sum(), [agent.actor.numbers[-1].bias])
    assert (gradient > 0).all()


def test_discrete_tasks_store_the_vector_and_enact_its_argmax() -> None:
    agent = make_agent(action=Space((), "int64", n=4))
    action = agent.act(make_batch(), explore=False)
    assert action.action.shape == (ROWS, 4)
    assert torch.equal(action.env_action, action.action.argmax(-1))
    agent.learn(make_batch(actions=4))


def test_saved_and_loaded_it_goes_on_the_same() -> None:
    agent, batch = make_agent(), make_batch()
    agent.learn(batch)
    other = make_agent(seed=4)
    other.load_training_state(copy.deepcopy(agent.training_state()))
    other.streams = Streams(3)
    other.streams.load_state_dict(agent.streams.state_dict())
    agent.learn(batch)
    other.learn(batch)
    for name, value in agent.state_dict().items():
        assert torch.equal(value, other.state_dict()[name]), name


def test_moments_keep_the_layout_of_their_parameters() -> None:
    """Convolutions lie channels-last in memory and files do not; a fused optimiser would pair the wrong numbers."""
    agent, batch = make_agent(), make_batch()
    agent.learn(batch)
    state = copy.deepcopy(agent.training_state())
    for optimizer in state["optimizers"].values():
        for moments in optimizer["state"].values():
            moments.update({name: value.contiguous() for name, value in moments.items()})
    other = make_agent(seed=4)
    other.load_training_state(state)
    assert not other.encoder.convolutions[0].weight.is_contiguous()
    for name, optimizer in other.updater.optimizers.items():
        for parameter, moments in optimizer.state.items():
            assert moments["exp_avg"].stride() == parameter.stride(), name


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ("cartpole_balance", {"frames": 1_100_000, "stddev": "linear(1.0,0.1,100000)", "n_step": 3, "batch_size": 256}),
        ("cheetah_run", {"frames": 3_100_000, "stddev": "linear(1.0,0.1,500000)", "lr": 1e-4}),
        ("humanoid_run", {"frames": 30_100_000, "stddev": "linear(1.0,0.1,2000000)", "lr": 8e-5, "feature_dim": 100}),
        ("walker_walk", {"frames": 1_100_000, "n_step": 1, "batch_size": 512}),
        ("walker_run", {"frames": 3_100_000, "n_step": 1, "batch_size": 512, "stddev": "linear(1.0,0.1,500000)"}),
        ("quadruped_run", {"frames": 3_100_000, "capacity": 100_000}),
        ("quadruped_walk", {"frames": 3_100_000, "capacity": 1_000_000}),
        ("fish_swim", {"frames": 1_000_000, "stddev": "linear(1.0,0.1,100000)"}),
    ],
)
def test_published_settings_come_with_the_task(task, expected):
    config = compose([f"suite=dmc:{task}"])
    found = {"frames": config.train.frames, "capacity": config.replay.capacity, **config.agent.options.model_dump()}
    assert {key: found[key] for key in expected} == expected
