"""Loads through a remote embedder: calls side by side, nothing paid for twice, whatever happens."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import Quiet
from openai_server import KEY, OpenAIServer, Reply
from outside import Shell

from recommender import Catalogue, Record, Reject, Report, Settings, sync
from recommender.batch import SIZE
from recommender.cost import Meter
from recommender.errors import EmbedderError, SourceError, StoreError
from recommender.store import catalogues, embeddings, hashes, index
from recommender.store.connection import Server

MODEL = "openai:text-embedding-3-small"
CALL = 256  # texts of one call
DIMS = 27
COUNT = 3500
REFUSED = Reply(401, body='{"error": {"message": "no such key"}}')


def catalogue(name: str = "shop", **vectors: Any) -> Catalogue:
    vector = {"embedder": MODEL, "dims": DIMS, "template": "{title}", "index": "flat"}
    fields = {"title": {"type": "text"}, "year": {"type": "number"}}
    made = {each: vector | more for each, more in (vectors or {"text": {}}).items()}
    return Catalogue.from_dict({"name": name, "fields": fields, "vectors": made})


def row(number: int, **more: Any) -> dict[str, Any]:
    """A title that is like no other, also in its letters."""
    letters = "abcdefghij"
    title = " ".join(letters[int(digit)] for digit in str(number))
    return {"id": str(number), "title": f"{title} {number}", "year": number} | more


ROWS = [row(number) for number in range(COUNT)]
TITLES = [each["title"] for each in ROWS]


@pytest.fixture
def openai() -> Iterator[OpenAIServer]:
    with OpenAIServer() as running:
        yield running


class Loads:
    """Loads of one Redis through one service."""

    def __init__(self, server: Server, openai: OpenAIServer) -> None:
        self.server, self.openai = server, openai
        self.settings = openai.settings()
        self.rejects: list[Reject] = []
        self.progress = Quiet()

    def __call__(
        self,
        rows: Iterable[Mapping[str, Any]],
        made: Catalogue | None = None,
        concurrency: int = 4,
        **options: Any,
    ) -> Report:
        self.rejects, self.progress = [], Quiet()
        records = (Record(f"record {number}", each) for number, each in enumerate(rows))
        return sync(
            self.server, made or catalogue(), records,
            replace(self.settings, concurrency=concurrency),
            progress=self.progress, on_reject=self.rejects.append, **options,
        )  # fmt: skip

    def stored(self, name: str = "shop") -> dict[int, dict[bytes, bytes]]:
        """Every item by its number, but for the time when it was written."""
        prefix = hashes.prefix_of(name, 1)
        keys = {key for batch in hashes.scan(self.server.client, prefix) for key in batch}
        with self.server.client.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.hgetall(key)
            found = pipe.execute()
        for item in found:
            item.pop(b"_at")
        return {int(key[len(prefix) :]): item for key, item in zip(keys, found, strict=True)}

    def check_whole(self, name: str = "shop", rows: list[dict[str, Any]] = ROWS) -> None:
        """The catalogue is like a clean load of another service and another name."""
        before = Counter(self.openai.paid)
        self(rows, catalogue("clean"))
        assert self.stored(name) == self.stored("clean")
        assert Counter(self.openai.paid) == before, "what was paid for is kept"
        assert index.get_state(self.server.client, name).items == len(rows)


@pytest.fixture
def loads(server: Server, openai: OpenAIServer) -> Loads:
    return Loads(server, openai)


def check_paid_once(openai: OpenAIServer, titles: Iterable[str] = TITLES) -> None:
    assert Counter(openai.paid) == Counter(titles)


def cut_off(after: int, fault: Callable[[], object]) -> Iterator[dict[str, Any]]:
    """The rows, beside which something happens."""
    for number, each in enumerate(ROWS):
        if number == after:
            fault()
        yield each


def raising(error: BaseException) -> Callable[[], object]:
    def fault() -> None:
        raise error

    return fault


# Side by side


@contextmanager
def held(openai: OpenAIServer, count: int) -> Iterator[None]:
    """Nobody is answered before ``count`` requests are under way at once; none ever is more."""
    openai.held.set()

    def let_go() -> None:
        end = time.monotonic() + 20
        while openai.under_way < count and time.monotonic() < end:
            time.sleep(0.005)
        time.sleep(0.2)  # for those that must not be there
        openai.held.clear()

    thread = threading.Thread(target=let_go)
    thread.start()
    yield
    thread.join()
    assert openai.most == count


@pytest.mark.parametrize("concurrency", [1, 3, 8])
def test_so_many_calls_are_under_way_at_once_and_no_more(
    loads: Loads, openai: OpenAIServer, concurrency: int
) -> None:
    with held(openai, concurrency):
        report = loads(ROWS, concurrency=concurrency)
    assert (report.new, report.embedded, report.rejected) == (COUNT, COUNT, 0)
    check_paid_once(openai)


def test_two_vectors_share_the_calls(loads: Loads, openai: OpenAIServer) -> None:
    made = catalogue(text={}, year={"template": "{title} of {year}"}, again={"index": "hnsw"})
    with held(openai, 4):
        report = loads(ROWS[:2000], made, concurrency=4)
    assert (report.new, report.embedded) == (2000, 2000)
    longer = [f"{each['title']} of {each['year']}" for each in ROWS[:2000]]
    check_paid_once(openai, [*TITLES[:2000], *longer])
    items = loads.stored()
    assert all(item[b"text_vector"] == item[b"again_vector"] for item in items.values())
    assert items[7][b"text_vector"] != items[7][b"year_vector"]


def test_it_is_written_while_others_are_embedded(loads: Loads, openai: OpenAIServer) -> None:
    """When the last ones are asked for, those of the first batch are long in Redis."""
    found: list[int] = []

    def look() -> None:
        deadline = time.monotonic() + 10
        while not (done := len(loads.stored())) and time.monotonic() < deadline:
            time.sleep(0.01)
        found.append(done)

    openai.delay = 0.05
    loads(cut_off(COUNT - 1, look), concurrency=2)
    assert found[0] >= SIZE
    written = [done for stage, done, _ in loads.progress.stages if stage == "write"]
    assert written == sorted(written)
    assert len(written) >= 3


@pytest.mark.parametrize("concurrency", [1, 2])
def test_a_service_that_is_slow_is_not_read_ahead_of(
    loads: Loads, openai: OpenAIServer, concurrency: int
) -> None:
    """What waits for vectors is in memory: so many rows and no more, however long the source."""
    read = 0

    def endless() -> Iterator[dict[str, Any]]:
        nonlocal read
        for each in [row(number) for number in range(20_000)]:
            read += 1
            yield each

    openai.held.set()
    thread = threading.Thread(target=lambda: loads(endless(), concurrency=concurrency))
    thread.start()
    try:
        before = -1
        while not openai.under_way or read != before:
            before = read
            time.sleep(0.5)
        assert read <= 2 * concurrency * CALL + 2 * SIZE
        assert openai.under_way == concurrency
        assert loads.stored() == {}
    finally:
        openai.held.clear()
        thread.join()
    assert len(loads.stored()) == 20_000


# Paid for once


def test_a_second_catalogue_costs_nothing(loads: Loads, openai: OpenAIServer) -> None:
    loads(ROWS)
    asked = len(openai.requests)
    report = loads(ROWS, catalogue("other"))
    assert (report.new, report.embedded, len(openai.requests)) == (COUNT, COUNT, asked)
    assert loads.stored("other") == loads.stored()
    check_paid_once(openai)


def test_a_catalogue_that_was_dropped_costs_nothing(
    loads: Loads, openai: OpenAIServer, server: Server
) -> None:
    loads(ROWS)
    before = loads.stored()
    index.drop(server.client, "shop", 1)
    hashes.delete_all(server.client, hashes.prefix_of("shop", 1))
    catalogues.forget(server.client, "shop")
    assert loads(ROWS).new == COUNT
    assert loads.stored() == before
    check_paid_once(openai)


def test_the_same_text_in_many_records(loads: Loads, openai: OpenAIServer) -> None:
    openai.delay = 0.05
    report = loads([row(number, title=f"cab {number % 3}") for number in range(2500)])
    assert (report.new, report.embedded) == (2500, 2500)
    check_paid_once(openai, ["cab 0", "cab 1", "cab 2"])


def test_only_fields_changed(loads: Loads, openai: OpenAIServer) -> None:
    loads(ROWS)
    before = loads.stored()
    asked = len(openai.requests)
    embeddings.clear(loads.server.client)
    report = loads([each | {"year": 9999} for each in ROWS])
    assert (report.changed, report.embedded, len(openai.requests)) == (COUNT, 0, asked)
    assert [each[b"text_vector"] for each in loads.stored().values()]
    assert {n: each[b"text_vector"] for n, each in loads.stored().items()} == {
        n: each[b"text_vector"] for n, each in before.items()
    }


def test_fields_and_texts_changed_in_one_batch(loads: Loads, openai: OpenAIServer) -> None:
    loads(ROWS)
    openai.paid.clear()
    mixed = [
        each
        | (
            {"title": f"jig {each['id']}"}
            if number % 3 == 0
            else {"year": 9999}
            if number % 3 == 1
            else {}
        )
        for number, each in enumerate(ROWS)
    ]
    report = loads(mixed)
    assert report.unchanged == len(ROWS[2::3])
    assert (report.changed, report.embedded) == (len(ROWS[0::3]) + len(ROWS[1::3]), len(ROWS[0::3]))
    check_paid_once(openai, [each["title"] for each in mixed[0::3]])
    loads.check_whole(rows=mixed)


# Broken off


@pytest.mark.parametrize("good", [0, 1, 5, 13])
def test_a_service_that_refuses_the_key_in_the_middle(
    loads: Loads, openai: OpenAIServer, server: Server, good: int
) -> None:
    openai.script.extend([Reply(delay=0.02)] * good + [REFUSED] * 30)
    with pytest.raises(EmbedderError, match="refused the key"):
        loads(ROWS, concurrency=3)
    assert len(openai.paid) == min(
        good * CALL, sum(len(each.body["input"]) for each in openai.requests[:good])
    )
    written = loads.stored()
    assert set(written) == set(range(len(written))), "whole batches, in their order"
    assert len(written) % SIZE == 0
    if written:
        assert index.get_state(server.client, "shop").items == len(written)
    else:
        assert catalogues.names(server.client) == []
    assert not server.client.exists("recommender:shop:lock")
    assert not embed_threads()
    openai.script.clear()
    report = loads(ROWS, concurrency=3)
    assert (report.unchanged, report.new) == (len(written), COUNT - len(written))
    check_paid_once(openai)
    loads.check_whole()


def embed_threads() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name.startswith("embed")]


@pytest.mark.parametrize(
    "error",
    [KeyboardInterrupt(), SourceError("it broke off"), RuntimeError("a loader's bug")],
    ids=repr,
)
@pytest.mark.parametrize("after", [1, 1001, 2500, COUNT - 1])
def test_a_source_that_stops_in_the_middle(
    loads: Loads, openai: OpenAIServer, error: BaseException, after: int
) -> None:
    openai.delay = 0.05
    with pytest.raises(type(error)):
        loads(cut_off(after, raising(error)), concurrency=3)
    assert not embed_threads()
    written, paid = loads.stored(), len(openai.paid)
    assert set(written) == set(range(len(written)))
    if isinstance(error, SourceError):
        assert len(written) == after, "what came before is written"
    assert len(written) <= paid == len(set(openai.paid))
    report = loads(ROWS)
    assert (report.unchanged, report.new) == (len(written), COUNT - len(written))
    check_paid_once(openai)
    loads.check_whole()


def test_refused_texts_among_calls_side_by_side(loads: Loads, openai: OpenAIServer) -> None:
    bad = [3, 255, 256, 999, 1000, 2222, COUNT - 1]
    openai.refuses = {TITLES[number] for number in bad}
    openai.delay = 0.02
    report = loads(ROWS)
    assert (report.new, report.rejected) == (COUNT - len(bad), len(bad))
    assert sorted(int(each.id or "") for each in loads.rejects) == bad
    assert [each.place for each in loads.rejects] == [f"record {number}" for number in bad]
    assert all("the text vector was refused" in each.reason for each in loads.rejects)
    check_paid_once(openai, [title for title in TITLES if title not in openai.refuses])
    openai.refuses.clear()
    again = loads(ROWS)
    assert (again.new, again.unchanged) == (len(bad), COUNT - len(bad))
    check_paid_once(openai)


def test_a_text_that_is_refused_keeps_the_old_item(loads: Loads, openai: OpenAIServer) -> None:
    loads(ROWS)
    before = loads.stored()
    openai.refuses = {"jig"}
    report = loads([ROWS[0] | {"title": "jig"}, *ROWS[1:]], prune=True)
    assert (report.rejected, report.removed, report.changed) == (1, 0, 0)
    assert loads.stored() == before


def test_a_service_that_refuses_everything_is_found_out(loads: Loads, openai: OpenAIServer) -> None:
    openai.refuses = set(TITLES)
    with pytest.raises(EmbedderError, match="refused 8 texts in a row"):
        loads(ROWS, concurrency=2)
    assert not embed_threads()
    assert len(openai.requests) < 150, "it is not asked for each of them"


def test_one_vector_refused_and_the_other_not(loads: Loads, openai: OpenAIServer) -> None:
    openai.refuses = {f"{TITLES[5]} of 5"}
    report = loads(ROWS[:1500], catalogue(text={}, year={"template": "{title} of {year}"}))
    assert (report.new, report.rejected) == (1499, 1)
    assert (loads.rejects[0].id, "the year vector" in loads.rejects[0].reason) == ("5", True)
    assert 5 not in loads.stored()


def test_redis_is_full_while_the_service_is_asked(loads: Loads, openai: OpenAIServer) -> None:

    def cut() -> None:
        loads.server.client.config_set("maxmemory", 1)

    openai.delay = 0.02
    try:
        with pytest.raises(StoreError):
            loads(cut_off(2500, cut))
    finally:
        loads.server.client.config_set("maxmemory", 0)
    assert not embed_threads()
    assert loads(ROWS).items == COUNT
    loads.server.client.delete(embeddings.key_of(MODEL, DIMS))
    before = loads.stored()
    loads(ROWS, catalogue("clean"))
    assert loads.stored("clean") == before


def test_two_loads_at_once(loads: Loads, openai: OpenAIServer, server: Server) -> None:
    """As of two programs: what both ask for at the same moment may be paid for by both."""
    openai.delay = 0.02
    with ThreadPoolExecutor(2) as pool:
        both = [
            pool.submit(Loads(server, openai), ROWS, catalogue(name)) for name in ("one", "two")
        ]
        assert [each.result().new for each in both] == [COUNT, COUNT]
    assert set(openai.paid) == set(TITLES)
    assert loads.stored("one") == loads.stored("two")


# Foretold


def tokens(titles: Iterable[str], settings: Settings) -> int:
    meter = Meter(MODEL, settings)
    for title in titles:
        meter.add(title)
    return meter.cost().tokens


def test_a_dry_run_asks_nobody_and_leaves_out_what_is_kept(
    loads: Loads, openai: OpenAIServer
) -> None:
    loads(ROWS[:1500], catalogue("other"))
    asked = len(openai.requests)
    foretold = loads(ROWS, dry_run=True)
    assert len(openai.requests) == asked
    assert (foretold.new, foretold.embedded) == (COUNT, COUNT)
    assert foretold.cost is not None
    assert foretold.cost["texts"] == COUNT - 1500
    assert foretold.cost["tokens"] == tokens(TITLES[1500:], loads.settings)
    openai.paid.clear()
    done = loads(ROWS)
    assert (done.new, done.embedded, len(openai.paid)) == (COUNT, COUNT, COUNT - 1500)
    nothing = loads(ROWS, dry_run=True).cost
    assert nothing is not None
    assert (nothing["tokens"], nothing["dollars"]) == (0, 0.0)


def test_a_dry_run_counts_equal_texts_once(loads: Loads, openai: OpenAIServer) -> None:
    same = [row(number, title=f"cab {number % 3}") for number in range(2500)]
    two = catalogue(text={}, again={"index": "hnsw"})
    for made in (catalogue(), two):
        cost = loads(same, made, dry_run=True).cost
        assert cost is not None
        assert cost["tokens"] == tokens(["cab 0", "cab 1", "cab 2"], loads.settings)
    loads(same, two)
    check_paid_once(openai, ["cab 0", "cab 1", "cab 2"])


# The command


@pytest.fixture
def shell(server: Server, home: Path, tmp_path: Path) -> Shell:
    (tmp_path / "shop.yaml").write_text(catalogue().to_yaml())
    (tmp_path / "shop.ndjson").write_text("".join(json.dumps(each) + "\n" for each in ROWS))
    return Shell(home, tmp_path)


def test_the_environment_says_how_many_calls(shell: Shell, openai: OpenAIServer) -> None:
    env = {"OPENAI_BASE_URL": openai.url, "OPENAI_API_KEY": KEY, "RECOMMENDER_CONCURRENCY": "3"}
    with held(openai, 3):
        done = shell.run("load", "shop.ndjson", "--spec", "shop.yaml", "--json", **env)
    assert (done.code, done.json["embedded"]) == (0, COUNT), done
    check_paid_once(openai)


def test_a_service_that_fails_in_the_middle_is_said(shell: Shell, openai: OpenAIServer) -> None:
    env = {"OPENAI_BASE_URL": openai.url, "OPENAI_API_KEY": KEY}
    openai.script.extend([Reply()] * 6 + [REFUSED] * 30)
    done = shell.run("load", "shop.ndjson", "--spec", "shop.yaml", **env)
    assert (done.code, done.out) == (1, "")
    assert "refused the key" in done.err
    assert KEY not in done.err
    openai.script.clear()
    again = shell.run("load", "shop.ndjson", "--spec", "shop.yaml", "--json", **env)
    assert (again.code, again.json["items"]) == (0, COUNT)
    check_paid_once(openai)


def test_ctrl_c_waits_for_what_is_under_way_and_keeps_it(
    shell: Shell, openai: OpenAIServer, server: Server
) -> None:
    env = {"OPENAI_BASE_URL": openai.url, "OPENAI_API_KEY": KEY, "RECOMMENDER_CONCURRENCY": "2"}
    openai.held.set()
    process = shell.start("load", "shop.ndjson", "--spec", "shop.yaml", **env)
    until(lambda: openai.under_way == 2)
    os.killpg(process.pid, signal.SIGINT)
    time.sleep(0.3)
    openai.held.clear()
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, "Traceback" in err) == (130, "", False), err
    assert len(openai.paid) == 2 * CALL, "nothing more was begun"
    assert server.client.hlen(embeddings.key_of(MODEL, DIMS)) == 2 * CALL
    assert catalogues.names(server.client) == []
    again = shell.run("load", "shop.ndjson", "--spec", "shop.yaml", "--json", **env)
    assert again.json["new"] == COUNT
    check_paid_once(openai)


def test_ctrl_c_twice_leaves_a_service_that_says_nothing(
    shell: Shell, openai: OpenAIServer, server: Server
) -> None:
    env = {"OPENAI_BASE_URL": openai.url, "OPENAI_API_KEY": KEY}
    openai.held.set()
    process = shell.start("load", "shop.ndjson", "--spec", "shop.yaml", **env)
    try:
        until(lambda: openai.under_way)
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.5)
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=5)
        assert (process.returncode, "Traceback" in err) == (130, False)
        assert not list(server.client.scan_iter(b"recommender:*shop*"))
    finally:
        process.kill()
        process.communicate()


def until(done: Callable[[], object]) -> None:
    end = time.monotonic() + 20
    while not done():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.01)
