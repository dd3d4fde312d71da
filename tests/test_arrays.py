"""Arrays of numpy: any matrix with its ids gives rows, and nothing in a file can run or explode."""

from __future__ import annotations

import io
import json
import tracemalloc
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any
from warnings import catch_warnings, simplefilter

import numpy as np
import pyarrow as pa
import pytest
from numpy.lib import format as npy
from pyarrow import parquet

from loaders import Options, load
from recommender import Settings, sync
from recommender.errors import SourceError
from recommender.inference import infer
from recommender.items import Record, Reject
from recommender.store.connection import Server

MATRIX = np.array([[0.5, 1], [2, 3], [4, 5]], np.float32)
TRUTH = [("a", [0.5, 1]), ("b", [2, 3]), ("ç", [4, 5])]
IDS = ["a", "b", "ç"]


def plain(entry: Record | Reject) -> Mapping[str, Any]:
    assert isinstance(entry, Record), entry
    return entry.values


def shown(source: str, **options: Any) -> list[tuple[str, list[float]]]:
    """The id and the vector of each record, which have nothing else."""
    found = []
    for entry in load(source, Options(**options)):
        values = plain(entry)
        assert list(values) == ["id", "vector"]
        assert isinstance(values["vector"], np.ndarray)
        found.append((values["id"], values["vector"].tolist()))
    return found


def refused(source: str, **options: Any) -> str:
    with pytest.raises(SourceError) as caught:
        list(load(source, Options(**options)))
    return str(caught.value)


def npz(path: Path, **arrays: Any) -> str:
    np.savez(path, **arrays)
    return str(path)


def beside(path: Path, matrix: Any, ids: str, suffix: str = "txt") -> str:
    np.save(path, matrix)
    path.with_suffix(f".ids.{suffix}").write_text(ids, encoding="utf-8")
    return str(path)


FORMS = {
    "floats": MATRIX,
    "doubles": MATRIX.astype(np.float64),
    "halves": MATRIX.astype(np.float16),
    "long doubles": MATRIX.astype(np.longdouble),
    "big endian": MATRIX.astype(">f4"),
    "in columns": np.asfortranarray(MATRIX),
    "big endian in columns": np.asfortranarray(MATRIX.astype(">f8")),
}


# --- what is read -----------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_an_archive(tmp_path: Path, form: str, save: Any) -> None:
    save(tmp_path / "v.npz", ids=IDS, vectors=FORMS[form])
    assert shown(str(tmp_path / "v.npz")) == TRUTH


@pytest.mark.parametrize("form", FORMS)
def test_a_matrix_with_its_ids_beside_it(tmp_path: Path, form: str) -> None:
    assert shown(beside(tmp_path / "v.npy", FORMS[form], "a\nb\nç\n")) == TRUTH


def test_ids_beside_it_in_json_or_with_other_line_ends(tmp_path: Path) -> None:
    assert shown(beside(tmp_path / "v.npy", MATRIX, json.dumps(IDS), "json")) == TRUTH
    numbers = beside(tmp_path / "n.npy", MATRIX, "[1, 2, 3]", "json")
    assert [id for id, _ in shown(numbers)] == ["1", "2", "3"]
    assert shown(beside(tmp_path / "w.npy", MATRIX, "\ufeffa\r\nb\r\nç")) == TRUTH
    path = beside(tmp_path / "l.npy", MATRIX, "")
    (tmp_path / "l.ids.txt").write_text("a\nb\nç", encoding="latin-1")
    assert shown(path, encoding="latin-1") == TRUTH


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int64])
def test_whole_numbers_become_floats_so_that_they_pass_for_a_vector(
    tmp_path: Path, kind: Any
) -> None:
    path = npz(tmp_path / "v.npz", ids=["a"], vectors=np.array([[1, 2]], kind))
    ((_, vector),) = shown(path)
    assert [repr(number) for number in vector] == ["1.0", "2.0"]


