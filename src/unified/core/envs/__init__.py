"""Suites, environments, data sets, and the workers that step environments. Imports no torch."""
