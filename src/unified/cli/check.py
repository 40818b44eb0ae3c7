"""`unified plugins check`: the conformance checks without pytest; each prints a line when it is done."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unified.terminal import echo

if TYPE_CHECKING:
    from unified.core.components.descriptors import Component
    from unified.core.registry import Plugin
    from unified.testing.kit import Outcome

#: How each outcome is printed.
_WORDS = {"ok": "ok", "failed": "FAILED", "skipped": "skipped"}


def check(
    name: Annotated[str | None, typer.Argument(help="Plugin or component; by default every third-party plugin.")] = None,
    options: Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Options of the components.")] = None,
    task: Annotated[str | None, typer.Option(help="Task for suites and agents: SUITE:TASK, or TASK of the suite NAME.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Also check documentation and import time.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON at the end.")] = False,
) -> None:
    """Run the conformance checks of components.

    Agents act, learn and are resumed on small tasks; environments of suites are stepped; networks are built; callbacks observe a short
    run. Without a name every third-party plugin is checked, or the built-ins if there is none. The exit code is 1 if a check failed or
    nothing was checked.
    """
    from unified.testing.kit import carry_out, cases
    from unified.testing.settings import configure

    components, broken = _wanted(name)
    if options or task:
        components = configure(components, options or [], task)
    if not as_json:
        for plugin in broken:
            echo(f"{_WORDS['failed']:<8}  plugin {plugin.provider}, {plugin.state}: {plugin.error}")
    outcomes: list[Outcome] = []
    for case in cases(components, "strict" if strict else "contract"):
        outcomes.append(carry_out(case))
        if not as_json:
            for line in _lines(outcomes[-1]):
                echo(line)
    if as_json:
        echo(json.dumps(_as_json(outcomes, broken), indent=2))
    else:
        echo(_count(outcomes, broken, components))
    if broken or _nothing(outcomes) or any(outcome.state == "failed" for outcome in outcomes):
        raise typer.Exit(1)


def _wanted(name: str | None) -> tuple[list[Component], list[Plugin]]:
    """The components to check, and the plugins that could not be loaded."""
    from unified.core.registry import CORE
    from unified.testing.kit import components_of, third_parties

    if name is not None:
        return components_of(name), []
    plugins = third_parties()
    if not plugins:
        return components_of(CORE), []
    active = [plugin for plugin in plugins if plugin.state == "active"]
    components = [component for plugin in active for component in components_of(plugin.provider)]
    return components, [plugin for plugin in plugins if plugin.state != "active"]


def _nothing(outcomes: list[Outcome]) -> bool:
    """Whether no check ran, which is not a success."""
    return all(outcome.state == "skipped" for outcome in outcomes)


def _lines(outcome: Outcome) -> Iterator[str]:
    yield f"{_WORDS[outcome.state]:<8}  {outcome.case.id}{f'   {outcome.text}' if outcome.text and outcome.state != 'failed' else ''}"
    if outcome.state == "failed":
        yield from (f"            {line}" for line in outcome.text.splitlines())


def _count(outcomes: list[Outcome], broken: list[Plugin], components: list[Component]) -> str:
    if not outcomes:
        return "nothing was checked: no component is provided" + (f", {len(broken)} plugins could not be loaded" if broken else "")
    count = Counter[str](outcome.state for outcome in outcomes)
    parts = [f"{count[state]} {word}" for state, word in (("ok", "ok"), ("failed", "failed"), ("skipped", "skipped")) if count[state]]
    seconds = sum(outcome.seconds for outcome in outcomes)
    text = f"{len(outcomes)} checks of {len(components)} components in {seconds:.0f} s: {', '.join(parts)}"
    text += "; nothing was checked" if _nothing(outcomes) else ""
    return text + (f"; {len(broken)} plugins could not be loaded" if broken else "")


def _as_json(outcomes: list[Outcome], broken: list[Plugin]) -> dict[str, Any]:
    return {
        "checks": [
            {
                "id": outcome.case.id,
                "component": outcome.case.component.qualified,
                "kind": outcome.case.component.kind,
                "check": outcome.case.check.name,
                "level": outcome.case.check.level,
                "state": outcome.state,
                "text": outcome.text,
                "traceback": outcome.traceback,
                "seconds": round(outcome.seconds, 3),
            }
            for outcome in outcomes
        ],
        "not_loaded": [{"provider": plugin.provider, "state": plugin.state, "error": plugin.error} for plugin in broken],
        "count": dict(Counter(outcome.state for outcome in outcomes)),
    }
