"""Architectures: a package for each family, with its descriptors; shared parts of agents beside them. Torch-free."""
