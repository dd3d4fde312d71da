"""The web page: a choice of catalogues, and each with search, filters and a tray of likes."""

from __future__ import annotations

from typing import Any

from flask import (
    Blueprint,
    Response,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)
from werkzeug.wrappers import Response as AnyResponse

from api import access
from api.asked import MAX_SHOWN, Asked
from api.assets import present_version
from api.cards import MAX_SPOKEN, brief, card_of, chosen_of, filters_of, more_of, title_of
from api.problems import advised, status_of
from api.questions import call_of
from api.shape import Shape, shape_of
from api.state import opened, state
from recommender import Facet, Recommender
from recommender.errors import RecommenderError, UnknownCatalogue

page = Blueprint("page", __name__, template_folder="web/templates")
page.before_request(access.check_read)

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
    " img-src 'self' https: http: data:; base-uri 'none'; form-action 'self';"
    " frame-ancestors 'none'"
)
MODULES = (
    "main", "page", "controls", "state", "call", "api", "search", "cards", "filters", "tray",
    "notices", "key", "numbers", "events", "dom",
)  # fmt: skip
"""The scripts, which are fetched beside each other and not one after the other."""

FACETED = ("tag", "number")
LATE_ITEMS = 10_000
"""In a larger catalogue counting takes longer than the answer, so scripts ask for the counts when
the page is there. Without scripts a link does."""


@page.get("/")
def home() -> AnyResponse:
    """The choice of catalogues; the only one there is, at once."""
    names = opened().names()
    if len(names) == 1 and "all" not in request.args:
        return redirect(url_for(".catalogue", name=names[0]))
    return _page("home.html", catalogues=[_listed(name) for name in names])


@page.get("/c/<name>")
def catalogue(name: str) -> Response:
    """One catalogue, with the answer to what the address asks."""
    engine = opened().get(name)
    shape = shape_of(engine.entry.catalogue)
    asked = Asked.read(request.args, engine.entry.catalogue).fitting(shape)
    return _shown(engine, shape, asked)


@page.errorhandler(RecommenderError)
def failed(error: RecommenderError) -> Response:
    """A page that says what is wrong; with a key that is missing, one that asks for it."""
    if isinstance(error, UnknownCatalogue):
        opened().forget(error)
    return advised(_page("problem.html", status_of(error), problem=error), error)


def _shown(engine: Recommender, shape: Shape, asked: Asked) -> Response:
    """The page of a catalogue; what goes wrong with the question is told in its place."""
    index = engine.state()
    results, problem, status, total = None, None, 200, index.items
    # Not counted yet: scripts fill them in, also when a fault has passed.
    facets = [Facet(name, kind) for name, kind in shape.types.items() if kind in FACETED]
    call = call_of(asked, shape, asked.show)
    late = index.items > LATE_ITEMS and not asked.q and "filters" not in request.args
    try:
        results = call.answer(engine)
        if not late:
            facets = engine.facets(where=asked.where(), text=asked.q or None, disjunctive=True)
        total = engine.count(asked.where())
    except RecommenderError as error:
        problem, status = error, status_of(error)
    hits = results.items if results is not None else []
    tray = _tray(engine, shape, asked)
    titles = {each["id"]: each["title"] for each in tray}
    cards = [card_of(hit, shape, titles) for hit in hits]
    has_more = results is not None and results.returned == asked.show
    return _page(
        "catalogue.html", status,
        shape=shape, asked=asked, index=index, late=late, results=results, total=total,
        cards=cards, filters=filters_of(facets, asked, shape), chosen=chosen_of(asked, shape),
        tray=tray, problem=problem,
        more=more_of(asked) if has_more and asked.show < MAX_SHOWN else None,
        curl=call.curl(
            f"{request.host_url.rstrip('/')}{_base()}v1/{shape.catalogue}",
            keyed=bool(state().settings.read_keys),
        ),
        relaxed=_relaxed(engine, asked, shape, total) if results is not None and not hits else [],
        address=lambda asked: _address(shape.catalogue, asked.fitting(shape)),
        short=lambda text: brief(text, MAX_SPOKEN),
    )  # fmt: skip


def _address(name: str, asked: Asked) -> str:
    query = asked.query()
    return url_for(".catalogue", name=name) + (f"?{query}" if query else "")


def _tray(engine: Recommender, shape: Shape, asked: Asked) -> list[dict[str, Any]]:
    """The likes and dislikes with their titles; what is gone has its id for one."""
    fields = [shape.title] if shape.title else []
    found = []
    for kind, ids in (("like", asked.like), ("unlike", asked.unlike)):
        for id in ids:
            try:
                title = title_of(id, engine.item(id, fields=fields).fields, shape)
            except RecommenderError:
                title = title_of(id, {}, shape)
            found.append({"id": id, "kind": kind, "title": title, "left": asked.without(id)})
    return found


def _relaxed(engine: Recommender, asked: Asked, shape: Shape, total: int) -> list[dict[str, Any]]:
    """The filters without which there were more items than ``total``, and how many."""
    rows = [
        {**each, "count": engine.count(each["left"].where())} for each in chosen_of(asked, shape)
    ]
    return [row for row in rows if row["count"] > total]


def _listed(name: str) -> dict[str, Any]:
    """A catalogue as the choice shows it; one that is just being loaded has no count."""
    engine = opened().get(name)
    entry = engine.entry
    stamps = dict.fromkeys(entry.stamps[vector].embedder for vector in entry.catalogue.vectors)
    try:
        items: int | None = engine.state().items
    except RecommenderError:
        items = None
    fields = [*entry.catalogue.fields]
    return {"name": name, "items": items, "embedder": ", ".join(stamps), "fields": fields}


def _page(template: str, status: int = 200, **values: Any) -> Response:
    base = _base()
    links = {"docs": f"{base}docs", "openapi": f"{base}openapi.json"}
    html = render_template(
        f"recommender/{template}", base=base, links=links, modules=MODULES, asset=_asset,
        status=status, events=state().settings.events, **values,
    )  # fmt: skip
    response = make_response(html, status)
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "strict-origin-when-cross-origin"
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers.add("Vary", "X-API-Key, Authorization")
    return response


def _base() -> str:
    """The address under which this instance stands, with a slash at its end."""
    return url_for(".home")


def _asset(name: str) -> str:
    beside = str(request.blueprint).rpartition(".")[0]
    return url_for(f"{beside}.assets.asset", version=present_version(), name=name)
