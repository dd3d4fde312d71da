"""Documents: a file of Markdown, HTML or text is a record, a folder of them many."""

from __future__ import annotations

import gzip
import os
import random
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from loaders import Options, load
from loaders.documents import MAX_FILE, from_name, seconds_of
from loaders.front_matter import MAX_ALIASES, MAX_FRONT
from loaders.html import page_of, text_of
from loaders.markdown import RAW, as_html, cleaned, stripped
from recommender.errors import InvalidParameter, SourceError
from recommender.inference import infer
from recommender.items import MAX_CELL, MAX_DEPTH, Record, Reject

MAY = 1714521600
"""The first of May 2024."""
POST = "---\ntitle: Red tea\ndate: 2024-05-01\ntags: [tea, red]\n---\n# Red tea\n\nIt is **hot**.\n"

Files = Callable[..., Path]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """A function that makes a folder ``posts`` of these paths and contents."""

    def make(contents: dict[str, str | bytes]) -> Path:
        for path, content in contents.items():
            file = tmp_path / "posts" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content.encode() if isinstance(content, str) else content)
        return tmp_path / "posts"

    return make


def read(source: Path, **options: Any) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """The records by id, without it; the rejects' reasons by place."""
    records, rejects = {}, {}
    for entry in load(str(source), Options(**options)):
        if isinstance(entry, Record):
            cells = dict(entry.values)
            records[cells.pop("id")] = cells
        else:
            rejects[entry.place] = entry.reason
    return records, rejects


def ids(source: Path, **options: Any) -> list[str]:
    records, rejects = read(source, **options)
    assert rejects == {}
    return list(records)


@pytest.fixture
def cells(files: Files) -> Callable[..., dict[str, Any]]:
    """A function: one file's content -> its only record, without the id."""

    def of(content: str | bytes, name: str = "red-tea.md", **options: Any) -> dict[str, Any]:
        records, rejects = read(files({name: content}) / name, **options)
        assert rejects == {}
        [found] = records.values()
        return found

    return of


@pytest.fixture
def reason(files: Files) -> Callable[..., tuple[str, str]]:
    """A function: one file's content -> the place and reason of its only reject."""

    def of(content: str | bytes, name: str = "a.md") -> tuple[str, str]:
        records, rejects = read(files({name: content}) / name)
        assert records == {}
        [found] = rejects.items()
        return found

    return of


# A folder


def test_a_folder_of_documents_in_the_order_of_their_paths(files: Files) -> None:
    posts = files(
        {
            "z.md": POST,
            "2023/b.HTML": "<title>B</title><p>b",
            "a.txt": "A\n\ntext",
            "picture.png": b"\x89PNG\0",
            "data.json": "{}",
            ".git/x.md": "no",
            ".hidden.md": "no",
            "node_modules/lib/README.md": "no",
            "env/lib/python3.12/site-packages/lib/README.md": "no",
            "_drafts/idea.md": "no",
        }
    )
    records, rejects = read(posts)
    assert rejects == {}
    assert records == {
        "2023/b.HTML": {"title": "B", "body": "b"},
        "a.txt": {"title": "A", "body": "text"},
        "z.md": {"title": "Red tea", "date": MAY, "tags": ["tea", "red"], "body": "It is hot."},
    }
    assert next(load(str(posts))).place == "posts/2023/b.HTML"


def test_a_single_file_has_its_base_name_as_id(files: Files) -> None:
    posts = files({"a/post.md": POST, "a/page.htm": "<p>x", "a/note.txt": "hi"})
    assert [ids(posts / "a" / name) for name in ("post.md", "page.htm", "note.txt")] == [
        ["post.md"],
        ["page.htm"],
        ["note.txt"],
    ]


@pytest.mark.parametrize(
    ("globs", "found"),
    [
        (("*.rst",), ["a.rst", "deep/er/c.rst"]),
        (("**/*.rst",), ["a.rst", "deep/er/c.rst"]),
        (("./*.rst",), ["a.rst"]),
        (("deep/**",), ["deep/b.md", "deep/er/c.rst"]),
        (("deep/*",), ["deep/b.md"]),
        (("?.rst", "b.*"), ["a.rst", "deep/b.md", "deep/er/c.rst"]),
        (("[!a].rst",), ["deep/er/c.rst"]),
        (("**/er/*",), ["deep/er/c.rst"]),
        ((".notes/*.md",), [".notes/n.md"]),
    ],
)
def test_globs_choose_other_files(files: Files, globs: tuple[str, ...], found: list[str]) -> None:
    names = ["a.rst", "deep/b.md", "deep/er/c.rst", ".notes/n.md", ".notes/n.rst"]
    assert ids(files(dict.fromkeys(names, "text")), globs=globs) == found


