"""Words: what is asked for, and what a real Redis finds for it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recommender import Catalogue, Recommender, lexical
from recommender.errors import IndexNotReady, InvalidParameter
from recommender.lexical import Wording, question, telling, words
from recommender.store import texts
from recommender.store.candidates import answers
from recommender.store.connection import Server
from recommender.where import EVERYTHING, parse

Load = Callable[..., Any]

Open = Callable[[str], Recommender]

CATALOGUE = Catalogue.from_yaml("""
name: films
fields:
  title: {type: text, weight: 3}
  plot: {type: text}
  genres: {type: tag}
  topics: {type: tag}
  year: {type: number}
vectors: {v: {embedder: given, column: v}}
""")
BARE = Catalogue.from_yaml("""
name: bare
fields: {genres: {type: tag}}
vectors: {v: {embedder: given, column: v}}
""")
FILMS: list[dict[str, Any]] = [
    {"id": "dino", "title": "Dinosaur", "plot": "a herd walks", "genres": ["Drama"], "year": 2000},
    {"id": "park", "title": "The park", "plot": "dinosaurs run from a park", "year": 1993},
    {"id": "robot", "title": "I, Robot", "plot": "it feels", "topics": ["time travel", "Été"]},
    {"id": "heist", "title": "Gone wrong", "plot": "a heist goes “wrong” — it's bad", "year": 2000},
    {"id": "ja", "title": "ロボット", "plot": "日本語の映画", "genres": ["Drama", "C++"]},
    {"id": "ar", "title": "المدينة", "plot": "فيلم عن مدينة", "year": 2010},
    {"id": "ru", "title": "Алиса", "plot": "девочка Алиса в стране чудес \U0001f3ac"},
    {"id": "odd", "title": "snake_case inf 1E5", "plot": "not or and $p0 @plot:x (y) *", "year": 0},
]
DRAMA = parse("genres=Drama", CATALOGUE)


@pytest.fixture
def films(load: Load, server: Server) -> Server:
    load(CATALOGUE, [film | {"v": [1, number]} for number, film in enumerate(FILMS)])
    return server


def scored(
    server: Server, asked: Wording, filter: str = EVERYTHING, rows: int = 50
) -> dict[str, float]:
    """Id -> score in falling order."""
    reply = server.client.execute_command(*texts.command("films", asked, filter, rows))
    return {key.decode().rpartition(":")[2]: score for key, score in texts.found(reply)}


def found(server: Server, text: str, filter: str = EVERYTHING) -> list[str]:
    return list(scored(server, question(text, CATALOGUE), filter))


def test_words_are_cut_as_the_engine_cuts_them() -> None:
    assert words("It's a Spider-Man: 2,000 foo_bar _ \\x") == [
        "it", "s", "a", "spider", "man", "2", "000", "foo_bar", "x",
    ]  # fmt: skip
    assert words("“Heist” — Étoile…") == ["“heist”", "heist", "—", "Étoile…", "Étoile"]
    assert words("...!?  ,") == words("") == []
    assert words("x" * 65) == []


def test_stop_words_are_asked_for_only_where_there_is_nothing_else() -> None:
    assert lexical.asked_words("the heist, a HEIST") == ["heist"]
    assert lexical.asked_words("It") == ["it"]


def test_a_long_text_asks_for_its_rarest_words() -> None:
    text = " ".join(f"word{number}" for number in range(1000))
    assert len(lexical.asked_words(text)) == lexical.MAX_COUNTED
    counted = {f"word{number}": 256 - number for number in range(256)} | {"word255": 0}
    terms = question(text, CATALOGUE, counted).terms
    assert list(terms) == [f"word{number}" for number in range(254, 254 - lexical.MAX_ASKED, -1)]
    assert len(question(text, CATALOGUE).terms) == lexical.MAX_ASKED
    assert not question("?!", CATALOGUE)


def test_labels_are_runs_of_up_to_three_words() -> None:
    assert lexical.labels("a  time travel C++") == [
        "time", "travel", "C++", "a time", "time travel", "travel C++", "a time travel",
        "time travel C++",
    ]  # fmt: skip
    assert question("x", CATALOGUE).tags == ("genres", "topics")


def test_telling_words_are_frequent_here_and_rare_elsewhere() -> None:
    counts = lexical.seed_words(
        {"title": "Rare film", "plot": "a film of a rare bird, unique", "year": 3}, CATALOGUE
    )
    assert counts == {"rare": 4, "film": 4, "bird": 1, "unique": 1}
    asked = telling(counts, {"rare": 2, "film": 90, "bird": 2, "unique": 1}, 100, 3)
    assert list(asked.terms) == ["rare", "bird", "film"]
    assert asked.terms["rare"] == 1
    assert asked.terms["bird"] == pytest.approx(1 / (1 + math.log(4)))
    assert not telling({}, {}, 100)
    many = {"rare": 2000, "film": 2001, "bird": 1001}
    assert list(telling(counts, many, 20_000).terms) == ["rare", "bird"]  # "film" is common
    assert list(telling({"film": 1}, many, 20_000).terms) == ["film"]
    assert not telling(counts, dict.fromkeys(counts, 1), 100)


@pytest.mark.parametrize(
    ("mode", "ratio", "catalogue", "parameter"),
    [
        ("words", None, CATALOGUE, "mode"),
        (None, None, CATALOGUE, "mode"),
        (["hybrid"], None, CATALOGUE, "mode"),
        ("hybrid", None, BARE, "mode"),
        ("text", None, BARE, "mode"),
        ("hybrid", 1.1, CATALOGUE, "semantic_ratio"),
        ("hybrid", -0.1, CATALOGUE, "semantic_ratio"),
        ("hybrid", math.nan, CATALOGUE, "semantic_ratio"),
        ("hybrid", True, CATALOGUE, "semantic_ratio"),
        ("hybrid", "0.5", CATALOGUE, "semantic_ratio"),
        ("vector", 0.5, CATALOGUE, "semantic_ratio"),
    ],
)
def test_what_is_wrong_is_named(
    mode: Any, ratio: Any, catalogue: Catalogue, parameter: str
) -> None:
    with pytest.raises(InvalidParameter) as caught:
        lexical.check_mode(mode, ratio, catalogue)
    assert caught.value.parameter == parameter
    assert caught.value.remedy


def test_what_is_right_passes() -> None:
    lexical.check_mode("vector", None, BARE)
    for ratio in (None, 0, 0.5, 1):
        lexical.check_mode("hybrid", ratio, CATALOGUE)


def test_words_are_found_in_every_text_field_and_in_other_forms(films: Server) -> None:
    assert sorted(found(films, "dinosaurs")) == ["dino", "park"]
    assert found(films, "robots feeling") == ["robot"]
    assert sorted(found(films, "heist robot")) == ["heist", "robot"]  # any of the words


def test_a_word_in_a_heavier_field_counts_more(films: Server) -> None:
    assert found(films, "dinosaur")[0] == "dino"


@pytest.mark.parametrize(
    ("text", "id"),
    [("映画 ロボット", "ja"), ("مدينة", "ar"), ("\U0001f3ac", "ru"), ("алиса", "ru"),
     ("АЛИСА", "ru"), ("snake_case", "odd"), ("1e5", "odd"), ("INF", "odd")],
)  # fmt: skip
def test_all_scripts_are_found(films: Server, text: str, id: str) -> None:
    assert found(films, text) == [id]


def test_labels_of_tags_are_found(films: Server) -> None:
    assert found(films, "Time Travel") == ["robot"]
    assert sorted(found(films, "some drama")) == ["dino", "ja"]
    assert found(films, "c++") == ["ja"]
    assert found(films, "Été") == ["robot"]


def test_a_filter_holds_and_adds_nothing_to_the_score(films: Server) -> None:
    asked = question("dinosaur 映画 ロボット", CATALOGUE)
    everything = scored(films, asked)
    for where in (
        "genres=Drama", "genres=Drama|C++", "year>=1990", "genres!=Horror", "title~dinosaur",
        {"any": ["genres=Drama", "year=1993"]}, {"all": ["genres=Drama", "year=2000"]},
    ):  # fmt: skip
        filter = parse(where, CATALOGUE)
        assert filter
        narrowed = scored(films, asked, filter)
        assert narrowed, where
        assert narrowed == pytest.approx({id: everything[id] for id in narrowed}), where
    assert DRAMA
    assert sorted(scored(films, asked, DRAMA)) == ["dino", "ja"]


def test_beside_a_filter_no_word_of_an_item_is_passed_over(
    load: Load, open_catalogue: Open
) -> None:
    """The engine itself does so, where the filter stands in its query."""
    forms = ["toy", "toys", "comedy", "comedies", "village", "villages"]
    films = [
        {
            "id": f"{number:02}", "plot": " ".join(word for place, word in enumerate(forms)
            if number >> place & 1), "year": 1980 + number, "genres": ["Comedy"], "v": [1, number],
        }
        for number in range(64)
    ]  # fmt: skip
    load(CATALOGUE, films)
    engine = open_catalogue("films")

    def bm25(**wishes: Any) -> dict[str, float]:
        found = engine.search(
            "toys comedy village", mode="text", limit=64, explain=True, fields=[], **wishes
        )
        return {hit.id: dict(hit.why or {})["words"]["bm25"] for hit in found}

    everything = bm25()
    assert len(everything) == 64  # also the one without a word, by its label
    for where in ("year>=1990", "year=1985..2020", "genres=Comedy"):
        narrowed = bm25(where=where)
        assert narrowed, where
        assert narrowed == {id: everything[id] for id in narrowed}, where


def test_what_an_apostrophe_leaves_stands_for_no_item() -> None:
    fields = {"title": "A boy's I, Robot 2", "plot": "it's the boys' ロ"}
    assert set(lexical.seed_words(fields, CATALOGUE)) == {"boy", "robot", "2", "boys", "ロ"}


def test_weights_of_words_are_heeded(films: Server) -> None:
    both = [Wording({"heist": heavy, "herd": light}) for heavy, light in ((1, 0.1), (0.1, 1))]
    assert [next(iter(scored(films, asked))) for asked in both] == ["heist", "dino"]
    first, second = (scored(films, asked) for asked in both)
    assert first["heist"] / second["heist"] == pytest.approx(10)
    assert first["dino"] / second["dino"] == pytest.approx(0.1)


def test_frequencies_and_scores_of_given_items(films: Server) -> None:
    client = films.client
    assert texts.frequencies(client, "films", ["dinosaur", "the", "nowhere", "алиса"]) == {
        "dinosaur": 2, "the": 1, "nowhere": 0, "алиса": 1,
    }  # fmt: skip
    assert texts.frequencies(client, "films", []) == {}


def test_without_an_index_words_find_nothing_yet(server: Server) -> None:
    command = texts.command("films", question("dinosaur", CATALOGUE), EVERYTHING, 1)
    with pytest.raises(IndexNotReady):
        answers(server.client, "films", [command])


def test_the_words_of_an_item_find_those_like_it(films: Server) -> None:
    park = next(film for film in FILMS if film["id"] == "park")
    counts = lexical.seed_words(park, CATALOGUE)
    assert "the" not in counts
    counted = texts.frequencies(films.client, "films", list(counts))
    asked = telling(counts, counted, len(FILMS))
    assert list(asked.terms) == ["dinosaurs"]  # nobody else has its other words
    assert sorted(scored(films, asked)) == ["dino", "park"]


def test_what_matched_can_be_told() -> None:
    asked = question("bad heist drama time travel", CATALOGUE)
    heist = next(film for film in FILMS if film["id"] == "heist")
    assert lexical.matched(asked, heist, CATALOGUE) == ["bad", "heist"]
    robot = next(film for film in FILMS if film["id"] == "robot")
    assert lexical.matched(asked, robot, CATALOGUE) == ["time travel"]
    assert lexical.matched(question("алиса", CATALOGUE), FILMS[6], CATALOGUE) == ["алиса"]


PIECES = st.sampled_from(
    [
        "dinosaur", "drama", "robot", "the", "$p0", "$v", "@plot:", "@genres:{Drama}", "*", "|",
        "-", "~", "(", ")", "[", "]", "{", "}", "=>", "{$weight: 9}", "\\", '"', "'", "%", ":", ";",
        "@year:[-inf +inf]", "=>[KNN 3 @v_vector $v]", "w'*'", "_", "é", "映画", "\x00",
        "\U0001f3ac",
        "DIALECT 1", "inf", "nan", "1e5", "\u202e", "\ufeff", "\n",
    ]
)  # fmt: skip
ANY_TEXT = st.one_of(
    st.lists(PIECES, max_size=12).map(" ".join),
    st.lists(PIECES, max_size=12).map("".join),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=60),
)


@given(text=ANY_TEXT)
@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_text_is_ever_syntax_or_leaves_the_filter(films: Server, text: str) -> None:
    asked = question(text, CATALOGUE)
    if not asked:
        assert not lexical.asked_words(text)
        return
    assert DRAMA
    assert set(scored(films, asked, DRAMA)) <= {"dino", "ja"}
    for id, score in scored(films, asked).items():
        film = next(film for film in FILMS if film["id"] == id)
        assert score > 0
        assert film
    counts = lexical.seed_words({"plot": text}, CATALOGUE)
    weighed = telling(counts, dict.fromkeys(counts, 2), len(FILMS))
    if weighed:
        assert set(scored(films, weighed, DRAMA)) <= {"dino", "ja"}


@pytest.mark.parametrize(
    "text",
    ["word " * 4000, "x" * 20_000, "w%d " * 5000, "映" * 20_000, "é " * 10_000, "|" * 20_000,
     " ".join(f"w{number}" for number in range(4000))],
)  # fmt: skip
def test_very_long_texts(films: Server, text: str) -> None:
    asked = question(text, CATALOGUE, {})
    assert len(asked.terms) <= lexical.MAX_ASKED
    if asked:
        assert not scored(films, asked)


def test_never_do_many_alternatives_stand_side_by_side(films: Server) -> None:
    wording = question(" ".join(f"word{n}" for n in range(31)) + " dinosaur", CATALOGUE)
    assert (len(wording.terms), len(wording.labels)) == (32, 93)
    text = texts.command("films", wording, DRAMA or "", 10)[2]
    longest = max(part.count("|") for part in re.split(r"[(){}]", text))
    assert longest < texts.GROUP <= 20
    assert list(scored(films, wording)) == list(scored(films, question("dinosaur", CATALOGUE)))
