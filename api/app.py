"""The application factory: where the HTTP face is put together."""

from __future__ import annotations

from flask import Flask
from flask.json.provider import DefaultJSONProvider

from api import keys, problems
from api.catalogues import OpenCatalogues
from api.items import reading, writing
from api.views import health, v1
from recommender import Settings


def create_app(settings: Settings | None = None) -> Flask:
    """An application that answers about the catalogues of ``settings`` (the environment's).

    Redis is reached when the first request needs it, so a server may start before its Redis.
    """
    app = Flask("api")
    provider = DefaultJSONProvider(app)
    provider.sort_keys, provider.ensure_ascii, provider.compact = False, False, True
    app.json = provider
    settings = settings or Settings.from_env()
    app.extensions["recommender"] = OpenCatalogues(settings)
    keys.register(app, settings)
    for blueprint in (health, v1, reading, writing):
        app.register_blueprint(blueprint)
    problems.register(app)
    return app
