"""Parameters move as options say: against torch's own optimisers and slow arithmetic, in pieces, on schedule, and never into nothing."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from unified.core.base.errors import PluginFailed, UsageError
from unified.core.base.rng import Streams
from unified.core.base.schedule import Schedule
from unified.core.base.spec import Space, Spec
from unified.core.learn.actions import Action
from unified.core.learn.agent import Agent
from unified.core.learn.builder import Builder
from unified.core.learn.objective import FunctionObjective, Loss, Phase
from unified.core.learn.optim import CombinedOptimizer, make_moments, make_optimizer, step
from unified.core.learn.options import LearningOptions, OptimizerOptions, VectorOptimizerOptions
from unified.core.registry import registry
from unified.core.replay.batch import Batch
from unified.core.replay.views import Transitions
from unified.testing.workshop import differences

ROWS, FEATURES = 12, 3
SPEC = Spec(Space((FEATURES,), "float32"), Space((1,), "float32", -1.0, 1.0))


class Fitter(Agent):
    """Encoder and critic fit the reward, then the actor climbs the critic that they have become."""

    encoding = 0  # the place of the phase that trains the encoder

    def __init__(self, spec: Spec, options: Any, build: Builder) -> None:
        super().__init__(spec, options, build)
        self.encoder, self.actor, self.critic = nn.Linear(FEATURES, 4), nn.Linear(4, 1), nn.Linear(5, 1)
        self.rows_perceived: list[int] = []

    @property
    def base_view(self) -> Transitions:
        return Transitions()

    @property
    def action_space(self) -> Space:
        return SPEC.action

    def encode_batch(self, batch: Batch) -> Batch:
        self.rows_perceived.append(len(batch.obs))
        return batch.with_columns(features=self.encode(batch.obs))

    def phases(self) -> list[Phase]:
        fit = Phase("critic", (FunctionObjective(fitted), FunctionObjective(small)), trains=("encoder", "critic"), max_grad_norm=1.0)
        phases = [Phase("actor", (FunctionObjective(climbed),), trains=("actor",), every=1)]
        phases.insert(self.encoding, fit)
        return phases

    @torch.no_grad()
    def act(self, batch: Batch, *, explore: bool) -> Action:
        answer = self.acting("actor")(self.encode(batch.obs)).tanh()
        return Action(answer, answer)


class FitsLast(Fitter):
    encoding = 1


def fitted(agent: Any, batch: Batch) -> Loss:
    error = (agent.critic(torch.cat([batch.features, batch.action], dim=-1)).squeeze(-1) - batch.reward).square()
    return Loss((batch.weight * error).mean(), {"error": error.mean()}, priority=error.detach())


def small(agent: Any, batch: Batch) -> torch.Tensor:
    return 0.1 * batch.features.square().mean()


def climbed(agent: Any, batch: Batch) -> torch.Tensor:
    value: torch.Tensor = agent.critic(torch.cat([batch.features, agent.actor(batch.features).tanh()], dim=-1))
    return -value.mean()


def make(kind: type[Fitter] = Fitter, ema: bool = False, ema_tau: float = 0.01, **optimizer: Any) -> Fitter:
    options = LearningOptions(lr=1e-2, optimizer=OptimizerOptions(**optimizer), ema=ema, ema_tau=ema_tau)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        agent = kind(SPEC, options, Builder(torch.device("cpu"), "fp32", Streams(0), registry()))
    agent.configure()
    return agent


def batch_of(seed: int = 0, rows: int = ROWS) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    obs, action = torch.randn(rows, FEATURES, generator=generator), torch.randn(rows, 1, generator=generator)
    return Batch(obs=obs, action=action, reward=torch.randn(rows, generator=generator), weight=torch.rand(rows, generator=generator))


def parameters(agent: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in agent.named_parameters()}


def assert_close(one: Agent, other: Agent) -> None:
    ours, theirs = parameters(one), parameters(other)
    for name, value in ours.items():
        torch.testing.assert_close(value, theirs[name], msg=lambda text, name=name: f"{name}: {text}")


# Optimisers ---------------------------------------------------------------------------------------------------------------------

CHOICES: list[tuple[dict[str, Any], type[torch.optim.Optimizer], dict[str, Any]]] = [
    ({}, torch.optim.Adam, {}),
    ({"eps": 1e-3, "betas": (0.5, 0.9), "weight_decay": 0.1}, torch.optim.Adam, {"eps": 1e-3, "betas": (0.5, 0.9), "weight_decay": 0.1}),
    ({"name": "adamw", "weight_decay": 0.1}, torch.optim.AdamW, {"weight_decay": 0.1}),
    ({"name": "adamw"}, torch.optim.AdamW, {"weight_decay": 0.0}),
    ({"name": "sgd"}, torch.optim.SGD, {}),
    ({"name": "sgd", "momentum": 0.9, "weight_decay": 0.1}, torch.optim.SGD, {"momentum": 0.9, "weight_decay": 0.1}),
    ({"name": "rmsprop", "eps": 1e-4, "momentum": 0.5}, torch.optim.RMSprop, {"eps": 1e-4, "momentum": 0.5}),
    ({"name": "adagrad", "eps": 1e-4}, torch.optim.Adagrad, {"eps": 1e-4}),
    ({"name": "radam", "eps": 1e-5, "betas": (0.8, 0.9)}, torch.optim.RAdam, {"eps": 1e-5, "betas": (0.8, 0.9)}),
    ({"name": "torch.optim:NAdam", "weight_decay": 0.1}, torch.optim.NAdam, {"weight_decay": 0.1}),
    ({"options": {"amsgrad": True}}, torch.optim.Adam, {"amsgrad": True}),
    ({"weight_decay": 0.1, "options": {"decoupled_weight_decay": True}}, torch.optim.AdamW, {"weight_decay": 0.1}),
    ({"name": "sgd", "momentum": 0.9, "options": {"nesterov": True}}, torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
    ({"name": "sgd", "momentum": 0.9, "options": {"dampening": 0.5}}, torch.optim.SGD, {"momentum": 0.9, "dampening": 0.5}),
    ({"name": "adamw", "options": {"foreach": True}}, torch.optim.AdamW, {"weight_decay": 0.0}),
    ({"name": "rmsprop", "options": {"centered": True, "alpha": 0.9}}, torch.optim.RMSprop, {"centered": True, "alpha": 0.9}),
]
NAMES = ["-".join([settings.get("name", "adam"), str(len(settings)), *settings.get("options", ())]) for settings, _, _ in CHOICES]


@pytest.mark.parametrize(("settings", "theirs", "arguments"), CHOICES, ids=NAMES)
def test_it_is_torchs_own(settings: dict[str, Any], theirs: Any, arguments: dict[str, Any]) -> None:
    agent, batch = make(**settings), batch_of()
    weight, expected = agent.encoder.weight, agent.encoder.weight.detach().clone()
    reference = theirs([expected], lr=1e-2, **arguments)
    for _ in range(3):
        rows = agent.encode_batch(batch)
        terms = fitted(agent, rows).value + small(agent, rows)
        gradients = torch.autograd.grad(terms, [*agent.encoder.parameters(), *agent.critic.parameters()])
        norm = torch.stack([gradient.norm() for gradient in gradients]).norm()
        expected.grad = gradients[0] * (1.0 / (norm + 1e-6)).clamp(max=1.0)
        reference.step()
        agent.learn(batch)
        torch.testing.assert_close(weight.detach(), expected)


@pytest.mark.parametrize(
    "settings", [{}, {"name": "adamw"}, {"name": "sgd", "momentum": 0.9}, {"name": "rmsprop"}], ids=lambda s: s.get("name", "adam")
)
@pytest.mark.parametrize("dtypes", [(torch.float32, torch.float32), (torch.float32, torch.float64)], ids=["one type", "two types"])
def test_a_step_is_torchs_bit_for_bit_and_a_broken_one_is_none(settings: dict[str, Any], dtypes: tuple[torch.dtype, ...]) -> None:
    """However it is called: with and without gradients of all parameters, and after a step that was skipped."""
    options = LearningOptions(optimizer=OptimizerOptions(weight_decay=0.1, **settings))
    generator = torch.Generator().manual_seed(0)
    some = [nn.Parameter(torch.randn(3, dtype=dtype, generator=generator)) for dtype in dtypes]
    others = copy.deepcopy(some)
    ours, theirs = make_optimizer(options, "part", some), make_optimizer(options, "part", others)
    make_moments(ours)
    for number, broken in enumerate((0.0, 0.0, 1.0, 0.0, 0.0)):
        for one, other in zip(some, others, strict=True):
            missing = number == 3 and one is some[1]
            one.grad = None if missing else torch.randn(3, dtype=one.dtype, generator=generator)
            other.grad = None if missing else one.grad.clone()
        step(ours, torch.tensor(broken))
        if not broken:
            theirs.step()
        for one, other in zip(some, others, strict=True):
            assert torch.equal(one, other)
    assert differences(ours.state_dict(), theirs.state_dict()) == []


@pytest.mark.parametrize(
    ("name", "settings"),
    [("adam", {"amsgrad": True}), ("adam", {"maximize": True}), ("adam", {"decoupled_weight_decay": True}), ("adamw", {"amsgrad": True})],
    ids=lambda value: value if isinstance(value, str) else next(iter(value)),
)
def test_what_an_agent_asks_for_beyond_the_options_counts(name: str, settings: dict[str, Any]) -> None:
    options = LearningOptions(lr=0.1, optimizer=OptimizerOptions(name=name, weight_decay=0.1))
    some, others = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3))
    ours, theirs = make_optimizer(options, "part", [some], **settings), make_optimizer(options, "part", [others], **settings)
    make_moments(ours)
    for number in range(4):
        some.grad, others.grad = torch.full((3,), 1.0 - number), torch.full((3,), 1.0 - number)
        step(ours, torch.tensor(0.0))
        theirs.step()
        assert torch.equal(some, others)


def test_hooks_of_a_step_and_groups_without_gradients_are_heeded() -> None:
    some, idle = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3))
    optimizer = torch.optim.Adam([{"params": [some]}, {"params": [idle]}], fused=True)
    make_moments(optimizer)
    called = []
    for number in range(4):
        if number == 2:
            optimizer.register_step_post_hook(lambda *_: called.append("stepped"))
        some.grad = torch.ones(3)
        step(optimizer, torch.tensor(0.0))
    assert called == ["stepped"] * 2
    assert torch.equal(idle, torch.ones(3))
    assert float(optimizer.state[some]["step"]) == 4


def test_a_loss_that_is_no_number_is_refused_with_its_name() -> None:
    agent = make()
    agent.phase_list = [replace(agent.phase_list[0], objectives=(FunctionObjective(lambda agent, batch: batch.features.mean(dim=1)),))]
    with pytest.raises(
        PluginFailed, match=r"objective FunctionObjective failed in its loss: ValueError: a loss is one number.*\(12,\).*mean"
    ):
        agent.learn(batch_of())


def test_a_term_that_is_called_like_its_phase_does_not_hide_the_sum() -> None:
    agent = make()
    for objective in agent.phase_list[0].objectives:
        objective.selected = "critic"
    rows = agent.encode_batch(batch_of())
    total = fitted(agent, rows).value + small(agent, rows)
    assert agent.learn(batch_of()).metrics["critic_loss"].item() == pytest.approx(total.item())


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "signs.py"
    path.write_text(
        "import torch\n\nclass Sign(torch.optim.Optimizer):\n"
        "    def __init__(self, params, lr=1.0):\n        super().__init__(params, {'lr': lr})\n"
        "    def step(self, closure=None):\n        with torch.no_grad():\n"
        "            for group in self.param_groups:\n                for p in group['params']:\n"
        "                    p.sub_(group['lr'] * p.grad.sign())\n"
    )
    agent = make(name=f"{path}:Sign")
    before = parameters(agent)
    agent.learn(batch_of())
    moved = (parameters(agent)["encoder.weight"] - before["encoder.weight"]).abs()
    torch.testing.assert_close(moved, torch.full_like(moved, 1e-2))
    with pytest.raises(UsageError, match="takes no weight_decay"):
        make(name=f"{path}:Sign", weight_decay=0.1)


def test_an_argument_that_its_class_lacks_is_answered_with_those_that_it_has() -> None:
    with pytest.raises(UsageError, match=r"agent.optimizer=sgd takes no nesterof *did you mean  nesterov .*it takes lr, momentum, damp"):
        make(name="sgd", options={"nesterof": True})
    with pytest.raises(UsageError, match=r"agent.optimizer=sgd: Nesterov momentum requires"):
        make(name="sgd", options={"nesterov": True})
    with pytest.raises(UsageError, match=r"agent.optimizer=adamw takes no ns_steps"):
        make(name="sgd", vectors={"name": "adamw", "options": {"ns_steps": 3}})


# Parameter groups -----------------------------------------------------------------------------------------------------------------

needs_muon = pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="this torch has no Muon")
MUON: dict[str, Any] = {"name": "torch.optim:Muon", "options": {"ns_steps": 3}, "vectors": {"name": "adamw", "lr": 1e-3}}
SPLIT = [
    pytest.param({**MUON, "weight_decay": 0.1, "no_decay": True}, marks=needs_muon),
    {"name": "sgd", "momentum": 0.9, "vectors": {"lr": 1e-3}},
]


def against(agent: Fitter, references: list[torch.optim.Optimizer], twins: dict[str, nn.Parameter]) -> None:
    """Three updates of the agent's encoder and critic, and those of `references` on copies of their parameters, are equal."""
    agent.phase_list = agent.phase_list[:1]
    own = dict(agent.named_parameters())
    for update in range(3):
        batch = batch_of(update)
        rows = agent.encode_batch(batch)
        gradients = torch.autograd.grad(fitted(agent, rows).value + small(agent, rows), [own[name] for name in twins])
        norm = torch.stack([gradient.norm() for gradient in gradients]).norm()
        for twin, gradient in zip(twins.values(), gradients, strict=True):
            twin.grad = gradient * (1.0 / (norm + 1e-6)).clamp(max=1.0)
        for reference in references:
            reference.step()
        agent.learn(batch)
        for name, twin in twins.items():
            torch.testing.assert_close(own[name], twin)


