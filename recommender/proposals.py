"""Boosts worth trying on a catalogue: which its fields allow, on scales from their own spread."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from recommender.catalogue import Catalogue
from recommender.errors import UnknownField
from recommender.metrics import Floats

QUANTILES = (0.1, 0.25, 0.5, 0.75)
"""Scales of near: the distances that these shares of all pairs do not exceed."""

MAX_SEEDS = 200
"""From how many items the distances to all others are looked at."""

WIDE = 10.0
"""By ratio is tried where the middle nine tenths of the numbers span more than this factor."""

DAY, YEAR = 86_400, 365.2425
"""A number that is always whole days is a date; seconds, and days."""

MAX_NUMBER = 1e300
"""Of larger ones the distances leave the range."""

Column = Sequence[Any]
"""One value of a field for each item, None where it has none."""


def proposals(
    catalogue: Catalogue, columns: Mapping[str, Column], without: Collection[str] = ()
) -> list[str]:
    """Boosts without weights, in the order of the catalogue's fields.

    Fields of which nothing can be learned are passed over: all alike, or a serial number, or
    labels that no two items share. Raises UnknownField ("without") for a name that is no number,
    no tag and no text.
    """
    able = [name for name, spec in catalogue.fields.items() if spec.type in ("number", "tag")]
    texts = [name for name, spec in catalogue.fields.items() if spec.type == "text"]
    for name in without:
        if name not in able and name not in texts:
            raise UnknownField("without", name, [*able, *texts])
    found: list[str] = []
    for name in able:
        if name not in without:
            of_type = _of_tag if catalogue.fields[name].type == "tag" else _of_number
            found += of_type(name, columns[name])
    return found


def _of_number(name: str, column: Column) -> Iterator[str]:
    values = np.array(column, dtype=np.float64)  # None becomes NaN
    known = values[np.abs(values) <= MAX_NUMBER]
    distinct = np.unique(known)
    if len(distinct) < 2 or _is_serial(distinct, len(known)):
        return
    is_date = bool((distinct % DAY == 0).all()) and float(np.ptp(distinct)) > 30 * DAY
    for scale in _scales(known, in_days=is_date):
        yield f"near({name},{scale})"
    least, most = np.quantile(known, [0.05, 0.95])
    if distinct[0] >= 0 and most > WIDE * least and not is_date:
        for scale in _scales(np.log(known[known > 0])):
            yield f"near({name},{scale},log)"
    yield f"high({name})"
    yield f"low({name})"


def _is_serial(distinct: Floats, count: int) -> bool:
    """Whether these are whole numbers one after the other, each of one item."""
    is_whole = bool((distinct == np.floor(distinct)).all())
    return is_whole and len(distinct) == count and float(np.ptp(distinct)) < 2 * count


def _scales(values: Floats, *, in_days: bool = False) -> list[str]:
    seeds = values[:: max(1, len(values) // MAX_SEEDS)]
    distances = np.abs(seeds[:, np.newaxis] - values)
    distances = distances[distances > 0]
    if not len(distances):
        return []
    scales = np.quantile(distances, QUANTILES)
    texts = map(_duration, (scales / DAY).tolist()) if in_days else map(_readable, scales.tolist())
    return list(dict.fromkeys(texts))


def _readable(number: float) -> str:
    """The number with two digits that count, without an exponent where it can be."""
    digits = 1 - math.floor(math.log10(number))
    rounded = round(number, digits)
    return str(int(rounded)) if 1e5 <= rounded < 1e15 else f"{rounded:g}"


def _duration(days: float) -> str:
    return f"{_readable(days)}d" if days < 2 * YEAR else f"{_readable(days / YEAR)}y"


def _of_tag(name: str, column: Column) -> Iterator[str]:
    sets = [frozenset(label.lower() for label in labels or ()) for labels in column]
    counts = Counter(label for labels in sets for label in labels)
    if len(set(sets)) < 2 or max(counts.values(), default=0) < 2:
        return
    yield f"overlap({name})"
    if max(map(len, sets)) > 1 and len(set(counts.values())) > 1:
        yield f"overlap({name},idf)"
