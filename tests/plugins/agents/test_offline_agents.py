"""BC, TD3+BC, AWAC, IQL and CQL by slow arithmetic, and what other implementations of them got wrong.

Each test of a mistake computes the wrong variant too and shows that it would not pass.
"""

from __future__ import annotations

import itertools
import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from unified.core.base.errors import UsageError
from unified.core.base.rng import Streams
from unified.core.base.spec import Space, Spec
from unified.core.config.compose import compose
from unified.core.config.schema import Selection
from unified.core.learn.agent import Agent
from unified.core.learn.objective import Loss
from unified.core.registry import registry
from unified.core.replay.batch import Batch
from unified.core.trainer.build import make_agent as built
from unified.heads import ClippedGaussian, ScalarValue, TanhGaussian
from unified.plugins.objectives.awr.objective import AWR
from unified.plugins.objectives.cql.objective import CQL
from unified.plugins.objectives.expectile.objective import Expectile
from unified.plugins.objectives.td3bc.objective import TD3BC
from unified.testing.settings import configure
from unified.testing.workshop import default_options, through_a_file

ROWS = 6
NUMBERS, CHOICES = Space((2,), "float32", -1.0, 1.0), Space((), "int64", 0, 2, 3)
SMALL = {"actor.hidden_dim": 8, "critic.hidden_dim": 8, "value.hidden_dim": 8, "batch_size": ROWS, "learning_starts": 0}


def make_agent(name: str, *words: str, action: Space = NUMBERS, objectives: tuple[str, ...] = ()) -> Any:
    component = registry().get("agents", name)
    fields: Any = component.options_model().model_fields
    small = [f"{key}={value}" for key, value in SMALL.items() if key.partition(".")[0] in fields]
    (component,) = configure([component], [*small, *words])
    listed = tuple(
        Selection("objectives", each, None, found := registry().get("objectives", each.removeprefix("+")), default_options(found))
        for each in objectives
    )
    selection = Selection("agents", name, None, component, default_options(component))
    config: Any = SimpleNamespace(
        **{"device": "cpu", "precision": "fp32", "objectives": listed, "seed": 3, "agent": selection, "registry": registry()}
    )
    agent = built(config, Spec(Space((3,), "float32"), action), Streams(3))
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for part in agent.target_parts:
            for parameter in agent.get_submodule(part).parameters():
                parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return agent


def make_batch(action: Space = NUMBERS, rows: int = ROWS) -> Batch:
    generator = torch.Generator().manual_seed(1)
    obs, next_obs = torch.randn(2, rows, 3, generator=generator)
    numbers = torch.rand(rows, 2, generator=generator) * 2 - 1
    return Batch(
        obs=obs,
        next_obs=next_obs + 0.5,
        action=torch.arange(rows) % 3 if action.discrete else numbers,
        reward=torch.rand(rows, generator=generator),
        discount=torch.tensor([0.9] * (rows - 1) + [0.0]),
        weight=torch.ones(rows),
    )


def gradients(loss: Loss, agent: Agent, part: str) -> list[torch.Tensor]:
    parameters = [parameter for parameter in agent.get_submodule(part).parameters() if parameter.requires_grad]
    found = torch.autograd.grad(loss.value, parameters, retain_graph=True, allow_unused=True)
    return [torch.zeros_like(p) if g is None else g for p, g in zip(parameters, found, strict=True)]


def close(one: list[torch.Tensor], other: list[torch.Tensor]) -> bool:
    return all(torch.allclose(a, b, rtol=1e-4, atol=1e-6) for a, b in zip(one, other, strict=True))


# Behaviour cloning --------------------------------------------------------------------------------------------------------------


def test_cloning_is_the_squared_error_of_numbers_and_the_cross_entropy_of_choices() -> None:
    for action in (NUMBERS, CHOICES):
        agent, batch = make_agent("bc", action=action), make_batch(action)
        (phase,) = agent.phase_list
        rows = agent.encode_batch(batch)
        loss = phase.objectives[0](agent, rows)
        raw = agent.actor.numbers(batch.obs)
        if action.discrete:
            expected = -sum(raw[row].log_softmax(-1)[batch.action[row]] for row in range(ROWS)) / ROWS
        else:
            squares = sum(((raw[row].tanh() - batch.action[row]) ** 2).sum() for row in range(ROWS)) / ROWS
            expected = 0.5 * squares + math.log(2 * math.pi)  # of two numbers
        torch.testing.assert_close(loss.value, expected)
        assert set(phase.trains) == {"encoder", "actor"}
        assert not hasattr(agent, "critic")


