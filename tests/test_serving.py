"""``recommender serve`` in production: its log, its figures, and what it lives through."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from conftest import Quiet
from outside import Answer, Client, Shell, served
from prometheus_client.parser import text_string_to_metric_families

from api import create_app
from recommender import Catalogue, Record, Reject, Settings, sync
from recommender.store.connection import Server

FILMS = [{"id": f"film {n}", "title": f"film number {n}", "v": [1, n]} for n in range(5)]
PARTS = ("redis_ms", "ranking_ms", "embedding_ms", "rendering_ms")
KEY = "a-key-of-no-value"


@pytest.fixture
def shell(server: Server, home: Path, settings: Settings, tmp_path: Path) -> Shell:
    """A user whose Redis holds five films."""
    films = Catalogue.from_dict(
        {
            "name": "films",
            "fields": {"title": {"type": "text"}},
            "vectors": {"v": {"embedder": "given", "column": "v"}},
        }
    )
    rejects: list[Reject] = []
    records = [Record(film["id"], film) for film in FILMS]
    sync(server, films, records, settings, progress=Quiet(), on_reject=rejects.append)
    assert not rejects
    return Shell(home, tmp_path)


@dataclass
class Running:
    """``recommender serve`` with two workers; ``log`` is what it wrote so far."""

    process: subprocess.Popen[str]
    client: Client
    log: list[str] = field(default_factory=list)

    @property
    def workers(self) -> list[int]:
        listed = subprocess.run(
            ["pgrep", "-P", str(self.process.pid)], capture_output=True, check=False
        )
        return [int(child) for child in listed.stdout.split()]

    def line_of(self, id: str) -> dict[str, Any]:
        """The one line of the log about a request, once it is there: workers write in any order."""

        def told() -> list[dict[str, Any]]:
            return [line for line in map(json.loads, list(self.log)) if line["id"] == id]

        wait_until(lambda: bool(told()))
        [line] = told()
        return line

    def figures(self, **headers: str) -> Counter[tuple[str, tuple[str, ...]]]:
        """Every sample of /metrics by its name and the values of its labels."""
        answer = self.client.send("GET", "/metrics", headers=headers)
        assert answer.status == 200
        return figures_of(answer)


def figures_of(answer: Answer) -> Counter[tuple[str, tuple[str, ...]]]:
    found: Counter[tuple[str, tuple[str, ...]]] = Counter()
    for family in text_string_to_metric_families(answer.body.decode()):
        for sample in family.samples:
            found[sample.name, tuple(sample.labels[name] for name in sorted(sample.labels))] = (
                sample.value  # type: ignore[assignment]
            )
    return found


@contextmanager
def running(shell: Shell, *args: str, **env: str) -> Iterator[Running]:
    """The server, whose output is read all the time; it is told to stop, which it does with 0."""
    process = shell.start("serve", "--port", "0", "--workers", "2", *args, **env)
    assert process.stderr is not None
    assert process.stdout is not None
    process.stderr.readline()
    found = re.fullmatch(r"Serving on http://127\.0\.0\.1:(\d+) .*\n", process.stderr.readline())
    assert found
    one = Running(process, Client("127.0.0.1", int(found[1])))
    reader = threading.Thread(target=one.log.extend, args=(process.stdout,))
    reader.start()
    try:
        wait_until(lambda: one.client.get("/healthz").status == 200 and len(one.workers) == 2)
        yield one
    finally:
        process.send_signal(signal.SIGTERM)
        err = process.stderr.read()
        code = process.wait(30)
        reader.join()
        process.stdout.close()
        process.stderr.close()
        assert process.stdin is not None
        process.stdin.close()
    assert "Traceback" not in err, err
    assert code == 0, err


def wait_until(met: Callable[[], bool], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.02)


def test_every_request_leaves_a_line_that_adds_up(shell: Shell) -> None:
    with running(shell) as one:
        answers = [
            one.client.get("/v1/films/similar", id="film 1", limit=3),
            one.client.get("/v1/films/similar", id="film 9"),
            one.client.send("HEAD", "/v1/films/similar?id=film+2"),
        ]
        lines = [one.line_of(answer.headers["X-Request-Id"]) for answer in answers]
    found, missing, head = lines
    assert (found["method"], found["path"], found["query"]) == (
        "GET", "/v1/films/similar", "id=film%201&limit=3",
    )  # fmt: skip
    assert (found["status"], found["returned"], found["catalogue"]) == (200, 3, "films")
    assert (missing["status"], missing["returned"], missing["catalogue"]) == (404, None, None)
    assert (head["method"], head["status"], head["bytes"]) == ("HEAD", 200, 0)
    for line in lines:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
        assert sum(line[part] for part in PARTS) == pytest.approx(line["ms"], abs=0.003)
        assert line["redis_ms"] > 0
        assert line["ranking_ms"] > 0
        assert line["rendering_ms"] > 0
        assert (line["remote"], line["key"]) == ("127.0.0.1", None)
    assert found["bytes"] > 200


def test_the_log_says_what_was_sent(shell: Shell) -> None:
    with running(shell) as one:
        answer = one.client.get("/v1/films/similar", id="film 1")
        line = one.line_of(answer.headers["X-Request-Id"])
    assert line["bytes"] == len(answer.body)


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("quotes", '/v1/films/similar?id="},{"status":200'),
        ("line ends", "/v1/films/similar?id=a%0Ab%0D%0Ac%00%E2%80%A8"),
        ("escapes", "/v1/\\u0000\\/x?id=\\"),
        ("long", f"/{'%F0%9F%98%80' * 300}?q=" + 2000 * "\\"),
    ],
)
def test_hostile_addresses_stay_one_line(shell: Shell, name: str, target: str) -> None:
    asked = f"GET {target} HTTP/1.1\r\nHost: x\r\nX-Request-Id: hostile\r\n\r\n"
    with running(shell) as one:
        with socket.create_connection((one.client.host, one.client.port)) as raw:
            raw.sendall(asked.encode("latin-1"))
            status = int(raw.recv(100).split()[1])
        assert 400 <= status < 500, name
        line = one.line_of("hostile")
        assert max(map(len, one.log)) <= 4096
    assert (line["status"], line["method"]) == (status, "GET")


def test_the_log_keeps_secrets(shell: Shell) -> None:
    with running(shell, RECOMMENDER_READ_KEYS=KEY) as one:
        answers = [
            one.client.send("GET", f"/v1/films/similar?id=a&api_key={KEY}", headers=headers)
            for headers in ({"X-API-Key": KEY}, {"Authorization": f"Bearer {KEY}"})
        ]
        answers.append(one.client.send("GET", f"/v1/films?ToKeN={KEY};q=1&x[password]={KEY}#"))
        lines = [one.line_of(answer.headers["X-Request-Id"]) for answer in answers]
        assert KEY not in "".join(one.log)
    assert [line["query"] for line in lines[:2]] == ["id=a&api_key=..."] * 2
    assert lines[0]["key"] == lines[1]["key"]
    assert re.fullmatch("[0-9a-f]{8}", lines[0]["key"])
    assert lines[2]["key"] is None


def test_no_access_log_is_none(shell: Shell) -> None:
    with running(shell, "--no-access-log") as one:
        assert one.client.get("/v1/films/similar", id="film 1").status == 200
    assert one.log == []


def test_who_stops_reading_the_log_does_not_stop_the_answers(shell: Shell) -> None:
    process = shell.start("serve", "--port", "0")
    try:
        assert process.stderr is not None
        assert process.stdout is not None
        process.stderr.readline()
        port = int(process.stderr.readline().partition("127.0.0.1:")[2].split()[0])
        process.stdout.close()
        process.stdout = None
        client = Client("127.0.0.1", port)
        assert [client.get("/healthz").status for _ in range(5)] == [200] * 5
    finally:
        process.terminate()
        process.communicate(timeout=20)
        assert process.returncode == 0


SIMILAR = "/v1/<catalogue>/similar"


def test_metrics_are_those_of_all_workers(shell: Shell) -> None:
    with running(shell) as one:
        with ThreadPoolExecutor(8) as many:
            asked = [
                many.submit(one.client.get, "/v1/films/similar", id="film 1", limit=limit)
                for limit in [2] * 30 + [20] * 10
            ]
        assert {each.result().status for each in asked} == {200}
        one.client.get("/v1/films/similar", id="nobody")
        one.client.get("/v1/no-such-catalogue/similar", id="x")
        one.client.get("/wp-login.php")
        one.client.send("BREW", "/v1/films/similar")
        seen = one.figures()
        assert seen["recommender_requests_total", ("GET", SIMILAR, "200")] == 40
        assert seen["recommender_requests_total", ("GET", SIMILAR, "404")] == 2
        assert seen["recommender_requests_total", ("GET", "unmatched", "404")] == 1
        assert seen["recommender_requests_total", ("other", "unmatched", "405")] == 1
        assert seen["recommender_request_seconds_count", (SIMILAR,)] == 42
        assert seen["recommender_returned_hits_count", ("films",)] == 40
        assert seen["recommender_returned_hits_sum", ("films",)] == 30 * 2 + 10 * 4
        assert seen["recommender_short_answers_total", ("films",)] == 10
        assert seen["recommender_index_items", ("films",)] == 5
        assert seen["recommender_index_ratio", ("films",)] == 1
        assert seen["recommender_index_failures", ("films",)] == 0
        assert seen["recommender_redis_up", ()] == 1
        for worker in one.workers:
            assert seen["process_resident_memory_bytes", (str(worker),)] > 1e6
        parts = [
            seen["recommender_request_part_seconds_sum", (part, SIMILAR)]
            for part in ("redis", "ranking", "rendering")
        ]
        assert min(parts) > 0
        assert sum(parts) == pytest.approx(seen["recommender_request_seconds_sum", (SIMILAR,)])
        values = {label for _, labels in seen for label in labels}
        assert values.isdisjoint({"no-such-catalogue", "BREW", "/wp-login.php", "nobody"})


def test_metrics_need_a_key_where_reading_does(shell: Shell) -> None:
    with running(shell, RECOMMENDER_READ_KEYS=KEY) as one:
        refused = one.client.get("/metrics")
        assert (refused.status, b"films" in refused.body) == (401, False)
        seen = one.figures(Authorization=f"Bearer {KEY}")
        assert seen["recommender_index_items", ("films",)] == 5


def test_metrics_say_that_redis_is_away(settings: Settings) -> None:
    away = Settings(settings.home, redis_url="redis://127.0.0.1:1")
    with served(create_app(away)) as client:
        assert client.get("/v1/films").status == 503
        seen = figures_of(client.get("/metrics"))
    assert seen["recommender_redis_up", ()] == 0
    assert seen["recommender_requests_total", ("GET", "/v1/<catalogue>", "503")] == 1


def test_instances_count_for_themselves(server: Server, settings: Settings) -> None:
    with served(create_app(settings)) as one, served(create_app(settings)) as other:
        one.get("/healthz")
        counted = "recommender_requests_total", ("GET", "/healthz", "200")
        assert figures_of(one.get("/metrics"))[counted] == 1
        assert figures_of(other.get("/metrics"))[counted] == 0


def test_a_killed_worker_is_replaced(shell: Shell) -> None:
    with running(shell) as one:
        assert [one.client.get("/healthz").status for _ in range(20)] == [200] * 20
        before = one.figures()["recommender_requests_total", ("GET", "/healthz", "200")]
        killed = one.workers[0]
        os.kill(killed, signal.SIGKILL)
        # What it had accepted dies with it; whoever asks again is answered.
        wait_until(lambda: killed not in one.workers and len(one.workers) == 2)
        answers = [one.client.get("/v1/films/similar", id="film 1") for _ in range(20)]
        assert {answer.status for answer in answers} == {200}
        seen = one.figures()
        assert seen["recommender_requests_total", ("GET", "/healthz", "200")] == before
        assert seen["process_resident_memory_bytes", (str(killed),)] == 0


def test_what_it_kept_for_itself_is_gone_after_it(shell: Shell) -> None:
    folder = shell.folder / "tmp"
    folder.mkdir()
    with running(shell, TMPDIR=str(folder)) as one:
        assert one.client.get("/healthz").status == 200
        assert list(folder.glob("recommender-metrics-*/*.db"))
    assert list(folder.iterdir()) == []


def test_sigterm_lets_answers_finish(shell: Shell, server: Server) -> None:
    with running(shell) as one, ThreadPoolExecutor(4) as many:
        server.client.execute_command("CLIENT", "PAUSE", 2000, "ALL")
        slow = [many.submit(one.client.get, "/v1/films/similar", id="film 1") for _ in range(4)]
        time.sleep(0.5)
        one.process.send_signal(signal.SIGTERM)
        assert [each.result().status for each in slow] == [200] * 4
        assert one.process.wait(20) == 0
        with pytest.raises(OSError, match="refused"):
            one.client.get("/healthz")


def connected(stack: ExitStack, client: Client, sent: bytes) -> socket.socket:
    raw = stack.enter_context(socket.create_connection((client.host, client.port)))
    raw.sendall(sent)
    return raw


POST = b"POST /v1/films/recommend HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("nothing", b""),
        ("half a head", b"GET /v1/films HTTP/1.1\r\nHost: x"),
        ("half a body", POST + b"Content-Length: 100\r\n\r\n{"),
    ],
)
def test_slow_clients_hold_up_nobody(shell: Shell, name: str, sent: bytes) -> None:
    with running(shell) as one, ExitStack() as stack:
        slow = [connected(stack, one.client, sent) for _ in range(60)]
        answers = [one.client.get("/v1/films/similar", id="film 1") for _ in range(20)]
        assert {answer.status for answer in answers} == {200}, name
        assert select.select(slow, [], [], 0)[0] == [], "they still may go on"


def test_a_body_may_come_in_small_pieces(shell: Shell) -> None:
    body = b'{"like": ["film 1"], "limit": 2}'
    with running(shell) as one, ExitStack() as stack:
        length = b"Content-Length: %d\r\n" % len(body)
        raw = connected(stack, one.client, b"")
        for byte in POST + length + b"Connection: close\r\n\r\n" + body:
            raw.sendall(bytes([byte]))
            time.sleep(0.001)
        answer = raw.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["returned"] == 2


def test_requests_may_follow_each_other_at_once(shell: Shell) -> None:
    ask = b"GET /v1/films/similar?id=film+%d&limit=1&fields=title HTTP/1.1\r\nHost: x\r\n%b\r\n"
    asked = [ask % (number, b"") for number in range(4)] + [ask % (4, b"Connection: close\r\n")]
    with running(shell) as one, ExitStack() as stack:
        answers = connected(stack, one.client, b"".join(asked)).makefile("rb").read()
    assert answers.count(b"HTTP/1.1 200 ") == 5


def test_chunks_that_are_none_are_a_400(shell: Shell) -> None:
    head = POST + b"Transfer-Encoding: chunked\r\n\r\n"
    body = b'{"like": ["film 1"]}'
    with running(shell) as one, ExitStack() as stack:
        for size in (b"0x14", b"-14", b"+14", b"x"):
            sent = head + size + b"\r\n" + body + b"\r\n0\r\n\r\n"
            answer = connected(stack, one.client, sent).makefile("rb").read()
            assert answer.startswith(b"HTTP/1.1 400 "), size
            assert answer.count(b"HTTP/1.1 ") == 1, size


def test_a_client_that_waits_for_100_is_told_to_go_on(shell: Shell) -> None:
    body = b'{"like": ["film 1"]}'
    head = POST + b"Content-Length: %d\r\nExpect: 100-continue\r\n\r\n" % len(body)
    with running(shell) as one, ExitStack() as stack:
        raw = connected(stack, one.client, head)
        assert raw.recv(100).startswith(b"HTTP/1.1 100 ")
        raw.sendall(body)
        assert raw.recv(100).startswith(b"HTTP/1.1 200 ")


def test_long_bodies_are_read_while_they_come(shell: Shell, server: Server) -> None:
    key = {"X-API-Key": KEY, "Content-Type": "application/x-ndjson"}
    line = b'{"id": "new %d", "fields": {"title": "t"}, "vectors": {"v": [1, 2]}}\n'
    waiting = threading.Event()

    def body() -> Iterator[bytes]:
        yield b"".join(line % number for number in range(2000))
        wait_until(lambda: server.client.exists("films:1:item:new 999") == 1)
        waiting.set()
        yield line % 2000

    with running(shell, RECOMMENDER_WRITE_KEYS=KEY) as one:
        answer = one.client.send("POST", "/v1/films/items", body(), headers=key)
    assert (answer.status, answer.json["created"], waiting.is_set()) == (200, 2001, True)


def test_a_redis_that_hangs_is_a_503_and_no_hung_worker(shell: Shell, server: Server) -> None:
    redis = server.client.info("server")["process_id"]
    with running(shell) as one, ThreadPoolExecutor(20) as many:
        assert one.client.get("/v1/films/similar", id="film 1").status == 200
        os.kill(redis, signal.SIGSTOP)
        try:
            # 5 s of patience for each; 8 threads of one worker may take three turns.
            asked = [many.submit(one.client.get, "/v1/films", timeout=30) for _ in range(20)]
            answers = [each.result() for each in asked]
        finally:
            os.kill(redis, signal.SIGCONT)
        assert {answer.status for answer in answers} == {503}
        assert {answer.headers["Retry-After"] for answer in answers} == {"2"}
        wait_until(lambda: one.client.get("/v1/films/similar", id="film 1").status == 200)


def test_connections_to_redis_are_so_many_and_no_more(
    shell: Shell, server: Server, settings: Settings
) -> None:
    with served(create_app(settings)) as client, ThreadPoolExecutor(130) as many:
        last = max(int(each["id"]) for each in server.client.client_list())
        assert client.get("/v1/films/similar", id="film 1").status == 200
        server.client.execute_command("CLIENT", "PAUSE", 2000, "ALL")
        asked = [many.submit(client.get, "/v1/films/similar", id="film 1") for _ in range(130)]
        counted = Counter(each.result().status for each in asked)
        assert set(counted) == {200, 503}
        opened = [each for each in server.client.client_list() if int(each["id"]) > last]
        assert len(opened) <= 100
        assert client.get("/v1/films/similar", id="film 1").status == 200
