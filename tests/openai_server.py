"""A real HTTP server that speaks ``POST /embeddings`` like OpenAI and Azure; scripted to fail."""

from __future__ import annotations

import base64
import contextlib
import json
import string
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np

from recommender.settings import Settings

KEY = "sk-test-0123456789abcdef"
LETTERS = len(string.ascii_lowercase) + 1
DIMS = {
    "text-embedding-3-small": 1536,
    "text-embedding-3-large": 3072,
    "text-embedding-ada-002": 1536,
    "nomic-embed-text": 768,
}


def letters(text: str, dims: int = LETTERS) -> list[float]:
    """How many a, b, ... z the text has, then how many other signs, then zeros up to ``dims``."""
    counts = [text.lower().count(letter) for letter in string.ascii_lowercase]
    signs = len(text) - sum(counts) - text.count(" ")
    return [float(n) for n in [*counts, signs]][:dims] + [0.0] * max(0, dims - LETTERS)


@dataclass(frozen=True)
class Request:
    """What one client sent: path, query (first values), headers (lower case), the JSON body."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass(frozen=True)
class Reply:
    """One scripted answer: the usual one but for what is given here.

    ``change`` gets the list of ``{"index", "embedding", "object"}`` and returns what to send;
    ``body`` is sent as it is; ``delay`` is in seconds.
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    change: Callable[[list[dict[str, Any]]], Any] | None = None
    body: str | None = None
    delay: float = 0.0


def busy(status: int = 429) -> Reply:
    """A status that clients try again after, at once."""
    return Reply(status, {"Retry-After": "0.01"})


class OpenAIServer:
    """``with OpenAIServer() as server:``, then ``server.url`` is the base URL.

    ``script``: replies for the next requests, one each; when it is empty all goes well.
    ``requests``: what came in. ``refuses``: texts that get a 400. ``key``: the only key that does
    not get a 401. ``models``: the only models that do not get a 404. ``knows``: optional
    parameters that are honoured (without "base64" the vectors are lists of numbers).
    ``delay``: seconds before each unscripted answer. ``held``: while it is set, nobody is answered.
    ``paid``: every text that got a vector. ``most``: requests that were under way at once.
    """

    def __init__(self) -> None:
        self.script: deque[Reply] = deque()
        self.requests: list[Request] = []
        self.refuses: set[str] = set()
        self.key: str | None = None
        self.models: set[str] | None = None
        self.knows = {"base64", "dimensions"}
        self.delay = 0.0
        self.held = threading.Event()
        self.paid: list[str] = []
        self.most = 0
        self.lock = threading.Lock()
        self.under_way = 0
        self.stopping = threading.Event()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._http.daemon_threads = True
        self._http.recommender = self  # type: ignore[attr-defined]
        self.host = f"http://127.0.0.1:{self._http.server_port}"
        self.url = f"{self.host}/v1"
        # shutdown() waits for one poll.
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))

    def __enter__(self) -> OpenAIServer:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.held.clear()
        self.stopping.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def settings(self, **others: str | None) -> Settings:
        """Settings of a program that uses this server as OpenAI."""
        given = {"openai_api_key": KEY, "openai_base_url": self.url} | others
        return Settings(home=Path("/nonexistent"), **given)

    def azure(self, **others: str | None) -> Settings:
        """Settings of a program that uses this server as Azure."""
        given = {"azure_api_key": KEY, "azure_endpoint": self.host} | others
        return Settings(home=Path("/nonexistent"), **given)

    def answer(self, request: Request) -> Reply:
        """The reply to a well-formed request when nothing is scripted."""
        sent = request.headers.get("authorization", "").removeprefix("Bearer ")
        model, texts = request.body["model"], request.body["input"]
        refused = self.refuses.intersection(texts)
        if self.key and self.key not in (sent, request.headers.get("api-key")):
            return _error(401, f"Incorrect API key provided: {sent}")
        if self.models is not None and model not in self.models:
            return _error(404, f"The model {model!r} does not exist")
        if refused:
            return _error(400, f"Invalid input: {min(refused)[:40]}")
        return Reply(
            body=json.dumps({"object": "list", "data": self.rows(request), "model": model})
        )

    def rows(self, request: Request) -> list[dict[str, Any]]:
        """The ``data`` of a good answer."""
        body = request.body
        dims = DIMS.get(body["model"].rpartition("/")[2], LETTERS)
        if "dimensions" in self.knows:
            dims = body.get("dimensions", dims)
        packed = body.get("encoding_format") == "base64" and "base64" in self.knows
        vectors = [letters(text, dims) for text in body["input"]]
        return [
            {"object": "embedding", "index": index, "embedding": pack(row) if packed else row}
            for index, row in enumerate(vectors)
        ]


def pack(vector: list[float]) -> str:
    """A vector as base64 of little-endian float32, as OpenAI sends it."""
    return base64.b64encode(np.asarray(vector, dtype="<f4").tobytes()).decode()


def _error(status: int, message: str) -> Reply:
    return Reply(status, body=json.dumps({"error": {"message": message, "type": "invalid"}}))


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server: OpenAIServer = self.server.recommender  # type: ignore[attr-defined]
        url = urlsplit(self.path)
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        headers = {name.lower(): value for name, value in self.headers.items()}
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        request = Request(url.path, query, headers, body)
        server.requests.append(request)
        with server.lock:
            server.under_way += 1
            server.most = max(server.most, server.under_way)
        azure = f"/openai/deployments/{body['model']}/embeddings"
        if server.script:
            reply = server.script.popleft()
        elif url.path == "/v1/embeddings" or (url.path == azure and "api-version" in query):
            reply = server.answer(request)
        else:
            reply = _error(404, f"Invalid URL (POST {url.path})")
        server.stopping.wait(reply.delay or server.delay)
        while server.held.is_set():
            server.stopping.wait(0.01)
        text = reply.body
        if text is None:
            data: Any = server.rows(request)
            data = reply.change(data) if reply.change else data
            good = reply.status == 200
            text = json.dumps({"data": data} if good else {"error": {"message": "scripted"}})
        with server.lock:
            server.under_way -= 1
            server.paid += body["input"] if reply.status == 200 else []
        with contextlib.suppress(ConnectionError):  # a client that did not wait
            self._send(reply, text.encode())

    def _send(self, reply: Reply, data: bytes) -> None:
        self.send_response(reply.status)
        kind = "text/html" if data.startswith(b"<") else "application/json"
        sizes = {"Content-Type": kind, "Content-Length": str(len(data))}
        for name, value in (sizes | reply.headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: object) -> None:
        """Nothing: the requests are recorded."""
