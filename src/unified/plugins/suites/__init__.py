"""Suites: a folder each."""
