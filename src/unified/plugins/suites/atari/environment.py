"""One Atari game in the Arcade Learning Environment. Never imports torch."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ale_py import ALEInterface, ALEState, LoggerMode, roms

from unified.core.base.spec import Space, Spec
from unified.core.envs.suite import Environment, Step
from unified.plugins.suites.pictures import resize

#: The no-op action of the emulator.
NOOP = 0


class AtariEnvironment(Environment):
    """A game with observations ``(1, size, size)`` uint8 in grey or ``(3, size, size)`` in colour; the replay stacks frames.

    The ROM is loaded once, which takes 0.1 s; an episode starts by restoring the state after that, which takes 0.1 ms. Sticky actions and
    no-ops are drawn here, from the seed of the episode, and not by the emulator, whose own generator could only be seeded by loading the
    ROM again: so an episode is a function of its seed and actions.

    Args:
        game: Name in ale-py: ``"battle_zone"``.
        options: With size, grey, frame_skip, sticky, noops, full_actions, episode_frames, clip_rewards, life_loss.
    """

    def __init__(self, game: str, options: Any) -> None:
        self._options, self._skip = options, options.frame_skip
        ALEInterface.setLoggerMode(LoggerMode.Error)
        self._ale = ALEInterface()
        self._ale.setFloat("repeat_action_probability", 0.0)
        self._ale.setInt("random_seed", 1)
        self._ale.loadROM(str(Path(roms.__file__).parent / f"{game}.bin"))
        for _ in range(2):  # a state saved before the first frames lacks a part of the console and does not continue deterministically
            self._ale.act(NOOP)
        self._start = self._ale.cloneState(include_rng=True)
        actions = self._ale.getLegalActionSet() if options.full_actions else self._ale.getMinimalActionSet()
        self._actions = [action.value for action in actions]
        screen = self._ale.getScreenDims()
        self._before, self._now = (np.zeros(screen if options.grey else (*screen, 3), np.uint8) for _ in range(2))
        self._screen = self._ale.getScreenGrayscale if options.grey else self._ale.getScreenRGB
        self.spec = Spec(
            observation=Space((1 if options.grey else 3, options.size, options.size), "uint8", 0, 255),
            action=Space((), "int64", 0, len(self._actions) - 1, len(self._actions)),
            reward_range=(-1.0, 1.0) if options.clip_rewards else (-math.inf, math.inf),
            action_repeat=self._skip,
            episode_frames=options.episode_frames,
        )

    def reset(self, seed: int) -> np.ndarray:
        self._generator = np.random.default_rng(seed)
        self._frames, self._held = 0, NOOP
        waiting = 1 + int(self._generator.integers(self._options.noops)) if self._options.noops else 1
        self._restore()
        self._emulate([NOOP] * waiting)
        if self._over():  # in a game that does not wait for the player
            self._restore()
            self._emulate([NOOP])
        return self._picture()

    def step(self, action: np.ndarray) -> Step:
        options, lives = self._options, self._ale.lives()
        score = self._act(action)
        over = self._over()
        reward = float(np.sign(score)) if options.clip_rewards else score
        truncated = not over and self._frames >= options.episode_frames
        return Step(self._picture(), reward, over, truncated, score, options.life_loss and self._ale.lives() < lives)

    def fast_forward(self, seed: int, actions: np.ndarray) -> np.ndarray:
        """Repeat actions without drawing, and draw the last frame."""
        observation = self.reset(seed)
        for action in actions:
            self._act(action)
        return self._picture() if len(actions) else observation

    def state_dict(self) -> dict[str, np.ndarray]:
        """The state of emulator, image, held action, counters and generator."""
        emulator = self._ale.cloneState(include_rng=True).__getstate__()
        generator = json.dumps(self._generator.bit_generator.state).encode()
        return {
            "emulator": np.frombuffer(emulator, np.uint8),
            "generator": np.frombuffer(generator, np.uint8),
            "counts": np.array([self._frames, self._held]),
            "picture": self._now.copy(),
        }

    def load_state_dict(self, state: dict[str, np.ndarray]) -> np.ndarray:
        self._ale.restoreState(ALEState(state["emulator"].tobytes()))
        self._generator = np.random.default_rng()
        self._generator.bit_generator.state = json.loads(state["generator"].tobytes())
        self._frames, self._held = state["counts"].tolist()
        self._now[:] = state["picture"]
        return self._picture()

    def render(self, height: int, width: int) -> np.ndarray:
        return resize(self._ale.getScreenRGB(), height, width)

    def _act(self, action: np.ndarray) -> float:
        """Apply an action for `frame_skip` frames; each frame may repeat the action of the frame before."""
        wanted, executed = self._actions[int(action)], []
        for coin in self._generator.random(self._skip).tolist():
            if coin >= self._options.sticky:
                self._held = wanted
            executed.append(self._held)
        self._frames += self._skip
        return self._emulate(executed)

    def _emulate(self, actions: Sequence[int]) -> float:
        """One action per frame until the game is over; sets `_now` to the maximum of the last two frames and returns the reward."""
        act, reward, last = self._ale.act, 0.0, len(actions) - 1
        for frame, action in enumerate(actions):
            reward += act(action)
            if self._over():
                break
            if frame == last - 1:
                self._screen(self._before)
        self._screen(self._now)
        if 0 < last == frame:
            np.maximum(self._now, self._before, out=self._now)
        return reward

    def _picture(self) -> np.ndarray:
        size = self._options.size
        small = resize(self._now, size, size)
        return small[None] if small.ndim == 2 else np.ascontiguousarray(small.transpose(2, 0, 1))

    def _restore(self) -> None:
        """Restore the start of the game and advance one frame, which overwrites the old screen."""
        self._ale.restoreState(self._start)
        self._ale.act(NOOP)

    def _over(self) -> bool:
        return bool(self._ale.game_over(with_truncation=False))
