"""The catalogue file: what it may say, what it means when it says nothing, what it answers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender import Catalogue
from recommender.catalogue import check_name, name_from
from recommender.errors import InvalidCatalogue, InvalidParameter, UnknownField

FULL = """\
name: movies
id: movie id
fields:
  title: {type: text, weight: 2.0}
  genres: {type: tag, separator: '|'}
  année: {type: number, column: Année (sortie)}
  place: {type: geo}
  poster: {type: stored}
vectors:
  text:
    embedder: wordllama
    template: '{title}. {genres}'
    dims: 256
    index: flat
    metric: cosine
    type: float16
  image:
    embedder: given
    column: clip
    index: hnsw
    metric: l2
    type: bfloat16
"""
MINIMAL = "name: films\nfields: {title: {type: text}}\nvectors: {text: {template: '{title}'}}"


def film(**changes: Any) -> dict[str, Any]:
    """A catalogue that works, as plain values, with some of them changed."""
    plain: dict[str, Any] = {
        "name": "films",
        "fields": {"title": {"type": "text"}},
        "vectors": {"text": {"template": "{title}"}},
    }
    return plain | changes


def one_field(**settings: Any) -> dict[str, Any]:
    return film(fields={"title": {"type": "text"} | settings})


def one_vector(**settings: Any) -> dict[str, Any]:
    return film(vectors={"text": settings})


# In and out


def test_a_file_comes_out_as_it_went_in() -> None:
    assert Catalogue.from_yaml(FULL).to_yaml() == FULL


def test_every_default() -> None:
    catalogue = Catalogue.from_yaml(MINIMAL)
    title, vector = catalogue.fields["title"], catalogue.vectors["text"]
    assert catalogue.id == "id"
    assert (title.column, title.separator, title.weight) == (None, None, 1.0)
    assert catalogue.column("title") == "title"
    assert (vector.embedder, vector.index, vector.metric) == ("wordllama", "hnsw", "cosine")
    assert (vector.type, vector.dims, vector.column) == ("float32", None, None)
    assert Catalogue.from_yaml(catalogue.to_yaml()) == catalogue


def test_no_fields_are_fine_where_the_vector_is_given() -> None:
    bare = Catalogue.from_yaml("name: bare\nvectors: {v: {embedder: given, column: v}}")
    assert bare.fields == {}
    assert Catalogue.from_yaml(bare.to_yaml()) == bare


@pytest.mark.parametrize("name", ["no", "yes", "on", "null", "e1", "été", "日本", "x" * 64])
def test_field_names_that_yaml_could_misread_come_back(name: str) -> None:
    odd = {name: {"type": "tag", "column": "1: {a}"}}
    catalogue = Catalogue.from_dict(film(fields=odd | film()["fields"]))
    assert list(Catalogue.from_yaml(catalogue.to_yaml()).fields) == [name, "title"]


def test_a_given_name_goes_before_the_files_own_and_that_before_the_default() -> None:
    nameless = "vectors: {v: {embedder: given, column: v}}"
    assert Catalogue.from_yaml(MINIMAL, name="other", default_name="last").name == "other"
    assert Catalogue.from_yaml(MINIMAL, default_name="last").name == "films"
    assert Catalogue.from_yaml(nameless, default_name="last").name == "last"
    assert Catalogue.from_yaml(nameless, name="x").name == "x"


def test_the_digest_follows_what_is_stored_and_does_not_disturb_equality() -> None:
    one, same = Catalogue.from_dict(film()), Catalogue.from_dict(film())
    assert one.fields_digest() == same.fields_digest()
    assert one == Catalogue.from_dict(film())
    for other in (film(id="key"), one_field(column="Title"), one_vector(template="{title}!")):
        assert Catalogue.from_dict(other).fields_digest() != one.fields_digest()


# What is wrong, and where


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (film(names={}), "names: there is no setting 'names'"),
        (one_field(waight=2), "fields.title.waight: there is no setting 'waight'"),
        (one_vector(template="{title}", dim=3), "vectors.text.dim: there is no setting 'dim'"),
        (one_field(type="txt"), "fields.title.type: 'txt' is not one of 'text', 'tag', 'number'"),
        (one_field(separator=","), "separator is for tags, this field is of type text"),
        (one_field(type="tag", separator=""), "fields.title.separator"),
        (one_field(type="tag", weight=2), "weight is for text, this field is of type tag"),
        (one_field(weight=0), "fields.title.weight"),
        (one_vector(template="{title}", index="ivf"), "'ivf' is not one of 'flat' or 'hnsw'"),
        (one_vector(template="{title}", metric="dot"), "'dot' is not one of 'cosine', 'ip' or"),
        (one_vector(template="{title}", type="int4"), "'int4' is not one of 'float32'"),
        (one_vector(template="{title}", dims=0), "vectors.text.dims"),
        (one_vector(embedder="given"), "a given vector needs a column, and no template"),
        (one_vector(embedder="given", column="v", template="{title}"), "and no template"),
        (one_vector(), "an embedded vector needs a template, and no column"),
        (one_vector(template="{title}", column="v"), "needs a template, and no column"),
        (one_vector(template="{titel}"), "{titel}, which is no field. Did you mean 'title'?"),
        (one_vector(template="{id}"), "{id}, which is no field. The fields are: title"),
        (one_vector(template="{title"), "the template '{title' cannot be read"),
        (one_vector(template="hello"), "the template 'hello' names no field"),
        (one_vector(template="  "), "the template '  ' names no field"),
        (one_vector(template="{{title}}"), "the template '{{title}}' names no field"),
        (film(vectors={}), "vectors"),
        ({"name": "films"}, "vectors: Field required"),
        (
            film(fields={"text_vector": {"type": "tag"}} | film()["fields"]),
            "the field text_vector clashes with the vector 'text'",
        ),
    ],
)
def test_what_is_wrong_is_said(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidCatalogue) as caught:
        Catalogue.from_dict(wrong)
    assert said in str(caught.value)


def test_every_problem_is_told_at_once() -> None:
    wrong = one_field(type="txt") | {"vectors": {"text": {"template": "{title}", "index": "ivf"}}}
    with pytest.raises(InvalidCatalogue, match=r"fields\.title\.type.*vectors\.text\.index"):
        Catalogue.from_dict(wrong)


@pytest.mark.parametrize(
    "name",
    ["1st", "_at", "a b", "a-b", "a.b", "", "a:b", "é!", "x" * 65, "as", "NoIndex", "SORTABLE"],
)
def test_names_that_no_field_or_vector_can_have(name: str) -> None:
    for wrong in (
        film(fields={name: {"type": "tag"}} | film()["fields"]),
        film(vectors={name: {"template": "{title}"}}),
    ):
        with pytest.raises(InvalidCatalogue, match="cannot be a field's name"):
            Catalogue.from_dict(wrong)


@pytest.mark.parametrize(
    "name", ["my films", "a:b", "", "catalogues", "x" * 65, "-a", "_a", "é", "a/b", "a\n", "*"]
)
def test_names_that_no_catalogue_can_have(name: str) -> None:
    with pytest.raises(InvalidCatalogue, match="cannot be a catalogue's name"):
        Catalogue.from_dict(film(name=name))


@pytest.mark.parametrize("name", ["a", "9", "2024", "no", "My_films-2", "x" * 64])
def test_names_that_a_catalogue_can_have(name: str) -> None:
    catalogue = Catalogue.from_dict(film(name=name))
    assert Catalogue.from_yaml(catalogue.to_yaml()).name == catalogue.name == name


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no settings. 'recommender infer FILE'"),
        ("# nothing", "holds no settings"),
        ("- name: films", "holds no settings"),
        ("just words", "holds no settings"),
        ("name: [films", "is not YAML"),
        ("a: b: c", "is not YAML"),
        ("\x00", "is not YAML"),
        ("!!python/object:os.system x", "is not YAML"),
        ("name: 2024-13-45", "is not YAML"),
        ("name: !!float x", "is not YAML"),
        ("[" * 5000, "is not YAML"),
        ("name: films\n1: 2", "Keys should be strings"),
        (MINIMAL.replace("title:", "no:"), "fields: the name False is not text: put it in quotes"),
        (MINIMAL.replace("title:", "2024:"), "fields: the name 2024 is not text: put it in quotes"),
        (MINIMAL.replace("text:", "null:"), "vectors: the name None is not text: put it in quotes"),
        ("name: 2024\nvectors: {v: {embedder: given, column: v}}", "name: Input should be a valid"),
    ],
)
def test_files_that_are_none(text: str, said: str) -> None:
    with pytest.raises(InvalidCatalogue) as caught:
        Catalogue.from_yaml(text)
    assert said in str(caught.value)


def test_asking_for_a_vector_or_a_field() -> None:
    catalogue = Catalogue.from_yaml(FULL)
    assert catalogue.vector(None) == "text"
    assert catalogue.vector("image") == "image"
    with pytest.raises(InvalidParameter, match="Did you mean 'image'") as caught:
        catalogue.vector("images")
    assert caught.value.parameter == "using"
    assert catalogue.check_fields(("title", "genres"), "fields") == ["title", "genres"]
    with pytest.raises(UnknownField, match="Did you mean 'genres'"):
        catalogue.check_fields(["genre"], "fields")


# A name from a source


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("movies.csv", "movies"),
        ("/data/My posts.csv.gz", "My-posts"),
        ("C:\\data\\My posts.csv", "My-posts"),
        ("data/", "data"),
        (".hidden.csv", "hidden"),
        ("__x__.csv", "x"),
        ("2024.01.csv", "2024"),
        ("a" * 80 + ".csv", "a" * 64),
        ("https://example.org/data/movies.json?page=1#top", "movies"),
        ("https://example.org/movies.csv?from=/tmp/shop.csv", "movies"),
        ("https://example.org/movies.csv#/tmp/shop.csv", "movies"),
        ("https://example.org/", "example"),
        ("https://www.example.org/feed.xml", "example"),
        ("http://example.org:8080/blog/index.xml?all=1", "example"),
        ("https://me:secret@example.org/sitemap.xml", "example"),
        ("https://example.org/tech.xml", "tech"),
        ("what? #1.csv", "what-1"),
        ("a\nb.csv", "a-b"),
        ("Été à Paris.csv", "Ete-a-Paris"),
    ],
)
def test_a_source_names_its_catalogue(source: str, name: str) -> None:
    assert name_from(source) == name


@pytest.mark.parametrize("source", ["", "-", "/", "..", "日本.csv", "catalogues.csv", "!!!.json"])
def test_a_source_that_gives_no_name(source: str) -> None:
    with pytest.raises(InvalidParameter, match="Name it: --catalogue NAME") as caught:
        name_from(source)
    assert repr(source) in str(caught.value)


@given(st.text())
def test_a_name_from_any_source_can_be_a_name(source: str) -> None:
    try:
        name = name_from(source)
    except InvalidParameter:
        return
    assert check_name(name) == name