def test_cloning_reads_neither_rewards_nor_what_comes_next() -> None:
    states = []
    for change in ({}, {"reward": torch.full((ROWS,), 9.0), "next_obs": torch.zeros(ROWS, 3), "discount": torch.zeros(ROWS)}):
        agent = make_agent("bc")
        agent.learn(make_batch().with_columns(**change))
        states.append(list(agent.state_dict().values()))
    assert all(map(torch.equal, *states))


# TD3+BC -------------------------------------------------------------------------------------------------------------------------


def td3_bc_loss(agent: Any, batch: Batch, alpha: float, *, detached: bool = True, at_data: bool = False) -> Loss:
    """λ = α / mean |Q₁|, row by row."""
    action = agent.actor(batch.features).mode
    values = agent.critic(batch.features, action).mean[0]
    sized = agent.critic(batch.features, batch.action).mean[0] if at_data else values
    size = sum(value.abs() for value in sized) / ROWS
    weight = alpha / (size.detach() if detached else size)
    total = torch.zeros(())
    for row in range(ROWS):
        total = total + ((action[row] - batch.action[row]) ** 2).sum() / 2 - weight * values[row]
    return Loss(total / ROWS)


def td3bc_pair() -> tuple[Any, Batch]:
    agent = make_agent("td3_bc", objectives=("td3bc",))
    return agent, agent.encode_batch(make_batch())


def test_td3_bc_is_its_paper_s_loss() -> None:
    agent, rows = td3bc_pair()
    found = TD3BC(alpha=1.5)(agent, rows)
    expected = td3_bc_loss(agent, rows, 1.5)
    torch.testing.assert_close(found.value, expected.value)
    assert close(gradients(found, agent, "actor"), gradients(expected, agent, "actor"))


def test_lambda_has_no_gradient() -> None:
    """TD3+BC: λ with gradient, which takes away all that climbs the critic."""
    agent, rows = td3bc_pair()
    found, wrong = gradients(TD3BC()(agent, rows), agent, "actor"), td3_bc_loss(agent, rows, 2.5, detached=False)
    assert close(found, gradients(td3_bc_loss(agent, rows, 2.5), agent, "actor"))
    assert not close(found, gradients(wrong, agent, "actor"))


def test_lambda_is_of_the_policy_s_actions() -> None:
    """TD3+BC: λ computed from the critic at the actions of the data."""
    agent, rows = td3bc_pair()
    found, wrong = TD3BC()(agent, rows).value, td3_bc_loss(agent, rows, 2.5, at_data=True).value
    torch.testing.assert_close(found, td3_bc_loss(agent, rows, 2.5).value)
    assert not torch.allclose(found, wrong)


def test_td3_bc_climbs_the_first_critic_and_moves_none() -> None:
    agent, rows = td3bc_pair()
    loss = TD3BC()(agent, rows)
    assert not any(gradient.any() for gradient in gradients(loss, agent, "critic"))
    with torch.no_grad():
        for parameter in agent.critic.values.parameters():
            parameter[1] += 1.0  # the second member
    torch.testing.assert_close(TD3BC()(agent, rows).value, loss.value)


def test_td3_bc_is_td3_in_everything_else() -> None:
    """Where it replaces td3's objectives, the critic is trained too, and the actor keeps its delay."""
    agent = make_agent("td3_bc", objectives=("td3bc",))
    assert [(phase.name, [o.label for o in phase.objectives], phase.trains, phase.every) for phase in agent.phase_list] == [
        ("critic", ["td"], ("encoder", "critic"), 1),
        ("actor", ["td3bc"], ("actor",), 2),
    ]
    config = compose(["agent=td3_bc", "suite=gym:Pendulum-v1", "offline=true", "replay.load=kept"])
    assert [each.name for each in config.objectives] == ["td3bc"]
    assert config.agent.options.normalize_observations
    same = compose(["agent=td3", "suite=gym:Pendulum-v1", "objective=td3bc"])
    assert [each.name for each in same.objectives] == ["td3bc"]


