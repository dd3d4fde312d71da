"""Addresses of every kind against real servers; what goes wrong is a StoreError with a remedy."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import redis

from recommender import Catalogue, Recommender, Record, Reject, Report, Settings, sync
from recommender.errors import StoreError
from recommender.store import catalogues, embedded, events, hashes, index
from recommender.store.catalogues import Entry, Stamp
from recommender.store.connection import Server, connect
from recommender.tracking import track

ROOT = Path(__file__).resolve().parent.parent
SECRET = "s3cr3t"
FILMS = Catalogue.from_dict(
    {
        "name": "films",
        "fields": {"title": {"type": "text"}},
        "vectors": {"v": {"embedder": "given", "column": "v", "index": "flat"}},
    }
)
FOUR = [
    {"id": "east", "title": "East", "v": [1, 0]},
    {"id": "north-east", "title": "North-East", "v": [1, 1]},
    {"id": "north", "title": "North", "v": [0, 1]},
    {"id": "west", "title": "West", "v": [-1, 0]},
]
TLS_FRONT = """
import asyncio, ssl, sys

async def pump(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()

async def serve(reader, writer):
    inner, outer = await asyncio.open_connection("127.0.0.1", int(sys.argv[1]))
    await asyncio.gather(pump(reader, outer), pump(inner, writer))

async def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[2], sys.argv[3])
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
"""
"""The wheels' redis-server has no TLS, so this stands before it: argv port, certificate, key."""

Start = Callable[..., int]
Front = Callable[[int], int]


class Notes:
    """A progress that nobody watches."""

    def stage(self, name: str, done: float, total: float | None) -> None: ...

    def note(self, text: str) -> None: ...


@pytest.fixture(scope="module")
def candidate() -> embedded.Candidate:
    """A server program, and the query engine's module for it."""
    return embedded.find()


@pytest.fixture
def start(candidate: embedded.Candidate) -> Iterator[Start]:
    """``start("--requirepass", "x", search=True)``: a Redis on loopback, its port."""
    with ExitStack() as stack:
        yield lambda *arguments, search=True: stack.enter_context(
            running(candidate, *arguments, search=search)
        )


@pytest.fixture(scope="module")
def _plain(candidate: embedded.Candidate) -> Iterator[int]:
    with running(candidate) as port:
        yield port


@pytest.fixture
def plain(_plain: int) -> Iterator[int]:
    """The port of a Redis with the query engine, empty."""
    yield _plain
    with redis.Redis(port=_plain) as client:
        client.flushall()


@contextmanager
def running(
    candidate: embedded.Candidate, *arguments: object, search: bool = True
) -> Iterator[int]:
    """A Redis process on a free port of loopback."""
    port = free_port()
    module = ["--loadmodule", candidate.module] if search and candidate.module else []
    with tempfile.TemporaryDirectory(prefix="rec-") as folder:
        options = ["--port", port, "--bind", "127.0.0.1", "--dir", folder, "--save", "", *module]
        with (
            (Path(folder) / "log").open("wb") as log,
            started([candidate.program, *options, *arguments], stdout=log),
        ):
            wait_until(lambda: listens(port))
            yield port


@contextmanager
def watching(candidate: embedded.Candidate, watch: str) -> Iterator[int]:
    """A sentinel; what it watches is told in lines of its file."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="rec-") as folder:
        file = Path(folder) / "sentinel.conf"
        file.write_text(f"port {port}\nbind 127.0.0.1\ndir {folder}\n{watch}")
        command = [candidate.program, file, "--sentinel"]
        with (Path(folder) / "log").open("wb") as log, started(command, stdout=log):
            wait_until(lambda: listens(port))
            yield port


@contextmanager
def started(command: Sequence[object], **options: Any) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen([*map(str, command)], text=True, **options) as process:
        try:
            yield process
        finally:
            process.kill()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def listens(port: int) -> bool:
    """Whether a Redis answers there, if only that it wants a password."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as probe:
        probe.sendall(b"PING\r\n")
        return probe.recv(1) in b"+-"
    return False


def wait_until(done: Callable[[], object]) -> None:
    end = time.monotonic() + 20
    while not done():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.01)


