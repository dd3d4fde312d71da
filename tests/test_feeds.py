"""Feeds and sitemaps: one post tells the same in every format, and a bad one costs only itself."""

from __future__ import annotations

import gzip
import io
import json
import tempfile
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from web_server import Site, serving

from loaders import Options, load
from loaders.markup import decoded, prolog_of
from loaders.sitemap import MAX_DEPTH, MAX_LOST
from loaders.web import MAX_BYTES
from recommender.errors import SourceError
from recommender.items import Record, Reject

ALLOWED = Options(allow_private=True)
MAY_1 = 1714557600  # 2024-05-01T10:00:00Z

Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A function that makes a file of some content and gives its path."""

    def file(name: str, content: str | bytes) -> str:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    return file


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as site:
        yield site


def cells(entry: Record | Reject) -> Mapping[str, Any]:
    assert isinstance(entry, Record), entry
    return entry.values


def split(entries: Iterator[Record | Reject]) -> tuple[list[str], list[Reject]]:
    """The ids of the records, and the rejects."""
    all = list(entries)
    rejects = [entry for entry in all if isinstance(entry, Reject)]
    return [entry.values["id"] for entry in all if isinstance(entry, Record)], rejects


def refused(source: str, options: Options | None = None) -> str:
    with pytest.raises(SourceError) as caught:
        list(load(source, options or ALLOWED))
    return str(caught.value)


# --- one post in every format -----------------------------------------------------------------

RSS_2 = """<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/"
  xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:media="http://search.yahoo.com/mrss/">
