"""The records that a load did not take: the first on stderr, all of them in a file."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import click

from recommender.batch import REPEATED
from recommender.cli.output import printable
from recommender.items import Reject

SHOWN = 5


class Rejects:
    """Takes rejects down; where the file cannot be written, all of them go to stderr.

    The file of the load before is gone with the first reject, or at the end of a load without any:
    another process may be writing it while this one waits for its turn.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self.is_lost = False
        self.repeated = 0
        self._file: IO[str] | None = None

    def __enter__(self) -> Rejects:
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        if error is None and not self.count:
            self._forget()
        if self._file is not None:
            try:
                self._file.close()
            except OSError as problem:
                self._lose(problem)

    @property
    def file(self) -> Path | None:
        """The file that holds them all; None where there is none."""
        return self.path if self.count and not self.is_lost else None

    def add(self, reject: Reject) -> None:
        """Takes one down."""
        self.count += 1
        self.repeated += reject.reason.endswith(REPEATED)
        if not self.is_lost:
            self._write({"place": reject.place, "reason": reject.reason, "id": reject.id})
        if self.is_lost or self.count <= SHOWN:
            click.echo(printable(f"Rejected: {reject.place}: {reject.reason}"), err=True)

    def say(self) -> None:
        """Tells where the rest is, if not all of them were shown."""
        if self.count > SHOWN and not self.is_lost:
            click.echo(f"Rejected: {self.count:,} in all, see {self.path}", err=True)

    def _write(self, row: dict[str, Any]) -> None:
        try:
            if self._file is None:
                self._forget()
                self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                self._file = self.path.open("w", encoding="utf-8", errors="backslashreplace")
            self._file.write(json.dumps(row, ensure_ascii=False) + "\n")
            self._file.flush()
        except OSError as problem:
            self._lose(problem)

    def _forget(self) -> None:
        with suppress(OSError):  # what the last load rejected is history
            self.path.unlink()

    def _lose(self, problem: OSError) -> None:
        self.is_lost = True
        click.echo(f"The rejects file {self.path} cannot be written: {problem}", err=True)
