"""Parquet: rows in small batches; vectors stay numpy arrays all the way."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
from pyarrow import types
from pyarrow.parquet import ParquetFile

from loaders.base import Options
from loaders.tables import records, telling, whole_file
from recommender.errors import SourceError
from recommender.items import Record, Reject

BATCH = 1_000  # rows at once
BUFFER = 1024 * 1024  # bytes of a column that are read ahead, instead of all of a row group
BREAKS = (pa.ArrowException, OSError, ValueError, OverflowError)
VECTOR = 8
"""Numbers that a list has at least to be kept as an array, as a vector is."""


def load(source: str, options: Options) -> Iterator[Record | Reject]:
    """Every row of ``source``. Raises SourceError.

    A list of floats is a cell of numpy, a moment is seconds since 1970, a map is an object.
    """
    name = whole_file(source)
    with pa.OSFile(os.fsencode(source)) as stored:  # bytes: names need not be UTF-8
        try:
            file = ParquetFile(
                stored, buffer_size=BUFFER, pre_buffer=False, page_checksum_verification=True
            )
        except BREAKS as error:
            raise SourceError(
                f"{name} is not a Parquet file, or it is damaged: {error}",
                remedy="Name its format (--format), or fetch it again",
            ) from error
        told = telling(options, file.metadata.num_rows)
        yield from records(name, file.schema_arrow.names, _rows(file), BREAKS, _broken, told)


def _rows(file: ParquetFile) -> Iterator[Sequence[Any]]:
    for batch in file.iter_batches(batch_size=BATCH):
        yield from zip(*map(_cells, batch.columns), strict=True)


def _cells(column: pa.Array) -> Sequence[Any]:
    """The cells of a column, made at once where that is much faster."""
    kind: Any = column.type
    cells: Sequence[Any]
    if getattr(kind, "extension_name", "") == "arrow.fixed_shape_tensor":
        return _cells(column.storage)
    if types.is_dictionary(kind):
        return _cells(column.dictionary_decode())
    if types.is_timestamp(kind) or types.is_date(kind):
        column, kind = column.cast(pa.timestamp("s"), safe=False).cast(pa.int64()), pa.int64()
    if _is_list(kind) and types.is_floating(kind.value_type):
        return _vectors(column)
    if types.is_map(kind):
        return [None if pairs is None else dict(pairs) for pairs in column.to_pylist()]
    if (readable := _readable(kind)) != kind:
        column = column.cast(readable, safe=False)
    try:
        cells = column.to_pylist()
    except UnicodeDecodeError:  # bytes that are no text cost their own records
        found = column.cast(pa.large_binary()).to_pylist()
        cells = [cell and cell.decode(errors="surrogateescape") for cell in found]
    return cells


def _vectors(column: pa.Array) -> Sequence[Any]:
    """Lists of floats as rows of one array, without making an object of each number."""
    lengths = column.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
    if lengths.max(initial=0) < VECTOR:
        short: list[Any] = column.to_pylist()
        return short
    numbers = column.flatten().to_numpy(zero_copy_only=False)  # leaves out what null lists hold
    ends = lengths.cumsum()
    present = column.is_valid().to_pylist()
    return [
        numbers[end - length : end] if there else None
        for end, length, there in zip(ends.tolist(), lengths.tolist(), present, strict=True)
    ]


def _is_list(kind: pa.DataType) -> bool:
    return isinstance(kind, (pa.ListType, pa.LargeListType, pa.FixedSizeListType))


def _readable(kind: pa.DataType) -> pa.DataType:
    """The type with microseconds for nanoseconds, which Python's times do not know."""
    if types.is_timestamp(kind) and kind.unit == "ns":
        return pa.timestamp("us", kind.tz)
    if types.is_duration(kind) and kind.unit == "ns":
        return pa.duration("us")
    if types.is_time64(kind) and kind.unit == "ns":
        return pa.time64("us")
    if types.is_list(kind):
        return pa.list_(_readable(kind.value_type))
    if types.is_struct(kind):
        return pa.struct([field.with_type(_readable(field.type)) for field in kind])
    return kind


def _broken(name: str, where: str, error: Exception) -> SourceError:
    return SourceError(
        f"{name} cannot be read {where}: {error}",
        remedy=f"Fetch it again, or try a newer pyarrow: this is {pa.__version__}",
    )