<channel>
<title>Bread at Home</title>
<link>https://bread.example/</link>
<generator>https://wordpress.org/?v=6.5</generator>
<item>
  <title>Rye &amp;amp; Sourdough</title>
  <link>https://bread.example/rye/</link>
  <dc:creator><![CDATA[Ana Björk]]></dc:creator>
  <pubDate>Wed, 01 May 2024 10:00:00 +0000</pubDate>
  <category><![CDATA[Baking]]></category>
  <category><![CDATA[Rye]]></category>
  <guid isPermaLink="false">https://bread.example/?p=7</guid>
  <description><![CDATA[Feed the starter&#8230;]]></description>
  <content:encoded><![CDATA[<p>Feed the <b>starter</b>.</p><p>Wait &amp; bake.</p>
    <script>track()</script>]]></content:encoded>
  <media:thumbnail url="https://bread.example/rye.jpg"/>
</item>
</channel></rss>"""

RSS_1 = """<?xml version="1.0"?>
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"
  xmlns:dc="http://purl.org/dc/elements/1.1/"
  xmlns:content="http://purl.org/rss/1.0/modules/content/">
<channel rdf:about="https://bread.example/rss"><title>Bread at Home</title></channel>
<item rdf:about="https://bread.example/?p=7">
  <title>Rye &amp; Sourdough</title>
  <link>https://bread.example/rye/</link>
  <dc:creator>Ana Björk</dc:creator>
  <dc:date>2024-05-01T12:00:00+02:00</dc:date>
  <dc:subject>Baking</dc:subject><dc:subject>Rye</dc:subject>
  <content:encoded>&lt;p&gt;Feed the starter.&lt;/p&gt; Wait &amp;amp; bake.</content:encoded>
</item>
</rdf:RDF>"""

ATOM = """<?xml version="1.0" encoding="utf-8"?>
<feed xmlns="http://www.w3.org/2005/Atom">
<title>Bread at Home</title>
<author><name>Ana Björk</name></author>
<entry>
  <id>https://bread.example/?p=7</id>
  <title type="html">Rye &amp;amp; &lt;i&gt;Sourdough&lt;/i&gt;</title>
  <link rel="alternate" href="https://bread.example/rye/"/>
  <link rel="enclosure" type="image/jpeg" href="https://bread.example/rye.jpg"/>
  <published>2024-05-01T10:00:00Z</published>
  <updated>2024-06-01T10:00:00Z</updated>
  <category term="Baking"/><category term="r" label="Rye"/>
  <summary>Feed the starter</summary>
  <content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"><p>Feed the <b>starter</b>.</p>
    <p>Wait &amp; bake.</p></div></content>
</entry>
</feed>"""

JSON_FEED = json.dumps(
    {
        "version": "https://jsonfeed.org/version/1.1",
        "title": "Bread at Home",
        "authors": [{"name": "Ana Björk"}],
        "items": [
            {
                "id": "https://bread.example/?p=7",
                "url": "https://bread.example/rye/",
                "title": "Rye & Sourdough",
                "content_html": "<p>Feed the <b>starter</b>.</p><p>Wait &amp; bake.</p>",
                "summary": "Feed the starter",
                "image": "https://bread.example/rye.jpg",
                "date_published": "2024-05-01T12:00:00+02:00",
                "date_modified": "2024-06-01T12:00:00+02:00",
                "tags": ["Baking", "Rye"],
            }
        ],
    }
)

POST = {
    "id": "https://bread.example/?p=7",
    "title": "Rye & Sourdough",
    "body": "Feed the starter.\nWait & bake.",
    "link": "https://bread.example/rye/",
    "author": "Ana Björk",
    "tags": ["Baking", "Rye"],
    "date": MAY_1,
    "image": "https://bread.example/rye.jpg",
}
FEEDS = {"feed.rss": RSS_2, "old.xml": RSS_1, "feed.atom": ATOM, "feed.xml": JSON_FEED}


@pytest.mark.parametrize("name", FEEDS)
def test_the_same_post(write: Write, name: str) -> None:
    [entry] = load(write(name, FEEDS[name]))
    truth = {k: v for k, v in POST.items() if name != "old.xml" or k != "image"}
    assert cells(entry) == truth
    assert entry.place == f"{name}, entry 1"


@pytest.mark.parametrize("name", FEEDS)
def test_the_same_post_by_url(site: Site, name: str) -> None:
    url = site.put("/feed", FEEDS[name], "application/xml")
    [entry] = load(url, ALLOWED)
    assert cells(entry)["title"] == POST["title"]
    assert entry.place == f"{url}, entry 1"


@pytest.mark.parametrize("name", FEEDS)
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_byte_order_marks_and_gzip(write: Write, name: str, encoding: str) -> None:
    text = FEEDS[name].replace('encoding="UTF-8"', "").replace('encoding="utf-8"', "")
    [entry] = load(write(f"{name}.gz", gzip.compress(text.encode(encoding))))
    assert cells(entry)["author"] == "Ana Björk"


def test_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    stdin = io.TextIOWrapper(io.BufferedReader(io.BytesIO(RSS_2.encode())))
    monkeypatch.setattr("sys.stdin", stdin)
    [entry] = load("-", Options(format="feed"))
    assert cells(entry) == POST
    assert entry.place == "<stdin>, entry 1"


@pytest.mark.parametrize("encoding", ["iso-8859-1", "windows-1252", "utf-16", "utf-8"])
def test_the_encoding_that_the_xml_declares(write: Write, encoding: str) -> None:
    body = RSS_2.replace("UTF-8", encoding).encode(encoding)
    [entry] = load(write("feed.xml", body))
    assert cells(entry)["author"] == "Ana Björk"


@pytest.mark.parametrize("declared", ["UTF-8", "no-such", "rot13", "punycode", "hex", "ascii"])
def test_an_encoding_that_is_not_what_it_says(write: Write, declared: str) -> None:
    body = RSS_2.replace("UTF-8", declared).encode("cp1252")
    [entry] = load(write("feed.xml", body))
    assert cells(entry)["author"] == "Ana Björk"


def test_the_encoding_that_the_server_tells(site: Site) -> None:
    body = RSS_2.replace('encoding="UTF-8"', "").encode("koi8-r", "replace")
    body = body.replace(b"Rye", "Рожь".encode("koi8-r"))
    [entry] = load(site.put("/feed", body, "text/xml; charset=koi8-r"), ALLOWED)
    assert cells(entry)["tags"] == ["Baking", "Рожь"]


def test_the_encoding_by_option(write: Write) -> None:
    body = RSS_2.replace('encoding="UTF-8"', "").encode("koi8-r", "replace")
    body = body.replace(b"Rye", "Рожь".encode("koi8-r"))
    [entry] = load(write("feed.xml", body), Options(encoding="koi8-r"))
    assert cells(entry)["tags"] == ["Baking", "Рожь"]


# --- what feeds are like ----------------------------------------------------------------------


def rss(*items: str) -> str:
    lines = "\n".join(f"<item>{item}</item>" for item in items)
    return f'<?xml version="1.0"?>\n<rss version="2.0"><channel>\n{lines}\n</channel></rss>'


def test_a_podcast(write: Write) -> None:
    episode = """<title>Episode 3: Yeast</title><guid isPermaLink="false">ep-3</guid>
        <itunes:author>Ben</itunes:author><itunes:summary>Short.</itunes:summary>
        <description>&lt;p&gt;All about yeast, at length.&lt;/p&gt;</description>
        <itunes:image href="https://p.example/3.png"/>
        <itunes:keywords>yeast, dough</itunes:keywords>
        <enclosure url="https://p.example/3.mp3" type="audio/mpeg" length="1"/>"""
    text = rss(episode).replace(
        "<rss ", '<rss xmlns:itunes="http://www.itunes.com/dtds/podcast-1.0.dtd" '
    )
    [entry] = load(write("feed.xml", text))
    assert cells(entry) == {
        "id": "ep-3",
        "title": "Episode 3: Yeast",
        "body": "All about yeast, at length.",
        "author": "Ben",
        "tags": ["yeast", "dough"],
        "image": "https://p.example/3.png",
    }


def test_a_wordpress_export(write: Write) -> None:
    def item(id: str, status: str, kind: str, password: str = "") -> str:
        return f"""<title>T</title><link>https://b.example/{id}</link>
            <guid isPermaLink="false">{id}</guid><dc:creator><![CDATA[ana]]></dc:creator>
            <content:encoded><![CDATA[<!-- wp:paragraph -->
            <p>Feed the starter.</p>
            <!-- /wp:paragraph -->]]></content:encoded>
            <wp:status><![CDATA[{status}]]></wp:status><wp:post_type>{kind}</wp:post_type>
            <wp:post_password><![CDATA[{password}]]></wp:post_password>
            <wp:comment><wp:comment_content>Nice!</wp:comment_content></wp:comment>"""

    text = rss(
        item("post", "publish", "post"),
        item("draft", "draft", "post"),
        item("private", "private", "post"),
        item("locked", "publish", "post", "sesame"),
        item("picture", "inherit", "attachment"),
        item("menu", "publish", "nav_menu_item"),
        item("product", "publish", "product"),
    )
    spaces = "".join(
        f' xmlns:{name}="http://{url}"'
        for name, url in {
            "wp": "wordpress.org/export/1.2/",
            "dc": "purl.org/dc/elements/1.1/",
            "content": "purl.org/rss/1.0/modules/content/",
        }.items()
    )
    post, product = load(write("export.xml", text.replace("<rss", f"<rss{spaces}", 1)))
    assert cells(post) == {
        "id": "post",
        "title": "T",
        "link": "https://b.example/post",
        "body": "Feed the starter.",
        "author": "ana",
    }
    assert (product.place, cells(product)["id"]) == ("export.xml, entry 7", "product")


@pytest.mark.parametrize("version", ["0.91", "0.92", "2.0"])
def test_the_link_is_the_id_where_there_is_no_guid(write: Write, version: str) -> None:
    text = rss("<title>A</title><link>https://a.example/1</link>").replace("2.0", version)
    [entry] = load(write("feed.xml", text))
    assert cells(entry) == {
        "id": "https://a.example/1", "title": "A", "link": "https://a.example/1",
    }  # fmt: skip


def test_the_doctype_of_old_feeds_is_harmless(write: Write) -> None:
    doctype = (
        '<!DOCTYPE rss PUBLIC "-//Netscape Communications//DTD RSS 0.91//EN"'
        ' "http://my.netscape.com/publish/formats/rss-0.91.dtd">\n<rss'
    )
    text = rss("<link>https://a.example/1</link>").replace("<rss", doctype, 1)
    assert split(load(write("feed.xml", text))) == (["https://a.example/1"], [])


def test_entries_without_id_and_link(write: Write) -> None:
    text = rss("<guid>a</guid>", "<title>Who?</title>", "<guid>c</guid>")
    ids, rejects = split(load(write("feed.xml", text)))
    assert ids == ["a", "c"]
    assert rejects == [Reject("feed.xml, entry 2", "it has neither an id nor a link")]


@pytest.mark.parametrize(
    ("dates", "truth"),
    [
        ("<pubDate>Wed, 01 May 2024 10:00:00 GMT</pubDate>", MAY_1),
        ("<pubDate>Wed, 01 May 2024 06:00:00 EDT</pubDate>", MAY_1),
        ("<pubDate>2024-05-01T10:00:00Z</pubDate>", MAY_1),
        ("<pubDate>yesterday</pubDate>", None),
        ("<pubDate>0000-00-00</pubDate>", None),
        ("<pubDate/>", None),
        ("", None),
    ],
)
def test_dates(write: Write, dates: str, truth: int | None) -> None:
    [entry] = load(write("feed.xml", rss(f"<guid>a</guid>{dates}")))
    assert cells(entry).get("date") == truth


def test_relative_links(site: Site) -> None:
    url = site.put("/blog/feed", rss("<guid>a</guid><link>../posts/1</link>"), "text/xml")
    [entry] = load(url, ALLOWED)
    assert cells(entry)["link"] == f"{site.url}/posts/1"


def test_an_undeclared_entity_costs_nothing(write: Write) -> None:
    """Feeds of the wild have &nbsp; and lone &: they are read leniently, and it is said once."""
    text = rss("<guid>a</guid><title>Salt&nbsp;&amp; pepper & more</title>", "<guid>b</guid>")
    ids, rejects = split(load(write("feed.xml", text)))
    assert ids == ["a", "b"]
    [reject] = rejects
    assert reject.place == "feed.xml, line 3"
    assert "undefined entity" in reject.reason


def test_a_feed_that_breaks_in_the_middle(write: Write) -> None:
    text = rss("<guid>a</guid>", "<guid>b</guid><title>B</title>", "<guid>c</guid>")
    ids, rejects = split(load(write("feed.xml", text[: text.index("</title>")])))
    assert ids == ["a", "b"]
    [reject] = rejects
    assert reject.place == "feed.xml, line 4"
    assert reject.reason.startswith("the XML breaks here (")


def test_tags_that_do_not_match(write: Write) -> None:
    text = rss("<guid>a</guid>", "<guid>b</guid><title>B</ttle>", "<guid>c</guid>")
    ids, rejects = split(load(write("feed.xml", text)))
    assert ids[0] == "a"
    assert [reject.place for reject in rejects] == ["feed.xml, line 4"]


def test_what_feedparser_stumbles_over(write: Write) -> None:
    text = rss("<guid>a</guid><title>&#99999999999;</title>")
    assert "feed.xml is broken beyond reading" in refused(write("feed.xml", text))


@given(st.data())
def test_any_damage_is_an_error_of_ours(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(list(FEEDS.values())))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        damage = st.text(max_size=3) | st.sampled_from(["<item>", "</item>", "<entry>", "<!--"])
        text = text[:at] + data.draw(damage) + text[at + data.draw(st.integers(0, 30)) :]
    with tempfile.NamedTemporaryFile(suffix=".xml") as file:
        file.write(text.encode(errors="replace"))
        file.flush()
        try:
            entries = list(load(file.name))
        except SourceError:
            entries = []
    assert all(isinstance(entry, (Record, Reject)) for entry in entries)


def test_a_cell_that_is_too_long(write: Write) -> None:
    text = rss("<guid>a</guid>", f"<guid>b</guid><title>{'x' * 1_000_001}</title>")
    ids, rejects = split(load(write("feed.xml", text)))
    assert ids == ["a"]
    assert [reject.place for reject in rejects] == ["feed.xml, entry 2"]


def test_limit(write: Write) -> None:
    text = rss(*(f"<guid>{number}</guid>" for number in range(9)))
    assert split(load(write("feed.xml", text), Options(limit=2))) == (["0", "1"], [])


def test_progress(write: Write) -> None:
    seen: list[float] = []
    list(load(write("feed.xml", RSS_2), Options(progress=seen.append)))
    assert seen[-1] == 1.0


# --- what is no feed --------------------------------------------------------------------------

PAGE = """<!doctype html><html><head><title>Bread</title>
<link rel="stylesheet" href="/style.css">
<link rel="alternate" hreflang="de" href="/de">
<link rel="alternate" type="application/{}" title="Feed" href="/feed.xml">
</head><body><p>Hello<br></body></html>"""


@pytest.mark.parametrize("kind", ["rss+xml", "atom+xml", "feed+json"])
def test_a_web_page_names_its_feed(site: Site, kind: str) -> None:
    url = site.put("/blog/", PAGE.format(kind))
    assert refused(url) == f"{url} is a web page, not a feed. Its feed is {site.url}/feed.xml"


@pytest.mark.parametrize(
    "text",
    [
        "<html><body>Hello</body></html>",
        "<!DOCTYPE HTML>\n<HTML><P>Hello",
        '\ufeff<!-- <rss> -->\n<!doctype html><html lang="en">',
        '<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><body/></html>',
    ],
)
def test_a_web_page_without_a_feed(write: Write, text: str) -> None:
    message = refused(write("feed.xml", text))
    assert message.startswith("feed.xml is a web page, not a feed. Look for its feed")


@pytest.mark.parametrize("content", [b"", b" \n", rss().encode()])
def test_empty(write: Write, content: bytes) -> None:
    assert refused(write("feed.xml", content)).startswith("feed.xml is empty")


def test_empty_by_url(site: Site) -> None:
    url = site.put("/feed", "", "text/xml")
    assert refused(url).startswith(f"{url} is empty")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<catalog><book/></catalog>", "is not a feed: its root is <catalog>"),
        ("id,title\n1,Alien\n", "is not a feed: it is no XML"),
        ("\x00\x01\x02", "is not a feed: it is no XML"),
        ('{"items": [', "is not JSON"),
        ('{"items": 3}', "is JSON but not a JSON Feed"),
        ('{"a": ' + "[" * 100_000, "is not JSON"),
    ],
)
def test_something_else(write: Write, text: str, reason: str) -> None:
    assert f"feed.xml {reason}" in refused(write("feed.xml", text))


def test_something_else_by_url(site: Site) -> None:
    message = refused(site.put("/films.csv", "id,title", "text/csv"))
    assert "is not a feed: it is no XML. Of URLs only feeds and sitemaps are read" in message


def test_a_feed_that_is_too_big(tmp_path: Path) -> None:
    path = tmp_path / "feed.xml"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    assert "feed.xml has more than 52,428,800 bytes" in refused(str(path))


def test_a_gzip_bomb(write: Write) -> None:
    path = write("feed.xml.gz", gzip.compress(bytes(MAX_BYTES + 1)))
    assert "has more than 52,428,800 bytes" in refused(path)


def test_gzip_that_is_cut_off(write: Write) -> None:
    path = write("feed.xml.gz", gzip.compress(RSS_2.encode())[:-20])
    assert "the gzip data of feed.xml.gz is cut off" in refused(path)


def test_a_feed_that_is_not_there(site: Site) -> None:
    assert refused(f"{site.url}/feed") == f"{site.url}/feed answers 404. Check the address"


def test_nothing_is_fetched_before_it_is_asked_for(site: Site) -> None:
    entries = load(site.put("/feed", RSS_2, "text/xml"), ALLOWED)
    assert site.seen == []
    next(entries)
    assert site.paths() == ["/feed"]


def test_a_private_address_needs_the_option(site: Site) -> None:
    assert "--allow-private" in refused(site.put("/feed", RSS_2), Options())


# --- JSON Feed --------------------------------------------------------------------------------


def test_json_feed_of_version_1(write: Write) -> None:
    feed = {
        "version": "https://jsonfeed.org/version/1",
        "items": [
            {"id": 7, "content_text": "a < b", "author": {"name": "Ana"}, "tags": ["x", 3]},
            {"external_url": "https://a.example/", "summary": "s", "date_modified": "2024-05-01"},
            {"title": "Who?"},
            "text",
        ],
    }
    first, second, *rejects = load(write("feed.xml", json.dumps(feed)))
    assert cells(first) == {"id": "7", "body": "a < b", "author": "Ana", "tags": ["x"]}
    assert cells(second) == {
        "id": "https://a.example/",
        "link": "https://a.example/",
        "body": "s",
        "date": 1714521600,
    }
    assert [(reject.place, reject.reason) for reject in rejects if isinstance(reject, Reject)] == [
        ("feed.xml, entry 3", "it has neither an id nor a link"),
        ("feed.xml, entry 4", "text where an object is wanted"),
    ]


@pytest.mark.parametrize("text", ["2024-05-01T10:00:00.000Z", "2024-05-01T06:00:00-04:00"])
def test_dates_of_json_feeds(write: Write, text: str) -> None:
    feed = {"items": [{"id": "a", "date_published": text}]}
    [entry] = load(write("feed.xml", json.dumps(feed)))
    assert cells(entry) == {"id": "a", "date": MAY_1}


# --- attacks ----------------------------------------------------------------------------------

LAUGHS = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
ATTACKS = {
    "billion laughs": f'<!DOCTYPE rss [<!ENTITY e0 "ha">{LAUGHS}]>',
    "quadratic": f'<!DOCTYPE rss [<!ENTITY e9 "{"x" * 100_000}">]>',
    "a file": '<!DOCTYPE rss [<!ENTITY e9 SYSTEM "file://{secret}">]>',
    "a url": '<!DOCTYPE rss [<!ENTITY e9 SYSTEM "{url}/secret">]>',
    "parameters": '<!DOCTYPE rss [<!ENTITY % p SYSTEM "{url}/dtd"> %p;]>',
    "behind a comment": f'<!-- <rss --><!DOCTYPE rss [<!ENTITY e0 "ha">{LAUGHS}]>',
    "dtd": '<!DOCTYPE rss SYSTEM "{url}/dtd">',
}


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("form", ["feed", "sitemap"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_are_harmless(
    write: Write, site: Site, attack: str, form: str, encoding: str
) -> None:
    secret = write("secret", "s3cr3t")
    site.put("/secret", "s3cr3t")
    site.put("/dtd", '<!ENTITY e9 "s3cr3t">')
    doctype = ATTACKS[attack].replace("{secret}", secret).replace("{url}", site.url)
    body = rss(f"<guid>a</guid><title>{'&e9;' * 1_000}</title>")
    path = write("feed.xml", body.replace("<rss", f"{doctype}<rss", 1).encode(encoding))
    tracemalloc.start()
    try:
        found = list(load(path, Options(format=form)))
    except SourceError:
        found = []
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 20_000_000
    assert site.seen == []
    assert "s3cr3t" not in str(found)


def test_entities_are_refused_aloud(write: Write) -> None:
    text = rss("<guid>a</guid>").replace("<rss", '<!DOCTYPE rss [<!ENTITY a "b">]><rss', 1)
    assert "declares XML entities" in refused(write("feed.xml", text))
    assert "has a DTD" in refused(write("feed.xml", text), Options(format="sitemap"))


def test_a_post_about_entities_is_a_post(write: Write) -> None:
    text = rss("<guid>a</guid><description><![CDATA[<!ENTITY a 'b'>]]></description>")
    assert split(load(write("feed.xml", text))) == (["a"], [])


@given(st.binary(max_size=300))
def test_any_bytes_are_text(body: bytes) -> None:
    prolog_of(decoded(body, None))
    prolog_of(decoded(b"<?xml version='1.0'?><rss" + body, "utf-8"))


# --- sitemaps ---------------------------------------------------------------------------------

SPACE = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'


def urlset(*urls: str, more: str = "") -> str:
    lines = "\n".join(f"<url><loc>{url}</loc>{more}</url>" for url in urls)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<urlset {SPACE}>\n{lines}\n</urlset>'


def index(*urls: str) -> str:
    lines = "\n".join(f"<sitemap><loc>{url}</loc></sitemap>" for url in urls)
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<sitemapindex {SPACE}>\n{lines}\n</sitemapindex>'
    )


def page(title: str) -> str:
    return (
        f'<html><head><title>{title}</title><meta name="description" content="About {title}">'
        f'<meta name="keywords" content="bread, {title}"></head>'
        f"<body><nav>Menu</nav><main><p>All of {title}.</p></main></body></html>"
    )


@pytest.fixture
def pages(site: Site) -> list[str]:
    """The URLs of three pages."""
    return [site.put(f"/{name}", page(name)) for name in ("rye", "spelt", "wheat")]


def test_a_sitemap(site: Site, pages: list[str]) -> None:
    text = urlset(*pages, more="<lastmod>2024-05-01T10:00:00+00:00</lastmod>")
    url = site.put("/sitemap.xml", text, "application/xml")
    first, *others = load(url, ALLOWED)
    assert cells(first) == {
        "id": pages[0],
        "title": "rye",
        "description": "About rye",
        "body": "All of rye.",
        "tags": ["bread", "rye"],
        "date": MAY_1,
    }
    assert first.place == f"{url}, entry 1"
    assert [cells(other)["id"] for other in others] == pages[1:]


@pytest.mark.parametrize("name", ["sitemap.xml", "sitemap.xml.gz"])
def test_a_sitemap_by_file(write: Write, pages: list[str], name: str) -> None:
    body = urlset(*pages).encode()
    path = write(name, gzip.compress(body) if name.endswith("gz") else body)
    assert split(load(path, ALLOWED)) == (pages, [])
    assert split(load(path, Options(format="sitemap", allow_private=True))) == (pages, [])


def test_an_index_of_sitemaps(site: Site, pages: list[str]) -> None:
    one = site.put("/a.xml", urlset(pages[0]), "text/xml")
    two = site.put("/b.xml.gz", gzip.compress(urlset(*pages[1:]).encode()), "application/gzip")
    url = site.put("/sitemap_index.xml", index(one, two, one), "text/xml")
    assert split(load(url, ALLOWED)) == (pages, [])
    assert site.paths() == [
        "/sitemap_index.xml", "/a.xml", "/rye", "/b.xml.gz", "/spelt", "/wheat",
    ]  # fmt: skip


def test_a_page_is_fetched_when_its_record_is_asked_for(site: Site, pages: list[str]) -> None:
    url = site.put("/sitemap.xml", urlset(*pages), "text/xml")
    entries = load(url, Options(allow_private=True, limit=2))
    assert site.paths() == []
    next(entries)
    assert site.paths() == ["/sitemap.xml", "/rye"]
    assert len(list(entries)) == 1
    assert site.paths() == ["/sitemap.xml", "/rye", "/spelt"]


def test_pages_that_cannot_be_had(site: Site, pages: list[str]) -> None:
    elsewhere = site.put("/elsewhere", page("else")).replace("127.0.0.1", "localhost")
    bad = {
        f"{site.url}/gone": "answers 404",
        site.put("/pdf", b"%PDF", "application/pdf"): "is application/pdf, not",
        site.put("/script", "<html><body><script>x()</script></body></html>"): "has no text",
        "ftp://127.0.0.1/x": "is not an address of the web",
        "http://other.example/x": "is on another host than its sitemap, 127.0.0.1",
        f"{site.url}/{'x' * 2_100}": "the limit is 2,048",
        site.redirect("/moved", elsewhere): f"{elsewhere} is on another host",
    }
    url = site.put("/sitemap.xml", urlset(*pages[:1], *bad, *pages[1:]), "text/xml")
    ids, rejects = split(load(url, ALLOWED))
    assert ids == pages
    assert [reject.id for reject in rejects] == list(bad)
    for reject, reason in zip(rejects, bad.values(), strict=True):
        assert reason in reject.reason
    assert [reject.place for reject in rejects] == [f"{url}, entry {n}" for n in range(2, 9)]


def test_the_charset_of_a_page(site: Site) -> None:
    one = site.put("/1", page("Käse").encode("latin-1"), "text/html; charset=iso-8859-1")
    body = page("Käse").replace("<head>", '<head><meta charset="windows-1252">')
    two = site.put("/2", body.encode("cp1252"), "text/html")
    url = site.put("/sitemap.xml", urlset(one, two), "text/xml")
    assert [cells(entry)["title"] for entry in load(url, ALLOWED)] == ["Käse", "Käse"]


def test_images_of_a_page_are_not_pages(site: Site, pages: list[str]) -> None:
    more = '<image:image xmlns:image="http://i"><image:loc>http://x/y.png</image:loc></image:image>'
    url = site.put("/sitemap.xml", urlset(*pages, more=more), "text/xml")
    assert split(load(url, ALLOWED)) == (pages, [])


def test_a_bad_sitemap_in_an_index(site: Site, pages: list[str]) -> None:
    broken = site.put("/broken.xml", urlset(pages[0], "x")[:-30], "text/xml")
    feed = site.put("/feed.xml", RSS_2, "text/xml")
    good = site.put("/good.xml", urlset(*pages[1:]), "text/xml")
    gone = f"{site.url}/gone.xml"
    url = site.put("/sitemap.xml", index(gone, broken, feed, good), "text/xml")
    ids, rejects = split(load(url, ALLOWED))
    assert ids == pages
    missed = [reject for reject in rejects if "this sitemap" in reject.reason]
    for reject, sitemap in zip(missed, (gone, broken, feed), strict=True):
        assert reject.reason.endswith(f"({sitemap})")
        assert reject.id is None, "its pages may be any items"


def test_a_sitemap_that_breaks_in_the_middle(write: Write, pages: list[str]) -> None:
    entries = load(write("sitemap.xml", urlset(*pages)[:-30]), ALLOWED)
    assert [cells(entry)["id"] for entry in islice(entries, 2)] == pages[:2]
    with pytest.raises(SourceError, match=r"sitemap.xml is not a whole sitemap: .* in line 5"):
        list(entries)


def test_sitemaps_that_nest_too_deep(site: Site, pages: list[str]) -> None:
    for depth in range(1, 6):
        site.put(f"/{depth}.xml", index(f"{site.url}/{depth + 1}.xml"), "text/xml")
    url = site.put("/sitemap.xml", index(f"{site.url}/1.xml", f"{site.url}/1.xml"), "text/xml")
    ids, [reject] = split(load(url, ALLOWED))
    assert ids == []
    assert f"the limit is 3 deep ({site.url}/{MAX_DEPTH}.xml)" in reject.reason


def test_sitemaps_that_name_each_other(site: Site, pages: list[str]) -> None:
    site.put("/b.xml", index(f"{site.url}/a.xml"), "text/xml")
    site.put("/a.xml", index(f"{site.url}/b.xml", f"{site.url}/c.xml"), "text/xml")
    site.put("/c.xml", urlset(*pages), "text/xml")
    options = Options(format="sitemap", allow_private=True)
    assert split(load(f"{site.url}/a.xml", options)) == (pages, [])


def check_it_is_left_alone(entries: Iterator[Record | Reject]) -> None:
    assert len(split(islice(entries, MAX_LOST - 1))[1]) == MAX_LOST - 1
    with pytest.raises(SourceError, match=f"{MAX_LOST} pages in a row did not come"):
        next(entries)


def test_a_site_that_goes_down(write: Write) -> None:
    with serving() as site:
        urls = [f"{site.url}/{number}" for number in range(MAX_LOST + 9)]
    check_it_is_left_alone(load(write("sitemap.xml", urlset(*urls)), ALLOWED))


@pytest.mark.parametrize("status", [429, 503])
def test_a_site_that_has_enough_of_us(site: Site, status: int) -> None:
    urls = [site.put(f"/{number}", status=status) for number in range(MAX_LOST + 9)]
    check_it_is_left_alone(load(site.put("/sitemap.xml", urlset(*urls), "text/xml"), ALLOWED))
    assert len(site.paths()) == 1 + MAX_LOST


def test_a_site_that_goes_down_below_an_index(site: Site) -> None:
    with serving() as other:
        urls = [f"{other.url}/{number}" for number in range(MAX_LOST)]
    inner = site.put("/inner.xml", urlset(*urls), "text/xml")
    outer = site.put("/sitemap.xml", index(inner), "text/xml")
    with pytest.raises(SourceError, match="did not come"):
        list(load(outer, ALLOWED))


def test_a_sitemap_that_is_too_big(write: Write) -> None:
    path = write("sitemap.xml.gz", gzip.compress(b"<urlset>" + b" " * MAX_BYTES))
    message = refused(path, Options(format="sitemap"))
    assert message.startswith("sitemap.xml.gz has more than 52,428,800 bytes")


def test_pages_that_are_gone_are_no_reason_to_stop(site: Site) -> None:
    urls = [f"{site.url}/{number}" for number in range(MAX_LOST + 9)]
    ids, rejects = split(load(site.put("/sitemap.xml", urlset(*urls), "text/xml"), ALLOWED))
    assert (ids, len(rejects)) == ([], MAX_LOST + 9)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<html><body/></html>", "is not a sitemap: its root is <html>"),
        (RSS_2, "is not a sitemap: its root is <rss>"),
        ("", "is empty"),
        (urlset(), "is empty"),
        ("id,title", "is not a whole sitemap"),
    ],
)
def test_what_is_no_sitemap(write: Write, text: str, reason: str) -> None:
    assert reason in refused(write("sitemap.xml", text), Options(format="sitemap"))


def test_50_000_urls_take_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "sitemap.xml"
    path.write_text(urlset(*(f"ftp://a.example/{number:0100}" for number in range(50_000))))
    tracemalloc.start()
    count = sum(1 for _ in load(str(path), Options(format="sitemap")))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 50_000
    assert most < 3_000_000
