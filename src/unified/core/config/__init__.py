"""From command-line words, recipes and Python values to one checked configuration. Imports no torch."""
