"""A request for similar items against what it cannot do without: Flask, and Redis.

``python -m benchmarks.http FILE`` serves the JSON in FILE with a bare Flask application, under the
very gunicorn settings of ``recommender serve``. ``python -m benchmarks.http FILE ask`` asks Redis
by hand before each such answer: what any server would take at least.
"""

from __future__ import annotations

import csv
import json
import random
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlencode

from flask import Flask, jsonify, request

from benchmarks.common import (
    COMMAND,
    TURN,
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
from benchmarks.similar import EF, LIMIT, ROUNDS, raw_similar
from recommender import Settings
from recommender.cli import serve, server
from recommender.store.connection import connect

SEEDS = 600
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
        raw = raw_similar(store.raw, list(catalogue.fields), "*", EF)
        with _servers(store, seeds[0]) as servers:
            sides = servers | {"raw": raw}
            times = race(sides, seeds, ROUNDS, turn=1)
            yield _compared("http.similar", times, at_most=1.0)
            # For information: in a row, Redis and Flask are hotter than in any request, and not
            # even the floor keeps to the limit.
            yield _compared("http.similar.in_a_row", race(sides, seeds, 2, TURN))


def _compared(
    name: str, times: dict[str, list[list[float]]], at_most: float | None = None
) -> Measurement:
    medians = [
        {side: median(rounds[number]) for side, rounds in times.items()}
        for number in range(len(times["raw"]))
    ]
    limits = [one["bare"] + REDIS_TIMES * one["raw"] for one in medians]
    ratios = [one["ours"] / limit for one, limit in zip(medians, limits, strict=True)]
    floors = [one["floor"] / limit for one, limit in zip(medians, limits, strict=True)]
    details = {
        "limit_ms": 1000 * median(limits),
        "bare_flask_p50_ms": p50_ms(times["bare"]),
        "raw_redis_p50_ms": p50_ms(times["raw"]),
        "floor_p50_ms": p50_ms(times["floor"]),
        "floor_ratio": median(floors),
        "ratios": ratios,
    }
    value = p50_ms(times["ours"])
    return Measurement(name, value, "ms", median(ratios), at_most=at_most, details=details)


@contextmanager
def _servers(store: Redis, id: str) -> Iterator[dict[str, Callable[[str], object]]]:
    """The product, a bare endpoint, and one that asks Redis by hand; all give the same JSON."""
    answer = store.settings.home / "answer.json"
    bare_command = (sys.executable, "-m", "benchmarks.http", str(answer))
    with ExitStack() as stack:
        ours = stack.enter_context(_serving(store, str(COMMAND), "serve", "--port", "0"))
        answer.write_bytes(ours(id))
        bare = stack.enter_context(_serving(store, *bare_command))
        floor = stack.enter_context(_serving(store, *bare_command, "ask"))
        bodies = [json.loads(ask(id)) | {"took_ms": 0} for ask in (ours, bare, floor)]
        if bodies[0] != bodies[1] or bodies[0] != bodies[2]:
            raise AssertionError("the bare endpoints answer something else")
        yield {"ours": ours, "bare": bare, "floor": floor}


@contextmanager
def _serving(store: Redis, *command: str) -> Iterator[Callable[[str], bytes]]:
    """A server process on a free port, as a function from an id to the body of the answer."""
    root = Path(__file__).resolve().parent.parent
    process = subprocess.Popen(
        command, env=store.env, cwd=root, text=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stderr is not None
        port = _port(process.stderr, command)
        with closing(HTTPConnection("127.0.0.1", port, timeout=30)) as kept:
            yield partial(_ask, kept)
    finally:
        process.terminate()
        process.wait()


def _port(lines: Iterable[str], command: Sequence[str]) -> int:
    """The port that a server says it serves on, after whatever else it says."""
    said = []
    for line in lines:
        if found := re.search(r"http://127\.0\.0\.1:(\d+)", line):
            return int(found[1])
        said.append(line)
    raise RuntimeError(f"{command} did not start: {''.join(said)}")


def _ask(connection: HTTPConnection, id: str) -> bytes:
    # The same ids are asked for again and again, so nothing may come out of a memory.
    headers = {"Cache-Control": "no-cache"}
    connection.request("GET", f"{PATH}?{urlencode({'id': id, 'limit': LIMIT})}", headers=headers)
    with connection.getresponse() as response:
        body = response.read()
    if response.status != 200:
        raise RuntimeError(f"{response.status}: {body!r}")
    return body


def _serve_bare(answer: dict[str, Any], ask: Callable[[str], object] | None) -> None:
    app = Flask("bare")
    # The product's own settings, for the same bytes in the same time.
    app.json.sort_keys = app.json.ensure_ascii = False  # type: ignore[attr-defined]

    @app.get(PATH)
    def similar() -> Any:
        if ask:
            ask(request.args["id"])
        return jsonify(answer)

    # The very command, with this application in the product's place.
    server.create_app = lambda settings: app  # type: ignore[assignment]
    serve.serve.main(["--port", "0"])


def _main(file: str, *ask: str) -> None:
    answer = json.loads(Path(file).read_bytes())
    client = connect(Settings.from_env()).client
    names = list(answer["items"][0]["fields"])
    _serve_bare(answer, raw_similar(client, names, "*", EF) if ask else None)


if __name__ == "__main__":
    _main(*sys.argv[1:])
