"""``evaluate``: its tables, its JSON, and what it says of judgements that cannot be used."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT
from outside import Shell

from recommender import Recommender, Settings
from recommender.evaluate import relevance
from recommender.judgements import Judgements
from recommender.store.connection import Server

JUDGEMENTS = str(ROOT / "samples" / "judgements.csv")
MEASURE = ("evaluate", "relevance", "movies", "--judgements")


@pytest.fixture(scope="module")
def shell(_redis: Server, home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """The sample films."""
    shell = Shell(home, tmp_path_factory.mktemp("shell"))
    assert shell.call("load", str(ROOT / "samples" / "movies.csv")).code == 0
    yield shell
    _redis.client.flushall()


def write(shell: Shell, *lines: str) -> str:
    (shell.folder / "j.csv").write_text("\n".join(lines) + "\n")
    return "j.csv"


def test_the_samples_judgements_name_films_of_the_sample() -> None:
    with open(ROOT / "samples" / "movies.csv", newline="") as file:
        ids = {row["id"] for row in csv.DictReader(file)}
    with open(JUDGEMENTS, newline="") as file:
        rows = list(csv.DictReader(file))
    assert len({row["query_id"] for row in rows}) == 15
    assert {row[name] for row in rows for name in ("query_id", "item_id")} <= ids


def test_the_table_says_what_was_measured(shell: Shell) -> None:
    done = shell.call(*MEASURE, JUDGEMENTS)
    assert (done.code, done.err) == (0, "")
    title, _, header, _, *rows = done.out.rstrip().splitlines()
    assert title.strip() == "Relevance of movies: 15 queries"
    assert header.split() == ["measure", "value", "95", "%", "interval", "meaning"]
    names = [row.split()[0] for row in rows[:6]]
    assert names == ["NDCG@10", "MRR@10", "recall@10", "diversity", "novelty", "coverage"]
    value, low, dots, high = rows[0].split()[1:5]
    assert dots == ".."
    assert 0 < float(low) < float(value) < float(high) < 1
    assert rows[-1] == "15 queries are few: the true intervals are wider than these"


def test_json_is_what_python_gives(shell: Shell, settings: Settings) -> None:
    done = shell.call(*MEASURE, JUDGEMENTS, "--json", "--where", "year>=1990", "-k", "5")
    with open(JUDGEMENTS, newline="") as file:
        gains: dict[str, dict[str, float]] = {}
        for row in csv.DictReader(file):
            gains.setdefault(row["query_id"], {})[row["item_id"]] = float(row["relevance"])
    engine = Recommender("movies", settings=settings)
    report = relevance(engine, Judgements(gains), k=5, arguments={"where": ("year>=1990",)})
    expected = json.loads(json.dumps(report.to_dict()))
    found = done.json
    assert (found.pop("source"), found.pop("half")) == ("judgements", None)
    assert expected.pop("p50_ms") > 0
    assert found.pop("p50_ms") > 0
    assert found == expected


def test_halves_share_no_query(shell: Shell) -> None:
    parts = [
        shell.call(*MEASURE, JUDGEMENTS, "--half", half, "--json").json["ndcg_of"]
        for half in ("open", "held")
    ]
    assert len(parts[0]) + len(parts[1]) == 15
    assert not parts[0].keys() & parts[1].keys()


def test_unknown_ids_are_counted_and_named(shell: Shell) -> None:
    file = write(
        shell, "query_id,item_id,relevance",
        "toy-story,toy-story-2,1", "toy-story,nothing,1", "gone,toy-story,1",
    )  # fmt: skip
    done = shell.call(*MEASURE, file)
    assert done.code == 0
    assert "Skipped 1: the query is not in the catalogue (gone)" in done.out
    assert "1 judged ids are not in the catalogue and left out: nothing" in done.out


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["query_id,item_id,relevance", "toy-story,up,-1"], "j.csv, line 2: relevance is '-1'"),
        (["query_id,item_id,relevance", "toy-story,up,nan"], "j.csv, line 2: relevance is 'nan'"),
        (["query_id,item_id", "gone,up"], "no query can be judged: of 1 the query is not in"),
        (["a,b", "1,2"], "its columns are 'a', 'b'"),
        (["user,item", "u,toy-story"], "1 events name no two items that enough people liked"),
    ],
)
def test_judgements_that_cannot_be_used(lines: list[str], message: str, shell: Shell) -> None:
    done = shell.call(*MEASURE, write(shell, *lines))
    assert (done.code, done.out) == (2, "")
    assert message in done.err


def test_other_wrong_usage(shell: Shell) -> None:
    assert shell.call("evaluate", "relevance", "movies").code == 2  # no judgements
    assert shell.call(*MEASURE, "gone.csv").code == 1
    assert shell.call(*MEASURE, write(shell, "query_id,item_id")).code == 1  # nothing in it
    assert "there is no file" in shell.call(*MEASURE, "gone.csv").err
    assert shell.call(*MEASURE, JUDGEMENTS, "--where", "nothing=1").code == 2
    assert shell.call("evaluate", "recall", "movies", "--sample", "0").code == 2
    assert shell.call("evaluate", "recall", "movies", "--selectivity", "2").code == 2
    assert shell.call("evaluate", "recall", "nothing").code == 1


def test_events_are_judgements_too(shell: Shell) -> None:
    lines = ["user,item,weight"]
    for n in range(8):
        lines += [f"u{n},toy-story,5", f"u{n},toy-story-2,4", f"v{n},alien,5", f"u{n},alien,1"]
    done = shell.call(*MEASURE, write(shell, *lines), "--liked-above", "3", "--json").json
    assert done["source"] == "events"
    assert done["ndcg_of"] == {"toy-story": 1.0, "toy-story-2": 1.0}


def test_the_table_of_recall(shell: Shell) -> None:
    done = shell.call("evaluate", "recall", "movies", "--sample", "20")
    assert (done.code, done.err) == (0, "")
    title, _, header, _, *rows = done.out.rstrip().splitlines()
    assert title.strip() == "Recall of movies: 20 of 399 items ask"
    assert header.split()[:3] == ["filter", "passes", "recall@10"]
    assert rows[0].split()[:2] == ["none", "100.00%"]
    assert any(row.split()[:1] == ["year>=2016"] for row in rows)
    assert (
        "none of 20 answers missed a hit: at most 15.00% of all do, with 95 % certainty" in done.out
    )
    found = shell.call("evaluate", "recall", "movies", "--sample", "20", "--json").json
    assert found["rows"][0]["condition"]["wanted"] == 1.0
    assert all(row["complete"] == 1 for row in found["rows"])
    half = ("evaluate", "recall", "movies", "--selectivity", "0.5", "--sample", "3", "--json")
    assert {row["condition"]["wanted"] for row in shell.call(*half).json["rows"]} == {0.5}


def test_a_terminal_sees_the_table_and_no_remains_of_the_bar(shell: Shell) -> None:
    done = shell.terminal(*MEASURE, JUDGEMENTS, PYTHONPATH=str(ROOT))
    assert done.code == 0
    assert "NDCG@10" in done.out


def test_boosts_are_measured_as_they_are_asked(shell: Shell) -> None:
    plain = shell.call(*MEASURE, JUDGEMENTS, "--json").json
    boosted = shell.call(
        *MEASURE,
        JUDGEMENTS,
        "--json",
        "--boost",
        "0.3*overlap(genres)",
        "--boost",
        "0.2*near(year,10)",
    ).json
    values = [report["measures"]["ndcg"]["value"] for report in (plain, boosted)]
    assert values[1] > values[0] + 0.01
    assert shell.call("evaluate", "recall", "movies", "--boost", "high(year)").code == 2