def test_td3_bc_is_refused_for_choices() -> None:
    with pytest.raises(UsageError, match="policies of numbers, and this one is over choices"):
        make_agent("sac", action=CHOICES, objectives=("td3bc",))


# Advantage-weighted regression --------------------------------------------------------------------------------------------------


def awr(advantage: torch.Tensor, **options: float) -> Loss:
    mean = torch.tensor([[0.1, -0.2], [0.3, 0.4]], requires_grad=True)
    agent = SimpleNamespace(policy=lambda features: ClippedGaussian(mean, torch.tensor([-1.0, 0.5])), advantage=lambda batch: advantage)
    action = torch.tensor([[0.5, -1.0], [0.0, 1.0]])
    return AWR(**options)(agent, Batch(obs=action, features=action, action=action, weight=torch.tensor([1.0, 0.5])))


def density(mean: list[float], action: list[float]) -> float:
    found = 0.0
    for m, a, log_std in zip(mean, action, (-1.0, 0.5), strict=True):
        std = math.exp(log_std)
        found += -0.5 * ((a - m) / std) ** 2 - log_std - 0.5 * math.log(2 * math.pi)
    return found


def test_the_likelihood_is_weighted_by_the_exponentiated_advantage() -> None:
    found = awr(torch.tensor([0.7, -0.3]), beta=2.0).value.item()
    rows = [density([0.1, -0.2], [0.5, -1.0]), density([0.3, 0.4], [0.0, 1.0])]
    expected = -(1.0 * math.exp(2.0 * 0.7) * rows[0] + 0.5 * math.exp(2.0 * -0.3) * rows[1]) / 2
    assert found == pytest.approx(expected, rel=1e-5)


def test_weights_are_clipped() -> None:
    """AWAC, IQL: weights exp(βA) without a limit."""
    loss = awr(torch.tensor([50.0, -50.0]), beta=3.0)
    assert loss.metrics["advantage_weight"].item() == pytest.approx(50.0)  # of 100 and 0
    assert math.isfinite(loss.value.item())
    assert math.isinf(math.e ** torch.tensor(150.0, dtype=torch.float32))


def test_advantages_have_no_gradient() -> None:
    advantage = torch.tensor([0.7, -0.3], requires_grad=True)
    loss = awr(advantage)
    assert torch.autograd.grad(loss.value, advantage, allow_unused=True) == (None,)


def test_without_a_temperature_it_is_cloning() -> None:
    loss = awr(torch.tensor([5.0, -5.0]), beta=0.0).value.item()
    rows = [density([0.1, -0.2], [0.5, -1.0]), density([0.3, 0.4], [0.0, 1.0])]
    assert loss == pytest.approx(-(rows[0] + 0.5 * rows[1]) / 2, rel=1e-5)


@pytest.mark.parametrize("action", [NUMBERS, CHOICES], ids=["numbers", "choices"])
def test_the_advantage_of_awac_is_that_over_its_own_action(action: Space) -> None:
    agent = make_agent("awac", action=action)
    rows = agent.encode_batch(make_batch(action))
    policy = agent.policy(rows.features)
    found = agent.advantage(rows)
    streams = Streams(3)
    drawn = None if action.discrete else policy.sample(streams["policy"].torch())
    values, taken = agent.critic(rows.features, drawn).mean, agent.critic(rows.features, rows.action).mean
    for row in range(ROWS):
        if action.discrete:
            own = sum(policy.probabilities[row, a].item() * min(values[0, row, a].item(), values[1, row, a].item()) for a in range(3))
        else:
            own = min(values[0, row].item(), values[1, row].item())
        assert found[row].item() == pytest.approx(min(taken[0, row].item(), taken[1, row].item()) - own, rel=1e-4, abs=1e-6)


def test_awac_bootstraps_from_its_own_next_action_without_entropy() -> None:
    agent = make_agent("awac")
    rows = agent.encode_batch(make_batch())
    action = agent.policy(rows.next_features).sample(Streams(3)["target"].torch())
    values = agent.critic_target(rows.next_features, action).mean
    torch.testing.assert_close(agent.bootstrap(rows).mean[0], torch.minimum(values[0], values[1]))


# IQL ----------------------------------------------------------------------------------------------------------------------------


