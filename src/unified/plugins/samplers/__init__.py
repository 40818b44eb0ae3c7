"""Samplers of the replay, each in a package of its own; they use the public modules only, as a plugin does."""