def settings_of(url: str) -> Settings:
    return Settings(home=Path("/nowhere"), redis_url=url)


def load(server: Server, rows: Sequence[Mapping[str, Any]] = FOUR) -> Report:
    records = [Record(f"row {number}", row) for number, row in enumerate(rows, 1)]
    rejects: list[Reject] = []
    report = sync(
        server, FILMS, records, settings_of(""), progress=Notes(), on_reject=rejects.append
    )
    assert not rejects
    return report


def check_it_works(url: str) -> None:
    """A load, a query and a drop through the address."""
    server = connect(settings_of(url))
    with server.client:
        assert not server.local
        assert server.search
        assert SECRET not in server.address
        assert SECRET not in repr(server)
        assert load(server).new == 4
        assert load(server).unchanged == 4
        engine = Recommender("films", settings=settings_of(url), server=server)
        found = engine.similar("east")
        assert [hit.id for hit in found] == ["north-east", "north", "west"]
        assert [hit.score for hit in found] == pytest.approx([0.5**0.5, 0, -1], abs=1e-6)
        assert [hit.id for hit in engine.search(vector=[0, 9], limit=1)] == ["north"]
        index.drop(server.client, "films", 1)
        assert hashes.delete_all(server.client, hashes.prefix_of("films", 1)) == 4
        catalogues.forget(server.client, "films")
        assert catalogues.names(server.client) == []


def refused(url: str) -> StoreError:
    """The error that ``connect`` raises; it never holds the password."""
    with pytest.raises(StoreError) as caught:
        connect(settings_of(url))
    assert SECRET not in str(caught.value)
    return caught.value


def test_redis_address(plain: int) -> None:
    check_it_works(f"redis://127.0.0.1:{plain}")


def test_redis_address_with_database_0(plain: int) -> None:
    check_it_works(f"redis://localhost:{plain}/0")


def test_unix_address(candidate: embedded.Candidate) -> None:
    with tempfile.TemporaryDirectory(prefix="rec-") as folder:
        path = Path(folder) / "s"
        command = candidate.command(Path(folder), path, "--appendonly", "no")
        with started(command, stdout=subprocess.DEVNULL):
            wait_until(path.exists)
            check_it_works(f"unix://{path}")


def test_another_database_is_refused_before_anything_is_written(plain: int) -> None:
    """The query engine works in database 0 only."""
    error = refused(f"redis://127.0.0.1:{plain}/3")
    assert "database 3" in str(error)


@pytest.mark.parametrize("option", ["protocol=3", "decode_responses=true"])
def test_options_of_the_address_do_not_change_how_answers_are_read(plain: int, option: str) -> None:
    check_it_works(f"redis://127.0.0.1:{plain}?{option}")


# TLS


