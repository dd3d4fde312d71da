"""Inference: what becomes of a source's columns when nobody wrote a catalogue file.

Which of them is the id is told in test_inference_ids.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from recommender import Catalogue, Record, infer
from recommender.catalogue import FieldSpec
from recommender.errors import InvalidCatalogue

Rows = list[dict[str, Any]]


def inferred(rows: Rows) -> Catalogue:
    """What is inferred for the rows, which is always a file that can be kept."""
    catalogue = infer([Record(f"row {i}", row) for i, row in enumerate(rows)], "films")
    assert Catalogue.from_yaml(catalogue.to_yaml()) == catalogue
    return catalogue


def films(rows: int = 100, **columns: Any) -> Rows:
    """Films with an id, a title and more columns, a function of the row's number or one value."""
    return [
        {"id": str(i), "title": f"A film called number {i}"}
        | {name: make(i) if callable(make) else make for name, make in columns.items()}
        for i in range(rows)
    ]


def column(make: Any, rows: int = 100, name: str = "it") -> FieldSpec | None:
    """What is inferred for a column of these values, None where it is a vector."""
    return inferred(films(rows, **{name: make})).fields.get(name)


def cycle(*values: Any) -> Callable[[int], Any]:
    return lambda row: values[row % len(values)]


KINDS: dict[str | None, list[Any]] = {
    "number": [
        lambda i: str(i), lambda i: -i / 3, cycle("1e3", "-2"),
        cycle("1995", "", "N/A", "-", None, "2.5"),
        cycle("2024-01-31", "1999-12-01T10:00:00Z"),
    ],
    "text": [
        lambda i: f"It has some words, and a comma, and number {i}",
        lambda i: f"Once, {i} times, a king" if i % 2 else f"He sold {i} lands",
    ],
    "tag": [
        cycle(True, False), cycle("true", "false"), cycle("red", "green", "blue"),
        cycle(["Drama", "Comedy"], ["Horror"]),
        # lists that look like vectors and are none
        lambda i: [i] * 8, lambda i: [0.1] * 7, lambda i: [0.1] * (8 + i % 2),
        lambda i: list(range(8 + i % 5)), lambda i: ["0.1"] * 8, lambda i: [True] * 8,
    ],
    "stored": [
        None, "", lambda i: [],
        # codes and prices
        lambda i: f"{i:05}", lambda i: "007" if i == 50 else str(1000 + i), lambda i: f"X{i}",
        lambda i: f"{i},{i % 10}9", lambda i: f"1_00{i}",
        lambda i: f"https://example.org/{i}.jpg", lambda i: f"/images/{i}.jpg",
        lambda i: f"poster-{i}.PNG",
        cycle("31.1.2024", "1/12/1999"),
        lambda i: {"cast": [{"name": f"Actor {i}"}]}, lambda i: [{"id": 18, "name": "Drama"}],
        lambda i: [["Drama"], ["War"]], lambda i: str([i] * 8),
    ],
    None: [  # vectors
        lambda i: [0.1 * i] * 8, lambda i: None if i < 30 else [0.1 * i] * 8,
        lambda i: str([0.1 * i] * 8),
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "make"), [(kind, make) for kind, makes in KINDS.items() for make in makes]
)
def test_the_kind_of_a_column(kind: str | None, make: Any) -> None:
    field = column(make)
    assert (field and field.type) == kind


@pytest.mark.parametrize("price", ["{},{}9", "{},{}9 €", "${},{}90", "{}.{}9 €"])
def test_prices_are_no_tags(price: str) -> None:
    field = column(lambda i: price.format(i % 20, i % 10))
    assert field
    assert field.type in ("number", "stored")


@pytest.mark.parametrize("mark", ["|", ";", ",", " | ", ", "])
def test_what_separates_tags(mark: str) -> None:
    field = column(cycle(f"Drama{mark}Comedy", "Horror", f"Horror{mark}Drama{mark}War"))
    assert field == FieldSpec(type="tag", separator=mark.strip())


def test_commas_in_prose_separate_nothing() -> None:
    prose = [
        "A man, a plan, a canal.", "Once upon a time, there was a king", "Well, nobody's perfect",
        "Rain, mud and snow", "She, of all people, laughed at it",
    ]  # fmt: skip
    field = column(lambda i: prose[i], rows=5)
    assert field == FieldSpec(type="text")


@pytest.mark.parametrize("place", ["2.35,48.85", {"lat": 48.85, "lng": 2.35}, [2.35, 48.85]])
def test_places_are_told_by_name_and_value(place: Any) -> None:
    for name, kind in (("location", "geo"), ("Coordinates", "geo"), ("other", None)):
        field = column(place, name=name)
        assert field
        assert (field.type == "geo") == (kind == "geo")
    by_name = column(cycle("Paris", "Rome"), name="location")
    assert by_name
    assert by_name.type == "tag"


