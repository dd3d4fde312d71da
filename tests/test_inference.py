"""Inference: what a catalogue file is made of when nobody wrote one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from recommender import Catalogue, RecommenderError, Record, infer
from recommender.catalogue import FieldSpec
from recommender.errors import InvalidCatalogue

Rows = list[dict[str, Any]]


def inferred(rows: Rows, **options: Any) -> Catalogue:
    return infer([Record(f"row {i}", row) for i, row in enumerate(rows)], "films", **options)


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


# The id


def test_the_id_by_its_name() -> None:
    rows = films(url=lambda i: f"https://example.org/{i}", sku=lambda i: f"S{i}")
    assert inferred(rows).id == "id"
    assert inferred([{k: v for k, v in row.items() if k != "id"} for row in rows]).id == "sku"


@pytest.mark.parametrize("name", ["ID", "_id", "film_id", "Film ID", "slug", "uuid", "path"])
def test_names_that_say_id(name: str) -> None:
    rows = [{"text": f"Some words here {i}", name: f"a{i}"} for i in range(10)]
    assert inferred(rows).id == name


def test_the_id_by_its_different_values() -> None:
    rows = [{"kind": "film", "code": i, "text": "The same words in all of them"} for i in range(60)]
    assert inferred(rows).id == "code"


def test_the_id_that_is_asked_for() -> None:
    rows = films(isbn=lambda i: f"978-{i}", kind="film")
    assert inferred(rows, id="isbn").id == "isbn"
    assert inferred(rows, id="kind").id == "kind"
    assert "kind" not in inferred(rows, id="kind").fields
    with pytest.raises(
        InvalidCatalogue, match=r"no column 'isbm' for the id\. Did you mean 'isbn'"
    ):
        inferred(rows, id="isbm")


def test_one_duplicate_or_blank_in_a_hundred_is_a_bad_record() -> None:
    rows = films()
    rows[7]["id"], rows[8]["id"] = rows[9]["id"], ""
    assert inferred(rows).id == "id"


@pytest.mark.parametrize("value", ["same", lambda i: i / 10, lambda i: [i], lambda i: "x" * 300])
def test_no_column_that_could_be_the_id(value: Any) -> None:
    rows = [{"it": value(i) if callable(value) else value, "kind": "a film"} for i in range(10)]
    with pytest.raises(
        InvalidCatalogue, match=r"none can be the id\. Name it: --id COLUMN"
    ) as caught:
        inferred(rows)
    assert "The columns are: it, kind" in str(caught.value)


# What a column is


@pytest.mark.parametrize(
    ("kind", "make"),
    [
        ("number", lambda i: str(i)),
        ("number", lambda i: -i / 3),
        ("number", cycle("1995", "", "N/A", "-", None, "2.5")),
        ("number", cycle("1e3", "-2")),
        ("stored", lambda i: f"{i:05}"),  # zip codes and the like
        ("stored", lambda i: "007" if i == 50 else str(1000 + i)),
        ("stored", lambda i: f"X{i}"),
        ("tag", cycle(True, False)),
        ("tag", cycle("true", "false")),
        ("tag", cycle("red", "green", "blue")),
        ("tag", cycle(["Drama", "Comedy"], ["Horror"])),
        ("text", lambda i: f"It has some words, and a comma, and number {i}"),
        ("text", lambda i: f"Once, {i} times, a king" if i % 2 else f"He sold {i} lands"),
        ("stored", lambda i: f"https://example.org/{i}.jpg"),
        ("stored", lambda i: f"/images/{i}.jpg"),
        ("stored", lambda i: f"poster-{i}.PNG"),
        ("stored", cycle("2024-01-31", "1999-12-01T10:00:00Z")),
        ("stored", cycle("31.1.2024", "1/12/1999")),
        ("stored", lambda i: {"cast": [{"name": f"Actor {i}"}]}),
        ("stored", None),
        ("stored", ""),
        ("stored", lambda i: []),
        (None, lambda i: [0.1 * i] * 8),
    ],
)  # fmt: skip
def test_the_kind_of_a_column(kind: str | None, make: Any) -> None:
    field = column(make)
    assert (field and field.type) == kind


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


@pytest.mark.parametrize("place", ["2.35,48.85", {"lat": 48.85, "lng": 2.35}])
def test_places_are_told_by_name_and_value(place: Any) -> None:
    for name, kind in (("location", "geo"), ("Coordinates", "geo"), ("other", None)):
        field = column(place, name=name)
        assert field
        assert (field.type == "geo") == (kind == "geo")
    by_name = column(cycle("Paris", "Rome"), name="location")
    assert by_name
    assert by_name.type == "tag"


def test_a_vector_of_the_source_goes_before_an_embedder() -> None:
    catalogue = inferred(films(**{"my clip!": lambda i: [i, 1, 2, 3, 4, 5, 6, 7.5]}))
    [(name, vector)] = catalogue.vectors.items()
    assert (name, vector.embedder, vector.column) == ("my_clip", "given", "my clip!")
    assert list(catalogue.fields) == ["title"]


# Names


def test_odd_names_become_fields_that_keep_their_column() -> None:
    odd = ["prix €", "été", "1st", "a.b", "_x", "{y}", "a b", "a_b", " a-b ", "!!!"]
    catalogue = inferred(films(**{name: lambda i: i for name in odd}))
    assert {name: catalogue.column(name) for name in catalogue.fields} == {
        "title": "title", "prix": "prix €", "été": "été", "column_1st": "1st", "a_b": "a.b",
        "x": "_x", "y": "{y}", "a_b_2": "a b", "a_b_2_2": "a_b", "a_b_2_2_2": " a-b ",
        "column_11": "!!!",
    }  # fmt: skip


@pytest.mark.xfail(strict=True, reason="column='' counts as none: the values are never read")
def test_a_column_without_a_name_keeps_its_values() -> None:
    catalogue = inferred(films(**{"": lambda i: i % 7}))
    [name] = set(catalogue.fields) - {"title"}
    assert catalogue.column(name) == ""


@pytest.mark.xfail(strict=True, reason="a pydantic ValidationError or a template that is refused")
@pytest.mark.parametrize(
    "names",
    [
        ["2023 survey: how satisfied were you with the whole of it, really?"],
        ["q" * 60 + "?" * i for i in range(4)],
        ["text_vector"],
        ["m²"],
    ],
)
def test_names_that_break_the_catalogue(names: list[str]) -> None:
    catalogue = inferred(films(**{name: lambda i: f"Some more words {i}" for name in names}))
    assert len(catalogue.fields) == 1 + len(names)
    assert Catalogue.from_yaml(catalogue.to_yaml()) == catalogue


@pytest.mark.xfail(strict=True, reason="a pydantic ValidationError", raises=ValueError)
def test_a_field_named_like_a_given_vectors_hash_field() -> None:
    inferred(films(clip=lambda i: [i + 0.5] * 8, clip_vector="words"))


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


def test_what_was_inferred_is_a_file_that_can_be_kept() -> None:
    catalogue = inferred(films(genres="Drama|War", **{"größe (cm)": lambda i: i}))
    assert Catalogue.from_yaml(catalogue.to_yaml()) == catalogue


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
    with pytest.raises(RecommenderError, match="cannot be a catalogue's name"):
        infer([Record("row 1", films(1)[0])], "my films")


# Bugs


@pytest.mark.parametrize(
    ("kinds", "name", "make"),
    [
        pytest.param(
            "stored", "it", lambda i: [{"id": 18, "name": "Drama"}],
            marks=pytest.mark.xfail(strict=True, reason="a tag whose labels are JSON"),
        ),
        pytest.param(
            "geo", "location", lambda i: [2.35, 48.85],
            marks=pytest.mark.xfail(strict=True, reason="parse takes it as geo; inferred as tag"),
        ),
        pytest.param(
            "tag", "cast_ids", lambda i: list(range(8 + i % 5)),
            marks=pytest.mark.xfail(strict=True, reason="lists of several lengths as a vector"),
        ),
        pytest.param(
            "number or stored", "it", lambda i: f"{i % 20},{i % 10}9",
            marks=pytest.mark.xfail(strict=True, reason="the price 3,49 becomes the tags 3 and 49"),
        ),
    ],
)  # fmt: skip
def test_kinds_that_are_guessed_wrong(kinds: str, name: str, make: Any) -> None:
    field = column(make, name=name)
    assert field
    assert field.type in kinds.split(" or ")
