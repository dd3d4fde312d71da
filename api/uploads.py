"""A picture as a part of a form, as browsers and ``curl -F`` send one, with wishes beside it."""

from __future__ import annotations

import io
from typing import Any, cast

from flask import request
from werkzeug.datastructures import FileStorage, MultiDict
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.formparser import FormDataParser

from api.bodies import Incoming, parsed
from api.models import addresses, bodies
from api.parameters import check_none, members, texts
from recommender.asking import MAX_IMAGE
from recommender.errors import InvalidParameter, kind_of

FORM = "multipart/form-data"
IMAGE, OPTIONS = "image", "options"

MAX_WISHES = 1024 * 1024
"""Longest of all parts but the picture, in bytes."""

MAX_PARTS = 200

REMEDY = f"Send the picture as a file in the part {IMAGE!r}, as curl -F {IMAGE}=@photo.jpg does"


def upload() -> dict[str, Any]:
    """What a form asks ``search``: its picture, and the wishes in its fields or in ``options``.

    Nothing of it is kept on disk. Raises InvalidParameter, and 413 for a picture of more than
    20 MB as soon as that much has come.
    """
    check_none()
    fields, files = _parts()
    for name in files:
        if name != IMAGE:
            raise InvalidParameter(name[:60], f"the part {name[:60]!r} is a file", remedy=REMEDY)
    pictures = files.getlist(IMAGE)
    if len(pictures) != 1:
        raise InvalidParameter(
            IMAGE, f"there are {len(pictures)} files in the part {IMAGE!r}", remedy=REMEDY
        )
    return {**_wishes(fields), "image": cast(_Picture, pictures[0].stream).getvalue()}


def _wishes(fields: MultiDict[str, str]) -> dict[str, Any]:
    if OPTIONS not in fields:
        return texts(fields, addresses.Wishes).given()
    if [*fields] != [OPTIONS] or len(fields.getlist(OPTIONS)) > 1:
        raise InvalidParameter(
            OPTIONS, "there is more beside the options", remedy="Write all wishes into them"
        )
    try:
        options = parsed(fields[OPTIONS].encode())
    except ValueError as error:
        raise InvalidParameter(OPTIONS, f"the options cannot be read: {error}") from error
    if not isinstance(options, dict):
        raise InvalidParameter(
            OPTIONS, f"the options are {kind_of(options)}", remedy='Send an object: {"limit": 5}'
        )
    return members(options, bodies.Wishes).given()


def _parts() -> tuple[MultiDict[str, str], MultiDict[str, FileStorage]]:
    """The form's fields and files. Raises InvalidParameter ("body") and 413."""
    parser = FormDataParser(
        stream_factory=_picture, max_form_memory_size=MAX_WISHES, max_form_parts=MAX_PARTS,
        silent=False,
    )  # fmt: skip
    incoming = io.BufferedReader(Incoming(limit=MAX_IMAGE + MAX_WISHES))
    try:
        _, fields, files = parser.parse(
            incoming, FORM, request.content_length, dict(request.mimetype_params)
        )
    except ValueError as error:
        raise InvalidParameter(
            "body", "the form cannot be read", remedy="Its parts have to stand between boundaries"
        ) from error
    if None in (*fields, *files):
        raise InvalidParameter("body", "a part of the form has no name", remedy=REMEDY)
    return fields, files


class _Picture(io.BytesIO):
    """A file of a form, in memory. Raises 413 past MAX_IMAGE bytes."""

    def write(self, data: Any) -> int:
        if self.tell() + len(data) > MAX_IMAGE:
            raise RequestEntityTooLarge(f"the picture has more than {MAX_IMAGE // 2**20} MB")
        return super().write(data)


def _picture(*_told: Any, **_more: Any) -> _Picture:
    return _Picture()
