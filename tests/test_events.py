"""Events: kept, capped, told, dropped with their catalogue, and worth something as judgements."""

from __future__ import annotations

import json
import math
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from conftest import Load, Open
from hypothesis import given
from hypothesis import strategies as st
from outside import Shell

from recommender import Catalogue, Event, Reject, Settings, Writer
from recommender.colikes import MIN_BOTH, MIN_LIKES
from recommender.errors import InvalidParameter, StoreFull, UnknownCatalogue
from recommender.evaluate import relevance
from recommender.events import WEIGHTS, check_event
from recommender.judgements import Judgements
from recommender.store import catalogues, events, hashes
from recommender.store.connection import Server
from recommender.tune import tune

STREAM = "books:events"
COUNT, SERIES = 96, 12
BOOKS = Catalogue.from_dict(
    {
        "name": "books",
        "fields": {"series": {"type": "tag"}, "noise": {"type": "number"}},
        "vectors": {"v": {"embedder": "given", "column": "v", "dims": 2, "index": "flat"}},
    }
)


def books() -> Iterator[dict[str, Any]]:
    """On a circle, where neighbours are of different series."""
    for n in range(COUNT):
        turn = 2 * math.pi * n / COUNT
        yield {
            "id": f"b{n:02}",
            "series": f"s{n % SERIES}",
            "noise": n * 7919 % 101,
            "v": [math.cos(turn), math.sin(turn)],
        }


@pytest.fixture
def writer(load: Load, server: Server, settings: Settings) -> Writer:
    load(BOOKS, books())
    return Writer("books", settings=settings, server=server)


@pytest.fixture
def shell(writer: Writer, home: Path, tmp_path: Path) -> Shell:
    return Shell(home, tmp_path)


def click(id: str = "b01", **more: Any) -> dict[str, Any]:
    return {"type": "click", "id": id, **more}


def kept(server: Server) -> list[Event]:
    return list(events.read(server.client, "books"))


def test_what_is_tracked_is_read_in_its_order(writer: Writer, open_catalogue: Open) -> None:
    before = time.time()
    assert writer.track([click(user="u", seed="b02"), click("b03", type="buy"), click()]) == []
    assert writer.track([Event("like", "b04", "7", time=1.0)]) == []
    after = time.time()
    found = list(open_catalogue("books").events())
    shown = [(event.type, event.id, event.user, event.seed) for event in found]
    assert shown == [
        ("click", "b01", "u", "b02"),
        ("buy", "b03", None, None),
        ("click", "b01", None, None),
        ("like", "b04", "7", None),
    ]
    times = [event.time for event in found]
    assert times == sorted(times)
    assert before - 0.002 <= times[0] <= times[-1] <= after + 0.002  # not 1970, as was said
    assert [event.weight for event in found] == [2.0, 5.0, 2.0, 4.0]


def test_every_type_is_taken_and_none_other(writer: Writer) -> None:
    given = [click(type=type) for type in WEIGHTS]
    assert writer.track([*given, click(type="share")])[0].place == "event 5"


def test_whole_numbers_are_ids_too(load: Load, server: Server, settings: Settings) -> None:
    load(BOOKS, [{"id": 7, "v": [1, 0]}, {"id": "8", "v": [0, 1]}])
    writer = Writer("books", settings=settings, server=server)
    assert writer.track([{"type": "view", "id": 7, "user": 12, "seed": 8}]) == []
    [event] = kept(server)
    assert (event.id, event.user, event.seed) == ("7", "12", "8")


def test_events_wait_for_no_load(writer: Writer, server: Server) -> None:
    with catalogues.locked(server.client, "books", pytest.fail):
        assert writer.track([click()]) == []
    assert len(kept(server)) == 1


def test_nothing_is_tracked_of_nothing(writer: Writer, server: Server) -> None:
    assert writer.track([]) == []
    assert writer.track(iter(())) == []
    assert not server.client.exists(STREAM)


@pytest.mark.parametrize("given", [click(), Event("click", "b01"), "b01", None, 7])
def test_what_is_no_list_is_refused(writer: Writer, given: Any) -> None:
    with pytest.raises(InvalidParameter, match="It is a list of events") as caught:
        writer.track(given)
    assert caught.value.code == "invalid_events"


DEEP: Any = "x"
for _ in range(5000):
    DEEP = [DEEP]