@pytest.mark.parametrize(
    ("ids", "texts"),
    [
        (np.array(["a", "b", "c"]), ["a", "b", "c"]),
        (np.array([b"a", "ç".encode(), b"\xff"]), ["a", "ç", "\udcff"]),
        (np.array([7, 8, 9]), ["7", "8", "9"]),
        (np.array([7, 8, 9], ">u2"), ["7", "8", "9"]),
        (np.array(["", "", ""]), ["", "", ""]),
    ],
)
def test_ids_become_text(tmp_path: Path, ids: Any, texts: list[str]) -> None:
    found = shown(npz(tmp_path / "v.npz", v=MATRIX, ids=ids))
    assert [id for id, _ in found] == texts
    assert {type(id) for id, _ in found} == {str}


def test_the_only_list_of_that_length_is_the_ids(tmp_path: Path) -> None:
    path = npz(tmp_path / "v.npz", v=MATRIX, names=IDS, words=["x"] * 9, model=np.array("m"))
    assert shown(path) == TRUTH


def test_other_lists_become_fields(tmp_path: Path) -> None:
    path = npz(
        tmp_path / "v.npz",
        ids=IDS,
        vectors=MATRIX,
        title=["A", "B", "C"],
        price=[1.5, np.nan, 2],
        stock=[1, 2, 3],
        good=[True, False, True],
        day=np.array(["1970-01-02", "NaT", "1969-12-31"], "datetime64[ns]"),
    )
    found = [dict(plain(entry)) for entry in load(path)]
    vectors = [row.pop("vector").tolist() for row in found]
    assert vectors == MATRIX.tolist()
    assert found == [
        {"id": "a", "title": "A", "price": 1.5, "stock": 1, "good": True, "day": 86400},
        {"id": "b", "title": "B", "price": None, "stock": 2, "good": False, "day": None},
        {"id": "ç", "title": "C", "price": 2, "stock": 3, "good": True, "day": -86400},
    ]


def test_several_matrices_keep_their_names(tmp_path: Path) -> None:
    path = npz(tmp_path / "v.npz", ids=IDS, title=MATRIX, body=MATRIX + 1)
    first = plain(next(load(path)))
    assert list(first) == ["id", "title", "body"]
    assert first["body"].tolist() == [1.5, 2]


def test_places_progress_and_many_blocks(tmp_path: Path) -> None:
    matrix = np.arange(2500 * 4, dtype=np.float32).reshape(-1, 4)
    told: list[float] = []
    path = npz(tmp_path / "v.npz", ids=np.arange(2500), vectors=matrix)
    entries = list(load(path, Options(progress=told.append)))
    assert [entry.place for entry in entries[::2499]] == ["v.npz, row 1", "v.npz, row 2500"]
    assert np.array_equal([plain(entry)["vector"] for entry in entries], matrix)
    assert [plain(entry)["id"] for entry in entries] == [str(n) for n in range(2500)]
    assert told == [0.4, 0.8, 1.0]


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_memory_stays_small(tmp_path: Path, save: Any) -> None:
    save(tmp_path / "v.npz", ids=np.arange(50_000), vectors=np.ones((50_000, 256), np.float32))
    tracemalloc.start()
    try:
        assert sum(1 for _ in islice(load(str(tmp_path / "v.npz")), 50_000)) == 50_000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 6_000_000  # of 51 MB


# --- what is refused --------------------------------------------------------------------------

