"""Suggestions for mistyped names and keys."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

#: Number of suggestions at most.
MOST = 3


def closest(word: str, choices: Iterable[str], cutoff: float = 0.65) -> str | None:
    """The choice most similar to `word`, or ``None``; case and the kind of dash are ignored.

    >>> closest("humanoid_rum", ["humanoid_run", "walker_run"]), closest("Seed-Steps", ["learning_starts", "seed"])
    ('humanoid_run', 'learning_starts')
    """
    typed = _plain(word)
    known = {_plain(choice): choice for choice in choices}
    # Twice the shorter length over the sum bounds the similarity, and comparing with a word of a million letters takes a second.
    near = [name for name in known if 2 * min(len(name), len(typed)) >= cutoff * (len(name) + len(typed))]
    found = difflib.get_close_matches(typed, near, n=1, cutoff=cutoff) if near else []
    return known[found[0]] if found else None


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """``did you mean  drqv2 ?``; empty if no choice is similar."""
    best = closest(word, choices)
    return ask([best]) if best else ""


def ask(guesses: Sequence[str]) -> str:
    """The question for at least one suggestion.

    >>> ask(["train.frames"]), ask(["a", "b", "c"])
    ('did you mean  train.frames ?', 'did you mean  a, b or c ?')
    """
    *most, last = guesses
    return f"did you mean  {', '.join(most)}{' or ' if most else ''}{last} ?"


def keys(unknown: str, known: Iterable[str]) -> list[str]:
    """The dotted keys that were probably meant, at most three.

    In this order: a similar sibling and the same leaf elsewhere; a similar leaf; a similar key.

    >>> keys("agent.lrr", ["agent.lr", "seed"]), keys("lr", ["agent.lr", "seed"]), keys("every", ["train.log_every", "a.every", "b.every"])
    (['agent.lr'], ['agent.lr'], ['a.every', 'b.every'])
    """
    # A parent of the key is no suggestion.
    names = [name for name in known if not unknown.startswith(f"{name}.")]
    parent, leaf = _split(unknown)
    siblings = {_split(name)[1]: name for name in names if _split(name)[0] == parent}
    sibling = closest(leaf, siblings)
    if sibling is not None and _plain(sibling) == _plain(leaf):
        return [siblings[sibling]]
    same = [name for name in names if _plain(_split(name)[1]) == _plain(leaf)]
    if parent and not siblings and (near := closest(parent, [_split(name)[0] for name in same])):
        return [name for name in same if _split(name)[0] == near]  # the mistake is in the parent
    found = [siblings[sibling]] if sibling is not None and (parent or not same) else []
    if found or same:
        return [*found, *same][:MOST]
    leaves = {_split(name)[1]: name for name in reversed(names)}
    alike = closest(leaf, leaves, cutoff=0.8)
    strangers = [name for name in names if name not in siblings.values()]  # siblings share the parent, which is no similarity
    whole = leaves[alike] if alike else closest(unknown, strangers, cutoff=0.75)
    return [whole] if whole else []


def _split(key: str) -> tuple[str, str]:
    parent, _, leaf = key.rpartition(".")
    return parent, leaf


def _plain(word: str) -> str:
    return word.lower().replace("-", "_")
