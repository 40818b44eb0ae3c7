"""PPO with a memory against slow references, and the mistakes of recurrent PPO elsewhere."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch

from unified.core.base.errors import UsageError
from unified.core.base.rng import Streams
from unified.core.base.spec import Space, Spec
from unified.core.envs.suite_ref import SuiteReference
from unified.core.envs.vector_env import WorkerVectorEnv
from unified.core.learn.builder import Builder
from unified.core.registry import registry
from unified.core.replay.batch import Batch
from unified.core.replay.buffer import Replay
from unified.core.replay.rollout import gather_rollout
from unified.core.replay.views import Rollout, RolloutSequences
from unified.core.trainer.sources import EnvCollector
from unified.plugins.agents.ppo.agent import PPO

MEMORIES = pytest.mark.parametrize("memory", ["gru", "lstm"])
#: The course's episodes have 1 to 6 steps: most sequences have some ends inside, at terminal states and at the time limit.
COURSE = {"discrete": True, "length": 6}


def make_agent(spec: Spec, memory: Any = "gru", **changes: Any) -> PPO:
    given = {"hidden_dim": 16, "n_steps": 12, "batch_size": 12, "epochs": 1, "sequence_length": 5, "memory": memory, **changes}
    options = registry().get("agents", "ppo").options_model()(**given)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        agent = PPO(spec, options, Builder(torch.device("cpu"), "fp32", Streams(3), registry()))
    agent.configure()
    return agent


def lived(memory: str, count: int = 3, steps: int = 12, stream: str = "environment", **changes: Any) -> tuple[PPO, Replay, EnvCollector]:
    """A rollout of `count` environments in the replay."""
    reference = SuiteReference("core.trainer.course:Course", "", COURSE, "core.trainer.course:CourseOptions")
    environments = WorkerVectorEnv(reference, count, 5, stream, "inline")
    agent = make_agent(environments.spec, memory, **changes)
    replay = Replay(environments.spec, agent.view, 400, count, agent.streams, extra=agent.extra_columns)
    collector = EnvCollector(environments, agent, replay)
    collector.start()
    for _ in range(steps):
        collector.step_async()
        collector.step_wait()
    return agent, replay, collector


@torch.no_grad()
def replayed(agent: PPO, replay: Replay, env_id: int) -> list[dict[str, Any]]:
    """The slow reference: the agent's networks along the rows of one environment, one step at a time."""
    rows, store = [], replay.store
    state = agent.initial_state(1)
    for slot in range(int(store.tail[env_id]), int(store.head[env_id])):
        index = int(store.index(env_id, slot))
        if store.data["step"][index] == 0:
            state = agent.initial_state(1)
        obs = torch.from_numpy(store.data["obs"][index][None].copy())
        features, after = agent.memory.step(agent.encoder(obs), state)
        policy, value = agent.actor(features), agent.critic(features).mean[0, 0]
        rows.append(
            {"index": index, "features": features[0], "policy": policy, "value": value, "before": state, "last": store.data["last"][index]}
        )
        state = after
    return rows


def each_row(agent: PPO, replay: Replay) -> dict[int, dict[str, Any]]:
    return {row["index"]: row for env_id in range(replay.store.num_envs) for row in replayed(agent, replay, env_id) if not row["last"]}


@MEMORIES
def test_features_along_sequences_are_those_of_single_steps(memory: str) -> None:
    agent, replay, _ = lived(memory)
    wanted = each_row(agent, replay)
    for batch in replay.batches(0, agent.process_rollout):
        found = agent.encode_batch(batch)
        assert batch.is_first.sum() > 1
        assert not batch.mask.all()
        for index, features in zip(found.index.tolist(), found.features, strict=True):
            torch.testing.assert_close(features, wanted[index]["features"], atol=1e-5, rtol=1e-5)


