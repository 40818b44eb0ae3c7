"""Mistakes in off-policy actor-critics, each made on purpose: the test that is named beside it finds it."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from plugins.agents.mistakes import Mistake, replaced
from unified.agents.exploration import ActionNoise, StateNoise
from unified.agents.off_policy import OffPolicyAgent
from unified.core.base.spec import Space
from unified.core.learn.actions import ContinuousActions
from unified.core.learn.agent import Agent
from unified.core.learn.distributions import Value
from unified.core.replay.batch import Batch
from unified.plugins.agents.sac.agent import SAC
from unified.plugins.agents.td3.ddpg import DDPG
from unified.plugins.architectures.heads.policies import TruncatedNormal
from unified.plugins.architectures.heads.values import QuantileValue
from unified.plugins.architectures.normalised import BatchRenorm

NUMBERS = Space((2,), "float32", -1.0, 1.0)
add_target, with_draws, target_value = Agent.add_target, OffPolicyAgent.with_draws, OffPolicyAgent.target_value
action_noise, state_noise, renorm = ActionNoise.__call__, StateNoise.__call__, BatchRenorm.__init__


def of_the_online_actor(self: Any, batch: Batch) -> torch.Tensor:
    return self.actor(batch.next_features, self.steps).mode  # type: ignore[no-any-return]


def of_the_present_state(self: Any, batch: Batch) -> torch.Tensor:
    return self.actor_target(batch.features, self.steps).mode  # type: ignore[no-any-return]


def one_process(self: ActionNoise, action: Any, state: Any, step: int, generator: Any) -> Any:
    action, state = action_noise(self, action, state, step, generator)
    return action, {name: rows[:1].expand_as(rows) for name, rows in state.items()}


def one_matrix(self: StateNoise, policy: Any, state: Any, generator: Any) -> Any:
    _, state = state_noise(self, policy, state, generator)
    noise = state["noise"][:1].expand_as(state["noise"])
    return policy.explored(noise), {**state, "noise": noise}


def new_in_each_step(self: StateNoise, policy: Any, state: Any, generator: Any) -> Any:
    return state_noise(self, policy, {**state, "age": torch.zeros_like(state["age"])}, generator)


def dropped_of_each(self: QuantileValue, drop: int) -> QuantileValue:
    kept = self.numbers.sort(dim=-1).values[..., : self.numbers.shape[-1] - drop]
    return QuantileValue(kept.movedim(0, -2).flatten(-2).sort(dim=-1).values[None], self.huber)


def least(value: Value, which: str) -> Value:
    return value.min()


def the_first_pair(self: Any, batch: Batch) -> Batch:
    updates, self.updates = self.updates, 0
    drawn = with_draws(self, batch)
    self.updates = updates
    return drawn


def a_pair_for_each_row(self: Any, batch: Batch) -> Batch:
    return batch.with_columns(subset=torch.rand(batch.size, self.options.critic.members).argsort(dim=1)[:, :2])


def target_in_evaluation_mode(self: Any, batch: Batch, action: Any) -> Value:
    self.critic_target.train(False)
    value = target_value(self, batch, action)
    self.critic_target.train(self.training)
    return value


def minus_the_entropy(self: Any, batch: Batch) -> Value:
    value, log_prob = self.next_value(batch)
    return value.shift(self.alpha() * log_prob)


def in_two_passes(self: Any, batch: Batch, action: Any) -> Value:
    return self.critic(batch.next_features, action)  # type: ignore[no-any-return]


def share_that_is_kept(self: Any, features: int, members: int = 1, momentum: float = 0.01, warm_up: int = 100_000) -> None:
    renorm(self, features, members, 0.99, warm_up)


def drawn(self: ContinuousActions, policy: Any) -> Any:
    return self.to_env(policy.sample(torch.Generator()), None)


def not_updated_with_the_actor(self: Any, part: str, tau: float, every: int = 1, name: str = "") -> None:
    add_target(self, part, tau, 1, name)


def unclipped(mean: torch.Tensor, std: Any, clip: Any = None) -> TruncatedNormal:
    return TruncatedNormal(mean, std)


TD3, DDPG_TESTS, SAC_TESTS = "plugins.agents.test_td3", "plugins.agents.test_ddpg", "plugins.agents.test_sac_variants"
STATE = "plugins.agents.test_sac_state_noise"
MISTAKES = (
    Mistake(
        "DDPG: the online actor in the target",
        replaced(DDPG, "target_action", of_the_online_actor),
        f"{DDPG_TESTS}::test_the_target_is_by_the_target_actor",
    ),
    Mistake(
        "TD3: the online actor in the target",
        replaced(DDPG, "target_action", of_the_online_actor),
        f"{TD3}::test_the_target_is_by_the_target_actor_and_not_the_online_one",
    ),
    Mistake(
        "TD3: the target action at the present state",
        replaced(DDPG, "target_action", of_the_present_state),
        f"{TD3}::test_updates_are_the_papers_by_a_slow_reference",
    ),
    Mistake(
        "TD3: targets follow in every update",
        replaced(Agent, "add_target", not_updated_with_the_actor),
        f"{TD3}::test_actor_and_all_targets_wait_for_the_delay_also_after_a_resume",
    ),
    Mistake(
        "TD3: noise in targets is not clipped",
        replaced("unified.plugins.agents.td3.agent", "TruncatedNormal", unclipped),
        f"{TD3}::test_target_noise_is_clipped_and_within_the_bounds",
    ),
    Mistake(
        "OU: one process for all environments",
        replaced(ActionNoise, "__call__", one_process),
        f"{DDPG_TESTS}::test_two_environments_have_noise_of_their_own",
    ),
    Mistake(
        "OU: the process goes on into the next episode",
        replaced("unified.core.trainer.sources", "reset_rows", lambda state, first, initial: dict(state)),
        f"{DDPG_TESTS}::test_the_process_begins_anew_with_each_episode",
        (pytest.MonkeyPatch,),
    ),
    Mistake(
        "gSDE: one matrix for all environments",
        replaced(StateNoise, "__call__", one_matrix),
        f"{STATE}::test_each_environment_has_a_matrix_of_its_own",
    ),
    Mistake(
        "gSDE: a new matrix in each step",
        replaced(StateNoise, "__call__", new_in_each_step),
        f"{STATE}::test_it_is_drawn_anew_after_its_steps_and_with_each_episode_in_each_environment",
        (3,),
    ),
    Mistake(
        "TQC: quantiles are dropped of each critic",
        replaced(QuantileValue, "truncated", dropped_of_each),
        f"{SAC_TESTS}::test_the_atoms_of_all_are_pooled_before_the_greatest_go",
    ),
    Mistake(
        "TQC: the actor climbs the least critic",
        replaced("unified.plugins.objectives.sac_actor.objective", "climbed", least),
        f"{SAC_TESTS}::test_the_target_is_truncated_and_the_actor_climbs_all_atoms",
    ),
    Mistake(
        "REDQ: one pair for all updates",
        replaced(OffPolicyAgent, "with_draws", the_first_pair),
        f"{SAC_TESTS}::test_a_new_pair_of_members_in_each_update_one_for_all_rows_and_pieces",
    ),
    Mistake(
        "REDQ: a pair for each row",
        replaced(OffPolicyAgent, "with_draws", a_pair_for_each_row),
        f"{SAC_TESTS}::test_a_new_pair_of_members_in_each_update_one_for_all_rows_and_pieces",
    ),
    Mistake(
        "REDQ: the actor climbs the least critic",
        replaced("unified.plugins.objectives.sac_actor.objective", "climbed", least),
        f"{SAC_TESTS}::test_the_target_is_the_least_of_the_pair_and_the_actor_climbs_the_average",
    ),
    Mistake(
        "DroQ: no dropout in the target",
        replaced(OffPolicyAgent, "target_value", target_in_evaluation_mode),
        f"{SAC_TESTS}::test_dropout_is_on_in_prediction_target_and_for_the_actor_and_off_in_evaluation",
    ),
    Mistake(
        "SAC: the sign of the entropy", replaced(SAC, "bootstrap", minus_the_entropy), f"{SAC_TESTS}::test_entropy_makes_a_target_greater"
    ),
    Mistake(
        "CrossQ: two passes",
        replaced(OffPolicyAgent, "target_value", in_two_passes),
        f"{SAC_TESTS}::test_one_pass_sees_rows_and_next_rows_together",
    ),
    Mistake(
        "CrossQ: the momentum is the share that is kept",
        replaced(BatchRenorm, "__init__", share_that_is_kept),
        f"{SAC_TESTS}::test_the_running_statistics_take_a_hundredth_of_a_batch",
    ),
    Mistake(
        "CrossQ: acting moves the statistics",
        replaced(BatchRenorm, "learns", property(lambda self: self.training)),
        f"{SAC_TESTS}::test_only_the_phase_of_a_part_moves_its_statistics",
    ),
    Mistake(
        "SAC: an evaluation draws",
        replaced(ContinuousActions, "greedy", drawn),
        "plugins.agents.test_sac::test_evaluation_is_the_mode",
        (NUMBERS,),
    ),
)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_mistake_is_found(mistake: Mistake, monkeypatch: pytest.MonkeyPatch) -> None:
    mistake.found(monkeypatch)