@pytest.fixture(scope="module")
def certificate() -> Iterator[tuple[Path, Path]]:
    """A certificate for loopback, and its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl to make a certificate with")
    with tempfile.TemporaryDirectory(prefix="rec-") as folder:
        files = Path(folder) / "cert.pem", Path(folder) / "key.pem"
        subprocess.run(
            [
                openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                "-out", files[0], "-keyout", files[1], "-subj", "/CN=localhost",
                "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost",
            ],
            check=True,
            capture_output=True,
        )  # fmt: skip
        yield files


@pytest.fixture
def front(certificate: tuple[Path, Path]) -> Iterator[Front]:
    """``front(port)``: the port of a TLS server before that of a plain one."""
    with ExitStack() as stack:

        def before(port: int) -> int:
            command = [sys.executable, "-c", TLS_FRONT, port, *certificate]
            process = stack.enter_context(started(command, stdout=subprocess.PIPE))
            assert process.stdout is not None
            return int(process.stdout.readline())

        yield before


def test_tls_address(plain: int, front: Front, certificate: tuple[Path, Path]) -> None:
    check_it_works(f"rediss://127.0.0.1:{front(plain)}?ssl_ca_certs={certificate[0]}")


def test_a_certificate_that_nobody_vouches_for_is_refused(plain: int, front: Front) -> None:
    error = refused(f"rediss://:{SECRET}@127.0.0.1:{front(plain)}")
    assert "certificate" in error.message


def test_a_plain_address_of_a_tls_server_is_refused(plain: int, front: Front) -> None:
    refused(f"redis://127.0.0.1:{front(plain)}")


# Sentinel


@pytest.fixture
def sentinel(start: Start, candidate: embedded.Candidate) -> Iterator[str]:
    """``127.0.0.1:PORT`` of a sentinel that watches the service ``films``; its password is ours."""
    master = start("--requirepass", SECRET)
    watch = f"sentinel monitor films 127.0.0.1 {master} 1\nsentinel auth-pass films {SECRET}\n"
    with watching(candidate, watch) as port:
        yield f"127.0.0.1:{port}"


def test_sentinel_address(sentinel: str) -> None:
    check_it_works(f"redis+sentinel://:{SECRET}@{sentinel}/films")
    check_it_works(f"redis+sentinel://default:{SECRET}@{sentinel}/films/0")


def test_sentinel_knows_no_such_service(sentinel: str) -> None:
    assert "'other'" in refused(f"redis+sentinel://:{SECRET}@{sentinel}/other").message


def test_sentinel_address_without_a_service() -> None:
    assert "names no service" in refused(f"redis+sentinel://:{SECRET}@127.0.0.1:1").message


def test_sentinel_s_master_wants_another_password(sentinel: str) -> None:
    error = refused(f"redis+sentinel://:{SECRET}x@{sentinel}/films")
    assert "credentials" in error.message


def test_sentinel_that_is_away() -> None:
    error = refused(f"redis+sentinel://:{SECRET}@127.0.0.1:{free_port()}/films")
    assert "does not answer" in error.message
    assert "redis.client.Redis" not in error.message


def test_sentinel_over_tls(
    candidate: embedded.Candidate, plain: int, front: Front, certificate: tuple[Path, Path]
) -> None:
    watch = f"sentinel monitor films 127.0.0.1 {front(plain)} 1\n"
    watch += "sentinel down-after-milliseconds films 60000\n"  # its own pings are not TLS
    with watching(candidate, watch) as port:
        address = f"127.0.0.1:{front(port)}/films?ssl_ca_certs={certificate[0]}"
        check_it_works(f"rediss+sentinel://{address}")


# Cluster


@pytest.fixture(scope="module")
def _cluster(candidate: embedded.Candidate) -> Iterator[int]:
    options = ("--cluster-enabled", "yes", "--cluster-port", free_port(), "--requirepass", SECRET)
    with running(candidate, *options) as port:
        with redis.Redis(port=port, password=SECRET) as client:
            client.execute_command("CLUSTER ADDSLOTSRANGE", 0, 16383)
            client.acl_setuser(
                "bob", enabled=True, passwords=[f"+{SECRET}"], categories=["+@all"],
                commands=["-module"], keys=["*"], channels=["*"],
            )  # fmt: skip
            wait_until(lambda: client.cluster("info")["cluster_state"] == "ok")
        yield port


@pytest.fixture
def cluster(_cluster: int) -> Iterator[int]:
    """The port of an empty cluster of one node; its password is ours, ``bob`` has no MODULE."""
    yield _cluster
    with redis.Redis(port=_cluster, password=SECRET) as client:
        client.flushall()


def coordinates(port: int) -> bool:
    """Whether the engine searches all shards: then its commands have no key of their own."""
    with redis.Redis(port=port, password=SECRET) as client:
        try:
            return not client.execute_command("COMMAND GETKEYS", "FT.SEARCH", "x", "*")
        except redis.ResponseError:
            return True


def test_cluster_address(cluster: int) -> None:
    if not coordinates(cluster):
        pytest.skip("this query engine has no coordinator: it does not search a cluster")
    check_it_works(f"redis+cluster://:{SECRET}@127.0.0.1:{cluster}")


def test_a_cluster_that_its_engine_cannot_search_is_refused(cluster: int) -> None:
    if coordinates(cluster):
        pytest.skip("this query engine searches a cluster")
    assert "cluster" in refused(f"redis+cluster://:{SECRET}@127.0.0.1:{cluster}").message


def test_everything_but_the_search_works_in_a_cluster(cluster: int) -> None:
    from redis.cluster import ClusterNode, RedisCluster

    node = ClusterNode("127.0.0.1", cluster)
    client = RedisCluster(startup_nodes=[node], password=SECRET, protocol=2)
    with client:
        entry = Entry(FILMS, 1, {"v": Stamp("given", 2, "v")})
        waited: list[bool] = []
        with catalogues.locked(client, "films", lambda: waited.append(True)):
            catalogues.keep(client, entry)
        with catalogues.locked(client, "films", lambda: waited.append(True)):
            assert catalogues.find(client, "films") == entry
        assert not waited
        ids = [f"{n}/{{x}}:*" for n in range(50)]
        prefix = hashes.prefix_of("films", 1)
        blob = np.float32([1, 2]).tobytes()
        rows = [(id, {"v_vector": blob, "_digest": b"d", "old": b"x"}, ()) for id in ids]
        hashes.begin_write(client, prefix, rows).finish()
        hashes.begin_write(client, prefix, [(ids[0], {"_digest": b"e"}, ("old",))]).finish()
        assert hashes.digests(client, prefix, [*ids[:2], "none"]) == [
            (b"e", None), (b"d", None), (None, None),
        ]  # fmt: skip
        assert hashes.read(client, prefix, ids[0], ["old", "_digest"]) == [None, b"e"]
        assert hashes.read_vector(client, prefix, ids[1], "v") == blob
        rejects = track(client, "films", [{"type": "buy", "id": id} for id in (*ids, "none")])
        assert [reject.place for reject in rejects] == ["event 51"]
        assert [event.id for event in events.read(client, "films", 7)] == ids
        events.drop(client, "films")
        assert events.count(client, "films") == 0
        assert hashes.delete_all(client, prefix) == 50
        catalogues.forget(client, "films")
        assert catalogues.names(client) == []


def test_cluster_behind_a_single_address_says_what_is_wrong(cluster: int) -> None:
    with pytest.raises(StoreError):
        load(connect(settings_of(f"redis://:{SECRET}@127.0.0.1:{cluster}")))


@pytest.mark.parametrize("case", ["away", "no password", "wrong password", "no cluster", "slots"])
def test_a_cluster_that_cannot_be_used(start: Start, plain: int, cluster: int, case: str) -> None:
    if case == "slots":
        options = ("--cluster-enabled", "yes", "--cluster-port", free_port())
        refused(f"redis+cluster://127.0.0.1:{start(*options)}")
        return
    port = {"away": free_port(), "no cluster": plain}.get(case, cluster)
    login = {"away": f":{SECRET}@", "wrong password": f":{SECRET}x@"}.get(case, "")
    error = refused(f"redis+cluster://{login}127.0.0.1:{port}")
    if "password" in case:
        assert "credentials" in error.message


def test_a_cluster_that_forbids_module_list_is_asked_otherwise(cluster: int) -> None:
    url = f"redis+cluster://bob:{SECRET}@127.0.0.1:{cluster}"
    if not coordinates(cluster):
        assert "searches no cluster" in refused(url).message
        return
    with connect(settings_of(url)).client as client:
        assert client.ping()


# Passwords


def test_the_right_password(start: Start) -> None:
    port = start("--requirepass", SECRET)
    for url in (
        f"redis://:{SECRET}@127.0.0.1:{port}",
        f"redis://default:{SECRET}@127.0.0.1:{port}/0",
        f"redis://127.0.0.1:{port}?password={SECRET}",
    ):
        check_it_works(url)


def test_a_password_with_odd_letters(start: Start) -> None:
    port = start("--requirepass", "a@b/c:d#e?f%g ü")
    url = f"redis://:a%40b%2Fc%3Ad%23e%3Ff%25g%20%C3%BC@127.0.0.1:{port}"
    check_it_works(url)


@pytest.mark.parametrize("login", ["", f":{SECRET}@", f"bob:{SECRET}@"])
def test_a_wrong_password(start: Start, login: str) -> None:
    error = refused(f"redis://{login}127.0.0.1:{start('--requirepass', 'right')}")
    assert "wants other credentials" in error.message
    assert "redis://USER:PASSWORD@HOST:PORT" in error.remedy


@pytest.mark.parametrize(
    "url",
    [
        f"redis://:{SECRET}@127.0.0.1:1",
        f"redis://user:{SECRET}@127.0.0.1:1/0",
        f"redis://127.0.0.1:1?password={SECRET}",
        f"redis://127.0.0.1:1?db=0&password={SECRET}&x=1",
        pytest.param(
            f"redis://127.0.0.1:1?password=p@{SECRET}",
        ),
        f"redis+sentinel://:{SECRET}@127.0.0.1:1/x/abc?sentinel_password={SECRET}",
        f"redis+sentinel://:{SECRET}@127.0.0.1:1",
        f"http://user:{SECRET}@127.0.0.1:1",
        f"redis://:p@{SECRET}@127.0.0.1:1",
        f"redis://:{SECRET}/x@127.0.0.1:1",
        f"redis://:x/{SECRET}@127.0.0.1:1",
        f"redis://:{SECRET}#x@127.0.0.1:1",
        f"redis://:{SECRET}?x@127.0.0.1:1",
        f"user:{SECRET}@127.0.0.1:1",
        f"redis:/user:{SECRET}@127.0.0.1:1",
    ],
)
def test_no_error_tells_the_password(url: str) -> None:
    refused(url)


# What is not there


def test_a_redis_without_the_query_engine(start: Start, candidate: embedded.Candidate) -> None:
    if candidate.module is None:
        pytest.skip("this Redis always has its query engine")
    error = refused(f"redis://127.0.0.1:{start(search=False)}")
    assert "no query engine" in error.message
    assert "Redis 8" in error.remedy
    assert "pip install 'recommender[embedded]'" in error.remedy


def test_a_redis_that_forbids_module_list_is_asked_otherwise(start: Start) -> None:
    port = start()
    with redis.Redis(port=port) as client:
        client.execute_command("ACL SETUSER", "default", "-module")
    server = connect(settings_of(f"redis://127.0.0.1:{port}"))
    with server.client:
        assert server.search == 1


def test_a_redis_that_is_down() -> None:
    error = refused(f"redis://127.0.0.1:{free_port()}")
    assert "does not answer" in error.message
    assert "127.0.0.1" in error.message
    assert "REDIS_URL" in error.remedy


def test_a_redis_that_goes_down_later(candidate: embedded.Candidate) -> None:
    with running(candidate) as port:
        server = connect(settings_of(f"redis://127.0.0.1:{port}"))
        load(server)
        engine = Recommender("films", settings=settings_of(""), server=server)
    with server.client:
        for call in (lambda: engine.similar("east"), lambda: load(server), engine.state):
            with pytest.raises(StoreError, match="does not answer"):
                call()


def test_a_host_that_nobody_knows() -> None:
    assert "does not answer" in refused("redis://no-such-host.invalid:6379").message


def test_a_server_that_says_nothing_is_given_up_soon() -> None:
    """Another service's port, a hung Redis, or rediss:// to a plain Redis."""
    code = (
        "import sys; from pathlib import Path; from recommender import Settings\n"
        "from recommender.errors import StoreError\n"
        "from recommender.store.connection import connect\n"
        "try: connect(Settings(home=Path('/nowhere'), redis_url=sys.argv[1]))\n"
        "except StoreError as error: print(error)"
    )
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}"
        command = [sys.executable, "-c", code, url]
        with started(command, cwd=ROOT, stdout=subprocess.PIPE) as child:
            out, _ = child.communicate(timeout=8)
    assert "does not answer" in out


