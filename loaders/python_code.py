"""Python source: every function, method, class and documented module is a record."""

from __future__ import annotations

import ast
import copy
import io
import os
import re
import tokenize
import warnings
from collections import Counter
from collections.abc import Iterator
from textwrap import dedent
from typing import Any, BinaryIO, cast

from loaders.base import Options, as_record, opened
from recommender.errors import SourceError
from recommender.items import Record, Reject

MAX_FILE = 1_000_000
"""Largest file, in bytes: its syntax tree takes up to 400 times as much memory."""

DEFINITION = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
BLOCK = (ast.stmt, ast.ExceptHandler, ast.match_case)
UNREADABLE = (SyntaxError, ValueError, RecursionError, MemoryError)  # MemoryError: nested too deep
WORD = re.compile(r"[^\W\d_]?[^\W\d_A-Z]+|[A-Z]+s?(?![a-z])|\d+")
"""A word of a name, as in ``retry_with_backoff``, ``retryWithBackoff`` or ``getURLs``."""


def load(source: str, options: Options) -> Iterator[Record | Reject]:
    """The definitions in ``source``, a file or a folder, in the order they are written.

    The id is ``path:Class.method``, the path relative to the folder. Where a name is defined again
    (a property's setter, an overload) the second is ``path:Class.method#2``: ids stay when lines
    move. What is defined in a function is a part of that function only. A file that cannot be
    parsed costs only itself. Raises SourceError.

    ``words`` are those of the name, ``summary`` is the docstring's first paragraph. Signature,
    docstring and body are in ``code``, which a catalogue keeps and shows but does not embed: among
    the many tokens of a body the few words that say what it does are lost.
    """
    if os.path.isdir(source):
        yield from _folder(source, options)
        return
    with opened(source, options) as file:
        # Unpacked but not decoded: Python says itself in what it is.
        content = cast(BinaryIO, file.text.buffer)
        yield from file.watched(_entries(content, file.name, file.name, options.encoding))


def _folder(source: str, options: Options) -> Iterator[Record | Reject]:
    name = os.path.basename(os.path.abspath(source))
    found = False
    for path in _files(source):
        for entry in _file(os.path.join(source, path), path, f"{name}/{path}", options):
            found = True
            yield entry
    if not found:
        raise SourceError(f"{name} defines nothing in Python", remedy="Name a folder of .py files")
    if options.progress:
        options.progress(1.0)


def _files(source: str) -> Iterator[str]:
    for folder, folders, names in os.walk(source):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        for name in sorted(names):
            if name.endswith(".py"):
                yield os.path.relpath(os.path.join(folder, name), source)


def _file(file: str, path: str, place: str, options: Options) -> Iterator[Record | Reject]:
    try:
        with open(file, "rb") as content:
            yield from _entries(content, path, place, options.encoding)
    except OSError as error:
        yield Reject(place, f"it cannot be read: {error.strerror}")


def _entries(
    file: BinaryIO, path: str, place: str, encoding: str | None
) -> Iterator[Record | Reject]:
    content = file.read(MAX_FILE + 1)
    if len(content) > MAX_FILE:
        yield Reject(place, f"it has more than {MAX_FILE:,} bytes")
        return
    try:
        module = _Module(path, _decode(content, encoding))
    except UNREADABLE as error:
        line = getattr(error, "lineno", None)
        yield Reject(f"{place}, line {line}" if line else place, _reason(error))
        return
    yield from module.entries(place)


def _decode(content: bytes, encoding: str | None) -> str:
    """The text, by ``encoding``, else as the file itself says; its line ends become one."""
    if encoding is None:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
    try:
        return io.StringIO(content.decode(encoding), newline=None).read()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        where = (None, line, None, None)
        raise SyntaxError(f"a byte is not {encoding}", where) from error


def _reason(error: Exception) -> str:
    if isinstance(error, (RecursionError, MemoryError)):
        return "it nests too deeply"
    message = error.msg if isinstance(error, SyntaxError) else str(error)
    return f"it is not Python: {message}"


def words(name: str) -> str:
    """The words that a name is made of, in lower case: ``retryWithBackoff`` has three."""
    return " ".join(WORD.findall(name)).lower()


