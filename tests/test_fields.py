"""Fields: what each kind takes from a source, and that Redis's bytes give the same value back."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.errors import RecordError
from recommender.fields import KINDS, as_text, is_missing
from recommender.items import MAX_CELL

HUGE = 10**400
"""An integer that JSON may hold and a float may not."""

plain_text = st.text()  # hypothesis leaves lone surrogates out of it
printable = st.text(st.characters(exclude_categories=["Cc", "Cs"]))
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
        ("two\nlines", "two\nlines"), (1, "1"), (1.5, "1.5"), (True, "true"),
        (["a", 1, ["b"]], "a, 1, b"),
        (["a", None, "", " ", [], ["b", None]], "a, b"),
        ({"é": [1]}, '{"é": [1]}'),
    ],
)  # fmt: skip
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
        ("a|b|a|A", "|", ["A", "b"]),
        (["drama", "War", " DRAMA", "Drama"], None, ["Drama", "War"]),
        ("film \t\n noir|film\x1fnoir", "|", ["film noir"]),
        (["Drama", None, " ", [], "War"], None, ["Drama", "War"]),
        (3, None, ["3"]),
        (True, None, ["true"]),
        ("||", "|", None),
        (["", " "], None, None),
        ([None], None, None),
    ],
)
def test_tags(value: Any, separator: str | None, tags: list[str] | None) -> None:
    assert parse("tag", value, separator) == tags


@pytest.mark.parametrize(
    ("value", "number"),
    [(7, 7), (-1.5, -1.5), (" 7 ", 7), ("+7", 7), ("-7", -7), ("007", 7), ("1e3", 1000.0),
     (".5", 0.5), (2**63, 2**63), (1.7e308, 1.7e308), ("1e-400", 0.0)],
)  # fmt: skip
def test_numbers(value: Any, number: float) -> None:
    parsed = parse("number", value)
    assert parsed == number
    assert type(parsed) is type(number)


@pytest.mark.parametrize("value", ["", " ", "-", "N/A", "na", "NaN", "None", "NULL", " n/a "])
def test_what_people_write_for_no_number(value: str) -> None:
    assert parse("number", value) is None


@pytest.mark.parametrize(
    "value",
    ["abc", "1,5", "$3", "--5", "+-5", "0x10", "1 2", "1_000", "9" * 5000, [1], {}, b"1", True,
     False, "1e400", "inf", "-Infinity", math.inf, math.nan, HUGE, "1" + "0" * 400],
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
    "value",
    ["Paris", "1", "1,2,3", 5, {"lat": 1}, {"lon": None, "lat": 1}, [[1], 2], [HUGE, 0],
     {"lon": 0, "lat": HUGE}],
)  # fmt: skip
def test_what_is_no_place(value: Any) -> None:
    assert "is not a place" in refusal("geo", value)


@pytest.mark.parametrize("value", ["1_0,2", [True, 2], {"lon": "1_0", "lat": False}])
def test_what_is_no_number_is_no_place_either(value: Any) -> None:
    assert "is not a place" in refusal("geo", value)


@pytest.mark.parametrize("value", ["181,0", "0,90", "0,86", "nan,0", [math.inf, 0]])
def test_places_off_the_map(value: Any) -> None:
    assert "is not on the map" in refusal("geo", value)


# What is refused


def test_the_longest_text() -> None:
    assert len(parse("text", "x" * MAX_CELL)) == MAX_CELL == 1_000_000
    said = "it has 1,000,001 characters, the limit is 1,000,000"
    assert refusal("text", "x" * 1_000_001) == refusal("stored", "x" * 1_000_001) == said
    assert "characters, the limit is" in refusal("stored", ["x" * 500_000] * 2)


@pytest.mark.parametrize("label", ["x" * 4096, "é" * 2048, "世" * 1365, "🙂" * 1024])
def test_the_longest_tag(label: str) -> None:
    assert there_and_back("tag", parse("tag", label)) == [label]
    size = len((label + label[0]).encode())
    assert refusal("tag", label + label[0]) == f"a tag has {size:,} bytes, the limit is 4,096"


@pytest.mark.parametrize("sign", "\0\x01\b\x1b\x7f", ids=ascii)
def test_signs_that_cannot_be_in_a_tag(sign: str) -> None:
    for value in (f"a{sign}b", sign, ["fine", f"a{sign}b"]):
        assert "holds a control character" in refusal("tag", value)


def test_a_nul_cannot_be_in_a_text() -> None:
    assert refusal("text", "a\0b") == "it holds a NUL character"
    assert parse("text", "a\x01b\x1f") == "a\x01b\x1f"


@pytest.mark.parametrize("kind", ["text", "tag", "stored"])
@pytest.mark.parametrize("value", ["caf\udce9", ["caf\udce9"]])
def test_bytes_that_were_no_text(kind: str, value: Any) -> None:
    assert "'\\udce9' is not text in the source's encoding" in refusal(kind, value)


@pytest.mark.parametrize("value", [math.nan, math.inf, {1, 2}, b"x", [math.nan], {"a": object()}])
def test_what_json_cannot_hold(value: Any) -> None:
    for kind in ("text", "tag", "stored"):
        assert "cannot be kept as JSON" in refusal(kind, value)


# There and back


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_text_comes_back(value: str) -> None:
    assert there_and_back("text", parse("text", value)) == value


@given(st.lists(printable | st.sampled_from(["a", "A", " a ", "a\tb", "A b"])))
def test_tags_come_back(value: list[str]) -> None:
    tags = parse("tag", value)
    spelling = {}
    for label in filter(None, (" ".join(label.split()) for label in value)):
        spelling[label.lower()] = label
    assert tags == (list(spelling.values()) or None)
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
