"""Built-in launchers, one folder each."""
