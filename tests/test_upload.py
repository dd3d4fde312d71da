"""Search by a picture in a form: what it finds, what it takes beside it, and what it refuses."""

from __future__ import annotations

import base64
import json
import tempfile
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any

import pytest
from conftest import Load
from outside import Answer, Client, served
from test_images import GREEN, RED, SHOP, TITLES, colours, shop

from api import create_app
from recommender import Catalogue, Recommender, Settings
from recommender.asking import MAX_IMAGE

__all__ = ["colours", "shop"]  # the fixtures of a catalogue that pictures are searched in

BOUNDARY = "between-the-parts"
FORM = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
URL = "/v1/shop/search"


@pytest.fixture
def client(shop: Recommender, settings: Settings) -> Iterator[Client]:
    with served(create_app(settings)) as client:
        yield client


def part(name: str, value: bytes | str, file: str | None = None) -> bytes:
    """One part of a form; with ``file`` it is one of that name."""
    head = f'Content-Disposition: form-data; name="{name}"'
    head += "" if file is None else f'; filename="{file}"\r\nContent-Type: image/jpeg'
    content = value.encode() if isinstance(value, str) else value
    return f"--{BOUNDARY}\r\n{head}\r\n\r\n".encode() + content + b"\r\n"


END = f"--{BOUNDARY}--\r\n".encode()


def send(client: Client, *parts: bytes, path: str = URL, end: bytes = END) -> Answer:
    return client.send("POST", path, b"".join(parts) + end, headers=FORM)


def problem(answer: Answer, status: int, code: str) -> Any:
    assert (answer.status, answer.json["code"]) == (status, code), answer.body
    return answer.json


def by_json(client: Client, **members: Any) -> Any:
    body = {"image": base64.b64encode(RED).decode(), **members}
    headers = {"Content-Type": "application/json"}
    return client.send("POST", URL, json.dumps(body).encode(), headers=headers).json


def test_a_picture_finds_what_looks_like_it(client: Client) -> None:
    for colour, found in ((RED, "tomato"), (GREEN, "apple")):
        answer = send(client, part("image", colour, "photo.jpg"))
        assert answer.status == 200, answer.body
        assert answer.json["items"][0]["id"] == found
        assert answer.json["returned"] == len(TITLES)


@pytest.mark.parametrize(
    ("fields", "wishes"),
    [
        ({}, {}),
        ({"limit": "2", "fields": "title"}, {"limit": 2, "fields": ["title"]}),
        ({"where": "price>=2", "explain": "true"}, {"where": ["price>=2"], "explain": True}),
        ({"boosts": "0.5*high(price)", "diversity": "0.5"},
         {"boosts": ["0.5*high(price)"], "diversity": 0.5}),
        ({"using": "look:0.7"}, {"using": {"look": 0.7}}),
    ],
    ids=str,
)  # fmt: skip
def test_a_form_a_form_with_options_and_json_say_the_same(
    client: Client, fields: dict[str, str], wishes: dict[str, Any]
) -> None:
    wanted = by_json(client, **wishes)["items"]
    assert wanted
    image = part("image", RED, "photo.jpg")
    assert send(client, image, *[part(*each) for each in fields.items()]).json["items"] == wanted
    assert send(client, part("options", json.dumps(wishes)), image).json["items"] == wanted


def test_conditions_nest_in_options(client: Client) -> None:
    wishes = {"where": {"any": ["price=0", {"not": "price<5"}]}}
    answer = send(client, part("options", json.dumps(wishes)), part("image", RED, "x"))
    assert {hit["id"] for hit in answer.json["items"]} == {"tomato", "stone"}


