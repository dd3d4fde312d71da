"""``serve``: the HTTP API under a production server."""

from __future__ import annotations

import errno
import ipaddress
import logging
import os
import signal
import socket
from typing import Any

import click
from gunicorn.app.base import BaseApplication

from api import create_app
from recommender.cli.context import chosen_settings
from recommender.errors import InvalidParameter
from recommender.settings import Settings
from recommender.store.connection import connect

THREADS = 8
MAX_WORKERS = 4


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="0: a free one."
)
def serve(host: str, port: int) -> None:
    """Serve the API over HTTP until Ctrl-C.

    It is read-only until RECOMMENDER_WRITE_KEYS holds a key; with RECOMMENDER_READ_KEYS, reading
    needs one too. RECOMMENDER_EVENTS=open takes events from whoever may read.

    \b
    recommender serve
    curl "http://127.0.0.1:8000/v1/movies/similar?id=toy-story&limit=3"
    """
    settings = chosen_settings()
    server = connect(settings)
    server.client.close()  # each worker opens its own
    listener = _listen(host, port)
    bound, port = listener.getsockname()[:2]
    name = f"[{host}]" if ":" in host else host
    said = f"{_rights(settings, bound)}\nServing on http://{name}:{port} (Ctrl-C stops)"
    _Application(settings, listener, said).run()


def _rights(settings: Settings, bound: str) -> str:
    """Who may do what, for a person to see before the server is reached."""
    writers, readers = len(settings.write_keys), len(settings.read_keys)
    keys = {1: "1 key"}.get(writers, f"{writers} keys")
    said = f"Writes with {keys}" if writers else "Read-only (RECOMMENDER_WRITE_KEYS is not set)"
    if settings.events:
        said += "; events from whoever may read"
    if readers:
        return f"{said}; reads with a key"
    if ipaddress.ip_address(bound).is_loopback:
        return f"{said}; reads without a key"
    return (
        f"{said}; whoever reaches {bound} may read without a key (RECOMMENDER_READ_KEYS is not set)"
    )


class _Application(BaseApplication):  # type: ignore[misc] # gunicorn has no types
    """gunicorn around the API, on a socket that is open already.

    ``said`` is for a person, once it answers.
    """

    def __init__(self, settings: Settings, listener: socket.socket, said: str) -> None:
        self._settings = settings
        self._said = said
        self._listener = listener
        super().__init__()

    def load_config(self) -> None:
        """Settings for a small machine; the log holds warnings and errors only."""
        choices: dict[str, Any] = {
            "bind": f"fd://{self._listener.fileno()}",
            "workers": min(MAX_WORKERS, os.cpu_count() or 1),
            "threads": THREADS,
            "worker_class": "gthread",
            "timeout": 60,
            "graceful_timeout": 3,
            "keepalive": 30,
            "limit_request_line": 8190,
            "loglevel": "warning",
            "control_socket_disable": True,
            # Ctrl-C reaches every process of the terminal: the workers leave it to their master.
            "when_ready": lambda arbiter: self._begin(),
            "post_worker_init": lambda worker: signal.signal(signal.SIGINT, signal.SIG_IGN),
        }
        for name, value in choices.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def _begin(self) -> None:
        signal.signal(signal.SIGINT, _finish)
        click.echo(self._said, err=True)

    def load(self) -> Any:
        """The application, made in each worker."""
        return create_app(self._settings)


def _finish(*_: object) -> None:
    # gunicorn's own Ctrl-C cuts answers off; and workers with silent clients are no error now.
    logging.getLogger("gunicorn.error").setLevel(logging.CRITICAL)
    os.kill(os.getpid(), signal.SIGTERM)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except (socket.gaierror, UnicodeError) as error:
        raise InvalidParameter(
            "host", f"there is no address {host!r} here", remedy="Leave --host out, or 0.0.0.0"
        ) from error
    except OSError as error:
        if error.errno == errno.EADDRNOTAVAIL:
            raise InvalidParameter(
                "host", f"{host!r} is not an address of this machine", remedy="Leave --host out"
            ) from error
        raise InvalidParameter(
            "port",
            f"{host}:{port} cannot be listened on: {error.strerror}",
            remedy="Choose another: --port 8001",
        ) from error
    listener.listen(2048)
    return listener
