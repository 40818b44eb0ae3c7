"""Tasks of the toy suites."""

from __future__ import annotations

_NAMES = """
    acrobot_swingup acrobot_swingup_sparse ball_in_cup_catch cartpole_balance cartpole_balance_sparse cartpole_swingup
    cartpole_swingup_sparse cartpole_three_poles cartpole_two_poles cheetah_run dog_fetch dog_run dog_stand dog_trot dog_walk
    finger_spin finger_turn_easy finger_turn_hard fish_swim fish_upright hopper_hop hopper_stand humanoid_CMU_run humanoid_CMU_stand
    humanoid_CMU_walk humanoid_run humanoid_run_pure_state humanoid_stand humanoid_walk lqr_lqr_2_1 lqr_lqr_6_2 manipulator_bring_ball
    manipulator_bring_peg manipulator_insert_ball manipulator_insert_peg pendulum_swingup point_mass_easy point_mass_hard
    quadruped_escape quadruped_fetch quadruped_run quadruped_walk reacher_easy reacher_hard stacker_stack_2 stacker_stack_4
    swimmer_swimmer15 swimmer_swimmer6 walker_run walker_stand walker_walk
    
"""
TASKS = tuple(_NAMES.split())
PICTURES = ("mnist", "cifar10", "folder")
NONE: tuple[str, ...] = ()