class _Module:
    """One file, parsed. Raises one of UNREADABLE."""

    def __init__(self, path: str, text: str) -> None:
        self._path = path
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a "\d" in somebody's code is not ours to tell
            self._tree = ast.parse(text)
        self._lines = text.split("\n")
        self._signatures: dict[ast.stmt, str] = {}

    def entries(self, place: str) -> Iterator[Record | Reject]:
        """The module if it is documented, then its definitions."""
        if docstring := ast.get_docstring(self._tree):
            name = self._path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            values = self._values(name, "module", 1, docstring)
            yield as_record(f"{place}, line 1", {"id": self._path} | values)
        times: Counter[str] = Counter()
        for scope, node in _definitions(self._tree):
            name = ".".join([*scope, node.name])
            times[name] += 1
            again = f"#{times[name]}" if times[name] > 1 else ""
            id, where = f"{self._path}:{name}{again}", f"{place}, line {node.lineno}"
            try:
                values = self._defined(name, node, bool(scope))
            except RecursionError as error:
                yield Reject(where, _reason(error), id)
            else:
                yield as_record(where, {"id": id} | values)

    def _values(self, name: str, kind: str, line: int, docstring: str) -> dict[str, Any]:
        summary = docstring.partition("\n\n")[0]
        return {
            "name": name,
            "words": words(name),
            "summary": " ".join(summary.split()),
            "kind": kind,
            "path": self._path,
            "line": line,
            "decorators": [],
            "code": {"signature": "", "docstring": docstring, "body": ""},
        }

    def _defined(self, name: str, node: Any, is_inside: bool) -> dict[str, Any]:
        is_class = isinstance(node, ast.ClassDef)
        kind = "class" if is_class else "method" if is_inside else "function"
        values = self._values(name, kind, node.lineno, ast.get_docstring(node) or "")
        values["decorators"] = [name for name in map(_dotted, node.decorator_list) if name]
        values["code"]["signature"] = self._signature(node)
        values["code"]["body"] = self._outline(node) if is_class else self._body(node)
        return values

    def _signature(self, node: Any) -> str:
        """``def name(...) -> ...`` or ``class Name(...)``, on one line and without comments."""
        if node not in self._signatures:
            bare = copy.copy(node)
            bare.body, bare.decorator_list = [], []
            self._signatures[node] = ast.unparse(bare).strip().removesuffix(":")
        return self._signatures[node]

    def _outline(self, node: ast.ClassDef) -> str:
        """The body with only the signatures of its methods: those are records of their own."""
        parts = [
            self._signature(statement)
            if isinstance(statement, DEFINITION)
            else self._text(statement, statement, node)
            for statement in _statements(node)
        ]
        return "\n".join(parts)

    def _body(self, node: Any) -> str:
        statements = _statements(node)
        return self._text(statements[0], statements[-1], node) if statements else ""

    def _text(self, first: ast.stmt, last: ast.stmt, parent: ast.stmt) -> str:
        """The lines of ``parent`` from ``first``, with the comment above it, to ``last``."""
        above = [decorator.lineno for decorator in getattr(first, "decorator_list", [])]
        start, end = min([first.lineno, *above]) - 1, last.end_lineno
        head = self._lines[start].encode()
        if head[: first.col_offset].strip() and not above:  # def f(): return 1
            return "\n".join([head[first.col_offset :].decode(), *self._lines[start + 1 : end]])
        while start > parent.lineno and self._lines[start - 1].lstrip().startswith("#"):
            start -= 1
        return dedent("\n".join(self._lines[start:end]))


def _definitions(tree: ast.Module) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every definition outside functions, in order, with the names of the classes around it."""
    stack: list[tuple[tuple[str, ...], ast.AST]] = [((), tree)]
    while stack:
        scope, node = stack.pop()
        if isinstance(node, DEFINITION):
            yield scope, node
            if not isinstance(node, ast.ClassDef):
                continue
            scope = (*scope, node.name)
        inner = [child for child in ast.iter_child_nodes(node) if isinstance(child, BLOCK)]
        stack += [(scope, child) for child in reversed(inner)]


def _statements(node: Any) -> list[ast.stmt]:
    """The body without its docstring."""
    statements: list[ast.stmt] = node.body
    return statements if ast.get_docstring(node, clean=False) is None else statements[1:]


def _dotted(node: ast.expr) -> str:
    """``app.route`` for ``@app.route("/")``, "" for what is no plain name."""
    names: list[str] = []
    at: ast.expr = node.func if isinstance(node, ast.Call) else node
    while isinstance(at, ast.Attribute):
        names.append(at.attr)
        at = at.value
    return ".".join([at.id, *reversed(names)]) if isinstance(at, ast.Name) else ""
