"""Agents, objectives, networks and optimisers."""
