"""``presets``: what is kept, what it says, and what asking with it gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import Load
from outside import Done, Shell

from recommender import Catalogue
from recommender.store.connection import Server

SHOP = Catalogue.from_dict(
    {
        "name": "shop",
        "fields": {
            "title": {"type": "text"},
            "kind": {"type": "tag"},
            "price": {"type": "number"},
        },
        "vectors": {"v": {"embedder": "given", "column": "v", "index": "flat"}},
    }
)
ITEMS: list[dict[str, Any]] = [
    {"id": "seed", "title": "Boot", "kind": "shoe", "price": 50, "v": [1, 0]},
    {"id": "near", "title": "Brogue", "kind": "shoe", "price": 90, "v": [9, 1]},
    {"id": "cheap", "title": "Clog", "kind": "shoe", "price": 10, "v": [1, 1]},
    {"id": "hat", "title": "Bowler", "kind": "hat", "price": 20, "v": [1, 2]},
]


@pytest.fixture
def shell(server: Server, home: Path, tmp_path: Path, load: Load) -> Shell:
    load(SHOP, ITEMS)
    return Shell(home, tmp_path)


def ids(done: Done) -> list[str]:
    assert done.code == 0, done.err
    return [hit["id"] for hit in done.json["items"]]


def save(shell: Shell, name: str, *options: str) -> Done:
    done = shell.call("presets", "save", "shop", name, *options)
    assert done.code == 0, done.err
    return done


def similar(shell: Shell, *options: str) -> list[str]:
    return ids(shell.call("similar", "shop", "seed", "--json", *options))


def test_saving_says_what_was_kept_and_how_to_use_it(shell: Shell) -> None:
    done = save(shell, "cheaper", "--boost", "5*low(price)", "-w", "price<100", "-n", "2")
    assert done.out == (
        "Kept as the preset 'cheaper' of shop: boosts 5*low(price), where price<100, limit 2\n"
        "Use it: recommender similar shop ID --preset cheaper\n"
    )
    assert similar(shell) == ["near", "cheap", "hat"]
    assert similar(shell, "--preset", "cheaper") == ["cheap", "hat"]
    assert similar(shell, "--preset", "cheaper", "-w", "kind=shoe") == ["cheap", "near"]


def test_listing_and_dropping(shell: Shell) -> None:
    empty = shell.call("presets", "list", "shop")
    assert (empty.code, "shop has no presets: recommender presets save" in empty.out) == (0, True)
    save(shell, "cheaper", "--boost", "5*low(price)", "--limit", "2")
    save(shell, "mixed", "--semantic-ratio", "rrf", "--mode", "hybrid", "--collapse", "true")
    shown = shell.call("presets", "list", "shop").out
    assert shown.splitlines() == [
        "cheaper  boosts 5*low(price), limit 2",
        "mixed    semantic_ratio rrf, mode hybrid, collapse true",
    ]
    listed = shell.call("presets", "list", "shop", "--json").json
    assert listed == {
        "catalogue": "shop",
        "presets": {
            "cheaper": {"boosts": ["5*low(price)"], "limit": 2},
            "mixed": {"semantic_ratio": "rrf", "mode": "hybrid", "collapse": True},
        },
    }
    assert "forgotten" in shell.call("presets", "drop", "shop", "cheaper").out
    again = shell.call("presets", "drop", "shop", "cheaper")
    assert (again.code, "has no preset 'cheaper'" in again.err) == (2, True)


def test_every_kind_of_option_is_kept(shell: Shell) -> None:
    done = shell.call(
        "presets", "save", "shop", "all", "--limit", "3", "--offset", "1", "--fields", "title,kind",
        "-w", "price<100", "--exclude", "hat", "--same", "kind", "--differ", "price",
        "--min-score", "-1", "--cut", "auto", "--using", "v", "--mode", "vector",
        "--diversity", "0", "--group-by", "kind", "--group-size", "2", "--collapse", "0.9",
        "--fallback", "popular(price)", "--pool", "50", "--exact", "--explain", "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert done.json["wishes"] == {
        "limit": 3, "offset": 1, "fields": ["title", "kind"], "where": ["price<100"],
        "exclude": ["hat"], "same": ["kind"], "differ": ["price"], "min_score": -1.0,
        "cut": "auto", "using": "v", "mode": "vector", "diversity": 0.0, "group_by": "kind",
        "group_size": 2, "collapse": 0.9, "fallbacks": ["popular(price)"], "pool": 50,
        "exact": True, "explain": True,
    }  # fmt: skip
    assert shell.call("similar", "shop", "seed", "--preset", "all").code == 0


def test_what_is_given_goes_before_and_what_is_not_leaves_the_preset_alone(shell: Shell) -> None:
    save(shell, "two", "--limit", "2", "--diversity", "1", "--fields", "title", "--explain")
    answer = shell.call("similar", "shop", "seed", "--preset", "two", "--json").json
    assert (answer["requested"], [*answer["items"][0]["fields"]]) == (2, ["title"])
    assert answer["items"][1]["why"]["mmr"]
    assert similar(shell, "--preset", "two") == ["near", "hat"]
    assert similar(shell, "--preset", "two", "--diversity", "0") == ["near", "cheap"]
    assert similar(shell, "--preset", "two", "--limit", "10") == ["near", "hat", "cheap"]
    table = shell.call("similar", "shop", "seed", "--preset", "two").out
    assert "Brogue" in table
    assert "price" not in table
    assert (
        "price" in shell.call("similar", "shop", "seed", "--preset", "two", "--fields", "price").out
    )


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (("save", "shop", "x"), 2, "no options are given"),
        (("save", "shop", "a b", "-n", "3"), 2, "cannot be a preset's name"),
        (("save", "shop", "x", "-n", "0"), 2, "limit is 0"),
        (("save", "shop", "x", "--boost", "high(prise)"), 2, "Did you mean 'price'?"),
        (("save", "shop", "x", "--collapse", "maybe"), 2, "It is true"),
        (("save", "shop", "x", "--semantic-ratio", "rff", "--mode", "hybrid"), 2, "or rrf"),
        (("save", "shop", "x", "--preset", "y"), 2, "No such option"),
        (("save", "shops", "x", "-n", "3"), 1, "Did you mean 'shop'?"),
        (("list", "shops"), 1, "Did you mean 'shop'?"),
        (("drop", "shops", "x"), 1, "Did you mean 'shop'?"),
    ],
)
def test_what_cannot_be_done(shell: Shell, args: tuple[str, ...], code: int, said: str) -> None:
    done = shell.call("presets", *args)
    assert (done.code, done.out) == (code, "")
    assert said in done.err
    assert shell.call("presets", "list", "shop", "--json").json["presets"] == {}