@MEMORIES
def test_before_the_first_update_the_ratio_is_one_everywhere(memory: str) -> None:
    """It is not where a state is reset one step late, a sequence starts from zeros, or sequences and steps change places."""
    agent, replay, _ = lived(memory)
    for batch in replay.batches(0, agent.process_rollout):
        rows = agent.encode_batch(batch)
        assert torch.equal(rows.log_prob.isfinite(), torch.ones(len(rows.log_prob), dtype=torch.bool))
        torch.testing.assert_close(agent.policy(rows.features).log_prob(rows.action), rows.log_prob, atol=1e-5, rtol=1e-5)


@MEMORIES
def test_rows_keep_the_state_before_their_step(memory: str) -> None:
    agent, replay, _ = lived(memory)
    rows = gather_rollout(agent.view, replay)
    wanted = each_row(agent, replay)
    for number, index in enumerate(rows.index.tolist()):
        for name, state in rows.state.items():
            torch.testing.assert_close(state[number], wanted[index]["before"][name][0], atol=1e-5, rtol=1e-5)


@MEMORIES
def test_advantages_follow_from_the_values_along_each_episode(memory: str) -> None:
    agent, replay, _ = lived(memory, gae_lambda=0.9, discount=0.97)
    rows, store = agent.process_rollout(gather_rollout(agent.view, replay)), replay.store
    wanted: dict[int, float] = {}
    for env_id in range(store.num_envs):
        steps, running = replayed(agent, replay, env_id), 0.0
        for step, after in zip(reversed(steps[:-1]), reversed(steps[1:]), strict=True):
            if step["last"]:
                continue
            follows = 0.0 if store.data["terminated"][step["index"]] else 0.97
            delta = float(store.data["reward"][step["index"]]) + follows * float(after["value"]) - float(step["value"])
            running = delta + (0.0 if after["last"] else follows * 0.9 * running)
            wanted[step["index"]] = running
    assert sorted(wanted) == sorted(rows.index.tolist())
    for index, advantage in zip(rows.index.tolist(), rows.advantage.tolist(), strict=True):
        assert math.isclose(advantage, wanted[index], abs_tol=1e-4)


@MEMORIES
def test_a_time_limit_is_bootstrapped_from_the_state_after_its_last_step(memory: str) -> None:
    agent, replay, _ = lived(memory, gae_lambda=0.0)
    rows, store = agent.process_rollout(gather_rollout(agent.view, replay)), replay.store
    found = dict(zip(rows.index.tolist(), rows.advantage.tolist(), strict=True))
    checked = 0
    for env_id in range(store.num_envs):
        steps = replayed(agent, replay, env_id)
        for step, after in pairwise(steps):
            index = step["index"]
            if after["last"] and not step["last"] and not store.data["terminated"][index]:
                after_reset = agent.critic(
                    agent.memory.step(agent.encoder(torch.from_numpy(store.data["obs"][after["index"]][None])), agent.initial_state(1))[0]
                )
                td = [
                    float(store.data["reward"][index]) + 0.99 * float(v) - float(step["value"])
                    for v in (after["value"], after_reset.mean[0, 0])
                ]
                assert math.isclose(found[index], td[0], abs_tol=1e-5)
                assert not math.isclose(found[index], td[1], abs_tol=1e-5)
                checked += 1
    assert checked > 0


@MEMORIES
def test_padding_changes_neither_loss_nor_gradient(memory: str) -> None:
    """Whatever the padded steps hold: no mean, no standard deviation and no divergence sees them."""
    results = []
    for scale in (1.0, 1e6):
        agent, replay, _ = lived(memory, batch_size=64)
        (batch,) = replay.batches(0, agent.process_rollout)
        assert not batch.mask.all()
        spoilt = {
            name: torch.where(
                batch.mask.view(*batch.mask.shape, *[1] * (column.dim() - 2)), column, (column * scale + scale).to(column.dtype)
            )
            for name, column in batch.items()
            if name in ("obs", "advantage", "return", "log_prob", "reward")
        }
        result = agent.learn(batch.with_columns(**(spoilt if scale > 1 else {})))
        results.append((result.metrics, dict(agent.named_parameters())))
    for ours, theirs in zip(*results, strict=True):
        for name in ours:
            assert torch.equal(ours[name], theirs[name]), name


