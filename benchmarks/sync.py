"""Sync at its limits: given vectors into hashes, loading again unchanged, a remote embedder."""

from __future__ import annotations

import gc
import json
import multiprocessing
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray
from redisvl.index import SearchIndex

from benchmarks.common import Measurement, Redis, Silent, private_redis, timed
from recommender import Catalogue, Record, Report, Settings, sync

ROUNDS = 5
ITEMS, DIMS = 100_000, 384
PIPELINE = 500
TEXTS, LATENCY, CONCURRENCY = 10_000, 0.05, 4
REMOTE_DIMS = 256

GIVEN = Catalogue.from_dict(
    {
        "name": "given",
        "fields": {},
        "vectors": {"text": {"embedder": "given", "column": "vector", "index": "flat"}},
    }
)
REMOTE = Catalogue.from_dict(
    {
        "name": "remote",
        "fields": {"title": {"type": "text"}},
        "vectors": {"text": {"embedder": "openai:bench", "template": "{title}", "index": "flat"}},
    }
)
POSTS = Catalogue.from_dict(
    {
        "name": "posts",
        "fields": {"title": {"type": "text"}, "tags": {"type": "tag"}, "year": {"type": "number"}},
        "vectors": {"text": {"embedder": "wordllama", "template": "{title}", "index": "flat"}},
    }
)


def run() -> Iterator[Measurement]:
    """All three."""
    yield from _given()
    yield from _unchanged()
    yield from _remote()


def _given() -> Iterator[Measurement]:
    """Vectors that come with their records, up to the moment when all hashes are written."""
    matrix = np.random.default_rng(0).standard_normal((ITEMS, DIMS), dtype=np.float32)
    ours, raw, same, rival = [], [], [], []
    gc.collect()
    gc.freeze()
    for _ in range(ROUNDS):
        with private_redis() as store:
            raw.append(timed(lambda: _hset(store, matrix, {})))
        with private_redis() as store:
            began = time.perf_counter()
            progress = Silent()
            _load(store, GIVEN, _vectors(matrix), progress)
            ours.append(progress.index_began - began)
            marks = _marks(store)
        with private_redis() as store:
            same.append(timed(partial(_hset, store, matrix, marks)))
        with private_redis() as store:
            rival.append(timed(lambda: _redisvl(store, matrix)))
    gc.unfreeze()
    yield _against("sync.given", ours, same, 0.8, "the same hashes by a pipelined HSET loop of 500")
    yield _against(
        "sync.given.vectors", ours, raw, None, "the loop that writes the vectors only, no digests"
    )
    yield _against("sync.given.redisvl", ours, rival, None, "redisvl's SearchIndex.load")


def _against(
    name: str, ours: list[float], theirs: list[float], bar: float | None, what: str
) -> Measurement:
    ratios = [their / our for our, their in zip(ours, theirs, strict=True)]
    details = {"against": what, "their_items_per_s": ITEMS / median(theirs), "ratios": ratios}
    value = ITEMS / median(ours)
    return Measurement(name, value, "items/s", median(ratios), at_least=bar, details=details)


def _vectors(matrix: NDArray[np.float32]) -> Iterator[Record]:
    for number, row in enumerate(matrix):
        yield Record(f"row {number}", {"id": str(number), "vector": row})


def _marks(store: Redis) -> Mapping[str, bytes]:
    """What a hash of ours holds beside its vector."""
    stored = store.raw.hgetall("given:1:item:0")
    return {name.decode(): value for name, value in stored.items() if name.startswith(b"_")}


def _hset(store: Redis, matrix: NDArray[np.float32], marks: Mapping[str, bytes]) -> None:
    for start in range(0, len(matrix), PIPELINE):
        pipe = store.raw.pipeline(transaction=False)
        for number, row in enumerate(matrix[start : start + PIPELINE], start):
            pipe.hset(f"raw:1:item:{number}", mapping={"text_vector": row.tobytes(), **marks})
        pipe.execute()