def test_a_folder_without_documents_says_what_was_looked_for(files: Files) -> None:
    posts = files({"a.pdf": b"x"})
    with pytest.raises(SourceError, match=r"no document in posts: .*\.md, .*\.txt"):
        read(posts)
    with pytest.raises(SourceError, match=r"'\*\.rst' or '\*\.org'"):
        read(posts, globs=("*.rst", "*.org"))
    with pytest.raises(InvalidParameter, match="pattern"):
        read(posts, globs=("[z-a]",))


def test_faults_of_files_are_their_own(files: Files) -> None:
    posts = files(
        {
            "empty.md": "",
            "blank.md": " \n",
            "binary.md": b"GIF89a\0\0",
            "latin.txt": b"first\nna\xefve",
            "cell.txt": "x" * (MAX_CELL + 1),
            "good.md": "good",
        }
    )
    (posts / "large.md").write_bytes(b"x" * (MAX_FILE + 1))
    (posts / "lost.md").symlink_to("nowhere")
    (posts / "itself.md").symlink_to("itself.md")
    os.mkfifo(posts / "pipe.md")
    records, rejects = read(posts)
    assert list(records) == ["good.md"]
    assert {place.removeprefix("posts/"): text[:24] for place, text in rejects.items()} == {
        "binary.md": "it holds NUL bytes: it i",
        "blank.md": "it is empty",
        "cell.txt": "cell 'body' has 1,000,00",
        "empty.md": "it is empty",
        "itself.md": "it cannot be read: Too m",
        "large.md": "it has more than 10,000,",
        "latin.txt, line 2": "it is not text in utf-8.",
        "lost.md": "it cannot be read: No su",
        "pipe.md": "it is no regular file",
    }
    found = {entry.id for entry in load(str(posts)) if isinstance(entry, Reject)}
    assert "latin.txt" in found
    assert None not in found


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_rejected(files: Files) -> None:
    posts = files({"secret.md": "x", "closed/b.md": "x", "good.md": "x"})
    (posts / "secret.md").chmod(0)
    (posts / "closed").chmod(0)
    records, rejects = read(posts)
    (posts / "closed").chmod(0o700)
    assert list(records) == ["good.md"]
    assert rejects == {
        "posts/closed": "it cannot be listed: Permission denied",
        "posts/secret.md": "it cannot be read: Permission denied",
    }


def test_a_file_that_vanishes_after_the_listing_is_rejected(files: Files) -> None:
    posts = files({"a.md": "a", "b.md": "b", "c.md": "c"})
    stream = load(str(posts))
    next(stream)
    (posts / "b.md").unlink()
    assert [(type(entry), entry.place) for entry in stream] == [
        (Reject, "posts/b.md"),
        (Record, "posts/c.md"),
    ]


def test_links_are_followed_but_no_folder_is_read_twice(files: Files, tmp_path: Path) -> None:
    posts = files({"real/a.md": "a", "real/deep/b.md": "b"})
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "o.md").write_text("o")
    (posts / "real" / "loop").symlink_to(posts)
    (posts / "real" / "deep" / "up").symlink_to("..")
    (posts / "again").symlink_to("real")
    (posts / "elsewhere").symlink_to(tmp_path / "outside")
    (posts / "one.md").symlink_to(tmp_path / "outside" / "o.md")
    assert ids(posts) == ["elsewhere/o.md", "one.md", "real/a.md", "real/deep/b.md"]


def test_a_thousand_links_between_folders_end(files: Files) -> None:
    posts = files({f"{number}/a.md": "a" for number in range(30)})
    for number in range(30):
        for other in range(30):
            (posts / f"{number}" / f"to{other}").symlink_to(posts / f"{other}")
    assert len(ids(posts)) == 30


