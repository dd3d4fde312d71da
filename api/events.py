"""Events from pages: who viewed, clicked, liked or bought what, kept for measuring and tuning."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response

from api import access, operations
from api.answers import answer
from api.bodies import read_object
from api.describing import describes
from api.models.events import MAX_EVENTS
from api.parameters import check_none
from api.problems import problem
from api.state import opened
from recommender.errors import InvalidParameter, UnknownItem
from recommender.events import check_event

events = Blueprint("events", __name__, url_prefix="/v1")
events.before_request(access.check_events)

MAX_BODY = 64 * 1024
"""Longest body, in bytes."""


@events.post("/<catalogue>/events")
@describes(operations.post_events)
def post_events(catalogue: str) -> Response:
    """One event or several; what is wrong with one of several costs only that one.

    JSON only: a page of another origin cannot send that unless CORS allows it.
    """
    check_none()
    body = read_object(MAX_BODY)
    is_one = "events" not in body
    given = [check_event(body)] if is_one else _listed(body)
    rejects = opened().writer(catalogue).track(given)
    if is_one and rejects:
        raise UnknownItem(rejects[0].reason, remedy="id and seed are items of the catalogue")
    told = {
        "accepted": len(given) - len(rejects),
        "rejected": [{"place": reject.place, "detail": reject.reason} for reject in rejects],
    }
    if len(rejects) == len(given):
        return problem(400, "all_rejected", "every event was rejected", **told)
    return answer(told, 202)


def _listed(body: dict[str, Any]) -> list[Any]:
    """The events of a body that has several. Raises InvalidParameter ("events")."""
    given = body["events"]
    if len(body) > 1 or not isinstance(given, list):
        fault = "the body is neither one event nor a list of them"
    elif not 1 <= len(given) <= MAX_EVENTS:
        fault = f"events is a list of {len(given):,}"
    else:
        return given
    raise InvalidParameter(
        "events", fault, remedy=f'Send one event, or {{"events": [...]}} with 1 to {MAX_EVENTS}'
    )
