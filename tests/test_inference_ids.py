"""Inference: which column of a source is the id."""

from __future__ import annotations

from typing import Any

import pytest

from recommender import Catalogue, Record, infer
from recommender.errors import InvalidCatalogue

Rows = list[dict[str, Any]]


def inferred(rows: Rows, **options: Any) -> Catalogue:
    return infer([Record(f"row {i}", row) for i, row in enumerate(rows)], "films", **options)


def test_the_id_by_its_name() -> None:
    rows: Rows = [
        {"text": f"Words {i}", "url": f"https://example.org/{i}", "sku": f"S{i}"} for i in range(9)
    ]
    assert inferred(rows).id == "sku"
    assert inferred([row | {"id": i} for i, row in enumerate(rows)]).id == "id"


@pytest.mark.parametrize("name", ["ID", "_id", "film_id", "Film ID", "slug", "uuid", "path"])
def test_names_that_say_id(name: str) -> None:
    rows = [{"text": f"Some words here {i}", name: f"a{i}"} for i in range(10)]
    assert inferred(rows).id == name


def test_the_id_by_its_different_values() -> None:
    rows = [{"kind": "film", "code": i, "text": "The same words in all of them"} for i in range(60)]
    assert inferred(rows).id == "code"


@pytest.mark.parametrize("name", ["id", "_ID", "uuid", "GUID", "sku"])
def test_a_column_called_id_is_trusted_when_half_of_its_values_differ(name: str) -> None:
    def chosen(name: str, copies: int) -> str:
        rows = [{name: f"a{i // copies}", "other": i, "text": "Same words"} for i in range(60)]
        return inferred(rows).id

    assert (chosen(name, 2), chosen(name, 3)) == (name, "other")
    assert chosen("key", 2) == "other"


def test_truths_are_no_ids() -> None:
    rows = [{"id": True, "text": "Some words"}, {"id": False, "text": "More words"}]
    catalogue = inferred(rows)
    assert (catalogue.id, catalogue.fields["id"].type) == ("text", "tag")


@pytest.mark.parametrize(
    ("name", "make", "kind"),
    [
        ("text", lambda i: f"Some words and number {i}", "text"),
        ("title", lambda i: f"Alien{i}", "text"),
        ("Name", lambda i: f"Alien{i}", "text"),
        ("slug", lambda i: f"alien-{i}", None),
        ("url", lambda i: f"https://example.org/{i}", None),
        ("id", lambda i: i, None),
    ],
)
def test_an_id_that_people_read_is_a_field_too(name: str, make: Any, kind: str | None) -> None:
    catalogue = inferred([{name: make(i), "about": "Some more words"} for i in range(9)])
    assert catalogue.id == name
    field = catalogue.fields.get(name)
    assert (field and field.type) == kind
    template = catalogue.vectors["text"].template
    assert (f"{{{name}}}" in str(template)) == (kind is not None)


def test_the_id_that_is_asked_for() -> None:
    rows = [{"id": i, "isbn": f"978-{i}", "kind": "film", "text": "words"} for i in range(9)]
    assert inferred(rows, id="isbn").id == "isbn"
    assert inferred(rows, id="kind").id == "kind"
    assert "kind" not in inferred(rows, id="kind").fields
    with pytest.raises(InvalidCatalogue, match=r"column 'isbm' for the id\. Did you mean 'isbn'"):
        inferred(rows, id="isbm")


def test_one_duplicate_or_blank_in_a_hundred_is_a_bad_record() -> None:
    rows: Rows = [{"id": i, "text": f"Words {i}"} for i in range(100)]
    rows[7]["id"], rows[8]["id"] = rows[9]["id"], ""
    assert inferred(rows).id == "id"


@pytest.mark.parametrize("value", ["same", lambda i: i / 10, lambda i: [i], lambda i: "x" * 300])
def test_no_column_that_could_be_the_id(value: Any) -> None:
    rows = [{"it": value(i) if callable(value) else value, "kind": "a film"} for i in range(10)]
    said = r"none can be the id\. Name it: --id COLUMN\. The columns are: it, kind"
    with pytest.raises(InvalidCatalogue, match=said):
        inferred(rows)
