"""The HTTP face: a Flask application over the engine, or a part of yours."""

from api.app import create_app
from api.plugin import Recommendations, recommendations

__all__ = ["Recommendations", "create_app", "recommendations"]
