"""Fetching: what is bounded is bounded, and no private address is ever connected to."""

from __future__ import annotations

import gzip
import re
import shutil
import ssl
import subprocess
import threading
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from web_server import Site, serving

from loaders import Options
from loaders.guard import addresses_of, is_lasting, is_public
from loaders.urls import shown
from loaders.web import Limits, Unreachable, Web, fetch
from recommender.errors import SourceError

ALLOWED = Options(allow_private=True)
SHORT = Limits(silence=5, total=0.5, size=100_000)


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as site:
        yield site


def here(address: str) -> bool:
    """A rule under which the test's own server passes for public, and nothing else does."""
    return address == "127.0.0.1"


def lookup(*answers: Sequence[str]) -> Callable[[str, int], Sequence[str]]:
    """A resolver for ``*.example`` that gives one answer after the other."""
    left = iter(answers)
    return lambda host, port: next(left) if host.endswith(".example") else [host]


@contextmanager
def peak() -> Iterator[Callable[[], int]]:
    """The most bytes that Python held at once since the beginning."""
    tracemalloc.start()
    try:
        yield lambda: tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def refused(url: str, limits: Limits | None = None, options: Options = ALLOWED) -> SourceError:
    with Web(options, limits=limits) as web, pytest.raises(SourceError) as caught:
        web.fetch(url)
    return caught.value


def check(web: Web, url: str, message: str) -> None:
    with pytest.raises(SourceError, match=re.escape(message)):
        web.fetch(url)


# --- what comes back --------------------------------------------------------------------------


def test_a_page(site: Site) -> None:
    fetched = fetch(site.put("/a", "héllo", "Text/HTML; Charset=UTF-8"), ALLOWED)
    assert fetched.body.decode() == "héllo"
    assert (fetched.url, fetched.content_type, fetched.charset) == (
        f"{site.url}/a", "text/html", "utf-8",
    )  # fmt: skip


def test_a_page_without_a_type(site: Site) -> None:
    fetched = fetch(site.put("/a", "x", ""), ALLOWED)
    assert (fetched.content_type, fetched.charset) == ("", None)


def test_who_asks_and_for_what(site: Site) -> None:
    fetch(site.put("/%C3%A4%20b?q=1", "x").replace("%C3%A4%20", "ä "), ALLOWED)
    [(path, headers)] = site.seen
    assert path == "/%C3%A4%20b?q=1"
    assert headers["Host"] == site.url.removeprefix("http://")
    assert headers["User-Agent"].startswith("recommender/0")
    assert headers["Authorization"] is None


@pytest.mark.parametrize("status", [401, 403, 404, 410, 429, 500, 503, 304])
def test_no_page(site: Site, status: int) -> None:
    error = refused(site.put("/a?b=c", status=status))
    assert error.message == f"{site.url}/a?b=c answers {status}"
    assert error.remedy


def test_only_the_types_that_are_wanted(site: Site) -> None:
    url = site.put("/a", b"%PDF", "application/pdf")
    with Web(ALLOWED) as web, pytest.raises(SourceError, match="is application/pdf, not text/html"):
        web.fetch(url, types=["text/html"])


def test_a_connection_serves_again(site: Site) -> None:
    ports = set()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        ports.add(handler.client_address[1])
        handler.send_response(200)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    site.answers["/a"] = answer
    with Web(ALLOWED) as web:
        for _ in range(3):
            web.fetch(f"{site.url}/a")
    assert len(ports) == 1


def test_a_server_that_is_not_there() -> None:
    with serving() as site:
        url = site.url
    assert isinstance(refused(url), Unreachable)
    assert "does not answer" in str(refused(url))


def test_a_host_that_is_not_there() -> None:
    error = refused("http://user:secret@nobody.invalid/feed")
    assert str(error) == (
        "http://nobody.invalid/feed: there is no host 'nobody.invalid'. Check the address"
    )


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/a", "file:///etc/passwd", "http://", "http:///a", "https://exa mple:b/",
        "http://h:0/", "http://h:65536/", "http://h\n/", "//example.com/", "gopher://x", "http://h/\udc80",
    ],
)  # fmt: skip
def test_what_is_no_address_of_the_web(url: str) -> None:
    assert "is not an address" in str(refused(url)) or "has the port" in str(refused(url))


@given(st.text(max_size=40))
def test_any_text_is_an_error_of_ours(text: str) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # the system's takes a while
    with Web(Options(), resolve=lambda host, port: ["10.0.0.1"], tls=tls) as web:
        with pytest.raises(SourceError):
            web.fetch(text)
        with pytest.raises(SourceError):
            web.fetch(f"http://{text}")