def twins_of(agent: Fitter) -> dict[str, nn.Parameter]:
    return {
        name: nn.Parameter(value.detach().clone()) for name, value in agent.named_parameters() if name.startswith(("encoder", "critic"))
    }


@pytest.mark.parametrize(("name", "theirs"), [("adamw", torch.optim.AdamW), ("sgd", torch.optim.SGD)])
def test_biases_and_norms_may_have_no_decay(name: str, theirs: Any) -> None:
    agent = make(name=name, weight_decay=0.5, no_decay=True)
    twins = twins_of(agent)
    flat, rest = ([each for each in twins.values() if (each.dim() < 2) == is_flat] for is_flat in (True, False))
    assert flat
    against(agent, [theirs([{"params": rest, "weight_decay": 0.5}, {"params": flat, "weight_decay": 0.0}], lr=1e-2)], twins)


@needs_muon
def test_matrices_move_by_one_optimiser_and_the_rest_by_another() -> None:
    agent = make(**MUON, weight_decay=0.1)
    twins = twins_of(agent)
    matrices, rest = ([each for each in twins.values() if (each.dim() == 2) == is_matrix] for is_matrix in (True, False))
    against(agent, [torch.optim.Muon(matrices, 1e-2, 0.1, ns_steps=3), torch.optim.AdamW(rest, 1e-3, weight_decay=0.1)], twins)