BAD: list[tuple[Any, str, str]] = [
    (click(type="clik"), "type", "Did you mean 'click'?"),
    (click(type=None), "type", "The types are: buy, click, like, view"),
    (click(type=["click"]), "type", "the type is ['click']"),
    (click(type="click\0"), "type", "the type is 'click\\x00'"),
    ({"type": "click"}, "id", "the id is None"),
    (click(" "), "id", "the id is empty"),
    (click("b01\0"), "id", "the id holds a NUL character"),
    (click("\ud800"), "id", "'\\ud800' is not text"),
    (click("x" * 1025), "id", "the id has 1025 bytes, the limit is 1024"),
    (click("é" * 513), "id", "the id has 1026 bytes"),
    (click({"$ne": 1}), "id", "the id is {'$ne': 1}"),  # type: ignore[arg-type]
    (click(DEEP), "id", "the id is"),
    (click(True), "id", "the id is True"),  # type: ignore[arg-type]
    (click(1.0), "id", "the id is 1.0"),  # type: ignore[arg-type]
    (click(10**5000), "id", "the id is"),  # type: ignore[arg-type]
    (click(user=""), "user", "the user is empty"),
    (click(user="\udcff"), "user", "is not text"),
    (click(user="u" * 129), "user", "the user has 129 bytes, the limit is 128. Hash it"),
    (click(user={"name": "u"}), "user", "the user is {'name': 'u'}"),
    (click(seed="a\0b"), "seed", "the seed holds a NUL character"),
    (click(seed="b01"), "seed", "the seed is the item itself"),
    (click(seed=[]), "seed", "the seed is []"),
    (click(usr="u"), "events", "an event has no member 'usr'. Did you mean 'user'?"),
    (click(time=1), "events", "no member 'time'. Leave it out: Redis says when"),
    ({7: 1}, "events", "an event has no member 7"),
    ("click", "events", "the event is text where an object is wanted"),
    (None, "events", "the event is null where an object is wanted"),
    ([click()], "events", "the event is an array"),
]


@pytest.mark.parametrize(("bad", "parameter", "message"), BAD, ids=range(len(BAD)))
def test_a_bad_event_is_told_and_costs_only_itself(
    writer: Writer, server: Server, bad: Any, parameter: str, message: str
) -> None:
    with pytest.raises(InvalidParameter) as caught:
        check_event(bad)
    assert (caught.value.parameter, caught.value.code) == (parameter, f"invalid_{parameter}")
    assert message in str(caught.value)
    assert writer.track([click(), bad, click("b02")]) == [Reject("event 2", str(caught.value))]
    assert [event.id for event in kept(server)] == ["b01", "b02"]


def test_items_that_are_not_there_fill_nothing(writer: Writer, server: Server) -> None:
    rejects = writer.track([click("x" * 1000), click(seed="gone"), click("b*"), click(user="u")])
    assert [(reject.place, reject.id) for reject in rejects] == [
        ("event 1", "x" * 1000), ("event 2", "b01"), ("event 3", "b*")
    ]  # fmt: skip
    assert rejects[1].reason == "there is no item 'gone'"
    assert [event.user for event in kept(server)] == ["u"]


def test_thousands_are_kept_in_order_and_read_in_batches(writer: Writer, server: Server) -> None:
    given = [click(f"b{n % COUNT:02}", user=str(n)) for n in range(2500)]
    given[1700] = click("nothing")
    assert [reject.place for reject in writer.track(iter(given))] == ["event 1701"]
    users = [str(n) for n in range(2500) if n != 1700]
    assert [event.user for event in kept(server)] == users
    for batch in (1, 7, 2499, 2500):
        read = events.read(server.client, "books", batch)
        assert [event.user for event in read] == users


def test_the_latest_stay(writer: Writer, server: Server) -> None:
    given = [Event("view", "b01", str(n)) for n in range(3000)]
    for start in range(0, 3000, 100):
        events.append(server.client, "books", given[start : start + 100], kept=500)
    found = [int(event.user or "") for event in kept(server)]
    assert 500 <= len(found) <= 700  # whole blocks of the stream go
    assert found == list(range(3000 - len(found), 3000))


def test_a_million_stay_of_what_is_tracked(writer: Writer, server: Server) -> None:
    fill = """for n = 1, 1010000 do
        redis.call('XADD', KEYS[1], '*', 'type', 'view', 'id', 'b01', 'user', '', 'seed', '') end"""
    server.client.eval(fill, 1, STREAM)
    assert server.client.xlen(STREAM) == 1_010_000
    writer.track([click()] * 10)
    assert events.KEPT <= server.client.xlen(STREAM) <= events.KEPT + 200
    assert events.count(server.client, "books") == server.client.xlen(STREAM)
    assert server.client.memory_usage(STREAM, samples=0) < 100 * events.KEPT


