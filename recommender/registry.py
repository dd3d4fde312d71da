"""Names -> objects, imported only when asked for: built-ins and entry points on one path."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from typing import Any

from recommender.errors import InvalidCatalogue, MissingExtra, SourceError, suggest

BUILT_IN: Mapping[str, Mapping[str, str]] = {
    "recommender.embedders": {
        "wordllama": "recommender.embedders.static:WordLlama",
        "openai": "recommender.embedders.remote:OpenAICompatible",
    },
    "recommender.loaders": {
        "csv": "loaders.delimited:load",
        "feed": "loaders.feed:load",
        "folder": "loaders.folder:load",
        "html": "loaders.html:load",
        "json": "loaders.json_document:load",
        "markdown": "loaders.markdown:load",
        "ndjson": "loaders.ndjson:load",
        "npy": "loaders.arrays:load",
        "npz": "loaders.arrays:load",
        "parquet": "loaders.parquet:load",
        "python": "loaders.python_code:load",
        "sitemap": "loaders.sitemap:load",
        "sql": "loaders.database:load",
        "sqlite": "loaders.sqlite:load",
        "text": "loaders.text:load",
        "tsv": "loaders.delimited:load",
    },
}

EXTRAS = {"pyarrow": "parquet", "sqlalchemy": "sql", "tiktoken": "cost", "watchfiles": "watch"}
"""Packages that an extra of ours brings along."""

OURS = ("recommender", "loaders", "api")
UNKNOWN = {"recommender.embedders": InvalidCatalogue, "recommender.loaders": SourceError}


def names(group: str) -> list[str]:
    """Every name in ``group``, sorted."""
    return sorted(_entries(group))


def find(group: str, name: str) -> Any:
    """The object called ``name`` in ``group``.

    Raises InvalidCatalogue (embedders) or SourceError (loaders) for an unknown name, with the
    closest one; MissingExtra where a package that it needs is not installed.
    """
    entries = _entries(group)
    what = group.rpartition(".")[2]
    if name not in entries:
        raise UNKNOWN[group](
            f"there is no {what[:-1]} {name!r}", remedy=suggest(name, entries, what)
        )
    try:
        return entries[name].load()
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if not package or package in OURS or find_spec(package):
            raise
        raise missing(name, package) from error


def missing(name: str, package: str) -> MissingExtra:
    """The error for something called ``name`` that needs a package which is not installed."""
    extra = EXTRAS.get(package)
    wanted = f"'recommender[{extra}]'" if extra else package
    return MissingExtra(f"{name!r} needs the package {package!r}", remedy=f"pip install {wanted}")


def _entries(group: str) -> dict[str, EntryPoint]:
    found = {name: EntryPoint(name, value, group) for name, value in BUILT_IN[group].items()}
    for entry in entry_points(group=group):
        if entry.name in found:
            raise InvalidCatalogue(
                f"{entry.value} wants the name {entry.name!r} in {group}, which is"
                f" {found[entry.name].value}",
                remedy="Uninstall one of the two packages",
            )
        found[entry.name] = entry
    return found
