"""What Redis keeps of a catalogue: its entry, its lock, its hashes and its index."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import fakeredis
import ml_dtypes
import numpy as np
import pytest
import redis
from conftest import Open
from numpy.typing import NDArray

from recommender import Catalogue, Reject, Report, Settings
from recommender.catalogue import vector_field
from recommender.errors import (
    IndexNotReady,
    InvalidCatalogue,
    InvalidParameter,
    ModelMismatch,
    StoreError,
    UnknownCatalogue,
)
from recommender.store import catalogues, hashes, index
from recommender.store.catalogues import Entry, Stamp
from recommender.store.connection import Server

ROOT = Path(__file__).resolve().parent.parent
LOCK = "recommender:film:lock"
ODD_IDS = [
    "sqlite/geopoly.md", "a:b:item:c", "*", "[a-z]*", "film:1:item:x", " ", "ünï 🎬", "\n",
    "{tag}", "'\"\\", "%41", "-", "0" * 1024,
]  # fmt: skip

Load = Callable[..., Report]


def film(name: str = "film", **vector: Any) -> Catalogue:
    """A catalogue of one title and one given vector, flat unless ``vector`` says otherwise."""
    spec = {"embedder": "given", "column": "v", "index": "flat"} | vector
    return Catalogue.from_dict(
        {"name": name, "fields": {"title": {"type": "text"}}, "vectors": {"v": spec}}
    )


def row(id: str, *numbers: float, title: str = "A film") -> dict[str, Any]:
    return {"id": id, "title": title, "v": list(numbers)}


ENTRY = Entry(film(), 1, {"v": Stamp("given", 2, "v")})


@pytest.fixture
def plain() -> Iterator[redis.Redis]:
    """Plain keys need no engine."""
    with fakeredis.FakeRedis() as client:
        yield client


# The entry


def test_keep_find_and_forget(server: Server) -> None:
    client = server.client
    assert catalogues.names(client) == []
    assert catalogues.find(client, "film") is None
    other = Entry(film("other", dims=7), 3, {"v": Stamp("ünï:model", 7, "{title}: 'x'\n")})
    catalogues.keep(client, other)
    catalogues.keep(client, ENTRY)
    assert catalogues.names(client) == ["film", "other"]
    assert catalogues.find(client, "film") == catalogues.get(client, "film") == ENTRY
    assert catalogues.find(client, "other") == other
    catalogues.forget(client, "film")
    catalogues.forget(client, "film")
    assert catalogues.find(client, "film") is None
    assert catalogues.names(client) == ["other"]
    assert sorted(client.keys()) == [b"recommender:catalogues", b"recommender:other"]


def test_keep_writes_over_what_was_kept(plain: redis.Redis) -> None:
    catalogues.keep(plain, ENTRY)
    newer = Entry(film(metric="l2"), 2, {"v": Stamp("given", 3, "v")})
    catalogues.keep(plain, newer)
    assert catalogues.find(plain, "film") == newer
    assert catalogues.names(plain) == ["film"]


def test_an_unknown_name_gets_a_hint(plain: redis.Redis) -> None:
    with pytest.raises(UnknownCatalogue, match="there is no catalogue 'film'") as caught:
        catalogues.get(plain, "film")
    assert caught.value.remedy == "There are no catalogues yet"
    catalogues.keep(plain, ENTRY)
    catalogues.keep(plain, Entry(film("books"), 1, ENTRY.stamps))
    for wrong, remedy in (
        ("flim", "Did you mean 'film'?"),
        ("FILM", "The catalogues are: books, film"),
        ("xyz", "The catalogues are: books, film"),
    ):
        with pytest.raises(UnknownCatalogue) as caught:
            catalogues.get(plain, wrong)
        assert caught.value.remedy == remedy


@pytest.mark.parametrize("name", ["", "catalogues", "a b", "a:b", "film*", "-x", "a/b", "x" * 65])
def test_a_name_that_cannot_be_is_refused(plain: redis.Redis, name: str) -> None:
    with pytest.raises(InvalidParameter, match="cannot be a catalogue's name"):
        catalogues.find(plain, name)


DAMAGED: dict[str, tuple[str, bytes | None]] = {
    "stamps missing": ("stamps", None),
    "stamps no JSON": ("stamps", b"{"),
    "stamp a number": ("stamps", b'{"v": 3}'),
    "stamp of an older version": ("stamps", b'{"v": {"embedder": "given"}}'),
    "generation missing": ("generation", None),
    "generation no number": ("generation", b"x"),
    "catalogue missing": ("catalogue", None),
    "catalogue no YAML": ("catalogue", b"{"),
    "catalogue empty": ("catalogue", b""),
    "catalogue of a newer version": ("catalogue", b"name: film\nmagic: yes\nvectors: {}\n"),
    "catalogue code": ("catalogue", b"!!python/object/apply:os.getcwd []"),
    "catalogue of a bad name": ("catalogue", film().to_yaml().replace("film", "a b").encode()),
    "stamps a list": ("stamps", b"[]"),
    "stamps null": ("stamps", b"null"),
    "stamps no text": ("stamps", b"\xff"),
    "stamps of other vectors": ("stamps", b'{"w": {"embedder":"given","dims":2,"made_from":"v"}}'),
    "catalogue no text": ("catalogue", b"\xff\xfe"),
    "catalogue of another name": ("catalogue", film("other").to_yaml().encode()),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_entry_is_an_error_of_ours(
    server: Server, load: Load, open_catalogue: Open, damage: str
) -> None:
    client = server.client
    load(film(), [row("a", 1, 0), row("b", 1, 1)])
    field, value = DAMAGED[damage]
    if value is None:
        client.hdel("recommender:film", field)
    else:
        client.hset("recommender:film", field, value)
    for call in (
        lambda: catalogues.find(client, "film"),
        lambda: open_catalogue("film").similar("a"),
        lambda: load(film(), [row("a", 1, 0)]),
    ):
        with pytest.raises(StoreError, match="is not a catalogue of this version") as caught:
            call()
        assert "recommender drop film" in caught.value.remedy


def test_a_key_of_another_type_is_an_error_of_ours(server: Server, load: Load) -> None:
    server.client.set("recommender:film", "x")
    with pytest.raises(StoreError):
        catalogues.find(server.client, "film")
    with pytest.raises(StoreError):
        load(film(), [row("a", 1, 0)])
    server.client.set("recommender:catalogues", "x")
    with pytest.raises(StoreError):
        catalogues.names(server.client)


def command(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the ``recommender`` command against the test's own Redis."""
    code = "from recommender.cli import main; main()"
    env = {name: value for name, value in os.environ.items() if name != "REDIS_URL"}
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *arguments],
        cwd=ROOT,
        env=env | {"RECOMMENDER_HOME": str(settings.home)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_remedy_for_a_damaged_entry_works(
    server: Server, settings: Settings, load: Load
) -> None:
    load(film(), [row("a", 1, 0)])
    server.client.hset("recommender:film", "stamps", "{")
    done = command(settings, "drop", "film", "--yes")
    assert done.returncode == 0, done.stderr
    assert server.client.keys() == []
    assert load(film(), [row("a", 1, 0)]).new == 1


@pytest.mark.parametrize("damage", ["entry damaged", "entry gone"])
def test_one_damaged_entry_does_not_hide_the_others(
    server: Server, settings: Settings, load: Load, damage: str
) -> None:
    load(film("good"), [row("a", 1, 0)])
    load(film(), [row("a", 1, 0)])
    if damage == "entry gone":
        server.client.delete("recommender:film")
    else:
        server.client.hset("recommender:film", "stamps", "{")
    done = command(settings, "catalogues", "--json")
    assert "good" in [row["name"] for row in json.loads(done.stdout)["catalogues"]], done.stderr


def test_hashes_without_an_entry_become_a_catalogue_again(
    server: Server, load: Load, open_catalogue: Open
) -> None:
    rows = [row("a", 1, 0), row("b", 1, 1)]
    load(film(), rows)
    index.drop(server.client, "film", 1)
    catalogues.forget(server.client, "film")
    load(film(), rows)
    assert catalogues.names(server.client) == ["film"]
    assert [hit.id for hit in open_catalogue("film").similar("a")] == ["b"]


def test_a_load_that_is_cut_in_its_first_batch_leaves_no_items_without_a_catalogue(
    server: Server, load: Load
) -> None:
    """Else the next catalogue of that name has them, and ``drop`` cannot remove them."""
    client = server.client

    def fills_redis() -> Iterator[Mapping[str, Any]]:
        yield from (row(str(n), 1, n, title="x" * 2000) for n in range(999))
        client.config_set("maxmemory", client.info("memory")["used_memory"] + 1_000_000)
        yield row("last", 1, 0)  # the first batch is full: now it is written

    try:
        with pytest.raises(StoreError, match="out of memory"):
            load(film(), fills_redis())
    finally:
        client.config_set("maxmemory", 0)
    left = hashes.count(client, "film:1:item:")
    assert catalogues.names(client) == (["film"] if left else [])


def test_a_load_that_would_make_something_else_is_refused(server: Server, load: Load) -> None:
    load(film(), [row("a", 1, 0)])
    for other, error in (
        (film(metric="l2"), InvalidCatalogue),
        (film(index="hnsw"), InvalidCatalogue),
        (film(column="w"), ModelMismatch),
        (film(dims=3), ModelMismatch),
    ):
        with pytest.raises(error, match="film") as caught:
            load(other, [row("b", 1, 0) | {"w": [1, 2]}])
        assert "recommender drop film" in str(caught.value)
    assert catalogues.find(server.client, "film") == Entry(film(), 1, {"v": Stamp("given", 2, "v")})
    assert load(film(), [row("a", 1, 0)]).unchanged == 1


# The lock


def test_the_lock_lasts_as_long_as_the_work_and_a_little_longer(server: Server) -> None:
    with catalogues.locked(server.client, "film", pytest.fail):
        assert 0 < server.client.pttl(LOCK) <= catalogues.LOCK_SECONDS * 1000 == 15_000
        with catalogues.locked(server.client, "other", pytest.fail):
            pass
    assert not server.client.exists(LOCK)


def test_the_lock_goes_when_the_work_fails(server: Server) -> None:
    for error in (ValueError("no"), KeyboardInterrupt(), StoreError("no")):
        with (
            pytest.raises(type(error)),
            catalogues.locked(server.client, "film", pytest.fail),
        ):
            raise error
        assert not server.client.exists(LOCK)


def test_the_lock_goes_when_a_load_fails(server: Server, load: Load) -> None:
    def broken() -> Iterator[Mapping[str, Any]]:
        yield row("a", 1, 0)
        raise StoreError("the source's own Redis is away")

    with pytest.raises(StoreError, match="own Redis"):
        load(film(), broken())
    assert not server.client.exists(LOCK)
    assert load(film(), [row("a", 1, 0)]).new == 1


def test_a_second_process_waits_and_says_so(server: Server, settings: Settings) -> None:
    code = (
        "import sys; from pathlib import Path; from recommender import Settings\n"
        "from recommender.store import catalogues\n"
        "from recommender.store.connection import connect\n"
        "client = connect(Settings(home=Path(sys.argv[1]))).client\n"
        "with catalogues.locked(client, 'film', lambda: print('waiting', flush=True)):\n"
        "    print('mine', client.get('turn').decode(), flush=True)"
    )
    command = [sys.executable, "-W", "error", "-c", code, str(settings.home)]
    with subprocess.Popen(command, cwd=ROOT, stdout=-1, stderr=-1, text=True) as second:
        try:
            with catalogues.locked(server.client, "film", pytest.fail):
                server.client.set("turn", "first")
                second_begins = second.stdout
                assert second_begins is not None
                assert second_begins.readline() == "waiting\n"
                server.client.set("turn", "second")
                with pytest.raises(subprocess.TimeoutExpired):
                    second.wait(0.3)
            assert second.communicate(timeout=30) == ("mine second\n", "")
        finally:
            second.kill()


def test_a_lock_left_behind_is_taken_over(server: Server, load: Load) -> None:
    """A killed process renews nothing: its lock goes by itself."""
    server.client.set(LOCK, "somebody who is dead", px=200)
    began = time.monotonic()
    assert load(film(), [row("a", 1, 0)]).new == 1
    assert 0.1 < time.monotonic() - began < 5
    assert not server.client.exists(LOCK)


def test_a_killed_process_leaves_a_lock_that_expires(server: Server, settings: Settings) -> None:
    code = (
        "import os, sys; from pathlib import Path; from recommender import Settings\n"
        "from recommender.store import catalogues\n"
        "from recommender.store.connection import connect\n"
        "client = connect(Settings(home=Path(sys.argv[1]))).client\n"
        "with catalogues.locked(client, 'film', lambda: None): os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(settings.home)], cwd=ROOT, check=False)
    assert done.returncode == -9
    assert 0 < server.client.pttl(LOCK) <= 15_000


@pytest.mark.parametrize(
    "when",
    [
        "between batches",
        pytest.param(
            "after the last",
        ),
    ],
)
def test_a_load_that_lost_its_lock_stops(server: Server, load: Load, when: str) -> None:
    """Ctrl-Z, then ``recommender drop`` elsewhere, then ``fg``: the load must not go on."""
    client = server.client

    def stopped_after_a_batch() -> Iterator[Mapping[str, Any]]:
        yield from (row(str(n), 1, n) for n in range(1000))
        client.delete(LOCK)  # it expired while the process was stopped
        with catalogues.locked(client, "film", pytest.fail):
            hashes.delete_all(client, "film:1:item:")
            catalogues.forget(client, "film")
        if when == "between batches":
            yield row("late", 1, 0)

    with pytest.raises(StoreError, match="taken 'film' over"):
        load(film(), stopped_after_a_batch())
    assert client.keys() == []
    assert client.execute_command("FT._LIST") == []


def test_a_connection_that_is_cut_is_an_error_of_ours() -> None:
    fake = fakeredis.FakeServer()
    with fakeredis.FakeRedis(server=fake) as client:
        catalogues.keep(client, ENTRY)
        fake.connected = False
        for call in (
            lambda: catalogues.names(client),
            lambda: catalogues.find(client, "film"),
            lambda: catalogues.keep(client, ENTRY),
            lambda: catalogues.forget(client, "film"),
            lambda: hashes.digests(client, "film:1:item:", ["a"]),
            lambda: hashes.begin_write(client, "film:1:item:", [("a", {"x": b"y"}, ())]).finish(),
            lambda: hashes.read(client, "film:1:item:", "a", ["x"]),
            lambda: hashes.read_vector(client, "film:1:item:", "a", "v"),
            lambda: list(hashes.scan(client, "film:1:item:")),
            lambda: hashes.delete_all(client, "film:1:item:"),
            lambda: index.get_state(client, "film"),
            lambda: index.publish(client, "film", 1),
            lambda: index.drop(client, "film", 1),
            lambda: index.create(client, film(), 1, {"v": 2}),
        ):
            with pytest.raises(StoreError, match="does not answer"):
                call()
        fake.connected = True
        assert catalogues.find(client, "film") == ENTRY


# The hashes


def test_items_are_written_read_changed_and_removed(plain: redis.Redis) -> None:
    prefix = hashes.prefix_of("film", 1)
    assert prefix == "film:1:item:"
    vector = bytes(range(256))
    fields = {"title": "Ünï".encode(), vector_field("v"): vector, "_digest": b"d"}
    hashes.begin_write(
        plain, prefix, [(id, {**fields, "_embedded": b"e"}, ()) for id in ODD_IDS]
    ).finish()
    assert hashes.digests(plain, prefix, [*ODD_IDS, "none"]) == (
        [(b"d", b"e")] * len(ODD_IDS) + [(None, None)]
    )
    for id in ODD_IDS:
        assert hashes.read(plain, prefix, id, ["title", "none"]) == ["Ünï".encode(), None]
        assert hashes.read_vector(plain, prefix, id, "v") == vector
    hashes.begin_write(plain, prefix, [(ODD_IDS[0], {"_digest": b"f"}, ["title"])]).finish()
    assert hashes.read(plain, prefix, ODD_IDS[0], ["title", "_digest"]) == [None, b"f"]
    assert hashes.read(plain, prefix, "none", ["title"]) is None
    assert hashes.read_vector(plain, prefix, "none", "v") is None
    keys = {key for batch in hashes.scan(plain, prefix, batch=3) for key in batch}
    assert keys == {(prefix + id).encode() for id in ODD_IDS}
    assert hashes.delete_all(plain, prefix) == len(ODD_IDS)
    assert hashes.delete_all(plain, prefix) == 0


def test_nothing_to_write_is_nothing_to_do(plain: redis.Redis) -> None:
    hashes.begin_write(plain, "film:1:item:", []).finish()
    assert hashes.digests(plain, "film:1:item:", []) == []
    assert plain.keys() == []


NAMES = ["film", "film-2", "films", "film_2", "fil", "1"]


def test_delete_all_takes_one_catalogue_and_no_other(server: Server, load: Load) -> None:
    for name in NAMES:
        load(film(name), [row(id, 1, n) for n, id in enumerate(ODD_IDS) if id.strip()])
    server.client.hset("film:1:near:a", "not", "an item")
    server.client.hset("film:11:item:a", "another", "generation")
    before = {key: server.client.type(key) for key in server.client.scan_iter()}
    count = sum(1 for id in ODD_IDS if id.strip())
    assert hashes.delete_all(server.client, hashes.prefix_of("film", 1)) == count
    gone = before.keys() - {*server.client.scan_iter()}
    assert gone == {f"film:1:item:{id}".encode() for id in ODD_IDS if id.strip()}


def test_delete_all_of_more_than_a_batch(server: Server) -> None:
    ids = [str(n) for n in range(2500)]
    hashes.begin_write(
        server.client, "film:1:item:", [(id, {"x": b"y"}, ()) for id in ids]
    ).finish()
    assert hashes.delete_all(server.client, "film:1:item:") == 2500


# The index


TYPES = {
    "float32": np.float32,
    "float64": np.float64,
    "float16": np.float16,
    "bfloat16": ml_dtypes.bfloat16,
}
CIRCLE = 24


def oracle(
    given: NDArray[np.float64], metric: str, type_: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What is stored ``(n, dims)`` and the score ``(n, n)`` of each with each, in float64."""
    stored = given
    for _ in range(2 if metric == "cosine" else 1):  # once by us, once more by the engine
        if metric == "cosine":
            stored = stored / np.linalg.norm(stored, axis=1, keepdims=True)
        stored = stored.astype(TYPES[type_]).astype(np.float64)
    if metric == "l2":
        apart = stored[:, np.newaxis] - stored[np.newaxis]
        return stored, 1 / (1 + np.linalg.norm(apart, axis=2))
    product = stored @ stored.T
    return stored, np.clip(product, -1, 1) if metric == "cosine" else product


@pytest.mark.parametrize("type_", TYPES)
@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
@pytest.mark.parametrize("kind", ["flat", "hnsw"])
def test_ranking_and_scores_are_those_of_numpy(
    load: Load, open_catalogue: Open, kind: str, metric: str, type_: str
) -> None:
    """Films on a spiral: each has one nearest, one second nearest, and so on."""
    turn = np.arange(CIRCLE) ** 1.3 / 20
    given = np.stack([np.cos(turn), np.sin(turn), turn / 3], axis=1) * (1 + turn[:, None] / 2)
    ids = [f"film {n:02}" for n in range(CIRCLE)]
    load(
        film(index=kind, metric=metric, type=type_),
        [row(id, *vector) for id, vector in zip(ids, given.tolist(), strict=True)],
    )
    stored, scores = oracle(given, metric, type_)
    engine = open_catalogue("film")
    tolerance = 2e-6
    for seed in (0, 7, CIRCLE - 1):
        others = [n for n in range(CIRCLE) if n != seed]
        expected = {ids[n]: scores[seed, n] for n in others}
        for exact in (False, True):
            found = engine.similar(ids[seed], limit=CIRCLE - 1, exact=exact)
            assert {hit.id: hit.score for hit in found} == pytest.approx(expected, abs=tolerance)
            ranks = [expected[hit.id] for hit in found]
            assert ranks == pytest.approx(sorted(ranks, reverse=True), abs=tolerance)
            assert found.exact is (exact or kind == "flat")
        top = engine.search(vector=stored[seed].tolist(), limit=3, exact=True)
        assert top.items[0].score >= scores[seed, seed] - 10 * tolerance
    assert engine.state().items == CIRCLE


def test_plain_answers(load: Load, open_catalogue: Open) -> None:
    """Compass directions: north-east is as close to north as to east."""
    rows = [row("n", 0, 2), row("ne", 3, 3), row("e", 1, 0), row("s", 0, -5), row("w", -1, 0)]
    half = 0.5**0.5
    for metric, expected in {
        "cosine": {"ne": half, "e": 0, "w": 0, "s": -1},
        "ip": {"ne": 6, "e": 0, "w": 0, "s": -10},
        "l2": {"e": 1 / (1 + 5**0.5), "w": 1 / (1 + 5**0.5), "ne": 1 / (1 + 10**0.5), "s": 1 / 8},
    }.items():
        load(film(metric, metric=metric), rows)
        hits = open_catalogue(metric).similar("n")
        assert [hit.id for hit in hits] == list(expected)
        assert [hit.score for hit in hits] == pytest.approx(list(expected.values()), abs=1e-6)


def test_readers_find_an_index_by_the_catalogue_s_name_only_when_published(
    server: Server, load: Load
) -> None:
    client = server.client
    with pytest.raises(IndexNotReady, match="'film' has no index yet"):
        index.get_state(client, "film")
    assert index.create(client, film(), 1, {"v": 2}) is True
    assert index.create(client, film(), 1, {"v": 2}) is False
    assert index.get_state(client, "film:1").is_ready
    with pytest.raises(IndexNotReady):
        index.get_state(client, "film")
    index.publish(client, "film", 1)
    index.publish(client, "film", 1)
    assert index.get_state(client, "film").name == "film:1"
    assert index.create(client, film(), 2, {"v": 2}) is True
    assert index.get_state(client, "film").name == "film:1"
    index.publish(client, "film", 2)
    assert index.get_state(client, "film").name == "film:2"
    index.drop(client, "film", 2)
    index.drop(client, "film", 2)
    with pytest.raises(IndexNotReady):
        index.get_state(client, "film")
    assert index.get_state(client, "film:1").name == "film:1"
    index.drop(client, "film", 1)


def test_dropping_an_index_deletes_no_hash(
    server: Server, load: Load, open_catalogue: Open
) -> None:
    for name in NAMES:
        load(film(name), [row("a", 1, 0), row("b", 1, 1)])
    before = {key: server.client.hgetall(key) for key in server.client.scan_iter("*:item:*")}
    assert len(before) == 2 * len(NAMES)
    index.drop(server.client, "film", 1)
    after = {key: server.client.hgetall(key) for key in server.client.scan_iter("*:item:*")}
    assert after == before
    with pytest.raises(IndexNotReady):
        open_catalogue("film").similar("a")
    for name in NAMES[1:]:
        assert [hit.id for hit in open_catalogue(name).similar("a")] == ["b"]
    assert load(film(), [row("a", 1, 0), row("b", 1, 1)]).unchanged == 2
    assert [hit.id for hit in open_catalogue("film").similar("a")] == ["b"]


def test_an_index_that_redis_refuses_is_an_error_of_ours(server: Server) -> None:
    with pytest.raises(StoreError, match="the index of 'film' was refused"):
        index.create(server.client, film(), 1, {"v": 0})


def test_a_vector_broken_by_hand_is_reported(server: Server, load: Load) -> None:
    rows = [row("a", 1, 0), row("b", 1, 1), row("c", 0, 1)]
    load(film(), rows)
    assert index.get_state(server.client, "film").failures == 0
    server.client.hset("film:1:item:b", "v_vector", b"short")
    state = index.get_state(server.client, "film")
    assert (state.failures, state.failed_key, state.items) == (1, "film:1:item:b", 2)
    assert "blob size" in state.failure
    rejects: list[Reject] = []
    report = load(film(), rows, rejects=rejects)
    assert (report.rejected, report.items) == (1, 2)
    assert [reject.place for reject in rejects] == ["film:1:item:b"]


def test_a_vector_broken_before_the_index_is_made_is_reported(server: Server, load: Load) -> None:
    server.client.hset("film:1:item:foreign", "v_vector", b"short")
    rejects: list[Reject] = []
    assert load(film(), [row("a", 1, 0)], rejects=rejects).items == 1
    assert [reject.place for reject in rejects] == ["film:1:item:foreign"]


def test_a_vector_that_is_whole_again_is_not_reported(server: Server, load: Load) -> None:
    load(film(), [row("a", 1, 0), row("b", 1, 1)])
    server.client.hset("film:1:item:b", "v_vector", b"short")
    report = load(film(), [row("a", 1, 0), row("b", 1, 2)], rejects=[])
    assert (report.changed, report.items) == (1, 2)
    assert report.rejected == 0


@pytest.mark.parametrize(
    ("type_", "numbers"),
    [("float16", (1e6, 1e6)), ("float16", (1e-9, 1e-9)), ("float64", (1e-200, 1e-200))],
)
def test_cosine_takes_a_vector_of_any_length(
    load: Load, open_catalogue: Open, type_: str, numbers: tuple[float, float]
) -> None:
    load(film(type=type_), [row("a", *numbers), row("b", 1, 1), row("c", 1, 0)])
    hits = open_catalogue("film").similar("a")
    assert [hit.id for hit in hits] == ["b", "c"]
    assert hits.items[0].score == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("number", [1e6, 1e-9])
def test_a_search_vector_beyond_the_type_is_refused(
    load: Load, open_catalogue: Open, number: float
) -> None:
    load(film(type="float16", metric="ip"), [row("a", 1, 0), row("b", 1, 1)])
    with pytest.raises(InvalidParameter, match="vector"):
        open_catalogue("film").search(vector=[number, number])


@pytest.mark.parametrize("kind", ["text", "tag", "number", "geo"])
@pytest.mark.parametrize(
    "name", ["weight", "WEIGHT", "nostem", "phonetic", "separator", "casesensitive"]
)
def test_a_field_named_like_a_setting_of_the_engine(
    load: Load, open_catalogue: Open, name: str, kind: str
) -> None:
    fields = {"title": {"type": "text"}, "genres": {"type": "tag"}, name: {"type": kind}}
    vectors = {"v": {"embedder": "given", "column": "v"}}
    catalogue = Catalogue.from_dict({"name": "named", "fields": fields, "vectors": vectors})
    value = {"number": 3, "geo": "1,2"}.get(kind, "word")
    condition = {"number": "=3", "geo": "=@1,2,1km", "text": "~word"}.get(kind, "=word")
    load(catalogue, [{"id": "1", "title": "x", "genres": ["y"], name: value, "v": [1, 2]}])
    assert open_catalogue("named").count(name + condition) == 1
