"""Presets: wishes that are kept with the catalogue, and asked with by their name."""

from __future__ import annotations

import datetime
import math
from typing import Any

import pytest
from conftest import Load, Open

from recommender import Catalogue, Recommender, presets
from recommender.errors import InvalidParameter, RecommenderError, UnknownCatalogue
from recommender.store import catalogues
from recommender.store.connection import Server

SHOP: dict[str, Any] = {
    "name": "shop",
    "fields": {"kind": {"type": "tag"}, "price": {"type": "number"}},
    "vectors": {"v": {"embedder": "given", "column": "v", "index": "flat"}},
}
CHEAPER = {"boosts": ["5*low(price)"], "limit": 2}
ITEMS = [
    {"id": "seed", "kind": "shoe", "price": 50, "v": [1, 0]},
    {"id": "near", "kind": "shoe", "price": 90, "v": [9, 1]},
    {"id": "cheap", "kind": "shoe", "price": 10, "v": [1, 1]},
    {"id": "hat", "kind": "hat", "price": 20, "v": [1, 2]},
]
CIRCLE: list[Any] = []
CIRCLE.append(CIRCLE)


def shop(**with_presets: Any) -> Catalogue:
    return Catalogue.from_dict(SHOP | {"presets": with_presets})


@pytest.fixture
def opened(load: Load, open_catalogue: Open) -> Recommender:
    load(shop(cheaper=CHEAPER), ITEMS)
    return open_catalogue("shop")


def ids(engine: Recommender, **wishes: Any) -> list[str]:
    return [hit.id for hit in engine.similar("seed", **wishes)]


def test_a_preset_of_the_file_is_asked_with_by_name(opened: Recommender) -> None:
    assert ids(opened) == ["near", "cheap", "hat"]
    assert ids(opened, preset="cheaper") == ["cheap", "hat"]
    assert opened.similar("seed", preset="cheaper").requested == 2


def test_what_is_given_goes_before_the_preset_and_conditions_add_up(
    opened: Recommender, server: Server
) -> None:
    assert ids(opened, preset="cheaper", limit=3) == ["cheap", "hat", "near"]
    presets.save(server.client, "shop", "shoes", {"where": "kind=shoe", "exclude": ["near"]})
    fresh = Recommender("shop", server=server)
    assert ids(fresh, preset="shoes") == ["cheap"]
    assert ids(fresh, preset="shoes", where=["price>=20"]) == []
    assert ids(fresh, preset="shoes", exclude=["cheap"]) == []


def test_saving_dropping_and_loading_again(load: Load, server: Server) -> None:
    load(shop(cheaper=CHEAPER), ITEMS)
    presets.save(server.client, "shop", "two", {"limit": 2})
    load(shop(), ITEMS)  # a file without presets leaves them alone
    assert {*catalogues.get(server.client, "shop").catalogue.presets} == {"cheaper", "two"}
    load(shop(two={"limit": 3}), ITEMS)  # one that has them goes before what is kept
    kept = catalogues.get(server.client, "shop").catalogue.presets
    assert kept == {"cheaper": CHEAPER, "two": {"limit": 3}}
    presets.drop(server.client, "shop", "cheaper")
    assert {*catalogues.get(server.client, "shop").catalogue.presets} == {"two"}
    with pytest.raises(InvalidParameter, match="no preset 'cheaper'"):
        presets.drop(server.client, "shop", "cheaper")


def test_a_preset_survives_the_file_it_is_written_in() -> None:
    made = shop(cheaper=CHEAPER, other={"where": {"any": ["kind=hat", "price<5"]}})
    assert Catalogue.from_yaml(made.to_yaml()) == made


@pytest.mark.parametrize(
    ("name", "wishes", "said"),
    [
        ("a b", {}, "cannot be a preset's name"),
        ("", {}, "cannot be a preset's name"),
        ("x", {"limits": 3}, "no argument 'limits'"),
        ("x", {"limit": 0}, "limit is 0"),
        ("x", {"boosts": ["high(nothing)"]}, "nothing"),
        ("x", {"where": "colour=red"}, "colour"),
        ("x", {"fields": ["colour"]}, "colour"),
        ("x", {"using": "image"}, "image"),
        ("x", {"next": "start"}, "cannot be kept"),
        ("x", {"preset": "cheaper"}, "cannot be kept"),
        ("x", {"fields": 5}, "fields is 5"),
        ("x", {"fields": {"kind": 1}}, "fields is {'kind': 1}"),
        ("x", {"fields": [["kind"]]}, "fields is"),
        ("x", {"fields": [datetime.date(2020, 1, 1)]}, "fields is"),
        ("x", {"exclude": {"near"}}, "exclude is {'near'}"),
        ("x", {"where": datetime.date(2020, 1, 1)}, "where is"),
        ("x", {"min_score": math.nan}, "min_score is nan"),
        ("x", {"using": {None: 1}}, "using is"),
        ("x", {"fields": CIRCLE}, "fields is"),
    ],
)
def test_a_preset_that_could_not_be_asked_with_is_refused_at_once(
    opened: Recommender, server: Server, load: Load, name: str, wishes: Any, said: str
) -> None:
    before = catalogues.get(server.client, "shop")
    with pytest.raises(InvalidParameter, match=said) as caught:
        presets.save(server.client, "shop", name, wishes)
    assert caught.value.parameter == "preset"
    with pytest.raises(RecommenderError, match=said):
        load(shop(**{name: wishes}), ITEMS)
    assert catalogues.get(server.client, "shop") == before


def test_unknown_names(opened: Recommender, server: Server) -> None:
    with pytest.raises(InvalidParameter, match="no preset 'cheapr'") as caught:
        opened.similar("seed", preset="cheapr")
    assert (caught.value.parameter, caught.value.remedy) == ("preset", "Did you mean 'cheaper'?")
    with pytest.raises(UnknownCatalogue):
        presets.save(server.client, "shops", "x", {})