def test_the_stream_is_no_item(writer: Writer, server: Server, open_catalogue: Open) -> None:
    writer.track([click()])
    engine = open_catalogue("books")
    assert not STREAM.startswith(hashes.prefix_of("books", 1))
    assert (engine.count(), engine.state().failures) == (COUNT, 0)
    assert hashes.count(server.client, hashes.prefix_of("books", 1)) == COUNT


def test_what_somebody_else_put_there_is_passed_over(writer: Writer, server: Server) -> None:
    writer.track([click()])
    server.client.xadd(STREAM, {"type": "teleport", "id": "b01"})
    server.client.xadd(STREAM, {"x": b"\xff"})
    server.client.xadd(STREAM, {"type": "view", "id": b"\xff"})
    assert [(event.type, event.id) for event in kept(server)] == [
        ("click", "b01"), ("view", "\ufffd")
    ]  # fmt: skip


def test_several_at_once_lose_nothing(writer: Writer, server: Server) -> None:
    def send(worker: int) -> None:
        for n in range(20):
            assert writer.track([click(user=f"{worker}.{n}.{part}") for part in range(5)]) == []

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(send, range(8)))
    found = [tuple(map(int, (event.user or "").split("."))) for event in kept(server)]
    assert len(found) == 800
    for worker in range(8):
        own = [each for each in found if each[0] == worker]
        assert own == [(worker, n, part) for n in range(20) for part in range(5)]
    groups = [found[start : start + 5] for start in range(0, 800, 5)]
    assert all(len({each[:2] for each in group}) == 1 for group in groups)  # whole calls


def test_a_full_redis_takes_all_or_nothing(writer: Writer, server: Server) -> None:
    writer.track([click()])
    server.client.config_set("maxmemory", 1)
    try:
        with pytest.raises(StoreFull, match="out of memory"):
            writer.track([click()] * 100)
        assert len(kept(server)) == 1
    finally:
        server.client.config_set("maxmemory", 0)
    assert writer.track([click()]) == []


def test_no_catalogue_no_events(writer: Writer, server: Server, shell: Shell) -> None:
    writer.track([click()])
    assert shell.call("drop", "books", "--yes").code == 0
    assert server.client.keys() == []
    with pytest.raises(UnknownCatalogue):
        writer.track([click()])
    with pytest.raises(UnknownCatalogue):  # it was there when the items were looked up
        events.append(server.client, "books", [Event("click", "b01")])
    assert server.client.keys() == []


@pytest.mark.parametrize("delay", [0.0, 0.02])
def test_events_that_meet_a_drop_leave_nothing(
    writer: Writer, server: Server, shell: Shell, delay: float
) -> None:
    def send() -> int:
        for number in range(1_000_000):
            try:
                assert all("no item" in reject.reason for reject in writer.track([click()] * 20))
            except UnknownCatalogue:
                return number
        raise AssertionError("nobody dropped it")

    with ThreadPoolExecutor(4) as pool:
        senders = [pool.submit(send) for _ in range(4)]
        time.sleep(delay)
        assert shell.call("drop", "books", "--yes").code == 0
        assert sum(sender.result() for sender in senders) > 0 or delay == 0
    assert server.client.keys() == []


def test_a_drop_removes_events_once_nobody_can_add_any(
    writer: Writer, server: Server, shell: Shell
) -> None:
    """Else those that were on their way would be the next catalogue's of that name."""
    with server.client.monitor() as monitor:
        shell.call("drop", "books", "--yes")
        server.client.echo("the end")
        said = list(iter(lambda: monitor.next_command()["command"], "ECHO the end"))
    assert said.index("DEL recommender:books") < len(said) - 1 - said[::-1].index(
        f"UNLINK {STREAM}"
    )


def neighbours_liked(seeds: bool) -> Iterator[dict[str, Any]]:
    """Visitors who like what stands together on the circle, by themselves or as they were led."""
    for n in range(COUNT):
        for visitor in range(3):
            for step in (1, 2):
                id, user = f"b{(n + step) % COUNT:02}", f"u{n}.{visitor}"
                if seeds:
                    yield click(id, seed=f"b{n:02}", user=user)
                else:
                    yield {"type": "like", "id": id, "user": user}


