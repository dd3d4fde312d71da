"""Records in, items kept: what is embedded, what is written, what is refused, what is said."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Load, Open, Quiet
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from openai_server import OpenAIServer

from recommender import Catalogue, Recommender, Record, Reject, Settings, sync
from recommender.convert import Converter
from recommender.embedders.base import embed_all
from recommender.errors import (
    EmbedderError,
    InvalidCatalogue,
    ModelMismatch,
    RecordError,
    SourceError,
    TextRefused,
    UnknownCatalogue,
)
from recommender.seen import SeenIds
from recommender.store import catalogues, hashes
from recommender.store.connection import Server

FILMS = Catalogue.from_dict(
    {
        "name": "films",
        "fields": {
            "title": {"type": "text"},
            "genres": {"type": "tag", "separator": "|"},
            "year": {"type": "number"},
        },
        "vectors": {"text": {"template": "{title}. {genres}"}},
    }
)
TOYS = {"id": "toys", "title": "Living toys", "genres": "Animation|Comedy", "year": "1995"}
SHARK = {"id": "shark", "title": "A shark attacks", "genres": "Horror", "year": "1975"}
SPACE = {"id": "space", "title": "War in space", "genres": "Adventure", "year": "1977"}

POINTS = Catalogue.from_dict(
    {
        "name": "points",
        "fields": {"label": {"type": "stored"}},
        "vectors": {"place": {"embedder": "given", "column": "xy", "metric": "l2"}},
    }
)


def counts(report: Any) -> dict[str, int]:
    names = ("read", "new", "changed", "unchanged", "rejected", "embedded", "written", "items")
    return {name: getattr(report, name) for name in names if getattr(report, name)}


def stored(server: Server, name: str) -> dict[bytes, dict[bytes, bytes]]:
    return {
        key: server.client.hgetall(key)
        for keys in hashes.scan(server.client, hashes.prefix_of(name, 1))
        for key in keys
    }


def test_a_first_load_embeds_and_writes_all(load: Load, server: Server) -> None:
    report = load(FILMS, [TOYS, SHARK, SPACE])
    assert counts(report) == {"read": 3, "new": 3, "embedded": 3, "written": 3, "items": 3}
    toys = stored(server, "films")[b"films:1:item:toys"]
    assert toys[b"title"] == b"Living toys"
    assert toys[b"genres"] == b"Animation\x1fComedy"
    assert toys[b"year"] == b"1995"
    assert len(toys[b"text_vector"]) == 256 * 4
    assert set(toys) - {b"title", b"genres", b"year", b"text_vector"} == {
        b"_digest",
        b"_embedded",
        b"_at",
    }


def test_the_same_again_embeds_nothing_and_writes_nothing(load: Load, server: Server) -> None:
    load(FILMS, [TOYS, SHARK, SPACE])
    before = stored(server, "films")
    sets = server.client.info("commandstats")["cmdstat_hset"]["calls"]
    report = load(FILMS, [TOYS, SHARK, SPACE])
    assert counts(report) == {"read": 3, "unchanged": 3, "items": 3}
    assert stored(server, "films") == before
    # One HSET more: the catalogue's entry is written by first loads only, items by none.
    assert server.client.info("commandstats")["cmdstat_hset"]["calls"] == sets


def test_only_what_changed_is_embedded_or_written(load: Load, server: Server) -> None:
    load(FILMS, [TOYS, SHARK, SPACE])
    vectors = {key: item[b"text_vector"] for key, item in stored(server, "films").items()}
    other_year = TOYS | {"year": "1996"}
    other_title = SHARK | {"title": "A whale attacks"}
    report = load(FILMS, [other_year, other_title, SPACE])
    assert counts(report) == {
        "read": 3, "changed": 2, "unchanged": 1, "embedded": 1, "written": 2, "items": 3,
    }  # fmt: skip
    now = stored(server, "films")
    assert now[b"films:1:item:toys"][b"year"] == b"1996"
    changed = {key for key, item in now.items() if item[b"text_vector"] != vectors[key]}
    assert changed == {b"films:1:item:shark"}


def test_a_field_that_lost_its_value_is_gone(load: Load, server: Server) -> None:
    load(FILMS, [TOYS, SHARK])
    load(FILMS, [TOYS | {"year": ""}])
    assert b"year" not in stored(server, "films")[b"films:1:item:toys"]
    assert stored(server, "films")[b"films:1:item:shark"][b"year"] == b"1975"


def test_what_the_source_no_longer_names_stays(load: Load, open_catalogue: Open) -> None:
    load(FILMS, [TOYS, SHARK])
    assert load(FILMS, [SPACE]).items == 3
    assert open_catalogue("films").item("shark").fields["year"] == 1975


def test_bad_records_cost_only_themselves(load: Load) -> None:
    rejects: list[Reject] = []
    report = load(
        FILMS,
        [
            TOYS,
            {"title": "no id"},
            {"id": "  ", "title": "blank id"},
            {"id": "x" * 1025, "title": "long id"},
            {"id": "word", "title": "A word for a year", "year": "soon"},
            {"id": "nothing", "year": "1999"},
            {"id": "bytes", "title": "caf\udce9"},
            Reject("record 8", "the loader could not read it"),
            TOYS | {"title": "The second of its id"},
            SHARK,
        ],
        rejects,
    )
    assert counts(report)["items"] == 2
    assert report.rejected == len(rejects) == 8
    reasons = {reject.place: reject.reason for reject in rejects}
    assert reasons["record 2"] == "the id is empty (column 'id')"
    assert reasons["record 3"] == "the id is empty (column 'id')"
    assert reasons["record 4"] == "the id has 1025 bytes, the limit is 1024 (column 'id')"
    assert reasons["record 5"] == "year: 'soon' is not a number"
    assert reasons["record 6"] == "there is nothing to embed: title, genres have no value"
    assert "is not text in the source's encoding" in reasons["record 7"]
    assert reasons["record 8"] == "the loader could not read it"
    assert reasons["record 9"] == "the id 'toys' came before in this load"


def test_the_first_of_two_equal_ids_is_kept(load: Load, open_catalogue: Open) -> None:
    load(FILMS, [TOYS, TOYS | {"title": "Impostor"}])
    assert open_catalogue("films").item("toys").fields["title"] == "Living toys"


def test_an_item_that_turned_bad_stays_as_it_was(load: Load, open_catalogue: Open) -> None:
    load(FILMS, [TOYS, SHARK])
    load(FILMS, [TOYS | {"year": "soon"}, SHARK])
    assert open_catalogue("films").item("toys").fields["year"] == 1995


@pytest.mark.parametrize("records", [[], [{"title": "no id"}]])
def test_a_load_of_nothing_leaves_no_catalogue(
    load: Load, open_catalogue: Open, records: list[dict[str, str]]
) -> None:
    with pytest.raises(SourceError, match="not one of"):
        load(FILMS, records)
    with pytest.raises(UnknownCatalogue):
        open_catalogue("films")


def test_a_load_of_nothing_leaves_a_known_catalogue_alone(load: Load, open_catalogue: Open) -> None:
    load(FILMS, [TOYS])
    with pytest.raises(SourceError, match="the id is empty"):
        load(FILMS, [{"title": "no id"}])
    assert open_catalogue("films").count() == 1


def test_other_vectors_are_refused(load: Load) -> None:
    load(FILMS, [TOYS])
    for change in ({"dims": 64}, {"template": "{title}"}):
        vector = FILMS.vectors["text"].model_copy(update=change)
        other = FILMS.model_copy(update={"vectors": {"text": vector}})
        with pytest.raises(ModelMismatch, match="'text' vectors of 'films'"):
            load(other, [TOYS])


def test_other_settings_are_refused(load: Load) -> None:
    load(FILMS, [TOYS])
    fields = {name: field for name, field in FILMS.fields.items() if name != "year"}
    with pytest.raises(InvalidCatalogue, match="kept with other settings"):
        load(FILMS.model_copy(update={"fields": fields}), [TOYS])


def test_given_vectors_are_checked_at_the_door(load: Load, open_catalogue: Open) -> None:
    rejects: list[Reject] = []
    report = load(
        POINTS,
        [
            {"id": "origin-ish", "xy": [0.0, 0.1], "label": {"any": ["json", None]}},
            {"id": "text", "xy": "[1, 1]"},
            {"id": "nan", "xy": [float("nan"), 1.0]},
            {"id": "inf", "xy": [1e999, 1.0]},
            {"id": "zero", "xy": [0, 0]},
            {"id": "long", "xy": [1, 2, 3]},
            {"id": "words", "xy": ["a", "b"]},
            {"id": "none"},
        ],
        rejects,
    )
    assert (report.items, report.rejected, report.embedded) == (2, 6, 0)
    assert [reject.id for reject in rejects] == ["nan", "inf", "zero", "long", "words", "none"]
    assert rejects[3].reason == "xy: the vector has 3 numbers, the catalogue's have 2"
    [hit] = open_catalogue("points").similar("text", limit=5)
    assert hit.score == pytest.approx(1 / (1 + np.hypot(1.0, 0.9)), abs=1e-6)
    assert hit.fields == {"label": {"any": ["json", None]}}


def test_a_given_vector_that_float16_cannot_hold(load: Load) -> None:
    vector = POINTS.vectors["place"].model_copy(update={"type": "float16"})
    rejects: list[Reject] = []
    half = POINTS.model_copy(update={"vectors": {"place": vector}})
    load(half, [{"id": "near", "xy": [1, 2]}, {"id": "far", "xy": [1e5, 2]}], rejects)
    assert [(reject.id, reject.reason) for reject in rejects] == [
        ("far", "the place vector is not finite")
    ]


def test_no_vector_at_all(load: Load) -> None:
    with pytest.raises(InvalidCatalogue, match="'xy' holds no vector"):
        load(POINTS, [{"id": "a", "xy": "here"}])


def test_a_catalogue_from_a_server_of_vectors(server: Server, home: Path) -> None:
    with OpenAIServer() as remote:
        settings = Settings(home=home, **_remote(remote))
        catalogue = Catalogue.from_dict(
            {
                "name": "posts",
                "fields": {"title": {"type": "text"}},
                "vectors": {"text": {"embedder": "openai:letters", "template": "{title}"}},
            }
        )
        records = [Record(str(n), {"id": str(n), "title": "a" * n + "b"}) for n in range(1, 6)]
        rejects: list[Reject] = []
        report = sync(
            server, catalogue, records, settings, progress=Quiet(), on_reject=rejects.append
        )
        assert (report.embedded, rejects) == (5, [])
        engine = Recommender("posts", settings=settings, server=server)
        assert [hit.id for hit in engine.similar("5", limit=2)] == ["4", "3"]
        assert engine.search("aaaaab", limit=1).items[0].id == "5"


def _remote(remote: OpenAIServer) -> dict[str, Any]:
    known = remote.settings()
    return {"openai_api_key": known.openai_api_key, "openai_base_url": known.openai_base_url}


def test_progress_tells_every_stage(load: Load) -> None:
    progress = Quiet()
    load(FILMS, [TOYS, SHARK], progress=progress)
    assert list(dict.fromkeys(name for name, _, _ in progress.stages)) == [
        "embed", "read", "write", "index",
    ]  # fmt: skip
    assert progress.stages[-1] == ("index", 1.0, 1.0)


def test_what_was_written_before_a_failure_is_kept(load: Load, open_catalogue: Open) -> None:
    def breaking() -> Iterator[dict[str, str]]:
        for number in range(1500):
            yield {"id": str(number), "title": f"film number {number}"}
        raise SourceError("the disk went away")

    with pytest.raises(SourceError, match="the disk went away"):
        load(FILMS, breaking())
    rest = load(FILMS, [{"id": str(n), "title": f"film number {n}"} for n in range(1500)])
    assert (rest.unchanged, rest.new, rest.items) == (1500, 0, 1500)
    assert open_catalogue("films").similar("7", limit=3).complete


def test_the_entry_holds_the_stamp(load: Load, server: Server) -> None:
    load(FILMS, [TOYS])
    entry = catalogues.get(server.client, "films")
    assert entry.catalogue == FILMS
    assert (entry.generation, entry.stamps["text"].embedder, entry.stamps["text"].dims) == (
        1,
        "wordllama",
        256,
    )


def test_a_digest_depends_on_values_and_settings() -> None:
    plain = Converter(FILMS, {"text": 256})
    assert plain.digest_of(TOYS) == plain.digest_of(dict(reversed(TOYS.items())))
    assert plain.digest_of(TOYS) == plain.digest_of(TOYS | {"unknown column": "1"})
    assert plain.digest_of(TOYS) != plain.digest_of(TOYS | {"year": 1995})
    heavier = FILMS.fields["title"].model_copy(update={"weight": 2.0})
    other = FILMS.model_copy(update={"fields": FILMS.fields | {"title": heavier}})
    assert plain.digest_of(TOYS) != Converter(other, {"text": 256}).digest_of(TOYS)


def test_converter_names_the_field() -> None:
    with pytest.raises(RecordError, match="year: 'soon' is not a number"):
        Converter(FILMS, {"text": 256}).prepare("x", {"title": "x", "year": "soon"})


@given(st.lists(st.lists(st.text(max_size=3).map(repr), max_size=8), max_size=6))
def test_seen_ids_agree_with_a_set(batches: list[list[str]]) -> None:
    seen, known = SeenIds(), set[str]()
    for batch in batches:
        assert seen.known(batch) == [id in known for id in batch]
        seen.add(batch)
        known.update(batch)
    assert all(seen.known(list(known)))


class Picky:
    """An embedder that refuses every batch with a bad text in it; the vector is the length."""

    name, dims, batch_size = "picky", 1, 4
    is_remote, max_bytes = True, None

    def __init__(self) -> None:
        self.calls = 0

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.calls += 1
        if any("bad" in text for text in texts):
            raise TextRefused("it is bad")
        return np.array([[len(text)] for text in texts], dtype=np.float32)


def test_a_refused_text_costs_only_itself() -> None:
    texts = ["a", "bb", "bad", "cccc", "ddddd", "bad too"]
    matrix, refused = embed_all(Picky(), texts, lambda done: None)
    assert refused == {2: "was refused: it is bad", 5: "was refused: it is bad"}
    assert matrix[[0, 1, 3, 4], 0].tolist() == [1, 2, 4, 5]


def test_an_embedder_that_refuses_all_is_found_out() -> None:
    picky = Picky()
    with pytest.raises(EmbedderError, match="refused 8 texts in a row"):
        embed_all(picky, ["bad"] * 4000, lambda done: None)
    assert picky.calls < 30
