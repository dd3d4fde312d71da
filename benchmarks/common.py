"""What the benches share: a measurement and its bar, interleaved timing, data, a private Redis."""

from __future__ import annotations

import csv
import gc
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import redis

import loaders
from recommender import Catalogue, Recommender, Record, Report, Settings, infer, sync
from recommender.store import embedded
from recommender.store.connection import Server, connect

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
FASHION = DATA / "fashion.csv"
MOVIES, MOVIES_JUDGED = DATA / "movies.csv", DATA / "movies_judged.csv"
RELEVANCE = DATA / "movies_relevance.csv"
FILMS = (MOVIES, MOVIES_JUDGED, RELEVANCE)
FASHION_ROWS = 44_446
COMMAND = Path(sys.executable).with_name("recommender")
MEMORY = Path("/dev/shm")
MEMORY_ROOM = 2 * 2**30
TURN = 50
"""Calls of one side before it is another's turn, where how many a second is the question."""
WARM_UP = 50


@dataclass(frozen=True)
class Measurement:
    """One figure. A bar is for ``ratio`` where there is one, else for ``value``."""

    name: str
    value: float
    unit: str
    ratio: float | None = None
    at_most: float | None = None
    at_least: float | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool | None:
        """Whether the bar is met, None where there is none."""
        figure = self.value if self.ratio is None else self.ratio
        if self.at_most is not None:
            return figure <= self.at_most
        return None if self.at_least is None else figure >= self.at_least

    def line(self) -> str:
        """One line of JSON."""
        bar = None
        if self.ok is not None:
            sign, limit = (">=", self.at_least) if self.at_most is None else ("<=", self.at_most)
            bar = f"{self.unit if self.ratio is None else 'ratio'} {sign} {limit:.4g}"
        row = {"name": self.name, "value": self.value, "unit": self.unit, "ratio": self.ratio}
        rounded = _rounded(row | {"bar": bar, "ok": self.ok} | dict(self.details))
        return json.dumps(rounded, ensure_ascii=False)


def race(
    sides: Mapping[str, Callable[[str], object]], ids: Sequence[str], rounds: int, turn: int
) -> dict[str, list[list[float]]]:
    """Seconds of every call, by side and round; each side gets every id in every round.

    The sides take turns of ``turn`` calls. Each begins at another id, so that none finds what the
    one before it left in a cache. Answers are thrown away at once.
    """
    times: dict[str, list[list[float]]] = {name: [[] for _ in range(rounds)] for name in sides}
    apart = len(ids) // len(sides)
    queues = {
        name: [*ids[apart * number :], *ids[: apart * number]] for number, name in enumerate(sides)
    }
    for name, call in sides.items():
        for id in queues[name][:WARM_UP]:
            call(id)
    gc.collect()
    order = list(sides)
    for number in range(rounds):
        for start in range(0, len(ids), turn):
            order = order[1:] + order[:1]
            for name in order:
                call, seconds = sides[name], times[name][number]
                for id in queues[name][start : start + turn]:
                    began = time.perf_counter()
                    call(id)
                    seconds.append(time.perf_counter() - began)
    return times


def p50_ms(rounds: Sequence[Sequence[float]]) -> float:
    """The median call in milliseconds."""
    return 1000 * median(seconds for times in rounds for seconds in times)


def per_second(rounds: Sequence[Sequence[float]]) -> float:
    """Calls a second: the median of the rounds."""
    return median(len(times) / sum(times) for times in rounds)


def timed(work: Callable[[], object]) -> float:
    """How many seconds ``work`` takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


class Silent:
    """A load's progress that nobody looks at; it remembers when the index began to fill."""

    def __init__(self) -> None:
        self.index_began = 0.0

    def stage(self, name: str, done: float, total: float | None) -> None:  # noqa: D102
        if name == "index" and not self.index_began:
            self.index_began = time.perf_counter()

    def note(self, text: str) -> None:  # noqa: D102
        pass


@dataclass(frozen=True)
class Redis:
    """A server of our own: how the product reaches it, and a plain client for the raw side."""

    settings: Settings
    server: Server
    raw: redis.Redis

    @property
    def env(self) -> dict[str, str]:
        """The environment in which a command finds this server."""
        kept = {name: value for name, value in os.environ.items() if name != "REDIS_URL"}
        return kept | {"RECOMMENDER_HOME": str(self.settings.home)}


@contextmanager
def private_redis() -> Iterator[Redis]:
    """An empty local server as the product starts it, gone with all its data afterwards.

    Its append-only file is kept in memory where there is room: a slow disk makes both sides of a
    ratio longer and so hides what the product adds.
    """
    has_room = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > MEMORY_ROOM
    home = Path(tempfile.mkdtemp(prefix="bench-", dir=MEMORY if has_room else None))
    settings = Settings(home=home)
    try:
        server = connect(settings)
        socket = str(embedded.socket_path(home))
        with server.client, redis.Redis(unix_socket_path=socket, protocol=2) as raw:
            yield Redis(settings, server, raw)
    finally:
        embedded.stop(home)
        shutil.rmtree(home)


