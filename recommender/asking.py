"""From what somebody asks with - an item, words, a vector, likes - to a question of vectors."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from recommender import seeds as seeding
from recommender import vectors
from recommender.arguments import check_text
from recommender.catalogue import vector_field
from recommender.embedders.base import Embedder, embed_picture, make_embedder
from recommender.errors import (
    InvalidCatalogue,
    InvalidParameter,
    ModelMismatch,
    RecommenderError,
    StoreError,
    UnknownItem,
    brief,
)
from recommender.question import Probe, Question, Rows
from recommender.seeds import Seed
from recommender.settings import Settings
from recommender.spent import EMBEDDING, spending
from recommender.store import catalogues, hashes
from recommender.store.catalogues import Entry
from recommender.store.connection import Client
from recommender.store.packed import asked
from recommender.view import View

COMPARED = ("text", "tag", "number")
"""Types of fields that a question may be relative to: a stored one may hold anything."""

MAX_IMAGE = 20 * 1024 * 1024
"""Longest image, in bytes."""


class Asking:
    """Makes questions; keeps the embedders that it needed."""

    def __init__(self, client: Client, settings: Settings) -> None:
        self._client = client
        self._settings = settings
        self._embedders: dict[tuple[str, int], Embedder] = {}

    def by_item(self, view: View, id: str, shares: Mapping[str, float]) -> Question:
        """What is like the item ``id``. Raises UnknownItem."""
        fields, rows = self._stored(view, check_text("id", id), shares)
        return Question(
            vector=next(iter(shares)),
            probes=[Probe(name, shares[name], row) for name, row in rows.items()],
            fields=fields,
            named=[id],
            twin=next(iter(rows.values())),
        )

    def by_text(self, view: View, text: str, shares: Mapping[str, float]) -> Question:
        """What is close to some words in meaning. Raises EmbedderError, InvalidParameter."""
        with _asked_by("text"):
            rows = {name: self._embedded(view, name, check_text("text", text)) for name in shares}
        return replace(self._searched(view, rows, shares), text=text)

    def by_vector(self, view: View, given: Any, shares: Mapping[str, float]) -> Question:
        """What is close to a vector. Raises InvalidVector."""
        rows = {name: self._checked(view, name, given) for name in shares}
        return self._searched(view, rows, shares)

    def by_image(self, view: View, image: Any, shares: Mapping[str, float]) -> Question:
        """What is close to a picture. Raises EmbedderError, InvalidParameter."""
        picture = _picture("image", image)
        with _asked_by("image"):
            rows = {name: self._pictured(view, name, picture) for name in shares}
        return self._searched(view, rows, shares)

    def by_words(self, vector: str, text: Any) -> Question:
        """What holds some words, whatever it means: no vector is looked at."""
        return Question(vector, (), text=check_text("text", text))

    def by_likes(
        self,
        view: View,
        likes: Sequence[Seed],
        unlikes: Sequence[Seed],
        strategy: str,
        shares: Mapping[str, float],
    ) -> Question:
        """What is near the likes and far from the dislikes.

        Raises UnknownItem, UnknownCatalogue, ModelMismatch, InvalidVector and EmbedderError, which
        name the side, and InvalidParameter, also ("using") where a vector's metric is not cosine.
        """
        for name in shares:
            if view.entry.catalogue.vectors[name].metric != "cosine":
                raise InvalidParameter("using", "recommend needs vectors whose metric is cosine")
        liked = [(seed, *self._resolved(view, "like", seed, shares)) for seed in likes]
        unliked = [(seed, *self._resolved(view, "unlike", seed, shares)) for seed in unlikes]
        return Question(
            vector=next(iter(shares)),
            probes=[
                seeding.probe_of(
                    name, share,
                    [(seed, rows[name]) for seed, _, rows in liked],
                    [(seed, rows[name]) for seed, _, rows in unliked],
                    strategy,
                )
                for name, share in shares.items()
            ],
            fields=seeding.merged([fields for _, fields, _ in liked if fields]),
            text="\n".join(seed.value for seed in likes if seed.kind == "text") or None,
            named=[s.value for s in (*likes, *unlikes) if s.kind == "id" and s.catalogue is None],
            likes=[seed.name for seed in likes],
            twin=liked[0][2][next(iter(shares))] if len(liked) == 1 and not unliked else None,
        )  # fmt: skip

    def _embedded(self, view: View, name: str, text: str) -> Rows:
        """The unit vector ``(dims,)`` of a text, by the embedder of the vector ``name``."""
        with spending(EMBEDDING):
            [row] = self._embedder(view, name).embed([text])
        if np.isnan(row).any():
            raise InvalidParameter(
                "text", f"the embedder knows no word of {text[:60]!r}", remedy="Use other words"
            )
        return np.asarray(row)

    def _pictured(self, view: View, name: str, picture: bytes) -> Rows:
        with spending(EMBEDDING):
            return embed_picture(self._embedder(view, name), picture)

    def _checked(self, view: View, name: str, given: Any) -> Rows:
        """A vector ``(dims,)`` for the vector ``name``, for cosine scaled to length 1."""
        row = vectors.check(given, view.entry.stamps[name].dims)
        if view.entry.catalogue.vectors[name].metric == "cosine":
            return vectors.normalise(row)
        return row

    def _searched(
        self, view: View, rows: Mapping[str, Rows], shares: Mapping[str, float]
    ) -> Question:
        probes = [
            Probe(name, shares[name], self._checked(view, name, row)) for name, row in rows.items()
        ]
        return Question(next(iter(shares)), probes)

    def _resolved(
        self, view: View, parameter: str, seed: Seed, shares: Mapping[str, float]
    ) -> tuple[Mapping[str, Any], dict[str, Rows]]:
        """The fields of a seed, where it is an item, and its vector for each of ``shares``.

        Whatever is wrong with it names ``parameter``.
        """
        try:
            return self._found(view, parameter, seed, shares)
        except RecommenderError as error:
            error.parameter = parameter
            if isinstance(error, InvalidParameter):
                error.code = f"invalid_{parameter}"
            raise

    def _found(
        self, view: View, parameter: str, seed: Seed, shares: Mapping[str, float]
    ) -> tuple[Mapping[str, Any], dict[str, Rows]]:
        if seed.kind == "id":
            id = check_text(parameter, seed.value)
            if seed.catalogue is None:
                return self._stored(view, id, shares)
            return {}, self._looked_up(view, parameter, id, seed.catalogue, shares)
        if seed.kind == "text":
            text = check_text(parameter, seed.value)
            return {}, {name: self._embedded(view, name, text) for name in shares}
        if seed.kind == "image":
            picture = _picture(parameter, seed.value)
            return {}, {name: self._pictured(view, name, picture) for name in shares}
        return {}, {name: self._checked(view, name, seed.value) for name in shares}

    def _stored(
        self, view: View, id: str, shares: Mapping[str, float]
    ) -> tuple[dict[str, Any], dict[str, Rows]]:
        """What of an item's fields can be compared, and its vectors. Raises UnknownItem."""
        catalogue = view.entry.catalogue
        fields = [name for name, spec in catalogue.fields.items() if spec.type in COMPARED]
        names = [*map(vector_field, shares), *fields]
        [values] = asked(self._client, [("HMGET", view.prefix + id, *names)])
        blobs = dict(zip(shares, values, strict=False))
        if None in blobs.values():
            raise unknown_item(catalogue.name, id)
        rows = {name: self._read(view.entry, id, name, blob) for name, blob in blobs.items()}
        return view.fields(fields, values[len(shares) :]), rows

    def _looked_up(
        self, view: View, parameter: str, id: str, other: Any, shares: Mapping[str, float]
    ) -> dict[str, Rows]:
        """The vectors of an item of another catalogue, made by the same embedders."""
        entry = catalogues.get(self._client, check_text(parameter, other))
        prefix = hashes.prefix_of(entry.catalogue.name, entry.generation)
        rows: dict[str, Rows] = {}
        for name in shares:
            own, theirs = view.entry.stamps[name], entry.stamps.get(name)
            if theirs is None or (theirs.embedder, theirs.dims) != (own.embedder, own.dims):
                made = f"{theirs.embedder}, {theirs.dims} numbers" if theirs else "not there"
                raise ModelMismatch(
                    f"the {name!r} vectors of {other!r} are {made}, those of"
                    f" {view.entry.catalogue.name!r} are {own.embedder}, {own.dims} numbers",
                    remedy="Only vectors of the same model can be compared",
                )
            blob = hashes.read_vector(self._client, prefix, id, name)
            if blob is None:
                raise unknown_item(str(other), id)
            rows[name] = self._read(entry, id, name, blob)
        return rows

    def _read(self, entry: Entry, id: str, name: str, blob: bytes) -> Rows:
        """A stored vector. Raises StoreError where it is none of this catalogue's."""
        type, dims = entry.catalogue.vectors[name].type, entry.stamps[name].dims
        if len(blob) != dims * vectors.DTYPES[type].itemsize:
            raise StoreError(
                f"the {name!r} vector of {id!r} has {len(blob):,} bytes, which are not {dims:,}"
                f" numbers of type {type}: something else wrote it",
                remedy="Delete the item and load it again",
            )
        return vectors.from_bytes(blob, type)

    def _embedder(self, view: View, name: str) -> Embedder:
        spec, stamp = view.entry.catalogue.vectors[name], view.entry.stamps[name]
        key = (stamp.embedder, stamp.dims)
        if key not in self._embedders:
            embedder = make_embedder(spec.embedder, spec.dims, self._settings)
            if (embedder.name, embedder.dims) != key:
                raise ModelMismatch(
                    f"{view.entry.catalogue.name!r} was embedded by {stamp.embedder} with"
                    f" {stamp.dims} numbers, this is {embedder.name} with {embedder.dims}",
                    remedy="Use the same model, or load the catalogue again under another name",
                )
            self._embedders[key] = embedder
        return self._embedders[key]


@contextmanager
def _asked_by(parameter: str) -> Iterator[None]:
    """Names the parameter where the catalogue has no model that could embed it."""
    try:
        yield
    except InvalidCatalogue as error:
        error.parameter = parameter
        raise


def unknown_item(catalogue: str, id: str) -> UnknownItem:
    """The error of an id that is not there."""
    return UnknownItem(
        f"there is no item {id!r} in {catalogue!r}",
        remedy="Ids are compared letter by letter",
        parameter="id",
    )


def _picture(parameter: str, given: Any) -> bytes:
    """An image's bytes, also from base64. Raises InvalidParameter."""
    try:
        picture = base64.b64decode(given, validate=True) if isinstance(given, str) else given
    except ValueError as error:
        raise InvalidParameter(parameter, "the image is not base64") from error
    if not isinstance(picture, bytes) or not 0 < len(picture) <= MAX_IMAGE:
        is_large = isinstance(picture, bytes) and len(picture) > MAX_IMAGE
        raise InvalidParameter(
            parameter, "the image is too large" if is_large else f"the image is {brief(given)}",
            remedy=f"It is bytes, or base64 in JSON, of at most {MAX_IMAGE // 2**20} MB",
        )  # fmt: skip
    return picture
