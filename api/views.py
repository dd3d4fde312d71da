"""The routes: parse, ask the engine, shape the answer."""

from __future__ import annotations

import logging
from typing import Any

from flask import Blueprint, Response, request

from api import access, caching
from api.answers import answer
from api.bodies import MAX_QUESTION, read_object
from api.parameters import LISTED, body_wishes, check_known, flag, names, required, wishes
from api.state import opened
from recommender import Facet, Recommender
from recommender.arguments import check_text
from recommender.errors import IndexNotReady, RecommenderError
from recommender.wishes import DEFAULTS

v1 = Blueprint("v1", __name__, url_prefix="/v1")
v1.before_request(access.check_read)
v1.before_request(caching.revalidate)
health = Blueprint("health", __name__)

logger = logging.getLogger(__name__)


@v1.get("/catalogues")
def list_catalogues() -> Response:
    """The names of all catalogues."""
    check_known(())
    return answer({"catalogues": opened().names()})


@v1.get("/<catalogue>")
def describe(catalogue: str) -> Response:
    """One catalogue: fields, vectors, counts, and whether its index is complete."""
    check_known(())
    return answer(_described(opened().get(catalogue)))


@v1.get("/<catalogue>/similar")
def similar(catalogue: str) -> Response:
    """The items most like the one with this id."""
    check_known(("id", *DEFAULTS))
    return answer(opened().get(catalogue).similar(required("id"), **wishes()).to_dict())


@v1.get("/<catalogue>/related")
def related(catalogue: str) -> Response:
    """The stored neighbours of the item with this id."""
    check_known(("id", *LISTED))
    return answer(opened().get(catalogue).related(required("id"), **wishes()).to_dict())


@v1.get("/<catalogue>/search")
def search(catalogue: str) -> Response:
    """The items closest to some words."""
    check_known(("q", *DEFAULTS))
    text = check_text("q", required("q"))
    return answer(opened().get(catalogue).search(text, **wishes()).to_dict())


@v1.post("/<catalogue>/similar")
def similar_by_body(catalogue: str) -> Response:
    """The same as the address says it, for conditions that nest."""
    check_known(())
    body = body_wishes(read_object(MAX_QUESTION), "id")
    id = check_text("id", body.pop("id", None))
    return answer(opened().get(catalogue).similar(id, **body).to_dict())


@v1.post("/<catalogue>/search")
def search_by_body(catalogue: str) -> Response:
    """The items closest to a text, a vector or an image, which is base64."""
    check_known(())
    body = body_wishes(read_object(MAX_QUESTION), "text", "vector", "image")
    return answer(opened().get(catalogue).search(**body).to_dict())


@v1.post("/<catalogue>/recommend")
def recommend(catalogue: str) -> Response:
    """The items most like several others, and unlike some."""
    check_known(())
    body = body_wishes(read_object(MAX_QUESTION), "like", "unlike", "strategy", "half_life")
    return answer(opened().get(catalogue).recommend(**body).to_dict())


@v1.get("/<catalogue>/facets")
def facets(catalogue: str) -> Response:
    """Values and counts of tags, ranges of numbers, under some conditions, of what words find."""
    check_known(("fields", "where", "q", "disjunctive"))
    engine = opened().get(catalogue)
    where = request.args.getlist("where")
    text = check_text("q", request.args["q"]) if "q" in request.args else None
    found = engine.facets(names("fields"), where=where, text=text, disjunctive=flag("disjunctive"))
    shaped = {facet.field: _shaped(facet) for facet in found}
    return answer({"catalogue": catalogue, "items": engine.count(where), "facets": shaped})


@v1.get("/<catalogue>/browse")
def browse(catalogue: str) -> Response:
    """The items under some conditions, like nothing in particular."""
    check_known(("order", "limit", "offset", "where", "fields"))
    order = request.args.get("order")
    return answer(opened().get(catalogue).browse(order=order, **wishes()).to_dict())


@health.get("/healthz")
def alive() -> Response:
    """Whether this process answers."""
    return answer({"status": "ok"})


@health.get("/readyz")
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
