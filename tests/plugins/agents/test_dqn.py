"""DQN against slow arithmetic, and the traps its relatives fell into."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any

import pytest
import torch

from unified.agents.options import CriticOptions
from unified.core.base.errors import UsageError
from unified.core.base.rng import Streams
from unified.core.base.spec import Space, Spec
from unified.core.config.schema import Selection
from unified.core.learn.builder import Builder
from unified.core.registry import registry
from unified.core.replay.batch import Batch
from unified.plugins.agents.dqn.agent import DQN
from unified.plugins.agents.dqn.config import DQNOptions

CHOICES, FEATURES, ROWS = 4, 3, 6
DISCRETE = Space((), "int64", 0, CHOICES - 1, CHOICES)


def make_agent(
    seed: int = 3, action: Space = DISCRETE, critic: dict[str, Any] | None = None, objectives: Sequence[Any] = (), **changes: Any
) -> DQN:
    spec = Spec(Space((FEATURES,), "float32"), action)
    critic = {"hidden_dim": 8, "depth": 1, **(critic or {})}
    options = DQNOptions(**{"batch_size": ROWS, "learning_starts": 0, **changes, "critic": CriticOptions(**critic)})
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        agent = DQN(spec, options, Builder(torch.device("cpu"), "fp32", Streams(seed), registry(), objectives))
        with torch.no_grad():  # targets that are no copies tell the two apart
            for parameter in agent.critic_target.parameters():
                parameter.add_(torch.randn_like(parameter))
    agent.configure()
    return agent


def make_batch(seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    obs, next_obs = torch.randn(2, ROWS, FEATURES, generator=generator)
    return Batch(
        obs=obs,
        next_obs=next_obs,
        action=torch.randint(CHOICES, (ROWS,), generator=generator),
        reward=torch.rand(ROWS, generator=generator),
        discount=torch.tensor([0.97] * (ROWS - 1) + [0.0]),
        weight=torch.ones(ROWS),
    )


def disturb(module: torch.nn.Module, size: float = 10.0) -> None:
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * size)


@pytest.mark.parametrize("double", [True, False])
def test_the_loss_is_the_papers(double: bool) -> None:
    agent, batch = make_agent(double=double), make_batch()
    rows = agent.encode_batch(batch)
    online, target = (critic(rows.next_features).mean[0] for critic in (agent.critic, agent.critic_target))
    chosen = agent.critic(rows.features).mean[0]
    expected = 0.0
    for row in range(ROWS):
        best = (online if double else target)[row].argmax()
        y = batch.reward[row] + batch.discount[row] * target[row, best]
        expected += ((chosen[row, batch.action[row]] - y) ** 2).item() / ROWS
    assert agent.learn(batch).metrics["critic_loss"].item() == pytest.approx(expected, rel=1e-5)


def test_targets_do_not_move_with_the_online_critic() -> None:
    """Discrete TD: the online network's values used through the target network."""
    agent, rows = make_agent(double=False), make_batch()
    rows = agent.encode_batch(rows)
    expected = agent.bootstrap(rows).mean
    disturb(agent.critic)
    torch.testing.assert_close(agent.bootstrap(rows).mean, expected)
    assert not agent.critic_target.training or not any(p.requires_grad for p in agent.critic_target.parameters())


def test_double_takes_the_online_choice_and_the_targets_value() -> None:
    agent = make_agent(double=True)
    rows = agent.encode_batch(make_batch())
    disturb(agent.critic)
    best = agent.critic(rows.next_features).mean[0].argmax(-1)
    values = agent.critic_target(rows.next_features).mean[0]
    torch.testing.assert_close(agent.bootstrap(rows).mean[0], values[torch.arange(ROWS), best])
    assert not torch.equal(best, values.argmax(-1))


def test_a_terminal_state_is_worth_its_reward_alone() -> None:
    agent = make_agent()
    rows = agent.encode_batch(make_batch())
    target = agent.bootstrap(rows).backup(rows.reward, rows.discount).mean[0]
    assert target[-1] == rows.reward[-1]
    assert not torch.isclose(target[0], rows.reward[0])


