"""``--prune``, ``--last-wins``, ``--dry-run``: what is removed, refused, passed over, foretold."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from conftest import Quiet
from hypothesis import HealthCheck, given
from hypothesis import settings as tuned
from hypothesis import strategies as st
from outside import Shell

from recommender import Catalogue, Record, Reject, Report, Settings, sync
from recommender.errors import PruneRefused, SourceError
from recommender.store import hashes, index
from recommender.store.connection import Server

FIELDS = {"title": {"type": "text"}, "year": {"type": "number"}}


def catalogue(name: str = "shop", **more: Any) -> Catalogue:
    vectors = {"text": {"template": "{title}", "dims": 64, "index": "flat"}}
    return Catalogue.from_dict({"name": name, "fields": FIELDS, "vectors": vectors} | more)


def row(id: str, title: str = "a red fish", year: Any = 1999) -> dict[str, Any]:
    return {"id": id, "title": title, "year": year}


def rows(*ids: str) -> list[dict[str, Any]]:
    return [row(id) for id in ids]


TEN = rows(*"abcdefghij")


class Syncs:
    """Loads of one Redis, with whatever options."""

    def __init__(self, server: Server, settings: Settings) -> None:
        self.server, self.settings = server, settings
        self.rejects: list[Reject] = []
        self.progress = Quiet()

    def __call__(
        self,
        records: Iterable[Mapping[str, Any] | Reject],
        made: Catalogue | None = None,
        **options: Any,
    ) -> Report:
        self.rejects, self.progress = [], Quiet()
        entries = (
            record if isinstance(record, Reject) else Record(f"record {number}", record)
            for number, record in enumerate(records, 1)
        )
        return sync(
            self.server, made or catalogue(), entries, self.settings,
            progress=self.progress, on_reject=self.rejects.append, **options,
        )  # fmt: skip

    def ids(self, name: str = "shop") -> set[str]:
        """The ids in Redis itself, whatever the index says."""
        prefix = hashes.prefix_of(name, 1)
        keys = {key for batch in hashes.scan(self.server.client, prefix) for key in batch}
        return {key.decode()[len(prefix) :] for key in keys}


@pytest.fixture
def syncs(server: Server, settings: Settings) -> Syncs:
    return Syncs(server, settings)


def everything(server: Server) -> dict[bytes, bytes]:
    return {key: server.client.dump(key) for key in server.client.scan_iter()}


def breaking(records: list[dict[str, Any]], after: int) -> Iterator[dict[str, Any]]:
    """A source that cannot be read on after some records."""
    yield from records[:after]
    raise SourceError("the source broke off")


# What is removed


def test_what_the_source_lost_is_removed_and_nothing_else(syncs: Syncs, server: Server) -> None:
    syncs(TEN)
    report = syncs([*TEN[:7], row("new")], prune=True)
    assert (report.removed, report.new, report.unchanged, report.items) == (3, 1, 7, 8)
    assert syncs.ids() == set("abcdefg") | {"new"}
    assert index.get_state(server.client, "shop").items == 8
    assert syncs([*TEN[:7], row("new")], prune=True).removed == 0


def test_without_the_option_nothing_is_removed(syncs: Syncs) -> None:
    syncs(TEN)
    assert syncs(TEN[:1]).removed == 0
    assert syncs.ids() == set("abcdefghij")


def test_half_is_allowed_and_more_is_not(syncs: Syncs) -> None:
    syncs(TEN)
    with pytest.raises(PruneRefused, match="lacks 6 of the 10 items of 'shop', more than half"):
        syncs(TEN[:4], prune=True)
    assert len(syncs.ids()) == 10
    assert syncs(TEN[:5], prune=True).removed == 5
    assert syncs.ids() == set("abcde")
    assert syncs(TEN[:1], prune=True, force=True).removed == 4
    assert syncs.ids() == {"a"}


def test_the_half_is_of_what_was_there_before(syncs: Syncs) -> None:
    """Ten new ids for ten old ones look like another id column, or a prefix that was forgotten."""
    syncs(TEN)
    renamed = [row(f"p/{each['id']}") for each in TEN]
    with pytest.raises(PruneRefused, match="lacks 10 of the 10 items"):
        syncs([*renamed, *rows("many", "more")], prune=True)
    assert len(syncs.ids()) == 22


def test_bad_records_of_known_ids_count_as_there(syncs: Syncs) -> None:
    syncs(TEN)
    report = syncs([*TEN[:4], row("e", year="soon")], prune=True)
    assert (report.removed, report.rejected, report.unchanged) == (5, 1, 4)
    assert syncs.ids() == set("abcde")


def test_after_a_refusal_all_else_is_done_and_indexed(
    syncs: Syncs, server: Server, open_catalogue: Any
) -> None:
    syncs(TEN)
    with pytest.raises(PruneRefused):
        syncs([row("a", "an old cloud"), row("k", "a new kite")], prune=True)
    engine = open_catalogue("shop")
    assert engine.item("a").fields["title"] == "an old cloud"
    assert engine.similar("k").requested
    assert index.get_state(server.client, "shop").items == 11


@pytest.mark.parametrize(
    "bad",
    [
        {"id": "c", "title": "x", "year": "soon"},
        {"id": "c", "title": "", "year": 1},
        Reject("record 3", "the cell is too long", "c"),
    ],
    ids=["field", "text", "loader"],
)
def test_a_bad_record_keeps_its_old_item(syncs: Syncs, server: Server, bad: Any) -> None:
    syncs(TEN)
    before = everything(server)
    report = syncs([*TEN[:2], bad, *TEN[3:9]], prune=True)
    assert (report.removed, report.rejected) == (1, 1)
    after = everything(server)
    assert set(before) - set(after) == {b"shop:1:item:j"}
    assert after[b"shop:1:item:c"] == before[b"shop:1:item:c"]


@pytest.mark.parametrize(
    "bad",
    [{"id": " ", "title": "x"}, {"title": "x"}, {"id": "l" * 1025}, Reject("record 3", "?")],
    ids=["blank", "none", "long", "loader"],
)
def test_a_record_without_an_id_may_be_any(syncs: Syncs, bad: Any) -> None:
    syncs(TEN)
    with pytest.raises(PruneRefused, match="1 records could not be read, and one of them may be"):
        syncs([*TEN[:9], bad], prune=True)
    assert len(syncs.ids()) == 10
    assert syncs([*TEN, bad], prune=True).removed == 0, "nothing is missing, so nothing is asked"
    assert syncs([*TEN[:9], bad], prune=True, force=True).removed == 1


@pytest.mark.parametrize("after", [0, 3, 1500])
def test_a_source_that_breaks_off_prunes_nothing(syncs: Syncs, after: int) -> None:
    many = [row(str(number)) for number in range(2000)]
    syncs(many)
    with pytest.raises(SourceError, match="broke off"):
        syncs(breaking(many, after), prune=True, force=True)
    assert len(syncs.ids()) == 2000


@pytest.mark.parametrize("source", [[], [row("a", title="")], [Reject("line 1", "broken")]])
def test_a_source_without_a_good_record_prunes_nothing(syncs: Syncs, source: list[Any]) -> None:
    syncs(TEN)
    with pytest.raises(SourceError):
        syncs(source, prune=True, force=True)
    assert len(syncs.ids()) == 10


def test_what_gets_no_vector_is_not_lost(syncs: Syncs) -> None:
    """Whether a vector is any good is seen when all else about the record is."""
    vector = {"embedder": "given", "column": "v", "dims": 2, "index": "flat"}
    made = Catalogue.from_dict({"name": "shop", "vectors": {"v": vector}})
    source = [{"id": id, "v": [1, number]} for number, id in enumerate("abcdefghij")]
    syncs(source, made)
    report = syncs([*source[:8], {"id": "i", "v": [0, 0]}], made, prune=True)
    assert (report.rejected, report.removed) == (1, 1)
    assert syncs.ids() == set("abcdefghi")


def test_a_prune_of_many(syncs: Syncs, server: Server) -> None:
    many = [row(str(number), year=number) for number in range(3500)]
    syncs(many)
    report = syncs(many[::2], prune=True)
    assert (report.removed, report.items) == (1750, 1750)
    assert syncs.ids() == {each["id"] for each in many[::2]}


# Whose they are

NFC, NFD = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
ODD = [
    NFC, NFD, "a", "A", "a ", "a:1", "a:1:item:a", "a*", "*", "[a-z]", "[", "a?", "?", "\\*", "a\\",
    "1:item:a", "日本", "\u202ea", "a\nb", "a\r\n*1\r\n", "'", '"', "{a}", "ß", "SS",
]  # fmt: skip


def test_odd_ids_are_all_kept_apart(syncs: Syncs, server: Server) -> None:
    report = syncs([row(id, year=number) for number, id in enumerate(ODD)])
    assert (report.new, report.rejected) == (len(ODD), 0)
    assert syncs.ids() == set(ODD)
    for id in ODD:
        others = [row(other, year=number) for number, other in enumerate(ODD) if other != id]
        assert syncs(others, prune=True).removed == 1
        assert syncs.ids() == set(ODD) - {id}
        assert syncs([*others, row(id, year=ODD.index(id))], prune=True).new == 1


@tuned(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_what_stays_is_what_the_last_source_names(syncs: Syncs, data: st.DataObject) -> None:
    syncs.server.client.flushall()
    ids = st.lists(st.sampled_from(ODD), min_size=1, unique=True)
    first, second = data.draw(ids), data.draw(ids)
    syncs(rows(*first))
    lost = len(set(first) - set(second))
    try:
        report = syncs(rows(*second), prune=True)
    except PruneRefused:
        assert 2 * lost > len(first)
        report = syncs(rows(*second), prune=True, force=True)
    else:
        assert 2 * lost <= len(first)
    assert report.removed == lost
    assert syncs.ids() == set(second)


def test_catalogues_with_similar_names_never_touch_each_other(syncs: Syncs, server: Server) -> None:
    names = ["shop", "shop-2", "sho", "shop_1", "SHOP", "shop-1-item", "embeddings"]
    for name in names:
        syncs([*TEN, *rows("1:item:a", "shop-2:1:item:a")], catalogue(name))
    # Keys of other programs, and of other generations.
    for key in ("shop", "shop:2:item:a", "shop:1:items:a", "xshop:1:item:a", "shop:1:item"):
        server.client.set(key, "not ours")
    before = everything(server)
    assert syncs(TEN[:6], prune=True).removed == 6
    after = everything(server)
    assert set(before) - set(after) == {
        f"shop:1:item:{id}".encode() for id in (*"ghij", "1:item:a", "shop-2:1:item:a")
    }
    assert after.pop(b"recommender:shop") != before[b"recommender:shop"], "it tells of the write"
    assert {key: after[key] for key in after} == {key: before[key] for key in after}


def test_a_passage_whose_document_cannot_be_read_is_not_lost(syncs: Syncs) -> None:
    made = catalogue(passages=True)
    long = row("long.md", "A red fish swims. " * 300)
    syncs([long, *TEN], made)
    passages = {id for id in syncs.ids() if id.startswith("long.md#")}
    assert len(passages) > 2
    report = syncs(
        [Reject("long.md", "its front matter is broken", "long.md"), *TEN], made, prune=True
    )
    assert (report.removed, report.rejected) == (0, 1)
    assert passages <= syncs.ids()
    assert syncs(TEN, made, prune=True).removed == len(passages)


# Ids that come twice


def test_the_first_counts_and_the_others_are_passed_over(syncs: Syncs) -> None:
    source = [row("a", "first"), row("b"), row("a", "second"), *rows("b", "c", "a")]
    report = syncs(source, skip_repeated=True)
    assert (report.new, report.skipped, report.rejected, report.read) == (3, 3, 0, 6)
    again = syncs(source, skip_repeated=True, prune=True)
    assert (again.unchanged, again.skipped, again.written, again.embedded) == (3, 3, 0, 0)
    assert again.removed == 0


def test_the_same_ids_in_other_batches(syncs: Syncs) -> None:
    source = [row(str(number % 1500), year=number) for number in range(3500)]
    report = syncs(source, skip_repeated=True)
    assert (report.new, report.skipped, report.rejected, report.items) == (1500, 2000, 0, 1500)
    again = syncs(source, skip_repeated=True)
    assert (again.unchanged, again.skipped, again.written) == (1500, 2000, 0)


def test_without_the_option_they_are_rejected(syncs: Syncs) -> None:
    report = syncs([*rows("a", "b"), row("a", "second")])
    assert (report.new, report.skipped, report.rejected) == (2, 0, 1)
    assert [(each.place, each.id) for each in syncs.rejects] == [("record 3", "a")]
    assert "came before" in syncs.rejects[0].reason


def test_a_bad_record_leaves_its_id_to_the_next(syncs: Syncs) -> None:
    report = syncs([row("a", year="soon"), row("a", "good")], skip_repeated=True)
    assert (report.new, report.skipped, report.rejected) == (1, 0, 1)


# Dry runs


def writing_commands(server: Server) -> set[str]:
    """Those commands that were given since the statistics were reset and may write."""
    used = [name.removeprefix("cmdstat_") for name in server.client.info("commandstats")]
    known = server.client.execute_command("COMMAND", "INFO", *used)
    return {name for name, about in known.items() if "write" in about["flags"]}


@pytest.mark.parametrize("known", [False, True])
def test_a_dry_run_writes_nothing(syncs: Syncs, server: Server, known: bool) -> None:
    if known:
        syncs(TEN)
    before = everything(server)
    server.client.config_resetstat()
    many = [row(str(number)) for number in range(1200)]
    syncs([*TEN[:8], *many, row("bad", year="soon")], dry_run=True, prune=True)
    assert writing_commands(server) == set(), "not even the lock"
    assert everything(server) == before


MIXED = [
    *TEN[:6],
    row("g", "changed text"),
    row("h", year=2001),
    *rows("new", "newer"),
    row("bad", year="soon"),
    row("b", "again"),
    Reject("line 9", "broken", "i"),
]


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("skip_repeated", [False, True])
def test_a_dry_run_foretells_the_load(syncs: Syncs, known: bool, skip_repeated: bool) -> None:
    if known:
        syncs(TEN)
    options = {"prune": True, "skip_repeated": skip_repeated}
    foretold, told = syncs(MIXED, dry_run=True, **options), syncs.rejects
    done = syncs(MIXED, **options)
    names = "catalogue generation read new changed unchanged skipped rejected removed embedded"
    for name in names.split():
        assert getattr(foretold, name) == getattr(done, name), name
    assert told == syncs.rejects
    assert (foretold.dry_run, done.dry_run) == (True, False)
    assert foretold.items == (10 if known else 0)
    assert done.removed == (1 if known else 0)


def test_a_dry_run_foretells_bad_given_vectors(syncs: Syncs) -> None:
    vector = {"embedder": "given", "column": "v", "dims": 2, "index": "flat"}
    made = Catalogue.from_dict({"name": "given", "vectors": {"v": vector}})
    bad: list[Any] = [[0, 0], [float("nan"), 1], [1, float("inf")], [1], "x", None, 3]
    source = [{"id": str(number), "v": each} for number, each in enumerate([*bad, [1, 1], [0, 2]])]
    foretold = syncs(source, made, dry_run=True)
    done = syncs(source, made)
    assert (done.new, done.rejected) == (2, 7)
    assert (foretold.new, foretold.rejected) == (2, 7)


def test_a_dry_run_of_nothing_good(syncs: Syncs) -> None:
    with pytest.raises(SourceError, match="not one of 2 records"):
        syncs([row("a", ""), row("b", "")], dry_run=True)


def test_a_dry_run_says_what_would_be_refused(syncs: Syncs) -> None:
    syncs(TEN)
    report = syncs(TEN[:3], dry_run=True, prune=True)
    assert (report.removed, report.items) == (0, 10), "as in the load itself"
    assert any("would be refused" in note for note in syncs.progress.notes)
    assert syncs(TEN[:3], dry_run=True, prune=True, force=True).removed == 7
    assert not any("would be refused" in note for note in syncs.progress.notes)


# The command


@pytest.fixture
def shell(server: Server, home: Path, tmp_path: Path) -> Shell:
    return Shell(home, tmp_path)


def write(shell: Shell, name: str, records: Iterable[Mapping[str, Any]]) -> str:
    (shell.folder / name).write_text("".join(json.dumps(each) + "\n" for each in records))
    return name


@pytest.fixture
def spec(shell: Shell) -> str:
    (shell.folder / "shop.yaml").write_text(catalogue().to_yaml())
    return "shop.yaml"


def test_the_command_prunes(shell: Shell, spec: str, syncs: Syncs) -> None:
    file = write(shell, "shop.ndjson", TEN)
    assert shell.call("load", file, "--spec", spec, "--prune").code == 0
    write(shell, file, TEN[:5])
    done = shell.call("load", file, "--prune", "--json")
    assert (done.code, done.json["removed"], done.json["items"]) == (0, 5, 5)
    write(shell, file, [*TEN[:2], row("k")])
    refused = shell.run("load", file, "--prune")
    assert (refused.code, refused.out) == (1, "")
    assert "lacks 3 of the 5 items of 'shop', more than half" in refused.err
    assert "--prune --force" in refused.err
    assert syncs.ids() == set("abcdek"), "all else is done"
    forced = shell.call("load", file, "--prune", "--force")
    assert (forced.code, "3 items (0 new, 0 changed, 3 unchanged, 3 removed" in forced.out) == (
        0,
        True,
    )


def test_rejects_do_not_hide_a_prune(shell: Shell, spec: str, syncs: Syncs) -> None:
    file = write(shell, "shop.ndjson", TEN)
    shell.call("load", file, "--spec", spec)
    (shell.folder / file).write_text(
        "".join(json.dumps(each) + "\n" for each in [*TEN[:8], row("i", year="soon")])
    )
    done = shell.call("load", file, "--prune", "--json")
    assert (done.code, done.json["removed"], done.json["rejected"]) == (3, 1, 1)
    (shell.folder / file).write_text(json.dumps(TEN[0]) + "\n{broken\n")
    refused = shell.call("load", file, "--prune")
    assert refused.code == 1
    assert "shop.ndjson, line 2" in refused.err


def test_force_is_for_prune(shell: Shell) -> None:
    done = shell.call("load", "shop.ndjson", "--force")
    assert (done.code, "--prune" in done.err) == (2, True)


def test_what_a_limit_leaves_out_is_not_gone(shell: Shell, spec: str, syncs: Syncs) -> None:
    file = write(shell, "shop.ndjson", TEN)
    shell.call("load", file, "--spec", spec)
    done = shell.call("load", file, "--prune", "--limit", "6")
    assert (done.code, "--limit" in done.err) == (2, True), done
    assert len(syncs.ids()) == 10


def test_a_prefix_keeps_sources_apart(shell: Shell, spec: str, syncs: Syncs) -> None:
    file = write(shell, "shop.ndjson", TEN)
    shell.call("load", file, "--spec", spec, "--prefix", "p/")
    assert syncs.ids() == {f"p/{each['id']}" for each in TEN}
    write(shell, file, [*TEN[:8], row("i", year="soon")])
    done = shell.call("load", file, "--prefix", "p/", "--prune", "--json")
    assert (done.code, done.json["removed"], done.json["unchanged"]) == (3, 1, 8)
    assert syncs.ids() == {f"p/{id}" for id in "abcdefghi"}
    forgotten = shell.call("load", file, "--prune")
    assert (forgotten.code, "more than half" in forgotten.err) == (1, True)


def test_several_sources_are_one(shell: Shell, spec: str, syncs: Syncs) -> None:
    one, two = write(shell, "one.ndjson", TEN[:5]), write(shell, "two.ndjson", TEN[5:])
    assert shell.call("load", one, two, "--spec", spec).code == 0
    assert (
        shell.call("load", one, two, "--catalogue", "shop", "--prune", "--json").json["removed"]
        == 0
    )
    write(shell, two, [])
    done = shell.call("load", one, two, "--catalogue", "shop", "--prune")
    assert (done.code, "two.ndjson is empty" in done.err) == (1, True)
    assert len(syncs.ids()) == 10, "an empty source is a broken one"
    gone = shell.call("load", one, "missing.ndjson", "--catalogue", "shop", "--prune")
    assert (gone.code, len(syncs.ids())) == (1, 10)


def test_the_same_id_in_two_sources(shell: Shell, spec: str, open_catalogue: Any) -> None:
    one = write(
        shell, "one.ndjson", [row("a", "one a"), row("b", "one b"), row("a", "one a again")]
    )
    two = write(
        shell, "two.ndjson", [row("b", "two b"), row("c", "two c"), row("c", "two c again")]
    )
    done = shell.call("load", one, two, "--spec", spec, "--json")
    assert (done.code, done.json["new"], done.json["rejected"]) == (3, 3, 3)
    assert "Rejected: two.ndjson, line 1: the id 'b' came before" in done.err
    assert open_catalogue("shop").item("b").fields["title"] == "one b"
    last = shell.call("load", one, two, "--catalogue", "shop", "--last-wins", "--json")
    assert last.code == 0
    told = {name: last.json[name] for name in ("changed", "unchanged", "skipped", "rejected")}
    assert told == {"changed": 1, "unchanged": 2, "skipped": 3, "rejected": 0}
    titles = {id: open_catalogue("shop").item(id).fields["title"] for id in "abc"}
    assert titles == {"a": "one a", "b": "two b", "c": "two c"}
    again = shell.call("load", one, two, "--catalogue", "shop", "--last-wins", "--prune")
    assert again.code == 0
    assert "(0 new, 0 changed, 3 unchanged, 3 passed over, 0 rejected; 0 embedded)" in again.out


def test_a_dry_run_of_the_command(shell: Shell, spec: str, server: Server) -> None:
    file = write(shell, "shop.ndjson", TEN)
    before = everything(server)
    done = shell.call("load", file, "--spec", spec, "--dry-run")
    assert (done.code, everything(server)) == (0, before)
    assert done.out.endswith("10 to embed). Nothing was done: --dry-run\n")
    shell.call("load", file, "--spec", spec)
    before = everything(server)
    write(shell, file, [*TEN[:3], row("d", year="soon")])
    done = shell.call("load", file, "--prune", "--dry-run", "--json")
    assert (done.code, done.json["removed"], done.json["rejected"]) == (3, 0, 1)
    free = {"texts": 0, "tokens": 0, "dollars": 0.0, "exact": True}  # made on this machine
    assert (done.json["dry_run"], done.json["cost"]) == (True, free)
    assert "would be refused" in done.err
    assert everything(server) == before


def test_a_prefix_keeps_what_lies_under_another_one(shell: Shell, spec: str) -> None:
    file = write(shell, "shop.ndjson", TEN)
    for prefix in ("a/", "b/"):
        assert shell.call("load", file, "--spec", spec, "--prefix", prefix).code == 0
    write(shell, file, TEN[:6])
    done = shell.call("load", file, "--prefix", "b/", "--prune", "--json")
    assert (done.code, done.json["removed"], done.json["items"]) == (0, 4, 16)
    write(shell, file, TEN[:1])
    done = shell.call("load", file, "--prefix", "b/", "--prune")
    assert (done.code, "5 of the 6 items" in done.err) == (1, True)


def test_what_came_before_a_source_broke_off_is_loaded(shell: Shell, spec: str) -> None:
    (shell.folder / "cut.json").write_text(json.dumps(TEN)[:-40])
    done = shell.call("load", "cut.json", "--catalogue", "cut")
    assert (done.code, "is not JSON after record 9" in done.err) == (1, True)
    assert shell.call("info", "cut", "--json").json["items"] == 9
