"""Recurrent agents: the right one passes all checks, and each wrong one is found by the check for its mistake."""

from __future__ import annotations

from typing import Any

import pytest

from unified.core.components.descriptors import AgentComponent, Component
from unified.testing.checks.agents import CHECKS, keeps_a_state_of_each_environment, learns_along_sequences_as_it_acts
from unified.testing.kit import carry_out, cases, components_of

KEEPS, LEARNS = keeps_a_state_of_each_environment.__name__, learns_along_sequences_as_it_acts.__name__


def agent(name: str) -> Component:
    options = "testing.recurrent_agents:RecurrentOptions"
    return AgentComponent(name.lower(), f"testing.recurrent_agents:{name}", options, "Recurrent.", ("encoder",))


def outcomes(component: Component, names: Any = None) -> dict[str, tuple[str, str]]:
    """State and text of the checks with these names; of all that every agent has to pass unless given."""
    found = [carry_out(case) for case in cases([component]) if names is None or case.check.name in names]
    return {outcome.case.check.name: (outcome.state, outcome.text) for outcome in found}


@pytest.mark.slow
def test_a_right_recurrent_agent_passes_every_check() -> None:
    found = outcomes(agent("Right"))
    assert {name: text for name, (state, text) in found.items() if state == "failed"} == {}
    assert found[KEEPS][0] == found[LEARNS][0] == "ok"


def test_a_right_recurrent_agent_passes_the_checks_of_states() -> None:
    assert outcomes(agent("Right"), {KEEPS, LEARNS}) == {KEEPS: ("ok", ""), LEARNS: ("ok", "")}


@pytest.mark.parametrize(
    ("name", "check", "text"),
    [
        ("SharesItsState", KEEPS, "Environments share no state"),
        ("ForgetsItsState", KEEPS, "returns the next state as Action.state"),
        ("WritesIntoItsBatch", KEEPS, "leaves its batch as it is"),
        ("NeverResets", LEARNS, "Features along a sequence equal those of single steps"),
        ("ResetsTooLate", LEARNS, "Features along a sequence equal those of single steps"),
        ("StartsFromZeros", LEARNS, "Features along a sequence equal those of single steps"),
        ("SwapsStepsAndSequences", LEARNS, "Features along a sequence equal those of single steps"),
    ],
)
def test_a_wrong_recurrent_agent_is_found(name: str, check: str, text: str) -> None:
    state, found = outcomes(agent(name), {check})[check]
    assert state == "failed", found
    assert text in found


def test_an_agent_without_a_state_is_skipped() -> None:
    (component,) = components_of("random")
    assert outcomes(component, {check.name for check in CHECKS[-2:]}) == {
        KEEPS: ("skipped", "it has no state"),
        LEARNS: ("skipped", "it has no state"),
    }
