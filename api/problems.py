"""Errors as ``application/problem+json`` (RFC 9457), never a stack trace."""

from __future__ import annotations

import json
import logging
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Flask, Response, request
from flask.blueprints import BlueprintSetupState
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound, default_exceptions
from werkzeug.http import HTTP_STATUS_CODES

from api import manners
from api.state import opened
from recommender import errors
from recommender.errors import RecommenderError

logger = logging.getLogger(__name__)

STATUS: list[tuple[type[RecommenderError], int]] = [
    (errors.InvalidKey, 401),
    (errors.NotAllowed, 403),
    (errors.RateLimited, 429),
    (errors.InvalidParameter, 400),
    (errors.RecordError, 400),
    (errors.UnknownCatalogue, 404),
    (errors.UnknownItem, 404),
    (errors.ModelMismatch, 409),
    (errors.RelatedNotBuilt, 409),
    (errors.IndexNotReady, 503),
    (errors.EmbedderError, 502),
    (errors.StoreFull, 507),
    (errors.StoreError, 503),
    (errors.MissingExtra, 501),
    (errors.InvalidCatalogue, 400),
]
"""The first class that fits decides; anything else is a 500."""

RETRY_SECONDS = 2


def register(part: Flask | Blueprint) -> None:
    """Makes every error of an application, or of a blueprint's own routes, a problem document."""
    part.register_error_handler(RecommenderError, answer_to)
    part.register_error_handler(HTTPException, _http)
    part.register_error_handler(Exception, _unexpected)
    for code in default_exceptions:  # by its code an application's own handler would go first
        part.register_error_handler(code, _http)


def cover(setup: BlueprintSetupState) -> None:
    """Answers for what leads nowhere below a blueprint's prefix: no blueprint has such addresses.

    Only what is ours for sure: nothing where there is no prefix, and within another blueprint,
    whose prefix this one may share, what is below ``/v1/``.
    """
    prefix = (setup.url_prefix or "").rstrip("/")
    if not prefix or setup.subdomain:
        return
    start = f"{prefix}/v1/" if setup.name_prefix else f"{prefix}/"

    def unrouted() -> Response | None:
        error = request.routing_exception
        if not isinstance(error, (NotFound, MethodNotAllowed)):
            return None
        ours = request.path.startswith(start)
        return manners.unrouted(_http(error)) if ours else None

    setup.app.before_request(unrouted)


def status_of(error: RecommenderError) -> int:
    """The status of an answer that is this error."""
    return status_of_kind(type(error))


def status_of_kind(kind: type[RecommenderError]) -> int:
    """The status of all errors of one class."""
    return next((status for known, status in STATUS if issubclass(kind, known)), 500)


def document_of(error: RecommenderError) -> dict[str, Any]:
    """An error as the members of a problem document."""
    return _document(
        status_of(error), error.code, error.message,
        parameter=error.parameter, remedy=error.remedy,
    )  # fmt: skip


def answer_to(error: RecommenderError) -> Response:
    """The problem document of an error of ours, with the headers that belong to it."""
    if isinstance(error, errors.UnknownCatalogue):
        opened().forget(error)
    return advised(_response(document_of(error)), error)


def advised(response: Response, error: RecommenderError) -> Response:
    """The response with the headers that say when to ask again, or with what."""
    if response.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
        response.headers["Retry-After"] = str(RETRY_SECONDS)
    if isinstance(error, errors.RateLimited):
        response.headers["Retry-After"] = str(error.seconds)
    if response.status_code == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _http(error: HTTPException) -> Response:
    # The error's own response keeps headers such as Allow; only its body is ours.
    response = Response(headers=[*error.get_response().headers])
    status = error.code or 500
    code = HTTP_STATUS_CODES[status].lower().replace(" ", "_")
    body = problem(status, code, error.description or "").get_data()
    response.status_code, response.mimetype = status, "application/problem+json"
    response.set_data(body)
    return response


def _unexpected(error: Exception) -> Response:
    logger.error("unexpected error", exc_info=error)
    return problem(500, "internal_error", "something went wrong here; it has been logged")


def problem(status: int, code: str, detail: str, **more: Any) -> Response:
    """A problem document; ``more`` are further members, left out where they are empty."""
    return _response(_document(status, code, detail, **more))


def _document(status: int, code: str, detail: str, **more: Any) -> dict[str, Any]:
    return {
        "type": "about:blank",
        "title": HTTP_STATUS_CODES[status],  # Python's own names change from version to version
        "status": status,
        "code": code,
        "detail": detail,
    } | {name: value for name, value in more.items() if value or value == 0}


def _response(document: dict[str, Any]) -> Response:
    text = json.dumps(document, ensure_ascii=False)
    return Response(text, status=document["status"], mimetype="application/problem+json")
