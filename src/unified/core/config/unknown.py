"""What to type instead of a key that does not exist. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from unified.core import suggest
from unified.core.components import Component
from unified.core.config.overrides import Path, dotted
from unified.core.errors import UnifiedError
from unified.core.references import shown
from unified.core.registry import Registry

if TYPE_CHECKING:
    from unified.core.config.schema import Choice

#: What other frameworks call it.
ELSEWHERE = {
    "env": "suite",
    "environment": "suite",
    "algo": "agent",
    "algorithm": "agent",
    "callbacks": "with",
    "loss": "objective",
    "steps": "train.frames",
    "total_timesteps": "train.frames",
}


def guesses(key: Path, known: Sequence[str]) -> list[str]:
    """Keys that were probably meant."""
    text = dotted(key)
    return [ELSEWHERE[text]] if text in ELSEWHERE else suggest.keys(text, known)


def instead(key: Path, known: Sequence[str], choices: Mapping[Path, Choice], registry: Registry) -> str:
    """A hint for a key that does not exist.

    Args:
        key: The path that was said.
        known: Every key that does exist, dotted.
        choices: What the slots select.
        registry: Where the other components of a kind are.
    """
    if (
        len(key) > 1
        and (value := dotted(key[:-1])) in known
        and not any(name.startswith(f"{value}.") for name in known)
        and key[:-1] not in choices
    ):
        return f"{value} is a value:  {value}=…"
    hints = [suggest.ask(guessed)] if (guessed := guesses(key, known)) else []
    for length in range(len(key) - 1, 0, -1):
        choice = choices.get(key[:length])
        if choice is not None and choice.component is not None:
            hints = hints or _described(choice.component, key[:length], key[-1])
            hints += _owners(registry, choice, key[length:])
            return "   ".join(hints) or f"all: unified plugins show {shown(choice.name)}"
        siblings = [name for name in known if name.rpartition(".")[0] == ".".join(key[:length])]
        if siblings and not hints:
            return f"there is {', '.join(siblings)}"
    agent = choices.get(("agent",))
    if not hints and agent is not None and agent.component is not None:
        hints = _owners(registry, agent, key)
    return "   ".join(hints) or f"there is {', '.join(_first_words(known, choices))}"


def with_option(registry: Registry, kind: str, below: Path) -> list[str]:
    """Names of the components of a kind that have this option, at most three."""
    owners = []
    for other in registry.all(kind):
        try:
            if below[0] in other.options_model().model_fields:
                owners.append(registry.name_of(other))
        except UnifiedError:  # told where somebody selects it
            continue
    return owners[: suggest.MOST]


def _owners(registry: Registry, choice: Choice, below: Path) -> list[str]:
    assert choice.component is not None
    owners = with_option(registry, choice.component.kind, below)
    if not owners or choice.name in owners:
        return []
    return [f"{', '.join(owners)} {'has' if len(owners) == 1 else 'have'} it, {shown(choice.name)} does not"]


def _described(component: Component, path: Path, leaf: str) -> list[str]:
    """For who types ``agent.learning_rate``: the option that is described by these words."""
    phrase = leaf.replace("_", " ").replace("-", " ").lower()
    try:
        fields = component.options_model().model_fields
    except UnifiedError:
        return []
    found = [".".join((*path, name)) for name, field in fields.items() if len(phrase) > 3 and phrase in (field.description or "").lower()]
    return [suggest.ask(found[: suggest.MOST])] if found else []


def _first_words(known: Sequence[str], choices: Mapping[Path, Choice]) -> list[str]:
    """What a key can begin with: the run's own keys, and the agent's parts."""
    parts = [path[-1] for path in choices if len(path) == 2 and path[0] == "agent"]
    return list(dict.fromkeys([*(name.partition(".")[0] for name in known), *parts]))
