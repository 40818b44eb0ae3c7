"""TQC, REDQ, DroQ, CrossQ and SimBa: variants of SAC by slow arithmetic, and what their relatives got wrong."""

from __future__ import annotations

import copy
import itertools
import math
from typing import Any

import pytest
import torch

from unified.core.base.errors import UsageError
from unified.core.base.rng import Streams
from unified.core.base.spec import Space, Spec
from unified.core.config.compose import compose
from unified.core.learn.builder import Builder
from unified.core.registry import registry
from unified.core.replay.batch import Batch
from unified.plugins.agents.sac.agent import SAC
from unified.plugins.architectures.heads.values import QuantileValue
from unified.plugins.architectures.noisy import Noise
from unified.plugins.architectures.normalised import BatchRenorm, NormalisedEnsembleMLP
from unified.plugins.objectives.sac_actor.objective import soft_value
from unified.testing.settings import configure
from unified.testing.workshop import default_options, through_a_file

ROWS = 6
NUMBERS, CHOICES = Space((2,), "float32", -1.0, 1.0), Space((), "int64", 0, 1, 2)
VARIANTS = ("tqc", "redq", "droq", "crossq", "simba")
SMALL = ("actor.hidden_dim=8", "critic.hidden_dim=8", "batch_size=6", "learning_starts=0")


def make_agent(name: str, *words: str, action: Space = NUMBERS) -> SAC:
    (component,) = configure([registry().get("agents", name)], [*SMALL, *words])
    with torch.random.fork_rng():
        torch.manual_seed(3)
        build = Builder(torch.device("cpu"), "fp32", Streams(3), registry())
        agent = SAC(Spec(Space((3,), "float32"), action), default_options(component), build)
    agent.configure()
    return agent


def make_batch(action: Space = NUMBERS, rows: int = ROWS) -> Batch:
    generator = torch.Generator().manual_seed(1)
    obs, next_obs = torch.randn(2, rows, 3, generator=generator)
    numbers = torch.rand(rows, 2, generator=generator) * 2 - 1
    return Batch(
        obs=obs,
        next_obs=next_obs + 0.5,
        action=torch.arange(rows) % 2 if action.discrete else numbers,
        reward=torch.rand(rows, generator=generator),
        discount=torch.tensor([0.9] * (rows - 1) + [0.0]),
        weight=torch.ones(rows),
    )


def statistics(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in module.named_buffers()}


@pytest.mark.parametrize("action", [NUMBERS, CHOICES], ids=["numbers", "choices"])
@pytest.mark.parametrize("name", VARIANTS)
def test_each_learns_from_numbers_and_choices_without_a_file_of_its_own(name: str, action: Space) -> None:
    component = registry().get("agents", name)
    assert component.target == "unified.plugins.agents.sac.agent:SAC"
    agent = make_agent(name, action=action)
    for _ in range(3):
        assert agent.learn(make_batch(action)).metrics["nonfinite"] == 0
    assert agent.act(Batch(obs=torch.zeros(2, 3)), explore=True).env_action.shape == (2, *action.shape)


@pytest.mark.parametrize(
    ("name", "task", "expected"),
    [
        ("tqc", "Walker2d-v4", {"critic.members": 5, "critic.head.atoms": 25, "critic.reduce": "truncated(2)", "climb": "average"}),
        ("tqc", "Hopper-v4", {"critic.reduce": "truncated(5)"}),
        ("tqc", "HalfCheetah-v4", {"critic.reduce": "truncated(0)"}),
        ("redq", "Humanoid-v4", {"target_entropy": -2.0, "critic.members": 10, "critic.reduce": "subset(2)", "learning_starts": 5000}),
        ("redq", "Pendulum-v1", {"updates_per_step": 20.0, "policy_delay": 20, "target_entropy": None}),
        ("droq", "Hopper-v4", {"critic.dropout": 1e-4, "critic.norm": "layer", "target_entropy": -1.0, "critic.members": 2}),
        ("droq", "Pendulum-v1", {"critic.dropout": 0.01, "climb": "average"}),
        ("crossq", "Walker2d-v4", {"critic.hidden_dim": 2048, "optimizer.betas": (0.5, 0.999), "policy_delay": 3, "target_critic": False}),
        ("crossq", "Pendulum-v1", {"critic.hidden_dim": 256, "actor.norm": "batch_renorm", "policy_delay": 2, "lr": 1e-3}),
        ("sac", "Hopper-v4", {"critic.reduce": "least", "climb": "least", "policy_delay": 1, "target_critic": True}),
    ],
)
def test_the_settings_of_their_papers(name: str, task: str, expected: dict[str, Any]) -> None:
    config = compose([f"agent={name}", f"suite=gym:{task}"])
    assert config.agent.name == name
    for key, value in expected.items():
        found: Any = config.tree["agent"]
        for part in key.split("."):
            found = found[part]
        assert (tuple(found) if isinstance(found, list) else found) == value, key


