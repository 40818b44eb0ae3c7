"""Suggestions for unknown keys, words, suites and tasks. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from unified.core.base import suggest
from unified.core.base.errors import Problem, UnifiedError
from unified.core.components.descriptors import Component, SuiteComponent
from unified.core.components.import_paths import shown
from unified.core.config.schema import Path, dotted
from unified.core.registry import Registry

#: Old names of options: a dotted key, the first part of one (``with``) or the last (``decay``), and its new names. The first new name
#: that the selected components have is suggested.
RENAMED_OPTIONS: dict[str, tuple[str, ...]] = {
    "accumulate": ("gradient_accumulation",),
    "agent.entropy": ("agent.ent_coef",),
    "agent.value": ("agent.vf_coef",),
    "bad_limit": ("max_failures",),
    "clip": ("clip_range", "max_grad_norm"),
    "critic.high": ("critic.v_max",),
    "critic.low": ("critic.v_min",),
    "decay": ("gae_lambda",),
    "environment_timeout": ("env_timeout",),
    "environments": ("num_envs",),
    "hidden": ("hidden_dim",),
    "horizon": ("n_steps",),
    "max_norm": ("max_grad_norm",),
    "placement": ("env_backend",),
    "replay.alpha": ("replay.sampler.alpha",),
    "replay.beta": ("replay.sampler.beta",),
    "seed_steps": ("learning_starts",),
    "stddev_clip": ("noise_clip",),
    "suite.view": ("suite.task_type",),
    "target_every": ("target_update_interval",),
    "with": ("callbacks",),
}
#: Old names of components, by kind, and their new names.
RENAMED_COMPONENTS: dict[str, dict[str, str]] = {
    "objectives": {
        "imitate": "nll",
        "maxent": "sac_actor",
        "reward": "reinforce_critic",
        "surrogate": "ppo_clip",
        "temperature": "sac_alpha",
        "value": "value_mse",
    }
}
#: Keys of other libraries, and the key that corresponds.
ELSEWHERE = {
    "env": "suite",
    "environment": "suite",
    "algo": "agent",
    "algorithm": "agent",
    "loss": "objective",
    "steps": "train.frames",
    "total_timesteps": "train.frames",
}
#: Name of an option that takes any argument of the class which the option's group selects, as `agent.optimizer.options` does.
ARGUMENTS = "options"
#: The word that selects a component of each kind; a name of several kinds is read as the first.
SELECTED = {
    "agents": "agent={}",
    "recipes": "-r {}",
    "objectives": "-o {}",
    "samplers": "replay.sampler={}",
    "callbacks": "callbacks=[+{}]",
    "architectures": "encoder={}",
    "launchers": "launcher={}",
}
#: Tasks are listed up to this number.
FEW = 5

# Keys --------------------------------------------------------------------------------------------------------------------------------


def renamed(key: Path, known: Sequence[str]) -> str:
    """The new name of an option, if `RENAMED_OPTIONS` has the key and the new name is known; else empty."""
    for start in range(len(key)):
        for end in range(len(key), start, -1):
            for new in RENAMED_OPTIONS.get(".".join(key[start:end]), ()):
                candidate = ".".join([*key[:start], new, *key[end:]])
                if candidate in known:
                    return candidate
    return ""


def renamed_component(kind: str, name: str, registry: Registry) -> str:
    """The new name of a component, if `RENAMED_COMPONENTS` has the name and the new one exists; else empty."""
    new = RENAMED_COMPONENTS.get(kind, {}).get(name, "")
    return new if new in registry.names(kind) else ""


def guesses(key: Path, known: Sequence[str]) -> list[str]:
    """Keys that were probably meant."""
    text = dotted(key)
    if text in ELSEWHERE:
        return [ELSEWHERE[text]]
    found = suggest.keys(text, known)
    # Options of a second optimiser have the names of the first one's: only a key that names it means them.
    return [each for each in found if ".vectors." not in each or "vectors" in key] or found


def instead(key: Path, known: Sequence[str], selected: Mapping[Path, Component | None], registry: Registry) -> str:
    """A hint for an unknown key.

    Args:
        key: Its path.
        known: Every dotted key that exists.
        selected: The component that each slot selects.
        registry: For the other components of a kind.
    """
    value = dotted(key[:-1])
    if value in known and not any(name.startswith(f"{value}.") for name in known) and key[:-1] not in selected:
        return f"{value} is a value:  {value}=…"
    hints = [suggest.ask(guessed)] if (guessed := guesses(key, known)) else []
    if f"{value}.{ARGUMENTS}" in known:
        return "   ".join([*hints, f"an argument of the class that {value} selects:  {value}.{ARGUMENTS}.{key[-1]}=…"])
    for length in range(len(key) - 1, 0, -1):
        if component := selected.get(key[:length]):
            hints = hints or _described(component, key[:length], key[-1])
            hints += _owners(registry, component, key[length:])
            return "   ".join(hints) or f"all: unified plugins show {shown(registry.name_of(component))}"
        siblings = [name for name in known if name.rpartition(".")[0] == ".".join(key[:length])]
        if siblings and not hints:
            return f"there is {', '.join(siblings)}"
    if not hints and (agent := selected.get(("agent",))):
        hints = _owners(registry, agent, key)
    first = [*(name.partition(".")[0] for name in known), *(path[1] for path in selected if len(path) == 2 and path[0] == "agent")]
    return "   ".join(hints) or f"there is {', '.join(dict.fromkeys(first))}"


def with_option(registry: Registry, kind: str, option: str) -> list[str]:
    """Names of at most three components of a kind that have this option."""
    return [registry.name_of(other) for other in registry.all(kind) if option in _fields(other)][: suggest.MOST]


def _owners(registry: Registry, component: Component, below: Path) -> list[str]:
    owners, name = with_option(registry, component.kind, below[0]), registry.name_of(component)
    if not owners or below[0] in _fields(component):
        return []
    return [f"{', '.join(owners)} {'has' if len(owners) == 1 else 'have'} it, {shown(name)} does not"]


def _described(component: Component, path: Path, leaf: str) -> list[str]:
    """The options whose description has the words of a key: ``agent.learning_rate``."""
    phrase = leaf.replace("_", " ").replace("-", " ").lower()
    fields = _fields(component)
    found = [".".join((*path, name)) for name, text in fields.items() if len(phrase) > 3 and phrase in text.lower()]
    return [suggest.ask(found[: suggest.MOST])] if found else []


def _fields(component: Component) -> dict[str, str]:
    """Name and description of a component's options; none if they cannot be loaded, which is reported where it is selected."""
    try:
        return {name: field.description or "" for name, field in component.options_model().model_fields.items()}
    except UnifiedError:
        return {}


