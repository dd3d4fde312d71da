"""``serve``: the HTTP API under a production server."""

from __future__ import annotations

import errno
import ipaddress
import socket

import click

from recommender.cli import cores
from recommender.cli.context import chosen_settings
from recommender.cli.server import Serving, run
from recommender.errors import InvalidParameter
from recommender.settings import Settings
from recommender.store.connection import connect

MAX_WORKERS = 8
"""Worker processes at most, where nobody says how many: so many keep one Redis busy."""


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="0: a free one."
)
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    help=f"Processes that answer; by default one a processor, at most {MAX_WORKERS}.",
)
@click.option(
    "--access-log/--no-access-log",
    default=True,
    show_default=True,
    help="A line of JSON on stdout for each request.",
)
def serve(host: str, port: int, workers: int | None, access_log: bool) -> None:
    """Serve the API over HTTP until Ctrl-C, which lets requests finish.

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
    workers = workers or min(MAX_WORKERS, cores.usable())
    run(Serving(settings, listener, workers, said, access_log))


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


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
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