@pytest.mark.parametrize("seeds", [True, False])
def test_what_visitors_liked_together_is_found(
    writer: Writer, open_catalogue: Open, seeds: bool
) -> None:
    writer.track(neighbours_liked(seeds))
    engine = open_catalogue("books")
    judgements = Judgements.from_events(engine.events())
    assert (len(judgements), judgements.source) == (COUNT, "events")
    report = relevance(engine, judgements)
    assert report.ndcg.value > 0.5 > 4 * report.chance


def series_clicked() -> Iterator[dict[str, Any]]:
    """Visitors who follow a series, which similarity knows nothing of, and one who views all."""
    for n in range(COUNT):
        for step in (1, 2, 3):
            id = f"b{(n + step * SERIES) % COUNT:02}"
            yield from (click(id, seed=f"b{n:02}", user=f"u{visitor}") for visitor in range(4))
            yield click(f"b{(n + step) % COUNT:02}", type="view", seed=f"b{n:02}", user="all")


def test_a_planted_preference_is_fitted(writer: Writer, open_catalogue: Open) -> None:
    writer.track(series_clicked())
    engine = open_catalogue("books")
    tuned = tune(engine, Judgements.from_events(engine.events(), liked_above=1))
    assert [boost.partition("*")[2] for boost in tuned.wishes["boosts"]] == ["overlap(series)"]
    assert tuned.is_clear
    assert tuned.comparison.differences["ndcg"].low > 0.2


def test_a_gain_grows_with_weights_and_slower_than_they_do() -> None:
    def gains(*found: Event) -> dict[str, float]:
        few = [Event("view", "z", None, "q") for _ in range(5)]
        return dict(Judgements.from_events([*few, *found]).gains["q"])

    one = [Event("click", "a", None, "q")] * 2
    assert gains(*one) == {"z": round(math.log2(6), 4), "a": round(math.log2(5), 4)}
    assert gains(*one * 2)["a"] == round(math.log2(9), 4)
    again = [Event(type, "a", "u", "q") for type in ("view", "buy", "click")]
    assert gains(*one, *again)["a"] == round(math.log2(1 + 4 + 5), 4)  # the heaviest of one user
    assert gains(Event("click", "a", None, "q")).keys() == {"z"}  # one tells nothing


TRAILS = st.lists(
    st.tuples(
        st.sampled_from(sorted(WEIGHTS)),
        st.integers(0, 4),
        st.one_of(st.none(), st.integers(0, 3)),
        st.integers(5, 7),
    ),
    max_size=80,
)


@given(TRAILS, st.sampled_from([0.0, 1.0, 4.0]))
def test_the_sums_are_those_of_a_plain_loop(trail: list[tuple[Any, ...]], above: float) -> None:
    # No user likes two items that another likes, so that seeds alone decide.
    found = [
        Event(
            type, f"i{item}", None if user is None else f"{user} of {item} and {seed}", f"i{seed}"
        )
        for type, item, user, seed in trail
    ]
    heaviest: dict[str, dict[str, dict[Any, float]]] = defaultdict(lambda: defaultdict(dict))
    for number, event in enumerate(found):
        if event.weight > above:
            users = heaviest[event.seed or ""][event.id]
            who = number if event.user is None else event.user
            users[who] = max(users.get(who, 0.0), event.weight)
    expected = {
        seed: {
            item: pytest.approx(math.log2(1 + sum(users.values())), abs=1e-4)
            for item, users in items.items()
            if len(users) >= MIN_BOTH
        }
        for seed, items in heaviest.items()
        if sum(map(len, items.values())) >= MIN_LIKES
    }
    expected = {seed: gains for seed, gains in expected.items() if gains}
    if expected:
        assert Judgements.from_events(found, liked_above=above).gains == expected
    else:
        with pytest.raises(InvalidParameter, match="no two items that enough people liked"):
            Judgements.from_events(found, liked_above=above)


def test_users_and_seeds_are_added() -> None:
    clicks = [Event("click", "b", None, "a")] * 5
    likes = [Event("like", item, f"u{n}") for n in range(5) for item in "ab"]
    others = [Event("like", "c", f"v{n}") for n in range(5)]
    pairs = (("a", "b"), ("b", "a"))
    together = math.log(5 * 10 / (5 * 5)) * 5 / (5 + 10)
    found = Judgements.from_events([*clicks, *likes, *others]).gains
    assert [found[query][item] for query, item in pairs] == [
        pytest.approx(math.log2(1 + 5 * 2) + together, abs=1e-3),
        pytest.approx(together, abs=1e-3),
    ]