def expectile_of(targets: list[float], expectile: float) -> float:
    """The number V that the loss settles at, by bisection on its slope."""
    agent = SimpleNamespace(taken_value=lambda batch: ScalarValue(torch.tensor([targets])))
    low, high = min(targets), max(targets)
    for _ in range(60):
        value = torch.tensor((low + high) / 2, requires_grad=True)
        agent.value = lambda features, value=value: ScalarValue(value.expand(1, len(targets)))
        batch = Batch(obs=torch.zeros(len(targets)), features=torch.zeros(len(targets)), weight=torch.ones(len(targets)))
        loss = Expectile(expectile)(agent, batch)
        (slope,) = torch.autograd.grad(loss.value, value)
        low, high = (low, value.item()) if slope > 0 else (value.item(), high)
    return low


def test_the_expectile_goes_from_the_mean_to_the_greatest() -> None:
    """IQL: the expectile of the wrong sign, which goes to the least."""
    targets = [-3.0, 1.0, 5.0]
    assert expectile_of(targets, 0.5) == pytest.approx(1.0, abs=1e-3)
    rising = [expectile_of(targets, kappa) for kappa in (0.1, 0.5, 0.7, 0.9, 0.999)]
    assert rising == sorted(rising)
    assert rising[-1] == pytest.approx(5.0, abs=0.05)
    assert expectile_of(targets, 0.001) == pytest.approx(-3.0, abs=0.05)  # what the wrong sign gives for 0.999


def test_the_loss_of_v_by_hand() -> None:
    agent = make_agent("iql")
    rows = agent.encode_batch(make_batch())
    targets, values = agent.critic_target(rows.features, rows.action).mean, agent.value(rows.features).mean[0]
    expected = 0.0
    for row in range(ROWS):
        u = min(targets[0, row].item(), targets[1, row].item()) - values[row].item()
        expected += abs(0.7 - (u < 0)) * u * u / ROWS
    loss = Expectile(0.7)(agent, rows)
    assert loss.value.item() == pytest.approx(expected, rel=1e-5)
    assert not any(gradient.any() for gradient in gradients(loss, agent, "critic"))


@pytest.mark.parametrize("action", [NUMBERS, CHOICES], ids=["numbers", "choices"])
def test_v_and_the_policy_learn_from_the_target_critics(action: Space) -> None:
    """IQL: V or the weights of the policy by the online critics."""
    agent = make_agent("iql", action=action)
    rows = agent.encode_batch(make_batch(action))
    loss, advantage = Expectile(0.7)(agent, rows).value, agent.advantage(rows)
    with torch.no_grad():
        for parameter in agent.critic.parameters():
            parameter.mul_(1.5)
    torch.testing.assert_close(Expectile(0.7)(agent, rows).value, loss)
    torch.testing.assert_close(agent.advantage(rows), advantage)
    with torch.no_grad():
        for parameter in agent.critic_target.parameters():
            parameter.mul_(1.5)
    assert not torch.allclose(Expectile(0.7)(agent, rows).value, loss)
    assert not torch.allclose(agent.advantage(rows), advantage)


def test_the_bootstrap_is_v_and_no_action_is_asked_for() -> None:
    agent = make_agent("iql")
    rows = agent.encode_batch(make_batch())
    before = agent.streams.state_dict()
    found = agent.bootstrap(rows)
    torch.testing.assert_close(found.mean[0], agent.value(rows.next_features).mean[0])
    agent.learn(make_batch())
    assert agent.streams.state_dict() == before, "an update of IQL draws nothing"


def iql_update(agent: Any, batch: Batch, order: tuple[str, ...] = ("value", "actor", "critic")) -> dict[str, torch.Tensor]:
    """One update by hand, in the order of the paper's code or another: a gradient step on each loss."""
    features, following = batch.obs, batch.next_obs

    def least(critic: Any) -> torch.Tensor:
        values = critic(features, batch.action).mean
        return torch.minimum(values[0], values[1])

    def losses(part: str) -> torch.Tensor:
        value = agent.value(features).mean[0]
        u = least(agent.critic_target).detach() - value
        if part == "value":
            return (torch.where(u < 0, 0.3, 0.7) * u**2).mean()
        if part == "actor":
            weight = (3.0 * u.detach()).exp().clamp(max=100.0)
            mean, log_std = agent.actor.numbers(features).tanh(), agent.actor.head.log_std
            log_prob = torch.distributions.Normal(mean, log_std.exp()).log_prob(batch.action).sum(-1)
            return -(weight * log_prob).mean()
        target = (batch.reward + batch.discount * agent.value(following).mean[0]).detach()
        return sum(((member - target) ** 2).mean() for member in agent.critic(features, batch.action).mean)  # type: ignore[return-value]

    for part in order:
        optimizer = torch.optim.SGD(agent.get_submodule(part).parameters(), 0.1)
        losses(part).backward()
        optimizer.step()
        agent.zero_grad()
    with torch.no_grad():
        for ours, theirs in zip(agent.critic_target.parameters(), agent.critic.parameters(), strict=True):
            ours.lerp_(theirs, 0.005)
    return dict(agent.state_dict())


