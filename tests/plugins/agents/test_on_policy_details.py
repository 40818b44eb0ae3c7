"""What on-policy agents do by option: clipped values, schedules over the budget, an early end, noise of the state, and valid choices."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import unified
from core.trainer.moments import At, ask_to_stop
from unified.core.base.errors import UsageError
from unified.core.base.rng import Streams
from unified.core.base.schedule import Schedule
from unified.core.base.spec import Space, Spec
from unified.core.learn.builder import Builder
from unified.core.learn.returns import compute_gae, standardised
from unified.core.learn.rmsprop import RMSPropTF
from unified.core.learn.update import UpdateResult
from unified.core.registry import registry
from unified.core.replay.batch import Batch
from unified.core.trainer.interrupts import Stopped
from unified.plugins.architectures.heads.policies import Categorical, Gaussian, StateDependentGaussian
from unified.plugins.architectures.heads.values import ScalarValue
from unified.plugins.objectives.policy_gradient.objective import PolicyGradient
from unified.plugins.objectives.ppo_clip.objective import PPOClip
from unified.plugins.objectives.value_mse.objective import ValueMSE
from unified.testing.workshop import differences

CHOICES, NUMBERS = Space((), "int64", 0, 2, 3), Space((2,), "float32", -1.0, 1.0)
MASKED = Spec({"vector": Space((4,), "float32"), "action_mask": Space((3,), "float32", 0.0, 1.0)}, CHOICES)


def make_agent(name: str, spec: Spec | None = None, budget: int | None = None, **changes: Any) -> Any:
    spec = spec or Spec(Space((4,), "float32"), NUMBERS)
    component = registry().get("agents", name)
    options = component.options_model()(**changes)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        agent = component.load()(spec, options, Builder(torch.device("cpu"), "fp32", Streams(3), registry(), (), spec, budget))
    agent.configure()
    return agent


def rows_of(agent: Any, count: int = 12, **columns: torch.Tensor) -> Batch:
    g = torch.Generator().manual_seed(1)
    obs = columns or {"obs": torch.randn(count, 4, generator=g)}
    after = {f"next_{name}": each.flip(0) for name, each in obs.items()}
    action = agent.act(Batch(obs), explore=True)
    boundary = torch.arange(count) % 5 == 4
    boundary[-1] = True
    reward, one = torch.rand(count, generator=g), torch.ones(count)
    return Batch(
        {**obs, **after, "action": action.action, **action.extra, "reward": reward, "discount": 0.9 * one, "weight": one,
         "boundary": boundary, "index": torch.arange(count)}
    )  # fmt: skip


# Losses -------------------------------------------------------------------------------------------------------------------------


def test_the_policy_gradient_by_hand() -> None:
    logits = torch.tensor([[0.0, 1.0, 2.0], [1.0, 1.0, 0.0]], requires_grad=True)
    agent: Any = SimpleNamespace(policy=Categorical)
    batch = Batch(features=logits, action=torch.tensor([2, 0]), advantage=torch.tensor([2.0, -1.0]))
    total = 0.0
    for row, (action, advantage) in enumerate([(2, 2.0), (0, -1.0)]):
        exponents = [math.exp(value) for value in logits[row].tolist()]
        total -= math.log(exponents[action] / sum(exponents)) * advantage / 2
    assert PolicyGradient()(agent, batch).value.item() == pytest.approx(total, rel=1e-6)
    scaled = PolicyGradient(normalize_advantage=True)(agent, batch).value.item()
    assert scaled == pytest.approx(PolicyGradient()(agent, batch.with_columns(advantage=standardised(batch.advantage))).value.item())


def test_a_value_beyond_the_clip_learns_only_where_it_is_wrong() -> None:
    """Max of both errors, row by row; the value loss is of returns and never of standardised advantages."""
    value = torch.tensor([[1.0, 3.0, -2.0]], requires_grad=True)
    old, wanted = torch.tensor([0.9, 0.0, 0.0]), torch.tensor([2.0, 4.0, 1.0])
    agent: Any = SimpleNamespace(critic=lambda features: ScalarValue(features))
    batch = Batch({"features": value, "value": old, "return": wanted})
    expected = 0.0
    for now, before, target in zip([1.0, 3.0, -2.0], [0.9, 0.0, 0.0], [2.0, 4.0, 1.0], strict=True):
        clipped = before + min(max(now - before, -0.2), 0.2)
        expected += max((now - target) ** 2, (clipped - target) ** 2) / 3
    loss = ValueMSE(weight=1.0, clip_range=0.2)(agent, batch).value
    assert loss.item() == pytest.approx(expected, rel=1e-6)
    (gradient,) = torch.autograd.grad(loss, value)
    assert (gradient != 0).tolist() == [[True, False, True]]  # row 1 has moved towards its return by more than the clip
    assert ValueMSE(weight=1.0)(agent, batch).value.item() == pytest.approx((1 + 1 + 9) / 3)


def test_values_are_stored_before_the_first_update() -> None:
    agent = make_agent("ppo", clip_range_vf=0.2)
    batch = rows_of(agent)
    found = agent.process_rollout(batch)
    torch.testing.assert_close(found.value, found["return"] - found.advantage)
    assert "value" in agent.view.columns
    assert "value" not in make_agent("ppo").view.columns
    agent.learn(found)


def test_the_entropy_of_numbers_is_a_sum() -> None:
    policy = Gaussian(torch.zeros(1, 3), torch.tensor([0.0, 1.0, -1.0]))
    assert policy.entropy().item() == pytest.approx(sum(each + 0.5 * math.log(2 * math.pi * math.e) for each in (0.0, 1.0, -1.0)))


@pytest.mark.parametrize("name", ["ppo", "a2c"])
@pytest.mark.parametrize("normalize_advantage", [False, True])
def test_a_minibatch_of_one_row_is_finite(name: str, normalize_advantage: bool) -> None:
    agent = make_agent(name, normalize_advantage=normalize_advantage, ent_coef=0.01)
    result = agent.learn(agent.process_rollout(rows_of(agent, 1)))
    assert result.metrics["nonfinite"].item() == 0.0
    assert all(parameter.isfinite().all() for parameter in agent.parameters())


def test_the_log_probability_is_of_the_action_before_it_is_clipped() -> None:
    agent = make_agent("ppo", log_std_init=2.0)
    obs = torch.randn(64, 4, generator=torch.Generator().manual_seed(1))
    action = agent.act(Batch(obs=obs), explore=True)
    assert (action.action.abs() > 1).any()
    assert action.env_action.abs().max() <= 1
    expected = agent.policy(agent.encode(obs)).log_prob(action.action)
    torch.testing.assert_close(action.extra["log_prob"], expected)


def test_weights_are_orthogonal_and_the_last_layers_scaled() -> None:
    agent = make_agent("ppo", hidden_dim=32)
    for network, gain in ((agent.actor.mean, 0.01), (agent.critic.value, 1.0)):
        *hidden, last = [layer.weight for layer in network if isinstance(layer, torch.nn.Linear)]
        for weight, scale in [*((weight, math.sqrt(2)) for weight in hidden), (last, gain)]:
            square = weight @ weight.T if weight.shape[0] <= weight.shape[1] else weight.T @ weight
            torch.testing.assert_close(square, scale**2 * torch.eye(len(square)), atol=1e-5, rtol=1e-4)


def test_a_time_limit_is_worth_what_would_have_come_and_an_end_nothing() -> None:
    """With λ = 1 the advantage is the n-step return minus the value, by loops."""
    reward, value, after = torch.tensor([1.0, 2.0, 3.0, 4.0]), torch.tensor([5.0, 6.0, 7.0, 8.0]), torch.tensor([6.0, 60.0, 8.0, 80.0])
    discount, boundary = torch.tensor([0.5, 0.5, 0.5, 0.0]), torch.tensor([False, True, False, True])
    found = compute_gae(reward, discount, value, after, boundary, 1.0)
    returns = [1 + 0.5 * (2 + 0.5 * 60), 2 + 0.5 * 60, 3 + 0.5 * 4, 4.0]
    assert (found + value).tolist() == pytest.approx(returns)


# RMSProp ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("name", ["rmsprop", "rmsprop_tf"])
def test_two_steps_of_rmsprop_are_those_of_the_formula(name: str, momentum: float) -> None:
    lr, alpha, eps = 0.1, 0.99, 1e-3
    classes: dict[str, Any] = {"rmsprop": torch.optim.RMSprop, "rmsprop_tf": RMSPropTF}
    parameter = torch.nn.Parameter(torch.tensor([1.0, -2.0], dtype=torch.float64))
    optimizer = classes[name]([parameter], lr=lr, alpha=alpha, eps=eps, momentum=momentum)
    theta, square, moved = [1.0, -2.0], [1.0 if name == "rmsprop_tf" else 0.0] * 2, [0.0, 0.0]
    for gradient in ([0.5, -3.0], [2.0, 0.1]):
        parameter.grad = torch.tensor(gradient, dtype=torch.float64)
        optimizer.step()
        for i, g in enumerate(gradient):
            square[i] = alpha * square[i] + (1 - alpha) * g * g
            if name == "rmsprop_tf":
                moved[i] = momentum * moved[i] + lr * g / math.sqrt(square[i] + eps)
                theta[i] -= moved[i]
            else:
                moved[i] = momentum * moved[i] + g / (math.sqrt(square[i]) + eps)
                theta[i] -= lr * moved[i]
    assert parameter.tolist() == pytest.approx(theta, rel=1e-12)


def test_the_forms_of_rmsprop_differ_most_at_the_start() -> None:
    sizes = []
    for optimizer_class in (torch.optim.RMSprop, RMSPropTF):
        parameter = torch.nn.Parameter(torch.zeros(()))
        parameter.grad = torch.tensor(1.0)
        optimizer_class([parameter], lr=1.0, alpha=0.99, eps=1e-5).step()
        sizes.append(-parameter.item())
    assert sizes == pytest.approx([10.0, 1.0], rel=1e-3)


def test_rmsprop_of_tensorflow_is_an_option_and_its_state_is_saved() -> None:
    agents = [make_agent("a2c", optimizer={"name": "rmsprop_tf", "eps": 1e-5}) for _ in range(2)]
    batch = agents[0].process_rollout(rows_of(agents[0]))
    assert all(isinstance(each, RMSPropTF) for each in agents[0].updater.optimizers.values())
    agents[0].learn(batch)
    agents[1].load_training_state(copy.deepcopy(agents[0].training_state()))
    for agent in agents:
        agent.learn(batch)
    assert not differences(agents[0].state_dict(), agents[1].state_dict())


# Schedules over the budget ------------------------------------------------------------------------------------------------------


def test_a_schedule_without_steps_lasts_as_long_as_the_budget() -> None:
    build = make_agent("ppo", budget=200).build
    schedule = build.schedule("linear(0.2,0)")
    assert [schedule(step) for step in (0, 50, 100, 200, 300)] == pytest.approx([0.2, 0.15, 0.1, 0.0, 0.0])
    assert build.schedule("linear(1,0,50)")(25) == 0.5
    unknown = make_agent("ppo").build.schedule("cosine(0.3,0)")  # a budget of hours alone
    assert [unknown(step) for step in (0, 1000)] == [0.3, 0.3]
    with pytest.raises(ValueError, match=r"linear\(start,end,steps\)"):
        Schedule("linear(1,0)")  # where no budget is known, a ramp has steps


def test_rate_and_clip_fall_with_the_steps_of_the_run() -> None:
    agent = make_agent("ppo", budget=1000, lr=1e-2, clip_range="linear(0.4,0)", optimizer={"schedule": "linear(1,0)"})
    (clip, *_), seen = agent.phase_list[0].objectives, []
    assert isinstance(clip, PPOClip)
    for steps in (0, 250, 500, 1000):
        agent.steps = steps
        agent.updater.set_rates()
        rates = {group["lr"] for group in agent.updater.param_groups}
        seen.append((*rates, clip.clip_range(steps)))  # type: ignore[operator]
    assert [number for pair in seen for number in pair] == pytest.approx([1e-2, 0.4, 7.5e-3, 0.3, 5e-3, 0.2, 0.0, 0.0])


@pytest.mark.parametrize("text", ["0", "linear(0,1)", "linear(0.2,-0.1)", "-0.2"])
def test_a_clip_range_that_is_not_positive_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must begin above 0"):
        make_agent("ppo", clip_range=text)


# An early end -------------------------------------------------------------------------------------------------------------------

#: A rollout of 32 rows has 4 minibatches in each of 5 epochs.
RUN: dict[str, Any] = {
    **{"agent": "ppo", "suite": "unified.testing.probes:Probes:both", "suite.rounds": 3, "suite.discrete": True, "device": "cpu"},
    **{"agent.n_steps": 16, "agent.epochs": 5, "agent.batch_size": 8, "agent.hidden_dim": 8, "train.num_envs": 2, "agent.lr": 0.02},
    **{"callbacks": [], "train.log_every": 20, "evaluate.every": 0, "checkpoint.every": 30, "train.env_backend": "inline"},
    **{"train.frames": 160},
}


def train(root: Path, *callbacks: Any, **values: Any) -> Any:
    return unified.train(
        config={**RUN, "root": str(root), **{key.replace("__", "."): value for key, value in values.items()}}, callbacks=callbacks
    )


def saved(run: Any) -> dict[str, Any]:
    checkpoint = run.checkpoints.newest()
    state = {group: checkpoint.load(group) for group in ("parameters", "optimizer", "collector", "replay", "trainer")}
    del state["trainer"]["clock"]["elapsed"]
    return state


def test_a_rollout_ends_where_the_policy_has_moved_far_enough() -> None:
    agent = make_agent("ppo", target_kl=0.01)
    for kl, ends in ((0.0149, False), (0.0151, True)):
        assert agent.ends_rollout(UpdateResult({"kl": torch.tensor(kl)})) is ends
    assert not make_agent("ppo").ends_rollout(UpdateResult({"kl": torch.tensor(9.0)}))


def test_updates_that_are_left_out_do_not_count(tmp_path: Path) -> None:
    whole, early = train(tmp_path / "a"), train(tmp_path / "b", agent__target_kl=1e-4)
    (full, few) = (saved(run)["trainer"]["clock"] for run in (whole, early))
    assert full["updates"] == 4 * 20  # the rollout that ends the run is not learned from any more
    assert 4 <= few["updates"] < 60
    assert few["steps"] == full["steps"] == 160  # experience goes on
    assert few["credit"] == full["credit"]
    assert saved(early)["optimizer"]["updates"] == few["updates"]
    assert not differences(saved(train(tmp_path / "c", agent__target_kl=1e9)), saved(whole))


def test_early_ends_and_schedules_resume_bit_for_bit(tmp_path: Path) -> None:
    """A rate that is annealed by the updates of this process, and not of the run, would begin again."""
    options = {
        "agent__target_kl": 1e-3,
        "agent__clip_range": "linear(0.2,0)",
        "agent__optimizer.schedule": "linear(1,0)",
        "agent__clip_range_vf": 0.2,
    }
    straight = train(tmp_path / "a", **options)
    with pytest.raises(Stopped):
        train(tmp_path / "b", At(saved(straight)["trainer"]["clock"]["updates"] // 2, ask_to_stop), **options)
    resumed = train(tmp_path / "b", **options)
    assert not differences(saved(straight), saved(resumed))


# Noise of the state -------------------------------------------------------------------------------------------------------------


def test_the_deviation_of_an_action_is_that_of_its_state() -> None:
    """Many matrices at one state: mean and deviation are those that the probability has."""
    g = torch.Generator().manual_seed(2)
    latent, matrix = torch.randn(1, 5, generator=g), torch.randn(5, 2, generator=g) * 0.3
    policy = StateDependentGaussian(torch.tensor([[0.5, -1.0]]).expand(20000, 2), latent.expand(20000, 5), matrix)
    actions = policy.explored(torch.randn(20000, 5, 2, generator=g))
    expected = [math.sqrt(sum((latent[0, h] * matrix[h, d].exp()).item() ** 2 for h in range(5)) + 1e-6) for d in range(2)]
    assert policy.log_std[0].exp().tolist() == pytest.approx(expected, rel=1e-5)
    assert actions.std(0).tolist() == pytest.approx(expected, rel=0.03)
    assert actions.mean(0).tolist() == pytest.approx([0.5, -1.0], abs=0.05)


@pytest.mark.parametrize("name", ["ppo", "a2c", "trpo"])
def test_noise_is_a_function_of_the_state_until_it_is_drawn_anew(name: str) -> None:
    agent = make_agent(name, use_sde=True, sde_sample_freq=4, n_steps=16)
    obs = torch.randn(2, 4, generator=torch.Generator().manual_seed(1))
    played = []
    for step in range(10):
        agent.steps = 2 * step  # two environments
        played.append(agent.act(Batch(obs=obs), explore=True).action)
    assert all(torch.equal(played[0], each) for each in played[:4])
    assert all(torch.equal(played[4], each) for each in played[4:8])
    assert not torch.equal(played[0], played[4])
    same = torch.stack([obs[0], obs[0]])
    one, other = agent.act(Batch(obs=same), explore=True).action
    assert not torch.equal(one, other)  # each environment has a matrix of its own
    assert torch.equal(agent.act(Batch(obs=obs), explore=False).action, agent.policy(agent.encode(obs)).mean)


def test_noise_of_the_state_needs_no_state() -> None:
    """Another process that comes to the same step explores in the same way: there is nothing to save."""
    one, other = (make_agent("ppo", use_sde=True, n_steps=8) for _ in range(2))
    obs = torch.ones(1, 4)
    for step in range(20):
        one.steps = step
        found = one.act(Batch(obs=obs), explore=True).action
    other.steps = 19
    assert torch.equal(other.act(Batch(obs=obs), explore=True).action, found)


def test_the_ratio_of_noise_of_the_state_is_one_and_the_deviation_learns() -> None:
    agent = make_agent("ppo", use_sde=True, log_std_init=-1.0)
    batch = agent.process_rollout(rows_of(agent))
    policy = agent.policy(agent.encode(batch.obs))
    assert torch.equal(policy.log_prob(batch.action), batch.log_prob)
    before = agent.actor.log_std.clone()
    agent.learn(batch)
    assert not torch.equal(before, agent.actor.log_std)
    weight = agent.actor.mean[0].weight
    assert torch.autograd.grad(policy.log_std.sum(), weight, allow_unused=True) == (None,)  # the deviation trains no features


def test_noise_of_the_state_over_choices_is_refused() -> None:
    with pytest.raises(UsageError, match="actions of this task are choices"):
        make_agent("ppo", Spec(Space((4,), "float32"), CHOICES), use_sde=True)


def test_a_network_of_ones_own_has_noise_of_the_state() -> None:
    agent = make_agent("ppo", use_sde=True, actor="mlp")
    agent.learn(agent.process_rollout(rows_of(agent)))


# Valid choices ------------------------------------------------------------------------------------------------------------------


def masked_rows(count: int, seed: int = 4) -> dict[str, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    mask = (torch.rand(count, 3, generator=g) < 0.4).float()
    mask[torch.arange(count), torch.arange(count) % 3] = 1.0  # one is valid at least
    return {"obs.vector": torch.randn(count, 4, generator=g), "obs.action_mask": mask}


def valid(batch: dict[str, torch.Tensor], action: torch.Tensor) -> bool:
    return bool(batch["obs.action_mask"].gather(1, action[:, None]).all())


@pytest.mark.parametrize("options", [{}, {"memory": "gru"}, {"memory": "gru", "shared_memory": True}], ids=str)
@pytest.mark.parametrize("name", ["ppo", "a2c", "trpo"])
def test_an_invalid_choice_is_never_made_and_has_no_gradient(name: str, options: dict[str, Any]) -> None:
    agent = make_agent(name, MASKED, **options)
    rows = masked_rows(400)
    state = {f"state.{key}": each for key, each in agent.initial_state(400).items()}
    batch = Batch({**rows, **state, **({"is_first": torch.ones(400, dtype=torch.bool)} if state else {})})
    for explore in (True, False):
        action = agent.act(batch, explore=explore)
        assert valid(rows, action.action)
    features, _ = agent.step_features(batch)
    policy = agent.policy(features)
    assert torch.equal(policy.probabilities == 0, rows["obs.action_mask"] == 0)
    torch.testing.assert_close(policy.probabilities.sum(-1), torch.ones(400))
    assert policy.entropy().isfinite().all()
    forced = rows["obs.action_mask"].sum(1) == 1
    assert policy.entropy()[forced].abs().max() < 1e-6
    assert policy.kl(policy.detach()).abs().max() < 1e-6
    assert (agent.act(batch, explore=True).extra["log_prob"][forced].abs() < 1e-6).all()


def test_the_policy_is_that_of_the_valid_choices_alone() -> None:
    logits, mask = torch.randn(5, 3), torch.tensor([[True, False, True]] * 5)
    few = Categorical(logits[:, [0, 2]])
    found = Categorical(logits).masked(mask)
    torch.testing.assert_close(found.probabilities[:, [0, 2]], few.probabilities)
    torch.testing.assert_close(found.entropy(), few.entropy())


def test_values_do_not_see_the_mask_and_updates_are_finite() -> None:
    agent = make_agent("ppo", MASKED, ent_coef=0.01)
    rows = masked_rows(12)
    batch = rows_of(agent, 12, **rows)
    found = agent.process_rollout(batch)
    assert agent.learn(found).metrics["nonfinite"].item() == 0
    features = agent.step_features(batch)[0]
    other = torch.cat([features[:, :4], torch.ones(12, 3)], -1)
    assert torch.equal(agent.critic(features).mean, agent.critic(other).mean)


def test_q_learning_explores_acts_and_bootstraps_among_valid_choices() -> None:
    agent = make_agent("dqn", MASKED, epsilon="0.5", learning_starts=0)
    rows = masked_rows(600)
    counts = np.zeros(3)
    for steps in (0, 100):
        agent.steps = steps
        action = agent.act(Batch(rows), explore=True).action
        assert valid(rows, action)
        counts += np.bincount(action.numpy(), minlength=3)
    assert (counts > 0).all()
    assert valid(rows, agent.act(Batch(rows), explore=False).action)
    batch = Batch({**{f"next_{name}": each for name, each in rows.items()}, "next_features": agent.encode(Batch(rows).obs)})
    for double in (True, False):
        learner = make_agent("dqn", MASKED, double=double, target_encoder=False)
        learner.load_state_dict(agent.state_dict(), strict=False)
        with torch.no_grad():
            learner.critic_target.load_state_dict(learner.critic.state_dict())
            best = learner.critic(batch.next_features).mean[0].masked_fill(rows["obs.action_mask"] == 0, -1e9).amax(-1)
            torch.testing.assert_close(learner.bootstrap(batch).mean[0], best)


@pytest.mark.parametrize("stack", [1, 3])
def test_of_stacked_masks_the_newest_counts(stack: int) -> None:
    from unified.nets import action_mask

    newest = torch.tensor([[1.0, 0.0, 1.0]])
    stacked = torch.cat([torch.zeros(1, 3 * (stack - 1)), newest], -1)
    found = action_mask(MASKED, {"vector": torch.zeros(1, 4), "action_mask": stacked})
    assert found is not None
    assert found.tolist() == [[True, False, True]]
    assert action_mask(Spec(Space((4,), "float32"), CHOICES), torch.zeros(1, 4)) is None


# Workers ------------------------------------------------------------------------------------------------------------------------


def learned(agent: Any, updates: int) -> list[torch.Tensor]:
    """The parameters after some updates, each on a rollout of the present policy."""
    for number in range(updates):
        agent.learn(rollout_of(agent, number))
    return [parameter.clone() for parameter in agent.parameters()]


def rollout_of(agent: Any, number: int) -> Batch:
    """A rollout that is a function of the policy and the number."""
    obs = torch.randn(8, 4, generator=torch.Generator().manual_seed(number))
    action = agent.policy(agent.encode(obs)).mean.detach() + 0.1 * number
    advantage = torch.linspace(-1, 1, 8)
    return Batch({"obs": obs, "action": action, "advantage": advantage, "return": obs.sum(1), "weight": torch.ones(8)})


def test_one_worker_is_a2c() -> None:
    one, other = learned(make_agent("a3c", workers=1), 6), learned(make_agent("a2c"), 6)
    assert all(map(torch.equal, one, other))


@pytest.mark.parametrize("workers", [2, 4])
def test_workers_in_turn_are_those_of_a_serial_simulation(workers: int) -> None:
    """Each worker pulls the parameters, plays and sends its gradient; the server applies these in turn."""
    server = make_agent("a2c", lr=0.01, max_grad_norm=1e9)
    optimizers = list(server.updater.optimizers.values())
    parameters = [parameter for group in server.updater.param_groups for parameter in group["params"]]
    in_flight: list[list[torch.Tensor]] = [[torch.zeros_like(each) for each in parameters] for _ in range(workers - 1)]
    for number in range(11):
        batch = server.encode_batch(rollout_of(server, number))  # the worker of this turn pulls θ, and is back W - 1 turns later
        loss = sum(objective(server, batch).value for objective in server.phase_list[0].objectives)
        in_flight.append(list(torch.autograd.grad(loss, parameters)))
        for parameter, gradient in zip(parameters, in_flight.pop(0), strict=True):
            parameter.grad = gradient
        for optimizer in optimizers:
            optimizer.step()
    found = make_agent("a3c", workers=workers, lr=0.01, max_grad_norm=1e9)
    learned(found, 11)
    for ours, theirs in zip(found.parameters(), server.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)
    assert not torch.equal(next(found.actor.parameters()), next(make_agent("a3c").actor.parameters()))


def test_gradients_under_way_are_saved(tmp_path: Path) -> None:
    options = {"agent": "a3c", "agent.workers": 3, "agent.n_steps": 4}
    config = {key: value for key, value in RUN.items() if key not in ("agent.epochs", "agent.batch_size", "agent.n_steps", "agent")}

    def run(root: Path, *callbacks: Any) -> Any:
        return unified.train(config={**config, **options, "root": str(root)}, callbacks=callbacks)

    straight = run(tmp_path / "a")
    with pytest.raises(Stopped):
        run(tmp_path / "b", At(7, ask_to_stop))
    assert not differences(saved(straight), saved(run(tmp_path / "b")))
    assert any(name.startswith("under_way") for name in saved(straight)["parameters"])


def test_a_gradient_that_is_not_finite_breaks_no_later_update() -> None:
    agent = make_agent("a3c", workers=2)
    bad = rollout_of(agent, 0)
    bad["advantage"] = torch.full((8,), torch.nan)
    nonfinite = [agent.learn(batch).metrics["nonfinite"].item() for batch in (bad, rollout_of(agent, 1), rollout_of(agent, 2))]
    assert nonfinite == [1.0, 0.0, 0.0]
    assert all(parameter.isfinite().all() for parameter in agent.parameters())