def catalogue_of(source: Path, index: str) -> Catalogue:
    """What the product infers from ``source``, called fashion, with an index of this kind."""
    records = (record for record in loaders.load(str(source)) if isinstance(record, Record))
    data = infer(islice(records, 1000), "fashion").model_dump()
    data["vectors"]["text"]["index"] = index
    return Catalogue.from_dict(data)


def load_here(store: Redis, source: Path, catalogue: Catalogue, progress: Silent) -> Report:
    """Loads ``source`` in this process; every record must be good."""

    def refuse(reject: object) -> None:
        raise AssertionError(reject)

    records = loaders.load(str(source))
    return sync(
        store.server, catalogue, records, store.settings, progress=progress, on_reject=refuse
    )


def opened(store: Redis, catalogue: Catalogue) -> Recommender:
    """The engine of a catalogue that was loaded."""
    return Recommender(catalogue.name, settings=store.settings, server=store.server)


MEASURED = """
import json, resource, subprocess, sys, time
began = time.perf_counter()
done = subprocess.run(sys.argv[1:], capture_output=True, text=True)
seconds = time.perf_counter() - began
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(json.dumps([seconds, peak, done.returncode, done.stdout, done.stderr]))
"""
"""Runs a command. In a process of its own, because on Linux a child's peak memory is at least what
its parent held when it was started."""


@dataclass(frozen=True)
class Ran:
    """A ``recommender`` command that ended well: wall time, peak memory, what ``--json`` said."""

    seconds: float
    peak_mb: float
    said: dict[str, Any]


def run_command(store: Redis, *arguments: str) -> Ran:
    """Runs ``recommender ARGUMENTS --json`` as a process of its own."""
    command = [sys.executable, "-S", "-c", MEASURED, str(COMMAND), *arguments, "--json"]
    output = subprocess.run(command, env=store.env, check=True, capture_output=True).stdout
    seconds, peak, code, said, problem = json.loads(output)
    if code:
        raise RuntimeError(f"recommender {arguments[0]} left with {code}: {problem}")
    return Ran(seconds, peak / (2**20 if sys.platform == "darwin" else 2**10), json.loads(said))


@contextmanager
def fashion() -> Iterator[Path]:
    """The fashion catalogue as a CSV file: the real one, else one that is generated."""
    if FASHION.exists():
        yield FASHION
    else:
        with generated(FASHION_ROWS) as path:
            yield path


def missing_data() -> Iterator[str]:
    """JSON lines that say so where real data is not there."""
    if not FASHION.exists():
        reason = "../shared/data/fashion.csv is not there: generated rows stand in for it"
        yield _skipped("the real fashion catalogue", reason)
    if gone := [path.name for path in FILMS if not path.exists()]:
        reason = f"{', '.join(gone)}: not in ../shared/data, and judgements cannot be made up"
        yield _skipped("relevance", reason)


def _skipped(what: str, reason: str) -> str:
    return json.dumps({"name": "data", "skipped": what, "reason": reason})


@contextmanager
def generated(rows: int) -> Iterator[Path]:
    """A CSV file of ``rows`` that look like the fashion catalogue's, every id another."""
    draw = random.Random(rows)
    words = ["".join(draw.choices("abdeiklmnorstu", k=draw.randint(3, 8))) for _ in range(4000)]
    genders = (["Men", "Women", "Unisex", "Boys", "Girls"], [50, 42, 5, 2, 1])
    articles = ["Watches", "Shirts", "Tshirts", "Jeans", "Sandals", "Handbags", *words[:12]]
    colours = ["Blue", "Black", "White", "Navy Blue", "Red", "Green", *words[12:42]]
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        path = Path(folder) / "fashion.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(
                ["id", "name", "gender", "category", "article", "colour", "season", "year", "usage"]
            )
            for number in range(rows):
                [gender] = draw.choices(*genders)
                article, colour = draw.choice(articles), draw.choice(colours)
                name = " ".join([*draw.choices(words, k=2), gender, *draw.choices(words, k=2)])
                category = draw.choice(["Apparel", "Accessories", "Footwear", "Personal Care"])
                season = draw.choice(["Fall", "Summer", "Winter", "Spring"])
                year, usage = draw.randint(2007, 2019), draw.choice(["Casual", "Formal", "Sports"])
                row = [f"{name} {article}", gender, category, article, colour, season, year, usage]
                table.writerow([10_000 + number, *row])
        yield path


def _rounded(value: Any) -> Any:
    """Numbers with four digits that count."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {name: _rounded(part) for name, part in value.items()}
    return [_rounded(part) for part in value] if isinstance(value, (list, tuple)) else value
