"""Launchers: a folder each."""
