"""Self-predictive representations: the loss against slow loops, what is trained by it, and agents of all kinds."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from runs.commands import STATE, killed_and_the_same
from unified.core.base.errors import UsageError
from unified.core.base.rng import Streams
from unified.core.base.spec import Space, Spec
from unified.core.config.schema import Selection
from unified.core.learn.actions import Action
from unified.core.learn.agent import Agent
from unified.core.learn.builder import Builder
from unified.core.learn.objective import Phase
from unified.core.registry import registry
from unified.core.replay.batch import Batch
from unified.core.replay.views import Transitions
from unified.core.trainer.build import make_agent
from unified.plugins.architectures.augment.augment import Augmentations
from unified.plugins.architectures.augment.shift import RandomShift
from unified.plugins.objectives.spr.objective import SPR, numbers, scaled

PIXELS, VECTOR = Space((3, 24, 24), "uint8", 0, 255), Space((4,), "float32")
NUMBERS, CHOICES = Space((2,), "float32", -1.0, 1.0), Space((), "int64", 0, 2, 3)
SMALL = {"jumps": 3, "hidden_dim": 8, "projection": 6}


class Watcher(Agent):
    """An encoder of maps, or of vectors, and nothing else."""

    def __init__(self, observation: Space, action: Space, options: dict[str, Any], aug: nn.Module | None = None) -> None:
        super().__init__(Spec(observation, action), None, Builder(torch.device("cpu"), "fp32", Streams(0), registry()))
        maps = len(observation.shape) == 3
        self.encoder = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2) if maps else nn.Linear(4, 5), nn.ReLU())
        self.objective, self.aug = SPR(**options), aug

    base_view = Transitions(batch_size=4)
    action_space = property(lambda self: self.spec.action)

    def act(self, batch: Batch, *, explore: bool) -> Action:
        raise NotImplementedError

    def phases(self) -> list[Phase]:
        return [Phase("encoder", (self.objective,), trains=("encoder",))]

    def optimizer(self, part: str, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.Adam(parameters, lr=3e-3, fused=True)

    def encode_batch(self, batch: Batch) -> Batch:
        return batch.with_columns(features=self.encode(batch.obs))


def watcher(observation: Space = VECTOR, action: Space = CHOICES, options: dict[str, Any] = SMALL, aug: nn.Module | None = None) -> Watcher:
    torch.manual_seed(0)
    agent = Watcher(observation, action, options, aug)
    agent.configure()
    return agent


def lived(observation: Space, action: Space, rows: int = 4, ahead: int = 3, stack: int = 1, seed: int = 0) -> Batch:
    """Rows of a world in which an action moves what is seen; the second ends after a step, the third after two."""
    generator = torch.Generator().manual_seed(seed)
    shape = (stack * observation.shape[0], *observation.shape[1:])
    drawn = torch.rand(rows, ahead, *action.shape, generator=generator)
    actions = (drawn * action.n).long() if action.n else drawn * 2 - 1
    seen = [torch.rand(rows, *shape, generator=generator)]
    for k in range(ahead):
        moved = actions[:, k].reshape(rows, -1)[:, 0].float().view(rows, *[1] * len(shape))
        seen.append((seen[-1] * 0.7 + 0.2 * moved).roll(1, dims=-1))
    obs = torch.stack(seen, dim=1)
    if observation.dtype == "uint8":
        obs = (obs * 100).clamp(0, 255).to(torch.uint8)
    mask = torch.ones(rows, ahead)
    mask[1, 1:] = mask[2, 2:] = 0.0
    number = torch.rand(rows, generator=generator)
    return Batch(
        **{"obs": obs[:, 0], "action": actions[:, 0], "reward": number, "discount": torch.full((rows,), 0.9), "next_obs": obs[:, 1]},
        **{"weight": torch.ones(rows), "future_obs": obs[:, 1:], "future_action": actions, "future_mask": mask},
    )


# The loss -----------------------------------------------------------------------------------------------------------------------


def by_hand(row: list[float]) -> list[float]:
    low, high = min(row), max(row)
    return [(x - low) / (high - low + 1e-5) for x in row]


@torch.no_grad()
def slow_loss(agent: Watcher, batch: Batch) -> tuple[float, float]:
    """Row by row and step by step, as the paper says it: the loss, and the mean cosine."""
    cosines, losses, action = [], [], agent.action_space
    parts: Any = agent
    for row in range(len(batch.obs)):
        features = parts.encoder(batch.obs[row : row + 1].float() if batch.obs.dtype == torch.uint8 else batch.obs[row : row + 1])
        shape = features.shape
        latent = torch.tensor(by_hand(features.flatten().tolist())).view(shape)
        for k in range(batch.future_mask.shape[1]):
            chosen = batch.future_action[row, k]
            told = torch.eye(action.n)[chosen].view(1, -1) if action.n else chosen.view(1, -1)
            planes = told if features.dim() == 2 else torch.stack([torch.full(shape[2:], float(x)) for x in told[0]])[None]
            changed = latent + parts.dynamics.change(torch.cat([latent, planes], dim=1))
            latent = torch.tensor(by_hand(changed.flatten().tolist())).view(shape)
            if not batch.future_mask[row, k]:
                continue
            guess = parts.predictor(parts.projector[1](latent.reshape(1, -1)))[0].tolist()
            seen = parts.momentum_encoder(batch.future_obs[row, k : k + 1].float())
            aim = parts.momentum_projector[1](torch.tensor([by_hand(seen.flatten().tolist())]))[0].tolist()
            dot = sum(a * b for a, b in zip(guess, aim, strict=True))
            long, wide = (math.sqrt(sum(a * a for a in each)) for each in (guess, aim))
            cosines.append(dot / (long * wide))
            apart = sum((a / long - b / wide) ** 2 for a, b in zip(guess, aim, strict=True))  # the published loss of one step
            losses.append(batch.weight[row].item() * apart)
    return 5.0 * sum(losses) / len(losses), sum(cosines) / len(cosines)


def moved_apart(agent: Agent) -> None:
    """Copies that are not what they follow."""
    with torch.no_grad():
        for name, value in agent.named_parameters():
            if name.startswith("momentum"):
                value.add_(0.3 * torch.randn(value.shape, generator=torch.Generator().manual_seed(len(name))))


@pytest.mark.parametrize("action", [NUMBERS, CHOICES], ids=["numbers", "choices"])
@pytest.mark.parametrize("observation", [VECTOR, Space((3, 7, 7), "float32")], ids=["vectors", "maps"])
def test_the_loss_is_that_of_explicit_loops(observation: Space, action: Space) -> None:
    agent, batch = watcher(observation, action), lived(observation, action)
    moved_apart(agent)
    batch["weight"] = torch.tensor([1.0, 0.25, 0.5, 0.75])
    loss = SPR(**SMALL)(agent, agent.encode_batch(batch))
    expected, cosine = slow_loss(agent, batch)
    assert loss.value.item() == pytest.approx(expected, rel=1e-4)
    assert loss.metrics["spr_cosine"].item() == pytest.approx(cosine, rel=1e-4)


def test_the_published_strength_is_ten_times_the_cosines_gradient() -> None:
    """SPR: -5 cos where 5 (2 - 2 cos) was published, half the gradient."""
    agent, batch = watcher(), lived(VECTOR, CHOICES)
    moved_apart(agent)
    parameters = list(agent.predictor.parameters())
    loss = SPR(**SMALL)(agent, agent.encode_batch(batch))
    assert loss.value.item() == pytest.approx(10 * (1 - loss.metrics["spr_cosine"].item()), rel=1e-5)
    rows, cosines = agent.encode_batch(batch), []
    for k in range(3):
        latent = scaled(rows.features)
        for j in range(k + 1):
            latent = agent.dynamics(latent, numbers(batch.future_action, CHOICES)[:, j])
        aim = agent.momentum_projector(scaled(agent.momentum_encoder(batch.future_obs[:, k])))
        cosines.append(F.cosine_similarity(agent.predictor(agent.projector(latent)), aim) * batch.future_mask[:, k])
    mean = torch.stack(cosines).sum() / batch.future_mask.sum()
    for found, slope in zip(*(torch.autograd.grad(each, parameters) for each in (loss.value, mean)), strict=True):
        torch.testing.assert_close(found, -10.0 * slope, rtol=1e-4, atol=1e-6)


def test_copies_share_the_online_weights_with_augmentation_and_follow_slowly_without() -> None:
    """SPR: one τ for both; with augmentation the published one is 1."""
    shift = RandomShift(2)
    for aug, tau in ((None, 0.01), (Augmentations(nn.Identity()), 0.01), (shift, 1.0), (Augmentations(shift), 1.0)):
        agent = watcher(Space((3, 9, 9), "float32"), NUMBERS, aug=aug)
        assert [agent.targets[name].tau for name in ("momentum_encoder", "momentum_projector")] == [tau, tau]
    assert watcher(options=replace_options(tau=0.5)).targets["momentum_encoder"].tau == 0.5


def test_each_of_several_choices_is_told_apart() -> None:
    told = numbers(torch.tensor([[[2, 0], [1, 1]]]), Space((2,), "int64", 0, 2, 3))
    assert told.tolist() == [[[0, 0, 1, 1, 0, 0], [0, 1, 0, 0, 1, 0]]]
    assert numbers(torch.tensor([[0.5, -1.0]]), Space((), "float32")).tolist() == [[[0.5], [-1.0]]]


def test_what_is_beyond_an_episodes_end_does_not_count() -> None:
    agent, batch = watcher(), lived(VECTOR, CHOICES)
    other = Batch({name: value.clone() for name, value in batch.items()})
    other["future_obs"][1, 1:], other["future_action"][1, 1:] = 7.0, 0
    objective = SPR(**SMALL)
    assert torch.equal(objective(agent, agent.encode_batch(batch)).value, objective(agent, agent.encode_batch(other)).value)
    other["future_obs"][1, 0] = 7.0
    assert not torch.equal(objective(agent, agent.encode_batch(batch)).value, objective(agent, agent.encode_batch(other)).value)


def test_a_wider_view_than_it_asked_for_changes_nothing() -> None:
    agent, batch = watcher(), lived(VECTOR, CHOICES, ahead=6)
    narrow = Batch({name: value[:, :3] if name.startswith("future") else value for name, value in batch.items()})
    objective = SPR(**SMALL)
    assert torch.equal(objective(agent, agent.encode_batch(batch)).value, objective(agent, agent.encode_batch(narrow)).value)


def test_what_is_predicted_is_augmented_where_the_agent_augments() -> None:
    class Half(nn.Module):
        def forward(self, obs: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
            return obs * torch.rand(len(obs), 1, generator=generator)

    plain, noisy = watcher(), watcher(aug=Half())
    batch, losses = plain.encode_batch(lived(VECTOR, CHOICES)), []
    for agent in (plain, plain, noisy, noisy):
        losses.append(SPR(**SMALL)(agent, batch).value.item())
    assert losses[0] == losses[1] != losses[2] != losses[3]
    assert noisy.streams.state_dict()["spr"] == 2


# What it teaches ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("observation", [VECTOR, Space((3, 9, 9), "float32")], ids=["vectors", "maps"])
def test_the_cosine_rises_towards_one_under_training(observation: Space) -> None:
    """With the sign reversed it would end below 0, and it begins near chance."""
    agent = watcher(observation, NUMBERS, replace_options(tau=0.05))
    cosines = [agent.learn(lived(observation, NUMBERS, rows=32, seed=seed % 8)).metrics["spr_cosine"].item() for seed in range(150)]
    assert cosines[0] < 0.6
    assert sum(cosines[-10:]) / 10 > 0.95


def replace_options(**values: Any) -> dict[str, Any]:
    return {**SMALL, **values}


def test_copies_follow_and_get_no_gradient_while_all_else_is_trained() -> None:
    agent, tau = watcher(), 0.01
    moved_apart(agent)
    before = {name: value.clone() for name, value in agent.state_dict().items()}
    agent.learn(lived(VECTOR, CHOICES))
    for name, value in agent.state_dict().items():
        if name.startswith("momentum_"):
            online = agent.state_dict()[name.removeprefix("momentum_")]
            torch.testing.assert_close(value, before[name] + tau * (online - before[name]))
        else:
            assert not torch.equal(value, before[name]), name
    assert set(agent.updater.optimizers) == {"encoder", "dynamics", "projector", "predictor"}


# On agents ----------------------------------------------------------------------------------------------------------------------


def build(name: str, spec: Spec, objectives: tuple[str, ...] = ("+spr",), seed: int = 1, **changes: Any) -> Agent:
    component = registry().get("agents", name)
    options = component.options_model()(batch_size=6, **changes)
    terms = registry().get("objectives", "spr")
    selections = tuple(Selection("objectives", each, None, terms, terms.options_model()(**SMALL)) for each in objectives)
    selection = Selection("agents", name, None, component, options)
    config: Any = SimpleNamespace(device="cpu", precision="fp32", objectives=selections, seed=seed, agent=selection, registry=registry())
    return make_agent(config, spec, Streams(1))


def encoder(name: str) -> Selection:
    component = registry().get("architectures", name)
    return Selection("architectures", name, None, component, component.options_model()())


@pytest.mark.parametrize("action", [NUMBERS, CHOICES], ids=["numbers", "choices"])
@pytest.mark.parametrize("observation", [VECTOR, PIXELS], ids=["vectors", "pixels"])
@pytest.mark.parametrize("name", ["dqn", "sac", "drqv2", "ac2"])
def test_it_is_added_to_any_value_agent(name: str, observation: Space, action: Space) -> None:
    agent = build(name, Spec(observation, action), **({} if observation is PIXELS else {"encoder": encoder("mlp")}))
    assert isinstance(agent.view, Transitions)
    assert agent.view == replace(agent.base_view, future_steps=3)  # type: ignore[type-var]
    before = {key: value.clone() for key, value in agent.named_parameters()}
    metrics = agent.learn(lived(observation, agent.action_space, rows=6, stack=agent.view.stack)).metrics
    assert metrics["nonfinite"] == 0
    assert -1 <= metrics["spr_cosine"] <= 1
    moved = {key.partition(".")[0] for key, value in agent.named_parameters() if not torch.equal(value, before[key])}
    assert moved >= {"encoder", "critic", "dynamics", "projector", "predictor", "momentum_encoder", "momentum_projector"}


def test_alone_it_trains_the_encoder_and_no_critic() -> None:
    agent = build("dqn", Spec(VECTOR, CHOICES), ("spr",), encoder=encoder("mlp"))
    (phase,) = agent.phase_list
    assert phase.trains == ("encoder", "dynamics", "projector", "predictor")
    assert [note.partition(":")[0] for note in agent.notes()] == ["nothing trains critic, which it acts with"]
    assert agent.learn(lived(VECTOR, CHOICES, rows=6)).metrics["nonfinite"] == 0


def test_the_first_parameters_of_its_parts_are_a_function_of_the_seed_and_move_no_others() -> None:
    spec = Spec(PIXELS, CHOICES)
    torch.manual_seed(5)
    one, other, apart, plain = build("dqn", spec), build("dqn", spec), build("dqn", spec, seed=2), build("dqn", spec, ())
    state = one.state_dict()
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in state.items())
    assert not torch.equal(state["projector.1.weight"], apart.state_dict()["projector.1.weight"])
    assert all(torch.equal(value, state[name]) for name, value in plain.state_dict().items())


def test_it_needs_an_encoder_and_steps_that_follow() -> None:
    with pytest.raises(UsageError, match=r"objective spr trains the encoder, and this one has nothing to train +encoder=mlp"):
        build("dqn", Spec(VECTOR, CHOICES))
    with pytest.raises(UsageError, match=r"objective spr predicts the steps that follow.*\(Rollout\) shows none +.*--agent dqn"):
        build("ppo", Spec(VECTOR, CHOICES), encoder=encoder("mlp"))
    with pytest.raises(UsageError, match=r"\(Labelled\) shows none"):
        build("ac2", Spec(VECTOR, CHOICES, task_type="classify"), encoder=encoder("mlp"))


# In a run -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_killed_in_mid_episode_and_resumed_it_is_the_same_run(tmp_path: Path) -> None:
    words = [*STATE, "encoder=mlp", "encoder.hidden_dim=16", "-o", "+spr", "objective.spr.hidden_dim=16", "objective.spr.projection=16"]
    killed = killed_and_the_same(words, tmp_path)
    assert '"spr_cosine"' in (killed / "metrics.jsonl").read_text()