@pytest.mark.parametrize(
    "url",
    ["", "nope", "http://127.0.0.1", "redis:", "127.0.0.1:6379", "redis+nope://127.0.0.1", "://"],
)
def test_what_is_no_address_is_told_how_to_start(url: str) -> None:
    error = refused(url)
    assert "is no Redis address" in error.message
    for scheme in ("redis://", "rediss://", "unix://", "redis+sentinel://", "redis+cluster://"):
        assert scheme in error.remedy


ODD = "is no Redis address"
AWAY = "does not answer"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("redis://127.0.0.1:abc", ODD),
        ("redis://127.0.0.1:99999", ODD),
        ("redis://[::1", ODD),
        ("redis+cluster://[::1", ODD),
        ("redis+cluster://127.0.0.1:99999", ""),
        ("redis+cluster://a..b:6379", ""),
        ("redis+cluster://127.0.0.1:1?nonsense=1", ""),
        ("redis+sentinel://127.0.0.1:1?nonsense=1", ""),
        ("rediss://127.0.0.1:1?ssl_cert_reqs=banana", "banana"),
        ("unix://", AWAY),
        ("unix:///no/such.sock", AWAY),
        ("unix:///", AWAY),
    ],
)
def test_an_address_that_cannot_be_used(url: str, message: str) -> None:
    assert message in refused(url).message