def test_an_update_of_iql_is_v_then_the_policy_then_q_then_the_target() -> None:
    """IQL: the critics before V; targets that follow before the critics moved."""
    plain = ("optimizer.name=sgd", "lr=0.1")  # a first step of Adam has the sign of a gradient alone
    agent, batch = make_agent("iql", *plain), make_batch()
    agent.learn(batch)
    found = agent.state_dict()

    def apart(expected: dict[str, torch.Tensor]) -> list[str]:
        return [name for name, value in found.items() if not torch.allclose(value, expected[name], rtol=1e-5, atol=1e-7)]

    assert apart(iql_update(make_agent("iql", *plain), batch)) == []
    for order in itertools.permutations(("value", "actor", "critic")):
        if order in (("value", "actor", "critic"), ("value", "critic", "actor")):  # Q moves nothing that the policy learns from
            continue
        assert apart(iql_update(make_agent("iql", *plain), batch, order)), order


def test_the_policy_of_iql_is_not_squashed() -> None:
    """IQL: a squashed policy, to which actions at the bounds are infinitely likely or nearly so."""
    agent = make_agent("iql")
    policy = agent.policy(torch.randn(4, 3, generator=torch.Generator().manual_seed(0)))
    assert isinstance(policy, ClippedGaussian)
    assert (policy.mean.abs() < 1).all()
    assert torch.equal(policy.log_std[0], policy.log_std[3])  # the same in every state
    assert agent.actor.head.log_std.shape == (2,)
    edge = torch.ones(4, 2)
    inside = torch.full((4, 2), 0.999999)
    torch.testing.assert_close(policy.log_prob(edge), policy.log_prob(inside), rtol=1e-4, atol=1e-4)
    squashed = make_agent("sac").policy(torch.zeros(4, 3))
    assert (squashed.log_prob(edge) - squashed.log_prob(torch.full((4, 2), 0.99))).abs().max() > 3
    drawn = ClippedGaussian(torch.full((1000, 1), 0.9), torch.tensor(0.0)).sample(torch.Generator().manual_seed(0))
    assert drawn.max() == 1.0
    assert drawn.min() >= -1.0


def test_the_learning_rate_of_the_actor_alone_falls() -> None:
    agent = make_agent("iql", "optimizer.parts.actor.schedule=cosine(1,0,100)")
    for updates, factor in ((0, 1.0), (50, 0.5), (100, 0.0)):
        agent.updates = updates
        agent.updater.set_rates()
        rates = {part: optimizer.param_groups[0]["lr"] for part, optimizer in agent.updater.optimizers.items()}
        assert rates["actor"] == pytest.approx(3e-4 * factor, abs=1e-12)
        assert rates["critic"] == rates["value"] == 3e-4
    config = compose(["agent=iql", "suite=gym:Hopper-v5", "agent.optimizer.parts.critic.lr=1e-3"])
    assert config.agent.options.optimizer.parts["actor"].schedule == "cosine(1,0,1000000)"


# CQL ----------------------------------------------------------------------------------------------------------------------------


def test_over_choices_it_is_exact() -> None:
    agent = make_agent("dqn", action=CHOICES)
    rows = agent.encode_batch(make_batch(CHOICES))
    values = agent.critic(rows.features).mean[0]
    expected = 0.0
    for row in range(ROWS):
        expected += math.log(sum(math.exp(values[row, a].item()) for a in range(3))) - values[row, rows.action[row]].item()
    before = agent.streams.state_dict()
    assert CQL(alpha=2.0)(agent, rows).value.item() == pytest.approx(2.0 * expected / ROWS, rel=1e-5)
    assert agent.streams.state_dict() == before


