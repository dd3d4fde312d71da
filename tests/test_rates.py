"""Rate limits: by key or by address, in Redis, for all servers together."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from flask import Flask
from outside import Answer, Client, served
from test_api_errors import own_redis, problem

from api import create_app
from api.plugin import recommendations
from recommender import Settings
from recommender.store import embedded, rates
from recommender.store.connection import Server

PATH = "/v1/catalogues"
KEY, OTHER = "a-key-that-writes", "another-key-that-writes"
DAY = 86_400


@contextmanager
def limited(
    settings: Settings, *limits: tuple[int, int], proxies: int = 0, keys: tuple[str, ...] = ()
) -> Iterator[Client]:
    made = replace(settings, rate_limits=limits, proxies=proxies, write_keys=keys)
    with served(create_app(made)) as client:
        yield client


def ask(client: Client, path: str = PATH, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.send("GET", path, headers=named)


def test_too_many_are_refused(server: Server, settings: Settings) -> None:
    with limited(settings, (3, DAY)) as client:
        for left in (2, 1, 0):
            answer = ask(client)
            assert answer.status == 200
            said = {
                name: int(answer.headers[f"RateLimit-{name}"]) for name in ("Limit", "Remaining")
            }
            assert said == {"Limit": 3, "Remaining": left}
            assert 0 < int(answer.headers["RateLimit-Reset"]) <= DAY
        refused = ask(client)
        found = problem(refused, 429, "rate_limited")
        assert "3 requests" in found["detail"]
        assert found["remedy"]
        assert int(refused.headers["Retry-After"]) > 0
        assert refused.headers["RateLimit-Remaining"] == "0"
        assert refused.headers["Cache-Control"] == "no-store"
        assert refused.headers["X-Request-Id"]


def test_none_is_counted_without_the_setting(server: Server, settings: Settings) -> None:
    with limited(settings) as client:
        answer = ask(client)
    assert not [name for name in answer.headers if name.startswith("RateLimit")]
    assert server.client.keys("recommender:rate:*") == []


def test_whoever_waits_may_ask_again(server: Server, settings: Settings) -> None:
    with limited(settings, (2, 1)) as client:
        while (refused := ask(client)).status == 200:
            pass
        time.sleep(int(refused.headers["Retry-After"]))
        assert ask(client).status == 200


def test_all_rates_hold(server: Server, settings: Settings) -> None:
    with limited(settings, (1000, 60), (2, DAY)) as client:
        assert [ask(client).status for _ in range(3)] == [200, 200, 429]
        assert ask(client).headers["RateLimit-Limit"] == "2"
    for _ in range(5):  # what is refused by one is not counted by the other
        rates.count(server.client, "x", [(1000, DAY), (2, DAY * 2)])
    assert rates.count(server.client, "x", [(1000, DAY)]).left == 997


def test_each_key_and_each_address_has_its_own(server: Server, settings: Settings) -> None:
    with limited(settings, (2, DAY), keys=(KEY, OTHER)) as client:
        for who in ({"X_API_Key": KEY}, {"Authorization": f"Bearer {OTHER}"}, {}):
            assert [ask(client, **who).status for _ in range(3)] == [200, 200, 429]
        assert ask(client, Authorization=f"Bearer {KEY}").status == 429, "in whichever header"
        # A key that nobody gave out is as good as none.
        assert ask(client, X_API_Key="a-key-made-up-just-now").status == 429


def test_whoever_guesses_keys_is_refused_too(server: Server, settings: Settings) -> None:
    closed = replace(settings, rate_limits=((3, DAY),), read_keys=(KEY,))
    with served(create_app(closed)) as client:
        tried = [ask(client, X_API_Key=f"guess-number-{n}-of-many").status for n in range(5)]
    assert tried == [401, 401, 401, 429, 429]


def test_an_address_cannot_be_forged(server: Server, settings: Settings) -> None:
    with limited(settings, (2, DAY)) as client:
        forged = [ask(client, X_Forwarded_For=f"10.0.0.{n}").status for n in range(3)]
    assert forged == [200, 200, 429]


def test_a_proxy_tells_the_address(server: Server, settings: Settings) -> None:
    with limited(settings, (2, DAY), proxies=1) as client:
        assert [ask(client, X_Forwarded_For="10.0.0.1").status for _ in range(3)] == [200, 200, 429]
        assert ask(client, X_Forwarded_For="10.0.0.2").status == 200
        # What the client itself wrote stands before what the proxy added.
        assert ask(client, X_Forwarded_For="10.9.9.9, 10.0.0.1").status == 429


@pytest.mark.parametrize(
    ("one", "two", "same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1", "10.0.0.2", False),
        ("nonsense", "more nonsense", False),
    ],
)
def test_who_counts_as_one(
    server: Server, settings: Settings, one: str, two: str, same: bool
) -> None:
    with limited(settings, (1, DAY), proxies=1) as client:
        assert ask(client, X_Forwarded_For=one).status == 200
        assert ask(client, X_Forwarded_For=two).status == (429 if same else 200)


def test_health_and_options_are_never_refused(server: Server, settings: Settings) -> None:
    with limited(settings, (1, DAY)) as client:
        for _ in range(3):
            assert ask(client, "/healthz").status == 200
            assert ask(client, "/readyz").status == 200
            assert client.send("OPTIONS", PATH).status == 200
            assert ask(client, "/metrics").status == 200
            assert ask(client, "/widget.js").status == 200
        assert [ask(client).status for _ in range(2)] == [200, 429]


def test_a_request_counts_once_whatever_is_in_it(server: Server, settings: Settings) -> None:
    with limited(settings, (10, DAY), keys=(KEY,)) as client:
        for body in (b"[]", b'{"id": "x"}\n' * 500):
            headers = {"Content-Type": "application/json", "X-API-Key": KEY}
            answer = client.send("POST", "/v1/films/items", body, headers=headers)
            assert answer.status == 404
        assert answer.headers["RateLimit-Remaining"] == "8"


def test_many_at_once_get_no_more(server: Server, settings: Settings) -> None:
    with limited(settings, (20, DAY)) as one, limited(settings, (20, DAY)) as two:
        seen: list[int] = []
        threads = [
            threading.Thread(target=lambda to=to: seen.append(ask(to).status))
            for to in (one, two) * 20
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert (seen.count(200), seen.count(429)) == (20, 20)


def test_the_rate_does_not_begin_anew_where_a_window_ends(server: Server) -> None:
    """Windows are of 2 s by the clock; what was taken at the end of one fades in the next."""

    def clock() -> float:
        seconds, micros = server.client.time()
        return float(seconds % 2 + micros / 1e6)

    def taken() -> int:
        count = 0
        while not rates.count(server.client, "x", [(100, 2)]).wait:
            count += 1
        return count

    while not 1.0 < clock() < 1.3:
        time.sleep(0.01)
    assert taken() == 100
    while clock() > 1.0:
        time.sleep(0.01)
    more = taken()
    assert more <= 100 * clock() / 2 + 1
    assert more < 60, "fixed windows would let 100 through"


def test_what_is_kept_of_a_client(server: Server) -> None:
    rates.count(server.client, f"key {KEY}", [(5, 60)])
    [key] = server.client.keys("recommender:rate:*")
    assert KEY.encode() not in key
    assert 0 < server.client.ttl(key) <= 120


def test_redis_away_is_said_by_the_answer_itself(server: Server) -> None:
    with own_redis() as other, limited(other, (5, DAY)) as client:
        assert ask(client).status == 200
        embedded.stop(other.home)
        problem(ask(client), 503, "redis_unavailable")
        assert ask(client, "/healthz").status == 200


def test_a_full_redis_still_answers(server: Server, settings: Settings) -> None:
    with limited(settings, (2, DAY)) as client:
        ask(client)
        server.client.config_set("maxmemory", 1)
        try:
            assert [ask(client).status for _ in range(3)] == [200, 200, 200]
        finally:
            server.client.config_set("maxmemory", 0)


def test_instances_have_their_own_rates_and_one_count(server: Server, settings: Settings) -> None:
    app = Flask("host")
    for name, count in (("few", 2), ("more", 4)):
        made = recommendations(replace(settings, rate_limits=((count, DAY),)), name=name)
        app.register_blueprint(made, url_prefix=f"/{name}")

    @app.get("/own")
    def own() -> str:
        return "mine"

    with served(app) as client:
        assert [ask(client, f"/few{PATH}").status for _ in range(3)] == [200, 200, 429]
        assert [ask(client, f"/more{PATH}").status for _ in range(3)] == [200, 200, 429]
        assert ask(client, "/own").status == 200