def test_the_commands(writer: Writer, shell: Shell) -> None:
    said = shell.call("events", "show", "books")
    assert (said.code, said.out) == (
        0, "books has no events yet. Send some: POST /v1/books/events\n"
    )  # fmt: skip
    assert shell.call("events", "show", "books", "--json").json["events"] == 0
    assert shell.call("events", "export", "books").out == ""
    writer.track([click(user="é\n\u2028", seed="b02"), click(type="buy"), click()])
    told = shell.call("events", "show", "books", "--json").json
    assert told == {
        "catalogue": "books",
        "events": 3,
        "types": [
            {"type": "view", "events": 0, "with_user": 0, "with_seed": 0},
            {"type": "click", "events": 2, "with_user": 1, "with_seed": 1},
            {"type": "like", "events": 0, "with_user": 0, "with_seed": 0},
            {"type": "buy", "events": 1, "with_user": 0, "with_seed": 0},
        ],
    }
    table = shell.call("events", "show", "books").out
    assert "Events of books: 3" in table
    assert ["click", "2", "1", "1"] in [line.split() for line in table.splitlines()]
    lines = [json.loads(line) for line in shell.call("events", "export", "books").out.splitlines()]
    assert [[*line] for line in lines] == [["type", "id", "user", "seed", "weight", "time"]] * 3
    assert (lines[0]["user"], lines[0]["weight"], lines[2]["user"]) == ("é\n\u2028", 2.0, None)
    for command in ("show", "export"):
        gone = shell.call("events", command, "boks")
        assert (gone.code, "Did you mean 'books'?" in gone.err) == (1, True)


def test_what_is_exported_is_measured_as_what_is_kept(writer: Writer, shell: Shell) -> None:
    writer.track([*neighbours_liked(seeds=True), *neighbours_liked(seeds=False)])
    (shell.folder / "e.ndjson").write_text(shell.call("events", "export", "books").out)
    measure = ("evaluate", "relevance", "books", "--json")
    for options in ((), ("--liked-above", "3"), ("--half", "held", "-k", "3")):
        here, there = (
            shell.call(*measure, *given, *options).json
            for given in (("--events",), ("--judgements", "e.ndjson"))
        )
        assert here.pop("p50_ms") > 0
        assert there.pop("p50_ms") > 0
        assert here == there
        assert here["source"] == "events"
        assert here["measures"]["ndcg"]["value"] > 4 * here["chance"]


def test_tuning_from_events_is_kept_as_a_preset(writer: Writer, shell: Shell) -> None:
    writer.track(series_clicked())
    done = shell.call("tune", "books", "--events", "--liked-above", "1", "--preset", "followed")
    assert done.code == 0
    assert "Kept as the preset 'followed'" in done.out
    hits = shell.call("similar", "books", "b00", "--preset", "followed", "--limit", "3", "--json")
    assert {tuple(hit["fields"]["series"]) for hit in hits.json["items"]} == {("s0",)}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"type": "clik", "id": "b01", "time": 2}, "e.ndjson, line 2: the type is 'clik'"),
        ({"type": "click", "id": "", "time": 2}, "e.ndjson, line 2: the id is None"),
        ({"type": "click", "id": "b01", "time": "soon"}, "line 2: time is 'soon'"),
    ],
)
def test_a_file_of_events_with_a_fault_is_refused_with_its_line(
    shell: Shell, line: dict[str, Any], message: str
) -> None:
    lines = [{"type": "click", "id": "b01", "user": None, "seed": None, "time": 1.5}, line]
    (shell.folder / "e.ndjson").write_text("".join(json.dumps(each) + "\n" for each in lines))
    done = shell.call("evaluate", "relevance", "books", "--judgements", "e.ndjson")
    assert (done.code, done.out) == (2, "")
    assert message in done.err


def test_one_source_of_judgements_and_enough_of_it(writer: Writer, shell: Shell) -> None:
    for command in (("evaluate", "relevance"), ("tune",)):
        for options in ((), ("--events", "--judgements", "e.ndjson")):
            done = shell.call(*command, "books", *options)
            assert done.code == 2
            assert "Add --judgements FILE, or --events" in done.err
    assert "0 events name no two items" in shell.call("tune", "books", "--events").err
    writer.track([click(user="u"), click("b02", seed="b01")])
    few = shell.call("evaluate", "relevance", "books", "--events")
    assert few.code == 2
    assert "2 events name no two items that enough people liked" in few.err
    assert "when 5 events are about what was shown under it" in few.err
