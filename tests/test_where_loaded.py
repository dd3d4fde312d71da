"""What was loaded can be asked for: every label, title and field name, or it was refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from conftest import Open

from recommender import Catalogue, Recommender, Reject

Load = Callable[..., Any]
One = Callable[..., Recommender]


def catalogue(**fields: str) -> Catalogue:
    """A catalogue with the given vector ``v`` and these fields, of these types."""
    return Catalogue.from_dict(
        {"name": "films", "fields": {name: {"type": kind} for name, kind in fields.items()},
         "vectors": {"v": {"embedder": "given", "column": "v"}}}
    )  # fmt: skip


@pytest.fixture
def one(load: Load, open_catalogue: Open) -> One:
    """``one(genres=["Drama"])``: a catalogue of one film, the fields of which are tags or text."""

    def make(**fields: Any) -> Recommender:
        kinds = {name: "text" if name == "title" else "tag" for name in fields}
        load(catalogue(**kinds), [{"id": "1", "v": [1, 2]} | fields])
        return open_catalogue("films")

    return make


def is_found(films: Recommender, where: str) -> bool:
    """Whether the only film passes; counting and searching say the same."""
    hits = films.search(vector=[1, 1], where=where)
    assert films.count(where) == len(hits)
    return len(hits) == 1


def test_tags_with_control_characters_are_rejected_and_so_never_found_under_others(
    load: Load, open_catalogue: Open
) -> None:
    rejects: list[Reject] = []
    signs = {"nul": "\0", "one": "\x01", "escape": "\x1b", "delete": "\x7f", "dash": "-"}
    films = [{"id": id, "genres": ["x", f"a{sign}b"], "v": [1, 2]} for id, sign in signs.items()]
    load(catalogue(genres="tag"), films, rejects)
    assert [reject.id for reject in rejects] == ["nul", "one", "escape", "delete"]
    assert all("holds a control character" in reject.reason for reject in rejects)
    hits = open_catalogue("films").search(vector=[1, 1], where="genres=a|b|x|ab|a b|a-b")
    assert [hit.id for hit in hits] == ["dash"]


@pytest.mark.parametrize("label", ["a`b", "_", "a\tb", "a \n b", " a\xa0b ", "a\u3000b"], ids=ascii)
def test_a_label_finds_itself_and_its_twin_with_other_white_space(one: One, label: str) -> None:
    films = one(genres=[label])
    assert is_found(films, f"genres={label}")
    assert is_found(films, f"genres={' '.join(label.split())}")
    assert is_found(films, "genres=a b") == (label not in ("a`b", "_"))


def test_labels_of_one_item_that_differ_only_in_case_are_one(one: One) -> None:
    films = one(genres=["drama", "War", "DRAMA", "Drama "])
    assert films.item("1").fields["genres"] == ["Drama", "War"]
    assert is_found(films, "genres=drama")
    assert is_found(films, "genres=DRAMA")


def test_labels_that_the_engine_keeps_apart_stay_apart(one: One) -> None:
    assert is_found(one(genres=["Été", "été"]), "genres=Été")


@pytest.mark.parametrize("title", ["AC\\DC", "a\x01b", "1E5", "INF", "CAFÉ", "a_b _c"], ids=ascii)
def test_a_title_finds_itself(one: One, title: str) -> None:
    assert is_found(one(title=f"the {title} plan"), f"title~{title}")


@pytest.mark.xfail(strict=True, reason="an escaped sign is of the word to the engine, not to where")
def test_a_title_with_an_escaped_sign_finds_itself(one: One) -> None:
    assert is_found(one(title="one\\-two"), "title~one\\-two")


@pytest.mark.parametrize(
    "space",
    [*" \t\n\r\v\f\x85\xa0\u2003\u2028\u3000"],
    ids=ascii,
)
def test_white_space_ends_a_word(one: One, space: str) -> None:
    films = one(title=f"toy{space}story")
    assert is_found(films, f"title~toy{space}story")
    assert is_found(films, "title~toy")
    assert films.item("1").fields["title"] == f"toy{space}story"


BY_KIND = [("tag", "x", "=x"), ("text", "x", "~x"), ("number", 3, ">2"), ("geo", "1,2", "=@1,2,1m")]


@pytest.mark.parametrize("name", ["score", "limit", "inf", "text", "NUMERIC", "weight", "not", "x²",
                                  "日本", "v" * 64, "asc", "noindex_", "unsortable"])  # fmt: skip
@pytest.mark.parametrize(("kind", "value", "condition"), BY_KIND)
def test_a_field_may_have_any_name(
    load: Load, open_catalogue: Open, name: str, kind: str, value: Any, condition: str
) -> None:
    film = {"id": "1", name: value, "z": "x", "v": [1, 2]}
    load(catalogue(**{name: kind, "z": "tag"}), [film, {"id": "2", "v": [1, 2]}])
    assert is_found(open_catalogue("films"), name + condition)