# TQC --------------------------------------------------------------------------------------------------------------------------------


def test_the_atoms_of_all_are_pooled_before_the_greatest_go() -> None:
    """Two critics: dropping one atom of each would keep [1, 2, 10, 20]."""
    value = QuantileValue(torch.tensor([[[3.0, 1.0, 2.0]], [[30.0, 10.0, 20.0]]]))
    assert value.truncated(1).numbers.tolist() == [[[1.0, 2.0, 3.0, 10.0]]]
    drawn = torch.randn(5, 7, 25, generator=torch.Generator().manual_seed(0))
    for drop in (0, 2, 5):
        slow = [sorted(float(drawn[member, row, atom]) for member in range(5) for atom in range(25))[: (25 - drop) * 5] for row in range(7)]
        torch.testing.assert_close(QuantileValue(drawn).truncated(drop).numbers[0], torch.tensor(slow))


def test_levels_are_of_the_own_atoms_and_not_of_the_targets() -> None:
    generator = torch.Generator().manual_seed(0)
    own, target = torch.randn(2, 3, 4, generator=generator), torch.randn(1, 3, 6, generator=generator)
    slow = torch.zeros(3)
    for row, member, i, j in itertools.product(range(3), range(2), range(4), range(6)):
        error = float(target[0, row, j] - own[member, row, i])
        huber = 0.5 * error**2 if abs(error) <= 1 else abs(error) - 0.5
        slow[row] += abs((i + 0.5) / 4 - (error < 0)) * huber / 6
    torch.testing.assert_close(QuantileValue(own).loss(QuantileValue(target)), slow)


