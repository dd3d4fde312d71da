"""How long work shows itself: bars on a terminal, plain lines elsewhere; always on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn
from rich.progress import TimeElapsedColumn as Elapsed

STAGES = {
    "read": "Reading", "embed": "Embedding", "write": "Writing", "related": "Relating",
    "index": "Indexing",
}  # fmt: skip
LINE_SECONDS = 5.0
"""How often a plain line is written while a stage goes on."""


class LoadProgress(Protocol):
    """What a load reports to: the sync's own stages, and how far the source is read (0..1)."""

    def stage(self, name: str, done: float, total: float | None) -> None: ...  # noqa: D102
    def note(self, text: str) -> None: ...  # noqa: D102
    def source(self, part: float) -> None: ...  # noqa: D102


class Bars:
    """One bar a stage, always in the same order; a stage that never begins has none."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {
            name: progress.add_task(label, total=None, visible=False, count="")
            for name, label in STAGES.items()
        }
        self._part = 0.0

    def stage(self, name: str, done: float, total: float | None) -> None:
        """Moves the bar of a stage; while nobody knows its end, the source's progress tells."""
        if name == "index":  # all is read, so what was done is all there was to do
            for task in self._progress.tasks[:-1]:
                self._progress.update(task.id, total=task.completed)
        known = total or (done / self._part if self._part else None)
        count = "" if total == 1.0 else f"{done:,.0f}"
        self._progress.update(
            self._tasks[name], completed=done, total=known, count=count, visible=True
        )

    def source(self, part: float) -> None:
        """How much of the source has been read."""
        self._part = part

    def note(self, text: str) -> None:
        """A line above the bars."""
        self._progress.console.print(text, markup=False, highlight=False, soft_wrap=True)


class Lines:
    """A plain line every few seconds, and one for each stage when all is read."""

    def __init__(self) -> None:
        self._last: dict[str, str] = {}
        self._said = time.monotonic()

    def stage(self, name: str, done: float, total: float | None) -> None:
        """Says a line when enough time has passed."""
        if name == "index":
            for text in (self._last[stage] for stage in STAGES if stage in self._last):
                self.note(text)
            self._last.clear()
        else:
            self._last[name] = f"{STAGES[name]}: {done:,.0f}"
        if time.monotonic() - self._said >= LINE_SECONDS or (name == "index" and done >= 1.0):
            self.note(self._last.get(name) or f"{STAGES[name]}: {done:.0%}")
            self._said = time.monotonic()

    def source(self, part: float) -> None:
        """Plain lines tell counts, not shares."""

    def note(self, text: str) -> None:
        """A line on stderr."""
        click.echo(text, err=True)


@contextmanager
def shown() -> Iterator[LoadProgress]:
    """Bars where stderr is a terminal, lines where it is not."""
    if not sys.stderr.isatty():
        yield Lines()
        return
    columns = (
        TextColumn("{task.description:<10}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[count]}"),
        Elapsed(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        yield Bars(progress)


@contextmanager
def counted(label: str) -> Iterator[Callable[[int, int], None]]:
    """What to tell how many of how many are done: a bar on a terminal, else now and then a line."""
    if not sys.stderr.isatty():
        yield _lines(label)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), Elapsed())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(label, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def _lines(label: str) -> Callable[[int, int], None]:
    said = time.monotonic()

    def say(done: int, total: int) -> None:
        nonlocal said
        if time.monotonic() - said >= LINE_SECONDS:
            click.echo(f"{label}: {done:,} of {total:,}", err=True)
            said = time.monotonic()

    return say
