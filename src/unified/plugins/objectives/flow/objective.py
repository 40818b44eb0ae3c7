"""Flow matching."""

from __future__ import annotations

from unified.plugins.objectives.nll.objective import NLL


class FlowMatching(NLL):
    """L = ½ ‖v(x_t, t) - (x₁ - x₀)‖², x_t = (1 - t) x₀ + t x₁: imitation by a policy whose head is a flow.

    Sources: Lipman et al. 2023, "Flow Matching for Generative Modeling", equation 23 with σ = 0; Liu et al. 2023.

    Args:
        smoothing: Label smoothing of `NLL`; a flow has no choices and takes 0.
    """

    trains = ("actor",)
