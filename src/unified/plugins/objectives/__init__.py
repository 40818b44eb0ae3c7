"""Objectives: one file for each family."""

from __future__ import annotations

from unified.core.components import ObjectiveComponent

components = (
    ObjectiveComponent(
        name="td",
        target="unified.plugins.objectives.td:TD",
        needs=("obs", "action", "reward", "discount", "next_obs", "weight"),
        trains=("encoder", "critic"),
        summary="n-step temporal differences against the agent's bootstrap",
    ),
    ObjectiveComponent(
        name="dpg",
        target="unified.plugins.objectives.dpg:DPG",
        needs=("obs",),
        trains=("actor",),
        summary="the deterministic policy gradient: the actor climbs its critic",
    ),
    ObjectiveComponent(
        name="maxent",
        target="unified.plugins.objectives.maxent:MaxEnt",
        needs=("obs",),
        trains=("actor",),
        summary="soft policy improvement: the actor climbs its critic and keeps its entropy",
    ),
    ObjectiveComponent(
        name="temperature",
        target="unified.plugins.objectives.temperature:Temperature",
        needs=("obs",),
        trains=("alpha",),
        summary="the temperature that keeps a policy's entropy at its target",
    ),
    ObjectiveComponent(
        name="surrogate",
        target="unified.plugins.objectives.surrogate:Surrogate",
        config="unified.plugins.objectives.config:SurrogateOptions",
        needs=("obs", "action", "log_prob", "advantage"),
        trains=("encoder", "actor"),
        summary="the clipped surrogate of PPO: actions that did better become likelier, within bounds",
    ),
    ObjectiveComponent(
        name="value",
        target="unified.plugins.objectives.value:StateValue",
        config="unified.plugins.objectives.config:StateValueOptions",
        needs=("obs", "return"),
        trains=("encoder", "critic"),
        summary="regression of a state's value on the return that came of it",
    ),
    ObjectiveComponent(
        name="entropy",
        target="unified.plugins.objectives.entropy:Entropy",
        config="unified.plugins.objectives.config:EntropyOptions",
        needs=("obs",),
        trains=("actor",),
        summary="a bonus for policies that stay uncertain",
    ),
    ObjectiveComponent(
        name="imitate",
        target="unified.plugins.objectives.imitate:Imitate",
        config="unified.plugins.objectives.config:ImitateOptions",
        needs=("obs", "action", "weight"),
        trains=("encoder", "actor"),
        summary="the likelihood of the actions in the batch: classification, regression, cloning",
    ),
    ObjectiveComponent(
        name="reward",
        target="unified.plugins.objectives.reward:Reward",
        needs=("obs", "label", "weight"),
        trains=("encoder", "critic", "actor"),
        summary="a labelled task learned by reward: the label is never shown, only how good an answer was",
    ),
    ObjectiveComponent(
        name="flow",
        target="unified.plugins.objectives.flow:FlowMatching",
        config="unified.plugins.objectives.config:ImitateOptions",
        needs=("obs", "action", "weight"),
        trains=("actor",),
        presets="unified.plugins.objectives.presets:FLOW",
        summary="flow matching: what is in the data is made from noise by following a learned velocity",
    ),
    ObjectiveComponent(
        name="adversarial",
        target="unified.plugins.objectives.adversarial:Adversarial",
        config="unified.plugins.objectives.config:AdversarialOptions",
        needs=("obs", "action"),
        trains=("critic", "actor"),
        presets="unified.plugins.objectives.presets:ADVERSARIAL",
        summary="a GAN: the critic tells real from made, the actor climbs it",
    ),
    ObjectiveComponent(
        name="vae",
        target="unified.plugins.objectives.vae:VAE",
        config="unified.plugins.objectives.config:VAEOptions",
        needs=("action",),
        trains=("actor", "posterior"),
        presets="unified.plugins.objectives.presets:VAE",
        summary="a variational autoencoder: the actor decodes what a posterior encodes",
    ),
)
