"""The one place of the version; pyproject.toml reads it by regular expression."""

__version__ = "0.1.0"
