"""Mistakes that other implementations made, each with the test that keeps it out. A row without its test fails here.

In `plugins.agents` the files ``test_mistakes_*`` make many of them on purpose, to see that the tests find them.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parent

#: What others got wrong, and the tests that would fail if we did: ``file::name``.
TRAPS = {
    "TD targets: γⁿ kept across a terminal state, a discount of 0 turned to 1": (
        "core/replay/test_sampling.py::test_windows_and_ends_by_hand",
        "plugins/agents/test_dqn.py::test_a_terminal_state_is_worth_its_reward_alone",
        "plugins/architectures/test_values.py::test_a_terminal_state_is_worth_its_reward_alone_as_a_distribution",
    ),
    "evaluation: an episode's first action on the terminal observation of the one before": (
        "core/trainer/test_evaluation.py::test_episodes_are_those_of_the_loop",
        "core/trainer/test_evaluations_agree.py::test_four_ways_agree",
    ),
    "discrete TD: the online network's values used through the target network": (
        "plugins/agents/test_dqn.py::test_targets_do_not_move_with_the_online_critic",
        "plugins/agents/test_dqn.py::test_double_takes_the_online_choice_and_the_targets_value",
    ),
    "straight-through clamp: gradient zero or of a plain clamp": (
        "plugins/architectures/test_policies.py::test_a_clamped_draw_has_the_gradient_of_one_that_is_not",
        "plugins/agents/test_drqv2.py::test_bf16_is_the_encoders_alone_and_saturated_policies_still_learn",
    ),
    "C51: greedy by mean probability; a projection that loses mass; log 0": (
        "plugins/architectures/test_values.py::test_greedy_is_the_greatest_expectation_and_not_the_greatest_probability",
        "plugins/architectures/test_values.py::test_projection_loses_no_mass_where_b_is_an_integer_at_the_end_or_beyond",
        "plugins/architectures/test_values.py::test_cross_entropy_with_certainty_and_impossibility_is_finite",
    ),
    "QR-DQN: an elementwise loss instead of all pairs": ("plugins/architectures/test_values.py::test_quantile_loss_is_the_double_loop",),
    "PER: weights [B] times losses [B, 1]; β grows past 1; sums that are none": (
        "plugins/objectives/test_learned_from_data.py::test_weights_of_rows_count",
        "core/replay/test_samplers.py::test_refuses_exponents_out_of_range",
        "core/replay/test_samplers.py::test_every_node_is_the_sum_of_its_children",
    ),
    "PER: the squared error, summed over critics, as priority; entropy of the target in it; -log π of a density, which may be negative": (
        "plugins/objectives/test_td.py::test_rows_with_errors_of_one_and_two_are_drawn_one_to_two",
        "plugins/objectives/test_td.py::test_a_distribution_that_is_predicted_exactly_has_no_priority_however_wide_it_is",
        "plugins/objectives/test_td.py::test_the_worse_a_density_fits_a_row_the_oftener_it_is_drawn",
    ),
    "PER: weights over the least priority of the memory; (p^α + ε) for (p + ε)^α; one mean priority for all rows of a batch": (
        "core/replay/test_samplers.py::test_the_greatest_weight_is_one_among_the_rows_of_a_batch",
        "core/replay/test_samplers.py::test_a_priority_has_its_least_amount_before_the_exponent",
        "plugins/agents/test_dqn.py::test_every_row_has_a_priority_of_its_own_without_its_weight",
    ),
    "Rainbow: an n-step window across a time limit; the last steps of an episode that never begin one": (
        "core/replay/test_sampling.py::test_windows_and_ends_by_hand",
    ),
    "Rainbow: an ε that nothing reads; one draw of noise for online and target network": (
        "plugins/agents/test_dqn_variants.py::test_without_noise_something_else_has_to_explore",
        "plugins/agents/test_dqn.py::test_prediction_choice_and_target_have_noise_of_their_own",
    ),
    "IQN: levels of prediction and target swapped; the same levels for all rows; an evaluation that draws them; κ not divided out": (
        "plugins/architectures/test_values.py::test_the_loss_at_drawn_levels_is_the_double_loop_with_those_of_the_prediction",
        "plugins/architectures/test_values.py::test_shift_and_backup_move_numbers_and_leave_their_levels",
        "plugins/architectures/test_critics.py::test_levels_are_drawn_for_each_row_and_call_and_are_a_grid_in_evaluation",
        "plugins/agents/test_dqn.py::test_the_target_of_implicit_quantiles_is_the_papers_double_loop",
    ),
    "Munchausen: log(softmax) that underflows; a clip of ln π; the online policy; a greatest value on top": (
        "plugins/architectures/test_values.py::test_the_log_policy_is_finite_where_probabilities_round_to_nothing",
        "plugins/agents/test_dqn.py::test_the_loss_of_munchausen_is_the_papers_and_of_the_target_network",
        "plugins/agents/test_dqn_variants.py::test_munchausen_is_soft_takes_one_step_and_chooses_no_greatest_value",
    ),
    "SAC for choices: an entropy that the policy cannot have, and a temperature without bound": (
        "plugins/agents/test_sac.py::test_the_temperature_of_a_bandit_settles_at_the_default_share",
    ),
    "two-hot: the index that wraps at the greatest return; the histogram backed up as a distribution of returns": (
        "plugins/architectures/test_values.py::test_two_hot_lies_on_the_two_atoms_beside_a_return_and_has_its_mean",
        "plugins/architectures/test_values.py::test_a_histogram_is_a_number_and_backs_up_its_mean_alone",
    ),
    "DQN: a target critic that reads the online encoder's features": (
        "plugins/agents/test_dqn.py::test_targets_do_not_move_with_the_online_encoder",
    ),
    "REM: only the target is mixed, and every member regressed on it": (
        "plugins/objectives/test_td.py::test_a_mixture_is_of_prediction_and_target_and_moves_each_member_by_its_share",
        "plugins/agents/test_dqn.py::test_a_mixture_is_one_draw_for_each_update_for_all_rows_and_both_sides",
        "plugins/agents/test_dqn.py::test_equal_members_of_a_mixture_learn_as_one_critic_does",
    ),
    "SPR: -5 cos where 5 (2 - 2 cos) was published": (
        "plugins/objectives/test_spr.py::test_the_published_strength_is_ten_times_the_cosines_gradient",
    ),
    "gSDE: one matrix for all environments, a new one in each step, one that lasts into the next episode; draws in an evaluation": (
        "plugins/agents/test_sac_state_noise.py::test_each_environment_has_a_matrix_of_its_own",
        "plugins/agents/test_sac_state_noise.py::test_it_is_drawn_anew_after_its_steps_and_with_each_episode_in_each_environment",
        "plugins/agents/test_sac_state_noise.py::test_evaluation_is_the_mode_and_draws_nothing",
    ),
    "action masks: a bootstrap from an invalid choice; the entropy of all choices where few are valid": (
        "plugins/agents/test_action_masks.py::test_the_bootstrap_takes_the_greatest_valid_value",
        "plugins/agents/test_action_masks.py::test_the_soft_values_of_sac_are_expectations_over_the_valid_choices",
        "plugins/agents/test_action_masks.py::test_the_temperature_stays_where_one_choice_is_valid",
    ),
    "RND: a discounted sum that begins anew with each episode or each rollout": (
        "plugins/objectives/test_intrinsic.py::test_the_discounted_sum_of_intrinsic_rewards_runs_over_the_ends_of_episodes",
        "plugins/objectives/test_intrinsic.py::test_the_sum_goes_on_from_rollout_to_rollout",
    ),
    "counts: rows that count again where they are replayed; a hash that moves": (
        "plugins/objectives/test_count.py::test_a_row_counts_once_however_often_it_is_replayed",
        "plugins/objectives/test_count.py::test_codes_stay_once_the_statistics_stand",
    ),
    "n-step windows that cross episodes": ("core/replay/test_sampling.py::test_equals_explicit_loops",),
    "A2C / A3C: returns from the wrong index": (
        "core/learn/test_returns.py::test_with_lambda_one_it_is_the_return_less_the_value",
        "plugins/agents/test_ppo.py::test_returns_are_of_the_rows_they_stand_by",
    ),
    "A2C / A3C: evaluation always plays action 0": (
        "plugins/agents/test_ppo.py::test_evaluation_plays_the_most_likely_action_and_never_draws",
    ),
    "DDPG / TD3: target action from the current state or the online critic; exploration left on in evaluation": (
        "plugins/agents/test_drqv2.py::test_targets_use_the_target_critic_and_the_next_state",
        "plugins/agents/test_drqv2.py::test_evaluation_is_deterministic_and_free_of_noise",
    ),
    "SAC: target entropy from uninitialised memory; stochastic evaluation": (
        "plugins/agents/test_sac.py::test_the_target_entropy_is_minus_the_dimensions_of_the_action",
        "plugins/agents/test_sac.py::test_evaluation_is_the_mode",
    ),
    "noisy nets that are never switched off": (
        "plugins/architectures/test_critics.py::test_noise_is_factorised_and_off_in_evaluation",
        "plugins/agents/test_dqn.py::test_evaluation_is_greedy_and_free_of_noise",
    ),
    "ε schedules that decay too soon; one coin for all environments": (
        "plugins/agents/test_dqn.py::test_epsilon_follows_its_formula_with_independent_coins",
    ),
    "REM, PER and TD3: state hidden outside the state": (
        "core/replay/test_samplers.py::test_state_goes_on_exactly",
        "plugins/agents/test_dqn.py::test_saved_and_loaded_it_goes_on_the_same",
        "runs/test_ways_of_learning.py::test_killed_and_resumed_it_is_the_same_run",
    ),
    "GAN: labels of real and fake swapped": (
        "plugins/objectives/test_learned_from_data.py::test_the_critic_is_pulled_up_at_what_is_real_and_down_at_what_is_made_and_the_actor_climbs",
    ),
    "TD3+BC: λ with gradient, or of the critic at the actions of the data; observations not standardised where it is judged": (
        "plugins/agents/test_offline_agents.py::test_lambda_has_no_gradient",
        "plugins/agents/test_offline_agents.py::test_lambda_is_of_the_policy_s_actions",
        "plugins/agents/test_offline_agents.py::test_observations_are_standardised_by_the_data_in_training_and_in_evaluation",
    ),
    "IQL: an expectile of the wrong sign; V or weights by online critics; another order; a squashed policy; weights without a limit": (
        "plugins/agents/test_offline_agents.py::test_the_expectile_goes_from_the_mean_to_the_greatest",
        "plugins/agents/test_offline_agents.py::test_v_and_the_policy_learn_from_the_target_critics",
        "plugins/agents/test_offline_agents.py::test_an_update_of_iql_is_v_then_the_policy_then_q_then_the_target",
        "plugins/agents/test_offline_agents.py::test_the_policy_of_iql_is_not_squashed",
        "plugins/agents/test_offline_agents.py::test_weights_are_clipped",
    ),
    "CQL: log densities left out; actions of the next state judged there; a wrong range of uniform actions; actions not detached": (
        "plugins/agents/test_offline_agents.py::test_densities_and_the_state_of_next_actions",
        "plugins/agents/test_offline_agents.py::test_repeated_actions_have_no_gradient",
        "plugins/agents/test_offline_agents.py::test_the_estimate_is_the_integral",
    ),
    "D4RL: next observations across the end of an episode; timeouts taken for terminals": (
        "logged/test_slots.py::test_what_comes_next_is_never_of_another_episode",
        "logged/test_slots.py::test_a_time_limit_is_no_end",
    ),
    "%BC: an episode that was cut off by saving has the best return of a task of costs": (
        "core/replay/test_loaded.py::test_an_episode_that_was_cut_off_by_saving_is_never_the_best",
    ),
    "Decision Transformer: returns across the end of an episode; the action among what it is predicted from": (
        "plugins/agents/test_decision_transformer.py::test_returns_do_not_run_into_the_next_episode",
        "plugins/agents/test_decision_transformer.py::test_a_feature_has_seen_the_past_its_return_and_itself_alone",
    ),
    "goals: log densities exponentiated before they are compared": (
        "plugins/callbacks/test_goals.py::test_goals_where_the_density_underflows_are_still_ranked",
        "plugins/callbacks/test_goals.py::test_a_draw_by_density_does_not_overflow",
    ),
    "goals: the density of desired goals; two densities in coordinates of their own": (
        "plugins/callbacks/test_goals.py::test_the_density_is_that_of_achieved_goals",
        "plugins/callbacks/test_goals.py::test_omega_compares_both_densities_in_the_same_coordinates",
    ),
    "goals: the pursued goal not stored with its row; a goal changed in the middle of an episode; rewards of another goal": (
        "core/envs/test_chosen_goals.py::test_rows_are_those_of_a_loop_by_hand",
        "core/envs/test_chosen_goals.py::test_the_loop_by_hand_finds_what_others_get_wrong",
        "core/envs/test_chosen_goals.py::test_the_replay_holds_the_pursued_goal_and_the_own_one",
    ),
    "goals: candidates from the unfinished episode": ("plugins/callbacks/test_goals.py::test_candidates_come_from_finished_episodes",),
    "goals: successes of all environments in one window": (
        "plugins/callbacks/test_goals.py::test_each_environment_has_its_own_successes_and_cutoff",
    ),
    "goals: an evaluation with chosen goals": (
        "runs/test_choosing_goals.py::test_training_pursues_the_chosen_goals_and_an_evaluation_those_of_the_task",
    ),
    "HIRO: goals that do not move with the observation; a window across two decisions; a correction by the first step alone": (
        "plugins/agents/test_hiro.py::test_a_goal_stays_where_it_is_for_c_steps_and_then_another_is_chosen",
        "plugins/agents/test_hiro.py::test_a_row_is_a_step_with_the_decision_that_it_belongs_to",
        "plugins/agents/test_hiro.py::test_the_correction_takes_the_goal_of_least_squared_error_over_the_path",
    ),
    "SPR / BYOL: the sign of the loss": ("plugins/objectives/test_spr.py::test_the_cosine_rises_towards_one_under_training",),
    "vector environments: more of them mean fewer updates": ("core/trainer/test_clock.py::test_updates_follow_steps_not_environments",),
    "frame-once replay: the last observation of a timed-out episode is the next one's first": (
        "core/replay/test_sampling.py::test_windows_and_ends_by_hand",
        "core/replay/test_rollout.py::test_it_holds_what_happened_in_order_with_the_true_next_observations",
    ),
    "memory-mapped replay: rows newer than the checkpoint are trained on after a resume": (
        "core/replay/test_segments.py::test_a_resumed_run_goes_its_own_way",
    ),
    "resume: the same seeds again, or a burst of updates": (
        "core/trainer/test_clock.py::test_a_loaded_clock_goes_on_without_a_burst",
        "runs/test_exact.py::test_killed_in_mid_episode_and_resumed",
    ),
    "HER: `final` is the last but one; a step that cannot reach its goal; the next observation keeps the old one; the end is kept": (
        "plugins/samplers/test_hindsight.py::test_goals_rewards_and_discounts_of_a_three_step_episode",
        "plugins/samplers/test_hindsight.py::test_the_three_steps_tell_a_mistake",
        "plugins/samplers/test_hindsight.py::test_ends_against_a_loop",
    ),
    "HER: achieved and desired goal swapped in the reward; one reward for all rows of a batch": (
        "plugins/samplers/test_hindsight.py::test_the_three_steps_tell_swapped_goals",
        "plugins/samplers/test_hindsight.py::test_a_reward_of_all_rows_together_is_refused_before_the_start",
        "plugins/suites/test_gym_goals.py::test_rewards_of_rows_are_those_of_single_goals",
    ),
    "HER: goals of another episode, or from beyond the ring's write head; ratios of strategies": (
        "plugins/samplers/test_hindsight.py::test_goals_come_from_the_same_episode_across_the_write_head_of_a_ring",
        "core/replay/test_episodes.py::test_episodes_in_rings_that_wrap_with_discarded_and_unfinished_ones",
        "plugins/samplers/test_hindsight.py::test_shares_over_ten_thousand_draws",
    ),
    "HER: n-step returns with rewards of the old goal; normalised by statistics of relabelled goals": (
        "plugins/samplers/test_hindsight.py::test_all_rewards_of_an_n_step_return_are_relabelled_up_to_the_new_end",
        "runs/test_goals.py::test_relabelled_goals_are_normalised_by_the_statistics_of_pursued_ones_and_do_not_move_them",
    ),
    "Point mazes: the goal that is shown is not the one of the next reward; ends by the norm of the whole batch": (
        "plugins/suites/test_robotics.py::test_the_goal_that_is_shown_is_the_one_of_the_next_reward",
        "plugins/suites/test_robotics.py::test_a_maze_that_does_not_go_on_terminates_for_rows_too",
    ),
}


def names_of(path: Path) -> list[str]:
    return [node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)]


@pytest.mark.parametrize("trap", TRAPS)
def test_each_trap_has_its_test(trap: str) -> None:
    for where in TRAPS[trap]:
        file, _, name = where.partition("::")
        assert name in names_of(TESTS / file), where