def test_names_that_are_not_utf8_are_rejected(files: Files) -> None:
    posts = files({"good.md": "x"})
    try:
        Path(os.fsdecode(os.fsencode(posts) + b"/caf\xe9.md")).write_text("x")
        Path(os.fsdecode(os.fsencode(posts) + b"/d\xe9")).mkdir()
        Path(os.fsdecode(os.fsencode(posts) + b"/d\xe9/x.md")).write_text("x")
    except OSError:
        pytest.skip("this file system knows no such names")
    records, rejects = read(posts)
    assert list(records) == ["good.md"]
    assert list(rejects) == ["posts/caf\ufffd.md", "posts/d\ufffd/x.md"]
    assert "not UTF-8" in rejects["posts/caf\ufffd.md"]


def test_drafts_are_left_out_in_silence(files: Files) -> None:
    posts = files(
        {
            "a.md": "---\ndraft: true\n---\nx",
            "b.md": "---\npublished: false\n---\nx",
            "c.md": "+++\ndraft = true\n+++\nx",
            "d.html": "---\nDraft: yes\n---\n<p>x",
            "e.md": "---\ndraft: false\npublished: true\n---\nx",
            "f.md": "---\npublished: 2024-05-01\n---\nx",
        }
    )
    records, rejects = read(posts)
    assert rejects == {}
    assert records == {
        "e.md": {"title": "E", "body": "x"},
        "f.md": {"title": "F", "published": MAY, "body": "x"},
    }
    assert list(load(str(posts / "a.md"))) == []
    for name in ("e.md", "f.md"):
        (posts / name).unlink()
    with pytest.raises(SourceError, match="every document in posts is a draft"):
        read(posts)


def test_progress_is_the_share_of_the_files(files: Files) -> None:
    seen: list[float] = []
    posts = files({f"{number}.txt": "x" for number in range(1250)})
    assert len(ids(posts, progress=seen.append)) == 1250
    assert seen == [0.8, 1.0]


def test_memory_does_not_grow_with_the_contents(files: Files) -> None:
    posts = files({f"{number}.md": "some words " * 20_000 for number in range(50)})
    peaks = []
    for count in (1, 5, 50):  # the first is for the modules
        tracemalloc.start()
        assert sum(isinstance(found, Record) for found in load(str(posts), Options(limit=count)))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < 1.2 * peaks[1]


def test_encodings(cells: Callable[..., dict[str, Any]], files: Files) -> None:
    assert cells("hé".encode("utf-16"), "a.txt")["title"] == "hé"
    assert cells("\ufeff---\ntitle: hé\n---\n")["title"] == "hé"
    assert cells("hé".encode("cp1252"), "a.txt", encoding="cp1252")["title"] == "hé"
    assert cells("---\r\ntitle: a\r\n---\r\n# b\r\rc\r\n") == {"title": "a", "body": "b\nc"}
    for source in (files({"a.md": "x"}), files({"a.md": "x"}) / "a.md"):
        with pytest.raises(SourceError, match="no text encoding 'utf-9'"):
            read(source, encoding="utf-9")


def test_a_blog_makes_a_sensible_catalogue(files: Files) -> None:
    words = ("bread", "music", "rivers", "engines", "islands", "letters")
    posts = files(
        {
            f"{word}-{number}.md": f"---\ntitle: On {word} {number}\ndate: 2024-05-01\n"
            f"tags: [{word}]\ndraft: false\n---\nOf {word} I know {number} things."
            for word in words
            for number in range(10)
        }
    )
    records = [entry for entry in load(str(posts)) if isinstance(entry, Record)]
    catalogue = infer(records, "posts")
    assert catalogue.id == "id"
    assert {name: field.type for name, field in catalogue.fields.items()} == {
        "title": "text",
        "date": "number",
        "tags": "tag",
        "body": "text",
    }
    assert catalogue.vectors["text"].template == "{title}. {body}. {tags}"


# Front matter


