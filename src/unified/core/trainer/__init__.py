"""The training loop, evaluation, callbacks, and the construction of a run from its configuration."""
