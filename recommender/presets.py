"""Presets: wishes under a name, kept with the catalogue: ``related-posts``, ``cheaper``."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from recommender.arguments import check_names
from recommender.catalogue import Catalogue
from recommender.errors import InvalidParameter, RecommenderError, brief, suggest
from recommender.store import catalogues
from recommender.store.connection import Client
from recommender.where import parse
from recommender.wishes import check_known, page_of, ranking_of, shares_of

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
MAX_PRESETS = 100
NOT_KEPT = ("preset", "next")
"""Wishes of one question only."""

PATIENCE = 5.0
"""Seconds to wait while the catalogue is being loaded."""


def find(catalogue: Catalogue, name: Any) -> Mapping[str, Any]:
    """The wishes of the preset ``name``. Raises InvalidParameter with the closest name."""
    if not isinstance(name, str) or name not in catalogue.presets:
        raise InvalidParameter(
            "preset",
            f"{catalogue.name!r} has no preset {brief(name)}",
            remedy=suggest(str(name)[:64], catalogue.presets, "presets"),
        )
    return catalogue.presets[name]


def check(catalogue: Catalogue) -> None:
    """Raises InvalidParameter ("preset") for the first preset that could not be asked with."""
    if len(catalogue.presets) > MAX_PRESETS:
        raise InvalidParameter("preset", f"there are more than {MAX_PRESETS} presets")
    for name, wishes in catalogue.presets.items():
        if not NAME.fullmatch(name):
            raise InvalidParameter(
                "preset",
                f"{name[:80]!r} cannot be a preset's name",
                remedy="Use up to 64 letters, digits, - and _, a letter or digit first",
            )
        try:
            _check_wishes(wishes, catalogue)
        except RecommenderError as error:
            raise InvalidParameter(
                "preset", f"the preset {name!r}: {error.message}", remedy=error.remedy
            ) from error


def _check_wishes(wishes: Mapping[str, Any], catalogue: Catalogue) -> None:
    check_known(wishes)
    if wrong := [name for name in NOT_KEPT if name in wishes]:
        raise InvalidParameter(wrong[0], f"{wrong[0]} is for one question and cannot be kept")
    for name, value in wishes.items():
        _check_plain(name, value)
    page = page_of(wishes)
    ranking_of(wishes, catalogue)
    shares_of(wishes.get("using"), catalogue)
    parse(page.where, catalogue)
    if page.fields is not None:
        catalogue.check_fields(list(check_names("fields", page.fields)), "fields")


def _check_plain(name: str, value: Any) -> None:
    """Presets are written as YAML and as JSON: dates, sets and bytes of YAML are not for both."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidParameter(
            name,
            f"{name} is {brief(value)}",
            remedy="Write it with texts, numbers, true, false, null, lists and mappings;"
            " a date in quotes",
        ) from error


def save(client: Client, catalogue: str, name: str, wishes: Mapping[str, Any]) -> None:
    """Keeps ``wishes`` as the preset ``name``, over the one that had it.

    They may be asked with at once. Raises InvalidParameter for wishes that the catalogue cannot
    meet, CatalogueBusy while it is being loaded.
    """

    def changed(kept: Catalogue) -> Catalogue:
        made = kept.with_presets({**kept.presets, name: dict(wishes)})
        check(made)
        return made

    _change(client, catalogue, changed)


def drop(client: Client, catalogue: str, name: str) -> None:
    """Forgets the preset ``name``. Raises InvalidParameter, CatalogueBusy."""

    def changed(kept: Catalogue) -> Catalogue:
        find(kept, name)
        return kept.with_presets({n: each for n, each in kept.presets.items() if n != name})

    _change(client, catalogue, changed)


def _change(client: Client, catalogue: str, change: Callable[[Catalogue], Catalogue]) -> None:
    catalogues.get(client, catalogue)  # a misspelt name is told before a lock is waited for
    with catalogues.locked(client, catalogue, lambda: None, patience=PATIENCE) as check_lock:
        entry = catalogues.get(client, catalogue)
        changed = replace(entry, catalogue=change(entry.catalogue))
        check_lock()
        catalogues.keep(client, changed)