def test_front_matter_becomes_cells(cells: Callable[..., dict[str, Any]]) -> None:
    yaml = """---
title: "Red: tea"   # quoted
date: 2024-05-01 02:00:00 +0200
lastmod: 2024-05-01
tags: tea, red , tea
Categories: [Drinks, 2024]
category: hot
author: {name: Ann, born: 1990-01-01}
weight: 3
---
Hello
"""
    assert cells(yaml) == {
        "title": "Red: tea",
        "date": MAY,
        "lastmod": MAY,
        "tags": ["tea", "red"],
        "Categories": ["Drinks", "2024"],
        "category": ["hot"],
        "author": {"name": "Ann", "born": 631152000},
        "weight": 3,
        "body": "Hello",
    }
    toml = (
        '+++\ntitle = "T"\ndate = 2024-05-01T00:00:00Z\ntags = ["a"]\n[more]\nx = 07:30:00\n+++\n'
    )
    assert cells(toml + "Hi") == {
        "title": "T",
        "date": MAY,
        "tags": ["a"],
        "more": {"x": "07:30:00"},
        "body": "Hi",
    }


@pytest.mark.parametrize(
    ("line", "title"),
    [
        ("title: no", "no"),
        ("title: 2024", "2024"),
        ("title: 1_000", "1_000"),
        ("title: 2024-05-01", "2024-05-01"),
        ("Title: off", "off"),
        ("title: [a, b]", "a, b"),
        ("title: ~", "Red tea"),
        ("title: ''", "Red tea"),
        ("other: 1", "Red tea"),
    ],
)
def test_a_title_is_text_as_it_was_written(
    cells: Callable[..., dict[str, Any]], line: str, title: str
) -> None:
    found = cells(f"---\n{line}\n---\ntext")
    assert found["title"] == title
    assert "Title" not in found


def test_what_only_looks_like_a_date_or_number_is_text(
    cells: Callable[..., dict[str, Any]],
) -> None:
    found = cells("---\ndate: 2024-13-45\nversion: 08\nhex: 0x_\nupdated: soon\n---\ntext")
    assert [found[name] for name in ("date", "version", "hex", "updated")] == [
        "2024-13-45",
        "08",
        "0x_",
        "soon",
    ]


def test_the_documents_own_id_and_body_win_and_nothing_is_lost(
    cells: Callable[..., dict[str, Any]], files: Files
) -> None:
    post = "---\nid: 7\nbody: from above\n---\ntext"
    assert cells(post) == {
        "title": "Red tea",
        "front_matter_id": 7,
        "front_matter_body": "from above",
        "body": "text",
    }
    assert ids(files({"a/b.md": post}) / "a") == ["b.md"]


@pytest.mark.parametrize(
    ("text", "place", "why"),
    [
        ("---\ntitle: a: b\n---\n", "a.md, line 2", "mapping values"),
        ("---\na: 1\nb: [1,\n---\n", "a.md, line 4", "broken front matter"),
        ("---\na: 1\n\tb: 1\n---\n", "a.md, line 3", "broken front matter"),
        ("---\na: *b\n---\n", "a.md, line 2", "undefined alias"),
        ("---\na: !!python/object:os.system x\n---\n", "a.md, line 2", "tag"),
        ("---\n? [a]\n: 1\n---\n", "a.md, line 2", "unhashable"),
        ("---\na: \x01\n---\n", "a.md", "control characters"),
        ("---\n- a\n- b\n---\n", "a.md, line 2", "names with values"),
        ("---\n7\n---\n", "a.md, line 2", "names with values"),
        ("+++\na = 1\nb\n+++\n", "a.md, line 3", "Expected '='"),
        ("---\na: &a [*a]\n---\n", "a.md", "nests too deeply"),
        (f"---\na: {'[' * 20_000}{']' * 20_000}\n---\n", "a.md", f"more than {MAX_DEPTH} levels"),
        (f"---\n{'- ' * 40_000}\n---\n", "a.md", f"more than {MAX_DEPTH} levels"),
        (f"+++\na = {'[' * 20_000}{']' * 20_000}\n+++\n", "a.md", "nests too deeply"),
        (f"+++\n{'a.' * 40_000}a = 1\n+++\n", "a.md", f"more than {MAX_DEPTH} levels"),
        (f"---\na: {'x' * MAX_FRONT}\n---\n", "a.md", "the limit is 100,000"),
    ],
)
def test_broken_front_matter_is_rejected_with_its_line(
    reason: Callable[..., tuple[str, str]], text: str, place: str, why: str
) -> None:
    where, found = reason(f"{text}body")
    assert where == place
    assert why in found


