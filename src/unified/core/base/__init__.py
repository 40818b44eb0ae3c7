"""Errors, files, random streams, schedules and task descriptions. Imports no torch and no plugin."""
