"""``load --watch``: the same load again whenever its sources change."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

import click

from recommender.errors import InvalidParameter, MissingExtra, RecommenderError

SIDE_FILES = ("-wal", "-journal")
"""What SQLite writes to beside its own file."""
WAKE_MS = 200


def watch(sources: Sequence[str], load: Callable[[], object]) -> None:
    """Runs ``load``, and again after every change of the files and folders, until Ctrl-C.

    What a later load cannot do, as with a file that is half saved, is said and waits for the next
    change.
    """
    try:
        import watchfiles
    except ModuleNotFoundError as error:
        raise MissingExtra(
            "--watch needs the package 'watchfiles'", remedy="pip install 'recommender[watch]'"
        ) from error
    paths = [_path(source) for source in sources]
    # A file is watched through its folder: many editors replace it by another one of its name.
    roots = {path if os.path.isdir(path) else os.path.dirname(path) for path in paths}

    def concerns(change: object, changed: str) -> bool:
        return any(
            changed == path or changed.startswith((path + os.sep, *(path + s for s in SIDE_FILES)))
            for path in paths
        )

    changes = watchfiles.watch(
        *sorted(roots),
        watch_filter=concerns,
        rust_timeout=WAKE_MS,
        yield_on_timeout=True,
    )
    try:
        next(changes)  # it watches from here on, so that no change is missed while a load runs
        load()
        click.echo("Watching for changes (Ctrl-C stops)", err=True)
        for changed in changes:
            if changed:
                _again(load)
    except KeyboardInterrupt:
        click.echo("Stopped watching.", err=True)


def _again(load: Callable[[], object]) -> None:
    try:
        load()
    except RecommenderError as error:
        click.echo(f"Error: {error}", err=True)


def _path(source: str) -> str:
    if source == "-" or "://" in source:
        raise InvalidParameter(
            "watch", f"{source!r} cannot be watched", remedy="--watch is for files and folders"
        )
    return os.path.realpath(source)
