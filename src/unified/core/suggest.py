"""Did-you-mean."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def closest(word: str, choices: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The choice that looks most like `word`, if any does.

    >>> closest("humanoid_rum", ["humanoid_run", "walker_run"])
    'humanoid_run'
    """
    known = {choice.lower(): choice for choice in choices}
    found = difflib.get_close_matches(word.lower(), known, n=1, cutoff=cutoff)
    return known[found[0]] if found else None


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """``did you mean  drqv2 ?``, or nothing."""
    best = closest(word, choices)
    return f"did you mean  {best} ?" if best else ""


def key(unknown: str, known: Iterable[str]) -> str | None:
    """The dotted key that was probably meant: a sibling that looks alike, the same leaf elsewhere, or a leaf that looks alike.

    >>> key("agent.lrr", ["agent.lr", "seed"]), key("lr", ["agent.lr", "seed"])
    ('agent.lr', 'agent.lr')
    """
    known = list(known)
    parent, _, leaf = unknown.rpartition(".")
    siblings = {name.rpartition(".")[2]: name for name in known if name.rpartition(".")[0] == parent}
    if near := closest(leaf, siblings):
        return siblings[near]
    elsewhere = [name for name in known if name.rpartition(".")[2] == leaf]
    if elsewhere:
        return elsewhere[0]
    leaves = {name.rpartition(".")[2]: name for name in reversed(known)}
    if near := closest(leaf, leaves, cutoff=0.8):
        return leaves[near]
    return closest(unknown, known, cutoff=0.75)
