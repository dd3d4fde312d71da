"""Every request of an instance is measured, and told to Prometheus at ``/metrics``."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Flask, Response, request
from prometheus_client import CONTENT_TYPE_LATEST

from api import access
from api.measured import Measured, measured_here
from api.metrics import UNMATCHED
from api.state import every_state, state

metrics = Blueprint("metrics", __name__)
metrics.before_request(access.check_read)  # it names the catalogues


@metrics.get("/metrics")
def figures() -> Response:
    """All figures, for Prometheus."""
    text = state().metrics.text(state().catalogues)
    return Response(text, content_type=CONTENT_TYPE_LATEST)


def measure(part: Blueprint) -> None:
    """Makes every request to the blueprint's routes a measured one.

    To be called before other functions are registered with it, so that these count, too.
    """
    part.before_request(_begin)
    part.after_request(_count)
    part.teardown_request(_stop)


def count_unmatched(app: Flask) -> None:
    """Counts requests to addresses that are nobody's, for an application of one instance."""

    def count(response: Response) -> Response:
        if request.url_rule is None:
            for one in every_state(app):
                one.metrics.count(request.method, UNMATCHED, response.status_code, None)
        return response

    app.after_request(count)


def note(value: Any) -> None:
    """Counts ``value`` for the request being handled, if it is an answer with hits, or several."""
    measured = measured_here()
    if measured is not None and type(value) is dict:
        if "returned" in value:
            measured.note(value)
        elif isinstance(results := value.get("results"), list):
            for each in results:
                if "returned" in each:
                    measured.note(each)


def _begin() -> None:
    # An access log begins sooner: before the address was looked at.
    if measured_here() is None:
        Measured(measure)


def _count(response: Response) -> Response:
    route = request.url_rule.rule if request.url_rule else UNMATCHED
    state().metrics.count(request.method, route, response.status_code, measured_here())
    return response


def _stop(_: BaseException | None) -> None:
    measured = measured_here()
    if measured is not None and measured.owner is measure:
        measured.stop()
