"""Options that agents inherit. Torch-free."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from unified.core.components.options import Options, ScheduleText
from unified.core.config.schema import Part
from unified.core.learn.options import LearningOptions
from unified.plugins.architectures.reductions import Reduction


def _is_a_reduction(text: str) -> str:
    Reduction.of(text)
    return text


class NoiseOptions(Options):
    """Noise that is added to actions while the agent explores; actions lie within [-1, 1], and noise takes none beyond."""

    selects: ClassVar[tuple[str, ...]] = ("theta", "dt")

    name: Literal["gaussian", "ou"] = "gaussian"
    """gaussian: new in each step; ou: a process of Ornstein and Uhlenbeck, whose noise is like that of the step before."""
    std: ScheduleText = "0.1"
    """Standard deviation of gaussian noise, over agent steps; of ou its σ, and the noise has σ/√(2θ) in the long run."""
    theta: float | None = Field(None, gt=0)
    """Rate at which the noise of ou returns to 0: x ← x - θ x dt + σ √dt ε; null: 0.15."""
    dt: float | None = Field(None, gt=0)
    """Time of an agent step in the process of ou, which remembers 1 / (θ dt) steps; null: 0.01."""
    epsilon: float = Field(0.0, ge=0, le=1)
    """Probability of a uniformly random action instead, for each environment by itself."""
    ramp: bool = False
    """Whether the deviation rises from 0 in the first environment to its whole size in the last one."""

    @model_validator(mode="after")
    def _is_read(self) -> Self:
        if self.name == "gaussian" and (self.theta is not None or self.dt is not None):
            raise ValueError("theta and dt are of noise=ou; gaussian noise has only std")
        return self


class ActorOptions(Options):
    """Options of an actor."""

    short_for: ClassVar[str] = "network"
    selects: ClassVar[tuple[str, ...]] = ("hidden_dim", "depth", "norm")

    network: Part | None = None
    """Architecture between features and the last layer; by default an mlp of hidden_dim and depth."""
    head: Part | None = None
    """Distribution of the policy, a policy head; by default the agent chooses."""
    hidden_dim: int = Field(256, ge=1)
    """Units of each hidden layer."""
    depth: int = Field(2, ge=0)
    """Hidden layers."""
    norm: Literal["layer", "batch_renorm"] | None = None
    """Normalisation of the hidden layers: layer, before each ReLU; batch_renorm, before each layer (CrossQ)."""
    last_init: float | None = Field(None, gt=0)
    """Greatest size of the weights and biases of the last layer at the start, which are uniform; null: orthogonal weights."""


class CriticOptions(Options):
    """Options of a critic, or of several."""

    short_for: ClassVar[str] = "network"
    selects: ClassVar[tuple[str, ...]] = ("hidden_dim", "depth", "norm", "dropout", "late_action")

    network: Part | None = None
    """Architecture between features (and action) and the last layer; by default an mlp of hidden_dim and depth."""
    head: Part = "scalar"
    """Representation of a value, a value head: scalar, categorical, quantile, implicit_quantile, two_hot, hl_gauss."""
    hidden_dim: int = Field(256, ge=1)
    """Units of each hidden layer."""
    depth: int = Field(2, ge=0)
    """Hidden layers."""
    norm: Literal["layer", "batch_renorm"] | None = None
    """Normalisation of the hidden layers: layer, before each ReLU; batch_renorm, before each layer (CrossQ)."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Probability that a hidden unit is 0, in each member by itself, in predictions, in targets and for the actor (DroQ)."""
    late_action: bool = False
    """Whether the action joins the features behind the first hidden layer, which the members then share (Lillicrap et al. 2015)."""
    last_init: float | None = Field(None, gt=0)
    """Greatest size of the weights and biases of the last layer at the start, which are uniform; null: orthogonal weights."""
    members: int = Field(1, ge=1)
    """Critics in the ensemble, which differ in their first parameters."""
    reduce: Annotated[str, AfterValidator(_is_a_reduction)] = "least"
    """Reduction of the target critics to one: least, average, mixture (random, as the prediction then: REM), subset(K) (the least of K
    random ones: REDQ), truncated(K) (the quantiles of all without the K greatest of each: TQC)."""
    dueling: bool = False
    """Separate streams for V(s) and for advantages, where actions are choices."""
    noisy: bool = False
    """Exploration by noise in the weights, of a learned size; off in evaluation."""
    v_min: float = -10.0
    """Least return, for heads that have one."""
    v_max: float = 10.0
    """Greatest return, for heads that have one."""

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if self.v_min >= self.v_max:
            raise ValueError("v_min must be less than v_max")
        reduction = Reduction.of(self.reduce)
        if reduction.name == "subset" and reduction.count > self.members:
            what = f"critic.reduce={self.reduce} takes {reduction.count} of {self.members} members"
            raise ValueError(f"{what}   critic.members={reduction.count}")
        return self