def test_kernels_of_convolutions_are_no_matrices() -> None:
    parts = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Flatten(), nn.Linear(3, 1))
    options = LearningOptions(optimizer=OptimizerOptions(name="sgd", vectors=VectorOptimizerOptions(name="adam")))
    made = make_optimizer(options, "encoder", list(parts.parameters()))
    assert isinstance(made, CombinedOptimizer)
    assert [[each.dim() for each in member.param_groups[0]["params"]] for member in made.members] == [[2], [4, 1, 1]]
    assert isinstance(make_optimizer(options, "encoder", [nn.Parameter(torch.zeros(2))]), torch.optim.Adam)


@needs_muon
def test_an_optimiser_of_matrices_alone_refuses_the_rest_with_a_way_out() -> None:
    with pytest.raises(UsageError, match=r"agent.optimizer=torch.optim:Muon: .*2D.*agent.optimizer.vectors=adamw"):
        make(name="torch.optim:Muon")


@pytest.mark.parametrize("settings", SPLIT, ids=["muon-adamw", "sgd-sgd"])
def test_two_optimisers_of_a_part_follow_one_schedule_and_resume_exactly(settings: dict[str, Any]) -> None:
    settings = {**settings, "schedule": "linear(1,0.2,8)"}
    straight, state, factor = make(**settings), {}, Schedule("linear(1,0.2,8)")
    for update in range(8):
        if update == 4:
            state = copy.deepcopy(straight.training_state())
        straight.learn(batch_of(update))
        members = straight.updater.optimizers["encoder"].members
        assert [member.param_groups[0]["lr"] for member in members] == pytest.approx([1e-2 * factor(update), 1e-3 * factor(update)])
    resumed = make(**settings)
    resumed.learn(batch_of(9))
    resumed.load_training_state(state)
    for update in range(4, 8):
        resumed.learn(batch_of(update))
    assert not differences(straight.training_state(), resumed.training_state())


