"""``load`` and ``infer`` as a person runs them: real processes, pipes and terminals."""

from __future__ import annotations

import gzip
import json
import re
import time
from pathlib import Path

import pytest
import yaml
from outside import Shell, interrupted, plain

from recommender.store.connection import Server

FILMS = [
    {"id": "alien", "title": "Alien in space", "year": 1979},
    {"id": "brazil", "title": "Brazil and bureaucrats", "year": 1985},
    {"id": "dune", "title": "Dune, a desert in space", "year": 1984},
]
CSV = "id,title,year\n" + "".join(f'{f["id"]},"{f["title"]}",{f["year"]}\n' for f in FILMS)
NDJSON = "".join(json.dumps(film) + "\n" for film in FILMS)
TSV = "".join(
    "\t".join(map(str, row)) + "\n" for row in (FILMS[0], *(film.values() for film in FILMS))
)
FILES: dict[str, bytes] = {
    "films.csv": CSV.encode(),
    "films.tsv": TSV.encode(),
    "films.json": json.dumps(FILMS).encode(),
    "films.ndjson": NDJSON.encode(),
    "films.csv.gz": gzip.compress(CSV.encode()),
}


@pytest.fixture
def shell(server: Server, home: Path, tmp_path: Path) -> Shell:
    """A folder with the same three films in every format."""
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    return Shell(home, tmp_path)


def ids(shell: Shell, name: str) -> set[str]:
    """The ids that answer when the catalogue is asked for anything."""
    return {hit["id"] for hit in shell.call("search", name, "space", "--json").json["items"]}


def test_every_format_is_loaded(shell: Shell) -> None:
    for number, file in enumerate(FILES):
        run = shell.run if number == 0 else shell.call
        done = run("load", file, "--catalogue", f"c{number}", "--json")
        assert done.code == 0
        report = done.json
        assert {report[key] for key in ("read", "new", "embedded", "written", "items")} == {3}
        assert (report["rejected"], report["rejects"]) == (0, None)


def test_stdin_is_loaded(shell: Shell) -> None:
    done = shell.run("load", "-", "--format", "ndjson", "--catalogue", "piped", stdin=NDJSON)
    assert (done.code, done.out[:15]) == (0, "piped: 3 items ")
    assert ids(shell, "piped") == {"alien", "brazil", "dune"}


def test_stdin_needs_a_format_and_a_name(shell: Shell) -> None:
    nameless = shell.call("load", "-", "--format", "csv", stdin=CSV)
    assert (nameless.code, "--catalogue NAME" in nameless.err) == (2, True)
    shapeless = shell.call("load", "-", "--catalogue", "piped", stdin=CSV)
    assert (shapeless.code, "--format: csv, feed, folder" in shapeless.err) == (1, True)


def test_a_load_says_what_it_did(shell: Shell) -> None:
    done = shell.run("load", "films.csv")
    said = (
        r"films: 3 items \(3 new, 0 changed, 0 unchanged, 0 rejected; 3 embedded\) in \d+\.\d s\n"
    )
    assert done.code == 0
    assert re.fullmatch(said, done.out)
    # Stderr is no terminal: the catalogue file, then plain lines, and nothing that moves.
    shown, _, rest = done.err.partition("\n\n")
    assert yaml.safe_load(shown)["fields"]["year"] == {"type": "number"}
    lines = rest.splitlines()
    assert lines[-1] == "Indexing: 100%"
    assert all(re.fullmatch(r"(Reading|Embedding|Writing): 3", line) for line in lines[:-1])


def test_the_second_load_embeds_and_writes_nothing(shell: Shell) -> None:
    assert shell.run("load", "films.csv").code == 0
    again = shell.run("load", "films.csv", "--json")
    known = {"new": 0, "changed": 0, "unchanged": 3, "embedded": 0, "written": 0, "items": 3}
    assert again.code == 0
    assert known.items() <= again.json.items()
    assert "fields:" not in again.err  # the catalogue file was shown when it was made


def test_what_changed_is_written_and_what_reads_otherwise_is_embedded(shell: Shell) -> None:
    shell.call("load", "films.csv")
    text = CSV.replace("1984", "2021").replace("Brazil and", "Brazil without")
    (shell.folder / "films.csv").write_text(text)
    report = shell.run("load", "films.csv", "--json").json
    assert (report["changed"], report["unchanged"], report["embedded"]) == (2, 1, 1)


