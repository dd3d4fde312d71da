"""``passages: true``: a long document as several items that name it, and what loads make of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import Load, Quiet
from hypothesis import given
from hypothesis import strategies as st
from outside import Shell

from recommender import Catalogue, Record, Reject, sync
from recommender.errors import InvalidCatalogue
from recommender.spread import PASSAGE_BYTES, spread
from recommender.store import hashes
from recommender.store.connection import Server

FIELDS = {"title": {"type": "text"}, "body": {"type": "text"}, "lang": {"type": "tag"}}
VECTOR = {"template": "{title}\n{body}", "dims": 64, "index": "flat"}


def catalogue(name: str = "posts", **more: Any) -> Catalogue:
    made = {"name": name, "passages": True, "fields": FIELDS, "vectors": {"text": VECTOR}}
    return Catalogue.from_dict(made | more)


def words(count: int, word: str = "fish") -> str:
    """Sentences whose words are numbered, so that none is like another."""
    return " ".join(f"The {word} number {number} swims." for number in range(count))


def post(id: Any = "a.md", count: int = 300, **more: Any) -> dict[str, Any]:
    return {"id": id, "title": f"On {id}", "body": words(count), "lang": "en"} | more


def parts(*values: Any, made: Catalogue | None = None) -> list[Any]:
    records = [
        each if isinstance(each, Reject) else Record(f"posts, {number}", each)
        for number, each in enumerate(values, 1)
    ]
    return list(spread(records, made or catalogue()))


def stored(server: Server, name: str = "posts") -> dict[str, dict[str, str]]:
    prefix = hashes.prefix_of(name, 1)
    keys = {key for batch in hashes.scan(server.client, prefix) for key in batch}
    return {
        key.decode()[len(prefix) :]: {
            field.decode(): value.decode()
            for field, value in server.client.hgetall(key).items()
            if field in (b"title", b"body", b"lang", b"parent", b"text")
        }
        for key in keys
    }


# What becomes of a document


def test_a_long_one_becomes_several_that_name_it() -> None:
    found = parts(post())
    assert [each.values["id"] for each in found] == [f"a.md#{n}" for n in range(1, len(found) + 1)]
    assert [each.place for each in found[:2]] == ["posts, 1, passage 1", "posts, 1, passage 2"]
    assert {each.values["parent"] for each in found} == {"a.md"}
    assert {(each.values["title"], each.values["lang"]) for each in found} == {("On a.md", "en")}
    assert all(len(each.values["body"].encode()) <= PASSAGE_BYTES for each in found)
    together = " ".join(each.values["body"] for each in found)
    assert all(f"number {number} swims" in together for number in range(300))
    assert len(found) == pytest.approx(len(words(300)) / PASSAGE_BYTES, abs=2)


def test_a_short_one_stays_itself_and_is_its_own_parent() -> None:
    [only] = parts(post(count=3))
    assert (only.place, only.values["id"], only.values["parent"]) == ("posts, 1", "a.md", "a.md")
    assert only.values["body"] == words(3)


def test_the_source_is_left_as_it_was() -> None:
    given_ = post()
    before = dict(given_)
    parts(given_)
    assert given_ == before


def test_ids_of_other_types_name_themselves() -> None:
    found = parts(post(7), post(1.5), post(True, count=1))
    assert {each.values["parent"] for each in found} == {"7", "1.5", "True"}


@pytest.mark.parametrize(
    "id",
    ["", " \t", None, "half a letter \ud800", 10**5000, "x" * 1025],
    ids=["empty", "blank", "none", "half", "huge", "long"],
)
def test_a_document_without_a_good_id_is_rejected_once(load: Load, server: Server, id: Any) -> None:
    rejects: list[Reject] = []
    report = load(
        catalogue(), [post("b.md", 2), post("b.md", 2) | {"id": id, "body": words(300)}], rejects
    )
    assert (report.new, report.read, report.rejected) == (1, 2, 1)
    assert (rejects[0].place, rejects[0].id) == ("record 2", None)
    assert set(stored(server)) == {"b.md"}


def test_rejects_pass_through() -> None:
    bad = Reject("posts, 1", "no front matter", "a.md")
    assert parts(bad) == [bad]


def test_what_is_no_text_is_not_split() -> None:
    [only] = parts(post(body=["x" * 5000], title="short"))
    assert only.values["body"] == ["x" * 5000]
    [none] = parts({"id": "a"})
    assert none.values == {"id": "a", "parent": "a"}


def test_only_what_is_embedded_is_split() -> None:
    long = words(300)
    [only] = parts({"id": "a", "title": "short", "notes": long, "body": "short"})
    assert only.values["notes"] == long


def test_a_field_with_another_column() -> None:
    fields = FIELDS | {"body": {"type": "text", "column": "Body Text"}}
    found = parts({"id": "a", "title": "t", "Body Text": words(300)}, made=catalogue(fields=fields))
    assert len(found) > 2
    assert len({each.values["Body Text"] for each in found}) == len(found)


def test_the_source_has_a_parent_of_its_own(load: Load, server: Server) -> None:
    """Then the field is called so and the column otherwise, as with any other field."""
    fields = {
        "parent": {"type": "tag", "column": "of"},
        "category": {"type": "tag", "column": "parent"},
    }
    made = catalogue(fields=FIELDS | fields)
    load(made, [post(parent="animals")])
    prefix = hashes.prefix_of("posts", 1)
    assert server.client.hget(f"{prefix}a.md#1", "category") == b"animals"
    assert server.client.hget(f"{prefix}a.md#1", "parent") == b"a.md"


def test_the_field_may_not_be_something_else() -> None:
    with pytest.raises(InvalidCatalogue, match="'parent' is a tag"):
        catalogue(fields=FIELDS | {"parent": {"type": "number"}})


@given(
    st.text(alphabet=st.sampled_from("ab .\n\u00e4\u65e5\U0001f600"), max_size=9000),
    st.text(max_size=99),
)
def test_nothing_is_lost_and_nothing_is_too_long(body: str, title: str) -> None:
    found = parts({"id": "a", "title": title, "body": body})
    passages = [each.values["body"] for each in found]
    whole = ""
    for passage in passages:  # each begins in what is there, or where that ends
        overlap = next(
            n for n in range(min(len(whole), len(passage)), -1, -1) if whole.endswith(passage[:n])
        )
        whole += passage[overlap:]
    assert len(whole) <= len(body) or body == ""
    assert body.endswith(passages[-1])
    assert body.startswith(passages[0])
    assert all(passage in body for passage in passages)
    if len(found) > 1:
        assert max(len(passage.encode()) for passage in passages) <= PASSAGE_BYTES


# Loads


def test_each_passage_is_found_by_its_own_words(load: Load, open_catalogue: Any) -> None:
    body = "\n\n".join(words(60, word) for word in ("trains", "mushrooms", "violins", "glaciers"))
    load(catalogue(), [post(body=body), post("b.md", 2)])
    engine = open_catalogue("posts")
    for word in ("mushrooms", "violins", "glaciers"):
        best = engine.search(word).items[0]
        assert word in best.fields["body"]
        assert best.fields["parent"] in ("a.md", ["a.md"])
    only = engine.search("fish", where="parent=b.md")
    assert [hit.id for hit in only] == ["b.md"]


def test_the_same_again_writes_nothing(load: Load) -> None:
    first = load(catalogue(), [post(), post("b.md", 2)])
    assert first.read == first.new == first.embedded > 3
    again = load(catalogue(), [post(), post("b.md", 2)])
    assert (again.unchanged, again.written, again.embedded) == (first.new, 0, 0)


def test_a_change_costs_only_its_passages(load: Load) -> None:
    body = words(600)
    count = load(catalogue(), [post(body=body)]).new
    report = load(catalogue(), [post(body=body.replace("number 599 swims", "number 599 flies"))])
    assert (report.changed, report.embedded, report.unchanged) == (1, 1, count - 1)
    fields_only = load(catalogue(), [post(body=body, lang="de")])
    assert fields_only.changed == count
    assert fields_only.embedded == 1, "the last one's text is what it was at first"


def test_a_document_that_grows_and_shrinks(server: Server, settings: Any, load: Load) -> None:
    def prune(*values: dict[str, Any]) -> set[str]:
        records = [Record(f"posts, {n}", each) for n, each in enumerate(values, 1)]
        sync(
            server, catalogue(), records, settings, prune=True, force=True, progress=Quiet(),
            on_reject=pytest.fail,
        )  # fmt: skip
        return set(stored(server))

    assert prune(post(count=2), post("b.md", 2)) == {"a.md", "b.md"}
    long = prune(post(count=300), post("b.md", 2))
    assert long == {"b.md", *(f"a.md#{n}" for n in range(1, len(long)))}
    assert "a.md" not in long
    shorter = prune(post(count=120), post("b.md", 2))
    assert {"b.md", "a.md#1", "a.md#2"} <= shorter < long
    assert prune(post(count=2), post("b.md", 2)) == {"a.md", "b.md"}
    assert prune(post("b.md", 2)) == {"b.md"}


def test_a_document_called_like_a_passage(load: Load, server: Server) -> None:
    rejects: list[Reject] = []
    report = load(catalogue(), [post(), post("a.md#1", 2)], rejects)
    assert report.rejected == 1
    assert [(each.id, each.place) for each in rejects] == [
        ("a.md#1", f"record {2}"),
    ]
    assert stored(server)["a.md#1"]["parent"] == "a.md"


LENGTHS = [(300, 100), (100, 300), (2, 300), (300, 2), (2, 2), (300, 300)]


@pytest.mark.parametrize("skip_repeated", [False, True])
@pytest.mark.parametrize(("first", "second"), LENGTHS)
@pytest.mark.parametrize("between", [0, 1, 2000])
def test_two_documents_of_one_id_are_never_mixed(
    server: Server, settings: Any, first: int, second: int, between: int, skip_repeated: bool
) -> None:
    """As of two folders that both have an index.md."""
    others = [post(f"{number}.md", 1) for number in range(between)]
    source = [post(count=first, lang="one"), *others, post(count=second, lang="two")]
    rejects: list[Reject] = []
    report = sync(
        server, catalogue(), [Record(f"posts, {n}", each) for n, each in enumerate(source)],
        settings, skip_repeated=skip_repeated, progress=Quiet(), on_reject=rejects.append,
    )  # fmt: skip
    parts_of = [len(parts(each)) for each in (source[0], source[-1])]
    found = {id: item for id, item in stored(server).items() if item["parent"] == "a.md"}
    assert {item["lang"] for item in found.values()} == {"one"}
    assert len(found) == parts_of[0]
    assert (report.skipped, report.rejected)[:: -1 if skip_repeated else 1] == (0, parts_of[1])
    assert all("came before" in each.reason for each in rejects)


def test_a_bad_document_leaves_its_id_to_the_next(load: Load, server: Server) -> None:
    fields = FIELDS | {"year": {"type": "number"}}
    source = [post(year="soon", count=100), post(year=1, lang="two")]
    report = load(catalogue(fields=fields), source, [])
    assert report.rejected == len(parts(source[0]))
    assert {item["lang"] for item in stored(server).values()} == {"two"}
    assert len(stored(server)) == len(parts(source[1]))


def test_an_id_that_is_too_long_with_its_number(load: Load) -> None:
    rejects: list[Reject] = []
    report = load(catalogue(), [post("x" * 1023), post("b.md", 2)], rejects)
    assert (report.new, report.rejected) == (1, report.read - 1)
    assert "limit is 1024" in rejects[0].reason


def test_a_bad_field_rejects_each_passage_and_nothing_else(load: Load) -> None:
    fields = FIELDS | {"year": {"type": "number"}}
    rejects: list[Reject] = []
    report = load(catalogue(fields=fields), [post(year="soon"), post("b.md", 2, year=1)], rejects)
    assert report.new == 1
    assert {each.id for each in rejects} == {f"a.md#{n}" for n in range(1, report.read)}


def test_two_vectors_of_different_fields(load: Load, server: Server) -> None:
    vectors = {"text": VECTOR, "head": VECTOR | {"template": "{title}"}}
    load(catalogue(vectors=vectors), [post(title="short"), post("b.md", 1, title=words(300))])
    found = stored(server)
    assert {item["title"] for id, item in found.items() if id.startswith("a.md")} == {"short"}
    assert len([id for id in found if id.startswith("b.md#")]) > 2


# The command


@pytest.fixture
def shell(server: Server, home: Path, tmp_path: Path) -> Shell:
    (tmp_path / "spec.yaml").write_text(catalogue().to_yaml())
    posts = tmp_path / "posts"
    posts.mkdir()
    (posts / "long.md").write_text(f"---\nlang: en\n---\n# Long\n\n{words(300)}\n")
    (posts / "short.md").write_text("---\nlang: en\n---\n# Short\n\nA fish.\n")
    return Shell(home, tmp_path)


def test_the_command_prunes_documents_with_all_their_passages(shell: Shell, server: Server) -> None:
    args = ("load", "posts", "--spec", "spec.yaml", "--prefix", "p/", "--prune", "--json")
    first = shell.call(*args)
    assert first.code == 0, first
    ids = set(stored(server))
    assert {"p/short.md", "p/long.md#1"} <= ids
    assert {item["parent"] for item in stored(server).values()} == {"p/short.md", "p/long.md"}
    assert shell.call(*args, "--dry-run").json["unchanged"] == len(ids)
    (shell.folder / "posts" / "long.md").write_bytes(b"---\nlang: [\n---\n# Long\n")
    broken = shell.call(*args)
    assert (broken.code, broken.json["rejected"], broken.json["removed"]) == (3, 1, 0)
    assert set(stored(server)) == ids, "a document that cannot be read keeps its passages"
    (shell.folder / "posts" / "long.md").unlink()
    refused = shell.call(*args)
    assert (refused.code, "more than half" in refused.err) == (1, True)
    assert shell.call(*args, "--force").json["removed"] == len(ids) - 1
    assert set(stored(server)) == {"p/short.md"}


def test_infer_shows_passages(shell: Shell) -> None:
    done = shell.call("infer", "posts", "--spec", "spec.yaml", "--preview", "3", "--json")
    assert done.code == 0, done
    assert [each["id"] for each in done.json["preview"]] == ["long.md#1", "long.md#2", "long.md#3"]
    assert done.json["passages"] is True
    assert json.dumps(done.json)