# Words -------------------------------------------------------------------------------------------------------------------------------


def selecting(word: str, registry: Registry) -> str:
    """For the name of a component or task, the word that selects it."""
    suite, colon, _ = word.partition(":")
    if suite in registry.names("suites"):
        needs_task = not colon and _tasks(registry.get("suites", suite)) != ()
        return suggest.ask([f"suite={word}:TASK" if needs_task else f"suite={word}"])
    for kind, form in SELECTED.items():
        if word in registry.names(kind):
            return suggest.ask([form.format(word)])
    if suites := suites_with(registry, word):
        return suggest.ask([f"suite={found}:{word}" for found in suites])
    near = suggest.closest(word, registry.names("agents"), cutoff=0.75)
    return suggest.ask([f"agent={near}"]) if near else ""


# Suites and tasks --------------------------------------------------------------------------------------------------------------------


def meant_suite(registry: Registry, name: str, task: str | None) -> str:
    """Suite and task, where one of them or the colon is missing: ``humanoid_run``, ``dmc/humanoid_run``."""
    suite, slash, rest = name.partition("/")
    if slash and suite in registry.names("suites"):
        return suggest.ask([f"{suite}:{rest}"])
    if name and task:
        near = suggest.closest(name, registry.names("suites"))
        return suggest.ask([f"{near}:{task}"]) if near else ""
    wanted = name or task or ""
    suites = suites_with(registry, wanted)
    return suggest.ask([f"{found}:{wanted}" for found in suites]) if suites else ""


def suites_with(registry: Registry, task: str) -> list[str]:
    """Names of at most three suites that have a task of this name."""
    return [registry.name_of(suite) for suite in registry.all("suites") if task in (_tasks(suite) or ())][: suggest.MOST]


def _tasks(suite: Component) -> tuple[str, ...] | None:
    assert isinstance(suite, SuiteComponent)
    try:
        return suite.load_tasks()
    except UnifiedError:
        return None


def meant_task(task: str | None, suite: SuiteComponent) -> str | None:
    """The task in the spelling of its suite, if only case and punctuation differ: ``BattleZone`` is ``battle_zone``."""
    tasks = _tasks(suite) or ()
    alike = [known for known in tasks if task and _letters(known) == _letters(task)]
    return alike[0] if len(alike) == 1 and task not in tasks else task


def _letters(task: str) -> str:
    return "".join(filter(str.isalnum, task.lower()))


def task_problems(name: str, task: str | None, suite: SuiteComponent) -> tuple[Problem, ...]:
    """The problems of a task of a suite, which is typed as `name`."""
    try:
        tasks = suite.load_tasks()
    except UnifiedError as error:
        return error.problems
    if tasks == () and task:
        return (Problem(f"suite {name} has no tasks, so no {task!r}", f"type  suite={name}"),)
    if tasks and not task:
        return (Problem(f"suite {name} needs a task: {name}:TASK", _some(name, suite, tasks)),)
    if tasks is None and not task and suite.task_needed:
        return (Problem(f"suite {name} needs a task: {name}:TASK", f"for example  {name}:{suite.example}" if suite.example else ""),)
    if tasks and task and task not in tasks:
        guess = suggest.did_you_mean(task, tasks)
        return (Problem(f"suite {name} has no task {task!r}", f"{guess}   all: unified plugins show {name}".strip()),)
    return ()


def _some(name: str, suite: SuiteComponent, tasks: Sequence[str]) -> str:
    """A few tasks, and the command that lists all."""
    if len(tasks) <= FEW:
        return f"one of {', '.join(f'{name}:{task}' for task in tasks)}"
    spread = [tasks[index * len(tasks) // FEW] for index in range(FEW)]
    some = list(dict.fromkeys([*([suite.example] if suite.example in tasks else []), *spread]))[: FEW - 1]
    return f"for example  {', '.join(f'{name}:{task}' for task in some)}   all {len(tasks)}: unified plugins show {name}"
