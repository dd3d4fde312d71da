"""The product as a part of any Flask application: a blueprint, or an extension around it."""

from __future__ import annotations

from typing import cast

from flask import Blueprint, Flask, current_app
from flask.blueprints import BlueprintSetupState

from api import manners, problems
from api.assets import assets
from api.events import events
from api.items import reading, writing
from api.measuring import measure, metrics
from api.page import page
from api.reference import reference
from api.state import EXTENSION, State
from api.views import health, v1
from api.widget import widget
from recommender import Recommender, RecommenderError, Settings, Writer

PARTS = (
    page, assets, widget, reference, v1, reading, writing, events, health, metrics,
)  # fmt: skip
"""The blueprints that every instance consists of; they hold routes and no state."""


def recommendations(settings: Settings | None = None, *, name: str = "recommender") -> Blueprint:
    """A blueprint that answers about the catalogues of ``settings`` (the environment's).

    ``app.register_blueprint(recommendations(), url_prefix="/recommendations")``. It may be
    registered under several names and with several applications: each time it has connections of
    its own, made when the first request needs Redis.
    """
    chosen = settings or Settings.from_env()
    blueprint = Blueprint(name, "api")

    def keep(setup: BlueprintSetupState) -> None:
        State.of(chosen).keep(setup.app, f"{setup.name_prefix}.{setup.name}".lstrip("."))
        problems.cover(setup)

    blueprint.record(keep)
    measure(blueprint)
    for part in PARTS:
        blueprint.register_blueprint(part)
    manners.attach(blueprint, chosen)
    problems.register(blueprint)
    return blueprint


class Recommendations:
    """The same as an extension: ``Recommendations(app)``, or ``init_app(app)`` later.

    It also gives the application's own code the catalogues, for pages that the server renders:
    ``recommendations.catalogue("posts").related("rye-bread.md", limit=5)``. One object may serve
    several applications: it keeps nothing of theirs.
    """

    def __init__(
        self,
        app: Flask | None = None,
        settings: Settings | None = None,
        *,
        name: str = "recommender",
        url_prefix: str = "/recommendations",
    ) -> None:
        """``settings``: without them those of ``app.config``, else the environment's.

        Several instances of one application need several names.
        """
        self._settings = settings
        self._name = name
        self._url_prefix = url_prefix
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Registers a blueprint of its own with ``app``.

        Raises ValueError where ``app`` has one of this name, RecommenderError where the settings
        cannot be used.
        """
        settings = self._settings or Settings.from_config(app.config)
        blueprint = recommendations(settings, name=self._name)
        app.register_blueprint(blueprint, url_prefix=self._url_prefix)

    def catalogue(self, name: str) -> Recommender:
        """What answers about the catalogue ``name`` of the application that is at work.

        It is kept open and shared by all threads. Raises UnknownCatalogue, StoreError where Redis
        is away, RecommenderError where ``init_app`` was not called for this application, and
        RuntimeError outside an application's context.
        """
        return self._state().catalogues.get(name)

    def writer(self, name: str) -> Writer:
        """What writes the catalogue ``name``, whatever the keys say. Raises as ``catalogue``."""
        return self._state().catalogues.writer(name)

    def _state(self) -> State:
        known = current_app.extensions.get(EXTENSION, {})
        if self._name not in known:
            raise RecommenderError(
                f"the application {current_app.name!r} has no recommendations called"
                f" {self._name!r}",
                remedy="Call init_app(app) where it is made",
            )
        return cast(State, known[self._name])
