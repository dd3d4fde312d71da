"""Templates: the text of an item that is embedded."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender import Catalogue
from recommender.convert import Converter
from recommender.errors import InvalidCatalogue
from recommender.template import Template

FILM = {"title": "Shrek", "overview": "An ogre", "genres": "Comedy, Fantasy", "year": "2001"}


def render(source: str, **words: str) -> str:
    return Template(source).render(words)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{title}", "Shrek"),
        ("{title}. {overview} ({year})", "Shrek. An ogre (2001)"),
        ("{title}: {genres}", "Shrek: Comedy, Fantasy"),
        ("{{{title}}}", "{Shrek}"),
        ("  {title}\n", "Shrek"),
        ("{title}{title}", "ShrekShrek"),
        ("Film: {title}", "Film: Shrek"),
    ],
)
def test_fields_go_where_their_names_stand(source: str, text: str) -> None:
    assert render(source, **FILM) == text


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("number", 0, "0"),
        ("number", "1.50", "1.5"),
        ("stored", False, "false"),
        ("stored", {"a": 1}, '{"a": 1}'),
        ("geo", "2.5,48.5", "[2.5, 48.5]"),
        ("tag", ["Comedy", None, " Fantasy "], "Comedy, Fantasy"),
        ("text", "a {b} c", "a {b} c"),
        ("text", "%s\\1", "%s\\1"),
    ],
)
def test_a_records_value_as_text(kind: str, value: Any, text: str) -> None:
    catalogue = Catalogue.from_dict(
        {"name": "x", "fields": {"it": {"type": kind}, "gone": {"type": kind}},
         "vectors": {"text": {"template": "{it} {gone}"}}}
    )  # fmt: skip
    prepared = Converter(catalogue, {"text": 1}).prepare("1", {"it": value, "gone": None})
    assert prepared.texts == {"text": text}


def test_the_names_that_it_holds_in_their_order() -> None:
    assert Template("{b}. {a} {b}").fields == ["b", "a", "b"]
    assert Template("{{a}}").fields == []


@pytest.mark.parametrize("nothing", [{}, {"title": ""}, {"title": "", "overview": ""}])
def test_an_item_without_any_of_its_fields_has_no_text(nothing: dict[str, str]) -> None:
    assert render("Film: {title}. {overview}!", **nothing) == ""


LONG = "{title}. {overview} Genres: {genres}, {year}."


@pytest.mark.parametrize(
    ("source", "missing", "text"),
    [
        ("{title}. {overview}. {genres}", "overview", "Shrek. Comedy, Fantasy"),
        ("{title}. {overview}. {genres}", "genres", "Shrek. An ogre."),
        ("{title}. {overview}. {genres}", "overview genres", "Shrek."),
        ("{title}. {overview}", "title", "An ogre"),
        ("{title} {year} {overview}", "year", "Shrek An ogre"),
        ("{title} ({year}) {overview}", "year", "Shrek An ogre"),
        ("{title} ({year}) {overview}", "title overview", "(2001)"),
        ("({year}) {title}", "year", "Shrek"),
        ("{title}, of {year}", "year", "Shrek"),
        ("{title} of {year}, {genres}", "year", "Shrek Comedy, Fantasy"),
        ("{title} - {overview}", "overview", "Shrek"),
        ("{title} - {overview}", "title", "An ogre"),
        ("{title}/{year}", "year", "Shrek"),
        ("{title}/{year}", "title", "2001"),
        ("{title}-x-{year}", "year", "Shrek"),
        (LONG, "", "Shrek. An ogre Genres: Comedy, Fantasy, 2001."),
        (LONG, "overview", "Shrek. Genres: Comedy, Fantasy, 2001."),
        (LONG, "genres", "Shrek. An ogre 2001."),
        (LONG, "year", "Shrek. An ogre Genres: Comedy, Fantasy"),
        (LONG, "genres year", "Shrek. An ogre"),
        (LONG, "title overview year", "Genres: Comedy, Fantasy"),
    ],
)
def test_a_missing_field_leaves_nothing_behind(source: str, missing: str, text: str) -> None:
    gone = missing.split()
    assert render(source, **{k: v for k, v in FILM.items() if k not in gone}) == text
    assert render(source, **FILM | dict.fromkeys(gone, "")) == text


@pytest.mark.parametrize(
    ("source", "words", "text"),
    [
        ("{a}. {b}", {"a": "Wait...", "b": "What? . , ; :"}, "Wait... What? . , ; :"),
        ("{a} {b}", {"a": "Wait... what?!"}, "Wait... what?!"),
        ("{a} {b}", {"a": "Mission ::: Impossible"}, "Mission ::: Impossible"),
        ("{a}, {b}", {"b": "- dash; colon:"}, "- dash; colon:"),
    ],
)
def test_what_is_there_is_never_touched(source: str, words: dict[str, str], text: str) -> None:
    assert render(source, **words) == text


@pytest.mark.parametrize("title", ["Quote:", "C:/", "To be continued -"])
def test_the_last_signs_of_a_value_are_its_own(title: str) -> None:
    assert render("{title}, {overview}", title=title) == title


@pytest.mark.parametrize("source", ["{", "}", "{title", "title}", "{title}}", "{{title}"])
def test_braces_that_do_not_match(source: str) -> None:
    with pytest.raises(InvalidCatalogue, match="cannot be read"):
        Template(source)


@pytest.mark.parametrize(
    "source",
    ["{}", "{0}", "{a b}", "{a.b}", "{a[0]}", "{a!r}", "{a:>9}", "{a:{b}}", "{ a}", "{a-b}",
     "{title.__class__}"],
)  # fmt: skip
def test_braces_that_hold_more_than_a_name(source: str) -> None:
    with pytest.raises(InvalidCatalogue, match=r"not a field's name\. Write \{title\}"):
        Template(source)


@given(st.text())
def test_any_text_is_a_template_or_said_not_to_be(source: str) -> None:
    try:
        template = Template(source)
    except InvalidCatalogue:
        return
    assert template.render(dict.fromkeys(template.fields, "x")) is not None


@given(st.dictionaries(st.sampled_from("abc"), st.text()))
def test_rendering_changes_no_value(words: dict[str, str]) -> None:
    before = dict(words)
    text = render("{a}. {b} {c}", **words)
    assert words == before
    assert text == text.strip()


def test_a_sentence_that_has_its_full_stop_gets_no_second_one() -> None:
    assert render("{a}. {b}", a="It ends.", b="Next") == "It ends. Next"
    assert render("{a}. {b}.", a="Does it end?", b="Yes!") == "Does it end? Yes!"
    assert render("{a}... {b}", a="So", b="on") == "So... on"
