"""A request for similar items against what it cannot do without: Flask, and Redis.

``python -m benchmarks.http FILE`` serves the JSON in FILE with a bare Flask application, under the
very gunicorn settings of ``recommender serve``.
"""

from __future__ import annotations

import csv
import json
import random
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlencode

from flask import Flask, jsonify

from benchmarks.common import (
    COMMAND,
    Measurement,
    Redis,
    Silent,
    catalogue_of,
    fashion,
    load_here,
    p50_ms,
    private_redis,
    race,
)
from benchmarks.similar import LIMIT, ROUNDS, SEEDS, raw_similar
from recommender import Settings
from recommender.cli import serve

PATH = "/v1/fashion/similar"
REDIS_TIMES = 1.5
"""How often the raw Redis time may go into a request, beside a bare endpoint's own time."""


def run() -> Iterator[Measurement]:
    """One client that keeps its connection, on loopback; it shares the machine's cores."""
    with fashion() as source, private_redis() as store:
        catalogue = catalogue_of(source, "hnsw")
        load_here(store, source, catalogue, Silent())
        with source.open(newline="", encoding="utf-8") as file:
            ids = [row["id"] for row in csv.DictReader(file)]
        seeds = random.Random(11).sample(ids, SEEDS)
        body = store.settings.home / "body.json"
        with _serving(store, str(COMMAND), "serve", "--port", "0") as ours:
            body.write_bytes(ours(seeds[0]))
            bare_command = (sys.executable, "-m", "benchmarks.http", str(body))
            with _serving(store, *bare_command) as bare:
                _check_same(ours(seeds[0]), bare(seeds[0]))
                raw = raw_similar(store, list(catalogue.fields), "*", " EF_RUNTIME 128")
                times = race({"ours": ours, "bare": bare, "raw": raw}, seeds, ROUNDS)
    yield _compared(times)


def _compared(times: dict[str, list[list[float]]]) -> Measurement:
    ours, bare, raw = (p50_ms(times[side]) for side in ("ours", "bare", "raw"))
    rounds = [
        median(one) / (median(two) + REDIS_TIMES * median(three))
        for one, two, three in zip(times["ours"], times["bare"], times["raw"], strict=True)
    ]
    details = {
        "bare_flask_p50_ms": bare,
        "raw_redis_p50_ms": raw,
        "limit_ms": bare + REDIS_TIMES * raw,
        "redis_times": (ours - bare) / raw,
        "ratios": rounds,
    }
    return Measurement("http.similar", ours, "ms", median(rounds), at_most=1.0, details=details)


@contextmanager
def _serving(store: Redis, *command: str) -> Iterator[Callable[[str], bytes]]:
    """A server process on a free port, as a function from an id to the body of the answer."""
    root = Path(__file__).resolve().parent.parent
    process = subprocess.Popen(command, env=store.env, cwd=root, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        said = process.stderr.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)", said)
        if not found:
            raise RuntimeError(f"{command} did not start: {said}{process.stderr.read()}")
        port = int(found[1])
        # Connections made before gunicorn has set its socket up would wait 40 ms for each body.
        with closing(HTTPConnection("127.0.0.1", port, timeout=30)) as early:
            early.request("GET", "/")
            early.getresponse().read()
        with closing(HTTPConnection("127.0.0.1", port, timeout=30)) as kept:
            yield partial(_ask, kept)
    finally:
        process.terminate()
        process.wait()


def _ask(connection: HTTPConnection, id: str) -> bytes:
    connection.request("GET", f"{PATH}?{urlencode({'id': id, 'limit': LIMIT})}")
    with connection.getresponse() as response:
        body = response.read()
    if response.status != 200:
        raise RuntimeError(f"{response.status}: {body!r}")
    return body


def _check_same(ours: bytes, bare: bytes) -> None:
    """The two bodies differ in nothing but the time they took."""
    one, two = (json.loads(body) | {"took_ms": 0} for body in (ours, bare))
    if one != two:
        raise AssertionError("the bare endpoint answers something else")


def bare_app(answer: dict[str, Any]) -> Flask:
    """One route that gives ``answer`` as JSON, in the bytes that the product would send."""
    app = Flask("bare")
    app.json.sort_keys = app.json.ensure_ascii = False  # type: ignore[attr-defined]

    @app.get(PATH)
    def similar() -> Any:
        return jsonify(answer)

    return app


def _serve_bare(answer: dict[str, Any]) -> None:
    class Bare(serve._Application):
        def load(self) -> Flask:
            return bare_app(answer)

    listener = serve._listen("127.0.0.1", 0)
    print(f"Serving on http://127.0.0.1:{listener.getsockname()[1]}", file=sys.stderr, flush=True)
    Bare(Settings.from_env(), listener).run()


if __name__ == "__main__":
    _serve_bare(json.loads(Path(sys.argv[1]).read_bytes()))