def test_ensembles_are_reduced_as_told() -> None:
    found = {}
    for how in ("least", "average", "mixture"):
        agent = make_agent(critic={"members": 3, "reduce": how}, double=False)
        found[how] = agent.bootstrap(agent.encode_batch(make_batch()))
    rows = make_agent().encode_batch(make_batch())
    agent = make_agent(critic={"members": 3}, double=False)
    values = agent.critic_target(rows.next_features).mean
    torch.testing.assert_close(found["least"].mean[0], values.min(0).values.max(-1).values)
    torch.testing.assert_close(found["average"].mean[0], values.mean(0).max(-1).values)
    assert found["mixture"].mean.shape == (1, ROWS)
    assert not torch.allclose(found["mixture"].mean, found["average"].mean)


@pytest.mark.parametrize("double", [True, False])
def test_a_mixture_is_one_draw_for_each_update_for_all_rows_and_both_sides(double: bool) -> None:
    """REM: only the target is mixed, and every member regressed on it."""
    agent, batch = make_agent(critic={"members": 3, "reduce": "mixture"}, double=double), make_batch()
    rows = agent.encode_batch(batch)
    alpha = rows.mixture[0]
    assert torch.equal(rows.mixture, alpha.expand(ROWS, 3))
    assert alpha.sum().item() == pytest.approx(1.0)
    online, target = (torch.einsum("e,eba->ba", alpha, critic(rows.next_features).mean) for critic in (agent.critic, agent.critic_target))
    chosen = torch.einsum("e,eba->ba", alpha, agent.critic(rows.features).mean)
    expected = 0.0
    for row in range(ROWS):
        best = (online if double else target)[row].argmax()
        y = batch.reward[row] + batch.discount[row] * target[row, best]
        expected += ((chosen[row, batch.action[row]] - y) ** 2).item() / ROWS
    assert torch.equal(agent.encode_batch(batch).mixture, rows.mixture)  # another term, or another piece, of the same update
    assert agent.learn(batch).metrics["critic_loss"].item() == pytest.approx(expected, rel=1e-5)
    assert not torch.equal(agent.encode_batch(batch).mixture, rows.mixture)


def test_a_mixture_is_the_same_for_a_batch_in_pieces() -> None:
    whole, apart = (
        make_agent(critic={"members": 3, "reduce": "mixture"}, optimizer={"gradient_accumulation": pieces}) for pieces in (1, 2)
    )
    for agent in (whole, apart):
        for seed in range(3):
            agent.learn(make_batch(seed))
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(value, apart.state_dict()[name])


def learned_encoder(**changes: Any) -> DQN:
    component = registry().get("architectures", "mlp")
    return make_agent(encoder=Selection("architectures", "mlp", None, component, component.options_model()(hidden_dim=5)), **changes)


@pytest.mark.parametrize("double", [True, False])
def test_targets_do_not_move_with_the_online_encoder(double: bool) -> None:
    """Nature DQN copies the whole network; a target critic must not read features that moved on since it was copied."""
    agent, batch = learned_encoder(double=double, tau=1.0, target_update_interval=1000), make_batch()
    valued = agent.critic_target(agent.encoder_target(batch.next_obs)).mean[0].detach()
    before = agent.bootstrap(agent.encode_batch(batch)).mean[0]
    disturb(agent.encoder)
    rows = agent.encode_batch(batch)
    after = agent.bootstrap(rows).mean[0]
    if double:  # the choice is the online network's, its value the target's
        torch.testing.assert_close(after, valued[torch.arange(ROWS), agent.critic(rows.next_features).greedy])
    else:
        torch.testing.assert_close(after, before)
        torch.testing.assert_close(after, valued.max(-1).values)


def test_the_online_encoder_reads_next_observations_only_where_they_count() -> None:
    batch = make_batch()
    assert "next_features" not in learned_encoder(double=False).encode_batch(batch)  # the target network values and chooses
    assert "next_features" in learned_encoder(double=False, target_encoder=False).encode_batch(batch)
    assert "next_features" in learned_encoder(double=True).encode_batch(batch)


def test_the_target_encoder_follows_as_the_target_critic_does() -> None:
    agent, batch = learned_encoder(tau=1.0, target_update_interval=3), make_batch()
    before = copy.deepcopy(agent.encoder_target.state_dict())
    for update in range(1, 7):
        agent.learn(batch)
        for name, value in agent.encoder_target.state_dict().items():
            assert torch.equal(value, agent.encoder.state_dict()[name] if update % 3 == 0 else before[name])
        if update % 3 == 0:
            before = copy.deepcopy(agent.encoder_target.state_dict())