def test_the_distance_between_different_numbers_of_quantiles_is_that_of_their_steps() -> None:
    generator = torch.Generator().manual_seed(0)
    own, target = torch.randn(2, 3, 4, generator=generator), torch.randn(1, 3, 6, generator=generator)
    slow = torch.zeros(3)
    for row, member, piece in itertools.product(range(3), range(2), range(12)):  # 12 is a multiple of both
        step = own[member, row].sort().values[piece // 3], target[0, row].sort().values[piece // 2]
        slow[row] += float((step[0] - step[1]).abs()) / 12 / 2
    torch.testing.assert_close(QuantileValue(own).td_error(QuantileValue(target)), slow)


def test_without_truncation_one_member_is_sac_of_quantiles() -> None:
    plain = ("critic.head=quantile", "critic.head.atoms=25", "critic.members=1", "climb=least")
    ours, theirs = make_agent("tqc", *plain, "critic.reduce=truncated(0)"), make_agent("sac", *plain)
    batch = make_batch()
    for _ in range(2):
        found, expected = ours.learn(batch).metrics, theirs.learn(batch).metrics
        torch.testing.assert_close(found, expected)


def test_the_target_is_truncated_and_the_actor_climbs_all_atoms() -> None:
    agent = make_agent("tqc", "critic.members=2", "critic.head.atoms=4", "critic.reduce=truncated(1)")
    batch = agent.encode_batch(make_batch())
    counters = agent.streams.state_dict()
    found = agent.bootstrap(batch)
    agent.streams.rewind(counters)
    action, log_prob = agent.policy(batch.next_features).sample_and_log_prob(agent.generator("target"))
    atoms = agent.critic_target(batch.next_features, action).numbers  # (2, B, 4)
    slow = [sorted(atoms[:, row].flatten().tolist())[:6] for row in range(ROWS)]
    torch.testing.assert_close(found.numbers[0], torch.tensor(slow) - log_prob[:, None])  # α is 1
    agent.streams.rewind(counters)
    value, _ = soft_value(agent, batch, agent.options.climb)
    agent.streams.rewind(counters)
    action, _ = agent.policy(batch.features).sample_and_log_prob(agent.noise())
    torch.testing.assert_close(value.mean[0], agent.critic(batch.features, action).numbers.mean(dim=(0, 2)))


@pytest.mark.parametrize("words", [["critic.head=scalar"], ["critic.head.atoms=2"]], ids=str)
def test_what_cannot_be_truncated_is_refused(words: list[str]) -> None:
    with pytest.raises(UsageError, match=r"critic.reduce=truncated\(2\) drops as many quantiles"):
        make_agent("tqc", *words)


@pytest.mark.parametrize("reduce", ["truncated", "subset(0)", "subset(-1)", "leest", "least(2)", "mixture()"])
def test_what_is_no_reduction_is_refused(reduce: str) -> None:
    with pytest.raises(UsageError, match="least, average, mixture, subset"):
        compose(["agent=sac", "suite=gym:Pendulum-v1", f"critic.reduce={reduce}"])


# REDQ -------------------------------------------------------------------------------------------------------------------------------


def test_a_new_pair_of_members_in_each_update_one_for_all_rows_and_pieces() -> None:
    agent = make_agent("redq", "critic.members=5")
    pairs = []
    for update in range(600):
        agent.updates = update
        columns = [agent.encode_batch(piece).subset for _, piece in make_batch().split(2)]
        assert all((column == columns[0][0]).all() for column in columns)
        pairs.append(tuple(sorted(columns[0][0].tolist())))
    counts = {pair: pairs.count(pair) for pair in itertools.combinations(range(5), 2)}
    assert sum(counts.values()) == 600  # two different members
    assert all(30 < count < 95 for count in counts.values())  # 60 each, by chance


def test_the_target_is_the_least_of_the_pair_and_the_actor_climbs_the_average() -> None:
    agent = make_agent("redq")
    batch = agent.encode_batch(make_batch())
    counters = agent.streams.state_dict()
    found = agent.bootstrap(batch).mean[0]
    agent.streams.rewind(counters)
    action, log_prob = agent.policy(batch.next_features).sample_and_log_prob(agent.generator("target"))
    values = agent.critic_target(batch.next_features, action).mean
    one, other = batch.subset[0].tolist()
    torch.testing.assert_close(found, torch.minimum(values[one], values[other]) - log_prob)
    assert not torch.allclose(found, values.amin(dim=0) - log_prob)
    agent.streams.rewind(counters)
    value, _ = soft_value(agent, batch, agent.options.climb)
    agent.streams.rewind(counters)
    action, _ = agent.policy(batch.features).sample_and_log_prob(agent.noise())
    torch.testing.assert_close(value.mean[0], agent.critic(batch.features, action).mean.mean(dim=0))


def test_all_members_move_at_once_and_the_actor_once_for_each_step() -> None:
    agent = make_agent("redq", "policy_delay=3")
    assert {len(weight) for weight in agent.critic.values.weights} == {10}
    moved = []
    for _ in range(6):
        before = {name: value.clone() for name, value in agent.named_parameters()}
        agent.learn(make_batch())
        moved.append({name.split(".")[0] for name, value in agent.named_parameters() if not torch.equal(value, before[name])})
    often = {"critic", "critic_target"}
    assert moved == [often, often, {*often, "actor", "alpha"}] * 2


def test_a_subset_of_more_members_than_there_are_is_refused() -> None:
    with pytest.raises(UsageError, match=r"critic\.reduce=subset\(2\) takes 2 of 1 members +critic\.members=2"):
        compose(["agent=redq", "suite=gym:Pendulum-v1", "critic.members=1"])


# DroQ -------------------------------------------------------------------------------------------------------------------------------


def test_hidden_layers_are_linear_dropout_norm_relu_with_a_mask_for_each_member() -> None:
    streams = Streams(1)
    network = NormalisedEnsembleMLP(3, 2, Noise(streams["noise"]), members=2, hidden_dim=16, depth=2, norm="layer", dropout=0.4)
    for parameter in (*network.scales, *network.shifts):
        torch.nn.init.normal_(parameter)
    inputs = torch.randn(5, 3)
    found = network(inputs)
    generator = Streams(1)["noise"].torch()
    masks = [torch.rand(2, 5, 16, generator=generator) >= 0.4 for _ in range(2)]
    assert all((mask[0] != mask[1]).any() for mask in masks)
    for member in range(2):
        hidden = inputs
        for layer in range(2):
            hidden = (hidden @ network.weights[layer][member] + network.biases[layer][member]) * masks[layer][member] / 0.6
            mean, var = hidden.mean(dim=1, keepdim=True), hidden.var(dim=1, keepdim=True, correction=0)
            scale, shift = network.scales[layer][member], network.shifts[layer][member]
            hidden = ((hidden - mean) / (var + 1e-5).sqrt() * scale + shift).clamp(min=0)
        torch.testing.assert_close(found[member], hidden @ network.weights[2][member] + network.biases[2][member])


def test_dropout_is_on_in_prediction_target_and_for_the_actor_and_off_in_evaluation() -> None:
    agent = make_agent("droq", "critic.dropout=0.5")
    batch = agent.encode_batch(make_batch())
    places = {
        "prediction": lambda: agent.critic(batch.features, batch.action).mean,
        "target": lambda: agent.target_value(batch, batch.action).mean,
        "actor": lambda: soft_value(agent, batch, "average")[0].mean,
    }
    for place, value_of in places.items():
        noise = agent.streams["policy"].count
        first = value_of()
        agent.streams["policy"].count = noise
        assert not torch.equal(first, value_of()), place
    agent.train(False)
    assert torch.equal(places["prediction"](), places["prediction"]())
    assert torch.equal(places["target"](), places["target"]())


def test_entropy_makes_a_target_greater() -> None:
    """A policy of two equally likely choices worth 0 each: V = α log 2. The sign was hidden in a helper elsewhere."""
    agent = make_agent("droq", action=CHOICES)
    with torch.no_grad():
        for part in (agent.critic_target, agent.actor):
            for parameter in part.parameters():
                parameter.zero_()
    value = agent.bootstrap(agent.encode_batch(make_batch(CHOICES))).mean
    torch.testing.assert_close(value, torch.full_like(value, math.log(2.0)))


# CrossQ -----------------------------------------------------------------------------------------------------------------------------


def test_one_pass_sees_rows_and_next_rows_together() -> None:
    agent = make_agent("crossq")
    batch = agent.encode_batch(make_batch())
    counters = agent.streams.state_dict()
    assert not agent.targets
    network = copy.deepcopy(agent.critic.values)
    with torch.no_grad():
        target = agent.bootstrap(batch)
    agent.streams.rewind(counters)
    with torch.no_grad():
        action, log_prob = agent.policy(batch.next_features).sample_and_log_prob(agent.generator("target"))

    def slow(rows: torch.Tensor) -> torch.Tensor:
        found = []
        for member in range(2):
            hidden = rows
            for layer, (weight, bias) in enumerate(zip(network.weights, network.biases, strict=True)):
                mean, var = hidden.mean(dim=0), hidden.var(dim=0, correction=0)
                hidden = (hidden - mean) / (var + 1e-3).sqrt() @ weight[member] + bias[member]
                hidden = hidden.clamp(min=0) if layer < 2 else hidden
            found.append(hidden[:, 0])
        return torch.stack(found)

    rows, after = torch.cat([batch.obs, batch.action], dim=1), torch.cat([batch.next_obs, action], dim=1)
    joint = slow(torch.cat([rows, after]))
    torch.testing.assert_close(target.mean[0], joint[:, ROWS:].amin(dim=0) - log_prob, rtol=1e-4, atol=1e-5)
    prediction = batch.once("prediction", lambda: pytest.fail("the prediction was not made together with the target"))
    torch.testing.assert_close(prediction.mean, joint[:, :ROWS], rtol=1e-4, atol=1e-5)
    assert prediction.mean.requires_grad
    assert not target.mean.requires_grad
    assert not torch.allclose(prediction.mean, slow(rows), atol=1e-3)  # two passes


def test_only_the_phase_of_a_part_moves_its_statistics() -> None:
    agent = make_agent("crossq", "policy_delay=1")
    batch, obs = make_batch(), torch.randn(1, 3)
    start = statistics(agent)
    for explore in (False, True):
        agent.act(Batch(obs=obs), explore=explore)
    assert all(torch.equal(value, start[name]) for name, value in agent.named_buffers())
    critic_phase, actor_phase = agent.phase_list
    agent.phase_list = [actor_phase]
    agent.learn(batch)
    now = statistics(agent)
    assert all(torch.equal(value, now[name]) for name, value in start.items() if name.startswith("critic"))
    assert all(not torch.equal(value, now[name]) for name, value in start.items() if name.startswith("actor"))
    agent.phase_list = [critic_phase]
    agent.learn(batch)
    later = statistics(agent)
    assert all(torch.equal(value, later[name]) for name, value in now.items() if name.startswith("actor"))
    assert all(not torch.equal(value, later[name]) for name, value in now.items() if name.startswith("critic"))


def test_the_running_statistics_take_a_hundredth_of_a_batch() -> None:
    """The authors' momentum of 0.99 is the share that is kept; PyTorch's is the share that is new."""
    module, rows = BatchRenorm(2), torch.tensor([[1.0, 2.0], [3.0, 6.0]])
    module(rows)
    torch.testing.assert_close(module.running_mean, torch.tensor([0.02, 0.04]))
    torch.testing.assert_close(module.running_var, 0.99 + 0.01 * torch.tensor([1.0, 4.0]))
    assert module.num_batches_tracked == 1


def test_after_its_warm_up_it_corrects_towards_the_running_statistics() -> None:
    module = BatchRenorm(3, warm_up=0)
    with torch.no_grad():
        module.running_mean.copy_(torch.tensor([0.5, 100.0, 0.0]))
        module.running_var.copy_(torch.tensor([4.0, 1.0, 1e-6]))
    mean, var = module.running_mean.clone(), module.running_var.clone()
    rows = torch.randn(5, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    found = module(rows)
    mean_here, std_here = rows.mean(dim=0), (rows.var(dim=0, correction=0) + 1e-3).sqrt()
    std = (var + 1e-3).sqrt()
    r, d = (std_here / std).clamp(1 / 3, 3).detach(), ((mean_here - mean) / std).clamp(-5, 5).detach()
    expected = (rows - mean_here) / std_here * r + d
    torch.testing.assert_close(found, expected)
    assert d.tolist()[1] == -5.0
    assert r.tolist()[2] == 3.0
    weights = torch.arange(15.0).view(5, 3)
    torch.testing.assert_close(
        torch.autograd.grad((found * weights).sum(), rows)[0], torch.autograd.grad((expected * weights).sum(), rows)[0]
    )


def test_rows_may_be_permuted_and_are_judged_alone() -> None:
    agent, rows = make_agent("crossq"), torch.randn(7, 3)
    action, order = torch.randn(7, 2), torch.randperm(7)
    for _ in range(5):
        agent.learn(make_batch())
    learned, permuted = agent.critic(rows, action).mean, agent.critic(rows[order], action[order]).mean
    torch.testing.assert_close(permuted, learned[:, order])
    agent.train(False)
    judged = agent.critic(rows, action).mean
    torch.testing.assert_close(agent.critic(rows[:1], action[:1]).mean, judged[:, :1])
    torch.testing.assert_close(agent.policy(rows[:1]).mode, agent.policy(rows).mode[:1])
    assert not torch.allclose(judged, learned, atol=1e-3)
    assert torch.isfinite(agent.critic(rows[:1], action[:1]).mean).all()


def test_the_agent_knows_that_rows_mix_and_the_checkpoint_has_the_statistics() -> None:
    agent = make_agent("crossq")
    assert agent._mixes_rows
    assert not make_agent("droq")._mixes_rows
    agent.learn(make_batch())
    state = through_a_file(agent.training_state())
    other = make_agent("crossq")
    other.load_training_state(state)
    names = [name for name, _ in agent.named_buffers()]
    assert any("critic.values.before.0.running_mean" in name for name in names)
    assert any(name.startswith("actor") for name in names)
    assert all(torch.equal(value, dict(other.named_buffers())[name]) for name, value in agent.named_buffers())


def test_a_target_copies_the_statistics() -> None:
    agent = make_agent("crossq", "target_critic=true")
    agent.learn(make_batch())
    copies = dict(agent.critic_target.named_buffers())
    assert all(torch.equal(value, copies[name]) for name, value in agent.critic.named_buffers())
    assert not agent.critic_target.values.before[0].learns


def test_a_batch_of_what_is_no_number_leaves_the_statistics() -> None:
    module = BatchRenorm(2)
    module(torch.full((3, 2), math.nan))
    assert torch.isfinite(module.running_mean).all()
    assert module.num_batches_tracked == 0


# SimBa ------------------------------------------------------------------------------------------------------------------------------


def test_simba_is_residual_and_normalised_at_the_end() -> None:
    network = registry().get("architectures", "simba").load()(3, hidden_dim=4, depth=2)
    rows = torch.randn(5, 3)
    first, *blocks, last = network
    hidden = rows @ first.weight.T + first.bias
    for block in blocks:
        mean, var = hidden.mean(dim=1, keepdim=True), hidden.var(dim=1, keepdim=True, correction=0)
        inner = ((hidden - mean) / (var + 1e-5).sqrt() @ block.inner.weight.T + block.inner.bias).clamp(min=0)
        assert inner.shape == (5, 16)
        hidden = hidden + inner @ block.outer.weight.T + block.outer.bias
    mean, var = hidden.mean(dim=1, keepdim=True), hidden.var(dim=1, keepdim=True, correction=0)
    torch.testing.assert_close(network(rows), (hidden - mean) / (var + 1e-5).sqrt())
    assert isinstance(last, torch.nn.LayerNorm)
    assert sum(isinstance(module, torch.nn.LayerNorm) for module in network.modules()) == 3


def test_simba_decays_everything_but_the_temperature_and_keeps_half_the_entropy() -> None:
    agent = make_agent("simba")
    assert agent.target_entropy == -1.0
    decays = {part: {group["weight_decay"] for group in optimizer.param_groups} for part, optimizer in agent.updater.optimizers.items()}
    assert decays == {"critic": {1e-2}, "actor": {1e-2}, "alpha": {0.0}}
    assert agent.alpha().item() == pytest.approx(0.01)
    assert compose(["agent=simba", "suite=dmc:walker_walk"]).agent.options.critic.members == 1
    assert compose(["agent=simba", "suite=gym:Hopper-v4"]).agent.options.critic.members == 2


# All of them ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["agent=sac", "critic=mlp", "critic.dropout=0.1"], "dropout"),
        (["agent=dqn", "critic.late_action=true"], "takes numbers"),
    ],
    ids=["a network of one's own", "choices"],
)
def test_options_that_nothing_would_read_are_refused(words: list[str], message: str) -> None:
    from unified.core.trainer.build import make_agent as made

    def start() -> None:
        space = CHOICES if "agent=dqn" in words else NUMBERS
        made(compose(["suite=gym:Pendulum-v1", *words]), Spec(Space((3,), "float32"), space), Streams(1))

    with pytest.raises(UsageError, match=message):
        start()
