"""Dates of ISO 8601 as numbers, wherever a number is wanted: in a source and in a condition."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone

import pytest
from conftest import Load
from hypothesis import given
from hypothesis import strategies as st

from recommender import Catalogue, Recommender, Record, infer
from recommender.dates import DAY, seconds_of, span_of
from recommender.errors import InvalidWhere

MAY = int(datetime(2024, 5, 1, tzinfo=timezone.utc).timestamp())
TEN = MAY + 10 * 3600


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2024-05-01", MAY),
        (" 2024-05-01 ", MAY),
        ("2024-05-01T10:00", TEN),
        ("2024-05-01T10:00:00Z", TEN),
        ("2024-05-01 10:00:00", TEN),
        ("2024-05-01T12:00:00+02:00", TEN),
        ("2024-05-01 12:00 +0200", TEN),
        ("2024-05-01T05:00-0500", TEN),
        ("1937-12-21", -1_010_793_600),
        ("2024-05-32", None),
        ("20240501", None),
        ("2024-05", None),
        ("2024-05-01 and more", None),
        ("tea", None),
        ("", None),
    ],
)
def test_a_date_in_seconds(text: str, seconds: int | None) -> None:
    assert seconds_of(text) == seconds


@given(st.text())
def test_any_text_is_a_date_or_none(text: str) -> None:
    span = span_of(text)
    assert span is None or span[0] <= span[1] < span[0] + DAY


def test_a_column_of_dates_is_a_number_and_conditions_may_name_days(
    load: Load, open_catalogue: Callable[[str], Recommender]
) -> None:
    days = ["2024-04-30", "2024-05-01", "2024-05-01T23:59:59Z", "2024-05-02", ""]
    posts = [
        {"id": f"p{n}", "title": f"Post number {n} about tea", "date": day}
        for n, day in enumerate(days)
    ]
    catalogue = infer([Record(str(n), post) for n, post in enumerate(posts)], "posts")
    assert catalogue.fields["date"].type == "number"
    load(catalogue, posts)

    def found(where: str) -> set[str]:
        hits = open_catalogue("posts").search("tea", where=where)
        return {hit.id for hit in hits}

    assert found("date=2024-05-01") == {"p1", "p2"}
    assert found("date!=2024-05-01") == {"p0", "p3", "p4"}
    assert found("date>2024-05-01") == {"p3"}
    assert found("date>=2024-05-01") == {"p1", "p2", "p3"}
    assert found("date<2024-05-01") == {"p0"}
    assert found("date<=2024-05-01") == {"p0", "p1", "p2"}
    assert found("date=2024-04-01..2024-05-01") == {"p0", "p1", "p2"}
    assert found("date=2024-05-01T12:00..") == {"p2", "p3"}
    assert found(f"date={MAY}") == {"p1"}


def test_what_is_no_date_says_what_is_one(load: Load, open_catalogue: object) -> None:
    catalogue = Catalogue.from_dict(
        {
            "name": "posts",
            "fields": {"title": {"type": "text"}, "date": {"type": "number"}},
            "vectors": {"text": {"template": "{title}"}},
        }
    )
    load(catalogue, [{"id": "1", "title": "tea", "date": "2024-05-01"}])
    engine = open_catalogue("posts")  # type: ignore[operator]
    with pytest.raises(InvalidWhere, match="Write one, or a date like 2024-05-01"):
        engine.search("tea", where="date>=May")
    with pytest.raises(InvalidWhere, match="reversed"):
        engine.search("tea", where="date=2024-05-02..2024-05-01")