# --- redirects --------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("location", ["b", "/b", "//{host}/b", "http://{host}/b#there"])
def test_redirect(site: Site, status: int, location: str) -> None:
    host = site.url.removeprefix("http://")
    site.put("/b", "here")
    fetched = fetch(site.redirect("/a", location.format(host=host), status), ALLOWED)
    assert (fetched.body, fetched.url) == (b"here", f"{site.url}/b")


def test_five_redirects_and_no_more(site: Site) -> None:
    site.put("/0", "here")
    for number in range(1, 7):
        site.redirect(f"/{number}", f"/{number - 1}")
    assert fetch(f"{site.url}/5", ALLOWED).body == b"here"
    assert refused(f"{site.url}/6").message == f"{site.url}/6 redirects more than 5 times"


def test_a_loop_of_redirects(site: Site) -> None:
    site.redirect("/b", "/a")
    assert "more than 5 times" in str(refused(site.redirect("/a", "/b")))
    assert len(site.seen) == 6


@pytest.mark.parametrize(
    "location", ["ftp://example.com/", "file:///etc/passwd", "http://h:x", "x:"]
)
def test_a_redirect_to_something_else(site: Site, location: str) -> None:
    error = refused(site.redirect("/a", location))
    assert f"{site.url}/a redirects to a bad address" in str(error)


def test_a_redirect_to_a_private_address_is_refused(site: Site) -> None:
    url = site.redirect("/a", "http://inside.example/secrets")
    with Web(Options(), rule=here, resolve=lookup(["10.1.2.3"])) as web:
        check(web, url, "http://inside.example/secrets leads to 10.1.2.3")


# --- logins -----------------------------------------------------------------------------------


def test_a_login_stays_with_its_server(site: Site) -> None:
    with serving() as other:
        other.put("/c", "there")
        site.redirect("/b", f"{other.url}/c")
        url = site.redirect("/a", "/b").replace("//", "//us%20er:pa%3Ass@")
        assert fetch(url, ALLOWED).url == f"{other.url}/c"
        assert [headers["Authorization"] for _, headers in site.seen] == [
            "Basic dXMgZXI6cGE6c3M=", "Basic dXMgZXI6cGE6c3M=",
        ]  # fmt: skip
        assert [headers["Authorization"] for _, headers in other.seen] == [None]


def test_no_login_from_a_redirect(site: Site) -> None:
    with serving() as other:
        other.put("/b", "there")
        fetch(site.redirect("/a", other.url.replace("//", "//u:p@") + "/b"), ALLOWED)
        assert other.seen[0][1]["Authorization"] is None


@pytest.mark.parametrize(
    ("url", "answer"),
    [
        ("http://u:secret@h/a?b#c", "http://h/a?b"),
        ("http://u:sec@ret@h/a", "http://h/a"),
        ("http://h/@a", "http://h/@a"),
    ],
)
def test_no_message_shows_a_password(url: str, answer: str) -> None:
    assert shown(url) == answer


# --- what takes too long or is too big --------------------------------------------------------


def drip(handler: BaseHTTPRequestHandler, piece: bytes) -> None:
    """``piece`` again and again, far more often than the deadline allows."""
    for _ in range(1_000):
        handler.wfile.write(piece)
        handler.wfile.flush()
        threading.Event().wait(0.02)


def test_a_body_that_drips(site: Site) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        drip(handler, b"x")

    site.answers["/a"] = answer
    assert f"{site.url}/a takes more than 0.5 s" in str(refused(f"{site.url}/a", SHORT))


def test_headers_that_drip(site: Site) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        drip(handler, b"x")

    site.answers["/a"] = answer
    assert "takes more than 0.5 s" in str(refused(f"{site.url}/a", SHORT))


def test_redirects_that_drip_share_one_deadline(site: Site) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        threading.Event().wait(0.2)
        handler.send_response(302)
        handler.send_header("Location", "/a")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    site.answers["/a"] = answer
    assert "takes more than 0.5 s" in str(refused(f"{site.url}/a", SHORT))


def test_silence(site: Site) -> None:
    site.answers["/a"] = lambda _: threading.Event().wait(2) and None
    error = refused(f"{site.url}/a", Limits(silence=0.2))
    assert f"{site.url}/a sends nothing for 0.2 s" in str(error)