def test_vectors_of_the_source_go_before_an_embedder() -> None:
    vectors: dict[str, Any] = {
        "my clip!": lambda i: [i, 1, 2, 3, 4, 5, 6, 7.5],
        "my-clip": lambda i: str([i / 2] * 9),
        "as": lambda i: [i + 0.5] * 8,
    }
    catalogue = inferred(films(**vectors))
    assert {spec.embedder for spec in catalogue.vectors.values()} == {"given"}
    assert {name: spec.column for name, spec in catalogue.vectors.items()} == {
        "my_clip": "my clip!", "my_clip_2": "my-clip", "column_as": "as",
    }  # fmt: skip
    assert list(catalogue.fields) == ["title"]


# Names


def test_odd_names_become_fields_that_keep_their_column() -> None:
    odd = ["prix €", "été", "1st", "a.b", "_x", "{y}", "a b", "a_b", " a-b ", "!!!", "", "as",
           "NoIndex", "title ", "größe (cm)"]  # fmt: skip
    catalogue = inferred(films(**{name: lambda i: i for name in odd}))
    assert {name: catalogue.column(name) for name in catalogue.fields} == {
        "title": "title", "prix": "prix €", "été": "été", "column_1st": "1st", "a_b": "a.b",
        "x": "_x", "y": "{y}", "a_b_2": "a b", "a_b_3": "a_b", "a_b_4": " a-b ",
        "column_11": "!!!", "column_12": "", "column_as": "as", "column_NoIndex": "NoIndex",
        "title_2": "title ", "größe_cm": "größe (cm)",
    }  # fmt: skip


@pytest.mark.parametrize(
    "names",
    [
        ["2023 survey: how satisfied were you with the whole of it, really?"],
        ["q" * 60 + "?" * i for i in range(4)],
        ["text_vector"],
        ["text_vector", "text vector", "text_vector_2"],
        ["as", "AS", "as ", "column_as"],
        ["", " ", "!", "column_2"],
        ["m²"],
    ],
)
def test_names_that_could_break_the_catalogue(names: list[str]) -> None:
    catalogue = inferred(films(**{name: lambda i: f"Some more words {i}" for name in names}))
    assert [catalogue.column(name) for name in catalogue.fields] == ["title", *names]


def test_a_field_named_like_a_given_vectors_hash_field() -> None:
    catalogue = inferred(films(clip=lambda i: [i + 0.5] * 8, clip_vector="words"))
    assert list(catalogue.vectors) == ["clip"]
    assert catalogue.column("clip_vector_2") == "clip_vector"


# What is embedded


def test_the_template_is_the_title_then_texts_then_tags_of_words() -> None:
    catalogue = inferred(
        films(
            lang=cycle("en", "fr"), seen=cycle(True, False), genres=cycle("Drama|War", "Comedy"),
            year=lambda i: 1900 + i, plot=lambda i: f"It is about the number {i}, they say",
            Name=lambda i: f"Film {i}",
        )
    )  # fmt: skip
    assert catalogue.vectors["text"].template == "{title}. {Name}. {plot}. {genres}"
    assert catalogue.vectors["text"].embedder == "wordllama"


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_tiny_samples(rows: int) -> None:
    catalogue = inferred(
        films(rows, genres="Animation|Comedy", year="1995", rating=lambda i: i + 0.5)
    )
    assert (catalogue.id, catalogue.vectors["text"].template) == ("id", "{title}. {genres}")
    assert {name: field.type for name, field in catalogue.fields.items()} == {
        "title": "text", "genres": "tag", "year": "number", "rating": "number",
    }  # fmt: skip


def test_one_word_titles_are_text() -> None:
    assert inferred([{"id": "1", "title": "Alien"}]).fields["title"].type == "text"


@pytest.mark.parametrize("name", ["title", "Name"])
def test_a_title_with_the_name_of_its_site_is_no_list_of_labels(name: str) -> None:
    catalogue = inferred([{"id": str(n), name: f"Bread {n} | My Blog"} for n in range(60)])
    assert catalogue.fields[name] == FieldSpec(type="text")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], "there is no good record"),
        ([{"id": str(i), "year": i} for i in range(9)], "no column holds text .* --spec FILE"),
        ([{"id": str(i), "code": f"X{i}"} for i in range(9)], "no column holds text"),
    ],
)
def test_nothing_to_work_with(rows: Rows, said: str) -> None:
    with pytest.raises(InvalidCatalogue, match=said):
        inferred(rows)


def test_a_name_that_cannot_be_one() -> None:
    with pytest.raises(InvalidCatalogue, match="cannot be a catalogue's name"):
        infer([Record("row 1", films(1)[0])], "my films")


def test_a_tag_that_is_always_the_same_tells_nothing_and_is_not_embedded() -> None:
    posts = [
        {"id": f"p{n}", "title": f"About thing {n} and more", "layout": "post"} for n in range(30)
    ]
    catalogue = infer([Record(str(n), post) for n, post in enumerate(posts)], "posts")
    assert catalogue.fields["layout"].type == "tag"
    assert catalogue.vectors["text"].template == "{title}"
