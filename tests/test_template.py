"""Templates: the text of an item that is embedded."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.errors import InvalidCatalogue
from recommender.template import Template

FILM = {"title": "Shrek", "overview": "An ogre", "genres": ["Comedy", "Fantasy"], "year": 2001}


def render(source: str, **values: Any) -> str:
    return Template(source).render(values)


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
    ("value", "text"),
    [(0, "0"), (False, "false"), (1.5, "1.5"), ((2.5, 48.5), "[2.5, 48.5]"), ({"a": 1}, '{"a": 1}'),
     ("a {b} c", "a {b} c"), ("%s\\1", "%s\\1")],
)  # fmt: skip
def test_any_value_as_text(value: Any, text: str) -> None:
    assert render("{it}", it=value) == text


def test_the_names_that_it_holds_in_their_order() -> None:
    assert Template("{b}. {a} {b}").fields == ["b", "a", "b"]
    assert Template("{{a}}").fields == []


@pytest.mark.parametrize("nothing", [{}, {"title": None}, {"title": "", "overview": " \n"}])
def test_an_item_without_any_of_its_fields_has_no_text(nothing: dict[str, Any]) -> None:
    assert render("Film: {title}. {overview}", **nothing) == ""


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"title": "Shrek", "genres": ["Comedy"]}, "Shrek. Comedy"),
        ({"title": "Shrek", "overview": "An ogre"}, "Shrek. An ogre."),
        ({"title": "Shrek", "overview": [], "genres": "  "}, "Shrek."),
    ],
)
def test_a_missing_field_leaves_no_second_full_stop(values: dict[str, Any], text: str) -> None:
    assert render("{title}. {overview}. {genres}", **values) == text


def test_what_is_there_is_never_touched_when_nothing_is_missing() -> None:
    assert render("{a}. {b}", a="Wait...", b="What? . , ; :") == "Wait.... What? . , ; :"


@pytest.mark.xfail(strict=True, reason="'a field without a value leaves nothing behind'")
@pytest.mark.parametrize(
    ("source", "values", "text"),
    [
        ("{title}. {overview}", {"overview": "An ogre"}, "An ogre"),
        ("{title} {year} {overview}", {"title": "Shrek", "overview": "An ogre"}, "Shrek An ogre"),
        ("{title} {overview}", {"title": "Wait... what?!"}, "Wait... what?!"),
        ("{title} {overview}", {"title": "Mission ::: Impossible"}, "Mission ::: Impossible"),
    ],
)
def test_a_missing_field_leaves_nothing_and_takes_nothing(
    source: str, values: dict[str, Any], text: str
) -> None:
    assert render(source, **values) == text


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
def test_rendering_changes_no_value(values: dict[str, str]) -> None:
    before = dict(values)
    text = render("{a}. {b} {c}", **values)
    assert values == before
    assert text == text.strip()