def test_a_yaml_bomb_is_defused(reason: Callable[..., tuple[str, str]]) -> None:
    levels = [
        f"{name}: &{name} [{', '.join([f'*{last}'] * 9)}]"
        for last, name in zip("abcdefgh", "bcdefghi", strict=True)
    ]
    bomb = "\n".join(["a: &a [x, x]", *levels])
    assert f"more than {MAX_ALIASES} aliases" in reason(f"---\n{bomb}\n---\n")[1]


def test_a_few_aliases_are_fine(cells: Callable[..., dict[str, Any]]) -> None:
    found = cells("---\na: &a {x: 1}\nb: {<<: *a, y: 2}\nc: '*'\n---\nx")
    assert found["b"] == {"x": 1, "y": 2}


@pytest.mark.parametrize(
    ("text", "title", "body"),
    [
        ("---\nSome text with no end", "Red tea", "Some text with no end"),
        ("---\nJust prose\n---\nmore", "Just prose", "more"),
        ("--- x\na: 1\n", "Red tea", "--- x a: 1"),
        ("text\n\n---\na: 1\n", "Red tea", "text\na: 1"),
        ("+++\nnever closed", "Red tea", "+++ never closed"),
        ("---\n---\nempty", "Red tea", "empty"),
    ],
)
def test_a_rule_is_no_front_matter(
    cells: Callable[..., dict[str, Any]], text: str, title: str, body: str
) -> None:
    assert cells(text) == {"title": title, "body": body}


# Markdown


def test_the_first_heading_is_the_title_and_not_repeated(
    cells: Callable[..., dict[str, Any]],
) -> None:
    assert cells("intro\n\n## Two\n\n# Red *tea*\n\nhot") == {
        "title": "Red tea",
        "body": "intro\nTwo\nhot",
    }
    assert cells("Only\n----\n\nhot") == {"title": "Only", "body": "hot"}
    assert cells("---\ntitle: Green\n---\n# Red\n\nhot") == {"title": "Green", "body": "Red\nhot"}
    assert cells("# ![logo](x.png)\n\nhot") == {"title": "Red tea", "body": "hot"}


def test_markdown_becomes_plain_text(cells: Callable[..., dict[str, Any]]) -> None:
    text = """# T

Some *emphasis*, a [link](http://x.y), `code` &amp; a <b>H</b>ello
on the next line[^1].

* one
* two

| a | b |
|---|---|
| c | d |

```python
def f():
    return "<p>"
```

<div>raw</div><script>no()</script>

[^1]: A note.
"""
    assert cells(text)["body"].split("\n") == [
        "Some emphasis, a link, code & a Hello on the next line.",
        *("one", "two", "a", "b", "c", "d"),
        *("def f():", '    return "<p>"'),
        "raw",
        "A note.",
    ]


MARKS = [
    *("# ", "## ", "\n", "\n\n", "> ", "- ", "1. ", "- [x] ", "    ", "`", "```\n", "*", "**", "_"),
    *(
        "[a](b)",
        '![i](j "k > l")',
        "&amp;",
        "&copy;",
        "&#60;b&#62;",
        "&",
        ">",
        '"',
        "\\",
        "~~",
        "|",
    ),
    *("a|b\n-|-\nc|d\n", "---\n", "===\n", "  \n", "word", "\f", "\u2028", "\xa0", "http://x.y"),
]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(st.sampled_from(MARKS), st.text(max_size=4)), max_size=25).map("".join))
def test_the_fast_way_to_text_is_the_slow_one(markdown: str) -> None:
    assume(not RAW.search(markdown) and "\0" not in markdown)  # decode refuses NUL
    html = as_html(markdown)
    for title in ("", "word"):
        (heading, fast), (same, slow) = stripped(html, title), cleaned(html, title)
        assert heading == same
        assert fast.split() == slow.split()


@pytest.mark.parametrize(
    ("name", "title", "date"),
    [
        ("2024-05-01-red-tea.md", "Red tea", MAY),
        ("a/2024-13-45-red_tea.md", "2024 13 45 red tea", None),
        ("2024-05-01-.md", "2024 05 01", None),
        ("a/red-tea/index.md", "Red tea", None),
        ("a/red-tea/_index.md", "Red tea", None),
        ("2024-05-01-red-tea/index.md", "Red tea", MAY),
        ("index.html", "Index", None),
        ("README.md", "README", None),
        ("---.md", "---.md", None),
    ],
)
def test_names_tell_title_and_date(name: str, title: str, date: int | None) -> None:
    assert from_name(name) == (title, date)


