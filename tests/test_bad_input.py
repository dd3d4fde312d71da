"""Sources with faults in them: each is named with its place, and costs nobody else anything."""

from __future__ import annotations

import json
import resource
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from outside import COMMAND, Done, Shell

from recommender.store.connection import Server

WORDS = ("love", "war", "sea", "sky", "snow", "fire", "rain", "wind")
GOOD = [f"g{number},A film about {word},{1990 + number}" for number, word in enumerate(WORDS)]
SPEC = """\
fields:
  title: {type: text}
  year: {type: number}
vectors:
  text: {template: "{title}"}
"""
GIVEN = """\
fields:
  title: {type: text}
vectors:
  v: {embedder: given, column: v}
"""


@pytest.fixture
def shell(server: Server, home: Path, tmp_path: Path) -> Shell:
    (tmp_path / "spec.yaml").write_text(SPEC)
    (tmp_path / "given.yaml").write_text(GIVEN)
    return Shell(home, tmp_path)


def write(shell: Shell, name: str, content: str | bytes | list[str]) -> str:
    """A file, from text, bytes or the rows below a header."""
    if isinstance(content, list):
        content = "\n".join(["id,title,year", *content, ""])
    data = content.encode() if isinstance(content, str) else content
    (shell.folder / name).write_bytes(data)
    return name


def load(shell: Shell, *args: str) -> Done:
    return shell.call("load", *args, "--json")


def rejected(done: Done) -> list[dict[str, Any]]:
    """What the rejects file of this load says: a place, a reason and an id each."""
    rows = [json.loads(line) for line in Path(done.json["rejects"]).read_text().splitlines()]
    assert all([*row] == ["place", "reason", "id"] for row in rows)
    assert len(rows) == done.json["rejected"]
    return rows


def only(done: Done, items: int, faults: Mapping[str, str]) -> None:
    """Exit code 3, ``items`` good ones kept, and ``faults``: the end of a place -> a reason."""
    assert done.code == 3, done.err
    assert done.json["items"] == items
    found = {row["place"].rpartition(", ")[2]: row["reason"] for row in rejected(done)}
    assert {*found} == {*faults}
    for place, reason in faults.items():
        assert reason in found[place]
    shown = [line for line in done.err.splitlines() if ", " in line and "Rejected: " in line]
    assert len(shown) == min(len(faults), 5) + (len(faults) > 5)


def fails(done: Done, *said: str, code: int = 1) -> None:
    """Nothing on stdout, a message and a next step on stderr."""
    assert (done.code, done.out) == (code, "")
    for part in said:
        assert part in done.err


def test_a_missing_file(shell: Shell) -> None:
    write(shell, "films.csv", GOOD)
    fails(
        shell.run("load", "flims.csv", "--json"),
        "there is no file 'flims.csv'",
        "Did you mean 'films.csv'?",
    )


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("empty.csv", "", "empty.csv is empty"),
        ("empty.json", "", "empty.json is empty"),
        ("blank.ndjson", "\n\n", "blank.ndjson is empty"),
        ("header.csv", "id,title\n", "has a header but no records"),
        ("object.json", '{"id": 1}', "holds an object where an array is wanted"),
        ("numbers.json", "[1, 2]", "a number where an object is wanted"),
        ("lines.ndjson", "one\ntwo\n", "broken JSON"),
    ],
)
def test_a_source_without_a_record(shell: Shell, name: str, content: str, said: str) -> None:
    fails(load(shell, write(shell, name, content)), said)


def test_ids_that_come_twice_or_are_empty(shell: Shell) -> None:
    rows = [*GOOD[:2], "g0,Once more,1", *GOOD[2:], ",Nobody,1", "  ,Blank,1"]
    done = load(shell, write(shell, "films.csv", rows), "--spec", "spec.yaml")
    only(
        done,
        8,
        {
            "line 4": "the id 'g0' came before in this load",
            "line 11": "the id is empty (column 'id')",
            "line 12": "the id is empty (column 'id')",
        },
    )
    assert shell.call("similar", "films", "g0", "-n", "7", "--json").json["returned"] == 7


def test_one_id_twice_does_not_make_the_title_the_id(shell: Shell) -> None:
    inferred = shell.call("infer", write(shell, "films.csv", [*GOOD, "g0,Once more,1"]), "--json")
    assert inferred.json["id"] == "id"


