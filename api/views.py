"""The routes: parse, ask the engine, shape the answer."""

from __future__ import annotations

import logging
import time
from typing import Any

from flask import Blueprint, Response, request

from api import access, caching, operations
from api.answers import answer
from api.describing import describes
from api.models import addresses, bodies
from api.parameters import address, body, check_none
from api.problems import document_of
from api.state import opened
from api.uploads import FORM, upload
from recommender import Facet, Recommender
from recommender.errors import IndexNotReady, RecommenderError, UnknownItem

v1 = Blueprint("v1", __name__, url_prefix="/v1")
v1.before_request(access.check_read)
v1.before_request(caching.revalidate)
health = Blueprint("health", __name__)

logger = logging.getLogger(__name__)


@v1.get("/catalogues")
@describes(operations.list_catalogues)
def list_catalogues() -> Response:
    """The names of all catalogues."""
    check_none()
    return answer({"catalogues": opened().names()})


@v1.get("/<catalogue>")
@describes(operations.describe)
def describe(catalogue: str) -> Response:
    """One catalogue: fields, vectors, counts, and whether its index is complete."""
    check_none()
    return answer(_described(opened().get(catalogue)))


@v1.get("/<catalogue>/similar")
@describes(operations.similar)
def similar(catalogue: str) -> Response:
    """The items most like the one with this id."""
    asked = address(addresses.Similar)
    return answer(opened().get(catalogue).similar(**asked.given()).to_dict())


@v1.post("/<catalogue>/similar")
@describes(operations.similar_by_body)
def similar_by_body(catalogue: str) -> Response:
    """The same as the address says it, for conditions that nest."""
    asked = body(bodies.Similar)
    return answer(opened().get(catalogue).similar(**asked.given()).to_dict())


@v1.post("/<catalogue>/similar:batch")
@describes(operations.similar_to_each)
def similar_to_each(catalogue: str) -> Response:
    """For each of up to 100 ids the items most like it."""
    began = time.perf_counter()
    asked = body(bodies.SimilarBatch)
    found = opened().get(catalogue).similar_many(**asked.given())
    results = [
        {"id": id}
        | ({"problem": document_of(each)} if isinstance(each, UnknownItem) else each.to_dict())
        for id, each in zip(asked.ids, found, strict=True)
    ]
    took = round((time.perf_counter() - began) * 1000, 3)
    return answer({"results": results, "took_ms": took})


@v1.get("/<catalogue>/related")
@describes(operations.related)
def related(catalogue: str) -> Response:
    """The stored neighbours of the item with this id."""
    asked = address(addresses.Related)
    return answer(opened().get(catalogue).related(**asked.given()).to_dict())


@v1.post("/<catalogue>/related")
@describes(operations.related_by_body)
def related_by_body(catalogue: str) -> Response:
    """The same as the address says it, for conditions that nest."""
    asked = body(bodies.Related)
    return answer(opened().get(catalogue).related(**asked.given()).to_dict())


@v1.get("/<catalogue>/search")
@describes(operations.search)
def search(catalogue: str) -> Response:
    """The items closest to some words."""
    asked = address(addresses.Search)
    return answer(opened().get(catalogue).search(**asked.given()).to_dict())


@v1.post("/<catalogue>/search")
@describes(operations.search_by_body)
def search_by_body(catalogue: str) -> Response:
    """The items closest to a text, a vector or an image, which is base64 or a part of a form."""
    asked = upload() if request.mimetype == FORM else body(bodies.Search).given()
    return answer(opened().get(catalogue).search(**asked).to_dict())


@v1.post("/<catalogue>/recommend")
@describes(operations.recommend)
def recommend(catalogue: str) -> Response:
    """The items most like several others, and unlike some."""
    asked = body(bodies.Recommend)
    return answer(opened().get(catalogue).recommend(**asked.given()).to_dict())


@v1.get("/<catalogue>/facets")
@describes(operations.facets)
def facets(catalogue: str) -> Response:
    """Values and counts of tags, ranges of numbers, under some conditions, of what words find."""
    asked = address(addresses.Facets)
    engine = opened().get(catalogue)
    found = engine.facets(
        asked.fields, where=asked.where, text=asked.q, disjunctive=asked.disjunctive
    )
    shaped = {facet.field: _shaped(facet) for facet in found}
    return answer({"catalogue": catalogue, "items": engine.count(asked.where), "facets": shaped})


@v1.get("/<catalogue>/browse")
@describes(operations.browse)
def browse(catalogue: str) -> Response:
    """The items under some conditions, like nothing in particular."""
    asked = address(addresses.Browse)
    return answer(opened().get(catalogue).browse(**asked.given()).to_dict())


@health.get("/healthz")
@describes(operations.alive)
def alive() -> Response:
    """Whether this process answers."""
    return answer({"status": "ok"})


@health.get("/readyz")
@describes(operations.ready)
def ready() -> Response:
    """Whether Redis answers and every catalogue's index is complete; 503 while not."""
    waiting = 0
    try:
        for name in opened().names():
            waiting += _indexed(opened().get(name)) < 1.0
    except RecommenderError as error:
        # Nobody asks for a key here, so what is told tells no address and no catalogue's name.
        logger.warning("not ready: %s", error.message)
        return answer({"status": "not ready", "detail": "Redis does not answer as it should"}, 503)
    status = "not ready" if waiting else "ready"
    return answer({"status": status, "indexing": waiting}, 503 if waiting else 200)


def _indexed(engine: Recommender) -> float:
    try:
        return engine.state().indexed
    except IndexNotReady:
        return 0.0


def _described(engine: Recommender) -> dict[str, Any]:
    entry, state = engine.entry, engine.state()
    return {
        "name": engine.name,
        "items": state.items,
        "generation": entry.generation,
        "id": entry.catalogue.id,
        "fields": {name: field.type for name, field in entry.catalogue.fields.items()},
        "vectors": {
            name: {
                "embedder": entry.stamps[name].embedder,
                "dims": entry.stamps[name].dims,
                "index": vector.index,
                "metric": vector.metric,
                "type": vector.type,
            }
            for name, vector in entry.catalogue.vectors.items()
        },
        "presets": entry.catalogue.presets,
        "index": {"ready": state.is_ready, "indexed": state.indexed, "failures": state.failures},
    }


def _shaped(facet: Facet) -> dict[str, Any]:
    if facet.type == "number":
        return {"type": facet.type, "count": facet.count, "min": facet.min, "max": facet.max}
    values = [{"value": value, "count": count} for value, count in facet.values.items()]
    return {"type": facet.type, "values": values}
