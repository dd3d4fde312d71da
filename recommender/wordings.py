"""How good the telling words of some items fit all items: the signal of words, for a fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from recommender import fusion, lexical
from recommender.engine import Recommender
from recommender.lexical import Wording
from recommender.store import candidates, hashes, texts
from recommender.store.texts import Frequencies
from recommender.where import EVERYTHING

MAX_ROWS = 2000
"""Items at most whose words fit a seed: with the others they have least in common."""

WORDS = "words()"
"""The boost that has this signal."""


def words_signal(
    engine: Recommender, ids: Sequence[str], seeds: Sequence[int]
) -> NDArray[np.float32]:
    """What ``words()`` says of each of ``ids`` beside each seed: ``(seeds, ids)``, 0..1.

    ``seeds`` are places in ``ids``. A seed says nothing of itself.
    """
    name, prefix = engine.name, hashes.prefix_of(engine.name, engine.entry.generation).encode()
    places = {prefix + id.encode(): place for place, id in enumerate(ids)}
    frequencies, items = Frequencies(), max(engine.count(), 1)
    found = np.zeros((len(seeds), len(ids)), dtype=np.float32)
    for row, seed in enumerate(seeds):
        wording = _wording(engine, ids[seed], frequencies, items)
        if not wording:
            continue
        command = texts.command(name, wording, EVERYTHING, MAX_ROWS)
        [reply] = candidates.answers(engine.client, name, [command])
        scores = {places[key]: score for key, score in texts.found(reply) if key in places}
        scores.pop(seed, None)
        found[row, list(scores)] = fusion.shared(np.array(list(scores.values())))
    return found


def _wording(engine: Recommender, id: str, frequencies: Frequencies, items: int) -> Wording | None:
    fields: Mapping[str, object] = engine.item(id).fields
    own = lexical.seed_words(fields, engine.entry.catalogue)
    return lexical.telling(own, frequencies.of(engine.client, engine.name, list(own)), items)
