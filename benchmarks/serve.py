"""``recommender serve`` under load, against a bare Flask endpoint that gives the same JSON.

``python -m benchmarks.serve FILE`` serves the JSON in FILE under the very server and settings of
``recommender serve``, access log included. The client is ``wrk``; it and Redis share the machine's
cores with the workers.

Workers keep answers, so there are two of each: every item asked for once, where nothing is kept
yet, and items asked for as visitors do, few of them often (``popular``: Zipf's law).
"""

from __future__ import annotations

import csv
import json
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import quote, urlencode

from flask import Flask, jsonify

from benchmarks.common import (
    COMMAND,
    Measurement,
    Redis,
    Silent,
    catalogue_of,
    fashion,
    load_here,
    private_redis,
)
from recommender.cli import serve, server
from recommender.related import build

KEY = "benchmarks-write-key"
WORKERS = 2
CONNECTIONS = 16
DRAWN, POPULAR_SECONDS = 200_000, 15
ROUNDS, SECONDS = 4, 2
WARM_UP, MANY = 40_000, 100_000
"""Requests until workers hold what they may keep, and those after which they must hold no more."""
CHUNK_SECONDS = 5
SIMILAR, RELATED = "/v1/fashion/similar", "/v1/fashion/related"

SCRIPT = """
local asked, at = {}, 0
function setup(thread) thread:set("from", threads or 0); threads = (threads or 0) + 1 end
function init(args)
  for line in io.lines(args[1]) do
    local method, path, tag, body = line:match("^(%S+) (%S+) (%S*) ?(.*)$")
    local headers = {}
    if tag ~= "-" then headers["If-None-Match"] = tag end
    if body ~= "" then headers["Content-Type"] = "application/json" end
    if method == "PUT" then headers["X-API-Key"] = "benchmarks-write-key" end
    asked[#asked + 1] = wrk.format(method, path, headers, body ~= "" and body or nil)
  end
  at = math.floor(#asked * (args[2] + from / 2)) % #asked
end
function request() at = at % #asked + 1; return asked[at] end
function done(summary, latency, requests)
  local failed = summary.errors
  io.write(string.format('{"requests": %d, "seconds": %f, "p50_ms": %f, "p99_ms": %f,',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3,
    latency:percentile(99) / 1e3))
  io.write(string.format(' "errors": %d, "timeouts": %d}\\n',
    failed.connect + failed.read + failed.write, failed.timeout))
end
"""
"""For wrk: a file of requests, one a line (METHOD PATH ETAG-or-dash BODY), asked in turn by two
threads, which begin at a part of it (0 to 1) and half of it later."""


@dataclass(frozen=True)
class Side:
    """A server that runs: its port, and the process that leads its workers."""

    port: int
    pid: int

    def workers(self) -> list[int]:
        """Its workers' process ids."""
        listed = subprocess.run(["pgrep", "-P", str(self.pid)], capture_output=True, check=True)
        return [int(pid) for pid in listed.stdout.split()]


def run() -> Iterator[Measurement]:
    """Requests a second, latencies, memory."""
    if not shutil.which("wrk"):
        reason = "wrk is not there (apt install wrk)"
        print(json.dumps({"name": "serve", "skipped": "all", "reason": reason}), flush=True)
        return
    with fashion() as source, private_redis() as store, ExitStack() as stack:
        load_here(store, source, catalogue_of(source, "hnsw"), Silent())
        build(store.server, "fashion")
        with source.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        random.Random(13).shuffle(rows)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        (folder / "wrk.lua").write_text(SCRIPT)
        ours = stack.enter_context(_serving(store, str(COMMAND), "serve"))
        load = Load(folder, ours, [row["id"] for row in rows])
        yield from _compared(store, load)
        yield _memory(load, rows)