def cql_by_hand(agent: Any, rows: Batch, samples: int, variant: str = "") -> torch.Tensor:
    """The estimate of numbers row by row: uniform actions, the policy's, and those of the next state, valued at s."""
    streams, count = Streams(3), samples * ROWS
    uniform = torch.empty(count, 2).uniform_(-1.0, 1.0, generator=streams["policy"].torch())
    now, log_now = agent.policy(rows.features.repeat(samples, 1)).sample_and_log_prob(streams["policy"].torch())
    after, log_after = agent.policy(rows.next_features.repeat(samples, 1)).sample_and_log_prob(streams["policy"].torch())
    if variant != "with a gradient for the policy":
        now, log_now, after, log_after = (each.detach() for each in (now, log_now, after, log_after))
    total = torch.zeros(())
    for row, member in itertools.product(range(ROWS), range(2)):
        terms = []
        for sample in range(samples):
            at = sample * ROWS + row
            next_state = rows.next_features[row] if variant == "next actions judged at s'" else rows.features[row]
            for state, action, log_density in (
                (rows.features[row], uniform[at], torch.tensor(-2 * math.log(2.0))),
                (rows.features[row], now[at], log_now[at]),
                (next_state, after[at], log_after[at]),
            ):
                log_density = log_density * (variant != "without densities")
                log_density = torch.zeros(()) if variant == "uniform density 1" and action is uniform[at] else log_density
                terms.append(agent.critic(state[None], action[None]).mean[member, 0] - log_density)
        if variant == "uniform density 1":
            terms[::3] = [term - 2 * math.log(2.0) for term in terms[::3]]
        data = agent.critic(rows.features[row][None], rows.action[row][None]).mean[member, 0]
        total = total + (torch.stack(terms).logsumexp(0) - data) / ROWS
    return total


WRONG = ("without densities", "next actions judged at s'", "uniform density 1")


def test_of_numbers_it_is_the_importance_weighted_estimate() -> None:
    agent = make_agent("sac")
    rows = agent.encode_batch(make_batch())
    found = CQL(alpha=1.0, samples=3)(agent, rows)
    expected = cql_by_hand(agent, rows, 3)
    torch.testing.assert_close(found.value, expected)
    assert close(gradients(found, agent, "critic"), gradients(Loss(expected), agent, "critic"))


@pytest.mark.parametrize("variant", WRONG)
def test_densities_and_the_state_of_next_actions(variant: str) -> None:
    """CQL: log densities left out; actions of the next state judged there; uniform actions of another range."""
    agent = make_agent("sac")
    rows = agent.encode_batch(make_batch())
    assert not torch.allclose(CQL(alpha=1.0, samples=3)(agent, rows).value, cql_by_hand(agent, rows, 3, variant), rtol=1e-3)


def test_repeated_actions_have_no_gradient() -> None:
    """CQL: actions of the policy that are not detached."""
    agent = make_agent("sac")
    rows = agent.encode_batch(make_batch())
    assert not any(gradient.any() for gradient in gradients(CQL(alpha=1.0, samples=3)(agent, rows), agent, "actor"))
    wrong = Loss(cql_by_hand(agent, rows, 3, "with a gradient for the policy"))
    assert any(gradient.any() for gradient in gradients(wrong, agent, "actor"))


def test_the_estimate_is_the_integral() -> None:
    """With a critic that is linear in the action, ∫ exp Q da is known."""
    slope = torch.tensor([0.7, -1.1])
    flat = SimpleNamespace(
        action_space=NUMBERS,
        critic=lambda features, action: ScalarValue((action @ slope)[None]),
        policy=lambda features: TanhGaussian(torch.zeros(len(features), 2), torch.zeros(len(features), 2)),
        noise=iter_noise(),
    )
    batch = Batch(obs=torch.zeros(2, 3), features=torch.zeros(2, 3), next_features=torch.zeros(2, 3), action=torch.zeros(2, 2))
    samples = 20_000
    # Each of the three kinds estimates the integral, and their sum is three times it (times N).
    found = CQL(alpha=1.0, samples=samples)(flat, batch).value.item() - math.log(3 * samples)
    exact = sum(math.log((math.exp(k) - math.exp(-k)) / k) for k in slope.tolist())
    assert found == pytest.approx(exact, abs=0.05)