def test_several_sources_make_one_catalogue(shell: Shell) -> None:
    (shell.folder / "more.ndjson").write_text('{"id": "heat", "title": "Heat and heists"}\n')
    done = shell.run("load", "films.csv", "more.ndjson", "--json")
    assert (done.code, done.json["catalogue"], done.json["items"]) == (0, "films", 4)


def test_what_infer_prints_is_a_spec(shell: Shell, server: Server) -> None:
    inferred = shell.run("infer", "films.csv")
    assert (inferred.code, inferred.err) == (0, "")
    assert server.client.keys() == []
    edited = inferred.out.replace("index: hnsw", "index: flat").replace("name: films", "name: f2")
    (shell.folder / "films.yaml").write_text(edited)
    assert shell.run("load", "films.csv", "--spec", "films.yaml").code == 0
    info = shell.run("info", "f2", "--json").json
    assert info["catalogue"]["vectors"]["text"]["index"] == "flat"
    assert shell.run("load", "films.csv", "--spec", "films.yaml").code == 0  # and again


def test_infer_needs_no_redis_and_prints_one_document(shell: Shell) -> None:
    done = shell.run("infer", "films.json", "--json", REDIS_URL="redis://127.0.0.1:1")
    assert (done.code, done.json["name"], done.json["id"]) == (0, "films", "id")


def test_the_preview_warns_of_a_text_beyond_the_models_limit(shell: Shell) -> None:
    (shell.folder / "page.md").write_text("# Long\n\n" + "All work and no play. " * 1000)
    spec = shell.call("infer", "page.md").out.replace("wordllama", "openai:text-embedding-3-small")
    (shell.folder / "page.yaml").write_text(spec)
    args = ["infer", "page.md", "--spec", "page.yaml", "--preview", "1"]
    assert "# ! 22," in shell.run(*args, OPENAI_API_KEY="unused").out
    assert "# ! " not in shell.call("infer", "page.md", "--preview", "1").out  # wordllama takes any


def test_catalogue_names_it(shell: Shell) -> None:
    (shell.folder / "s.yaml").write_text(shell.call("infer", "films.csv").out)
    loaded = shell.run("load", "films.csv", "--catalogue", "mine", "--json")
    inferred = shell.run("infer", "films.csv", "--catalogue", "mine", "--json")
    by_spec = shell.call("load", "films.csv", "--spec", "s.yaml", "--catalogue", "named", "--json")
    assert (loaded.json["catalogue"], inferred.json["name"]) == ("mine", "mine")
    assert by_spec.json["catalogue"] == "named"


def test_a_spec_names_a_source_that_cannot_name_itself(shell: Shell) -> None:
    (shell.folder / "s.yaml").write_text(shell.call("infer", "films.csv").out)
    (shell.folder / "фильмы.csv").write_text(CSV)
    done = shell.call("load", "фильмы.csv", "--spec", "s.yaml", "--json")
    assert done.code == 0, done.err
    assert done.json["catalogue"] == "films"


def test_a_nameless_spec_for_stdin_asks_for_a_name(shell: Shell) -> None:
    spec = shell.call("infer", "films.csv").out.replace("name: films\n", "")
    (shell.folder / "s.yaml").write_text(spec)
    done = shell.call("load", "-", "--format", "csv", "--spec", "s.yaml", stdin=CSV)
    assert done.code in (1, 2)
    assert "--catalogue" in done.err


def test_id_format_and_encoding_are_obeyed(shell: Shell) -> None:
    text = "code,name,about\n1,A,Amélie in café\n2,B,Brazil in blue\n3,C,Casino in cash\n"
    (shell.folder / "list.txt").write_bytes(text.encode("latin-1"))
    told = ("--format", "csv", "--encoding", "latin-1", "--id", "name")
    assert shell.run("load", "list.txt", *told, "--json").json["items"] == 3
    hit = shell.call("similar", "list", "B", "--limit", "2", "--json").json["items"]
    assert {(h["id"], h["fields"]["about"]) for h in hit} >= {("A", "Amélie in café")}
    assert shell.call("infer", "list.txt", *told, "--json").json["id"] == "name"


def test_another_id_than_the_kept_one_is_refused(shell: Shell) -> None:
    shell.call("load", "films.csv")
    done = shell.call("load", "films.csv", "--id", "title")
    assert done.code == 2
    assert "the id of 'films' is the column 'id', not 'title'" in done.err


