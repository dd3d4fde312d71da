"""What every answer has beside its content, put together for one instance."""

from __future__ import annotations

from flask import Blueprint, Flask, Response, request

from api import caching, crossing, ids, packing, rates
from recommender import Settings

NO_SNIFFING = ("X-Content-Type-Options", "nosniff")


def attach(blueprint: Blueprint, settings: Settings) -> None:
    """Gives all routes of ``blueprint`` and of what it nests the manners of ``settings``."""
    blueprint.before_request(ids.identify)
    rates.limit(blueprint, settings)
    # What is registered last goes first.
    crossing.allow(blueprint, settings)
    if settings.read_keys:
        blueprint.after_request(_vary)
    blueprint.after_request(_finish)
    blueprint.after_request(packing.pack)
    blueprint.after_request(caching.keeper(caching.policy_of(settings)))


def attach_rest(app: Flask) -> None:
    """The same, as far as it can be, for addresses that are no route's."""
    keep = caching.keeper(caching.NOT_KEPT)

    @app.after_request
    def finish(response: Response) -> Response:
        return response if request.blueprints else _finish(keep(response))


def _finish(response: Response) -> Response:
    response.headers.setdefault(*NO_SNIFFING)
    return ids.tell(response)


def _vary(response: Response) -> Response:
    response.vary.update(("Authorization", "X-API-Key"))
    return response