@MEMORIES
def test_the_loss_of_a_minibatch_is_the_mean_over_its_valid_steps(memory: str) -> None:
    agent, replay, _ = lived(memory, batch_size=64)
    (batch,) = replay.batches(0, agent.process_rollout)
    rows, wanted = agent.encode_batch(batch), each_row(agent, replay)
    advantage = rows.advantage
    standard = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
    ratio = torch.stack([wanted[i]["policy"].log_prob(a[None])[0] for i, a in zip(rows.index.tolist(), rows.action, strict=True)])
    ratio = (ratio - rows.log_prob).exp()
    surrogate = -torch.minimum(ratio * standard, ratio.clamp(0.8, 1.2) * standard).mean()
    value = torch.stack([wanted[index]["value"] for index in rows.index.tolist()])
    regression = 0.5 * (value - rows["return"]).pow(2).mean()
    result = agent.learn(batch)
    assert math.isclose(float(result.metrics["policy_loss"]), float(surrogate + regression), rel_tol=1e-3, abs_tol=1e-5)


@MEMORIES
def test_the_order_of_environments_changes_nothing(memory: str) -> None:
    agent, replay, _ = lived(memory, batch_size=64)
    (batch,) = replay.batches(0, agent.process_rollout)
    order = torch.randperm(len(batch.mask), generator=torch.Generator().manual_seed(1))
    found = [
        agent.encode_batch(Batch({name: column[rows] for name, column in batch.items()})) for rows in (torch.arange(len(order)), order)
    ]
    by_index = [dict(zip(each.index.tolist(), each.features, strict=True)) for each in found]
    assert by_index[0].keys() == by_index[1].keys()
    for index, features in by_index[0].items():
        torch.testing.assert_close(features, by_index[1][index])


