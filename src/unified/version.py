"""The version, alone in its file so that everybody can read it."""

__version__ = "0.1.0"
