"""Agents: a folder each."""
