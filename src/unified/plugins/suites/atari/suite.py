"""Atari 2600 games (Bellemare et al. 2013, arXiv:1207.4708), with the protocol of Machado et al. 2018 (arXiv:1709.06009)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unified.core.envs.suite import Environment, Suite
from unified.plugins.suites.atari.config import WHOLE_GAME
from unified.plugins.suites.atari.scores import SCORES, human_normalised
from unified.plugins.suites.atari.tasks import canonical


class Atari(Suite):
    """The single-player games of ale-py, ``atari:<game>``: ``atari:battle_zone``, also spelled ``battlezone`` and ``BattleZone``.

    Raises:
        UsageError: If there is no such game.
    """

    def __init__(self, task: str, options: Any) -> None:
        super().__init__(canonical(task), options)

    def environment(self) -> Environment:
        """A new environment of the game, in the calling process."""
        from unified.plugins.suites.atari.environment import AtariEnvironment

        return AtariEnvironment(self.task, self.options)

    def extra_metrics(self, row: Mapping[str, Any]) -> dict[str, float]:
        """Add the human-normalised score, for games with published scores; none for games that end before the usual time limit."""
        whole = getattr(self.options, "episode_frames", WHOLE_GAME) >= WHOLE_GAME
        return {"human_normalised": human_normalised(self.task, row["return"])} if whole and self.task in SCORES else {}
