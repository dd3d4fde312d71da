"""A generation's index: made after its hashes, watched until complete, reached by an alias."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import redis
from redis.commands.search.index_definition import IndexDefinition, IndexType
from redisvl.schema import IndexSchema

from recommender.catalogue import Catalogue, FieldSpec, vector_field
from recommender.errors import IndexNotReady, StoreError
from recommender.fields import TAG_SEPARATOR
from recommender.store.connection import Client, translated
from recommender.store.hashes import WRITTEN_AT, prefix_of

SETTINGS = {"weight", "nostem", "phonetic", "separator", "casesensitive", "withsuffixtrie"}
POLL_SECONDS = 0.05
STALLED_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class IndexState:
    """What the engine says of an index.

    ``indexed`` is the part done, 0..1; ``failures`` counts hashes that it could not take, the last
    of them ``failed_key`` for ``failure``; ``memory_mb`` is the index without the hashes.
    """

    name: str
    items: int
    indexed: float
    failures: int
    failure: str
    failed_key: str
    memory_mb: float

    @property
    def is_ready(self) -> bool:
        """Whether every hash has been looked at."""
        return self.indexed >= 1.0


def index_name(catalogue: str, generation: int) -> str:
    """The index of one generation; readers use the alias, which is the catalogue's own name."""
    return f"{catalogue}:{generation}"


def create(client: Client, catalogue: Catalogue, generation: int, dims: Mapping[str, int]) -> bool:
    """Creates the generation's index, which the engine then fills in the background.

    False where it is there already.
    """
    fields = _schema(catalogue, generation, dims).redis_fields
    definition = IndexDefinition(
        prefix=[prefix_of(catalogue.name, generation)], index_type=IndexType.HASH
    )
    with translated():
        try:
            client.ft(index_name(catalogue.name, generation)).create_index(
                fields, definition=definition, stopwords=[]
            )
        except redis.ResponseError as error:
            if isinstance(error, redis.OutOfMemoryError):
                raise
            if "already exists" not in str(error):
                raise StoreError(f"the index of {catalogue.name!r} was refused: {error}") from error
            return False
    return True


def wait(client: Client, name: str, on_progress: Callable[[IndexState], None]) -> IndexState:
    """Returns when the index ``name`` is complete; tells ``on_progress`` about the way there.

    Raises StoreError when it stands still, as it does where Redis has no memory left.
    """
    last, since = -1.0, time.monotonic()
    while True:
        state = get_state(client, name)
        on_progress(state)
        if state.is_ready:
            return state
        if state.indexed > last:
            last, since = state.indexed, time.monotonic()
        elif time.monotonic() - since > STALLED_SECONDS:
            raise StoreError(
                f"the index {name!r} has stood at {last:.0%} for {STALLED_SECONDS:.0f} s",
                remedy="See Redis's own log and memory, then load again: it goes on from there",
            )
        time.sleep(POLL_SECONDS)


def get_state(client: Client, name: str) -> IndexState:
    """The state of an index or alias. Raises IndexNotReady where there is none."""
    with translated():
        try:
            raw = client.execute_command("FT.INFO", name)
        except redis.ResponseError as error:
            if not _is_unknown(error):
                raise
            raise IndexNotReady(
                f"the catalogue {name.partition(':')[0]!r} has no index yet",
                remedy="Its first load is still running, or was cut off: load it (again)",
            ) from error
    info = _pairs(raw)
    errors = _pairs(info.get("Index Errors", []))
    return IndexState(
        name=_text(info["index_name"]),
        items=int(float(info["num_docs"])),
        indexed=float(info["percent_indexed"]),
        failures=int(float(info.get("hash_indexing_failures", 0))),
        failure=_text(errors.get("last indexing error", "")),
        failed_key=_text(errors.get("last indexing error key", "")),
        memory_mb=round(
            float(info.get("total_index_memory_sz_mb", 0)) + float(info["vector_index_sz_mb"]), 2
        ),
    )


def publish(client: Client, catalogue: str, generation: int) -> None:
    """Points the catalogue's alias at the generation's index, at once for every reader."""
    target = index_name(catalogue, generation)
    with suppress(IndexNotReady):
        if get_state(client, catalogue).name == target:
            return
    with translated():
        client.execute_command("FT.ALIASUPDATE", catalogue, target)


def drop(client: Client, catalogue: str, generation: int) -> None:
    """Removes the alias and the generation's index, by its own name; the hashes stay."""
    with translated():
        for command in (
            ("FT.ALIASDEL", catalogue),
            # FT.DROPINDEX follows aliases: only the index's own name is ever given to it.
            ("FT.DROPINDEX", index_name(catalogue, generation)),
        ):
            try:
                client.execute_command(*command)
            except redis.ResponseError as error:
                if not _is_unknown(error):
                    raise


def _schema(catalogue: Catalogue, generation: int, dims: Mapping[str, int]) -> IndexSchema:
    fields: list[dict[str, Any]] = [{"name": WRITTEN_AT, "type": "numeric"}]
    for name, field in sorted(catalogue.fields.items(), key=_place):
        attributes: dict[str, Any] = {}
        if field.type == "stored":
            continue
        if field.type == "tag":
            attributes["separator"] = TAG_SEPARATOR
        if field.type == "text":
            attributes["weight"] = field.weight
        if field.type == "number":
            # Else sorting and formulas read it from every hash, which takes four times as long.
            attributes["sortable"] = True
        kind = "numeric" if field.type == "number" else field.type
        fields.append({"name": name, "type": kind, "attrs": attributes})
    for name, vector in catalogue.vectors.items():
        attributes = {
            "algorithm": vector.index,
            "dims": dims[name],
            "distance_metric": vector.metric,
            "datatype": vector.type,
        }
        fields.append({"name": vector_field(name), "type": "vector", "attrs": attributes})
    index = {
        "name": index_name(catalogue.name, generation),
        "prefix": prefix_of(catalogue.name, generation),
        "storage_type": "hash",
    }
    return IndexSchema.from_dict({"index": index, "fields": fields})


def _place(named: tuple[str, FieldSpec]) -> bool:
    """First those named like a setting: the engine takes ``weight`` after a text for its weight."""
    return named[0].lower() not in SETTINGS


def _is_unknown(error: redis.ResponseError) -> bool:
    text = str(error).lower()
    return "no such index" in text or "unknown index" in text or "does not exist" in text


def _pairs(raw: Any) -> dict[str, Any]:
    if isinstance(raw, Mapping):
        return {_text(key): value for key, value in raw.items()}
    return {_text(key): value for key, value in zip(raw[::2], raw[1::2], strict=True)}


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
