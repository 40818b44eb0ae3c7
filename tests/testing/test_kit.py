"""Deliberately wrong components: each is found by the check for what is wrong with it, and by no other."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from unified.core.base.errors import UnifiedError, UsageError
from unified.core.components.descriptors import (
    AgentComponent,
    ArchitectureComponent,
    CallbackComponent,
    CommandComponent,
    Component,
    LauncherComponent,
    ObjectiveComponent,
    RecipeComponent,
    SuiteComponent,
)
from unified.core.components.hookspecs import hookimpl
from unified.testing import Failed, conformance
from unified.testing.kit import Outcome, carry_out, cases, components_of

SUMMARY = "Wrong on purpose."


def agent(name: str) -> Component:
    options, parts = "unified.plugins.agents.drqv2.config:DrQV2Options", ("encoder",)
    return AgentComponent(name.lower(), f"testing.wrong_agents:{name}", options, SUMMARY, parts)


def suite(name: str) -> Component:
    return SuiteComponent(name.lower(), "testing.wrong_suites:Wrong", None, SUMMARY, example=name)


def architecture(name: str, **fields: Any) -> Component:
    return ArchitectureComponent(name.lower(), f"testing.wrong_others:{name}", summary=SUMMARY, **fields)


def objective(name: str) -> Component:
    return ObjectiveComponent(name.lower(), f"testing.wrong_others:{name}", summary=SUMMARY)


def callback(name: str) -> Component:
    return CallbackComponent(name.lower(), f"testing.wrong_others:{name}", summary=SUMMARY)


def installed(plugin_registry: Any, *components: Component) -> list[Component]:
    """The components, as a plugin ``wrong`` that is installed provides them."""
    hooks: dict[str, list[Component]] = {}
    for component in components:
        hooks.setdefault(f"register_{component.kind}", []).append(component)
    plugin = SimpleNamespace(**{name: hookimpl(lambda given=given: given) for name, given in hooks.items()})
    plugin_registry(wrong=plugin)
    return components_of("wrong")


def outcomes(plugin_registry: Any, component: Component, level: Any = "strict") -> dict[str, Outcome]:
    return {case.check.name: carry_out(case) for case in cases(installed(plugin_registry, component), level)}


def failures(plugin_registry: Any, component: Component) -> dict[str, str]:
    found = outcomes(plugin_registry, component)
    unforeseen = [outcome.traceback for outcome in found.values() if outcome.traceback]
    assert not unforeseen, unforeseen[0]
    return {name: outcome.text for name, outcome in found.items() if outcome.state == "failed" and name != "is_documented"}


AGENTS = {
    "DriftsInActing": "goes_on_as_if_never_stopped",
    "DriftsInLearning": "goes_on_as_if_never_stopped",
    "SavesNoMoments": "goes_on_as_if_never_stopped",
    "LoadsNoCount": "saves_and_loads",
    "MovesMore": "moves_what_its_phases_train",
    "TrainsTheDead": "moves_what_its_phases_train",
    "StepsIntoNothing": "survives_a_bad_batch",
    "DrawsFromAnywhere": "is_a_function_of_its_seed",
    "NeverTheSame": "acts_repeatably_without_exploring",
    "RemembersBeingJudged": "evaluation_leaves_training_unchanged",
    "GoesTooFar": "acts_in_every_space",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", AGENTS)
def test_a_wrong_agent_is_found_by_the_right_check(plugin_registry, name):
    assert list(failures(plugin_registry, agent(name))) == [AGENTS[name]]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["DriftsInLearning", "MovesMore"])
def test_a_variant_is_checked_too(plugin_registry, name):
    base = agent(name)
    assert isinstance(base, AgentComponent)
    assert list(failures(plugin_registry, base.variant("varied", {"agent.tau": 0.1}, SUMMARY))) == [AGENTS[name]]


def test_what_is_said_of_an_agent_names_the_part_and_the_remedy(plugin_registry):
    text = failures(plugin_registry, agent("MovesMore"))["moves_what_its_phases_train"]
    assert "extra.weight changed" in text
    assert "trained are actor, critic, encoder" in text
    assert text.startswith("contract: ")
    assert "Phase(trains=…)" in text


def test_metrics_that_are_no_numbers_are_found(plugin_registry):
    found = failures(plugin_registry, agent("TellsNothing"))
    assert "ratio is nan" in found["moves_what_its_phases_train"]


def test_state_that_no_checkpoint_can_hold_is_found(plugin_registry):
    found = failures(plugin_registry, agent("SavesAnObject"))
    assert "cannot store builtins.object at when" in found["saves_and_loads"]


def test_an_agent_that_takes_no_space_at_all_fails(plugin_registry):
    found = failures(plugin_registry, agent("TakesNothing"))
    assert "this agent takes nothing" in found["acts_in_every_space"]


SUITES = {
    "Overwrites": "keeps_what_it_returned",
    "ShowsTheNext": "shows_the_last_observation",
    "Remembers": "repeats_an_episode",
    "Drifts": "repeats_an_episode",
    "TooPrecise": "agrees_with_its_spec",
    "TooGenerous": "agrees_with_its_spec",
    "CutsOffEarly": "ends_honestly",
    "CallsTimeAnEnd": "ends_honestly",
    "ForwardsTooLittle": "fast_forwards_to_the_same",
    "SavesTooLittle": "saves_its_state",
    "SeedsOtherwise": "vectorises_the_same_episodes",
    "ClosesOnce": "closes_twice",
    "Heavy": "lives_without_torch",
    "BadPicture": "draws_or_says_so",
}


@pytest.mark.parametrize("name", SUITES)
def test_a_wrong_suite_is_found_by_the_right_check(plugin_registry, name):
    assert list(failures(plugin_registry, suite(name))) == [SUITES[name]]


def test_a_right_suite_passes(plugin_registry):
    assert failures(plugin_registry, suite("Walk")) == {}


def test_a_suite_whose_process_dies_fails_and_nothing_else_does(plugin_registry):
    found = failures(plugin_registry, suite("Dies"))
    assert "code 3" in found["agrees_with_its_spec"]


ARCHITECTURES = {
    "DeadParameter": "trains_every_parameter",
    "OneTooMany": "gives_the_shape_it_says",
    "OtherOnMeta": "gives_the_shape_it_says",
    "ForgetsItsMean": "keeps_its_state",
    "MixesRows": "treats_rows_apart",
}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_wrong_architecture_is_found_by_the_right_check(plugin_registry, name):
    assert list(failures(plugin_registry, architecture(name))) == [ARCHITECTURES[name]]


def test_right_architectures_pass_and_impossible_ones_say_what_was_tried(plugin_registry):
    assert failures(plugin_registry, architecture("Right")) == {}
    found = failures(plugin_registry, architecture("Impossible"))
    assert "float32 (7,): ValueError: never" in found["gives_the_shape_it_says"]
    assert "draw no random" in failures(plugin_registry, architecture("AlwaysNoisy"))["treats_rows_apart"]


OBJECTIVES = {
    "Leaks": (objective("Leaks"), "trains_what_it_says", "actor."),
    "BringsTheDead": (objective("BringsTheDead"), "trains_what_it_says", "none reach idle"),
    "Claims": (objective("Claims"), "trains_what_it_says", "none reach actor"),
    "ReadsMore": (objective("ReadsMore"), "declares_what_it_reads", "weight"),
    "NotOneNumber": (objective("NotOneNumber"), "gives_a_finite_loss", "shape (8,)"),
    "Itemises": (objective("Itemises"), "gives_a_finite_loss", "metric loss"),
    "DrawsFromAnywhere": (objective("DrawsFromAnywhere"), "is_the_same_again", "then"),
}


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_wrong_objective_is_found_by_the_right_check(plugin_registry, name):
    component, check, said = OBJECTIVES[name]
    assert said in failures(plugin_registry, component)[check]


def test_a_leak_is_found_by_one_check_alone(plugin_registry):
    assert list(failures(plugin_registry, objective("Leaks"))) == ["trains_what_it_says"]


def test_an_objective_that_no_agent_can_use_is_skipped_with_the_reason(plugin_registry):
    found = outcomes(plugin_registry, objective("ForNobody"))
    assert found["gives_a_finite_loss"].state == "skipped"
    assert "soul" in found["gives_a_finite_loss"].text


CALLBACKS = {
    "LosesState": "keeps_its_state",
    "SavesAlone": "keeps_its_state",
    "Misspelt": "answers_known_hooks",
    "Unmarked": "answers_known_hooks",
    "Fails": "watches_without_failing",
    "FailsAtABadEnd": "is_torn_down_once",
}


@pytest.mark.parametrize("name", CALLBACKS)
def test_a_wrong_callback_is_found_by_the_right_check(plugin_registry, name):
    assert list(failures(plugin_registry, callback(name))) == [CALLBACKS[name]]


def test_a_right_callback_passes_and_a_misspelt_hook_gets_a_suggestion(plugin_registry):
    assert failures(plugin_registry, callback("Counts")) == {}
    assert "did you mean  on_evaluation_end ?" in failures(plugin_registry, callback("Misspelt"))["answers_known_hooks"]


def test_a_launcher_that_gives_nothing_back_is_found(plugin_registry):
    component = LauncherComponent("quiet", "testing.wrong_others:GivesNothingBack", summary=SUMMARY)
    assert list(failures(plugin_registry, component)) == ["launches"]


def test_a_recipe_that_says_what_cannot_be_is_found(plugin_registry, tmp_path):
    (tmp_path / "bad.yaml").write_text("agent:\n  lrr: 1\n")
    found = failures(plugin_registry, RecipeComponent("bad", path=tmp_path / "bad.yaml", summary=SUMMARY))
    assert list(found) == ["composes"]
    assert "lrr" in found["composes"]
    assert "there is no" in failures(plugin_registry, RecipeComponent("gone", path=tmp_path / "gone.yaml", summary=SUMMARY))["composes"]


def test_a_command_without_help_is_found(plugin_registry):
    assert list(failures(plugin_registry, CommandComponent("nothing", "testing.wrong_others:NOTHING", summary=SUMMARY))) == ["has_help"]
    assert failures(plugin_registry, CommandComponent("mute", "testing.wrong_others:mute", summary=SUMMARY)) == {}


def test_an_example_that_cannot_be_typed_is_found(plugin_registry):
    found = failures(plugin_registry, architecture("Right", example="encoder=rihgt"))
    assert list(found) == ["has_an_example_that_composes"]
    assert "did you mean  right ?" in found["has_an_example_that_composes"]


@pytest.mark.slow
def test_descriptors_are_checked(plugin_registry):
    assert list(failures(plugin_registry, architecture("Right", config="testing.wrong_others:NeededOptions"))) == [
        "describes_itself",
        "is_light_to_name",
    ]
    assert "torch" in failures(plugin_registry, architecture("Right", config="testing.wrong_others:HeavyOptions"))["is_light_to_name"]
    undocumented = outcomes(plugin_registry, architecture("Undocumented"))
    assert undocumented["is_documented"].state == "failed"
    nameless = ArchitectureComponent("right", "testing.wrong_others:Right")
    assert "summary=''" in failures(plugin_registry, nameless)["describes_itself"]


def test_targets_of_another_kind_are_found(plugin_registry):
    wrong = AgentComponent("right", "testing.wrong_others:Right", summary=SUMMARY)
    found = outcomes(plugin_registry, wrong)["imports"]
    assert found.state == "failed"
    assert "a subclass of unified.Agent" in found.text
    found = outcomes(plugin_registry, AgentComponent("gone", "testing.wrong_others:Gone", summary=SUMMARY))["imports"]
    assert "Gone" in found.text


@pytest.fixture
def metadata(tmp_path, monkeypatch):
    """A function that gives the made plugin ``wrong`` metadata with these requirements."""

    def write(*requirements: str) -> None:
        place = tmp_path / "unified_plugin_wrong-0.dist-info"
        place.mkdir()
        lines = ["Metadata-Version: 2.4", "Name: unified-plugin-wrong", "Version: 0", *(f"Requires-Dist: {each}" for each in requirements)]
        (place / "METADATA").write_text("\n".join(lines) + "\n")
        monkeypatch.syspath_prepend(tmp_path)

    return write


BIG = ArchitectureComponent("big", "testing.wrong_missing:Net", summary=SUMMARY, extra="big")


@pytest.mark.parametrize(
    "requirements",
    [
        ['A_Package.that-is_missing>=1; extra == "big"'],
        ['a-package-that-is-missing>=1; (python_version > "3") and extra == "big"'],
        ['unified-plugin-wrong[most]; extra == "big"', "a-package-that-is-missing ; extra == 'most'"],
    ],
)
def test_a_missing_extra_skips_with_what_to_type(plugin_registry, metadata, requirements):
    metadata(*requirements)
    found = outcomes(plugin_registry, BIG)
    assert {outcome.state for outcome in found.values()} == {"skipped"}
    assert "unified-plugin-wrong[big]" in found["imports"].text


@pytest.mark.parametrize("requirements", [[], ["other; extra == 'big'"], ["a-package-that-is-missing; extra == 'other'"]])
def test_a_missing_module_that_is_not_of_the_extra_fails(plugin_registry, metadata, requirements):
    metadata("a-package-that-is-missing", *requirements)
    found = outcomes(plugin_registry, BIG)
    assert found["imports"].state == "failed"
    assert "a_package_that_is_missing" in found["imports"].text


def test_where_all_extras_are_missing_nothing_was_checked(plugin_registry, metadata):
    metadata("a-package-that-is-missing; extra == 'big'")
    installed(plugin_registry, BIG)
    with pytest.raises(pytest.fail.Exception, match=r"nothing was checked: .*unified-plugin-wrong\[big\]"):
        conformance("wrong")()
    installed(plugin_registry, BIG, architecture("Right"))
    assert {"architecture:big-imports", "architecture:right-imports"} <= {param.id for param in conformance("wrong").pytestmark[0].args[1]}


def test_levels_and_selection(plugin_registry):
    components = installed(plugin_registry, architecture("Right"), callback("Counts"))
    contract, strict = cases(components, "contract"), cases(components, "strict")
    assert {case.id for case in contract} < {case.id for case in strict}
    assert "architecture:right-is_documented" in {case.id for case in strict}
    assert all(case.check.summary.endswith(".") for case in strict)
    assert components_of("unified-plugin-wrong") == components_of("Unified_Plugin_Wrong") == components
    assert [component.name for component in components_of("wrong/right")] == ["right"]
    with pytest.raises(UsageError, match="did you mean  counts"):
        components_of("countss")


def test_a_plugin_that_could_not_be_loaded_says_so(plugin_registry):
    plugin_registry(broken=ImportError("no module named 'flux'"))
    with pytest.raises(UnifiedError, match="plugin broken is broken: ImportError: no module named 'flux'"):
        components_of("broken")


def test_what_is_told_has_three_parts():
    assert str(Failed("It is so.", "It is not.", "Do this.")).splitlines() == [
        "contract: It is so.",
        "seen:     It is not.",
        "change:   Do this.",
    ]