def test_without_a_target_encoder_or_parameters_in_it_there_is_no_copy() -> None:
    shared, plain = learned_encoder(target_encoder=False), make_agent()
    for agent in (shared, plain):
        assert agent.target_parts == ("critic_target",)
        rows = agent.encode_batch(make_batch())
        expected = agent.critic_target(rows.next_features).mean[0][torch.arange(ROWS), agent.critic(rows.next_features).greedy]
        torch.testing.assert_close(agent.bootstrap(rows).mean[0], expected)


def test_a_hard_target_is_copied_every_so_many_updates() -> None:
    agent, batch = make_agent(tau=1.0, target_update_interval=3), make_batch()
    before = copy.deepcopy(agent.critic_target.state_dict())
    for update in range(1, 7):
        agent.learn(batch)
        same = all(torch.equal(value, before[name]) for name, value in agent.critic_target.state_dict().items())
        assert same == (update % 3 != 0)
        if update % 3 == 0:
            before = copy.deepcopy(agent.critic_target.state_dict())
            assert all(torch.equal(value, agent.critic.state_dict()[name]) for name, value in before.items())


def test_epsilon_follows_its_formula_with_independent_coins() -> None:
    """ε schedules: decays in 140 steps instead of 10k; one coin for all environments."""
    agent = make_agent(epsilon="linear(1.0,0.1,10000)")
    obs = torch.zeros(4000, FEATURES)
    greedy = int(agent.act(Batch(obs=obs[:1]), explore=False).env_action)
    for step, epsilon in ((0, 1.0), (140, 0.9874), (5000, 0.55), (10_000, 0.1), (10**6, 0.1)):
        agent.steps = step
        assert agent.epsilon(step) == pytest.approx(epsilon)
        chosen = agent.act(Batch(obs=obs), explore=True).env_action
        others = (chosen != greedy).float().mean().item()
        assert others == pytest.approx(epsilon * (CHOICES - 1) / CHOICES, abs=0.03)  # a coin each: neither all nor none
    agent = make_agent(epsilon="0.0", learning_starts=100)
    assert agent.act(Batch(obs=obs), explore=True).env_action.unique().tolist() == list(range(CHOICES))
    agent.steps = 100
    assert agent.act(Batch(obs=obs), explore=True).env_action.unique().tolist() == [greedy]


def test_evaluation_is_greedy_and_free_of_noise() -> None:
    """Noisy nets: never switched off; A2C, A3C: evaluation always plays action 0."""
    agent = make_agent(critic={"noisy": True, "dueling": True}, epsilon="1.0", learning_starts=1000)
    obs = torch.randn(50, FEATURES)
    agent.train(False)
    first, second = agent.act(Batch(obs=obs), explore=False), agent.act(Batch(obs=obs), explore=False)
    assert torch.equal(first.env_action, second.env_action)
    assert torch.equal(first.env_action, agent.critic(obs).mean[0].argmax(-1))
    assert len(first.env_action.unique()) > 1
    agent.train()
    assert not torch.equal(agent.critic(obs).mean, agent.critic(obs).mean)


def test_a_number_is_a_choice_with_values_of_its_own() -> None:
    action = Space((2,), "float32", -1.0, 1.0)
    agent, batch = make_agent(action=action, bins=5), make_batch()
    acted = agent.act(batch, explore=False)
    assert acted.action.shape == acted.env_action.shape == (ROWS, 2)
    assert acted.action.dtype == torch.int64
    values = agent.critic(batch.obs).mean[0]  # (B, 2, 5)
    for row in range(ROWS):
        for number in range(2):
            best = values[row, number].argmax()
            assert acted.action[row, number] == best
            assert acted.env_action[row, number] == pytest.approx(-1 + 2 * best.item() / 4)
    batch["action"] = acted.action
    rows = agent.encode_batch(batch)
    online, target = agent.critic(rows.next_features).mean[0], agent.critic_target(rows.next_features).mean[0]
    for row, found in enumerate(agent.bootstrap(rows).mean[0].tolist()):
        assert found == pytest.approx(sum(target[row, d, online[row, d].argmax()].item() for d in range(2)) / 2, rel=1e-5)
    assert agent.learn(batch).metrics["nonfinite"] == 0


