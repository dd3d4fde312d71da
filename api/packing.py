"""gzip for answers that are long enough to gain by it, where the client takes it."""

from __future__ import annotations

import zlib

from flask import Response, request

SHORTEST = 1000
"""Bytes of the shortest body that is packed: a shorter one fits into one packet anyway."""

LEVEL = 1
"""zlib's fastest: of an answer of 10 hits it leaves a third, a higher level little less."""

TEXTS = frozenset(
    (
        "application/json", "application/problem+json", "application/javascript", "image/svg+xml",
        "text/css", "text/html", "text/javascript", "text/plain",
    )
)  # fmt: skip


def pack(response: Response) -> Response:
    """After a request. What is streamed or encoded already stays as it is."""
    if response.status_code == 304:
        if "Vary" not in response.headers:
            response.headers.add("Vary", "Accept-Encoding")  # as the answer itself has it
        return response
    if response.mimetype not in TEXTS:
        return response
    response.vary.add("Accept-Encoding")
    if not _is_wanted() or response.is_streamed or "Content-Encoding" in response.headers:
        return response
    body = response.get_data() if not response.direct_passthrough else b""
    if len(body) >= SHORTEST:
        packer = zlib.compressobj(LEVEL, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
        response.set_data(packer.compress(body) + packer.flush())
        response.headers["Content-Encoding"] = "gzip"
        if response.headers.get("ETag", "").startswith('"'):  # it was of other bytes
            response.headers["ETag"] = f"W/{response.headers['ETag']}"
    return response


def _is_wanted() -> bool:
    given = request.headers.get("Accept-Encoding", "").lower()
    if "gzip" not in given and "*" not in given:
        return False
    return bool(request.accept_encodings["gzip"])
