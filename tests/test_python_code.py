"""Python source: what becomes an item, under which id, and what costs only itself."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loaders import Options, load
from loaders.python_code import MAX_FILE, words
from recommender import Recommender, Settings, sync
from recommender.errors import SourceError
from recommender.inference import infer
from recommender.items import Record, Reject
from recommender.store.connection import Server

QUEUE = '''\
"""Work that waits.

Nothing here is thread-safe.
"""

import asyncio


class Queue(list):
    """A queue
    of jobs.

    Old ones first.
    """

    size = 10  # jobs

    @property
    def full(self) -> bool:
        return len(self) == self.size

    @full.setter
    def full(self, value: bool) -> None:
        raise AttributeError

    class Job:
        def run(self): ...


async def retry_with_backoff(job: Queue.Job, *, tries: int=3) -> None:
    """Try a job again, later each time."""
    # Twice as long each time.
    for number in range(tries):
        def wait():
            return 2**number
        await asyncio.sleep(wait())


@app.route("/jobs", methods=["GET"])
@cached
def jobs(): return "none"


if True:
    def late(): pass
else:
    def late(): return 1
'''

Tree = Callable[[Mapping[str, str | bytes]], str]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """``tree({"a/b.py": "..."})``: a folder called src with these files."""

    def make(files: Mapping[str, str | bytes]) -> str:
        for name, content in files.items():
            path = tmp_path / "src" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(tmp_path / "src")

    return make


def read(source: str, **options: Any) -> list[Record | Reject]:
    return list(load(source, Options(format="python", **options)))


def good(source: str, **options: Any) -> dict[str, Mapping[str, Any]]:
    """Id -> values of the records, in their order."""
    return {
        entry.values["id"]: entry.values
        for entry in read(source, **options)
        if isinstance(entry, Record)
    }


def bad(source: str, **options: Any) -> dict[str, str]:
    """Place -> reason of the rejects."""
    return {e.place: e.reason for e in read(source, **options) if isinstance(e, Reject)}


# --- what becomes a record --------------------------------------------------------------------


def test_every_definition_is_a_record_in_the_order_it_is_written(tree: Tree) -> None:
    kinds = {id: values["kind"] for id, values in good(tree({"a/queue.py": QUEUE})).items()}
    assert list(kinds.items()) == [
        ("a/queue.py", "module"),
        ("a/queue.py:Queue", "class"),
        ("a/queue.py:Queue.full", "method"),
        ("a/queue.py:Queue.full#2", "method"),
        ("a/queue.py:Queue.Job", "class"),
        ("a/queue.py:Queue.Job.run", "method"),
        ("a/queue.py:retry_with_backoff", "function"),
        ("a/queue.py:jobs", "function"),
        ("a/queue.py:late", "function"),
        ("a/queue.py:late#2", "function"),
    ]


def test_a_function(tree: Tree) -> None:
    assert good(tree({"a/queue.py": QUEUE}))["a/queue.py:retry_with_backoff"] == {
        "id": "a/queue.py:retry_with_backoff",
        "name": "retry_with_backoff",
        "words": "retry with backoff",
        "summary": "Try a job again, later each time.",
        "kind": "function",
        "path": "a/queue.py",
        "line": 30,
        "decorators": [],
        "code": {
            "signature": "async def retry_with_backoff(job: Queue.Job, *, tries: int=3) -> None",
            "docstring": "Try a job again, later each time.",
            "body": "# Twice as long each time.\n"
            "for number in range(tries):\n"
            "    def wait():\n"
            "        return 2**number\n"
            "    await asyncio.sleep(wait())",
        },
    }


def test_a_class_is_told_by_its_attributes_and_the_signatures_of_its_methods(tree: Tree) -> None:
    queue = good(tree({"queue.py": QUEUE}))["queue.py:Queue"]
    assert queue["summary"] == "A queue of jobs."
    assert queue["code"] == {
        "signature": "class Queue(list)",
        "docstring": "A queue\nof jobs.\n\nOld ones first.",
        "body": "size = 10  # jobs\n"
        "def full(self) -> bool\n"
        "def full(self, value: bool) -> None\n"
        "class Job",
    }


def test_a_module_is_a_record_if_it_says_what_it_is_for(tree: Tree) -> None:
    files = {"a/queue.py": QUEUE, "a/__init__.py": '"""All of a."""', "a/b.py": "x = 1"}
    records = good(tree(files))
    assert [id for id in records if ":" not in id] == ["a/__init__.py", "a/queue.py"]
    assert (records["a/queue.py"]["name"], records["a/__init__.py"]["name"]) == ("a.queue", "a")
    assert records["a/queue.py"]["summary"] == "Work that waits."


def test_decorators_are_labels_without_their_arguments(tree: Tree) -> None:
    records = good(tree({"q.py": QUEUE + "\n@x[0]\n@(lambda f: f)\n@a.b.c\ndef odd(): pass\n"}))
    assert records["q.py:jobs"]["decorators"] == ["app.route", "cached"]
    assert records["q.py:Queue.full#2"]["decorators"] == ["full.setter"]
    assert records["q.py:odd"]["decorators"] == ["a.b.c"]


@pytest.mark.parametrize(
    ("code", "body"),
    [
        ("def f(): return 1", "return 1"),
        ("def f(): 'doc'", ""),
        ("def f(): 'doc'; return 1", "return 1"),
        ("def f(é='ü'): a = 'ß'; return a  # so", "a = 'ß'; return a  # so"),
        ("def f():\n    # why\n\n    pass\n    # after", "pass"),
        ("def f(\n    a,\n    # why\n): pass", "pass"),
        ("def f():\n    '''# doc\n# doc'''\n    return 1", "return 1"),
        ("def f():\r\n\treturn '''a\r\nb'''\r\n", "\treturn '''a\nb'''"),
        ("def f():\f\n    return '\x0b\x1c\u2028'\n", "return '\x0b\x1c\u2028'"),
        ("def f():\n    @d\n    def g(): pass\n    return g", "@d\ndef g(): pass\nreturn g"),
    ],
)
def test_bodies_are_the_text_as_it_is_written(tree: Tree, code: str, body: str) -> None:
    assert good(tree({"m.py": code}))["m.py:f"]["code"]["body"] == body


@pytest.mark.parametrize(
    "signature",
    [
        "def f(a, /, b: int=1, *c: str, d, e=None, **g) -> dict[str, 'X']",
        "async def f()",
        "class f(Base, metaclass=Meta)",
        "class f",
        pytest.param(
            "def f[T](a: T) -> T",
            marks=pytest.mark.skipif(sys.version_info < (3, 12), reason="Python 3.12 brought it"),
        ),
    ],
)
def test_signatures(tree: Tree, signature: str) -> None:
    commented = signature.replace("(", "(  # (:\n", 1) if "(" in signature else signature
    records = good(tree({"m.py": f"@d\n{commented}:  # why:\n    x: int = 1"}))
    assert records["m.py:f"]["code"]["signature"] == signature


def test_definitions_are_found_in_every_kind_of_block(tree: Tree) -> None:
    code = """
