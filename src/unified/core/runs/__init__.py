"""The directory of a run: its configuration, metrics, checkpoints and lock. Imports no torch."""
