"""Names of the games in ale-py, to list them without importing it; a test compares them. Torch-free."""

from __future__ import annotations

import difflib
import re

from unified.core.base.errors import Problem, UsageError

#: Two-player games: the emulator has no single-player mode for them and terminates the process.
FOR_TWO = ("combat", "joust", "maze_craze", "warlords")

TASKS = (
    "adventure",
    "air_raid",
    "alien",
    "amidar",
    "assault",
    "asterix",
    "asteroids",
    "atlantis",
    "atlantis2",
    "backgammon",
    "bank_heist",
    "basic_math",
    "battle_zone",
    "beam_rider",
    "berzerk",
    "blackjack",
    "bowling",
    "boxing",
    "breakout",
    "carnival",
    "casino",
    "centipede",
    "chopper_command",
    "crazy_climber",
    "crossbow",
    "darkchambers",
    "defender",
    "demon_attack",
    "donkey_kong",
    "double_dunk",
    "earthworld",
    "elevator_action",
    "enduro",
    "entombed",
    "et",
    "fishing_derby",
    "flag_capture",
    "freeway",
    "frogger",
    "frostbite",
    "galaxian",
    "gopher",
    "gravitar",
    "hangman",
    "haunted_house",
    "hero",
    "human_cannonball",
    "ice_hockey",
    "jamesbond",
    "journey_escape",
    "kaboom",
    "kangaroo",
    "keystone_kapers",
    "king_kong",
    "klax",
    "koolaid",
    "krull",
    "kung_fu_master",
    "laser_gates",
    "lost_luggage",
    "mario_bros",
    "miniature_golf",
    "montezuma_revenge",
    "mr_do",
    "ms_pacman",
    "name_this_game",
    "othello",
    "pacman",
    "phoenix",
    "pitfall",
    "pitfall2",
    "pong",
    "pooyan",
    "private_eye",
    "qbert",
    "riverraid",
    "road_runner",
    "robotank",
    "seaquest",
    "sir_lancelot",
    "skiing",
    "solaris",
    "space_invaders",
    "space_war",
    "star_gunner",
    "superman",
    "surround",
    "tennis",
    "tetris",
    "tic_tac_toe_3d",
    "time_pilot",
    "trondead",
    "turmoil",
    "tutankham",
    "up_n_down",
    "venture",
    "video_checkers",
    "video_chess",
    "video_cube",
    "video_pinball",
    "wizard_of_wor",
    "word_zapper",
    "yars_revenge",
    "zaxxon",
)


def canonical(task: str) -> str:
    """The name of a game from any spelling.

    >>> canonical("BattleZone"), canonical("battlezone"), canonical("Ms. Pac-Man"), canonical("ALE/Pong-v5")
    ('battle_zone', 'battle_zone', 'ms_pacman', 'pong')

    Raises:
        UsageError: If there is no such game.
    """
    known = {_plain(name): name for name in TASKS}
    written = _plain(re.sub(r"^ALE/|(NoFrameskip)?-v\d+$", "", task))
    if written in known:
        return known[written]
    close = difflib.get_close_matches(written, known)
    hint = f"did you mean  {', '.join(known[name] for name in close)} ?" if close else "all: unified plugins show atari"
    if written in map(_plain, FOR_TWO):
        hint = "it is a two-player game without a single-player mode"
    raise UsageError(Problem(f"suite atari has no task '{task}'", hint))


def _plain(task: str) -> str:
    return re.sub(r"[^a-z0-9]", "", task.lower())
