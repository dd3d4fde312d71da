"""Facets against Redis: the counts of a tag's labels and the range of a number under conditions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from recommender import Catalogue, Facet, Recommender
from recommender.errors import UnknownField

CATALOGUE = Catalogue.from_yaml("""
name: films
fields: {genres: {type: tag}, lang: {type: tag}, year: {type: number}, title: {type: text}}
vectors: {v: {embedder: given, column: v}}
""")
Open = Callable[..., Recommender]


@pytest.fixture
def films(load: Callable[..., Any], open_catalogue: Callable[[str], Recommender]) -> Open:
    """``films({"genres": [...]}, ...)``: a catalogue of films with these fields."""

    def make(*rows: dict[str, Any]) -> Recommender:
        load(CATALOGUE, [{"id": str(i), "v": [1, i]} | row for i, row in enumerate(rows)])
        return open_catalogue("films")

    return make


def labels(films: Recommender, where: Any = ()) -> list[tuple[str, int]]:
    """The labels of ``genres`` with their counts, in the order of the answer."""
    [facet] = films.facets(["genres"], where=where)
    assert (facet.field, facet.type, facet.count) == ("genres", "tag", len(facet.values))
    return list(facet.values.items())


def test_labels_are_counted_and_the_most_frequent_comes_first(films: Open) -> None:
    shop = films(
        {"genres": ["War", "Drama"]}, {"genres": ["Drama"]}, {"genres": ["Drama", "Film noir"]},
        {"genres": ["Film noir"]}, {"genres": ["a,b|c"]},
    )  # fmt: skip
    assert labels(shop) == [("Drama", 3), ("Film noir", 2), ("War", 1), ("a,b|c", 1)]
    assert labels(shop, "genres=Film noir") == [("Film noir", 2), ("Drama", 1)]
    for label, count in labels(shop):
        assert shop.count("genres=" + label.replace("|", r"\|")) == count


def test_items_without_the_tag_are_skipped(films: Open) -> None:
    shop = films({"genres": ["War"]}, {"lang": "en"}, {"genres": None}, {"genres": " "}, {})
    assert labels(shop) == [("War", 1)]
    assert labels(shop, "lang=en") == labels(shop, "genres!=War") == []
    assert labels(films({})) == []  # the next load of the first item took its tag away


def test_labels_that_differ_in_ascii_case_are_one_in_the_more_frequent_spelling(
    films: Open,
) -> None:
    spellings = ["DRAMA", "drama", "drama", "Drama", "War", "été", "Été", "été"]
    shop = films(*[{"genres": [spelling]} for spelling in spellings])
    assert labels(shop) == [("drama", 4), ("été", 2), ("War", 1), ("Été", 1)]
    for label, count in labels(shop):
        assert shop.count(f"genres={label}") == count


def test_a_label_that_rises_by_its_other_spellings_is_put_in_its_place(films: Open) -> None:
    shop = films(*[{"genres": label} for label in ("War", "War", "War", "Sci-Fi", "Sci-Fi",
                                                   "sci-fi", "SCI-FI")])  # fmt: skip
    assert labels(shop) == [("Sci-Fi", 4), ("War", 3)]


def test_counts_against_a_plain_counter(films: Open) -> None:
    rows = [{"genres": [f"g{i % n}" for n in (2, 3, 7)], "year": i} for i in range(100)]
    counts = Counter(label for row in rows if row["year"] >= 50 for label in set(row["genres"]))
    expected = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    assert labels(films(*rows), "year>=50") == expected


def test_the_thousand_most_frequent_labels(films: Open) -> None:
    rows = [{"genres": [f"label {i:04}", "all"]} for i in range(1200)]
    found = labels(films(*rows))
    assert len(found) == 1000
    assert found[0] == ("all", 1200)


def test_a_numbers_range_is_that_of_the_items_that_have_one(films: Open) -> None:
    shop = films({"year": 1990}, {"year": -2.5, "lang": "en"}, {"year": "", "lang": "en"}, {})
    assert shop.facets(["year"]) == [Facet("year", "number", count=2, min=-2.5, max=1990)]
    assert shop.facets(["year"], where="year>2000") == [Facet("year", "number")]
    assert shop.facets(["year"], where={"not": "lang=en"}) == [
        Facet("year", "number", count=1, min=1990, max=1990)
    ]


def test_all_tags_and_numbers_are_the_default_and_nothing_else_has_facets(films: Open) -> None:
    shop = films({"genres": ["War"], "year": 1, "title": "Shrek"})
    assert [facet.field for facet in shop.facets()] == ["genres", "lang", "year"]
    assert shop.facets([]) == []
    assert shop.facets(["year", "genres"], where={"any": []}) == [
        Facet("year", "number"), Facet("genres", "tag"),
    ]  # fmt: skip
    for name in ("title", "genre", "_at"):
        with pytest.raises(UnknownField) as caught:
            shop.facets([name])
        assert caught.value.parameter == "fields"


def test_a_field_counts_without_its_own_conditions_where_that_is_asked_for(films: Open) -> None:
    shop = films(
        {"genres": ["War"], "lang": "en", "year": 1990},
        {"genres": ["Drama"], "lang": "en", "year": 2000},
        {"genres": ["Drama"], "lang": "fr", "year": 2010},
    )
    where = ["genres=War", "lang=en"]
    genres, lang, year = shop.facets(where=where, disjunctive=True)
    assert (genres.values, lang.values) == ({"Drama": 1, "War": 1}, {"en": 1})
    assert (year.min, year.max) == (1990, 1990)
    [spread] = shop.facets(["year"], where=["year>=2000", "genres=Drama"], disjunctive=True)
    assert (spread.count, spread.min, spread.max) == (2, 2000, 2010)
    [group] = shop.facets(["genres"], where={"any": ["genres=War"]}, disjunctive=True)
    assert group.values == {"War": 1}


def test_with_a_text_only_its_best_candidates_are_counted(films: Open) -> None:
    dogs = [{"title": "dog", "genres": ["Pets", "PETS"[:2]], "year": i} for i in range(3)]
    rest = [{"title": "war", "genres": ["pets"], "lang": "en", "year": 50 + i} for i in range(4)]
    shop = films(*dogs, *rest)  # its vectors are given, so that words alone find
    genres, lang, year = shop.facets(text="dog")
    assert (genres.values, lang.values) == ({"PE": 3, "Pets": 3}, {})
    assert (year.count, year.min, year.max) == (3, 0, 2)
    assert shop.facets(["lang"], text="war", where="year>51")[0].values == {"en": 2}
    [own] = shop.facets(["year"], text="war", where="year>51", disjunctive=True)
    assert (own.count, own.min) == (4, 50)
    assert shop.facets(["genres"], text="war")[0].values == {"pets": 4}


def test_no_more_than_240_candidates_are_counted(films: Open) -> None:
    shop = films(*[{"title": "dog", "genres": ["Pets"]} for _ in range(300)])
    assert shop.facets(["genres"], text="dog")[0].values == {"Pets": 240}
    assert shop.facets(["genres"])[0].values == {"Pets": 300}
