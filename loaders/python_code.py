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
from collections.abc import Callable, Iterator
from textwrap import dedent
from typing import Any, BinaryIO, cast

from loaders.base import BREAKS, Options, as_record, opened
from loaders.walk import files, name_of
from recommender.errors import RecordError, SourceError
from recommender.items import Record, Reject

SUFFIXES = ("py",)
MAX_FILE = 1_000_000
"""Largest file, in bytes: its syntax tree takes up to 400 times as much memory."""

DEFINITION = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
BLOCK = (ast.stmt, ast.ExceptHandler, ast.match_case)
UNREADABLE = (*BREAKS, RecordError, SyntaxError, ValueError, RecursionError, MemoryError)
"""What a file may raise; the parser has a MemoryError for what nests too deeply."""

WORD = re.compile(r"[^\W\d_]?[^\W\d_A-Z]+|[A-Z]+s?(?![a-z])|\d+")
"""A word of a name, as in ``retry_with_backoff``, ``retryWithBackoff`` or ``getURLs``."""


def load(source: str, options: Options) -> Iterator[Record | Reject]:
    """The definitions in ``source``, a file or a folder, in the order they are written.

    The id is ``path:Class.method``, the path relative to the folder. Where a name is defined again
    (a property's setter, an overload) the second is ``path:Class.method#2``: ids stay when lines
    move. What is defined in a function is a part of that function only. A file that cannot be
    parsed costs only itself. Raises SourceError.

    ``words`` are those of the name, ``summary`` is the docstring's first paragraph. Signature,
    docstring and body are in ``code``, which is kept and shown but not embedded unless a template
    names it: among the many tokens of a body the few words that say what it does are lost.
    """
    found = False
    for entry in (_folder if os.path.isdir(source) else _single)(source, options):
        found = True
        yield entry
    if not found:
        raise SourceError(
            f"{name_of(source)} defines no function or class, and has no docstring",
            remedy="Name a Python file that does, or a folder of such files",
        )


def _folder(source: str, options: Options) -> Iterator[Record | Reject]:
    for file in files(source, options, SUFFIXES, "Python file"):
        if isinstance(file, Reject):
            yield file
        else:
            yield from _entries(file.path, file.place, file.content, options)


def _single(source: str, options: Options) -> Iterator[Record | Reject]:
    with opened(source, options) as file:
        content = cast(BinaryIO, file.text.buffer)  # not decoded: Python says itself in what it is
        yield from _entries(file.name, file.name, lambda size: content.read(size + 1), options)
        file.report()


def _entries(
    path: str, place: str, content: Callable[[int], bytes], options: Options
) -> Iterator[Record | Reject]:
    """The definitions in one file."""
    try:
        module = _Module(path, _decode(content(MAX_FILE), options.encoding))
    except UNREADABLE as error:
        line = getattr(error, "lineno", None)
        yield Reject(f"{place}, line {line}" if line else place, _reason(error))
    else:
        yield from module.entries(place)


def _decode(content: bytes, encoding: str | None) -> str:
    """The text, by ``encoding``, else as the file itself says; its line ends become one."""
    if len(content) > MAX_FILE:
        raise RecordError(f"it has more than {MAX_FILE:,} bytes")
    if encoding is None:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
    try:
        text = content.decode(encoding)
    except LookupError as error:  # a codec, but not one for text
        raise SyntaxError(str(error)) from error
    except UnicodeDecodeError as error:
        where = (None, content.count(b"\n", 0, error.start) + 1, None, None)
        raise SyntaxError(f"a byte is not {encoding}", where) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _reason(error: BaseException) -> str:
    if isinstance(error, (RecursionError, MemoryError)):
        return "it nests too deeply"
    if isinstance(error, RecordError):
        return str(error)
    if isinstance(error, SyntaxError):
        return f"it is not Python: {error.msg}"
    if isinstance(error, ValueError):
        return f"it is not Python: {error}"
    return f"it cannot be read: {getattr(error, 'strerror', None) or error}"


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
            else self._text(statement, statement, above)
            for statement, above in _statements(node)
        ]
        return "\n".join(parts)

    def _body(self, node: Any) -> str:
        statements = _statements(node)
        if not statements:
            return ""
        (first, above), (last, _) = statements[0], statements[-1]
        return self._text(first, last, above)

    def _text(self, first: ast.stmt, last: ast.stmt, above: int) -> str:
        """The lines from ``first`` to ``last``, with the comment that begins below ``above``."""
        decorators = [node.lineno for node in getattr(first, "decorator_list", [])]
        start, end = min([first.lineno, *decorators]) - 1, last.end_lineno
        head = self._lines[start].encode()
        if not decorators and head[: first.col_offset].strip():  # def f(): return 1
            return "\n".join([head[first.col_offset :].decode(), *self._lines[start + 1 : end]])
        while start > above and self._lines[start - 1].lstrip().startswith("#"):
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


def _statements(node: Any) -> list[tuple[ast.stmt, int]]:
    """The body without its docstring, each statement with the last line of what is before it."""
    above = [node.lineno, *(statement.end_lineno for statement in node.body)]
    statements = list(zip(node.body, above[:-1], strict=True))
    return statements if ast.get_docstring(node, clean=False) is None else statements[1:]


def _dotted(node: ast.expr) -> str:
    """``app.route`` for ``@app.route("/")``, "" for what is no plain name."""
    names: list[str] = []
    at: ast.expr = node.func if isinstance(node, ast.Call) else node
    while isinstance(at, ast.Attribute):
        names.append(at.attr)
        at = at.value
    return ".".join([at.id, *reversed(names)]) if isinstance(at, ast.Name) else ""
