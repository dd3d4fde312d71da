"""Judgements: what is read, what is refused, halves that never meet, likes as relevance."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender import Record, Reject
from recommender.colikes import MIN_BOTH, PER_USER, SHRINK, Events
from recommender.errors import InvalidParameter
from recommender.judgements import Judgements, draw


def records(rows: Iterable[Mapping[str, Any]]) -> list[Record | Reject]:
    return [Record(f"j.csv, line {number}", row) for number, row in enumerate(rows, 2)]


def read(*rows: Mapping[str, Any], **options: Any) -> Judgements:
    return Judgements.from_records(records(rows), **options)


def row(query: Any = "q", item: Any = "a", relevance: Any = "1") -> dict[str, Any]:
    return {"query_id": query, "item_id": item, "relevance": relevance}


def many(count: int) -> Judgements:
    return Judgements({f"q{number}": {"a": 1.0} for number in range(count)})


def test_queries_items_and_gains_are_read() -> None:
    found = read(row("q", "a", "2.5"), row("q", "b", "0"), row("7", "a", 1))
    assert found.gains == {"q": {"a": 2.5, "b": 0.0}, "7": {"a": 1.0}}
    assert (len(found), found.pairs, found.source) == (2, 3, "judgements")


def test_without_a_relevance_every_judged_item_is_worth_one() -> None:
    assert read({"Query_ID": 7, " item_id ": "a"}).gains == {"7": {"a": 1.0}}


def test_the_same_line_twice_is_one_judgement() -> None:
    assert read(row(), row()).pairs == 1


@pytest.mark.parametrize("gain", ["-1", "nan", "inf", "", "many", None, -0.001, math.nan, 1e10])
def test_a_gain_that_is_no_number_from_0_is_refused_with_its_line(gain: Any) -> None:
    with pytest.raises(
        InvalidParameter, match=r"j\.csv, line 3: relevance is .*from 0 to"
    ) as caught:
        read(row("q", "b"), row(relevance=gain))
    assert caught.value.parameter == "judgements"
    assert caught.value.code == "invalid_judgements"


@pytest.mark.parametrize("gain", [-1.0, math.nan, math.inf])
def test_nor_can_it_be_given_in_python(gain: float) -> None:
    with pytest.raises(InvalidParameter, match="the gain of 'a' for 'q' is"):
        Judgements({"q": {"a": gain}})


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "there is no judgement in it"),
        ([Record("j.csv, line 2", {"id": "a", "x": 1})], "its columns are 'id', 'x'"),
        ([Reject("j.csv, line 2", "it has 4 cells")], "j.csv, line 2: it has 4 cells"),
        (records([row(item=" ")]), "line 2: item_id: the id is empty"),
        (records([row(), {"query_id": "q"}]), "line 3: item_id: the id is empty"),
        (records([row(), row(relevance="2")]), "line 3: 'a' is judged twice for 'q', 1 and 2"),
    ],
)
def test_what_cannot_be_used_is_refused(rows: list[Record | Reject], message: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        Judgements.from_records(rows)
    assert message in str(caught.value)
    assert caught.value.parameter == "judgements"


@given(st.sets(st.text(max_size=8), min_size=2, max_size=60), st.integers(0, 9))
def test_halves_part_the_queries_and_nothing_moves_one(ids: set[str], seed: int) -> None:
    whole = Judgements({id: {"a": 1.0} for id in ids})
    halves: list[set[str]] = []
    for which in ("open", "held"):
        try:
            halves.append(set(whole.half(which, seed=seed).gains))  # type: ignore[arg-type]
        except InvalidParameter:  # there is none
            halves.append(set())
    assert halves[0] | halves[1] == ids
    assert not halves[0] & halves[1]
    more = Judgements({**whole.gains, "one more": {"a": 1.0}, "and another": {"a": 1.0}})
    for which, half in zip(("open", "held"), halves, strict=True):
        if half:
            assert half <= set(more.half(which, seed=seed).gains)  # type: ignore[arg-type]


def test_halves_are_about_equal() -> None:
    assert 400 < len(many(1000).half("open")) < 600


@given(st.integers(2, 40), st.integers(2, 8), st.integers(0, 5))
def test_folds_judge_each_query_once_and_never_in_its_own_fit(
    count: int, folds: int, seed: int
) -> None:
    whole = many(count)
    if folds > count:
        with pytest.raises(InvalidParameter, match="cannot be parted"):
            whole.folds(folds, seed=seed)
        return
    judged = []
    for fit, judge in whole.folds(folds, seed=seed):
        assert not set(fit.gains) & set(judge.gains)
        assert len(fit) + len(judge) == count
        judged += list(judge.gains)
    assert sorted(judged) == sorted(whole.gains)


def test_an_empty_half_is_an_error_that_names_it() -> None:
    lonely = Judgements({"q": {"a": 1.0}})
    empty = "held" if draw("q") < 0.5 else "open"
    with pytest.raises(InvalidParameter, match="none is in the") as caught:
        lonely.half(empty)  # type: ignore[arg-type]
    assert caught.value.parameter == "half"


# Eight people like tea and cake, two of them rum; two others like only rum, and ten more only gin.
TASTES = [
    *((f"u{n}", thing) for n in range(8) for thing in ("tea", "cake")),
    *((f"u{n}", "rum") for n in (0, 1, 8, 9, 10)),
    *((f"u{n}", "gin") for n in range(8, 20)),
]


def likes(pairs: Iterable[tuple[str, str]], **more: Any) -> list[Record | Reject]:
    return records({"user": user, "item": item, **more} for user, item in pairs)


def test_what_the_same_people_like_is_relevant() -> None:
    found = Judgements.from_records(likes(TASTES))
    both, people = 8, 20
    gain = math.log(both * people / (8 * 8)) * both / (both + SHRINK)
    assert found.source == "events"
    assert found.gains["tea"] == {"cake": pytest.approx(gain, abs=1e-4)}  # rum: as chance would
    assert found.gains["cake"] == {"tea": found.gains["tea"]["cake"]}
    # Rum and gin: 3 of 20 like both, 5 rum and 12 gin: as chance has it, which is worth nothing.
    assert "rum" not in found.gains


def test_a_lower_weight_is_no_like_and_the_last_word_counts() -> None:
    rows = [
        {"user": user, "item": item, "weight": 5, "time": f"2024-01-{number % 28 + 1:02}"}
        for number, (user, item) in enumerate(TASTES)
    ]
    assert read(*rows, liked_above=3.5).gains["tea"].keys() == {"cake"}
    regrets = [
        {"user": f"u{n}", "item": "cake", "weight": 1, "time": "2024-02-01"} for n in range(7)
    ]
    with pytest.raises(InvalidParameter, match="no two items that enough people liked"):
        read(*regrets, *rows, liked_above=3.5)


@pytest.mark.parametrize("weight", ["nan", "-", "much", None, 1e12])
def test_a_weight_that_is_no_number_is_refused(weight: Any) -> None:
    with pytest.raises(InvalidParameter, match="line 2: weight is") as caught:
        read({"user": "u", "item": "a", "weight": weight})
    assert caught.value.parameter == "judgements"


def test_of_one_person_only_the_latest_likes_count() -> None:
    events = Events()
    for number in range(PER_USER + 50):
        events.add("u", f"i{number}", 1.0, float(number))
    users, items = events.likes()
    assert len(users) == PER_USER
    assert set(items) == set(range(50, PER_USER + 50))


@given(
    st.lists(
        st.tuples(st.integers(0, 12), st.integers(0, 6)), min_size=1, max_size=150, unique=True
    )
)
def test_the_counts_are_those_of_a_plain_loop(pairs: list[tuple[int, int]]) -> None:
    events = Events()
    for user, item in pairs:
        events.add(f"u{user}", f"i{item}", 1.0, 0.0)
    found = dict(events.judge(lambda id: 0.0))
    who = {item: {user for user, other in pairs if other == item} for _, item in pairs}
    people = len({user for user, _ in pairs})
    expected = {}
    for a in who:
        gains = {}
        for b in who:
            n = len(who[a] & who[b])
            if a != b and len(who[a]) >= 5 and n >= MIN_BOTH:
                gain = math.log(n * people / (len(who[a]) * len(who[b]))) * n / (n + SHRINK)
                if gain >= 0.0001:
                    gains[f"i{b}"] = pytest.approx(gain, abs=1e-4)
        if gains:
            expected[f"i{a}"] = gains
    assert found == expected
