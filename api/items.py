"""The items of a catalogue: one read, one or many written, changed or removed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from flask import Blueprint, Response

from api import access, caching, operations
from api.answers import answer
from api.bodies import read_batches, read_object
from api.describing import describes
from api.models import addresses
from api.parameters import address, check_encoding, check_none
from api.problems import problem
from api.state import opened
from recommender import Outcome, RecommenderError
from recommender.errors import InvalidParameter, RecordError, UnknownItem, suggest

reading = Blueprint("reading", __name__, url_prefix="/v1")
reading.before_request(access.check_read)
reading.before_request(caching.revalidate)
writing = Blueprint("writing", __name__, url_prefix="/v1")
writing.before_request(access.check_write)
writing.before_request(check_encoding)

LISTED = 10_000
"""Results of a POST that are listed: of so many records all, of further ones so many rejected."""


@reading.get("/<catalogue>/items")
@describes(operations.get_item)
def get_item(catalogue: str) -> Response:
    """One item by its id."""
    asked = address(addresses.ReadItem)
    item = opened().get(catalogue).item(**asked.given())
    found = {"id": item.id, "fields": item.fields}
    return answer(found | {"vectors": item.vectors} if item.vectors else found)


@writing.put("/<catalogue>/items")
@describes(operations.put_item)
def put_item(catalogue: str) -> Response:
    """One whole item, new or in the place of the one that was there."""
    id = address(addresses.OneItem).id
    body = _body(id)
    [outcome] = opened().writer(catalogue).put([{"fields": {}, **body, "id": id}])
    if outcome.result == "rejected":
        raise RecordError(outcome.detail)
    return answer(_shaped(outcome), 201 if outcome.result == "created" else 200)


@writing.post("/<catalogue>/items")
@describes(operations.post_items)
def post_items(catalogue: str) -> Response:
    """Many whole items; what is wrong with one costs only that one."""
    check_none()
    tally = Tally()
    writer = opened().writer(catalogue)
    try:
        for outcomes in writer.put_batches(read_batches()):
            tally.add(outcomes)
    except RecommenderError as error:
        if tally.count:
            error.message += f" (the first {tally.count:,} records were dealt with before)"
        raise
    if not tally.count:
        raise InvalidParameter("body", "the body holds no record", remedy="Send one or more")
    if tally.counts["rejected"] == tally.count:
        return problem(400, "all_rejected", "every record was rejected", **tally.to_dict())
    return answer(tally.to_dict())


@writing.patch("/<catalogue>/items")
@describes(operations.patch_item)
def patch_item(catalogue: str) -> Response:
    """Some fields of one item; null removes one."""
    id = address(addresses.OneItem).id
    body = _body(id)
    if not body.get("fields") and not body.get("vectors"):
        raise InvalidParameter(
            "body", "the body changes nothing", remedy='Send {"fields": {"price": 12}}'
        )
    outcome = opened().writer(catalogue).patch(id, body.get("fields"), body.get("vectors"))
    return answer(_shaped(outcome))


@writing.delete("/<catalogue>/items")
@describes(operations.delete_items)
def delete_items(catalogue: str) -> Response:
    """One item or several, by their ids only."""
    asked = address(addresses.SeveralItems)
    deleted = opened().writer(catalogue).delete(asked.id)
    if not deleted:
        raise UnknownItem(f"there is none of these items in {catalogue!r}", parameter="id")
    return answer({"deleted": deleted})


class Tally:
    """What became of the records of one request: all are counted, a bounded number is listed."""

    def __init__(self) -> None:
        self.count = 0
        self.counts: Counter[str] = Counter()
        self._results: list[dict[str, Any]] = []
        self._later = 0

    def add(self, outcomes: Iterable[Outcome]) -> None:
        """Takes further outcomes, in the order of their records."""
        for outcome in outcomes:
            self.count += 1
            self.counts[outcome.result] += 1
            if self.count > LISTED:
                if outcome.result != "rejected" or self._later == LISTED:
                    continue
                self._later += 1
            self._results.append({"place": outcome.place} | _shaped(outcome))

    def to_dict(self) -> dict[str, Any]:
        """The answer's members."""
        kinds = ("created", "changed", "unchanged", "rejected")
        return {kind: self.counts[kind] for kind in kinds} | {"results": self._results}


def _body(id: str) -> dict[str, Any]:
    """The body of a call about one item, which may repeat the item's id."""
    body = read_object()
    for name in body:
        if name not in ("id", "fields", "vectors"):
            raise RecordError(
                f"there is no key {name[:60]!r} here",
                remedy=suggest(name[:100], ("fields", "vectors"), "keys"),
            )
    if str(body.get("id", id)) != id:
        raise InvalidParameter(
            "id", f"the address says {id!r}, the body another id", remedy="Leave it out there"
        )
    return body


def _shaped(outcome: Outcome) -> dict[str, Any]:
    """An outcome as it is answered: with the reason where there is one."""
    shaped: dict[str, Any] = {"id": outcome.id, "result": outcome.result}
    if outcome.result == "rejected":
        return shaped | {"detail": outcome.detail}
    return shaped | {"embedded": outcome.embedded}
