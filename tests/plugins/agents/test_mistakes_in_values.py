"""Mistakes in agents of values, each made on purpose: the test that is named beside it finds it."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from plugins.agents.mistakes import Mistake, replaced
from unified.agents.off_policy import OffPolicyAgent
from unified.core.learn.distributions import Value
from unified.core.learn.objective import Loss
from unified.core.replay.batch import Batch
from unified.plugins.agents.dqn import agent as dqn
from unified.plugins.agents.dqn.agent import DQN
from unified.plugins.agents.pqn.agent import PQN
from unified.plugins.architectures.heads.values import CategoricalValue, QuantileValue, ScalarValue
from unified.plugins.architectures.noisy import NoisyEnsembleMLP
from unified.plugins.objectives.munchausen.objective import Munchausen
from unified.plugins.objectives.td.objective import TD

backup, call, with_draws, encode_batch = ScalarValue.backup, TD.__call__, OffPolicyAgent.with_draws, DQN.encode_batch


def online(self: Any, batch: Batch) -> Value:
    value: Value = self.critic(batch.get("next_features", batch.get("target_features")))
    return value.gather(value.greedy)


def choice_of_the_target(self: Any, batch: Batch) -> Value:
    value = self.reduced(self.critic_target(batch.next_features if "next_features" in batch else batch.target_features), batch)
    return value.gather(value.greedy)  # type: ignore[no-any-return]


def never_terminal(self: ScalarValue, reward: torch.Tensor, discount: torch.Tensor) -> ScalarValue:
    return backup(self, reward, torch.where(discount == 0, 1.0, discount))


def features_of_the_online_encoder(self: Any, batch: Batch) -> Batch:
    encoded = encode_batch(self, batch)
    return encoded.with_columns(target_features=self.encode(batch.next_obs).detach())


def one_coin(greedy: Any, space: Any, count: int, epsilon: float, generator: torch.Generator, mask: Any = None) -> torch.Tensor:
    coin = torch.rand(1, generator=generator) < epsilon
    return torch.where(coin.expand(count), torch.randint(space.n, (count,), generator=generator), greedy())


def priority(how: Any) -> Any:
    def wrong(self: TD, agent: Any, batch: Batch) -> Loss:
        loss = call(self, agent, batch)
        return Loss(loss.value, loss.metrics, how(loss.priority, batch))

    return wrong


def target_alone_is_mixed(self: TD, agent: Any, batch: Batch) -> Loss:
    target = agent.bootstrap(batch).backup(batch.reward, batch.discount)
    value = agent.critic(batch.features, batch.action)
    return Loss((batch.weight * value.loss(target)).mean(), {}, value.td_error(target))


def draws_for_each_row(self: Any, batch: Batch) -> Batch:
    batch = with_draws(self, batch)
    draws = torch.rand(batch.mixture.shape, generator=self.generator("mixture"))
    return batch.with_columns(mixture=draws / draws.sum(1, keepdim=True))


def clipped_before_its_temperature(self: Munchausen, agent: Any, batch: Batch) -> torch.Tensor:
    tau = agent.options.temperature
    return batch.reward + self.alpha * tau * (agent.target_log_policy(batch) / tau).clamp(self.least, 0.0)  # type: ignore[no-any-return]


def log_policy_of_the_online_network(self: Any, batch: Batch) -> torch.Tensor:
    logs = dqn.soft_log_policy(self.critic(batch.features), self.options.temperature)
    return logs.gather(-1, batch.action[..., None])[..., 0].detach()


def log_of_a_probability(value: Value, temperature: float, mask: Any = None) -> torch.Tensor:
    return temperature * (value.mean.mean(dim=0) / temperature).softmax(dim=-1).log()


def mean_probability(self: CategoricalValue) -> torch.Tensor:
    return self.probabilities.mean(-1).mean(0).argmax(-1)  # always 1 / N: the first choice


def elementwise(self: QuantileValue, target: QuantileValue) -> torch.Tensor:
    count = min(target.numbers.shape[-1], self.numbers.shape[-1])
    error = target.numbers[..., :count] - self.numbers[..., :count]
    levels = (torch.arange(error.shape[-1]) + 0.5) / error.shape[-1]
    huber = torch.where(error.abs() <= 1, 0.5 * error.square(), error.abs() - 0.5)
    return ((levels - (error < 0).float()).abs() * huber).sum(-1).sum(0)


def expected_value(self: Any, features: torch.Tensor) -> torch.Tensor:
    return self.critic(features).mean.mean(dim=-1).mean(dim=0)  # type: ignore[no-any-return]


def gae(change: Any) -> Any:
    from unified.core.learn.returns import compute_gae

    def wrong(reward: Any, discount: Any, value: Any, next_value: Any, boundary: Any, gae_lambda: float) -> torch.Tensor:
        return compute_gae(*change(reward, discount, value, next_value, boundary), gae_lambda)

    return replaced("unified.agents.on_policy", "compute_gae", wrong)


def last_value_one_step_early(reward: Any, discount: Any, value: Any, next_value: Any, boundary: Any) -> tuple[Any, ...]:
    other = next_value.clone()
    other[:-1][boundary[1:]] = next_value[1:][boundary[1:]]  # the scan is seeded with Q(s_T) where Q(s_{T-1}) belongs
    return reward, discount, value, other, boundary


DQN_TESTS, VALUES = "plugins.agents.test_dqn", "plugins.architectures.test_values"
MISTAKES = (
    Mistake(
        "DQN: the online network values",
        replaced(DQN, "bootstrap", online),
        f"{DQN_TESTS}::test_targets_do_not_move_with_the_online_critic",
    ),
    Mistake(
        "double: the target chooses",
        replaced(DQN, "bootstrap", choice_of_the_target),
        f"{DQN_TESTS}::test_double_takes_the_online_choice_and_the_targets_value",
    ),
    Mistake(
        "a discount of 0 turned to 1",
        replaced(ScalarValue, "backup", never_terminal),
        f"{DQN_TESTS}::test_a_terminal_state_is_worth_its_reward_alone",
    ),
    Mistake(
        "the target critic reads the online encoder",
        replaced(DQN, "encode_batch", features_of_the_online_encoder),
        f"{DQN_TESTS}::test_targets_do_not_move_with_the_online_encoder",
        (False,),
    ),
    Mistake(
        "one coin for all environments",
        replaced(dqn, "epsilon_greedy", one_coin),
        f"{DQN_TESTS}::test_epsilon_follows_its_formula_with_independent_coins",
    ),
    Mistake(
        "noise in the weights is never switched off",
        replaced(NoisyEnsembleMLP, "train", lambda self, mode=True: self),
        f"{DQN_TESTS}::test_evaluation_is_greedy_and_free_of_noise",
    ),
    Mistake(
        "PER: the priority has the importance weight in it",
        replaced(TD, "__call__", priority(lambda p, batch: p * batch.weight)),
        f"{DQN_TESTS}::test_every_row_has_a_priority_of_its_own_without_its_weight",
        ("scalar",),
    ),
    Mistake(
        "BBF: one mean priority for all rows",
        replaced(TD, "__call__", priority(lambda p, batch: p.mean().expand(len(p)))),
        f"{DQN_TESTS}::test_every_row_has_a_priority_of_its_own_without_its_weight",
        ("scalar",),
    ),
    Mistake(
        "REM: the target alone is mixed",
        replaced(TD, "__call__", target_alone_is_mixed),
        "plugins.objectives.test_td::test_a_mixture_is_of_prediction_and_target_and_moves_each_member_by_its_share",
    ),
    Mistake(
        "REM: a mixture for each row",
        replaced(OffPolicyAgent, "with_draws", draws_for_each_row),
        f"{DQN_TESTS}::test_a_mixture_is_one_draw_for_each_update_for_all_rows_and_both_sides",
        (True,),
    ),
    Mistake(
        "Munchausen: the clip is of ln π and not of τ ln π",
        replaced(Munchausen, "reward", clipped_before_its_temperature),
        f"{DQN_TESTS}::test_the_loss_of_munchausen_is_the_papers_and_of_the_target_network",
        (False,),
    ),
    Mistake(
        "Munchausen: the online network's policy",
        replaced(DQN, "target_log_policy", log_policy_of_the_online_network),
        f"{DQN_TESTS}::test_the_loss_of_munchausen_is_the_papers_and_of_the_target_network",
        (False,),
    ),
    Mistake(
        "Munchausen: the logarithm of a softmax",
        replaced(VALUES, "soft_log_policy", log_of_a_probability),
        f"{VALUES}::test_the_log_policy_is_finite_where_probabilities_round_to_nothing",
    ),
    Mistake(
        "C51: greedy by the mean probability",
        replaced(CategoricalValue, "greedy", property(mean_probability)),
        f"{VALUES}::test_greedy_is_the_greatest_expectation_and_not_the_greatest_probability",
    ),
    Mistake(
        "QR-DQN: an elementwise loss",
        replaced(QuantileValue, "loss", elementwise),
        f"{VALUES}::test_quantile_loss_is_the_double_loop",
        (1.0,),
    ),
    Mistake(
        "PQN: the next value is not that of the best choice",
        replaced(PQN, "_value", expected_value),
        "plugins.agents.test_pqn::test_the_next_value_is_that_of_the_best_choice_and_not_of_the_one_that_was_taken",
    ),
    Mistake(
        "PQN: a time limit is an end",
        gae(lambda r, d, v, n, b: (r, d, v, n.masked_fill(b, 0.0), b)),
        "plugins.agents.test_pqn::test_lambda_returns_are_those_of_the_definition",
        (0.5,),
    ),
    Mistake(
        "PQN: the scan begins with the value of one step later",
        gae(last_value_one_step_early),
        "plugins.agents.test_pqn::test_lambda_returns_are_those_of_the_definition",
        (0.5,),
    ),
)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_mistake_is_found(mistake: Mistake, monkeypatch: pytest.MonkeyPatch) -> None:
    mistake.found(monkeypatch)
