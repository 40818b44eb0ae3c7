"""The one loop, and what it drives: a collector, an evaluator, a clock and the hooks of a run."""