def test_equal_members_of_a_mixture_learn_as_one_critic_does() -> None:
    """REM: equal members give the loss of DQN."""
    one, many = make_agent(double=False), make_agent(critic={"members": 3, "reduce": "mixture"}, double=False)
    for ours, theirs in ((many.critic, one.critic), (many.critic_target, one.critic_target)):
        with torch.no_grad():
            for several, single in zip(ours.parameters(), theirs.parameters(), strict=True):
                several.copy_(single.expand_as(several))
    expected, found = (agent.learn(make_batch()).metrics["critic_loss"].item() for agent in (one, many))
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("head", ["scalar", "categorical", "quantile", "implicit_quantile"])
def test_every_row_has_a_priority_of_its_own_without_its_weight(head: str) -> None:
    """BBF: the mean loss of a batch written back as the priority of two of its rows. PER: priority after the weight."""
    agent, batch = make_agent(critic={"head": head}), make_batch()
    priority = agent.learn(batch).priority
    assert priority.shape == (ROWS,)
    assert len(priority.unique()) == ROWS
    again = make_agent(critic={"head": head}).learn(batch.with_columns(weight=torch.linspace(0.1, 1.0, ROWS))).priority
    assert torch.equal(again, priority)


def test_prediction_choice_and_target_have_noise_of_their_own() -> None:
    """Rainbow: one draw of noise for the online and the target network."""
    agent = make_agent(critic={"noisy": True})
    drawn: list[torch.Tensor] = []
    for part in (agent.critic, agent.critic_target):
        for network in part.modules():
            if hasattr(network, "weight_stds"):
                network.register_forward_hook(lambda module, inputs, output: drawn.append(module.noise.stream.count))
    agent.learn(make_batch())
    assert len(drawn) == len(set(drawn)) == 3  # the target, the choice of the next action, the prediction


# Soft Q-learning and Munchausen -----------------------------------------------------------------------------------------------------

TAU = 2.0
SOFT = {"temperature": TAU, "double": False}


def soft_value(q: torch.Tensor, temperature: float) -> float:
    """Σ π (q - τ ln π), π = softmax(q / τ), of one row, by its definition."""
    weights = [math.exp((each - q.max()).item() / temperature) for each in q]
    policy = [weight / sum(weights) for weight in weights]
    return sum(p * (each.item() - temperature * math.log(p)) for p, each in zip(policy, q, strict=True) if p)


def test_a_soft_bootstrap_takes_all_choices_of_the_target() -> None:
    agent = make_agent(**SOFT)
    rows = agent.encode_batch(make_batch())
    disturb(agent.critic)
    values = agent.critic_target(rows.next_features).mean[0]
    torch.testing.assert_close(agent.bootstrap(rows).mean[0], torch.tensor([soft_value(row, TAU) for row in values]))


def test_draws_of_the_soft_policy_have_its_probabilities_and_evaluation_is_greedy() -> None:
    agent, obs = make_agent(**SOFT, softmax=True, epsilon=None), torch.zeros(8000, FEATURES)
    agent.steps = 10**6
    share = torch.bincount(agent.act(Batch(obs=obs), explore=True).env_action, minlength=CHOICES) / 8000
    q = agent.critic(obs[:1]).mean[0, 0]
    torch.testing.assert_close(share, (q / TAU).softmax(-1).detach(), atol=0.03, rtol=0)
    assert agent.act(Batch(obs=obs), explore=False).env_action.unique().tolist() == [int(q.argmax())]


def munchausen(seed: int = 3, **changes: Any) -> DQN:
    component = registry().get("objectives", "munchausen")
    selection = Selection("objectives", "munchausen", None, component, component.options_model()(alpha=0.9, least=-3.0))
    return make_agent(seed, objectives=[selection], **{**SOFT, "n_step": 1, **changes})


def munchausen_loss(agent: DQN, batch: Batch, wrong: str = "") -> float:
    """The loss by its equation, or with a mistake of somebody's."""
    encoder = getattr(agent, "encoder_target", agent.encoder)
    q, target, target_next = (
        agent.critic(agent.encoder(batch.obs)).mean[0],
        *(agent.critic_target(encoder(obs)).mean[0] for obs in (batch.obs, batch.next_obs)),
    )
    judged = q if wrong == "online" else target
    loss = 0.0
    for row in range(ROWS):
        log_policy = (judged[row] / TAU).log_softmax(-1)[batch.action[row]].item()
        bonus = TAU * max(min(log_policy, 0.0), -3.0) if wrong == "unscaled clip" else max(min(TAU * log_policy, 0.0), -3.0)
        after = target_next[row].max().item() if wrong == "greatest" else soft_value(target_next[row], TAU)
        y = batch.reward[row] + 0.9 * bonus + batch.discount[row] * after
        loss += ((q[row, batch.action[row]] - y) ** 2).item() / ROWS
    return loss


