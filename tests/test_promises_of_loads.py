"""What is promised of every load: twice is as once, and a bad record costs only itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest
from conftest import Open, Quiet
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from recommender import Catalogue, Recommender, Record, Reject, Report, Settings, sync
from recommender.errors import UnknownItem
from recommender.store.connection import Server

WORDS = Catalogue.from_dict(
    {
        "name": "words",
        "fields": {
            "title": {"type": "text"},
            "size": {"type": "number"},
            "tags": {"type": "tag", "separator": "|"},
            "more": {"type": "stored"},
        },
        "vectors": {"text": {"template": "{title} {tags}"}},
    }
)
GIVEN = Catalogue.from_dict(
    {
        "name": "given",
        "fields": {"size": {"type": "number"}},
        "vectors": {"v": {"embedder": "given", "column": "v", "dims": 2, "index": "flat"}},
    }
)
GOOD = {"id": "a good one", "title": "a fine film"}
names = count()
few = examples(max_examples=25, deadline=None, derandomize=True)

Load = Callable[..., Report]


@pytest.fixture(scope="module")
def shared(_redis: Server) -> Iterator[Server]:
    """The Redis of all examples of this module."""
    yield _redis
    _redis.client.flushall()


@pytest.fixture(scope="module")
def fill(shared: Server, settings: Settings) -> Load:
    """``fill(catalogue, [{...}, ...], rejects)`` syncs records given as mappings."""

    def run(
        made: Catalogue, values: list[dict[str, Any]], rejects: list[Reject] | None = None
    ) -> Report:
        records = [Record(f"record {number}", value) for number, value in enumerate(values, 1)]
        collected = [] if rejects is None else rejects
        return sync(
            shared, made, records, settings, progress=Quiet(), on_reject=collected.append
        )  # fmt: skip

    return run


@pytest.fixture(scope="module")
def opened(shared: Server, settings: Settings) -> Open:
    return lambda name: Recommender(name, settings=settings, server=shared)


def fresh(made: Catalogue) -> Catalogue:
    """The same catalogue under a name that no example had before."""
    return made.model_copy(update={"name": f"{made.name}-{next(names)}"})


def everything(server: Server, name: str) -> dict[bytes, dict[bytes, bytes]]:
    """The bytes of every hash that belongs to a catalogue."""
    keys = [*server.client.scan_iter(f"{name}:*"), f"recommender:{name}".encode()]
    return {key: server.client.hgetall(key) for key in keys}


numbers = st.integers() | st.floats()
anything = st.none() | st.booleans() | numbers | st.text(max_size=9)
sources = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "id": st.text(max_size=9) | st.integers(),
            "title": anything | st.just("two words"),
            "size": st.none() | numbers | st.text(max_size=9),
            "tags": anything | st.lists(st.text(max_size=9), max_size=3),
            "more": anything | st.lists(anything, max_size=3),
        },
    ),
    max_size=12,
)


@given(sources)
@few
def test_twice_is_as_once(fill: Load, shared: Server, source: list[dict[str, Any]]) -> None:
    made = fresh(WORDS)
    first_rejects: list[Reject] = []
    second_rejects: list[Reject] = []
    first = fill(made, [GOOD, *source], first_rejects)
    before = everything(shared, made.name)
    second = fill(made, [GOOD, *source], second_rejects)
    assert everything(shared, made.name) == before
    assert (second.new, second.changed, second.embedded, second.written) == (0, 0, 0, 0)
    assert second.unchanged == first.new == first.items == second.items == len(before) - 1
    assert second_rejects == first_rejects
    assert first.new + first.rejected == len(source) + 1
    assert all(reject.place and reject.reason for reject in first_rejects)


@given(sources)
@few
def test_a_record_is_kept_or_reported(
    fill: Load, opened: Open, source: list[dict[str, Any]]
) -> None:
    made, rejects = fresh(WORDS), list[Reject]()
    fill(made, [GOOD, *source], rejects)
    refused = {int(reject.place.split()[1]) for reject in rejects}
    engine = opened(made.name)
    for number, values in enumerate([GOOD, *source], 1):
        if number in refused:
            continue
        fields = engine.item(str(values["id"])).fields
        title, more = values.get("title"), values.get("more")
        if isinstance(title, str) and title.strip():
            assert fields["title"] == title
        if isinstance(more, (bool, int, float)) or (isinstance(more, str) and more.strip()):
            assert fields["more"] == more


BAD: list[dict[str, Any]] = [
    {"v": [1, 0]},
    {"id": " ", "v": [1, 0]},
    {"id": "long " * 300, "v": [1, 0]},
    {"id": "bad number", "size": "soon", "v": [1, 0]},
    {"id": "bad infinite number", "size": float("inf"), "v": [1, 0]},
    {"id": "no vector"},
    {"id": "no numbers", "v": "words"},
    {"id": "text in it", "v": [1, "x"]},
    {"id": "too long", "v": [1, 0, 0]},
    {"id": "too short", "v": [1]},
    {"id": "zero", "v": [0, 0]},
    {"id": "nan", "v": [float("nan"), 1]},
    {"id": "infinite", "v": [float("inf"), 1]},
    {"id": "half a letter \ud800", "v": [1, 0]},
    {"id": "good 0", "v": [1, 1]},  # for the second time
]


@given(st.lists(st.sampled_from(BAD), unique_by=str, max_size=9), st.randoms(use_true_random=False))
@few
def test_a_bad_record_never_costs_the_others(
    fill: Load, opened: Open, bad: list[dict[str, Any]], random: Any
) -> None:
    made, rejects = fresh(GIVEN), list[Reject]()
    good = [{"id": f"good {number}", "size": number, "v": [1, number]} for number in range(5)]
    mixed = [*good[1:], *bad]
    random.shuffle(mixed)
    report = fill(made, [good[0], *mixed], rejects)
    assert (report.new, report.items, report.rejected) == (5, 5, len(bad))
    wrong = {f"record {number}" for number, record in enumerate(mixed, 2) if record in bad}
    assert {reject.place for reject in rejects} == wrong
    assert [hit.id for hit in opened(made.name).similar("good 0")] == [
        f"good {number}" for number in (1, 2, 3, 4)
    ]


def test_a_number_too_large_for_its_type_is_refused_quietly(fill: Load) -> None:
    rejects: list[Reject] = []
    good, huge = {"id": "a", "v": [0, 1]}, {"id": "huge", "v": [1e300, 1]}
    assert fill(fresh(GIVEN), [good, huge], rejects).items == 1
    assert [reject.id for reject in rejects] == ["huge"]


def test_true_or_false_where_a_number_belongs(fill: Load, opened: Open) -> None:
    made, rejects = fresh(GIVEN), list[Reject]()
    fill(made, [{"id": "a", "v": [0, 1]}, {"id": "b", "size": False, "v": [1, 0]}], rejects)
    if rejects:  # refused at the door: with its place, and without a trace
        assert [reject.place for reject in rejects] == ["record 2"]
        with pytest.raises(UnknownItem):
            opened(made.name).item("b")
    else:
        assert [hit.id for hit in opened(made.name).similar("a")] == ["b"]


def test_a_bad_first_vector_never_costs_the_others(fill: Load) -> None:
    open_dims = Catalogue.from_dict(
        {"name": "first", "vectors": {"v": {"embedder": "given", "column": "v"}}}
    )
    good = [{"id": f"good {number}", "v": [1, number, 0]} for number in range(5)]
    assert fill(open_dims, [{"id": "short", "v": [1]}, *good]).new == 5


def test_a_bad_record_does_not_claim_its_id(fill: Load) -> None:
    bad, good = {"id": "a", "size": "soon", "v": [1, 0]}, {"id": "a", "v": [1, 0]}
    assert fill(fresh(GIVEN), [{"id": "b", "v": [0, 1]}, bad, good]).new == 2
