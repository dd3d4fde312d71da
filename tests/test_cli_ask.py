"""``similar``, ``search`` and the rest that only reads: answers, tables, help, wrong usage."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from conftest import ROOT, Quiet
from outside import Done, Shell, plain

from recommender import Catalogue, Record, Reject, Settings, sync
from recommender.cli import main
from recommender.store.connection import Server

COMMANDS: list[tuple[str, ...]] = [
    (), ("load",), ("infer",), ("similar",), ("recommend",), ("search",), ("catalogues",),
    ("info",), ("drop",), ("serve",), ("redis",), ("redis", "start"),
    ("redis", "stop"), ("redis", "status"),
    ("presets",), ("presets", "list"), ("presets", "save"), ("presets", "drop"), ("tune",),
    ("cache",), ("cache", "clear"), ("doctor",),
    ("evaluate",), ("evaluate", "relevance"), ("evaluate", "recall"),
    ("related",), ("related", "build"), ("related", "show"), ("related", "export"),
]  # fmt: skip
HOSTILE = {
    "escape": "\x1b[31mred\x1b[0m \x1b]0;a new window title\x07 and more",
    "turned": "\u202ewritten from right to left\u202c \u05e9\u05dc\u05d5\u05dd",
    "emoji": "\U0001f3ac family \U0001f469\u200d\U0001f469\u200d\U0001f467 film",
    "lines": "two\nlines\tand\x07more\x9b31m",
    "long": "ten thousand letters " * 500,
    "wide": "映画" * 60,
    "markup": "[red]not markup[/red] :smile: [link=file:///etc/passwd]x[/link]",
}


@pytest.fixture(scope="module")
def shell(
    _redis: Server, home: Path, settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shell]:
    """The sample films, and films with hostile titles, for all tests of this module."""
    shell = Shell(home, tmp_path_factory.mktemp("shell"))
    assert shell.run("load", str(ROOT / "samples" / "movies.csv")).code == 0
    hostile = Catalogue.from_dict(
        {
            "name": "hostile",
            "fields": {"title": {"type": "text"}, "tags": {"type": "tag"}},
            "vectors": {"v": {"embedder": "given", "column": "v", "dims": 2}},
        }
    )
    records = [
        Record(id, {"id": id, "title": title, "tags": [id], "v": [1, number]})
        for number, (id, title) in enumerate(HOSTILE.items())
    ]
    rejects: list[Reject] = []
    sync(_redis, hostile, records, settings, progress=Quiet(), on_reject=rejects.append)
    assert not rejects
    yield shell
    _redis.client.flushall()


def items(done: Done) -> list[dict[str, Any]]:
    assert done.code == 0, done.err
    found: list[dict[str, Any]] = done.json["items"]
    return found


def test_similar_shows_a_table(shell: Shell) -> None:
    done = shell.run("similar", "movies", "toy-story")
    title, _, header, _, *rows, _, said = done.out.rstrip().splitlines()
    assert (done.code, done.err, title.strip()) == (0, "", "More like Toy Story")
    assert header.split() == ["score", "id", "title", "year", "genres"]
    assert len(rows) == 10
    first = rows[0].split()
    assert (first[0], first[1], first[-1]) == ("0.728", "toy-story-2", "Family")
    assert re.match(r"10 of 10 asked for, in \d+\.\d ms \(wordllama, approximate\)", said)


def test_json_says_all_there_is(shell: Shell) -> None:
    answer = shell.run("similar", "movies", "toy-story", "--limit", "2", "--json").json
    assert [*answer] == [
        "items", "requested", "returned", "complete", "catalogue", "generation", "embedder",
        "exact", "took_ms", "next",
    ]  # fmt: skip
    assert [*answer["items"][0]] == ["id", "score", "relevance", "fields", "source"]
    assert [*answer["items"][0]["fields"]] == ["title", "year", "genres", "description"]
    assert (answer["requested"], answer["returned"], answer["complete"]) == (2, 2, True)
    assert (answer["catalogue"], answer["generation"]) == ("movies", 1)


def test_every_option_does_what_it_says(shell: Shell) -> None:
    base = ("similar", "movies", "toy-story", "--json")
    plain = items(shell.run(*base))
    next_ = items(shell.run(*base, "-n", "3", "--offset", "3", "--using", "text", "--exact"))
    narrow = items(shell.run(
        *base, "-w", "year>=2000", "-w", "genres=Comedy", "--exclude", "toy-story-3",
        "--exclude", "toy-story-2", "--fields", "year,genres",
    ))  # fmt: skip
    bare = items(shell.run(*base, "--min-score", "0.5", "--fields", ""))
    none = items(shell.call(*base, "--where", "year<1800"))
    assert len(plain) == 10
    assert [hit["id"] for hit in next_] == [hit["id"] for hit in plain[3:6]]
    assert narrow
    for hit in narrow:
        assert hit["id"] not in ("toy-story", "toy-story-2", "toy-story-3")
        assert [*hit["fields"]] == ["year", "genres"]
        assert hit["fields"]["year"] >= 2000
        assert "Comedy" in hit["fields"]["genres"]
    assert bare == [hit | {"fields": {}} for hit in plain if hit["score"] >= 0.5]
    assert none == []


def test_search_takes_the_same_options(shell: Shell) -> None:
    base = ("search", "movies", "toys and a cowboy", "-w", "genres=Animation", "-n", "3")
    table = shell.run(*base, "--fields", "title")
    three = shell.run(*base, "--json")
    more = ("--offset", "1", "--exclude", "toy-story", "--min-score", "-1")
    others = shell.call(*base, "--json", *more)
    assert table.out.startswith("Closest to “toys and a cowboy”")
    assert "genres" not in table.out
    assert items(three)[0]["id"] == "toy-story"
    assert all("Animation" in hit["fields"]["genres"] for hit in items(three) + items(others))
    assert [hit["id"] for hit in items(others)[:1]] == [items(three)[2]["id"]]


def test_fewer_than_asked_is_said(shell: Shell) -> None:
    done = shell.call("similar", "movies", "toy-story", "--min-score", "0.7")
    assert "1 of 10 asked for" in done.out
    assert "there are no more" in done.out
    none = shell.call("similar", "movies", "toy-story", "--where", "year<1800")
    assert (none.code, none.out[:18]) == (0, "0 of 10 asked for,")


def test_catalogues_and_info(shell: Shell) -> None:
    names, shown = shell.run("catalogues"), shell.run("info", "movies")
    listed, described = shell.call("catalogues", "--json"), shell.call("info", "movies", "--json")
    row = next(line for line in names.out.splitlines() if "movies" in line).split()
    assert row == ["movies", "399", "wordllama", "hnsw", "cosine", "float32", "yes"]
    assert [one["name"] for one in listed.json["catalogues"]] == ["hostile", "movies"]
    assert re.search(r"^items +399$", shown.out, re.MULTILINE)
    assert "\nname: movies\nid: id\nfields:\n" in shown.out
    known = {"name": "movies", "items": 399, "generation": 1, "ready": True, "not_indexed": 0}
    assert known.items() <= described.json.items()
    assert described.json["catalogue"]["vectors"]["text"]["embedder"] == "wordllama"


def test_what_is_not_there(shell: Shell) -> None:
    item = shell.run("similar", "movies", "toy story")
    assert "there is no item 'toy story' in 'movies'" in item.err
    assert "Ids are compared letter by letter" in item.err
    assert (item.code, item.out) == (1, "")
    for args in (("similar", "movie", "toy-story"), ("info", "movie"), ("drop", "movie", "--yes")):
        done = shell.call(*args)
        assert (done.code, done.out) == (1, "")
        assert "there is no catalogue 'movie'\n  Did you mean 'movies'?" in done.err


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("simlar", "movies"), "Did you mean 'similar'?"),
        (("redis", "stat"), "start"),
        (("similar", "movies", "toy-story", "--limt", "3"), "Did you mean '--limit'?"),
        (("similar", "movies"), "Missing argument 'ID'"),
        (("similar", "movies", "toy-story", "--using", "image"), "there is no vector 'image'"),
        (("similar", "movies", "toy-story", "--fields", "titel"), "Did you mean 'title'?"),
        (("search", "movies", " "), "It is some text, at least a word"),
    ],
)
def test_wrong_usage_is_2_with_a_hint(shell: Shell, args: tuple[str, ...], said: str) -> None:
    done = shell.call(*args)
    assert (done.code, done.out) == (2, "")
    assert said in done.err


def test_words_without_quotes(shell: Shell) -> None:
    done = shell.call("search", "movies", "robots", "that", "feel")
    assert done.code == 0 or "quotes" in done.err


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_shows_its_examples_as_lines(command: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(main, [*command, "--help"], prog_name="recommender")
    assert (shown.exit_code, shown.stderr) == (0, "")
    call = " ".join(("recommender", *command))
    assert re.search(rf"^ +([a-z]+ .*\| )?{call}( |$)", shown.stdout, re.MULTILINE), shown.stdout
    assert "\\b" not in shown.stdout
    assert max(map(len, shown.stdout.splitlines())) <= 100


def test_python_m_is_the_same_command() -> None:
    command = [sys.executable, "-m", "recommender.cli", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage: recommender ")


@pytest.mark.parametrize(
    "seed",
    [
        "escape",
        "turned",
        "lines",
        pytest.param(
            "long",
        ),
    ],
)
def test_a_hostile_title_reaches_nobodys_terminal(shell: Shell, seed: str) -> None:
    done = shell.call("similar", "hostile", seed, COLUMNS="80")
    assert (done.code, done.err) == (0, "")
    assert not set(re.findall(r"[^ -~\n]", done.out)) & {*map(chr, range(0xA0)), *"\u202e\u202c"}
    lines = done.out.splitlines()
    assert len(lines) <= len(HOSTILE) + 6  # a line a hit, and what stands around them
    assert all(any(id in line for line in lines) for id in {*HOSTILE} - {seed})


def test_markup_in_a_title_is_text(shell: Shell) -> None:
    assert "[red]not markup[/red] :smile:" in shell.call("similar", "hostile", "long").out


def test_a_hostile_name_in_a_source_reaches_nobodys_terminal(shell: Shell) -> None:
    (shell.folder / "names.csv").write_text("\x1b[31mred,same\na,b\na,b\na,b\n")
    done = shell.call("infer", "names.csv")
    assert done.code == 1
    assert "\x1b" not in done.err


def test_a_pipe_gets_no_colours(shell: Shell) -> None:
    for args in (("catalogues",), ("similar", "movies", "up")):
        done = shell.run(*args)
        assert "\x1b" not in done.out + done.err


def test_a_terminal_gets_no_colours_where_it_wants_none(shell: Shell) -> None:
    wanted = shell.terminal("similar", "movies", "up", NO_COLOR="1").out
    colours = re.findall(r"\x1b\[[0-9;]*\b(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])m", wanted)
    assert colours == []
    assert "the-incredibles" in plain(wanted) or "More like Up" in plain(wanted)


@pytest.mark.parametrize("columns", [40, 60, 80])
def test_a_narrow_terminal_shows_scores_and_ids(shell: Shell, columns: int) -> None:
    shown = plain(shell.terminal("similar", "movies", "toy-story", "-n", "4", columns=columns).out)
    *table, said = shown.rstrip().splitlines()
    assert re.search(r"\bscore +id\b", shown), shown
    rows = [line for line in table if re.match(r" ?\d\.\d\d\d +\S{2,}", line)]
    assert len(rows) == 4, shown
    assert max(map(len, table)) <= columns
    assert said.startswith("4 of 4 asked for")


def test_a_pipe_gets_whole_ids(shell: Shell) -> None:
    asked = ("search", "movies", "two strings and a monkey", "-n", "30")
    ids = [hit["id"] for hit in items(shell.call(*asked, "--json"))]
    shown = shell.run(*asked, COLUMNS="").out  # as in a cron job: nobody says how wide it is
    rows = [line.split() for line in shown.splitlines() if re.match(r" ?-?\d\.\d", line)]
    assert [row[1] for row in rows] == ids


def test_an_id_that_is_a_title_has_one_column(shell: Shell) -> None:
    films = {name: [n + 0.5] * 8 for n, name in enumerate(("The Thing", "Alien 3", "Up"))}
    shell.folder.joinpath("named.json").write_text(json.dumps(films))
    assert shell.run("load", "named.json").code == 0
    title, _, names, *_ = shell.run("similar", "named", "Alien 3").out.splitlines()
    assert title.strip() == "More like Alien 3"
    assert names.split() == ["score", "id"]


def test_numbers_are_shown_as_they_are(shell: Shell) -> None:
    numbers = ["0.0004", "-0.0001", "1e+300", "12345.6789"]
    rows = [f"n{n},A film about {n} cats,{number}" for n, number in enumerate(numbers)]
    (shell.folder / "numbers.csv").write_text("\n".join(["id,title,weight", *rows, "x,Seed,1"]))
    assert shell.call("load", "numbers.csv", "--id", "id").code == 0
    shown = shell.call("similar", "numbers", "x", "--fields", "weight").out
    shell.call("drop", "numbers", "--yes")
    assert {*numbers} <= {*shown.split()}


def test_a_terminal_without_unicode(shell: Shell) -> None:
    done = shell.run("similar", "hostile", "wide", PYTHONIOENCODING="ascii")
    assert (done.code, "emoji" in done.out) == (0, True)


def test_explain_says_why_in_a_sentence(shell: Shell) -> None:
    done = shell.call(
        "similar", "movies", "toy-story", "--limit", "2", "--boost", "0.3*near(year,8)",
        "--differ", "year", "--explain", "--fields", "title",
    )  # fmt: skip
    assert done.code == 0
    last = done.out.strip().splitlines()
    assert any("similarity 0." in line and "for a close year" in line for line in last)
    wrong = shell.call("similar", "movies", "toy-story", "--boost", "0.3*near(yeer,8)")
    assert (wrong.code, "Did you mean 'year'?" in wrong.err) == (2, True)


def test_recommend(shell: Shell) -> None:
    done = shell.call(
        "recommend", "movies", "--like", "alien", "--like-text", "space", "--unlike", "up", "--json"
    )
    found = {hit["id"] for hit in done.json["items"]}
    assert (done.code, len(found)) == (0, 10)
    assert not {"alien", "up"} & found
    nothing = shell.call("recommend", "movies")
    assert (nothing.code, "Name an id in like" in nothing.err) == (2, True)
