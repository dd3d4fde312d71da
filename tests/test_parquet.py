"""Parquet: every type as what JSON knows, vectors as arrays, memory flat."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from loaders import Options, load
from recommender.errors import RecordError, SourceError
from recommender.items import Record, Reject, encode

NAN = float("nan")
DAY = dt.date(1970, 1, 2)
NOON = dt.datetime(1970, 1, 1, 12)
LONG_AGO = dt.datetime(1969, 12, 31, 23, 59)


def write(path: Path, columns: Mapping[str, Any], **options: Any) -> str:
    parquet.write_table(pa.table(dict(columns)), path, **options)
    return str(path)


def plain(entry: Record | Reject) -> Mapping[str, Any]:
    assert isinstance(entry, Record), entry
    return entry.values


def rows(source: str, **options: Any) -> list[Mapping[str, Any]]:
    return [plain(entry) for entry in load(source, Options(**options))]


def refused(source: str, **options: Any) -> str:
    with pytest.raises(SourceError) as caught:
        list(load(source, Options(**options)))
    return str(caught.value)


TYPES: dict[str, tuple[Any, list[Any]]] = {
    "text": (["a", None, ""], ["a", None, ""]),
    "large text": (pa.array(["a", None], pa.large_string()), ["a", None]),
    "dictionary": (pa.array(["a", None, "a"]).dictionary_encode(), ["a", None, "a"]),
    "numbers": ([1, None, -3], [1, None, -3]),
    "floats": ([1.5, None, NAN], [1.5, None, None]),
    "half floats": (pa.array(np.array([1.5, 2], np.float16)), [1.5, 2.0]),
    "booleans": ([True, None, False], [True, None, False]),
    "nothing": (pa.nulls(2), [None, None]),
    "days": ([DAY, None], [86400, None]),
    "moments": ([NOON, None, LONG_AGO], [43200, None, -60]),
    "nanoseconds": (pa.array([1_000_000_001, None], pa.timestamp("ns")), [1, None]),
    "zones": (pa.array([5_000_000], pa.timestamp("us", "Europe/Paris")), [5]),
    "far years": (pa.array([10**12], pa.timestamp("s")), [10**12]),
    "times": (pa.array([1_000], pa.time64("ns")), ["00:00:00.000001"]),
    "spans": (pa.array([10**9], pa.duration("ns")), [1.0]),
    "decimals": ([Decimal("1.50"), None, Decimal("2.00")], [1.5, None, 2]),
    "bytes": ([b"picture", None], [None, None]),
    "labels": ([["a", "b"], [], None], [["a", "b"], [], None]),
    "large lists": (pa.array([["a"]], pa.large_list(pa.large_string())), [["a"]]),
    "short floats": ([[1.5, 2.5], None], [[1.5, 2.5], None]),
    "whole numbers": ([[1] * 9], [[1] * 9]),
    "structs": (
        [{"a": 1, "b": [{"at": NOON}]}, None, {"a": None, "b": None}],
        [{"a": 1, "b": [{"at": 43200}]}, None, {"a": None, "b": None}],
    ),
    "nanoseconds in structs": (
        pa.array([{"at": [1_000_000_001]}], pa.struct([("at", pa.list_(pa.timestamp("ns")))])),
        [{"at": [1]}],
    ),
    "maps": (
        pa.array([[("k", 1)], None, []], pa.map_(pa.string(), pa.int8())),
        [{"k": 1}, None, {}],
    ),
}


@pytest.mark.parametrize("name", TYPES)
def test_types(tmp_path: Path, name: str) -> None:
    column, expected = TYPES[name]
    path = write(tmp_path / "f.parquet", {name: column})
    assert [row[name] for row in rows(path)] == expected


LISTS = {
    "list": pa.list_(pa.float32()),
    "doubles": pa.list_(pa.float64()),
    "halves": pa.list_(pa.float16()),
    "large list": pa.large_list(pa.float32()),
    "fixed": pa.list_(pa.float32(), 8),
    "tensor": pa.fixed_shape_tensor(pa.float32(), [8]),
}


@pytest.mark.parametrize("name", LISTS)
def test_lists_of_floats_are_arrays(tmp_path: Path, name: str) -> None:
    if name in ("fixed", "tensor") and int(pa.__version__.partition(".")[0]) < 26:
        pytest.skip("pyarrow before 26 cannot read a missing list of a fixed size")
    first, last = [0.5] * 8, [float(n) for n in range(8)]
    halves = [None if v is None else np.array(v, np.float16) for v in (first, None, last)]
    kind = LISTS[name]
    if name == "tensor":
        inner = pa.array([first, None, last], pa.list_(pa.float32(), 8))
        column = pa.ExtensionArray.from_storage(kind, inner)
    else:
        column = pa.array(halves if name == "halves" else [first, None, last], kind)
    found = [row["v"] for row in rows(write(tmp_path / "f.parquet", {"v": column}))]
    assert isinstance(found[0], np.ndarray)
    assert found[0].dtype.kind == "f"
    assert [None if v is None else v.tolist() for v in found] == [first, None, last]


def test_vectors_of_different_lengths_and_with_holes(tmp_path: Path) -> None:
    vectors = [[1.0] * 9, [], [2.0] * 8, None, [None, *[3.0] * 7]]
    path = write(tmp_path / "f.parquet", {"v": pa.array(vectors, pa.list_(pa.float32()))})
    nine, empty, eight, none, hole = (row["v"] for row in rows(path))
    assert (nine.tolist(), empty.tolist(), eight.tolist(), none) == ([1.0] * 9, [], [2.0] * 8, None)
    assert np.isnan(hole[0])
    assert hole[1:].tolist() == [3.0] * 7


def test_rows_of_many_batches_and_groups_stay_in_order(tmp_path: Path) -> None:
    vectors = np.arange(2500 * 8, dtype=np.float32).reshape(-1, 8)
    path = write(
        tmp_path / "f.parquet",
        {"id": range(2500), "v": list(vectors)},
        row_group_size=700,
    )
    told: list[float] = []
    entries = list(load(path, Options(progress=told.append)))
    assert [entry.place for entry in entries[::2499]] == ["f.parquet, row 1", "f.parquet, row 2500"]
    assert [plain(entry)["id"] for entry in entries] == list(range(2500))
    assert np.array_equal([plain(entry)["v"] for entry in entries], vectors)
    assert told == [0.4, 0.8, 1.0]


@pytest.mark.parametrize("compression", ["none", "snappy", "gzip", "zstd"])
def test_compressions(tmp_path: Path, compression: str) -> None:
    path = write(tmp_path / "f.parquet", {"id": [1, 2]}, compression=compression)
    assert rows(path) == [{"id": 1}, {"id": 2}]


def test_text_that_is_not_utf_8_costs_its_own_record(tmp_path: Path) -> None:
    offsets = pa.py_buffer(np.array([0, 1, 2, 3], np.int32).tobytes())
    column = pa.Array.from_buffers(pa.string(), 3, [None, offsets, pa.py_buffer(b"a\xffc")])
    first, bad, last = rows(write(tmp_path / "f.parquet", {"title": column}))
    assert (first["title"], last["title"]) == ("a", "c")
    with pytest.raises(RecordError, match="not text"):
        encode(bad["title"])


def test_memory_stays_small(tmp_path: Path) -> None:
    numbers = np.random.default_rng(0).random(40_000 * 512, np.float32)
    path = write(tmp_path / "f.parquet", {"v": pa.FixedSizeListArray.from_arrays(numbers, 512)})
    assert parquet.ParquetFile(path).num_row_groups == 1  # of 80 MB
    largest = 0
    for _ in islice(load(path), 0, None, 500):
        largest = max(largest, pa.total_allocated_bytes())
    assert largest < 24_000_000


# --- bad files --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "f.parquet is empty"),
        (b"id,title\n1,x\n", "f.parquet is not a Parquet file"),
        (b"PAR1" + b"x" * 100 + b"PAR1", "f.parquet is not a Parquet file"),
        (b"\x1f\x8b" + b"x" * 100, "gzip"),
    ],
)
def test_what_is_no_parquet(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "f.parquet"
    path.write_bytes(content)
    assert message in refused(str(path))


def test_missing_cut_and_stdin(tmp_path: Path) -> None:
    path = write(tmp_path / "films.parquet", {"id": range(1000)})
    assert f"Did you mean {path!r}?" in refused(str(tmp_path / "flims.parquet"))
    assert "cannot be read from stdin" in refused("-", format="parquet")
    content = Path(path).read_bytes()
    Path(path).write_bytes(content[:-20])
    assert "films.parquet is not a Parquet file, or it is damaged" in refused(path)


def test_damage_in_the_middle_says_how_far_it_was_read(tmp_path: Path) -> None:
    noise = [np.random.default_rng(n).bytes(100).hex() for n in range(5000)]
    path = write(
        tmp_path / "f.parquet", {"t": noise}, row_group_size=1000, write_page_checksum=True
    )
    content = bytearray(Path(path).read_bytes())
    half = len(content) // 2
    content[half : half + 5000] = bytes(5000)
    Path(path).write_bytes(content)
    read: list[Record | Reject] = []
    with pytest.raises(SourceError, match=r"f.parquet cannot be read after row \d+: "):
        read.extend(load(path))
    assert 1000 <= len(read) < 4000


def test_no_rows_and_a_name_that_comes_twice(tmp_path: Path) -> None:
    path = write(tmp_path / "f.parquet", {"id": pa.array([], pa.int8())})
    assert "f.parquet has no rows" in refused(path)
    parquet.write_table(pa.table([[1], [2]], names=["id", "id"]), path)
    assert "gives two columns called 'id'" in refused(path)


def test_nothing_is_read_before_the_first_record() -> None:
    load("/there/is/no/film.parquet")