def test_a_date_in_the_name_is_the_last_resort(cells: Callable[..., dict[str, Any]]) -> None:
    assert cells("x", "2024-05-01-a.md")["date"] == MAY
    assert cells("---\ndate: 2024-05-02\n---\nx", "2024-05-01-a.md")["date"] == MAY + 86400


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2024-05-01", MAY),
        ("2024-05-01T00:00:00Z", MAY),
        ("2024-05-01T02:00:00+02:00", MAY),
        ("2024-05-01T02:00:00+0200", MAY),
        ("2024-05-01 02:00:00 +0200", MAY),
        ("2024-05-01 02:00 +0200", MAY),
        ("2024-05-01T00:00:00.000Z", MAY),
        ("Wed, 01 May 2024 00:00:00 GMT", MAY),
        ("1969-12-31", -86400),
        ("2024-13-45", None),
        ("soon", None),
        ("", None),
        ("9" * 5000, None),
    ],
)
def test_dates_in_text(text: str, seconds: int | None) -> None:
    assert seconds_of(text) == seconds


# HTML


PAGE = """<!doctype html><html><head><title>Red &amp; tea | My Blog</title>
<meta name="description" content="How to
make it"><meta property="article:tag" content="tea"><meta property="article:tag" content="red">
<meta property="article:published_time" content="2024-05-01T00:00:00Z">
<style>p {}</style></head><body><header><nav><a>Home</a></nav></header>
<main><article><h1>Red &amp; tea<a class="headerlink">#</a></h1><p><b>H</b>ello</p><p>wörld</p>
<script>var a = "<p>";</script><table><tr><td>one</td><td>two</td></tr></table>
<aside>Ad<aside hidden>vert</aside></aside>a<br>b</article></main><footer>(c)</footer>"""


def test_a_page_without_what_stands_around_it(cells: Callable[..., dict[str, Any]]) -> None:
    found = cells(PAGE, "a.html")
    assert found == {
        "title": "Red & tea",
        "description": "How to make it",
        "tags": ["tea", "red"],
        "date": MAY,
        "body": "Hello\nwörld\none\ntwo\na\nb",
    }
    assert page_of(PAGE) == found


@pytest.mark.parametrize(
    ("html", "found"),
    [
        ("", {"body": ""}),
        ("<h1>Red</h1>tea", {"title": "Red", "body": "tea"}),
        ("<title>Red tea</title><h1>Red</h1>x", {"title": "Red tea", "body": "Red\nx"}),
        ("<title>Red \u2013 Blog</title><h1>Red</h1>x", {"title": "Red", "body": "x"}),
        ("<meta property=og:title content=Red>x", {"title": "Red", "body": "x"}),
        ("<meta name=Keywords content='a, b,'>x", {"tags": ["a", "b"], "body": "x"}),
        ("<meta name=date content=soon>x", {"body": "x"}),
        (
            "<h1>Red <span><a href=#x>#</a></span></h1>x<a href=#y>y</a>",
            {"title": "Red", "body": "xy"},
        ),
        ("<title>Red | S</title><h1>S</h1><h1>Red</h1>x", {"title": "Red", "body": "S\nx"}),
        ("<main>m</main><article>a</article><article>b</article>", {"body": "m"}),
        ("<article>a</article><article>b</article>", {"body": "a\nb"}),
        ("<article></article>text", {"body": "text"}),
        ("<body hidden>x<nav>y</nav>", {"body": "x"}),
        ("<frameset><frame></frameset>", {"body": ""}),
        ("<svg><title>icon</title></svg>x", {"body": "x"}),
        ("\ud800", {"body": "?"}),
    ],
)
def test_pages(html: str, found: dict[str, Any]) -> None:
    assert page_of(html) == found


def test_the_text_of_a_piece_of_html() -> None:
    assert text_of("<p>a <i>b</i>c</p>d<ul><li>e<li>f</ul><nav>g</nav><script>h</script>") == (
        "a bc\nd\ne\nf\ng"
    )


