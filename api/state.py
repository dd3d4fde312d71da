"""What one registered blueprint holds, found again by the request that it handles."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

from flask import Request, current_app, request
from flask.sansio.app import App

from api.catalogues import OpenCatalogues
from api.keys import Keys
from api.metrics import Metrics
from recommender import Settings

EXTENSION = "recommender"
KEPT = "_recommender_state"
"""The attribute of a request that holds it."""


@dataclass(frozen=True)
class State:
    """One instance's settings, its keys, and the catalogues that it has open."""

    settings: Settings
    keys: Keys
    catalogues: OpenCatalogues
    metrics: Metrics

    @classmethod
    def of(cls, settings: Settings) -> State:
        """The state of a new instance; Redis is reached when a request needs it."""
        return cls(
            settings, Keys(settings), OpenCatalogues(settings), Metrics(settings.metrics_dir)
        )

    def keep(self, app: App, name: str) -> None:
        """Gives ``app`` this state for the blueprint that is registered as ``name``."""
        app.extensions.setdefault(EXTENSION, {})[name] = self


def state() -> State:
    """The state of the instance whose blueprint handles this request."""
    asked = request._get_current_object()  # type: ignore[attr-defined]
    found: State | None = getattr(asked, KEPT, None)
    if found is None:  # it is asked for several times
        found = cast(State, current_app.extensions[EXTENSION][name_of(asked)])
        setattr(asked, KEPT, found)
    return found


def every_state(app: App) -> Iterable[State]:
    """The states of all instances that ``app`` has."""
    return cast(Iterable[State], app.extensions.get(EXTENSION, {}).values())


def name_of(asked: Request) -> str:
    """The name under which the instance that handles a request is registered."""
    known = current_app.extensions[EXTENSION]
    return next(name for name in asked.blueprints if name in known)


def opened() -> OpenCatalogues:
    """The open catalogues of the instance that handles this request."""
    return state().catalogues