def test_a_copy_of_two_optimisers_moves_its_own_parameters() -> None:
    agent = make(name="sgd", momentum=0.9, vectors={"lr": 1e-3})
    agent.learn(batch_of())
    before, made = parameters(agent), copy.deepcopy(agent.updater.optimizers["encoder"])
    (group, other) = made.param_groups
    copied = [*group["params"], *other["params"]]
    start = [each.detach().clone() for each in copied]
    for each in copied:
        each.grad = torch.ones_like(each)
    made.step()
    assert not any(torch.equal(each, old) for each, old in zip(copied, start, strict=True))
    assert not differences(parameters(agent), before)


def test_what_is_no_optimiser_is_refused() -> None:
    with pytest.raises(UsageError, match=r"is no torch.optim.Optimizer"):
        make(name="torch.nn:Linear")
    with pytest.raises(UsageError, match="did you mean  NAdam"):
        make(name="torch.optim:NAdm")


def test_a_part_has_a_rate_and_a_decay_of_its_own() -> None:
    """θ' = θ - η (g + λ θ), with η and λ of the part."""
    agent, plain = make(name="sgd", parts={"encoder": {"lr": 1e-4, "weight_decay": 0.5}, "actor": {"lr": 1.0}}), make(name="sgd")
    before = parameters(agent)
    agent.learn(batch_of())
    plain.learn(batch_of())
    ours, theirs = parameters(agent), parameters(plain)
    for name, start in before.items():
        gradient = (start - theirs[name]) / 1e-2
        if name.startswith("encoder"):
            torch.testing.assert_close(ours[name], start - 1e-4 * (gradient + 0.5 * start))
        elif name.startswith("critic"):
            torch.testing.assert_close(ours[name], theirs[name])
        else:
            torch.testing.assert_close(ours[name], start - gradient)  # η = 1


