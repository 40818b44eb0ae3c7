"""The first uniform draws of Gymnasium's random generators, for many seeds at once."""

from __future__ import annotations

from functools import cache

import numpy as np

# Constants of numpy.random.SeedSequence (O'Neill's seed_seq_fe128) and of PCG64 (O'Neill 2014, "PCG: a family of … generators").
_INIT_A, _MULT_A, _INIT_B, _MULT_B = 0x43B0D7E5, 0x931E8875, 0x8B51F9DD, 0x58F38DED
_MIX_L, _MIX_R = np.uint32(0xCA01F9DD), np.uint32(0x4973F715)
_PCG = 0x2360ED051FC65DA44385DF649FCCF645
_32, _LOW = np.uint64(32), np.uint64(2**32 - 1)


def first_draws(seeds: np.ndarray, count: int) -> np.ndarray:
    """What ``np.random.Generator(np.random.PCG64(seed)).random(count)`` returns for each seed, bit for bit, as ``(count, k)`` float64.

    Args:
        seeds: ``(k,)``, below 2**32.
        count: Draws of each.
    """
    words = _seed_words(seeds.astype(np.uint32))
    start, sequence = (words[0], words[1]), (words[2], words[3])  # 128 bits: the high and the low 64
    one = np.uint64(1)
    increment = (sequence[0] << one) | (sequence[1] >> np.uint64(63)), (sequence[1] << one) | one
    start = _add(start, increment)
    # state j of the generator is start * factor[j] + increment * total[j]
    factor, total = _jumps(count)
    high, low = _add(_multiply(start, factor), _multiply(increment, total))
    value, turn = high ^ low, high >> np.uint64(58)
    drawn = (value >> turn) | (value << ((np.uint64(64) - turn) & np.uint64(63)))
    return (drawn >> np.uint64(11)) * 2.0**-53


def _seed_words(seeds: np.ndarray) -> np.ndarray:
    """``SeedSequence(seed).generate_state(4, np.uint64)`` of each seed, ``(4, k)``."""
    hashes, outputs = _hash_constants()
    pool = np.zeros((4, len(seeds)), np.uint32)
    pool[0] = seeds
    pool = _hash(pool, hashes[:5])
    for source in range(4):
        others = [other for other in range(4) if other != source]
        mixed = _MIX_L * pool[others] - _MIX_R * _hash(pool[source], hashes[4 + 3 * source : 8 + 3 * source])
        pool[others] = mixed ^ (mixed >> np.uint32(16))
    state = _hash(np.concatenate([pool, pool]), outputs).astype(np.uint64)
    return state[0::2] | (state[1::2] << _32)


def _hash(values: np.ndarray, constants: np.ndarray) -> np.ndarray:
    """Row k is hashed with the constants k and k + 1."""
    mixed = (values ^ constants[:-1]) * constants[1:]
    return mixed ^ (mixed >> np.uint32(16))


@cache
def _hash_constants() -> tuple[np.ndarray, np.ndarray]:
    """The constants of the 16 hashes that mix the pool and of the 8 that read it, as columns."""
    mixing = [_INIT_A * pow(_MULT_A, power, 2**32) % 2**32 for power in range(17)]
    reading = [_INIT_B * pow(_MULT_B, power, 2**32) % 2**32 for power in range(9)]
    return np.array(mixing, np.uint32)[:, None], np.array(reading, np.uint32)[:, None]


@cache
def _jumps(count: int) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """For j = 1 … count: the multiplier to the power of j + 1, and the sum of its powers from 0 to j; 128 bits each, as columns."""
    powers = [pow(_PCG, power, 2**128) for power in range(count + 2)]
    sums = [sum(powers[: j + 1]) % 2**128 for j in range(1, count + 1)]
    return _columns(powers[2:]), _columns(sums)


def _columns(numbers: list[int]) -> tuple[np.ndarray, np.ndarray]:
    high, low = ([number >> 64 for number in numbers], [number % 2**64 for number in numbers])
    return np.array(high, np.uint64)[:, None], np.array(low, np.uint64)[:, None]


def _add(a: tuple[np.ndarray, np.ndarray], b: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """a + b modulo 2**128."""
    low = a[1] + b[1]
    return a[0] + b[0] + (low < a[1]), low


def _multiply(a: tuple[np.ndarray, np.ndarray], b: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """a · b modulo 2**128."""
    a_high, a_low, b_high, b_low = a[1] >> _32, a[1] & _LOW, b[1] >> _32, b[1] & _LOW
    middle = a_high * b_low + ((a_low * b_low) >> _32)  # below 2**64
    carry = (middle & _LOW) + a_low * b_high
    return a[0] * b[1] + a[1] * b[0] + a_high * b_high + (middle >> _32) + (carry >> _32), a[1] * b[1]