try:
    def a(): pass
except ImportError:
    def b(): pass
else:
    def c(): pass
finally:
    def d(): pass
with x:
    def e(): pass
for i in x:
    def f(): pass
else:
    def g(): pass
while x:
    def h(): pass
match x:
    case 1:
        def i(): pass
class K:
    if x:
        def l(self): pass
    elif y:
        def m(self): pass
"""
    names = [values["name"] for values in good(tree({"m.py": code})).values()]
    assert names == [*"abcdefghi", "K", "K.l", "K.m"]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("retry_with_backoff", "retry with backoff"),
        ("retryWithBackoff", "retry with backoff"),
        ("Server.connectTo", "server connect to"),
        ("HTTPServer", "http server"),
        ("getURLs", "get urls"),
        ("__init__", "init"),
        ("x2y", "x 2 y"),
        ("größeMessen", "größe messen"),
        ("_", ""),
    ],
)
def test_words_of_a_name(name: str, told: str) -> None:
    assert words(name) == told


# --- ids --------------------------------------------------------------------------------------


def test_ids_stay_when_lines_move(tree: Tree) -> None:
    before = good(tree({"queue.py": QUEUE}))
    after = good(tree({"queue.py": QUEUE.replace("import asyncio", "import asyncio\n\nx = 1\n")}))
    assert list(before) == list(after)
    name = "queue.py:retry_with_backoff"
    assert after[name] == before[name] | {"line": before[name]["line"] + 3}


def test_names_that_python_takes_for_one_are_numbered(tree: Tree) -> None:
    code = "def ﬁle(): pass\ndef file(): pass\ndef File(): pass\n"
    assert list(good(tree({"m.py": code}))) == ["m.py:file", "m.py:file#2", "m.py:File"]


def test_a_single_file_has_its_name_as_the_path(tree: Tree, tmp_path: Path) -> None:
    path = str(Path(tree({"a/m.py": "\n\ndef f(): pass"}), "a", "m.py"))
    assert [(e.place, e.values["id"]) for e in load(path) if isinstance(e, Record)] == [
        ("m.py, line 3", "m.py:f")
    ]


# --- files ------------------------------------------------------------------------------------


def test_files_come_by_path_and_those_of_tools_do_not(tree: Tree) -> None:
    skipped = [".git/a.py", ".venv/lib/a.py", "venv/a.py", "a/__pycache__/a.py", "t.txt"]
    taken = ["a/b.py", "b.py", "a/a/z.py", "A.py"]
    source = tree(dict.fromkeys([*skipped, *taken], "def f(): pass"))
    assert list(good(source)) == [f"{name}:f" for name in sorted(taken)]


def test_globs_choose_files(tree: Tree) -> None:
    source = tree(dict.fromkeys(["a/b.py", "b.py", "a/test_b.py"], "def f(): pass"))
    assert list(good(source, globs=("a/*.py",))) == ["a/b.py:f", "a/test_b.py:f"]


def test_a_symlink_loop_ends(tree: Tree) -> None:
    source = tree({"a/b.py": "def f(): pass"})
    os.symlink(source, Path(source, "a", "again"))
    assert "a/b.py:f" in good(source)


def test_nothing_defined_is_an_error(tree: Tree, tmp_path: Path) -> None:
    source = tree({"__init__.py": "", "a.txt": "def f(): pass"})
    with pytest.raises(SourceError, match="src"):
        read(source)
    with pytest.raises(SourceError, match=r"__init__\.py"):
        read(str(Path(source, "__init__.py")))
    with pytest.raises(SourceError, match=r"gone\.py"):
        read(str(tmp_path / "gone.py"))


# --- what costs only itself -------------------------------------------------------------------

BROKEN: dict[str, tuple[bytes, str, str]] = {
    "syntax": (b"def f():\n    return (\n", ", line 2", "it is not Python: '(' was never closed"),
    "indent": (b"def f():\nx = 1", ", line 2", "it is not Python: expected an indented block"),
    "python2": (b"x = 1\nprint 'x'", ", line 2", "it is not Python: Missing parentheses"),
    "nul": (b"x = 1\0", "", "null bytes"),
    "cookie": (b"# -*- coding: uft-8 -*-\n", "", "it is not Python: unknown encoding: uft-8"),
    "latin": (b"x = 1\ny = 2\nz = '\xe9'\n", ", line 3", "it is not Python: a byte is not utf-8"),
    "latin in line 1": (b"x = '\xe9'\n", "", "it is not Python: invalid or missing encoding"),
    "no text codec": (b"# coding: rot13\nqrs s(): cnff", "", "it is not Python"),
    "parentheses": (b"(" * 10_000, "", "too many nested parentheses"),
    "minus": (b"x = " + b"-" * 10_000 + b"1", "", "it nests too deeply"),
    "default": (b"\ndef f(x=" + b"+".join([b"a"] * 900) + b"): pass", "", "it nests too deeply"),
    "digits": (b"x = " + b"9" * 5000, ", line 1", "Exceeds the limit"),
    "large": (b"#" * (MAX_FILE + 1), "", "it has more than 1,000,000 bytes"),
    "binary": (bytes(range(256)), "", "it is not Python"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_file_costs_only_itself(tree: Tree, kind: str) -> None:
    content, line, reason = BROKEN[kind]
    source = tree({"a.py": "def f(): pass", "b.py": content, "c.py": "def f(): pass"})
    [(place, said)] = bad(source).items()
    assert place.startswith(f"src/b.py{line}")
    assert reason in said
    assert list(good(source)) == ["a.py:f", "c.py:f"]


def test_an_unreadable_file_costs_only_itself(tree: Tree) -> None:
    source = tree({"a.py": "def f(): pass"})
    os.symlink("gone.py", Path(source, "b.py"))
    os.mkfifo(Path(source, "c.py"))
    Path(source, "d.py").mkdir()
    assert list(good(source)) == ["a.py:f"]


def test_warnings_of_the_code_are_not_ours_to_tell(
    tree: Tree, recwarn: pytest.WarningsRecorder
) -> None:
    source = tree({"a.py": "def f(): return '\\d' is 1 or 1if 1else 1\nassert (1, 'x')\n"})
    assert list(good(source)) == ["a.py:f"]
    assert len(recwarn) == 0


def test_the_files_own_encoding_is_kept(tree: Tree) -> None:
    source = tree(
        {
            "a.py": "# coding: latin-1\ndef f(): 'é'".encode("latin-1"),
            "b.py": "def f(): 'é'".encode("utf-8-sig"),
        }
    )
    assert [values["summary"] for values in good(source).values()] == ["é", "é"]


def test_an_encoding_for_all_files(tree: Tree) -> None:
    source = tree({"a.py": "def f(): 'é'".encode("latin-1")})
    assert good(source, encoding="latin-1")["a.py:f"]["summary"] == "é"
    with pytest.raises(SourceError, match="no text encoding 'utf-9'"):
        read(source, encoding="utf-9")


def test_a_long_elif_chain_and_a_long_sum(tree: Tree) -> None:
    chain = "if a: pass\n" + "".join(f"elif a == {n}:\n  def f(): pass\n" for n in range(60))
    assert len(good(tree({"m.py": chain}))) == 60


def test_nothing_is_read_before_it_is_asked_for(tree: Tree, tmp_path: Path) -> None:
    source = tree({"a.py": "def f(): pass", "b.py": "def f(): pass"})
    entries = load(source, Options(format="python"))
    Path(source, "a.py").write_text("def g(): pass")
    [first] = islice(entries, 1)
    Path(source, "b.py").write_text("def g(): pass")
    assert isinstance(first, Record)
    assert (first.values["name"], [e.values["name"] for e in entries if isinstance(e, Record)]) == (
        "g",
        ["g"],
    )


@given(
    st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode(errors="replace"))
)
def test_any_bytes_give_records_rejects_or_our_own_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.mktemp("any") / "m.py"
    path.write_bytes(content)
    try:
        entries = read(str(path))
    except SourceError:
        return
    assert entries


# --- as a catalogue ---------------------------------------------------------------------------


def test_our_own_source_is_read_whole() -> None:
    source = Path(__file__).parent.parent / "recommender"
    assert bad(str(source)) == {}
    lines = {
        path.relative_to(source).as_posix(): path.read_text().splitlines()
        for path in source.rglob("*.py")
    }
    for values in good(str(source)).values():
        if values["kind"] != "module":
            name = values["name"].rpartition(".")[2]
            assert name in lines[values["path"]][values["line"] - 1]


def test_search_and_similar_find_code_by_what_it_does(
    tree: Tree, server: Server, settings: Settings
) -> None:
    source = tree({"a/queue.py": QUEUE, "b.py": "def retryLater(job): pass\ndef draw(map): pass"})
    records = [entry for entry in read(source) if isinstance(entry, Record)]
    catalogue = infer(records, "code")
    assert catalogue.fields["code"].type == "stored"
    sync(server, catalogue, records, settings)
    code = Recommender("code", settings=settings, server=server)
    assert [hit.id for hit in code.search("retry with backoff", limit=2)] == [
        "a/queue.py:retry_with_backoff",
        "b.py:retryLater",
    ]
    assert code.similar("b.py:retryLater", limit=1).items[0].id == "a/queue.py:retry_with_backoff"
