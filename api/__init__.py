"""The HTTP face: a Flask application over the engine."""

from api.app import create_app

__all__ = ["create_app"]