@pytest.mark.parametrize(
    ("html", "encoding", "title"),
    [
        ("<meta charset=windows-1251><title>чай</title>", "cp1251", "чай"),
        (
            "<meta http-equiv=x content='text/html; charset=iso-8859-1'><title>“é”</title>",
            "cp1252",
            "“é”",
        ),
        ("<meta charset=unicode_escape><title>\\x é</title>", "utf-8", "\\x é"),
        ("<meta charset=nonsense><title>é</title>", "utf-8", "é"),
        ("\ufeff<meta charset=latin-1><title>é</title>", "utf-8", "é"),
    ],
)
def test_a_page_says_its_encoding(
    cells: Callable[..., dict[str, Any]], html: str, encoding: str, title: str
) -> None:
    assert cells(html.encode(encoding), "a.html")["title"] == title


def test_the_encoding_that_is_asked_for_beats_the_pages(
    cells: Callable[..., dict[str, Any]],
) -> None:
    page = "<meta charset=utf-8><title>é</title>".encode("cp1252")
    assert cells(page, "a.html", encoding="cp1252")["title"] == "é"


@pytest.mark.parametrize(
    "html",
    [
        "<div>" * 100_000,
        "<p>" + "".join(f"<b c={number}>" for number in range(1000)) + "</p>" + "<p>x</p>" * 50_000,
        f"<a {' '.join(f'b{number}' for number in range(200_000))}>",
        "".join(f"<aside hidden>{number}" for number in range(3000)),
    ],
)
def test_html_bombs_are_defused(html: str) -> None:
    assert page_of(f"<title>T</title>{html} end")["body"].endswith(("end", ""))
    assert "end" in text_of(f"{html} end")


# Text


def test_text_files(cells: Callable[..., dict[str, Any]]) -> None:
    assert cells("\n\nRed tea\n=======\n\nhot\n  tea\n", "a.txt") == {
        "title": "Red tea",
        "body": "hot\n  tea",
    }
    assert cells("Only a line", "a.txt") == {"title": "Only a line", "body": ""}
    long = "word " * 30
    assert cells(f"{long}\nmore", "red_tea.txt") == {"title": "Red tea", "body": f"{long}\nmore"}
    assert cells("<b>a</b>\n---\ntitle: x\n---\n", "a.txt")["title"] == "<b>a</b>"


def test_stdin_and_gzip(
    files: Files, cells: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cells(gzip.compress(POST.encode()), "red-tea.md.gz")["title"] == "Red tea"
    with open(files({"x": POST}) / "x") as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        [record] = load("-", Options(format="markdown"))
    assert record.place == "<stdin>"


# Anything


PIECES = [
    *(
        b"---\n",
        b"+++\n",
        b"a: ",
        b"title: ",
        b"date: 2024-05-01\n",
        b"[",
        b"{",
        b"*a",
        b"&a ",
        b"- ",
    ),
    *(
        b"# h\n",
        b"<p>",
        b"</b>",
        b"<b>",
        b"<title>",
        b"<meta charset=",
        b"\xff\xfe",
        b"\0",
        b"\n",
        b"<!--",
    ),
]


@settings(
    max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(
    name=st.sampled_from(["a.md", "a.html", "a.txt"]),
    content=st.one_of(
        st.binary(max_size=200),
        st.text(max_size=200).map(lambda text: text.encode(errors="surrogatepass")),
        st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=4)), max_size=30).map(
            b"".join
        ),
    ),
)
def test_any_bytes_are_a_record_or_a_reject(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    entries: list[Record | Reject] = []
    with suppress(SourceError):  # a draft alone, or what begins like gzip
        entries = list(load(str(tmp_path), Options(globs=(name,))))
        entries += load(str(tmp_path / name))
    for entry in entries:
        assert isinstance(entry, (Record, Reject))
        if isinstance(entry, Record):
            assert {"id", "title", "body"} <= set(entry.values)
            assert isinstance(entry.values["title"], str)
            assert entry.values["title"]
        else:
            assert entry.reason
            assert entry.id == name


def test_a_stable_order_whatever_the_order_of_making(files: Files) -> None:
    names = [
        f"{folder}/{number}.md" for folder in ("b", "a", "a-b", "a/c") for number in (2, 10, 1)
    ]
    random.Random(1).shuffle(names)
    assert ids(files(dict.fromkeys(names, "x"))) == sorted(names)