OBJECTS = np.array(["a", 1, None], object)
BAD_ARCHIVES: dict[str, tuple[dict[str, Any], str]] = {
    "other length": ({"v": MATRIX, "ids": ["x"] * 4}, "v has 3 rows, but ids has 4"),
    "no ids": ({"v": MATRIX, "names": ["x"] * 4}, "no ids for v (3 x 2 of float32)"),
    "several": ({"v": MATRIX, "a": IDS, "b": [1, 2, 3]}, "2 lists that may be the ids of v"),
    "objects as ids": ({"v": MATRIX, "ids": OBJECTS}, "ids (3 of object) cannot be ids"),
    "objects as a field": ({"v": MATRIX, "ids": IDS, "x": OBJECTS}, "x (3 of object) cannot be a"),
    "objects as numbers": ({"v": MATRIX.astype(object), "ids": IDS}, "v (3 x 2 of object)"),
    "floats as ids": ({"v": MATRIX, "ids": [1.0, 2, 3]}, "cannot be ids, which are texts or whole"),
    "complex": ({"v": MATRIX.astype(complex), "ids": IDS}, "no matrix of numbers"),
    "one dimension": ({"v": MATRIX[0], "ids": IDS}, "no matrix of numbers, but v (2 of float32)"),
    "three": ({"v": MATRIX[None], "ids": IDS}, "no matrix of numbers, but v (1 x 3 x 2 of"),
    "nothing": ({}, "no matrix of numbers, but no array"),
    "two lengths": ({"v": MATRIX, "w": MATRIX[:2], "ids": IDS}, "v has 3 rows, but w has 2"),
    "one name": ({"v": MATRIX, "ids": IDS, "vector": [1, 2, 3]}, "two columns called 'vector'"),
    "no rows": ({"v": MATRIX[:0], "ids": np.array([], str)}, "v.npz has no rows"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_ARCHIVES)
def test_arrays_that_do_not_fit(tmp_path: Path, name: str) -> None:
    arrays, message = BAD_ARCHIVES[name]
    assert message in refused(npz(tmp_path / "v.npz", **arrays))


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (MATRIX[0], "no matrix of numbers, but vector (2 of float32)"),
        (MATRIX.astype(object), "no matrix of numbers, but vector (3 x 2 of object)"),
        (MATRIX.astype(bool), "no matrix of numbers"),
        (np.zeros(3, [("a", "f4")]), "no matrix of numbers"),
        (np.zeros((4, 2)), "vector has 4 rows, but v.ids.txt has 3"),
    ],
)
def test_a_matrix_that_is_none(tmp_path: Path, matrix: Any, message: str) -> None:
    assert message in refused(beside(tmp_path / "v.npy", matrix, "a\nb\nc\n"))


@pytest.mark.parametrize("ids", ['{"a": 1}', '["a", null, "b"]', '["a", true, "b"]', "[1.5, 2, 3]"])
def test_ids_beside_it_that_are_none(tmp_path: Path, ids: str) -> None:
    assert "v.ids.json is no list of ids" in refused(
        beside(tmp_path / "v.npy", MATRIX, ids, "json")
    )


def test_no_ids_beside_it_and_broken_json(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", MATRIX)
    message = refused(str(tmp_path / "v.npy"))
    assert "there are no ids beside v.npy" in message
    assert "v.ids.txt" in message
    assert "Expecting" in refused(beside(tmp_path / "v.npy", MATRIX, '["a",', "json"))


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "sprung",))

    trap = np.array([[Trap()]] * 3, object)
    refused(npz(tmp_path / "v.npz", v=trap, ids=IDS))
    refused(npz(tmp_path / "v.npz", v=MATRIX, ids=trap[:, 0]))
    refused(beside(tmp_path / "v.npy", trap, "a\nb\nc\n"))
    assert not (tmp_path / "sprung").exists()


def head(shape: tuple[int, ...], fortran: bool = False) -> bytes:
    """The head of an array of that shape, true or not."""
    buffer = io.BytesIO()
    npy.write_array_header_1_0(
        buffer, {"descr": "<f4", "fortran_order": fortran, "shape": shape}
    )  # fmt: skip
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("shape", "fortran", "message"),
    [
        ((10**9, 384), True, "in parts of 1,536,000,000,000 bytes, the limit is 4,294,967,296"),
        ((10**9, 384), False, "the array 'v' is cut off"),
        ((10**9, 2**62), False, "the limit is 4,294,967,296"),
        ((10**9, -1), False, "cannot be read"),
    ],
)
def test_a_head_that_promises_too_much(
    tmp_path: Path, shape: tuple[int, ...], fortran: bool, message: str
) -> None:
    path = tmp_path / "v.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("v.npy", head(shape, fortran) + bytes(1_000_000))
        archive.writestr("ids.npy", head((10**9,)).replace(b"<f4", b"<i4") + bytes(10_000))
    assert message in refused(str(path))