def test_what_a_part_cannot_be(client: Client) -> None:
    image = part("image", RED, "photo.jpg")
    for parts, code in (
        ([], "invalid_image"),
        ([part("image", "base64 has no place here")], "invalid_image"),
        ([image, image], "invalid_image"),
        ([part("image", b"", "empty.jpg")], "invalid_image"),
        ([part("image", b"GIF89a", "photo.gif")], "invalid_image"),
        ([part("photo", RED, "photo.jpg")], "invalid_photo"),
        ([image, part("limit", "0")], "invalid_limit"),
        ([image, part("limit", "2"), part("limit", "3")], "invalid_limit"),
        ([image, part("limt", "2")], "invalid_parameter"),
        ([image, part("where", "prise=1")], "unknown_field"),
        ([image, part("options", "no JSON")], "invalid_options"),
        ([image, part("options", "[]")], "invalid_options"),
        ([image, part("options", '{"limit": "2"}')], "invalid_limit"),
        ([image, part("options", '{"text": "red"}')], "invalid_text"),
        ([image, part("options", "{}"), part("limit", "2")], "invalid_options"),
        ([image, part("options", '{"where": "price=1"}', "options.json")], "invalid_options"),
        ([image, part("where", b"\xff\xfe")], "invalid_where"),
    ):
        assert problem(send(client, *parts), 400, code)["detail"]
    assert "'limit'" in send(client, image, part("limt", "2")).json["remedy"]


def test_a_form_that_cannot_be_read(client: Client) -> None:
    image = part("image", RED, "photo.jpg")
    problem(send(client, image, end=b""), 400, "invalid_body")
    bare = {"Content-Type": "multipart/form-data"}
    problem(client.send("POST", URL, image + END, headers=bare), 400, "invalid_body")
    for more in ("", "; filename=x"):
        nameless = f"--{BOUNDARY}\r\nContent-Disposition: form-data{more}\r\n\r\nx\r\n".encode()
        problem(send(client, image, nameless), 400, "invalid_body")
    half = part("options", r'{"\ud800": 1}')
    problem(send(client, image, half), 400, "invalid_body")
    many = [part(f"x{number}", "") for number in range(300)]
    problem(send(client, *many), 413, "request_entity_too_large")
    problem(send(client, image, part("where", "x" * 2**21)), 413, "request_entity_too_large")
    problem(send(client, image, path=f"{URL}?limit=2"), 400, "invalid_parameter")


def test_pictures_have_a_limit_and_leave_nothing_behind(
    client: Client, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path_factory.mktemp("alone")  # where nobody else writes
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    width = MAX_IMAGE // 3 - 20
    largest = b"P6 %d 1 255\n" % width + bytes((250, 10, 20)) * width
    answer = send(client, part("image", largest, "large.ppm"), part("limit", "1"))
    assert [hit["id"] for hit in answer.json["items"]] == ["tomato"]
    problem(send(client, part("image", b"x" * (MAX_IMAGE + 1), "larger.jpg")), 413,
            "request_entity_too_large")  # fmt: skip
    assert list(folder.iterdir()) == []


def test_a_picture_without_end_is_refused_while_it_comes(client: Client) -> None:
    connection = HTTPConnection(client.host, client.port, timeout=20)
    connection.putrequest("POST", URL)
    for name, value in {**FORM, "Transfer-Encoding": "chunked"}.items():
        connection.putheader(name, value)
    connection.endheaders()
    for data in (
        part("image", b"", "endless.jpg")[:-2],
        *[b"x" * 2**20] * (MAX_IMAGE // 2**20 + 2),
    ):
        connection.send(b"%x\r\n%s\r\n" % (len(data), data))
    response = connection.getresponse()  # though the body has not come to its end
    assert (response.status, json.loads(response.read())["status"]) == (413, 413)
    connection.close()


def test_a_catalogue_without_pictures(client: Client, load: Load) -> None:
    words = Catalogue.from_dict(
        {**SHOP, "name": "words", "vectors": {"text": SHOP["vectors"]["text"]}}
    )
    load(words, [{"id": "a", "title": "red"}])
    answer = send(client, part("image", RED, "x"), path="/v1/words/search")
    body = {"image": base64.b64encode(RED).decode()}
    headers = {"Content-Type": "application/json"}
    same = client.send("POST", "/v1/words/search", json.dumps(body).encode(), headers=headers)
    assert (answer.status, answer.json) == (same.status, same.json)
    assert answer.status == 400
