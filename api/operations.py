"""Every call of the API in words: what it takes, answers, and what may go wrong."""

from __future__ import annotations

from typing import Any

from api.describing import ASK, CATALOGUES, EVENTS, HEALTH, ITEMS, Body, Operation
from api.models import addresses, answers, bodies, events, items, kept
from recommender import errors

OPEN = (errors.UnknownCatalogue, errors.InvalidCatalogue, errors.IndexNotReady, errors.StoreError)
"""What every call about a catalogue may meet."""

MODEL = (errors.EmbedderError, errors.TextRefused, errors.ModelMismatch, errors.MissingExtra)
"""What a call may meet that embeds."""

WISHES = (*OPEN, errors.UnknownField, errors.StoreFull)
WRITES = (*OPEN, *MODEL, errors.CatalogueBusy, errors.StoreFull)

SIMILAR = (*WISHES, errors.UnknownItem)
RELATED = (*SIMILAR, errors.RelatedNotBuilt)
SEARCH = (*WISHES, *MODEL)
RECOMMEND = (*SIMILAR, *MODEL)

NESTED: dict[str, Any] = {
    "id": "toy-story",
    "where": {"any": ["genres=Western", "year<1930"]},
    "limit": 5,
}

list_catalogues = Operation(
    "listCatalogues", CATALOGUES, "The names of all catalogues", {200: kept.Catalogues},
    errors=(errors.StoreError,),
)  # fmt: skip
describe = Operation(
    "getCatalogue", CATALOGUES, "One catalogue: fields, vectors, counts, presets",
    {200: kept.Catalogue}, errors=OPEN,
)  # fmt: skip
facets = Operation(
    "getFacets", CATALOGUES, "Values and counts of tags, ranges of numbers",
    {200: kept.Facets}, addresses.Facets, errors=(*OPEN, *MODEL, errors.UnknownField),
    more="Under conditions, if some are given: what is left to filter by.",
)  # fmt: skip
browse = Operation(
    "browse", CATALOGUES, "The items, like nothing in particular", {200: answers.Results},
    addresses.Browse, errors=(*OPEN, errors.UnknownField),
    more="They have no score. Without an order they come in one that means nothing but stays.",
)  # fmt: skip

similar = Operation(
    "getSimilar", ASK, "The items most like one item", {200: answers.Results}, addresses.Similar,
    errors=SIMILAR, more="The item itself is never among them.",
)  # fmt: skip
similar_by_body = Operation(
    "postSimilar", ASK, "The items most like one item, by conditions that nest",
    {200: answers.Results},
    bodies=[Body(bodies.Similar, {"nested conditions": NESTED})], errors=SIMILAR,
)  # fmt: skip
similar_to_each = Operation(
    "postSimilarBatch", ASK, "The items most like each of up to 100 items",
    {200: answers.BatchAnswer},
    bodies=[
        Body(bodies.SimilarBatch, {"two ids": {"ids": ["toy-story", "nobody"], "limit": 3}}),
    ],
    errors=WISHES,
    more="Each id has its own answer, in their order; one that is not there has a problem in its"
    " place and costs the others nothing. The ids times the limit may be 10,000.",
)  # fmt: skip
related = Operation(
    "getRelated", ASK, "The stored neighbours of one item", {200: answers.Results},
    addresses.Related, errors=RELATED,
)  # fmt: skip
related_by_body = Operation(
    "postRelated", ASK, "The stored neighbours of one item, by conditions that nest",
    {200: answers.Results},
    bodies=[Body(bodies.Related, {"nested conditions": NESTED})], errors=RELATED,
)  # fmt: skip
search = Operation(
    "getSearch", ASK, "The items closest to some words", {200: answers.Results}, addresses.Search,
    errors=SEARCH,
)  # fmt: skip
search_by_body = Operation(
    "postSearch", ASK, "The items closest to words, a vector or a picture",
    {200: answers.Results},
    bodies=[
        Body(bodies.Search, {
            "words": {"text": "samurai defend a village", "mode": "hybrid", "limit": 5},
        }),
        Body(items.Upload, type="multipart/form-data"),
    ],
    errors=SEARCH,
    more="A picture is base64 in JSON, or the file part image of a form; then the wishes are its"
    " other fields, or one field options with an object.",
)  # fmt: skip
recommend = Operation(
    "postRecommend", ASK, "The items most like several others, and unlike some",
    {200: answers.Results},
    bodies=[
        Body(bodies.Recommend, {
            "likes": {
                "like": ["alien", {"text": "a lonely robot", "weight": 0.5}], "unlike": ["up"],
            },
            "as viewed": {"like": ["up", "alien"], "half_life": 2, "strategy": "best"},
        }),
    ],
    errors=RECOMMEND,
)  # fmt: skip

get_item = Operation(
    "getItem", ITEMS, "One item", {200: kept.Item}, addresses.ReadItem,
    errors=(*OPEN, errors.UnknownField, errors.UnknownItem),
)  # fmt: skip
put_item = Operation(
    "putItem", ITEMS, "Writes one whole item", {200: kept.Outcome, 201: kept.Outcome},
    addresses.OneItem,
    [Body(items.WrittenItem, {
        "a film": {"fields": {"title": "Dune", "year": 2021, "genres": ["Science Fiction"]}},
    })],
    (*WRITES, errors.RecordError), "write",
    "What the old one had and the new one does not name is gone. 201 means that it is new.",
)  # fmt: skip
patch_item = Operation(
    "patchItem", ITEMS, "Changes some fields of one item", {200: kept.Outcome},
    addresses.OneItem, [Body(items.WrittenItem, {"a year": {"fields": {"year": 1984}}})],
    (*WRITES, errors.RecordError, errors.UnknownItem), "write",
    "A field that is null is removed; those that are not named stay.",
)  # fmt: skip
post_items = Operation(
    "postItems", ITEMS, "Writes many items",
    {200: kept.Outcomes, 400: kept.AllRejected},
    bodies=[
        Body(items.ManyItems, {
            "two films": [
                {"id": "dune", "fields": {"title": "Dune", "year": 2021}},
                {"id": "solaris", "fields": {"title": "Solaris", "year": 1972}},
            ],
        }),
        Body(items.Lines, type="application/x-ndjson"),
    ],
    errors=WRITES, key="write",
    more="What is wrong with a record costs only that record. As NDJSON, an item a line, there may"
    " be any number.",
)  # fmt: skip
delete_items = Operation(
    "deleteItems", ITEMS, "Removes items by their ids", {200: kept.Deleted},
    addresses.SeveralItems, errors=(*OPEN, errors.UnknownItem, errors.CatalogueBusy),
    key="write",
)  # fmt: skip

post_events = Operation(
    "postEvents", EVENTS, "What visitors did: view, click, like, buy",
    {202: events.Taken, 400: events.NoneTaken},
    bodies=[
        Body(events.Sent, {
            "one": {"type": "click", "id": "alien", "seed": "toy-story"},
            "several": {"events": [{"type": "view", "id": "up"}, {"type": "like", "id": "up"}]},
        }),
    ],
    errors=(*OPEN, errors.UnknownItem, errors.StoreFull, errors.EventsClosed), key="events",
    more="With a write key, or, where RECOMMENDER_EVENTS is open, from whoever may read. What is"
    " wrong with one of several costs only that one.",
)  # fmt: skip

alive = Operation(
    "isAlive", HEALTH, "Whether the process answers", {200: kept.Alive}, key=""
)  # fmt: skip
ready = Operation(
    "isReady", HEALTH, "Whether Redis answers and every index is complete",
    {200: kept.Ready, 503: kept.Ready}, key="",
)  # fmt: skip