def test_the_first_of_two_stays(shell: Shell) -> None:
    write(shell, "films.csv", [*GOOD, "g0,Another film altogether,1"])
    assert load(shell, "films.csv", "--id", "id").code == 3
    hits = shell.call("search", "films", "love", "--json").json["items"]
    assert {hit["fields"]["title"] for hit in hits if hit["id"] == "g0"} == {"A film about love"}


def test_ragged_rows_and_a_quote_that_never_closes(shell: Shell) -> None:
    rows = [*GOOD[:3], "x,too few", *GOOD[3:5], "y,far,too,many", *GOOD[5:7], 'z,"open,1', GOOD[7]]
    done = load(shell, write(shell, "films.csv", rows))
    only(
        done,
        8,
        {
            "line 5": "2 cells, the header has 3",
            "line 8": "4 cells, the header has 3",
            "line 11": "a quote opens here and never closes",
        },
    )


def test_a_wrong_encoding(shell: Shell) -> None:
    text = "\n".join(["id,title,year", *GOOD, "cafe,Un café,1990", ""])
    write(shell, "films.csv", text.encode("latin-1"))
    done = load(shell, "films.csv")
    only(done, 8, {"line 10": "--encoding latin-1"})
    assert load(shell, "films.csv", "--encoding", "latin-1").json["items"] == 9
    nowhere = load(shell, "films.csv", "--encoding", "latin-11")
    fails(nowhere, "there is no text encoding 'latin-11'", "Did you mean 'latin")


def test_nul_bytes(shell: Shell) -> None:
    done = load(shell, write(shell, "films.csv", [*GOOD, "nul,A \0 film,1", "also,Fine,2"]))
    only(done, 9, {"line 10": "it holds a NUL byte"})


def test_a_huge_cell(shell: Shell) -> None:
    huge = "word " * 2_000_000
    done = load(shell, write(shell, "films.csv", [*GOOD[:4], f"big,{huge},1", *GOOD[4:]]))
    only(done, 8, {"line 6": "has 10,000,000 characters, the limit is 1,000,000"})


def test_words_in_a_number_column(shell: Shell) -> None:
    rows = [f"g{n},A film about {n} cats,{'N/A' if n % 9 == 1 else n}" for n in range(2100)]
    rows[2050] = "late,A film about dogs,soon"
    done = load(shell, write(shell, "films.csv", rows))
    only(done, 2099, {"line 2052": "year: 'soon' is not a number"})
    assert rejected(done)[0]["id"] == "late"
    [one] = shell.call("similar", "films", "g0", "-w", "year=2", "--json").json["items"]
    assert one["fields"]["year"] == 2


def test_json_that_breaks_in_the_middle(shell: Shell) -> None:
    films = [dict(zip(("id", "title"), row.split(","), strict=False)) for row in GOOD]
    write(shell, "films.json", json.dumps(films)[:-1] + ", {oops")
    done = load(shell, "films.json")
    fails(done, "films.json is not JSON after record 8", "--format ndjson")


@pytest.mark.parametrize("fault", ["broken json", "missing second file"])
def test_what_came_before_the_break_answers(shell: Shell, fault: str) -> None:
    films = [{"id": f"g{n}", "title": f"A film about {n} cats"} for n in range(3000)]
    sources = [write(shell, "films.json", json.dumps(films) + "!" * (fault == "broken json"))]
    if fault == "missing second file":
        sources.append("more.json")
    done = load(shell, *sources)
    assert done.code == 1
    # Either nothing was begun, or what was written can be asked for.
    asked = shell.call("similar", "films", "g0", "--json")
    assert "there is no catalogue" in asked.err or asked.code == 0, asked.err


VECTORS: list[tuple[str, str]] = [
    ('{"id": "zero", "title": "Z", "v": [0, 0, 0]}', "the vector is all zeros"),
    ('{"id": "nan", "title": "N", "v": [NaN, 0, 0]}', "NaN is not JSON: write null"),
    ('{"id": "inf", "title": "I", "v": [1e999, 0, 0]}', "the vector is not finite"),
    ('{"id": "short", "title": "S", "v": [1, 0]}', "the vector has 2 numbers"),
    ('{"id": "long", "title": "L", "v": [1, 0, 0, 0]}', "the vector has 4 numbers"),
    ('{"id": "words", "title": "W", "v": "words"}', "v: "),
    ('{"id": "none", "title": "M"}', "the vector is missing"),
]