def test_a_part_that_is_not_trained_is_refused_with_those_that_are() -> None:
    with pytest.raises(UsageError, match=r"parts.encodr: the agent trains no part of this name here.*did you mean  encoder"):
        make(parts={"encodr": {"lr": 1.0}})
    with pytest.raises(UsageError, match="it trains encoder, critic, actor"):
        make(parts={"posterior": {"lr": 1.0}})


@pytest.mark.parametrize("resumed", [False, True], ids=["straight", "resumed"])
@pytest.mark.parametrize("settings", [*(settings for settings, _, _ in CHOICES), *SPLIT], ids=[*NAMES, "muon-adamw", "sgd-sgd"])
def test_a_non_finite_update_moves_nothing_at_the_start_and_later(settings: dict[str, Any], resumed: bool) -> None:
    spared, hit = make(**settings), make(**settings)
    poisoned = batch_of().with_columns(reward=torch.full((ROWS,), torch.nan))
    for update in range(3):
        before = parameters(hit)
        assert hit.learn(poisoned).metrics["nonfinite"] == 1
        moved = differences(parameters(hit), before)
        assert not [name for name in moved if not name.startswith("actor")]
        if resumed:
            state, hit = copy.deepcopy(hit.training_state()), make(**settings)
            hit.load_training_state(state)
        hit.actor.load_state_dict(spared.actor.state_dict())  # its phase was a good one
        assert hit.learn(batch_of(update)).metrics["nonfinite"] == 0
        spared.learn(batch_of(update))
        for part in ("encoder", "critic"):
            assert not differences(parameters(getattr(hit, part)), parameters(getattr(spared, part)))


# Schedules ----------------------------------------------------------------------------------------------------------------------


def test_rates_follow_their_schedule_over_updates_also_when_resumed() -> None:
    text, parts = "cosine(0,1,4,0.1,10)", {"actor": {"lr": 1e-3}}
    agent, factor = make(schedule=text, parts=parts), Schedule(text)
    state: dict[str, Any] = {}
    for update in range(16):
        if update == 5:
            state = copy.deepcopy(agent.training_state())
        agent.learn(batch_of(update))
        rates = {part: optimizer.param_groups[0]["lr"] for part, optimizer in agent.updater.optimizers.items()}
        assert rates == pytest.approx({"encoder": 1e-2 * factor(update), "critic": 1e-2 * factor(update), "actor": 1e-3 * factor(update)})
    other = make(schedule=text, parts=parts)
    other.load_training_state(state)
    for update in range(5, 16):
        other.learn(batch_of(update))
    assert not differences(agent.training_state(), other.training_state())


def test_a_factor_scales_what_moves() -> None:
    half, whole = make(name="sgd", schedule="0.5"), make(name="sgd")
    before = parameters(whole)
    half.learn(batch_of())
    whole.learn(batch_of())
    step = {name: value - before[name] for name, value in parameters(whole).items()}
    torch.testing.assert_close(parameters(half)["encoder.weight"], before["encoder.weight"] + 0.5 * step["encoder.weight"])


