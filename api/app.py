"""The application factory: the HTTP face by itself, at the root of its address."""

from __future__ import annotations

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from api import manners, problems
from api.measuring import count_unmatched
from api.plugin import recommendations
from api.shortcut import Shortcut
from api.state import every_state
from recommender import Settings


def create_app(settings: Settings | None = None) -> Flask:
    """An application that answers about the catalogues of ``settings`` (the environment's).

    Redis is reached when the first request needs it, so a server may start before its Redis.
    """
    settings = settings or Settings.from_env()
    app = Flask("api", static_folder=None)
    app.register_blueprint(recommendations(settings))
    count_unmatched(app)
    problems.register(app)  # for addresses that are nobody's, too
    manners.attach_rest(app)
    [state] = every_state(app)
    if Shortcut.is_for(state):
        app.wsgi_app = Shortcut(app, state)  # type: ignore[method-assign]
    if settings.proxies:
        trusted = settings.proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=trusted, x_proto=trusted, x_host=0)  # type: ignore[method-assign]
    return app
