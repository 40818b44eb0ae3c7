"""What objectives ask of agent and suite. Torch-free."""

from __future__ import annotations

from unified.core.components import Preset

_DATA = "digits iris wine breast_cancer diabetes dataset vision:*"

FLOW = (Preset("generate", _DATA, {"suite.view": "generate", "agent.actor.head": "flow"}, "a flow makes what the data set holds"),)
ADVERSARIAL = (
    Preset("generate", _DATA, {"suite.view": "generate"}, "the actor makes what the data set holds"),
    Preset("stable", _DATA, {"agent.critic.members": 1, "agent.ema": True}, "one judge, as in R3GAN; averaged weights are steadier"),
)
VAE = (Preset("generate", _DATA, {"suite.view": "generate"}, "the actor makes what the data set holds"),)