@pytest.mark.parametrize(
    "url",
    [
        "redis://127.0.0.1:1?nonsense=1",
        "redis://127.0.0.1:1?PASSWORD=x",
        "redis://a..b:6379",
        f"redis://{'a' * 64}:6379",
    ],
)
def test_an_address_that_redis_py_refuses_late(url: str) -> None:
    assert ODD in refused(url).message


# Full


def rows_of(count: int) -> list[dict[str, Any]]:
    generator = np.random.default_rng(1)
    vectors = generator.normal(size=(count, 128)).round(3).tolist()
    return [{"id": str(n), "title": f"Film {n}", "v": v} for n, v in enumerate(vectors)]


def test_out_of_memory_and_on_from_there(start: Start) -> None:
    port = start("--maxmemory", "4mb")
    server = connect(settings_of(f"redis://127.0.0.1:{port}"))
    rows = rows_of(5000)
    with server.client:
        with pytest.raises(StoreError, match="is out of memory") as caught:
            load(server, rows)
        assert "Raise its maxmemory" in caught.value.remedy
        written = sum(map(len, hashes.scan(server.client, hashes.prefix_of("films", 1))))
        assert 1000 <= written < 5000
        server.client.config_set("maxmemory", 0)
        report = load(server, rows)
        assert (report.new, report.unchanged, report.items) == (5000 - written, written, 5000)
        engine = Recommender("films", settings=settings_of(""), server=server)
        assert len(engine.similar("7", limit=1000)) == 1000


