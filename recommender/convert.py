"""A record of a source -> what Redis keeps of it, and what has to be embedded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender import vectors
from recommender.catalogue import Catalogue
from recommender.errors import InvalidVector, RecordError
from recommender.fields import KINDS, as_text, is_missing
from recommender.items import check_id, digest, encode
from recommender.template import Template

KNOWN_VALUES, KNOWN_CHARS = 2000, 60
"""How many converted values of a field are remembered, and how long they may be."""


@dataclass(slots=True)  # not frozen: that would triple the time to make one
class Prepared:
    """An item before its vectors are known.

    ``fields`` are its hash fields and ``missing`` the catalogue's fields it has no value for;
    ``texts`` are to be embedded, ``given`` came with the record; ``embedded`` is the digest of
    both: while it stays the same, so do the vectors. It is empty where no text is embedded: then a
    vector costs nothing but its writing.
    """

    id: str
    fields: Mapping[str, bytes]
    missing: list[str]
    texts: Mapping[str, str]
    given: Mapping[str, NDArray[Any]]
    embedded: str


class _Field:
    """One field of the catalogue, with the conversions of the values that come again and again."""

    def __init__(self, name: str, catalogue: Catalogue) -> None:
        spec = catalogue.fields[name]
        self.name = name
        self.column = catalogue.column(name)
        self._separator = spec.separator
        self._kind = KINDS[spec.type]
        self._known: dict[str, tuple[bytes, str] | None] = {}

    def convert(self, raw: Any) -> tuple[bytes, str] | None:
        """The value as Redis keeps it and as a template shows it, None where it is missing.

        Raises RecordError naming the field.
        """
        if type(raw) is not str or len(raw) > KNOWN_CHARS:
            return self._convert(raw)
        if raw not in self._known:
            if len(self._known) >= KNOWN_VALUES:
                self._known.clear()
            self._known[raw] = self._convert(raw)
        return self._known[raw]

    def _convert(self, raw: Any) -> tuple[bytes, str] | None:
        try:
            value = None if is_missing(raw) else self._kind.parse(raw, self._separator)
            return None if value is None else (self._kind.pack(value), as_text(value))
        except RecordError as error:
            error.message = f"{self.name}: {error.message}"
            raise
        except RecursionError as error:
            raise RecordError(f"{self.name}: it nests too deeply") from error


class Converter:
    """Turns the records of one source into items of one catalogue."""

    def __init__(self, catalogue: Catalogue, dims: Mapping[str, int]) -> None:
        self._catalogue = catalogue
        self._dims = dims
        self._state = blake2b(digest_size=16, key=catalogue.fields_digest())
        self._fields = [_Field(name, catalogue) for name in catalogue.fields]
        self._templates = {
            name: Template(spec.template)
            for name, spec in catalogue.vectors.items()
            if spec.template is not None
        }
        self._given = {
            name: spec.column for name, spec in catalogue.vectors.items() if spec.column is not None
        }
        self._plain_columns = [field.column for field in self._fields]
        self.columns = self._plain_columns + list(self._given.values())
        """The source's columns that are used, beside the id."""

    def id_of(self, values: Mapping[str, Any]) -> str:
        """The record's id as text. Raises RecordError for none, or one that cannot be an id."""
        try:
            return check_id(values.get(self._catalogue.id))
        except RecordError as error:
            error.message = f"{error.message} (column {self._catalogue.id!r})"
            raise

    def digest_of(self, values: Mapping[str, Any]) -> str:
        """Changes when the record, or what the catalogue makes of it, changes.

        It is taken from the source's own values, so that an unchanged record costs nothing more.
        """
        try:
            state = self._state.copy()
            if self._plain_columns:
                used = repr([_plain(values.get(column)) for column in self._plain_columns])
                state.update(used.encode(errors="surrogatepass"))
            for column in self._given.values():
                state.update(_bytes_of(values.get(column)))
        except (ValueError, RecursionError) as error:  # thousands of digits, a bottomless list
            raise RecordError("a value is too long or too deep to be kept") from error
        return state.hexdigest()

    def prepare(self, id: str, values: Mapping[str, Any]) -> Prepared:
        """Everything about the item but its vectors. Raises RecordError naming the field."""
        packed: dict[str, bytes] = {}
        words: dict[str, str] = {}
        missing: list[str] = []
        for field in self._fields:
            found = field.convert(_plain(values.get(field.column)))
            if found is None:
                missing.append(field.name)
            else:
                packed[field.name], words[field.name] = found
        texts = self._texts(words) if self._templates else {}
        given = {
            name: self._vector(name, values.get(column)) for name, column in self._given.items()
        }
        return Prepared(id, packed, missing, texts, given, self._digest(texts, given))

    def texts_of(self, values: Mapping[str, Any]) -> dict[str, str]:
        """What would be embedded, by the vector's name. Raises RecordError naming the field."""
        found = {
            field.name: field.convert(_plain(values.get(field.column))) for field in self._fields
        }
        return self._texts({name: pair[1] for name, pair in found.items() if pair})

    def _digest(self, texts: Mapping[str, str], given: Mapping[str, NDArray[Any]]) -> str:
        if not self._templates:
            return ""
        sources = {name: encode(text) for name, text in texts.items()}
        sources |= {name: vector.tobytes() for name, vector in given.items()}
        return digest(sources)

    def _texts(self, words: Mapping[str, str]) -> dict[str, str]:
        texts = {name: template.render(words) for name, template in self._templates.items()}
        for name, text in texts.items():
            if not text:
                fields = ", ".join(self._templates[name].fields)
                raise RecordError(f"there is nothing to embed: {fields} have no value")
        return texts

    def _vector(self, name: str, value: Any) -> NDArray[Any]:
        """One vector ``(dims,)``; whether its numbers are finite is looked at for many at once."""
        wanted = (self._dims[name],)
        if isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.shape == wanted:
            return value
        column = self._given[name]
        if is_missing(value):
            raise RecordError(f"{column}: the vector is missing")
        try:
            return vectors.check(parse_vector(value), self._dims[name])
        except InvalidVector as error:
            raise RecordError(f"{column}: {error}") from error


def _bytes_of(vector: Any) -> Any:
    """The bytes (or what has them) that tell a source's vector from another one, whatever it is."""
    if isinstance(vector, (list, tuple)):
        with suppress(ValueError, OverflowError):
            vector = np.asarray(vector)
    if isinstance(vector, np.ndarray) and vector.dtype.kind in "iuf":
        return vector if vector.flags.c_contiguous else vector.tobytes()
    return repr(_plain(vector)).encode(errors="surrogatepass")


def _plain(value: Any) -> Any:
    """A value of numpy as Python's own: its ``repr`` is cut short and no JSON."""
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


def parse_vector(value: Any) -> Any:
    """A source's vector: a list, or text that is one in JSON. None where it is neither."""
    try:
        numbers = json.loads(value) if isinstance(value, str) else _plain(value)
    except (ValueError, RecursionError):
        return None
    return numbers if isinstance(numbers, (list, tuple)) else None