def _redisvl(store: Redis, matrix: NDArray[np.float32]) -> None:
    """Hashes first here too: its index is made over keys that nothing is under."""
    attributes = {"dims": DIMS, "distance_metric": "cosine", "algorithm": "flat"}
    schema = {
        "index": {"name": "rival", "prefix": "rival", "storage_type": "hash"},
        "fields": [{"name": "vector", "type": "vector", "attrs": attributes}],
    }
    index = SearchIndex.from_dict(schema, redis_client=store.raw)
    rows = ({"id": str(number), "vector": row.tobytes()} for number, row in enumerate(matrix))
    index.load(rows, id_field="id", batch_size=PIPELINE)


def _load(store: Redis, catalogue: Catalogue, records: Iterator[Record], progress: Any) -> Report:
    def refuse(reject: object) -> None:
        raise AssertionError(reject)

    return sync(
        store.server, catalogue, records, store.settings, progress=progress, on_reject=refuse
    )


def _posts() -> Iterator[Record]:
    for number in range(ITEMS):
        values = {
            "id": f"post-{number}",
            "title": f"A post about number {number} and what it is good for",
            "tags": ["numbers", f"t{number % 50}"],
            "year": 1990 + number % 30,
        }
        yield Record(f"record {number}", values)


def _unchanged() -> Iterator[Measurement]:
    """The same 100,000 records once more: all are read and compared, none is written."""
    with private_redis() as store:
        _load(store, POSTS, _posts(), Silent())
        reports = [_load(store, POSTS, _posts(), Silent()) for _ in range(ROUNDS)]
    assert all(report.unchanged == ITEMS for report in reports)
    rates = [ITEMS / report.seconds for report in reports]
    details = {"items": ITEMS, "rates": rates, "written": sum(each.written for each in reports)}
    yield Measurement("sync.unchanged", median(rates), "items/s", at_least=60_000, details=details)


def _remote() -> Iterator[Measurement]:
    """Texts to a service that takes 50 ms for each request, and does many at once."""
    seconds = []
    with _service() as (url, batch_size):
        for _ in range(ROUNDS):
            with private_redis() as store:
                settings = Settings(
                    home=store.settings.home, openai_base_url=url, concurrency=CONCURRENCY
                )
                titles = (f"text {number}" for number in range(TEXTS))
                records = (Record(text, {"id": text, "title": text}) for text in titles)
                began = time.perf_counter()
                report = sync(store.server, REMOTE, records, settings)
                seconds.append(time.perf_counter() - began)
                assert report.new == TEXTS, report
    requests = -(-TEXTS // batch_size)
    ideal = -(-requests // CONCURRENCY) * LATENCY
    details = {
        "texts": TEXTS,
        "requests": requests,
        "at_once": CONCURRENCY,
        "ideal_s": ideal,
        "seconds": seconds,
        "ideal_is": "the service's latency alone, over and over; ours is the whole load",
    }
    ratio = median(seconds) / ideal
    yield Measurement("sync.remote", median(seconds), "s", ratio, at_most=1.3, details=details)


@contextmanager
def _service() -> Iterator[tuple[str, int]]:
    """The service in a process of its own: its address, and how many texts one request has."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs,))
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}/v1", 32
    finally:
        process.terminate()
        process.join()


def _serve(pipe: Any) -> None:
    import base64

    vector = base64.b64encode(np.ones(REMOTE_DIMS, dtype="<f4").tobytes()).decode()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # else its two packets cost 40 ms more than the latency
        wbufsize = -1

        def do_POST(self) -> None:
            began = time.perf_counter()
            texts = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["input"]
            rows = (f'{{"index":{n},"embedding":"{vector}"}}' for n in range(len(texts)))
            body = f'{{"data":[{",".join(rows)}]}}'.encode()
            time.sleep(max(0.0, LATENCY - (time.perf_counter() - began)))
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    pipe.send(server.server_port)
    server.serve_forever()
