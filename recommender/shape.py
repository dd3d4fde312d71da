"""An item as a caller writes it, ``{"id", "fields", "vectors"}``, against its catalogue."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from recommender.catalogue import PARENT, Catalogue
from recommender.errors import RecordError, brief, suggest
from recommender.items import check_id, fault_of

ID = ".id"
"""Where the converter finds the id: no field can be called so."""

KEYS = ("id", "fields", "vectors")


def by_own_names(catalogue: Catalogue) -> Catalogue:
    """The catalogue with its own names for the columns of a source, as :func:`values_of` gives."""
    fields = {
        name: spec.model_copy(update={"column": None}) for name, spec in catalogue.fields.items()
    }
    vectors = {
        name: spec if spec.column is None else spec.model_copy(update={"column": column_of(name)})
        for name, spec in catalogue.vectors.items()
    }
    return catalogue.model_copy(update={"id": ID, "fields": fields, "vectors": vectors})


def column_of(vector: str) -> str:
    """Where the converter finds a given vector: no field can be called so."""
    return f"vectors.{vector}"


def values_of(item: Any, catalogue: Catalogue) -> dict[str, Any]:
    """A whole item as values for the converter. Raises RecordError for what it cannot hold."""
    _check_object("the item", item)
    _check_names("key", item, KEYS)
    if "id" not in item:
        raise RecordError("the item has no id")
    id = checked_id(item["id"])
    parts = parts_of(item.get("fields"), item.get("vectors"), catalogue)
    own = {PARENT: id} if catalogue.passages else {}  # a document of one passage
    return {ID: id} | own | parts


def parts_of(fields: Any, vectors: Any, catalogue: Catalogue) -> dict[str, Any]:
    """Fields and given vectors, all or some, as values for the converter. Raises RecordError.

    None for either stands for none of them.
    """
    fields, vectors = {} if fields is None else fields, {} if vectors is None else vectors
    _check_object("fields", fields)
    _check_object("vectors", vectors)
    _check_names("field", fields, catalogue.fields)
    _check_names("vector", vectors, catalogue.vectors)
    for name in vectors:
        spec = catalogue.vectors[name]
        if spec.column is None:
            raise RecordError(
                f"the vector {name!r} is made by {spec.embedder}, so none can be given",
                remedy="Leave it out",
            )
    for name, value in fields.items():
        if fault := fault_of(value):
            raise RecordError(f"{name}: it {fault}")
    return {**fields, **{column_of(name): vector for name, vector in vectors.items()}}


def checked_id(value: Any) -> str:
    """An id: text, or a whole number, which stands for its digits. Raises RecordError."""
    if value is None or (isinstance(value, (str, int)) and not isinstance(value, bool)):
        return check_id(value)
    raise RecordError(f"the id is {brief(value)}, which is neither text nor a whole number")


def id_of(item: Any) -> str | None:
    """The id of an item that was refused, for its report; None where it is no id."""
    try:
        return checked_id(item["id"])
    except (RecordError, KeyError, TypeError, IndexError):
        return None


def _check_object(what: str, value: Any) -> None:
    if not isinstance(value, Mapping):
        raise RecordError(f"{what} is {brief(value)} where an object is wanted")


def _check_names(what: str, names: Iterable[Any], known: Iterable[str]) -> None:
    known = list(known)
    for name in names:
        if name not in known:
            raise RecordError(
                f"there is no {what} {brief(name)} here",
                remedy=suggest(str(name)[:100], known, f"{what}s"),
            )