@pytest.mark.parametrize("encoder", [False, True])
def test_the_loss_of_munchausen_is_the_papers_and_of_the_target_network(encoder: bool) -> None:
    """Munchausen: the online policy in the reward; a clip of ln π instead of τ ln π; a greatest value on top."""
    component = registry().get("architectures", "mlp")
    selected = Selection("architectures", "mlp", None, component, component.options_model()(hidden_dim=5)) if encoder else None
    agent, batch = munchausen(encoder=selected), make_batch()
    if encoder:
        disturb(agent.encoder_target, 0.5)
    expected, *wrong = (munchausen_loss(agent, batch, mistake) for mistake in ("", "online", "unscaled clip", "greatest"))
    assert agent.learn(batch).metrics["munchausen_loss"].item() == pytest.approx(expected, rel=1e-4)
    assert all(each != pytest.approx(expected, rel=1e-3) for each in wrong)


def test_munchausen_keeps_the_limit_of_the_gradient() -> None:
    agent = munchausen(max_grad_norm=1e-3)
    assert [(phase.name, phase.max_grad_norm) for phase in agent.phase_list] == [("munchausen", 1e-3)]


@pytest.mark.parametrize("critic", [{"head": "quantile"}, {"head": "implicit_quantile"}, {"members": 3, "reduce": "mixture"}], ids=str)
def test_munchausen_goes_with_other_values_and_with_numbers(critic: dict[str, Any]) -> None:
    for action in (DISCRETE, Space((2,), "float32", -1.0, 1.0)):
        agent, batch = munchausen(critic=critic, action=action), make_batch()
        batch["action"] = agent.act(batch, explore=False).action
        assert agent.learn(batch).metrics["nonfinite"] == 0


def test_munchausen_needs_a_temperature() -> None:
    with pytest.raises(UsageError, match="needs the temperature"):
        munchausen(temperature=None)


def test_the_target_of_implicit_quantiles_is_the_papers_double_loop() -> None:
    """IQN: the choice by the target's own mean over drawn levels; its levels weigh nothing and pass no gradient."""
    agent, batch = make_agent(critic={"head": "implicit_quantile"}, double=False), make_batch()
    rows = agent.encode_batch(batch)
    drawn: dict[str, Any] = {}
    agent.critic.register_forward_hook(lambda module, inputs, output: drawn.update(own=output))
    agent.critic_target.register_forward_hook(lambda module, inputs, output: drawn.update(target=output))
    metrics = agent.learn(batch).metrics
    own, target = drawn["own"], drawn["target"]
    assert not torch.equal(own.levels, target.levels)
    expected = 0.0
    for row in range(ROWS):
        best = target.numbers[0, row].mean(-1).argmax()
        y = rows.reward[row] + rows.discount[row] * target.numbers[0, row, best]
        delta = y[None, :] - own.numbers[0, row][:, None]
        huber = torch.where(delta.abs() <= 1, delta**2 / 2, delta.abs() - 0.5)
        expected += ((own.levels[row][:, None] - (delta < 0).float()).abs() * huber).mean(1).sum().item() / ROWS
    assert metrics["critic_loss"].item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    "critic",
    [{"members": 3, "reduce": "mixture", "noisy": True}, {"head": "implicit_quantile", "dueling": True}, {"head": "hl_gauss"}],
    ids=str,
)
def test_saved_and_loaded_it_goes_on_the_same(critic: dict[str, Any]) -> None:
    """REM, PER, TD3 counters: state hidden outside state_dict."""
    agent, batch = make_agent(critic=critic), make_batch()
    agent.learn(batch)
    other = make_agent(seed=4, critic=critic)
    other.load_training_state(copy.deepcopy(agent.training_state()))
    other.streams.load_state_dict(agent.streams.state_dict())
    other.streams.seed = agent.streams.seed
    for stream in other.streams._streams.values():
        stream.seed = agent.streams.seed
    agent.learn(batch)
    other.learn(batch)
    for name, value in agent.state_dict().items():
        assert torch.equal(value, other.state_dict()[name]), name
