"""Named counter-based random streams: draw k of stream s is a function of (run seed, s, k), so their state is a few counters.

Core uses no global generator. Streams are independent: adding one does not change the others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    import torch


def derive(*parts: int | str, bits: int = 63) -> int:
    """Derive a seed of `bits` bits from the seed of a run and names or numbers, for example ``derive(seed, "environment", i, episode)``.

    >>> derive(1, "replay", 0) == derive(1, "replay", 0) != derive(1, "replay", 1)
    True
    """
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in parts)
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> (64 - bits)


def derive_many(*parts: int | str, last: Iterable[int], bits: int = 63) -> np.ndarray:
    """``derive(*parts, number, bits=bits)`` for each number of `last`, as ``(k,)`` uint64, in a fraction of the time.

    >>> derive_many(1, "environment", 0, last=[5]).tolist() == [derive(1, "environment", 0, 5)]
    True
    """
    import numpy as np

    prefix = _prefix(*parts)
    digests = []
    for number in last:
        digest = prefix.copy()
        digest.update(b"%d" % number)
        digests.append(digest.digest())
    return np.frombuffer(b"".join(digests), "<u8").astype(np.uint64) >> np.uint64(64 - bits)


@lru_cache(256, typed=True)
def _prefix(*parts: int | str) -> hashlib.blake2b:
    """What `derive` hashes before a last number; to be copied."""
    return hashlib.blake2b("".join(f"{type(part).__name__}:{part}\x1f" for part in parts).encode() + b"int:", digest_size=8)


class Stream:
    """One named stream. Each draw uses a new generator, which is a function of the counter."""

    def __init__(self, seed: int, name: str) -> None:
        self.seed, self.name, self.count = seed, name, 0

    def _next(self) -> int:
        """``derive(seed, name, count)``; the counter advances."""
        digest = _prefix(self.seed, self.name).copy()
        digest.update(b"%d" % self.count)
        self.count += 1
        return int.from_bytes(digest.digest(), "little") >> 1

    def numpy(self) -> np.random.Generator:
        """The generator of the next draw, for arrays."""
        import numpy as np

        return np.random.Generator(np.random.Philox(self._next()))

    def at(self, number: int, device: torch.device | str = "cpu") -> torch.Generator:
        """The generator of draw `number`, for tensors on `device`; the counter does not advance.

        >>> Stream(1, "mixture").at(3).initial_seed() == Stream(1, "mixture").at(3).initial_seed()
        True
        """
        import torch

        return torch.Generator(device=device).manual_seed(derive(self.seed, self.name, int(number)))

    def torch(self, device: torch.device | str = "cpu") -> torch.Generator:
        """The generator of the next draw, for tensors on `device`."""
        import torch

        return torch.Generator(device=device).manual_seed(self._next())


class Streams:
    """The named streams of a run; `state_dict` holds their counters."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._streams: dict[str, Stream] = {}

    def __getitem__(self, name: str) -> Stream:
        if name not in self._streams:
            self._streams[name] = Stream(self.seed, name)
        return self._streams[name]

    def state_dict(self) -> dict[str, Any]:
        """The counters of the streams that were drawn from."""
        return {name: stream.count for name, stream in sorted(self._streams.items()) if stream.count}

    def origin(self, seed: int, since: dict[str, Any], at: int) -> tuple[str, int | None] | None:
        """The name of the stream of a generator, and the number of its draw since a `state_dict`.

        Args:
            seed: Seed of the generator.
            since: A `state_dict` from before the draw.
            at: Number of a draw by `Stream.at`, which does not advance the counter; the returned number of this draw is ``None``.
        """
        for name, stream in self._streams.items():
            first = since.get(name, 0)
            for count in range(first, stream.count):
                if derive(self.seed, name, count) == seed:
                    return name, count - first
            if derive(self.seed, name, int(at)) == seed:
                return name, None
        return None

    def rewind(self, state: dict[str, Any]) -> None:
        """Restore a `state_dict`; streams that were first used after it restart."""
        for name, stream in self._streams.items():
            stream.count = state.get(name, 0)

    @contextmanager
    def replayed(self, state: dict[str, Any]) -> Iterator[None]:
        """Within it, draws repeat those that followed a `state_dict`; afterwards the streams go on as if nothing had been drawn.

        >>> streams = Streams(1)
        >>> first = streams["noise"].torch().initial_seed()
        >>> with streams.replayed({}):
        ...     again = streams["noise"].torch().initial_seed()
        >>> first == again, streams["noise"].count
        (True, 1)
        """
        present = self.state_dict()
        self.rewind(state)
        try:
            yield
        finally:
            self.rewind(present)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, count in state.items():
            self[name].count = count
