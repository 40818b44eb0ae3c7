"""Parts: what is selected, sized for its place; lists of architectures; objectives in place of an agent's own."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn

from unified.core.base.errors import UsageError
from unified.core.base.rng import Streams
from unified.core.base.spec import Space, Spec
from unified.core.components.fingerprint import Names
from unified.core.config.compose import compose
from unified.core.config.schema import Selection
from unified.core.learn.builder import Builder
from unified.core.learn.networks import NormalizeInput, PixelsToFloat, construct, needs_float_input, output_shape
from unified.core.learn.objective import FunctionObjective, Loss, Objective, Phase
from unified.core.registry import registry

PIXELS = Spec(Space((3, 12, 12), "uint8", 0, 255), Space((1,), "float32", -1.0, 1.0))

LARGER = Spec(Space((3, 16, 16), "uint8", 0, 255), Space((1,), "float32", -1.0, 1.0))


def build(spec: Spec | None = None, objectives: tuple[str, ...] = ()) -> Builder:
    return Builder(torch.device("cpu"), "fp32", Streams(0), registry(), [selected(name) for name in objectives], spec)


def selected(name: str) -> Selection:
    component = registry().get("objectives", name.removeprefix("+"))
    return Selection("objectives", name, None, component, component.options_model()())


def conv(in_channels: int, channels: int = 4) -> nn.Module:
    return nn.Conv2d(in_channels, channels, 3)


def linear(in_features: int) -> nn.Module:
    return nn.Linear(in_features, 4)


def flat() -> nn.Module:
    return nn.Flatten()


# One part -----------------------------------------------------------------------------------------------------------------------


def test_a_module_is_copied_with_its_weights() -> None:
    module = nn.Linear(4, 2)
    before = copy.deepcopy(module.state_dict())
    part = build().part(module, (4,))
    assert part is not module
    assert torch.equal(part.weight, module.weight)
    nn.init.zeros_(part.weight)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_a_module_of_wrong_shapes_is_refused() -> None:
    with pytest.raises(UsageError, match=r"Linear cannot take \(5,\)"):
        build().part(nn.Linear(4, 2), (5,))
    assert build().part(nn.Linear(4, 2), (4,), (2,)) is not None
    with pytest.raises(UsageError, match=r"turns \(4,\) into \(2,\); \(3,\) is wanted here"):
        build().part(nn.Linear(4, 2), (4,), (3,))


def test_arguments_that_are_missing_are_named() -> None:
    with pytest.raises(UsageError, match="needs out_features: it is a head, and a body is wanted here"):
        construct(nn.Linear, (4,))
    with pytest.raises(UsageError, match="needs kernel_size"):
        construct(nn.Conv2d, (3, 8, 8), (4,))
    with pytest.raises(UsageError, match=r"returned int and no nn\.Module"):
        construct(lambda in_features: in_features, (4,))


def test_pictures_in_bytes_are_made_numbers_for_networks_that_want_them() -> None:
    picture = torch.randint(0, 256, (2, 3, 12, 12), dtype=torch.uint8)
    plain = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten())
    wrapped = build(PIXELS).part(plain, (3, 12, 12))
    assert isinstance(wrapped, PixelsToFloat)
    torch.testing.assert_close(wrapped(picture), plain(picture.float() / 255))
    assert torch.equal(wrapped(picture.float()), plain(picture.float()))
    stacked = build(PIXELS).part(conv, (9, 12, 12))
    assert isinstance(stacked, PixelsToFloat)  # a stack of pictures is bytes, too
    assert not isinstance(build(LARGER).part("drqv2_cnn", (9, 16, 16)), PixelsToFloat)  # it takes bytes itself
    assert not isinstance(build(PIXELS).part(nn.Linear(5, 2), (5,)), PixelsToFloat)  # features are numbers
    assert not isinstance(build().part(plain, (3, 12, 12)), PixelsToFloat)
    assert not needs_float_input(nn.Identity(), (3, 12, 12))
    assert not needs_float_input(nn.Linear(5, 2), (3, 12, 12))  # it takes neither


def test_vectors_are_standardised_once_also_for_a_network_that_brings_it_along() -> None:
    seen = Spec(Space((3,), "float32"), Space((), "int64", n=2), mean=(1.0, 2.0, 3.0), std=(2.0, 2.0, 2.0))
    first = build(seen).part(nn.Identity(), (3,))
    again = build(seen).part(first, (3,))
    row = torch.tensor([[3.0, 2.0, 1.0]])
    assert first(row).tolist() == again(row).tolist() == [[1.0, 0.0, -1.0]]
    several = build(seen).part([nn.Identity(), nn.Identity()], (3,))
    assert build(seen).part(several, (3,))(row).tolist() == [[1.0, 0.0, -1.0]]


def test_a_network_that_looks_at_its_numbers_is_tried_on_the_cpu() -> None:
    class Looks(nn.Module):
        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            return rows[:, :2] if rows.sum().item() >= 0 else rows

    assert output_shape(Looks(), (4,)) == (2,)


def test_a_network_that_returns_no_tensor_is_told() -> None:
    with pytest.raises(UsageError, match="LSTM returns tuple and no tensor"):
        output_shape(nn.LSTM(4, 2), (5, 4))


# Lists --------------------------------------------------------------------------------------------------------------------------


def test_several_are_composed_each_sized_by_the_one_before_it() -> None:
    body = build(PIXELS).part([conv, conv, flat, "mlp"], (3, 12, 12))
    assert [type(module).__name__ for module in body] == ["PixelsToFloat", "Conv2d", "Flatten", "MLP"]
    assert output_shape(body, (3, 12, 12)) == (256,)
    picture = torch.randint(0, 256, (2, 3, 12, 12), dtype=torch.uint8)
    assert body(picture).shape == (2, 256)


def test_the_last_one_is_the_head() -> None:
    head = build().part(["mlp", nn.ReLU(), nn.Linear], (4,), (3,))
    assert output_shape(head, (4,)) == (3,)


def either(in_channels: int, flat: bool | None = None) -> nn.Module:
    return nn.Sequential(nn.Conv2d(in_channels, 4, 3), *([nn.Flatten()] if flat else []))


@pytest.mark.parametrize(
    ("after", "given"),
    [
        ([], (400,)),
        ([nn.ReLU()], (400,)),
        ([linear], (400,)),
        (["mlp"], (400,)),
        ([nn.Linear(400, 2)], (400,)),
        ([conv], (4, 10, 10)),
        (["transformer"], (4, 10, 10)),
        ([nn.ReLU(), "cnn", "mlp"], (4, 10, 10)),
        ([nn.Conv2d(4, 2, 3)], (4, 10, 10)),
    ],
)
def test_a_map_is_given_to_what_asks_for_its_shape(after: list[Any], given: tuple[int, ...]) -> None:
    body = build().part([either, *after], (3, 12, 12))
    assert output_shape(body[0], (3, 12, 12)) == given


def test_who_says_what_comes_out_is_heard() -> None:
    def said(flat: str) -> Any:
        config = compose(["agent=drqv2", "encoder=[cnn,transformer]", f"encoder.0.flat={flat}", "encoder.0.channels=4"])
        return build().part(config.agent.options.encoder, (3, 8, 8))

    assert [said(flat)[1].is_map for flat in ("null", "false", "true")] == [True, True, False]
    assert output_shape(build().part("cnn", (3, 8, 8)), (3, 8, 8)) == (128,)
    assert construct(either, (3, 12, 12), flat=False)(torch.zeros(1, 3, 12, 12)).shape == (1, 4, 10, 10)


def test_selections_bring_their_options(tmp_path: Any) -> None:
    config = compose(["agent=drqv2", "encoder=[mlp,mlp]", "encoder.0.hidden_dim=5", "encoder.1.depth=0"])
    body = build().part(config.agent.options.encoder, (7,))
    assert output_shape(body, (7,)) == (5,)
    assert [len(module) for module in body] == [4, 0]


@pytest.mark.parametrize(
    ("selections", "in_shape", "out_shape", "says"),
    [
        (
            ["mlp", nn.ReLU],
            (4,),
            (3,),
            r"^ReLU, number 1 of \[mlp,ReLU\]: architecture ReLU has no output argument, so it cannot be used as",
        ),
        ([nn.Linear, "mlp"], (4,), None, r"^Linear, number 0 of \[Linear,mlp\]: .*it is a head, and a body is wanted here"),
        ([conv, linear], (3, 8, 8), None, r"^linear, number 1 of \[conv,linear\]: Linear cannot take \(4, 6, 6\).*torch.nn:Flatten"),
        (["mlp", conv], (3,), None, r"^conv, number 1 of \[mlp,conv\]: Conv2d cannot take \(256,\)"),
        (["mlp", nn.Linear(3, 3)], (4,), None, r"^Linear, number 1 of \[mlp,Linear\]: Linear cannot take \(256,\)"),
        ([conv, "drqv2_cnn"], (3, 8, 8), None, r"^drqv2_cnn, number 1"),
    ],
)
def test_the_one_that_does_not_fit_is_named(selections: list[Any], in_shape: Any, out_shape: Any, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        build().part(selections, in_shape, out_shape)


# Objectives ---------------------------------------------------------------------------------------------------------------------


class Quiet(Objective):
    needs = ("obs",)

    def __call__(self, agent: Any, batch: Any) -> Loss:
        return Loss(torch.zeros(()))


class Loud(Quiet):
    trains = ("encoder", "critic")


def test_objects_replace_and_join_an_agents_own_objectives() -> None:
    own = [Phase("critic", (Quiet(),), ("critic",))]
    loud = Names().name(Loud())
    (replaced,) = build(objectives=(loud,)).phases(own)
    assert (replaced.name, replaced.trains, type(replaced.objectives[0])) == ("Loud", ("encoder", "critic"), Loud)
    (joined,) = build(objectives=(f"+{loud}",)).phases(own)
    assert [type(objective) for objective in joined.objectives] == [Quiet, Loud]
    with pytest.raises(UsageError, match=r"objective Quiet does not say what it trains.*trains = "):
        build(objectives=(Names().name(Quiet()),)).phases(own)


def test_what_is_added_joins_the_phase_that_trains_the_encoder_or_the_first() -> None:
    """Features have their graph in that phase alone: elsewhere, what is to teach the encoder would teach nothing."""
    loud, actor, critic = Names().name(Loud()), Phase("actor", (Quiet(),), ("actor",)), Phase("critic", (Quiet(),), ("encoder", "critic"))
    first, second = build(objectives=(f"+{loud}",)).phases([actor, critic])
    assert (first, len(second.objectives), second.trains) == (actor, 2, ("encoder", "critic"))
    first, second = build(objectives=(f"+{loud}",)).phases([actor, Phase("critic", (Quiet(),), ("critic",))])
    assert (len(first.objectives), first.trains, len(second.objectives)) == (2, ("actor", "encoder"), 1)


def test_a_function_is_an_objective() -> None:
    scalar = FunctionObjective(lambda agent, batch: torch.ones(()))
    assert float(scalar(None, None).value) == 1
    loss = Loss(torch.ones(()), {"x": torch.ones(())})
    assert FunctionObjective(lambda agent, batch: loss)(None, None) is loss


@pytest.mark.parametrize("head", ["scalar", "tanh_gaussian"])
def test_heads_read_no_observations(head: str) -> None:
    seen = Spec(Space((1,), "float32"), Space((1,), "float32", -1.0, 1.0), mean=(3.0,), std=(2.0,))
    assert not isinstance(build(seen).head(head), NormalizeInput)
