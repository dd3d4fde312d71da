"""The ``recommender`` command."""

from recommender.cli.main import main

__all__ = ["main"]