class TwinCriticOptions(CriticOptions):
    """Options of two critics, the lesser of which is the target."""

    members: int = Field(2, ge=1)
    """Critics in the ensemble, which differ in their first parameters."""


class OffPolicyOptions(LearningOptions):
    """Options of agents that learn from transitions of a replay (`OffPolicyAgent`)."""

    batch_size: int = Field(256, ge=1)
    """Transitions of an update."""
    n_step: int = Field(1, ge=1)
    """Steps of a return before the bootstrap."""
    discount: float = Field(0.99, ge=0, le=1)
    """γ of one agent step."""
    stack: int = Field(3, ge=1)
    """Frames in one observation; counts only for pixels."""
    tau: float = Field(0.005, gt=0, le=1)
    """Rate at which target networks follow; 1 copies."""
    learning_starts: int = Field(1000, ge=0)
    """Agent steps of uniform random actions before learning starts."""
    updates_per_step: float = Field(1.0, ge=0)
    """Updates for each agent step."""
    encoder: Part | None = None
    """Architecture of the encoder; by default drqv2_cnn for pixels (cnn for tiny ones) and identity for vectors."""
    aug: Part | None = None
    """Augmentation of pictures that are learned from; by default random shifts of pixels, if the agent has agent.pad."""


class ActorCriticOptions(OffPolicyOptions):
    """Options of off-policy agents with an actor and twin critics."""

    policy_delay: int = Field(1, ge=1)
    """Updates of the critics for each update of the actor."""
    clip_target: bool = False
    """Whether targets of the critics stay within the returns that the task's range of rewards allows."""
    climb: Literal["least", "average", "first"] = "least"
    """Which of several critics the actor climbs: the least, their average, or the first one."""

    pad: int = Field(4, ge=0)
    """Greatest random shift, in pixels (Kostrikov et al. 2020, DrQ); counts only for pixels."""
    feature_dim: int = Field(50, ge=1)
    """Features of pixels behind the bottlenecks of actor and critic."""
    actor: ActorOptions = ActorOptions()
    """The policy."""
    critic: TwinCriticOptions = TwinCriticOptions()
    """The critics."""


class RolloutOptions(LearningOptions):
    """Options of agents that learn from rollouts of several environments, in passes over minibatches, and then forget them."""

    n_steps: int = Field(256, ge=1)
    """Steps of each environment in a rollout."""
    epochs: int = Field(10, ge=1)
    """Passes over a rollout."""
    discount: float = Field(0.99, ge=0, le=1)
    """γ of one agent step."""
    stack: int = Field(4, ge=1)
    """Frames in one observation; counts only for pixels."""
    encoder: Part | None = None
    """Architecture of the encoder, shared by all heads; by default nature_cnn for pixels and identity for vectors."""
    memory: Part | None = None
    """Recurrent network between encoder and heads, for tasks that hide a part of their state: gru or lstm."""
    sequence_length: int = Field(32, ge=1)
    """Steps that gradients flow back through; counts only with a memory."""


class OnPolicyOptions(RolloutOptions):
    """Options of agents that learn from rollouts of their own policy (`OnPolicyAgent`)."""

    gae_lambda: float = Field(0.95, ge=0, le=1)
    """GAE λ: 0 bootstraps fully (low variance), 1 uses Monte-Carlo returns (low bias)."""
    hidden_dim: int = Field(64, ge=1)
    """Units of each hidden layer of actor and critic, where these are no networks of one's own."""
    depth: int = Field(2, ge=0)
    """Hidden layers of actor and critic, where these are no networks of one's own."""
    actor: Part | None = None
    """Architecture between features and the last layer of the policy; by default an mlp of hidden_dim and depth."""
    critic: Part | None = None
    """Architecture between features and the last layer of the critic; by default an mlp of hidden_dim and depth."""
    shared_memory: bool = False
    """One memory for actor and critic; otherwise each of them has one. Counts only with a memory."""
    log_std_init: float = 0.0
    """First logarithm of the deviation of a policy over numbers."""
    use_sde: bool = False
    """State-dependent exploration (gSDE): for several steps, noise is a function of the state (Raffin et al. 2021)."""
    sde_sample_freq: int | None = Field(None, ge=1)
    """Steps after which this function is drawn anew; null: once for each rollout."""


class PolicyGradientOptions(OnPolicyOptions):
    """Options of on-policy agents whose actor and critic take gradient steps together (`OnPolicyAgent.policy_phase`)."""

    normalize_advantage: bool = True
    """Whether advantages are standardised over each minibatch."""
    ent_coef: float = Field(0.0, ge=0)
    """Weight of the entropy bonus."""
    vf_coef: float = Field(0.5, ge=0)
    """Weight of the critic's loss."""
    max_grad_norm: float = Field(0.5, gt=0)
    """Greatest norm of a gradient."""
