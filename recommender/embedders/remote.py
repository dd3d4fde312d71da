"""Texts to vectors over HTTP: OpenAI, Azure, Ollama and whatever else speaks their API."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import numpy as np
from numpy.typing import NDArray

from recommender.embedders.contract import Vectors
from recommender.errors import EmbedderError, InvalidCatalogue, TextRefused
from recommender.settings import Settings
from recommender.vectors import normalise

if TYPE_CHECKING:
    import openai

OPENAI_DIMS = {
    "text-embedding-3-small": 1536,
    "text-embedding-3-large": 3072,
    "text-embedding-ada-002": 1536,
}
OPENAI_URL = "https://api.openai.com/v1"
AZURE_VERSION = "2024-10-21"
MAX_TEXTS = 2048  # in one request: OpenAI's limit
REQUEST_TOKENS = 250_000  # estimated; OpenAI refuses more than 300,000 real ones
TEXT_TOKENS = 8_191  # OpenAI's limit for one text
BYTES_PER_TOKEN = 2
"""On the safe side: English, German and Python have about 3.8 bytes a token, Chinese, Japanese and
Korean 2.4, Greek 1.95, tables of numbers and hexadecimal 1.8 (measured with OpenAI's cl100k_base).
"""

MAX_BYTES = TEXT_TOKENS * BYTES_PER_TOKEN
"""The longest text that OpenAI's models are sent whole. Half of it fits whatever the text is: no
token is shorter than a byte."""


class OpenAICompatible:
    """A model behind ``POST /embeddings``, of OpenAI, Azure (MODEL is the deployment) or another.

    Where it is comes from the settings: Azure's endpoint, else the base URL, else OpenAI. Nothing
    is sent before it is needed. ``max_retries`` is for 429, 5xx, timeouts and lost connections,
    with a growing pause; ``timeout`` is in seconds, for one try.

    Raises InvalidCatalogue without a model or with dims that it cannot have, EmbedderError for a
    missing key or a broken address. One object may be used by many threads at once.
    """

    def __init__(
        self,
        model: str,
        dims: int | None,
        settings: Settings,
        *,
        max_retries: int = 5,
        timeout: float = 120.0,
    ) -> None:
        if not model:
            raise InvalidCatalogue("openai needs a model", remedy="openai:text-embedding-3-small")
        bare = model.rpartition("/")[2]  # GitHub Models and routers put the maker in front
        self._known = OPENAI_DIMS.get(bare)
        self._matryoshka = bare.startswith("text-embedding-3")
        _check_dims(model, dims, self._known, self._matryoshka)
        self.max_bytes = max_bytes_of(model, settings)
        self.is_remote = True
        self._asked = dims
        self._model = model
        self._server = _Server(settings, max_retries, timeout)
        self.name = f"openai:{model}"
        # Small servers refuse more than 32 texts, or need minutes for 256.
        self.batch_size = 256 if self.max_bytes else 32

    @cached_property
    def dims(self) -> int:
        """Numbers in a vector; an unknown model's own length is asked of the server, once.

        Raises EmbedderError when it must be asked and the server does not tell.
        """
        return self._asked or self._native

    @cached_property
    def _native(self) -> int:
        if self._known:
            return self._known
        try:
            return int(self._ask(["length"], None).shape[1])
        except TextRefused as error:  # no fault of any text of the caller's
            raise EmbedderError(error.message, remedy="Is it a model for embeddings?") from error

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors, shape ``(len(texts), dims)``, float32; a blank text gives a row of NaN.

        A text is sent as it is; one beyond ``max_bytes`` may be refused (see ``Passages``). Raises
        TextRefused when the server will not embed a text of these, EmbedderError for every other
        failure.
        """
        vectors = np.full((len(texts), self.dims), np.nan, dtype=np.float32)
        for group in self._requests(texts):
            # A server may refuse even its own length, and a catalogue remembers that as its dims.
            shorter = self.dims if self.dims != self._native else None
            found = self._ask([text for _, text in group], shorter)
            if self._matryoshka and found.shape[1] == self._native:
                found = found[:, : self.dims]  # a server that does not know `dimensions`
            if found.shape[1] != self.dims:
                raise EmbedderError(
                    f"{self.name} sent vectors of {found.shape[1]} numbers, not {self.dims}",
                    remedy="Leave out dims in the catalogue file, or name the right model",
                )
            vectors[[row for row, _ in group]] = normalise(found)
        return vectors

    def _requests(self, texts: Sequence[str]) -> Iterator[list[tuple[int, str]]]:
        """Rows and texts that are not blank, as many as one request may hold."""
        group: list[tuple[int, str]] = []
        tokens = 0
        for row, text in enumerate(texts):
            if not text.strip():
                continue
            # Half a surrogate pair has no UTF-8; it becomes a question mark.
            data = text.encode(errors="replace")
            estimate = len(data) // BYTES_PER_TOKEN + 1
            full = len(group) == min(self.batch_size, MAX_TEXTS)
            if group and (full or tokens + estimate > REQUEST_TOKENS):
                yield group
                group, tokens = [], 0
            group.append((row, data.decode()))
            tokens += estimate
        if group:
            yield group

    def _ask(self, texts: list[str], dims: int | None) -> NDArray[np.float64]:
        """The server's vectors for one request, in the order of ``texts``, of one length."""
        body = {"model": self._model, "input": texts, "encoding_format": "base64"}
        reply = self._server.post(body if dims is None else body | {"dimensions": dims})
        try:
            return _vectors(json.loads(reply)["data"], len(texts))
        except (ValueError, TypeError, KeyError, OverflowError) as error:
            start = self._server.mask(reply.decode(errors="replace"))[:80]
            raise EmbedderError(
                f"{self._server.address} sent no usable vectors: {error}, in {start!r}...",
                remedy="Check the model, and the address: most end in /v1",
            ) from error


class _Server:
    """One address and its key: sends a request and turns every failure into one of our errors."""

    def __init__(self, settings: Settings, max_retries: int, timeout: float) -> None:
        self._azure = settings.azure_endpoint is not None
        self._version = settings.azure_api_version or AZURE_VERSION
        self._retries = max_retries
        self._timeout = timeout
        url = settings.azure_endpoint or settings.openai_base_url or OPENAI_URL
        self.address, self._userinfo = _split(url)
        self._variable = "AZURE_OPENAI_API_KEY" if self._azure else "OPENAI_API_KEY"
        key = settings.azure_api_key if self._azure else settings.openai_api_key
        if not key and (self._azure or not settings.openai_base_url):
            raise EmbedderError(
                f"{self.address} needs a key, and {self._variable} is not set",
                remedy=f"Set {self._variable}, or OPENAI_BASE_URL for a server of your own"
                " (Ollama: http://localhost:11434/v1)",
            )
        if key and not (key.isascii() and key.isprintable()):
            raise EmbedderError(f"{self._variable} holds a character that no key has")
        self._key = key
        self._lock = threading.Lock()
        self._client: openai.OpenAI | None = None

    def post(self, body: dict[str, Any]) -> bytes:
        """The server's answer to one request, unread. Raises EmbedderError, TextRefused."""
        client = self._connect()
        import openai

        try:
            return client.embeddings.with_raw_response.create(**body).content
        except openai.OpenAIError as error:
            # A cause is printed with a traceback: not when the server repeats the key.
            cause = error if self.mask(str(error)) == str(error) else None
            raise self._failure(error, body) from cause

    def mask(self, text: str) -> str:
        """The text without the key and the password, which some servers repeat."""
        for secret in (self._key, self._userinfo.partition(":")[2]):
            text = text.replace(secret, "***") if secret else text
        return text

    def _connect(self) -> openai.OpenAI:
        import openai  # here, because it takes 0.4 s that most commands need not spend

        with self._lock:
            if self._client is None:
                # Not in the URL: the HTTP library logs URLs.
                basic = base64.b64encode(unquote(self._userinfo).encode()).decode()
                common: dict[str, Any] = {
                    "api_key": self._key or "unused",  # the client insists on one
                    "max_retries": self._retries,
                    "timeout": openai.Timeout(self._timeout, connect=min(self._timeout, 5.0)),
                    "default_headers": {"Authorization": f"Basic {basic}"} if basic else None,
                }
                if self._azure:
                    self._client = openai.AzureOpenAI(
                        azure_endpoint=self.address, api_version=self._version, **common
                    )
                else:
                    self._client = openai.OpenAI(base_url=self.address, **common)
            return self._client

    def _failure(self, error: openai.OpenAIError, body: dict[str, Any]) -> EmbedderError:
        status = getattr(error, "status_code", None)
        reply = getattr(error, "body", None)
        if isinstance(reply, dict):  # OpenAI's form, else FastAPI's
            reply = reply.get("message") or reply.get("detail")
        reply = reply or f"{error} {error.__cause__ or ''}"
        said = self.mask(" ".join(str(reply).split()))[:300]
        if status in (400, 413, 422):
            if "dimensions" not in body or "dimension" not in said.lower():
                return TextRefused(f"{self.address} refused {len(body['input'])} texts: {said}")
            what = f"will not give {body['dimensions']} numbers a vector"
            remedy = "Leave out dims in the catalogue file"
        elif status in (401, 403):
            what, remedy = "refused the key", f"Check {self._variable}"
        elif status == 404:
            what = f"has no model {body['model']!r}"
            remedy = "Check its name (on Azure: the deployment's) and the address: most end in /v1"
        else:
            headers = getattr(getattr(error, "request", None), "headers", {})
            tries = int(headers.get("x-stainless-retry-count", 0)) + 1
            what = f"failed {tries} {'time' if tries == 1 else 'times'} ({status or 'no answer'})"
            remedy = "Try again later; is the server running?"
        return EmbedderError(f"{self.address} {what}: {said}", remedy=remedy)


def max_bytes_of(model: str, settings: Settings) -> int | None:
    """The longest text that the model is sent whole; None where nobody knows its limit."""
    bare = model.rpartition("/")[2]
    openais = bare in OPENAI_DIMS or bare.startswith("text-embedding-3")
    return MAX_BYTES if openais or settings.azure_endpoint else None


def _check_dims(model: str, dims: int | None, known: int | None, matryoshka: bool) -> None:
    if dims is None or dims == known:
        return
    if dims < 1 or (known and (dims > known or not matryoshka)):
        limit = f"1 to {known}" if matryoshka else f"{known}" if known else "1 or more"
        raise InvalidCatalogue(
            f"openai:{model} has no vectors of {dims} numbers", remedy=f"dims is {limit}"
        )


def _split(url: str) -> tuple[str, str]:
    """The address without what may be secret, and its ``user:password`` or nothing."""
    scheme, _, rest = url.partition("://")
    userinfo, _, place = rest.rpartition("@")
    address, query, _ = f"{scheme}://{place}".rstrip("/").partition("?")
    try:
        parts = urlsplit(address)
        host = (parts.hostname or "").encode("idna")  # a bad one would fail inside the client
        usable = parts.scheme in ("http", "https") and host and parts.port != 0
    except ValueError:
        usable = False
    if query or not usable or not re.fullmatch(r"[!-~]+", address):
        raise EmbedderError(
            f"{address} is not the address of a server",
            remedy="It looks like https://host/v1 or http://localhost:11434/v1, without a '?'",
        )
    return address, userinfo


def _vectors(data: Any, count: int) -> NDArray[np.float64]:
    """The vectors ``(count, dims)`` in the order of their index.

    Raises ValueError, TypeError, KeyError or OverflowError for anything but ``count`` whole ones.
    """
    found = {row["index"]: _decode(row["embedding"]) for row in data}
    if len(data) != count or set(found) != set(range(count)):
        raise ValueError(f"{len(data)} vectors for {count} texts, or not numbered from 0")
    vectors = np.stack([found[index] for index in range(count)])
    if vectors.ndim != 2 or not vectors.size or not np.isfinite(vectors).all():
        raise ValueError("a vector is not a list of finite numbers")
    return vectors


def _decode(embedding: Any) -> NDArray[np.float64]:
    """A vector from base64 or, where the server does not know that, from a list of numbers."""
    if isinstance(embedding, str):
        embedding = np.frombuffer(base64.b64decode(embedding, validate=True), dtype="<f4")
    return np.asarray(embedding, dtype=np.float64)
