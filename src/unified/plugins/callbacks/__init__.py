"""Callbacks: a folder each."""
