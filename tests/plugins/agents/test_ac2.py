"""AC2: what it makes something from and for, how sure it is, and what its last layer reads."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from unified.core.base.errors import UsageError
from unified.core.base.rng import Streams
from unified.core.base.spec import Space, Spec
from unified.core.config.compose import compose
from unified.core.config.schema import Selection
from unified.core.replay.batch import Batch
from unified.core.trainer.build import make_agent

CLASSES, NOISE, ROWS = 3, 4, 6
SMALL = [
    "agent.actor.hidden_dim=16",
    "agent.actor.depth=1",
    "agent.critic.hidden_dim=16",
    f"agent.noise_dim={NOISE}",
    "device=cpu",
    "precision=fp32",
]
VECTOR, PICTURE = Space((5,), "float32", -1.0, 1.0), Space((1, 16, 16), "uint8", 0, 255)


def make(spec: Spec, *words: str) -> Any:
    given = {word.partition("=")[0] for word in words}
    config = compose(["agent=ac2", "suite=digits", *(word for word in SMALL if word.partition("=")[0] not in given), *words])
    return make_agent(config, spec, Streams(config.seed))


def making(made: Space, given: int = CLASSES) -> Spec:
    return Spec(Space((given,), "float32", 0.0, 1.0), made, task_type="generate", classes=("a", "b", "c"))


def rows(made: Space, given: int = CLASSES) -> Batch:
    generator = torch.Generator().manual_seed(0)
    label = torch.rand(ROWS, *made.shape, generator=generator)
    label = label * 2 - 1 if made.dtype == "float32" else (label * 255).to(torch.uint8)
    obs = torch.eye(CLASSES)[torch.arange(ROWS) % CLASSES][:, :given]
    return Batch(obs=obs, label=label, index=torch.arange(ROWS), weight=torch.ones(ROWS))


@pytest.mark.parametrize("objective", ["flow", "vae", "adversarial"])
@pytest.mark.parametrize("given", [0, CLASSES])
def test_what_is_made_depends_on_what_it_is_made_for(objective: str, given: int) -> None:
    agent = make(making(VECTOR, given), f"objective={objective}")
    assert all(torch.isfinite(value) for value in agent.learn(rows(VECTOR, given)).metrics.values())
    assert agent.encode_batch(rows(VECTOR, given)).features.shape == (ROWS, given + (0 if objective == "flow" else NOISE))
    agent.train(False)
    streams = agent.streams.state_dict()

    def made(observation: torch.Tensor) -> torch.Tensor:
        agent.streams.rewind(streams)
        found: torch.Tensor = agent.act(Batch(obs=observation), explore=False).env_action
        return found

    if not given:
        assert made(torch.zeros(2, 0)).shape == (2, 5)
        return
    one, other = torch.eye(CLASSES)[[0, 0]], torch.eye(CLASSES)[[0, 1]]
    assert torch.equal(made(one)[0], made(other)[0])
    assert not torch.allclose(made(one)[1], made(other)[1])


def test_the_critic_sees_what_something_was_made_for_and_not_the_noise() -> None:
    agent = make(making(VECTOR), "objective=adversarial")
    action, noise = torch.zeros(2, 5), torch.randn(2, NOISE)
    classes = torch.eye(CLASSES)
    seen = agent.critic(torch.cat([noise, classes[[0, 1]]], dim=1), action).mean
    others = agent.critic(torch.cat([2 * noise, classes[[0, 1]]], dim=1), action).mean
    torch.testing.assert_close(seen, others)
    assert not torch.allclose(seen[:, 0], seen[:, 1])


def test_the_posterior_sees_what_something_was_made_for() -> None:
    agent = make(making(VECTOR), "objective=vae")
    assert agent.posterior[0].in_features == 5 + CLASSES
    assert agent.actor.network[0][0].in_features == NOISE + CLASSES


@pytest.mark.parametrize("words", [[], ["agent.generator=unet", "agent.generator.channels=4", "agent.generator.depth=1"]])
def test_larger_pictures_flow_through_a_network_that_is_told_its_condition(words: list[str]) -> None:
    agent = make(making(PICTURE), "objective=flow", "agent.actor.head.steps=1", *words)
    assert agent.actor.velocity.embed_condition.in_features == CLASSES
    assert agent.actor.velocity.enter.out_channels == (4 if words else 32)
    assert all(torch.isfinite(value) for value in agent.learn(rows(PICTURE)).metrics.values())


def test_larger_pictures_are_made_for_something_by_convolutions() -> None:
    agent = make(making(PICTURE), "objective=adversarial")
    assert all(torch.isfinite(value) for value in agent.learn(rows(PICTURE)).metrics.values())
    assert agent.act(Batch(obs=torch.eye(CLASSES)), explore=False).env_action.shape == (CLASSES, 1, 16, 16)


@pytest.mark.parametrize("head", ["categorical", "tanh_gaussian"])
@pytest.mark.parametrize("made", [VECTOR, PICTURE], ids=["vector", "picture"])
def test_heads_that_read_no_number_for_each_number_are_refused_for_generation(made: Space, head: str) -> None:
    with pytest.raises(UsageError, match=rf"generation needs a policy head.*actor.head={head} does not +actor.head=deterministic"):
        make(making(made), f"agent.actor.head={head}")


def test_a_velocity_that_takes_no_condition_is_refused() -> None:
    with pytest.raises(UsageError, match="architecture MLP has no argument 'condition_dim'"):
        make(making(PICTURE), "objective=flow", "agent.generator=mlp")


# Classifying --------------------------------------------------------------------------------------------------------------------


SEEN = Spec(Space((4,), "float32"), Space((), "int64", 0, 2, 3), task_type="classify")


@pytest.mark.parametrize("words", [[], ["agent.ema=true"]])
def test_answers_come_with_their_probabilities_and_the_features_they_are_made_of(words: list[str]) -> None:
    agent = make(SEEN, *words)
    agent.train(False)
    with torch.no_grad():  # whichever answers, it is no copy of the other any more
        agent.actor.numbers[0].bias.add_(1.0)
    obs = torch.randn(7, 4, generator=torch.Generator().manual_seed(1))
    answer, features = agent.act(Batch(obs=obs), explore=False), agent.forward_features(obs)
    assert answer.probabilities.shape == (7, 3)
    torch.testing.assert_close(answer.probabilities.sum(dim=1), torch.ones(7))
    assert torch.equal(answer.probabilities.argmax(dim=1), answer.env_action)
    assert features.shape == (7, 16)
    assert not features.requires_grad
    last = agent.actor.numbers[-1]
    torch.testing.assert_close(last(features).softmax(dim=1), answer.probabilities)


def test_without_a_hidden_layer_the_features_are_the_encoders() -> None:
    agent = make(SEEN, "agent.actor.depth=0")
    obs = torch.randn(3, 4, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(agent.forward_features(obs), agent.encode(obs))


def test_an_agent_that_does_not_tell_its_features_says_so() -> None:
    config = compose(["agent=dqn", "suite=digits", "device=cpu"])
    assert isinstance(config.agent, Selection)
    agent = make_agent(config, SEEN, Streams(1))
    with pytest.raises(UsageError, match="DQN has no features before a last layer"):
        agent.forward_features(torch.zeros(1, 4))
    assert agent.act(Batch(obs=torch.zeros(1, 4)), explore=False).probabilities is None


# Flows of other tasks -----------------------------------------------------------------------------------------------------------


def test_a_flow_head_learns_from_noise_of_the_run_and_every_seed_has_its_own() -> None:
    """The noise was a function of the step count alone, the same for all seeds."""
    targets = Spec(Space((4,), "float32"), Space((2,), "float32", -1.0, 1.0), task_type="regress")
    batch = Batch(obs=torch.randn(5, 4, generator=torch.Generator().manual_seed(0)), action=torch.zeros(5, 2), weight=torch.ones(5))
    found = {}
    for seed in (1, 2):
        torch.manual_seed(0)
        agent = make(targets, "objective=nll", "agent.actor.head=flow", "agent.ema=true", f"seed={seed}")
        for parameter in agent.actor.parameters():
            torch.nn.init.constant_(parameter, 0.1)
        policy = agent.policy(agent.encode(batch.obs))
        found[seed] = [policy.log_prob(batch.action).tolist() for _ in range(2)]
        assert agent.streams.state_dict()["flow"] == 2
        assert agent.actor_average.head.policy(torch.zeros(1, 2)).stream is policy.stream  # a copy counts in the same stream
    assert found[1][0] != found[1][1]
    assert found[1] != found[2]
