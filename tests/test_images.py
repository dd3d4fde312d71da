"""Search by a picture: with an embedder of somebody else that puts pictures beside words."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, Quiet
from outside import Client, Shell, served

from api import create_app
from recommender import Catalogue, Recommender, Record, Reject, Settings, sync
from recommender.embedders.base import embed_picture, make_embedder
from recommender.errors import EmbedderError, InvalidParameter
from recommender.store.connection import Server

COLOURS = '''
"""Words and pictures by their colour: red, green and blue are the three numbers."""

import numpy as np

from recommender.errors import TextRefused

KNOWN = {
    "red": (9, 1, 1), "green": (1, 9, 1), "blue": (1, 1, 9),
    "yellow": (9, 9, 1), "purple": (9, 1, 9), "grey": (5, 5, 5),
}


class Colours:
    batch_size = 8
    is_remote = False
    max_bytes = 40
    dims = 3

    def __init__(self, model, dims, settings):
        self.name = f"colours:{model}" if model else "colours"

    def embed(self, texts):
        rows = [[KNOWN[word] for word in text.lower().split() if word in KNOWN] for text in texts]
        return unit([np.sum(row, axis=0) if row else [0, 0, 0] for row in rows])

    def embed_images(self, images):
        if self.name == "colours:broken":
            return np.ones((len(images), 2), dtype=np.float32)
        return unit([mean_of(image) for image in images])


def mean_of(image):
    """The mean colour of a binary PPM: ``P6 width height 255`` and three bytes a pixel."""
    parts = image.split(maxsplit=4)
    if len(parts) != 5 or parts[0] != b"P6":
        raise TextRefused("it is no PPM", remedy="Convert it")
    return np.frombuffer(parts[4], np.uint8).reshape(-1, 3).mean(axis=0)


def unit(rows):
    rows = np.asarray(rows, dtype=np.float32)
    with np.errstate(invalid="ignore"):
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)
'''
SHOP: dict[str, Any] = {
    "name": "shop",
    "fields": {"title": {"type": "text"}, "price": {"type": "number"}},
    "vectors": {
        "look": {"embedder": "colours", "template": "{title}", "index": "flat"},
        "text": {"template": "{title}"},
    },
}
TITLES = {
    "tomato": "a red tomato", "apple": "a green apple", "sky": "a blue sky",
    "lemon": "a yellow lemon", "plum": "a purple plum", "stone": "a grey stone",
}  # fmt: skip


def picture(*pixels: tuple[int, int, int]) -> bytes:
    """A PPM, one row high."""
    return b"P6 %d 1 255\n" % len(pixels) + b"".join(map(bytes, pixels))


RED, GREEN, BLACK = picture((250, 10, 20)), picture((30, 240, 20)), picture((0, 0, 0))
SUNNY = picture((250, 240, 20), (240, 230, 40), (200, 200, 120))
"""Yellow, with a little of the sky."""


@pytest.fixture(autouse=True)
def colours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The package of somebody else, as pip would install it."""
    folder = tmp_path / "site"
    info = folder / "colours-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: colours\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[recommender.embedders]\ncolours = colours:Colours\n")
    (folder / "colours.py").write_text(COLOURS)
    monkeypatch.syspath_prepend(str(folder))
    return str(folder)


@pytest.fixture
def shop(server: Server, settings: Settings) -> Recommender:
    records = [
        Record(id, {"id": id, "title": title, "price": number})
        for number, (id, title) in enumerate(TITLES.items())
    ]
    rejects: list[Reject] = []
    catalogue = Catalogue.from_dict(SHOP)
    sync(server, catalogue, records, settings, progress=Quiet(), on_reject=rejects.append)
    assert not rejects
    return Recommender("shop", settings=settings, server=server)


@pytest.fixture
def client(shop: Recommender, settings: Settings) -> Iterator[Client]:
    with served(create_app(settings)) as client:
        yield client


@pytest.fixture
def shell(shop: Recommender, home: Path, tmp_path: Path, colours: str) -> Shell:
    for name, image in {"red": RED, "green": GREEN, "sunny": SUNNY}.items():
        (tmp_path / f"{name}.ppm").write_bytes(image)
    (tmp_path / "notes.txt").write_text("no picture")
    return Shell(home, tmp_path)


def ids(results: Any) -> list[str]:
    items = results["items"] if isinstance(results, dict) else results
    return [hit["id"] if isinstance(hit, dict) else hit.id for hit in items]


def post(client: Client, verb: str, **body: Any) -> Any:
    return client.send(
        "POST", f"/v1/shop/{verb}", json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )  # fmt: skip


def base64_of(image: bytes) -> str:
    return base64.b64encode(image).decode()


def test_words_find_what_they_say(shop: Recommender) -> None:
    assert ids(shop.search("something red", limit=1)) == ["tomato"]


@pytest.mark.parametrize(
    ("image", "wanted"),
    [(RED, ["tomato"]), (GREEN, ["apple"]), (SUNNY, ["lemon", "stone"])],
    ids=["red", "green", "sunny"],
)
def test_a_picture_finds_what_looks_like_it(
    shop: Recommender, image: bytes, wanted: list[str]
) -> None:
    assert ids(shop.search(image=image, limit=len(wanted))) == wanted
    assert ids(shop.search(image=base64_of(image), limit=len(wanted))) == wanted


def test_it_takes_the_other_wishes(shop: Recommender) -> None:
    found = shop.search(image=RED, where="price>0", boosts="5*high(price)", explain=True, limit=2)
    assert ids(found) == ["stone", "plum"]
    assert found.items[0].why is not None
    assert "for a high price" in found.items[0].why["sentence"]
    assert ids(shop.search(image=RED, mode="hybrid", limit=1)) == ["tomato"]


