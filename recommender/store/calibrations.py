"""What similarity means in a catalogue, measured from a sample of it and kept beside it."""

from __future__ import annotations

from contextlib import suppress
from hashlib import blake2b

import numpy as np

from recommender import vectors
from recommender.calibration import MIN_ITEMS, Calibration, is_due, measured, to_json
from recommender.catalogue import vector_field
from recommender.errors import IndexNotReady, StoreFull
from recommender.store import index, packed, sampling, versions
from recommender.store.catalogues import CALIBRATION, Entry, key_of
from recommender.store.connection import Client, translated
from recommender.store.hashes import prefix_of

SAMPLE = 500
"""Items whose pairs are all compared: 124,750 pairs, whose mean is known to 0.005."""

AMONG = 5000
"""Keys that the sample is drawn from: a scan shows them in the order of their hashes."""

# Only where the catalogue is still there: it may be dropped while it is measured.
KEEP = """
if redis.call('HGET', KEYS[1], 'generation') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
if redis.call('HEXISTS', KEYS[1], ARGV[4]) == 1 then
  redis.call('HSET', KEYS[1], ARGV[4], ARGV[5])
end
return 1
"""


def measure(client: Client, entry: Entry, items: int) -> dict[str, Calibration]:
    """The calibration of each vector of a catalogue of ``items``; none where nothing can be told.

    Compares all pairs of at most 500 items; the same ones each time, up to 5,000 items.
    """
    prefix = prefix_of(entry.catalogue.name, entry.generation)
    ids = sampling.sample(client, prefix, SAMPLE, _draw, among=AMONG)
    names = list(entry.catalogue.vectors)
    fields = [vector_field(name) for name in names]
    rows = packed.asked(client, [("HMGET", prefix + id, *fields) for id in ids])
    found: dict[str, Calibration] = {}
    for number, name in enumerate(names):
        spec, dims = entry.catalogue.vectors[name], entry.stamps[name].dims
        dtype = vectors.DTYPES[spec.type]
        whole = dims * dtype.itemsize
        blobs = [row[number] for row in rows if row[number] and len(row[number]) == whole]
        stored = np.frombuffer(b"".join(blobs), dtype).reshape(len(blobs), dims)
        wide = np.float64 if dtype.itemsize == 8 else np.float32
        calibration = measured(stored.astype(wide), spec.metric, items)
        if calibration is not None:
            found[name] = calibration
    return found


def refresh(client: Client, entry: Entry, items: int | None = None) -> bool:
    """Measures where that is due (see ``calibration.is_due``), keeps it, and says whether it did.

    ``items`` is how many the catalogue has (None: the index is asked). Where Redis is full, what
    was known stays. Raises StoreError.
    """
    if items is None:
        try:
            items = index.get_state(client, entry.catalogue.name).items
        except IndexNotReady:
            return False
    if items < MIN_ITEMS:
        return False
    key = key_of(entry.catalogue.name)
    with translated():
        kept = client.hget(key, CALIBRATION)
    text = None if kept is None else kept.decode(errors="replace")
    if not is_due(text, entry.generation, items):
        return False
    found = to_json(measure(client, entry, items), entry.generation, items)
    with suppress(StoreFull), translated():
        # Another writer may be at work, who took the token away: it has to stay away till the end.
        token = (versions.WRITTEN, versions.token())
        return bool(client.eval(KEEP, 1, key, str(entry.generation), CALIBRATION, found, *token))
    return False


def _draw(id: str) -> float:
    return int.from_bytes(blake2b(id.encode(), digest_size=8).digest(), "big")
