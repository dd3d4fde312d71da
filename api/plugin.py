"""The product as a part of any Flask application: a blueprint, or an extension around it."""

from __future__ import annotations

from flask import Blueprint, Flask
from flask.blueprints import BlueprintSetupState

from api import problems
from api.events import events
from api.items import reading, writing
from api.page import page
from api.state import State
from api.views import health, v1
from recommender import Settings

PARTS = (health, v1, reading, writing, events, page)
"""The blueprints that every instance consists of; they hold routes and no state."""


def recommendations(settings: Settings | None = None, *, name: str = "recommender") -> Blueprint:
    """A blueprint that answers about the catalogues of ``settings`` (the environment's).

    ``app.register_blueprint(recommendations(), url_prefix="/recommendations")``; several may stand
    beside each other under different names. Redis is reached when the first request needs it.
    """
    state = State.of(settings or Settings.from_env())
    blueprint = Blueprint(name, "api")

    def keep(setup: BlueprintSetupState) -> None:
        state.keep(setup.app, f"{setup.name_prefix}.{setup.name}".lstrip("."))

    blueprint.record(keep)
    for part in PARTS:
        blueprint.register_blueprint(part)
    problems.register(blueprint)
    return blueprint


class Recommendations:
    """The same as an extension: ``Recommendations(app)``, or ``init_app(app)`` later."""

    def __init__(
        self,
        app: Flask | None = None,
        settings: Settings | None = None,
        *,
        name: str = "recommender",
        url_prefix: str = "/recommendations",
    ) -> None:
        self._settings = settings
        self._name = name
        self._url_prefix = url_prefix
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Registers a blueprint of its own with ``app``."""
        blueprint = recommendations(self._settings, name=self._name)
        app.register_blueprint(blueprint, url_prefix=self._url_prefix)
