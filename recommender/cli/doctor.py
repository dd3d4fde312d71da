"""``doctor``: what works here, what does not, and what to do about it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version

import click

from recommender.cli.context import chosen_settings
from recommender.cli.output import json_option, print_json
from recommender.embedders.base import make_embedder
from recommender.engine import Recommender
from recommender.errors import RecommenderError
from recommender.settings import Settings
from recommender.store import catalogues
from recommender.store.connection import Server, connect

PACKAGES = ("redis", "redisvl", "numpy", "flask", "wordllama", "openai")
NEWER = {"int8 vectors": 80000, "FT.HYBRID": 80400}
"""What the query engine learned, and in which version."""


@dataclass(frozen=True, slots=True)
class Check:
    """One finding."""

    name: str
    ok: bool
    detail: str


@click.command()
@json_option
def doctor(as_json: bool) -> None:
    """Check Python, the data directory, Redis, the embedder and every catalogue.

    Exit code 1 if anything is wrong.

    \b
    recommender doctor
    """
    settings = chosen_settings()
    checks = [_python(), _home(settings)]
    server: list[Server] = []
    checks.append(_try("Redis", lambda: _redis(settings, server)))
    checks.append(_try("embedder wordllama", lambda: _embedder(settings)))
    for one in server:
        names = catalogues.names(one.client)
        checks += [_try(f"catalogue {name}", partial(_catalogue, one, name)) for name in names]
    if as_json:
        print_json({"ok": all(c.ok for c in checks), "checks": [asdict(c) for c in checks]})
    else:
        for check in checks:
            click.echo(f"{'ok  ' if check.ok else 'FAIL'}  {check.name}: {check.detail}")
    sys.exit(0 if all(check.ok for check in checks) else 1)


def _try(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name, True, look())
    except RecommenderError as error:
        return Check(name, False, str(error))


def _python() -> Check:
    found = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return Check("Python", True, f"{sys.version.split()[0]} with {found}")


def _home(settings: Settings) -> Check:
    home = settings.home
    existing = next(path for path in (home, *home.parents) if os.path.exists(path))
    too_long = max(map(len, home.parts)) > 255
    if not too_long and os.path.isdir(existing) and os.access(existing, os.W_OK | os.X_OK):
        return Check("data directory", True, str(home))
    return Check(
        "data directory", False, f"{home} cannot be written. Set RECOMMENDER_HOME to another one"
    )


def _redis(settings: Settings, found: list[Server]) -> str:
    server = connect(settings)
    found.append(server)
    lacks = [name for name, since in NEWER.items() if server.search < since]
    engine = f"query engine {server.search}" if server.search > 1 else "query engine"
    return (
        f"{server.version} with {engine} at {server.address}"
        + (", the local server" if server.local else "")
        + (f"; it lacks {', '.join(lacks)}" if lacks and server.search > 1 else "")
    )


def _embedder(settings: Settings) -> str:
    embedder = make_embedder("wordllama", None, settings)
    return f"{embedder.embed(['it works']).shape[1]} numbers a text"


def _catalogue(server: Server, name: str) -> str:
    state = Recommender(name, settings=chosen_settings(), server=server).state()
    if state.failures:
        raise RecommenderError(
            f"{state.failures} items are not indexed, the last {state.failed_key}: {state.failure}",
            remedy=f"Drop it and load it again: recommender drop {name}",
        )
    ready = "ready" if state.is_ready else f"indexing, {state.indexed:.0%} done"
    return f"{state.items:,} items, {ready}"