def test_the_length_of_sequences_changes_no_feature() -> None:
    """Each starts from its stored state: one sequence of twelve steps is two of six, and twelve of one."""
    features = []
    for length in (12, 6, 1):
        agent, replay, _ = lived("lstm", sequence_length=length, batch_size=64)
        (batch,) = replay.batches(0, agent.process_rollout)
        rows = agent.encode_batch(batch)
        features.append(dict(zip(rows.index.tolist(), rows.features, strict=True)))
    for index, row in features[0].items():
        torch.testing.assert_close(row, features[1][index], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(row, features[2][index], atol=1e-5, rtol=1e-5)


def test_environments_share_no_state() -> None:
    """An environment acts alike alone and among others."""
    agent = make_agent(Spec(Space((4,), "float32"), Space((), "int64", 0, 2, 3)), "lstm")
    obs, state = torch.randn(3, 4), {name: torch.randn_like(rows) for name, rows in agent.initial_state(3).items()}

    def act(rows: slice) -> Any:
        columns = {f"state.{name}": values[rows] for name, values in state.items()}
        return agent.act(Batch({"obs": obs[rows], "is_first": torch.zeros(3, dtype=torch.bool)[rows], **columns}), explore=False).state

    together = act(slice(0, 3))
    for row in range(3):
        for name, values in act(slice(row, row + 1)).items():
            torch.testing.assert_close(values[0], together[name][row])


@MEMORIES
def test_an_update_moves_the_memory_and_every_state_stays_finite(memory: str) -> None:
    agent, replay, collector = lived(memory)
    before = {name: parameter.detach().clone() for name, parameter in agent.memory.named_parameters()}
    for batch in replay.batches(0, agent.process_rollout):
        metrics = agent.learn(batch).metrics
        assert not metrics["nonfinite"]
    assert not any(torch.equal(before[name], parameter) for name, parameter in agent.memory.named_parameters())
    for _ in range(12):
        collector.step_async()
        collector.step_wait()
    assert all(np.isfinite(replay.store.data[name]).all() for name in replay.store.data if name.startswith("state."))


def test_accumulated_gradients_are_those_of_the_whole_minibatch() -> None:
    """Sequences of different lengths: a piece counts by its valid steps. The critic's: advantages are standardised within a piece."""
    moved = []
    for pieces in (1, 2):
        agent, replay, _ = lived("lstm", batch_size=60, optimizer={"gradient_accumulation": pieces}, vf_coef=1.0)
        (batch,) = replay.batches(0, agent.process_rollout)
        agent.learn(batch.with_columns(advantage=torch.zeros_like(batch.advantage)))
        moved.append([parameter.detach().clone() for parameter in agent.critic.parameters()])
    torch.testing.assert_close(moved[0], moved[1], atol=1e-5, rtol=1e-4)


def test_numbers_and_pictures_have_a_memory_too() -> None:
    for observation in (Space((3,), "float32"), Space((3, 24, 24), "uint8", 0, 255)):
        agent = make_agent(Spec(observation, Space((2,), "float32", -1.0, 1.0)), "gru", stack=1)
        state = {f"state.{name}": rows for name, rows in agent.initial_state(2).items()}
        obs = torch.zeros(2, *observation.shape, dtype=getattr(torch, observation.dtype))
        action = agent.act(Batch({"obs": obs, "is_first": torch.ones(2, dtype=torch.bool), **state}), explore=True)
        assert action.env_action.shape == (2, 2)
        assert action.extra.keys() == agent.extra_columns.keys()


def test_a_loss_of_the_critic_moves_the_actors_memory_only_where_they_share_one() -> None:
    for shared in (False, True):
        agent, replay, _ = lived("lstm", batch_size=64, vf_coef=1.0, shared_memory=shared)
        (batch,) = replay.batches(0, agent.process_rollout)
        actor = agent.memory if shared else agent.memory.actor
        before = [parameter.detach().clone() for parameter in actor.parameters()]
        agent.learn(batch.with_columns(advantage=torch.zeros_like(batch.advantage)))  # no gradient of the policy
        assert all(map(torch.equal, before, actor.parameters())) is not shared


def test_two_memories_are_two_networks_side_by_side() -> None:
    agent = make_agent(Spec(Space((4,), "float32"), Space((), "int64", 0, 2, 3)), "lstm")
    features, state = torch.randn(3, 4), {name: torch.randn_like(rows) for name, rows in agent.initial_state(3).items()}
    assert sorted(state) == ["actor_c", "actor_h", "critic_c", "critic_h"]
    outputs, after = agent.memory.step(features, state)
    for half, (name, memory) in zip(outputs.chunk(2, -1), (("actor", agent.memory.actor), ("critic", agent.memory.critic)), strict=True):
        wanted, states = memory.step(features, {key: state[f"{name}_{key}"] for key in ("h", "c")})
        assert torch.equal(half, wanted)
        assert all(torch.equal(after[f"{name}_{key}"], rows) for key, rows in states.items())
    torch.testing.assert_close(
        agent.policy(outputs).log_prob(torch.tensor([0, 1, 1])), agent.actor[1](outputs[:, :64]).log_prob(torch.tensor([0, 1, 1]))
    )
    assert torch.equal(agent.critic(outputs).mean, agent.critic[1](outputs[:, 64:]).mean)


def test_without_a_memory_nothing_changes() -> None:
    agent = make_agent(Spec(Space((4,), "float32"), Space((), "int64", 0, 2, 3)), None)
    assert type(agent.view) is Rollout
    assert agent.initial_state(3) == {}
    assert list(agent.extra_columns) == ["log_prob"]
    assert agent.act(Batch(obs=torch.zeros(2, 4)), explore=False).state == {}
    assert type(make_agent(agent.spec).view) is RolloutSequences


def test_a_network_without_a_state_is_no_memory() -> None:
    with pytest.raises(UsageError, match=r"agent\.memory=mlp has no state"):
        make_agent(Spec(Space((4,), "float32"), Space((), "int64", 0, 2, 3)), "mlp")