def iter_noise() -> Any:
    streams = Streams(0)
    return lambda: streams["policy"].torch()


@pytest.mark.parametrize(("name", "action"), [("cql", NUMBERS), ("cql", CHOICES), ("dqn", CHOICES)])
def test_cql_is_added_to_td(name: str, action: Space) -> None:
    agent = make_agent(name, action=action, objectives=("+cql",))
    assert [each.label for each in agent.phase_list[0].objectives] == ["td", "cql"]
    agent.learn(make_batch(action))
    config = compose(["agent=cql", "suite=gym:Pendulum-v1"])
    assert [each.name for each in config.objectives] == ["+cql"]
    assert not config.agent.options.backup_entropy


def test_without_entropy_in_the_backup_it_is_the_least_target() -> None:
    agent = make_agent("sac", "backup_entropy=false")
    rows = agent.encode_batch(make_batch())
    action = agent.policy(rows.next_features).sample(Streams(3)["target"].torch())
    values = agent.critic_target(rows.next_features, action).mean
    torch.testing.assert_close(agent.bootstrap(rows).mean[0], torch.minimum(values[0], values[1]))
    assert not torch.allclose(make_agent("sac").bootstrap(rows).mean[0], torch.minimum(values[0], values[1]))


def test_values_of_other_actions_fall_against_those_of_the_data() -> None:
    """On random targets, the gap between the values of all actions and those of the data closes with CQL and not without."""
    gaps = []
    for objectives in ((), ("+cql",)):
        agent, batch = make_agent("cql", "lr=1e-2", objectives=objectives), make_batch()
        for _ in range(150):
            agent.learn(batch)
        rows = agent.encode_batch(batch)
        random = torch.rand(200, 2, generator=torch.Generator().manual_seed(5)) * 2 - 1
        with torch.no_grad():
            others = torch.stack([agent.critic(rows.features, each.expand(ROWS, 2)).mean.mean() for each in random]).max()
            gaps.append((others - agent.critic(rows.features, rows.action).mean.mean()).item())
    assert gaps[1] < gaps[0]
    assert gaps[1] < 0


# Standardised observations ------------------------------------------------------------------------------------------------------


def test_observations_are_standardised_by_the_data_in_training_and_in_evaluation() -> None:
    """TD3+BC: the normalisation missing where the agent is judged."""
    agent = make_agent("td3_bc", "normalize_observations=true", objectives=("td3bc",))
    data = torch.randn(500, 3, generator=torch.Generator().manual_seed(2)) * torch.tensor([1.0, 20.0, 0.0]) + torch.tensor([0.0, 50.0, 4.0])
    agent.observe_data([Batch(obs=data[:100]), Batch(obs=data[100:])], np.zeros(0))
    mean, deviation = data.double().mean(0), data.double().std(0, unbiased=False)
    expected = ((data - mean) / (deviation + 1e-3)).float()
    torch.testing.assert_close(agent.encode(data), expected, rtol=1e-4, atol=1e-4)
    agent.train(False)
    torch.testing.assert_close(agent.encode(data), expected, rtol=1e-4, atol=1e-4)
    acted = agent.act(Batch(obs=data[:4]), explore=False).action
    torch.testing.assert_close(acted, agent.actor(expected[:4]).mode, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(acted, agent.actor(data[:4]).mode, atol=1e-2)
    other = make_agent("td3_bc", "normalize_observations=true", objectives=("td3bc",))
    other.load_training_state(through_a_file(agent.training_state()))
    assert torch.equal(other.encode(data), agent.encode(data))


@pytest.mark.parametrize(("typed", "fits"), [("critic.head=scalar", True), ("critic.head=quantile", False)])
def test_critics_of_iql_have_the_head_of_v(typed: str, fits: bool) -> None:
    config = compose(["agent=iql", "suite=gym:Pendulum-v1", typed])
    spec = Spec(Space((3,), "float32"), Space((1,), "float32", -1.0, 1.0))
    if fits:
        assert built(config, spec, Streams(1)).phase_list
        return
    with pytest.raises(UsageError, match=r"^critic.head=quantile and agent.value.head=scalar differ.*agent.value.head=quantile"):
        built(config, spec, Streams(1))
