"""Recommendations as a part of somebody's Flask application, which keeps everything of its own."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import loaded
from flask import Blueprint, Flask, Response, abort, g, jsonify, render_template_string, request
from flask import url_for as link
from flask.json.provider import DefaultJSONProvider
from werkzeug.test import TestResponse

from api import Recommendations, recommendations
from recommender import Catalogue, Recommender, RecommenderError, Settings, Writer
from recommender.errors import StoreError, UnknownCatalogue
from recommender.store import embedded
from recommender.store.connection import Server, connect

PROBLEM = "application/problem+json"
KEY, OTHER_KEY = "a-key-for-writers", "another-key-for-writers"


def shelf(name: str, *ids: str) -> tuple[Catalogue, list[dict[str, Any]]]:
    """A catalogue in which every item is a little further from the first."""
    catalogue = Catalogue.from_dict(
        {
            "name": name,
            "fields": {"title": {"type": "text"}},
            "vectors": {"v": {"embedder": "given", "column": "v", "index": "flat"}},
        }
    )
    return catalogue, [
        {"id": id, "title": id.title(), "v": [10, place]} for place, id in enumerate(ids)
    ]


@pytest.fixture
def posts(server: Server, settings: Settings) -> Settings:
    """The settings of a Redis with the catalogue ``posts``."""
    loaded(server, settings, *shelf("posts", "rye", "wheat", "pizza"))
    return settings


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Settings]:
    """The settings of a second Redis, whose ``posts`` are others."""
    home = Path(tempfile.mkdtemp(prefix="rec-"))
    settings = Settings(home=home)
    server = connect(settings)
    loaded(server, settings, *shelf("posts", "rye", "barley"))
    yield settings
    server.client.close()
    embedded.stop(home)
    shutil.rmtree(home)


def host() -> Flask:
    """An application with pages, errors, JSON and habits of its own."""
    app = Flask("host", static_folder=str(Path(__file__).parent))

    class Shouting(DefaultJSONProvider):
        def dumps(self, obj: Any, **options: Any) -> str:
            return super().dumps(obj, **options).upper()

    app.json = Shouting(app)
    app.before_request(lambda: setattr(g, "seen", True))
    for code in (400, 401, 404, 405, 413, 415):
        app.register_error_handler(code, lambda error: (f"the host's own {error.code}", error.code))
    app.register_error_handler(Exception, lambda error: ("the host's own 500", 500))
    app.add_url_rule("/", "home", lambda: jsonify(seen=g.seen))
    app.add_url_rule("/broken", "broken", lambda: str(1 // 0))
    app.add_url_rule("/picky", "picky", lambda: abort(400))
    app.add_url_rule("/link", "link", lambda: link("home"))
    return app


def ids(answer: TestResponse) -> list[str]:
    assert answer.status_code == 200, answer.text
    assert answer.is_json
    return [item["id"] for item in answer.get_json()["items"]]


@pytest.mark.parametrize(
    "prefix", [None, "", "/", "/recommendations", "/deep/down/", "/with-ünicode"]
)
def test_it_answers_below_any_prefix(posts: Settings, prefix: str | None) -> None:
    app = host()
    app.register_blueprint(recommendations(posts), url_prefix=prefix)
    client, start = app.test_client(), (prefix or "").rstrip("/")
    assert ids(client.get(f"{start}/v1/posts/similar?id=rye")) == ["wheat", "pizza"]
    assert client.get(f"{start}/healthz").get_json() == {"status": "ok"}
    assert client.get(f"{start}/readyz").status_code == 200
    for address in ("/v1/posts/similar", "/v1/nothing", "/v1/posts/similar?id=gone"):
        wrong = client.get(start + address)
        assert wrong.status_code in (400, 404), address
        assert wrong.mimetype == PROBLEM, address


def test_it_answers_where_the_whole_application_is_mounted(posts: Settings) -> None:
    app = host()
    Recommendations(app, posts)
    client = app.test_client()
    asked = "/recommendations/v1/posts/similar?id=rye"
    answer = client.get(asked, environ_overrides={"SCRIPT_NAME": "/mounted"})
    assert ids(answer) == ["wheat", "pizza"]


def everything_of(app: Flask) -> dict[str, tuple[int, str | None, bytes]]:
    """What the application says at its own addresses."""
    client = app.test_client()
    asked = [
        ("GET", "/"), ("GET", "/nothing"), ("GET", "/v2"), ("POST", "/"), ("GET", "/picky"),
        ("GET", "/broken"), ("GET", "/link"), ("GET", "/static/outsider_package/pyproject.toml"),
        ("GET", "/static/nothing"), ("OPTIONS", "/"), ("HEAD", "/"), ("GET", "/recommendation"),
    ]  # fmt: skip
    answers = {f"{method} {path}": client.open(path, method=method) for method, path in asked}
    return {
        name: (answer.status_code, answer.content_type, answer.data)
        for name, answer in answers.items()
    }


@pytest.mark.parametrize("prefix", ["", "/recommendations"])
def test_the_host_keeps_what_it_had(posts: Settings, prefix: str) -> None:
    app = host()
    app.register_blueprint(recommendations(posts), url_prefix=prefix)
    before, after = everything_of(host()), everything_of(app)
    assert before == after
    assert before["GET /nothing"][2] == b"the host's own 404"
    assert before["GET /"][2].strip() == b'{"SEEN":TRUE}'  # its habits are at work
    with app.test_request_context():
        assert link("home") == "/"
        assert link("recommender.v1.similar", catalogue="posts", id="a/b c") == (
            f"{prefix}/v1/posts/similar?id=a/b+c"
        )
        assert render_template_string("{{ config.DEBUG }}") == "False"


def test_what_is_wrong_below_the_prefix_is_a_problem_of_ours(posts: Settings) -> None:
    app = host()
    Recommendations(app, posts, url_prefix="/recs/")
    client = app.test_client()
    wrong = {
        ("GET", "/recs/nothing"): 404,
        ("GET", "/recs/v1/posts/nothing"): 404,
        ("POST", "/recs/healthz"): 405,
        ("GET", "/recs/v1/posts/recommend"): 405,
        ("POST", "/recs/v1/posts/recommend"): 415,
        ("GET", "/recs/v1/posts/similar?id=rye&limit=0"): 400,
        ("DELETE", "/recs/v1/posts/items?id=rye"): 403,
    }
    for (method, path), status in wrong.items():
        answer = client.open(path, method=method)
        assert (answer.status_code, answer.mimetype) == (status, PROBLEM), path
        assert answer.get_json()["status"] == status
        assert answer.headers["X-Request-Id"], path
    refused = client.get("/recs/v1/posts/recommend")
    assert set(refused.headers["Allow"].split(", ")) == {"POST", "OPTIONS"}
    assert client.get("/recs").location == "http://localhost/recs/"  # where the page stands
    for path in ("/recsx", "/v1/posts/nothing"):  # beside it the host answers
        assert client.get(path).text == "the host's own 404", path


def test_what_the_host_refuses_before_is_said_as_a_problem(posts: Settings) -> None:
    app = host()
    app.config["MAX_CONTENT_LENGTH"] = 10

    @app.before_request
    def refuse() -> None:
        if "refuse" in request.args:
            abort(401, "log in first")

    Recommendations(app, posts)
    client = app.test_client()
    answer = client.get("/recommendations/healthz?refuse=1")
    assert (answer.status_code, answer.mimetype) == (401, PROBLEM)
    assert answer.get_json()["detail"] == "log in first"
    asked = {"like": ["rye", "wheat"]}
    large = client.post("/recommendations/v1/posts/recommend", json=asked)
    assert (large.status_code, large.mimetype) == (413, PROBLEM)


def test_our_fault_is_logged_and_says_nothing(
    posts: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    app = host()
    recs = recommendations(posts)

    @recs.get("/fails")
    def fails() -> Response:
        raise ZeroDivisionError("a secret")

    app.register_blueprint(recs, url_prefix="/recs")
    answer = app.test_client().get("/recs/fails")
    assert (answer.status_code, answer.mimetype) == (500, PROBLEM)
    assert "secret" not in answer.text
    assert "a secret" in caplog.text


def test_instances_beside_each_other_know_nothing_of_each_other(
    posts: Settings, elsewhere: Settings
) -> None:
    app = host()
    mine = Settings(home=posts.home, write_keys=(KEY,))
    theirs = Settings(
        home=elsewhere.home, write_keys=(OTHER_KEY,), read_keys=("a-key-for-readers",)
    )
    here = Recommendations(app, mine, name="here", url_prefix="/here")
    there = Recommendations(app, theirs, name="there", url_prefix="/there")
    client = app.test_client()
    asked = "v1/posts/similar?id=rye"
    assert ids(client.get(f"/here/{asked}")) == ["wheat", "pizza"]
    assert client.get(f"/there/{asked}").status_code == 401
    assert ids(client.get(f"/there/{asked}", headers={"X-API-Key": OTHER_KEY})) == ["barley"]
    written = '{"fields": {"title": "Oats"}, "vectors": {"v": [1, 0]}}'
    for start, key, status in (
        ("here", OTHER_KEY, 401), ("there", KEY, 401), ("here", KEY, 201),
    ):  # fmt: skip
        headers = {"X-API-Key": key, "Content-Type": "application/json"}
        answer = client.put(f"/{start}/v1/posts/items?id=oats", data=written, headers=headers)
        assert answer.status_code == status, answer.text
    with app.app_context():
        assert here.catalogue("posts").count() == 4
        assert there.catalogue("posts").count() == 2


def test_two_applications_of_one_process_answer_differently(
    posts: Settings, elsewhere: Settings
) -> None:
    recs = Recommendations()  # one for both, as the module of a factory holds it

    def create(home: Path) -> Flask:
        app = host()
        app.config.update(RECOMMENDER_HOME=home, REDIS_URL="")
        recs.init_app(app)
        app.register_blueprint(recommendations(Settings(home), name="v2"), url_prefix="/v2")
        return app

    one, two = create(posts.home), create(elsewhere.home)
    for _ in range(2):  # in turns
        for app, expected in ((one, ["wheat", "pizza"]), (two, ["barley"])):
            for start in ("/recommendations", "/v2"):
                answer = app.test_client().get(f"{start}/v1/posts/similar?id=rye")
                assert ids(answer) == expected
            with app.app_context():
                assert [hit.id for hit in recs.catalogue("posts").similar("rye")] == expected


def test_one_blueprint_may_be_registered_under_two_names(posts: Settings) -> None:
    app, recs = host(), recommendations(posts)
    app.register_blueprint(recs, url_prefix="/one")
    app.register_blueprint(recs, url_prefix="/two", name="second")
    with pytest.raises(ValueError, match="already registered"):
        app.register_blueprint(recs, url_prefix="/three")
    with pytest.raises(ValueError, match="already registered"):
        Recommendations(app, posts)
    client = app.test_client()
    for start in ("/one", "/two"):
        assert ids(client.get(f"{start}/v1/posts/similar?id=rye")) == ["wheat", "pizza"]
        assert client.get(f"{start}/v1/posts/nothing").mimetype == PROBLEM
        assert client.get(f"{start}/v1/posts/similar").mimetype == PROBLEM


def test_one_blueprint_may_serve_two_applications(posts: Settings) -> None:
    recs, apps = recommendations(posts), [host(), host()]
    for app in apps:
        app.register_blueprint(recs)
    for app in apps:
        assert ids(app.test_client().get("/v1/posts/similar?id=rye")) == ["wheat", "pizza"]
    held = [app.extensions["recommender"]["recommender"] for app in apps]
    assert held[0].settings is held[1].settings
    assert held[0].catalogues is not held[1].catalogues


@pytest.mark.parametrize("prefix", [None, "/recs"])
def test_it_nests_in_a_blueprint_of_the_host(posts: Settings, prefix: str | None) -> None:
    app, blog = host(), Blueprint("blog", "host")
    blog.add_url_rule("/about", "about", lambda: link("home"))
    blog.register_error_handler(404, lambda error: ("the blog's own 404", 404))
    blog.add_url_rule("/gone", "gone", lambda: abort(404))
    blog.register_blueprint(recommendations(posts), url_prefix=prefix)
    app.register_blueprint(blog, url_prefix="/blog")
    client, start = app.test_client(), f"/blog{prefix or ''}"
    assert ids(client.get(f"{start}/v1/posts/similar?id=rye")) == ["wheat", "pizza"]
    assert client.get(f"{start}/v1/posts/similar").mimetype == PROBLEM
    assert client.get(f"{start}/v1/posts/nothing").mimetype == PROBLEM
    assert client.get(f"{start}/v1/posts/similar?id=gone").mimetype == PROBLEM
    assert client.get("/blog/about").text == "/"
    assert client.get("/blog/gone").text == "the blog's own 404"
    assert client.get("/blog/nothing").text == "the host's own 404"


def test_pages_rendered_here_ask_the_engine_without_http(posts: Settings) -> None:
    app = host()
    recs = Recommendations(app, Settings(home=posts.home))

    @app.get("/posts/<id>")
    def post(id: str) -> str:
        near = recs.catalogue("posts").similar(id, limit=1)
        return render_template_string("{% for hit in near %}{{ hit.fields.title }}{% endfor %}",
                                      near=near)  # fmt: skip

    assert app.test_client().get("/posts/rye").text == "Wheat"
    with app.app_context():
        assert isinstance(recs.catalogue("posts"), Recommender)
        assert recs.catalogue("posts") is recs.catalogue("posts")
        writer = recs.writer("posts")  # the application may write whatever the keys say
        assert isinstance(writer, Writer)
        assert writer.delete(["wheat"]) == 1
        assert [hit.id for hit in recs.catalogue("posts").similar("rye")] == ["pizza"]
        with pytest.raises(UnknownCatalogue, match="psts"):
            recs.catalogue("psts")


def test_what_is_missing_is_said(posts: Settings) -> None:
    recs = Recommendations(settings=posts)
    with pytest.raises(RuntimeError, match="application context"):
        recs.catalogue("posts")
    app = host()
    with app.app_context(), pytest.raises(RecommenderError) as error:
        recs.catalogue("posts")
    assert "'host' has no recommendations called 'recommender'" in error.value.message
    assert error.value.remedy == "Call init_app(app) where it is made"
    app.config["RECOMMENDER_WRITE_KEYS"] = "short"
    with pytest.raises(RecommenderError, match="RECOMMENDER_WRITE_KEYS") as refused:
        Recommendations(app)
    assert "'short'" not in str(refused.value)


def test_an_application_begins_without_its_redis(posts: Settings) -> None:
    app = host()
    app.config["REDIS_URL"] = "redis://127.0.0.1:1"
    recs = Recommendations(app)
    client = app.test_client()
    assert client.get("/").status_code == 200
    answer = client.get("/recommendations/v1/posts/similar?id=rye")
    assert (answer.status_code, answer.mimetype) == (503, PROBLEM)
    assert int(answer.headers["Retry-After"]) > 0
    with app.app_context(), pytest.raises(StoreError):
        recs.catalogue("posts")
