"""Mistakes in on-policy agents, each made on purpose: the test that is named beside it finds it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from plugins.agents.mistakes import Mistake, replaced
from plugins.agents.test_trpo import CHOICES
from unified.agents.on_policy import OnPolicyAgent
from unified.core.learn.actions import DiscreteActions
from unified.core.learn.returns import compute_gae
from unified.plugins.agents.a2c.late import A3C
from unified.plugins.agents.trpo.agent import TRPO
from unified.plugins.architectures.heads.policies import Categorical, Gaussian
from unified.plugins.architectures.recurrent.network import GRU, Recurrent

DETAILS, RETURNS, TRPO_TESTS = "plugins.agents.test_on_policy_details", "core.learn.test_returns", "plugins.agents.test_trpo"
act, unroll, phases, kl = OnPolicyAgent.act, Recurrent.unroll, TRPO.phases, Categorical.kl


def gae(change: Any, module: str) -> Any:
    def wrong(reward: Any, discount: Any, value: Any, next_value: Any, boundary: Any, gae_lambda: float) -> torch.Tensor:
        return compute_gae(*change(reward, discount, value, next_value, boundary), gae_lambda)

    return replaced(module, "compute_gae", wrong)


def over_ends(reward: Any, discount: Any, value: Any, next_value: Any, boundary: Any) -> tuple[Any, ...]:
    return reward, discount, value, next_value, torch.zeros_like(boundary)


def of_the_present_value(reward: Any, discount: Any, value: Any, next_value: Any, boundary: Any) -> tuple[Any, ...]:
    return reward, discount, value, torch.where(boundary, value, next_value), boundary


def clipped(what: str) -> Any:
    """The log-probability of the clipped action, or the clipped action itself, is stored."""

    def wrong(self: Any, batch: Any, *, explore: bool) -> Any:
        action = act(self, batch, explore=explore)
        cut = action.action.clamp(-1.0, 1.0)
        if what == "action":
            return replace(action, action=cut)
        return replace(action, extra={**action.extra, "log_prob": self.policy(self.step_features(batch)[0]).log_prob(cut)})

    return wrong


def state_after(self: Any, batch: Any, *, explore: bool) -> Any:
    action = act(self, batch, explore=explore)
    return replace(action, extra={**action.extra, **{f"state.{name}": rows for name, rows in action.state.items()}})


def a_draw(self: DiscreteActions, policy: Any) -> Any:
    return self.to_env(policy.sample(torch.Generator()))


def mean_over_numbers(self: Gaussian) -> torch.Tensor:
    return (self.log_std + 0.5 + 0.9189385).mean(dim=-1)


def of_one_row_too(advantage: torch.Tensor) -> torch.Tensor:
    spread, mean = torch.std_mean(advantage)
    return (advantage - mean) / (spread + 1e-8)


def one_step_late(self: Any, features: Any, state: Any, is_first: torch.Tensor) -> torch.Tensor:
    return unroll(self, features, state, is_first.roll(1, dims=1))


def never_reset(self: Any, features: Any, state: Any, is_first: torch.Tensor) -> torch.Tensor:
    return unroll(self, features, state, torch.zeros_like(is_first))


def values_too(self: Any) -> Any:
    critic, policy = phases(self)
    return [critic, replace(policy, trains=(*policy.trains, "critic"))]


def at_once(self: Any, tensors: list[torch.Tensor]) -> list[torch.Tensor]:
    return tensors


MISTAKES = (
    Mistake("GAE: sums run over ends", gae(over_ends, RETURNS), f"{RETURNS}::test_sums_of_errors_end_where_a_trajectory_is_cut", (0.95,)),
    Mistake(
        "GAE: a time limit is an end",
        gae(lambda r, d, v, n, b: (r, d.masked_fill(b, 0.0), v, n, b), RETURNS),
        f"{RETURNS}::test_a_time_limit_keeps_the_value_of_what_would_have_come_and_a_terminal_state_has_none",
    ),
    Mistake(
        "a time limit is worth the value of the state before it",
        gae(of_the_present_value, DETAILS),
        f"{DETAILS}::test_a_time_limit_is_worth_what_would_have_come_and_an_end_nothing",
    ),
    Mistake(
        "returns of the next row",
        gae(lambda r, d, v, n, b: (r.roll(-1), d, v, n, b), "unified.agents.on_policy"),
        "plugins.agents.test_ppo::test_returns_are_of_the_rows_they_stand_by",
    ),
    Mistake(
        "an evaluation draws",
        replaced(DiscreteActions, "greedy", a_draw),
        "plugins.agents.test_ppo::test_evaluation_plays_the_most_likely_action_and_never_draws",
    ),
    Mistake(
        "the log-probability of the clipped action",
        replaced(OnPolicyAgent, "act", clipped("log_prob")),
        f"{DETAILS}::test_the_log_probability_is_of_the_action_before_it_is_clipped",
    ),
    Mistake(
        "the clipped action is stored",
        replaced(OnPolicyAgent, "act", clipped("action")),
        "plugins.agents.test_ppo::test_numbers_are_kept_as_drawn_and_played_within_the_bounds",
    ),
    Mistake(
        "the entropy of numbers is a mean",
        replaced(Gaussian, "entropy", mean_over_numbers),
        f"{DETAILS}::test_the_entropy_of_numbers_is_a_sum",
    ),
    Mistake(
        "the advantage of a single row is standardised",
        replaced("unified.plugins.objectives.ppo_clip.objective", "standardised", of_one_row_too),
        f"{DETAILS}::test_a_minibatch_of_one_row_is_finite",
        ("ppo", True),
    ),
    Mistake(
        "RMSProp of torch for that of TensorFlow",
        replaced(DETAILS, "RMSPropTF", torch.optim.RMSprop),
        f"{DETAILS}::test_two_steps_of_rmsprop_are_those_of_the_formula",
        ("rmsprop_tf", 0.0),
    ),
    Mistake(
        "A3C: gradients are not late",
        replaced(A3C, "_delayed", at_once),
        f"{DETAILS}::test_workers_in_turn_are_those_of_a_serial_simulation",
        (4,),
    ),
    Mistake(
        "TRPO: the divergence from itself has its gradient too",
        replaced(Categorical, "kl", lambda self, other: kl(other, other)),
        f"{TRPO_TESTS}::test_the_fisher_product_is_that_of_the_output_distributions",
        (CHOICES, pytest.MonkeyPatch),
    ),
    Mistake(
        "TRPO: value parameters in the KL step",
        replaced(TRPO, "phases", values_too),
        f"{TRPO_TESTS}::test_value_parameters_are_not_in_the_kl_step",
    ),
    Mistake(
        "memory: a reset one step late",
        replaced(GRU, "unroll", one_step_late),
        "plugins.agents.test_ppo_memory::test_features_along_sequences_are_those_of_single_steps",
        ("gru",),
    ),
    Mistake(
        "memory: no reset within a sequence",
        replaced(GRU, "unroll", never_reset),
        "plugins.agents.test_ppo_memory::test_before_the_first_update_the_ratio_is_one_everywhere",
        ("gru",),
    ),
    Mistake(
        "memory: the state after the step is stored",
        replaced(OnPolicyAgent, "act", state_after),
        "plugins.agents.test_ppo_memory::test_rows_keep_the_state_before_their_step",
        ("gru",),
    ),
)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_mistake_is_found(mistake: Mistake, monkeypatch: pytest.MonkeyPatch) -> None:
    mistake.found(monkeypatch)