@pytest.mark.parametrize("told", [True, False])
def test_a_body_of_a_gigabyte_stops_at_the_limit(site: Site, told: bool) -> None:
    size, piece = 1 << 30, bytes(1 << 16)
    sent = 0

    def answer(handler: BaseHTTPRequestHandler) -> None:
        nonlocal sent
        handler.send_response(200)
        handler.send_header(*(("Content-Length", str(size)) if told else ("Connection", "close")))
        handler.end_headers()
        while sent < size:
            sent += handler.wfile.write(piece)

    site.answers["/a"] = answer
    with peak() as most:
        error = refused(f"{site.url}/a", Limits(size=1_000_000))
    assert str(error) == (
        f"{site.url}/a has more than 1,000,000 bytes."
        " Fetch it yourself, split it and load the files"
    )
    assert sent < size / 10
    assert most() < 8_000_000


@pytest.mark.parametrize("layers", [1, 2])
def test_a_gzip_bomb_stops_at_the_limit(site: Site, layers: int) -> None:
    bomb = gzip.compress(bytes(100_000_000))
    coding = ", ".join(["gzip"] * layers)
    url = site.put("/a", bomb, Content_Encoding=coding)
    with peak() as most:
        error = refused(url, Limits(size=1_000_000))
    assert "more than 1,000,000 bytes" in str(error) or "packed as 'gzip, gzip'" in str(error)
    assert most() < 8_000_000


def test_gzip(site: Site) -> None:
    body = bytes(range(256)) * 1_000
    assert fetch(site.put("/a", gzip.compress(body), Content_Encoding="gzip"), ALLOWED).body == body
    assert site.seen[0][1]["Accept-Encoding"] == "gzip"


@pytest.mark.parametrize(
    ("body", "coding", "reason"),
    [
        (gzip.compress(b"x" * 1_000)[:-9], "gzip", "cut off"),
        (b"plain", "gzip", "damaged"),
        (b"", "gzip", "cut off"),
        (b"x", "br", "packed as 'br'"),
    ],
)
def test_what_cannot_be_unpacked(site: Site, body: bytes, coding: str, reason: str) -> None:
    assert reason in str(refused(site.put("/a", body, Content_Encoding=coding)))


def test_a_body_that_breaks_off(site: Site) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(b"too little")
        handler.close_connection = True

    site.answers["/a"] = answer
    assert f"{site.url}/a breaks off" in str(refused(f"{site.url}/a"))


# --- addresses --------------------------------------------------------------------------------

