"""Loaders: every format tells the same films, and one bad record costs only itself."""

from __future__ import annotations

import codecs
import csv
import gzip
import json
import os
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loaders import Options, load
from loaders.base import MAX_LINE
from loaders.delimited import MAX_SPAN
from recommender.errors import RecordError, SourceError
from recommender.items import MAX_CELL, MAX_DEPTH, Record, Reject, encode

ROOT = Path(__file__).parent.parent
FORMATS = ["csv", "tsv", "json", "ndjson"]
FILMS = [
    {"id": 1, "title": "Amélie", "note": "a, b;\tc|d"},
    {"id": 2, "title": 'The "Thing"', "note": ""},
    {"id": 3, "title": "Алиен", "note": "two\nlines"},
]
ROWS = ["id,title", "1,Alien", "2,Brazil", "3,Casino", "4,Dune"]

Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A function that makes a file of some content and gives its path."""

    def file(name: str, content: str | bytes) -> str:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    return file


def text(form: str, films: list[dict[str, Any]]) -> str:
    if form == "json":
        return json.dumps(films, ensure_ascii=False, indent=1)
    if form == "ndjson":
        return "".join(json.dumps(film, ensure_ascii=False) + "\n" for film in films)
    lines: list[str] = []
    sink = type("Sink", (), {"write": staticmethod(lines.append)})
    table = csv.DictWriter(sink, list(films[0]), delimiter="\t" if form == "tsv" else ",")
    table.writeheader()
    table.writerows(films)
    return "".join(lines)


def shown(entries: Iterator[Record | Reject]) -> list[dict[str, str]]:
    """The values of records, as text: the formats differ in ``1`` and ``"1"`` only."""
    return [{k: str(v) for k, v in plain(entry).items()} for entry in entries]


def plain(entry: Record | Reject) -> Mapping[str, Any]:
    assert isinstance(entry, Record), entry
    return entry.values


def ids(entries: Iterator[Record | Reject]) -> tuple[list[str], dict[str, str]]:
    """The ids of the records; the places and reasons of the rejects."""
    records, rejects = [], {}
    for entry in entries:
        if isinstance(entry, Record):
            records.append(str(entry.values["id"]))
        else:
            rejects[entry.place] = entry.reason
    return records, rejects


TRUTH = [{k: str(v) for k, v in film.items()} for film in FILMS]


# --- one contract, every format ---------------------------------------------------------------


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_the_same_films(write: Write, form: str, encoding: str, pack: Any) -> None:
    suffix = ".gz" if pack is gzip.compress else ""
    path = write(f"films.{form}{suffix}", pack(text(form, FILMS).encode(encoding)))
    assert shown(load(path)) == TRUTH


@pytest.mark.parametrize("form", FORMATS)
def test_big_endian_utf_16(write: Write, form: str) -> None:
    content = codecs.BOM_UTF16_BE + text(form, FILMS).encode("utf-16-be")
    assert shown(load(write(f"films.{form}", content))) == TRUTH


@pytest.mark.parametrize("form", FORMATS)
def test_latin_1_by_option(write: Write, form: str) -> None:
    path = write(f"films.{form}", text(form, FILMS[:2]).encode("latin-1"))
    assert shown(load(path, Options(encoding="latin-1"))) == TRUTH[:2]


@pytest.mark.parametrize("form", FORMATS)
def test_a_bad_byte_costs_its_own_record(write: Write, form: str) -> None:
    content = text(form, FILMS).encode().replace("é".encode(), b"\xe9")
    first, *others = load(write(f"films.{form}", content))
    with pytest.raises(RecordError, match="not text"):
        encode(plain(first)["title"])
    assert shown(iter(others)) == TRUTH[1:]


@pytest.mark.parametrize("form", FORMATS)
def test_places_name_the_file_without_its_folder(write: Write, form: str) -> None:
    place = next(load(write(f"films.{form}", text(form, FILMS)))).place
    line = {"csv": "line 2", "tsv": "line 2", "json": "record 1", "ndjson": "line 1"}[form]
    assert place == f"films.{form}, {line}"


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_stdin(form: str, pack: Any) -> None:
    code = (
        "import sys\nfrom loaders import Options, load\ntold = []\n"
        "entries = load('-', Options(format=sys.argv[1], progress=told.append))\n"
        "print([(e.place.partition(',')[0], str(e.values['id'])) for e in entries], told)"
    )
    out = subprocess.run(
        [sys.executable, "-c", code, form],
        input=pack(text(form, FILMS).encode()),
        capture_output=True,
        check=True,
        cwd=ROOT,
    )
    assert out.stdout.decode().strip() == f"{[('<stdin>', i) for i in '123']} []"


@pytest.mark.parametrize("form", FORMATS)
def test_a_slow_pipe_gives_a_record_as_soon_as_it_is_there(tmp_path: Path, form: str) -> None:
    path = tmp_path / f"films.{form}"
    os.mkfifo(path)
    plenty = [{"id": i, "title": "x"} for i in range(1, 6)]
    start, cut, end = text(form, plenty).partition('"id": 5' if "json" in form else "5")
    seen = threading.Event()

    def produce() -> None:
        with path.open("w") as pipe:
            pipe.write(start)
            pipe.flush()
            assert seen.wait(10)
            pipe.write(cut + end)

    producer = threading.Thread(target=produce, daemon=True)
    producer.start()
    entries = load(str(path))
    assert str(plain(next(entries))["id"]) == "1"
    seen.set()
    assert ids(entries) == (["2", "3", "4", "5"], {})
    producer.join(10)


@pytest.mark.parametrize("form", FORMATS)
def test_progress_is_told_every_1000_records_and_at_the_end(write: Write, form: str) -> None:
    path = write(f"many.{form}", text(form, [{"id": i, "title": "t" * 90} for i in range(3500)]))
    told: list[float] = []
    entries = load(path, Options(progress=told.append))
    for _ in range(1001):
        next(entries)
    assert told == [pytest.approx(1000 / 3500, abs=0.1)]
    assert sum(1 for _ in entries) == 2499
    assert len(told) == 4
    assert told == sorted(told)
    assert told[-1] == 1.0


@pytest.mark.parametrize("form", FORMATS)
def test_progress_counts_packed_bytes(write: Write, form: str) -> None:
    noise = [{"id": i, "title": os.urandom(60).hex()} for i in range(3000)]
    told: list[float] = []
    path = write(f"many.{form}.gz", gzip.compress(text(form, noise).encode()))
    assert sum(1 for _ in load(path, Options(progress=told.append))) == 3000
    assert told[0] == pytest.approx(1 / 3, abs=0.1)
    assert told[-1] == 1.0


@pytest.mark.parametrize(("form", "rows"), [("csv", 200_000), ("json", 50_000), ("ndjson", 50_000)])
def test_memory_stays_small(write: Write, form: str, rows: int) -> None:
    film = '{"id": 1, "t": "ttt"}'
    content = {
        "csv": "id,t\n" + "1,ttt\n" * rows,
        "json": f"[{film}" + f",\n{film}" * (rows - 1) + "]",
        "ndjson": f"{film}\n" * rows,
    }
    entries = load(write(f"many.{form}", content[form]))
    tracemalloc.start()  # slow: the first rows tell whether all are held, or each leaves something
    try:
        assert sum(1 for _ in islice(entries, 20_000)) == 20_000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 500_000
    assert sum(1 for _ in entries) == rows - 20_000


# --- bad sources, every format ----------------------------------------------------------------


def refused(path: str, options: Options | None = None) -> str:
    with pytest.raises(SourceError) as caught:
        list(load(path, options))
    return str(caught.value)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(
    "content", [b"", b"\n \r\n\n", b"\xef\xbb\xbf", b"\xff\xfe", gzip.compress(b"")]
)
def test_empty(write: Write, form: str, content: bytes) -> None:
    assert f"none.{form} is empty" in refused(write(f"none.{form}", content))


@pytest.mark.parametrize("form", FORMATS)
def test_missing_folder_and_forbidden(write: Write, tmp_path: Path, form: str) -> None:
    path = write(f"films.{form}", "")
    message = refused(str(tmp_path / f"flims.{form}"))
    assert "there is no file" in message
    assert f"Did you mean {path!r}?" in message
    (tmp_path / f"folder.{form}").mkdir()
    assert "is a folder" in refused(str(tmp_path / f"folder.{form}"), Options(format=form))
    assert "cannot be opened" in refused(f"a\0b.{form}")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_no_permission(write: Write) -> None:
    path = write("films.csv", "id\n1\n")
    Path(path).chmod(0)
    assert "you may not read" in refused(path)


@pytest.mark.parametrize("form", FORMATS)
def test_cut_gzip_says_how_far_it_was_read(write: Write, form: str) -> None:
    films = [{"id": i, "title": os.urandom(50).hex()} for i in range(2000)]
    packed = gzip.compress(text(form, films).encode())
    path = write(f"films.{form}.gz", packed[: len(packed) // 2])
    read: list[Record | Reject] = []
    with pytest.raises(SourceError, match="is cut off or damaged after ") as caught:
        read.extend(load(path))  # keeps what came before the error
    assert 900 < len(read) < 1100
    assert f"after {read[-1].place}." in str(caught.value)
    assert ids(iter(read)) == ([str(i) for i in range(len(read))], {})


@pytest.mark.parametrize("form", FORMATS)
def test_damaged_gzip(write: Write, form: str) -> None:
    packed = bytearray(gzip.compress(text(form, FILMS).encode()))
    packed[20:40] = bytes(20)
    assert "cut off or damaged before its first" in refused(write(f"films.{form}", bytes(packed)))
    assert "cut off or damaged at its beginning" in refused(write(f"x.{form}", b"\x1f\x8b\x00\x01"))


@pytest.mark.parametrize(
    ("encoding", "hint"),
    [("latn-1", "'latin-1'"), ("win", "cp1252"), ("rot13", "cp1252"), ("a\0", "cp1252")],
)
def test_unknown_encoding(write: Write, encoding: str, hint: str) -> None:
    message = refused(write("films.csv", "id\n1\n"), Options(encoding=encoding))
    assert f"there is no text encoding {encoding!r}" in message
    assert hint in message


def test_a_utf_16_file_cut_in_a_character(write: Write) -> None:
    content = "id\n1\n2\n".encode("utf-16") + b"\x33"
    assert "cannot be decoded after films.csv, line 3" in refused(write("films.csv", content))


@pytest.mark.parametrize("form", FORMATS)
def test_a_cell_too_large(write: Write, form: str) -> None:
    films = [
        {"id": 1, "body": "x" * MAX_CELL},
        {"id": 2, "body": "x" * 10_000_000},
        {"id": 3, "body": ""},
    ]
    records, rejects = ids(load(write(f"films.{form}", text(form, films))))
    assert records == ["1", "3"]
    assert list(rejects.values()) == [
        "cell 'body' has 10,000,000 characters, the limit is 1,000,000"
    ]


@pytest.mark.parametrize("form", FORMATS)
def test_nothing_is_read_before_the_first_record(form: str) -> None:
    load(f"/there/is/no/film.{form}")


# --- picking the loader -----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["f.CSV", "f.tab", "f.TSV.GZ", "f.csv.gz"])
def test_suffixes(write: Write, name: str) -> None:
    assert ids(load(write(name, "id\n1\n"))) == (["1"], {})
    assert ids(load(write("f.jsonl", '{"id": 1}'))) == (["1"], {})


def test_format_beats_the_suffix(write: Write) -> None:
    assert ids(load(write("f.csv", '{"id": 1}'), Options(format="ndjson"))) == (["1"], {})


@pytest.mark.parametrize("source", ["-", "f.xyz", "f.gz"])
def test_unknown_formats_name_the_known_ones(write: Write, tmp_path: Path, source: str) -> None:
    path = source if source == "-" else write(source, "id\n1\n")
    with pytest.raises(SourceError, match="--format: csv, feed, folder, "):
        load(path)


def test_an_unknown_format_name(write: Write) -> None:
    with pytest.raises(SourceError, match="'ndjson'"):
        load(write("f.csv", "id\n1\n"), Options(format="ndjsn"))


# --- CSV --------------------------------------------------------------------------------------


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_in_the_header(write: Write, delimiter: str) -> None:
    content = f'\n"a,;|b,;|c,;|d"{delimiter}id\nx{delimiter}1\n'
    assert shown(load(write("f.csv", content))) == [{"a,;|b,;|c,;|d": "x", "id": "1"}]


def test_one_column_and_line_ends_of_three_kinds(write: Write) -> None:
    assert ids(load(write("f.csv", "id\n1\r\n2\r3\n"))) == (["1", "2", "3"], {})


def test_columns_without_a_name_are_left_out(write: Write) -> None:
    assert shown(load(write("f.csv", ",id,\n0,1,x\n"))) == [{"id": "1"}]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("id,title,id\n1,2,3\n", "f.csv, line 1: the header names 'id' twice"),
        ("id,title\n", "f.csv has a header but no records"),
        ("id,title\n\n\n", "f.csv has a header but no records"),
        (",,\n1,2,3\n", "f.csv, line 1: the header names no column"),
        ("\nid,\xff\n1,2\n", "f.csv, line 2: '\\udcff' is not text"),
        ("id\0,x\n1,2\n", "f.csv, line 1: the header cannot be read: it holds a NUL byte"),
        ('id,"x\n1,2\n', "line 1: the header cannot be read: a quote opens here and never closes"),
    ],
)
def test_bad_headers(write: Write, content: str, message: str) -> None:
    assert message in refused(write("f.csv", content.encode("latin-1")))


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("2", "1 cell, the header has 2"),
        ("2,Brazil,", "3 cells, the header has 2"),
        ("2,Bra\0zil", "it holds a NUL byte"),
        ('2,"Bra\0\nzil"', "it holds a NUL byte"),
        ("\0\0", "it holds a NUL byte"),
        ('2,"Brazil" x', "',' expected after '\"': a quote inside a cell is written twice"),
        ('2,"Brazil\nand so on",x', "3 cells, the header has 2"),
        ('2,"Brazil\n"" and\nso on",x', "3 cells, the header has 2"),
    ],
)
def test_a_bad_row_costs_only_itself(write: Write, row: str, reason: str) -> None:
    rows = [*ROWS[:2], row, *ROWS[3:]]
    expected = (["1", "3", "4"], {"f.csv, line 3": reason})
    assert ids(load(write("f.csv", "\n".join(rows)))) == expected


def test_blank_lines_are_skipped(write: Write) -> None:
    assert ids(load(write("f.csv", "\n\n".join(ROWS) + "\n  \n"))) == (["1", "2", "3", "4"], {})


@pytest.mark.parametrize("line", [2, 3, 4])
@pytest.mark.parametrize(
    "after",
    ["5,x", '5,"x"', '5,"x,y"', '5,", "', '5,","', '5,""', '5,"""x"""', '5,"two\nlines"'],
)
def test_an_open_quote_costs_only_its_own_record(write: Write, line: int, after: str) -> None:
    rows = [*ROWS, after, "6,Eden"]
    rows[line - 1] = f'{line - 1},"open'
    records, rejects = ids(load(write("f.csv", "\n".join(rows))))
    assert records == [i for i in "123456" if i != str(line - 1)]
    assert list(rejects) == [f"f.csv, line {line}"]
    assert rejects[f"f.csv, line {line}"].startswith("a quote opens here and")


def test_an_open_quote_before_a_cell_of_several_lines(write: Write) -> None:
    content = 'id,a,b\n1,"open,\n2,x,y\n3,x,y\n4,"\ntext",y\n5,x,y\n'
    records, rejects = ids(load(write("f.csv", content)))
    assert records == ["2", "3", "4", "5"]
    assert rejects == {"f.csv, line 2": "a quote opens here and never closes"}


def test_an_open_quote_is_followed_for_so_many_characters_only(write: Write) -> None:
    good = MAX_SPAN // 1000 + 10
    content = 'id,t\n0,"open\n' + f"1,{'x' * 998}\n" * good + '1,"y"\n'
    records, rejects = ids(load(write("f.csv", content)))
    assert len(records) == good + 1
    assert list(rejects) == ["f.csv, line 2"]
    assert "does not close in 16,777," in rejects["f.csv, line 2"]


def test_many_open_quotes_are_linear_work(write: Write) -> None:
    # Each line closes the quote of the line before and opens one of its own: without a bound
    # each of the 15,000 would be followed for 10,000 lines.
    bad = 15_000
    path = write("f.csv", "id,t\n" + f'x","{"y" * 1000}\n' * bad + "1,good\n")
    lines_read = 0

    def count(frame: Any, event: str, arg: Any) -> None:
        nonlocal lines_read
        lines_read += event == "call" and frame.f_code.co_name == "__next__"

    sys.setprofile(count)
    try:
        records, rejects = ids(load(path))
    finally:
        sys.setprofile(None)
    assert len(rejects) == bad
    assert records == ["1"]
    assert lines_read < 10 * bad


@given(
    st.integers(1, 4).flatmap(
        lambda width: st.lists(
            st.lists(
                st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
                min_size=width,
                max_size=width,
            ),
            min_size=1,
        )
    )
)
def test_any_table_is_read_back(tmp_path_factory: Any, table: list[list[str]]) -> None:
    names = [f"column {i}" for i in range(len(table[0]))]
    path = tmp_path_factory.getbasetemp() / "any.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([names, *table])
    read = [list(plain(entry).values()) for entry in load(str(path))]
    assert read == table


# --- JSON -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ('{"id": 1}\n{"id": 2}\n', "an object"),
        ('{"id": 1, "of": {"x": [1]}}\n{"id": 2}\n', "an object"),
        ('{"count": 0, "items": []}', "an object"),
        ('{"n": 1, "a": [{"id": 1}], "b": [{"id": 2}]}', "an object with more than the array 'b'"),
        ('{"page": {"n": 1}, "items": [{"id": 1}]}', "an object with more than the array 'items'"),
        ('"text"', "text"),
        ("12", "a number"),
        ("true", "true or false"),
        ("null", "null"),
    ],
)
def test_json_that_is_no_array(write: Write, content: str, found: str) -> None:
    message = refused(write("f.json", content))
    assert f"f.json holds {found} where an array is wanted" in message
    assert "--format ndjson" in message


def test_what_is_no_json_at_all(write: Write) -> None:
    assert "f.json is not JSON after record 0: it begins with" in refused(
        write("f.json", "\x7fELF")
    )


@pytest.mark.parametrize("content", [" [ ] ", " { } "])
def test_an_empty_array_or_object(write: Write, content: str) -> None:
    assert "f.json is empty" in refused(write("f.json", content))


def test_an_object_of_ids_and_records(write: Write) -> None:
    path = write("f.json", '{"a": {"title": "Alien"}, "b": {"id": "b", "n": [1]}, "": {}}')
    assert [(entry.place, plain(entry)) for entry in load(path)] == [
        ("f.json, record 1", {"id": "a", "title": "Alien"}),
        ("f.json, record 2", {"id": "b", "n": [1]}),
        ("f.json, record 3", {"id": ""}),
    ]


def test_an_object_of_ids_and_vectors(write: Write) -> None:
    path = write("f.json", ' { "a" : [0.5, 1] , "b\\u00e9": [ -2e3 ] }\n')
    assert [plain(entry) for entry in load(path)] == [
        {"id": "a", "vector": [0.5, 1]},
        {"id": "bé", "vector": [-2000.0]},
    ]


def test_a_key_goes_before_an_id_inside(write: Write) -> None:
    # Keys are unique, and what other files of the same catalogue name.
    path = write("f.json", '{"a": {"id": 7}, "8": {"id": 8}, "c": {"id": null}}')
    assert [plain(entry) for entry in load(path)] == [
        {"id": "a", "inner_id": 7},
        {"id": "8"},
        {"id": "c"},
    ]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("null", "None where a record or a vector is wanted"),
        ('"text"', "'text' where a record or a vector is wanted"),
        ("[]", "[] where a record or a vector is wanted"),
        ('[1, "2"]', "[1, '2'] where a record or a vector is wanted"),
        ("[1, true]", "[1, True] where a record or a vector is wanted"),
        ("[1, NaN]", "NaN is not JSON: write null"),
        ('{"t": Infinity}', "Infinity is not JSON: write null"),
        ('{"t": "' + "x" * 1_000_001 + '"}', "cell 't' has 1,000,001 characters"),
    ],
)
def test_a_member_that_is_no_record_costs_only_itself(
    write: Write, value: str, reason: str
) -> None:
    first, bad, last = load(write("f.json", f'{{"a": [1], "b": {value}, "c": {{}}}}'))
    assert [plain(first)["id"], plain(last)["id"]] == ["a", "c"]
    assert isinstance(bad, Reject)
    assert (bad.place, bad.id) == ("f.json, record 2", "b")
    assert bad.reason.startswith(reason)


@pytest.mark.parametrize(
    "content",
    [
        '{"items": [{"id": 1}, {"id": 2}]}',
        '{"count": 2, "next": null, "of": {"x": {}}, "items" : [ {"id": 1}, {"id": 2}]}',
        '{"items": [{"id": 1}, {"id": 2}], "count": 2, "tags": ["a"], "page": {"n": NaN}}',
    ],
)
def test_an_object_around_one_array(write: Write, content: str) -> None:
    path = write("f.json", content)
    assert ids(load(path)) == (["1", "2"], {})
    assert [entry.place for entry in load(path)] == ["f.json, record 1", "f.json, record 2"]


@pytest.mark.parametrize(
    "tail",
    ["", '"c"', '"c" 1', '"c": ', "c: 1", "1: 2", "}", '"c": [1}', '"c": [1]} x', '"c": [1]]'],
)
def test_an_object_broken_in_the_middle(write: Write, tail: str) -> None:
    entries = load(write("f.json", '{"a": [1], "b": {},' + tail))
    assert [plain(next(entries))["id"] for _ in range(2)] == ["a", "b"]
    with pytest.raises(SourceError, match=r"f.json is not JSON after record [23]: "):
        list(entries)


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"])),
        st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1)
        | st.dictionaries(st.sampled_from("abc"), st.text("[{,:}] \n")),
        min_size=1,
    ),
    st.sampled_from([None, 1]),
)
def test_any_object_of_ids_is_read_back(
    tmp_path_factory: Any, members: dict[str, Any], indent: int | None
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_text(json.dumps(members, indent=indent), encoding="utf-8")
    expected = [
        {"id": id, "vector": value} if isinstance(value, list) else value | {"id": id}
        for id, value in members.items()
    ]
    assert [plain(entry) for entry in load(str(path))] == expected


VALUES = {
    "[1]": "an array where an object is wanted",
    '"x"': "text where an object is wanted",
    "2": "a number where an object is wanted",
    "false": "true or false where an object is wanted",
    "null": "null where an object is wanted",
    '{"id": 2, "v": ' + "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1) + "}": "nests more than 100",
    '{"id": 2, "v": ["' + "x" * MAX_CELL + '"]}': "has 1,000,001 characters",
}


@pytest.mark.parametrize("value", VALUES)
def test_an_element_that_is_no_record_costs_only_itself(write: Write, value: str) -> None:
    deep = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    good = ['{"id": 1}', f'{{"id": 3, "v": {deep}}}']
    array = write("f.json", f"[{good[0]}, {value}, {good[1]}]")
    lines = write("f.ndjson", f"{good[0]}\n{value}\n{good[1]}\n")
    for path, place in [(array, "f.json, record 2"), (lines, "f.ndjson, line 2")]:
        records, rejects = ids(load(path))
        assert records == ["1", "3"]
        assert list(rejects) == [place]
        assert VALUES[value] in rejects[place]


@pytest.mark.parametrize("form", ["json", "ndjson"])
def test_values_stay_as_they_are(write: Write, form: str) -> None:
    film = {"id": 1, "n": -1.5, "tags": ["a", {"b": None}], "yes": True, "": "", "no": None}
    (entry,) = load(write(f"f.{form}", text(form, [film])))
    assert plain(entry) == film


@pytest.mark.parametrize("form", ["json", "ndjson"])
def test_of_keys_that_come_twice_the_last_counts(write: Write, form: str) -> None:
    line = '{"id": 1, "id": 2}'
    assert ids(load(write(f"f.{form}", f"[{line}]" if form == "json" else line))) == (["2"], {})


@pytest.mark.parametrize("form", ["json", "ndjson"])
def test_a_bad_byte_in_a_key_costs_its_record(write: Write, form: str) -> None:
    films = [{"id": 1, "né": 1}, {"id": 2}]
    path = write(f"f.{form}", text(form, films).encode("latin-1"))
    records, rejects = ids(load(path))
    assert records == ["2"]
    assert "is not text in the source's encoding" in "".join(rejects.values())


@pytest.mark.parametrize("tail", ['{"id": 3', "", "}", "[" * 100_000, '{"id": 3} x', "{'id': 3}]"])
def test_json_broken_in_the_middle(write: Write, tail: str) -> None:
    entries = load(write("f.json", '[{"id": 1}, {"id": 2},' + tail))
    assert [plain(next(entries))["id"] for _ in range(2)] == [1, 2]
    with pytest.raises(SourceError, match=r"f.json is not JSON after record [23]: "):
        list(entries)


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_a_number_that_json_lacks_costs_only_its_record(write: Write, constant: str) -> None:
    path = write("f.json", f'[{{"id": 1}}, {{"id": 2, "v": [{constant}, 1]}}, {{"id": 3}}]')
    expected = (["1", "3"], {"f.json, record 2": f"{constant} is not JSON: write null"})
    assert ids(load(path)) == expected


def test_the_json_array_is_the_whole_file(write: Write) -> None:
    path = write("f.json", '[{"id": 1}] [{"id": 2}]')
    assert "f.json is not JSON after record 1: " in refused(path)


def test_an_element_larger_than_any_line(write: Write) -> None:
    path = write("f.json", '[{"id": 1}, {"id": "' + "x" * (MAX_LINE + 100_000))
    assert "f.json, record 2: it has more than 67,108,864 characters" in refused(path)


# --- NDJSON -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"id": 2,}', "broken JSON: "),
        ('{"id" 2}', "broken JSON: Expecting ':' delimiter at column 7"),
        ('{"id": 2} x', "broken JSON: Extra data at column 11"),
        ('{"id": NaN}', "NaN is not JSON: write null"),
        ('{"id": -Infinity}', "-Infinity is not JSON: write null"),
        ('{"id": "\0"}', "broken JSON: Invalid control character"),
    ],
)
def test_a_bad_line_costs_only_itself(write: Write, line: str, reason: str) -> None:
    records, rejects = ids(load(write("f.ndjson", f'{{"id": 1}}\n\n{line}\n  \n{{"id": 3}}')))
    assert records == ["1", "3"]
    assert list(rejects) == ["f.ndjson, line 3"]
    assert rejects["f.ndjson, line 3"].startswith(reason)


@pytest.mark.parametrize(("form", "head"), [("csv", "id\n"), ("ndjson", "")])
def test_a_very_long_line_costs_only_itself(write: Write, form: str, head: str) -> None:
    good = '{"id": 1}\n' if form == "ndjson" else "1\n"
    path = write(f"f.{form}", head + good + "x" * (MAX_LINE + 9) + "\n" + good)
    records, rejects = ids(load(path))
    assert records == ["1", "1"]
    assert list(rejects.values()) == ["the line has more than 67,108,864 characters"]


# --- anything ---------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMATS)
@given(content=st.binary() | st.text('ab,"\n\r\t\0[]{}:1\\é').map(str.encode))
def test_any_bytes_give_records_or_our_own_error(
    tmp_path_factory: Any, form: str, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / f"any.{form}"
    path.write_bytes(content)
    with suppress(SourceError):
        assert all(isinstance(entry, (Record, Reject)) for entry in load(str(path)))


def test_what_is_not_there_gets_the_closest_name(tmp_path: Path) -> None:
    (tmp_path / "posts").mkdir()
    with pytest.raises(SourceError, match=r"no file or folder '.*/post'. Did you mean '.*/posts'?"):
        load(str(tmp_path / "post"))
