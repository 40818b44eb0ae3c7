"""``key=value`` words as they stand on the command line, and what was meant where they are not quite that. Torch-free."""

from __future__ import annotations

import re
from collections.abc import Sequence

from unified.core import suggest
from unified.core.components import SuiteComponent
from unified.core.config.overrides import COMMAND_LINE, Layer, canonical, path_of
from unified.core.config.schema import LISTS, RunOptions
from unified.core.config.tasks import suites_with
from unified.core.errors import Problem
from unified.core.registry import Registry

_KEY = re.compile(r"[A-Za-z_]\w*(\.\w+)*")
#: How each kind is selected, for who types a name alone; in the order in which a name that several kinds have is understood.
SELECTED = {
    "agents": "agent={}",
    "recipes": "-r {}",
    "objectives": "-o {}",
    "callbacks": "with=[+{}]",
    "architectures": "encoder={}",
    "launchers": "launcher={}",
}


def from_words(words: Sequence[str], problems: list[Problem], names: Registry) -> Layer:
    """The layer of the words; those that are not ``key=value`` become problems that say what was meant."""
    layer = Layer(COMMAND_LINE)
    left = list(words)
    while left:
        count, meant = _spread(left)
        word = " ".join(left[:count])
        del left[:count]
        key, equals, value = (meant or word).partition("=")
        path = path_of(key.strip().removeprefix("--"))
        if meant or not equals or not all(path):
            hint = suggest.ask([meant]) if meant else _selection(word, names) or "for example  agent.lr=1e-4"
            problems.append(Problem(f"{word!r} is not KEY=VALUE", hint, COMMAND_LINE))
        if equals and all(path):
            layer.set(canonical(path), value)
    return layer


def _spread(words: Sequence[str]) -> tuple[int, str]:
    """How many words belong together, and the one word that they should be where they are several: ``agent.lr = 1`` or ``agent drqv2``."""
    word, *rest = words
    following, third = [*rest, "", ""][:2]
    if "=" not in word and rest:
        if following == "=" and third:
            return 3, f"{word}={third}"
        if following.startswith("=") and len(following) > 1:
            return 2, word + following
        if "=" not in following and _is_key(word):
            return 2, f"{word}={following}"
    if word.endswith("=") and len(word) > 1 and rest and "=" not in following:
        return 2, word + following
    key, colon, value = word.partition(":")
    if "=" not in word and colon and _is_key(key):
        return 1, f"{key}={value}"
    return 1, ""


def _is_key(word: str) -> bool:
    """Whether a word reads like a key of a run: it begins with a known one."""
    return _KEY.fullmatch(word) is not None and word.partition(".")[0] in (*RunOptions.model_fields, *LISTS)


def _selection(word: str, names: Registry) -> str:
    """For a name alone, the word that selects it."""
    suite, colon, _ = word.partition(":")
    if suite in names.names("suites"):
        component = names.get("suites", suite)
        has_tasks = not colon and isinstance(component, SuiteComponent) and component.load_tasks() != ()
        return suggest.ask([f"suite={word}:TASK" if has_tasks else f"suite={word}"])
    for kind, form in SELECTED.items():
        if word in names.names(kind):
            return suggest.ask([form.format(word)])
    if suites := suites_with(names, word):
        return suggest.ask([f"suite={found}:{word}" for found in suites[: suggest.MOST]])
    if _is_key(word):
        return f"give it a value:  {word}=…"
    near = suggest.closest(word, names.names("agents"), cutoff=0.75)
    return suggest.ask([f"agent={near}"]) if near else ""
