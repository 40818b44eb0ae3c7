"""What Munchausen reinforcement learning sets in an agent. Torch-free."""

from __future__ import annotations

from unified import Preset

PRESETS = (
    Preset(
        "munchausen",
        "*",
        {"agent.temperature": 0.03, "agent.double": False, "agent.n_step": 1},
        "Vieillard et al. 2020: τ = 0.03; the bootstrap is soft, and the guarantee is for one step",
    ),
)
