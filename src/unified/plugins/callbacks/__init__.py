"""Built-in callbacks, one folder each."""
