"""Flow matching."""

from __future__ import annotations

from unified.plugins.objectives.imitate import Imitate


class FlowMatching(Imitate):
    """L = ½ ‖v(x_t, t) - (x₁ - x₀)‖², x_t = (1 - t) x₀ + t x₁: imitation by a policy whose head is a flow.

    Sources: Lipman et al. 2023, "Flow Matching for Generative Modeling", equation 23 with σ = 0; Liu et al. 2023.
    """