# In pieces ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Fitter, FitsLast])
@pytest.mark.parametrize(("rows", "pieces"), [(ROWS, 2), (ROWS, 4), (ROWS, ROWS), (11, 3), (2, 4)])
def test_pieces_move_parameters_as_the_whole_batch_does(kind: type[Fitter], rows: int, pieces: int) -> None:
    whole, cut = make(kind, name="sgd", momentum=0.9), make(kind, name="sgd", momentum=0.9, gradient_accumulation=pieces)
    for update in range(3):
        ours, theirs = cut.learn(batch_of(update, rows)), whole.learn(batch_of(update, rows))
        assert list(ours.metrics) == list(theirs.metrics)
        torch.testing.assert_close(ours.metrics, theirs.metrics)
        torch.testing.assert_close(ours.priority, theirs.priority)
    assert_close(cut, whole)
    assert whole.rows_perceived == [rows] * 3
    assert sum(cut.rows_perceived) == 3 * rows
    assert max(cut.rows_perceived) == -(-rows // pieces)


def test_a_single_piece_is_the_batch_itself() -> None:
    batch = batch_of()
    ((share, piece),) = batch.split(1)
    assert share == 1.0
    assert piece is batch


def test_pieces_take_the_memory_of_one() -> None:
    """What autograd keeps for the way back, at its most, in numbers."""

    def most(pieces: int) -> int:
        held = {"now": 0, "most": 0}

        class Kept:
            def __init__(self, tensor: torch.Tensor) -> None:
                self.tensor = tensor
                held["now"] += tensor.numel()
                held["most"] = max(held.values())

            def __del__(self) -> None:
                held["now"] -= self.tensor.numel()

        agent = make(gradient_accumulation=pieces)
        with torch.autograd.graph.saved_tensors_hooks(Kept, lambda kept: kept.tensor):
            agent.learn(batch_of(rows=4000))
        return held["most"]

    assert most(8) < 0.2 * most(1)


def test_one_bad_piece_spoils_the_update() -> None:
    agent, batch = make(gradient_accumulation=4), batch_of()
    before = parameters(agent)
    batch.reward[-1] = torch.inf
    assert agent.learn(batch).metrics["nonfinite"] == 1
    assert torch.equal(parameters(agent)["critic.weight"], before["critic.weight"])


# Averages -----------------------------------------------------------------------------------------------------------------------


def test_averages_follow_their_formula_and_answer_where_it_does_not_train() -> None:
    agent, raw = make(ema=True, ema_tau=0.1), make()
    expected = {name: value for name, value in parameters(raw).items() if name.startswith(("encoder", "actor"))}
    for update in range(5):
        agent.learn(batch_of(update))
        raw.learn(batch_of(update))
        for name, value in parameters(raw).items():
            if name in expected:
                expected[name] = 0.9 * expected[name] + 0.1 * value
    found = parameters(agent)
    for name, value in expected.items():
        part, _, rest = name.partition(".")
        torch.testing.assert_close(found[f"{part}_average.{rest}"], value)
    obs, averaged = batch_of().obs, make()
    averaged.load_state_dict(expected, strict=False)
    assert torch.equal(agent.act(Batch(obs=obs), explore=True).env_action, raw.act(Batch(obs=obs), explore=True).env_action)
    keys = list(agent.state_dict())
    agent.train(False)
    torch.testing.assert_close(agent.act(Batch(obs=obs), explore=False).env_action, averaged.act(Batch(obs=obs), explore=False).env_action)
    assert not torch.allclose(agent.act(Batch(obs=obs), explore=False).env_action, raw.act(Batch(obs=obs), explore=False).env_action)
    assert list(agent.state_dict()) == keys
    assert not differences(parameters(agent), found)
    agent.eval().train()
    assert torch.equal(agent.act(Batch(obs=obs), explore=True).env_action, raw.act(Batch(obs=obs), explore=True).env_action)
    agent.learn(batch_of(5))
    raw.learn(batch_of(5))
    assert torch.equal(agent.critic.weight, raw.critic.weight)


def test_averages_of_nothing_are_refused() -> None:
    class Blind(Fitter):
        policy_parts = ("policy",)

    with pytest.raises(UsageError, match=r"agent.ema averages the parts that act, and Blind has none of policy"):
        make(Blind, ema=True)