@pytest.mark.parametrize("form", ["ndjson", "json"])
def test_bad_vectors(shell: Shell, form: str) -> None:
    good = [json.dumps({"id": f"g{n}", "title": f"T{n}", "v": [1, n, 1]}) for n in range(3)]
    lines = [good[0], *(line for line, _ in VECTORS), *good[1:]]
    text = "\n".join(lines) if form == "ndjson" else f"[{','.join(lines)}]"
    done = load(shell, write(shell, f"films.{form}", text), "--spec", "given.yaml")
    what = "line" if form == "ndjson" else "record"
    only(done, 3, {f"{what} {n}": reason for n, (_, reason) in enumerate(VECTORS, 2)})
    assert shell.call("similar", "films", "g0", "--json").json["returned"] == 2


@pytest.mark.parametrize(
    "first",
    ['{"id": "words", "title": "W", "v": "words"}', '{"id": "few", "title": "F", "v": [1]}'],
)
def test_a_bad_vector_does_not_hide_that_they_are_vectors(shell: Shell, first: str) -> None:
    good = [json.dumps({"id": f"g{n}", "title": "T", "v": [n + 0.5, *range(9)]}) for n in range(9)]
    done = load(shell, write(shell, "films.ndjson", "\n".join([first, *good])))
    only(done, 9, {"line 1": "v: "})


def test_every_record_bad(shell: Shell) -> None:
    done = load(shell, write(shell, "films.csv", [",One,1", ",Two,2"]), "--spec", "spec.yaml")
    fails(done, "not one of 2 records could be loaded", "films.csv, line 2: the id is empty")
    assert "there is no catalogue 'films'" in shell.call("info", "films").err


def test_the_rejects_file_is_of_the_last_load(shell: Shell) -> None:
    write(shell, "films.csv", [*GOOD, "g1,Again,1", "g2,Again,1"])
    first = load(shell, "films.csv", "--id", "id")
    assert [row["id"] for row in rejected(first)] == ["g1", "g2"]
    write(shell, "films.csv", [*GOOD, "g3,Again,1"])
    second = load(shell, "films.csv")
    assert second.json["rejects"] == first.json["rejects"]
    assert rejected(second) == [
        {
            "place": "films.csv, line 10",
            "reason": "the id 'g3' came before in this load",
            "id": "g3",
        }
    ]
    write(shell, "films.csv", GOOD)
    assert load(shell, "films.csv").json["rejects"] is None
    assert not Path(first.json["rejects"]).exists()


def test_a_load_that_does_not_begin_leaves_the_rejects_file(shell: Shell) -> None:
    write(shell, "films.csv", [*GOOD, "g1,Again,1"])
    first = load(shell, "films.csv")
    (shell.folder / "films.csv").unlink()  # as well it might wait for another process
    fails(load(shell, "films.csv"), "films.csv")
    assert [row["id"] for row in rejected(first)] == ["g1"]


def test_no_control_character_of_a_source_reaches_the_terminal(shell: Shell) -> None:
    write(shell, "films.csv", [*GOOD, 'g9,"\x1b[31mred\rname: evil",1'])
    shown = shell.call("infer", "films.csv", "--spec", "spec.yaml", "--preview", "9").out
    assert shown.endswith("# text:  [31mred\n#   name: evil\n")
    folder = shell.folder / "posts"
    folder.mkdir()
    (folder / "\x1b[31mred.csv").write_text("id,title\na,One two\na,One\n")
    done = shell.call("load", "posts/\x1b[31mred.csv", "--catalogue", "red")
    assert "\x1b" not in done.err
    assert "Rejected:  [31mred.csv, line 3: the id 'a' came before" in done.err


@pytest.mark.parametrize("fault", ["a file in its way", "no room"])
def test_a_rejects_file_that_cannot_be_written(shell: Shell, server: Server, fault: str) -> None:
    write(shell, "films.csv", [*GOOD, "g1,Again,1"])
    write(shell, "nowhere", "this is a file")
    redis = f"unix://{shell.home}/redis/redis.sock"
    home = "nowhere" if fault == "a file in its way" else "."

    def no_room() -> None:
        if fault == "no room":
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))

    done = subprocess.run(
        [COMMAND, "load", "films.csv", "--spec", "spec.yaml", "--json"],
        capture_output=True,
        cwd=shell.folder,
        env=shell.environment(REDIS_URL=redis, RECOMMENDER_HOME=home),
        preexec_fn=no_room,
        text=True,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    report = json.loads(done.stdout)
    assert (report["items"], report["rejected"], report["rejects"]) == (8, 1, None)
    assert "the id 'g1' came before" in done.stderr
    assert "rejects file" in done.stderr
