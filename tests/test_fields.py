"""Fields: what each kind takes from a source, and that Redis's bytes give the same value back."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.errors import RecordError
from recommender.fields import KINDS, MAX_TEXT_CHARS, TAG_SEPARATOR, as_text, is_missing

HUGE = 10**400
"""An integer that JSON may hold and a float may not."""

plain_text = st.text()  # hypothesis leaves lone surrogates out of it
labels = st.text(st.characters(exclude_characters=TAG_SEPARATOR, exclude_categories=["Cs"]))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | plain_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(plain_text, inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


def parse(kind: str, value: Any, separator: str | None = None) -> Any:
    return KINDS[kind].parse(value, separator)


def there_and_back(kind: str, value: Any) -> Any:
    return KINDS[kind].unpack(KINDS[kind].pack(value))


def refusal(kind: str, value: Any) -> str:
    """What is said of a value that the kind does not take, when parsed or when packed."""
    with pytest.raises(RecordError) as caught:
        KINDS[kind].pack(parse(kind, value))
    return str(caught.value)


@pytest.mark.parametrize("value", [None, "", " \t\n", []])
def test_what_stands_for_nothing(value: Any) -> None:
    assert is_missing(value)


@pytest.mark.parametrize("value", [0, False, 0.0, "0", {}, [""], "-"])
def test_what_stands_for_something(value: Any) -> None:
    assert not is_missing(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("two\nlines", "two\nlines"),
        (1, "1"),
        (1.5, "1.5"),
        (True, "true"),
        (["a", 1, ["b"]], "a, 1, b"),
        ({"é": [1]}, '{"é": [1]}'),
    ],
)
def test_anything_as_text(value: Any, text: str) -> None:
    assert as_text(value) == parse("text", value) == text


# One kind after the other


@pytest.mark.parametrize(
    ("value", "separator", "tags"),
    [
        ("Drama|Comedy", "|", ["Drama", "Comedy"]),
        (" Drama || Comedy |", "|", ["Drama", "Comedy"]),
        ("Drama|Comedy", None, ["Drama|Comedy"]),
        ("a, b", ", ", ["a", "b"]),
        (["a|b", " c "], "|", ["a|b", "c"]),
        ("a|b|a|A", "|", ["a", "b", "A"]),
        (3, None, ["3"]),
        (True, None, ["true"]),
        ("||", "|", None),
        (["", " "], None, None),
    ],
)
def test_tags(value: Any, separator: str | None, tags: list[str] | None) -> None:
    assert parse("tag", value, separator) == tags


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (7, 7),
        (-1.5, -1.5),
        (" 7 ", 7),
        ("+7", 7),
        ("-7", -7),
        ("007", 7),
        ("1e3", 1000.0),
        (".5", 0.5),
        (2**63, 2**63),
        (1.7e308, 1.7e308),
        ("1e-400", 0.0),
    ],
)
def test_numbers(value: Any, number: float) -> None:
    parsed = parse("number", value)
    assert parsed == number
    assert type(parsed) is type(number)


@pytest.mark.parametrize("value", ["", " ", "-", "N/A", "na", "NaN", "None", "NULL", " n/a "])
def test_what_people_write_for_no_number(value: str) -> None:
    assert parse("number", value) is None


@pytest.mark.parametrize(
    "value",
    ["abc", "1,5", "$3", "--5", "+-5", "0x10", "1 2", "9" * 5000, [1], {}, b"1",
     "1e400", "inf", "-Infinity", math.inf, math.nan, HUGE, "1" + "0" * 400],
)  # fmt: skip
def test_what_is_no_number(value: Any) -> None:
    assert "is not a" in refusal("number", value)


@pytest.mark.parametrize(
    "place",
    ["2.35,48.85", " 2.35 , 48.85 ", [2.35, 48.85], (2.35, 48.85), {"lon": 2.35, "lat": 48.85},
     {"Longitude": "2.35", "LATITUDE": "48.85", "name": "Paris"}, {"lng": 2.35, "latitude": 48.85}],
)  # fmt: skip
def test_places(place: Any) -> None:
    assert parse("geo", place) == (2.35, 48.85)


@pytest.mark.parametrize("value", ["180,85.05", "-180,-85.05", "0,0", [1e-9, 0]])
def test_places_at_the_edge_of_the_map(value: Any) -> None:
    place = parse("geo", value)
    assert there_and_back("geo", place) == place


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("Paris", "is not a place"),
        ("1", "is not a place"),
        ("1,2,3", "is not a place"),
        (5, "is not a place"),
        ({"lat": 1}, "is not a place"),
        ({"lon": None, "lat": 1}, "is not a place"),
        ([[1], 2], "is not a place"),
        ("181,0", "is not on the map"),
        ("0,90", "is not on the map"),
        ("0,86", "is not on the map"),
        ("nan,0", "is not on the map"),
        ([math.inf, 0], "is not on the map"),
    ],
)
def test_what_is_no_place(value: Any, said: str) -> None:
    assert said in refusal("geo", value)


# Limits


def test_the_longest_text() -> None:
    assert len(parse("text", "x" * MAX_TEXT_CHARS)) == MAX_TEXT_CHARS == 1_000_000
    for kind in ("text", "stored"):
        assert (
            refusal(kind, "x" * 1_000_001) == "it has 1,000,001 characters, the limit is 1,000,000"
        )
    assert "characters, the limit is" in refusal("stored", ["x" * 500_000] * 2)


@pytest.mark.parametrize("label", ["x" * 4096, "é" * 2048, "世" * 1365, "🙂" * 1024])
def test_the_longest_tag(label: str) -> None:
    assert there_and_back("tag", parse("tag", label)) == [label]
    assert "the limit is 4096" in refusal("tag", label + label[0])


@pytest.mark.xfail(strict=True, reason="it says '2,000 characters, the limit is 4096'")
def test_a_tag_that_is_too_long_in_bytes_is_told_its_bytes() -> None:
    assert refusal("tag", "世" * 2000) == "a tag has 6,000 bytes, the limit is 4096"


def test_the_tag_separator_cannot_be_in_a_tag() -> None:
    assert "0x1F" in refusal("tag", f"a{TAG_SEPARATOR}b")
    assert "0x1F" in refusal("tag", ["fine", f"a{TAG_SEPARATOR}b"])


@pytest.mark.parametrize("kind", ["text", "tag", "stored"])
@pytest.mark.parametrize("value", ["caf\udce9", ["caf\udce9"]])
def test_bytes_that_were_no_text(kind: str, value: Any) -> None:
    assert "'\\udce9' is not text in the source's encoding" in refusal(kind, value)


@pytest.mark.parametrize("value", [math.nan, math.inf, {1, 2}, b"x", [math.nan], {"a": object()}])
def test_what_json_cannot_hold(value: Any) -> None:
    for kind in ("text", "tag", "stored"):
        assert "cannot be kept as JSON" in refusal(kind, value)


# Bugs


@pytest.mark.xfail(strict=True, reason="True becomes b'True': Redis indexes nothing of the item")
@pytest.mark.parametrize("value", [True, False])
def test_a_boolean_is_the_number_that_it_counts_as_or_none_at_all(value: bool) -> None:
    try:
        number = parse("number", value)
    except RecordError:
        return
    assert there_and_back("number", number) == value


@pytest.mark.xfail(strict=True, raises=OverflowError, reason="one such record ends the whole load")
@pytest.mark.parametrize("value", [[HUGE, 0], {"lon": 0, "lat": HUGE}])
def test_a_place_beyond_every_float_costs_only_its_record(value: Any) -> None:
    assert "is not" in refusal("geo", value)


@pytest.mark.xfail(strict=True, raises=ValueError, reason="_short() calls repr, which refuses it")
@pytest.mark.parametrize("kind", KINDS)
def test_an_integer_too_long_to_print_costs_only_its_record(kind: str) -> None:
    assert refusal(kind, 10**5000)


@pytest.mark.xfail(strict=True, raises=RecursionError, reason="as_text and _short() recurse")
@pytest.mark.parametrize("kind", KINDS)
def test_a_value_too_deep_to_print_costs_only_its_record(kind: str) -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert refusal(kind, deep)


@pytest.mark.xfail(strict=True, reason="null in a list becomes the label (or the word) 'null'")
def test_nothing_in_a_list_leaves_nothing() -> None:
    assert parse("tag", ["Drama", None]) == ["Drama"]
    assert parse("tag", [None]) is None
    assert parse("text", ["Drama", None]) == "Drama"


# There and back


@given(plain_text)
def test_text_comes_back(value: str) -> None:
    assert there_and_back("text", parse("text", value)) == value


@given(st.lists(labels))
def test_tags_come_back(value: list[str]) -> None:
    tags = parse("tag", value)
    assert tags == (list(dict.fromkeys(label.strip() for label in value if label.strip())) or None)
    if tags:
        assert there_and_back("tag", tags) == tags


@given(st.integers(-(2**200), 2**200) | st.floats(-1.7e308, 1.7e308))
def test_numbers_come_back(value: float) -> None:
    for number in (parse("number", value), parse("number", repr(value))):
        back = there_and_back("number", number)
        assert (back, type(back)) == (value, type(value))


@given(st.floats(-180, 180), st.floats(-85.05112878, 85.05112878))
def test_places_come_back(lon: float, lat: float) -> None:
    for value in ([lon, lat], f"{lon},{lat}", {"lat": lat, "lon": lon}):
        assert there_and_back("geo", parse("geo", value)) == (lon, lat)


@given(json_values)
def test_stored_values_come_back(value: Any) -> None:
    assert json.dumps(there_and_back("stored", parse("stored", value))) == json.dumps(value)