def test_a_kept_catalogue_is_not_loaded_as_something_else(shell: Shell) -> None:
    shell.call("load", "films.csv")
    spec = shell.call("infer", "films.csv").out
    changes = {"{title}": "{title}!", "hnsw": "flat", "type: number": "type: stored"}
    for old, new in changes.items():
        assert old in spec
        (shell.folder / "s.yaml").write_text(spec.replace(old, new))
        done = shell.call("load", "films.csv", "--spec", "s.yaml")
        assert (done.code, done.out) == (1, "")
        assert "recommender drop films" in done.err


def test_rejected_records_are_told_and_exit_3(shell: Shell) -> None:
    (shell.folder / "films.csv").write_text(CSV + "alien,Again,1\n" * 7)
    done = shell.run("load", "films.csv", "--id", "id", "--json")
    report = done.json
    assert (done.code, report["items"], report["rejected"]) == (3, 3, 7)
    assert done.err.count("Rejected: films.csv, line ") == 5  # a few, then where the rest is
    assert f"Rejected: 7 in all, see {report['rejects']}" in done.err
    rows = [json.loads(line) for line in Path(report["rejects"]).read_text().splitlines()]
    assert [row["place"] for row in rows] == [f"films.csv, line {n}" for n in range(5, 12)]
    assert {row["id"] for row in rows} == {"alien"}


def test_bars_for_each_stage_on_a_terminal(shell: Shell) -> None:
    films = [f"film {n},A film about {n % 97} cats,{1900 + n % 100}\n" for n in range(3000)]
    (shell.folder / "many.csv").write_text("id,title,year\n" + "".join(films))
    done = shell.terminal("load", "many.csv")
    assert done.code == 0
    *_, reading, embedding, writing, indexing, said = plain(done.out).strip().splitlines()
    for line, stage in ((reading, "Reading"), (embedding, "Embedding"), (writing, "Writing")):
        assert re.match(rf"{stage} +━+ +100% 3,000 +\d:\d\d:\d\d", line.strip())
    assert re.match(r"Indexing +━+ +100% ", indexing)
    assert said.startswith("many: 3,000 items (3,000 new")
    assert done.out.endswith("s\n")
    assert done.out.rindex("\x1b[?25h") > done.out.rindex("\x1b[?25l")  # the cursor is back


def test_a_narrow_terminal_shows_a_catalogue_file_that_can_be_copied(shell: Shell) -> None:
    columns = ["id", *(f"a_column_with_a_long_name_{n}" for n in range(5))]
    rows = [",".join([f"{n}", *(f"many words in cell {n}" for _ in range(5))]) for n in range(4)]
    (shell.folder / "wide.csv").write_text("\n".join([",".join(columns), *rows]))
    shown = plain(shell.terminal("load", "wide.csv", columns=40).out)
    text = shown[shown.index("name: wide") : shown.index("\n\n") + 1]
    assert text == shell.run("infer", "wide.csv").out


@pytest.mark.parametrize("count", [10, 4000])
def test_ctrl_c_says_how_to_go_on(shell: Shell, count: int) -> None:
    process = shell.start("load", "-", "--format", "ndjson", "--catalogue", "piped")
    assert process.stdin is not None
    for number in range(count):
        process.stdin.write(json.dumps({"id": number, "title": f"film number {number}"}) + "\n")
    process.stdin.flush()  # and nothing more: it waits for the rest
    time.sleep(1.2)
    done = interrupted(process)
    assert (done.code, done.out) == (130, "")
    assert done.err.endswith("the same command goes on from there.\n")


def test_json_keeps_stdout_for_itself(shell: Shell) -> None:
    assert shell.run("load", "films.csv", "--json").json["items"] == 3
    for args in (
        ("infer", "films.csv"), ("catalogues",), ("info", "films"), ("similar", "films", "alien"),
        ("search", "films", "space"), ("doctor",), ("redis", "status"),
    ):  # fmt: skip
        done = shell.run(*args, "--json")
        assert (done.code, type(done.json), done.err) == (0, dict, "")
    for args in (("info", "nope"), ("similar", "films", "nope"), ("load", "nope.csv")):
        done = shell.call(*args, "--json")
        assert (done.code, done.out, done.err[:7]) == (1, "", "Error: ")
