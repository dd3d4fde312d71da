"""Stored neighbours on the command line and over HTTP: the same answers, errors and exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT, Load
from outside import COMMAND, Client, Shell, served

from api import create_app
from recommender import Settings
from recommender.store.connection import Server

FILMS = str(ROOT / "samples" / "movies.csv")


@pytest.fixture
def shell(server: Server, home: Path, tmp_path: Path) -> Shell:
    shell = Shell(home, tmp_path)
    assert shell.call("load", FILMS).code == 0
    return shell


@pytest.fixture
def client(server: Server, shell: Shell, settings: Settings) -> Iterator[Client]:
    with served(create_app(settings)) as client:
        yield client


def test_build_show_and_drop(shell: Shell, server: Server) -> None:
    before = shell.call("related", "show", "movies", "toy-story")
    assert (before.code, before.out) == (1, "")
    assert "recommender related build movies" in before.err
    built = shell.call("related", "build", "movies", "--json")
    assert built.code == 0, built.err
    assert {name: built.json[name] for name in ("items", "without", "size", "exact")} == {
        "items": 399, "without": 0, "size": 20, "exact": True,
    }  # fmt: skip
    shown = shell.call("related", "show", "movies", "toy-story", "--limit", "2", "--json").json
    asked = shell.call("similar", "movies", "toy-story", "--limit", "2", "--json").json
    assert [hit["id"] for hit in shown["items"]] == [hit["id"] for hit in asked["items"]]
    assert [hit["fields"] for hit in shown["items"]] == [hit["fields"] for hit in asked["items"]]
    assert {hit["source"] for hit in shown["items"]} == {"related"}
    table = shell.call(
        "related", "show", "movies", "toy-story", "--limit", "2", "--fields", "title"
    )
    assert "Related to Toy Story" in table.out
    assert shell.call("related", "show", "movies", "nobody").code == 1
    assert shell.call("related", "show", "movies", "toy-story", "--limit", "0").code == 2
    assert shell.call("related", "build", "movie").code == 1
    assert shell.call("related", "build", "movies", "--using", "image").code == 2
    assert shell.call("drop", "movies", "--yes").code == 0
    assert server.client.keys("movies:*") == []


def test_export(shell: Shell) -> None:
    to = str(shell.folder / "site")
    assert shell.call("related", "export", "movies", "--to", to).code == 1
    shell.call("related", "build", "movies")
    done = shell.call("related", "export", "movies", "--to", to, "--format", "hugo", "--limit", "3")
    assert done.code == 0, done.err
    found = json.loads((shell.folder / "site" / "data" / "related.json").read_text())
    assert len(found) == 399
    assert found["toy-story"][0]["id"] == "toy-story-2"
    assert list(found["toy-story"][0]) == ["id", "score", "title", "year", "genres"]
    one = shell.call(
        "related", "export", "movies", "--to", to, "--one-file", "--fields", "year", "--json"
    )
    assert one.json == {"items": 399, "files": 1, "path": f"{to}/related.json"}
    assert shell.call("related", "export", "movies", "--to", to, "--format", "x").code == 2
    assert shell.call("related", "export", "movies", "--to", to, "--fields", "x").code == 2
    assert shell.call("related", "export", "movies", "--to", to, "--limit", "0").code == 2


def test_a_load_keeps_the_lists_right(shell: Shell, server: Server) -> None:
    shell.call("related", "build", "movies")
    lines = Path(FILMS).read_text(encoding="utf-8").splitlines(keepends=True)
    gone = next(line for line in lines if line.startswith("toy-story-2,"))
    (shell.folder / "movies.csv").write_text("".join(x for x in lines if x != gone), "utf-8")
    assert shell.call("load", "movies.csv", "--prune").code == 0
    shown = shell.call("related", "show", "movies", "toy-story", "--limit", "20", "--json").json
    assert shown["complete"]
    assert "toy-story-2" not in [hit["id"] for hit in shown["items"]]
    assert server.client.exists("movies:1:near:toy-story-2") == 0


def test_ctrl_c_leaves_what_was_there(shell: Shell, server: Server) -> None:
    shell.call("related", "build", "movies")
    before = server.client.get("movies:1:near:toy-story")
    with server.client.lock("recommender:movies:lock", timeout=30):  # so that it has to wait
        process = subprocess.Popen(
            [COMMAND, "related", "build", "movies"],
            env=shell.environment(PYTHONPATH=str(ROOT)), cwd=shell.folder,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stderr is not None
        assert "waiting" in process.stderr.readline()
        os.kill(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Stopped" in said
    assert server.client.get("movies:1:near:toy-story") == before
    assert shell.call("related", "show", "movies", "toy-story").code == 0


def test_over_http(client: Client, shell: Shell, server: Server, load: Load) -> None:
    early = client.get("/v1/movies/related", id="toy-story")
    assert (early.status, early.json["code"]) == (409, "related_not_built")
    assert early.json["remedy"] == "recommender related build movies"
    shell.call("related", "build", "movies")
    answer = client.get("/v1/movies/related", id="toy-story", limit=2, fields="title").json
    assert [hit["id"] for hit in answer["items"]] == ["toy-story-2", "toy-story-3"]
    assert answer["items"][0]["fields"] == {"title": "Toy Story 2"}
    assert (answer["requested"], answer["returned"], answer["complete"]) == (2, 2, True)
    assert answer["items"][0]["source"] == "related"
    more = client.get("/v1/movies/related", id="toy-story", offset=1, exclude="toy-story-3")
    assert more.json["returned"] == 10
    assert "toy-story-3" not in [hit["id"] for hit in more.json["items"]]
    server.client.client_kill_filter(_type="normal", skipme=True)  # as a restart does
    assert client.get("/v1/movies/related", id="toy-story").status == 200


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ({}, 400, "invalid_id"),
        ({"id": "nobody"}, 404, "unknown_item"),
        ({"id": "up", "limit": "0"}, 400, "invalid_limit"),
        ({"id": "up", "min_score": "much"}, 400, "invalid_min_score"),
        ({"id": "up", "fields": "titel"}, 400, "unknown_field"),
        ({"id": "up", "where": "years>1990"}, 400, "unknown_field"),
        ({"id": "up", "same": "year"}, 400, "invalid_parameter"),
    ],
)
def test_what_http_refuses(
    client: Client, shell: Shell, query: dict[str, str], status: int, code: str
) -> None:
    shell.call("related", "build", "movies")
    answer = client.get("/v1/movies/related", **query)
    assert (answer.status, answer.json["code"]) == (status, code)