PRIVATE = [
    "127.0.0.1", "127.255.0.9", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
    "169.254.169.254", "0.0.0.0", "0.1.2.3", "100.64.0.1", "192.0.0.8", "192.0.2.1",
    "192.88.99.1", "198.18.0.1", "203.0.113.5", "224.0.0.1", "239.1.1.1", "240.0.0.1",
    "255.255.255.255", "::", "::1", "::127.0.0.1", "::ffff:10.0.0.1", "::ffff:127.0.0.1",
    "::ffff:0:10.0.0.1", "64:ff9b::a00:1", "64:ff9b::127.0.0.1", "64:ff9b:1::808:808", "100::1",
    "2001::1", "2001:db8::1", "2002:7f00:1::", "2002:a00:1::1", "fc00::1", "fd12:3456::1",
    "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "ff0e::1", "3fff::1", "5f00::1",
]  # fmt: skip
PUBLIC = [
    "1.1.1.1", "8.8.8.8", "93.184.216.34", "172.32.0.1", "192.169.0.1", "100.128.0.1",
    "2606:4700::1111", "2a00:1450:4001::5", "::ffff:8.8.8.8", "64:ff9b::808:808",
    "2002:808:808::1",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses(address: str) -> None:
    assert is_public(address)


@given(st.ip_addresses(v=4))
def test_an_address_in_another_dress_is_judged_alike(address: IPv4Address) -> None:
    number, plain = int(address), is_public(str(address))
    for dress in (0xFFFF << 32, 0x64FF9B << 96):
        assert is_public(str(IPv6Address(dress | number))) == plain
    assert is_public(str(IPv6Address(0x2002 << 112 | number << 80))) == plain


@pytest.mark.parametrize(
    "host",
    [
        "localhost", "LOCALHOST", "127.0.0.1", "127.1", "0", "0.0.0.0", "2130706433", "0x7f.1",
        "0x7f000001", "017700000001", "[::1]", "[::]", "[::ffff:10.0.0.1]", "[::ffff:7f00:1]",
        "169.254.169.254", "[64:ff9b::7f00:1]", "[fe80::1]", "10.0.0.1", "192.168.0.1",
    ],
)  # fmt: skip
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_private_address_in_any_spelling_is_refused(scheme: str, host: str) -> None:
    error = refused(f"{scheme}://u:secret@{host}:1/a", options=Options())
    assert str(error).startswith(f"{scheme}://{host.lower()}:1/a leads to ")
    link_local = host in ("169.254.169.254", "[fe80::1]")
    assert ("It is refused always" if link_local else "--allow-private") in error.remedy


def test_an_octal_address_is_refused() -> None:
    assert "is not an address" in str(refused("http://0177.0.0.1/", options=Options()))


def test_the_systems_resolver_knows_odd_spellings() -> None:
    assert addresses_of("2130706433", 80) == addresses_of("127.1", 80) == ["127.0.0.1"]


# --- DNS rebinding ----------------------------------------------------------------------------


def test_the_connection_goes_to_the_address_that_was_checked(site: Site) -> None:
    url = site.put("/a", "here").replace("127.0.0.1", "blog.example")
    with Web(Options(), rule=here, resolve=lookup(["127.0.0.1"], ["10.0.0.1"])) as web:
        assert web.fetch(url).url == url
        assert site.seen[0][1]["Host"] == url.removeprefix("http://").removesuffix("/a")


def test_one_private_address_among_several_refuses_all(site: Site) -> None:
    url = site.put("/a", "here").replace("127.0.0.1", "blog.example")
    for answer in (["127.0.0.1", "10.0.0.1"], ["10.0.0.1", "127.0.0.1"]):
        with Web(Options(), rule=here, resolve=lookup(answer)) as web:
            check(web, url, "leads to 10.0.0.1")
    assert site.seen == []


def test_every_connection_is_checked_again(site: Site) -> None:
    url = site.put("/a", "here", Connection="close").replace("127.0.0.1", "blog.example")
    with Web(Options(), rule=here, resolve=lookup(["127.0.0.1"], ["10.0.0.1"])) as web:
        web.fetch(url)
        check(web, url, "leads to 10.0.0.1")


def test_the_next_address_is_tried(site: Site) -> None:
    url = site.put("/a", "here").replace("127.0.0.1", "blog.example")
    with Web(ALLOWED, resolve=lookup(["127.99.99.99", "127.0.0.1"])) as web:
        assert web.fetch(url).body == b"here"


def test_a_host_without_addresses() -> None:
    with Web(ALLOWED, resolve=lookup([])) as web:
        check(web, "http://blog.example/", "there is no host 'blog.example'")


def test_no_proxy_of_the_environment_is_used(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert fetch(site.put("/a", "here"), ALLOWED).body == b"here"


# --- TLS --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for blog.example that it signed itself, and its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl to make a certificate with")
    folder = tmp_path_factory.mktemp("tls")
    files = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        [
            openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
            "-out", files[0], "-keyout", files[1], "-subj", "/CN=blog.example",
            "-addext", "subjectAltName=DNS:blog.example",
        ],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return files


@pytest.fixture
def secure(certificate: tuple[Path, Path]) -> Iterator[Site]:
    """A site with that certificate."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*certificate)
    with serving(tls) as site:
        yield site


def test_a_certificate_that_nobody_vouches_for_is_refused(secure: Site) -> None:
    error = refused(secure.put("/a", "here"))
    assert str(error) == (
        f"{secure.url}/a is not safe: its certificate is not trusted: self-signed certificate."
        " If you trust it, name the certificate of its authority in SSL_CERT_FILE"
    )
    assert secure.seen == []


@pytest.mark.parametrize(("host", "good"), [("blog.example", True), ("shop.example", False)])
def test_the_certificate_has_to_be_of_the_host_not_of_its_address(
    secure: Site, certificate: tuple[Path, Path], host: str, good: bool
) -> None:
    url = secure.put("/a", "here").replace("127.0.0.1", host)
    trusting = ssl.create_default_context(cafile=certificate[0])
    resolve = lookup(["127.0.0.1"])
    with Web(Options(), rule=here, resolve=resolve, tls=trusting) as web:
        if good:
            assert web.fetch(url).body == b"here"
        else:
            check(web, url, "not valid for 'shop.example'")


def test_a_plain_server_under_https(site: Site) -> None:
    error = refused(site.put("/a", "here").replace("http:", "https:"))
    assert "it does not speak TLS" in str(error)


def test_certificates_that_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    with pytest.raises(SourceError, match="SSL_CERT_FILE"):
        fetch("https://example.com/", ALLOWED)


@pytest.mark.parametrize("address", ["169.254.169.254", "fe80::1%eth0", "::ffff:169.254.1.1"])
def test_link_local_addresses_are_refused_always(address: str) -> None:
    assert not is_lasting(address)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "10.0.0.1", "192.168.1.1", "8.8.8.8"])
def test_private_addresses_are_allowed_where_asked_for(address: str) -> None:
    assert is_lasting(address)