def test_pages_of_a_picture(shop: Recommender) -> None:
    first = shop.search(image=SUNNY, limit=2, next="start")
    second = shop.search(image=SUNNY, limit=2, next=first.next)
    assert ids(first) + ids(second) == ids(shop.search(image=SUNNY, limit=4))
    with pytest.raises(InvalidParameter, match="of another question"):
        shop.search(image=RED, limit=2, next=first.next)
    liked = shop.recommend([{"image": SUNNY}], limit=2, next="start")
    assert ids(shop.recommend([{"image": SUNNY}], limit=2, next=liked.next)) == ids(second)
    with pytest.raises(InvalidParameter, match="of another question"):
        shop.recommend([{"image": RED}], limit=2, next=liked.next)


def test_likes_may_be_pictures(shop: Recommender) -> None:
    assert ids(shop.recommend([{"image": RED}], limit=1)) == ["tomato"]
    both = shop.recommend([{"image": RED}, {"image": GREEN}], limit=1)
    assert ids(both) == ["lemon"]  # red and green light is yellow
    assert ids(shop.recommend([{"image": RED, "weight": 9}, "lemon"], limit=1)) == ["tomato"]
    best = shop.recommend([{"image": RED}, {"text": "green"}], strategy="best", explain=True)
    assert {*ids(best)[:2]} == {"tomato", "apple"}
    nearest = {hit.id: hit.why["nearest"] for hit in best if hit.why}
    assert (nearest["tomato"], nearest["apple"]) == ("an image", "'green'")
    assert ids(shop.recommend(["plum"], [{"image": RED}], limit=1)) == ["sky"]


def test_the_same_over_http(client: Client, shop: Recommender) -> None:
    found = post(client, "search", image=base64_of(SUNNY), limit=3)
    assert found.status == 200
    assert ids(found.json) == ids(shop.search(image=SUNNY, limit=3))
    liked = post(client, "recommend", like=["plum", {"image": base64_of(RED)}], limit=3)
    assert ids(liked.json) == ids(shop.recommend(["plum", {"image": RED}], limit=3))


def test_the_same_on_the_command_line(shell: Shell, shop: Recommender, colours: str) -> None:
    path = os.pathsep.join([colours, str(ROOT)])
    found = shell.run("search", "shop", "--image", "sunny.ppm", "--json", PYTHONPATH=path)
    assert found.code == 0, found.err
    assert ids(found.json) == ids(shop.search(image=SUNNY))
    table = shell.call("search", "shop", "--image", "sunny.ppm")
    assert table.out.startswith("Closest to “sunny.ppm”")
    liked = shell.call(
        "recommend", "shop", "--like", "plum", "--like-image", "red.ppm", "--json", "-n", "3"
    )
    assert ids(liked.json) == ids(shop.recommend(["plum", {"image": RED}], limit=3))
    gone = shell.call("search", "shop", "--image", "gone.ppm")
    assert (gone.code, "gone.ppm" in gone.err) == (2, True)


@pytest.mark.parametrize(
    ("image", "wishes", "said"),
    [
        ("not base64!", {}, "is not base64"),
        (base64_of(b"no picture"), {}, "colours refused the image: it is no PPM"),
        (base64_of(BLACK), {}, "colours sees nothing in the image"),
        ("", {}, "It is bytes, or base64"),
        (base64_of(RED), {"using": "text"}, "wordllama embeds texts and no images"),
        (base64_of(RED), {"using": {"look": 0.5, "text": 0.5}}, "wordllama embeds texts and no"),
    ],
)
def test_what_cannot_be_looked_for(
    client: Client, image: str, wishes: dict[str, Any], said: str
) -> None:
    for verb, body, parameter in (
        ("search", {"image": image}, "image"),
        ("recommend", {"like": [{"image": image}]}, "like"),
    ):
        answer = post(client, verb, **body, **wishes)
        assert (answer.status, answer.json["parameter"]) == (400, parameter)
        assert answer.json["code"] == f"invalid_{parameter}"
        assert said in f"{answer.json['detail']} {answer.json.get('remedy')}"


def test_on_the_command_line_that_is_wrong_usage(shell: Shell) -> None:
    for args in (("search", "shop", "--image"), ("recommend", "shop", "--like-image")):
        done = shell.call(*args, "notes.txt")
        assert (done.code, done.out) == (2, "")
        assert "it is no PPM\n  Convert it" in done.err


def test_too_large(shop: Recommender) -> None:
    with pytest.raises(InvalidParameter, match="the image is too large") as caught:
        shop.search(image=b"P6 " + bytes(20 * 1024 * 1024))
    assert "20 MB" in caught.value.remedy


def test_a_picture_and_words_at_once(shop: Recommender) -> None:
    with pytest.raises(InvalidParameter, match="one of them"):
        shop.search("red", image=RED)
    with pytest.raises(InvalidParameter):  # mode text looks at no vector
        shop.search(image=RED, mode="text")


def test_an_embedder_that_gives_something_else(settings: Settings) -> None:
    broken = make_embedder("colours:broken", None, settings)
    with pytest.raises(EmbedderError, match=r"of shape \(1, 2\) for 1 images, not \(1, 3\)"):
        embed_picture(broken, RED)
    with pytest.raises(InvalidParameter, match="wordllama embeds texts and no images"):
        embed_picture(make_embedder("wordllama", None, settings), RED)
