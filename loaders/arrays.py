"""Arrays of numpy: each row of a matrix as a vector, with its id and fields from lists beside."""

from __future__ import annotations

import json
import math
import os
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from tokenize import TokenError
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from loaders.base import Options, opened
from loaders.tables import records, telling, whole_file
from recommender.errors import SourceError
from recommender.items import Record, Reject

STEP = 1_000  # rows at once
BLOCK = 16 * 1024 * 1024  # bytes at once, unless one row has more
MAX_WHOLE = 4 * 1024**3
"""Bytes of the largest array that is held: a row, or all of one that lies in columns (Fortran)."""
NUMBERS, IDS, FIELDS = "fiu", "USiu", "USiufbMm"
"""Kinds of numpy's types: of a matrix, of ids, of fields. Objects are not among them: they can run
code when they are read."""
SAVE = "Save it like this: np.savez(FILE, vectors=vectors, ids=np.array(ids, dtype=str))"
BREAKS = (
    OSError, EOFError, ValueError, RuntimeError, OverflowError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip

Columns = list[tuple[str, Iterable[Any]]]


def load(source: str, options: Options) -> Iterator[Record | Reject]:
    """Every row of the matrix in ``source`` as ``{"id": text, "vector": row}``. Raises SourceError.

    An ``.npz`` holds a matrix and its ids: the list ``ids``, or the only one of that length with
    texts or whole numbers. More lists of that length become fields, more matrices vectors of their
    own names. The ids of ``vectors.npy`` stand beside it, in ``vectors.ids.txt`` (one a line) or
    ``vectors.ids.json`` (a list). Arrays are read some rows at a time, and never unpickled.
    """
    name = whole_file(source)
    with ExitStack() as stack:
        file = stack.enter_context(open(source, "rb"))
        try:
            if file.peek(2)[:2] == b"PK":
                total, columns = _of_archive(name, _members(file, stack))
            else:
                total, columns = _of_file(name, Array.begin("vector", file), source, options)
        except BREAKS as error:
            raise _broken(name, "at its beginning", error) from error
        names = [column for column, _ in columns]
        cells = zip(*(cells for _, cells in columns), strict=True)
        yield from records(name, names, cells, BREAKS, _broken, telling(options, total))


@dataclass(frozen=True, slots=True)
class Array:
    """An array that is about to be read: ``stream`` stands at its first number."""

    name: str
    shape: tuple[int, ...]
    by_columns: bool
    dtype: np.dtype[Any]
    stream: IO[bytes]

    @classmethod
    def begin(cls, name: str, stream: IO[bytes]) -> Array:
        """Read the head of an array. Raises ValueError for what is none."""
        version = npy.read_magic(stream)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        try:
            return cls(name, *read(stream), stream)
        except (SyntaxError, TypeError, TokenError) as error:
            raise ValueError(f"the head of the array {name!r} is damaged: {error}") from error

    def __str__(self) -> str:
        return f"{self.name} ({' x '.join(map(str, self.shape))} of {self.dtype})"

    def cells(self, kind: type | None = None) -> Iterator[Any]:
        """Its rows, as floats, or the cells of a list; as text where ``kind`` is str."""
        for block in self._blocks():
            cells: Iterable[Any] = _floats(block) if block.ndim > 1 else _values(block)
            yield from map(str, cells) if kind is str else cells

    def _blocks(self) -> Iterator[NDArray[Any]]:
        rows, *rest = self.shape
        size = math.prod(rest) * self.dtype.itemsize  # bytes of a row
        step = max(1, min(STEP, BLOCK // max(size, 1)))
        turned = self.by_columns and bool(rest)
        if (step := rows if turned else step) * size > MAX_WHOLE:
            raise ValueError(
                f"{self} has to be read in parts of {step * size:,} bytes,"
                f" the limit is {MAX_WHOLE:,}"
            )
        for start in range(0, rows, step or 1):
            shape = (min(step, rows - start), *rest)
            data = self.stream.read(shape[0] * size)
            missing = shape[0] * size - len(data)
            if missing and not turned:  # the whole rows before the cut are good
                shape = (len(data) // size, *rest)
            if not missing or not turned:
                yield np.ndarray(shape, self.dtype, data, order="F" if turned else "C")
            if missing:
                raise EOFError(f"the array {self.name!r} is cut off")


def _floats(block: NDArray[Any]) -> NDArray[Any]:
    small = block.dtype.kind == "f" and block.dtype.itemsize <= 8
    kind = block.dtype.newbyteorder("=") if small else np.dtype(np.float64)
    return np.ascontiguousarray(block, dtype=kind)


def _values(block: NDArray[Any]) -> list[Any]:
    kind = block.dtype.kind
    if kind == "S":
        return [cell.decode(errors="surrogateescape") for cell in block.tolist()]
    if kind in "Mm":
        block = block.astype(f"{kind}8[s]")  # nanoseconds would become numbers of their own
    cells: list[Any] = block.tolist()
    return cells


def _members(file: IO[bytes], stack: ExitStack) -> list[Array]:
    archive = stack.enter_context(zipfile.ZipFile(file))
    return [
        Array.begin(member.removesuffix(".npy"), stack.enter_context(archive.open(member)))
        for member in archive.namelist()
        if member.endswith(".npy")
    ]


def _of_archive(name: str, arrays: list[Array]) -> tuple[int, Columns]:
    matrices = [array for array in arrays if len(array.shape) == 2 and array.dtype.kind in NUMBERS]
    if not matrices:
        holds = ", ".join(map(str, arrays)) or "no array"
        raise SourceError(f"{name} holds no matrix of numbers, but {holds}", remedy=SAVE)
    total = matrices[0].shape[0]
    lists = [array for array in arrays if len(array.shape) == 1]
    ids = _ids(name, matrices[0], lists)
    for array in (ids, *matrices):
        _check_length(name, matrices[0], array.name, array.shape[0])
    fields = [array for array in lists if array is not ids and array.shape[0] == total]
    for array in (ids, *fields):
        if array.dtype.kind not in (IDS if array is ids else FIELDS):
            wanted = "ids, which are texts or whole numbers" if array is ids else "a field"
            raise SourceError(f"{name}: {array} cannot be {wanted}", remedy=SAVE)
    columns: Columns = [("id", ids.cells(str))]
    columns += [(array.name, array.cells()) for array in fields]
    alone = len(matrices) == 1
    return total, columns + [("vector" if alone else m.name, m.cells()) for m in matrices]


def _ids(name: str, matrix: Array, lists: list[Array]) -> Array:
    for array in lists:
        if array.name in ("ids", "id"):
            return array
    fitting = [array for array in lists if array.shape[0] == matrix.shape[0]]
    named = [array for array in fitting if array.dtype.kind in IDS]
    if len(named) == 1:
        return named[0]
    if named:
        problem = f"{len(named)} lists that may be the ids of {matrix}"
    else:
        problem = f"no ids for {matrix}"
    found = ", ".join(map(str, lists)) or "none"
    raise SourceError(
        f"{name} holds {problem}; its lists: {found}", remedy=f"Call one of them ids. {SAVE}"
    )


def _of_file(name: str, matrix: Array, source: str, options: Options) -> tuple[int, Columns]:
    if len(matrix.shape) != 2 or matrix.dtype.kind not in NUMBERS:
        raise SourceError(f"{name} holds no matrix of numbers, but {matrix}", remedy=SAVE)
    stem = os.path.splitext(source)[0]
    beside = [path for path in (f"{stem}.ids.txt", f"{stem}.ids.json") if os.path.exists(path)]
    if not beside:
        raise SourceError(
            f"there are no ids beside {name}",
            remedy=f"Write them, in the same order, one a line, to {stem + '.ids.txt'!r}",
        )
    with opened(beside[0], options) as file:
        ids: Any
        if beside[0].endswith(".json"):
            ids = json.load(file.text)
            if not isinstance(ids, list) or {type(id) for id in ids} - {str, int}:
                raise SourceError(f"{file.name} is no list of ids", remedy='Write ["a", "b"]')
        else:
            ids = [line.rstrip("\r\n") for line in file.lines()]
        _check_length(name, matrix, file.name, len(ids))
    return len(ids), [("id", map(str, ids)), ("vector", matrix.cells())]


def _check_length(name: str, matrix: Array, other: str, length: int) -> None:
    if length != matrix.shape[0]:
        raise SourceError(
            f"{name}: {matrix.name} has {matrix.shape[0]:,} rows, but {other} has {length:,}",
            remedy="Save them again from the same data, in the same order",
        )


def _broken(name: str, where: str, error: Exception) -> SourceError:
    return SourceError(
        f"{name} cannot be read {where}: {error}", remedy=f"It may be cut off or damaged. {SAVE}"
    )
