"""The files of a folder: those with some suffixes or like some globs, each read when asked for."""

from __future__ import annotations

import os
import re
import stat
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from loaders.base import REPORT_EVERY, Options, check_encoding, opened
from recommender.errors import InvalidParameter, RecordError, SourceError
from recommender.items import Reject

PASSED_OVER = (
    "__pycache__", "node_modules", "site-packages", "venv", "_drafts", "_includes", "_layouts",
    "_site",
)  # fmt: skip
"""Folders that hold nothing of one's own, beside the hidden ones."""

TOKEN = re.compile(r"\*\*/|\*\*|\*|\?|\[[!^]?\]?[^]/]*\]|.", re.DOTALL)
MEANING = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}


@dataclass(frozen=True, slots=True)
class File:
    """One file: ``path`` is relative to the folder, ``place`` begins with the folder's name."""

    path: str
    place: str
    _whole: str

    def content(self, limit: int) -> bytes:
        """At most ``limit`` + 1 bytes. Raises OSError, and RecordError for what is no file."""
        with open(self._whole, "rb", opener=_opener) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise RecordError("it is no regular file")
            return file.read(min(status.st_size, limit) + 1)


def files(
    source: str, options: Options, suffixes: Sequence[str], what: str
) -> Iterator[File | Reject]:
    """Every file below the folder ``source`` that is wanted, in the order of their paths.

    ``options.globs`` choose other files than those with ``suffixes``: ``*.rst`` at any depth,
    ``notes/*.md`` in one place. Hidden files, hidden folders and those PASSED_OVER are left out
    unless a glob names them. Links are followed, for they were put there on purpose, but no folder
    is read twice. Raises SourceError where there is no such file: no ``what``.
    """
    check_encoding(options.encoding)
    name = name_of(source)
    if not os.path.isdir(source):
        with opened(source, options):  # raises where there is no such file either
            raise SourceError(f"{name} is not a folder", remedy="Name the folder that it is in")
    paths, rejects = _listed(source, name, options.globs, suffixes)
    yield from rejects
    if not paths:
        raise SourceError(
            f"there is no {what} in {name}: no file {_wanted(options.globs, suffixes)}",
            remedy="Choose others, for example with --glob '*.rst'",
        )
    for number, path in enumerate(paths, 1):
        shown = os.fsencode(path).decode(errors="replace")
        place = f"{name}/{shown}"
        if shown == path:
            yield File(path, place, os.path.join(source, path))
        else:
            yield Reject(place, "the name of the file is not UTF-8, so it cannot be an id")
        if options.progress and (not number % REPORT_EVERY or number == len(paths)):
            options.progress(number / len(paths))


def name_of(folder: str) -> str:
    """What places call a folder."""
    return os.fsencode(os.path.basename(os.path.abspath(folder))).decode(errors="replace")


def _opener(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # else a pipe would be waited for


def _listed(
    source: str, name: str, globs: tuple[str, ...], suffixes: Sequence[str]
) -> tuple[list[str], list[Reject]]:
    """The paths of the files, sorted, and the folders that cannot be listed."""
    wanted, asked = _chooser(globs, suffixes), _asked(globs)
    paths: list[str] = []
    rejects: list[Reject] = []
    seen: set[tuple[int, int]] = set()
    folders, links = deque([""]), deque[str]()
    while folders or links:
        # Links come last, so that a folder is known by its own path.
        folder = folders.popleft() if folders else links.popleft()
        try:
            entries = _entries(os.path.join(source, folder), seen)
        except OSError as error:
            if not folder:
                raise SourceError(f"{name} cannot be listed: {error.strerror}") from error
            shown = os.fsencode(folder).decode(errors="replace")
            rejects.append(Reject(f"{name}/{shown}", f"it cannot be listed: {error.strerror}"))
            continue
        for found in entries:
            path = f"{folder}/{found.name}" if folder else found.name
            if _passed_over(found.name) and not any(fnmatchcase(found.name, a) for a in asked):
                continue
            if _is_folder(found):
                (links if found.is_symlink() else folders).append(path)
            elif wanted(path):
                paths.append(path)
    return sorted(paths), rejects


def _entries(folder: str, seen: set[tuple[int, int]]) -> list[os.DirEntry[str]]:
    """What is in ``folder``, by name; nothing where it was ``seen``."""
    status = os.stat(folder)
    if (status.st_dev, status.st_ino) in seen:
        return []
    seen.add((status.st_dev, status.st_ino))
    with os.scandir(folder) as entries:
        return sorted(entries, key=lambda found: found.name)


def _is_folder(found: os.DirEntry[str]) -> bool:
    try:
        return found.is_dir()
    except OSError:  # a link to itself: reading it will tell
        return False


def _passed_over(name: str) -> bool:
    return name.startswith(".") or name in PASSED_OVER


def _asked(globs: tuple[str, ...]) -> set[str]:
    """The parts of the globs that name what is passed over otherwise."""
    return {part for glob in globs for part in glob.split("/") if _passed_over(part)} - {"."}


def _chooser(globs: tuple[str, ...], suffixes: Sequence[str]) -> Callable[[str], bool]:
    if not globs:
        return lambda path: path.rpartition(".")[2].lower() in suffixes
    patterns = [_pattern(glob) for glob in globs]
    return lambda path: any(pattern.fullmatch(path) for pattern in patterns)


def _pattern(glob: str) -> re.Pattern[str]:
    """What a glob means: ``**/`` is any folders, and one without ``/`` is for any folder."""
    whole = glob.removeprefix("./") if "/" in glob else f"**/{glob}"
    parts = []
    for token in TOKEN.findall(whole):
        if len(token) > 1 and token[0] == "[":
            inside = token[1:-1].replace("\\", "\\\\").replace("[", "\\[")
            parts.append(f"[^{inside[1:]}]" if inside[0] in "!^" else f"[{inside}]")
        else:
            parts.append(MEANING.get(token) or re.escape(token))
    try:
        return re.compile("".join(parts), re.DOTALL)
    except re.error as error:
        raise InvalidParameter("glob", f"{glob!r} is no pattern of files: {error}") from error


def _wanted(globs: tuple[str, ...], suffixes: Sequence[str]) -> str:
    if globs:
        return f"is like {' or '.join(map(repr, globs))}"
    return f"ends in {', '.join(f'.{suffix}' for suffix in suffixes)}"
