"""A folder of documents: every Markdown, HTML and text file below it is a record."""

from __future__ import annotations

import os
import re
import stat
from collections import deque
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase

from loaders import html, markdown, text
from loaders.base import REPORT_EVERY, Options, check_encoding
from loaders.documents import MAX_FILE, Reader, Unfit, entry
from recommender.errors import InvalidParameter, SourceError
from recommender.items import Record, Reject

SUFFIXES = ("md", "markdown", "html", "htm", "txt")
READERS: dict[str, Reader] = {
    "htm": html.read,
    "html": html.read,
    "markdown": markdown.read,
    "md": markdown.read,
    "mdown": markdown.read,
    "mdx": markdown.read,
    "mkd": markdown.read,
    "xhtml": html.read,
}
"""Any other file is plain text."""

PASSED_OVER = ("node_modules", "_drafts", "_includes", "_layouts", "_site")
"""Folders that hold no documents of one's own, beside the hidden ones."""

TOKEN = re.compile(r"\*\*/|\*\*|\*|\?|\[[!^]?\]?[^]/]*\]|.", re.DOTALL)
MEANING = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}


def load(source: str, options: Options) -> Iterator[Record | Reject]:
    """Every document below the folder ``source``, in the order of their paths, which are the ids.

    ``options.globs`` choose other files than those with SUFFIXES: ``*.rst`` at any depth,
    ``notes/*.md`` in one place. Hidden files, hidden folders and those PASSED_OVER are left out
    unless a glob names them. Links are followed, for they were put there on purpose, but no folder
    is read twice. Raises SourceError where there is no document.
    """
    check_encoding(options.encoding)
    name = os.path.basename(os.path.abspath(source))
    name = os.fsencode(name).decode(errors="replace")
    paths, rejects = _listed(source, name, options.globs)
    yield from rejects
    if not paths:
        raise SourceError(
            f"there is no document in {name}: no file {_wanted(options.globs)}",
            remedy="Choose others, for example with --glob '*.rst'",
        )
    count = 0
    for number, path in enumerate(paths, 1):
        found = _entry(source, path, name, options)
        if found is not None:
            count += 1
            yield found
        if options.progress and (not number % REPORT_EVERY or number == len(paths)):
            options.progress(number / len(paths))
    if not count:
        raise SourceError(f"every document in {name} is a draft")


def _entry(source: str, path: str, name: str, options: Options) -> Record | Reject | None:
    shown = os.fsencode(path).decode(errors="replace")
    place = f"{name}/{shown}"
    if shown != path:
        return Reject(place, "the name of the file is not UTF-8, so it cannot be an id")
    reader = READERS.get(path.rpartition(".")[2].lower(), text.read)
    return entry(path, place, lambda: _content(os.path.join(source, path)), reader, options)


def _content(path: str) -> bytes:
    """At most MAX_FILE + 1 bytes of a file. Raises OSError, and Unfit for what is no file."""
    with open(path, "rb", opener=_opener) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise Unfit("it is no regular file")
        return file.read(MAX_FILE + 1)


def _opener(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # else a pipe would be waited for


def _listed(source: str, name: str, globs: tuple[str, ...]) -> tuple[list[str], list[Reject]]:
    """The paths of the documents, sorted, and the folders that cannot be listed."""
    wanted, asked = _chooser(globs), _asked(globs)
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


def _chooser(globs: tuple[str, ...]) -> Callable[[str], bool]:
    if not globs:
        return lambda path: path.rpartition(".")[2].lower() in SUFFIXES
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


def _wanted(globs: tuple[str, ...]) -> str:
    if globs:
        return f"is like {' or '.join(map(repr, globs))}"
    return f"ends in {', '.join(f'.{suffix}' for suffix in SUFFIXES)}"
