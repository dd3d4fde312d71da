"""A blog's folder of Markdown files, from the disk to items that can be asked for."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from benchmarks.common import Measurement, private_redis, run_command

ROUNDS = 3
FEW, FILES = 2_000, 20_000


def run() -> Iterator[Measurement]:
    """Files a second of a whole ``recommender load`` process, and its memory."""
    with _blog(FILES) as many, _blog(FEW) as few:
        ran = []
        for _ in range(ROUNDS):
            with private_redis() as store:
                ran.append(run_command(store, "load", str(many)))
        with private_redis() as store:
            small = run_command(store, "load", str(few))
    rates = [FILES / each.said["seconds"] for each in ran]
    details = {
        "files": FILES,
        "rates": rates,
        "process_s": [each.seconds for each in ran],
        "inside": "reading, front matter, Markdown, wordllama, writing and indexing (HNSW)",
    }
    yield Measurement("folder.load", median(rates), "files/s", at_least=1_500, details=details)
    peak = max(each.peak_mb for each in ran)
    sizes = {"files": [FEW, FILES], "peaks_mb": [small.peak_mb, peak]}
    yield Measurement(
        "folder.memory", peak, "MB", peak / small.peak_mb, at_most=1.15, details=sizes
    )


@contextmanager
def _blog(count: int) -> Iterator[Path]:
    """A folder of ``count`` posts of about 1 kB in folders by month."""
    draw = random.Random(count)
    words = ["".join(draw.choices("abdeiklmnorstu", k=draw.randint(2, 9))) for _ in range(3000)]

    def text(length: int) -> str:
        return " ".join(draw.choices(words, k=length))

    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        root = Path(folder) / "posts"
        for number in range(count):
            month = root / f"{2000 + number % 20}" / f"{1 + number % 12:02}"
            month.mkdir(parents=True, exist_ok=True)
            tags = ", ".join(draw.choices(words[:40], k=3))
            front = f"title: {text(5).capitalize()}\ndate: 20{number % 20:02}-05-17\ntags: [{tags}]"
            body = (
                f"## {text(3)}\n\n{text(60)}. *{text(3)}* and [{text(2)}](https://example.com).\n"
            )
            post = f"---\n{front}\n---\n\n{body}\n* {text(8)}\n* {text(9)}\n\n{text(40)}\n"
            (month / f"post-{number}.md").write_text(post, encoding="utf-8")
        yield root
