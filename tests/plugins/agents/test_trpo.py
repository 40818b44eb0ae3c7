"""TRPO: conjugate gradients against a dense solve, the Fisher matrix by its definition, and what its relatives got wrong."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from unified.core.base.rng import Streams
from unified.core.base.spec import Space, Spec
from unified.core.config.compose import compose
from unified.core.learn.builder import Builder
from unified.core.learn.options import OptimizerOptions
from unified.core.registry import registry
from unified.core.replay.batch import Batch
from unified.plugins.agents.trpo.agent import TRPO
from unified.plugins.agents.trpo.trust_region import TrustRegion, conjugate_gradient
from unified.plugins.architectures.heads.policies import Categorical, Gaussian, TanhGaussian

CHOICES, NUMBERS = Space((), "int64", 0, 2, 3), Space((2,), "float32", -1.0, 1.0)


def make_agent(action: Space = CHOICES, objectives: tuple[Any, ...] = (), **changes: Any) -> TRPO:
    options = registry().get("agents", "trpo").options_model()(**{"hidden_dim": 8, "epochs": 1, "cg_damping": 1e-3, **changes})
    with torch.random.fork_rng():
        torch.manual_seed(3)
        build = Builder(torch.device("cpu"), "fp32", Streams(3), registry(), objectives)
        agent = TRPO(Spec(Space((4,), "float32"), action), options, build)
    agent.configure()
    return agent


def rollout(agent: TRPO, rows: int = 24) -> Batch:
    g = torch.Generator().manual_seed(1)
    obs, next_obs = torch.randn(2, rows, 4, generator=g)
    action = agent.act(Batch(obs=obs), explore=True)
    boundary = torch.arange(rows) % 8 == 7
    batch = Batch(
        obs=obs,
        next_obs=next_obs,
        action=action.action,
        log_prob=action.extra["log_prob"],
        reward=torch.rand(rows, generator=g),
        discount=torch.full((rows,), 0.99),
        boundary=boundary,
        index=torch.arange(rows),
        weight=torch.ones(rows),
    )
    return agent.process_rollout(batch)


def parameters(agent: TRPO, part: str) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in getattr(agent, part).parameters()]


def test_conjugate_gradients_solve_what_a_dense_solver_solves() -> None:
    g = torch.Generator().manual_seed(1)
    root = torch.randn(20, 20, generator=g, dtype=torch.float64)
    matrix, target = root @ root.T + 0.5 * torch.eye(20, dtype=torch.float64), torch.randn(20, generator=g, dtype=torch.float64)
    found = conjugate_gradient(lambda vector: matrix @ vector, target, steps=40, tolerance=1e-24)
    torch.testing.assert_close(found, torch.linalg.solve(matrix, target), rtol=1e-8, atol=1e-8)


def test_the_residual_falls_with_every_number_of_steps_and_zero_has_the_solution_zero() -> None:
    matrix, target = torch.diag(torch.tensor([1.0, 2.0, 3.0])).double(), torch.ones(3).double()
    residuals = [(target - matrix @ conjugate_gradient(lambda v: matrix @ v, target, steps)).norm().item() for steps in range(4)]
    assert residuals == sorted(residuals, reverse=True)
    assert residuals[3] < 1e-12
    assert torch.equal(conjugate_gradient(lambda v: matrix @ v, torch.zeros(3).double(), 5), torch.zeros(3).double())


@pytest.mark.parametrize("action", [CHOICES, NUMBERS])
def test_the_fisher_product_is_that_of_the_output_distributions(action: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    """F = E[Jᵀ M J]: M = diag(p) - p pᵀ for logits, diag(1/σ²) for means, 2 for log-deviations; not 0, as of an undetached KL."""
    agent = make_agent(action, cg_damping=0.0)
    batch = rollout(agent)
    seen: dict[str, Any] = {}

    def solve(product: Any, target: torch.Tensor, steps: int) -> torch.Tensor:
        seen["fisher"] = torch.stack([product(row) for row in torch.eye(len(target))])
        return target

    monkeypatch.setattr("unified.plugins.agents.trpo.trust_region.conjugate_gradient", solve)
    names, values = zip(*agent.actor.named_parameters(), strict=True)

    def outputs(*given: torch.Tensor) -> torch.Tensor:
        policy = torch.func.functional_call(agent.actor, dict(zip(names, given, strict=True)), (batch.obs,))
        return policy.log_probabilities if action is CHOICES else torch.cat([policy.mean, policy.log_std], dim=-1)

    jacobian = torch.cat([each.flatten(2) for each in torch.autograd.functional.jacobian(outputs, values)], dim=-1)  # (B, K, P)
    with torch.no_grad():
        policy = agent.actor(batch.obs)
        if action is CHOICES:
            metric = torch.diag_embed(policy.probabilities)  # of log-probabilities
        else:
            metric = torch.diag_embed(torch.cat([(-2 * policy.log_std).exp(), 2 * torch.ones_like(policy.log_std)], dim=-1))
    expected = torch.einsum("bkp,bkl,blq->pq", jacobian, metric, jacobian) / len(batch.obs)
    agent.learn(batch)
    assert expected.abs().max() > 1e-3
    torch.testing.assert_close(seen["fisher"], expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("action", [CHOICES, NUMBERS])
def test_a_step_lowers_the_loss_within_the_limit(action: Space) -> None:
    agent = make_agent(action, target_kl=0.02)
    batch = rollout(agent)
    with torch.no_grad():
        before = agent.policy(batch.obs).detach()
    metrics = agent.learn(batch).metrics
    with torch.no_grad():
        after = agent.policy(batch.obs)
    assert metrics["line_search_failed"] == 0
    assert metrics["improvement"] > 0
    assert 0.005 < metrics["kl"].item() < 0.02
    assert metrics["kl"].item() == pytest.approx(before.kl(after).mean().item(), rel=1e-4)
    gain = (((after.log_prob(batch.action) - batch.log_prob).exp() - 1) * batch.advantage).mean()
    assert metrics["improvement"].item() == pytest.approx(gain.item(), rel=1e-3)


def test_the_ratio_is_exactly_one_at_a_fresh_rollout() -> None:
    for action in (CHOICES, NUMBERS):
        agent = make_agent(action)
        batch = rollout(agent)
        rows = agent.encode_batch(batch)
        assert torch.equal((agent.policy(rows.features).log_prob(batch.action) - batch.log_prob).exp(), torch.ones(len(batch.obs)))


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_refused_step_leaves_the_parameters_bit_for_bit(sign: float) -> None:
    """Refused because every try is worse, though its divergence is small enough; and because every divergence is too large."""
    agent = make_agent()
    batch = rollout(agent)
    (phase,) = [phase for phase in agent.phase_list if phase.step is not None]
    region = phase.step
    assert isinstance(region, TrustRegion)
    original = region.apply
    if sign < 0:
        region.apply = lambda parameters, gradients, loss: original(parameters, [-each for each in gradients], loss)  # type: ignore[method-assign]
    else:
        region.tries, region.shrink = 3, 4.0  # ever longer steps, the first of which is too long already
        region.target_kl, limit = 4.0, 1e-9
        search = region._search

        def narrow(*given: Any) -> Any:
            region.target_kl = limit
            return search(*given)

        region._search = narrow  # type: ignore[method-assign]
    before = parameters(agent, "actor")
    metrics = agent.learn(batch).metrics
    assert metrics["line_search_failed"] == 1
    assert metrics["kl"] == metrics["improvement"] == 0
    assert all(torch.equal(one, other) for one, other in zip(before, parameters(agent, "actor"), strict=True))


def test_backtracking_takes_the_first_size_that_will_do() -> None:
    """A full step of F alone overshoots where KL grows faster than its quadratic model: halving must end within the limit."""
    agent = make_agent(target_kl=0.5, line_search_shrink=0.5)
    metrics = agent.learn(rollout(agent)).metrics
    assert metrics["line_search_failed"] == 0
    assert metrics["kl"] < 0.5


def test_the_policy_steps_once_a_rollout_and_the_critic_in_every_pass() -> None:
    agent = make_agent(epochs=3)
    batch = rollout(agent)
    moved = []
    for _ in range(6):
        before = {part: parameters(agent, part) for part in ("actor", "critic")}
        agent.learn(batch)
        moved.append([any(not torch.equal(a, b) for a, b in zip(before[part], parameters(agent, part), strict=True)) for part in before])
    assert [actor for actor, _ in moved] == [False, False, True] * 2
    assert all(critic for _, critic in moved)


def test_value_parameters_are_not_in_the_kl_step() -> None:
    agent = make_agent()
    assert set(agent.updater.optimizers) == {"critic"}
    (phase,) = [phase for phase in agent.phase_list if phase.step is not None]
    assert phase.trains == ("encoder", "actor")


def test_pieces_of_the_rollout_give_the_step_of_the_whole() -> None:
    whole, pieces = (make_agent(cg_damping=0.1, optimizer=OptimizerOptions(gradient_accumulation=number)) for number in (1, 4))
    for agent in (whole, pieces):
        agent.learn(rollout(agent))
    for one, other in zip(parameters(whole, "actor"), parameters(pieces, "actor"), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)


def test_an_objective_that_is_added_counts_in_gradient_and_line_search() -> None:
    config = compose(["agent=trpo", "suite=gym:CartPole-v1", "objective=[+entropy]", "objective.entropy.weight=5.0"])
    plain, added = make_agent(), make_agent(objectives=config.objectives)
    for agent in (plain, added):
        with torch.no_grad():
            agent.actor.logits[-1].bias[0] = 2.0  # a policy whose entropy has a slope
    batch = rollout(plain)
    entropies = []
    for agent in (plain, added):
        agent.learn(batch)
        entropies.append(agent.policy(batch.obs).entropy().mean().item())
    assert [objective.label for objective in added.phase_list[1].objectives] == ["Surrogate", "entropy"]
    assert entropies[1] > entropies[0]


def test_a_loss_that_is_not_a_number_moves_nothing() -> None:
    agent = make_agent()
    batch = rollout(agent)
    before = parameters(agent, "actor")
    metrics = agent.learn(batch.with_columns(advantage=torch.full_like(batch.advantage, float("nan")))).metrics
    assert metrics["nonfinite"] == 1
    assert all(torch.equal(one, other) for one, other in zip(before, parameters(agent, "actor"), strict=True))


def test_divergences_are_those_of_torch() -> None:
    g = torch.Generator().manual_seed(1)
    one, other = torch.randn(2, 5, 3, generator=g)
    logits = [torch.distributions.Categorical(logits=each) for each in (one, other)]
    torch.testing.assert_close(Categorical(one).kl(Categorical(other)), torch.distributions.kl_divergence(*logits))
    scales = 0.3 * torch.randn(2, 5, 3, generator=g)
    normals = [torch.distributions.Normal(mean, scale.exp()) for mean, scale in zip((one, other), scales, strict=True)]
    expected = torch.distributions.kl_divergence(*normals).sum(dim=-1)
    torch.testing.assert_close(Gaussian(one, scales[0]).kl(Gaussian(other, scales[1])), expected)
    torch.testing.assert_close(TanhGaussian(one, scales[0]).kl(TanhGaussian(other, scales[1])), expected)


def test_a_policy_without_a_divergence_says_so() -> None:
    from unified.plugins.architectures.heads.policies import Deterministic

    with pytest.raises(TypeError, match="Deterministic has no KL divergence"):
        Deterministic(torch.zeros(1, 1)).kl(Deterministic(torch.zeros(1, 1)))


def test_with_a_memory_the_whole_recurrent_policy_steps() -> None:
    agent = make_agent(memory="gru")
    (phase,) = [phase for phase in agent.phase_list if phase.step is not None]
    assert phase.trains == ("encoder", "memory", "actor")