@pytest.mark.parametrize("damage", [b"(", b"'", b"{", b"[", b"\n", b" ", b"\xff"])
def test_a_damaged_head(tmp_path: Path, damage: bytes) -> None:
    path = beside(tmp_path / "v.npy", MATRIX, "a\nb\nc\n")
    content = Path(path).read_bytes()
    for at in range(10, 60):
        Path(path).write_bytes(content[:at] + damage + content[at + 1 :])
        with suppress(SourceError), catch_warnings():
            simplefilter("ignore")
            list(load(path))


def test_a_cut_file_gives_the_rows_before_the_cut(tmp_path: Path) -> None:
    path = beside(tmp_path / "v.npy", MATRIX, "a\nb\nc\n")
    Path(path).write_bytes(Path(path).read_bytes()[:-1])
    entries = load(path)
    assert [plain(next(entries))["id"] for _ in range(2)] == ["a", "b"]
    with pytest.raises(SourceError, match="after row 2: the array 'vector' is cut off"):
        next(entries)


def test_a_cut_or_damaged_archive(tmp_path: Path) -> None:
    path = Path(npz(tmp_path / "v.npz", ids=IDS, vectors=MATRIX))
    content = path.read_bytes()
    path.write_bytes(content.replace(MATRIX.tobytes(), bytes(MATRIX.nbytes)))
    assert "Bad CRC-32" in refused(str(path))
    path.write_bytes(content[: len(content) // 2])
    assert "v.npz cannot be read at its beginning" in refused(str(path))


@pytest.mark.parametrize(
    "content", [b"", b"text", b"PK\x03\x04", b"\x93NUMPY\x01\x00", b"\x93NUMPY\x09\x09v"]
)
@pytest.mark.parametrize("form", ["npy", "npz"])
def test_what_is_no_array(tmp_path: Path, form: str, content: bytes) -> None:
    path = tmp_path / f"v.{form}"
    path.write_bytes(content)
    assert refused(str(path)).startswith(f"v.{form} ")


@pytest.mark.parametrize("form", ["npy", "npz"])
def test_missing_and_stdin(tmp_path: Path, form: str) -> None:
    path = tmp_path / f"vectors.{form}"
    path.write_bytes(b"x")
    assert f"Did you mean {str(path)!r}?" in refused(str(tmp_path / f"vector.{form}"))
    assert "cannot be read from stdin" in refused("-", format=form)
    load(f"/there/is/no/film.{form}")  # reads nothing yet


# --- vectors alone ----------------------------------------------------------------------------


def save(path: Path, form: str, ids: list[str], matrix: Any) -> str:
    file = path / f"points.{form}"
    if form == "npz":
        npz(file, ids=ids, vectors=matrix)
    elif form == "npy":
        beside(file, matrix, "\n".join(ids))
    elif form == "json":
        file.write_text(json.dumps(dict(zip(ids, matrix.tolist(), strict=True))))
    else:
        parquet.write_table(pa.table({"id": ids, "vector": list(matrix)}), file)
    return str(file)


@pytest.mark.parametrize("form", ["npz", "npy", "json", "parquet"])
def test_vectors_alone_make_a_catalogue(
    tmp_path: Path, form: str, server: Server, settings: Settings, open_catalogue: Any
) -> None:
    # Steps of 3 degrees on a quarter of a circle: the nearest are the ones beside it.
    angles = np.radians(np.arange(0, 90, 3))
    matrix = np.zeros((30, 8))
    matrix[:, 0], matrix[:, 1] = np.cos(angles), np.sin(angles)
    source = save(tmp_path, form, [f"p{n}" for n in range(30)], matrix)
    catalogue = infer([entry for entry in load(source) if isinstance(entry, Record)], "points")
    assert (catalogue.id, dict(catalogue.fields)) == ("id", {})
    assert [(spec.embedder, spec.column) for spec in catalogue.vectors.values()] == [
        ("given", "vector")
    ]
    assert sync(server, catalogue, load(source), settings).items == 30
    assert {hit.id for hit in open_catalogue("points").similar("p7", limit=2)} == {"p6", "p8"}
    assert sync(server, catalogue, load(source), settings).unchanged == 30