def test_a_redis_that_throws_items_out_is_refused_or_told(start: Start) -> None:
    port = start("--maxmemory", "4mb", "--maxmemory-policy", "allkeys-lru")
    with pytest.raises(StoreError, match="allkeys-lru"):
        load(connect(settings_of(f"redis://127.0.0.1:{port}")), rows_of(5000))


def test_out_of_memory_is_told_in_letters(start: Start) -> None:
    bare = FILMS.model_copy(update={"fields": {}, "name": "bare"})
    number = float(np.frombuffer(b"\x01\x02 @", dtype=np.float32)[0])  # a blank among its bytes
    rows = [Record(str(n), {"id": str(n), "v": [number] * 512}) for n in range(2000)]
    vectors = {"v": bare.vectors["v"].model_copy(update={"metric": "l2"})}
    server = connect(settings_of(f"redis://127.0.0.1:{start('--maxmemory', '3mb')}"))
    with server.client:
        with pytest.raises(StoreError, match="is out of memory") as caught:
            sync(
                server, bare.model_copy(update={"vectors": vectors}), rows, settings_of(""),
                progress=Notes(), on_reject=pytest.fail,
            )  # fmt: skip
        assert str(caught.value).isprintable()


def test_out_of_memory_at_the_index(start: Start) -> None:
    server = connect(settings_of(f"redis://127.0.0.1:{start()}"))

    def records() -> Iterator[Record]:
        yield from (Record(row["id"], row) for row in rows_of(1000))  # a batch: it is written
        server.client.config_set("maxmemory", 1)

    with server.client:
        with pytest.raises(StoreError, match="out of memory") as caught:
            sync(server, FILMS, records(), settings_of(""), progress=Notes(), on_reject=pytest.fail)
        assert "Raise its maxmemory" in caught.value.remedy
