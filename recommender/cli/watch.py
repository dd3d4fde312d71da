"""``load --watch``: the same load again whenever its sources change."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence

import click

from recommender.errors import InvalidParameter, RecommenderError, SourceError
from recommender.registry import missing

SIDE_FILES = ("-wal", "-journal")
"""What SQLite writes to beside its own file."""
OWN_FOLDERS = ("redis", "rejects")
"""What is written in the data directory: no source, even where that lies in one."""
WAKE_MS = 200


def watch(sources: Sequence[str], load: Callable[[], object], home: str | os.PathLike[str]) -> None:
    """Runs ``load``, and again after every change of the files and folders, until Ctrl-C.

    What a later load cannot do, as with a file that is half saved, is said and waits for the next
    change. What happens in ``home``, the data directory, may be the loads' own doing.
    """
    try:
        import watchfiles
    except ModuleNotFoundError as error:
        raise missing("--watch", "watchfiles") from error
    paths = sorted({path for source in sources for path in _paths(source)})
    # A file is watched through its folder: many editors replace it by another one of its name.
    roots = {path if os.path.isdir(path) else os.path.dirname(path) for path in paths}
    changes = watchfiles.watch(
        *sorted(roots),
        watch_filter=_filter(paths, home),
        rust_timeout=WAKE_MS,
        yield_on_timeout=True,
        recursive=any(map(os.path.isdir, paths)),  # what else is below a file's folder may be much
        ignore_permission_denied=True,
    )
    try:
        _begin(changes)  # it watches from here on, so that no change is missed while a load runs
        state = _state(paths)
        load()
        click.echo("Watching for changes (Ctrl-C stops)", err=True)
        for changed in changes:
            if changed and (now := _state(paths)) != state:
                state = now
                _again(load)
    except KeyboardInterrupt:
        click.echo("Stopped watching.", err=True)


def _filter(paths: Sequence[str], home: str | os.PathLike[str]) -> Callable[[object, str], bool]:
    """Whether a change of a path concerns one of ``paths``, and is not of a load's own doing."""
    own = tuple(os.path.join(os.path.realpath(home), folder, "") for folder in OWN_FOLDERS)

    def concerns(change: object, changed: str) -> bool:
        return not changed.startswith(own) and any(
            changed == path or changed.startswith((path + os.sep, *(path + s for s in SIDE_FILES)))
            for path in paths
        )

    return concerns


def _begin(changes: Iterator[object]) -> None:
    try:
        next(changes)
    except OSError as error:
        raise SourceError(
            f"the sources cannot be watched: {error}",
            remedy="Are they there? On Linux there is a limit, fs.inotify.max_user_watches",
        ) from error


def _state(paths: Sequence[str]) -> dict[str, object]:
    """What tells a changed file: SQLite touches its side files when it is only read.

    A folder is never as it was.
    """
    files = [path + suffix for path in paths for suffix in ("", *SIDE_FILES)]
    return {file: object() if os.path.isdir(file) else _stamp(file) for file in files}


def _stamp(file: str) -> tuple[int, ...]:
    try:
        status = os.stat(file)
    except OSError:
        return ()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _again(load: Callable[[], object]) -> None:
    try:
        load()
    except RecommenderError as error:
        click.echo(f"Error: {error}", err=True)


def _paths(source: str) -> set[str]:
    """Where the source is; of a link to a file also where the link is."""
    if source == "-" or "://" in source:
        shown = re.sub("://.*", "://...", source)  # there may be a password in it
        raise InvalidParameter(
            "watch", f"{shown!r} cannot be watched", remedy="--watch is for files and folders"
        )
    path = os.path.realpath(source)
    if os.path.isdir(path):
        return {path}
    folder, name = os.path.split(os.path.abspath(source))
    return {path, os.path.join(os.path.realpath(folder), name)}