class Load:
    """What wrk asks: files of requests, which it reads anew each time."""

    def __init__(self, folder: Path, ours: Side, ids: Sequence[str]) -> None:
        self.folder = folder
        self.ours = ours
        self.ids = ids

    def file(self, name: str, lines: Sequence[str]) -> Path:
        """The requests ``lines`` as a file."""
        path = self.folder / name
        path.write_text("\n".join(lines) + "\n")
        return path

    def wrk(self, side: Side, asked: Path, seconds: int, start: float = 0.0) -> dict[str, float]:
        """What wrk measured while it asked a server for the requests of a file from there on."""
        done = subprocess.run(
            ["wrk", "-t2", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "10s",
             "-s", str(self.folder / "wrk.lua"), f"http://127.0.0.1:{side.port}",
             "--", str(asked), str(start)],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        if found["errors"] or found["timeouts"]:
            raise RuntimeError(f"not every request was answered: {done.stdout}")
        return found


def _compared(store: Redis, load: Load) -> Iterator[Measurement]:
    shares = [1 / rank for rank in range(1, len(load.ids) + 1)]
    popular = random.Random(19).choices(load.ids, shares, k=DRAWN)
    for name, path, bar in (("similar", SIMILAR, 0.6), ("related", RELATED, 0.8)):
        once = [_line(path, id=id) for id in load.ids]
        yield from _against_bare(store, load, name, path, once, bar)
        often = [_line(path, id=id) for id in popular]
        yield from _against_bare(store, load, f"{name}.popular", path, often, bar, POPULAR_SECONDS)
    tagged = _tagged(load)
    if tagged:
        yield from _against_bare(store, load, "not_modified", SIMILAR, tagged, 0.9)


def _against_bare(
    store: Redis,
    load: Load,
    name: str,
    path: str,
    lines: Sequence[str],
    bar: float,
    warm_up: int = 1,
) -> Iterator[Measurement]:
    """Requests a second, of a bare endpoint's; for ``similar`` the spread of latencies, too.

    ``warm_up`` is in seconds.
    """
    answer = load.folder / "answer.json"
    answer.write_bytes(_get(load.ours, path, load.ids[0])[1])
    asked = load.file(name, lines)
    found: dict[str, list[dict[str, float]]] = {"ours": [], "bare": []}
    with _serving(store, sys.executable, "-m", "benchmarks.serve", str(answer)) as bare:
        load.wrk(bare, asked, 1)
        load.wrk(load.ours, asked, warm_up)
        for number in range(1, ROUNDS + 1):
            # Each begins where none has been, of the half that each of wrk's threads asks.
            start = number / (ROUNDS + 1) / 2
            found["bare"].append(load.wrk(bare, asked, SECONDS, start))
            found["ours"].append(load.wrk(load.ours, asked, SECONDS, start))
    rates = {
        side: [one["requests"] / one["seconds"] for one in rounds] for side, rounds in found.items()
    }
    ratios = [ours / bare for ours, bare in zip(rates["ours"], rates["bare"], strict=True)]
    p50, p99 = (median(one[part] for one in found["ours"]) for part in ("p50_ms", "p99_ms"))
    details = {
        "bare_per_s": median(rates["bare"]), "ratios": ratios, "p50_ms": p50, "p99_ms": p99,
        "bare_p99_ms": median(one["p99_ms"] for one in found["bare"]),
    }  # fmt: skip
    value = median(rates["ours"])
    ratio = median(ratios)
    yield Measurement(f"serve.{name}", value, "requests/s", ratio, None, bar, details)
    if path == SIMILAR and lines[0].endswith(" -"):
        spread = median(one["p99_ms"] / one["p50_ms"] for one in found["ours"])
        spread_of = f"serve.{name}.spread"
        yield Measurement(spread_of, p99, "ms", spread, 4.0, None, {"p50_ms": p50})


def _tagged(load: Load) -> list[str]:
    """Requests that know what they would be answered; none where answers have no ETag."""
    lines = []
    for id in load.ids[:1000]:
        tag, _ = _get(load.ours, SIMILAR, id)
        if tag is None:
            return []
        lines.append(_line(SIMILAR, tag, id=id))
    return lines


def _memory(load: Load, rows: Sequence[dict[str, str]]) -> Measurement:
    """What the workers hold after many requests of all kinds, by what they held before."""
    asked = load.file("mixed", _mixed(load, rows))
    done = [_ask_for(load, asked, WARM_UP)]
    before = _held_mb(load.ours)
    done.append(_ask_for(load, asked, MANY))
    after = _held_mb(load.ours)
    details = {"before_mb": before, "after_mb": after, "requests": done}
    ratio = max(late / early for early, late in zip(before, after, strict=True))
    return Measurement("serve.memory", sum(after), "MB", ratio, at_most=1.05, details=details)


def _ask_for(load: Load, asked: Path, count: int) -> int:
    done = 0
    while done < count:
        done += int(load.wrk(load.ours, asked, CHUNK_SECONDS)["requests"])
    return done


def _mixed(load: Load, rows: Sequence[dict[str, str]]) -> list[str]:
    """Requests of every kind, in an order that is always the same."""
    lines = []
    tag = _get(load.ours, SIMILAR, load.ids[0])[0]
    for number, row in enumerate(rows[:4000]):
        id = row["id"]
        lines.append(_line(SIMILAR, id=id))
        lines.append(_line(RELATED, id=id, limit=5))
        if number % 4 == 0:
            lines.append(_line(SIMILAR, id=f"no-such-{number}"))
            lines.append(_line(SIMILAR, id=id, limit=number))
            lines.append(_line("/v1/fashion/search", q=row["name"]))
        if number % 16 == 0:
            lines.append(_line(SIMILAR, id=id, diversity=0.3, boosts="0.3*near(year,8)"))
            body = json.dumps({"like": [id, load.ids[number - 1]], "unlike": [load.ids[-1]]})
            lines.append(f"POST /v1/fashion/recommend - {body}")
            lines.append(f"GET /v1/none-{number}/similar?id=a -")
            lines.append(_line(SIMILAR, tag or "-", id=load.ids[0]))
        if number % 400 == 0:
            narrow = f"article={row['article']}"
            lines.append(_line("/v1/fashion/facets", fields="colour,year", where=narrow))
            fields = {name: value for name, value in row.items() if name != "id"}
            fields["year"] = str(2000 + number // 400)
            lines.append(f"PUT {_path('/v1/fashion/items', id=id)} - {_fields(fields)}")
    random.Random(17).shuffle(lines)
    return lines


def _fields(values: dict[str, str]) -> str:
    return json.dumps({"fields": values})


def _path(path: str, **query: Any) -> str:
    return f"{path}?{urlencode(query, quote_via=quote)}"


def _line(path: str, tag: str = "-", **query: Any) -> str:
    return f"GET {_path(path, **query)} {tag}"


def _held_mb(side: Side) -> list[float]:
    """Memory of each worker; what processes share is divided among them, where that is known."""
    held = []
    for pid in sorted(side.workers()):
        for name, line in (("smaps_rollup", "Pss"), ("status", "VmRSS")):
            path = Path(f"/proc/{pid}/{name}")
            if path.exists() and (found := re.search(rf"^{line}:\s+(\d+)", path.read_text(), re.M)):
                held.append(int(found[1]) / 1024)
                break
    return held


@contextmanager
def _serving(store: Redis, *command: str) -> Iterator[Side]:
    """A server process with the settings of this bench."""
    root = Path(__file__).resolve().parent.parent
    process = subprocess.Popen(
        [*command, "--port", "0", "--workers", str(WORKERS)],
        env=store.env | {"RECOMMENDER_WRITE_KEYS": KEY}, cwd=root, text=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if found := re.search(r"http://127\.0\.0\.1:(\d+)", line):
                break
        else:
            raise RuntimeError(f"{command} did not start")
        yield Side(int(found[1]), process.pid)
    finally:
        process.terminate()
        process.communicate()


def _get(side: Side, path: str, id: str) -> tuple[str | None, bytes]:
    """The ETag and the body of one answer."""
    connection = HTTPConnection("127.0.0.1", side.port, timeout=30)
    try:
        connection.request("GET", _path(path, id=id))
        with connection.getresponse() as response:
            return response.headers["ETag"], response.read()
    finally:
        connection.close()


def _main(file: str, *options: str) -> None:
    answer = json.loads(Path(file).read_bytes())
    app = Flask("bare")
    # The product's own settings, for the same bytes in the same time.
    app.json.sort_keys = app.json.ensure_ascii = False  # type: ignore[attr-defined]
    for path in (SIMILAR, RELATED):
        app.add_url_rule(path, path, lambda: jsonify(answer))
    # The very command, with this application in the product's place.
    server.create_app = lambda settings: app  # type: ignore[assignment]
    serve.serve.main(list(options))


if __name__ == "__main__":
    _main(*sys.argv[1:])
