"""What every answer has beside its content, put together for one instance."""

from __future__ import annotations

from flask import Blueprint, Flask, Response, request

from api import caching, crossing, ids, packing, rates
from recommender import Settings

NO_SNIFFING = ("X-Content-Type-Options", "nosniff")


def attach(blueprint: Blueprint, settings: Settings) -> None:
    """Gives all routes of ``blueprint`` and of what it nests the manners of ``settings``."""
    rates.limit(blueprint, settings)
    crossing.allow(blueprint, settings)
    policy = caching.policy_of(settings)

    # One function for all: Flask takes longer to call one than most of them to do their work.
    @blueprint.after_request
    def finish(response: Response) -> Response:
        response = packing.pack(caching.keep(response, policy))
        if settings.read_keys:
            response.vary.update(("Authorization", "X-API-Key"))
        return _described(response)


def attach_rest(app: Flask) -> None:
    """The same, as far as it can be, for addresses that are no route's."""

    @app.after_request
    def finish(response: Response) -> Response:
        return response if request.blueprints else unrouted(response)


def unrouted(response: Response) -> Response:
    """An answer about an address that is no route's."""
    return _described(caching.keep(response))


def _described(response: Response) -> Response:
    headers = response.headers
    if "X-Content-Type-Options" not in headers:
        headers.add(*NO_SNIFFING)
    if ids.HEADER not in headers:
        headers.add(ids.HEADER, ids.request_id())
    return response
